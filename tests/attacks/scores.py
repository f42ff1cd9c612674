"""How well an attack tells the right original from the wrong ones. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """`auc` is the chance that the right one scores higher than a wrong one: 0.5 is a guess, 1 is certain. `error` is
    its standard error. `first` of `of` were named right at once; by guessing `of` / candidates would be."""

    auc: float
    error: float
    first: float
    of: int
    candidates: int

    @property
    def at_chance(self) -> bool:
        """Within three standard errors of a guess (an error of at least half a percent is granted)."""
        return abs(self.auc - 0.5) <= 3 * max(self.error, 0.005)


def judge(scores: F64) -> Result:
    """`scores[i, j]`: how well output i matches original j; the right one is on the diagonal. Ties count half.

    AUC as the mean rank of the right one among all (Mann and Whitney 1947), its error from the spread of the ranks.
    """
    right = np.diagonal(scores)[:, None]
    wrong = ~np.eye(len(scores), dtype=bool)
    below = ((scores < right) & wrong).sum(1) + 0.5 * ((scores == right) & wrong).sum(1)
    ranks = below / (len(scores) - 1)
    best = scores.max(1)
    first = ((np.diagonal(scores) == best) / (scores == best[:, None]).sum(1)).sum()
    return Result(float(ranks.mean()), float(ranks.std(ddof=1) / np.sqrt(len(ranks))), float(first), len(scores),
                  len(scores))

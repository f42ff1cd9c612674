"""The result of a bench as a table: what was tried, whether it held, what was seen. Pure."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result."""

    what: str
    held: bool
    seen: str


def contract_rows(junit_xml: str) -> list[Row]:
    """One row for each adapter under its port's contract, out of pytest's report. A run without tests is a failure."""
    counts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case in ElementTree.fromstring(junit_xml).iter("testcase"):
        named = {item.get("name", ""): item.get("value", "") for item in case.iter("property")}
        good = all(case.find(bad) is None for bad in ("failure", "error", "skipped"))
        counts[named.get("port", "?"), named.get("adapter", case.get("classname", "?"))].append(good)
    if not counts:
        return [Row("contract suite", False, "no test was run")]
    return [Row(f"contract: {port}, {adapter}", all(results), f"{sum(results)} of {len(results)} passed")
            for (port, adapter), results in sorted(counts.items())]


def as_table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = ["| what | held | seen |", "|---|---|---|"]
    lines += [f"| {row.what} | {'yes' if row.held else '**NO**'} | {row.seen} |" for row in rows]
    return "\n".join(lines)


def passed(rows: Sequence[Row]) -> bool:
    """Whether there is a result and all of it held."""
    return bool(rows) and all(row.held for row in rows)

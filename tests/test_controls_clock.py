"""One contract for both clocks: order by monotonic time, whatever happens to the wall clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hw.ports import Clock
from hw.sim.clock import SimClock, SystemClock


def _sim() -> tuple[Clock, Callable[[float], None]]:
    clock = SimClock()
    return clock, clock.advance


def _system() -> tuple[Clock, Callable[[float], None]]:
    return SystemClock(), time.sleep


@pytest.fixture(params=[_sim, _system])
def made(request: pytest.FixtureRequest) -> tuple[Clock, Callable[[float], None]]:
    return request.param()  # type: ignore[no-any-return]


def test_time_passes_on_both_scales(made: tuple[Clock, Callable[[float], None]]) -> None:
    clock, wait = made
    monotonic, wall = clock.monotonic_ns(), clock.unix_s()
    wait(0.05)
    assert clock.monotonic_ns() - monotonic >= 49_000_000
    assert clock.unix_s() - wall >= 0.04


def test_a_wall_clock_that_is_set_back_changes_no_order() -> None:
    clock = SimClock()
    before = clock.monotonic_ns()
    clock.set_wall(0.0)
    clock.advance(0.001)
    assert clock.monotonic_ns() > before
    assert clock.unix_s() == pytest.approx(0.001)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)

"""`pytest --bench bench.toml`: adds the contract classes of the adapters that the file names. Loaded by conftest.py."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from typing import Any

import pytest

from firmware.errors import ConfigError
from hil.bench_file import Bench, load

BENCH = pytest.StashKey[Bench | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bench", metavar="BENCH_TOML", default=None,
                     help="also run the contract suite over the adapters that this file names")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bench: runs over an adapter that bench.toml names")
    path = config.getoption("--bench")
    try:
        config.stash[BENCH] = load(path) if path else None
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> list[Any] | None:
    """A class that names a bench's table is collected only when the bench has it; all else as always."""
    if inspect.isclass(obj) and hasattr(obj, "bench"):
        bench = collector.config.stash[BENCH]
        if bench is None or bench.settings_of(obj.bench) is None:
            return []
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    made_of = getattr(item, "cls", None)
    if made_of is None or not hasattr(made_of, "bench"):
        return
    item.add_marker("bench")
    bench = item.config.stash[BENCH]
    assert bench is not None
    item.user_properties += [("port", made_of.port), ("adapter", made_of.adapter), ("ran_on", bench.ran_on)]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On a bench nothing is skipped: what the file names is there and is tried, or the run has failed."""
    report = yield
    if report.skipped and item.get_closest_marker("bench"):
        report.outcome, report.longrepr = "failed", f"skipped on a bench: {report.longrepr}"
    return report


@pytest.fixture
def bench_table(request: pytest.FixtureRequest) -> Any:
    """The settings of this class's adapter, out of bench.toml."""
    bench = request.config.stash[BENCH]
    assert bench is not None
    return bench.settings_of(request.cls.bench)

"""Writes the table of ports, adapters and what they ran on into docs/hardware.md: python -m tests.contract.table."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "hardware.md"
BEGIN, END = "<!-- contract table: begin -->", "<!-- contract table: end -->"


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One adapter under its port's contract. `bench` is its table in bench.toml, "" when every test run tries it."""

    port: str
    bench: str
    adapter: str
    ran_on: str


def rows() -> list[Row]:
    """Every contract class there is, by importing tests/test_contract_*.py. Raises AttributeError for a class that does
    not state its port, adapter and ran_on."""
    found = []
    for path in sorted((ROOT / "tests").glob("test_contract_*.py")):
        module = importlib.import_module(f"tests.{path.stem}")
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == module.__name__ and is_contract(thing):
                found.append(Row(thing.port, getattr(thing, "bench", ""), thing.adapter, thing.ran_on))
    return sorted(found)


def is_contract(made_of: type) -> bool:
    """Whether a class tries an adapter: it is a subclass of a `<Port>Contract` of tests/contract/."""
    return any(base.__module__.startswith("tests.contract.") and base.__name__.endswith("Contract")
               for base in made_of.__mro__)


def table() -> str:
    """The rows in Markdown."""
    lines = ["| port | adapter | tried by | ran on |", "|---|---|---|---|"]
    for row in rows():
        by = f"`--bench`, `[{row.bench}]`" if row.bench else "`make test`"
        lines.append(f"| {row.port} | `{row.adapter}` | {by} | {row.ran_on} |")
    return "\n".join(lines)


def filled(document: str) -> str:
    """The document with the table between its markers. Raises ValueError without the markers."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")

"""The threat model names tests; each of them must be there, and each row must name one or say that nothing does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
HEADS = ("| attack", "| what happens")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(HEADS)]
NAMED = sorted(set(re.findall(r"`(tests/\w+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda text: str(text))
def test_every_named_test_is_there(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_claim_names_its_test_or_says_that_nothing_stops_it() -> None:
    claims = [row for row in ROWS if PAGE.index(row) > PAGE.index("## What stops them")]
    assert len(claims) > 20
    for row in claims:
        assert "tests/" in row or "(not stopped" in row, row

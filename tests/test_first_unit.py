"""The pages that lead to a first unit: every command and option in them exists, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from firmware.cli.main import app

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = ["first-unit.md", "integrator.md"]


def commands(text: str) -> list[list[str]]:
    """The words of each `scrubcam ...` in lines of commands and in quotes."""
    lines = re.findall(r"^    (?:# )?(scrubcam .*)$", text, re.MULTILINE)
    lines += re.findall(r"`(?:# )?(scrubcam [^`]*)`", text)
    return [re.split(r"\s{2,}", line)[0].replace("$C", "--config FILE").split()[1:] for line in lines]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_exists_with_its_options(page: str) -> None:
    found = commands((DOCS / page).read_text(encoding="utf-8"))
    assert found
    for words in found:
        command = typer.main.get_command(app)
        rest = list(words)
        while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
            assert rest[0] in command.commands, f"there is no scrubcam {' '.join(words)}"
            command = command.commands[rest.pop(0)]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in rest:
            if word.startswith("-") and not word.startswith("..."):
                assert word in known, f"scrubcam {' '.join(words)}: no option {word}"


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", text):
        assert not target or (DOCS / target).exists(), target

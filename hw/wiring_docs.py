"""Writes the drawings and tables of docs/wiring.md out of hw/boards/: python -m hw.wiring_docs."""

from __future__ import annotations

from pathlib import Path

from firmware.config_docs import section_tables
from hw.board_definition import BoardDefinition, names, read_definition
from hw.wiring import pins, rows
from hw.wiring_svg import drawing

PAGE = "docs/wiring.md"
BEGIN, END = "<!-- made by python -m hw.wiring_docs: begin -->", "<!-- made by python -m hw.wiring_docs: end -->"


def documents(page: str) -> dict[str, str]:
    """Path below the source folder -> text; `page` is docs/wiring.md as it is now. ValueError without its markers."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    drawn = {name: definition for name in names() if (definition := read_definition(name)).board.kind != "sim"}
    found = {f"docs/wiring/{name}.svg": drawing(definition) for name, definition in drawn.items() if pins(definition)}
    parts = [_board(name, definition) for name, definition in drawn.items()]
    parts.append("## Settings of a board definition\n\nEvery setting has a default; a file names only what differs.\n")
    parts.append("\n".join(f"##{line}" if line.startswith("## ") else line
                           for line in section_tables(BoardDefinition)).replace("####", "###").strip())
    return {PAGE: f"{before}{BEGIN}\n\n" + "\n".join(parts) + f"\n\n{END}{after}", **found}


def _board(name: str, definition: BoardDefinition) -> str:
    lines = [f"## `{name}`: {definition.board.title}\n",
             *([f"![Wiring of {name}](wiring/{name}.svg)\n"] if pins(definition) else []),
             "| pin | what | |\n|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows(definition))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path, text in documents(Path(PAGE).read_text(encoding="utf-8")).items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")

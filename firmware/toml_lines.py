"""Finds the line of every key in a TOML text. Only for error messages: what the text means is tomllib's word alone."""

from __future__ import annotations

import importlib
import re
import sys
from bisect import bisect_right
from typing import Any

# tomllib came with Python 3.11; tomli is the same parser for 3.10.
tomllib: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

KeyPath = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
_STRING = re.compile(
    "|".join((
        r'"""(?:\\.|[^\\])*?"""(?:"(?:")?)?',  # up to two quotes may stand before the closing three
        r"'''.*?'''(?:'(?:')?)?",
        r'"(?:\\.|[^"\\\n])*"',
        r"'[^'\n]*'",
    )),
    re.DOTALL,
)


class _Lost(Exception):
    """The text is not what this scanner expects; the lines found so far stand."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """The first line (from 1) of each table and key in `text`, by its full path; never raises.

    What is in the n-th `[[a.b]]` is noted twice, as ("a", "b", key) and as ("a", "b", "n", key), n from 0.

    `text` should parse as TOML; with one that does not, the answer holds what came before the trouble.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    try:
        scanner.document()
    except (_Lost, RecursionError):
        pass
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def document(self) -> None:
        table: KeyPath = ()
        element: KeyPath = ()
        while True:
            self._skip(_BLANK_LINES)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                listed = self.text.startswith("[[", self.at)
                start = self.at
                self.at += 2 if listed else 1
                table = self._key(())
                self._skip(re.compile(r"[ \t]*\]\]?"))
                element = self._next_element(table, start) if listed else ()
            else:
                self._pair(table, element)

    def _next_element(self, table: KeyPath, start: int) -> KeyPath:
        number = self._elements.get(table, 0)
        self._elements[table] = number + 1
        element = (*table, str(number))
        self.lines.setdefault(element, bisect_right(self._starts, start))
        return element

    def _pair(self, table: KeyPath, element: KeyPath = ()) -> None:
        start = self.at
        path = self._key(table)
        if element:
            self.lines.setdefault((*element, *path[len(table) :]), bisect_right(self._starts, start))
        self._expect("=")
        self._value(path)

    def _key(self, table: KeyPath) -> KeyPath:
        """A dotted key; notes the line of each of its parts."""
        path = table
        while True:
            self._skip(_BLANK)
            start = self.at
            found = _BARE.match(self.text, start) or _STRING.match(self.text, start)
            if not found:
                raise _Lost
            part = found.group()
            path = (*path, tomllib.loads("k=" + part)["k"] if part[0] in "\"'" else part)
            self.lines.setdefault(path, bisect_right(self._starts, start))
            self.at = found.end()
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return path
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        self._skip(_BLANK)
        if self.text.startswith("{", self.at):
            self._inline_table(path)
        elif self.text.startswith("[", self.at):
            self._array()
        else:
            self._skip(_STRING if self.text[self.at : self.at + 1] in ('"', "'") else _SCALAR)

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self._skip(_BLANK_LINES)
            if self.text.startswith("}", self.at):
                self.at += 1
                return
            self._pair(path)
            self._skip(_BLANK_LINES)
            if self.text.startswith(",", self.at):
                self.at += 1

    def _array(self) -> None:
        """Over a whole array; keys of tables inside it are not noted (no setting is a list of tables)."""
        depth = 0
        while True:
            self._skip(_BLANK_LINES)
            here = self.text[self.at : self.at + 1]
            if here in ('"', "'"):
                self._skip(_STRING)
                continue
            self._expect(here)
            depth += (here in "[{") - (here in "]}")
            if depth == 0:
                return

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        if not found:
            raise _Lost
        self.at = found.end()

    def _expect(self, mark: str) -> None:
        if not mark or not self.text.startswith(mark, self.at):
            raise _Lost
        self.at += 1

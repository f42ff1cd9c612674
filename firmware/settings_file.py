"""Reads a TOML file of typed sections. Every mistake is a ConfigError that names the line, the value and the range.

What the sections are (a struct of structs) and which rules span them is told from outside: `Form`.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from firmware.config_words import MAX_INT, Broken, allowed, cut, key_text, shown, suggestion, table_of, unknown_section
from firmware.errors import ConfigError
from firmware.toml_lines import KeyPath, key_lines, tomllib

MAX_FILE_BYTES = 1 << 20
MAX_PROBLEMS_SHOWN = 10

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """One kind of settings file: `top` has a field for each section, `broken_rules` what spans several settings.

    `called` is the word for such a file, `todo` where its settings are explained, `example` where one is found;
    `now_written` tells, by "section.key", what to write instead of a form that an earlier version took.
    """

    top: type[T]
    broken_rules: Callable[[T], Sequence[Broken]]
    called: str
    todo: str
    example: str
    now_written: Mapping[str, str] = field(default_factory=dict)


def load(form: Form[T], path: str | os.PathLike[str]) -> T:
    """The settings in the file `path`. Raises ConfigError, also when the file cannot be read."""
    name = os.fspath(path)
    return loads(form, _read(form, name), name)


def loads(form: Form[T], text: str, name: str) -> T:
    """The settings in `text`; `name` is what the errors call it.

    Raises ConfigError: each problem as "name:line: section.key = value: allowed ...", at most ten of them.
    """
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise _error(form, name, [_Problem(1, "nested too deeply")]) from None
    except ValueError as error:  # TOMLDecodeError, or a number too long for int()
        raise _error(form, name, [_syntax_problem(text, str(error))]) from None
    reading = _Reading(form, key_lines(text))
    settings = reading.settings(document)
    if reading.problems:
        raise _error(form, name, reading.problems)
    return settings


@dataclass(frozen=True, slots=True, order=True)
class _Problem:
    line: int
    text: str


@dataclass(slots=True)
class _Reading(Generic[T]):
    """One pass over a parsed file, gathering problems instead of stopping at the first."""

    form: Form[T]
    lines: dict[KeyPath, int]
    problems: list[_Problem] = field(default_factory=list)

    def settings(self, document: dict[str, Any]) -> T:
        """The whole; a setting with a problem keeps its default so that the rest can still be checked."""
        sections = {section.name: section.type for section in msgspec.structs.fields(self.form.top)}
        good: dict[str, Any] = {}
        bad: set[str] = set()
        for name, table in document.items():
            if name not in sections:
                self._add((name,), unknown_section(self.form.top, name, is_table=isinstance(table, dict)))
            elif not isinstance(table, dict):
                self._add((name,), f"{key_text(name)} = {shown(table)}: a table is expected, written [{name}]")
            else:
                good[name] = self._section(name, sections[name], table, bad)
        settings = self.form.top(**good)
        for rule in self.form.broken_rules(settings):
            if not bad.intersection(".".join(key.split(".")[:2]) for key in rule.keys):
                self._add_rule(settings, rule.keys, rule.text)
        return settings

    def _section(self, name: str, cls: type, table: dict[str, Any], bad: set[str]) -> Any:
        fields = {item.name: item.type for item in msgspec.structs.fields(cls)}
        good: dict[str, Any] = {}
        for key, value in table.items():
            if key not in fields:
                self._add((name, key), f"{name}.{key_text(key)}: no such setting"
                          + suggestion(self.form.top, key, name))
                continue
            table_type = table_of(fields[key])
            if table_type is not None and isinstance(value, list) and all(isinstance(item, dict) for item in value):
                good[key] = self._tables((name, key), table_type, value, bad)
                continue
            try:
                _check_plain(value)
                good[key] = msgspec.convert(value, fields[key])
            except (msgspec.ValidationError, ValueError):
                bad.add(f"{name}.{key}")
                told = f"{name}.{key} = {shown(value)}: allowed {allowed(f'{name}.{key}', fields[key])}"
                told += self.form.now_written.get(f"{name}.{key}", "")
                self._add((name, key), told)
        return cls(**good)

    def _tables(self, path: KeyPath, cls: type[msgspec.Struct], tables: list[dict[str, Any]], bad: set[str]) -> Any:
        """The elements of [[section.key]] that hold; any that does not makes the whole setting bad."""
        fields = {item.name: item.type for item in msgspec.structs.fields(cls)}
        needed = [item.name for item in msgspec.structs.fields(cls) if item.required]
        elements = []
        for number, table in enumerate(tables):
            told = len(self.problems)
            here, called = (*path, str(number)), f"{'.'.join(path)}[{number}]"
            good = {}
            for key, value in table.items():
                if key not in fields:
                    self._add((*here, key), f"{called}.{key_text(key)}: no such setting; known here are "
                              + ", ".join(fields))
                    continue
                try:
                    _check_plain(value)
                    good[key] = msgspec.convert(value, fields[key])
                except (msgspec.ValidationError, ValueError):
                    self._add((*here, key), f"{called}.{key} = {shown(value)}: allowed {allowed(key, fields[key])}")
            missing = [key for key in needed if key not in table]
            if missing:
                self._add(here, f"{called}: {', '.join(missing)} must be given too")
            if len(self.problems) > told:
                bad.add(".".join(path))
            else:
                elements.append(cls(**good))
        return elements

    def _add(self, path: KeyPath, text: str) -> None:
        self.problems.append(_Problem(self._line(path), text))

    def _add_rule(self, settings: T, keys: tuple[str, ...], text: str) -> None:
        paths = [tuple(key.split(".")) for key in keys]
        written = [path for path in paths if path in self.lines]
        values = ", ".join(_told(settings, path) for path in paths)
        line = max((self.lines[path] for path in written), default=self._line(paths[0]))
        self.problems.append(_Problem(line, f"{values}: {text}"))

    def _line(self, path: KeyPath) -> int:
        return next((self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), 1)


def _check_plain(value: Any) -> None:
    """Raises ValueError for what TOML allows and no setting can mean: inf, nan, giant numbers, control characters."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not finite")
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueError("too large")
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("control characters")
    if isinstance(value, list):
        for item in value:
            _check_plain(item)


def _told(settings: msgspec.Struct, path: KeyPath) -> str:
    """A setting and its value, as "section.key = value"; an element of a list of tables by its first setting."""
    value = getattr(getattr(settings, path[0]), path[1])
    if len(path) > 2:
        return f"{path[0]}.{path[1]}[{path[2]}] ({msgspec.structs.astuple(value[int(path[2])])[0]})"
    return f"{path[0]}.{path[1]} = {shown(value)}"


def _syntax_problem(text: str, message: str) -> _Problem:
    found = re.search(r"\s*\(at line (\d+), column \d+\)", message)
    if found:
        return _Problem(int(found.group(1)), f"not TOML: {message[: found.start()]}")
    last_line = max(1, text.count("\n") + (not text.endswith("\n")))
    return _Problem(last_line, f"not TOML: {cut(message.replace(' (at end of document)', ', at the end'), 120)}")


def _error(form: Form[T], name: str, problems: list[_Problem]) -> ConfigError:
    shown = [f"{name}:{problem.line}: {problem.text}" for problem in sorted(problems)[:MAX_PROBLEMS_SHOWN]]
    if len(problems) > MAX_PROBLEMS_SHOWN:
        shown.append(f"and {len(problems) - MAX_PROBLEMS_SHOWN} more")
    return ConfigError(";\n".join(shown), meaning="Nothing was started", todo=f"correct the file; {form.todo}")


def _read(form: Form[T], name: str) -> str:
    """The file's text. Raises ConfigError with what is wrong with the file itself."""
    try:
        if not stat.S_ISREG(os.stat(name).st_mode):  # a pipe would wait for ever, a directory has no text
            raise _unreadable(form, name, "not a regular file")
        with Path(name).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unreadable(form, name, getattr(error, "strerror", None) or str(error)) from None
    if len(data) > MAX_FILE_BYTES:
        raise _unreadable(form, name, f"larger than {MAX_FILE_BYTES} bytes, so not a {form.called}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(form, name, [_Problem(line, "not UTF-8 text")]) from None


def _unreadable(form: Form[T], name: str, why: str) -> ConfigError:
    return ConfigError(f"{name}: cannot read the {form.called}: {why}", meaning="Nothing was started",
                       todo=form.example)

"""The tables of docs/controls.md, made from the data that the recorder itself goes by.

`python -m firmware.recorder.controls_docs` prints them; a test compares them with the page.
"""

from __future__ import annotations

from collections.abc import Iterable

from firmware.recorder.fault_groups import GROUPS
from firmware.recorder.looks import LOOKS
from firmware.recorder.sounder import WARNS
from hw.light_patterns import PATTERNS
from hw.ports import LightPattern
from hw.tones import TONES

STRIP_STEP_S = 0.2
_TONE_WORDS = {
    "accepted": "the press was taken: a recording (or the self-test) is being started",
    "start": "the first sealed bytes are on the disk",
    "stop": "stopping", "bookmark": "a bookmark was set", "pause": "privacy pause", "resume": "the pause is over",
    "refused": "what was asked is refused", "warning": "look at the lights: something is wrong",
}


def tables() -> dict[str, str]:
    """Name of each table -> its Markdown."""
    return {"looks": looks(), "faults": faults(), "tones": tones()}


def looks() -> str:
    """What the two lights show."""
    return _table(("look", "record light", "ready light", "means"), (
        (name, _pattern(look.record), _pattern(look.ready), look.meaning) for name, look in LOOKS.items()))


def faults() -> str:
    """The numbers of the faults."""
    return _table(("short flashes", "group", "faults that begin with", "what to do"), (
        (str(number), group.name, ", ".join(f"`{code}:`" for code in sorted(group.codes)) or "anything else",
         group.todo)
        for number, group in GROUPS.items()))


def tones() -> str:
    """The tones, `.` short and `-` long, with their pitches."""
    return _table(("tone", "rhythm", "pitch", "means", "silenced"), (
        (name, " ".join("." if step.seconds < 0.2 else "-" for step in steps if step.frequency_hz),
         ", ".join(f"{step.frequency_hz} Hz" for step in steps if step.frequency_hz), _TONE_WORDS[name],
         "only where the site says so" if name in WARNS else "by volume 0")
        for name, steps in TONES.items()))


def strip(pattern: LightPattern) -> str:
    """One round of a pattern, a character for each 0.2 s: `#` lit, `.` dark."""
    return "".join(("#" if lit else ".") * round(seconds / STRIP_STEP_S) for lit, seconds in PATTERNS[pattern])


def _pattern(pattern: LightPattern) -> str:
    return pattern if len(PATTERNS[pattern]) == 1 else f"{pattern} `{strip(pattern)}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines).replace("| --- ", "|---") + "\n"


if __name__ == "__main__":
    for title, text in tables().items():
        print(f"<!-- {title} -->\n{text}")

"""A hand at a bench's contacts that is a command: a relay box's program, or a person who is asked (person_hand.py)."""

from __future__ import annotations

import shlex
import subprocess

HAND_S = 300.0


class CommandHand:
    """Runs `command VERB LINE` for each move, and goes on when it has ended. Raises CalledProcessError when it fails.

    Lines are "pedal" and "privacy". `cut` opens all of a line's wires, `crush` joins them; `mend` undoes either.
    """

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)

    def press(self, line: str) -> None:
        self._move("press", line)

    def release(self, line: str) -> None:
        self._move("release", line)

    def cut(self, line: str) -> None:
        self._move("cut", line)

    def crush(self, line: str) -> None:
        self._move("crush", line)

    def mend(self, line: str) -> None:
        self._move("mend", line)

    def _move(self, verb: str, line: str) -> None:
        subprocess.run([*self._command, verb, line], check=True, timeout=HAND_S)

"""A simulated board: pedal and privacy contacts that bounce, lights and a sounder that remember what they showed.

Lives inside the recorder process like the real pins do, and is driven only from outside the wire: through the Unix
socket `<run_dir>/board.sock` (board_wire.py), or by the methods of the same names in a test. It must not know what a
press means.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from firmware.errors import ConfigError
from hw.ports import LightName, LightPattern, PedalLost, ToneName
from hw.sim.board_wire import BoardWire
from hw.sim.noise import LineNoise

LineName = Literal["pedal", "privacy"]
LINES: tuple[LineName, ...] = get_args(LineName)
LOG_BOUND = 10_000
MIN_BOUNCE_NS, MAX_BOUNCE_NS = 1_000_000, 8_000_000


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """One change that a person at the table would see, hear or cause.

    `kind` is "light", "tone", "press", "release", "unplug" or "plug"; `name` the light, tone or line;
    `value` the light's pattern or the tone's volume in percent, else "".
    """

    monotonic_ns: int
    unix_s: float
    kind: str
    name: str
    value: str = ""


class _Contact:
    """One contact: where it ends up, and the moments at which it still chatters on the way."""

    def __init__(self) -> None:
        self.closed = False
        self.plugged = True
        self._flips_ns: list[int] = []

    def move(self, closed: bool, now_ns: int, rng: random.Random) -> None:
        if closed == self.closed:
            return
        self.closed = closed
        bounce_ns = rng.randint(MIN_BOUNCE_NS, MAX_BOUNCE_NS)
        inner = (now_ns + rng.randint(0, bounce_ns) for _ in range(2 * rng.randint(1, 4) - 1))
        self._flips_ns = [*inner, now_ns + bounce_ns]

    def reading(self, now_ns: int) -> bool:
        """Flips come in an even number: while an odd number is still ahead, the contact reads the wrong way."""
        ahead = sum(1 for flip_ns in self._flips_ns if flip_ns > now_ns)
        return self.closed ^ bool(ahead & 1)


class SimBoard:
    """Pins, Lights and a log of everything shown. With `run_dir`, also the socket that drives it.

    Raises ConfigError when the socket cannot be made in `run_dir`.
    """

    def __init__(self, run_dir: str | Path | None = None, *, seed: int = 1) -> None:
        self._lock = threading.Lock()
        self._rng = random.Random(seed)
        self._contacts: dict[str, _Contact] = {name: _Contact() for name in LINES}
        self._noise: dict[str, LineNoise] = {name: LineNoise() for name in LINES}
        self._lights: dict[str, str] = dict.fromkeys(get_args(LightName), "off")
        self._log: deque[BoardEvent] = deque(maxlen=LOG_BOUND)
        self._closed = False
        self._wire: BoardWire | None = None
        if run_dir is not None:
            path = Path(run_dir) / "board.sock"
            try:
                self._wire = BoardWire(path, self)
            except OSError as error:
                raise ConfigError(
                    f"the simulated board's socket {path} cannot be made: {error}",
                    meaning="Nobody could press the pedal, so the recorder does not start",
                    todo="set paths.run_dir to a short path in a directory that this user may write",
                ) from None

    @property
    def pins(self) -> SimBoard:
        return self

    @property
    def lights(self) -> SimBoard:
        return self

    # ---- the ports -----------------------------------------------------------------------------

    def read(self) -> dict[str, bool]:
        """All lines, as chattering as a contact is; raises PedalLost when one is unplugged."""
        now_ns = time.monotonic_ns()
        with self._lock:
            for name, contact in self._contacts.items():
                if not contact.plugged:
                    raise PedalLost(f"the {name} is unplugged")
            return {
                name: self._noise[name].over(contact.reading(now_ns), now_ns, self._rng)
                for name, contact in self._contacts.items()
            }

    def show(self, light: LightName, pattern: LightPattern) -> None:
        if light not in get_args(LightName) or pattern not in get_args(LightPattern):
            raise ValueError(f"no light {light!r} or pattern {pattern!r}")
        with self._lock:
            if self._lights[light] != pattern:
                self._lights[light] = pattern
                self._note("light", light, pattern)

    def tone(self, tone: ToneName, volume_percent: int) -> None:
        if tone not in get_args(ToneName) or not 0 <= volume_percent <= 100:
            raise ValueError(f"no tone {tone!r} or volume {volume_percent!r}")
        with self._lock:
            self._note("tone", tone, str(volume_percent))

    def close(self) -> None:
        """Lights go out; the socket goes away. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for name, pattern in self._lights.items():
                if pattern != "off":
                    self._lights[name] = "off"
                    self._note("light", name, "off")
        if self._wire is not None:
            self._wire.close()

    # ---- from outside the wire -----------------------------------------------------------------

    def press(self, line: str) -> None:
        """Close the contact of `line` ("pedal" or "privacy"). Raises ValueError for another name."""
        self._move(line, True)

    def release(self, line: str) -> None:
        self._move(line, False)

    def burst(self, line: str, seconds: float) -> None:
        """Electrosurgery beside the cable, for so long."""
        with self._lock:
            self._contact(line)
            self._noise[line].burst(seconds, time.monotonic_ns(), self._rng)

    def unplug(self, line: str) -> None:
        self._set_plugged(line, False)

    def plug(self, line: str) -> None:
        self._set_plugged(line, True)

    def patterns(self) -> dict[str, str]:
        """What each light shows now."""
        with self._lock:
            return dict(self._lights)

    def log(self) -> list[BoardEvent]:
        """The last LOG_BOUND changes, oldest first."""
        with self._lock:
            return list(self._log)

    def _move(self, line: str, closed: bool) -> None:
        with self._lock:
            contact = self._contact(line)
            if contact.closed != closed:
                contact.move(closed, time.monotonic_ns(), self._rng)
                self._note("press" if closed else "release", line)

    def _set_plugged(self, line: str, plugged: bool) -> None:
        with self._lock:
            contact = self._contact(line)
            if contact.plugged != plugged:
                contact.plugged = plugged
                self._note("plug" if plugged else "unplug", line)

    def _contact(self, line: str) -> _Contact:
        if line not in self._contacts:
            raise ValueError(f"no line {line!r}; there are {', '.join(LINES)}")
        return self._contacts[line]

    def _note(self, kind: str, name: str, value: str = "") -> None:
        self._log.append(BoardEvent(time.monotonic_ns(), time.time(), kind, name, value))

"""A simulated board: contacts that bounce and break, lights and a sounder that remember what they showed.

Lives inside the recorder process like the real pins do, and is driven only from outside the wire: through the Unix
socket `<run_dir>/board.sock` (board_wire.py), or by the methods of the same names (hand.py) in a test. It must not know
what a press means.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from firmware.errors import ConfigError
from hw.board_definition import BoardDefinition, read_definition
from hw.contacts import ContactWatch
from hw.ports import Clock, LightName, LightPattern, ToneName
from hw.sim.board_wire import BoardWire
from hw.sim.hand import Hand


class SimBoard(Hand):
    """Pins, Lights and a log of everything shown. With `run_dir`, also the socket that drives it.

    Without a `definition` it is the board "sim". Raises ConfigError when the socket cannot be made in `run_dir`.
    """

    def __init__(self, run_dir: str | Path | None = None, definition: BoardDefinition | None = None, *,
                 seed: int = 1, clock: Clock | None = None) -> None:
        super().__init__((definition or read_definition("sim")).contacts(), seed=seed, clock=clock)
        self._watch = ContactWatch()
        self._lights: dict[str, str] = dict.fromkeys(get_args(LightName), "off")
        self._asked: dict[str, str] = dict(self._lights)
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

    def read(self) -> dict[str, bool]:
        """All lines, as chattering as a contact is; raises PedalLost as the wiring of a real board does."""
        now_ns = self._clock.monotonic_ns()
        return self._watch.levels(self.wires(now_ns), now_ns)

    def show(self, light: LightName, pattern: LightPattern) -> None:
        if light not in get_args(LightName) or pattern not in get_args(LightPattern):
            raise ValueError(f"no light {light!r} or pattern {pattern!r}")
        with self._lock:
            self._asked[light] = pattern
            self._follow()

    def free(self, part: str) -> None:
        super().free(part)
        self._follow()

    def problem(self) -> str:
        with self._lock:
            return "; ".join(f"the {part} cannot be switched (jammed)" for part in sorted(self._jammed))

    def tone(self, tone: ToneName, volume_percent: int) -> None:
        if tone not in get_args(ToneName) or not 0 <= volume_percent <= 100:
            raise ValueError(f"no tone {tone!r} or volume {volume_percent!r}")
        if "sounder" not in self._jammed:
            self.note("tone", tone, str(volume_percent))

    def patterns(self) -> dict[str, str]:
        """What each light shows now."""
        with self._lock:
            return dict(self._lights)

    def close(self) -> None:
        """Lights go out; the socket goes away. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for name, pattern in self._lights.items():
                if pattern != "off":
                    self._lights[name] = "off"
                    self.note("light", name, "off")
        if self._wire is not None:
            self._wire.close()

    def _follow(self) -> None:
        """Each light that can shows what was asked of it."""
        with self._lock:
            for light, pattern in self._asked.items():
                if self._lights[light] != pattern and light not in self._jammed:
                    self._lights[light] = pattern
                    self.note("light", light, pattern)

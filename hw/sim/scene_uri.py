"""What a `scene://` address asks for: parsed, checked, with units. Draws nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from urllib.parse import parse_qsl, urlsplit

from firmware.errors import ConfigError
from hw.sim.moving_script import LIGHTS, SHOWS, Light, Show


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """The scene's parameters. Times in seconds from frame 0; a fault time below 0 means never.

    `seconds` 0 is endless. `paced` False: as fast as it is read, pts from zero. `epoch_ns` (CLOCK_MONOTONIC): frame i
    is taken at epoch_ns + i / rate; -1 means the moment of opening. `slots` is how many frames the camera buffers
    before a late reader loses the oldest ones. `fault_s` is how long a lost, black or frozen picture lasts, 0 for good.
    `show` is "operation" or one of the moving scenes (moving_script.SHOWS); these know two more: `light`
    (moving_script.LIGHTS) and `shutter`, the share of a frame's time that it is exposed for, which smears what moves.
    `clap_every`: seconds between two claps of the operation's clapper.
    `codes`: the operation also shows a label with a QR code, as the self-test wants it.
    """

    width: int = 1920
    height: int = 1080
    rate: Fraction = Fraction(30)
    seed: int = 1
    seconds: float = 0.0
    paced: bool = True
    sound: bool = True
    epoch_ns: int = -1
    slots: int = 4
    black_at: float = -1.0
    freeze_at: float = -1.0
    lost_at: float = -1.0
    change_at: float = -1.0
    fault_s: float = 0.0
    codes: bool = False
    clap_every: int = 5
    show: Show = "operation"
    light: Light = "normal"
    shutter: float = 0.5

    @property
    def total_frames(self) -> int:
        """Frames in all, 0 when endless: those whose time lies before `seconds`."""
        return -int(-Fraction(self.seconds) * self.rate // 1) if self.seconds > 0 else 0


_INTEGERS = {
    "width": (64, 4096), "height": (64, 2304), "seed": (0, 2**32 - 1), "epoch_ns": (0, 2**63 - 1), "slots": (1, 16),
    "clap_every": (1, 60),
}
_SECONDS = {
    "seconds": (0.0, 86_400.0), "black_at": (0.0, 86_400.0), "freeze_at": (0.0, 86_400.0), "lost_at": (0.0, 86_400.0),
    "change_at": (0.0, 86_400.0), "fault_s": (0.0, 86_400.0),
}
_WORDS: dict[str, tuple[str, ...]] = {"show": SHOWS, "light": LIGHTS}
_SWITCHES = ("paced", "sound", "codes")
_RATE_LOW, _RATE_HIGH = 1, 120


def parse_scene_uri(uri: str, base: SceneSettings | None = None) -> SceneSettings:
    """`scene://?width=1920&height=1080&rate=30&seed=1...` -> settings; what it leaves out comes from `base`.

    Raises ConfigError naming key and range.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise _wrong(uri, f"it is no address ({error})") from None
    if parts.scheme != "scene" or parts.netloc or parts.path not in ("", "/") or parts.fragment:
        raise _wrong(uri, "the generator's address is scene:// with parameters after a question mark")
    values: dict[str, object] = {}
    for key, text in parse_qsl(parts.query, keep_blank_values=True):
        if key in values:
            raise _wrong(uri, f"{key} is given twice")
        values[key] = _value(uri, key, text)
    return replace(base or SceneSettings(), **values)  # type: ignore[arg-type]  # each value was parsed for its own key


def _value(uri: str, key: str, text: str) -> object:
    if key in _INTEGERS:
        low, high = _INTEGERS[key]
        if re.fullmatch(r"[0-9]{1,19}", text) and low <= int(text) <= high:
            return int(text)
        raise _wrong(uri, f"{key}={text}: a whole number from {low} to {high} is allowed")
    if key in _SECONDS:
        low_s, high_s = _SECONDS[key]
        if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", text) and low_s <= float(text) <= high_s:
            return float(text)
        raise _wrong(uri, f"{key}={text}: seconds from {low_s:g} to {high_s:g} are allowed")
    if key in _SWITCHES:
        if text in ("0", "1"):
            return text == "1"
        raise _wrong(uri, f"{key}={text}: 0 or 1 is allowed")
    if key in _WORDS:
        if text in _WORDS[key]:
            return text
        raise _wrong(uri, f"{key}={text}: one of {', '.join(_WORDS[key])} is allowed")
    if key == "shutter":
        if re.fullmatch(r"[01](\.[0-9]{1,6})?", text) and float(text) <= 1:
            return float(text)
        raise _wrong(uri, f"shutter={text}: a share of a frame's time from 0 to 1 is allowed")
    if key == "rate":
        number = re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6}|/[1-9][0-9]{0,5})?", text)
        if number and _RATE_LOW <= Fraction(text) <= _RATE_HIGH:
            return Fraction(text)
        raise _wrong(uri, f"rate={text}: frames a second from {_RATE_LOW} to {_RATE_HIGH}, such as 30 or 30000/1001")
    known = ", ".join(sorted([*_INTEGERS, *_SECONDS, *_SWITCHES, *_WORDS, "rate", "shutter"]))
    raise _wrong(uri, f"{key} is not known; there are {known}")


def _wrong(uri: str, why: str) -> ConfigError:
    return ConfigError(f"{uri!r:.200} is not a scene: {why:.300}", meaning="Nothing is recorded",
                       todo="correct the address")

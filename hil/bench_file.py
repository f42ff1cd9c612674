"""The one definition of bench.toml: which adapters a bench tries, on what. Every mistake in it is a ConfigError."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from firmware.errors import ConfigError
from firmware.toml_lines import key_lines, tomllib

MAX_FILE_BYTES = 1 << 20


class OsFolder(Struct, forbid_unknown_fields=True, frozen=True):
    """A real disk: `folder` is an existing folder on it. Each test makes a folder of its own in there."""

    folder: str


class SystemClockBench(Struct, forbid_unknown_fields=True, frozen=True):
    """This machine's clock; nothing to set."""


class ClockAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Clock`."""

    system: SystemClockBench | None = None


class DiskAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Disk`."""

    os: OsFolder | None = None


class FilesAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Files`."""

    os: OsFolder | None = None


class SysfsBench(Struct, forbid_unknown_fields=True, frozen=True):
    """This machine's sensors."""

    root: str = "/sys"


class PowerAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Power`."""

    sysfs: SysfsBench | None = None


class CudaBench(Struct, forbid_unknown_fields=True, frozen=True):
    """This machine's first CUDA GPU, with the fat binary that `make kernels` builds; nothing to set."""


class KernelsAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Kernels`."""

    cuda: CudaBench | None = None


class UinputPedalBench(Struct, forbid_unknown_fields=True, frozen=True):
    """A pedal that the tests make with uinput on this machine's kernel; nothing to set."""


class QemuPedalBench(Struct, forbid_unknown_fields=True, frozen=True):
    """The pedal of the virtual bench, QEMU's USB keyboard, from inside its guest; nothing to set."""


class PedalAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Foot pedals."""

    uinput: UinputPedalBench | None = None
    qemu: QemuPedalBench | None = None


class CameraBench(Struct, forbid_unknown_fields=True, frozen=True):
    """A camera: `device` is /dev/videoN (csi://N for jetson-utils too), then the mode that it is asked for.

    `cut` and `restore` are shell commands that take its picture away, as a pulled cable does, and bring it back.
    """

    device: str
    width: int
    height: int
    rate_hz: float
    cut: str
    restore: str


class EncoderBench(Struct, forbid_unknown_fields=True, frozen=True):
    """A video encoder in hardware, and what it is to make."""

    codec: Literal["h264", "h265"] = "h265"
    bitrate_bps: int = 12_000_000


class EncoderAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Encoder`."""

    nvv4l2: EncoderBench | None = None


class FrameSourceAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `FrameSource`."""

    v4l2: CameraBench | None = None
    jetson_utils: CameraBench | None = None


class HeaderBench(Struct, forbid_unknown_fields=True, frozen=True):
    """A Jetson's header, wired as the board definition says (a name or a file).

    `hand` is a command that moves a contact: it is run with two words more, what to do (press, release, cut, crush,
    mend) and the line (pedal, privacy). `.venv/bin/python -m hil.person_hand` asks the person at the bench.
    """

    definition: str
    hand: str


class PinsAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Pins`."""

    jetson_one_wire: HeaderBench | None = None
    jetson_two_wire: HeaderBench | None = None


class WatchdogBench(Struct, forbid_unknown_fields=True, frozen=True):
    """A hardware watchdog that nobody else feeds. While the suite is cut short, it restarts the machine."""

    device: str
    timeout_s: int = 120


class WatchdogAdapters(Struct, forbid_unknown_fields=True, frozen=True):
    """Adapters of the port `Watchdog`."""

    linux: WatchdogBench | None = None


class Bench(Struct, forbid_unknown_fields=True, frozen=True):
    """One bench. `ran_on` names it in reports: unit, carrier, pedal. A table [port.adapter] asks for that adapter."""

    ran_on: str
    clock: ClockAdapters = ClockAdapters()
    disk: DiskAdapters = DiskAdapters()
    files: FilesAdapters = FilesAdapters()
    power: PowerAdapters = PowerAdapters()
    kernels: KernelsAdapters = KernelsAdapters()
    watchdog: WatchdogAdapters = WatchdogAdapters()
    pins: PinsAdapters = PinsAdapters()
    pedal: PedalAdapters = PedalAdapters()
    frame_source: FrameSourceAdapters = FrameSourceAdapters()
    encoder: EncoderAdapters = EncoderAdapters()

    def settings_of(self, key: str) -> Any:
        """The table of one adapter, by its key "port.adapter"; None when the bench does not name it.

        Raises AttributeError for a key that bench.toml cannot have.
        """
        port, adapter = key.split(".")
        return getattr(getattr(self, port), adapter)


def adapter_keys() -> list[str]:
    """Every "port.adapter" that a bench.toml can name."""
    return [f"{port.name}.{adapter.name}" for port in msgspec.structs.fields(Bench) if port.name != "ran_on"
            for adapter in msgspec.structs.fields(port.type)]


def load(path: str | os.PathLike[str]) -> Bench:
    """The bench in the file `path`. Raises ConfigError, also when the file cannot be read."""
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise _error(f"{name}: larger than {MAX_FILE_BYTES} bytes, so no bench file")
        return loads(data.decode("utf-8"), name)
    except OSError as error:
        raise _error(f"{name}: cannot read the bench file: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _error(f"{name}: not UTF-8 text") from None


def loads(text: str, name: str) -> Bench:
    """The bench in `text`; `name` is what errors call it. Raises ConfigError with the line of the first mistake."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _error(f"{name}: not TOML: {error}") from None
    try:
        bench = msgspec.convert(document, Bench)
    except msgspec.ValidationError as error:
        raise _error(_told(text, name, str(error))) from None
    if not any(bench.settings_of(key) is not None for key in adapter_keys()):
        raise _error(f"{name}: names no adapter, so nothing would be tried")
    return bench


def _told(text: str, name: str, message: str) -> str:
    """msgspec's message with the file, the line and the keys as they are written in TOML."""
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", message, re.DOTALL)
    what, where = found.groups() if found else (message, None)
    keys = tuple((where or "").split("."))
    unknown = re.search(r"unknown field `(.*)`", what)
    if unknown:
        keys = (*(key for key in keys if key), unknown.group(1))
        known = "; known are " + ", ".join(f"[{key}]" for key in adapter_keys())
        what = f"no such table or setting{known if len(keys) < 3 else ''}"
    lines = key_lines(text)
    line = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), 1)
    return f"{name}:{line}: {'.'.join(keys) + ': ' if any(keys) else ''}{what}"


def _error(what: str) -> ConfigError:
    return ConfigError(what, meaning="Nothing was tried",
                       todo="correct the file; hil/bench.example.toml shows every table")

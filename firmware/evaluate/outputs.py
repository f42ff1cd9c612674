"""Scrubs one clip through the product, or takes the output that the same software made of the same clip before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from firmware.config import Config
from firmware.durable import write_durably
from firmware.errors import SourceMissing
from firmware.evaluate.identity import file_sha256
from firmware.messages import Progress
from firmware.recorder.scrub_once import scrub


class Made(Struct, frozen=True):
    """How an output came about; kept beside it. Hashes of input and output, `key` of what made it (identity.py).

    `wall_s` and `cpu_s` are of the whole pipeline process, loading the models included.
    """

    input_sha256: str
    output_sha256: str
    key: str
    frames: int
    clean: int
    masked: int
    blanked: int
    regions: int
    size_bytes: int
    seconds: float
    wall_s: float
    cpu_s: float


class Output(Struct, frozen=True):
    """An output to be judged. `made` is None for one that was given, `reused` says that it was there before."""

    path: Path
    made: Made | None
    reused: bool = False


def make_output(
    cfg: Config, key: str, clip: Path, output: Path, on_progress: Callable[[Progress], None], stop: threading.Event
) -> Output:
    """`output` for `clip`: the same as `scrubcam scrub` writes. Raises Stopped, SourceMissing and the product's errors.

    One that is there already is taken when it came from this input by this software and settings, and is unchanged.
    """
    if not clip.is_file():
        raise SourceMissing(f"{clip} is not there", meaning="This clip was not measured",
                            todo="complete the set, or take the clip out of its ground truth")
    input_sha256 = file_sha256(clip)
    beside = output.with_name(output.name + ".json")
    made = _earlier(beside, output)
    if made is not None and (made.input_sha256, made.key) == (input_sha256, key):
        return Output(output, made, reused=True)
    output.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    cpu_s = [0.0]

    def note(progress: Progress, _size: int) -> None:
        cpu_s[0] = sum(s for stage, s in progress.stage_s.items() if stage.startswith("cpu_"))
        on_progress(progress)

    started = time.monotonic()
    result = scrub(cfg, clip, output, None, False, note, stop, force=True)
    made = Made(
        input_sha256, file_sha256(output), key, result.frames, result.clean, result.masked, result.blanked,
        result.regions, result.size_bytes, result.seconds, round(time.monotonic() - started, 3), round(cpu_s[0], 3),
    )
    write_durably(str(beside), msgspec.json.format(msgspec.json.encode(made), indent=1))
    return Output(output, made)


def given_output(folder: Path, name: str) -> Output:
    """The film in `folder` that somebody else made of clip `name`. Raises SourceMissing."""
    for path in (folder / name, folder / f"{name}.mp4"):
        if path.is_file():
            return Output(path, None)
    raise SourceMissing(f"{folder / name} is not there", meaning="This clip was not measured",
                        todo="complete the outputs, or scrub the clips by leaving out --outputs")


def _earlier(beside: Path, output: Path) -> Made | None:
    """What is known of an output that is there and unchanged since."""
    try:
        made = msgspec.json.decode(beside.read_bytes(), type=Made)
        return made if file_sha256(output) == made.output_sha256 else None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None

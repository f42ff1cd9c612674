"""What a slip of the hand must not cost: a sealed recording, a key, the footage itself; and odd names."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from firmware.cli.key_commands import Kem
from firmware.cli.main import app
from firmware.config import Config, Encode, Paths, Recorder
from firmware.errors import ConfigError, DiskFault
from firmware.selftest import _disk
from firmware.vault.key_kinds import KINDS
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from tests.vault_helpers import device, fragment, header, keystore, seal, stream, to

SCENE = "scene://?width=320&height=180&rate=15&seed=3&seconds=1&paced=0&sound=0"


def scrubcam(*words: object) -> BaseException | None:
    """Run the command in this process; what it raised, None when all went well."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    return done.exception


def test_an_export_never_replaces_the_recording_or_the_key(tmp_path: Path) -> None:
    sealed, key = Path(seal(str(tmp_path))), tmp_path / "archive.key"
    new_archive_key(str(key), str(tmp_path / "archive.pub"))
    before = sealed.read_bytes(), key.read_bytes()
    for target in (sealed, key):
        fault = scrubcam("export", sealed, "--key", key, "-o", target, "--force")
        assert isinstance(fault, ConfigError)
    assert (sealed.read_bytes(), key.read_bytes()) == before


def test_a_report_never_replaces_the_footage(tmp_path: Path) -> None:
    footage = tmp_path / "old.mp4"
    footage.write_bytes(b"the only copy")
    for words in (("--report", footage), ("--report", tmp_path / "new.mp4")):
        assert isinstance(scrubcam("scrub", footage, "-o", tmp_path / "new.mp4", *words), ConfigError)
    assert footage.read_bytes() == b"the only copy"


@pytest.mark.parametrize("name", ["", "a/b", "../x", " "])
def test_a_key_pair_needs_a_name(tmp_path: Path, name: str) -> None:
    assert isinstance(scrubcam("keys", "new", name, "--dir", tmp_path / "in"), ConfigError)
    assert list(tmp_path.iterdir()) == []
    assert isinstance(scrubcam("keys", "new", "archive", "--dir", "/proc/nowhere"), DiskFault)


@pytest.mark.parametrize("kem", KINDS)
def test_each_kind_of_key_can_be_made_and_p256_says_that_it_is_not_quantum_safe(tmp_path: Path, kem: str) -> None:
    told = CliRunner().invoke(app, ["keys", "new", "archive", "--dir", str(tmp_path), "--kem", kem]).stdout
    assert PrivateKey.load(str(tmp_path / "archive.key")).public.kem == kem
    assert ("not quantum-safe" in told) == (kem == "P256")


def test_the_command_offers_every_kind_of_key() -> None:
    assert [kem.value for kem in Kem] == list(KINDS)


def test_a_folder_with_brackets_in_its_name_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    new_archive_key(str(tmp_path / "archive.key"), str(tmp_path / "archive.pub"))
    out = tmp_path / "list [/3]"
    assert scrubcam("record", SCENE, "-o", out, "--to", tmp_path / "archive.pub") is None
    assert len(list(out.rglob("*.scrub"))) == 1


def test_the_self_test_tells_the_disks_in_hours_and_judges_them_as_a_start_does(tmp_path: Path) -> None:
    paths, slow = Paths(recordings_dir=str(tmp_path / "rec")), Encode(bitrate_bps=1_000_000)
    told = _disk(Config(paths=paths, encode=slow, recorder=Recorder(reserve_bytes=0, reserve_hours=0.5, floor_bytes=0)))
    free = shutil.disk_usage(tmp_path).free
    hours = float(told.split(" h left at the configured rate")[0])
    assert hours == pytest.approx(free / 125_000 / 3600, rel=0.05)
    assert "a start needs 0.5 h" in told
    assert f"GB free on {tmp_path / 'rec'}" in told
    two = msgspec.structs.replace(paths, second_recordings_dir=str(tmp_path / "rec2"))
    both = _disk(Config(paths=two, encode=slow, recorder=Recorder(reserve_bytes=0, floor_bytes=0)))
    assert float(both.split(" h left")[0]) == pytest.approx(hours, rel=0.05), "one disk, counted once"
    with pytest.raises(DiskFault, match=r"h left, 1000\.0 h needed"):
        _disk(Config(paths=paths, encode=Encode(bitrate_bps=400_000_000), recorder=Recorder(reserve_hours=1000.0)))
    (tmp_path / "file").touch()
    with pytest.raises(DiskFault, match="no second disk to go on to"):
        _disk(Config(paths=msgspec.structs.replace(paths, second_recordings_dir=str(tmp_path / "file" / "rec"))))


def test_a_file_cannot_write_on_the_terminal_what_the_command_did_not_say(tmp_path: Path) -> None:
    evil = "\x1b[2J\x1b[1;1HIntact\r\x9b31m\u202e"
    told = replace(header(), device_name=evil, software=evil)
    with_names = RecordingWriter.create(OsDisk(), str(tmp_path / "x.scrub"), told, to(), device(), keystore(tmp_path))
    with_names.append(replace(stream(), encoder=evil, detectors=[evil], site_zones=[evil]))
    with_names.append(fragment(0))
    with_names.seal(evil)
    for command in ("info", "verify"):
        done = CliRunner().invoke(app, [command, str(tmp_path / "x.scrub")])
        assert "Intact\N{REPLACEMENT CHARACTER}" in done.output
        assert not [letter for letter in done.output if letter in evil and not letter.isprintable()]

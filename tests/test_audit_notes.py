"""What the recorder notes besides: changes since the last start, who asked for what, whose keys a recording has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Config, Device, Source
from firmware.errors import DiskFault
from firmware.recorder.machine_types import Scalar
from firmware.recorder.start_notes import FILE_NAME, changed, hashes, note_changes
from tests.recorder_helpers import CONSENT, Unit, until

SETTINGS = st.dictionaries(st.sampled_from([f"mqtt.{name}" for name in "abcdefgh"]), st.sampled_from("01"))
Told = list[tuple[str, dict[str, Scalar]]]


@given(SETTINGS, SETTINGS)
def test_exactly_what_differs_is_named(before: dict[str, str], now: dict[str, str]) -> None:
    named = changed(before, now)
    assert named == sorted(set(named))
    kept = {key: value for key, value in before.items() if key not in named}
    assert kept == {key: value for key, value in now.items() if key not in named}
    assert all(before.get(key) != now.get(key) for key in named)


def started(folder: Path, cfg: Config, software: str = "scrubcam 1") -> Told:
    told: Told = []
    note_changes(str(folder), cfg, software, lambda kind, _id, fields: told.append((kind, fields)))
    return told


def test_a_start_notes_what_changed_since_the_last_and_never_a_value(tmp_path: Path) -> None:
    first = Config(source=Source(uri="rtsp://camera:hunter2@10.0.0.9/1"))
    assert [kind for kind, _ in started(tmp_path, first)] == ["software-changed", "configuration-changed"]
    assert started(tmp_path, first) == []
    other = msgspec.structs.replace(first, source=Source(uri="rtsp://camera:s3cret@10.0.0.9/1"), device=Device("or-2"))
    [(kind, fields)] = started(tmp_path, other)
    assert (kind, fields["settings"]) == ("configuration-changed", "device.name, source.uri")
    assert started(tmp_path, other, "scrubcam 2") == [("software-changed", {"before": "scrubcam 1",
                                                                            "after": "scrubcam 2"})]
    kept = (tmp_path / FILE_NAME).read_bytes()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    for secret in ("hunter2", "s3cret", "10.0.0.9"):
        assert secret.encode() not in kept
        assert secret not in str(fields)
    assert hashes(other, b"a") != hashes(other, b"b")


def test_a_change_that_could_not_be_told_is_told_at_the_next_start(tmp_path: Path) -> None:
    def full(_kind: str, _id: str, _fields: dict[str, Scalar]) -> None:
        raise DiskFault("the journal is not written")

    with pytest.raises(DiskFault):
        note_changes(str(tmp_path), Config(), "scrubcam 1", full)
    assert len(started(tmp_path, Config())) == 2
    (tmp_path / FILE_NAME).write_bytes(b"{torn")
    assert len(started(tmp_path, Config())) == 2


def test_who_asked_and_which_keys_a_recording_is_under_are_lines_of_the_log(tmp_path: Path) -> None:
    unit = Unit(tmp_path, preroll_s=1)
    listener = unit.start()
    try:
        listener.state("READY")
        assert not listener.ask("start").ok
        asked = listener.event("asked")
        assert asked.fields == {"verb": "start", "origin": "operator", "ok": False, "reason": "consent: none"}
        assert listener.ask("consent", consent=CONSENT).ok
        until(lambda: listener.ask("start").ok, what="a start")
        recording_id = listener.event("started").recording_id
        used = listener.event("key-used")
        assert used.recording_id == recording_id
        assert str(used.fields["recipients"]).startswith("archive ")
        unit.board("tap pedal 0.1")
        pressed = listener.event("pressed").fields
        assert (pressed["origin"], pressed["how"], pressed["did"]) == ("pedal", "press", "bookmark")
        assert listener.ask("stop").ok
        sealed = listener.event("sealed")
        stop = [event for event in listener.events if event.fields.get("verb") == "stop"]
        assert [event.fields["origin"] for event in stop] == ["operator"]
        assert sealed.recording_id == stop[0].recording_id == recording_id
        shown = audit(unit, "show", "--last", "0")
        assert "consent: none" in shown.stdout, shown.stderr
        reader = listener.event("log-read")
        assert reader.fields == {"origin": "operator"}
        assert audit(unit, "export", "-o", str(tmp_path / "log.txt")).returncode == 0
        exported = audit(unit, "verify", "--file", str(tmp_path / "log.txt"), "--device",
                         str(tmp_path / "state" / "device.pub"), config=False)
        assert exported.stdout.startswith("whole"), exported.stderr
        assert {"boot", "software-changed", "configuration-changed", "clock"} <= set(listener.kinds())
    finally:
        assert unit.stop() == 0


def audit(unit: Unit, *words: str, config: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware.cli.main", "audit", *words]
    return subprocess.run(command + (["--config", str(unit.config)] if config else []), capture_output=True, text=True,
                          timeout=60)

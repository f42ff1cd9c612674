"""Withdrawal and erasure on a running device: the key is destroyed, the files go, who ordered it is proven and told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from firmware.cli.erase_commands import OUTCOMES
from firmware.errors import KeyFault
from firmware.messages import Consent
from firmware.vault.certificate import Certificate, Order, checked
from firmware.vault.device_key import load_trust_list
from firmware.vault.erasure import _Intent, certificate_path
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from tests.recorder_helpers import CONSENT, PASSPHRASE, Unit


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path, preroll_s=0.0)
    yield unit
    if unit.process is not None:
        unit.kill9()


def keys(unit: Unit) -> Keystore:
    return Keystore.of_device(str(unit.root / "state"))


def certificate(unit: Unit, recording_id: str) -> Certificate:
    data = Path(certificate_path(str(unit.root / "state"), recording_id)).read_bytes()
    return checked(data, load_trust_list(str(unit.root / "state" / "device.pub")))


def scrubcam(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "firmware.cli.main", *words], capture_output=True, text=True,
                          timeout=90, check=False)


def test_consent_withdrawn_in_the_room_erases_what_is_being_recorded(unit: Unit, tmp_path: Path) -> None:
    listener = unit.start()
    recording_id = listener.record(CONSENT)
    kept = tmp_path / "kept.scrub"
    kept.write_bytes(unit.recordings()[0].read_bytes())  # what a thief may have copied before
    assert keys(unit).has(recording_id)
    assert listener.ask("consent", consent=Consent(state="withdrawn")).ok
    event = listener.event("erased")
    assert listener.state("READY").consent == "none"
    assert not keys(unit).ids()
    assert not unit.recordings()
    said = certificate(unit, recording_id)
    assert (said.order.cause, said.order.role, said.files) == ("withdrawn", "operator", [f"{recording_id}.scrub"])
    assert said.recording is not None
    assert said.recording.state == "unfinished"
    assert event.recording_id == recording_id
    assert event.fields["key_destroyed_after_s"] == round(said.key_destroyed_after_s or 0, 4) > 0
    with Recording.open(str(kept), keys(unit)) as copy, pytest.raises(KeyFault):
        list(copy.records(unit.key()))
    second = listener.record(CONSENT)  # the device goes on
    assert listener.ask("stop").ok
    listener.event("sealed")
    assert unit.stop() == 0
    assert [path.stem for path in unit.recordings()] == [second]


def test_only_the_privacy_officer_erases_what_is_sealed(unit: Unit, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(PASSPHRASE + "\n")
    new, log = ("--new-passphrase-file", str(passphrase)), ("--passphrase-file", str(passphrase))
    config = ("--config", str(unit.config))
    listener = unit.start()
    recording_id = listener.record(CONSENT)
    assert listener.ask("stop").ok
    listener.event("sealed")
    drive = tmp_path / "drive"
    drive.mkdir()
    assert scrubcam("handover", str(drive), "--same-disk", "--name", "archive", *config).returncode == 0

    refused = scrubcam("erase", recording_id, "--yes", *config)
    assert (refused.returncode, "erase needs privacy-officer" in refused.stderr) == (12, True)
    assert scrubcam("roles", "set", "ann", "--role", "administrator", *new, *config).returncode == 0
    assert scrubcam("roles", "set", "kim", "--role", "privacy-officer", *new, "--as", "ann", *log,
                    *config).returncode == 0
    refused = scrubcam("erase", recording_id, "--yes", "--as", "ann", *log, *config)
    assert "erase needs privacy-officer" in refused.stderr
    assert keys(unit).has(recording_id)
    unknown = scrubcam("erase", "nosuchrecording", "--yes", "--as", "kim", *log, *config)
    assert "there is no recording of that id here" in unknown.stderr

    done = scrubcam("erase", recording_id, "--yes", "--as", "kim", *log, *config)
    assert done.returncode == 0, done.stderr
    assert not keys(unit).ids()
    assert not unit.recordings()
    assert listener.event("erase-asked", count=2).fields["origin"] == "kim"
    told = listener.event("erased")
    assert (told.recording_id, told.fields["role"], told.fields["by"]) == (recording_id, "privacy-officer", "kim")
    assert "erasure" not in {str(event.fields.get("code")) for event in listener.events if event.kind == "alert"}
    listener.state("READY")
    assert unit.stop() == 0

    out = tmp_path / "certificate"
    shown = scrubcam("certificate", recording_id, *config, "-o", str(out), "--trust",
                     str(unit.root / "state" / "device.pub"))
    assert "not covered:" in shown.stdout, shown.stderr
    said = certificate(unit, recording_id)
    assert (said.order.by, [copy.target for copy in said.copies]) == ("kim", ["archive"])
    assert "a copy at archive" in shown.stdout
    out.write_bytes(out.read_bytes().replace(b'"Clear"', b'"Purge"'))
    assert "its signature does not hold" in scrubcam("certificate", str(out)).stderr
    with Recording.open(str(drive / f"{recording_id}.scrub")) as recording:
        assert len(list(recording.records(unit.key()))) > 2, "what was handed over is its holder's, and says so"


def test_an_erasure_that_a_crash_cut_short_goes_on_at_the_next_start(unit: Unit) -> None:
    listener = unit.start()
    recording_id = listener.record(CONSENT)
    unit.kill9()
    intent = Path(certificate_path(str(unit.root / "state"), recording_id)).with_suffix(".intent")
    intent.parent.mkdir()
    intent.write_bytes(msgspec.json.encode(_Intent(Order("withdrawn", "surgeon", "lee", 1.0))))
    listener = unit.start()
    event = listener.event(OUTCOMES[0])
    assert (event.recording_id, "key_destroyed_after_s" in event.fields) == (recording_id, False)
    listener.state("READY")
    assert not keys(unit).ids()
    assert not unit.recordings()
    assert certificate(unit, recording_id).order.by == "lee"
    assert unit.stop() == 0

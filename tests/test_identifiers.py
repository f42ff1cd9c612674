"""A patient's number and names, planted wherever a person can type: searched for in all that a unit writes or says.

Headers, public data, journal, ledger, keystore, outbox, certificates, file names; every MQTT topic and payload; what
recorder and agent log. They are found in one place only: encrypted, with the archive's key.
"""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from firmware.fleet.topics import FleetCommand
from firmware.messages import Consent
from firmware.vault.records import Bookmark
from tests.fleet_helpers import DEVICE, Mosquitto
from tests.fleet_helpers import Listener as Fleet
from tests.recorder_helpers import CONSENT, Unit, files_under, until

NUMBER, NAME = "4711-Plantagenet-0815", "Zzyzxova"
PLANTED = replace(
    CONSENT, by=f"{NAME} herself", evidence=f"form of {NAME}", purpose=f"To show how {NAME} was cured.",
    audience=f"{NAME} and residents", destination=f"archive of {NAME}", procedure=f"hip of {NAME}",
    second_signature=f"{NAME}'s son", patient_ref=NUMBER,
)


def forms(word: str) -> list[bytes]:
    """How a word may stand in a file: as it is, in two bytes a letter, in hex, and in base64 wherever it begins."""
    raw = word.encode()
    coded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, raw.lower(), raw.upper(), word.encode("utf-16-le"), raw.hex().encode(), *coded]


def found_in(data: bytes) -> list[bytes]:
    return [form for word in (NUMBER, NAME) for form in forms(word) if form in data]


def over_mqtt(consent: Consent) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(consent)
    return {name: value for name, value in said.items() if name not in ("patient_ref", "case_id")}


def test_what_was_planted_is_found_nowhere_but_with_the_archives_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = Mosquitto(tmp_path / "broker").start()
    root = tmp_path / "unit"
    root.mkdir()
    unit = Unit(root, preroll_s=0.0)
    unit.configure("device", name=DEVICE)
    unit.configure("mqtt", host="127.0.0.1", port=broker.port, tls=False)
    fleet = Fleet(broker.port)
    listener = unit.start()
    agent = subprocess.Popen([sys.executable, "-m", "firmware.fleet", "--config", str(unit.config)])
    try:
        listener.state("READY")
        fleet.online()
        assert not fleet.ask({"verb": "consent", "consent": over_mqtt(PLANTED) | {"patient_ref": NUMBER}}).ok
        assert not fleet.ask({"verb": "consent", "consent": over_mqtt(PLANTED) | {NAME: 1}}).ok
        assert not fleet.ask({"verb": "consent", "consent": over_mqtt(PLANTED) | {"purpose_class": NAME}}).ok
        assert not fleet.ask({"verb": NAME}).ok
        assert not fleet.ask({"verb": "enter", "moment": NAME}).ok
        assert not fleet.ask({"verb": "consent", "consent": over_mqtt(replace(PLANTED, audience=""))}).ok
        assert fleet.ask({"verb": "consent", "consent": over_mqtt(PLANTED)}).ok
        assert not listener.ask("consent", consent=replace(PLANTED, evidence="")).ok
        officer = unit.listen()
        officer.become("privacy-officer")
        assert officer.ask("erase", recording=NUMBER).ok
        assert officer.event("erase-failed").recording_id == ""
        recording_id = listener.record(PLANTED)
        assert listener.ask("start", note=f"{NAME} {NUMBER}").ok
        assert fleet.ask({"verb": "bookmark", "note": f"{NAME} bleeds"}).ok
        assert listener.ask("bookmark", note=NUMBER).ok
        assert listener.ask("consent", consent=replace(PLANTED, audience=f"the family of {NAME}")).ok
        assert listener.ask("stop", note=NAME).ok
        listener.event("sealed")
        assert not listener.ask("start").ok
        listener.record(PLANTED)
        assert listener.ask("consent", consent=replace(PLANTED, state="withdrawn")).ok
        erased = listener.event("erased")
        until(lambda: [event for event in fleet.events if event.id == erased.id], what="the last event at the fleet")
        assert unit.stop() == 0
    finally:
        agent.terminate()
        agent.wait(20)
        if unit.process is not None:
            unit.kill9()
        fleet.close()
        broker.stop()
    logged = capfd.readouterr()

    (path,) = unit.recordings()
    with unit.open(path) as recording:
        records = [stored.record for stored in recording.records(unit.key())]
    consents = [record for record in records if isinstance(record, Consent)]
    assert [one.audience for one in consents] == [PLANTED.audience, f"the family of {NAME}"]
    assert {one.patient_ref for one in consents} == {NUMBER}, "what is searched for was never there"
    assert NUMBER in [record.note for record in records if isinstance(record, Bookmark)]

    searched = list(files_under(root))
    kinds = {file.suffix for file in searched} | {file.name for file in searched}
    assert {".scrub", ".keys", ".certificate", "journal.db", "outbox.db"} <= kinds, kinds
    for file in searched:
        assert not found_in(file.read_bytes()), file
        assert not found_in(str(file.relative_to(root)).encode()), file
    said = [(leaf, payload) for leaf, payload, _ in fleet.messages if leaf != "command"]
    assert {"state", "events", "answer", "health", "status"} <= {leaf for leaf, _ in said}
    for leaf, payload in said:
        assert not found_in(leaf.encode() + b"\0" + payload), (leaf, payload)
    assert "agent" in logged.err, "nothing was logged: then this test shows nothing"
    assert not found_in((logged.out + logged.err).encode())
    assert recording_id.encode() in b"".join(payload for _, payload in said), "the fleet heard of this recording"


def test_the_search_finds_what_is_there() -> None:
    for shift in range(5):
        hidden = b"x" * shift + PLANTED.patient_ref.encode() + b"yy"
        assert found_in(base64.b64encode(hidden))
        assert found_in(hidden.hex().encode())
    assert found_in(NAME.encode("utf-16-le"))
    assert not found_in(msgspec.json.encode(CONSENT))
    assert "patient_ref" not in str(msgspec.json.schema(FleetCommand))

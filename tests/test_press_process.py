"""Presses on a whole recorder: a surgeon's own mapping for one case, and what the journal and the command line keep."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware.audit.presses import presses
from firmware.cli.main import app
from firmware.messages import Answer, Command
from firmware.vault.records import Bookmark
from tests.recorder_helpers import CONSENT, Listener, Unit, until

SURGEON = """
[[controls.surgeons]]
id = "kim"
pedal_press = "start-or-stop"
privacy_press = "bookmark"
privacy_hold = "pause-or-resume"
"""


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    unit.config.write_text(unit.config.read_text() + SURGEON)
    yield unit
    if unit.process is not None:
        unit.kill9()


def choose(listener: Listener, surgeon: str) -> Answer:
    return listener.request(Command(uuid.uuid4().hex, "surgeon", surgeon=surgeon))


def test_a_surgeons_mapping_holds_for_one_case_and_each_press_is_kept_with_its_times(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY", 60.0)
    until(lambda: (listener.read(), listener.healths and listener.healths[-1].frames_out > 0)[1], 60.0, "pictures")
    assert choose(listener, "nobody").reason == "surgeon: there is no such id in controls.surgeons"
    chosen = CliRunner().invoke(app, ["ask", "surgeon", "--surgeon", "kim", "--config", str(unit.config)])
    assert chosen.exit_code == 0, chosen.output
    until(lambda: (listener.read(), listener.states[-1].surgeon == "kim")[1], what="kim in the state")
    assert listener.ask("consent", consent=CONSENT).ok
    unit.board("burst pedal 0.012")

    unit.board("tap pedal 0.1")
    recording = listener.state("RECORDING", 60.0)
    assert recording.surgeon == "kim"
    assert choose(listener, "").reason.startswith("state: recording")
    unit.board("tap privacy 0.1")
    listener.event("bookmark")
    unit.board("tap privacy 1.0")
    listener.state("PAUSED")
    unit.board("tap pedal 0.1")
    listener.event("sealed")
    assert listener.state("READY").surgeon == ""
    unit.board("tap pedal 0.1")
    refused = until(lambda: (listener.read(), [s for s in listener.states if s.refusal])[1], what="a refusal")[-1]
    assert refused.refusal == "consent: none"
    unit.light("ready", "triple")
    until(lambda: (listener.read(), listener.kinds().count("pressed") == 5)[1], what="five presses")

    told = presses(listener.events)
    assert [(one.line, one.how, one.action, one.surgeon, one.did) for one in told] == [
        ("pedal", "press", "start-or-stop", "kim", "started"), ("privacy", "press", "bookmark", "kim", "bookmark"),
        ("privacy", "hold", "pause-or-resume", "kim", "paused"), ("pedal", "press", "start-or-stop", "kim", "stopped"),
        ("pedal", "press", "start-or-bookmark", "", "refused"),
    ]
    first = told[0]
    assert first.light_ms is not None
    assert first.known_ms is not None
    assert first.disk_ms is not None
    assert first.light_ms < first.known_ms < first.disk_ms
    assert [one.disk_ms is None for one in told] == [False, True, True, True, True]

    log = unit.board("log")["log"]
    heard = [entry["name"] for entry in log if entry["kind"] == "tone"]  # type: ignore[attr-defined]
    assert [tone for tone, _ in itertools.groupby(heard) if tone not in ("warning",)] == [
        "accepted", "start", "bookmark", "pause", "stop", "refused"]
    assert {entry["value"] for entry in log if entry["kind"] == "tone"} <= {"60", "40"}  # type: ignore[attr-defined]

    assert unit.stop() == 0
    with unit.open() as opened:
        (mark,) = [one.record for one in opened.records(unit.key()) if isinstance(one.record, Bookmark)]
    assert mark.pts_ns == told[1].contact_ns, "a bookmark is where the foot came down"
    shown = CliRunner().invoke(app, ["audit", "presses", "--config", str(unit.config)], env={"COLUMNS": "250"})
    assert shown.exit_code == 0
    assert "start-or-stop (kim)" in shown.output
    assert "consent: none" in shown.output

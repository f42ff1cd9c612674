"""Every press in every state has a defined answer: the page's tables, and what holds in every row of them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from firmware.config import Action
from firmware.messages import Consent, RecorderState
from firmware.recorder import machine_types as t
from firmware.recorder.looks import LOOKS
from firmware.recorder.machine_turn import RUNNING
from tests.press_table import STATES, Row, Stage, row, tables
from tests.recorder_helpers import CONSENT

ROWS = [row(state, action) for state in STATES for action in get_args(Action)]


def named(one: Row) -> str:
    return f"{one.state} - {one.action}"


@pytest.mark.parametrize(("name", "table"), tables().items())
def test_the_page_shows_what_the_machine_does(name: str, table: str) -> None:
    page = (Path(__file__).resolve().parent.parent / "docs" / "controls.md").read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n{table}" in page, "read `python -m tests.press_table`; if it is right, put it there"


def test_no_state_is_left_out() -> None:
    assert {STATES[name]().state.name for name in STATES} == set(get_args(RecorderState))
    assert all(name.startswith(STATES[name]().state.name) for name in STATES)


@pytest.mark.parametrize("one", ROWS, ids=named)
def test_every_press_is_answered_by_one_tone_that_says_what_it_did(one: Row) -> None:
    said = {
        "started": "accepted", "bookmark": "bookmark", "stopped": "stop", "cancelled": "stop", "paused": "pause",
        "resumed": "resume", "moment-left": "resume", "refused": "refused",
    }
    assert len(one.tones) == 1
    assert one.tones[0] == said.get(one.did, one.tones[0])
    assert one.look in LOOKS
    assert bool(one.reason) == (one.did in ("refused", "nothing", "retried"))


@pytest.mark.parametrize("one", ROWS, ids=named)
def test_a_refusal_is_told_over_mqtt_too(one: Row) -> None:
    told = [effect for effect in one.effects if isinstance(effect, t.Journal) and effect.kind == "refused"]
    if one.did == "refused":
        assert one.after.refusal == one.reason
        assert [effect.fields["reason"] for effect in told] == [one.reason]


@pytest.mark.parametrize("one", [one for one in ROWS if one.action == "stop"], ids=named)
def test_after_a_stop_nothing_runs_and_none_is_refused(one: Row) -> None:
    assert one.after.name not in RUNNING
    assert one.did in ("stopped", "cancelled", "nothing", "retried")
    assert one.tones == ("stop",)


@pytest.mark.parametrize("one", ROWS, ids=named)
def test_only_a_ready_unit_with_consent_is_started_by_a_press(one: Row) -> None:
    if one.did == "started":
        assert one.state == "READY"
    if one.state.startswith("READY, "):
        assert one.after.name == "READY"


@pytest.mark.parametrize("one", ROWS, ids=named)
def test_a_press_never_ends_a_pause_that_consent_or_policy_asks_for(one: Row) -> None:
    before = STATES[one.state]().state
    if before.blanked and before.name in RUNNING and one.after.name in RUNNING:
        assert one.after.paused
    if one.action != "pause-or-resume" and one.after.name in RUNNING:
        assert one.after.paused >= before.paused


@pytest.mark.parametrize("one", ROWS, ids=named)
def test_the_record_light_is_not_lit_by_a_press(one: Row) -> None:
    stage = STATES[one.state]()
    if not stage.state.durable_bytes:
        assert LOOKS[one.look].record == "off"


# ---- while a start is under way ------------------------------------------------------------------


def test_a_pause_before_the_first_picture_is_kept_from_the_first_frame_on() -> None:
    stage = STATES["STARTING, no picture yet"]()
    effects = stage.send(t.Pressed("pause-or-resume", "x", "privacy"))
    assert t.PausePipeline(True) in effects
    assert stage.state.paused
    stage.send(t.PipelineUp(), t.Durable("rec1", 100))
    assert stage.state.name == "PAUSED"
    stage.send(t.Pressed("pause-or-resume", "x", "privacy"))
    assert stage.state.name == "RECORDING"


def test_a_pause_does_not_outlive_a_start_that_comes_to_nothing() -> None:
    stage = STATES["STARTING, no picture yet"]()
    stage.send(t.Pressed("pause-or-resume", "x", "privacy"))
    stage.send(t.Pressed("stop", "x"))
    assert stage.state.name == "READY"
    assert not stage.state.paused
    assert not stage.state.hand_paused


# ---- whose mapping it is -------------------------------------------------------------------------


def test_the_sites_mapping_comes_back_when_the_recording_is_sealed() -> None:
    stage = Stage().ready()
    assert stage.ask("surgeon", surgeon="kim").ok
    stage.send(t.Pressed("start", "rec1"), t.Durable("rec1", 100), t.Pressed("stop", "x"))
    assert stage.state.surgeon == "kim", "the pedals change their meaning only once it is sealed"
    effects = stage.send(t.Sealed("rec1", 200))
    assert stage.state.surgeon == ""
    assert t.Journal("surgeon", "", {"surgeon": "", "origin": "case ended"}) in effects


def test_the_sites_mapping_comes_back_when_a_case_ends_without_a_recording() -> None:
    stage = Stage().ready(Consent())
    assert stage.ask("surgeon", surgeon="kim").ok
    assert stage.ask("consent", CONSENT).ok
    assert stage.state.surgeon == "kim", "chosen before the case was opened"
    assert stage.ask("consent", Consent()).ok
    assert stage.state.surgeon == ""


def test_a_surgeon_is_chosen_by_a_known_id_and_again_without_effect() -> None:
    stage = Stage().ready()
    refused = stage.ask("surgeon", surgeon="nobody")
    assert (refused.ok, refused.reason) == (False, "surgeon: there is no such id in controls.surgeons")
    assert stage.ask("surgeon", surgeon="kim").ok
    state = stage.state
    assert stage.ask("surgeon", surgeon="kim").ok
    assert stage.state == state
    assert stage.ask("surgeon").ok
    assert stage.state.surgeon == ""


@pytest.mark.parametrize("state", [name for name in STATES if STATES[name]().state.name in (*RUNNING, "STOPPING")])
def test_no_surgeon_is_chosen_while_something_is_recorded(state: str) -> None:
    stage = STATES[state]()
    reply = stage.ask("surgeon", surgeon="kim")
    assert not reply.ok
    assert reply.reason.startswith("state: ")
    assert stage.state.surgeon == ""

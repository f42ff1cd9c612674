"""The recorder as a real process: pedal to sealed file, refusals, pause, evidence light, commands, faults."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from firmware.messages import Consent, Fragment, StreamInfo
from firmware.paths import default_models_dir
from firmware.vault.records import Bookmark, StateChange
from tests.recorder_helpers import CONSENT, Unit, children_of, runs, until


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path)
    yield unit
    if unit.process is not None:
        unit.process.kill()
        unit.process.wait(10)
        unit._forget()


def test_pedal_to_sealed_file(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    until(lambda: _health(listener).frames_out > 20, what="pictures")
    assert _health(listener).preroll_s == 0, "kept without consent"
    assert listener.ask("start").reason == "consent: none"
    unit.light("ready", "triple")
    assert listener.ask("consent", consent=CONSENT).ok
    until(lambda: _health(listener).preroll_s > 1.5, what="a pre-roll")

    unit.board("tap pedal 0.1")
    report = listener.state("RECORDING")
    unit.light("record", "on")
    assert report.recording_id
    unit.board("tap pedal 0.1")
    listener.event("bookmark")
    time.sleep(0.6)  # something to see between bookmark and pause
    unit.board("tap privacy 0.1")
    listener.state("PAUSED")
    unit.light("record", "slow")
    time.sleep(1.2)
    unit.board("tap privacy 0.1")
    listener.state("RECORDING")
    time.sleep(1.2)
    unit.board("tap pedal 1.0")
    listener.event("sealed")
    report = listener.state("READY")
    assert report.consent == "none"
    unit.light("record", "off")
    assert listener.ask("start").reason == "consent: none"
    assert not _codes(listener) & {"pedal", "pedal-stuck", "journal", "pause-broken"}, _codes(listener)

    (path,) = unit.recordings()
    with unit.open(path) as recording:
        report_ = recording.verify()
        assert report_.ok, report_
        records = [stored.record for stored in recording.records(unit.key())]
    fragments = [record for record in records if isinstance(record, Fragment)]
    assert isinstance(records[0], Consent)
    assert isinstance(next(r for r in records if isinstance(r, StreamInfo | Fragment)), StreamInfo)
    assert fragments[0].keyframe
    assert [r.origin for r in records if isinstance(r, Bookmark)] == ["pedal"]
    states = [r.state for r in records if isinstance(r, StateChange)]
    assert states == ["RECORDING", "PAUSED", "RECORDING", "STOPPING"]
    paused, resumed = [r.pts_ns for r in records if isinstance(r, StateChange)][1:3]
    for fragment in fragments:
        for verdict in fragment.verdicts:
            if paused <= verdict.pts_ns < resumed:
                assert verdict.kind == "blanked"
    started = next(r for r in records if isinstance(r, StateChange)).pts_ns
    assert started - fragments[0].pts_ns > 1_500_000_000, "the pre-roll is in the file"
    assert unit.stop() == 0


def _health(listener):  # type: ignore[no-untyped-def]
    listener.read()
    none = type("None", (), {"preroll_s": 0.0, "frames_out": 0})
    return listener.healths[-1] if listener.healths else none


def _codes(listener) -> set[str]:  # type: ignore[no-untyped-def]
    return {str(event.fields["code"]) for event in listener.events if event.kind == "alert"}


def test_nothing_seen_before_consent_or_during_a_pause_is_kept_in_the_clear(tmp_path: Path) -> None:
    unit = Unit(tmp_path, faces=True, models=str(default_models_dir()))
    listener = unit.start()
    try:
        listener.state("READY")
        until(lambda: _health(listener).frames_out > 10, 60.0, "pictures")
        health = _health(listener)
        assert health.frames_blanked >= health.frames_out - 1, "an unfilled picture was encoded without consent"
        consent_ns = time.monotonic_ns()
        listener.ask("consent", consent=CONSENT)
        assert listener.ask("start").ok
        listener.state("RECORDING")
        time.sleep(2.5)
        paused_ns = time.monotonic_ns()
        assert listener.ask("pause").state == "PAUSED"
        told_ns = time.monotonic_ns()
        time.sleep(1.5)
        resumed_ns = time.monotonic_ns()
        assert listener.ask("resume").state == "RECORDING"
        time.sleep(2.0)
        assert listener.ask("stop").ok
        listener.event("sealed")
        assert unit.stop() == 0
    finally:
        if unit.process is not None:
            unit.kill9()
    assert "pipeline-down" not in listener.kinds()
    with unit.open() as recording:
        verdicts = [v for fragment in recording.fragments(unit.key()) for v in fragment.verdicts]
    shown = [v.pts_ns for v in verdicts if v.kind != "blanked"]
    assert not [pts for pts in shown if pts < consent_ns]
    assert [pts for pts in shown if pts < paused_ns], "nothing was shown before the pause"
    assert not [pts for pts in shown if told_ns <= pts < resumed_ns]
    assert [pts for pts in shown if pts > resumed_ns], "nothing was shown after the pause"


def test_the_light_follows_the_disk_not_the_state(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    unit.disk("hang-sync")
    assert listener.ask("start").ok
    time.sleep(1.5)
    assert unit.lights()["record"] == "off", "lit before anything was on the disk"
    unit.disk("")
    listener.state("RECORDING")
    unit.light("record", "on")

    unit.disk("hang-sync")
    unit.light("record", "off")
    listener.read()
    assert listener.states[-1].state == "RECORDING"
    assert not listener.states[-1].recording_evident
    assert listener.event("alert").fields
    wanted = {"disk-stalled", "loss-window"}
    until(lambda: (listener.read(), wanted <= _codes(listener))[1], what=f"the alerts {wanted}")
    unit.disk("")
    unit.light("record", "on")
    assert listener.ask("stop").ok
    listener.event("sealed")
    with unit.open() as recording:
        assert recording.verify().ok
    assert unit.stop() == 0


def test_a_failing_disk_is_a_fault_and_the_file_is_closed(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    time.sleep(0.5)
    unit.disk("fail-write")
    listener.state("FAULT")
    unit.light("record", "off")
    unit.light("ready", "fault-1")
    unit.disk("")
    unit.board("tap pedal 0.1")  # the way out of a fault
    listener.state("READY")
    recovered = listener.event("recovered")
    assert recovered.fields["outcome"] == "closed"
    with unit.open() as recording:
        assert recording.verify().ok
    assert unit.stop() == 0


def test_a_full_disk_ends_the_recording_with_a_whole_file(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    unit.disk("full")
    # The floor or the full disk itself, whichever is seen first; either way the file ends whole.
    until(lambda: (listener.read(), [e for e in listener.events if e.kind in ("sealed", "fault")])[1], what="an end")
    unit.light("record", "off")
    listener.ask("consent", consent=CONSENT)
    assert not listener.ask("start").ok
    unit.disk("")
    if listener.states[-1].state == "FAULT":
        unit.board("tap pedal 0.1")
    listener.state("READY")
    with unit.open() as recording:
        assert recording.verify().ok
    assert unit.stop() == 0


def test_sound_is_recorded_only_with_consent_to_it(unit: Unit) -> None:
    text = unit.config.read_text().replace("sound=0", "sound=1")
    unit.config.write_text(text + "[sound]\nenabled = true\n")
    listener = unit.start()
    listener.state("READY")
    for audio in (True, False):
        listener.ask("consent", consent=replace(CONSENT, audio=audio))
        assert listener.ask("start").ok  # waits for the pipeline that consent to sound has replaced
        listener.state("RECORDING")
        time.sleep(0.5)
        assert listener.ask("stop").ok
        listener.event("sealed", count=1 if audio else 2)
        listener.state("READY")
    assert unit.stop() == 0
    codecs = {}
    for path in unit.recordings():
        with unit.open(path) as recording:
            assert recording.verify().ok
            streams = [r.record for r in recording.records(unit.key()) if isinstance(r.record, StreamInfo)]
            codecs[recording.header.consent.audio] = [stream.sound_codec for stream in streams]
    assert codecs == {True: ["opus"], False: [""]}


def test_consent_refused_stops_at_once_and_keeps_what_was_agreed_to(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    assert listener.ask("consent", consent=Consent(state="refused")).state == "STOPPING"
    assert listener.event("stopped").fields["reason"] == "consent"
    listener.event("sealed")
    assert unit.stop() == 0


def test_a_stop_of_the_process_seals_first(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    pid = unit.process.pid  # type: ignore[union-attr]
    pipelines = children_of(pid)
    assert len(pipelines) == 1
    assert unit.stop() == 0
    assert not runs(pipelines[0])
    with unit.open() as recording:
        report = recording.verify()
        assert report.ok
        assert report.state == "sealed"


def test_an_unplugged_pedal_is_told_and_the_recording_goes_on(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start").ok
    listener.state("RECORDING")
    unit.board("unplug pedal")
    until(lambda: (listener.read(), "pedal" in _codes(listener))[1], what="an alert")
    unit.light("ready", "double")
    unit.board("plug pedal")
    listener.event("alert-cleared")
    assert listener.states[-1].state == "RECORDING"
    assert listener.ask("stop").ok
    listener.event("sealed")
    unit.board("unplug pedal")
    listener.ask("consent", consent=CONSENT)
    until(lambda: listener.ask("start").reason.startswith("pedal:"), what="a refusal that names the pedal")
    assert unit.stop() == 0


def test_repeated_commands_and_replayed_events(unit: Unit) -> None:
    listener = unit.start()
    listener.state("READY")
    first = listener.ask("start", command_id="same")
    assert not first.ok
    listener.ask("consent", consent=CONSENT)
    assert listener.ask("start", command_id="same") == first, "a repeated id gets the first answer"
    assert listener.ask("start").ok
    listener.event("started")
    later = unit.listen(after_seq=0)
    later.event("started")
    seqs = [event.seq for event in later.events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len({event.id for event in later.events}) == len(seqs)
    listener.ask("stop")
    later.event("sealed")
    assert unit.stop() == 0

"""What the recorder tells: a byte count that moves while bytes do; a pipeline that only talks is not believed."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace

import pytest

from firmware.config import Config
from firmware.ipc import Channel
from firmware.messages import Fragment, FromPipeline, Health, Progress, StateReport, StreamInfo, ToPipeline, Verdict
from firmware.recorder import machine_types as t
from firmware.recorder import pipeline_keeper
from firmware.recorder.pipeline_keeper import PipelineKeeper
from firmware.recorder.reports import Reporter
from hw.sim.clock import SimClock


def test_the_byte_count_is_told_each_second_while_it_grows() -> None:
    clock, told = SimClock(), list[StateReport | Health]()
    reporter = Reporter(Config(), clock, told.append)
    state = t.MachineState(name="RECORDING", recording_id="r")
    for quarter in range(41):
        reporter.state(replace(state, durable_bytes=1000 * quarter), True, "record on, ready off", 5.0)
        clock.advance(0.25)
    counts = [report.durable_bytes for report in told]
    assert counts == [4000 * second for second in range(11)]
    for _ in range(40):  # nothing more reaches the disk: nothing is said again
        reporter.state(replace(state, durable_bytes=40_000), True, "record on, ready off", 5.0)
        clock.advance(0.25)
    assert len(told) == 11


class Wire:
    """A pipeline's end of a real channel, played by the test; the keeper's end has what it asks of a PipelineLink."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.near: Channel[ToPipeline, FromPipeline] = Channel(ours, ToPipeline, FromPipeline)
        self.far: Channel[FromPipeline, ToPipeline] = Channel(theirs, FromPipeline, ToPipeline)
        self.recv, self.send, self.fileno = self.near.recv, self.near.send, self.near.fileno
        self.pid = 1

    def kill(self) -> None:
        self.near.close()


def test_a_pipeline_that_talks_but_sends_no_picture_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    wire, clock = Wire(), SimClock()
    monkeypatch.setattr(pipeline_keeper, "PipelineLink", lambda *_, **__: wire)
    keeper = PipelineKeeper(Config(), clock)
    keeper.start(sound_allowed=False, paused=False)
    now = clock.monotonic_ns()
    wire.far.send(StreamInfo("h264", 64, 64, 64, 64, 15, 1, True, "x264", [], b"init"))
    wire.far.send(Fragment(0, now, 250_000_000, True, b"picture", [Verdict(now, "clean")]))
    assert any(isinstance(item, t.PipelineUp) for item in keeper.poll())
    seen: list[t.MachineEvent] = []
    for _ in range(40):
        clock.advance(0.25)
        wire.far.send(Progress(now, 1, 1, 0, 0, 0, {}, 0))
        seen += [item for item in keeper.poll() if not isinstance(item, StreamInfo | Fragment)]
        if not keeper.running:
            break
    wire.far.close()
    assert [type(item) for item in seen] == [t.Alerted, t.PipelineDown]
    assert seen[0] == t.Alerted("no-picture", "no picture has come for 2 s")
    assert not keeper.running
    assert "no picture" in keeper.problem


def test_a_pipeline_that_cannot_be_started_is_told_and_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    keeper = PipelineKeeper(Config(), SimClock())
    keeper.start(sound_allowed=False, paused=False)
    (down,) = keeper.poll()
    assert isinstance(down, t.PipelineDown)
    assert "cannot be started" in down.text
    assert list(keeper.poll()) == []
    assert not keeper.running

"""The scripted operation: what the surgeon and the fleet do, step by step, and what must follow each time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from firmware.demo.stage import PREROLL_S, Stage
from firmware.demo.steps import Steps
from firmware.demo.witness import Heard, MqttWitness, SocketWitness
from firmware.fleet.topics import FleetCommand
from firmware.messages import CaseConsent
from hw.sim.board_wire import BoardRemote

TAP_S, HOLD_S = 0.15, 1.2
SOME_FRAMES = 30
ENOUGH_PREROLL_S = 8.0
BOOKMARK_EVERY_S = 2.5
PAUSE_S = 3.0
READY_TIMEOUT_S = 45.0
CONSENT = CaseConsent(
    state="given", video=True, audio=True, stills=True, by="Dr. Example", evidence="signed form 12",
    evidence_kind="written", purpose="To show a staged operation.", purpose_class="education",
    audience="whoever runs the demo", destination="the demo's folder", retention_days=1, medical_record="no",
    procedure="staged operation",
)


@dataclass(slots=True)
class CaseRecord:
    """What happened. `board_log` is the board's own: presses, lights and tones with their times."""

    pressed_ns: int = 0
    recording_id: str = ""
    refusal: str = ""
    preroll_s: float = 0.0
    board_log: list[dict[str, Any]] = field(default_factory=list)
    durable_samples: list[tuple[float, int]] = field(default_factory=list)
    """(unix_s, durable bytes of the running recording), as the recorder's health told them."""


class Case:
    """Plays the case on a running stage. Raises StepFailed when going on makes no sense."""

    def __init__(self, stage: Stage, steps: Steps, mqtt: MqttWitness, local: SocketWitness) -> None:
        self._stage, self._steps, self._mqtt, self._local = stage, steps, mqtt, local
        self.record = CaseRecord()

    def play(self) -> None:
        """The whole case, from READY to sealed."""
        self._wait_ready()
        board = BoardRemote(self._stage.run_dir)
        try:
            self._press_without_consent(board)
            self._give_consent()
            self._start(board)
            self._bookmarks(board)
            self._privacy_pause(board)
            self._stop(board)
        finally:
            self.record.board_log = board.log()
            board.close()
            self._collect()

    def _wait_ready(self) -> None:
        ready = self._local.wait_for(lambda: self._local.state in ("READY", "FAULT"), READY_TIMEOUT_S)
        fault = self._local.reports[-1][1].fault if self._local.reports else "the recorder did not come up"
        self._steps.need("device up", ready and self._local.state == "READY",
                         fault or "three processes under one supervisor, state READY")
        picture = self._local.wait_for(self._has_pictures, READY_TIMEOUT_S)
        kept = self._local.health.preroll_s if self._local.health else 0.0
        told = f"{kept:.1f} s were kept" if kept else "scrubbed pictures come in; none is kept without consent"
        self._steps.need("picture", picture and not kept, told if picture else "none comes in")

    def _has_pictures(self) -> bool:
        return self._local.health is not None and self._local.health.frames_out > SOME_FRAMES

    def _has_preroll(self, seconds: float) -> Any:
        return lambda: self._local.health is not None and self._local.health.preroll_s >= seconds

    def _press_without_consent(self, board: BoardRemote) -> None:
        at = len(self._mqtt.heard)
        board.ask(f"tap pedal {TAP_S}")
        heard = self._mqtt.wait_for(lambda h: h.leaf == "state" and bool(h.payload.refusal), 5.0, at)
        self.record.refusal = heard.payload.refusal if heard else ""
        lights = board.lights()
        held = self.record.refusal.startswith("consent") and lights["record"] == "off" and self._local.state == "READY"
        shown = f'record light {lights["record"]}, ready light {lights["ready"]}'
        told = f'pedal pressed, refused: "{self.record.refusal}", {shown}'
        self._steps.need("no consent, no recording", held, told)

    def _give_consent(self) -> None:
        at = len(self._mqtt.heard)
        self._mqtt.command(FleetCommand(id="demo-consent", verb="consent", consent=CONSENT))
        answer = self._mqtt.wait_for(lambda h: h.leaf == "answer" and h.payload.id == "demo-consent", 10.0, at)
        held = answer is not None and answer.payload.ok
        why = "no answer came" if answer is None else answer.payload.reason
        self._steps.need("consent", held, "given over MQTT for picture and sound" if held else f"not taken: {why}")
        if self._local.health is not None:
            self._local.health = None  # sound consent may start the pipeline anew: only later figures count
        full = self._local.wait_for(self._has_preroll(ENOUGH_PREROLL_S), READY_TIMEOUT_S)
        health = self._local.health
        kept = health.preroll_s if health else 0.0
        self._steps.need("pre-roll", full, f"{kept:.1f} s of scrubbed picture wait in memory (at most {PREROLL_S:g} s)")

    def _start(self, board: BoardRemote) -> None:
        self.record.pressed_ns = time.monotonic_ns()
        board.ask(f"tap pedal {TAP_S}")
        state = self._reach("RECORDING", 15.0)
        lit = self._local.wait_for(lambda: board.lights()["record"] == "on", 5.0)
        self.record.recording_id = self._local.reports[-1][1].recording_id
        durable = self._local.reports[-1][1].durable_bytes
        told = f"state {self._local.state}, record light {board.lights()['record']}, {durable} bytes on the disk before"
        self._steps.need("pedal pressed: start", state and lit and durable > 0, told)

    def _bookmarks(self, board: BoardRemote) -> None:
        at = len(self._mqtt.heard)
        for _ in range(3):
            time.sleep(BOOKMARK_EVERY_S)
            board.ask(f"tap pedal {TAP_S}")
        self._mqtt.wait_for(lambda h: self._count("bookmark", at) == 3, 5.0, at)
        count = self._count("bookmark", at)
        self._steps.tell("pedal pressed three times: bookmarks", count == 3, f"{count} bookmarks reached the fleet")

    def _privacy_pause(self, board: BoardRemote) -> None:
        time.sleep(1.5)
        board.ask(f"tap privacy {TAP_S}")
        paused = self._reach("PAUSED", 5.0)
        slow = self._local.wait_for(lambda: board.lights()["record"] == "slow", 3.0)
        shown = board.lights()["record"]
        time.sleep(PAUSE_S)
        board.ask(f"tap privacy {TAP_S}")
        resumed = self._reach("RECORDING", 5.0)
        told = f"filled and mute for {PAUSE_S:g} s, record light {shown}, then {self._local.state} again"
        self._steps.tell("privacy button: pause and resume", paused and slow and resumed, told)
        time.sleep(3.0)

    def _stop(self, board: BoardRemote) -> None:
        at = len(self._mqtt.heard)
        board.ask(f"tap pedal {HOLD_S}")
        sealed = self._mqtt.wait_for(lambda h: h.leaf == "events" and h.payload.kind == "sealed", 20.0, at)
        ready = self._reach("READY", 10.0)
        dark = self._local.wait_for(lambda: board.lights()["record"] == "off", 3.0)
        size = sealed.payload.fields.get("bytes", 0) if sealed else 0
        told = f"sealed with {size} bytes, record light off" if sealed else "it was not sealed"
        self._steps.need("pedal held: stop", sealed is not None and ready and dark, told)

    def _reach(self, state: str, timeout_s: float) -> bool:
        return self._local.wait_for(lambda: self._local.state == state, timeout_s)

    def _count(self, kind: str, after: int) -> int:
        return sum(1 for h in self._mqtt.heard[after:] if h.leaf == "events" and h.payload.kind == kind)

    def _collect(self) -> None:
        """The recorder's own figures of what was on the disk when."""
        for heard in list(self._mqtt.heard):
            if heard.leaf == "health" and heard.payload.recorder is not None:
                health = heard.payload.recorder
                if health.state in ("RECORDING", "PAUSED") and health.durable_bytes:
                    self.record.durable_samples.append((health.unix_s, health.durable_bytes))


def event_problems(heard: list[Heard]) -> list[str]:
    """Promise 10 as heard over MQTT: event numbers without a gap, no id twice with another content."""
    problems: list[str] = []
    ids: dict[str, int] = {}
    last = 0
    for payload in (h.payload for h in heard if h.leaf == "events"):
        if ids.setdefault(payload.id, payload.seq) != payload.seq:
            problems.append(f"id {payload.id} came with two numbers")
        if payload.seq > last + 1:
            problems.append(f"after event {last} came {payload.seq}")
        last = max(last, payload.seq)
    return problems

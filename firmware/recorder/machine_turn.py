"""One turn of the state machine: the moves that several events share. Pure; collects effects in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from firmware import case
from firmware.messages import Consent, RecorderState
from firmware.recorder import machine_types as t

RUNNING = ("STARTING", "RECORDING", "PAUSED", "INTERRUPTED")


def recording_evident(state: t.MachineState, now_ns: int) -> bool:
    """Did bytes of the running recording reach the disk recently? The record light's only reason to be lit."""
    return (
        state.name in ("RECORDING", "PAUSED", "INTERRUPTED")
        and state.durable_grew_ns > 0
        and now_ns - state.durable_grew_ns <= state.rules.light_stale_ns
    )


class Turn:
    """The state as it changes during one event, and the effects asked for, in order."""

    def __init__(self, state: t.MachineState, now_ns: int) -> None:
        self.state, self.now_ns = state, now_ns
        self.effects: list[t.Effect] = []

    def put(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def emit(self, *effects: t.Effect) -> None:
        self.effects += effects

    def journal(self, kind: str, **fields: t.Scalar) -> None:
        self.emit(t.Journal(kind, self.state.recording_id, fields))

    def go(self, name: RecorderState) -> None:
        """Enter a state and set its deadline."""
        rules = self.state.rules
        after = {
            "BOOT": rules.boot_ns, "SELFTEST": rules.selftest_ns, "RECOVERING": rules.recovering_ns,
            "STARTING": rules.starting_ns, "INTERRUPTED": rules.interrupted_ns, "STOPPING": rules.stopping_ns,
            "UPDATING": rules.updating_ns, "FAULT": rules.fault_retry_ns, "SHUTDOWN": rules.shutdown_ns,
        }.get(name)
        self.put(name=name, deadline_ns=self.now_ns + after if after is not None else 0)
        if name == "INTERRUPTED":
            self.put(interrupted_since_ns=self.now_ns)

    def forbidden(self) -> str:
        """What the consent lock and the site's policy say against recording now: a sentence, empty when nothing."""
        state = self.state
        problems = case.start_problems(state.consent, state.rules.policy, state.rules.room, state.moments)
        return problems[0] if problems else ""

    def open_recording(self) -> None:
        """Commit: the consent lock is asked here, once more, whatever led to this."""
        problem = self.forbidden()
        if problem:
            self.cancel_start()
            self.refuse(problem)
            return
        self.put(opened=True, deadline_ns=self.now_ns + self.state.rules.starting_ns)
        self.emit(t.OpenRecording(self.state.recording_id))

    def cancel_start(self) -> None:
        """A start of which no file was opened comes to nothing."""
        self.go("READY")
        self.put(recording_id="", hand_paused=False)
        self.sync_pause("")

    def set_surgeon(self, surgeon: str, origin: str) -> None:
        """The controls mean what they mean for `surgeon`; "" is the site's own mapping."""
        if surgeon != self.state.surgeon:
            self.put(surgeon=surgeon)
            self.emit(t.Journal("surgeon", "", {"surgeon": surgeon, "origin": origin}))

    def stop(self, reason: str, *, then: RecorderState = "READY", fault: str = "") -> None:
        """End the running recording; sealed, or in FAULT by STOPPING's deadline."""
        self.emit(t.WriteState("STOPPING", reason), t.SealRecording(self.state.recording_id, reason))
        self._into_stopping(reason, "FAULT" if fault else then, fault)

    def erase(self, role: str, origin: str) -> None:
        """Consent was withdrawn: nothing more is written, no ending either; STOPPING waits for Erased."""
        state = self.state
        if state.erasing:
            return
        every = (*state.parts, state.recording_id)
        self.put(erasing=frozenset(every))
        if state.closing in every:
            self.put(closing="", closing_until_ns=0)
        self.emit(t.ClearPreroll(), t.EraseRecording(every, "withdrawn", role, origin))
        if self.state.name != "STOPPING":
            self._into_stopping("withdrawn", "READY", "")
        self.sync_pause("")

    def _into_stopping(self, reason: str, then: RecorderState, fault: str) -> None:
        self.put(stop_reason=reason, then=then, fault=fault)
        self.go("STOPPING")
        self.journal("stopped", reason=reason)
        self.emit(t.PlayTone("warning" if fault else "stop"))
        self.put(hand_paused=False, blanked=False)
        self.sync_pause("")

    def sync_pause(self, cause: str) -> None:
        """Bring the pipeline to what hand, consent and policy say: filled and mute, or not. `cause` goes on record."""
        state = self.state
        allowed = case.allows(state.consent, "video")
        on = state.hand_paused or state.blanked or bool(state.moments) or not allowed
        if on == state.paused:
            return
        running = state.opened and state.name in RUNNING
        if not running:
            self.emit(t.ClearPreroll())
        self.emit(t.PausePipeline(on))
        self.put(paused=on)
        if running:
            if state.name in ("RECORDING", "PAUSED"):
                self.go("PAUSED" if on else "RECORDING")
            self.emit(t.WriteState("PAUSED" if on else "RECORDING", cause), t.PlayTone("pause" if on else "resume"))
            self.journal("paused" if on else "resumed", origin=cause)

    def abandon(self, fault: str) -> None:
        """The writer failed while sealing: what is on the disk stays, recovery closes it."""
        then: RecorderState = "SHUTDOWN" if self.state.then == "SHUTDOWN" else "FAULT"
        self.emit(t.AbandonRecording(self.state.recording_id))
        self.journal("abandoned", problem=fault)
        self.end_recording()
        self.arrive(then, fault)

    def end_recording(self) -> None:
        """No recording is open any more; consent never outlives its recording, nor do pictures in memory."""
        self.put(
            recording_id="", opened=False, stop_reason="", durable_bytes=0, durable_grew_ns=0, parts=(),
            erasing=frozenset(), consent=Consent(), then="READY", fault="", hand_paused=False, blanked=False,
            marked_ns=0, asked_ns=0,
        )
        self.set_surgeon("", "case ended")
        self.emit(t.ClearPreroll())
        self.sync_pause("")

    def arrive(self, name: RecorderState, fault: str) -> None:
        """Enter a resting state after a recording, or at shutdown."""
        if name == "FAULT":
            self.fault(fault or "unknown")
            return
        self.go(name)
        if name == "SHUTDOWN":
            self.journal("shutdown")
            self.emit(t.KillPipeline(), t.Exit())
            self.put(pipeline_started=False, pipeline_up=False, start_pipeline_at_ns=0, recording_id="")
        else:
            self.sync_pipeline()

    def fault(self, text: str) -> None:
        news = text != self.state.fault  # a retry that finds the same again is not news
        self.put(fault=text)
        self.go("FAULT")
        if news:
            self.journal("fault", problem=text)
            self.emit(t.PlayTone("warning"))
        self.sync_pipeline()

    def retry(self) -> None:
        """The way out of FAULT: look again from the self-test on."""
        self.go("SELFTEST")
        self.emit(t.RunSelfTest())

    def alert(self, code: str, text: str = "", *, cleared: bool = False) -> None:
        """Tell it, or its end, once."""
        known = code in self.state.alerts
        if known != cleared:
            return
        self.put(alerts=self.state.alerts - {code} if cleared else self.state.alerts | {code})
        self.journal("alert-cleared" if cleared else "alert", code=code, text=text)
        if not cleared:
            self.emit(t.PlayTone("warning"))

    def refuse(self, reason: str) -> None:
        self.put(refusal=reason, refusal_until_ns=self.now_ns + self.state.rules.refusal_shown_ns)
        self.emit(t.Journal("refused", "", {"reason": reason}), t.PlayTone("refused"))

    def start_pipeline(self) -> None:
        """Start it, with sound only where consent allows; a recording begun without sound goes on without."""
        state = self.state
        sound = self._sound_allowed() and (state.sound_on or not state.opened) and state.name != "STOPPING"
        self.put(start_pipeline_at_ns=0, sound_on=sound, pipeline_started=True, pipeline_up=False)
        if state.name == "INTERRUPTED":
            self.put(deadline_ns=self.now_ns + state.rules.interrupted_ns)
        self.emit(t.StartPipeline(sound_allowed=sound, paused=state.paused))

    def schedule_restart(self) -> bool:
        """Start the pipeline again, at once or after a wait; False when the window is used up (it is then retried
        slowly)."""
        rules = self.state.rules
        recent = tuple(at for at in self.state.restarts if self.now_ns - at < rules.restart_window_ns)
        if len(recent) >= len(rules.restart_waits_ns):
            self.put(restarts=recent, start_pipeline_at_ns=self.now_ns + rules.slow_retry_ns)
            return False
        wait_ns = rules.restart_waits_ns[len(recent)]
        self.put(restarts=(*recent, self.now_ns), start_pipeline_at_ns=self.now_ns + wait_ns)
        if wait_ns == 0:
            self.start_pipeline()
        return True

    def wait_for_source(self) -> bool:
        """The source is away: look again soon; False when a recording has waited for as long as the window."""
        state = self.state
        waited_ns = self.now_ns - state.interrupted_since_ns if state.name == "INTERRUPTED" else 0
        self.put(start_pipeline_at_ns=self.now_ns + state.rules.source_retry_ns)
        return waited_ns < state.rules.restart_window_ns

    def sync_pipeline(self, *, start: bool = False) -> None:
        """Bring the pipeline's sound to what consent says; a running one is replaced, since it was told at birth."""
        state = self.state
        if start or (state.sound_on != self._sound_allowed() and state.pipeline_started):
            self.emit(t.ClearPreroll())
            self.start_pipeline()

    def _sound_allowed(self) -> bool:
        return self.state.rules.sound_configured and case.allows(self.state.consent, "audio")

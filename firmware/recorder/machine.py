"""The recorder's state machine, a pure function: `step(state, event, now) -> state, effects`. No clock, no I/O.

Every state has a deadline here (`_deadline`, met by Tick) or an exit from outside (READY, RECORDING, PAUSED: controls,
commands, faults). No start without a whole consent; a recording whose consent goes away stops, or is filled, at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware import case
from firmware.messages import RecorderState
from firmware.recorder import machine_commands as commands
from firmware.recorder import machine_disk as disk
from firmware.recorder import machine_power as power
from firmware.recorder import machine_presses as presses
from firmware.recorder import machine_selftest as selftests
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import RUNNING, Turn

SOURCE_AWAY = ("source-lost", "source-missing")


def step(state: t.MachineState, event: t.MachineEvent, now_ns: int) -> tuple[t.MachineState, list[t.Effect]]:
    """Take one event. Total: every event is accepted in every state."""
    turn = Turn(state, now_ns)
    _HANDLERS[type(event)](turn, event)
    return turn.state, turn.effects


def may_write(state: t.MachineState) -> bool:
    """May a fragment that arrives now be given to the writer? Without consent only where every frame is filled."""
    return (
        state.opened
        and state.name in RUNNING
        and (case.allows(state.consent, "video") or (state.blanked and state.paused))
    )


def may_keep(state: t.MachineState) -> bool:
    """May a fragment that is not written be kept in memory, for the pre-roll? Not without consent."""
    return case.allows(state.consent, "video")


def may_tidy(state: t.MachineState) -> bool:
    """May old recordings be deleted now? Not while the unit lives on what its supply has stored."""
    return state.name == "READY" and not state.mains_lost


def _boot_done(turn: Turn, _event: t.BootDone) -> None:
    if turn.state.name == "BOOT":
        turn.emit(t.Journal("boot"))
        turn.go("SELFTEST")
        turn.emit(t.RunSelfTest())


def _self_tested(turn: Turn, event: t.SelfTested) -> None:
    if turn.state.name != "SELFTEST" or turn.state.path_test:
        return
    if event.problem:
        turn.fault(event.problem)
    else:
        turn.go("RECOVERING")
        turn.emit(t.RunRecovery())


def _recovered(turn: Turn, event: t.Recovered) -> None:
    if turn.state.name != "RECOVERING":
        return
    if event.problem:
        turn.fault(event.problem)
        return
    turn.put(fault="")
    turn.go("READY")
    turn.sync_pipeline(start=not turn.state.pipeline_started and not turn.state.start_pipeline_at_ns)
    if turn.state.path_test_due:
        selftests.begin(turn, "boot")


def _pressed(turn: Turn, event: t.Pressed) -> None:
    presses.pressed(turn, event)


def _asked(turn: Turn, event: t.Asked) -> None:
    commands.asked(turn, event)


def _conditions(turn: Turn, event: t.ConditionsChanged) -> None:
    turn.put(unmet=event.unmet)


def _durable(turn: Turn, event: t.Durable) -> None:
    state = turn.state
    if event.recording_id != state.recording_id or event.total_bytes <= state.durable_bytes:
        return
    turn.put(durable_bytes=event.total_bytes, durable_grew_ns=turn.now_ns)
    if state.name == "STARTING":
        turn.go("PAUSED" if state.paused else "RECORDING")
        turn.emit(t.WriteState(turn.state.name, "started"), t.PlayTone("start"))
        _journal_started(turn)
    elif state.name == "INTERRUPTED" and not state.durable_bytes:
        # The pipeline died between the first picture and the disk's word on it.
        _journal_started(turn)


def _journal_started(turn: Turn) -> None:
    """With when it was asked for, and when its first bytes were on the disk (CLOCK_MONOTONIC)."""
    state = turn.state
    turn.journal("started", case_id=state.consent.case_id, asked_ns=state.asked_ns, durable_ns=turn.now_ns)


def _pipeline_up(turn: Turn, _event: t.PipelineUp) -> None:
    state = turn.state
    turn.put(pipeline_up=True, start_pipeline_at_ns=0)
    if state.name == "STARTING" and not state.opened:
        turn.open_recording()
    elif state.name == "INTERRUPTED":
        name: RecorderState = "PAUSED" if state.paused else "RECORDING" if state.durable_bytes else "STARTING"
        turn.go(name)
        turn.emit(t.WriteGap("pipeline"), t.WriteState(name, "pipeline is back"))
        turn.journal("continued")


def _pipeline_down(turn: Turn, event: t.PipelineDown) -> None:
    state = turn.state
    turn.put(pipeline_started=False, pipeline_up=False)
    turn.emit(t.ClearPreroll())
    if state.name in ("FAULT", "SHUTDOWN", "BOOT", "SELFTEST", "RECOVERING") and not state.path_test:
        turn.put(start_pipeline_at_ns=turn.now_ns + state.rules.slow_retry_ns)
        return
    if event.code == "finished":
        turn.put(start_pipeline_at_ns=turn.now_ns + t.SECOND)
        if state.opened and state.name != "STOPPING":
            turn.stop("source-ended")
        return
    recording = state.opened and state.name in ("STARTING", "RECORDING", "PAUSED", "INTERRUPTED")
    if recording and state.name != "INTERRUPTED":
        turn.go("INTERRUPTED")
        turn.emit(t.WriteState("INTERRUPTED", event.code), t.PlayTone("warning"))
    turn.journal("pipeline-down", code=event.code, text=event.text)
    goes_on = turn.wait_for_source() if event.code in SOURCE_AWAY else turn.schedule_restart()
    if recording and not goes_on:
        turn.stop("pipeline", fault=f"pipeline: {event.text or event.code}")


def _alerted(turn: Turn, event: t.Alerted) -> None:
    turn.alert(event.code, event.text, cleared=event.cleared)


def _mains_lost(turn: Turn, event: t.MainsLost) -> None:
    selftests.end_early(turn, power.CODE)
    power.mains_lost(turn, event)


def _erased(turn: Turn, event: t.Erased) -> None:
    state = turn.state
    if not state.erasing.issubset(event.recording_ids) or not state.erasing:
        return  # one that was not running
    fault = event.problem or state.fault
    turn.end_recording()
    turn.arrive("FAULT" if fault and state.then != "SHUTDOWN" else state.then, fault)


def _update_begun(turn: Turn, _event: t.UpdateBegun) -> None:
    if turn.state.name == "READY" and not turn.state.mains_lost:
        turn.go("UPDATING")
        turn.journal("update-begun")
    else:
        turn.journal("update-refused", state=turn.state.name)


def _update_ended(turn: Turn, _event: t.UpdateEnded) -> None:
    if turn.state.name == "UPDATING":
        turn.go("READY")
        turn.journal("update-ended")


def _shutdown(turn: Turn, _event: t.ShutdownAsked) -> None:
    selftests.end_early(turn, "shutdown")
    state = turn.state
    if state.name == "SHUTDOWN":
        turn.emit(t.Exit())
    elif state.name == "STOPPING":
        turn.put(then="SHUTDOWN")
    elif state.opened:
        turn.stop("shutdown", then="SHUTDOWN")
    else:
        turn.arrive("SHUTDOWN", "")


def _tick(turn: Turn, _event: t.Tick) -> None:
    state = turn.state
    if state.refusal and turn.now_ns >= state.refusal_until_ns:
        turn.put(refusal="")
    if state.start_pipeline_at_ns and turn.now_ns >= state.start_pipeline_at_ns and state.name != "SHUTDOWN":
        turn.start_pipeline()
    disk.closing_deadline(turn)
    if state.deadline_ns and turn.now_ns >= state.deadline_ns:
        _deadline(turn)


def _deadline(turn: Turn) -> None:
    state = turn.state
    if state.path_test:
        selftests.late(turn)
    elif state.name in ("BOOT", "SELFTEST", "RECOVERING"):
        turn.fault(f"{state.name.lower()}: not done in time")
    elif state.name == "STARTING" and state.opened:
        turn.stop("disk", fault="disk: nothing was stored in time")
    elif state.name == "STARTING":
        turn.cancel_start()
        turn.refuse("pipeline: no picture")
    elif state.name == "INTERRUPTED":
        turn.emit(t.KillPipeline())
        turn.put(pipeline_started=False)
        turn.put(deadline_ns=turn.now_ns + state.rules.interrupted_ns)
        given_up = turn.now_ns - state.interrupted_since_ns >= state.rules.restart_window_ns
        if not turn.schedule_restart() or given_up:
            turn.stop("pipeline", fault="pipeline: no picture after restart")
    elif state.name == "STOPPING":
        turn.abandon("erasure: not done in time; it is taken up again" if state.erasing
                     else "disk: the recording was not sealed in time")
    elif state.name == "UPDATING":
        turn.go("READY")
        turn.journal("update-ended", problem="not done in time")
    elif state.name == "FAULT":
        turn.retry()
    elif state.name == "SHUTDOWN":
        turn.put(deadline_ns=turn.now_ns + state.rules.shutdown_ns)
        turn.emit(t.Exit())


_HANDLERS: dict[type, Callable[[Turn, Any], None]] = {
    t.BootDone: _boot_done, t.SelfTested: _self_tested, t.Recovered: _recovered, t.Pressed: _pressed,
    t.Asked: _asked, t.ConditionsChanged: _conditions, t.Durable: _durable, t.PipelineUp: _pipeline_up,
    t.PipelineDown: _pipeline_down, t.Alerted: _alerted, t.WriterFault: disk.writer_fault, t.DiskLow: disk.disk_low,
    t.Sealed: disk.sealed, t.Erased: _erased, t.UpdateBegun: _update_begun, t.UpdateEnded: _update_ended,
    t.Tick: _tick, t.ShutdownAsked: _shutdown, t.PathTestAsked: selftests.asked, t.PathTested: selftests.tested,
    t.MainsLost: _mains_lost, t.HoldUpEnding: power.hold_up_ending, t.MainsBack: power.mains_back,
}


def initial(rules: t.Rules, now_ns: int) -> t.MachineState:
    """The state of a process that has just begun."""
    return t.MachineState(rules=rules, deadline_ns=now_ns + rules.boot_ns, path_test_due=rules.path_test_at_boot)

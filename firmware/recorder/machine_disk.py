"""What a recording does when its disk fails, fills up or has sealed it. Pure.

Where another disk is ready the event brings the id to go on under (`next_id`): the file on the failing disk is closed
as far as that goes, and the recording goes on in a new file at once. It counts as started there when its bytes are on
that disk, and not before.
"""

from __future__ import annotations

from firmware import case
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import Turn


def writer_fault(turn: Turn, event: t.WriterFault) -> None:
    """The disk does not take the recording any more."""
    state = turn.state
    if event.recording_id and event.recording_id == state.closing:
        _give_up_closing(turn, event.text)
        return
    if not state.opened or event.recording_id != state.recording_id or state.erasing:
        return
    if event.next_id and case.allows(state.consent, "video"):
        _go_on(turn, event.next_id, event.text, sealable=False)
    elif state.name == "STOPPING":
        turn.abandon(event.text)
    else:
        turn.stop("disk", fault=event.text)


def disk_low(turn: Turn, event: t.DiskLow) -> None:
    """The floor is reached."""
    state = turn.state
    if not state.opened or event.recording_id != state.recording_id or state.name == "STOPPING":
        return
    if event.next_id and case.allows(state.consent, "video"):
        _go_on(turn, event.next_id, "disk: full up to its floor", sealable=True)
    else:
        turn.emit(t.PlayTone("warning"))
        turn.stop("disk-full")


def sealed(turn: Turn, event: t.Sealed) -> None:
    """A file is closed: the recording's, or that of its earlier part."""
    state = turn.state
    if event.recording_id and event.recording_id == state.closing:
        turn.emit(t.Journal("sealed", state.closing, {"reason": "disk-full", "bytes": event.total_bytes}))
        turn.put(closing="", closing_until_ns=0)
        return
    if not state.opened or event.recording_id != state.recording_id or state.erasing:
        return
    turn.journal("sealed", reason=state.stop_reason, bytes=event.total_bytes)
    then = state.then if state.name == "STOPPING" else "FAULT"
    fault = state.fault if state.name == "STOPPING" else "recording: closed without being asked"
    turn.end_recording()
    turn.arrive(then, fault)


def closing_deadline(turn: Turn) -> None:
    """An earlier part that its disk does not close in time is left for recovery."""
    if turn.state.closing and turn.now_ns >= turn.state.closing_until_ns:
        _give_up_closing(turn, "disk: the earlier part was not sealed in time")


def _go_on(turn: Turn, next_id: str, cause: str, *, sealable: bool) -> None:
    """A recording that is being stopped goes on only to bring what the first disk did not take to the other."""
    if turn.state.closing:
        _give_up_closing(turn, "disk: the part after it had to move as well")
    state, earlier = turn.state, turn.state.recording_id
    if sealable:
        turn.emit(t.WriteState("STOPPING", f"goes on in {next_id}"))
    turn.put(recording_id=next_id, parts=(*state.parts, earlier), durable_bytes=0, durable_grew_ns=0)
    if sealable:
        turn.put(closing=earlier, closing_until_ns=turn.now_ns + state.rules.stopping_ns)
    turn.emit(t.ContinueRecording(earlier, next_id, sealable))
    turn.journal("continues", earlier=earlier, cause=cause)
    turn.emit(t.PlayTone("warning"))
    if state.name == "STOPPING":
        turn.emit(t.SealRecording(next_id, state.stop_reason))
    elif state.name != "INTERRUPTED":
        turn.go("STARTING")


def _give_up_closing(turn: Turn, problem: str) -> None:
    turn.emit(
        t.AbandonRecording(turn.state.closing), t.Journal("abandoned", turn.state.closing, {"problem": problem})
    )
    turn.put(closing="", closing_until_ns=0)

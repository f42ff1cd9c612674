"""Carries out what the state machine asks for. One branch for each effect, no decisions."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from firmware import __version__
from firmware.config import Config
from firmware.messages import Fragment, StreamInfo
from firmware.recorder import machine_types as t
from firmware.recorder.chores import Chores
from firmware.recorder.pipeline_keeper import PipelineKeeper
from firmware.recorder.preroll import PreRoll
from firmware.recorder.session import GapMark, Session
from firmware.statement import statement
from firmware.vault.format import Header
from firmware.vault.records import Bookmark, Record, StateChange
from firmware.vault.writer import recording_path

if TYPE_CHECKING:
    from firmware.recorder.process import Parts


class Effects:
    """Hands and voice of the machine. `session` is the recording being written, if any."""

    def __init__(
        self,
        cfg: Config,
        parts: Parts,
        keeper: PipelineKeeper,
        preroll: PreRoll,
        chores: Chores,
        note: Callable[[str, str, dict[str, t.Scalar]], None],
        post: Callable[[t.MachineEvent], None],
    ) -> None:
        self._cfg, self._parts, self._keeper, self._preroll = cfg, parts, keeper, preroll
        self._chores, self._note, self._post = chores, note, post
        self._reply: t.Reply | None = None
        self._last_end_ns = 0
        self.session: Session | None = None
        self.exit_asked = False

    def carry_out(self, effect: t.Effect, state: t.MachineState) -> None:
        """Never waits."""
        self._do(effect, state)

    def write(self, fragment: Fragment) -> None:
        """Give a fragment to the writer."""
        if self.session is not None:
            self._last_end_ns = fragment.pts_ns + fragment.duration_ns
            self.session.put(fragment)

    def stream(self, stream: StreamInfo) -> None:
        """A new pipeline describes its tracks."""
        if self.session is not None:
            self.session.put(stream)
            self._note_field_zones(self.session.recording_id, stream)

    def take_reply(self) -> t.Reply:
        """The reply to the command just fed."""
        reply, self._reply = self._reply, None
        assert reply is not None
        return reply

    @singledispatchmethod
    def _do(self, effect: object, state: t.MachineState) -> None:
        raise TypeError(f"no such effect: {effect!r}")

    @_do.register
    def _(self, effect: t.RunSelfTest, state: t.MachineState) -> None:
        self._chores.self_test()

    @_do.register
    def _(self, effect: t.RunRecovery, state: t.MachineState) -> None:
        self._chores.recover()

    @_do.register
    def _(self, effect: t.StartPipeline, state: t.MachineState) -> None:
        self._preroll.clear()
        self._keeper.start(sound_allowed=effect.sound_allowed, paused=effect.paused)

    @_do.register
    def _(self, effect: t.KillPipeline, state: t.MachineState) -> None:
        self._keeper.kill()

    @_do.register
    def _(self, effect: t.PausePipeline, state: t.MachineState) -> None:
        self._keeper.pause(effect.on)

    @_do.register
    def _(self, effect: t.OpenRecording, state: t.MachineState) -> None:
        device, stream = self._chores.keys.device, self._keeper.stream
        preroll = self._preroll.take()
        if device is None or stream is None:
            self._post(t.WriterFault(effect.recording_id, "recording: no device key or no picture"))
            return
        cfg, clock = self._cfg, self._parts.clock
        preroll_ns = preroll[-1].pts_ns + preroll[-1].duration_ns - preroll[0].pts_ns if preroll else 0
        header = Header(
            recording_id=effect.recording_id, device_name=cfg.device.name, created_unix_s=clock.unix_s(),
            created_monotonic_ns=clock.monotonic_ns(), software=f"scrubcam {__version__}", consent=state.consent,
            settings=recording_settings(cfg, preroll_ns),
        )
        if preroll:
            self._last_end_ns = preroll[-1].pts_ns + preroll[-1].duration_ns
        else:
            self._keeper.force_keyframe()
        self.session = Session(
            self._parts.disk, recording_path(cfg.paths.recordings_dir, effect.recording_id), header,
            self._chores.keys.recipients, device, floor_bytes=cfg.recorder.floor_bytes, clock=clock,
            report=self._post, first=[stream, *preroll],
        )
        self._note_field_zones(effect.recording_id, stream)

    @_do.register
    def _(self, effect: t.SealRecording, state: t.MachineState) -> None:
        if self.session is not None and self.session.recording_id == effect.recording_id:
            self.session.seal(effect.reason)
        else:
            self._post(t.WriterFault(effect.recording_id, "recording: it was never opened"))

    @_do.register
    def _(self, effect: t.AbandonRecording, state: t.MachineState) -> None:
        if self.session is not None:
            self.session.abandon()
            self.session = None

    @_do.register
    def _(self, effect: t.WriteBookmark, state: t.MachineState) -> None:
        self._put(Bookmark(self._time_line_ns(), self._parts.clock.unix_s(), effect.origin, effect.note))

    @_do.register
    def _(self, effect: t.WriteState, state: t.MachineState) -> None:
        self._put(StateChange(self._time_line_ns(), self._parts.clock.unix_s(), effect.state, effect.cause))

    @_do.register
    def _(self, effect: t.WriteGap, state: t.MachineState) -> None:
        self._put(GapMark(effect.cause))

    @_do.register
    def _(self, effect: t.ClearPreroll, state: t.MachineState) -> None:
        stream = self._keeper.stream
        live = stream is not None and stream.live
        # What was seen before this moment is still in the delay line.
        self._preroll.clear(self._parts.clock.monotonic_ns() if live else 0)

    @_do.register
    def _(self, effect: t.Journal, state: t.MachineState) -> None:
        self._note(effect.kind, effect.recording_id, effect.fields)
        if effect.kind == "sealed":
            self.session = None

    @_do.register
    def _(self, effect: t.Reply, state: t.MachineState) -> None:
        self._reply = effect

    @_do.register
    def _(self, effect: t.PlayTone, state: t.MachineState) -> None:
        self._parts.board.lights.tone(effect.tone)

    @_do.register
    def _(self, effect: t.Exit, state: t.MachineState) -> None:
        self.exit_asked = True

    def _put(self, item: Record | GapMark) -> None:
        if self.session is not None:
            self.session.put(item)

    def _note_field_zones(self, recording_id: str, stream: StreamInfo) -> None:
        """Each use of a field zone is an event for the fleet; the signed record of it is the stream record."""
        if stream.field_zones:
            self._note("field-zone", recording_id, {
                "profile": stream.profile, "zones": ", ".join(zone.name for zone in stream.field_zones),
                "text": statement([stream]),
            })

    def _time_line_ns(self) -> int:
        """Now, on the recording's time line: a live one runs on CLOCK_MONOTONIC, a file's is where it is."""
        stream = self._keeper.stream
        return self._last_end_ns if stream is not None and not stream.live else self._parts.clock.monotonic_ns()


def recording_settings(cfg: Config, preroll_ns: int = 0) -> dict[str, object]:
    """What a header says about how a recording was made. Never patient data, never a path."""
    return {
        "codec": cfg.encode.codec, "encoder": cfg.encode.encoder, "bitrate_bps": cfg.encode.bitrate_bps,
        "profile": cfg.detect.profile, "delay_s": cfg.detect.delay_s, "fragment_s": cfg.encode.fragment_s,
        "preroll_s": round(preroll_ns / 1e9, 3),
    }

"""Carries out what the state machine asks for. One branch for each effect, no decisions."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from firmware import __version__
from firmware.config import Config
from firmware.messages import Fragment, StreamInfo
from firmware.recorder import machine_types as t
from firmware.recorder.chores import Chores
from firmware.recorder.conditions import reserve
from firmware.recorder.pipeline_keeper import PipelineKeeper
from firmware.recorder.preroll import PreRoll
from firmware.recorder.rate import RateMeter
from firmware.recorder.selftest_desk import SelftestDesk
from firmware.recorder.session import Session, Signed
from firmware.recorder.session_items import GapMark, Item
from firmware.recorder.sounder import volume_percent
from firmware.recorder.targets import choose
from firmware.recorder.wall_clock import wall_clock
from firmware.statement import statement
from firmware.vault.format import Header
from firmware.vault.keystore import Keystore
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
        selftests: SelftestDesk,
        signed: Signed,
        note: Callable[[str, str, dict[str, t.Scalar]], None],
        post: Callable[[t.MachineEvent], None],
    ) -> None:
        self._cfg, self._parts, self._keeper, self._preroll = cfg, parts, keeper, preroll
        self._chores, self._selftests, self._signed = chores, selftests, signed
        self._note, self._post = note, post
        self._reply: t.Reply | None = None
        self._press_answer: t.PressAnswer | None = None
        self._last_end_ns = 0
        self._closing: Session | None = None
        self.session: Session | None = None
        self.rate = RateMeter(cfg.encode.bitrate_bps / 8)
        self.exit_asked = False

    def carry_out(self, effect: t.Effect, state: t.MachineState) -> None:
        """Never waits."""
        self._do(effect, state)

    def write(self, fragment: Fragment) -> None:
        """Give a fragment to the writer."""
        if self.session is not None:
            self._last_end_ns = fragment.pts_ns + fragment.duration_ns
            self.session.put(fragment)
            self.rate.add(fragment)

    def stream(self, stream: StreamInfo) -> None:
        """A new pipeline describes its tracks."""
        if self.session is not None:
            self.session.put(stream)
            self._note_field_zones(self.session.recording_id, stream)

    def close(self, timeout_s: float) -> None:
        """Give an earlier part that is still being sealed a moment; recovery closes what is not sealed by then."""
        if self._closing is not None:
            self._closing.join(timeout_s)

    def take_reply(self) -> t.Reply:
        """The reply to the command just fed."""
        reply, self._reply = self._reply, None
        assert reply is not None
        return reply

    def take_press_answer(self) -> t.PressAnswer:
        """The answer to the press just fed."""
        answer, self._press_answer = self._press_answer, None
        assert answer is not None
        return answer

    @singledispatchmethod
    def _do(self, effect: object, state: t.MachineState) -> None:
        raise TypeError(f"no such effect: {effect!r}")

    @_do.register
    def _(self, effect: t.RunSelfTest, state: t.MachineState) -> None:
        self._chores.self_test()

    @_do.register
    def _(self, effect: t.RunPathTest, state: t.MachineState) -> None:
        self._selftests.run()

    @_do.register
    def _(self, effect: t.StopPathTest, state: t.MachineState) -> None:
        self._selftests.stop()

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
        preroll = self._preroll.take()
        stream = self._keeper.stream
        if stream is None:
            self._post(t.WriterFault(effect.recording_id, "recording: no picture"))
            return
        for fragment in preroll:
            self.rate.add(fragment)
        self._open(effect.recording_id, state, [stream, *preroll])

    @_do.register
    def _(self, effect: t.ContinueRecording, state: t.MachineState) -> None:
        earlier = self.session
        if earlier is None:
            self._post(t.WriterFault(effect.recording_id, "recording: it was never opened"))
            return
        carried = earlier.carry_over()
        self.session = None
        if effect.sealable:
            self._closing = earlier
            earlier.seal("disk-full")
        else:
            earlier.abandon()
            self._chores.left_open = True
        self._open(effect.recording_id, state, carried, earlier=earlier)

    def _open(
        self, recording_id: str, state: t.MachineState, first: list[Item], *, earlier: Session | None = None
    ) -> None:
        device = self._chores.keys.device
        floor_bytes = self._cfg.recorder.floor_bytes
        folder = choose(self._chores.looks(), floor_bytes, self._reserve_bytes(), but=earlier.folder if earlier else "")
        if device is None or not folder:
            self._post(t.WriterFault(recording_id, "disk: there is no room" if device else "recording: no device key"))
            return
        cfg, clock = self._cfg, self._parts.clock
        fragments = [item for item in first if isinstance(item, Fragment)]
        if fragments:
            self._last_end_ns = fragments[-1].pts_ns + fragments[-1].duration_ns
        if earlier or not fragments:
            self._keeper.force_keyframe()
        preroll_ns = self._last_end_ns - fragments[0].pts_ns if fragments and not earlier else 0
        header = Header(
            recording_id=recording_id, device_name=cfg.device.name, created_unix_s=clock.unix_s(),
            created_monotonic_ns=clock.monotonic_ns(), software=f"scrubcam {__version__}", consent=state.consent,
            settings=recording_settings(
                cfg, preroll_ns, continues=earlier.recording_id if earlier else "",
                retention_days=state.consent.retention_days,
            ),
            clock=wall_clock(), certificates=self._chores.keys.certificates,
        )
        self.session = Session(
            self._parts.disk, recording_path(folder, recording_id), header, self._chores.keys.recipients, device,
            Keystore.of_device(cfg.paths.state_dir), floor_bytes=floor_bytes, clock=clock, report=self._post,
            first=first, signed=self._signed,
        )
        self._note("key-used", recording_id, {
            "device": device.fingerprint,
            "recipients": ", ".join(f"{one.role} {one.key.key_id}" for one in self._chores.keys.recipients),
        })
        for stream in [item for item in first if isinstance(item, StreamInfo)][-1:]:
            self._note_field_zones(recording_id, stream)

    def _reserve_bytes(self) -> int:
        recorder = self._cfg.recorder
        return round(reserve(recorder.reserve_bytes, recorder.reserve_hours, self.rate.bytes_per_s))

    @_do.register
    def _(self, effect: t.SealRecording, state: t.MachineState) -> None:
        if self.session is not None and self.session.recording_id == effect.recording_id:
            self.session.seal(effect.reason)
        else:
            self._post(t.WriterFault(effect.recording_id, "recording: it was never opened"))

    @_do.register
    def _(self, effect: t.AbandonRecording, state: t.MachineState) -> None:
        for session in (self.session, self._closing):
            if session is not None and session.recording_id == effect.recording_id:
                session.abandon()
                self._chores.left_open = True
        self._forget(effect.recording_id)

    @_do.register
    def _(self, effect: t.EraseRecording, state: t.MachineState) -> None:
        running = [one for one in (self.session, self._closing) if one and one.recording_id in effect.recording_ids]
        for session in running:
            session.abandon()
            self._forget(session.recording_id)
        self._chores.erase(effect, running)

    @_do.register
    def _(self, effect: t.WriteConsent, state: t.MachineState) -> None:
        self._put(effect.consent)

    @_do.register
    def _(self, effect: t.WriteBookmark, state: t.MachineState) -> None:
        clock, stream = self._parts.clock, self._keeper.stream
        live = stream is not None and stream.live  # then the recording's time line is the clock's
        ago_s = (clock.monotonic_ns() - effect.at_ns) / 1e9 if live else 0.0
        at_ns = effect.at_ns if live else self._time_line_ns()
        self._put(Bookmark(at_ns, clock.unix_s() - ago_s, effect.origin, effect.note))

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
            self._forget(effect.recording_id)

    @_do.register
    def _(self, effect: t.Reply, state: t.MachineState) -> None:
        self._reply = effect

    @_do.register
    def _(self, effect: t.PressAnswer, state: t.MachineState) -> None:
        self._press_answer = effect

    @_do.register
    def _(self, effect: t.PlayTone, state: t.MachineState) -> None:
        local = time.localtime(self._parts.clock.unix_s())
        volume = volume_percent(effect.tone, self._cfg.sounder, local.tm_hour * 60 + local.tm_min)
        self._parts.board.lights.tone(effect.tone, volume)

    @_do.register
    def _(self, effect: t.Exit, state: t.MachineState) -> None:
        self.exit_asked = True

    def _forget(self, recording_id: str) -> None:
        if self.session is not None and self.session.recording_id == recording_id:
            self.session = None
        if self._closing is not None and self._closing.recording_id == recording_id:
            self._closing = None

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


def recording_settings(
    cfg: Config, preroll_ns: int = 0, *, continues: str = "", retention_days: int = 0
) -> dict[str, object]:
    """What a header says about how a recording was made. Never patient data, never a path.

    `continues` is the id of the recording that this one goes on from, on another disk. `retention_days`, from the
    consent, is what the device needs to know of it later: the consent itself it cannot read any more.
    """
    settings: dict[str, object] = {
        "codec": cfg.encode.codec, "encoder": cfg.encode.encoder, "bitrate_bps": cfg.encode.bitrate_bps,
        "profile": cfg.detect.profile, "delay_s": cfg.detect.delay_s, "fragment_s": cfg.encode.fragment_s,
        "preroll_s": round(preroll_ns / 1e9, 3),
    }
    return settings | {
        name: value for name, value in (("continues", continues), ("retention_days", retention_days)) if value
    }

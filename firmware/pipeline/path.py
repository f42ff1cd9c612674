"""The frame path: source -> delay line -> redactor -> output, one frame at a time, in one thread.

This is the only place where a frame passes from "captured" to "may be encoded", and only through `_scrub`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from firmware.errors import FormatChanged, MediaUnreadable, PipelineDied, ScrubcamError, SourceLost
from firmware.messages import Alert, BlankReason, Configure, Progress, Verdict
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.frame import Frame, FramePool
from firmware.pipeline.grid import ConstantRate
from firmware.pipeline.lookout import Lookout
from firmware.pipeline.output import Output
from firmware.pipeline.picture_watch import PictureWatch
from firmware.pipeline.rate_watch import RateWatch
from firmware.pipeline.redact import Painter
from firmware.pipeline.spell import Spell
from firmware.pipeline.stats import Stats, rss_bytes
from firmware.pipeline.zones import ZonePlan
from hw.ports import EndOfStream, FrameSource, FrameTime, Kernels, StreamFormat

PROGRESS_EVERY_S = 0.25
STALE_NS = 150_000_000
"""What a live source took earlier than this before the frame path began is left out, if it comes within a second."""
_LIVE_WAIT_S = 0.01
_FILE_WAIT_S = 0.02
_MAX_POOL_BYTES = 800_000_000
_UNKNOWN_RATE = Fraction(60)


def pool_capacity(fmt: StreamFormat, delay_s: float, interval_s: float) -> int:
    """Frames for the delay line, one detection interval beyond it, and those in source and encoder; bounded."""
    rate = fmt.rate or _UNKNOWN_RATE
    wanted = int((delay_s + (0.1 if fmt.live else interval_s)) * rate) + 8
    return max(8, min(wanted, _MAX_POOL_BYTES // fmt.frame_bytes))


class FramePath:
    """Runs until the source ends, `stop` is called, or a named fault."""

    def __init__(self, cfg: Configure, source: FrameSource, fmt: StreamFormat, line: DelayLine, lookout: Lookout,
                 output: Output, tell: Callable[[Alert | Progress], None], grid: ConstantRate | None,
                 kernels: Kernels) -> None:
        self._source, self._fmt, self._line, self._lookout = source, fmt, line, lookout
        self._output, self._tell, self._grid = output, tell, grid
        self._lost_after_ns = round(cfg.source.lost_after_s * 1e9)
        self._max_ns = round(cfg.max_seconds * 1e9)
        interval_s = max(cfg.detect.face_interval_s, cfg.detect.text_interval_s, cfg.detect.code_interval_s)
        self._pool = FramePool(fmt, pool_capacity(fmt, cfg.detect.delay_s, interval_s), kernels.allocate)
        self._painter = Painter(kernels, cfg.fill)
        self._zones = ZonePlan(cfg.zones, fmt.coded_width, fmt.coded_height)
        self._watch = PictureWatch() if fmt.live else None
        self._rate_watch = RateWatch(fmt.rate)
        self.stats = Stats()
        self.paused = False
        self._filled_until_ns = 0
        self._ending = False
        self._fault: ScrubcamError | None = None
        self._first_pts_ns = -1
        self._seen_ns = time.monotonic_ns()
        self._told_at = 0.0
        self._repeatable: Frame | None = None
        self._began_ns = 0
        self._dropping = Spell("frames-dropped", "Frames get lost before they can be read: the device is too busy.",
                               "No more frames get lost ({} did).")
        self._blanking = Spell("frames-blanked", "Frames are filled whole: no detector's answer comes in time.",
                               "Detectors answer in time again ({} frames were filled whole).")

    # ---- from the process ----------------------------------------------------------------------------

    def pause(self, on: bool) -> None:
        """Fill every frame that leaves from now on; after a pause also those taken before its end."""
        if self.paused and not on and self._fmt.live:
            now_ns = time.monotonic_ns()
            self._output.mute_until(now_ns)
            # On a grid a frame may be shown up to half a period before it was taken.
            self._filled_until_ns = now_ns + (self._grid.period_ns if self._grid is not None else 0)
        self.paused = on

    def stop(self) -> None:
        """Take no more frames; those in the delay line still leave as they must."""
        if self._ending:
            return
        self._ending = True
        newest = self._line.newest
        if newest is not None:
            self._lookout.offer_last(newest, time.monotonic_ns())
        self._line.end()

    def run(self, control: Callable[[], None]) -> None:
        """The loop; `control` is called once a turn. Raises the named fault that ended it, after all that could
        still be encoded was handed on."""
        self._began_ns = time.monotonic_ns()
        while not (self._ending and len(self._line) == 0):
            control()
            moved = self._read() if not self._ending else False
            moved = self._lookout.poll(time.monotonic_ns()) or moved
            moved = self._leave() or moved
            moved = self._collect() or moved
            self._progress()
            if not moved:
                self._rest()
        if self._repeatable is not None:
            self._repeatable.let_go()
        self._output.finish(muted=self.paused)
        self._progress(now=True)
        if self._fault is not None:
            raise self._fault

    # ---- in ------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        live = self._fmt.live
        if not live and self._lookout.pending:
            return False
        frame = self._pool.acquire()
        if frame is None:
            return False
        started = time.perf_counter()
        wait_s = _FILE_WAIT_S
        if live:
            wait_s = min(max(self._line.wait_ns(time.monotonic_ns()) / 1e9, 0.0), _LIVE_WAIT_S)
        try:
            taken = self._source.read(frame.data, wait_s)
        except EndOfStream:
            frame.let_go()
            self._sound_in()
            self.stop()
            return True
        except (SourceLost, FormatChanged, MediaUnreadable) as error:
            frame.let_go()
            self._fault = error
            self.stop()
            return True
        self.stats.add("read", started)
        self._sound_in()
        now_ns = time.monotonic_ns()
        if taken is None:
            frame.let_go()
            if live and now_ns - self._seen_ns > self._lost_after_ns:
                self._fault = SourceLost(
                    f"No picture has come for {self._lost_after_ns / 1e9:g} s",
                    meaning="The recording has a gap from here", todo="check the cable and the camera",
                )
                self.stop()
            return False
        self._seen_ns = now_ns
        stale = live and self._first_pts_ns < 0 and taken.pts_ns < self._began_ns - STALE_NS
        if stale and now_ns - self._began_ns < 1_000_000_000:
            frame.let_go()  # captured while the detectors were being loaded: the recording begins now
            return True
        # No picture is taken after it has come: a camera's clock that runs ahead must not hold up the delay line.
        frame.pts_ns = min(taken.pts_ns, now_ns) if live else taken.pts_ns
        frame.duration_ns = taken.duration_ns
        self._admit(frame, taken, now_ns)
        return True

    def _admit(self, frame: Frame, taken: FrameTime, now_ns: int) -> None:
        dropped = taken.dropped_before
        if self._first_pts_ns < 0:
            self._first_pts_ns = frame.pts_ns
            dropped = 0  # nothing is lost before the beginning
        if self._max_ns and frame.pts_ns - self._first_pts_ns >= self._max_ns:
            frame.let_go()
            self.stop()
            return
        self.stats.frames_in += 1
        self.stats.newest_ns = frame.pts_ns if self._fmt.live else 0
        self.stats.frames_dropped += dropped
        self._note(self._dropping, dropped)
        started = time.perf_counter()
        if self._watch is not None:
            if taken.stats is None:
                raise PipelineDied("The camera's adapter counts nothing of its pictures",
                                   meaning="A black or frozen picture would not be noticed, so nothing is recorded",
                                   todo="report this fault: it is one of the software")
            for alert in (*self._watch.look(taken.stats, frame.pts_ns), *self._rate_watch.look(taken.pts_ns)):
                self._tell(alert)
        before = self._line.newest
        self._line.push(frame)
        self._lookout.offer(before, frame, now_ns)
        self.stats.add("prepare", started)

    def _note(self, spell: Spell, bad: int) -> None:
        news = spell.note(bad)
        if news is not None:
            self._tell(news)

    def _sound_in(self) -> None:
        if self._fmt.sound_rate_hz:
            self._output.sound(self._source.read_sound())

    # ---- out -----------------------------------------------------------------------------------------

    def _leave(self) -> bool:
        moved = False
        while self._line.ready(time.monotonic_ns(), full=self._stuck()):
            frame, reason = self._line.pop()
            self._scrub(frame, reason)
            self._lookout.forget_before(frame.pts_ns)
            self._encode(frame)
            moved = True
            if self._fmt.live:
                break  # the next capture is never far away
            self._collect()
        return moved

    def _stuck(self) -> bool:
        """No buffer is left to look further ahead with (a variable rate, far above the expected one)."""
        if self._fmt.live or self._pool.in_use < self._pool.capacity or not len(self._line):
            return False
        newest = self._line.newest
        if newest is None or newest.pts_ns >= self._line.horizon_ns:
            return False
        self._lookout.offer_last(newest, time.monotonic_ns())
        return True

    def _scrub(self, frame: Frame, reason: BlankReason) -> None:
        """Paint `frame` so that nothing identifiable is left, and judge it. After this it may be encoded."""
        started = time.perf_counter()
        regions = 0
        if self.paused or frame.pts_ns < self._filled_until_ns:
            reason = "privacy-pause"
        if not reason:
            try:
                planned = self._zones.planned(self._lookout.regions_at(frame.pts_ns))
                regions = self._painter.fill_regions(frame.y, frame.uv, planned)
            except Exception:  # whatever goes wrong while planning or painting: never a clear frame
                reason = "bad-detection"
        if reason:
            self._painter.fill_frame(frame.y, frame.uv)
            frame.verdict = Verdict(frame.pts_ns, "blanked", 0, reason)
            self.stats.frames_blanked += 1
        else:
            frame.verdict = Verdict(frame.pts_ns, "masked" if regions else "clean", regions)
            self.stats.regions_masked += regions
        if self._fmt.live:
            self._note(self._blanking, int(reason in ("no-evidence-before", "no-evidence-after")))
        self.stats.add("paint", started)

    def _encode(self, frame: Frame) -> None:
        assert frame.verdict is not None
        if self._grid is None:
            following = self._line.first
            duration_ns = following.pts_ns - frame.pts_ns if following is not None else frame.duration_ns
            self._push(frame, frame.pts_ns, duration_ns)
            frame.let_go()
            return
        slots = self._grid.slots(frame.pts_ns)
        for pts_ns in slots[:-1]:
            hidden = frame.verdict.reason == "privacy-pause"
            shown = frame if hidden or self._repeatable is None else self._repeatable
            self._push(shown, pts_ns, self._grid.period_ns)
        if slots:
            self._push(frame, slots[-1], self._grid.period_ns)
        if self._repeatable is not None:
            self._repeatable.let_go()
        self._repeatable = frame

    def _push(self, frame: Frame, pts_ns: int, duration_ns: int) -> None:
        assert frame.verdict is not None, "an unscrubbed frame was about to be encoded"
        verdict = Verdict(pts_ns, frame.verdict.kind, frame.verdict.regions, frame.verdict.reason)
        started = time.perf_counter()
        self._output.push(frame.data, verdict, duration_ns, frame.hold())
        self.stats.add("encoder_wait", started)
        self.stats.last_pts_ns = pts_ns

    def _collect(self) -> bool:
        started = time.perf_counter()
        moved = self._output.collect()
        self.stats.add("collect", started)
        self.stats.frames_out = self._output.frames
        return moved

    # ---- the rest ------------------------------------------------------------------------------------

    def _rest(self) -> None:
        """Nothing could be done: until an answer comes, or a moment."""
        if self._fmt.live or not self._lookout.wait(0.01):
            time.sleep(0.001)

    def _progress(self, *, now: bool = False) -> None:
        at = time.monotonic()
        if not now and at - self._told_at < PROGRESS_EVERY_S:
            return
        self._told_at = at
        s = self.stats
        s.frames_out = self._output.frames
        self._tell(Progress(
            s.last_pts_ns, s.frames_in, s.frames_out, s.frames_dropped, s.frames_blanked, s.regions_masked,
            s.stages(), rss_bytes(), self._fmt.total_frames, s.newest_ns,
        ))


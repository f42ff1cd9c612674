"""The frame path's side of the detectors: asks them about frames, hands their answers on, notices when one fails.

It never decides about a frame; that is the gate's. Runs in the frame path's thread.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from firmware.errors import PipelineDied
from firmware.messages import Alert
from firmware.pipeline.detect.types import BadDetection, Detections, DetectorFailure, DetectorKind, Region
from firmware.pipeline.detect.worker import check
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.frame import Frame
from firmware.pipeline.schedule import due_in_file, live_interval_ns

MAX_RESTARTS = 1
_NS = 1_000_000_000


class Worker(Protocol):
    """One detector on its own thread; see detect/worker.py."""

    @property
    def idle(self) -> bool: ...

    @property
    def busy_since_ns(self) -> int: ...

    @property
    def alive(self) -> bool: ...

    def submit(self, pts_ns: int, prepared: Any) -> bool: ...

    def poll(self) -> Sequence[Detections | DetectorFailure]: ...

    def wait(self, timeout_s: float) -> bool: ...

    def close(self, timeout_s: float = 2.0) -> None: ...


class RegionPlanner(Protocol):
    """Turns detections into the regions to fill in a frame; see detect/planner.py."""

    def add(self, detections: Detections) -> None: ...

    def regions_at(self, pts_ns: int) -> list[Region]: ...

    def forget_before(self, pts_ns: int) -> None: ...


@dataclass
class Seat:
    """A detector and its worker. `start` makes both anew: (prepare, worker)."""

    kind: DetectorKind
    name: str
    interval_ns: int
    start: Callable[[], tuple[Callable[..., Any], Worker]]
    prepare: Callable[..., Any] = field(init=False)
    worker: Worker = field(init=False)
    last_asked_ns: int | None = None
    waiting: deque[tuple[int, Any]] = field(default_factory=deque)
    asked_at: dict[int, int] = field(default_factory=dict)
    answer_ns: int = 0
    last_good_ns: int = 0
    restarts: int = 0
    failing: bool = False

    def __post_init__(self) -> None:
        self.prepare, self.worker = self.start()


class Lookout:
    """Asks every seat about the right frames and feeds `gate` and `planner` with what comes back.

    `alert` is told of failing detectors and of their recovery. Raises PipelineDied when a detector hangs or keeps
    failing for `hang_timeout_ns` and was already restarted once: the recorder then starts a new pipeline.
    """

    def __init__(self, seats: Sequence[Seat], gate: EvidenceGate, planner: RegionPlanner, *, live: bool,
                 delay_ns: int, hang_timeout_ns: int, alert: Callable[[Alert], None],
                 record: Callable[[Detections], None] | None = None) -> None:
        self._seats, self._gate, self._planner, self._live = list(seats), gate, planner, live
        self._delay_ns, self._hang_timeout_ns = delay_ns, hang_timeout_ns
        self._alert, self._record = alert, record
        self._ahead: list[tuple[int, int, Detections]] = []  # answers the planner is not to know yet
        self._count = 0
        self._size = (0, 0)  # of the pictures asked about

    # ---- asking ------------------------------------------------------------------------------------

    def offer(self, before: Frame | None, frame: Frame, now_ns: int) -> None:
        """A new frame has come in; `before` is the one ahead of it in the delay line. Asks where it is due."""
        for seat in self._seats:
            if self._live:
                rest = live_interval_ns(seat.interval_ns, self._delay_ns, seat.answer_ns, frame.duration_ns)
                rested = seat.last_asked_ns is None or frame.pts_ns - seat.last_asked_ns >= rest - 1_000_000
                if rested and seat.worker.idle and not seat.waiting:
                    self._ask(seat, frame, now_ns)
                continue
            before_ns = None if before is None else before.pts_ns
            ask_before, ask_now = due_in_file(seat.interval_ns, self._delay_ns, seat.last_asked_ns, before_ns,
                                              frame.pts_ns)
            if ask_before and before is not None:
                self._ask(seat, before, now_ns)
            if ask_now:
                self._ask(seat, frame, now_ns)

    def offer_last(self, frame: Frame, now_ns: int) -> None:
        """No frame will follow soon: every detector looks at this one, so that evidence stands to the end."""
        for seat in self._seats:
            if seat.last_asked_ns != frame.pts_ns:
                self._ask(seat, frame, now_ns)

    @property
    def pending(self) -> bool:
        """Whether a question could not be handed over yet: read no further frames until it is."""
        return any(seat.waiting for seat in self._seats)

    def _ask(self, seat: Seat, frame: Frame, now_ns: int) -> None:
        if seat.last_asked_ns is None:
            seat.last_good_ns = now_ns
        self._size = frame.y.shape[1], frame.y.shape[0]
        self._gate.asked(seat.kind, frame.pts_ns)
        seat.last_asked_ns = frame.pts_ns
        try:
            seat.waiting.append((frame.pts_ns, seat.prepare(frame.y, frame.uv)))
        except Exception as error:  # whatever a detector raises is a failed detection, never a passed frame
            self._failed(seat, frame.pts_ns, "detector-failed", str(error))
            return
        self._hand_over(seat, now_ns)

    def _hand_over(self, seat: Seat, now_ns: int) -> None:
        while seat.waiting and seat.worker.submit(*seat.waiting[0]):
            seat.asked_at[seat.waiting.popleft()[0]] = now_ns

    # ---- answers -----------------------------------------------------------------------------------

    def poll(self, now_ns: int) -> bool:
        """Take what has come back; True when there was something. Raises PipelineDied."""
        something = False
        for seat in self._seats:
            was_idle = seat.worker.idle  # asked first: what an idle worker was given, it has answered
            for answer in seat.worker.poll():
                something = True
                self._take(seat, answer, now_ns)
            if was_idle:
                self._give_up(seat)
            self._hand_over(seat, now_ns)
            self._watch(seat, now_ns)
        return something

    def wait(self, timeout_s: float) -> bool:
        """Until an answer has come (True), or `timeout_s` is over, or at once when nobody is at work."""
        busy = [seat.worker for seat in self._seats if not seat.worker.idle]
        return any(worker.wait(timeout_s / len(busy)) for worker in busy)

    def regions_at(self, pts_ns: int) -> list[Region]:
        """What to fill in the frame at `pts_ns`, from answers up to the delay line's length ahead of it and no
        further: it does not depend on how fast the detectors were."""
        self._tell_planner(pts_ns + self._delay_ns)
        return self._planner.regions_at(pts_ns)

    def forget_before(self, pts_ns: int) -> None:
        """The frame at `pts_ns` has left, whether anybody asked for its regions or it was filled whole."""
        self._tell_planner(pts_ns + self._delay_ns)  # or a long privacy pause would pile up answers
        self._planner.forget_before(pts_ns)
        self._gate.forget_before(pts_ns)

    def close(self) -> None:
        for seat in self._seats:
            seat.worker.close()

    def _tell_planner(self, up_to_ns: int) -> None:
        while self._ahead and self._ahead[0][0] <= up_to_ns:
            self._planner.add(self._ahead[0][2])
            self._ahead.pop(0)  # only now: if the planner fails on it, no later frame may pass without it either

    def _take(self, seat: Seat, answer: Detections | DetectorFailure, now_ns: int) -> None:
        took_ns = now_ns - seat.asked_at.pop(answer.pts_ns, now_ns)
        if isinstance(answer, DetectorFailure):
            self._failed(seat, answer.pts_ns, answer.code, answer.text)
            return
        try:
            if answer.kind != seat.kind:
                raise BadDetection(f"it answered as a {answer.kind} detector")
            check(answer.regions, *self._size)  # here too, at the one door to the gate, whatever kind of worker it is
        except BadDetection as error:
            self._failed(seat, answer.pts_ns, "bad-detection", str(error))
            return
        if not self._gate.answered(seat.kind, answer.pts_ns):
            return  # an answer to a question nobody asked, or the second one to the same
        # Slow answers count at once, fast ones little by little: resting too long costs blanked frames.
        seat.answer_ns = max(took_ns, (7 * seat.answer_ns + took_ns) // 8)
        seat.last_good_ns = now_ns
        self._count += 1
        insort(self._ahead, (answer.pts_ns, self._count, answer))
        if self._record is not None:
            self._record(answer)
        if seat.failing:
            seat.failing = False
            self._gate.hung(seat.kind, False)
            self._alert(Alert(f"detector-failed:{seat.kind}", f"The {seat.kind} detector answers again.", True))

    def _give_up(self, seat: Seat) -> None:
        """A worker with nothing to do has lost the questions it did not answer: nobody must wait for them."""
        for pts_ns in list(seat.asked_at):
            del seat.asked_at[pts_ns]
            self._failed(seat, pts_ns, "detector-failed", "it gave no answer")

    def _failed(self, seat: Seat, pts_ns: int, reason: Any, text: str) -> None:
        self._gate.failed(seat.kind, pts_ns, reason)
        if not seat.failing:
            seat.failing = True
            self._alert(Alert(
                f"detector-failed:{seat.kind}",
                f"The {seat.kind} detector fails ({text}). Frames are filled whole until it answers again.",
            ))

    # ---- restarting --------------------------------------------------------------------------------

    def _watch(self, seat: Seat, now_ns: int) -> None:
        """Restart a detector that died, hangs, or has only failed for too long."""
        hangs = bool(seat.worker.busy_since_ns) and now_ns - seat.worker.busy_since_ns > self._hang_timeout_ns
        only_fails = seat.failing and now_ns - seat.last_good_ns > self._hang_timeout_ns
        if seat.worker.alive and not hangs and not only_fails:
            return
        what = "hangs" if hangs else "keeps failing" if seat.worker.alive else "died"
        for pts_ns in [*seat.asked_at, *(pts for pts, _ in seat.waiting)]:
            self._failed(seat, pts_ns, "detector-hung" if hangs else "detector-failed", what)
        self._gate.hung(seat.kind, hangs)
        if seat.restarts >= MAX_RESTARTS:
            raise PipelineDied(
                f"The {seat.kind} detector {seat.name} {what} again after a restart",
                meaning="Frames were filled whole, none was left uncovered; the pipeline is restarted",
                todo="if it comes back, run scrubcam selftest",
            )
        seat.restarts += 1
        seat.asked_at.clear()
        seat.waiting.clear()
        seat.worker.close(0.0)  # a hung thread is left behind
        seat.prepare, seat.worker = seat.start()
        seat.last_asked_ns = None  # ask about the very next frame
        seat.last_good_ns = now_ns

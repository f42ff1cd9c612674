"""Keeps one live pipeline for the recorder: starts, watches and ends it, and turns what it sends into events.

Holds no policy on restarts (machine.py) and writes nothing. Distrusts: a fragment that shows a frame taken during a
privacy pause unfilled is refused and ends the pipeline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from firmware.config import Config
from firmware.ipc import ChannelClosed
from firmware.messages import (
    Alert,
    Configure,
    Failed,
    Finished,
    ForceKeyframe,
    Fragment,
    Pause,
    Progress,
    StreamInfo,
    ToPipeline,
)
from firmware.recorder import machine_types as t
from firmware.recorder.link import PipelineLink
from firmware.recorder.pause_guard import PauseGuard
from hw.ports import Clock

FIRST_PICTURE_NS = 20 * t.SECOND
SILENT_NS = 5 * t.SECOND
PICTURE_STALE_NS = 1_900_000_000
NO_PICTURE_NS = 8 * t.SECOND
"""A pipeline that still talks but has sent no picture for so long is replaced: no state may claim what is not kept."""
MESSAGES_PER_TURN = 32
SHORT_LIVED = "recorder-slow"
SHORT_LIVED_NS = 10 * t.SECOND
"""An alert about a moment, which nobody clears."""


class PipelineKeeper:
    """At most one pipeline process. `poll` gives fragments, stream descriptions and machine events, in order."""

    def __init__(self, cfg: Config, clock: Clock) -> None:
        self._cfg, self._clock = cfg, clock
        self._link: PipelineLink | None = None
        self._guard = PauseGuard()
        self._started_ns = self._heard_ns = 0
        self._stale_told = False
        self._alerts: set[str] = set()
        self._old_alerts: set[str] = set()
        self._short_lived_ns = 0
        self.stream: StreamInfo | None = None
        self.progress: Progress | None = None
        self.picture_ns = 0
        self.starts = 0
        self.problem = self.problem_code = ""
        self._unborn = ""

    @property
    def running(self) -> bool:
        return self._link is not None

    @property
    def pid(self) -> int:
        return self._link.pid if self._link else 0

    def fileno(self) -> int | None:
        return self._link.fileno() if self._link else None

    def picture_age_s(self, now_ns: int) -> float | None:
        """Seconds since the last fragment came; None when this pipeline has sent none."""
        return (now_ns - self.picture_ns) / 1e9 if self.picture_ns else None

    def start(self, *, sound_allowed: bool, paused: bool) -> None:
        """Start one, in place of any that runs."""
        self.kill()
        cfg, now = self._cfg, self._clock.monotonic_ns()
        configure = Configure(
            source=cfg.source, encode=cfg.encode, sound=cfg.sound, detect=cfg.detect,
            models_dir=cfg.paths.models_dir, sound_allowed=sound_allowed,
            zones=cfg.zones, kernels=cfg.kernels, fill=cfg.fill,
        )
        self._guard.paused_since(now) if paused else self._guard.resumed(now)
        self._unborn = ""
        try:
            self._link = PipelineLink(configure, first=(Pause(True),) if paused else ())
        except OSError as error:  # no memory or no process left; poll() says so, and the recorder lives on
            self._unborn = f"the pipeline cannot be started ({error.strerror or error})"
        self._started_ns = self._heard_ns = now
        self.starts += 1

    def kill(self) -> None:
        """End it now; no event follows."""
        if self._link is not None:
            self._link.kill()
            self._link = None
        self.stream = self.progress = None
        self.picture_ns = 0
        self._old_alerts |= self._alerts
        self._alerts = set()

    def pause(self, on: bool) -> None:
        """Tell it to fill every frame from this moment on, or to stop doing so."""
        now = self._clock.monotonic_ns()
        self._guard.paused_since(now) if on else self._guard.resumed(now)
        self._send(Pause(on))

    def force_keyframe(self) -> None:
        self._send(ForceKeyframe())

    def poll(self) -> Iterator[StreamInfo | Fragment | t.MachineEvent]:
        """What has come, without waiting; and what did not come in time."""
        if self._unborn:
            text, self._unborn = self._unborn, ""
            yield self._down("pipeline-died", text)
            return
        for _ in range(MESSAGES_PER_TURN):
            if self._link is None:
                return
            try:
                message = self._link.recv(0)
            except ChannelClosed:
                yield self._down("pipeline-died", self.problem or "the pipeline process ended")
                return
            if message is None:
                break
            self._heard_ns = self._clock.monotonic_ns()
            if isinstance(message, StreamInfo):
                self.stream = message
                yield message
            elif isinstance(message, Fragment):
                yield from self._fragment(message)
            elif isinstance(message, Progress):
                self.progress = message
            elif isinstance(message, Alert):
                yield self._alert(message)
            elif isinstance(message, Finished):
                yield self._down("finished", "the source ended")
            elif isinstance(message, Failed):
                yield self._down(message.code, message.what)
        yield from self._watch()

    def _fragment(self, fragment: Fragment) -> Iterator[Fragment | t.MachineEvent]:
        if self.stream is None:
            yield self._down("pipeline-died", "the pipeline sent pictures before their description")
            return
        if self.stream.live and not self._guard.admits(fragment):
            yield self._down("pause-broken", "a frame taken during the privacy pause was not filled; it was not kept")
            return
        first = self.picture_ns == 0
        self.picture_ns = self._clock.monotonic_ns()
        self.problem = self.problem_code = ""
        if self._stale_told:
            self._stale_told = False
            yield t.Alerted("no-picture", cleared=True)
        if first:
            for code in self._old_alerts - self._alerts:  # they were about the process before this one
                yield t.Alerted(code, cleared=True)
            self._old_alerts = set()
            yield t.PipelineUp()
        yield fragment

    def _watch(self) -> Iterator[t.MachineEvent]:
        if self._link is None:
            return
        now = self._clock.monotonic_ns()
        if self.picture_ns == 0:
            if now - self._started_ns > FIRST_PICTURE_NS:
                yield self._down("pipeline-died", f"no picture within {FIRST_PICTURE_NS // t.SECOND} s of its start")
        elif now - self._heard_ns > SILENT_NS:
            yield self._down("pipeline-died", f"the pipeline said nothing for {SILENT_NS // t.SECOND} s")
        elif now - self.picture_ns > NO_PICTURE_NS:
            yield self._down("pipeline-died", f"the pipeline sent no picture for {NO_PICTURE_NS // t.SECOND} s")
        elif SHORT_LIVED in self._alerts and now - self._short_lived_ns > SHORT_LIVED_NS:
            self._alerts.discard(SHORT_LIVED)
            yield t.Alerted(SHORT_LIVED, cleared=True)
        elif now - self.picture_ns > PICTURE_STALE_NS and not self._stale_told:
            self._stale_told = True
            yield t.Alerted("no-picture", "no picture has come for 2 s")

    def _alert(self, alert: Alert) -> t.Alerted:
        if alert.code == SHORT_LIVED:
            self._short_lived_ns = self._clock.monotonic_ns()
        self._alerts = self._alerts - {alert.code} if alert.cleared else self._alerts | {alert.code}
        return t.Alerted(alert.code, _without_credentials(alert.text), alert.cleared)

    def _down(self, code: str, text: str) -> t.PipelineDown:
        self.kill()
        self.problem, self.problem_code = _without_credentials(text), code
        return t.PipelineDown(code, self.problem)

    def _send(self, message: ToPipeline) -> None:
        if self._link is None:
            return
        try:
            self._link.send(message)
        except ChannelClosed:
            # It takes no orders any more: gone, so that it cannot go on unpaused. poll() reports the end.
            self._link.kill()


def _without_credentials(text: str) -> str:
    """A camera's address may carry a password; what is shown and sent on must not."""
    return re.sub(r"//[^/@\s]+@", "//", text)

"""The way out to the recorder. A file waits for a slow recorder; a live capture never does."""

from __future__ import annotations

import queue
import threading
import time

from firmware.ipc import Channel, ChannelClosed
from firmware.messages import Alert, Fragment, FromPipeline, Progress, ToPipeline

QUEUE_FRAGMENTS = 40  # ten seconds at the usual fragment length
_FILE_PATIENCE_S = 600.0
_LIVE_PATIENCE_S = 10.0
_ALERT_PATIENCE_S = 1.0  # alerts are rare; Progress, several times a second, must not hold the capture up


class Sender:
    """One thread that sends what is put, in order.

    When a live recorder falls behind, whole fragments are left out until the next keyframe, with an Alert, so that
    what follows can be played. `closed` is set when the recorder is gone.
    """

    def __init__(self, channel: Channel[FromPipeline, ToPipeline], *, live: bool) -> None:
        self._channel, self._live = channel, live
        self._queue: queue.Queue[FromPipeline | None] = queue.Queue(QUEUE_FRAGMENTS if live else 8)
        self.closed = threading.Event()
        self.left_out = 0
        self.waiting_for_keyframe = False
        self.wants_keyframe = False
        self.busy_s = 0.0
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def put(self, message: FromPipeline) -> None:
        """Send in turn. Raises ChannelClosed when the recorder is gone."""
        if self.closed.is_set():
            raise ChannelClosed("the recorder is gone")
        if self._live and isinstance(message, Fragment):
            self._put_live(message)
            return
        if self._live:
            try:
                self._queue.put(message, timeout=0.0 if isinstance(message, Progress) else _ALERT_PATIENCE_S)
            except queue.Full:
                pass  # small news that is out of date by the time anyone could read it
            return
        self._put_waiting(message, _FILE_PATIENCE_S)

    def finish(self, last: FromPipeline, timeout_s: float) -> None:
        """Send `last` after everything else and wait until it is out."""
        self._put_waiting(last, timeout_s)
        self._put_waiting(None, timeout_s)
        self._thread.join(timeout_s)

    def _put_waiting(self, message: FromPipeline | None, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not self.closed.is_set():
            try:
                self._queue.put(message, timeout=0.5)
                return
            except queue.Full:
                if time.monotonic() > deadline:
                    raise ChannelClosed("the recorder takes no more") from None
        raise ChannelClosed("the recorder is gone")

    def _put_live(self, message: Fragment) -> None:
        if self.waiting_for_keyframe and not message.keyframe:
            self.left_out += 1
            return
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self.left_out += 1
            self.waiting_for_keyframe = self.wants_keyframe = True
            return
        if self.waiting_for_keyframe:
            self.waiting_for_keyframe = False

    def news(self, before: int) -> Alert | None:
        """An Alert when fragments were left out since `before` of them were."""
        if self.left_out == before:
            return None
        return Alert("recorder-slow", f"{self.left_out - before} fragments were left out: the recorder is too slow.")

    def _run(self) -> None:
        patience_s = _LIVE_PATIENCE_S if self._live else _FILE_PATIENCE_S
        while (message := self._queue.get()) is not None:
            started = time.perf_counter()
            try:
                self._channel.send(message, patience_s)
            except ChannelClosed:
                self.closed.set()
                return
            self.busy_s += time.perf_counter() - started

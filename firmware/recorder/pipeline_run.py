"""Runs one pipeline to its end and hands over what it makes, in order: for `record` and `scrub`. Keeps nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

from firmware.errors import PipelineDied, error_from_code
from firmware.ipc import ChannelClosed
from firmware.messages import Alert, Configure, Failed, Finished, Fragment, Progress, StreamInfo
from firmware.recorder.link import PipelineLink

RECV_S = 0.2
SILENT_AFTER_S = 90.0
"""A pipeline says Progress several times a second, but may load models and search a file first."""
DRAIN_S = 60.0


def pictures(
    configure: Configure,
    stop: Callable[[], bool],
    on_progress: Callable[[Progress], None],
    *,
    on_alert: Callable[[Alert], None] = lambda _: None,
    hold_back: Callable[[], bool] = lambda: False,
) -> Generator[StreamInfo | Fragment, None, None]:
    """Everything the pipeline sends until it has finished; once `stop()` is true it is asked to
    finish early, with nothing lost.

    While `hold_back()` (asked at every turn) a pipeline on a file is not read from, so that it waits. Raises the
    pipeline's own named error, or PipelineDied when it ends without a last word or goes silent.
    """
    link = PipelineLink(configure)
    try:
        yield from _read(link, stop, on_progress, on_alert, hold_back)
        link.close()
    finally:
        link.kill()


def _read(
    link: PipelineLink, stop: Callable[[], bool], on_progress: Callable[[Progress], None],
    on_alert: Callable[[Alert], None], hold_back: Callable[[], bool],
) -> Generator[StreamInfo | Fragment, None, None]:
    heard_s, asked_s, live = time.monotonic(), 0.0, False
    while True:
        if not asked_s and stop():
            link.ask_to_stop()
            asked_s = time.monotonic()
        if hold_back() and not live:
            time.sleep(0.01)
            heard_s = time.monotonic()
            continue
        try:
            message = link.recv(RECV_S)
        except ChannelClosed:
            raise PipelineDied(
                f"The pipeline process ended without a word ({link.ending()})", meaning="The recording ends here",
                todo="look at the messages above; run `scrubcam selftest`",
            ) from None
        now = time.monotonic()
        if message is not None:
            heard_s = now
        if isinstance(message, StreamInfo | Fragment):
            live = message.live if isinstance(message, StreamInfo) else live
            yield message
        elif isinstance(message, Progress):
            on_progress(message)
        elif isinstance(message, Alert):
            on_alert(message)
        elif isinstance(message, Finished):
            return
        elif isinstance(message, Failed):
            raise error_from_code(message.code, message.what, message.meaning, message.todo)
        if now - heard_s > SILENT_AFTER_S or (asked_s and now - asked_s > DRAIN_S and live):
            raise PipelineDied("The pipeline does not answer", meaning="The recording ends here",
                               todo="run `scrubcam selftest`; a detector or the encoder may hang")

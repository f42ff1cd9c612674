"""The pipeline process: one channel to the recorder, one frame path, no way to write to a disk.

Reads Configure, runs the frame path, and ends with Finished or Failed. When the recorder is gone it is gone too.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import sys
import traceback
from fractions import Fraction
from typing import Any

from firmware import log
from firmware.errors import PipelineDied, ScrubcamError
from firmware.hardening import harden
from firmware.ipc import Channel, ChannelClosed
from firmware.kernels.open import open_kernels
from firmware.messages import (
    Alert,
    Configure,
    Failed,
    Finished,
    ForceKeyframe,
    FromPipeline,
    Pause,
    Progress,
    Stop,
    ToPipeline,
)
from firmware.pipeline.delay import DelayLine
from firmware.pipeline.detect.planner import Planner
from firmware.pipeline.evidence import EvidenceGate
from firmware.pipeline.grid import ConstantRate
from firmware.pipeline.lookout import Lookout
from firmware.pipeline.output import Output
from firmware.pipeline.path import FramePath
from firmware.pipeline.replay import DetectionLog
from firmware.pipeline.schedule import hang_timeout_ns
from firmware.pipeline.seats import take_seats
from firmware.pipeline.sender import Sender
from firmware.pipeline.source import open_source, refuse_other_picture
from hw.frame_rate import exact_rate
from hw.ports import FrameSource, StreamFormat

CONFIGURE_TIMEOUT_S = 30.0
_LAST_WORD_TIMEOUT_S = 600.0
_NS = 1_000_000_000

PipelineChannel = Channel[FromPipeline, ToPipeline]


def main(fd: int) -> int:
    """Serve the recorder at the other end of socket `fd`; returns the exit status."""
    log.setup("pipeline")
    faulthandler.enable()  # a crash in native code names its place on stderr: functions and lines, no data
    harden(lock_memory=True)
    channel: PipelineChannel = Channel(socket.socket(fileno=fd), FromPipeline, ToPipeline)
    try:
        first = channel.recv(CONFIGURE_TIMEOUT_S)
        if not isinstance(first, Configure):
            return _failed(channel, None, PipelineDied("The pipeline was not told what to do"))
        return _Run(channel, first).run()
    except ChannelClosed:
        # Nobody is left to hand frames to: end here, without waiting for native threads.
        os._exit(PipelineDied.exit_code)


def _failed(channel: PipelineChannel, sender: Sender | None, error: ScrubcamError) -> int:
    last = Failed(error.code, error.what, error.meaning, error.todo)
    if sender is None:
        channel.send(last)
    else:
        sender.finish(last, _LAST_WORD_TIMEOUT_S)
    return error.exit_code


class _Run:
    """One run of the frame path for one Configure."""

    def __init__(self, channel: PipelineChannel, cfg: Configure) -> None:
        self._channel, self._cfg = channel, cfg
        self._source: FrameSource | None = None
        self._sender: Sender | None = None
        self._lookout: Lookout | None = None
        self._output: Output | None = None
        self._log: DetectionLog | None = None
        self._path: FramePath | None = None
        self._left_out = 0

    def run(self) -> int:
        try:
            path = self._build()
            path.run(self._control)
            assert self._sender is not None
            assert self._output is not None
            self._sender.finish(Finished(self._output.frames), _LAST_WORD_TIMEOUT_S)
            return 0
        except ScrubcamError as error:
            return _failed(self._channel, self._sender, error)
        except ChannelClosed:
            raise
        except Exception as error:  # a fault of ours: named all the same, the traceback for the log only
            log.get_logger("pipeline").error("unexpected", trace=traceback.format_exc())
            return _failed(self._channel, self._sender, PipelineDied(
                f"The pipeline failed unexpectedly: {type(error).__name__}: {error}",
                meaning="The recording is interrupted; nothing unscrubbed was handed on",
                todo="report this with the log of the pipeline",
            ))
        finally:
            self._close()

    # ---- building ------------------------------------------------------------------------------------

    def _build(self) -> FramePath:
        cfg = self._cfg
        sound = cfg.sound.enabled and cfg.sound_allowed
        kernels = open_kernels(cfg.kernels)
        self._source = open_source(cfg.source, sound, cfg.sound.device, kernels=kernels)
        fmt = self._source.open()
        refuse_other_picture(cfg.source, fmt, any_rate=cfg.encode.rate == "constant")
        if not sound:
            fmt = StreamFormat(fmt.width, fmt.height, fmt.rate, fmt.live, total_frames=fmt.total_frames)
        self._sender = Sender(self._channel, live=fmt.live)
        delay_ns = round(cfg.detect.delay_s * _NS)
        seats = take_seats(cfg, fmt)
        if not seats:
            self._tell(Alert("no-detector", "No detector is configured: every frame is filled whole."))
        gate = EvidenceGate([seat.kind for seat in seats], delay_ns)
        if cfg.record_detections:
            self._log = DetectionLog(cfg.record_detections)
        planner = Planner(fmt.coded_width, fmt.coded_height, delay_ns, thorough=cfg.detect.profile == "thorough")
        self._lookout = Lookout(
            seats, gate, planner, live=fmt.live, delay_ns=delay_ns,
            hang_timeout_ns=hang_timeout_ns(cfg.detect, fmt.width, fmt.height), alert=self._tell,
            record=self._log.write if self._log else None,
        )
        grid, rate = self._rate(fmt)
        self._output = Output(
            fmt, cfg.encode, cfg.sound, [seat.name for seat in seats], rate, self._sender.put,
            covers=[seat.kind for seat in seats], zones=cfg.zones, live_delay_ns=delay_ns if fmt.live else None,
        )
        self._output.open()
        line = DelayLine(gate, delay_ns, live=fmt.live)
        self._path = FramePath(
            cfg, self._source, fmt, line, self._lookout, self._output, self._tell, grid, kernels
        )
        return self._path

    def _rate(self, fmt: StreamFormat) -> tuple[ConstantRate | None, Fraction]:
        if self._cfg.encode.rate == "variable":
            return None, fmt.rate
        wanted = exact_rate(self._cfg.source.rate_hz) or fmt.rate
        if wanted <= 0:
            raise ScrubcamError(
                "encode.rate is constant, but neither source.rate_hz nor the source says which rate",
                meaning="Nothing is recorded", todo="set source.rate_hz",
            )
        return ConstantRate(wanted), wanted

    # ---- running -------------------------------------------------------------------------------------

    def _control(self) -> None:
        assert self._path is not None
        assert self._sender is not None
        assert self._output is not None
        if self._sender.closed.is_set():
            raise ChannelClosed("the recorder is gone")
        while (message := self._channel.recv(0)) is not None:
            self._obey(message)
        if self._sender.wants_keyframe:
            self._sender.wants_keyframe = False
            self._output.force_keyframe()
        news = self._sender.news(self._left_out)
        if news is not None and not self._sender.waiting_for_keyframe:
            self._left_out = self._sender.left_out
            self._tell(news)

    def _obey(self, message: Any) -> None:
        assert self._path is not None
        assert self._output is not None
        if isinstance(message, Pause):
            self._path.pause(message.on)
        elif isinstance(message, ForceKeyframe):
            self._output.force_keyframe()
        elif isinstance(message, Stop):
            self._path.stop()

    def _tell(self, message: Alert | Progress) -> None:
        assert self._sender is not None
        self._sender.put(message)

    def _close(self) -> None:
        for part in (self._source, self._lookout, self._output, self._log):
            if part is not None:
                try:
                    part.close()
                except Exception:
                    log.get_logger("pipeline").warning("close", trace=traceback.format_exc())


def run_and_exit(fd: int) -> None:
    """`main`, then leave at once: native threads that hang must not keep a finished pipeline alive."""
    status = main(fd)  # the channel stays open until the process ends
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

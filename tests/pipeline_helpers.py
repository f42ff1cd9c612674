"""Spawns a real pipeline process and talks to it as the recorder does; makes small test clips with ffmpeg."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware.ipc import Channel, ChannelClosed
from firmware.media.fmp4 import parse_fragment
from firmware.messages import (
    Alert,
    Configure,
    Failed,
    Finished,
    Fragment,
    FromPipeline,
    Progress,
    StreamInfo,
    ToPipeline,
    Verdict,
)


@dataclass
class Heard:
    """Everything a pipeline said, sorted."""

    info: StreamInfo | None = None
    fragments: list[Fragment] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    last: Finished | Failed | None = None

    def add(self, message: FromPipeline) -> None:
        if isinstance(message, StreamInfo):
            assert self.info is None, "StreamInfo came twice"
            self.info = message
        elif isinstance(message, Fragment):
            assert self.info is not None, "a fragment came before StreamInfo"
            self.fragments.append(message)
        elif isinstance(message, Progress):
            self.progress.append(message)
        elif isinstance(message, Alert):
            self.alerts.append(message)
        else:
            self.last = message

    @property
    def verdicts(self) -> list[Verdict]:
        return [verdict for fragment in self.fragments for verdict in fragment.verdicts]

    @property
    def mp4(self) -> bytes:
        assert self.info is not None
        return self.info.init_segment + b"".join(fragment.data for fragment in self.fragments)

    @property
    def alert_codes(self) -> list[tuple[str, bool]]:
        return [(alert.code, alert.cleared) for alert in self.alerts]


class Pipeline:
    """A running pipeline process and our end of its channel."""

    def __init__(self, *prelude: str) -> None:
        ours, theirs = socket.socketpair()
        code = [*prelude, f"from firmware.pipeline.process import run_and_exit; run_and_exit({theirs.fileno()})"]
        command = [sys.executable, "-c", "\n".join(code)] if prelude else [
            sys.executable, "-m", "firmware.pipeline", "--fd", str(theirs.fileno())
        ]
        self.process = subprocess.Popen(
            command, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, cwd=Path(__file__).parent.parent,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
        theirs.close()
        self.channel: Channel[ToPipeline, FromPipeline] = Channel(ours, ToPipeline, FromPipeline)
        self.heard = Heard()

    def send(self, message: ToPipeline) -> None:
        self.channel.send(message)

    def listen(self, until: Any, timeout_s: float = 60.0) -> Heard:
        """Take messages until `until(heard)` holds or the last message came; fails the test on timeout."""
        deadline = time.monotonic() + timeout_s
        while self.heard.last is None and not until(self.heard):
            message = self.channel.recv(max(0.01, deadline - time.monotonic()))
            assert message is not None, f"nothing for {timeout_s} s; heard {self.heard.alerts}"
            self.heard.add(message)
        return self.heard

    def finish(self, timeout_s: float = 60.0) -> Heard:
        """Take messages to the last one; the process must end by itself."""
        self.listen(lambda _heard: False, timeout_s)
        self.status = self.process.wait(10)
        assert self.process.stderr is not None
        self.stderr = self.process.stderr.read().decode()
        return self.heard

    def close(self) -> None:
        self.channel.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        if self.process.stderr is not None:
            self.process.stderr.close()


@contextmanager
def pipeline(*prelude: str) -> Iterator[Pipeline]:
    """A pipeline process. `prelude`: Python lines run inside it first, to plant faults."""
    running = Pipeline(*prelude)
    try:
        yield running
    finally:
        running.close()


def run_pipeline(configure: Configure, *prelude: str, timeout_s: float = 60.0) -> Pipeline:
    """Run to the end; look at `.heard`, `.status` and `.stderr`."""
    with pipeline(*prelude) as running:
        running.send(configure)
        try:
            running.finish(timeout_s)
        except ChannelClosed as error:
            assert running.process.stderr is not None
            raise AssertionError(f"{error}: {running.process.stderr.read().decode()}") from None
        return running


def ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, capture_output=True, timeout=60)


def make_clip(path: Path, *, seconds: float = 1.0, size: str = "320x180", rate: str = "30", filters: str = "null",
              codec: tuple[str, ...] = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"),
              sound: bool = False) -> Path:
    """A clip of moving test bars (and a tone)."""
    tone = ["-f", "lavfi", "-i", f"sine=440:duration={seconds}", "-c:a", "aac"] if sound else []
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}", *tone, "-vf", filters, *codec,
           str(path))
    return path


def probe_times(path: Path, stream: str = "v:0") -> list[float]:
    """The presentation times ffprobe gives, in seconds, sorted."""
    found = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "json",
         str(path)],
        check=True, capture_output=True, timeout=60,
    )
    return sorted(float(packet["pts_time"]) for packet in json.loads(found.stdout)["packets"])


def fragment_frames(fragment: Fragment) -> int:
    return len(parse_fragment(fragment.data).video)

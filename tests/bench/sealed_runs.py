"""Synthetic sealed recordings of any length for the benchmark, and the recorder's own writing thread, timed."""

from __future__ import annotations

import queue
import random
import resource
import time
from fractions import Fraction
from pathlib import Path

from firmware.config import Encode
from firmware.media.fmp4 import fragment
from firmware.media.tracks import Sample
from firmware.messages import Fragment, StreamInfo, Verdict
from firmware.recorder import machine_types as t
from firmware.recorder.session import Session
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import Header, new_recording_id
from firmware.vault.keys import PrivateKey, RecipientKey
from firmware.vault.keystore import Keystore
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from hw.ports import StreamFormat
from hw.sim.clock import SystemClock
from tests import media_helpers as media
from tests.vault_helpers import CONSENT

RATE = 60
FRAGMENT_BYTES = 2_500_000
"""A quarter second of 4K at 10 MB/s."""
QUARTER_NS = 250_000_000


class Maker:
    """Sealed recordings of noise in a real film's boxes: nothing of their size depends on what is in the picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.device = PrivateKey.generate(), DeviceKey.generate()
        self.recipients = [RecipientKey("archive", self.key.public)]
        self.keystore = Keystore(str(folder / "keystore"))
        (folder / "archive.key").write_text(self.key.to_text())
        fmt = StreamFormat(320, 180, Fraction(RATE), True)
        _, codec_config = media.encode(Encode(preset="ultrafast"), fmt, [n * 10**9 // RATE for n in range(15)])
        self.track = media.video_track(fmt, "h264", codec_config)
        self.noise = random.Random(1).randbytes(FRAGMENT_BYTES)

    def header(self) -> Header:
        return Header(
            recording_id=new_recording_id(), device_name="bench", created_unix_s=time.time(),
            created_monotonic_ns=time.monotonic_ns(), software="scrubcam bench", consent=CONSENT,
        )

    def stream(self) -> StreamInfo:
        return media.stream_info(self.track, None)

    def fragment(self, number: int, size_bytes: int = FRAGMENT_BYTES) -> Fragment:
        start, each = number * QUARTER_NS, size_bytes // 15
        samples = [Sample(start + n * 10**9 // RATE, 10**9 // RATE, n == 0, self.noise[n * each : (n + 1) * each])
                   for n in range(15)]
        data = fragment(number, samples, timescale=self.track.timescale)
        return Fragment(number, start, QUARTER_NS, True, data, [Verdict(start, "clean")] * 15)

    def recording(self, size_bytes: int) -> Path:
        """One of that size, in the page cache."""
        header = self.header()
        path = self.folder / f"{size_bytes}.scrub"
        writer = RecordingWriter.create(OsDisk(), str(path), header, self.recipients, self.device, self.keystore)
        writer.append(self.stream())
        for number in range(size_bytes // FRAGMENT_BYTES):
            writer.append(self.fragment(number))
        writer.seal("stopped")
        return path

    def session(self) -> tuple[Session, queue.Queue[t.MachineEvent]]:
        """The recorder's own writing thread on a real disk, and what it reports."""
        reports: queue.Queue[t.MachineEvent] = queue.Queue()
        header = self.header()
        session = Session(
            OsDisk(), str(self.folder / f"{header.recording_id}.scrub"), header, self.recipients, self.device,
            self.keystore, floor_bytes=0, clock=SystemClock(), report=reports.put, first=[self.stream()],
        )
        return session, reports


def heard(reports: queue.Queue[t.MachineEvent], kind: type[t.MachineEvent]) -> None:
    """Wait for a report of that kind. Raises queue.Empty after a minute, RuntimeError when writing failed."""
    while not isinstance(report := reports.get(timeout=60), kind):
        if isinstance(report, t.WriterFault):
            raise RuntimeError(report.text)


def stop_to_sealed_s(make: Maker, fragments: int) -> float:
    """Seconds from the order to stop to a closed, signed, synced file; 4K fragments are still on their way."""
    session, reports = make.session()
    for number in range(fragments):
        while not session.room:
            time.sleep(0.001)
        session.put(make.fragment(number, 300))
    while session.fragments < fragments:
        time.sleep(0.01)
    for number in range(fragments, fragments + 4):
        session.put(make.fragment(number))
        heard(reports, t.Durable)
    session.put(make.fragment(fragments + 4))
    began = time.perf_counter()
    session.seal("stopped")
    heard(reports, t.Sealed)
    took = time.perf_counter() - began
    session.join(10)
    return took


def writing_cpu_s(make: Maker, seconds: int = 15) -> float:
    """Processor time of encrypting, chaining, signing and syncing one second of 4K, each quarter second synced."""
    session, reports = make.session()
    fragments = [make.fragment(number) for number in range(4 * seconds)]
    before = resource.getrusage(resource.RUSAGE_SELF)
    for one in fragments:
        session.put(one)
        heard(reports, t.Durable)
    session.seal("stopped")
    heard(reports, t.Sealed)
    after = resource.getrusage(resource.RUSAGE_SELF)
    session.join(10)
    Path(session.path).unlink()
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds

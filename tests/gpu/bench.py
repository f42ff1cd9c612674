"""How long each kernel takes for a 4K frame in the GPU's memory, and how much of its copy bandwidth that is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from firmware.kernels import args as a
from firmware.kernels import shapes as s
from firmware.kernels.build import FAT_BINARY
from hw.jetson.cuda_driver import Gpu

WIDTH, HEIGHT = 3840, 2160
FRAME = WIDTH * HEIGHT * 3 // 2
FRAMES = 24  # in turn, together far larger than any cache
ROUNDS = 240
COPIED = 512 << 20


class Bench:
    """Frames in device memory, and a clock."""

    def __init__(self) -> None:
        self.gpu = Gpu(Path(FAT_BINARY))
        self.driver = self.gpu.driver
        random = np.random.default_rng(1)
        self.sources = [self.gpu.scratch(f"source {i}", 3 * WIDTH * HEIGHT) for i in range(FRAMES)]
        self.frames = [self.gpu.scratch(f"frame {i}", FRAME) for i in range(FRAMES)]
        noise = random.integers(16, 236, 3 * WIDTH * HEIGHT, dtype=np.uint8)
        for source, frame in zip(self.sources, self.frames, strict=True):
            self.gpu.upload(source, noise)
            self.gpu.upload(frame, noise[:FRAME])
        self.gpu.wait()

    def time_us(self, once: Callable[[int], None]) -> float:
        """Mean time of one call in microseconds, of many queued on one stream."""
        stream, begin, end = self.gpu.stream(), self.driver.Event(), self.driver.Event()
        for i in range(FRAMES):
            once(i)
        begin.record(stream)
        for i in range(ROUNDS):
            once(i % FRAMES)
        end.record(stream)
        end.synchronize()
        return float(end.time_since(begin)) * 1000 / ROUNDS

    def copy_bytes_per_us(self) -> float:
        """Bytes read plus bytes written by a copy within the device's memory."""
        one, other = self.gpu.scratch("copy from", COPIED), self.gpu.scratch("copy to", COPIED)
        stream, begin, end = self.gpu.stream(), self.driver.Event(), self.driver.Event()
        self.driver.memcpy_dtod_async(other, one, COPIED, stream)
        begin.record(stream)
        for _ in range(10):
            self.driver.memcpy_dtod_async(other, one, COPIED, stream)
        end.record(stream)
        end.synchronize()
        return 2 * COPIED * 10 / (float(end.time_since(begin)) * 1000)

    def ingest(self, pixel_format: Any, value_range: Any) -> Callable[[int], None]:
        """One conversion of frame i."""
        luma, stats = WIDTH * HEIGHT, self.gpu.scratch("stats", ctypes.sizeof(a.Stats))
        pitches = {"NV12": (WIDTH, WIDTH, 0), "I420": (WIDTH, WIDTH // 2, WIDTH // 2), "RGB8": (3 * WIDTH, 0, 0)}
        args = a.ingest_args(pixel_format, value_range, "bt709")
        args.pitch = pitches.get(pixel_format, (2 * WIDTH, 0, 0))
        args.width, args.height, args.y_pitch, args.uv_pitch, args.stats = WIDTH, HEIGHT, WIDTH, WIDTH, stats

        def once(i: int) -> None:
            args.plane = (self.sources[i], self.sources[i] + luma, self.sources[i] + luma * 5 // 4)
            args.y, args.uv = self.frames[i], self.frames[i] + luma
            self.gpu.run("scrubcam_ingest", args, (HEIGHT // 2, 1))

        return once

    def tensor(self, crop: tuple[int, int, int, int], out: tuple[int, int]) -> Callable[[int], None]:
        """One network input from frame i."""
        width, height = out
        memory = self.gpu.scratch("tensor", 12 * width * height)
        args = a.tensor_args((WIDTH, HEIGHT), crop, out, out, (0.0,) * 3, (1.0,) * 3, (0, 1, 2), 0.0)
        args.out, args.out_plane, args.out_row, args.y_pitch, args.uv_pitch = (
            memory, width * height, width, WIDTH, WIDTH)

        def once(i: int) -> None:
            args.y, args.uv = self.frames[i], self.frames[i] + WIDTH * HEIGHT
            self.gpu.run("scrubcam_tensor", args, (height, 1))

        return once

    def redact(self, regions: list[s.Shape]) -> Callable[[int], None]:
        """Fill regions of frame i; none: the whole frame."""
        plan = s.plan(regions, WIDTH, HEIGHT)
        spans = len(plan.packed) + a.SPAN_BYTES * plan.rows
        work = self.gpu.scratch("redact", spans + a.COLOUR_BYTES * plan.count + 1)
        if plan.count:
            self.gpu.upload(work, plan.packed)
        args = a.Redact(shapes=work, spans=work + len(plan.packed), colours=work + spans, count=plan.count,
                        y_pitch=WIDTH, uv_pitch=WIDTH, width=WIDTH, height=HEIGHT)

        def once(i: int) -> None:
            args.y, args.uv = self.frames[i], self.frames[i] + WIDTH * HEIGHT
            if not plan.count:
                self.gpu.run("scrubcam_fill_frame", args, (HEIGHT // 2, 1))
                return
            self.gpu.run("scrubcam_redact_spans", args, (plan.count, 1))
            self.gpu.run("scrubcam_redact_colours", args, (plan.count, 1))
            self.gpu.run("scrubcam_redact_paint", args, (plan.highest, plan.count))

        return once


def bench() -> None:
    """Print a table for docs/benchmarks.md."""
    b = Bench()
    limit = b.copy_bytes_per_us()
    print(f"{b.gpu.name}, 4K frames in device memory; a copy moves {limit / 1000:.0f} GB/s (read and written)\n")
    print("| kernel | time | bytes that must move | share of copy bandwidth |\n|---|---|---|---|")
    regions: list[s.Shape] = [s.Rectangle(90 + 370 * i, 60 + 190 * i, 240, 260, 12 * i) for i in range(10)]
    area = 10 * 240 * 260 * 3 // 2
    small, tile = (768, 432), (1920, 1088)
    rows: list[tuple[str, Callable[[int], None], int]] = [
        ("ingest NV12", b.ingest("NV12", "limited"), 2 * FRAME),
        ("ingest I420", b.ingest("I420", "limited"), 2 * FRAME),
        ("ingest UYVY", b.ingest("UYVY", "limited"), FRAME + 2 * WIDTH * HEIGHT),
        ("ingest UYVY, full range", b.ingest("UYVY", "full"), FRAME + 2 * WIDTH * HEIGHT),
        ("ingest RGB8", b.ingest("RGB8", "full"), FRAME + 3 * WIDTH * HEIGHT),
        ("tensor, whole frame to 768x432", b.tensor((0, 0, WIDTH, HEIGHT), small), FRAME + 12 * 768 * 432),
        ("tensor, tile 1920x1088", b.tensor((64, 64, *tile), tile), 1920 * 1088 * 27 // 2),
        ("redact, whole frame", b.redact([]), FRAME), ("redact, 10 regions (3 kernels)", b.redact(regions), area),
    ]
    for name, once, moved in rows:
        took_us = b.time_us(once)
        print(f"| {name} | {took_us:.1f} us | {moved / 1e6:.1f} MB | {moved / took_us / limit:.0%} |")

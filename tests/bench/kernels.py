"""CPU time of each kernel on this machine: python -m tests.bench.kernels. Frames in turn, larger than the cache."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import numpy as np

from firmware.kernels.host import HostKernels
from firmware.kernels.shapes import Ellipse, Rectangle, Shape
from firmware.kernels.types import FORMATS, PixelFormat, Range, SourcePicture, planes_of
from hw.ports import U8

FRAMES = 4
SIZES = ((1920, 1080), (3840, 2160))


def cpu_ms(once: Callable[[], object], times: int) -> float:
    """Processor time of one call, all threads together, in milliseconds."""
    once()
    started = time.process_time()
    for _ in range(times):
        once()
    return (time.process_time() - started) * 1000 / times


def source(data: U8, pixel_format: PixelFormat, width: int, height: int, value_range: Range) -> SourcePicture:
    """Planes one after the other, rows tight."""
    made = SourcePicture(data, pixel_format, width, height, (), (), value_range)
    planes = planes_of(made)
    offsets = itertools.accumulate((rows * row_bytes for rows, row_bytes in planes), initial=0)
    return SourcePicture(data, pixel_format, width, height, tuple(offsets)[:-1], tuple(b for _, b in planes),
                         value_range)


def jobs(kernels: HostKernels, width: int, height: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every kernel as something to call again and again."""
    random = np.random.default_rng(1)
    data = [random.integers(0, 256, 3 * width * height, dtype=np.uint8) for _ in range(FRAMES)]
    frames = []
    for _ in range(FRAMES):
        memory = kernels.allocate(width * height * 3 // 2)
        memory[:] = 90
        luma = width * height
        frames.append((memory, memory[:luma].reshape(height, width),
                       memory[luma:].reshape(height // 2, width // 2, 2)))
    turn = itertools.cycle(range(FRAMES))

    def copy() -> None:
        index = next(turn)
        np.copyto(frames[index][0], data[index][: frames[index][0].size])

    def ingest(pixel_format: PixelFormat, value_range: Range) -> Callable[[], object]:
        sources = [source(d, pixel_format, width, height, value_range) for d in data]
        return lambda: kernels.ingest(sources[next(turn)], *frames[next(turn)][1:])

    def tensor(out_width: int, out_height: int, crop: tuple[int, int, int, int] | None) -> Callable[[], object]:
        out = np.zeros((3, out_height, out_width), np.float32)
        return lambda: kernels.tensor(*frames[next(turn)][1:], out, crop=crop)

    def redact(shapes: list[Shape], soft_px: int = 0) -> Callable[[], object]:
        return lambda: kernels.redact(*frames[next(turn)][1:], shapes, soft_px)

    yield "plain copy of the frame", copy
    for pixel_format in FORMATS:
        value_range: Range = "full" if pixel_format == "RGB8" else "limited"
        yield f"ingest {pixel_format}", ingest(pixel_format, value_range)
    yield "ingest UYVY, full range", ingest("UYVY", "full")
    yield "tensor, whole frame to 768", tensor(768, 768 * height // width, None)
    yield "tensor, tile 640x640", tensor(640, 640, (64, 64, 640, 640))
    boxes = [(width * (0.05 + 0.09 * i), height * (0.1 + 0.07 * i), width * 0.06, height * 0.12) for i in range(10)]
    yield "redact, 10 rectangles, half of them turned", redact(
        [Rectangle(*box, 13.0 * (i % 2) * i) for i, box in enumerate(boxes)])
    yield "redact, 10 ellipses", redact([Ellipse(*box) for box in boxes])
    yield "redact, 10 rectangles, soft edge 16 px", redact([Rectangle(*box) for box in boxes], 16)
    yield "whole frame", lambda: kernels.fill_frame(*frames[next(turn)][1:])


def main() -> None:
    """A table for docs/benchmarks.md: milliseconds of processor time, on one thread and on two."""
    found: dict[str, list[float]] = {}
    for width, height in SIZES:
        for threads in (1, 2):
            for name, once in jobs(HostKernels(threads), width, height):
                found.setdefault(name, []).append(cpu_ms(once, 150_000_000 // (width * height)))
    print("| kernel | 1080p, 1 thread | 1080p, 2 threads | 4K, 1 thread | 4K, 2 threads |\n|---|---|---|---|---|")
    for name, times_ms in found.items():
        print(f"| {name} | {' | '.join(f'{ms:.2f} ms' for ms in times_ms)} |")


if __name__ == "__main__":
    main()

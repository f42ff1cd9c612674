"""The self-test's film through the whole path: planted face, name, code and clapper; judged by what comes out again.

Detect, scrub, encode and seal with a throw-away key, open, decode, and compare every picture with the scene drawn anew.
The device's own keys, recordings and zones are left alone.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from firmware.config import Config, Source, Zones
from firmware.demo import compare, opened
from firmware.errors import ScrubcamError
from firmware.kernels.open import open_kernels
from firmware.messages import Verdict
from firmware.recorder.record_once import STAGED, record
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.reader import Recording
from hw.ports import U8, EndOfStream, FrameSource
from hw.sim.scene import SceneSource

WIDTH, HEIGHT, RATE, SECONDS = 1280, 720, 15, 2.0
"""A small picture at half the usual rate, and short, for the sake of a slow PC: it proves as much. It claps once."""
SCENE = (f"scene://?width={WIDTH}&height={HEIGHT}&rate={RATE}&seed=3&seconds={SECONDS}&paced=0&sound=1&codes=1"
         f"&clap_every=1")
FRAMES = int(SECONDS * RATE)
LIKE_DB, UNTOUCHED_PART = 30.0, 0.6
"""In half of the pictures at least: the likeness (PSNR) of a part where nothing is to be covered, and the part of the
whole that is as it was. A unit that covers everything hides every face and records nothing."""
READ_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: `told` says what was seen, whether it `held` or not. `privacy`: something identifying came through."""

    name: str
    held: bool
    told: str
    privacy: bool = False


def whole_path(cfg: Config, detections: str = "") -> Iterator[Finding]:
    """The findings, one by one. Raises ScrubcamError when the path itself breaks. Writes into a temporary folder only.

    `detections`: a file of recorded ones, played instead of the detectors; that is how this test is tested.
    """
    with tempfile.TemporaryDirectory(prefix="scrubcam-selftest-") as name:
        folder = Path(name)
        private, public = folder / "throwaway.key", folder / "throwaway.pub"
        new_archive_key(str(private), str(public))
        made = record(_settings(cfg, folder), SCENE, folder, [("archive", public)], 0.0, STAGED, lambda *_: None,
                      threading.Event(), replay_detections=detections)
        key = PrivateKey.load(str(private))
        with Recording.open(made.path) as recording:
            report = recording.verify()
        content = opened.read_recording(Path(made.path), key)
        told = f"{len(content.verdicts)} of {FRAMES} frames, each with a verdict; {report.state}, verified and opened"
        whole = report.complete and len(content.verdicts) == made.frames == FRAMES
        yield Finding("sealed recording", whole, told)
        if whole:
            movie = folder / "opened.mp4"
            opened.export(Path(made.path), key, movie)
            yield from _judged(cfg, movie, content.verdicts)


def _settings(cfg: Config, folder: Path) -> Config:
    """The device's own encoder, detectors and kernels; for the rest nothing of the device is touched or asked."""
    return replace(
        cfg, paths=replace(cfg.paths, state_dir=str(folder)), recorder=replace(cfg.recorder, floor_bytes=0),
        source=Source(uri=SCENE), encode=replace(cfg.encode, rate="variable"), zones=Zones(),
        sound=replace(cfg.sound, enabled=True, device=""),
    )


def _judged(cfg: Config, movie: Path, verdicts: list[Verdict]) -> Iterator[Finding]:
    """What the decoded pictures and sound show, against the scene drawn again."""
    from firmware.pipeline.source import open_source

    film = open_source(Source(uri=str(movie)), sound=True, kernels=open_kernels(cfg.kernels))
    pcm: list[tuple[int, np.ndarray]] = []
    try:
        seen = compare.compare(_pictures(film, pcm), verdicts, SceneSource(SCENE), {}, lambda _: None)
    except ValueError:
        yield Finding("decoded pictures", False, f"not one for each of {len(verdicts)} verdicts")
        return
    finally:
        film.close()
    blanked = sum(verdict.kind == "blanked" for verdict in verdicts)
    for name, labels in (("face covered", ("far", "masked", "near", "tilted")), ("code covered", ("label code",)),
                         ("name covered", ("name band", "overlay name", "overlay date", "clock"))):
        yield _covered(name, labels, seen, blanked)
    like_db, untouched = float(np.median(seen.quiet_db or [0.0])), seen.untouched_median
    told = f"{untouched:.0%} of it, {like_db:.0f} dB; {blanked} frames filled whole"
    yield Finding("picture else untouched", not blanked and like_db >= LIKE_DB and untouched >= UNTOUCHED_PART, told)
    yield _in_step(seen.flashes_s, pcm)


def _covered(name: str, labels: tuple[str, ...], seen: compare.Compared, blanked: int) -> Finding:
    planted = sum(seen.boxes[label] for label in labels)
    through = sum(label in labels for _, label, _ in seen.uncovered)
    told = f"{planted - through} of {planted} times" + (f", the worst {max(seen.worst[one] for one in labels):.0%} seen"
                                                        if through else "")
    return Finding(name, planted > blanked and not through, told, privacy=through > 0)


def _in_step(flashes_s: list[float], pcm: list[tuple[int, np.ndarray]]) -> Finding:
    name = "sound in step"
    if not pcm:
        return Finding(name, False, "no sound came out")
    start_ns = pcm[0][0]
    mono = np.concatenate([samples[:, 0] for _, samples in pcm])
    tones = [start_ns / 1e9 + at for at in compare.tone_starts_s(mono)]
    offsets = compare.clapper_offsets_s(flashes_s, tones)
    low, high = compare.CLAPPER_LIMIT_S
    told = ", ".join(f"{offset * 1000:+.0f} ms" for offset in offsets) or "no clap was found"
    return Finding(name, bool(offsets) and all(low <= one <= high for one in offsets), f"flash minus tone {told}")


def _pictures(film: FrameSource, pcm: list[tuple[int, np.ndarray]]) -> Iterator[tuple[U8, U8]]:
    """Every decoded frame as (luma, whole NV12); the sound is put into `pcm` on the way. Raises MediaUnreadable."""
    fmt = film.open()
    frame = np.empty(fmt.frame_bytes, np.uint8)
    try:
        while True:
            if film.read(frame, READ_S) is None:
                raise ScrubcamError("the recording stopped decoding half-way", meaning="It may not be playable",
                                    todo="report this fault")
            pcm += [(chunk.pts_ns, chunk.samples) for chunk in film.read_sound()]
            yield frame[: fmt.width * fmt.height].reshape(fmt.height, fmt.width), frame
    except EndOfStream:
        pcm += [(chunk.pts_ns, chunk.samples) for chunk in film.read_sound()]

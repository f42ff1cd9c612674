"""Writes moving scenes as clips with their exact truth: `python -m hw.sim.moving OUT_DIR`, to measure a scrubber with.

The truth is `ground_truth.json`: {clip: [{"frame", "boxes": [[x, y, w, h], ...], "labels", "heights_px", "visible",
"things"}, ...]}, an entry for every frame. Beside each box: "face", "text" or "code"; the height of the whole face or
of the letters in pixels; the share of the box that lies in the picture; and which person or card it belongs to.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from firmware.durable import write_durably
from firmware.errors import MediaUnreadable
from hw.sim.moving_picture import MovingPicture
from hw.sim.scene_sprites import missing_part
from hw.sim.scene_uri import SceneSettings, parse_scene_uri

SIZES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
CLIPS = (
    "show=enter", "show=enter&light=dim", "show=rise", "show=rise&light=bright", "show=turn", "show=turn&light=dim",
    "show=shrink", "show=shrink&light=switching", "show=pan&shutter=0.3", "show=bands", "show=bands&light=dim",
    "show=bands&light=bright", "show=overlays", "show=codes", "show=codes&light=dim",
)
"""What is written: the show, its light, and the smear of what moves (half of a frame's time where not said)."""
QUANTISER = 12
"""x264's constant quantiser: nothing that can be seen is lost."""


def clips(size: str, seconds: float, seed: int) -> dict[str, SceneSettings]:
    """The clips by name, and the scene of each. `size` is a key of SIZES."""
    width, height = SIZES[size]
    base = SceneSettings(width, height, Fraction(30), seed, seconds, paced=False, sound=False)
    named = {}
    for query in CLIPS:
        scene = parse_scene_uri(f"scene://?{query}", base)
        named[f"moving/{scene.show}-{scene.light}-{size}-{seed}.mp4"] = replace(scene)
    return named


def truth(scene: SceneSettings, picture: MovingPicture | None = None) -> list[dict[str, Any]]:
    """The entries of ground_truth.json for one scene, one for each frame. Raises PartMissing."""
    picture = picture or MovingPicture(scene)
    entries = []
    for index in range(scene.total_frames):
        boxes = picture.truth_at(index)
        entries.append({
            "frame": index,
            "boxes": [[box.x, box.y, box.w, box.h] for box in boxes],
            "labels": [box.kind for box in boxes],
            "heights_px": [round(box.size_px, 1) for box in boxes],
            "visible": [round(box.visible_fraction, 3) for box in boxes],
            "things": [box.label for box in boxes],
        })
    return entries


def write_clip(scene: SceneSettings, path: Path) -> list[dict[str, Any]]:
    """Draw a scene into an MP4 and return its truth. Raises PartMissing, MediaUnreadable."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise missing_part("ffmpeg")
    picture = MovingPicture(scene)
    frame = np.zeros(scene.width * scene.height * 3 // 2, np.uint8)
    command = [
        program, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "nv12", "-s", f"{scene.width}x{scene.height}",
        "-r", str(scene.rate), "-color_range", "tv", "-colorspace", "bt709", "-i", "-", "-an", "-c:v", "libx264",
        "-preset", "ultrafast", "-qp", str(QUANTISER), "-pix_fmt", "yuv420p", "-color_range", "tv",
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", str(path),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            for index in range(scene.total_frames):
                picture.draw(index, frame)
                process.stdin.write(frame.data)
            process.stdin.close()
        except BrokenPipeError:
            pass  # ffmpeg's own words say why
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise MediaUnreadable(f"ffmpeg does not write {path}: {said[:300]}")
    return truth(scene, picture)


def write_set(folder: Path, scenes: dict[str, SceneSettings], tell: Callable[[str], None] = print) -> Path:
    """Write clips below `folder` and their truth beside them; returns the truth's path."""
    known: dict[str, Any] = {}
    for name, scene in scenes.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        known[name] = write_clip(scene, folder / name)
        tell(f"{name}: {len(known[name])} frames, {sum(len(entry['boxes']) for entry in known[name])} boxes")
    target = folder / "ground_truth.json"
    write_durably(str(target), json.dumps(known).encode())
    return target


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hw.sim.moving", description="Moving scenes with exact truth.")
    parser.add_argument("folder", type=Path, metavar="OUT_DIR")
    parser.add_argument("--size", choices=sorted(SIZES), default="1080p")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only clips whose name contains this")
    given = parser.parse_args(None if arguments is None else list(arguments))
    chosen = {name: s for name, s in clips(given.size, given.seconds, given.seed).items() if given.only in name}
    print(write_set(given.folder, chosen))


if __name__ == "__main__":
    main()

"""One `scrubcam record` of a file in a process of its own, so that its peak memory can be told; writes its figures."""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path

from msgspec.structs import replace

from firmware.config import Config
from firmware.messages import Progress
from firmware.paths import default_models_dir
from firmware.recorder.record_once import STAGED, record


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("public_key")
    parser.add_argument("stats", type=Path)
    parser.add_argument("--replay", default="")
    parser.add_argument("--save", default="")
    asked = parser.parse_args()
    last: list[Progress] = []
    memory: list[tuple[float, int]] = []

    def note(progress: Progress, _size: int) -> None:
        last[:] = [progress]
        memory.append((progress.pts_ns / 1e9, progress.rss_bytes))

    settings = Config()
    settings = replace(settings, paths=replace(settings.paths, models_dir=str(default_models_dir())))
    result = record(
        settings, asked.source, asked.out_dir, [("archive", asked.public_key)], 0.0, STAGED, note, threading.Event(),
        replay_detections=asked.replay, save_detections=asked.save,
    )  # fmt: skip
    asked.stats.write_text(
        json.dumps(
            {
                "frames": result.frames,
                "blanked": result.blanked,
                "dropped": last[0].frames_dropped,
                "stage_s": last[0].stage_s,
                "memory": memory,
            }
        )
    )


if __name__ == "__main__":
    main()

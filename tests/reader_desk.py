"""The reader page in a browser, as a reviewer has it: give it files, read what it says."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.export.reader_page import make_reader_page
from tests.browser import Browser


@dataclass(frozen=True)
class Judged:
    """The verdict, the place it names (part "" when there is none), and whether the key opened the recording."""

    state: str
    part: str
    number: int | None
    opened: bool
    message: str

    @property
    def place(self) -> str:
        """The place as the golden vectors name it: "", "header", "record N" or "attachment N"."""
        return self.part if self.number is None else f"{self.part} {self.number}"


class ReaderDesk:
    """One browser, one page; each `give` on a freshly opened page unless `more` is said."""

    def __init__(self, folder: Path) -> None:
        self.page = folder / "reader.html"
        self.page.write_text(make_reader_page())
        self.browser = Browser(folder / "profile")

    def give(self, *files: Path, more: bool = False, drop: bool = False) -> Judged:
        """Drop or choose files and wait for what the page makes of them."""
        if not more:
            self.browser.open(self.page)
        before = self.browser.do("worksDone")
        if drop:
            self.browser.drop_files(*files)
        else:
            self.browser.choose_files("#files", *files)
        self.browser.until(f"worksDone > {before}", "a verdict")
        return self.judged()

    def judged(self) -> Judged:
        """What it says now."""
        told = self.browser.do(
            "({state: session.findings?.state ?? '', problem: session.findings?.problem ?? null, "
            "key: session.keyState, message: $('message').textContent})")
        problem = told["problem"] or {"part": "", "number": None}
        return Judged(told["state"], problem["part"], problem["number"], told["key"] == "open", told["message"])

    def text(self, selector: str) -> str:
        """The visible words of an element."""
        return str(self.browser.do(f"document.querySelector({selector!r}).innerText"))

    def film(self) -> dict[str, Any]:
        """The state of the film: seconds, width, height, pictures decoded so far, and what is wrong with it."""
        return dict(self.browser.do(
            "({at: $('video').currentTime, width: $('video').videoWidth, height: $('video').videoHeight, "
            "shown: $('video').getVideoPlaybackQuality().totalVideoFrames, problem: session.filmProblem})"))

    def play_until(self, seconds: float) -> None:
        """Press play and wait until the film has come to `seconds`."""
        self.browser.do("$('video').play()")
        self.browser.until(f"$('video').currentTime >= {seconds} || session.filmProblem", f"{seconds} s of the film")
        self.browser.do("$('video').pause()")
        assert self.film()["problem"] == ""

    def seek(self, seconds: float) -> None:
        """Jump, and wait until the picture there is shown."""
        self.browser.do(f"goTo({seconds})")
        self.browser.until(
            "!$('video').seeking && $('video').readyState >= 2 || session.filmProblem", "the picture sought")
        assert self.film()["problem"] == ""

    def save(self, name: str) -> None:
        """A screenshot NAME.png in the folder that SCRUBCAM_SCREENSHOTS names; none when it names none."""
        if folder := os.environ.get("SCRUBCAM_SCREENSHOTS"):
            self.browser.screenshot(Path(folder) / f"{name}.png")

    def close(self) -> None:
        self.browser.close()


def film_parts(path: Path, *, seconds: int, size: str = "320x180", sound: bool = True) -> tuple[bytes, list[bytes]]:
    """A test film by ffmpeg: its initialisation segment, and its fragments of half a second (24 frames/s, 12 each)."""
    sound_in = ["-f", "lavfi", "-i", "sine=440", "-c:a", "libopus"] if sound else []
    subprocess.run(
        ["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=24", *sound_in[:4],
         "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-g", "12", *sound_in[4:],
         "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4", str(path)], check=True, timeout=60)
    data, at, boxes = path.read_bytes(), 0, []
    while at < len(data):
        size_bytes = int.from_bytes(data[at : at + 4], "big")
        boxes.append((data[at + 4 : at + 8], data[at : at + size_bytes]))
        at += size_bytes
    init = b"".join(box for kind, box in boxes if kind in (b"ftyp", b"moov"))
    fragments = [boxes[i][1] + boxes[i + 1][1] for i, (kind, _) in enumerate(boxes) if kind == b"moof"]
    return init, fragments

"""Leaks beside the picture: nothing that identifies in any file, log line or message, and no picture but the film's."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from firmware import config
from firmware.messages import Configure, Consent, Finished, Fragment, StreamInfo
from firmware.vault.records import Bookmark, Gap, Note, StateChange
from hw.sim.scene import SceneSource
from hw.sim.scene_script import write_script
from tests.detect_helpers import MODELS_DIR
from tests.fleet_helpers import Listener as Fleet
from tests.fleet_helpers import Mosquitto
from tests.pipeline_helpers import ffmpeg, make_clip, run_pipeline
from tests.recorder_helpers import CONSENT, Unit, files_under, until
from tests.test_cli_commands import scrubcam

SEED = 3
URI = f"scene://?width=640&height=360&rate=15&seed={SEED}&sound=0"
PICTURES = [b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n", b"GIF8", b"WEBPVP8", b"ftypavif",
            b"ftypheic", b"II*\x00", b"MM\x00*"]
"""How the usual picture files begin."""
STRIP = 24
"""So many pixels in a row, taken from the source, are found nowhere by chance."""


def spellings(words: str) -> Iterator[bytes]:
    """A text as it might be written somewhere."""
    for text in (words, words.lower(), words.title()):
        yield text.encode()
        yield text.encode("utf-16-le")
        yield text.encode("utf-16-be")
        yield text.encode().hex().encode()
        for shift in range(3):
            # Without the first and last characters, which depend on what stands around the text.
            yield base64.b64encode(b"\0" * shift + text.encode())[4:-4]


def planted() -> list[bytes]:
    """Every name, number and date that the scene shows."""
    script = write_script(SEED)
    family, given, *_ = re.split(r"[ ,]+", script.patient)
    return [spelling for words in (family, given + " ", script.patient, script.number, script.born)
            for spelling in spellings(words) if len(spelling) >= 5]


def strips() -> list[bytes]:
    """Rows of pixels of the faces and name bands as the camera gave them, luma and chroma, some frames apart."""
    source = SceneSource(URI + "&paced=0")
    fmt = source.open()
    frame = np.zeros(fmt.frame_bytes, np.uint8)
    found = set()
    for number in range(45):
        taken = source.read(frame, 1.0)
        assert taken is not None
        if number % 15:
            continue
        y = frame[: 640 * 360].reshape(360, 640)
        for truth in source.truth_at(number):
            x, top, w, h = truth.x, truth.y, truth.w, truth.h
            for row in range(max(top, 0), min(top + h, 360), max(h // 8, 1)):
                strip = y[row, max(x, 0) : max(x, 0) + w][:STRIP]
                if len(strip) == STRIP and strip.std() > 8:
                    found.add(strip.tobytes())
    source.close()
    assert len(found) > 20
    return sorted(found)


def search(data: bytes, where: str, secrets: list[bytes]) -> None:
    for secret in secrets:
        assert secret not in data, f"{secret!r} stands in {where}"


def test_the_search_finds_what_is_there() -> None:
    for secret in (strips()[7], b"x 4711 " + planted()[0]):
        with pytest.raises(AssertionError, match="stands in a file"):
            search(b"..." + secret + b"...", "a file", [*planted(), *strips()])


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    unit = Unit(tmp_path / "device", uri=URI, faces=True, models=str(MODELS_DIR))
    yield unit
    if unit.process is not None:
        unit.kill9()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path / "broker").start()
    yield broker
    broker.stop()


@pytest.fixture(autouse=True)
def device_folder(tmp_path: Path) -> None:
    (tmp_path / "device").mkdir()


def test_a_whole_device_writes_and_says_nothing_that_the_camera_saw(
    unit: Unit, broker: Mosquitto, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Recorder, pipeline, agent and broker run a case; then every file, every message and every log line is searched
    for what the scene shows."""
    with unit.config.open("a") as config:
        config.write(f'host = "127.0.0.1"\nport = {broker.port}\ntls = false\n')
    fleet = Fleet(broker.port)
    listener = unit.start()
    agent = subprocess.Popen([sys.executable, "-m", "firmware.fleet", "--config", str(unit.config)])
    try:
        listener.record(CONSENT)
        until(lambda: (listener.read(), listener.healths and listener.healths[-1].regions_masked > 20)[1],
              what="regions are covered")
        listener.ask("bookmark", note="")
        listener.ask("stop")
        listener.event("sealed")
        until(lambda: any(event.kind == "sealed" for event in fleet.events), what="the fleet hears of it")
        assert unit.stop() == 0
    finally:
        agent.terminate()
        agent.wait(20)
        fleet.close()
    secrets = [*planted(), *strips()]
    files = list(files_under(tmp_path))
    assert len(files) >= 4
    for path in files:
        search(path.read_bytes(), str(path), [*secrets, *PICTURES])
    assert len(fleet.messages) > 5
    for leaf, payload, _ in fleet.messages:
        search(payload, leaf, [*secrets, *PICTURES])
        assert len(payload) < 4096, "too long for a state, long enough for a small picture"
    told = capfd.readouterr()
    search((told.out + told.err).encode(), "the log", secrets)
    _only_the_film(unit, secrets)


def _only_the_film(unit: Unit, secrets: list[bytes]) -> None:
    """Opened with the archive key, the recording holds no picture beside the encoded fragments."""
    (path,) = unit.recordings()
    known = (Bookmark, StateChange, Gap, Note, Consent, StreamInfo, Fragment)
    with unit.open(path) as recording:
        kept = [stored.record for stored in recording.records(unit.key())]
    assert any(v.kind == "masked" for r in kept if isinstance(r, Fragment) for v in r.verdicts)
    for record in kept:
        data = msgspec.msgpack.encode(record)
        search(data, type(record).__name__, secrets)
        if not isinstance(record, Fragment):
            search(data, type(record).__name__, PICTURES)
            assert isinstance(record, known)
            assert len(data) < 4096, "long enough for a small picture"


def test_what_a_file_carries_beside_its_picture_does_not_come_through(tmp_path: Path) -> None:
    """Titles, comments, places, chapters, subtitles, cover pictures: `scrub` takes the picture and leaves the rest."""
    name, number = "OKONKWO-PLANTED", "4711-0815-PLANTED"
    clip = make_clip(tmp_path / "plain.mp4", seconds=1)
    cover = tmp_path / "cover.jpg"
    ffmpeg("-f", "lavfi", "-i", "mandelbrot=size=64x64", "-frames:v", "1", str(cover))
    (tmp_path / "words.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{name} {number}\n")
    (tmp_path / "meta.txt").write_text(
        f";FFMETADATA1\ntitle={name}\ncomment={number}\nartist={name}\nlocation=+48.1-011.5/\n"
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle={name}\n"
    )
    film = tmp_path / "film.mp4"
    ffmpeg("-i", str(clip), "-i", str(tmp_path / "words.srt"), "-i", str(tmp_path / "meta.txt"), "-i", str(cover),
           "-map", "0:v", "-map", "1", "-map", "3", "-map_metadata", "2", "-map_chapters", "2", "-c", "copy",
           "-c:s", "mov_text", "-disposition:v:1", "attached_pic", "-metadata:s:v:0", f"handler_name={name}", str(film))
    secrets = [spelling for words in (name, number) for spelling in spellings(words)]
    there = film.read_bytes()
    assert name.encode() in there
    assert b"JFIF" in there
    (tmp_path / "out").mkdir()
    told = scrubcam("scrub", film, "-o", tmp_path / "out" / "clean.mp4", "--report", tmp_path / "out" / "report.json",
                    home=tmp_path)
    for path in (tmp_path / "out").iterdir():
        search(path.read_bytes(), path.name, [*secrets, *PICTURES])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clean.mp4", "report.json"}
    search((told.stdout + told.stderr).encode(), "what it said", secrets)
    probed = subprocess.run(
        ["ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-show_format", "-of", "json",
         str(tmp_path / "out" / "clean.mp4")], check=True, capture_output=True, timeout=60).stdout
    streams = msgspec.json.decode(probed)
    assert [stream["codec_type"] for stream in streams["streams"]] == ["video"]
    assert streams["chapters"] == []


def test_the_pipeline_itself_writes_no_file(tmp_path: Path) -> None:
    """The process that holds clear pictures opens nothing for writing, and what native code might write into its home
    or the folder for temporary files is nothing but GStreamer's list of its own plugins."""
    watch = f"""
import os, sys
for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
    os.environ[name] = {str(tmp_path)!r}
sys.dont_write_bytecode = True
def hook(event, given):
    if event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("WROTE", given[0], file=sys.stderr)
    elif event in ("os.rename", "os.mkdir", "os.link", "os.symlink"):
        print("WROTE", event, given, file=sys.stderr)
sys.addaudithook(hook)
"""
    ran = run_pipeline(Configure(
        config.Source(uri=URI + "&seconds=2&paced=0"), config.Encode(preset="ultrafast"), config.Sound(),
        config.Detect(), str(MODELS_DIR),
    ), watch)
    assert isinstance(ran.heard.last, Finished)
    assert "WROTE" not in ran.stderr, ran.stderr
    search(ran.stderr.encode(), "the log", planted())
    assert {path.name for path in files_under(tmp_path)} <= {"registry.x86_64.bin", "registry.aarch64.bin"}

"""The golden vectors and a recording of the product's own pipeline in the reader page: judged as the manifest says."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from firmware.cli.main import app
from firmware.vault.reader import Recording
from tests.reader_desk import Judged, ReaderDesk

FOLDER = Path(__file__).parent / "golden"
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReaderDesk]:
    desk = ReaderDesk(tmp_path_factory.mktemp("reader"))
    yield desk
    desk.close()


def test_every_golden_vector_is_judged_as_the_manifest_says(desk: ReaderDesk) -> None:
    names = ("state", "place", "trusted", "records", "fragments", "frames")
    told = {}
    for vector in VECTORS:
        judged = desk.give(FOLDER / vector["file"], FOLDER / "keys" / "trusted.txt")
        # A header that does not hold names no device that could be trusted, and the manifest counts nothing behind it.
        trusted = vector["trusted"] if judged.place == "header" else desk.browser.do("session.trusted")
        counts = desk.browser.do("(f => [f.records, f.fragments.length, f.frames])(session.findings)")
        told[vector["file"]] = dict(zip(names, [judged.state, judged.place, trusted, *counts], strict=True))
    expected = {vector["file"]: {name: vector.get(name, 0) for name in names} for vector in VECTORS}
    assert told == expected


def test_every_golden_vector_opens_with_the_keys_it_is_for_and_no_others(desk: ReaderDesk) -> None:
    told, expected = {}, {}
    for vector in VECTORS:
        if vector["state"] in ("damaged", "unsupported"):
            continue  # refused already: nobody opens the whole of it
        for name, opens in vector["opens"].items():
            files = [FOLDER / vector["file"], FOLDER / "keys" / f"{name}.key"]
            if vector.get("keystore"):
                files.append(FOLDER / "keystore" / f"{recording_id(files[0])}.keys")
            judged = desk.give(*files)
            whole = judged.state in ("sealed", "interrupted", "unfinished")
            expected[vector["file"], name] = (opens, vector.get("open_place", ""))
            told[vector["file"], name] = (judged.opened and whole, judged.place if "open_place" in vector else "")
    assert told == expected


def recording_id(path: Path) -> str:
    data = path.read_bytes()
    (length,) = struct.unpack(">I", data[12:16])
    return str(json.loads(data[16 : 16 + length])["recording_id"])


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sealed copy of four seconds of the staged operation, with sound, and the P256 key that opens it."""
    folder = tmp_path_factory.mktemp("product")
    scene = "scene://?width=480&height=270&rate=12&seed=3&paced=0&sound=1"
    for words in (
        ["keys", "new", "reader", "--dir", str(folder), "--kem", "P256"],
        ["record", scene, "-o", str(folder), "--to", str(folder / "reader.pub"), "--sound", "--seconds", "4",
         "--profile", "live"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (done.output, done.exception)
    return next(folder.glob("*.scrub")), folder / "reader.key"


def test_a_recording_of_the_product_is_opened_verified_played_and_sought_in(
    desk: ReaderDesk, product: tuple[Path, Path],
) -> None:
    assert desk.give(*product) == Judged("sealed", "", None, True, "")
    desk.play_until(1.5)
    film = desk.film()
    assert (film["width"], film["height"]) == (480, 270)
    assert film["shown"] > 10
    assert desk.browser.do("$('video').webkitAudioDecodedByteCount") > 0
    length_s = desk.browser.do("session.player.lengthS")
    assert length_s == pytest.approx(4, abs=0.5)
    desk.seek(length_s - 0.6)
    desk.play_until(length_s - 0.2)
    desk.seek(0.3)
    assert desk.film()["at"] == pytest.approx(0.3, abs=0.1)
    desk.save("product-playing")


def test_until_every_byte_is_checked_the_page_says_not_yet_verified_and_plays_by_the_index(
    desk: ReaderDesk, product: tuple[Path, Path],
) -> None:
    desk.browser.open(desk.page)
    hold = "walk = walkRecords; walkRecords = (...given) => new Promise(go => { goOn = go }).then(() => walk(...given))"
    desk.browser.do(f"globalThis.goOn = null; {hold}; 0")
    desk.browser.choose_files("#files", *product)
    desk.browser.until("goOn !== null", "the begin of the check")
    desk.play_until(1)
    assert desk.text("#verdict-title") == "Not yet verified"
    assert desk.browser.do("!$('progress').hidden")
    desk.save("product-not-yet-verified")
    desk.browser.do("void goOn()")
    desk.browser.until("worksDone === 1", "the verdict")
    assert desk.text("#verdict-title") == "Intact, complete and signed"
    assert desk.browser.do("$('video').currentTime") >= 1


def test_a_tampered_recording_of_the_product_is_refused_and_its_beginning_offered(
    desk: ReaderDesk, product: tuple[Path, Path], tmp_path: Path,
) -> None:
    sealed, key = product
    with Recording.open(str(sealed)) as recording:
        places = [(frame.seq, frame.offset) for frame in recording.frames()]
    number, offset = places[len(places) // 2]
    data = bytearray(sealed.read_bytes())
    data[offset + 60] ^= 1
    tampered = tmp_path / "tampered.scrub"
    tampered.write_bytes(data)
    judged = desk.give(tampered, key)
    assert (judged.state, judged.place) == ("damaged", f"record {number}")
    assert "refused" in desk.text("#verdict-title")
    assert "not the whole recording" in desk.text("#partial")
    desk.play_until(1)
    desk.save("product-tampered")

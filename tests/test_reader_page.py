"""The reader page in a real Chromium: recordings written by hand from the specification, whole and damaged."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware.cli.main import app
from firmware.errors import ConfigError
from firmware.export.reader_page import make_reader_page
from tests.reader_desk import Judged, ReaderDesk, film_parts
from tests.sealed_by_hand import BOOKMARK, GAP, STREAM, ArchiveKey, HandWriter, as_json, fingerprint

SECOND_NS = 1_000_000_000
STREAM_TOLD = {"codec": "h264", "width": 320, "height": 180, "rate_num": 24, "rate_den": 1, "encoder": "x264",
               "detectors": ["centerface", "ppocr"], "sound_codec": "opus", "covers": ["face", "text"]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReaderDesk]:
    desk = ReaderDesk(tmp_path_factory.mktemp("reader"))
    yield desk
    desk.close()


def written(archive: ArchiveKey | None = None, **header: object) -> HandWriter:
    """Consent, signature, stream, four fragments, signature: records 0 to 7. Not ended."""
    writer = HandWriter(archive or ArchiveKey(), header_more=dict(header))
    writer.consent()
    writer.sign()
    writer.sealed(STREAM, STREAM_TOLD, {}, b"init")
    for number in range(4):
        writer.fragment(number * SECOND_NS // 4, b"picture %d" % number)
    writer.sign()
    return writer


def sealed_copy(archive: ArchiveKey | None = None) -> HandWriter:
    writer = written(archive)
    writer.end()
    writer.attach(1, writer.envelope)
    return writer


def saved(folder: Path, writer: HandWriter, data: bytes | None = None) -> tuple[Path, Path]:
    recording, key = folder / "by-hand.scrub", folder / "archive.key"
    recording.write_bytes(writer.data if data is None else data)
    key.write_text(writer.archive.file())
    return recording, key


def flipped(writer: HandWriter, at: int) -> bytes:
    data = bytearray(writer.data)
    data[at] ^= 4
    return bytes(data)


def test_a_sealed_copy_is_whole_signed_and_opens_with_each_kind_of_key(desk: ReaderDesk, tmp_path: Path) -> None:
    for kem in ("P256", "MLKEM768-X25519", "MLKEM1024-P384"):
        files = saved(tmp_path, sealed_copy(ArchiveKey(kem)))
        assert desk.give(*files) == Judged("sealed", "", None, True, "")
        assert desk.text("#verdict-title") == "Intact, complete and signed"
        assert "opened 6 encrypted records" in desk.text("#checks")
        assert "teaching" in desk.text("#consent")


def test_checking_needs_no_key(desk: ReaderDesk, tmp_path: Path) -> None:
    recording, key = saved(tmp_path, sealed_copy())
    assert desk.give(recording) == Judged("sealed", "", None, False, "")
    assert "drop the archive's private key" in desk.text("#no-film")
    assert desk.give(key, more=True, drop=True) == Judged("sealed", "", None, True, "")
    assert "opened 6 encrypted records" in desk.text("#checks")


def test_a_recording_and_its_envelope_as_two_files_open_together(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = written()
    writer.end()
    recording, key = saved(tmp_path, writer)
    envelope = tmp_path / "by-hand.keys"
    envelope.write_bytes(writer.envelope)
    assert "no keys" in desk.give(recording, key).message
    assert desk.give(recording, key, envelope, drop=True) == Judged("sealed", "", None, True, "")
    other = tmp_path / "other.keys"
    other.write_bytes(writer.envelope.replace(b"by-hand", b"another"))
    desk.give(recording, other)
    assert "not the one that the signed header names" in desk.text("#checks")


def test_a_passphrase_unlocks_a_key_and_a_wrong_one_does_not(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = sealed_copy()
    recording, key = saved(tmp_path, writer)
    key.write_text(writer.archive.file("correct horse"))
    desk.give(recording, key)
    for passphrase in ("wrong", "correct horse"):
        done = desk.browser.do("worksDone")
        desk.browser.do(f"$('passphrase').value = {passphrase!r}; $('unlock').requestSubmit()")
        desk.browser.until(f"worksDone > {done}", "an answer")
        if passphrase == "wrong":
            assert "does not open this key" in desk.judged().message
            assert desk.browser.do("!$('unlock').hidden")
    assert desk.judged() == Judged("sealed", "", None, True, "")
    assert desk.browser.do("$('passphrase').value") == ""


def test_another_archives_key_and_a_public_key_open_nothing_and_are_named(desk: ReaderDesk, tmp_path: Path) -> None:
    recording, key = saved(tmp_path, sealed_copy())
    key.write_text(ArchiveKey().file())
    judged = desk.give(recording, key)
    assert "not sealed for this key" in judged.message
    assert (judged.state, judged.opened) == ("sealed", False)
    public = tmp_path / "archive.pub"
    public.write_text(key.read_text().replace("PRIVATE", "PUBLIC"))
    assert "is the public key" in desk.give(public).message
    key.write_text(key.read_text().replace("\n\n", "\n\nAAAA"))
    assert "damaged" in desk.give(key).message


Damage = Callable[[HandWriter], bytes]
DAMAGES: dict[str, tuple[Damage, str, str, int | None]] = {
    "a bit of the header": (lambda w: flipped(w, 40), "damaged", "header", None),
    "a bit of the header's signature": (lambda w: flipped(w, w.offsets[0] - 5), "damaged", "header", None),
    "a bit of a marker": (lambda w: flipped(w, w.offsets[3]), "damaged", "record", 3),
    "a bit of a length": (lambda w: flipped(w, w.offsets[4] + 20), "damaged", "record", 4),
    "a bit of public data": (lambda w: flipped(w, w.offsets[3] + 30), "damaged", "record", 3),
    "a bit of a ciphertext": (lambda w: flipped(w, w.offsets[4] - 40), "damaged", "record", 3),
    "a bit of a chain value": (lambda w: flipped(w, w.offsets[5] - 1), "damaged", "record", 4),
    "a bit of a signature": (lambda w: flipped(w, w.offsets[8] - 40), "damaged", "record", 7),
    "a record left out": (lambda w: w.data[: w.offsets[4]] + w.data[w.offsets[5] :], "damaged", "record", 4),
    "two records swapped": (
        lambda w: w.data[: w.offsets[3]] + w.data[w.offsets[4] : w.offsets[5]] + w.data[w.offsets[3] : w.offsets[4]]
        + w.data[w.offsets[5] :], "damaged", "record", 3),
    "a record twice": (lambda w: w.data[: w.offsets[5]] + w.data[w.offsets[4] :], "damaged", "record", 5),
    "the end cut off": (lambda w: w.data[: w.offsets[8]], "unfinished", "record", 8),
    "cut within a record": (lambda w: w.data[: w.offsets[6] + 9], "unfinished", "record", 6),
    "a bit of the envelope": (lambda w: flipped(w, w.data.rindex(b"SATT") + 40), "damaged", "attachment", 0),
    "another envelope": (lambda w: other_envelope(w), "damaged", "attachment", 0),
    "a word behind the end": (lambda w: w.data + b"hello", "damaged", "attachment", 1),
    "a newer version": (lambda w: w.data[:9] + b"\3" + w.data[10:], "unsupported", "header", None),
    "no recording at all": (lambda w: b"GIF89a" + w.data[6:], "damaged", "header", None),
}


def other_envelope(writer: HandWriter) -> bytes:
    behind = writer.data.rindex(b"SATT")
    writer.data = writer.data[:behind]
    writer.attach(1, writer.envelope + b" ")
    return writer.data


def test_each_damage_is_refused_and_named(desk: ReaderDesk, tmp_path: Path) -> None:
    told = {}
    for name, (damage, *_) in DAMAGES.items():
        writer = sealed_copy()
        recording, _ = saved(tmp_path, writer, damage(writer))
        judged = desk.give(recording)
        told[name] = (judged.state, judged.part, judged.number)
    assert told == {name: tuple(expected) for name, (_, *expected) in DAMAGES.items()}


def test_what_a_signed_file_may_not_say_is_refused(desk: ReaderDesk, tmp_path: Path) -> None:
    def forged(writer: HandWriter) -> HandWriter:
        writer.data = writer.data.replace(b"by hand", b"by hank")  # then the header's signature made anew by another
        return writer

    lying, critical, odd, twice = written(), written(), written(), written()
    lying.end(frames=17)
    critical.record(999, {}, b"x" * 64, flags=2)
    odd.record(3, {}, b"not encrypted")
    twice.end()
    for _ in range(2):
        twice.attach(1, twice.envelope)
    cases = {"lying": (lying, "damaged", "record", 8), "critical": (critical, "unsupported", "record", 8),
             "odd": (odd, "damaged", "record", 8), "twice": (twice, "damaged", "attachment", 1),
             "forged": (forged(sealed_copy()), "damaged", "header", None)}
    for name, (writer, *expected) in cases.items():
        judged = desk.give(saved(tmp_path, writer)[0])
        assert [judged.state, judged.part, judged.number] == expected, name


def test_what_a_later_version_adds_is_skipped(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = written(novelty={"a": 1})
    writer.record(999, {"later": True}, b"something", flags=0)
    writer.sealed(998, {}, {"what": "later"})
    writer.end(also="this")
    writer.attach(77, b"later")
    writer.attach(1, writer.envelope)
    assert desk.give(*saved(tmp_path, writer)) == Judged("sealed", "", None, True, "")


def test_an_interrupted_recording_says_what_was_signed_only_at_recovery(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = written()
    writer.fragment(SECOND_NS)
    writer.end(state="interrupted", reason="power", signed_to=8, cut_bytes=1234)
    desk.give(saved(tmp_path, writer)[0])
    assert "ended by a power cut" in desk.text("#verdict-title")
    assert "the last 2 records were signed only at recovery" in desk.text("#checks")
    assert "1.2 kB" in desk.text("#checks")


def test_the_list_of_trusted_devices_decides_about_the_device(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = sealed_copy()
    recording, _ = saved(tmp_path, writer)
    devices = tmp_path / "devices.txt"
    own = fingerprint(writer.device.public_key().public_bytes_raw())
    stranger = "Intact, but not from a device on your list"
    for listed, title in ((own, "Intact, complete and signed"), (own[::-1], stranger)):
        devices.write_text(f"# the site's devices\n{listed}\n")
        desk.give(recording, devices)
        assert desk.text("#verdict-title") == title


def test_a_timestamp_is_told_and_one_of_another_recording_or_place_is_refused(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = written()
    writer.end()
    right = hashlib.sha256(writer.chain).digest()

    def told(imprint: bytes, at: str = "end", record: int = 8, damage: str = "") -> tuple[Judged, str]:
        again = HandWriter()
        again.data = writer.data
        token = b"\x30\x31\x04\x20" + imprint + b"\x02\x01\x05\x18\x0f20261121123000Z"
        again.attach(2, as_json({"at": at, "record": record, "token": damage + base64.b64encode(token).decode()}))
        return desk.give(saved(tmp_path, again)[0]), desk.text("#checks")

    judged, words = told(right)
    assert (judged.state, judged.place) == ("sealed", "")
    assert "end: 2026-11-21 12:30:00 UTC" in words
    for judged, words in (told(right[::-1]), told(right, at="start"), told(right, record=1), told(right, damage="?")):
        assert (judged.state, judged.place) == ("damaged", "attachment 0")
        assert "the timestamp" in words


def test_a_field_zone_is_said_in_large_letters(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = written()
    zone = {"name": "field", "x": 0.2, "y": 0.2, "w": 0.5, "h": 0.5}
    writer.sealed(STREAM, STREAM_TOLD | {"field_zones": [zone], "profile": "eye"}, {}, b"init")
    writer.end()
    desk.give(saved(tmp_path, writer)[0])
    assert desk.text("#not-covered") == "Not de-identified: faces were left visible in the field zone field (eye)."


def test_names_in_a_file_are_text_and_never_markup(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = written(software="<img src=x onerror=say('broken')><b>bold</b>")
    writer.end()
    assert desk.give(saved(tmp_path, writer)[0]).message == ""
    assert "<b>bold</b>" in desk.text("#facts")


def filmed(folder: Path) -> HandWriter:
    """Three seconds with sound, a gap of two, three seconds in another size without sound; two bookmarks."""
    writer = HandWriter()
    writer.consent()
    writer.sign()
    at_ns = 77 * SECOND_NS
    for part, (size, sound) in enumerate((("320x180", True), ("480x270", False))):
        init, fragments = film_parts(folder / "part.mp4", seconds=3, size=size, sound=sound)
        writer.sealed(STREAM, STREAM_TOLD, {}, init)
        for blob in fragments:
            writer.fragment(at_ns, blob, 12, SECOND_NS // 2)
            at_ns += SECOND_NS // 2
        writer.sealed(BOOKMARK, {"pts_ns": at_ns - SECOND_NS}, {"origin": "pedal", "note": "look"})
        if part == 0:
            writer.sealed(GAP, {"pts_ns": at_ns, "duration_ns": 2 * SECOND_NS}, {"reason": "source-lost"})
            at_ns += 2 * SECOND_NS
        writer.sign()
    writer.end()
    writer.attach(1, writer.envelope)
    return writer


def test_the_film_plays_over_a_gap_into_another_stream_and_back(desk: ReaderDesk, tmp_path: Path) -> None:
    recording, key = saved(tmp_path, filmed(tmp_path))
    assert desk.give(recording, key).state == "sealed"
    desk.play_until(1)
    assert desk.film()["width"] == 320
    assert desk.text("#length") == "0:08"
    assert "Gap of 2.0 s: source-lost" in desk.text("#events")
    desk.seek(2.5)
    desk.play_until(5.5)
    assert desk.film()["width"] == 480
    desk.seek(0.5)
    assert desk.film()["width"] == 320


def test_of_a_tampered_film_only_what_stands_before_is_offered_and_marked(desk: ReaderDesk, tmp_path: Path) -> None:
    writer = filmed(tmp_path)
    recording, key = saved(tmp_path, writer, flipped(writer, writer.offsets[7] - 60))
    judged = desk.give(recording, key)
    assert (judged.state, judged.part, judged.number) == ("damaged", "record", 6)
    assert "Record 6" in desk.text("#verdict-text")
    assert "not the whole recording" in desk.text("#partial")
    desk.play_until(1)
    assert desk.browser.do("session.player.lengthS") == pytest.approx(1.5)
    assert desk.browser.do("document.querySelectorAll('#marks .damage').length") == 1


def test_the_page_makes_no_request_and_cannot(desk: ReaderDesk, tmp_path: Path) -> None:
    recording, key = saved(tmp_path, sealed_copy())
    desk.give(recording, key)
    assert desk.browser.log == []
    outside = [url for url in desk.browser.requests if not url.startswith(("data:", "blob:"))]
    assert outside == [desk.page.as_uri()]
    assert desk.browser.do("performance.getEntriesByType('resource').length") == 0
    outcome = "new Promise((y, n) => { x.onload = y; x.onerror = n; %s })"
    for attempt in (
        "fetch('http://127.0.0.1:9/')", "fetch(location.href)", "import('data:text/javascript,1')",
        "(x => " + outcome % "x.open('GET', 'http://127.0.0.1:9/'); x.send();" + ")(new XMLHttpRequest())",
        "(x => " + outcome % "x.src = 'http://127.0.0.1:9/i.png';" + ")(new Image())",
    ):
        assert desk.browser.do(f"{attempt}.then(() => 'went out', () => 'refused')") == "refused"
    refusals = [line for line in desk.browser.log if "Content Security Policy" in line]
    assert len(refusals) >= 4, desk.browser.log


def test_the_page_is_one_file_that_names_no_address_and_runs_only_its_own_script() -> None:
    page = make_reader_page()
    assert not re.search(r"""(?:src|href|action)\s*=\s*["'](?!data:)""", page)
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page
    assert "{{" not in page.split("<script>")[0]


def test_the_command_writes_the_page_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    target = tmp_path / "reader.html"
    assert CliRunner().invoke(app, ["reader", "-o", str(target)]).exit_code == 0
    assert target.read_text() == make_reader_page()
    target.write_text("mine")
    assert isinstance(CliRunner().invoke(app, ["reader", "-o", str(target)]).exception, ConfigError)
    assert target.read_text() == "mine"
    assert CliRunner().invoke(app, ["reader", "-o", str(target), "--force"]).exit_code == 0
    assert target.read_text() == make_reader_page()

"""A time in a recording is found by reading little, and what is shown there is what the whole recording shows there."""

from __future__ import annotations

import os
import struct
import tempfile
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from firmware import config
from firmware.cli.main import app
from firmware.errors import ConfigError, DamagedRecording, ScrubcamError
from firmware.export.sealed import export_clip, export_sealed
from firmware.messages import FieldZone, Fragment, StreamInfo
from firmware.vault.format import FRAME, RecordType, chain_next
from firmware.vault.records import Bookmark, IndexMeta, Record
from firmware.vault.seek import Opened, length_ns
from hw.disk import OsDisk
from hw.ports import StreamFormat
from tests.media_helpers import HEIGHT, NS, WIDTH, decode_cleanly, encode, framehashes, probe, video_track
from tests.media_helpers import records as media_records
from tests.vault_helpers import QUARTER_NS, archive, fragment, keystore, opened, read, seal, spans, stream, write

THREE_HOURS = 3 * 3600 * 4


class Unsynced(OsDisk):
    """A disk for files whose durability is not asked about: forty thousand syncs take half a minute."""

    def sync(self, handle: int) -> None:
        pass


def shown(path: str | Path, from_ns: int, to_ns: int) -> list[Record]:
    with opened(path) as recording:
        return [stored.record for stored in Opened(recording, archive()).between(from_ns, to_ns)]


def expected(records: list[Record], from_ns: int, to_ns: int) -> list[Record]:
    """The same by the words of the command's help, out of all records."""
    keyframes = [n for n, one in enumerate(records) if isinstance(one, Fragment) and one.keyframe]
    first = max((n for n in keyframes if pts_ns(records[n]) <= from_ns), default=keyframes[0])
    late = (n for n, one in enumerate(records) if n > first and isinstance(one, Fragment) and one.pts_ns >= to_ns)
    before = [one for one in records[:first] if isinstance(one, StreamInfo)]
    return [before[-1], *records[first : next(late, len(records))]]


def pts_ns(record: Record) -> int:
    assert isinstance(record, Fragment)
    return record.pts_ns


# ---- how much is read ----------------------------------------------------------------------------


def bytes_read() -> int:
    """What the kernel has given this process in answer to its reads, so far."""
    with open("/proc/self/io", encoding="ascii") as told:
        return int(told.readline().split()[1])


@pytest.fixture(scope="module")
def three_hours(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Quarter seconds, each signed and synced as the recorder does; small pictures, so that what is read beside them
    shows."""
    records = [stream(), *(fragment(number) for number in range(THREE_HOURS))]
    return seal(str(tmp_path_factory.mktemp("long")), records, sync_every=1, disk=Unsynced())


@pytest.fixture(scope="module", params=["closed", "without its end record", "cut in the middle"])
def long_file(request: pytest.FixtureRequest, three_hours: str) -> tuple[str, int, int]:
    """(path, fragments in it, most bytes that finding a time may read)."""
    if request.param == "closed":
        return three_hours, THREE_HOURS, 150_000
    data = read(three_hours)
    data = data[:-100] if "end" in request.param else data[: len(data) // 2]
    path = write(three_hours.replace("abcdefgh", request.param), data)
    with opened(path) as recording:
        return path, recording.info().fragments, 2_000_000


@pytest.mark.parametrize("share", [0.0, 0.001, 0.33, 0.5, 0.999, 1.0])
def test_a_time_in_three_hours_is_found_by_reading_less_than_2_mb(
    long_file: tuple[str, int, int], share: float
) -> None:
    path, fragments, most_bytes = long_file
    assert fragments > THREE_HOURS * 0.45
    number = min(fragments - 1, int(fragments * share))
    before = bytes_read()
    found = shown(path, number * QUARTER_NS + 5, number * QUARTER_NS + 6)
    spent = bytes_read() - before
    assert found == [stream(), *(fragment(n) for n in range(number - number % 4, number + 1))]
    assert 0 < spent < most_bytes


# ---- that it is the right place ------------------------------------------------------------------


@st.composite
def recordings(draw: st.DrawFn) -> list[Record]:
    """Some hundred fragments (an index record comes after 256) of any length, with gaps, other records and streams."""
    lengths = draw(st.lists(st.integers(1, 400_000_000), min_size=1, max_size=9))
    keyframe_every, stream_every, others_every = draw(st.tuples(*[st.integers(1, 300)] * 3))
    records: list[Record] = [stream()]
    at_ns = draw(st.integers(0, 10**12))
    for number in range(draw(st.sampled_from([1, 2, 40, 256, 257, 511, 512, 700]))):
        length = lengths[number % len(lengths)]
        if number and number % stream_every == 0:
            records.append(replace(stream(), encoder=f"encoder {number}"))
        if number % others_every == 0:
            records.append(Bookmark(at_ns, 1.0))
        keyframe = number % keyframe_every == 0 or isinstance(records[-1], StreamInfo)
        records.append(Fragment(number, at_ns, length, keyframe, number.to_bytes(4, "big"), []))
        at_ns += length + (draw(st.sampled_from([0, 5 * NS])) if number % 50 == 0 else 0)
    return records


@settings(max_examples=40, deadline=None)
@given(records=recordings(), end=st.booleans(), cut=st.floats(0, 1), times=st.lists(
    st.tuples(st.floats(-0.1, 1.1), st.floats(0, 0.5)), min_size=1, max_size=5))
def test_a_part_is_what_the_whole_shows_there(
    records: list[Record], end: bool, cut: float, times: list[tuple[float, float]]
) -> None:
    """Closed, still being written, or cut anywhere behind its first picture."""
    with tempfile.TemporaryDirectory() as folder:
        path = seal(folder, records, end=end, disk=Unsynced())
        if not end:
            data = read(path)
            first = next(stop for kind, _, stop in spans(data) if kind == RecordType.FRAGMENT)
            write(path, data[: round(first + (len(data) - first) * cut)])
            with opened(path) as recording:
                records = [stored.record for stored in recording.records(archive())][1:]
        begin_ns, end_ns = (pts_ns(one) for one in (
            [one for one in records if isinstance(one, Fragment)][n] for n in (0, -1)))
        for share, length in times:
            from_ns = round(begin_ns + share * (end_ns - begin_ns))
            to_ns = from_ns + round(length * (end_ns - begin_ns)) + 1
            assert shown(path, from_ns, to_ns) == expected(records, from_ns, to_ns)
        with opened(path) as recording:
            assert Opened(recording, archive()).streams() == [one for one in records if isinstance(one, StreamInfo)]
            assert length_ns(recording) == recording.info().duration_ns


# ---- altered files -------------------------------------------------------------------------------

LAST = 600
"""Fragments of the recording that is altered here: two index records in its middle, one at its end."""


@cache
def indexed() -> tuple[bytes, bytes]:
    """(the file, its wrapped keys)."""
    with tempfile.TemporaryDirectory() as folder:
        path = seal(folder, [stream(), *(fragment(number) for number in range(LAST))], disk=Unsynced())
        return read(path), keystore(folder).get("abcdefgh")


def altered(folder: Path, data: bytes) -> str:
    if not keystore(folder).has("abcdefgh"):
        keystore(folder).put("abcdefgh", indexed()[1])
    return write(str(folder / "abcdefgh.scrub"), data)


@pytest.mark.parametrize("which", ["an index record", "the last index record", "the stream", "a shown fragment",
                                   "the record behind the last shown", "the end record"])
def test_a_bit_flipped_where_it_is_read_never_shows_another_picture(which: str, tmp_path: Path) -> None:
    """Either the right pictures, or none and a word. One bit of each byte; of a long one some bytes."""
    data = indexed()[0]
    frames = [(kind, range(start, stop)) for kind, start, stop in spans(data)]
    of = [[span for kind, span in frames if kind == wanted]
          for wanted in (RecordType.INDEX, RecordType.STREAM, RecordType.FRAGMENT, RecordType.END)]
    indexes, streams, fragments, ends = of
    place = {"an index record": indexes[1], "the last index record": indexes[2], "the stream": streams[0],
             "a shown fragment": fragments[402], "the record behind the last shown": fragments[404],
             "the end record": ends[0]}[which]
    right = [stream(), *(fragment(number) for number in range(400, 404))]
    steps = [n for n in range(len(place)) if n < 60 or n >= len(place) - 33 or n % 79 == 0]
    told = 0
    for step, offset in ((step, place[step]) for step in steps):
        changed = bytearray(data)
        changed[offset] ^= 1 << step % 8
        try:
            found = shown(altered(tmp_path, changed), 401 * QUARTER_NS, 404 * QUARTER_NS)
        except DamagedRecording:
            told += 1
        else:
            assert found == right, f"byte {step} of {which}"
    assert told > (0 if which == "the end record" else len(steps) * 0.6)


def forged_index(data: bytes, number: int, change: dict[str, object]) -> bytes:
    """The file with one index record exchanged and its own chain value made to fit, offsets kept."""
    start, stop = [(start, stop) for kind, start, stop in spans(data) if kind == RecordType.INDEX][number]
    (public_bytes,) = struct.unpack_from(">I", data, start + 16)
    body = msgspec.json.decode(data[start + FRAME.size : start + FRAME.size + public_bytes])
    public = msgspec.json.encode(body | change).ljust(public_bytes)
    assert len(public) == public_bytes
    head = data[start : start + FRAME.size] + public
    return data[:start] + head + chain_next(data[start - 32 : start], head, b"") + data[stop:]


def index_says(data: bytes, number: int) -> IndexMeta:
    start = [start for kind, start, _ in spans(data) if kind == RecordType.INDEX][number]
    (public_bytes,) = struct.unpack_from(">I", data, start + 16)
    return msgspec.json.decode(data[start + FRAME.size :][:public_bytes], type=IndexMeta)


@pytest.mark.parametrize("number", [1, 2])
def test_a_forged_index_leads_to_no_other_time(number: int, tmp_path: Path) -> None:
    """Its chain value fits, but it names other places: the last one is bound to the end record, of the others each
    picture says itself when it was."""
    data = indexed()[0]
    says = index_says(data, number)
    keyframes = [n for n, place in enumerate(says.fragments) if place[3]]
    moved = list(says.fragments)
    for here, there in pairwise(keyframes):
        moved[here] = (*says.fragments[there][:2], *says.fragments[here][2:])
    for at in (40, 70):
        at_ns = says.fragments[at][2]
        assert shown(altered(tmp_path, data), at_ns, at_ns + 1)
        with pytest.raises(DamagedRecording, match=r"does not lead to its records|altered"):
            shown(altered(tmp_path, forged_index(data, number, {"fragments": moved})), at_ns, at_ns + 1)


@pytest.mark.parametrize("change", [
    {"streams": []}, {"fragments": [[5, -9, 0, 1]], "streams": []}, {"fragments": [], "indexes": []},
    {"fragments": [[5, 2**62, 0, 1]], "streams": [[5, 10**9]]}, {"indexes": [[0, 3]], "fragments": []},
], ids=str)
@pytest.mark.parametrize("closed", [True, False])
def test_a_nonsense_index_is_a_named_fault(change: dict[str, object], closed: bool, tmp_path: Path) -> None:
    data = forged_index(indexed()[0], 2, change)
    path = altered(tmp_path, data if closed else data[:-100])
    with pytest.raises(DamagedRecording):
        shown(path, LAST * QUARTER_NS, LAST * QUARTER_NS + 1)


def test_no_picture_no_time(tmp_path: Path) -> None:
    for end in (True, False):
        path = seal(str(tmp_path), [stream(), Bookmark(1, 1.0)], recording_id=f"empty-{end}", end=end)
        with opened(path) as recording, pytest.raises(DamagedRecording, match="no picture"):
            Opened(recording, archive())
        with opened(path) as recording, pytest.raises(DamagedRecording, match="no picture"):
            length_ns(recording)


# ---- as an MP4 -----------------------------------------------------------------------------------

RATE = 20
ENCODE = config.Encode(codec="h264", encoder="x264", preset="ultrafast", bitrate_bps=1_000_000)


@cache
def film(live: bool) -> list[StreamInfo | Fragment]:
    """Six seconds, a keyframe each second; live, it begins somewhere on the device's clock."""
    fmt, start = StreamFormat(WIDTH, HEIGHT, Fraction(RATE), live), 77 * NS if live else 0
    times_ns = [start + number * NS // RATE for number in range(6 * RATE)]
    units, codec_config = encode(ENCODE, fmt, times_ns, keys_at=range(0, 6 * RATE, RATE))
    info, *fragments = media_records(video_track(fmt, "h264", codec_config), units, NS // RATE)
    assert isinstance(info, StreamInfo)
    return [replace(info, live=live, detectors=["centerface"], covers=["face"]), *fragments]


def sealed_film(folder: Path, live: bool) -> Path:
    return Path(seal(str(folder), list(film(live)), disk=Unsynced()))


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(("from_s", "to_s", "begins_s", "ends_s"), [
    (0.0, 0.5, 0, 0.5), (2.3, 4.1, 2, 4.25), (3.0, 3.01, 3, 3.25), (4.99, float("inf"), 4, 6), (0.0, 1e9, 0, 6),
])
def test_frames_and_times_of_a_clip_are_those_of_the_whole(
    live: bool, from_s: float, to_s: float, begins_s: float, ends_s: float, tmp_path: Path
) -> None:
    path, store = sealed_film(tmp_path, live), keystore(tmp_path)
    export_sealed(path, archive(), tmp_path / "whole.mp4", keystore=store)
    result = export_clip(path, archive(), tmp_path / "clip.mp4", from_s, to_s, keystore=store)
    decode_cleanly(tmp_path / "clip.mp4")
    whole, clip = (framehashes(tmp_path / name) for name in ("whole.mp4", "clip.mp4"))
    assert len(whole) == 6 * RATE
    part = [(when - begins_s, picture) for when, picture in whole if begins_s <= when < ends_s]
    assert clip == part
    assert probe(tmp_path / "clip.mp4")["streams"][0]["start_time"] == "0.000000"
    assert (result.frames, result.begins_s) == (len(part), begins_s)
    assert result.seconds == pytest.approx(ends_s - begins_s)


def test_a_part_says_what_the_whole_may_be_called(tmp_path: Path) -> None:
    """A field zone in a later stream record: no part of this recording is de-identified."""
    info, *fragments = film(True)
    assert isinstance(info, StreamInfo)
    zone = replace(info, profile="eye", field_zones=[FieldZone("field", 0.2, 0.2, 0.4, 0.4)])
    path = Path(seal(str(tmp_path), [info, *fragments[:8], zone, *fragments[8:]], disk=Unsynced()))
    whole = export_sealed(path, archive(), tmp_path / "whole.mp4", keystore=keystore(tmp_path))
    clip = export_clip(path, archive(), tmp_path / "clip.mp4", 0, 0.5, keystore=keystore(tmp_path))
    assert clip.statement == whole.statement
    assert "field" in clip.statement
    assert clip.frames < whole.frames


@pytest.mark.parametrize(("from_s", "to_s"), [(6.1, 7), (2, 2), (3, 2), (-1, 2)])
def test_no_such_part_writes_nothing(from_s: float, to_s: float, tmp_path: Path) -> None:
    path = sealed_film(tmp_path, True)
    with pytest.raises(ConfigError, match=r"nothing from .* in a recording of 6\.0 s"):
        export_clip(path, archive(), tmp_path / "clip.mp4", from_s, to_s, keystore=keystore(tmp_path))
    assert not (tmp_path / "clip.mp4").exists()


def test_a_failed_clip_leaves_no_file(tmp_path: Path) -> None:
    path = sealed_film(tmp_path, True)
    data = bytearray(path.read_bytes())
    start = [start for kind, start, _ in spans(bytes(data)) if kind == RecordType.FRAGMENT][10]
    data[start + 300] ^= 1
    path.write_bytes(data)
    with pytest.raises(ScrubcamError):
        export_clip(path, archive(), tmp_path / "clip.mp4", 2, 4, keystore=keystore(tmp_path))
    assert not [name for name in os.listdir(tmp_path) if "mp4" in name]
    export_clip(path, archive(), tmp_path / "clip.mp4", 4, 5, keystore=keystore(tmp_path))  # not where the damage is


def test_the_command_exports_a_part(tmp_path: Path) -> None:
    path = sealed_film(tmp_path, True)
    (tmp_path / "archive.key").write_text(archive().to_text())
    base = ["export", str(path), "--key", str(tmp_path / "archive.key"), "--keystore", str(tmp_path / "keystore"),
            "-o", str(tmp_path / "clip.mp4")]
    done = CliRunner().invoke(app, [*base, "--from", "0:03.5", "--to", "4.5"])
    assert done.exit_code == 0, done.output
    assert "from 0:03.0" in done.output
    assert "rest of the recording was not checked" in done.output
    assert framehashes(tmp_path / "clip.mp4")[0][0] == 0
    for wrong in (["--from", "1:2:3:4"], ["--to", "soon"], ["--from", "-1"], ["--from", "nan"],
                  ["--from", "1", "--partial"]):
        refused = CliRunner().invoke(app, [*base, *wrong])
        assert refused.exit_code != 0
        assert isinstance(refused.exception, ConfigError | SystemExit)

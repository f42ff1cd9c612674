"""Makes the golden vectors: `python -m tests.golden.make`, or only those whose names begin with one of its arguments.

What each one is, and what a right reader says, is here.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from msgspec.structs import replace

from firmware.config import Encode
from firmware.export.copy import write_sealed_copy
from firmware.messages import Consent, Fragment, StreamInfo, Verdict
from firmware.recorder.timestamp_desk import chain_values
from firmware.vault.attachments import Timestamp, pack, pack_timestamp
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import (
    FRAME,
    SIGNATURE_BYTES,
    ClockInfo,
    Flag,
    Header,
    RecordType,
    chain_next,
    chain_start,
    frame_head,
    signed_bytes,
)
from firmware.vault.keys import PublicKey, RecipientKey, Role, new_archive_key
from firmware.vault.keystore import Keystore
from firmware.vault.records import Bookmark, Gap, Note, Record, StateChange
from firmware.vault.recover import recover
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from hw.ports import StreamFormat
from tests import media_helpers as media
from tests.timestamp_helpers import Signer

HERE = Path(__file__).parent
KEYS = HERE / "keys"
KEMS = {"archive": "MLKEM768-X25519", "escrow": "MLKEM1024-P384", "browser": "P256", "stranger": "P256"}
ROLES: dict[str, Role] = {"archive": "archive", "escrow": "escrow", "browser": "reader", "stranger": "archive"}
FRAMES, RATE = 18, 15
FRAME_NS = 1_000_000_000 // RATE
START_NS = 5_000_000_000
DAYS = 365 * 70


@dataclass
class Vector:
    """One golden file and what is to be found in it."""

    name: str
    about: str
    data: bytes
    state: str
    place: str = ""
    opens: Sequence[str] = ("browser",)
    closed_to: Sequence[str] = ("stranger",)
    keystore: bool = False
    trusted: bool = True
    open_place: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    timestamps: dict[str, bool] = field(default_factory=dict)

    def entry(self) -> dict[str, object]:
        """Its object in the manifest."""
        found: dict[str, object] = {
            "file": f"{self.name}.scrub", "class": self.about, "state": self.state, "place": self.place,
            "trusted": self.trusted, **(self.counts or _counts(self.data, self.place)),
            "opens": dict.fromkeys(self.opens, True) | dict.fromkeys(self.closed_to, False),
        }
        if self.keystore:
            found["keystore"] = True
        if self.open_place:
            found["open_place"] = self.open_place
        if self.timestamps:
            found["timestamps"] = self.timestamps
        return found


@dataclass(frozen=True)
class Span:
    """Where one record of a file lies."""

    kind: int
    start: int
    end: int
    meta: int
    payload: int


def spans(data: bytes) -> list[Span]:
    """The whole records of a file, by their lengths alone."""
    at = 16 + int(struct.unpack(">I", data[12:16])[0]) + SIGNATURE_BYTES
    found = []
    while at + FRAME.size <= len(data):
        marker, kind, _, _, meta, payload = FRAME.unpack_from(data, at)
        end = at + FRAME.size + meta + payload + 32
        if marker != b"SREC" or end > len(data):
            break
        found.append(Span(kind, at, end, meta, payload))
        at = end
        if kind == RecordType.END:
            break
    return found


def _counts(data: bytes, place: str) -> dict[str, int]:
    if place == "header":
        return {}
    whole = spans(data)
    if place.startswith("record"):
        whole = whole[: int(place.split()[1])]
    metas = [json.loads(data[s.start + 24 : s.start + 24 + s.meta]) for s in whole if s.kind == RecordType.FRAGMENT]
    return {"records": len(whole), "fragments": len(metas), "frames": sum(meta["frames"] for meta in metas)}


class Maker:
    """Holds the test keys and the pictures, and writes recordings into a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keystore = Keystore(str(folder / "keystore"))
        self.device, self.other = _device("device"), _device("other-device")
        self.public = {name: _archive(name, kem) for name, kem in KEMS.items()}
        self.pictures = pictures()
        self.authority = Signer(folder / "authority", "Golden TSA", DAYS)

    def write(
        self, name: str, to: Sequence[str], *, end: bool = True, by: DeviceKey | None = None, unknown: int = -1
    ) -> bytes:
        """A recording of the pictures with one record of each kind; `unknown`: flags of one of a later kind."""
        stream, *fragments = self.pictures
        consent = Consent(
            state="given", video=True, by="Dr. A. Example", evidence="form 7", purpose="example of the format",
            purpose_class="education", audience="readers of the specification", retention_days=30, medical_record="no",
            patient_ref="none",
        )
        header = Header(
            recording_id=f"golden-{name}", device_name="golden", created_unix_s=1_795_000_000.25,
            created_monotonic_ns=START_NS, software="scrubcam golden", consent=consent,
            settings={"codec": "h264", "preroll_s": 0.0}, clock=ClockInfo("ntp", True, 3600),
        )
        recipients = [RecipientKey(ROLES[each], self.public[each]) for each in to]
        unix_s = 1_795_000_000.5
        writer = RecordingWriter.create(
            OsDisk(), str(self.path(name)), header, recipients, by or self.device, self.keystore, unix_s=lambda: unix_s
        )
        middle = fragments[2].pts_ns
        records: list[Record] = [
            stream, *fragments[:2], Bookmark(middle, unix_s, "pedal", "the moment"),
            StateChange(middle, unix_s, "PAUSED", "privacy"), *fragments[2:3], replace(consent, audience="nobody else"),
            Gap(fragments[3].pts_ns, 0, "no-picture"), stream, *fragments[3:], Note(START_NS, unix_s, "a word"),
        ]
        for number, record in enumerate(records, 1):
            writer.append(record)
            if number % 4 == 0:
                writer.sync()
            if number == 4 and unknown >= 0:
                later = b"from a later version"
                writer._frame(frame_head(999, unknown, writer.records, b'{"pts_ns":5250000000}', len(later)), later)
        if end:
            writer.seal("stopped")
        else:
            writer.sync()
            writer.abandon()
        return self.path(name).read_bytes()

    def copy(self, name: str) -> bytes:
        """The sealed copy of what `write` wrote."""
        target = self.folder / f"{name}.copy"
        if not target.exists():
            write_sealed_copy(str(self.path(name)), self.keystore, [], str(target))
        return target.read_bytes()

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.scrub"


def pictures() -> list[StreamInfo | Fragment]:
    """About a second of a moving pattern in our own encoder's H.264, in fragments of a quarter second."""
    fmt = StreamFormat(160, 90, Fraction(RATE), False)
    times = [START_NS + n * FRAME_NS for n in range(FRAMES)]
    units, codec_config = media.encode(Encode(preset="medium", quality=40), fmt, times, keys_at=[9])
    items = media.records(media.video_track(fmt, "h264", codec_config), units, FRAME_NS)
    kept: list[StreamInfo | Fragment] = []
    for item in items:
        if isinstance(item, StreamInfo):
            kept.append(replace(item, rate_num=RATE, live=True, encoder="x264", detectors=["test"], covers=["face"]))
        else:
            count = round(item.duration_ns / FRAME_NS)
            kept.append(replace(item, verdicts=[
                Verdict(item.pts_ns + n * FRAME_NS, "masked" if n else "clean", min(n, 1)) for n in range(count)
            ]))
    return kept


def _device(name: str) -> DeviceKey:
    folder = KEYS / name
    folder.mkdir(parents=True, exist_ok=True)
    return DeviceKey.load_or_create(str(folder))


def _archive(name: str, kem: str) -> PublicKey:
    private, public = KEYS / f"{name}.key", KEYS / f"{name}.pub"
    if not private.exists():
        new_archive_key(str(private), str(public), kem=kem)
    return PublicKey.load(str(public))


# ---- changes by hand -----------------------------------------------------------------------------


def flipped(data: bytes, at: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 0x10
    return bytes(changed)


def joined(data: bytes, order: Sequence[int]) -> bytes:
    """The records of `data` in another order, and what stands behind them."""
    found = spans(data)
    return data[: found[0].start] + b"".join(data[found[n].start : found[n].end] for n in order) + data[found[-1].end :]


def rebuilt(data: bytes, change: int, payload: bytes, *, signer: DeviceKey | None = None) -> bytes:
    """`data` with the payload of record `change` replaced and the chain made right again.

    The signatures behind it are made anew by `signer`, or left as they were.
    """
    found = spans(data)
    start = found[0].start
    header, signature = data[: start - SIGNATURE_BYTES], data[start - SIGNATURE_BYTES : start]
    out, chain = data[:start], chain_start(header, signature)
    for number, span in enumerate(found):
        head = data[span.start : span.start + 24 + span.meta]
        piece = payload if number == change else data[span.start + 24 + span.meta : span.end - 32]
        if signer is not None and number > change and span.kind in (RecordType.SIGNATURE, RecordType.END):
            piece = signer.sign(signed_bytes(chain, head))
        chain = chain_next(chain, head, piece)
        out += head + piece + chain
    return out + data[found[-1].end :]


# ---- the vectors ---------------------------------------------------------------------------------


def vectors(make: Maker) -> list[Vector]:
    """Every golden file."""
    return [*_good(make), *_damaged(make), *_forged(make), *_timestamped(make)]


def _good(make: Maker) -> list[Vector]:
    everyone = ("archive", "escrow", "browser")
    found = [
        Vector("sealed", "success: a device's own file, keys in its keystore", make.write("sealed", everyone), "sealed",
               opens=everyone, keystore=True),
        Vector("copy", "success: a sealed copy for three kinds of key", make.copy("sealed"), "sealed", opens=everyone),
    ]
    for name in everyone:
        make.write(f"copy-{name}", [name])
        others = [other for other in everyone if other != name]
        found.append(Vector(f"copy-{name}", f"success: a sealed copy for {KEMS[name]} alone",
                            make.copy(f"copy-{name}"), "sealed", opens=[name], closed_to=others))
    unfinished = make.write("unfinished", ["browser"], end=False)
    found.append(Vector("unfinished", "success: never closed, every record whole", unfinished, "unfinished",
                        f"record {len(spans(unfinished))}", keystore=True))
    make.write("interrupted", ["browser"], end=False)
    torn = make.path("interrupted")
    torn.write_bytes(torn.read_bytes() + b"SREC torn by a power cut")
    recover(str(torn), make.device, unix_s=lambda: 1_795_000_009.0)
    found.append(Vector("interrupted", "success: closed by recovery after a power cut", make.copy("interrupted"),
                        "interrupted"))
    make.write("unknown-record", ["browser"], unknown=0)
    make.write("other-device", ["browser"], by=make.other)
    return [
        *found,
        Vector("unknown-record", "success: a record of an unknown type that may be skipped",
               make.copy("unknown-record"), "sealed"),
        Vector("unknown-attachment", "success: an attachment of an unknown type",
               make.copy("copy-browser") + pack(77, b"from a later version"), "sealed"),
        Vector("other-device", "success, but the device is not trusted", make.copy("other-device"), "sealed",
               trusted=False),
    ]


def _damaged(make: Maker) -> list[Vector]:
    data = make.copy("copy-browser")
    found = spans(data)
    count = len(found)
    fragments = [number for number, span in enumerate(found) if span.kind == RecordType.FRAGMENT]
    signatures = [number for number, span in enumerate(found) if span.kind == RecordType.SIGNATURE]
    one, two = fragments[1], fragments[2]
    usual = list(range(count))
    end = found[-1].end
    make.write("twin", ["browser"])
    twin = make.copy("twin")
    other = spans(twin)
    swapped = usual.copy()
    swapped[one], swapped[two] = two, one

    def damaged(name: str, about: str, changed: bytes, place: int | str, state: str = "damaged") -> Vector:
        where = place if isinstance(place, str) else f"record {place}"
        return Vector(name, about, changed, state, where, opens=(), closed_to=("browser",))

    span = found[one]
    return [
        damaged("truncated", "truncated: the file ends inside a record", data[: span.start + 100], one, "unfinished"),
        damaged("truncated-between", "truncated: the file ends between two records", data[: found[count - 3].end],
                count - 2, "unfinished"),
        damaged("flipped-header", "bit flipped in the header", flipped(data, 400), "header"),
        damaged("flipped-public", "bit flipped in public data", flipped(data, span.start + 24 + 12), one),
        damaged("flipped-payload", "bit flipped in ciphertext", flipped(data, span.end - 60), one),
        damaged("flipped-chain", "bit flipped in a chain value", flipped(data, span.end - 3), one),
        damaged("flipped-signature", "bit flipped in a signature", flipped(data, found[signatures[1]].end - 40),
                signatures[1]),
        damaged("flipped-end", "bit flipped in the end record", flipped(data, end - 40), count - 1),
        damaged("record-swapped", "two records swapped", joined(data, swapped), one),
        damaged("record-removed", "a record removed", joined(data, usual[:one] + usual[one + 1 :]), one),
        damaged("record-replayed", "a record of the same file repeated", joined(data, usual[: one + 1] + usual[one:]),
                one + 1),
        damaged("spliced", "a record of another recording", data[: span.start] + twin[other[one].start : other[one].end]
                + data[span.end :], one),
        damaged("spliced-rest", "all of another recording from here on", data[: span.start] + twin[other[one].start :],
                one),
        damaged("duplicated-tail", "the last records and attachments appended again",
                data + data[found[count - 3].start :], "attachment 1"),
        damaged("bytes-behind", "bytes appended", data + b"something", "attachment 1"),
        damaged("attachment-damaged", "bit flipped in the key envelope", flipped(data, end + 60), "attachment 0"),
        damaged("wrong-envelope", "another recording's key envelope", data[:end] + twin[other[-1].end :],
                "attachment 0"),
        damaged("unknown-version", "format version 9", data[:8] + struct.pack(">H", 9) + data[10:], "header",
                "unsupported"),
    ]


def _forged(make: Maker) -> list[Vector]:
    data = make.copy("copy-browser")
    found = spans(data)
    picture = [number for number, span in enumerate(found) if span.kind == RecordType.FRAGMENT][1]
    span = found[picture]
    payload = flipped(data[span.start + 24 + span.meta : span.end - 32], 5)
    signed = next(number for number, each in enumerate(found) if number > picture and each.kind == RecordType.SIGNATURE)
    make.write("wrong-key", ["stranger"])
    make.write("unknown-critical", ["browser"], unknown=int(Flag.CRITICAL), end=False)
    critical = make.path("unknown-critical").read_bytes()
    folded = data[: found[-1].start] + data[found[-1].start :].replace(b'"state":"sealed"', b'"state":"folded"')
    folded = rebuilt(folded, -1, b"", signer=make.device)
    return [
        Vector("wrong-key", "wrong key: sealed to somebody else", make.copy("wrong-key"), "sealed", opens=("stranger",),
               closed_to=("browser",)),
        Vector("chain-rebuilt", "forged: a payload changed and the chain made to fit", rebuilt(data, picture, payload),
               "damaged", f"record {signed}", opens=(), closed_to=("browser",)),
        Vector("signature-forged", "forged signature: a payload changed, chain and signatures made by another device",
               rebuilt(data, picture, payload, signer=make.other), "damaged", f"record {signed}", opens=(),
               closed_to=("browser",)),
        Vector("content-forged", "forged by the device's key, without the content key: only opening tells",
               rebuilt(data, picture, payload, signer=make.device), "sealed", opens=(), closed_to=("browser",),
               open_place=f"record {picture}"),
        Vector("unknown-end", "an end in a state that only a newer reader knows", folded, "unsupported",
               f"record {len(found) - 1}", opens=(), closed_to=("browser",)),
        Vector("unknown-critical", "a record of an unknown type that must not be skipped", critical, "unsupported",
               f"record {[each.kind for each in spans(critical)].index(999)}", opens=(), closed_to=("browser",)),
    ]


def _timestamped(make: Maker) -> list[Vector]:
    """Tokens by `openssl ts`, of an authority whose CA is keys/tsa-ca.pem; its keys are thrown away."""
    authority, foreign = make.authority, Signer(make.folder / "foreign", "Golden TSA", DAYS)
    make.write("timestamped", ["browser"])
    data, behind = make.copy("timestamped"), {}
    for wanted in chain_values(str(make.path("timestamped")), ["start", "end"]):
        token = authority.token(wanted.chain)
        behind[wanted.at] = pack_timestamp(Timestamp(wanted.at, wanted.record, token))
    moved = pack_timestamp(Timestamp("end", wanted.record, authority.token(bytes(32))))
    untrusted = pack_timestamp(Timestamp("end", wanted.record, foreign.token(wanted.chain)))
    return [
        Vector("timestamped", "success: timestamps over its start and its end", data + behind["start"] + behind["end"],
               "sealed", timestamps={"start": True, "end": True}),
        Vector("timestamp-foreign", "success, but the end's timestamp is by another authority of the same name",
               data + behind["start"] + untrusted, "sealed", timestamps={"start": True, "end": False}),
        Vector("timestamp-moved", "a timestamp over other data", data + behind["start"] + moved, "damaged",
               "attachment 2", opens=(), closed_to=("browser",), timestamps={"start": True}),
    ]


def main(only: Sequence[str]) -> None:
    begins = tuple(only) or ("",)
    for old in [*HERE.glob("*.scrub"), *HERE.glob("keystore/*.keys")]:
        if old.name.removeprefix("golden-").startswith(begins):
            old.unlink()
    manifest = HERE / "manifest.json"
    before = {entry["file"]: entry for entry in json.loads(manifest.read_text())} if only else {}
    with tempfile.TemporaryDirectory() as folder:
        make = Maker(Path(folder))
        made = vectors(make)
        (HERE / "keystore").mkdir(exist_ok=True)
        for vector in made:
            if not vector.name.startswith(begins):
                continue
            before[f"{vector.name}.scrub"] = vector.entry()
            (HERE / f"{vector.name}.scrub").write_bytes(vector.data)
            if vector.keystore:
                name = f"golden-{vector.name}.keys"
                shutil.copyfile(Path(make.keystore.folder, name), HERE / "keystore" / name)
            if vector.timestamps:
                shutil.copyfile(make.authority.ca_file, KEYS / "tsa-ca.pem")
        (KEYS / "trusted.txt").write_text(f"# The device of the golden vectors\n{make.device.fingerprint}\n")
    text = ",\n".join(json.dumps(before[f"{vector.name}.scrub"]) for vector in made)
    manifest.write_text(f"[\n{text}\n]\n")
    print(f"{len(made)} files, {sum(os.path.getsize(path) for path in HERE.rglob('*.*'))} bytes in all")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Sealed files for fuzzing: as they lie on a disk, and as a forger with the device's key would make them.

A change of one byte stops at a signature, and nothing behind it is reached. The forged file is put together from the
fuzzer's bytes with chain, tags and signatures made right, so that what they protect is parsed too.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware.errors import ScrubcamError
from firmware.export.mp4 import export_mp4
from firmware.vault import format as f
from firmware.vault.attachments import AttachmentType, pack
from firmware.vault.device_key import DeviceKey
from firmware.vault.keys import PrivateKey, RecipientKey
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.records import EndMeta, encode
from firmware.vault.recover import recover
from firmware.vault.seek import Opened
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from tests.vault_helpers import header, some_records

FOLDER = Path("/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir())  # memory: a disk would be the limit
GOLDEN = Path(__file__).parents[1] / "golden"
DEVICE = DeviceKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ARCHIVE = PrivateKey(bytes(31) + b"\1", "P256")
CONTENT_KEY = bytes(32)
DIGEST = b"@the digest of the key envelope@"
"""Stands in a seed where the digest belongs: the envelope is another in each process."""
PART = struct.Struct(">HBHI")
"""Of a forged file: type, flags, length of the public data, length of the private data."""


def told_well(error: ScrubcamError) -> None:
    """A refusal says something, and no more than fits on a screen."""
    assert 0 < len(str(error)) < 5000


def read_all(data: bytes) -> None:
    """Everything an archive does with a file: info, verify, open, export."""
    path = FOLDER / f"scrubcam-fuzz-{os.getpid()}.scrub"
    film = path.with_suffix(".mp4")
    path.write_bytes(data)
    try:
        with Recording.open(str(path)) as recording:
            told, report = recording.info(), recording.verify()
            assert report.ok <= report.intact
            assert told.statement
            export_mp4((stored.record for stored in recording.records(ARCHIVE, tolerant=True)), str(film), force=True)
    except ScrubcamError as error:
        told_well(error)
    finally:
        path.unlink()
        film.unlink(missing_ok=True)


def find_time(data: bytes) -> None:
    """The part of a recording between two times, found by its index: what comes out was in it."""
    path = FOLDER / f"scrubcam-fuzz-{os.getpid()}.scrub"
    path.write_bytes(data)
    try:
        with Recording.open(str(path)) as recording:
            opened = Opened(recording, ARCHIVE)
            middle_ns = (opened.begin_ns + opened.end_ns) // 2
            opened.streams()
            for stored in opened.between(middle_ns, middle_ns + 1):
                assert stored.offset < recording.size_bytes
    except ScrubcamError as error:
        told_well(error)
    finally:
        path.unlink()


def recover_it(data: bytes) -> None:
    """Recovery, and once more: the second time there is nothing left to do, and nothing has been lost."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        path = Path(folder, "abcdefgh.scrub")
        path.write_bytes(data)
        try:
            first = recover(str(path), DEVICE, unix_s=lambda: 1.0)
        except ScrubcamError:
            assert path.read_bytes() == data
            return
        if first.outcome == "unstarted":
            assert not path.exists()
            assert Path(first.set_aside).read_bytes() == data
            return
        after = path.read_bytes()
        assert after == data or first.outcome == "closed"
        again = recover(str(path), DEVICE, unix_s=lambda: 2.0)
        assert again.outcome == ("was-closed" if first.outcome == "closed" else first.outcome)
        assert path.read_bytes() == after


def forged(data: bytes) -> bytes:
    """A file whose header JSON, records and attachments are the fuzzer's, and everything around them is right."""
    (length,) = struct.unpack(">H", data[:2].ljust(2, b"\0"))
    digest = hashlib.sha256(_ENVELOPE).hexdigest().encode()
    body, rest = data[2 : 2 + length].replace(DIGEST, digest), data[2 + length :]
    start = f.PREAMBLE.pack(f.MAGIC, f.VERSION, 0, len(body)) + body
    signature = DEVICE.sign(f.header_signed_bytes(start))
    out, chain, cipher, seq = [start, signature], f.chain_start(start, signature), AESGCM(CONTENT_KEY), 0
    while len(rest) >= PART.size:
        kind, flags, public_bytes, private_bytes = PART.unpack(rest[: PART.size])
        at = PART.size + public_bytes
        public, private, rest = rest[PART.size : at], rest[at : at + private_bytes], rest[at + private_bytes :]
        tag = f.TAG_BYTES if flags & f.Flag.ENCRYPTED else 0
        signed = kind in (f.RecordType.SIGNATURE, f.RecordType.END)
        head = f.frame_head(kind, flags, seq, public, f.SIGNATURE_BYTES if signed else len(private) + tag)
        if signed:
            payload = DEVICE.sign(f.signed_bytes(chain, head))
        else:
            payload = cipher.encrypt(f.nonce(seq), private, chain + head) if tag else private
        chain = f.chain_next(chain, head, payload)
        out += [head, payload, chain]
        seq += 1
    return b"".join([*out, pack(AttachmentType.KEY_ENVELOPE, _ENVELOPE), rest])


def forged_seeds() -> list[bytes]:
    """What `forged` makes whole recordings of."""
    recording, parts = header("abcdefgh"), []
    stored = msgspec.json.encode(f.StoredHeader(
        recording_id="abcdefgh", device=f.DeviceInfo("or-1", DEVICE.public, []), created_unix_s=1.0,
        created_monotonic_ns=1, clock=recording.clock, software="fuzz", suite=f.SUITE,
        consent=f.PublicConsent("given", True, False, False, "education"),
        recipients=[f.PublicRecipient("archive", ARCHIVE.kem, ARCHIVE.public.key_id)],
        key_envelope_sha256=DIGEST.decode(), settings={"codec": "h264"},
    ))
    for record in [recording.consent, *some_records(2)]:
        kind, public, private = encode(record)
        blob = b"".join(private)
        parts.append(PART.pack(kind, f.Flag.ENCRYPTED, len(public), len(blob)) + public + blob)
    end = msgspec.json.encode(EndMeta("sealed", "stopped", 2.5, 9, 12, 2, 6, 12, index_offset=1))
    index = b'{"fragments":[[2,900,0,1]],"streams":[[1,700]],"indexes":[]}'
    for kind, flags, public in (
        (f.RecordType.SIGNATURE, 2, b'{"durable_bytes":1,"unix_s":1.5}'),
        (258, 0, index), (4660, 0, b"{}"),
        (f.RecordType.END, 2, end),
    ):
        parts.append(PART.pack(kind, flags, len(public), 0) + public)
    return [struct.pack(">H", len(stored)) + stored + b"".join(parts)]


def file_seeds() -> list[bytes]:
    """A sealed recording, one that was never closed, and a sealed copy."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        found = []
        for name, end in (("sealed", True), ("open", False)):
            store, path = Keystore(os.path.join(folder, "keys")), os.path.join(folder, f"{name}.scrub")
            writer = RecordingWriter.create(
                OsDisk(), path, header(name), [RecipientKey("archive", ARCHIVE.public)], DEVICE, store,
            )
            for record in some_records(3):
                writer.append(record)
            if end:
                writer.seal("stopped")
            else:
                writer.sync()
                writer.abandon()
            found.append(Path(path).read_bytes())
        copy = found[0] + pack(AttachmentType.KEY_ENVELOPE, store.get("sealed"))
        return [*found, copy, copy + pack(AttachmentType.TIMESTAMP, b'{"at":"end","record":9,"token":"AAAA"}'),
                (GOLDEN / "timestamped.scrub").read_bytes(),
                copy + pack(77, b"of a kind to come")]


_ENVELOPE = msgspec.json.encode(f.KeyEnvelope(
    "abcdefgh", [ARCHIVE.public.wrap(CONTENT_KEY, f.wrap_info("abcdefgh", DEVICE.public))]))

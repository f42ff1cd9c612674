"""Images of a device's disk before and after an erasure: the ciphertext is still there, no key that is left opens it.

A real ext4 file system where this user may mount one; else every file is kept by a second link, which shows what a disk
shows that overwrites in place: the blocks of files that were removed.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from firmware.errors import KeyFault
from firmware.messages import Consent
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import CHAIN_BYTES, FRAME, MARKER, KeyEnvelope, nonce, wrap_info
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.keystore import Keystore
from tests.recorder_helpers import CONSENT, Unit

DISK_BYTES = 48 << 20
ENVELOPE = re.compile(rb'\{"recording_id":"[A-Za-z0-9_-]{1,64}","recipients":\[[^\]]*\]\}')


class Ext4:
    """A file system in a file, mounted at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = Path(tempfile.mkstemp(suffix=".ext4", dir=folder.parent)[1])
        os.truncate(self._file, DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", str(self._file)], check=True)
        subprocess.run(["mount", "-o", "loop", str(self._file), str(folder)], check=True, capture_output=True)

    def image(self) -> bytes:
        os.sync()
        return self._file.read_bytes()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True)
        self._file.unlink()


class Linked:
    """Second links to all files, so that the content of a removed one is found as on a disk's free blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._kept = folder, folder.parent / "kept"
        self._kept.mkdir()

    def image(self) -> bytes:
        for path in self.folder.rglob("*"):
            if path.is_file() and not (self._kept / str(path.stat().st_ino)).exists():
                os.link(path, self._kept / str(path.stat().st_ino))
        return b"".join(path.read_bytes() for path in self._kept.iterdir())

    def close(self) -> None:
        pass


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Ext4 | Linked]:
    folder = tmp_path / "device"
    folder.mkdir()
    try:
        made: Ext4 | Linked = Ext4(folder)
    except (OSError, subprocess.CalledProcessError):
        made = Linked(folder)
    print(f"the disk: {type(made).__name__}")
    yield made
    made.close()


def carved(image: bytes) -> list[tuple[int, bytes, bytes, bytes]]:
    """(number, chain value before, head, payload) of each encrypted record that lies anywhere in the image."""
    found = []
    for at in (match.start() for match in re.finditer(re.escape(MARKER), image)):
        if at < CHAIN_BYTES or at + FRAME.size > len(image):
            continue
        _, _, flags, seq, meta, size = FRAME.unpack_from(image, at)
        end = at + FRAME.size + meta + size
        if flags & 1 and seq < 1 << 20 and end <= len(image):
            found.append((seq, image[at - CHAIN_BYTES : at], image[at : end - size], image[end - size : end]))
    return found


def content_keys(image: bytes, private: list[PrivateKey], device: DeviceKey) -> list[bytes]:
    """Every content key that somebody with these private keys gets out of the image, and the device's own key."""
    keys = [device._key.private_bytes_raw()]
    for text in {match.group() for match in ENVELOPE.finditer(image)}:
        envelope = msgspec.json.decode(text, type=KeyEnvelope)
        for key in private:
            try:
                keys.append(key.unwrap(envelope.recipients, wrap_info(envelope.recording_id, device.public)))
            except KeyFault:
                continue
    return keys


def opened(image: bytes, private: list[PrivateKey], device: DeviceKey) -> set[bytes]:
    """The payloads in the image that open with any of these keys."""
    ciphers = [AESGCM(key) for key in content_keys(image, private, device)]
    found = set()
    for seq, before, head, payload in carved(image):
        for cipher in ciphers:
            try:
                cipher.decrypt(nonce(seq), payload, before + head)
                found.add(payload)
            except InvalidTag:
                continue
    return found


def payloads_of(path: Path) -> set[bytes]:
    return {payload for _, _, _, payload in carved(path.read_bytes())}


def test_no_key_that_is_left_opens_what_is_left_on_the_disk(disk: Ext4 | Linked, tmp_path: Path) -> None:
    unit = Unit(disk.folder, preroll_s=0.0)
    new_archive_key(str(tmp_path / "escrow.key"), str(disk.folder / "escrow.pub"))
    unit.config.write_text(unit.config.read_text() + "[[recorder.recipients]]\nrole = 'escrow'\n"
                           f"file = '{disk.folder}/escrow.pub'\n")
    shutil.move(disk.folder / "archive.key", tmp_path)  # the recipients' own keys are not the device's
    private = [PrivateKey.load(str(tmp_path / name)) for name in ("archive.key", "escrow.key")]
    listener = unit.start()
    try:
        kept = listener.record(CONSENT)
        assert listener.ask("stop").ok
        listener.event("sealed")
        sealed = listener.record(CONSENT)
        assert listener.ask("stop").ok
        listener.event("sealed", count=2)
        running = listener.record(CONSENT)
        listener.become("privacy-officer")
        state = disk.folder / "state"
        device = DeviceKey.load(str(state))
        erased = {name: payloads_of(disk.folder / "rec" / f"{name}.scrub") for name in (sealed, running)}
        others = payloads_of(disk.folder / "rec" / f"{kept}.scrub")
        wrapped = [base64.b64encode(one.wrapped) for name in (sealed, running) for one in msgspec.json.decode(
            Keystore.of_device(str(state)).get(name), type=KeyEnvelope).recipients]
        before = disk.image()

        assert listener.ask("erase", recording=sealed).ok
        listener.event("erased")
        assert listener.ask("consent", consent=Consent(state="withdrawn")).ok
        listener.event("erased", count=2)
        after = disk.image()
        assert unit.stop() == 0
    finally:
        if unit.process is not None:
            unit.kill9()

    # A file system may lay a record out in two places: carving finds the others.
    readable = opened(before, private, device)
    for payloads in (erased[sealed], erased[running], others):
        assert len(payloads & readable) * 2 > len(payloads), "before, the archive's key opens it out of the image alone"
    lying = {payload for _, _, _, payload in carved(after)}
    assert erased[sealed] & readable & lying, "the ciphertext is overwritten: then this test shows nothing"
    assert erased[running] & readable & lying
    left = opened(after, private, device)
    assert not (erased[sealed] | erased[running]) & left, "a key that remains opens what was erased"
    assert others & readable <= left, "another recording does not open any more"
    for text in wrapped:
        pieces = [text[at : at + 64] for at in range(0, len(text) - 64, 64)]
        assert all(piece in before for piece in pieces)
        assert not any(piece in after for piece in pieces), "a part of a wrapped key is left"
    for key in content_keys(before, private, device)[1:]:
        for form in (key, key.hex().encode(), base64.b64encode(key)[:42]):
            assert form not in before + after, "a content key in the clear"

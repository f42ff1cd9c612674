"""Archive and device keys: private files stay private, nothing is overwritten, and each fault says what to do."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from firmware.errors import KeyFault
from firmware.vault.device_key import DeviceKey, load_trust_list, signature_holds
from firmware.vault.key_files import private_text
from firmware.vault.key_kinds import KINDS
from firmware.vault.keys import DEFAULT_KEM, PrivateKey, PublicKey, load_recipients, new_archive_key

SIZES = {"MLKEM768-X25519": (1120, 1216, 32), "MLKEM1024-P384": (1665, 1665, 112), "P256": (65, 65, 32)}
"""The specification's table: bytes of enc, of the raw public key and of the private body."""


def mode(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("kem", SIZES)
def test_a_new_pair_seals_and_opens(tmp_path: Path, kem: str) -> None:
    enc_bytes, public_bytes, private_bytes = SIZES[kem]
    private, public = tmp_path / "archive.key", tmp_path / "archive.pub"
    made = new_archive_key(str(private), str(public), kem=kem)
    assert (mode(private), mode(public)) == (0o600, 0o644)
    loaded = PublicKey.load(str(public))
    assert loaded == made
    assert len(loaded.raw) == public_bytes
    recipient = loaded.wrap(b"k" * 32, b"this recording")
    assert recipient.kem == kem
    assert len(recipient.wrapped) == enc_bytes + 32 + 16
    key = PrivateKey.load(str(private))
    assert len(key.body) == private_bytes
    assert key.unwrap([recipient], b"this recording") == b"k" * 32
    with pytest.raises(KeyFault, match="does not open"):
        key.unwrap([recipient], b"another recording")


def test_three_kinds_and_the_hybrid_is_the_default() -> None:
    assert list(KINDS) == list(SIZES)
    assert DEFAULT_KEM == PrivateKey.generate().public.kem == "MLKEM768-X25519"
    assert [kem for kem, kind in KINDS.items() if not kind.quantum_safe] == ["P256"]


def test_a_key_of_one_kind_does_not_pass_for_another(tmp_path: Path) -> None:
    """Its key id would fit: it is of the raw bytes alone."""
    path = tmp_path / "mixed"
    for kem in KINDS:
        key = PrivateKey.generate(kem)
        for other in KINDS.keys() - {kem}:
            for text, load in ((key.to_text(), PrivateKey.load), (key.public.to_text(), PublicKey.load)):
                path.write_text(text.replace(f"kem: {kem}", f"kem: {other}"))
                with pytest.raises(KeyFault, match="not a whole"):
                    load(str(path))


@pytest.mark.parametrize("kem", ["MLKEM1024-P384", "P256"])
def test_a_point_off_the_curve_and_a_scalar_of_nought_are_no_keys(tmp_path: Path, kem: str) -> None:
    key, path = PrivateKey.generate(kem), tmp_path / "bad"
    point = 97 if kem == "MLKEM1024-P384" else 65
    off_curve = PublicKey(key.public.raw[:-1] + bytes([key.public.raw[-1] ^ 1]), kem)
    compressed = PublicKey(key.public.raw[:-point] + b"\x02" + key.public.raw[1 - point :], kem)
    for bad in (off_curve, compressed):
        path.write_text(bad.to_text())
        with pytest.raises(KeyFault, match="not a whole"):
            PublicKey.load(str(path))
    scalar = 48 if kem == "MLKEM1024-P384" else 32
    path.write_text(private_text(kem, key.public.key_id, key.body[:-scalar] + bytes(scalar), None))
    with pytest.raises(KeyFault, match="not a whole"):
        PrivateKey.load(str(path))


def test_openssl_makes_the_same_p256_public_key_from_the_scalar(tmp_path: Path) -> None:
    key = PrivateKey.generate("P256")
    der = bytes.fromhex("30310201010420") + key.body + bytes.fromhex("a00a06082a8648ce3d030107")  # RFC 5915
    (tmp_path / "ec.der").write_bytes(der)
    command = ["openssl", "ec", "-inform", "DER", "-in", "ec.der", "-pubout", "-outform", "DER"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=20, check=True).stdout
    assert shown[-65:] == key.public.raw


def test_the_seed_is_x_wings() -> None:
    """First bytes of the public key of the X-Wing draft's first test vector (draft-connolly-cfrg-xwing-kem)."""
    key = PrivateKey(bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"))
    assert key.public.raw.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")


@pytest.mark.parametrize("there", ["archive.key", "archive.pub"])
def test_nothing_is_overwritten(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("precious")
    with pytest.raises(KeyFault, match="exists already"):
        new_archive_key(str(tmp_path / "archive.key"), str(tmp_path / "archive.pub"))
    assert [p.name for p in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


def test_a_passphrase_protects_the_private_key(tmp_path: Path) -> None:
    private = tmp_path / "archive.key"
    public = new_archive_key(str(private), str(tmp_path / "archive.pub"), "open sesame é")
    key = PrivateKey.load(str(private), "open sesame é")
    assert key.public == public
    assert key.to_text().splitlines()[5] not in private.read_text()
    for passphrase, words in ((None, "protected by a passphrase"), ("wrong", "passphrase does not open")):
        with pytest.raises(KeyFault, match=words):
            PrivateKey.load(str(private), passphrase)


def test_each_fault_says_what_it_is(tmp_path: Path) -> None:
    private, public = tmp_path / "archive.key", tmp_path / "archive.pub"
    new_archive_key(str(private), str(public))
    with pytest.raises(KeyFault, match=r"cannot be read.*Do: ") as caught:
        PublicKey.load(str(tmp_path / "absent.pub"))
    assert "scrubcam keys new archive" in str(caught.value)
    with pytest.raises(KeyFault, match="private half"):
        PublicKey.load(str(private))
    with pytest.raises(KeyFault, match="public half"):
        PrivateKey.load(str(public))
    bad = tmp_path / "bad"
    for name, load in ((private, PrivateKey.load), (public, PublicKey.load)):
        text = name.read_text()
        changed = text.replace("-X25519", "-OTHER")
        bad.write_text(changed)
        with pytest.raises(KeyFault, match="supported are MLKEM768-X25519, MLKEM1024-P384, P256"):
            load(str(bad))
        for damaged in ("", "nonsense", text[:-40], text.replace("key-id: ", "key-id: 0"), text.replace("\n\n", "\n"),
                        text.replace("=", "!"), "\xff\xfe", text[: len(text) // 2] + "AAAA" + text[len(text) // 2 :]):
            bad.write_text(damaged, encoding="latin-1")
            with pytest.raises(KeyFault):
                load(str(bad))


def test_a_hostile_key_file_cannot_eat_the_memory(tmp_path: Path) -> None:
    private = tmp_path / "archive.key"
    new_archive_key(str(private), str(tmp_path / "archive.pub"), "p")
    private.write_text(private.read_text().replace("scrypt: 16 8 1", "scrypt: 40 8 1"))
    with pytest.raises(KeyFault, match="not a whole"):
        PrivateKey.load(str(private), "p")


def test_the_device_key_is_made_once_and_openssl_reads_it(tmp_path: Path) -> None:
    device = DeviceKey.load_or_create(str(tmp_path))
    assert mode(tmp_path / "device.key") == 0o600
    again = DeviceKey.load_or_create(str(tmp_path))
    assert again.public == device.public == DeviceKey.load(str(tmp_path)).public
    assert signature_holds(again.public, device.sign(b"x"), b"x")
    assert not signature_holds(again.public, device.sign(b"x"), b"y")
    assert not signature_holds(b"short", b"", b"")
    command = ["openssl", "pkey", "-in", "device.key", "-pubout"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=20, check=True).stdout
    assert shown == (tmp_path / "device.pub").read_bytes()


def test_device_key_faults(tmp_path: Path) -> None:
    with pytest.raises(KeyFault, match="cannot be read"):
        DeviceKey.load(str(tmp_path))
    (tmp_path / "device.key").write_text("nonsense")
    with pytest.raises(KeyFault, match="malformed"):
        DeviceKey.load_or_create(str(tmp_path))
    assert (tmp_path / "device.key").read_text() == "nonsense"
    command = ["openssl", "genpkey", "-algorithm", "X25519", "-out", "device.key"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=20, check=True)
    with pytest.raises(KeyFault, match="not an Ed25519"):
        DeviceKey.load(str(tmp_path))


def test_trust_lists_hold_fingerprints_and_public_keys(tmp_path: Path) -> None:
    one, two = DeviceKey.generate(), DeviceKey.generate()
    path = tmp_path / "trusted"
    path.write_text(f"# theatre 1\n{one.fingerprint}  or-1\n\n{two.public_pem().decode()}")
    assert load_trust_list(str(path)) == {one.fingerprint, two.fingerprint}
    for text, words in (("", "no device"), ("rubbish", "line 1"), ("-----BEGIN PUBLIC KEY-----\nAA", "half a public"),
                        ("-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----", "malformed")):
        path.write_text(text)
        with pytest.raises(KeyFault, match=words):
            load_trust_list(str(path))
    with pytest.raises(KeyFault, match="cannot be read"):
        load_trust_list(str(tmp_path / "absent"))


def test_recipients_are_loaded_with_their_roles_and_no_key_comes_twice(tmp_path: Path) -> None:
    for name in ("archive", "escrow"):
        new_archive_key(str(tmp_path / f"{name}.key"), str(tmp_path / f"{name}.pub"))
    archive, escrow = str(tmp_path / "archive.pub"), str(tmp_path / "escrow.pub")
    found = load_recipients([("archive", archive), ("escrow", escrow)])
    assert [r.role for r in found] == ["archive", "escrow"]
    assert [r.key for r in found] == [PublicKey.load(archive), PublicKey.load(escrow)]
    with pytest.raises(KeyFault, match=r"escrow\) and .*archive\.pub \(archive\) are one key"):
        load_recipients([("archive", archive), ("escrow", archive)])

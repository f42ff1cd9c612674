"""The site's device CA: chains that lead to it and all the ways in which one does not, the same for openssl."""

from __future__ import annotations

import datetime
import queue
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec.structs import replace
from typer.testing import CliRunner

from firmware.cli.main import app
from firmware.config import Config
from firmware.errors import DamagedRecording, KeyFault
from firmware.recorder import machine_types as t
from firmware.recorder.chores import Chores
from firmware.vault.device_ca import DeviceCa, check_chain, name_of, to_der, to_pem
from firmware.vault.device_certificates import load_device_ca, load_device_chain, new_device_ca
from firmware.vault.device_key import DeviceKey
from firmware.vault.keys import PrivateKey, RecipientKey
from firmware.vault.keystore import Keystore
from firmware.vault.writer import RecordingWriter
from hw.disk import OsDisk
from hw.sim.clock import SystemClock
from tests.vault_helpers import archive, device, header

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
CA = DeviceCa.generate("Site CA", NOW)
DEVICE = DeviceKey.generate()


def public(device: DeviceKey) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(device.public)


def issue(subject: str, key: Ed25519PublicKey, issuer: DeviceCa, *extensions: tuple[x509.ExtensionType, bool],
          days: int = 100) -> x509.Certificate:
    """A certificate made without our rules."""
    builder = (x509.CertificateBuilder().subject_name(x509.Name.from_rfc4514_string(f"CN={subject}"))
               .issuer_name(issuer.certificate.subject).public_key(key).serial_number(7)
               .not_valid_before(NOW).not_valid_after(NOW + datetime.timedelta(days=days)))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer.key, None)


def sub_ca(issuer: DeviceCa, *, ca: bool = True, path_length: int | None = None) -> DeviceCa:
    key = Ed25519PrivateKey.generate()
    constraints = x509.BasicConstraints(ca, path_length if ca else None)
    return DeviceCa(issue("Between", key.public_key(), issuer, (constraints, True)), key)


def open_ca() -> DeviceCa:
    """A CA that allows CAs below it."""
    key = Ed25519PrivateKey.generate()
    bare = DeviceCa(CA.certificate, key)
    certificate = issue("Site CA", key.public_key(), bare, (x509.BasicConstraints(True, None), True))
    return DeviceCa(certificate, key)


def judge(chain: list[x509.Certificate], ca: DeviceCa = CA, at: datetime.datetime = NOW) -> str:
    verdict = check_chain([to_der(c) for c in chain], DEVICE.public, ca.certificate, at.timestamp())
    assert verdict.trusted == (not verdict.problem)
    return verdict.problem


def openssl_agrees(folder: Path, chain: list[x509.Certificate], ca: DeviceCa, at: datetime.datetime = NOW) -> bool:
    (folder / "ca.pem").write_bytes(to_pem(ca.certificate))
    (folder / "device.pem").write_bytes(to_pem(chain[0]))
    (folder / "between.pem").write_bytes(b"".join(to_pem(c) for c in chain[1:]))
    command = ["openssl", "verify", "-CAfile", "ca.pem", "-attime", str(int(at.timestamp()))]
    command += ["-untrusted", "between.pem", "device.pem"] if chain[1:] else ["device.pem"]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=20, check=False).returncode == 0


def test_a_certified_device_is_trusted_and_openssl_says_so_too(tmp_path: Path) -> None:
    chain = [CA.certify("or-1", public(DEVICE), NOW)]
    assert judge(chain) == judge([*chain, CA.certificate]) == ""
    assert name_of(chain[0]) == "or-1"
    assert openssl_agrees(tmp_path, chain, CA)
    root = open_ca()
    between = sub_ca(root)
    long = [between.certify("or-1", public(DEVICE), NOW), between.certificate]
    assert judge(long, root) == ""
    assert openssl_agrees(tmp_path, long, root)


def broken_chains() -> dict[str, tuple[list[x509.Certificate], DeviceCa, datetime.datetime, str]]:
    good, root = CA.certify("or-1", public(DEVICE), NOW), open_ca()
    between, no_ca, one_level = sub_ca(root), sub_ca(root, ca=False), sub_ca(root, path_length=0)
    deeper, below = sub_ca(one_level), sub_ca(CA)
    long_ago, long_after = NOW - datetime.timedelta(days=2), NOW + datetime.timedelta(days=3650)
    signing = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    return {
        "other CA": ([good], DeviceCa.generate("Site CA", NOW), NOW, "was not issued by Site CA"),
        "too early": ([good], CA, long_ago, "is valid from 2026-02-28"),
        "too late": ([good], CA, long_after + datetime.timedelta(days=1), "the recording was made on 2036"),
        "between is missing": ([between.certify("or-1", public(DEVICE), NOW)], root, NOW, "was not issued by"),
        "between is no CA": ([no_ca.certify("or-1", public(DEVICE), NOW), no_ca.certificate], root, NOW,
                             "Between may not issue the certificate of or-1"),
        "below a CA that may have none": ([below.certify("or-1", public(DEVICE), NOW), below.certificate], CA, NOW,
                                          "Site CA may not issue the certificate of Between"),
        "deeper than allowed": ([deeper.certify("or-1", public(DEVICE), NOW), deeper.certificate,
                                 one_level.certificate], root, NOW, "may not issue the certificate of Between"),
        "not for signing": ([issue("or-1", public(DEVICE), CA, (signing, True))], CA, NOW, "is not for signing"),
        "an unknown demand": ([issue("or-1", public(DEVICE), CA, (x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True))], CA, NOW, "demands 1.2.3.4"),
    }


@pytest.mark.parametrize("name", broken_chains())
def test_a_chain_that_does_not_lead_to_the_ca_is_told_why(tmp_path: Path, name: str) -> None:
    chain, ca, at, words = broken_chains()[name]
    assert words in judge(chain, ca, at)
    if name != "not for signing":  # openssl asks for that only with a purpose
        assert not openssl_agrees(tmp_path, chain, ca, at)


def test_certificates_of_another_device_none_and_nonsense_are_not_trusted() -> None:
    other = CA.certify("or-1", public(DeviceKey.generate()), NOW)
    assert "not of the key that signed" in judge([other])
    assert "no certificate" in judge([])
    assert "more than 8" in judge([CA.certify("or-1", public(DEVICE), NOW)] * 9)
    for der in (b"", b"nonsense", to_der(other)[:-1]):
        assert "malformed" in check_chain([der], DEVICE.public, CA.certificate, NOW.timestamp()).problem
    assert "malformed" in check_chain([to_der(other)], DEVICE.public, CA.certificate, 1e300).problem
    p256 = generate_private_key(SECP256R1())
    builder = (x509.CertificateBuilder().subject_name(CA.certificate.subject).issuer_name(CA.certificate.subject)
               .public_key(p256.public_key()).serial_number(1).not_valid_before(NOW).not_valid_after(NOW))
    assert "not of the key that signed" in judge([builder.sign(CA.key, None)])


def test_a_certificate_never_outlives_its_ca() -> None:
    short = DeviceCa.generate("Short", NOW, days=10)
    assert short.certify("or-1", public(DEVICE), NOW).not_valid_after_utc == NOW + datetime.timedelta(days=10)
    with pytest.raises(KeyFault, match="valid until 2026-03-11"):
        short.certify("or-1", public(DEVICE), NOW + datetime.timedelta(days=11))


def test_the_devices_own_chain_is_loaded_or_named_as_not_its_own(tmp_path: Path) -> None:
    assert load_device_chain(str(tmp_path), DEVICE) == []
    chain = [CA.certify("or-1", public(DEVICE), NOW), CA.certificate]
    (tmp_path / "device.crt").write_bytes(b"".join(to_pem(c) for c in chain))
    assert load_device_chain(str(tmp_path), DEVICE) == chain
    with pytest.raises(KeyFault, match="do not match this device's key"):
        load_device_chain(str(tmp_path), DeviceKey.generate())
    (tmp_path / "device.crt").write_text("nonsense")
    with pytest.raises(KeyFault, match="holds no certificate"):
        load_device_chain(str(tmp_path), DEVICE)


def scrubcam(*words: object, given: str = "") -> tuple[str, BaseException | None]:
    done = CliRunner().invoke(app, [str(word) for word in words], input=given)
    return " ".join(done.output.split()), done.exception


def test_the_commands_make_a_ca_and_certify_a_device(tmp_path: Path) -> None:
    told, fault = scrubcam("keys", "device-ca", "--title", "St Mary", "--dir", tmp_path, "--passphrase", given="p\np\n")
    assert fault is None
    assert "never goes on a device" in told
    ca, key = tmp_path / "device-ca.pem", tmp_path / "device-ca.key"
    assert key.stat().st_mode & 0o777 == 0o600
    device = DeviceKey.load_or_create(str(tmp_path))
    assert isinstance(scrubcam("keys", "certify", tmp_path / "device.pub", "--ca", ca, "--name", "or-1",
                               given="wrong\n")[1], KeyFault)
    assert scrubcam("keys", "certify", tmp_path / "device.pub", "--ca", ca, "--name", "or-1", given="p\n")[1] is None
    chain = load_device_chain(str(tmp_path), device)
    certificate = x509.load_pem_x509_certificate(ca.read_bytes())
    now = datetime.datetime.now(datetime.timezone.utc).timestamp()
    verdict = check_chain([to_der(c) for c in chain], device.public, certificate, now)
    assert (verdict.ca_name, verdict.problem) == ("St Mary", "")
    before = (tmp_path / "device.crt").read_bytes()
    for again in (("device-ca", "--dir", tmp_path), ("certify", tmp_path / "device.pub", "--ca", ca, "--name", "x")):
        assert isinstance(scrubcam("keys", *again, given="p\n")[1], KeyFault)
    assert (tmp_path / "device.crt").read_bytes() == before


def test_files_that_are_not_the_cas_own_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        new_device_ca(str(tmp_path / f"{name}.key"), str(tmp_path / f"{name}.pem"), name, NOW)
    with pytest.raises(KeyFault, match="not the key of the CA"):
        load_device_ca(str(tmp_path / "a.key"), str(tmp_path / "b.pem"))
    with pytest.raises(KeyFault, match="passphrase"):
        load_device_ca(str(tmp_path / "a.key"), str(tmp_path / "a.pem"), "p")
    (tmp_path / "c.key").write_text("nonsense")
    with pytest.raises(KeyFault, match="no key file"):
        load_device_ca(str(tmp_path / "c.key"), str(tmp_path / "a.pem"))
    DeviceKey.load_or_create(str(tmp_path))
    (tmp_path / "bad.pub").write_text("nonsense")
    for name in ("bad.pub", "absent.pub"):
        words = ("keys", "certify", tmp_path / name, "--ca", tmp_path / "a.pem", "--name", "or-1")
        assert isinstance(scrubcam(*words)[1], KeyFault)


def test_verify_trusts_a_recording_through_the_ca_and_says_why_not_through_another(tmp_path: Path) -> None:
    certified = CA.certify("or-1", public(device()), datetime.datetime(2026, 9, 1, tzinfo=datetime.timezone.utc))
    writer = RecordingWriter.create(
        OsDisk(), str(tmp_path / "r.scrub"), replace(header("r"), certificates=[to_der(certified)]),
        [RecipientKey("archive", archive().public), RecipientKey("reader", PrivateKey.generate("P256").public)],
        device(), Keystore(str(tmp_path / "keystore")),
    )
    writer.seal("stopped")
    (tmp_path / "ca.pem").write_bytes(to_pem(CA.certificate))
    told, fault = scrubcam("verify", tmp_path / "r.scrub", "--ca", tmp_path / "ca.pem")
    assert "trusted through Site CA" in told
    assert fault is None
    (tmp_path / "other.pem").write_bytes(to_pem(DeviceCa.generate("Other CA", NOW).certificate))
    told, fault = scrubcam("verify", tmp_path / "r.scrub", "--ca", tmp_path / "other.pem")
    assert "not trusted through Other CA: the certificate of or-1 was not issued by Other CA" in told
    assert isinstance(fault, DamagedRecording)
    (tmp_path / "trusted").write_text(device().fingerprint)
    words = ("verify", tmp_path / "r.scrub", "--ca", tmp_path / "other.pem", "--trust", tmp_path / "trusted")
    assert scrubcam(*words)[1] is None
    told, _ = scrubcam("info", tmp_path / "r.scrub")
    assert "(P256, not quantum-safe)" in told
    assert "(MLKEM768-X25519)" in told


def test_a_device_presents_its_chain_and_refuses_to_start_with_another_ones(tmp_path: Path) -> None:
    """The self-test of a recorder, without its process."""
    state = tmp_path / "state"
    state.mkdir()
    own = DeviceKey.load_or_create(str(state))
    reports: queue.SimpleQueue[t.MachineEvent] = queue.SimpleQueue()
    cfg = replace(Config(), paths=replace(Config().paths, recordings_dir=str(tmp_path), state_dir=str(state)))
    chores = Chores(cfg, OsDisk(), SystemClock(), reports.put, lambda *_: None)
    try:
        for holder, problem in ((own, ""), (DEVICE, "key: the certificates in ")):
            certificate = CA.certify("or-1", public(holder), NOW)
            (state / "device.crt").write_bytes(to_pem(certificate))
            chores.self_test()
            tested = reports.get(timeout=20)
            assert isinstance(tested, t.SelfTested)
            assert tested.problem.startswith(problem)
            assert bool(tested.problem) == bool(problem)
            if not problem:
                assert chores.keys.certificates == [to_der(certificate)]
    finally:
        chores.close()

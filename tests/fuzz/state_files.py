"""Small files of a device's state for fuzzing: ledger, logins, approvals, cases and erasures.

The device writes them itself. But a disk damages what it likes, and whoever has had it in his hands too.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from firmware.case import opening_problems
from firmware.cli.case_options import consent_from
from firmware.config import Policy, Zone, Zones
from firmware.errors import ConfigError, DamagedRecording, DiskFault
from firmware.recorder import logins, start_notes, zone_approval
from firmware.vault import certificate, erasure
from firmware.vault.format import DeviceInfo
from firmware.vault.ledger import Ledger
from firmware.vault.survey import look_at
from hw.sim.clock import SimClock
from tests.fuzz.sealed import DEVICE, FOLDER, told_well

ID = "abcdefgh"
POLICY = Policy(never_procedures=["transplant"], audio="never")
ZONES = Zones(field=[Zone("field", 0.1, 0.1, 0.5, 0.5)], profile="eye")
PASSPHRASE = "correct horse battery"



# ---- ledger, logins, approvals ---------------------------------------------------------------------


def ledger(data: bytes) -> None:
    """Each kind of file in the ledger. What is damaged is never taken for a hand-over."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        for name in ("handover.0", "hold", "deleting"):
            Path(folder, f"{ID}.{name}").write_bytes(data)
        found = Ledger(folder)
        for read in (lambda: found.handovers(ID), lambda: found.marked(ID, "hold"), lambda: look_at(folder, ID, found)):
            try:
                read()
            except DiskFault as fault:
                told_well(fault)


def survey(data: bytes) -> None:
    """A recording as retention and hand-over see it: every file has a state, and what is damaged is not closed."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        Path(folder, f"{ID}.scrub").write_bytes(data)
        found = look_at(folder, ID, Ledger(folder))
        assert found is not None
        assert found.state in ("sealed", "interrupted", "unfinished", "damaged")
        assert bool(found.chain) == (found.state in ("sealed", "interrupted"))


def logins_file(data: bytes) -> None:
    """logins.json: opened by the passphrase it holds, or a fault; never an empty list."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        Path(folder, logins.FILE_NAME).write_bytes(data)
        try:
            logins.Logins(folder).roles()
            assert logins.Logins(folder, cost_n=16).role_of("root", "wrong passphrase") is None
        except DiskFault as fault:
            told_well(fault)


def login_seeds() -> list[bytes]:
    """One login."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        assert logins.Logins(folder, cost_n=16).set("root", "administrator", PASSPHRASE) == ""
        return [Path(folder, logins.FILE_NAME).read_bytes()]


def approval(data: bytes) -> None:
    """The approval of field zones: only the one that was given lets faces be seen."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        Path(folder, zone_approval.FILE_NAME).write_bytes(data)
        found = zone_approval.load(folder)
        given = zone_approval.problem(found, ZONES, DEVICE) == ""
        assert not given or (found is not None and (found.by, found.unix_s) == ("kim", 1.5))


def approval_seeds() -> list[bytes]:
    """One approval."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        zone_approval.approve(folder, ZONES, DEVICE, "kim", 1.5)
        return [Path(folder, zone_approval.FILE_NAME).read_bytes()]


# ---- cases and erasures ----------------------------------------------------------------------------


def case_file(data: bytes) -> None:
    """The file of `scrubcam consent --case`, and what the site's policy says of it."""
    with tempfile.NamedTemporaryFile(dir=FOLDER, prefix="scrubcam-fuzz-") as file:
        file.write(data)
        file.flush()
        try:
            consent = consent_from(Path(file.name))
        except ConfigError as fault:
            told_well(fault)
            return
    for problem in opening_problems(consent, POLICY, "or-1"):
        assert problem.startswith(("consent: ", "policy: "))


def case_seeds() -> list[bytes]:
    """A whole case, and a refusal."""
    return [b'''state = "given"
video = true
audio = true
by = "Dr. N."
evidence = "form 7"
evidence_kind = "written"
purpose = "teaching of suturing"
purpose_class = "education"
audience = "residents"
destination = "archive"
retention_days = 30
medical_record = "no"
procedure = "hernia"
patient_ref = "4711"
''', b'state = "refused"\n']


def erasure_certificate(data: bytes) -> None:
    """A certificate is the one that was signed, or none."""
    try:
        found = certificate.checked(data, frozenset({DEVICE.fingerprint}))
    except DamagedRecording as fault:
        told_well(fault)
        return
    assert found == _ERASED


def erasure_files(data: bytes) -> None:
    """An erasure that a crash cut short: whatever its file says, key and recording go."""
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="scrubcam-fuzz-") as folder:
        for name in ("erasures", "keystore", "rec"):
            Path(folder, name).mkdir()
        Path(folder, "erasures", f"{ID}.intent").write_bytes(data)
        Path(folder, "keystore", f"{ID}.keys").write_bytes(b"wrapped")
        Path(folder, "rec", f"{ID}.scrub").write_bytes(b"no recording")
        signer = erasure.Signer(DEVICE, _ERASED.device)
        erasure.Erasure(folder, [f"{folder}/rec"], SimClock(), lambda: signer, lambda *_: None).resume()
        assert sorted(path.name for path in Path(folder).rglob("*.*")) == [f"{ID}.certificate"]


_ORDER = certificate.Order("asked", "privacy-officer", "kim", 1.5)
_ERASED = certificate.Certificate(
    recording_id=ID, device=DeviceInfo("or-1", DEVICE.public, []), software="fuzz", order=_ORDER, files=[f"{ID}.scrub"],
    recording=certificate.ErasedRecording(1.0, "sealed", 9, "00" * 32, "11" * 32, "22" * 32), key_found=True,
    key_destroyed_unix_s=2.5, key_destroyed_after_s=0.25, finished_unix_s=3.5, not_covered=["copies"],
)


def intent_seeds() -> list[bytes]:
    """An order, and one whose key was destroyed already."""
    begun = erasure._Intent(_ORDER, True, 2.5, 0.25, _ERASED.recording)
    return [msgspec.json.encode(erasure._Intent(_ORDER)), msgspec.json.encode(begun)]


def certificate_seeds() -> list[bytes]:
    """A certificate."""
    return [certificate.signed(_ERASED, DEVICE)]


def last_start(data: bytes) -> None:
    """What was configured at the last start; what cannot be read counts as changed."""
    with tempfile.NamedTemporaryFile(dir=FOLDER, prefix="scrubcam-fuzz-") as file:
        file.write(data)
        file.flush()
        start_notes._last(file.name)


def last_start_seeds() -> list[bytes]:
    """One start."""
    return [msgspec.json.encode(start_notes.LastStart("scrubcam 1", bytes(16), {"mqtt.host": "00"}))]

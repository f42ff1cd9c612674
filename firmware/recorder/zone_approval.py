"""The privacy officer's word on the field zones: a file with the hash of exactly these zones, signed by the device."""

from __future__ import annotations

import hashlib
import os

import msgspec
from msgspec import Struct

from firmware.config import Zones
from firmware.durable import write_durably
from firmware.json_data import decode_json
from firmware.vault.device_key import DeviceKey, signature_holds

FILE_NAME = "zones-approved.json"
NOT_APPROVED = "field zones not approved by the privacy officer"
_DOMAIN = b"scrubcam zones approval v1\0"


class Approval(Struct, frozen=True):
    """Who approved what and when (`unix_s`), and the device's signature over that."""

    sha256: str
    by: str
    unix_s: float
    signature: bytes = b""


def zones_hash(zones: Zones) -> str:
    """SHA-256 (hex) of what leaves faces visible: the profile and every field zone, in their order."""
    told = msgspec.json.encode([zones.profile, zones.field])
    return hashlib.sha256(b"scrubcam zones v1\0" + told).hexdigest()


def approve(state_dir: str, zones: Zones, device: DeviceKey, by: str, unix_s: float) -> None:
    """Write the approval. Raises DiskFault."""
    approval = Approval(zones_hash(zones), by, unix_s)
    signed = msgspec.structs.replace(approval, signature=device.sign(_signed_text(approval)))
    write_durably(os.path.join(state_dir, FILE_NAME), msgspec.json.encode(signed))


def load(state_dir: str) -> Approval | None:
    """The approval in the state folder; None when there is none that can be read: then nothing is approved."""
    try:
        with open(os.path.join(state_dir, FILE_NAME), "rb") as file:
            return decode_json(file.read(), Approval)
    except (OSError, ValueError):
        return None


def problem(approval: Approval | None, zones: Zones, device: DeviceKey | None) -> str:
    """Empty when there is no field zone, or this device holds the approval of these very ones; else why not. Pure."""
    if not zones.field:
        return ""
    if approval is None or approval.sha256 != zones_hash(zones):
        return NOT_APPROVED
    if device is None or not signature_holds(device.public, approval.signature, _signed_text(approval)):
        return "the privacy officer's approval is not one of this device"
    return ""


def _signed_text(approval: Approval) -> bytes:
    return _DOMAIN + msgspec.json.encode([approval.sha256, approval.by, approval.unix_s])

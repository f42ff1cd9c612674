"""Where each target begins: whole, valid input made by the product's own writers, so that no file is committed."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import msgspec

from firmware.config import Detect, Encode, Sound, Source
from firmware.fleet.topics import FleetCommand, encode
from firmware.media.fmp4 import fragment, init_segment
from firmware.media.tracks import Sample, SoundTrack, VideoTrack
from firmware.messages import (
    ActAsFleet,
    Alert,
    Answer,
    ApproveZones,
    AskTimestamps,
    Command,
    Configure,
    Consent,
    Event,
    Failed,
    Finished,
    Fragment,
    Health,
    Hold,
    Login,
    Pause,
    Progress,
    SetLogin,
    StateReport,
    Stop,
    StreamInfo,
    Subscribe,
    TimestampsWaiting,
    TimestampToken,
    TimestampWanted,
    Verdict,
)
from firmware.vault.device_key import DeviceKey
from firmware.vault.keys import PrivateKey
from firmware.vault.ledger import HandOver, Mark
from hw import board_definition
from tests.fuzz import audit, certificates, sealed, stamps, state_files

CONSENT = Consent(state="given", video=True, audio=True, by="Dr. N.", evidence="form 7", purpose="teaching of suturing",
                  purpose_class="education")
STREAM = StreamInfo("h264", 64, 48, 64, 48, 30, 1, True, "x264", ["faces"], b"init", covers=["face"])
VIDEO = VideoTrack("h264", 64, 48, 64, 48, bytes.fromhex("0142c00affe1000467 42c00a01000468ce3c80".replace(" ", "")))
SOUND = SoundTrack("opus", 48_000, 2, bytes.fromhex("0002013800bb80000000"))
FRAMES = [Sample(0, 33_000_000, True, b"\0\0\0\x02\x65\x88"), Sample(33_000_000, 33_000_000, False, b"\0\0\0\x01\x41")]
SOUNDS = [Sample(0, 20_000_000, True, b"opus")]
ROOT = Path(__file__).parents[2]


def seeds(name: str) -> list[bytes]:
    """Valid input for the target `name`; never empty."""
    return _SEEDS[name]()


def _messages(*messages: msgspec.Struct) -> bytes:
    packed = [msgspec.msgpack.encode(message) for message in messages]
    return b"".join(struct.pack(">I", len(data)) + data for data in packed)


def _to_recorder() -> list[bytes]:
    asked = Command("1", "consent", "mqtt", note="note", consent=CONSENT)
    return [
        _messages(Subscribe(7), Command("2", "start"), asked), _messages(asked),
        _messages(ActAsFleet(), AskTimestamps(), TimestampToken("abc", "end", b"token")),
        _messages(Login("3", "kim", "correct horse"), SetLogin("4", "kim", "biomed", "correct horse battery"),
                  ApproveZones("5", "0" * 64), Hold("6", "abc", "inquiry")),
    ]


def _from_recorder() -> list[bytes]:
    event = Event(3, "id", "alert", 1.5, "abc", {"code": "x", "bytes": 3, "share": 0.5, "on": True})
    return [_messages(Answer("1", True, "READY"), StateReport("RECORDING", 1.0, "abc"), event,
                      Health(1.0, "READY", 0, 1, 2.0, 3, 4, 5, 6, 7.0, 8, 9)),
            _messages(TimestampsWaiting([TimestampWanted("abc", "end", 9, bytes(32))]))]


def _to_pipeline() -> list[bytes]:
    return [_messages(Configure(Source(), Encode(), Sound(), Detect(), "models"), Pause(True), Stop())]


def _from_pipeline() -> list[bytes]:
    sent = Fragment(1, 0, 33, True, b"data", [Verdict(0, "masked", 2)])
    return [_messages(STREAM, sent, Progress(1, 2, 3, 0, 0, 4, {"read": 0.5}, 6), Alert("black", "picture"),
                      Finished(3)), _messages(Failed("no-video", "what"))]


def _command() -> list[bytes]:
    asked = FleetCommand("1", "consent", consent=CONSENT, expires_unix_s=9.0)
    return [bytes([how]) + encode(asked) for how in (0, 1, 2)] + [b"\0" + encode(FleetCommand("2", "start"))]


@functools.cache
def _key() -> PrivateKey:
    return PrivateKey.generate()


def _public_keys() -> list[bytes]:
    return [_key().public.to_text().encode(), _key().to_text().encode()]


def _trust_list() -> list[bytes]:
    device = DeviceKey.generate()
    return [f"# trusted\n{device.fingerprint} room 1\n".encode() + device.public_pem()]


def _ledger() -> list[bytes]:
    handover = HandOver("usb", "00" * 32, 9, 1.5, True, "/media/usb/a.scrub", "kim")
    return [msgspec.json.encode(handover), msgspec.json.encode(Mark("inquiry", 1.5))]


_DETECTIONS = b'{"kind": "face", "pts_ns": 5, "regions": [[1, 2, 3, 4, 0.0, 0.9]]}\n' * 2
_SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "config": lambda: [path.read_bytes() for path in sorted((ROOT / "deploy").glob("*.toml"))],
    "board-definition": lambda: [path.read_bytes() for path in sorted(board_definition.FOLDER.glob("*.toml"))],
    "provision-answers": lambda: [b'name = "or-1"\nroom = "OR 1"\nbroker_host = "fleet.example"\nbroker_port = 8883\n'],
    "bench-file": lambda: [(ROOT / "hil" / "bench.example.toml").read_bytes(), b'ran_on = "a"\n[clock.system]\n'],
    "models-lock": lambda: [resources.files("firmware").joinpath("models.lock").read_bytes()],
    "scene-uri": lambda: [b"scene://?width=640&height=360&rate=30000/1001&seconds=2&show=turn&light=dim&shutter=0.5"],
    "mqtt-command": _command,
    "socket-recorder": _to_recorder,
    "socket-agent": _from_recorder,
    "socket-pipeline": _to_pipeline,
    "socket-from-pipeline": _from_pipeline,
    "public-key": _public_keys,
    "private-key": lambda: [*_public_keys(), _key().to_text("word").encode()],
    "trust-list": _trust_list,
    "detections": lambda: [_DETECTIONS],
    "fragment": lambda: [fragment(3, FRAMES, SOUNDS), fragment(3, FRAMES)],
    "sealed-file": sealed.file_seeds,
    "sealed-forged": sealed.forged_seeds,
    "recover": sealed.file_seeds,
    "recover-forged": sealed.forged_seeds,
    "seek": sealed.file_seeds,
    "seek-forged": sealed.forged_seeds,
    "survey": sealed.file_seeds,
    "survey-forged": sealed.forged_seeds,
    "timestamp-answer": stamps.answer_seeds,
    "timestamp-token": lambda: [stamps.stamped()[1].token],
    "timestamp-files": stamps.timestamp_file_seeds,
    "ledger": _ledger,
    "logins": state_files.login_seeds,
    "zone-approval": state_files.approval_seeds,
    "audit-export": audit.audit_seeds,
    "device-chain": certificates.chain_seeds,
    "certificate-file": certificates.file_seeds,
    "case-file": state_files.case_seeds,
    "erasure-certificate": state_files.certificate_seeds,
    "erasure-intent": state_files.intent_seeds,
    "last-start": state_files.last_start_seeds,
    "audit-cursor": audit.cursor_seeds,
    "audit-message": audit.line_seeds,
    "init-segment": lambda: [init_segment(VIDEO), init_segment(VIDEO, SOUND)],
}

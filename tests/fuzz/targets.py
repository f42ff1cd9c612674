"""One function for each parser: takes bytes, and returns only if the parser took them or refused them by name.

Anything else (an exception that is not in the parser's contract, a hang, a crash) is a find.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from firmware.config_file import loads
from firmware.errors import ConfigError, KeyFault, MediaUnreadable, PartMissing, ScrubcamError
from firmware.fleet.commands import Refusal, read_command
from firmware.fleet.topics import encode
from firmware.ipc import Channel, ChannelClosed
from firmware.media.fmp4 import parse_fragment, parse_init
from firmware.messages import FromPipeline, FromRecorder, ToPipeline, ToRecorder
from firmware.pipeline.detect.models import parse_lock
from firmware.pipeline.replay import load_detections
from firmware.provision.answers import read_answers
from firmware.vault.device_key import load_trust_list
from firmware.vault.keys import PrivateKey, PublicKey
from hil import bench_file
from hw.board_definition import read_definition
from hw.sim.scene_uri import parse_scene_uri
from tests.fuzz import audit, certificates, sealed, stamps, state_files
from tests.fuzz.sealed import told_well

Target = Callable[[bytes], None]


def config(data: bytes) -> None:
    """scrubcam.toml."""
    try:
        loads(data.decode("utf-8", "surrogateescape"), "fuzz.toml")
    except ConfigError as error:
        told_well(error)


def models_lock(data: bytes) -> None:
    """firmware/models.lock."""
    try:
        parse_lock(data.decode("utf-8", "replace"))
    except PartMissing as error:
        told_well(error)


def scene_uri(data: bytes) -> None:
    """scene:// addresses."""
    try:
        parse_scene_uri(data.decode("utf-8", "replace"))
    except ConfigError as error:
        told_well(error)


def mqtt_command(data: bytes) -> None:
    """What comes over the command topic; the first byte chooses how it came."""
    how = data[0] if data else 0
    read = read_command(data[1:], retained=bool(how & 1), expiry_s=0 if how & 2 else None, now_unix_s=1.0)
    if isinstance(read, Refusal):
        assert read.reason
        assert len(read.id) <= 64
    elif read is not None:
        encode(read)


def _socket(receives: object) -> Target:
    def target(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        channel: Channel[object, object] = Channel(ours, receives, receives)
        try:
            theirs.sendall(data)
            theirs.close()
            for _ in range(len(data) + 1):
                channel.recv(0.0)
            raise AssertionError("more messages than bytes")
        except ChannelClosed:
            pass
        finally:
            theirs.close()
            channel.close()

    return target


def _file(read: Callable[[str], object], allowed: type[ScrubcamError]) -> Target:
    """A parser that opens a file itself: the bytes are put where it looks."""

    def target(data: bytes) -> None:
        path = sealed.FOLDER / f"scrubcam-fuzz-{os.getpid()}"
        path.write_bytes(data)
        try:
            read(str(path))
        except allowed as error:
            told_well(error)
        finally:
            path.unlink()

    return target


def fragment(data: bytes) -> None:
    """The MP4 fragment inside an opened record."""
    try:
        parse_fragment(data)
    except MediaUnreadable as error:
        told_well(error)


def init_segment(data: bytes) -> None:
    """The MP4 initialisation segment inside an opened record."""
    try:
        parse_init(data)
    except MediaUnreadable as error:
        told_well(error)


TARGETS: dict[str, Target] = {
    "config": config,
    "board-definition": _file(read_definition, ConfigError),
    "provision-answers": _file(read_answers, ConfigError),
    "bench-file": _file(bench_file.load, ConfigError),
    "models-lock": models_lock,
    "scene-uri": scene_uri,
    "mqtt-command": mqtt_command,
    "socket-recorder": _socket(ToRecorder),
    "socket-agent": _socket(FromRecorder),
    "socket-pipeline": _socket(ToPipeline),
    "socket-from-pipeline": _socket(FromPipeline),
    "public-key": _file(PublicKey.load, KeyFault),
    "private-key": _file(PrivateKey.load, KeyFault),
    "trust-list": _file(load_trust_list, KeyFault),
    "detections": _file(load_detections, MediaUnreadable),
    "fragment": fragment,
    "init-segment": init_segment,
    "sealed-file": sealed.read_all,
    "sealed-forged": lambda data: sealed.read_all(sealed.forged(data)),
    "recover": sealed.recover_it,
    "recover-forged": lambda data: sealed.recover_it(sealed.forged(data)),
    "seek": sealed.find_time,
    "seek-forged": lambda data: sealed.find_time(sealed.forged(data)),
    "survey": state_files.survey,
    "survey-forged": lambda data: state_files.survey(sealed.forged(data)),
    "timestamp-answer": stamps.timestamp_answer,
    "timestamp-token": stamps.timestamp_token,
    "timestamp-files": stamps.timestamp_files,
    "ledger": state_files.ledger,
    "logins": state_files.logins_file,
    "zone-approval": state_files.approval,
    "audit-export": audit.audit_export,
    "device-chain": certificates.chain,
    "certificate-file": certificates.files,
    "case-file": state_files.case_file,
    "erasure-certificate": state_files.erasure_certificate,
    "erasure-intent": state_files.erasure_files,
    "last-start": state_files.last_start,
    "audit-cursor": audit.audit_cursor,
    "audit-message": audit.audit_message,
}

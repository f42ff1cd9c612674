"""The rules that span several settings, in one place. Pure: a Config in, the broken rules out; no file, no line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from firmware.config import Access, Audit, Config, Mqtt, Power, Sounder, Timestamps, Zones
from firmware.config_words import Broken
from firmware.controls_rules import broken_controls

LOSS_BOUND_S = 1.0
"""A power cut may cost at most this much picture."""
ENCODE_AND_SYNC_S = 0.2
"""Share of the loss bound kept for the encoder's latency and the disk's fsync."""

DICOM_MOST_BPS = 40_000_000
"""HEVC Main tier, level 5.1, for bit rate and buffer (DICOM PS3.5, 8.2.8; ITU-T H.265, table A.8)."""
SEAL_S = 2.0
"""Share of the hold-up time kept for closing a recording."""

MOST_ZONES = 16
MOST_FIELD_AREA = 0.6
"""Of the picture, all field zones together: a room in which no face is filled is no operating field."""

_MAKES = {"x264": ("h264",), "x265": ("h265",), "nvv4l2": ("h264", "h265")}
_SOCKET_NAME_ROOM = 90  # a Unix socket's whole path may have 107 bytes; the longest name below run_dir needs 17


def broken_rules(config: Config) -> list[Broken]:
    """Every rule that `config` breaks. Each setting on its own is assumed to be in its range."""
    return [*_source(config), *_encode(config), *_evidence(config), *_keeping(config),
            *broken_controls(config.controls), *_sounder(config.sounder), *_power(config.power), *_mqtt(config.mqtt),
            *_timestamps(config.timestamps), *_audit(config.audit), *_zones(config.zones), *_policy(config),
            *_access(config.access), *_selftest(config)]


def _source(config: Config) -> Iterator[Broken]:
    source, sound = config.source, config.sound
    if not source.uri:
        yield Broken(("source.uri",), "empty: give a file, /dev/videoN, csi://N, rtsp://... or scene://")
    if (source.width == 0) != (source.height == 0):
        yield Broken(("source.width", "source.height"), "give both, or 0 for both (the device's own mode)")
    camera = source.uri.startswith(("/dev/video", "csi://"))
    if source.capture == "jetson-utils" and not camera:
        yield Broken(("source.capture", "source.uri"), "jetson-utils reads cameras only: give /dev/videoN or csi://N")
    if source.capture == "gstreamer" and source.uri.startswith("csi://"):
        yield Broken(("source.capture", "source.uri"), 'a CSI camera is read with capture = "jetson-utils"')
    if source.capture == "jetson-utils" and source.rate_hz == 0:
        yield Broken(("source.capture", "source.rate_hz"), "jetson-utils does not tell a camera's rate: set rate_hz")
    if config.encode.rate == "constant" and source.rate_hz == 0:
        yield Broken(("encode.rate", "source.rate_hz"), "a constant rate needs source.rate_hz above 0 Hz")
    if sound.enabled and source.uri.startswith("/dev/") and not sound.device:
        yield Broken(
            ("sound.enabled", "sound.device"),
            'a capture device brings no sound: name a microphone in sound.device, e.g. "alsasrc device=hw:1"',
        )


def _encode(config: Config) -> Iterator[Broken]:
    encode = config.encode
    if encode.codec not in _MAKES[encode.encoder]:
        fitting = next(name for name, codecs in _MAKES.items() if codecs == (encode.codec,))
        yield Broken(
            ("encode.encoder", "encode.codec"),
            f'{encode.encoder} makes {_MAKES[encode.encoder][0]} only: set encoder = "{fitting}"'
            f' or codec = "{_MAKES[encode.encoder][0]}"',
        )
    if encode.dicom and encode.codec == "h265" and encode.bitrate_bps > DICOM_MOST_BPS:
        yield Broken(("encode.dicom", "encode.bitrate_bps"), f"DICOM takes H.265 up to {DICOM_MOST_BPS:_} bit/s")
    at_risk_s = config.detect.delay_s + encode.fragment_s + ENCODE_AND_SYNC_S
    if at_risk_s > LOSS_BOUND_S + 1e-9:
        yield Broken(
            ("detect.delay_s", "encode.fragment_s"),
            f"with {ENCODE_AND_SYNC_S:g} s for encoding and the disk a power cut could cost {at_risk_s:g} s,"
            f" allowed {LOSS_BOUND_S:g} s: their sum must be at most {LOSS_BOUND_S - ENCODE_AND_SYNC_S:g} s",
        )


def _evidence(config: Config) -> Iterator[Broken]:
    detect = config.detect
    if not detect.faces == detect.text == detect.codes:
        yield Broken(
            ("detect.faces", "detect.text", "detect.codes"),
            "what a detector that is off would have covered would be stored: all on, or all off"
            " (then every frame is filled whole)",
        )
    if detect.cover != "head" and config.fill.faces != "box":
        yield Broken(
            ("detect.cover", "fill.faces"),
            "an ellipse around head and shoulders is narrow at the head and would leave part of it visible:"
            ' set faces = "box" or cover = "head"',
        )
    for kind, on, interval_s in (
        ("face", detect.faces, detect.face_interval_s),
        ("text", detect.text, detect.text_interval_s),
        ("code", detect.codes, detect.code_interval_s),
    ):
        if on and interval_s >= detect.delay_s:
            yield Broken(
                (f"detect.{kind}_interval_s", "detect.delay_s"),
                "evidence would always come too late and every frame would be blanked:"
                f" {kind}_interval_s must be below delay_s",
            )


def _keeping(config: Config) -> Iterator[Broken]:
    recorder, paths = config.recorder, config.paths
    if recorder.floor_bytes > recorder.reserve_bytes:
        yield Broken(
            ("recorder.floor_bytes", "recorder.reserve_bytes"),
            "a start needs the reserve free and a recording stops at the floor: floor_bytes must not be above it",
        )
    if recorder.light_stale_s < config.encode.fragment_s + ENCODE_AND_SYNC_S:
        yield Broken(
            ("recorder.light_stale_s", "encode.fragment_s"),
            "the record light would flicker between two fragments: light_stale_s must be at least"
            f" fragment_s + {ENCODE_AND_SYNC_S:g} s",
        )
    for name in ("recordings_dir", "state_dir", "run_dir", "models_dir"):
        if not getattr(paths, name):
            yield Broken((f"paths.{name}",), "empty: give a directory")
    if paths.second_recordings_dir and _same_folder(paths.second_recordings_dir, paths.recordings_dir):
        yield Broken(
            ("paths.second_recordings_dir", "paths.recordings_dir"),
            "the same folder twice: name one on another disk, or leave the second out",
        )
    if len(paths.run_dir.encode()) > _SOCKET_NAME_ROOM:
        yield Broken(
            ("paths.run_dir",), f"too long for the sockets in it: at most {_SOCKET_NAME_ROOM} bytes"
        )


def _same_folder(one: str, other: str) -> bool:
    return os.path.normpath(one) == os.path.normpath(other)


def _sounder(sounder: Sounder) -> Iterator[Broken]:
    hours = ("sounder.quiet_from", "sounder.quiet_to")
    if bool(sounder.quiet_from) != bool(sounder.quiet_to):
        yield Broken(hours, 'quiet hours need a beginning and an end, e.g. "22:00" and "06:00"')
    elif sounder.quiet_from and sounder.quiet_from == sounder.quiet_to:
        yield Broken(hours, "the same time twice: no hours, or all of them? set volume_percent instead")
    if sounder.quiet_from and sounder.quiet_volume_percent > sounder.volume_percent:
        yield Broken(("sounder.quiet_volume_percent", "sounder.volume_percent"), "quiet hours are the louder ones")


def _power(power: Power) -> Iterator[Broken]:
    if power.ride_through_s + SEAL_S > power.holdup_s:
        yield Broken(
            ("power.ride_through_s", "power.holdup_s"),
            f"closing a recording needs up to {SEAL_S:g} s: ride_through_s must be at most holdup_s - {SEAL_S:g} s",
        )


def _mqtt(mqtt: Mqtt) -> Iterator[Broken]:
    if not mqtt.host:
        return
    if mqtt.tls and not mqtt.ca_file:
        yield Broken(
            ("mqtt.tls", "mqtt.ca_file"),
            "TLS needs mqtt.ca_file, the certificate of the authority that signed the broker's",
        )
    if bool(mqtt.cert_file) != bool(mqtt.key_file):
        yield Broken(("mqtt.cert_file", "mqtt.key_file"), "a client certificate needs both files")
    if not mqtt.tls and (mqtt.ca_file or mqtt.cert_file):
        yield Broken(("mqtt.tls", "mqtt.ca_file", "mqtt.cert_file"), "certificates are set but TLS is off")
    if mqtt.password_file and not mqtt.username:
        yield Broken(("mqtt.password_file", "mqtt.username"), "a password needs mqtt.username")


def _timestamps(timestamps: Timestamps) -> Iterator[Broken]:
    if timestamps.url and not re.match(r"https?://[^/\s]", timestamps.url):
        yield Broken(("timestamps.url",), "give an address that begins with https:// or http://")
    if timestamps.ca_file and not timestamps.url.startswith("https:"):
        yield Broken(("timestamps.ca_file", "timestamps.url"), "certificates are set but the address is not https://")


def _audit(audit: Audit) -> Iterator[Broken]:
    if audit.host and not audit.ca_file:
        yield Broken(
            ("audit.host", "audit.ca_file"),
            "the audit log is told over TLS only: it needs audit.ca_file, the certificate of the authority that signed"
            " the collector's",
        )
    if bool(audit.cert_file) != bool(audit.key_file):
        yield Broken(("audit.cert_file", "audit.key_file"), "a client certificate needs both files")


def _zones(zones: Zones) -> Iterator[Broken]:
    names: set[str] = set()
    for key, listed in (("zones.always", zones.always), ("zones.field", zones.field)):
        for number, zone in enumerate(listed):
            if zone.x + zone.w > 1 + 1e-9 or zone.y + zone.h > 1 + 1e-9:
                yield Broken((f"{key}.{number}",), "reaches out of the picture: x + w and y + h must be at most 1")
            if zone.name in names:
                yield Broken((f"{key}.{number}",), "another zone has this name: a record must tell them apart")
            names.add(zone.name)
    if len(zones.always) + len(zones.field) > MOST_ZONES:
        yield Broken(("zones.always", "zones.field"), f"at most {MOST_ZONES} zones in all")
    if zones.field and not zones.profile:
        yield Broken(
            ("zones.field", "zones.profile"),
            "faces in a field zone stay visible: only with zones.profile eye, ent, dental or facial",
        )
    if zones.profile and not zones.field:
        yield Broken(
            ("zones.profile", "zones.field"),
            "a profile without a field zone changes nothing: add [[zones.field]], or leave the profile out",
        )
    if sum(zone.w * zone.h for zone in zones.field) > MOST_FIELD_AREA + 1e-9:
        yield Broken(
            ("zones.field",), f"field zones may cover at most {MOST_FIELD_AREA:.0%} of the picture, all together"
        )


def _policy(config: Config) -> Iterator[Broken]:
    policy = config.policy
    for moment in policy.first_moments:
        if moment not in policy.moments:
            yield Broken(("policy.first_moments", "policy.moments"), f"{moment!r} is not among policy.moments")
    names = [rule.name for rule in policy.purposes]
    for number, rule in enumerate(policy.purposes):
        if rule.name in names[:number]:
            yield Broken((f"policy.purposes.{number}",), "each class of purpose has one table at most")
    if policy.never_rooms and not config.device.room:
        yield Broken(("policy.never_rooms", "device.room"), "say in which room this unit stands")
    if policy.audio == "never" and config.sound.enabled:
        yield Broken(("policy.audio", "sound.enabled"), "the site never records sound: sound.enabled must be false")


def _access(access: Access) -> Iterator[Broken]:
    if access.agent_user and not access.group:
        yield Broken(
            ("access.agent_user", "access.group"),
            "another user than the device's own reaches the socket only as a member of access.group: name it",
        )


def _selftest(config: Config) -> Iterator[Broken]:
    if config.selftest.hold_s >= config.controls.stuck_s:
        yield Broken(
            ("selftest.hold_s", "controls.stuck_s"),
            "the button would count as stuck before the self-test is asked for: hold_s must be below stuck_s",
        )

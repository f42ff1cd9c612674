"""What a recording holds, as types, and how each type becomes public data, private data and a blob. Pure."""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from firmware.errors import DamagedRecording
from firmware.json_data import decode_json
from firmware.messages import Consent, FieldZone, Fragment, StreamInfo, Verdict
from firmware.vault.format import LENGTH, RecordType


class Bookmark(msgspec.Struct, frozen=True):
    """A moment someone marked. `pts_ns` is on the recording's time line."""

    pts_ns: int
    unix_s: float
    origin: str = ""
    note: str = ""


class StateChange(msgspec.Struct, frozen=True):
    """The recorder changed state (PAUSED, RECORDING, ...)."""

    pts_ns: int
    unix_s: float
    state: str
    reason: str = ""


class Gap(msgspec.Struct, frozen=True):
    """Time without pictures, from `pts_ns` on. `reason` is a stable word (pipeline-died, source-lost, ...)."""

    pts_ns: int
    duration_ns: int
    reason: str = ""


class Note(msgspec.Struct, frozen=True):
    """Anything else worth keeping in words."""

    pts_ns: int
    unix_s: float
    text: str


Record = StreamInfo | Fragment | Bookmark | StateChange | Gap | Note | Consent


# ---- public data: signed, readable without a key, never content ----------------------------------


class StreamMeta(msgspec.Struct, frozen=True):
    """Public layout of the tracks, and what was covered: whoever holds the file can see what it may be called.

    `field_zones` (of the specialty `profile`) are boxes in which faces were left visible.
    """

    codec: str
    width: int
    height: int
    rate_num: int
    rate_den: int
    encoder: str
    detectors: list[str]
    sound_codec: str = ""
    covers: list[str] = []
    site_zones: list[str] = []
    profile: str = ""
    field_zones: list[FieldZone] = []


class FragmentMeta(msgspec.Struct, frozen=True):
    """Public figures of a fragment: times, verdict counts, size of the encoded data."""

    pts_ns: int
    duration_ns: int
    keyframe: bool
    frames: int
    clean: int
    masked: int
    blanked: int
    regions: int
    size: int


class MomentMeta(msgspec.Struct, frozen=True):
    """Public time of a bookmark, state change or note."""

    pts_ns: int


class GapMeta(msgspec.Struct, frozen=True):
    """Public time and length of a gap."""

    pts_ns: int
    duration_ns: int


class SignatureMeta(msgspec.Struct, frozen=True):
    """`durable_bytes`: the file's length that a finished sync had covered when this was signed."""

    durable_bytes: int
    unix_s: float


END_STATES = ("sealed", "interrupted")


class EndMeta(msgspec.Struct, frozen=True):
    """How the recording ended. `state`: "sealed" by the writer, or "interrupted" by recovery after a crash.

    `signed_to` is the number of records the running recorder itself had signed; with "interrupted", those
    from there on were only signed at recovery. `cut_bytes` is what recovery took off the torn end.
    `index_offset` is where the last index record begins, 0 when there is none.
    """

    state: str
    reason: str
    unix_s: float
    durable_bytes: int
    records: int
    fragments: int
    frames: int
    signed_to: int
    cut_bytes: int = 0
    index_offset: int = 0


class IndexMeta(msgspec.Struct, frozen=True):
    """Where things are, so that a time is found without reading the file. Offsets are bytes from its begin.

    `fragments` since the index before: (record number, offset, pts_ns, keyframe 0 or 1); `streams` so far:
    (record number, offset); `indexes` before this one: (pts_ns of its first fragment, offset).
    """

    fragments: list[tuple[int, int, int, int]]
    streams: list[tuple[int, int]]
    indexes: list[tuple[int, int]]


# ---- private data: the JSON in front of the blob, inside the ciphertext --------------------------


class _StreamBody(msgspec.Struct, frozen=True):
    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rate_num: int
    rate_den: int
    live: bool
    encoder: str
    detectors: list[str]
    sound_codec: str = ""
    sound_rate_hz: int = 0
    sound_channels: int = 0
    covers: list[str] = []
    site_zones: list[str] = []
    profile: str = ""
    field_zones: list[FieldZone] = []


class _FragmentBody(msgspec.Struct, frozen=True):
    seq: int
    pts_ns: int
    duration_ns: int
    keyframe: bool
    verdicts: list[Verdict]


def encode(record: Record) -> tuple[RecordType, bytes, list[bytes]]:
    """A record as (type, public JSON, private parts to be joined and encrypted)."""
    if isinstance(record, Fragment):
        kinds = [verdict.kind for verdict in record.verdicts]
        meta: msgspec.Struct | None = FragmentMeta(
            record.pts_ns, record.duration_ns, record.keyframe, len(kinds), kinds.count("clean"),
            kinds.count("masked"), kinds.count("blanked"), sum(v.regions for v in record.verdicts), len(record.data),
        )
        fragment = _FragmentBody(record.seq, record.pts_ns, record.duration_ns, record.keyframe, record.verdicts)
        return _packed(RecordType.FRAGMENT, meta, fragment, record.data)
    if isinstance(record, StreamInfo):
        meta = StreamMeta(record.codec, record.width, record.height, record.rate_num, record.rate_den,
                          record.encoder, record.detectors, record.sound_codec, record.covers, record.site_zones,
                          record.profile, record.field_zones)
        return _packed(RecordType.STREAM, meta, _copy(record, _StreamBody), record.init_segment)
    if isinstance(record, Bookmark):
        return _packed(RecordType.BOOKMARK, MomentMeta(record.pts_ns), record)
    if isinstance(record, StateChange):
        return _packed(RecordType.STATE, MomentMeta(record.pts_ns), record)
    if isinstance(record, Gap):
        return _packed(RecordType.GAP, GapMeta(record.pts_ns, record.duration_ns), record)
    if isinstance(record, Note):
        return _packed(RecordType.NOTE, MomentMeta(record.pts_ns), record)
    return _packed(RecordType.CONSENT, None, record)


def decode(kind: int, plaintext: bytes | memoryview) -> Record:
    """The record from its decrypted payload, which it keeps nothing of.

    Raises DamagedRecording when it is not what its type says.
    """
    try:
        (length,) = LENGTH.unpack_from(plaintext)
        body = memoryview(plaintext)[LENGTH.size : LENGTH.size + length]
        if len(body) != length:
            raise ValueError("private data is longer than its record")
        blob = bytes(memoryview(plaintext)[LENGTH.size + length :])
        if kind == RecordType.FRAGMENT:
            fragment = decode_json(body, _FragmentBody)
            return Fragment(fragment.seq, fragment.pts_ns, fragment.duration_ns, fragment.keyframe,
                            blob, fragment.verdicts)
        if kind == RecordType.STREAM:
            stream = decode_json(body, _StreamBody)
            return msgspec.convert({**msgspec.structs.asdict(stream), "type": "StreamInfo",
                                    "init_segment": blob}, StreamInfo)
        if kind == RecordType.CONSENT:
            told = decode_json(body, dict[str, Any])
            return msgspec.convert({name: told[name] for name in Consent.__struct_fields__ if name in told}, Consent)
        record: Record = decode_json(body, _PLAIN[kind])
        return record
    except (ValueError, KeyError, msgspec.MsgspecError, struct.error) as error:
        raise DamagedRecording(f"a record of type {kind} opens but does not hold what it should ({error})") from error



_PLAIN: dict[int, Any] = {
    RecordType.BOOKMARK: Bookmark,
    RecordType.STATE: StateChange,
    RecordType.GAP: Gap,
    RecordType.NOTE: Note,
}
CONTENT_TYPES = frozenset((RecordType.CONSENT, RecordType.STREAM, RecordType.FRAGMENT, *_PLAIN))
META_TYPES: dict[int, type[msgspec.Struct]] = {
    RecordType.STREAM: StreamMeta, RecordType.FRAGMENT: FragmentMeta, RecordType.BOOKMARK: MomentMeta,
    RecordType.STATE: MomentMeta, RecordType.NOTE: MomentMeta, RecordType.GAP: GapMeta,
    RecordType.SIGNATURE: SignatureMeta, RecordType.END: EndMeta, RecordType.INDEX: IndexMeta,
}


def _packed(
    kind: RecordType, meta: msgspec.Struct | None, body: msgspec.Struct, blob: bytes = b""
) -> tuple[RecordType, bytes, list[bytes]]:
    private = msgspec.json.encode(body)
    public = msgspec.json.encode(meta) if meta is not None else b"{}"
    return kind, public, [LENGTH.pack(len(private)), private, blob]


def _copy(record: msgspec.Struct, into: type[msgspec.Struct]) -> msgspec.Struct:
    return into(*(getattr(record, name) for name in into.__struct_fields__))

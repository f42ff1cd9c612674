"""The fleet's topics and payloads: the one definition of what is spoken over MQTT; docs/asyncapi.yaml comes of it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from firmware.messages import CaseConsent, Event, Health, RecorderState, StateReport

MAX_COMMAND_BYTES = 8 * 1024
"""A larger command is answered with an error, unread."""
MAX_PACKET_BYTES = 64 * 1024
"""The broker is asked never to send a larger packet."""

Leaf = Literal["status", "state", "events", "health", "command", "answer"]
FleetVerb = Literal["start", "stop", "bookmark", "pause", "resume", "consent", "enter", "leave", "surgeon"]

T = TypeVar("T")


class Status(Struct, frozen=True):
    """Retained on `status`: whether the device's link to the fleet stands. The offline one of a lost link is the will.

    `unix_s` is when this was written; for a lost link that is when the link was made.
    """

    device: str
    status: Literal["online", "offline"]
    unix_s: float
    reason: Literal["", "lost", "stopped"] = ""
    version: str = ""
    session: str = ""
    """The same in the birth and the will of one run of the device's software."""


class State(Struct, frozen=True):
    """Retained on `state`: the recorder's state as evidence shows it. Stale while `status` says offline.

    While `recorder` is "unreachable" nothing is known: `state` is "UNKNOWN" and `recording_evident` false.
    """

    device: str
    unix_s: float
    recorder: Literal["reachable", "unreachable"]
    state: RecorderState | Literal["UNKNOWN"]
    since_unix_s: float = 0.0
    recording_id: str = ""
    fault: str = ""
    refusal: str = ""
    durable_bytes: int = 0
    recording_evident: bool = False
    """True only while bytes of this recording reach the disk."""
    light: str = ""
    consent: str = "none"
    hours_left: float = 0.0
    """Recording time left on the disk or disks at the present rate, to a tenth."""
    case_id: str = ""
    """The open case's opaque id."""
    moments: list[str] = []
    """The moments of the site's policy that last now: nothing is recorded in them."""
    surgeon: str = ""
    """Whose mapping the pedals have; "": the site's own."""


class FleetEvent(Struct, frozen=True):
    """One event of the recorder's journal on `events`, in order, at least once: drop a repeated `id`.

    `seq` counts up by one without gaps for the life of the device's journal. `monotonic_ns` is the device's
    CLOCK_MONOTONIC at `unix_s`. `chain` is the audit log's chain value at this event (hex): who keeps it can tell
    whether the device's log was cut or altered later.
    """

    device: str
    seq: int
    id: str
    kind: str
    unix_s: float
    recording_id: str = ""
    fields: dict[str, str | int | float | bool] = {}
    monotonic_ns: int = 0
    chain: str = ""


class FleetHealth(Struct, frozen=True):
    """Figures on `health` every few seconds, never queued. `recorder` is null while the recorder is unreachable."""

    device: str
    unix_s: float
    events_waiting: int
    reconnects: int
    recorder: Health | None = None


class FleetCommand(Struct, frozen=True, forbid_unknown_fields=True):
    """Ask on `command`. A repeated `id` gets the first answer again. Never publish it retained.

    After `expires_unix_s`, or when its MQTT message expiry has run out, it is refused.
    """

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    verb: FleetVerb
    note: Annotated[str, Meta(max_length=200)] = ""
    consent: CaseConsent | None = None
    """Only for the verb "consent", which needs it. No link to the patient's record: that is for the local socket."""
    moment: Annotated[str, Meta(max_length=40)] = ""
    """Only for the verbs "enter" and "leave", which need it."""
    surgeon: Annotated[str, Meta(max_length=32)] = ""
    """Only for the verb "surgeon": an id of the unit's controls.surgeons, "" for the site's own mapping."""
    expires_unix_s: float | None = None


class FleetAnswer(Struct, frozen=True):
    """The answer on `answer`; `reason` names the unmet condition or what was wrong with the command.

    `id` is the command's, "" where it had none that could be read.
    """

    device: str
    unix_s: float
    id: str
    ok: bool
    state: RecorderState | Literal["UNKNOWN"]
    reason: str = ""


def topic(device: str, leaf: Leaf) -> str:
    """`scrubcam/<device>/<leaf>`."""
    return f"scrubcam/{device}/{leaf}"


def encode(payload: Struct) -> bytes:
    """The JSON of a payload."""
    return msgspec.json.encode(payload)


def state_of(device: str, unix_s: float, report: StateReport | None) -> State:
    """The payload for the recorder's last report; None while it is unreachable."""
    if report is None:
        return State(device, unix_s, "unreachable", "UNKNOWN")
    return State(device, unix_s, "reachable", **msgspec.structs.asdict(report))


def event_of(device: str, event: Event) -> FleetEvent:
    """The payload for a line of the journal."""
    return FleetEvent(device, **msgspec.structs.asdict(event))

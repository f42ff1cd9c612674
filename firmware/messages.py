"""Every message that crosses a process border: pipeline <-> recorder, and recorder <-> agent and tools.

Sent as length-prefixed MessagePack by ipc.py. No message carries an unscrubbed pixel or a key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from firmware.config import Detect, Encode, Fill, Kernels, Sound, Source, Zones

VerdictKind = Literal["clean", "masked", "blanked"]
BlankReason = Literal[
    "", "no-evidence-before", "no-evidence-after", "detector-failed", "detector-hung", "bad-detection",
    "privacy-pause",
]


class Verdict(Struct, frozen=True, array_like=True):
    """What was done to one encoded frame. `regions` counts the filled regions; `reason` is set when blanked."""

    pts_ns: int
    kind: VerdictKind
    regions: int = 0
    reason: BlankReason = ""


# ---- pipeline -> recorder ------------------------------------------------------------------------


class FieldZone(Struct, frozen=True):
    """A box in which faces were left visible: top left corner and size as shares of the picture."""

    name: str
    x: float
    y: float
    w: float
    h: float


class StreamInfo(Struct, tag=True, frozen=True):
    """Sent once before the first fragment: the track layout and the MP4 initialisation segment (ftyp+moov).

    `width` and `height` are the picture's own; `coded_width` and `coded_height` are rounded up to even.
    `rate_num`/`rate_den` is 0/1 for a variable rate. `encoder` and `detectors` name what really runs, `covers` what
    these look for ("face", "text", ...). `site_zones` names the boxes that are always filled. In `field_zones`, of
    the specialty `profile`, faces are NOT filled: such a recording is not de-identified.
    """

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
    init_segment: bytes
    sound_codec: str = ""
    sound_rate_hz: int = 0
    sound_channels: int = 0
    covers: list[str] = []
    site_zones: list[str] = []
    profile: str = ""
    field_zones: list[FieldZone] = []


class Fragment(Struct, tag=True, frozen=True):
    """One moof+mdat of scrubbed, encoded picture (and sound), at most 0.5 s, and a verdict for each frame in it.

    `pts_ns` is the first frame's time (CLOCK_MONOTONIC for a live source, the file's own for a file).
    A fragment with `keyframe` starts with an IDR and can be played from.
    """

    seq: int
    pts_ns: int
    duration_ns: int
    keyframe: bool
    data: bytes
    verdicts: list[Verdict]


class Progress(Struct, tag=True, frozen=True):
    """A few times a second: how far, how fast. `stage_s` is busy seconds for each stage since the start."""

    pts_ns: int
    frames_in: int
    frames_out: int
    frames_dropped: int
    frames_blanked: int
    regions_masked: int
    stage_s: dict[str, float]
    rss_bytes: int
    total_frames: int = 0
    """Expected frames of a file, 0 where not known."""
    newest_ns: int = 0
    """When the newest frame was taken (CLOCK_MONOTONIC); 0: a file's, or none yet."""


class Alert(Struct, tag=True, frozen=True):
    """Something a person should know while the pipeline goes on. `code` is stable, `text` is for people."""

    code: str
    text: str
    cleared: bool = False


class Finished(Struct, tag=True, frozen=True):
    """The last message: the source ended, or was asked to stop. Everything encoded has been sent."""

    frames: int


class Failed(Struct, tag=True, frozen=True):
    """The last message when the pipeline cannot go on; fields as in errors.ScrubcamError."""

    code: str
    what: str
    meaning: str = ""
    todo: str = ""


FromPipeline = StreamInfo | Fragment | Progress | Alert | Finished | Failed


# ---- recorder -> pipeline ------------------------------------------------------------------------


class Configure(Struct, tag=True, frozen=True):
    """The first message a pipeline gets. `sound_allowed` is the consent lock's word; both it and `sound` must say on.

    `paced` false (a file): as fast as it goes, nothing dropped, frames wait for their evidence.
    """

    source: Source
    encode: Encode
    sound: Sound
    detect: Detect
    models_dir: str
    sound_allowed: bool = False
    replay_detections: str = ""
    """A file of recorded detections to use instead of the detectors (benchmarks only; said in StreamInfo)."""
    record_detections: str = ""
    max_seconds: float = 0.0
    zones: Zones = Zones()
    kernels: Kernels = Kernels()
    fill: Fill = Fill()


class Pause(Struct, tag=True, frozen=True):
    """Privacy pause: from now on every frame is filled and the sound is silent, until `on` is false."""

    on: bool


class ForceKeyframe(Struct, tag=True, frozen=True):
    """Make the next frame an IDR and start a fragment with it."""


class Stop(Struct, tag=True, frozen=True):
    """Finish: drain the delay line and the encoder, send what is left, then Finished."""


ToPipeline = Configure | Pause | ForceKeyframe | Stop


# ---- recorder <-> agent, tools (local socket) ----------------------------------------------------

RecorderState = Literal[
    "BOOT", "SELFTEST", "RECOVERING", "READY", "STARTING", "RECORDING", "PAUSED", "INTERRUPTED", "STOPPING",
    "UPDATING", "FAULT", "SHUTDOWN",
]
Verb = Literal[
    "start", "stop", "bookmark", "pause", "resume", "consent", "enter", "leave", "surgeon", "erase", "selftest",
    "status",
]


class CaseConsent(Struct, frozen=True, forbid_unknown_fields=True):
    """What a case is opened with, as it may come from anywhere: never pre-filled. What "given" needs: firmware/case.py.

    "refused" holds from now on, "withdrawn" from the beginning: it erases. None of this but the state, what is recorded
    and the class of the purpose is ever told to anyone but the holders of the archive's keys.
    """

    state: Literal["none", "given", "refused", "withdrawn"] = "none"
    video: bool = False
    audio: bool = False
    stills: bool = False
    by: Annotated[str, Meta(max_length=200)] = ""
    evidence: Annotated[str, Meta(max_length=500)] = ""
    purpose: Annotated[str, Meta(max_length=500)] = ""
    purpose_class: Literal["", "clinical", "education", "quality", "public-media"] = ""
    audience: Annotated[str, Meta(max_length=200)] = ""
    destination: Annotated[str, Meta(max_length=200)] = ""
    retention_days: Annotated[int, Meta(ge=0, le=36500)] = 0
    medical_record: Literal["", "yes", "no"] = ""
    """Whether the recording becomes part of the medical record; "" is neither."""
    procedure: Annotated[str, Meta(max_length=200)] = ""
    evidence_kind: Literal["", "written", "electronic", "spoken"] = ""
    second_signature: Annotated[str, Meta(max_length=200)] = ""
    case_id: Annotated[str, Meta(pattern=r"^[a-z2-7]{0,16}$")] = ""
    """Opaque, given by the unit when the case is opened. In a command: the case that is meant; "": the open one."""


class Consent(CaseConsent, frozen=True, forbid_unknown_fields=True):
    """The consent of the open case, as only the local socket takes it."""

    patient_ref: Annotated[str, Meta(max_length=100)] = ""
    """The link to the hospital's record: encrypted for the recipients, never in a header, topic, log or file name."""


class Command(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Ask the recorder for something. `id` is the asker's; a repeated id gets the first answer again.

    What the asker writes into `origin` and `role` does not count: the recorder puts the login's name or the role into
    the first, the role into the second.
    """

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    verb: Verb
    origin: str = "local"
    role: str = ""
    note: Annotated[str, Meta(max_length=200)] = ""
    consent: Consent | None = None
    moment: Annotated[str, Meta(max_length=40)] = ""
    """With enter and leave: one of policy.moments."""
    surgeon: Annotated[str, Meta(max_length=32)] = ""
    """With surgeon: an id of controls.surgeons; "": the site's own mapping."""
    recording: Annotated[str, Meta(max_length=64)] = ""
    """With erase: the recording's id."""


LoginRole = Literal["operator", "surgeon", "biomed", "privacy-officer", "administrator"]
Role = Literal["anyone", LoginRole, "fleet"]
"""What a connection to the recorder may do goes by its role; roles.py has the table."""
LoginName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]
Passphrase = Annotated[str, Meta(max_length=256)]
RequestId = Annotated[str, Meta(min_length=1, max_length=64)]


class ActAsFleet(Struct, tag=True, frozen=True):
    """The agent's first word: this connection has the fleet's rights from now on, which are never more."""


class Login(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Give this connection the role of a login. Answered by an Answer."""

    id: RequestId
    name: LoginName
    passphrase: Passphrase


class SetLogin(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Make or change the login `name`; without a role, remove it. Answered by an Answer."""

    id: RequestId
    name: LoginName
    role: LoginRole | None = None
    passphrase: Passphrase = ""


class ApproveZones(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Approve the field zones whose hash (zone_approval.zones_hash) this is. Answered by an Answer."""

    id: RequestId
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Hold(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Keep a recording on the device whatever retention says, or `release` it. Answered by an Answer.

    `reason` stays on the device; never patient data.
    """

    id: RequestId
    recording_id: Annotated[str, Meta(min_length=1, max_length=64)]
    reason: Annotated[str, Meta(max_length=200)] = ""
    release: bool = False


class MayHandOver(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """May this connection's login hand recordings over? Answered by an Answer."""

    id: RequestId


class Answer(Struct, tag=True, frozen=True):
    """The recorder's answer to a command or a login; `reason` names the unmet condition when refused."""

    id: str
    ok: bool
    state: RecorderState
    reason: str = ""


class StateReport(Struct, tag=True, frozen=True):
    """The recorder's state as evidence shows it; sent on every change, each second while bytes grow, and to each new
    listener."""

    state: RecorderState
    since_unix_s: float
    recording_id: str = ""
    fault: str = ""
    refusal: str = ""
    durable_bytes: int = 0
    recording_evident: bool = False
    """True only while bytes of this recording have reached the disk within light_stale_s."""
    light: str = ""
    consent: str = "none"
    hours_left: float = 0.0
    """Recording time left on the disk or disks at the present rate, to a tenth."""
    case_id: str = ""
    """The open case's opaque id."""
    moments: list[str] = []
    """The moments of policy.moments that were entered and not left yet: nothing is recorded in them."""
    surgeon: str = ""
    """Whose mapping the pedals have; "": the site's own."""


class Event(Struct, tag=True, frozen=True):
    """One line of the journal: numbered without gaps, identified for ever, never with patient data.

    `monotonic_ns` is CLOCK_MONOTONIC at the same moment. `chain` is the audit log's chain value at this line (hex).
    """

    seq: int
    id: str
    kind: str
    unix_s: float
    recording_id: str = ""
    fields: dict[str, str | int | float | bool] = {}
    monotonic_ns: int = 0
    chain: str = ""


class PowerFigures(Struct, frozen=True):
    """What the unit's own sensors say. A zone that sleeps or cannot be read is not among the temperatures.

    `over_current` counts, since power-on, the events in which the supply was too weak. `supply_v` and `supply_w` are of
    the rail that feeds the whole board, where one is measured; `supply_good` is null where no rail is monitored.
    """

    temperatures_c: dict[str, float] = {}
    throttling: list[str] = []
    over_current: dict[str, int] = {}
    clocks_hz: dict[str, int] = {}
    supply_v: float | None = None
    supply_w: float | None = None
    supply_good: bool | None = None


class Health(Struct, tag=True, frozen=True):
    """Figures every few seconds.

    `hours_left` is recording time until the floor, at `disk_bytes_per_s`: what the running or last recording wrote in a
    second, the configured rate until one has run for 10 s.
    """

    unix_s: float
    state: RecorderState
    durable_bytes: int
    disk_free_bytes: int
    hours_left: float
    frames_out: int
    frames_dropped: int
    frames_blanked: int
    regions_masked: int
    preroll_s: float
    pipeline_restarts: int
    pipeline_rss_bytes: int
    disk_bytes_per_s: int = 0
    power: PowerFigures | None = None
    """Null where no sensors are read."""


class Subscribe(Struct, tag=True, frozen=True):
    """Listen: state and health as they come, and all events after `after_seq`; -1: those that come from now on, which
    is when the first StateReport comes."""

    after_seq: int = 0


StampedAt = Literal["start", "end"]


class TimestampWanted(Struct, frozen=True):
    """A chain value that is to get a timestamp: of which recording, which moment, which record."""

    recording_id: str
    at: StampedAt
    record: int
    chain: bytes


class AskTimestamps(Struct, tag=True, frozen=True):
    """The agent asks what waits for a timestamp."""


class TimestampsWaiting(Struct, tag=True, frozen=True):
    """The recorder's answer, a few at a time."""

    waiting: list[TimestampWanted]


class TimestampToken(Struct, tag=True, frozen=True):
    """A token (RFC 3161, DER) that the agent got; the recorder keeps it only when it is over the right data."""

    recording_id: Annotated[str, Meta(max_length=64)]
    at: StampedAt
    token: Annotated[bytes, Meta(max_length=65536)]


MAX_LOG_PAGE = 500


class ReadLog(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Ask for the audit log's lines after number `after_seq`. Answered by a LogPage, or by an Answer that says no."""

    id: RequestId
    after_seq: int = 0
    limit: Annotated[int, Meta(ge=1, le=MAX_LOG_PAGE)] = MAX_LOG_PAGE


class LogLine(Struct, array_like=True, frozen=True):
    """One line as it is stored: its number, its bytes, its chain value (32 bytes) and signature (64, empty: none)."""

    seq: int
    line: bytes
    chain: bytes
    signature: bytes


class LogPage(Struct, tag=True, frozen=True):
    """Lines in their order, at most as many as were asked for; none: there are no more."""

    id: str
    lines: list[LogLine]


class CollectorReport(Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The agent says that the audit collector has been away for too long (`problem`), or is back (empty)."""

    problem: Annotated[str, Meta(max_length=500)] = ""


AboutRoles = Login | SetLogin | ApproveZones | Hold | MayHandOver
"""What a person asks that needs no state machine, only the right role."""
ToRecorder = (
    Command | Subscribe | ActAsFleet | AboutRoles | AskTimestamps | TimestampToken | ReadLog | CollectorReport
)
FromRecorder = Answer | StateReport | Event | Health | TimestampsWaiting | LogPage

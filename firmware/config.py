"""The one definition of every setting: typed, with unit and allowed range. Loading lives in config_file.py."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct


class Device(Struct, forbid_unknown_fields=True, frozen=True):
    """Who this unit is."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] = "scrubcam"
    room: str = ""


class Paths(Struct, forbid_unknown_fields=True, frozen=True):
    """Where things live. `state_dir` holds keys, journal, ledger and outbox; `run_dir` the sockets.

    Keep `state_dir` on another disk than `recordings_dir` where you can: with its disk gone no file can be begun.
    """

    recordings_dir: str = "/var/lib/scrubcam/recordings"
    second_recordings_dir: str = ""
    """A folder on another disk, inside its mount: a recording goes on there when the first fails or is full."""
    state_dir: str = "/var/lib/scrubcam/state"
    run_dir: str = "/run/scrubcam"
    models_dir: str = "/usr/share/scrubcam/models"

    @property
    def targets(self) -> tuple[str, ...]:
        """The folders that may hold recordings, in the order in which they are used."""
        return tuple(folder for folder in (self.recordings_dir, self.second_recordings_dir) if folder)


class Source(Struct, forbid_unknown_fields=True, frozen=True):
    """What to record: a file path, /dev/videoN, csi://N, rtsp://..., or scene:// (the generator).

    `width`, `height` and `rate_hz` ask a live device for a mode (0: the device's own); another picture is refused.
    `rate_hz` may be written as on the device: 59.94 means 60000/1001.
    """

    uri: str = "scene://"
    capture: Literal["gstreamer", "jetson-utils"] = "gstreamer"
    """How a camera is read. jetson-utils: /dev/videoN or csi://N on a Jetson, whole frame rates, not interlaced.
    Absent means a named fault."""
    width: Annotated[int, Meta(ge=0, le=4096)] = 0
    height: Annotated[int, Meta(ge=0, le=2304)] = 0
    rate_hz: Annotated[float, Meta(ge=0, le=120)] = 0.0
    seed: int = 1
    lost_after_s: Annotated[float, Meta(ge=0.2, le=2.0)] = 1.5


class Encode(Struct, forbid_unknown_fields=True, frozen=True):
    """How to encode. `encoder` is never replaced by another one: absent means a named fault."""

    codec: Literal["h264", "h265"] = "h264"
    encoder: Literal["x264", "x265", "nvv4l2"] = "x264"
    bitrate_bps: Annotated[int, Meta(ge=200_000, le=100_000_000)] = 12_000_000
    quality: Annotated[int, Meta(ge=0, le=40)] = 0
    """0: hold bitrate_bps. Else x264 and x265 spend what this constant quality (CRF) takes: 15 shows no difference."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "superfast"
    idr_interval_s: Annotated[float, Meta(ge=0.1, le=1.0)] = 1.0
    fragment_s: Annotated[float, Meta(ge=0.1, le=0.5)] = 0.25
    dicom: bool = False
    """H.265 stays within what DICOM takes (Main tier, level 5.1): at most 40 Mbit/s, also at constant quality."""
    rate: Literal["variable", "constant"] = "variable"
    """variable: the source's own timestamps; constant: repeats or drops frames to hold `source.rate_hz`."""


class Sound(Struct, forbid_unknown_fields=True, frozen=True):
    """Sound is off unless this says on and the consent says audio too."""

    enabled: bool = False
    codec: Literal["opus", "aac"] = "opus"
    bitrate_bps: Annotated[int, Meta(ge=16_000, le=320_000)] = 96_000
    device: str = ""
    """GStreamer source element and properties for a live microphone, e.g. "alsasrc device=hw:1"."""


class Detect(Struct, forbid_unknown_fields=True, frozen=True):
    """Which detectors look, how often and how closely."""

    profile: Literal["live", "thorough"] = "live"
    faces: bool = True
    text: bool = True
    codes: bool = True
    """Linear codes (bars) and matrix codes (QR, DataMatrix), also those that cannot be read."""
    face_interval_s: Annotated[float, Meta(ge=0.02, le=0.4)] = 0.2
    text_interval_s: Annotated[float, Meta(ge=0.02, le=0.4)] = 0.25
    code_interval_s: Annotated[float, Meta(ge=0.02, le=0.4)] = 0.3
    face_threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.65
    """Least sum of the two face networks' scores, 0 to 2, for a face. Lower covers more, and more that is none."""
    text_threshold: Annotated[float, Meta(gt=0, lt=1)] = 0.3
    cover: Literal["head", "head-and-shoulders"] = "head"
    """How much of a person is filled; head-and-shoulders reaches to the hips of somebody upright."""
    delay_s: Annotated[float, Meta(ge=0.2, le=1.0)] = 0.5
    hang_timeout_s: Annotated[float, Meta(ge=1, le=60)] = 10.0
    """After this long without an answer a detector counts as hung; a live pipeline asks to be restarted."""
    threads: Annotated[int, Meta(ge=1, le=16)] = 1
    """Cores that one look may use. More than one answers sooner on an idle machine, at more work in all."""
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    """ONNX Runtime's. Absent, or one that does not take the whole model, means a named fault."""


class Kernels(Struct, forbid_unknown_fields=True, frozen=True):
    """Where the pixel work (taking in, scaling for the detectors, filling) is done."""

    backend: Literal["host", "cuda"] = "host"
    """host: the CPU; cuda: a CUDA GPU. Absent means a named fault."""
    threads: Annotated[int, Meta(ge=1, le=16)] = 1
    """Cores that the host's kernels may use. Beside a busy encoder a second one only waits for its turn."""


class Fill(Struct, forbid_unknown_fields=True, frozen=True):
    """What a covered region looks like: always one solid colour taken from outside it."""

    faces: Literal["box", "ellipse"] = "box"
    """An ellipse leaves the corners of the head's box visible."""
    soft_edge_px: Annotated[int, Meta(ge=0, le=64)] = 0
    """Pixels outside a region that fade into its colour; what lies inside never shows."""


PolicyName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.,/()-]{0,39}$")]

ZoneShare = Annotated[float, Meta(ge=0, le=1)]
ZoneSize = Annotated[float, Meta(gt=0, le=1)]


class Zone(Struct, forbid_unknown_fields=True, frozen=True):
    """A fixed box in the picture: `x`, `y` of its top left corner, `w`, `h`, all as shares of the picture (0 to 1)."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,39}$")]
    x: ZoneShare
    y: ZoneShare
    w: ZoneSize
    h: ZoneSize


class Zones(Struct, forbid_unknown_fields=True, frozen=True):
    """Parts of the picture that are treated in their own way, set at commissioning for this source.

    Write each as a table of its own, `[[zones.always]]` or `[[zones.field]]`, with name, x, y, w and h.
    """

    profile: Literal["", "eye", "ent", "dental", "facial"] = ""
    """The surgery whose field is the face. Only with one of these may there be a field zone."""
    always: list[Zone] = []
    """Filled in every frame, whatever the detectors see: the corners where a video tower burns in names."""
    field: list[Zone] = []
    """Faces in here are NOT filled (text and codes are). Such a recording is never called de-identified."""


class Recipient(Struct, forbid_unknown_fields=True, frozen=True):
    """Who may open recordings: a public key file (`scrubcam keys new NAME`) and what that key is there for.

    archive: the hospital's own key. escrow: a second one, kept elsewhere for when the first is lost. reader: any other.
    A key of kind P256 is not quantum-safe, and then neither is any recording sealed to it.
    """

    role: Literal["archive", "escrow", "reader"]
    file: Annotated[str, Meta(min_length=1)]


class Recorder(Struct, forbid_unknown_fields=True, frozen=True):
    """What the recorder keeps and when it refuses.

    Write each recipient as a table `[[recorder.recipients]]` with role and file, behind the section's other settings.
    """

    preroll_s: Annotated[float, Meta(ge=0, le=120)] = 30.0
    reserve_bytes: Annotated[int, Meta(ge=0)] = 2_000_000_000
    """A start needs so much room above the floor."""
    reserve_hours: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """The same in hours at the present rate; the larger of the two counts."""
    warn_hours: Annotated[float, Meta(ge=0, le=1000)] = 1.0
    """Below so many hours left the alert `disk-low` is told."""
    floor_bytes: Annotated[int, Meta(ge=0)] = 500_000_000
    """A recording that reaches it goes on on the second disk, or is sealed while there is room for that."""
    recipients: list[Recipient] = []
    """Whose keys open recordings. A start needs an archive key and an escrow key."""
    escrow: Literal["required", "none"] = "required"
    """none: this site has decided to record without an escrow key; an archive key that is lost then loses all."""
    light_stale_s: Annotated[float, Meta(ge=0.3, le=2.0)] = 1.5
    """The record light goes out when no byte reached the disk for this long."""


class Retention(Struct, forbid_unknown_fields=True, frozen=True):
    """How long the device keeps its own copy. Only what was handed over, and verified there, is ever deleted.

    Days count from the end of the recording, by the purpose class of its consent; 0: never because of age.
    """

    clinical_days: Annotated[int, Meta(ge=0, le=36500)] = 30
    education_days: Annotated[int, Meta(ge=0, le=36500)] = 30
    quality_days: Annotated[int, Meta(ge=0, le=36500)] = 30
    public_media_days: Annotated[int, Meta(ge=0, le=36500)] = 30
    unclassified_days: Annotated[int, Meta(ge=0, le=36500)] = 0
    """For a recording whose consent names no class."""
    own_days: Literal["longer", "shorter", "instead", "ignore"] = "longer"
    """Which days count when the recording's own consent names some too: the longer of both, the shorter, its own
    instead, or only those above."""
    after_handover_days: Annotated[int, Meta(ge=0, le=365)] = 7
    """At least so long after it was handed over: time for the archive to take it in."""
    make_room: bool = False
    """Below the reserve, delete the oldest that were handed over for longer than after_handover_days, before their
    time."""


class Access(Struct, forbid_unknown_fields=True, frozen=True):
    """Who may connect to the recorder's local socket. What they may do there is in roles.md."""

    group: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$|^$")] = ""
    """Besides the device's own user, members of this group of the machine may connect, and log in."""
    agent_user: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$|^$")] = ""
    """The agent's own user of the machine, a member of `group`: it has the fleet's rights and no others. Empty: the
    agent runs as the device's own user."""


class Board(Struct, forbid_unknown_fields=True, frozen=True):
    """Pins, pedal and lights. sim: driven over a socket in run_dir; jetson: by Jetson.GPIO; pc: a USB pedal."""

    kind: Literal["sim", "jetson", "pc"] = "sim"
    definition: Annotated[str, Meta(min_length=1)] = "sim"
    """Which pin does what and what is fitted: a name that `scrubcam board list` shows, or the path of a file (see
    wiring.md). It must be for a board of this kind."""


class Power(Struct, forbid_unknown_fields=True, frozen=True):
    """Heat and supply: what is watched, when it is told, and how long the unit lives on when the mains are gone."""

    sensors: Literal["off", "sysfs"] = "off"
    """sysfs: temperatures, throttling and supply, as Linux and L4T show them. off: none of them is watched."""
    interval_s: Annotated[float, Meta(ge=0.5, le=30)] = 2.0
    """They are read so often."""
    expected_zones: list[str] = []
    """Temperature zones that must be there, e.g. ["cpu-thermal", "gpu-thermal"]. One that was seen once is expected
    until the recorder ends."""
    warn_margin_c: Annotated[float, Meta(ge=1, le=40)] = 8.0
    """Told when a zone is so close to the temperature at which the unit slows itself down."""
    warn_ahead_s: Annotated[float, Meta(ge=0, le=900)] = 120.0
    """Told, too, when it would be there within this time if it went on rising like that."""
    refuse_margin_c: Annotated[float, Meta(ge=1, le=20)] = 3.0
    """Nothing is begun so close to the temperature at which the unit switches itself off."""
    holdup_s: Annotated[float, Meta(ge=2, le=3600)] = 5.0
    """The supply keeps the unit alive for so long, at full load and at the end of its own life, after it has asserted
    the board's power-fail input."""
    ride_through_s: Annotated[float, Meta(ge=0, le=3600)] = 1.0
    """So long a recording goes on without mains, so that a dip does not end it. What is left of holdup_s is for closing
    it: 2 s at least."""
    hardware_watchdog: bool = False
    """Feed the watchdog that the board definition names ([watchdog] device): the machine restarts when the recorder is
    dead beyond healing. One that is asked for and not there is a fault (see reliability.md)."""
    watchdog_timeout_s: Annotated[int, Meta(ge=90, le=255)] = 120
    """It restarts the machine so long after it was last fed. Well above systemd's WatchdogSec=, which comes first."""


Action = Literal["none", "start", "bookmark", "start-or-bookmark", "start-or-stop", "stop", "pause-or-resume"]
OwnAction = Literal["", "none", "start", "bookmark", "start-or-bookmark", "start-or-stop", "stop", "pause-or-resume"]
SurgeonId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]


class SurgeonControls(Struct, forbid_unknown_fields=True, frozen=True):
    """How one surgeon's presses are read and what they do. 0, an empty text or nothing at all: as in `[controls]`.

    `id` is what a command chooses the surgeon by; it stands in the audit log and goes over MQTT.
    """

    id: SurgeonId
    debounce_s: Annotated[float, Meta(ge=0, le=0.1)] = 0.0
    hold_stop_s: Annotated[float, Meta(ge=0, le=3.0)] = 0.0
    double_s: Annotated[float, Meta(ge=0, le=1.0)] = 0.0
    pedal_press: OwnAction = ""
    pedal_double: OwnAction = ""
    pedal_hold: OwnAction = ""
    privacy_press: OwnAction = ""
    privacy_double: OwnAction = ""
    privacy_hold: OwnAction = ""


class Controls(Struct, forbid_unknown_fields=True, frozen=True):
    """How presses are read and what they do, for everybody who has no `[[controls.surgeons]]` table. See controls.md.

    A press counts when the contact opens again, because only then it is no hold; on a line on which neither hold nor
    double press means anything it counts as soon as the contact is closed.
    """

    debounce_s: Annotated[float, Meta(ge=0.016, le=0.1)] = 0.02
    """So long a contact must be steady. Shorter ones are noise: electrosurgery's last up to 15 ms."""
    hold_stop_s: Annotated[float, Meta(ge=0.4, le=3.0)] = 0.8
    """A contact closed for so long is a hold."""
    double_s: Annotated[float, Meta(ge=0.2, le=1.0)] = 0.4
    """Two presses within it are a double press; where that means something, a single press waits so long for another.
    """
    stuck_s: Annotated[float, Meta(ge=2, le=60)] = 10.0
    """A contact closed for so long is stuck: a warning, and no gesture."""
    start_without_pedal: bool = False
    """true: a command may start a recording while the pedal is lost; it is then paused and stopped by commands too.
    false: such a start is refused, with the reason."""
    pedal_press: Action = "start-or-bookmark"
    pedal_double: Action = "none"
    pedal_hold: Action = "stop"
    privacy_press: Action = "pause-or-resume"
    privacy_double: Action = "none"
    privacy_hold: Action = "none"
    privacy_by: Literal["hand", "foot"] = "hand"
    """foot: the privacy line is a second pedal, so a stop on it counts as a stop by foot."""
    surgeons: list[SurgeonControls] = []


class Selftest(Struct, forbid_unknown_fields=True, frozen=True):
    """When the unit sends a planted scene through the whole path: detect, scrub, encode, seal, open, look.

    Never while something is recorded or a case is open; a press of the pedal, or any command, ends it at once.
    """

    at_boot: bool = False
    """Once after the machine was switched on or new software came, when the unit is ready. Not after a restart of the
    recorder alone."""
    hold_s: Annotated[float, Meta(ge=0, le=30)] = 5.0
    """The privacy button held for so long asks for one. 0: no button does."""


TimeOfDay = Annotated[str, Meta(pattern=r"^$|^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Percent = Annotated[int, Meta(ge=0, le=100)]


class Sounder(Struct, forbid_unknown_fields=True, frozen=True):
    """How loud the unit's tones are. A sounder that is only on or off sounds at any volume above 0."""

    volume_percent: Percent = 60
    quiet_from: TimeOfDay = ""
    """Local time, "22:00". From then until `quiet_to`, over midnight too, `quiet_volume_percent` holds."""
    quiet_to: TimeOfDay = ""
    quiet_volume_percent: Percent = 20
    warnings: Literal["always-heard", "may-be-silent"] = "always-heard"
    """always-heard: warnings and refusals are never softer than `warning_volume_percent`. may-be-silent: this site has
    decided that they are as soft as everything else, even silent."""
    warning_volume_percent: Annotated[int, Meta(ge=10, le=100)] = 40


class Mqtt(Struct, forbid_unknown_fields=True, frozen=True):
    """The way to the fleet manager. An empty host: nothing is told to one, and `scrubcam run` says so."""

    host: str = ""
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    tls: bool = True
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    username: str = ""
    password_file: str = ""
    health_interval_s: Annotated[float, Meta(ge=1, le=300)] = 5.0


class Timestamps(Struct, forbid_unknown_fields=True, frozen=True):
    """An authority that says when a recording existed (RFC 3161). The agent asks it for each start and each end."""

    url: str = ""
    """http:// or https://. Empty: nothing is asked. Without a network the requests wait."""
    ca_file: str = ""
    """PEM file of the certificates that the authority's https server is checked against; empty: the system's."""
    timeout_s: Annotated[float, Meta(ge=1, le=120)] = 15.0


class Audit(Struct, forbid_unknown_fields=True, frozen=True):
    """The hospital's audit collector (syslog over TLS), to which the agent tells every line of the audit log.

    There is no way without TLS. While the collector is away, the lines wait in the device's own log.
    """

    host: str = ""
    """As in the collector's certificate. Empty: nothing is told."""
    port: Annotated[int, Meta(ge=1, le=65535)] = 6514
    ca_file: str = ""
    """PEM file with the authority that signed the collector's certificate."""
    cert_file: str = ""
    """PEM file with the device's certificate for the collector, and its issuers. With it goes `key_file`."""
    key_file: str = ""
    goodbye: Literal["required", "absent"] = "required"
    """absent: this collector's TLS ends without close_notify (rsyslog's gtls driver); then the end of the connection,
    without a reset, must do as its word that it has read everything."""
    alert_after_s: Annotated[float, Meta(ge=1, le=604800)] = 3600.0
    """A collector that has taken nothing for so long, with lines waiting, is an alert."""


class PurposeRule(Struct, forbid_unknown_fields=True, frozen=True):
    """What the site asks of the cases of one class of purpose, beyond what every case must say."""

    name: Literal["clinical", "education", "quality", "public-media"]
    allowed: bool = True
    audio: bool = True
    stills: bool = True
    most_retention_days: Annotated[int, Meta(ge=0, le=36500)] = 0
    """0: no bound."""
    second_signature: bool = False
    """The case must name somebody else who signed too."""
    evidence_kinds: list[Literal["written", "electronic", "spoken"]] = []
    """Empty: any."""


class Policy(Struct, forbid_unknown_fields=True, frozen=True):
    """The site's rules for consent beyond what every case must say (see consent.md), and what is never recorded.

    Write each class of purpose that has rules of its own as a table, `[[policy.purposes]]`.
    """

    audio: Literal["by-consent", "never"] = "by-consent"
    on_refusal: Literal["stop", "blank"] = "stop"
    """When consent is refused during a recording: stop it, or fill and mute everything from then on. Withdrawn always
    stops and erases."""
    required: list[Literal["procedure", "evidence_kind", "second_signature", "patient_ref"]] = []
    """What every case must say too."""
    never_procedures: list[PolicyName] = []
    """Types of procedure that are never recorded; every case must then say its type."""
    never_rooms: list[PolicyName] = []
    """Rooms in which nothing is recorded; `device.room` must then be set."""
    moments: list[PolicyName] = []
    """Moments that are never recorded: between the commands enter and leave everything is filled and mute."""
    first_moments: list[PolicyName] = []
    """Those of `moments` in which every case begins, e.g. "before time-out": no start until they are left."""
    purposes: list[PurposeRule] = []


class Config(Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of scrubcam.toml."""

    device: Device = Device()
    paths: Paths = Paths()
    source: Source = Source()
    encode: Encode = Encode()
    sound: Sound = Sound()
    detect: Detect = Detect()
    kernels: Kernels = Kernels()
    fill: Fill = Fill()
    zones: Zones = Zones()
    recorder: Recorder = Recorder()
    retention: Retention = Retention()
    access: Access = Access()
    board: Board = Board()
    power: Power = Power()
    controls: Controls = Controls()
    sounder: Sounder = Sounder()
    selftest: Selftest = Selftest()
    policy: Policy = Policy()
    mqtt: Mqtt = Mqtt()
    timestamps: Timestamps = Timestamps()
    audit: Audit = Audit()

    @property
    def agent_wanted(self) -> bool:
        """Whether anybody is configured whom the agent speaks to."""
        return bool(self.mqtt.host or self.timestamps.url or self.audit.host)


def json_schema() -> dict[str, object]:
    """JSON Schema of the configuration, made from the types above."""
    return msgspec.json.schema(Config)

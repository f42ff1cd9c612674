"""What the state machine speaks: its state, the events it takes and the effects it asks for. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from firmware.config import Action, Policy
from firmware.messages import Command, Consent, RecorderState
from hw.ports import ToneName

SECOND = 1_000_000_000
Did = Literal[
    "started", "bookmark", "stopped", "cancelled", "paused", "resumed", "moment-left", "retried", "refused", "nothing",
]
"""What a press did. cancelled: a start of which nothing was recorded yet; retried: the unit looks again whether the
fault is gone."""
Scalar = str | int | float | bool
NO_CONSENT = Consent()
NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Rules:
    """Deadlines and windows; `sound_configured` is the configuration's word on sound, `room` where this unit stands,
    `surgeons` are those with a mapping of their own."""

    sound_configured: bool = False
    policy: Policy = NO_POLICY
    room: str = ""
    surgeons: frozenset[str] = frozenset()
    path_test_at_boot: bool = False
    light_stale_ns: int = 3 * SECOND // 2
    boot_ns: int = 5 * SECOND
    selftest_ns: int = 15 * SECOND
    path_test_ns: int = 65 * SECOND
    """Of the whole path; it gives up by itself 5 s before."""
    recovering_ns: int = 120 * SECOND
    starting_ns: int = 8 * SECOND
    interrupted_ns: int = 20 * SECOND
    stopping_ns: int = 10 * SECOND
    updating_ns: int = 900 * SECOND
    fault_retry_ns: int = 30 * SECOND
    shutdown_ns: int = 5 * SECOND
    restart_window_ns: int = 60 * SECOND
    restart_waits_ns: tuple[int, ...] = (0, 0, SECOND, 3 * SECOND, 8 * SECOND)
    """Wait before each restart within the window; as many restarts as entries, then no more."""
    source_retry_ns: int = 3 * SECOND
    """Wait while the source itself is away (a cable): not counted as a death of the pipeline, bounded by the window."""
    slow_retry_ns: int = 10 * SECOND
    refusal_shown_ns: int = 10 * SECOND


@dataclass(frozen=True, slots=True)
class MachineState:
    """Everything the recorder decides from. `deadline_ns` 0: the exit of this state comes from outside.

    `opened` says the file of `recording_id` was asked for; `then` is where STOPPING leads; `sound_on` is what the
    running pipeline was told; `start_pipeline_at_ns` 0: no start is due; `durable_grew_ns` 0: no byte yet;
    `marked_ns`: when the last bookmark was set, 0: none; `asked_ns`: when the pedal's contact closed, or the command
    came, that the present recording began with; `surgeon`: whose mapping the controls have, "": the site's.
    `closing` is the earlier part of a recording that goes on in another file, as long as that part is being closed.
    `paused` is what the pipeline was told: by hand, because there is no consent to pictures, or it was refused while
    recording (`blanked`), or in one of the `moments` that are never recorded. `parts` are the files before that of
    `recording_id`, on other disks. While there is any id in `erasing`, STOPPING waits for the end of this erasure, not
    for the seal. `path_test` says who asked for the self-test of the whole path that runs in SELFTEST, empty for that
    of a start; `path_test_due`: one is to follow this start.
    """

    rules: Rules = Rules()
    name: RecorderState = "BOOT"
    deadline_ns: int = 0
    consent: Consent = NO_CONSENT
    unmet: tuple[str, ...] = ()
    recording_id: str = ""
    opened: bool = False
    paused: bool = True
    hand_paused: bool = False
    blanked: bool = False
    moments: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()
    erasing: frozenset[str] = frozenset()
    stop_reason: str = ""
    then: RecorderState = "READY"
    durable_bytes: int = 0
    durable_grew_ns: int = 0
    closing: str = ""
    closing_until_ns: int = 0
    pipeline_started: bool = False
    pipeline_up: bool = False
    sound_on: bool = False
    restarts: tuple[int, ...] = ()
    start_pipeline_at_ns: int = 0
    interrupted_since_ns: int = 0
    fault: str = ""
    refusal: str = ""
    refusal_until_ns: int = 0
    marked_ns: int = 0
    asked_ns: int = 0
    surgeon: str = ""
    alerts: frozenset[str] = frozenset()
    path_test: str = ""
    path_test_due: bool = False
    mains_lost: bool = False


# ---- events --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BootDone:
    """The process is up; self-test comes next."""


@dataclass(frozen=True, slots=True)
class SelfTested:
    """`problem` is empty when all is well; otherwise "code: what"."""

    problem: str = ""


@dataclass(frozen=True, slots=True)
class PathTestAsked:
    """The button that asks for a self-test of the whole path was held long enough."""

    origin: str


@dataclass(frozen=True, slots=True)
class PathTested:
    """What the self-test of the whole path found: "passed", each check by name, and "problem" where there is one."""

    fields: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What an earlier crash left is closed; `problem` as above."""

    files: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A gesture with its meaning. `new_id` is the id a recording started by it would get; `contact_ns` is when the
    contact of `line` closed (CLOCK_MONOTONIC)."""

    action: Action
    new_id: str
    line: str = "pedal"
    contact_ns: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A command over the socket."""

    command: Command
    new_id: str


@dataclass(frozen=True, slots=True)
class ConditionsChanged:
    """All start conditions that do not hold, as sentences."""

    unmet: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Durable:
    """So many bytes of this recording have reached the disk."""

    recording_id: str
    total_bytes: int


@dataclass(frozen=True, slots=True)
class PipelineUp:
    """The first picture of a newly started pipeline came."""


@dataclass(frozen=True, slots=True)
class PipelineDown:
    """The pipeline is gone. `code` is "finished" when its source ended, an error code otherwise."""

    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Alerted:
    """Something to tell a person while all goes on: pipeline alerts, pedal lost, pedal stuck, disk stalled."""

    code: str
    text: str = ""
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class WriterFault:
    """The recording can no longer be kept on its disk. `next_id`: what it goes on as, where another disk is ready."""

    recording_id: str
    text: str
    next_id: str = ""


@dataclass(frozen=True, slots=True)
class DiskLow:
    """The disk reached its floor: stop while sealing is still possible. `next_id` as above."""

    recording_id: str
    next_id: str = ""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The file is closed, signed and on the disk."""

    recording_id: str
    total_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Erased:
    """The erasure that was asked for is done, or stopped at `problem` and goes on at the next recovery."""

    recording_ids: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MainsLost:
    """The supply says that it lives on what it has stored."""


@dataclass(frozen=True, slots=True)
class HoldUpEnding:
    """The mains are still gone; what is left of the hold-up time is needed to close a recording."""


@dataclass(frozen=True, slots=True)
class MainsBack:
    """The mains are there again, and have been for a while."""


@dataclass(frozen=True, slots=True)
class UpdateBegun:
    """The updater asks for the device."""


@dataclass(frozen=True, slots=True)
class UpdateEnded:
    """The updater is done, one way or the other."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    """The process was told to end."""


MachineEvent = (
    PathTestAsked | PathTested
    | BootDone | SelfTested | Recovered | Pressed | Asked | ConditionsChanged | Durable | PipelineUp | PipelineDown
    | Alerted | WriterFault | DiskLow | Sealed | Erased | MainsLost | HoldUpEnding | MainsBack | UpdateBegun
    | UpdateEnded | Tick | ShutdownAsked
)


# ---- effects -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunSelfTest:
    """Check keys and directories, then report SelfTested."""


@dataclass(frozen=True, slots=True)
class RunPathTest:
    """Send the planted scene through the whole path in a process of its own, then report PathTested."""


@dataclass(frozen=True, slots=True)
class StopPathTest:
    """End that process at once; no PathTested counts any more."""


@dataclass(frozen=True, slots=True)
class RunRecovery:
    """Close what an earlier crash left, then report Recovered."""


@dataclass(frozen=True, slots=True)
class StartPipeline:
    """Start (or, if one runs, replace) the pipeline. `paused`: it is told to fill before its first frame."""

    sound_allowed: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class KillPipeline:
    """End the pipeline at once; no PipelineDown follows."""


@dataclass(frozen=True, slots=True)
class PausePipeline:
    """Fill every frame from now on, or stop doing so."""

    on: bool


@dataclass(frozen=True, slots=True)
class OpenRecording:
    """Create the file and commit the pre-roll: the only effect that brings pictures to a disk."""

    recording_id: str


@dataclass(frozen=True, slots=True)
class SealRecording:
    """Take no more fragments; write the ending, sign, sync, report Sealed."""

    recording_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ContinueRecording:
    """Go on at once in a new file on another disk, from what is not known to be on this one.

    The file of `earlier_id` is sealed when its disk still takes that (`sealable`), else left for recovery.
    """

    earlier_id: str
    recording_id: str
    sealable: bool


@dataclass(frozen=True, slots=True)
class AbandonRecording:
    """Its writer did not answer in time: leave the file for recovery, which closes it as interrupted."""

    recording_id: str


@dataclass(frozen=True, slots=True)
class EraseRecording:
    """Write nothing more to these, drop their keys from memory, destroy the stored ones, delete the files; report
    Erased.

    More than one: the parts of one recording. `cause` is a stable word: "withdrawn", or "asked" by the verb erase.
    `role` and `origin` are those of who ordered it.
    """

    recording_ids: tuple[str, ...]
    cause: str
    role: str
    origin: str


@dataclass(frozen=True, slots=True)
class WriteConsent:
    """The consent as it is from now on, as an encrypted record in the file."""

    consent: Consent


@dataclass(frozen=True, slots=True)
class WriteBookmark:
    """A mark at `at_ns`, when it was asked for (CLOCK_MONOTONIC)."""

    origin: str
    note: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class WriteState:
    """A state change, as a record in the file."""

    state: RecorderState
    cause: str


@dataclass(frozen=True, slots=True)
class WriteGap:
    """Pictures are missing from the last fragment written to the next one; `cause` says why."""

    cause: str


@dataclass(frozen=True, slots=True)
class ClearPreroll:
    """Forget the pictures in memory."""


@dataclass(frozen=True, slots=True)
class Journal:
    """A durable, numbered event. Never with patient data."""

    kind: str
    recording_id: str = ""
    fields: dict[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a command; exactly one for each Asked."""

    command_id: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PressAnswer:
    """What a press did; exactly one for each Pressed. `reason` says why it did nothing, or was refused."""

    did: Did
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlayTone:
    tone: ToneName


@dataclass(frozen=True, slots=True)
class Exit:
    """Everything is sealed: the process may end."""


Effect = (
    RunPathTest | StopPathTest
    | RunSelfTest | RunRecovery | StartPipeline | KillPipeline | PausePipeline | OpenRecording | SealRecording
    | ContinueRecording | AbandonRecording | EraseRecording | WriteConsent | WriteBookmark | WriteState | WriteGap
    | ClearPreroll | Journal | Reply | PressAnswer | PlayTone | Exit
)

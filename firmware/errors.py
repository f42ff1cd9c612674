"""Every error a person can meet: what happened, what it means for the recording, what to do."""

from __future__ import annotations


class ScrubcamError(Exception):
    """Base of all named faults.

    `code` is a stable word for machines (MQTT, logs, tests), `exit_code` the process's exit status.
    The text shown to a person is "what. meaning Do: todo".
    """

    code = "error"
    exit_code = 1

    def __init__(self, what: str, *, meaning: str = "", todo: str = "") -> None:
        self.what, self.meaning, self.todo = what, meaning, todo
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what.rstrip(".") + "."]
        if self.meaning:
            parts.append(self.meaning.rstrip(".") + ".")
        if self.todo:
            parts.append("Do: " + self.todo.rstrip(".") + ".")
        return " ".join(parts)


class ConfigError(ScrubcamError):
    """The configuration has an unknown key, a wrong unit or an impossible value."""

    code, exit_code = "config", 3


class SourceMissing(ScrubcamError):
    """The device, file or address to record from is not there."""

    code, exit_code = "source-missing", 4


class MediaUnreadable(ScrubcamError):
    """The source is there but cannot be read: zero length, truncated, unknown container or codec."""

    code, exit_code = "media-unreadable", 5


class NoVideo(ScrubcamError):
    """The source holds no picture."""

    code, exit_code = "no-video", 6


class FormatChanged(ScrubcamError):
    """The source changed its resolution or format in mid-stream."""

    code, exit_code = "format-changed", 7


class DiskFault(ScrubcamError):
    """The recording disk is full, read-only, gone or failing."""

    code, exit_code = "disk", 8


class KeyFault(ScrubcamError):
    """A key is missing, malformed, or does not open this recording."""

    code, exit_code = "key", 9


class DamagedRecording(ScrubcamError):
    """A sealed file was altered, cut or spliced, or is not a recording at all."""

    code, exit_code = "damaged", 10


class UnsupportedRecording(DamagedRecording):
    """A sealed file needs a newer scrubcam: another format version, or a record that must not be skipped."""

    code, exit_code = "unsupported", 18


class BrokerFault(ScrubcamError):
    """The MQTT broker is away or refuses."""

    code, exit_code = "broker", 11


class CollectorFault(ScrubcamError):
    """The audit collector is away, is not the one it should be, or refuses."""

    code, exit_code = "collector", 21


class Refused(ScrubcamError):
    """A start was refused; `what` names the unmet condition."""

    code, exit_code = "refused", 12


class PartMissing(ScrubcamError):
    """A configured encoder, detector, model or vendor library is not installed. Never replaced silently."""

    code, exit_code = "part-missing", 13


class PipelineDied(ScrubcamError):
    """The pipeline process ended or stopped answering."""

    code, exit_code = "pipeline-died", 14


class SourceLost(ScrubcamError):
    """A live source stopped delivering pictures."""

    code, exit_code = "source-lost", 15


class InterruptedRecording(ScrubcamError):
    """A sealed file is intact as far as it goes but was never closed (power cut, crash)."""

    code, exit_code = "interrupted", 16


class TimestampFault(ScrubcamError):
    """The timestamp authority is away or refuses, or what it sent is not a timestamp of this recording."""

    code, exit_code = "timestamp", 19


ALL_ERRORS: tuple[type[ScrubcamError], ...] = (
    ConfigError, SourceMissing, MediaUnreadable, NoVideo, FormatChanged, DiskFault, KeyFault, DamagedRecording,
    BrokerFault, Refused, PartMissing, PipelineDied, SourceLost, InterruptedRecording, UnsupportedRecording,
    TimestampFault, CollectorFault,
)


def error_from_code(code: str, what: str, meaning: str = "", todo: str = "") -> ScrubcamError:
    """The error class for `code`, rebuilt on this side of a process border; the base class when unknown."""
    cls = next((c for c in ALL_ERRORS if c.code == code), ScrubcamError)
    return cls(what, meaning=meaning, todo=todo)

"""Which DICOM audit event each kind of journal line is: one table. Pure data; docs/audit.md shows it.

Codes: DICOM PS3.16 CID 400, 401 and 402, used as PS3.15 A.5.3 says. Every message also carries the line's own kind in
our coding scheme, so that nothing is lost in what the standard has no word for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["C", "R", "U", "D", "E"]
Outcome = Literal[0, 4, 8, 12]
"""EventOutcomeIndicator: success or unknown, minor failure, serious failure, major failure (the unit cannot work)."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded value: code, coding scheme, meaning."""

    value: str
    scheme: str
    meaning: str


def dcm(value: str, meaning: str) -> Code:
    """A code of the standard itself."""
    return Code(value, "DCM", meaning)


OWN_SCHEME = "99SCRUBCAM"

ACTIVITY = dcm("110100", "Application Activity")
LOG_USED = dcm("110101", "Audit Log Used")
INSTANCES = dcm("110103", "DICOM Instances Accessed")
STUDY_DELETED = dcm("110105", "DICOM Study Deleted")
EXPORT = dcm("110106", "Export")
SECURITY = dcm("110113", "Security Alert")
AUTHENTICATION = dcm("110114", "User Authentication")

APPLICATION_START = dcm("110120", "Application Start")
APPLICATION_STOP = dcm("110121", "Application Stop")
LOGIN = dcm("110122", "Login")
SECURITY_CONFIGURATION = dcm("110129", "Security Configuration")
SOFTWARE_CONFIGURATION = dcm("110131", "Software Configuration")
RESTRICTED_FUNCTION = dcm("110132", "Use of Restricted Function")
OBJECT_SECURITY = dcm("110135", "Object Security Attributes Changed")
USER_SECURITY = dcm("110137", "User security Attributes Changed")

APPLICATION_ROLE = dcm("110150", "Application")
URI = Code("12", "RFC-3881", "URI")
RECORDING = Code("recording", OWN_SCHEME, "Sealed recording")
LINE = Code("line", OWN_SCHEME, "Line of the device's audit log")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a kind of line is told as. `life_cycle`: ParticipantObjectDataLifeCycle of the recording, where one fits."""

    event: Code
    action: Action
    type: Code | None = None
    outcome: Outcome = 0
    life_cycle: Literal["", "1", "3", "4", "10", "14", "15"] = ""


_CHANGED = Meaning(INSTANCES, "U", life_cycle="3")

MEANINGS: dict[str, Meaning] = {
    "boot": Meaning(ACTIVITY, "E", APPLICATION_START),
    "shutdown": Meaning(ACTIVITY, "E", APPLICATION_STOP),
    "pipeline-down": Meaning(ACTIVITY, "E", APPLICATION_STOP, 8),
    "fault": Meaning(ACTIVITY, "E", outcome=12),
    "alert": Meaning(ACTIVITY, "E", outcome=4),
    "alert-cleared": Meaning(ACTIVITY, "E"),
    "clock": Meaning(ACTIVITY, "E"),
    "asked": Meaning(ACTIVITY, "E"),
    "pressed": Meaning(ACTIVITY, "E"),
    "selftest-begun": Meaning(ACTIVITY, "E"),
    "selftest": Meaning(ACTIVITY, "E"),
    "selftest-stopped": Meaning(ACTIVITY, "E"),
    "surgeon": Meaning(ACTIVITY, "E"),
    "login": Meaning(AUTHENTICATION, "E", LOGIN),
    "login-failed": Meaning(AUTHENTICATION, "E", LOGIN, 4),
    "login-changed": Meaning(SECURITY, "E", USER_SECURITY),
    "denied": Meaning(SECURITY, "E", RESTRICTED_FUNCTION, 4),
    "key-used": Meaning(SECURITY, "E", RESTRICTED_FUNCTION),
    "field-zone": Meaning(SECURITY, "E", RESTRICTED_FUNCTION),
    "zones-approved": Meaning(SECURITY, "E", SECURITY_CONFIGURATION),
    "clock-step": Meaning(SECURITY, "E", SECURITY_CONFIGURATION),
    "consent": Meaning(SECURITY, "E", OBJECT_SECURITY),
    "configuration-changed": Meaning(SECURITY, "E", SOFTWARE_CONFIGURATION),
    "software-changed": Meaning(SECURITY, "E", SOFTWARE_CONFIGURATION),
    "update-begun": Meaning(SECURITY, "E", SOFTWARE_CONFIGURATION),
    "update-ended": Meaning(SECURITY, "E", SOFTWARE_CONFIGURATION),
    "update-refused": Meaning(SECURITY, "E", SOFTWARE_CONFIGURATION, 4),
    "unreadable-line": Meaning(SECURITY, "E", outcome=8),
    "log-read": Meaning(LOG_USED, "R"),
    "refused": Meaning(INSTANCES, "C", outcome=4),
    "started": Meaning(INSTANCES, "C", life_cycle="1"),
    "continues": Meaning(INSTANCES, "C", life_cycle="1"),
    "continued": _CHANGED,
    "bookmark": _CHANGED,
    "paused": _CHANGED,
    "resumed": _CHANGED,
    "moment-entered": _CHANGED,
    "moment-left": _CHANGED,
    "stopped": _CHANGED,
    "sealed": _CHANGED,
    "recovered": _CHANGED,
    "abandoned": Meaning(INSTANCES, "U", outcome=8, life_cycle="3"),
    "timestamped": Meaning(INSTANCES, "U", life_cycle="4"),
    "handed-over": Meaning(EXPORT, "R", life_cycle="10"),
    "held": Meaning(SECURITY, "E", OBJECT_SECURITY),
    "released": Meaning(SECURITY, "E", OBJECT_SECURITY),
    "copy-changed": Meaning(EXPORT, "R", outcome=8),
    "deleting": Meaning(STUDY_DELETED, "D"),
    "deleted": Meaning(STUDY_DELETED, "D", life_cycle="14"),
    "erase-asked": Meaning(STUDY_DELETED, "D"),
    "erased": Meaning(STUDY_DELETED, "D", life_cycle="15"),
    "erase-failed": Meaning(STUDY_DELETED, "D", outcome=8),
}

UNKNOWN = Meaning(ACTIVITY, "E")
"""A kind that is not in the table (a newer recorder's, for one): told all the same, under its own name. Outcome 0 is
the standard's own value for "unknown"."""


def meaning_of(kind: str) -> Meaning:
    """What a line of this kind is told as."""
    return MEANINGS.get(kind, UNKNOWN)

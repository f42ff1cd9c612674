"""Audit messages as syslog: the header of RFC 5424 as DICOM PS3.15 A.6 wants it, and RFC 5425's framing. Pure."""

from __future__ import annotations

from firmware.audit.dicom import audit_message, outcome_of, when
from firmware.messages import Event

_FACILITY = 10  # security and authorization messages
_SEVERITY = {0: 5, 4: 4, 8: 3, 12: 2}
"""PS3.15 A.6: 5 (notice) for most; a failure is a warning, an error or critical."""
_BOM = b"\xef\xbb\xbf"


def syslog_message(event: Event, device: str) -> bytes:
    """SYSLOG-MSG of RFC 5424 for one line of the journal: no PROCID, no structured data, UTF-8 with its BOM."""
    priority = _FACILITY * 8 + _SEVERITY[outcome_of(event)]
    header = f"<{priority}>1 {when(event.unix_s)} {device} scrubcam - DICOM+RFC3881 - "
    return header.encode("ascii") + _BOM + audit_message(event, device)


def frame(message: bytes) -> bytes:
    """SYSLOG-FRAME of RFC 5425, 4.3: the length in octets, a space, the message."""
    return b"%d %s" % (len(message), message)

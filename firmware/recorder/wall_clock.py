"""What this machine's wall clock is worth now: read from the kernel, for a recording's header and the audit log."""

from __future__ import annotations

import ctypes
import os
import time

from firmware.vault.format import ClockInfo

_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux; `modes` 0 at its begin asks only
_STATUS_AT = 40
_HCTOSYS = "/sys/class/rtc/rtc0/hctosys"
_TIMESYNC = "/run/systemd/timesync/synchronized"


def wall_clock() -> ClockInfo:
    """Source, whether the clock is synchronised, and the local offset from UTC.

    The kernel knows whether (adjtimex, man 2 adjtimex). Where it may not be asked, as in the unit's sandbox
    (ProtectClock), systemd-timesyncd's word counts; without either the source is unknown.
    """
    return judged(_synchronised(), os.path.exists(_TIMESYNC), _set_from_rtc(), time.localtime().tm_gmtoff)


def judged(kernel: bool | None, timesyncd: bool, from_rtc: bool, utc_offset_s: int) -> ClockInfo:
    """What the clock is worth. `kernel`: its word on whether it is synchronised, None where it gives none. Pure."""
    if kernel is None:
        return ClockInfo("ntp" if timesyncd else "unknown", timesyncd, utc_offset_s)
    return ClockInfo("ntp" if kernel else "rtc" if from_rtc else "unknown", kernel, utc_offset_s)


def _synchronised() -> bool | None:
    """The kernel's word; None where it gives none."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        return None
    return not ctypes.c_int.from_buffer(timex, _STATUS_AT).value & _STA_UNSYNC


def _set_from_rtc() -> bool:
    try:
        with open(_HCTOSYS, encoding="ascii") as file:
            return file.read().strip() == "1"
    except OSError:
        return False

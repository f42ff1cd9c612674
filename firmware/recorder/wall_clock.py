"""What this machine's wall clock is worth now: read from the kernel, for a recording's header."""

from __future__ import annotations

import ctypes
import time

from firmware.vault.format import ClockInfo

_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux; `modes` 0 at its begin asks only
_STATUS_AT = 40
_HCTOSYS = "/sys/class/rtc/rtc0/hctosys"


def wall_clock() -> ClockInfo:
    """Source, whether the kernel calls it synchronised (adjtimex, man 2 adjtimex), and the local offset from UTC."""
    synchronised = _synchronised()
    source = "ntp" if synchronised else "rtc" if _set_from_rtc() else "unknown"
    return ClockInfo(source, synchronised, time.localtime().tm_gmtoff)


def _synchronised() -> bool:
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)
    if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
        return False
    return not ctypes.c_int.from_buffer(timex, _STATUS_AT).value & _STA_UNSYNC


def _set_from_rtc() -> bool:
    try:
        with open(_HCTOSYS, encoding="ascii") as file:
            return file.read().strip() == "1"
    except OSError:
        return False

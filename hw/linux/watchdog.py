"""The hardware watchdog: /dev/watchdogN of Linux (docs.kernel.org/watchdog/watchdog-api.html). Why it is fed: not here.

Opening it starts the timer; from then on the machine is reset when it is not fed in time. A process that ends without
`close` leaves the timer running, on purpose. A driver with `nowayout` cannot be stopped at all.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from firmware.errors import PartMissing

# linux/watchdog.h: _IOR('W', 0, struct watchdog_info), then _IOR, _IOWR, _IOR of an int
GETSUPPORT, KEEPALIVE, SETTIMEOUT, GETTIMEOUT = 0x80285700, 0x80045705, 0xC0045706, 0x80045707
INFO = struct.Struct("=II32s")  # options, firmware version, identity
CAN_SET_TIMEOUT = 0x0080
_MEANING = "power.hardware_watchdog is asked for, so nothing was started"
_LESS = "set power.watchdog_timeout_s to what it can, or use another one"
_TAKEN = ("systemd takes it with RuntimeWatchdogSec=: set that to off, or give systemd another one with"
          " WatchdogDevice=")
_WHY = {
    errno.ENOENT: ("is not there", "load the watchdog's driver, or name the right device in the board definition"),
    errno.EBUSY: ("is in use by another program", _TAKEN),
    errno.EACCES: ("may not be opened by this user", "install deploy/60-scrubcam.rules, then: udevadm trigger"),
    errno.EPERM: ("may not be opened by this user", "name it in the unit's DeviceAllow="),
}


class LinuxWatchdog:
    """hw.ports.Watchdog over one device. Raises PartMissing when it cannot be had with at least this timeout."""

    def __init__(self, device: str, timeout_s: int) -> None:
        try:
            self._handle = os.open(device, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            what, todo = _WHY.get(error.errno or 0, (f"does not open ({error.strerror})", "check the driver (dmesg)"))
            raise PartMissing(f"the watchdog {device} {what}", meaning=_MEANING, todo=todo) from None
        try:
            info, value = bytearray(INFO.size), bytearray(struct.pack("=i", timeout_s))
            fcntl.ioctl(self._handle, GETSUPPORT, info)
            options, _, identity = INFO.unpack(info)
            if options & CAN_SET_TIMEOUT:
                fcntl.ioctl(self._handle, SETTIMEOUT, value)  # it puts in what it took of it
            else:
                fcntl.ioctl(self._handle, GETTIMEOUT, value)
            granted_s = struct.unpack("=i", value)[0]
        except OSError as error:
            self.close()
            refuses = error.errno == errno.EINVAL
            raise PartMissing(
                f"the watchdog {device} does not take {timeout_s} s" if refuses else f"{device} is no watchdog",
                meaning=_MEANING, todo=_LESS if refuses else "name a watchdog in the board definition",
            ) from None
        self.identity = identity.split(b"\0")[0].decode("ascii", "replace")
        if granted_s < timeout_s:
            self.close()
            raise PartMissing(f"the watchdog {device} ({self.identity}) grants {granted_s} s of {timeout_s} s",
                              meaning=_MEANING, todo=_LESS)

    def feed(self) -> None:
        """Raises OSError when the device does not take it: then the machine is about to be reset."""
        fcntl.ioctl(self._handle, KEEPALIVE, 0)

    def close(self) -> None:
        """Stop the timer, where the driver lets that happen."""
        if self._handle >= 0:
            handle, self._handle = self._handle, -1
            try:
                os.write(handle, b"V")
            finally:
                os.close(handle)

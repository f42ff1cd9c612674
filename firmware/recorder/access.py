"""Logins at the recorder's socket, their changes, approval of field zones, holds. Runs on the connections' threads."""

from __future__ import annotations

import threading
from collections.abc import Callable

from firmware import roles
from firmware.config import Zones
from firmware.errors import ScrubcamError
from firmware.messages import ApproveZones, Hold, Login, Role, SetLogin
from firmware.recorder import zone_approval
from firmware.recorder.holds import Holds
from firmware.recorder.logins import Logins, Waits
from firmware.recorder.machine_types import Scalar
from firmware.vault.device_key import DeviceKey
from hw.ports import Clock

Note = Callable[[str, str, dict[str, Scalar]], None]


class Access:
    """What the socket asks about roles, and the loop about field zones."""

    def __init__(
        self, state_dir: str, zones: Zones, device: Callable[[], DeviceKey | None], clock: Clock, note: Note,
        logins: Logins | None = None, holds: Holds | None = None,
    ) -> None:
        self._state_dir, self._zones, self._device, self._clock, self._note = state_dir, zones, device, clock, note
        self._logins, self._waits, self._holds = logins or Logins(state_dir), Waits(), holds
        self._lock = threading.Lock()  # one hash at a time: guessing costs memory, and must not cost all of it
        self._approval = zone_approval.load(state_dir)

    @property
    def zones_problem(self) -> str:
        """Why the configured field zones may not be used, or empty. Reads no file."""
        return zone_approval.problem(self._approval, self._zones, self._device())

    def denied(self, who: str, action: roles.Action) -> None:
        """Somebody asked for what their role may not do."""
        self._note("denied", "", {"action": action, "origin": who})

    def log_read(self, who: str) -> None:
        """Somebody reads the audit log; once for each connection, not for each page."""
        self._note("log-read", "", {"origin": who})

    def log_in(self, asked: Login, uid: int) -> tuple[Role | None, str]:
        """(role, "") or (None, why not). Waits for the hash, never for the back-off."""
        with self._lock:
            left_s = self._waits.left_s(asked.name, self._clock.monotonic_ns())
            if left_s > 0:
                return None, f"login: too many failures for {asked.name}; wait {left_s:.0f} s"
            try:
                role = self._logins.role_of(asked.name, asked.passphrase)
            except ScrubcamError as fault:
                return None, f"login: {fault.what}"
            if role is None:
                self._waits.failed(asked.name, self._clock.monotonic_ns())
                # A name that is none may be a passphrase typed into the wrong field.
                known = asked.name in self._logins.roles()
                self._note("login-failed", "", {"name": asked.name if known else "unknown", "uid": uid})
                return None, "login: wrong name or passphrase"
            self._waits.succeeded(asked.name)
        self._note("login", "", {"origin": asked.name, "role": role, "uid": uid})
        return role, ""

    def may_set_login(self, role: Role) -> str:
        """What stands against it: the table; only the very first login may be made by the device's own user."""
        try:
            first = not self._logins.roles()
        except ScrubcamError as fault:
            return f"login: {fault.what}"
        return "" if first and role == "operator" else roles.refusal(role, "set-login")

    def set_login(self, asked: SetLogin, who: str) -> str:
        """What stood against it, or empty."""
        try:
            problem = self._logins.set(asked.name, asked.role, asked.passphrase)
        except ScrubcamError as fault:
            return f"login: {fault.what}"
        if not problem:
            self._note("login-changed", "", {"name": asked.name, "role": asked.role or "removed", "origin": who})
        return f"login: {problem}" if problem else ""

    def approve_zones(self, asked: ApproveZones, who: str) -> str:
        """What stood against it, or empty."""
        device = self._device()
        if not self._zones.field:
            return "zones: the device runs without field zones"
        if device is None:
            return "zones: the device has no key to sign the approval with"
        if asked.sha256 != zone_approval.zones_hash(self._zones):
            return "zones: the device runs with other field zones; restart it with the configuration you looked at"
        try:
            zone_approval.approve(self._state_dir, self._zones, device, who, self._clock.unix_s())
        except ScrubcamError as fault:
            return f"zones: {fault.what}"
        self._approval = zone_approval.load(self._state_dir)
        self._note("zones-approved", "", {"sha256": asked.sha256, "origin": who})
        return self.zones_problem

    def hold(self, asked: Hold, who: str) -> str:
        """What stood against it, or empty."""
        return self._holds.ask(asked, who) if self._holds is not None else "hold: there are no recordings here"

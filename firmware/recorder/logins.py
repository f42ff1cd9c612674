"""The device's logins: name, role and passphrase hash in one file; and how long a name must wait after failures."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from collections import OrderedDict
from typing import get_args

import msgspec
from msgspec import Struct

from firmware.durable import write_durably
from firmware.errors import DiskFault
from firmware.json_data import decode_json
from firmware.messages import LoginRole

FILE_NAME = "logins.json"
COST_N = 2**15
"""With r = 8 and p = 3: 32 MiB and about a quarter of a second for each guess (OWASP Password Storage, scrypt)."""
MOST_COST_N = 2**17
"""A damaged file must not ask for more memory than the device has."""
MIN_PASSPHRASE = 15
FREE_TRIES = 3
MOST_WAIT_S = 60.0
MOST_NAMES = 1000


class _Login(Struct, frozen=True, forbid_unknown_fields=True):
    role: LoginRole
    n: int
    salt: bytes
    hash: bytes

    def __post_init__(self) -> None:
        if not 2 <= self.n <= MOST_COST_N or self.n & (self.n - 1):
            raise ValueError(f"a login's scrypt cost is {self.n}, no power of two up to {MOST_COST_N}")


class Logins:
    """The file `logins.json` (0600) in the state folder. May be used from several threads.

    A file that cannot be read is a fault, never an empty one: else deleting it half would open the device again.
    """

    def __init__(self, state_dir: str, cost_n: int = COST_N) -> None:
        self._path, self._cost_n = os.path.join(state_dir, FILE_NAME), cost_n
        self._lock = threading.Lock()

    def role_of(self, name: str, passphrase: str) -> LoginRole | None:
        """The role, or None when name or passphrase are wrong; both take the same time. Raises DiskFault."""
        with self._lock:
            login = self._read().get(name)
            known = login or _Login("operator", self._cost_n, b"\0" * 16, b"")
            right = hmac.compare_digest(_hash(passphrase, known.salt, known.n), known.hash)
        return login.role if login is not None and right else None

    def roles(self) -> dict[str, LoginRole]:
        """Every login's role, by name. Raises DiskFault."""
        with self._lock:
            return {name: login.role for name, login in sorted(self._read().items())}

    def set(self, name: str, role: LoginRole | None, passphrase: str) -> str:
        """Make, change or (role None) remove a login; what stands against it, or empty. Raises DiskFault."""
        with self._lock:
            logins = self._read()
            if role is None and name not in logins:
                return f"there is no login {name}"
            if role is not None and len(passphrase) < MIN_PASSPHRASE:
                return f"a passphrase has at least {MIN_PASSPHRASE} characters"
            if role is None:
                del logins[name]
            else:
                salt = secrets.token_bytes(16)
                logins[name] = _Login(role, self._cost_n, salt, _hash(passphrase, salt, self._cost_n))
            if not any(login.role == "administrator" for login in logins.values()):
                return "the first login must be an administrator's, and one must remain"
            write_durably(self._path, msgspec.json.encode(logins))
        return ""

    def _read(self) -> dict[str, _Login]:
        try:
            with open(self._path, "rb") as file:
                return decode_json(file.read(), dict[str, _Login])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise DiskFault(f"the logins {self._path} cannot be read ({error})", meaning="Nobody can log in",
                            todo="restore the file, or delete it and begin with a new administrator") from error


def _hash(passphrase: str, salt: bytes, n: int) -> bytes:
    room = 256 * n * 8 + (1 << 16)  # twice the table, and what comes beside it: that is most where n is small
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=8, p=3, maxmem=room, dklen=32)


class Waits:
    """How long each name must wait for its next try. Pure; not for several threads at once."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def left_s(self, name: str, now_ns: int) -> float:
        """Seconds until the next try is looked at; 0: now."""
        _, until_ns = self._failed.get(name, (0, now_ns))
        return max(0, until_ns - now_ns) / 1e9

    def failed(self, name: str, now_ns: int) -> None:
        """One more failure. The names tried longest ago are forgotten beyond a bound."""
        failures = self._failed.get(name, (0, 0))[0] + 1
        wait_s = min(MOST_WAIT_S, 2.0 ** min(failures - FREE_TRIES, 30)) if failures >= FREE_TRIES else 0.0
        self._failed[name] = (failures, now_ns + round(wait_s * 1e9))
        self._failed.move_to_end(name)
        while len(self._failed) > MOST_NAMES:
            self._failed.popitem(last=False)

    def succeeded(self, name: str) -> None:
        self._failed.pop(name, None)


LOGIN_ROLES: tuple[LoginRole, ...] = get_args(LoginRole)

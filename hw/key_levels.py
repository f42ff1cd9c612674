"""From the key events of an input device to contact levels, for a poller that may come late. Pure: no clock, no device.

A change is shown at the first poll after it, but never before the one ahead of it was shown for as long as it lasted.
So a press that began and ended between two polls is seen, with its true length, and a glitch stays a glitch. Only the
rest between two presses is shortened, so that what came late is caught up with.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

LATE_NS = 2_000_000_000
"""A change that waited longer is not played out: a press so old must not start or stop anything any more."""
REST_NS = 50_000_000
"""The least rest that is shown between two presses, if there was as much: enough for any debouncer."""
SLACK_NS = 10_000_000
"""A change shown this much after it was due only waited for its poll: what follows does not shift with it."""
MAX_WAITING = 256
"""Changes of one role that may wait; beyond that only the present level counts."""
RELEASED, PRESSED = 0, 1  # value of a key event; 2 is autorepeat
KERNELS_OWN = 1  # value of a SYN_REPORT that ends a packet which the device did not send


@dataclass(slots=True)
class _Role:
    """`level` is shown since `shown_ns` (poller's time); it was made at `made_ns` (device's time)."""

    level: bool = False
    shown_ns: int = 0
    made_ns: int = 0
    waiting: deque[tuple[bool, int]] = field(default_factory=deque)

    @property
    def newest(self) -> bool:
        return self.waiting[-1][0] if self.waiting else self.level

    def advance(self, now_ns: int) -> None:
        """Take the next change if it is due: a level is shown for as long as it lasted, a rest at most REST_NS.

        One change a poll, however many are due: else a train of glitches could look like one long press.
        """
        if len(self.waiting) > MAX_WAITING or (self.waiting and now_ns - self.waiting[0][1] > LATE_NS):
            self.level, self.made_ns = self.waiting[-1]
            self.shown_ns = now_ns
            self.waiting.clear()
        if not self.waiting:
            return
        due_ns = self.shown_ns + min(self.waiting[0][1] - self.made_ns, LATE_NS if self.level else REST_NS)
        if now_ns >= due_ns:
            self.level, self.made_ns = self.waiting.popleft()
            self.shown_ns = due_ns if now_ns - due_ns <= SLACK_NS else now_ns


class KeyLevels:
    """The levels of `roles` (key code -> role), from one or more sources (a pedal may be several event devices).

    A role is closed while any source holds one of its keys. Times are ns of one monotonic clock.
    """

    def __init__(self, roles: dict[int, str]) -> None:
        self._roles = dict(roles)
        self._held: set[tuple[str, int]] = set()
        self._lines = {role: _Role() for role in roles.values()}
        self._packets: dict[str, dict[int, bool]] = {}

    def begin(self, source: str, held: set[int]) -> None:
        """A source was plugged in with these keys held: they are levels, not presses."""
        self._held |= {(source, key) for key in held if key in self._roles}
        for role, line in self._lines.items():
            if not line.waiting:
                line.level = self._closed(role)

    def key(self, source: str, code: int, value: int) -> None:
        """One EV_KEY event; it counts once its packet is complete."""
        if code in self._roles and value in (RELEASED, PRESSED):
            self._packets.setdefault(source, {})[code] = value == PRESSED

    def report(self, source: str, value: int, at_ns: int) -> bool:
        """The end of a packet (SYN_REPORT and its value). False: the kernel let keys go that no foot let go.

        The kernel does that when the device is being unplugged or reset, and marks the packet (input.c,
        input_dev_release_keys). What was under way then must be forgotten.
        """
        packet = self._packets.pop(source, {})
        if value == KERNELS_OWN and not all(packet.values()):
            return False
        for code, down in packet.items():
            role = self._roles[code]
            (self._held.add if down else self._held.discard)((source, code))
            line, closed = self._lines[role], self._closed(role)
            if closed != line.newest:
                line.waiting.append((closed, at_ns))
        return True

    def read(self, now_ns: int) -> dict[str, bool]:
        """All roles; True is pressed. Every change is shown to one poll at least."""
        for line in self._lines.values():
            line.advance(now_ns)
        return {role: line.level for role, line in self._lines.items()}

    def _closed(self, role: str) -> bool:
        return any(self._roles[code] == role for _, code in self._held)

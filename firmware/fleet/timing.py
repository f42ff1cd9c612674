"""How patient the agent is, and the bounds of its queues."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds."""

    first_retry_s: float = 1.0
    most_retry_s: float = 60.0
    stable_s: float = 60.0
    """A connection that held this long starts the waits over."""
    answer_timeout_s: float = 10.0
    ack_timeout_s: float = 20.0
    """A broker that acknowledges nothing for this long is given up."""
    nobody_retry_s: float = 5.0
    """Events that the broker had nobody to give to are offered again this often."""
    goodbye_s: float = 2.0
    byte_count_every_s: float = 1.0
    """A state that differs in its byte count alone is published this often."""
    tick_s: float = 0.05
    silent_after_s: float = 15.0
    """A recorder that says nothing for this long counts as unreachable."""


MAX_IN_FLIGHT = 16
MAX_PENDING_COMMANDS = 100
MAX_ANSWERS = 200

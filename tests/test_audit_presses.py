"""What the audit log tells of presses: each with its waits, a start with that of its first sealed bytes."""

from __future__ import annotations

from firmware.audit.presses import presses
from firmware.messages import Event

MS = 1_000_000


def line(seq: int, kind: str, recording_id: str = "", **fields: str | int) -> Event:
    return Event(seq, f"id-{seq}", kind, 1_760_000_000.0 + seq, recording_id, dict(fields))


def press(seq: int, did: str, contact_ms: int, **more: str | int) -> Event:
    return line(seq, "pressed", "rec1", origin="pedal", how="press", action="start-or-bookmark", did=did,
                contact_ns=contact_ms * MS, light_ns=(contact_ms + 24) * MS, gesture_ns=(contact_ms + 150) * MS, **more)


def test_a_start_has_the_time_of_its_first_sealed_bytes_and_no_other_press_has() -> None:
    told = presses([
        press(1, "refused", 900, reason="consent: none"),
        press(2, "started", 1000, surgeon="kim"),
        line(3, "started", "rec1", asked_ns=1000 * MS, durable_ns=1310 * MS),
        press(4, "bookmark", 5000),
    ])
    assert [(one.did, one.light_ms, one.known_ms, one.disk_ms) for one in told] == [
        ("refused", 24.0, 150.0, None), ("started", 24.0, 150.0, 310.0), ("bookmark", 24.0, 150.0, None),
    ]
    assert told[0].reason == "consent: none"
    assert told[1].surgeon == "kim"


def test_a_start_that_came_to_nothing_has_no_time_on_the_disk() -> None:
    told = presses([press(1, "started", 1000), press(2, "cancelled", 1500),
                    line(3, "started", "rec2", asked_ns=9000 * MS, durable_ns=9300 * MS)])
    assert [one.disk_ms for one in told] == [None, None]


def test_a_line_of_an_older_recorder_is_shown_without_times() -> None:
    (told,) = presses([line(1, "pressed", "rec1", origin="pedal", how="press"), line(2, "started", "rec1")])
    assert (told.line, told.how, told.light_ms, told.known_ms, told.disk_ms) == ("pedal", "press", None, None, None)

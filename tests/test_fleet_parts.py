"""The fleet's pure parts and the outbox: no broker here."""

from __future__ import annotations

import json
import random
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.errors import DiskFault
from firmware.fleet import asyncapi
from firmware.fleet.backoff import Backoff
from firmware.fleet.commands import Refusal, read_command
from firmware.fleet.dedup import Dedup
from firmware.fleet.outbox import Outbox
from firmware.fleet.topics import (
    MAX_COMMAND_BYTES,
    FleetCommand,
    FleetEvent,
    encode,
    event_of,
    state_of,
)
from firmware.messages import CaseConsent, Command, Consent, Event, StateReport

ROOT = Path(__file__).resolve().parent.parent


def event(seq: int, journal: str = "a") -> Event:
    return Event(seq, f"{journal}-{seq}", "bookmark", 1.0 * seq, "rec-1", {"n": seq})


# ---- outbox --------------------------------------------------------------------------------------


def test_events_come_out_in_order_and_are_gone_when_acknowledged(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "deep" / "outbox.db", "or-1")
    assert [box.take(event(seq)) for seq in (1, 2, 3)] == ["new"] * 3
    rows = box.after(0, 10)
    assert [msgspec.json.decode(payload, type=FleetEvent) for _, payload in rows] == [
        event_of("or-1", event(seq)) for seq in (1, 2, 3)
    ]
    assert box.after(rows[0][0], 1) == [rows[1]]
    box.acknowledged(rows[1][0])
    assert (box.waiting, box.cursor) == (2, 3)
    box.acknowledged(rows[1][0])
    assert box.waiting == 2
    box.close()


def test_what_the_journal_repeats_skips_or_replaces_is_told_apart(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", "or-1")
    box.take(event(1))
    box.take(event(2))
    assert box.take(event(2)) == "known"
    assert box.take(event(4)) == "gap"
    assert (box.cursor, box.waiting) == (2, 2)
    assert box.take(event(1, "b")) == "foreign"
    assert box.take(event(4), accept_gap=True) == "new"
    box.start_over()
    assert [box.take(event(seq, "b")) for seq in (1, 2)] == ["new", "new"]
    waiting = [msgspec.json.decode(payload, type=FleetEvent).id for _, payload in box.after(0, 9)]
    assert waiting == ["a-1", "a-2", "a-4", "b-1", "b-2"]
    box.close()


def test_a_full_outbox_turns_events_away_until_there_is_room(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", "or-1", max_waiting=4)
    assert [box.take(event(seq)) for seq in range(1, 6)] == ["new"] * 4 + ["full"]
    assert box.cursor == 4
    assert not box.has_room
    for n, _ in box.after(0, 2):
        box.acknowledged(n)
    assert box.has_room
    assert box.take(event(5)) == "new"
    box.close()


@pytest.mark.parametrize("damage", ["rubbish", "torn", "another database"])
def test_a_damaged_outbox_starts_over_from_the_journal(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.db"
    box = Outbox(path, "or-1")
    for seq in range(1, 400):
        box.take(event(seq))
    box.close()
    if damage == "rubbish":
        path.write_bytes(random.Random(1).randbytes(5000))
    elif damage == "torn":
        data = bytearray(path.read_bytes())
        data[4096 : len(data) - 4096] = bytes(len(data) - 8192)
        path.write_bytes(data)
    else:
        path.unlink()
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE waiting (other TEXT)")
        db.close()
    box = Outbox(path, "or-1")
    assert (box.cursor, box.waiting) == (0, 0)
    assert box.take(event(1)) == "new"
    box.close()


def test_an_outbox_that_cannot_be_opened_or_written_is_a_disk_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskFault):
        Outbox(tmp_path / "file" / "outbox.db", "or-1")
    box = Outbox(tmp_path / "outbox.db", "or-1")
    box.close()
    with pytest.raises(DiskFault):
        box.take(event(1))


class World:
    """An honest journal, outbox and broker, of which every link and process may end between two steps."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "outbox.db"
        self.journal: list[Event] = []
        self.delivered: list[FleetEvent] = []
        self.start()

    def start(self) -> None:
        self.box, self._sent = Outbox(self._path, "or-1", max_waiting=6), 0

    def emit(self) -> None:
        self.journal.append(event(len(self.journal) + 1))

    def fetch(self) -> None:
        for item in self.journal[max(0, self.box.cursor - 1) :]:
            if self.box.take(item) == "full":
                break

    def send(self, acknowledge: bool = True) -> None:
        for n, payload in self.box.after(self._sent, 3):
            self.delivered.append(msgspec.json.decode(payload, type=FleetEvent))
            self._sent = n
            if acknowledge:
                self.box.acknowledged(n)

    def send_unacknowledged(self) -> None:
        self.send(acknowledge=False)

    def cut(self) -> None:
        self._sent = 0

    def crash(self) -> None:
        self.box.close()
        self.start()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([World.emit, World.fetch, World.send, World.send_unacknowledged, World.cut,
                                 World.crash]), max_size=40))
def test_a_reader_sees_each_event_once_through_any_crashes(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(folder)
        for step in steps:
            step(world)
        for _ in range(len(world.journal) + 1):
            world.cut()
            world.fetch()
            world.send()
        world.box.close()
    view = Dedup()
    assert [item.seq for item in world.delivered if view.accept(item)] == [item.seq for item in world.journal]


# ---- commands ------------------------------------------------------------------------------------


def read(payload: bytes, **more: Any) -> Command | Refusal | None:
    return read_command(payload, **({"retained": False, "expiry_s": None, "now_unix_s": 1000.0} | more))


verbs = st.sampled_from(["start", "stop", "bookmark", "pause", "resume"])


@given(st.text(min_size=1, max_size=64), verbs, st.text(max_size=200), st.none() | st.floats(1000.5, 1e12))
def test_a_good_command_arrives_as_it_was_sent(id: str, verb: Any, note: str, expires: float | None) -> None:
    sent = FleetCommand(id, verb, note, expires_unix_s=expires)
    assert read(encode(sent)) == Command(id, verb, origin="mqtt", note=note)


@given(st.binary(max_size=400) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["id", "verb", "note", "consent", "expires_unix_s", "x"]), inner, max_size=5),
).map(msgspec.json.encode))
def test_any_bytes_are_a_command_or_a_refusal(payload: bytes) -> None:
    got = read(payload)
    if isinstance(got, Refusal):
        assert got.reason
        assert len(got.id) <= 64
    else:
        assert isinstance(got, Command)
        assert 1 <= len(got.id) <= 64


@given(verbs, st.floats(-1e12, 1000.0))
def test_what_is_retained_expired_or_too_large_never_reaches_the_recorder(verb: Any, past: float) -> None:
    good = encode(FleetCommand("q", verb))
    late = encode(FleetCommand("q", verb, expires_unix_s=past))
    for got in (read(good, retained=True), read(good, expiry_s=0), read(late)):
        assert isinstance(got, Refusal)
        assert got.id == "q"
    assert isinstance(read(good + b" " * MAX_COMMAND_BYTES), Refusal)
    assert read(b"", retained=True) is None


def test_consent_comes_with_its_field_and_only_then() -> None:
    consent = CaseConsent("given", video=True)
    given_consent = read(encode(FleetCommand("q", "consent", consent=consent)))
    assert given_consent == Command("q", "consent", "mqtt", consent=Consent("given", video=True))
    assert isinstance(read(encode(FleetCommand("q", "consent"))), Refusal)
    assert isinstance(read(encode(FleetCommand("q", "start", consent=consent))), Refusal)
    assert read(encode(FleetCommand("q", "enter", moment="induction"))) == Command("q", "enter", "mqtt",
                                                                                   moment="induction")
    assert isinstance(read(encode(FleetCommand("q", "enter"))), Refusal)
    assert isinstance(read(encode(FleetCommand("q", "pause", moment="induction"))), Refusal)


@given(st.text(max_size=32))
def test_a_surgeon_comes_with_its_verb_and_only_then(surgeon: str) -> None:
    assert read(encode(FleetCommand("q", "surgeon", surgeon=surgeon))) == Command("q", "surgeon", "mqtt",
                                                                                  surgeon=surgeon)
    refused = read(encode(FleetCommand("q", "start", surgeon=surgeon)))
    assert isinstance(refused, Refusal) == bool(surgeon)


def test_the_link_to_the_patients_record_is_refused_and_what_was_sent_is_not_repeated() -> None:
    refused = read(json.dumps({"id": "q", "verb": "consent", "consent": {"patient_ref": "MRN 4711"}}).encode())
    assert refused == Refusal("q", "consent: the link to the patient's record (patient_ref) is taken on the unit's own"
                                   " socket only")
    name = "Erika Mustermann' - at `$"
    for wrong in ({name: 1}, {"verb": name}, {"consent": {name: 1}}, {"consent": {"purpose_class": name}},
                  {"consent": {"case_id": name}}, {"consent": {"retention_days": name}}):
        refused = read(json.dumps({"id": "q", "verb": "consent", **wrong}).encode())
        assert isinstance(refused, Refusal)
        assert "Erika" not in refused.reason


@pytest.mark.parametrize("payload", [b'{"id":' * 50_000, b"[" * 8000, b'{"id": "q", "x": ' + b"[" * 8000])
def test_deep_nesting_is_refused(payload: bytes) -> None:
    assert isinstance(read(payload), Refusal)


# ---- back-off, dedup, payloads -------------------------------------------------------------------


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 200)), max_size=60), st.integers())
def test_waits_grow_are_jittered_and_forgiven_only_after_a_stable_minute(
    rounds: list[tuple[bool, float]], seed: int
) -> None:
    backoff, now, failures = Backoff(1.0, 60.0, 60.0, random.Random(seed)), 0.0, 0
    for accepted, lasted in rounds:
        if accepted:
            backoff.connected(now)
        now += lasted
        if accepted and lasted >= 60.0 + 1e-6:
            failures = 0
        elif accepted and lasted > 60.0 - 1e-6:
            return  # at the edge rounding decides
        wait = backoff.failed(now)
        whole = min(60.0, 2.0**failures)
        assert whole / 2 <= wait <= whole
        now, failures = now + wait, failures + 1


@given(st.lists(st.integers(0, 20)))
def test_dedup_accepts_each_id_once(seqs: list[int]) -> None:
    view = Dedup()
    accepted = [seq for seq in seqs if view.accept(event_of("or-1", event(seq)))]
    assert accepted == list(dict.fromkeys(seqs))
    assert view.last_seq == max(seqs, default=0)


def test_dedup_forgets_only_the_oldest() -> None:
    view = Dedup(memory=2)
    for seq in (1, 2, 3):
        view.accept(event_of("or-1", event(seq)))
    assert not view.accept(event_of("or-1", event(3)))
    assert view.accept(event_of("or-1", event(1)))


def test_an_unreachable_recorder_never_looks_as_if_it_recorded() -> None:
    state = state_of("or-1", 5.0, None)
    assert (state.recorder, state.state, state.recording_evident) == ("unreachable", "UNKNOWN", False)
    report = StateReport("RECORDING", 4.0, "rec-1", recording_evident=True, durable_bytes=9)
    state = state_of("or-1", 5.0, report)
    assert all(getattr(state, name) == value for name, value in msgspec.structs.asdict(report).items())


# ---- AsyncAPI ------------------------------------------------------------------------------------


def test_the_committed_asyncapi_document_is_up_to_date() -> None:
    assert (ROOT / asyncapi.PATH).read_text(encoding="utf-8") == asyncapi.text(), (
        "run `python -m firmware.fleet.asyncapi`"
    )


def test_every_reference_in_the_asyncapi_document_resolves() -> None:
    document = asyncapi.document()

    def walk(value: Any) -> list[str]:
        if isinstance(value, dict):
            found = [value["$ref"]] if "$ref" in value else []
            return found + [ref for item in value.values() for ref in walk(item)]
        return [ref for item in value for ref in walk(item)] if isinstance(value, list) else []

    references = walk(document)
    assert references
    for reference in references:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    assert {"send", "receive"} == {operation["action"] for operation in document["operations"].values()}

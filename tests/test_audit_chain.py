"""The audit chain: every edit, removal, swap and cut of a line is found and named; what is whole is found whole."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.audit import chain
from firmware.audit.log_file import export_text, read_export
from firmware.messages import Event
from firmware.recorder.journal import JOURNAL_NAME, Journal
from firmware.vault.device_key import DeviceKey, signature_holds

DEVICE, STRANGER = DeviceKey.generate(), DeviceKey.generate()
LENGTH = 12


def signed(signature: bytes, data: bytes) -> bool:
    return signature_holds(DEVICE.public, signature, data)


def made(length: int, device: DeviceKey = DEVICE, start: bytes = chain.START, first: int = 1) -> list[chain.Row]:
    rows, value = [], start
    for seq in range(first, first + length):
        line = chain.line_of(Event(seq, f"id-{seq}", "alert", seq / 7, "rec", {"n": seq, "text": "ä"}, seq * 10))
        value = chain.link(value, line)
        rows.append(chain.Row(seq, line, value, device.sign(chain.signed_text(value))))
    return rows


WHOLE = made(LENGTH)
PLACE = st.integers(0, LENGTH - 1)


def found(rows: list[chain.Row], *heads: chain.Head) -> list[int]:
    return [finding.seq for finding in chain.verify(rows, signed, heads).findings]


def test_a_whole_log_is_whole_and_known_by_its_head() -> None:
    verdict = chain.verify(WHOLE, signed, [chain.Head(5, WHOLE[4].chain), chain.Head(LENGTH, WHOLE[-1].chain)])
    assert verdict.findings == []
    assert (verdict.lines, verdict.last) == (LENGTH, chain.Head(LENGTH, WHOLE[-1].chain))
    assert found([]) == []


def test_a_line_comes_back_as_the_event_that_was_chained() -> None:
    event = Event(3, "id", "started", 1.25, "rec", {"a": 1, "b": 1.5, "c": True, "d": "ö"}, 2**62)
    assert chain.event_of(chain.line_of(event), b"\1" * 32) == msgspec.structs.replace(event, chain="01" * 32)


@given(PLACE, st.integers(0), st.integers(0, 7))
def test_every_flipped_bit_of_a_line_is_found_at_that_line(place: int, at: int, bit: int) -> None:
    row = WHOLE[place]
    line = bytearray(row.line)
    line[at % len(line)] ^= 1 << bit
    rows = [*WHOLE[:place], replace(row, line=bytes(line)), *WHOLE[place + 1:]]
    assert set(found(rows)) == {row.seq}


@given(PLACE, st.integers(0, 95), st.integers(0, 7))
def test_every_flipped_bit_of_a_chain_value_or_signature_is_found(place: int, at: int, bit: int) -> None:
    row = WHOLE[place]
    kept = bytearray(row.chain + row.signature)
    kept[at] ^= 1 << bit
    rows = [*WHOLE[:place], replace(row, chain=bytes(kept[:32]), signature=bytes(kept[32:])),
            *WHOLE[place + 1:]]
    assert found(rows)[0] == row.seq


@given(PLACE, st.integers(1, LENGTH))
def test_removed_lines_are_named_and_a_cut_tail_by_the_fleets_head(place: int, count: int) -> None:
    rows = [*WHOLE[:place], *WHOLE[place + count:]]
    findings = chain.verify(rows, signed, [chain.Head(LENGTH, WHOLE[-1].chain)]).findings
    assert [finding.seq for finding in findings] == [place + 1]
    last = min(place + count, LENGTH)
    assert str(last) in findings[0].what
    assert ("at the end" in findings[0].what) == (last == LENGTH)


@given(PLACE, PLACE)
def test_swapped_lines_are_both_named(one: int, other: int) -> None:
    rows = list(WHOLE)
    rows[one], rows[other] = (replace(rows[other], seq=one + 1), replace(rows[one], seq=other + 1))
    assert {one + 1, other + 1} <= set(found(rows)) if one != other else not found(rows)


@given(st.lists(PLACE, min_size=1, max_size=2 * LENGTH))
def test_any_other_choice_or_order_of_true_lines_is_not_whole(places: list[int]) -> None:
    rows = [WHOLE[place] for place in places]
    heads = [chain.Head(LENGTH, WHOLE[-1].chain)]
    assert (not chain.verify(rows, signed, heads).findings) == (places == list(range(LENGTH)))


@given(PLACE)
def test_a_tail_made_anew_without_the_devices_key_is_found_from_its_first_line(place: int) -> None:
    start = WHOLE[place - 1].chain if place else chain.START
    forged = made(LENGTH - place, STRANGER, start, place + 1)
    unsigned = [replace(row, signature=b"") for row in forged]
    for tail in (forged, unsigned):
        assert found([*WHOLE[:place], *tail]) == list(range(place + 1, LENGTH + 1))


def test_a_log_begun_again_is_not_the_one_the_fleet_knows() -> None:
    other = Event(1, "other", "alert", 0.0)
    value = chain.link(chain.START, chain.line_of(other))
    again = [chain.Row(1, chain.line_of(other), value, DEVICE.sign(chain.signed_text(value)))]
    assert found(again) == []
    assert found(again, chain.Head(1, WHOLE[0].chain)) == [1]


# ---- the log on the disk, the command, and openssl -------------------------------------------------------


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A device's folder with a log of six lines."""
    folder = tmp_path / "state"
    folder.mkdir()
    device = DeviceKey.load_or_create(str(folder))
    journal = Journal(folder / JOURNAL_NAME)
    journal.sign = device.sign
    for n in range(6):
        journal.append(Event(0, f"id-{n}", "refused" if n % 2 else "started", 1e9 + n, "rec", {"n": n}))
    journal.close()
    (tmp_path / "scrubcam.toml").write_text(f'[paths]\nstate_dir = "{folder}"\n')
    return folder


def audit(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "firmware.cli.main", "audit", words[0], "--config",
         str(state.parent / "scrubcam.toml"), *words[1:]], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("sql", "told"), [
    ("UPDATE lines SET line = CAST(replace(line, 'refused', 'started') AS BLOB) WHERE seq = 4", "line 4 was altered"),
    ("DELETE FROM lines WHERE seq = 3", "line 3 is missing"),
    (("UPDATE lines SET seq = CASE seq WHEN 2 THEN -5 ELSE -2 END WHERE seq IN (2, 5); "
      "UPDATE lines SET seq = -seq WHERE seq < 0"), "line 5 stands in the place of line 2"),
])
def test_the_command_names_an_edited_a_removed_and_a_swapped_line(state: Path, sql: str, told: str) -> None:
    assert audit(state, "verify").returncode == 0
    db = sqlite3.connect(state / JOURNAL_NAME)
    db.executescript(sql)
    db.close()
    done = audit(state, "verify")
    assert done.returncode == 10
    assert told in done.stdout


def test_a_cut_tail_is_seen_with_the_fleets_head(state: Path) -> None:
    head = audit(state, "verify").stdout.split("head ")[1].split()[0]
    db = sqlite3.connect(state / JOURNAL_NAME)
    db.execute("DELETE FROM lines WHERE seq > 4")
    db.commit()
    db.close()
    assert audit(state, "verify").returncode == 0
    done = audit(state, "verify", "--head", head)
    assert done.returncode == 10
    assert "lines 5 to 6 are missing at the end" in done.stdout


def test_an_export_is_checked_away_from_the_device_and_by_openssl_alone(state: Path, tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    assert audit(state, "export", "-o", str(file)).returncode == 0
    assert audit(state, "export", "-o", str(file)).returncode == 8  # never written over
    journal = Journal(state / JOURNAL_NAME, readonly=True)
    rows = list(journal.rows())
    journal.close()
    assert list(read_export(file)) == rows
    assert b"".join(export_text(rows)) == file.read_bytes()
    checked = subprocess.run([sys.executable, "-m", "firmware.cli.main", "audit", "verify", "--file", str(file),
                              "--device", str(state / "device.pub")], capture_output=True, text=True, timeout=60,
                             check=True)
    assert "6 lines" in checked.stdout
    # By hand, as docs/audit.md says.
    value = hashlib.sha256(b"scrubcam audit v1\0").digest()
    for text in file.read_bytes().splitlines()[1:]:
        _, told, signature, line = text.split(b" ", 3)
        value = hashlib.sha256(value + line).digest()
        assert value.hex() == told.decode()
        (tmp_path / "message").write_bytes(b"scrubcam audit v1\0" + value)
        (tmp_path / "signature").write_bytes(bytes.fromhex(signature.decode()))
        subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(state / "device.pub"), "-rawin",
                        "-in", str(tmp_path / "message"), "-sigfile", str(tmp_path / "signature")],
                       check=True, capture_output=True, timeout=60)


def test_a_line_made_unreadable_holds_up_no_later_event(state: Path) -> None:
    db = sqlite3.connect(state / JOURNAL_NAME)
    db.execute("UPDATE lines SET line = x'ff' WHERE seq = 2")
    db.commit()
    db.close()
    journal = Journal(state / JOURNAL_NAME)
    told = journal.after(0)
    assert [event.seq for event in told] == [1, 2, 3, 4, 5, 6]
    assert told[1].kind == "unreadable-line"
    assert "not a line" in audit(state, "show").stdout
    journal.close()

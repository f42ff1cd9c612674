"""The recorder's smaller parts: conditions, light patterns, pause guard, journal, socket, answers, link."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Detect, Encode, Sound, Source
from firmware.errors import DiskFault, PipelineDied
from firmware.ipc import Channel, ChannelClosed
from firmware.messages import (
    Answer,
    Command,
    Configure,
    Consent,
    Event,
    Failed,
    Fragment,
    FromRecorder,
    Health,
    StateReport,
    Subscribe,
    ToRecorder,
    Verdict,
)
from firmware.recorder import conditions, rate
from firmware.recorder.conditions import Snapshot
from firmware.recorder.journal import Journal, JournalThread
from firmware.recorder.link import PipelineLink, child_command, child_environment
from firmware.recorder.pause_guard import PauseGuard
from firmware.recorder.pipeline_keeper import _without_credentials
from firmware.recorder.pipeline_run import pictures
from firmware.recorder.rate import RateMeter
from firmware.recorder.socket_server import AnswerMemory, SocketServer
from firmware.recorder.targets import Look, choose, total_room
from hw.light_patterns import PATTERNS, lit_at, period_s
from tests.recorder_helpers import CONSENT, Listener, children_of, runs, until

ROOMY = Look("/a", 10**12)
GOOD = Snapshot(
    consent=CONSENT, disks=(ROOMY,), floor_bytes=10**8,
    reserve_bytes=10**9, reserve_hours=0.0, bytes_per_s=1.5e6, recipient_roles=frozenset({"archive", "escrow"}),
    escrow_needed=True, recipients_problem="", pipeline_started=True, pipeline_problem="", picture_age_s=0.2,
    pedal_problem="",
)


# ---- conditions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"consent": Consent()}, "consent: none"),
        ({"consent": Consent(state="refused", video=True)}, "consent: refused"),
        ({"consent": msgspec.structs.replace(CONSENT, video=False, audio=True)}, "consent: not for video"),
        ({"disks": (Look("/a", 10**8 + 1_500_000 * 1440),), "reserve_bytes": 1_500_000 * 3600},
         "disk: 0.4 h left, 1.0 h needed"),
        ({"disks": (Look("/a", 10**8 + 1_500_000 * 7560),), "reserve_hours": 4.0}, "disk: 2.1 h left, 4.0 h needed"),
        ({"disks": (Look("/a", 10**8 + 1_500_000 * 14399),), "reserve_hours": 4.0}, "disk: 3.9 h left, 4.0 h needed"),
        ({"disks": (Look("/a", None),)}, "disk: not looked at yet"),
        ({"disks": (Look("/a", 10**12, "not answering"),)}, "disk: not answering"),
        ({"disks": (Look("/a", 10**12, "disk: gone"), Look("/b", 10**8))}, "disk: 0.0 h left, 0.2 h needed"),
        ({"recipient_roles": frozenset({"escrow", "reader"})}, "recipients: no archive key configured"),
        ({"recipient_roles": frozenset({"archive", "reader"})}, "recipients: no escrow key configured"),
        ({"recipient_roles": frozenset({"reader"}), "escrow_needed": False}, "recipients: no archive key configured"),
        ({"recipient_roles": frozenset(), "recipients_problem": "archive.pub cannot be read"},
         "recipients: archive.pub cannot be read"),
        ({"picture_age_s": None}, "pipeline: starting"),
        ({"picture_age_s": None, "pipeline_started": False}, "pipeline: no picture"),
        ({"picture_age_s": None, "pipeline_problem": "no camera"}, "pipeline: no camera"),
        ({"picture_age_s": 2.0}, "pipeline: no picture"),
        ({"pedal_problem": "the pedal is unplugged"}, "pedal: the pedal is unplugged"),
    ],
)
def test_each_condition_has_its_sentence(change: dict[str, object], sentence: str) -> None:
    assert conditions.unmet(GOOD) == ()
    assert conditions.unmet(replace(GOOD, **change)) == (sentence,)  # type: ignore[arg-type]


def test_a_site_may_say_that_it_has_no_escrow_key() -> None:
    archive_only = replace(GOOD, recipient_roles=frozenset({"archive"}))
    assert conditions.unmet(replace(archive_only, escrow_needed=False)) == ()


BYTES = st.integers(0, 10**13)
LOOKS = st.lists(
    st.builds(Look, st.sampled_from(["/a", "/b"]), st.none() | BYTES, st.sampled_from(["", "gone"]), st.integers(0, 1)),
    min_size=1, max_size=2, unique_by=lambda look: look.folder,
)


@given(LOOKS, st.integers(0, 10**12), st.integers(0, 10**12), st.floats(0, 100))
def test_a_start_needs_the_reserve_above_the_floor(looks: list[Look], floor: int, reserve: int, hours: float) -> None:
    snapshot = replace(GOOD, disks=tuple(looks), floor_bytes=floor, reserve_bytes=reserve, reserve_hours=hours)
    said = conditions.unmet(snapshot)
    room = total_room(looks, floor)
    assert bool(said) == (room <= 0 or room < max(reserve, hours * 3600 * 1.5e6))
    if said and " h left" in said[0]:
        left, needed = (float(part.split()[0]) for part in said[0].removeprefix("disk: ").split(","))
        assert left < needed or left == needed == 0.1, "the figures must show why"


@given(LOOKS, st.integers(0, 10**12), st.integers(0, 10**12), st.sampled_from(["", "/a", "/b"]))
def test_a_file_goes_to_the_first_target_that_has_room(looks: list[Look], floor: int, needed: int, but: str) -> None:
    folder = choose(looks, floor, needed, but=but)
    able = [look for look in looks if look.folder != but and not look.problem and (look.free_bytes or 0) > floor]
    assert bool(folder) == bool(able)
    if folder:
        chosen = next(look for look in able if look.folder == folder)
        enough = [look for look in able if look.room(floor) >= needed]
        assert chosen == (enough[0] if enough else max(able, key=lambda look: look.room(floor)))


def test_one_file_system_has_its_room_only_once() -> None:
    looks = [Look("/a", 500, device=1), Look("/b", 500, device=1)]
    assert total_room(looks, 100) == 400
    assert total_room([looks[0], replace(looks[1], device=2)], 100) == 800


def test_scarce_room_is_told_once_and_cleared_when_there_is_clearly_more() -> None:
    told, said = False, []
    for hours in (2.0, 1.01, 0.99, 1.05, 1.09, 1.11, 1.05, 0.5):
        told = conditions.low(hours, 1.0, told)
        said.append(told)
    assert said == [False, False, True, True, True, False, False, True]


@given(st.lists(st.tuples(st.integers(1, 500_000_000), st.integers(0, 10**6)), max_size=400))
def test_the_rate_is_that_of_the_last_minute_and_the_configured_one_before(parts: list[tuple[int, int]]) -> None:
    meter = RateMeter(1.5e6)
    for number, (duration_ns, size) in enumerate(parts):
        meter.add(Fragment(number, 0, duration_ns, True, bytes(size), []))
    known_s = sum(duration_ns for duration_ns, _ in parts) / 1e9
    if known_s < 10:
        assert meter.bytes_per_s == 1.5e6
    else:
        last, span_ns = 0, 0
        for duration_ns, size in reversed(parts):
            if span_ns >= 60e9:
                break
            last, span_ns = last + size + rate.OVERHEAD_BYTES, span_ns + duration_ns
        assert meter.bytes_per_s == pytest.approx(last / span_ns * 1e9)


# ---- light patterns ------------------------------------------------------------------------------


@given(st.sampled_from(sorted(PATTERNS)), st.integers(0, 10**11))
def test_patterns_repeat_and_only_off_is_dark(pattern: str, at_ns: int) -> None:
    length_ns = round(period_s(pattern) * 1e9)  # type: ignore[arg-type]
    assert lit_at(pattern, at_ns) == lit_at(pattern, at_ns + length_ns)  # type: ignore[arg-type]
    shown = {lit_at(pattern, ms * 10**6) for ms in range(0, 3000, 5)}  # type: ignore[arg-type]
    assert (True in shown) == (pattern != "off")
    assert (False in shown) == (pattern != "on")


# ---- pause guard ---------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=8), st.integers(0, 500), st.booleans())
def test_a_frame_from_a_pause_is_admitted_only_filled(
    spans: list[tuple[int, int]], pts: int, filled: bool
) -> None:
    guard, at, hidden = PauseGuard(), 0, False
    for index, (before, length) in enumerate(spans):
        at += before
        guard.paused_since(at)
        begin = at
        at += length
        if index < len(spans) - 1:
            guard.resumed(at)
            hidden |= begin <= pts < at
        else:
            hidden |= pts >= begin  # the last pause still holds
    verdict = Verdict(pts, "blanked", 0, "privacy-pause") if filled else Verdict(pts, "masked", 1)
    assert guard.admits(Fragment(0, pts, 1, True, b"", [verdict])) == (filled or not hidden)


# ---- journal -------------------------------------------------------------------------------------


def event(kind: str = "boot") -> Event:
    return Event(0, os.urandom(8).hex(), kind, 1.5, "rec", {"n": 1, "ok": True, "text": "ä"})


def test_events_are_numbered_without_gaps_and_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    written = [journal.append(event(f"k{n}")) for n in range(5)]
    assert [e.seq for e in written] == [1, 2, 3, 4, 5]
    journal.close()
    again = Journal(tmp_path / "journal.db")
    assert again.after(2) == written[2:]
    assert again.append(event()).seq == 6
    reader = again.reader()
    assert [e.seq for e in reader.after(0, limit=2)] == [1, 2]
    with pytest.raises(DiskFault):
        reader.append(event())
    reader.close()
    again.close()


def test_an_event_whose_write_failed_takes_no_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    first = journal.append(event())
    with pytest.raises(DiskFault):
        journal.append(first)  # its id is taken
    assert journal.append(event()).seq == 2
    journal.close()


def _write_for_ever(path: str, told: str) -> None:
    """Writes each number down as told before it asks for the next; then killed."""
    journal = Journal(path)
    with open(told, "ab", buffering=0) as file:
        while True:
            file.write(b"%d\n" % journal.append(event()).seq)


def test_every_told_event_survives_a_kill(tmp_path: Path) -> None:
    path, told = tmp_path / "journal.db", tmp_path / "told"
    process = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(str(path), str(told)))
    process.start()
    until(lambda: told.exists() and told.stat().st_size > 200, what="events")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    last_told = int(told.read_bytes().split(b"\n")[-2])
    journal = Journal(path)
    kept = [e.seq for e in journal.after(0, limit=10**6)]
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) >= last_told
    journal.close()


def test_events_are_told_after_they_are_durable_and_in_order(tmp_path: Path) -> None:
    journal, told = Journal(tmp_path / "journal.db"), []
    thread = JournalThread(journal, lambda e: told.append((e.seq, bool(journal.after(e.seq - 1)))), lambda text: None)
    for n in range(50):
        assert thread.note("k", 0.0, "", {"n": n})
    assert thread.close(10.0)
    assert told == [(seq, True) for seq in range(1, 51)]
    journal.close()


# ---- socket --------------------------------------------------------------------------------------


STATE = StateReport("READY", 1.0)
HEALTH = Health(1.0, "READY", 0, 0, 0.0, 0, 0, 0, 0, 0.0, 0, 0)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.db")


def test_a_listener_gets_the_past_then_the_present(tmp_path: Path, journal: Journal) -> None:
    past = [journal.append(event()) for _ in range(620)]  # more than a batch
    server = SocketServer(tmp_path, journal, lambda: None)
    server.publish(STATE)
    listener = Listener(tmp_path / "recorder.sock", after_seq=100)
    until(lambda: (listener.read(), len(listener.events) == 520)[1], what="the past")
    now = journal.append(event("now"))
    server.event_is_durable(now)
    assert listener.event("now") == now
    assert listener.events == [*past[100:], now]
    assert listener.states == [STATE]
    listener.close()
    server.close()
    assert not (tmp_path / "recorder.sock").exists()
    journal.close()


def test_only_its_own_user_may_speak_to_it(tmp_path: Path, journal: Journal) -> None:
    server = SocketServer(tmp_path, journal, lambda: None)
    assert (tmp_path / "recorder.sock").stat().st_mode & 0o777 == 0o600
    server.close()
    journal.close()


def test_a_listener_that_does_not_read_is_dropped_and_holds_up_nobody(tmp_path: Path, journal: Journal) -> None:
    server = SocketServer(tmp_path, journal, lambda: None)
    server.publish(STATE)
    deaf = Listener(tmp_path / "recorder.sock")
    good = Listener(tmp_path / "recorder.sock")
    until(lambda: (good.read(), good.states)[1], what="the state")
    sent, deadline = 0, time.monotonic() + 60
    while len(server._clients) > 1:
        assert time.monotonic() < deadline, "the deaf one is still kept"
        for _ in range(50):
            server.publish(HEALTH)
        sent += 50
        until(lambda: (good.read(), len(good.healths) == sent)[1], what="health, to the one who reads")  # noqa: B023
    assert sent > 0
    deaf.close()
    good.close()
    server.close()
    journal.close()


def test_nonsense_closes_one_connection_only(tmp_path: Path, journal: Journal) -> None:
    server = SocketServer(tmp_path, journal, lambda: None)
    server.publish(STATE)
    rude = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    rude.connect(str(tmp_path / "recorder.sock"))
    rude.sendall(b"\xff" * 64)
    rude.settimeout(10)
    assert rude.recv(1) == b""
    rude.close()
    good = Listener(tmp_path / "recorder.sock")
    until(lambda: (good.read(), good.states)[1], what="the state")
    good.close()
    server.close()
    journal.close()


def test_answers_are_remembered_within_a_bound() -> None:
    memory = AnswerMemory(3)
    for n in range(5):
        memory.keep(Answer(str(n), True, "READY"))
    assert memory.get("1") is None
    assert memory.get("4") == Answer("4", True, "READY")


def test_a_command_reaches_the_loop_and_its_answer_comes_back(tmp_path: Path, journal: Journal) -> None:
    woken: list[bool] = []
    server = SocketServer(tmp_path, journal, lambda: woken.append(True))
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(tmp_path / "recorder.sock"))
    channel: Channel[ToRecorder, FromRecorder] = Channel(sock, ToRecorder, FromRecorder)
    channel.send(Command("c1", "status"))
    client, command = server.inbox.get(timeout=10)
    server.answer(client, Answer(command.id, True, "READY"))
    assert channel.recv(10) == Answer("c1", True, "READY")
    channel.send(Subscribe())
    channel.close()
    assert woken
    server.close()
    journal.close()


# ---- link ----------------------------------------------------------------------------------------


CONFIGURE = Configure(
    Source(uri="/nowhere/at/all.mp4"), Encode(), Sound(), Detect(faces=False, text=False, codes=False), "models"
)


def test_a_pipeline_says_by_name_why_it_cannot_go_on() -> None:
    link = PipelineLink(CONFIGURE)
    failed = None
    while failed is None:
        message = link.recv(20)
        assert message is not None, "the pipeline says nothing"
        failed = message if isinstance(message, Failed) else None
    with pytest.raises(ChannelClosed):
        link.recv(20)
    assert failed.code == "source-missing"
    assert link.close() == 4
    assert not link.alive


def test_a_killed_pipeline_is_noticed_and_gone() -> None:
    link = PipelineLink(CONFIGURE)
    link.kill()
    with pytest.raises(ChannelClosed):
        link.recv(5)
    until(lambda: not runs(link.pid), what="its end")
    link.kill()


def test_a_command_says_how_its_pipeline_died_and_the_pipeline_where(capfd: pytest.CaptureFixture[str]) -> None:
    scene = Source(uri="scene://?width=320&height=180&rate=20")
    made = pictures(Configure(scene, Encode(), Sound(), CONFIGURE.detect, "models"), lambda: False, lambda _: None)
    before = set(children_of(os.getpid()))
    next(made)
    (pid,) = set(children_of(os.getpid())) - before
    os.kill(pid, signal.SIGSEGV)
    with pytest.raises(PipelineDied, match="signal 11, Segmentation fault"):
        list(made)
    assert "Fatal Python error: Segmentation fault" in capfd.readouterr().err


def test_the_child_gets_no_secrets_and_no_way_to_write_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "x")
    monkeypatch.setenv("SCRUBCAM_LOG", "INFO")
    monkeypatch.setenv("GST_DEBUG_FILE", "/tmp/frames.log")
    assert "MQTT_PASSWORD" not in child_environment()
    assert "GST_DEBUG_FILE" not in child_environment(), "a log file that may hold frames"
    assert child_environment()["SCRUBCAM_LOG"] == "INFO"


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "from firmware.recorder.link import child_command\n"
        "p = subprocess.Popen(child_command(sys.executable, '-c', 'import time; time.sleep(60)'))\n"
        "time.sleep(0.5); print(p.pid, flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    assert runs(child)
    process.kill()
    process.wait(10)
    process.stdout.close()
    until(lambda: not runs(child), what="the child's end")


def test_ctrl_c_is_for_the_parent_alone() -> None:
    code = "import time; print('up', flush=True); time.sleep(0.7); print('ended in order')"
    child = subprocess.Popen(
        child_command(sys.executable, "-c", code), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    os.killpg(child.pid, signal.SIGINT)
    assert child.communicate(timeout=20)[0] == "ended in order\n"
    assert child.returncode == 0


def test_addresses_lose_their_passwords() -> None:
    assert _without_credentials("rtsp://user:pa%40ss@10.0.0.7/stream is gone") == "rtsp://10.0.0.7/stream is gone"
    assert _without_credentials("mail a@b about it") == "mail a@b about it"

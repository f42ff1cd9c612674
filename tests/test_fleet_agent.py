"""The agent against a real mosquitto and the recorder's real socket: births, wills, events, commands, faults."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.config import Config
from firmware.fleet.agent import Agent
from firmware.fleet.dedup import Dedup
from firmware.fleet.topics import FleetEvent, FleetHealth
from tests.fleet_helpers import (
    DEVICE,
    QUICK,
    Link,
    Listener,
    Mosquitto,
    RecorderStub,
    certificates,
    config_for,
    free_port,
    wait_for,
)


class Bench:
    """A broker, a cuttable link to it, a recorder, a listener; and agents on demand."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.broker = Mosquitto(folder / "broker").start()
        stack.callback(self.broker.stop)
        self.link = Link(self.broker.port)
        stack.callback(self.link.close)
        self.recorder = RecorderStub(folder)
        stack.callback(self.recorder.down)
        self.listener = Listener(self.broker.port)
        stack.callback(self.listener.close)
        self.config = config_for(folder, self.link.port)

    def agent(self, config: Config | None = None) -> Callable[[], None]:
        """Start one in a thread; the answer stops it."""
        agent = Agent(config or self.config, QUICK)
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()

        def stop() -> None:
            agent.stop()
            thread.join(20)
            assert not thread.is_alive()

        self._stack.callback(stop)
        return stop

    def process(self) -> subprocess.Popen[bytes]:
        """Start one as the device does."""
        mqtt, paths = self.config.mqtt, self.config.paths
        file = self.folder / "scrubcam.toml"
        file.write_text(
            f'[device]\nname = "{DEVICE}"\n[paths]\nstate_dir = "{paths.state_dir}"\nrun_dir = "{paths.run_dir}"\n'
            f'[mqtt]\nhost = "{mqtt.host}"\nport = {mqtt.port}\ntls = false\nhealth_interval_s = 1.0\n'
        )
        process = subprocess.Popen([sys.executable, "-m", "firmware.fleet", "--config", str(file)])
        self._stack.callback(lambda: (process.kill(), process.wait()))
        return process


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def once(events: list[FleetEvent]) -> list[FleetEvent]:
    view = Dedup()
    return [event for event in events if view.accept(event)]


# ---- birth, will, state --------------------------------------------------------------------------


def test_birth_and_goodbye(bench: Bench) -> None:
    stop = bench.agent()
    bench.listener.online()
    assert bench.listener.statuses[-1].device == DEVICE
    stop()
    wait_for(lambda: bench.listener.statuses[-1].status == "offline", "the goodbye")
    assert bench.listener.statuses[-1].reason == "stopped"
    assert [s.status for s in bench.listener.statuses] == ["online", "offline"]


def test_a_stopped_agent_tells_its_last_events_first(bench: Bench) -> None:
    stop = bench.agent()
    bench.listener.online()
    wait_for(lambda: bench.listener.states[-1:] and bench.listener.states[-1].recorder == "reachable", "reachable")
    bench.broker.pause(True)
    sent = [bench.recorder.emit("sealed").id for _ in range(60)]
    with closing(sqlite3.connect(bench.folder / "state" / "fleet" / "outbox.db")) as outbox:
        wait_for(lambda: outbox.execute("SELECT seq FROM cursor").fetchone() == (60,), "all events in the outbox")
    bench.broker.pause(False)
    stop()
    wait_for(lambda: bench.listener.statuses[-1].status == "offline", "the goodbye")
    assert [event.id for event in once(bench.listener.events)] == sent


def test_killed_agent_leaves_its_will_and_loses_no_event(bench: Bench) -> None:
    process = bench.process()
    bench.listener.online()
    sent = [bench.recorder.emit("bookmark", n=n).id for n in range(20)]
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    wait_for(lambda: bench.listener.statuses[-1].status == "offline", "the will")
    assert bench.listener.statuses[-1].reason == "lost"
    assert bench.listener.statuses[-1].session == bench.listener.statuses[0].session
    late = Listener(bench.broker.port)
    wait_for(lambda: late.statuses, "the retained will")
    assert late.statuses[-1].status == "offline"
    late.close()
    sent += [bench.recorder.emit("bookmark", n=n).id for n in range(20)]
    again = bench.process()
    wait_for(lambda: len(once(bench.listener.events)) == 40, "all events")
    assert [event.id for event in once(bench.listener.events)] == sent
    again.terminate()
    assert again.wait(20) == 0


def test_state_is_retained_and_follows_the_recorder(bench: Bench) -> None:
    bench.agent()
    wait_for(lambda: bench.listener.states and bench.listener.states[-1].state == "READY", "the first state")
    bench.recorder.state = "RECORDING"
    bench.recorder.report(recording_evident=True, recording_id="rec-1", durable_bytes=5)
    wait_for(lambda: bench.listener.states[-1].recording_evident, "the recording state")
    late = Listener(bench.broker.port)
    wait_for(lambda: late.states, "the retained state")
    assert (late.states[-1].state, late.states[-1].recording_id) == ("RECORDING", "rec-1")
    late.close()


def test_a_recorder_that_is_gone_is_said_so_and_found_again(bench: Bench) -> None:
    bench.agent()
    bench.recorder.state = "RECORDING"
    bench.recorder.report(recording_evident=True)
    wait_for(lambda: bench.listener.states and bench.listener.states[-1].recording_evident, "recording")
    bench.recorder.down()
    gone = wait_for(lambda: [s for s in bench.listener.states if s.recorder == "unreachable"][-1:], "unreachable")[-1]
    wait_for(lambda: bench.listener.states[-1].recorder == "unreachable", "unreachable is the last word")
    assert (gone.state, gone.recording_evident) == ("UNKNOWN", False)
    refused = bench.listener.ask({"verb": "stop"})
    assert (refused.ok, refused.reason) == (False, "recorder: unreachable")
    bench.recorder.state = "READY"
    bench.recorder.up()
    wait_for(lambda: bench.listener.states[-1].state == "READY", "the recorder is back")


def test_health_carries_the_recorders_figures(bench: Bench) -> None:
    bench.agent()
    bench.listener.online()
    wait_for(lambda: bench.listener.states[-1:] and bench.listener.states[-1].recorder == "reachable", "reachable")
    bench.recorder.health(frames_out=7)
    healths = lambda: [msgspec.json.decode(p, type=FleetHealth) for p in bench.listener.of("health")]  # noqa: E731
    wait_for(lambda: any(h.recorder is not None and h.recorder.frames_out == 7 for h in healths()), "health")


# ---- events --------------------------------------------------------------------------------------


def test_events_survive_cuts_of_every_kind_once_and_in_order(bench: Bench) -> None:
    """Cuts in mid-flight, a broker that restarts, acknowledgements that never arrive, a recorder that restarts."""
    stop = bench.agent()
    bench.listener.online()
    sent: list[str] = []

    def emit(count: int) -> None:
        sent.extend(bench.recorder.emit("bookmark", n=n).id for n in range(count))

    for round in range(12):
        emit(12)
        time.sleep(0.01 * (round % 4))
        bench.link.cut()
        emit(5)
    bench.link.allow(False)
    emit(30)
    bench.link.allow(True)
    bench.link.swallow_to_client = True
    emit(20)
    time.sleep(0.3)
    bench.link.cut()
    bench.link.swallow_to_client = False
    bench.broker.stop()
    emit(20)
    bench.broker.start()
    bench.recorder.down()
    bench.recorder.up()
    emit(20)
    stop()
    emit(5)
    bench.agent()
    wait_for(lambda: len(once(bench.listener.events)) >= len(sent), f"{len(sent)} events", 15)
    got = once(bench.listener.events)
    assert [event.id for event in got] == sent
    assert [event.seq for event in got] == list(range(1, len(sent) + 1))


def test_a_replaced_journal_is_sent_from_its_first_event(bench: Bench) -> None:
    bench.agent()
    old = [bench.recorder.emit("started").id for _ in range(3)]
    wait_for(lambda: len(bench.listener.events) == 3, "the old journal")
    bench.recorder.down()
    for path in (bench.folder / "state").glob("journal.db*"):
        path.unlink()
    bench.recorder.up()
    new = [bench.recorder.emit("started").id for _ in range(4)]
    wait_for(lambda: len(once(bench.listener.events)) == 7, "the new journal")
    assert [event.id for event in once(bench.listener.events)] == old + new


def test_a_broker_that_hangs_is_given_up_and_holds_up_nothing(bench: Bench) -> None:
    bench.agent()
    bench.listener.online()
    bench.broker.pause(True)
    try:
        sent = [bench.recorder.emit("bookmark", n=n).id for n in range(300)]
        connections = bench.link.accepted
        wait_for(lambda: bench.link.accepted > connections, "another try after no acknowledgement")
    finally:
        bench.broker.pause(False)
    wait_for(lambda: len(once(bench.listener.events)) == 300, "all events", 30)
    assert [event.id for event in once(bench.listener.events)] == sent


def test_events_wait_until_somebody_listens(bench: Bench, tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "lonely").start()
    try:
        bench.agent(config_for(tmp_path, broker.port))
        sent = [bench.recorder.emit("bookmark", n=n).id for n in range(40)]
        db = tmp_path / "state" / "fleet" / "outbox.db"
        wait_for(db.exists, "the outbox")
        time.sleep(1.0)  # several offers to nobody
        fleet = Listener(broker.port)
        wait_for(lambda: len(once(fleet.events)) == 40, "all events")
        assert [event.id for event in once(fleet.events)] == sent
        fleet.close()
    finally:
        broker.stop()


# ---- the broker's refusals -----------------------------------------------------------------------


def password_broker(folder: Path) -> Mosquitto:
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    for name in ("device", "fleet"):
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), name, "right"], check=True, capture_output=True)
    return Mosquitto(folder / "locked", f"allow_anonymous false\npassword_file {passwords}").start()


def test_refused_credentials_are_not_a_connection_and_a_new_password_is_taken_up(
    bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = password_broker(tmp_path)
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    try:
        fleet = Listener(broker.port, username="fleet", password="right")
        bench.agent(config_for(tmp_path, broker.port, username="device", password_file=str(secret)))
        said = ""

        def refused() -> bool:
            nonlocal said
            said += "".join(capfd.readouterr())
            return said.count("refused: Not authorized") >= 3

        wait_for(refused, "the refusal in the log, three times")
        assert "broker-connected" not in said
        assert not fleet.statuses
        secret.write_text("right\n")
        fleet.online()
        fleet.close()
    finally:
        broker.stop()


def test_a_message_the_broker_may_not_take_stays_in_the_outbox(bench: Bench, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    topics = [f"scrubcam/{DEVICE}/{leaf}" for leaf in ("status", "state", "health", "command", "answer")]
    rules.write_text("".join(f"topic readwrite {name}\n" for name in topics) + f"topic read scrubcam/{DEVICE}/events\n")
    rules.chmod(0o700)
    broker = Mosquitto(tmp_path / "strict", f"allow_anonymous true\nacl_file {rules}").start()
    try:
        fleet = Listener(broker.port)
        bench.agent(config_for(tmp_path, broker.port))
        event = bench.recorder.emit("started")
        fleet.online(times=3)  # refused, waited, tried again
        assert not fleet.events
        with rules.open("a") as file:
            file.write(f"topic readwrite scrubcam/{DEVICE}/events\n")
        broker.reload()
        wait_for(lambda: fleet.events, "the event, once it is allowed")
        assert fleet.events[0].id == event.id
        fleet.close()
    finally:
        broker.stop()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x02\x00\x01",
                                    b"\x20\xff\xff\xff\xff\xff",
                                    b"\x20\x03\x00\x00\x00\x30\x05\x00\xff\xff\xff\xff", os.urandom(64), b""])
def test_a_server_that_does_not_speak_mqtt_never_ends_the_agent(bench: Bench, tmp_path: Path, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nonsense:
        nonsense.settimeout(10)
        config = config_for(tmp_path, nonsense.getsockname()[1])
        bench.agent(config)
        for _ in range(3):  # it comes back each time
            peer, _ = nonsense.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(answer)


# paho leaves the socket of a failed handshake to the garbage collector, which warns.
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_tls_with_a_client_certificate_and_only_the_named_authority(
    bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tls = tmp_path / "tls"
    certificates(tls)
    plain = free_port()
    broker = Mosquitto(
        tmp_path / "tls-broker", f"allow_anonymous true\nlistener {plain} 127.0.0.1",
        f"cafile {tls}/ca.pem\ncertfile {tls}/server.pem\nkeyfile {tls}/server.key\nrequire_certificate true",
    ).start()
    wanted: dict[str, Any] = {"tls": True, "cert_file": str(tls / "device.pem"), "key_file": str(tls / "device.key")}
    try:
        fleet = Listener(plain)
        stop = bench.agent(config_for(tmp_path, broker.port, **wanted, ca_file=str(tls / "other.pem")))
        wait_for(lambda: "certificate verify failed" in "".join(capfd.readouterr()), "the refusal of a stranger")
        stop()
        assert not fleet.statuses
        bench.agent(config_for(tmp_path, broker.port, **wanted, ca_file=str(tls / "ca.pem")))
        fleet.online()
        fleet.close()
    finally:
        broker.stop()


# ---- commands ------------------------------------------------------------------------------------


def test_commands_reach_the_recorder_and_are_answered(bench: Bench) -> None:
    bench.agent()
    wait_for(lambda: bench.listener.states and bench.listener.states[-1].recorder == "reachable", "reachable")
    refused = bench.listener.ask({"verb": "bookmark"})
    assert (refused.ok, refused.reason, refused.state) == (False, "not recording", "READY")
    assert bench.listener.ask({"verb": "start", "note": "from the desk"}).state == "RECORDING"
    given = bench.listener.ask({"verb": "consent", "consent": {"state": "given", "video": True, "by": "form 7"}})
    assert given.ok
    first = bench.recorder.commands[1]
    assert (first.verb, first.origin, first.note) == ("start", "fleet", "from the desk")
    assert bench.recorder.commands[2].consent is not None
    wait_for(lambda: [e.kind for e in bench.listener.events] == ["started"], "the event")
    before = len(bench.recorder.commands)
    repeat = {"id": first.id, "verb": "start"}
    bench.listener.command(repeat)
    wait_for(lambda: sum(a.id == first.id for a in bench.listener.answers) == 2, "the first answer again")
    assert len(bench.recorder.commands) == before


def test_a_command_nobody_answers_is_answered_for(bench: Bench) -> None:
    bench.agent()
    wait_for(lambda: bench.listener.states and bench.listener.states[-1].recorder == "reachable", "reachable")
    bench.recorder.mute = True
    answer = bench.listener.ask({"verb": "stop"})
    assert not answer.ok
    assert "no answer within 1 s" in answer.reason


def test_stale_commands_never_fire(bench: Bench) -> None:
    """Retained before and after the connection, expired by field, and sent while the device was away."""
    start = {"id": "stale", "verb": "start"}
    bench.listener.command(start | {"id": "retained-before"}, retain=True)
    stop = bench.agent()
    wait_for(lambda: bench.listener.states and bench.listener.states[-1].recorder == "reachable", "reachable")
    bench.listener.command(start | {"id": "retained-live"}, retain=True)
    assert "must not be retained" in bench.listener.answer_to("retained-live").reason
    assert "expired" in bench.listener.ask({"verb": "start", "expires_unix_s": time.time() - 1}).reason
    bench.link.cut()
    bench.listener.online(times=2)
    stop()
    bench.listener.command(start | {"id": "while-away"}, expiry_s=60)
    bench.agent()
    bench.listener.online(times=3)
    wait_for(lambda: bench.listener.states[-1].recorder == "reachable", "reachable again")
    in_time = bench.listener.ask({"verb": "start", "expires_unix_s": time.time() + 60}, expiry_s=60)
    assert in_time.ok  # so whatever was sent before it has been read by now
    assert [command.id for command in bench.recorder.commands] == [in_time.id]


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe\x00", b"[" * 5000, b"x" * 20_000,
                                     b'{"id": "", "verb": "start"}',
                                     b'{"id": "q", "verb": "erase"}', b'{"id": "q", "verb": "start", "x": 1}'])
def test_a_malformed_command_is_answered_with_an_error(bench: Bench, payload: bytes) -> None:
    bench.agent()
    bench.listener.online()
    bench.listener.command(payload)
    wait_for(lambda: bench.listener.answers, "the answer")
    answer = bench.listener.answers[0]
    assert not answer.ok
    assert answer.reason
    assert answer.id == ("q" if b'"q"' in payload else "")
    assert not bench.recorder.commands


@pytest.fixture(scope="module")
def long_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ExitStack() as stack:
        bench = Bench(tmp_path_factory.mktemp("rubbish"), stack)
        bench.agent()
        wait_for(lambda: bench.listener.states and bench.listener.states[-1].recorder == "reachable", "reachable")
        yield bench


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=300), max_size=8))
def test_rubbish_never_stops_the_agent(long_bench: Bench, rubbish: list[bytes]) -> None:
    for payload in rubbish:
        long_bench.listener.command(payload)
    assert long_bench.listener.ask({"verb": "pause"}).ok


def test_the_module_names_a_missing_broker(tmp_path: Path) -> None:
    file = tmp_path / "scrubcam.toml"
    file.write_text("")
    done = subprocess.run([sys.executable, "-m", "firmware.fleet", "--config", str(file)], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "mqtt.host, timestamps.url and audit.host are empty" in done.stderr
    assert "Traceback" not in done.stderr

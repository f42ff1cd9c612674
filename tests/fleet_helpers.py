"""Real parts for the fleet tests: mosquitto on a free loopback port, a link that can be cut, a listener, a recorder.

The recorder is its real journal and its real socket under a handful of lines that answer commands.
"""

from __future__ import annotations

import contextlib
import getpass
import queue
import select
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from firmware.config import Config, Device, Mqtt, Paths
from firmware.fleet.timing import Timing
from firmware.fleet.topics import FleetAnswer, FleetEvent, State, Status
from firmware.messages import Answer, Command, Event, Health, RecorderState, StateReport
from firmware.recorder.journal import Journal
from firmware.recorder.socket_server import AnswerMemory, SocketServer

DEVICE = "or-1"
QUICK = Timing(first_retry_s=0.05, most_retry_s=0.4, answer_timeout_s=1.0, ack_timeout_s=3.0,
               nobody_retry_s=0.2)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 20.0) -> Any:
    """The first true value of `condition`; fails with `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")


def config_for(folder: Path, port: int, **more: Any) -> Config:
    settings = {"host": "127.0.0.1", "port": port, "tls": False, "health_interval_s": 1.0} | more
    return Config(
        device=Device(name=DEVICE),
        paths=Paths(state_dir=str(folder / "state"), run_dir=str(folder / "run")),
        mqtt=Mqtt(**settings),
    )


def certificates(folder: Path) -> None:
    """A certificate authority, and a server's and a device's certificate signed by it."""
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    (folder / "san.txt").write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
    for name in ("server", "device"):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "san.txt", "-out", f"{name}.pem")
    openssl("req", "-x509", *key, "-keyout", "other.key", "-out", "other.pem", "-subj", "/CN=Other", "-days", "2")


class Mosquitto:
    """A real broker. `stop` ends it in order (it keeps its queues on the disk), `start` brings it back."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true", listener: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None
        self._ports = [self.port, *(int(line.split()[1]) for line in lines.splitlines() if line.startswith("listener"))]
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\n{listener}\n{lines}\npersistence true\n"
            f"user {getpass.getuser()}\n"  # else root's broker becomes another user, who cannot write in the folder
            f"persistence_location {folder}/\nmax_queued_messages 0\nmax_inflight_messages 0\nlog_type all\n"
        )

    def start(self) -> Mosquitto:
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["mosquitto", "-c", str(self._folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        wait_for(lambda: all(map(listens, self._ports)), "mosquitto listens")
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def reload(self) -> None:
        """Have it read its access rules again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def pause(self, on: bool) -> None:
        """A broker that is there and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Link:
    """A TCP path to `target` that can be cut, and held, at any moment."""

    def __init__(self, target: int) -> None:
        self._target, self._open, self._closed = target, True, False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.accepted = 0
        self.swallow_to_client = False
        """Take the broker's bytes and lose them: what was sent arrives, its acknowledgement never does."""
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Break every connection now; new ones are accepted again."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for sock in (sock for pair in pairs for sock in pair):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def allow(self, on: bool) -> None:
        self._open = on
        if not on:
            self.cut()

    def close(self) -> None:
        self._closed = True
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 2) if self._open else None
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            with self._lock:
                self._pairs.add((near, far))
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()

    def _pump(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([near, far], [], [])
                for sock in ready:
                    data = sock.recv(65536)
                    if not data:
                        return
                    if sock is far and self.swallow_to_client:
                        continue
                    (far if sock is near else near).sendall(data)


class Listener:
    """The fleet's side: a durable subscription to everything, and a voice."""

    def __init__(self, port: int, **login: Any) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"t-{uuid.uuid4().hex}",
                                   protocol=mqtt.MQTTv5)
        if login:
            self._client.username_pw_set(**login)
        self._client.on_connect = lambda client, *_: client.subscribe("scrubcam/#", qos=1)
        self._client.on_message = lambda _c, _u, m: self.messages.append(
            (m.topic.rsplit("/", 1)[1], bytes(m.payload), bool(m.retain))
        )
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, leaf: str) -> list[bytes]:
        return [payload for name, payload, _ in list(self.messages) if name == leaf]

    @property
    def events(self) -> list[FleetEvent]:
        return [msgspec.json.decode(payload, type=FleetEvent) for payload in self.of("events")]

    @property
    def states(self) -> list[State]:
        return [msgspec.json.decode(payload, type=State) for payload in self.of("state")]

    @property
    def statuses(self) -> list[Status]:
        return [msgspec.json.decode(payload, type=Status) for payload in self.of("status") if payload]

    @property
    def answers(self) -> list[FleetAnswer]:
        return [msgspec.json.decode(payload, type=FleetAnswer) for payload in self.of("answer")]

    def online(self, times: int = 1) -> None:
        wait_for(lambda: sum(s.status == "online" for s in self.statuses) >= times, "the device is online")

    def command(self, payload: bytes | dict[str, Any], *, retain: bool = False, expiry_s: int | None = None) -> None:
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        self._client.publish(f"scrubcam/{DEVICE}/command", data, 1, retain, properties).wait_for_publish(10)

    def answer_to(self, id: str) -> FleetAnswer:
        found: FleetAnswer = wait_for(lambda: [a for a in self.answers if a.id == id], f"an answer to {id!r}")[0]
        return found

    def ask(self, payload: dict[str, Any], **more: Any) -> FleetAnswer:
        id = uuid.uuid4().hex
        self.command({"id": id, **payload}, **more)
        return self.answer_to(id)


class RecorderStub:
    """The recorder's own journal and socket, and just enough of a recorder behind them to answer commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "state").mkdir(parents=True, exist_ok=True)
        self.state: RecorderState = "READY"
        self.commands: list[Command] = []
        self.mute = False
        self._answers = AnswerMemory()
        self._stopping = threading.Event()
        self.up()

    def up(self) -> None:
        self._stopping.clear()
        self.journal = Journal(self.folder / "state" / "journal.db")
        self.server = SocketServer(self.folder / "run", self.journal, wake=lambda: None)
        self.report()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def down(self) -> None:
        self._stopping.set()
        self._thread.join(5)
        self.server.close()
        self.journal.close()

    def emit(self, kind: str, **fields: str | int | float | bool) -> Event:
        event = self.journal.append(Event(0, uuid.uuid4().hex, kind, time.time(), "rec-1", dict(fields)))
        self.server.event_is_durable(event)
        return event

    def report(self, **more: Any) -> None:
        self.server.publish(StateReport(self.state, time.time(), **more))

    def health(self, **more: Any) -> None:
        figures = dict.fromkeys(("durable_bytes", "disk_free_bytes", "hours_left", "frames_out", "frames_dropped",
                                 "frames_blanked", "regions_masked", "preroll_s", "pipeline_restarts",
                                 "pipeline_rss_bytes"), 0)
        self.server.publish(Health(unix_s=time.time(), state=self.state, **(figures | more)))

    def _loop(self) -> None:
        while not self._stopping.is_set():
            try:
                client, command = self.server.inbox.get(timeout=0.05)
            except queue.Empty:
                continue
            known = self._answers.get(command.id)
            if known is None:
                self.commands.append(command)
            if not self.mute:
                answer = known or self._act(command)
                self._answers.keep(answer)
                self.server.answer(client, answer)

    def _act(self, command: Command) -> Answer:
        if command.verb == "start" and self.state == "READY":
            self.state = "RECORDING"
            self.emit("started")
        elif command.verb == "stop" and self.state == "RECORDING":
            self.state = "READY"
            self.emit("sealed")
        elif command.verb == "bookmark" and self.state != "RECORDING":
            return Answer(command.id, False, self.state, "not recording")
        self.report()
        return Answer(command.id, True, self.state)

"""A recorder on a bench: real processes, a simulated board and disk, driven and watched only from outside the wire."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from firmware.ipc import Channel, ChannelClosed
from firmware.messages import (
    Answer,
    Command,
    Consent,
    Event,
    FromRecorder,
    Health,
    Login,
    LoginRole,
    RecorderState,
    SetLogin,
    StateReport,
    Subscribe,
    ToRecorder,
    Verb,
)
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from hw.sim.board_wire import BoardRemote

CONSENT = Consent(
    state="given", video=True, audio=False, by="Dr. A", evidence="form 7", purpose="To teach one technique.",
    purpose_class="education", audience="residents", destination="the teaching archive", retention_days=365,
    medical_record="no",
)
PASSPHRASE = "a passphrase of some length"
SCENE = "scene://?width=320&height=180&rate=15&seed=3&sound=0"
TOML = """
[device]
name = "bench"
[paths]
recordings_dir = "{root}/rec"
state_dir = "{root}/state"
run_dir = "{root}/run"
models_dir = "{models}"
[source]
uri = "{uri}"
[encode]
preset = "ultrafast"
bitrate_bps = 1000000
[detect]
faces = {faces}
text = {faces}
codes = {faces}
[recorder]
preroll_s = {preroll_s}
reserve_bytes = 1000000
floor_bytes = 1000000
escrow = "none"
[[recorder.recipients]]
role = "archive"
file = "{root}/archive.pub"
[mqtt]
health_interval_s = 1
"""
T = TypeVar("T")


def until(look: Callable[[], T | None], timeout_s: float = 20.0, what: str = "it") -> T:
    """Ask again until something true comes back."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {timeout_s:g} s")


class Listener:
    """One connection to the recorder's socket; keeps all it hears."""

    def __init__(self, path: Path, after_seq: int = 0, *, subscribe: bool = True) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(path))
        except OSError:
            sock.close()
            raise
        self.channel: Channel[ToRecorder, FromRecorder] = Channel(sock, ToRecorder, FromRecorder)
        self.events: list[Event] = []
        self.states: list[StateReport] = []
        self.healths: list[Health] = []
        self.answers: dict[str, Answer] = {}
        if subscribe:
            self.channel.send(Subscribe(after_seq))

    def read(self) -> None:
        """Take in what has come. Raises ChannelClosed."""
        while (message := self.channel.recv(0)) is not None:
            if isinstance(message, Event):
                self.events.append(message)
            elif isinstance(message, StateReport):
                self.states.append(message)
            elif isinstance(message, Health):
                self.healths.append(message)
            elif isinstance(message, Answer):
                self.answers[message.id] = message

    def ask(self, verb: Verb, *, consent: Consent | None = None, note: str = "", command_id: str = "",
            recording: str = "") -> Answer:
        return self.request(Command(command_id or uuid.uuid4().hex, verb, note=note, consent=consent,
                                    recording=recording))

    def request(self, message: Command | Login | SetLogin) -> Answer:
        """Send it and wait for its answer."""
        self.answers.pop(message.id, None)
        self.channel.send(message)

        def answered() -> Answer | None:
            self.read()
            return self.answers.get(message.id)

        return until(answered, what=f"an answer to {message}")

    def record(self, consent: Consent) -> str:
        """Wait until pictures come, give consent, start; the recording's id. Patient: the machine may be busy."""
        self.state("READY", 60.0)
        until(lambda: (self.read(), self.healths and self.healths[-1].frames_out > 0)[1], 60.0, "pictures")
        assert self.ask("consent", consent=consent).ok
        started = self.ask("start")
        assert started.ok, started.reason
        return self.state("RECORDING", 60.0).recording_id

    def become(self, role: LoginRole) -> None:
        """Log in as somebody with this role, on a device without logins."""
        for name, given in (("adam", "administrator"), ("eve", role)):
            assert self.request(SetLogin(uuid.uuid4().hex, name, given, PASSPHRASE)).ok
            assert self.request(Login(uuid.uuid4().hex, name, PASSPHRASE)).ok

    def state(self, name: RecorderState, timeout_s: float = 20.0) -> StateReport:
        """Wait for the newest report to say `name`."""

        def reached() -> StateReport | None:
            self.read()
            return self.states[-1] if self.states and self.states[-1].state == name else None

        return until(reached, timeout_s, f"state {name}")

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def event(self, kind: str, timeout_s: float = 20.0, count: int = 1) -> Event:
        """Wait for the `count`-th event of a kind."""

        def came() -> Event | None:
            self.read()
            found = [event for event in self.events if event.kind == kind]
            return found[count - 1] if len(found) >= count else None

        return until(came, timeout_s, f"event {kind}")

    def close(self) -> None:
        self.channel.close()


class Unit:
    """One device in a folder: configuration, archive key, and the recorder process when started."""

    def __init__(self, root: Path, *, uri: str = SCENE, preroll_s: float = 30.0, faces: bool = False,
                 models: str = "models") -> None:
        self.root = root
        self.config = root / "scrubcam.toml"
        self.config.write_text(TOML.format(
            root=root, uri=uri, preroll_s=preroll_s, faces=str(faces).lower(), models=models,
        ))
        new_archive_key(str(root / "archive.key"), str(root / "archive.pub"))
        self.disk_words = root / "disk-words"
        self.process: subprocess.Popen[bytes] | None = None
        self._listeners: list[Listener] = []
        self._board: BoardRemote | None = None

    def start(self, module: str = "firmware.recorder") -> Listener:
        """Start the process and wait until its socket answers."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--config", str(self.config)],
            env=os.environ | {"SCRUBCAM_SIM_DISK": str(self.disk_words)},
        )
        return self.listen()

    def listen(self, after_seq: int = 0) -> Listener:
        def connected() -> Listener | None:
            assert self.process is None or self.process.poll() is None, "the recorder ended"
            try:
                return Listener(self.root / "run" / "recorder.sock", after_seq)
            except (OSError, ChannelClosed):
                return None

        listener = until(connected, what="a connection")
        self._listeners.append(listener)
        return listener

    def board(self, line: str) -> dict[str, object]:
        if self._board is None:
            self._board = BoardRemote(self.root / "run")
        return self._board.ask(line)

    def lights(self) -> dict[str, str]:
        return dict(self.board("lights")["lights"])  # type: ignore[call-overload]

    def light(self, name: str, pattern: str, timeout_s: float = 10.0) -> None:
        until(lambda: self.lights()[name] == pattern, timeout_s, f"{name} light {pattern}")

    def disk(self, words: str, *, second: bool = False) -> None:
        """What the simulated disk, or the second one, does from now on."""
        path = self.disk_words.with_name(self.disk_words.name + ".second" * second)
        path.with_suffix(".new").write_text(words)
        path.with_suffix(".new").rename(path)

    def configure(self, section: str, **settings: object) -> None:
        """Put settings at the head of a section of the configuration."""
        text = self.config.read_text()
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        head = f"[{section}]\n"
        kept = "".join(
            line for line in text.splitlines(keepends=True) if line.split(" = ")[0] not in settings
        )
        self.config.write_text(kept.replace(head, head + lines) if head in kept else f"{kept}{head}{lines}")

    def kill9(self) -> float:
        """kill -9 the recorder; returns the time on its clock (seconds, CLOCK_MONOTONIC)."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        at = time.monotonic()
        self.process.wait(10)
        self._forget()
        return at

    def stop(self) -> int:
        """SIGTERM and wait for a clean end."""
        if self.process is None:
            return 0
        self.process.terminate()
        status = self.process.wait(30)
        self._forget()
        return status

    def recordings(self) -> list[Path]:
        return sorted((self.root / "rec").glob("*.scrub"))

    def key(self) -> PrivateKey:
        return PrivateKey.load(str(self.root / "archive.key"))

    def open(self, path: Path | None = None) -> Recording:
        """A recording with this unit's keystore; the first when none is named."""
        return Recording.open(str(path or self.recordings()[0]), Keystore.of_device(str(self.root / "state")))

    def _forget(self) -> None:
        self.process = None
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        if self._board is not None:
            self._board.close()
            self._board = None


def runs(pid: int) -> bool:
    """Is it there and not just waiting for its parent to notice its death?"""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


def children_of(pid: int) -> list[int]:
    """Processes whose parent is `pid`."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(folder.name))
            except (OSError, IndexError):
                continue  # it ended while we looked
    return found


def files_under(*roots: Path) -> Iterator[Path]:
    """Every regular file below `roots`."""
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path

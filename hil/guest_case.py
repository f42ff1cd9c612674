"""One case on the virtual unit, from inside: the recorder's own processes, the pedal, and what they say."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from firmware.config import Config
from firmware.config_file import load
from firmware.ipc import Channel
from firmware.messages import Answer, Command, Consent, FromRecorder, Health, StateReport, Subscribe, ToRecorder
from firmware.recorder_socket import connect_to_recorder
from hil.guest_devices import DISK_FOLDER
from hil.qemu_hand import QemuHand

START_S = 600.0
PRESS_S = 0.15
CUT = "cut the power now"
REPORTS = 6
"""How often the durable bytes must be told to have grown before the power is cut: once a second, as they grow."""
CONSENT = Consent(
    state="given", video=True, audio=False, by="Bench", evidence="none: a test pattern",
    purpose="To try a virtual unit.", purpose_class="quality", audience="the bench", destination="the bench's folder",
    retention_days=1, medical_record="no",
)
Say = Callable[[str], None]


class Recorder:
    """The recorder process of one configuration, and one connection to it."""

    def __init__(self, config: Path) -> None:
        self.settings: Config = load(config)
        self._process = subprocess.Popen([sys.executable, "-m", "firmware.recorder", "--config", str(config)])
        self._channel: Channel[ToRecorder, FromRecorder] | None = None
        self.state = StateReport("BOOT", 0.0)
        self.health: Health | None = None
        self._answers: dict[str, Answer] = {}

    def until(self, done: Callable[[], bool], what: str, timeout_s: float = START_S) -> None:
        """Take in messages until `done`. Raises TimeoutError, or RuntimeError when the process ends."""
        deadline = time.monotonic() + timeout_s
        while not done():
            if self._process.poll() is not None:
                raise RuntimeError(f"the recorder ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {what} within {timeout_s:g} s; the recorder says {self.state}, {self.health}")
            self._read()

    def ask(self, verb: str, **fields: object) -> None:
        """Send a command and wait for its answer. Raises RuntimeError when it is refused."""
        assert self._channel is not None
        command = Command(uuid.uuid4().hex, verb, **fields)  # type: ignore[arg-type]
        self._channel.send(command)
        self.until(lambda: command.id in self._answers, f"answer to {verb}", 60.0)
        if not self._answers[command.id].ok:
            raise RuntimeError(f"{verb} was refused: {self._answers[command.id].reason}")

    def durable_beyond(self, known: int) -> int:
        """The number of durable bytes, once it is more than `known`."""
        self.until(lambda: self.state.durable_bytes > known, f"more than {known} durable bytes")
        return self.state.durable_bytes

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    def _read(self) -> None:
        if self._channel is None:
            try:
                self._channel = connect_to_recorder(Path(self.settings.paths.run_dir))
            except OSError:
                time.sleep(0.2)
                return
            self._channel.send(Subscribe(0))
        message = self._channel.recv(0.5)
        if isinstance(message, StateReport):
            self.state = message
        elif isinstance(message, Health):
            self.health = message
        elif isinstance(message, Answer):
            self._answers[message.id] = message


def record(work: Path, say: Say) -> int:
    """Consent, a press of the pedal, a recording; says what is durable and then that the power is to be cut."""
    recorder = Recorder(work / "scrubcam.toml")
    recorder.until(lambda: recorder.state.state == "READY", "READY")
    recorder.until(lambda: recorder.health is not None and recorder.health.frames_out > 0, "picture")
    say("READY, pictures come")
    recorder.ask("consent", consent=CONSENT)
    hand = QemuHand()
    hand.press("pedal")
    time.sleep(PRESS_S)
    hand.release("pedal")
    recorder.until(lambda: recorder.state.state == "RECORDING", "RECORDING")
    say(f"RECORDING {recorder.state.recording_id}")
    durable = 0
    for _ in range(REPORTS):
        durable = recorder.durable_beyond(durable)
        say(f"durable {durable}")
    say(CUT)
    time.sleep(START_S)
    raise TimeoutError("the power was not cut")


def recover(work: Path, say: Say) -> int:
    """Boot as after a power cut: the recorder recovers by itself; the files are then given to the host."""
    recorder = Recorder(work / "scrubcam.toml")
    recorder.until(lambda: recorder.state.state == "READY", "READY after the power cut")
    say("READY again")
    recorder.stop()
    for name in ("recordings", "state"):
        shutil.copytree(DISK_FOLDER / name, work / "after" / name)
    say("the disk's files are with the host")
    return 0

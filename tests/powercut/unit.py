"""The device under test: the recorder's and the pipeline's own processes, their files on the disk that is cut."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from firmware.ipc import ChannelClosed
from firmware.paths import default_models_dir
from firmware.vault.keys import PrivateKey, new_archive_key
from firmware.vault.keystore import Keystore
from tests.powercut.watch import Watch
from tests.recorder_helpers import CONSENT, Listener

SCENE = "scene://?width=320&height=180&rate=30&seed=3&sound=0"
PREROLL_S = 2.0
START_S = 60.0
TOML = """
[device]
name = "cut"
[paths]
recordings_dir = "{disk}/recordings"
state_dir = "{disk}/state"
run_dir = "{run}"
models_dir = "{models}"
[source]
uri = "{scene}"
[encode]
bitrate_bps = 1000000
[detect]
faces = {detectors}
text = {detectors}
codes = {detectors}
[recorder]
preroll_s = {preroll_s}
reserve_bytes = 1000000
floor_bytes = 1000000
escrow = "none"
[[recorder.recipients]]
role = "archive"
file = "{work}/archive.pub"
[mqtt]
health_interval_s = 1
"""


class CutUnit:
    """`boot`, then `record`, then `kill`. All settings that bear on the loss (delay, fragment) are the defaults."""

    def __init__(self, work: Path, disk: Path, *, detectors: bool) -> None:
        self.recordings = disk / "recordings"
        self.keystore = Keystore.of_device(str(disk / "state"))
        self._run = Path(tempfile.mkdtemp(prefix="cut-"))
        self._config = work / "scrubcam.toml"
        self._config.write_text(TOML.format(
            disk=disk, run=self._run, models=default_models_dir(), scene=SCENE, work=work, preroll_s=PREROLL_S,
            detectors=str(detectors).lower(),
        ))
        self._log = open(work / "unit.log", "ab")  # noqa: SIM115  (as long as the processes)
        new_archive_key(str(work / "archive.key"), str(work / "archive.pub"))
        self.key = PrivateKey.load(str(work / "archive.key"))
        self.watch = Watch()
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: Listener | None = None

    def boot(self) -> None:
        """Start the processes, as systemd would."""
        environment = {name: text for name, text in os.environ.items() if name != "SCRUBCAM_SIM_DISK"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "firmware.recorder", "--config", str(self._config)], stdin=subprocess.DEVNULL,
            stdout=self._log, stderr=self._log, start_new_session=True, env=environment,
        )

    def ready(self) -> None:
        """Wait until recovery is over and the recorder is ready."""
        deadline = time.monotonic() + START_S
        while self._listener is None:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the recorder did not come up (exit status {self._process.poll()}), see unit.log")
            with contextlib.suppress(OSError, ChannelClosed):
                self._listener = Listener(self._run / "recorder.sock")
            time.sleep(0.02)
        self._listener.state("READY", START_S)

    def ask_start(self) -> None:
        assert self._listener is not None
        self._listener.ask("consent", consent=CONSENT)
        answer = self._listener.ask("start")
        if not answer.ok:
            raise RuntimeError(f"the start was refused: {answer}")

    def started(self) -> None:
        """Wait until the recorder says that it records, which it does from the first durable picture on."""
        assert self._listener is not None
        self._listener.state("RECORDING", START_S)

    def listen(self, seconds: float) -> None:
        """Take in what the recorder tells."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.told()
            self.watch.look(self.recordings, self._process.pid if self._process else 0)
            time.sleep(min(left, 0.01))

    def ask_stop(self) -> None:
        assert self._listener is not None
        self._listener.ask("stop")

    def told(self) -> set[tuple[int, str, str]]:
        """(number, kind, recording) of every event that was told: each stands for something that is on the disk."""
        if self._listener is None:
            return set()
        with contextlib.suppress(ChannelClosed, OSError):
            self._listener.read()
        return {(event.seq, event.kind, event.recording_id) for event in self._listener.events}

    def kill(self) -> None:
        """SIGKILL to the process and all its children."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
            self._process = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

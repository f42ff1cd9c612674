"""The demo's stage: folders, archive keys, a configuration, a broker and the device itself as its own process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from firmware.errors import DiskFault, PartMissing
from firmware.paths import default_models_dir
from firmware.vault.keys import DEFAULT_KEM, new_archive_key

WIDTH, HEIGHT, RATE, SEED = 1920, 1080, 30, 3
DEVICE_NAME = "demo"
PREROLL_S = 10.0
LEFT_BEHIND = (
    "contact-sheet.png", "recording.mp4", "recording.scrub", "device.log", "scrubcam.toml",
    *(f"{role}.{half}" for role in ("archive", "escrow", "reader") for half in ("key", "pub")),
)
KEYS = {"archive": DEFAULT_KEM, "escrow": DEFAULT_KEM, "reader": "P256"}
"""Role (and name) of each key pair, and its kind. The reader's is what a web browser can use."""
STOP_TIMEOUT_S = 20.0


def find_program(name: str, package: str) -> str:
    """The path of a system program, /usr/sbin included. Raises PartMissing."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))
    if found is None:
        raise PartMissing(f"{name} is not installed", meaning="The demo cannot go on", todo=f"apt install {package}")
    return found


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_text(stage: Stage) -> str:
    """The device's scrubcam.toml, as a person would write it."""
    recipients = "\n".join(
        f'[[recorder.recipients]]\nrole = "{role}"\nfile = "{stage.out / role}.pub"' for role in KEYS
    )
    return f"""# Written by the demo. Every key is explained in docs/configuration.md.
[device]
name = "{DEVICE_NAME}"
room = "stage 1"

[paths]
recordings_dir = "{stage.recordings}"
state_dir = "{stage.device / 'state'}"
run_dir = "{stage.run_dir}"
models_dir = "{default_models_dir()}"

[source]
uri = "{stage.scene_uri}"

[encode]
codec = "h264"
encoder = "x264"
preset = "superfast"
bitrate_bps = 8000000

[sound]
enabled = true

[recorder]
preroll_s = {PREROLL_S:.1f}
reserve_bytes = 200000000
floor_bytes = 50000000
{recipients}

[board]
kind = "sim"

[mqtt]
host = "127.0.0.1"
port = {stage.broker_port}
tls = false
health_interval_s = 1.0
"""


@dataclass(slots=True)
class Stage:
    """Where everything is. `out` keeps what a person looks at; `device` is the unit's own disk, thrown away after."""

    out: Path
    device: Path
    broker_port: int
    scene_uri: str
    broker: subprocess.Popen[bytes] | None = None
    unit: subprocess.Popen[bytes] | None = None

    @property
    def recordings(self) -> Path:
        return self.device / "recordings"

    @property
    def run_dir(self) -> Path:
        return self.device / "run"

    @property
    def log_path(self) -> Path:
        return self.out / "device.log"

    @classmethod
    def set_up(cls, out: Path) -> Stage:
        """Make folders, keys and configuration. What an earlier demo left in `out` is replaced, and nothing else.

        Raises DiskFault.
        """
        out = out.resolve()
        try:
            out.mkdir(parents=True, exist_ok=True)
            for name in LEFT_BEHIND:
                (out / name).unlink(missing_ok=True)
        except OSError as error:
            raise DiskFault(f"{out} cannot be used: {error.strerror}", todo="say --out with another folder") from None
        device = Path(tempfile.mkdtemp(prefix="scrubcam-demo-"))
        for folder in ("recordings", "state", "run"):
            (device / folder).mkdir(mode=0o700)
        epoch_ns = time.monotonic_ns()
        uri = f"scene://?width={WIDTH}&height={HEIGHT}&rate={RATE}&seed={SEED}&epoch_ns={epoch_ns}"
        stage = cls(out, device, free_port(), uri)
        for role, kem in KEYS.items():
            new_archive_key(str(out / f"{role}.key"), str(out / f"{role}.pub"), kem=kem)
        (out / "scrubcam.toml").write_text(config_text(stage))
        return stage

    def start_broker(self) -> None:
        """mosquitto, for this machine only. Raises PartMissing when it is absent or does not come up."""
        program = find_program("mosquitto", "mosquitto")
        conf = self.device / "mosquitto.conf"
        conf.write_text(f"listener {self.broker_port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        with open(self.out / "device.log", "ab") as log:
            self.broker = subprocess.Popen([program, "-c", str(conf)], stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.broker.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.broker_port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise PartMissing("mosquitto did not start", todo=f"look into {self.log_path}")

    def start_unit(self) -> None:
        """`scrubcam run`, exactly as on a device."""
        command = [sys.executable, "-m", "firmware.cli.main", "run", "--config", str(self.out / "scrubcam.toml")]
        root = Path(__file__).resolve().parent.parent.parent
        path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
        with open(self.log_path, "ab") as log:
            self.unit = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": path},
            )

    def stop_unit(self) -> int | None:
        """SIGTERM and wait; its exit status, or None when it had to be killed."""
        return _stop(self.unit, STOP_TIMEOUT_S, group=True)

    def tear_down(self) -> None:
        """Stop what runs and remove the device's folders. Nothing here raises."""
        _stop(self.unit, STOP_TIMEOUT_S, group=True)
        _stop(self.broker, 5.0, group=False)
        shutil.rmtree(self.device, ignore_errors=True)


def _stop(process: subprocess.Popen[bytes] | None, timeout_s: float, *, group: bool) -> int | None:
    if process is None:
        return None
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        pass
    try:
        if group:
            os.killpg(process.pid, signal.SIGKILL)  # its own session: the three processes and nobody else
        else:
            process.kill()
    except ProcessLookupError:
        pass
    process.wait(5.0)
    return None

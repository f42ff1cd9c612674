"""`python -m firmware.recorder --config FILE`: the recorder process, as systemd or the supervisor starts it."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from functools import partial

from firmware.config import Config
from firmware.config_file import load
from firmware.durable import make_folder
from firmware.errors import ConfigError, DiskFault, ScrubcamError
from firmware.hardening import harden
from firmware.log import setup
from firmware.recorder.process import Parts, RecorderProcess
from hw.board import make_board, make_power, make_watchdog
from hw.disk import OsDisk
from hw.sim.clock import SystemClock
from hw.sim.disk import SimDisk, SimDisks


def main(arguments: list[str] | None = None) -> int:
    """Run until stopped. Returns the process's exit status; a fault is one line on standard error."""
    parser = argparse.ArgumentParser(prog="scrubcam-recorder", description="The recorder process of Scrubcam.")
    parser.add_argument("--config", required=True, help="the unit's scrubcam.toml")
    options = parser.parse_args(arguments)
    setup("recorder")
    harden(lock_memory=True)
    try:
        return run(load(options.config))
    except ScrubcamError as fault:
        print(f"scrubcam recorder: {fault}", file=sys.stderr)
        return fault.exit_code


def run(cfg: Config) -> int:
    """The process with the configured parts. Raises ScrubcamError."""
    for folder in (cfg.paths.state_dir, cfg.paths.run_dir):
        try:
            make_folder(folder)
        except OSError as error:
            raise DiskFault(f"{folder} cannot be made ({error.strerror})", meaning="The recorder cannot start",
                            todo="correct the paths in the configuration, or their owner") from error
    lock = _only_one(cfg.paths.state_dir)
    board = make_board(cfg.board, cfg.paths.run_dir)
    simulated = os.environ if cfg.board.kind == "sim" else {}  # only a simulated unit may have simulated parts
    control = simulated.get("SCRUBCAM_SIM_DISK", "")
    disk = _simulated(cfg, control) if control else OsDisk()
    power = make_power(cfg.power, simulated.get("SCRUBCAM_SIM_SYS", ""))
    watchdog = partial(make_watchdog, cfg, simulated.get("SCRUBCAM_SIM_WATCHDOG", ""))
    try:
        process = RecorderProcess(cfg, Parts(board, disk, SystemClock(), power, watchdog))
        process.handle_signals()
        process.run()
    finally:
        board.close()
        os.close(lock)
    return 0


def _simulated(cfg: Config, control: str) -> SimDisks:
    """A disk for each target; the second follows the control file `<control>.second`."""
    controls = (control, f"{control}.second")
    return SimDisks({folder: SimDisk(words) for folder, words in zip(cfg.paths.targets, controls, strict=False)})


def _only_one(state_dir: str) -> int:
    """A lock that ends with the process; two recorders on one state would fight for the camera and the journal."""
    handle = os.open(os.path.join(state_dir, "recorder.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise ConfigError(f"a recorder is already running on {state_dir}", todo="stop it first") from None
    return handle


if __name__ == "__main__":
    sys.exit(main())

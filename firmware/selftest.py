"""The self-test: is all a recording needs here, and does a short one go through the whole path and open again?"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.markup import escape

from firmware.config import Config
from firmware.durable import make_folder
from firmware.errors import DiskFault, KeyFault, PartMissing, ScrubcamError
from firmware.paths import default_models_dir
from firmware.recorder.targets import Look
from firmware.selftest_path import Finding, whole_path


def run_selftest(cfg: Config, *, configured: bool, console: Console) -> bool:
    """Run every check, print one line for each; True when all held. Writes only into a temporary folder."""
    if not configured:
        cfg = replace(cfg, paths=replace(cfg.paths, models_dir=str(default_models_dir())))
    all_held = True
    for finding in findings(cfg, configured=configured):
        all_held &= finding.held
        mark = "[bold green]✓[/]" if finding.held else "[bold red]✗[/]"
        console.print(f"{mark} {finding.name}: {escape(finding.told)}")
    console.print("[bold green]Fit to record.[/]" if all_held else "[bold red]Not fit to record.[/]")
    return all_held


def findings(cfg: Config, *, configured: bool) -> Iterator[Finding]:
    """Every check's finding, as it is made: the parts, the site's keys and disks where `configured`, the whole path."""
    checks: list[tuple[str, Callable[[Config], str]]] = [("encoder", _encoder), ("detectors", _detectors)]
    if configured:
        checks += [("archive keys", _recipients), ("device certificate", _certificate), ("disk", _disk)]
    for name, check in checks:
        try:
            yield Finding(name, True, check(cfg))
        except ScrubcamError as error:
            yield Finding(name, False, str(error))
    try:
        yield from whole_path(cfg)
    except ScrubcamError as error:
        yield Finding("whole path", False, str(error))


def _encoder(cfg: Config) -> str:
    from firmware.pipeline.encode_trial import try_encoder

    return try_encoder(cfg.encode)


def _detectors(cfg: Config) -> str:
    from firmware.pipeline.detect.codes import CodeDetector
    from firmware.pipeline.detect.faces import open_faces
    from firmware.pipeline.detect.text import open_text

    ready = []
    if cfg.detect.faces:
        open_faces(cfg.paths.models_dir, cfg.detect)
        ready.append("faces")
    if cfg.detect.text:
        open_text(cfg.paths.models_dir, cfg.detect)
        ready.append("text")
    if cfg.detect.codes:
        CodeDetector(cfg.detect)
        ready.append("codes")
    if not ready:
        raise PartMissing("no detector is configured", meaning="Every frame would be filled",
                          todo="set detect.faces, detect.text and detect.codes")  # fmt: skip
    return f"{', '.join(ready)} on {cfg.detect.provider}, models match their hashes"


def _recipients(cfg: Config) -> str:
    from firmware.vault.keys import load_recipients

    recipients = load_recipients((r.role, r.file) for r in cfg.recorder.recipients)
    roles = {recipient.role for recipient in recipients}
    for role in ("archive", "escrow"):
        if role not in roles and not (role == "escrow" and cfg.recorder.escrow == "none"):
            raise PartMissing(
                f"no {role} key is configured", meaning="A start will be refused",
                todo=f'name its public key as [[recorder.recipients]] with role = "{role}"'
                + (', or set recorder.escrow = "none"' if role == "escrow" else ""),
            )
    return ", ".join(
        f"{r.role} {r.key.key_id}" + ("" if r.key.quantum_safe else f" ({r.key.kem}, not quantum-safe)")
        for r in recipients
    )


def _certificate(cfg: Config) -> str:
    from firmware.vault.device_ca import name_of
    from firmware.vault.device_certificates import CERTIFICATE_NAME, load_device_chain
    from firmware.vault.device_key import DeviceKey

    if not Path(cfg.paths.state_dir, CERTIFICATE_NAME).exists():
        return "none: recordings are trusted by the device's key alone"
    own = load_device_chain(cfg.paths.state_dir, DeviceKey.load(cfg.paths.state_dir))[0]
    until = own.not_valid_after_utc
    if until < datetime.now(timezone.utc):
        raise KeyFault(f"the device's certificate ended on {until:%Y-%m-%d}",
                       meaning="Recordings made now are not trusted by whoever checks them against the device CA",
                       todo="certify the device again (`scrubcam keys certify`)")
    return f"{name_of(own)}, until {until:%Y-%m-%d}"


def _disk(cfg: Config) -> str:
    """Judged as at a start: all targets together, in hours at the configured rate."""
    from firmware.recorder.conditions import hours_left, reserve, room_refusal

    looks = [_look(folder) for folder in cfg.paths.targets]
    rate, floor_bytes = cfg.encode.bitrate_bps / 8, cfg.recorder.floor_bytes
    needed = reserve(cfg.recorder.reserve_bytes, cfg.recorder.reserve_hours, rate)
    refusal = room_refusal(looks, floor_bytes, needed, rate)
    if refusal:
        raise DiskFault(refusal, meaning="A start will be refused",
                        todo="hand recordings over (`scrubcam handover`), or look at retention.make_room")
    hours = hours_left(looks, floor_bytes, rate)
    early = f", less than {cfg.recorder.warn_hours:g} h" if hours < cfg.recorder.warn_hours else ""
    free = ", ".join(f"{(look.free_bytes or 0) / 1e9:.1f} GB free on {look.folder}" for look in looks)
    return f"{hours:.1f} h left at the configured rate{early}; a start needs {needed / rate / 3600:.1f} h ({free})"


def _look(folder: str) -> Look:
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
        free, device = shutil.disk_usage(folder).free, os.stat(folder).st_dev
    except OSError as error:
        raise DiskFault(f"{folder} cannot be written ({error.strerror})", meaning="A start will be refused, or has no "
                        "second disk to go on to", todo="mount it writable, or change [paths]") from error
    return Look(folder, free, device=device)

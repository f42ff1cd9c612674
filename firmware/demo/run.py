"""Runs the demo from an empty folder to the summary: 0 only when every single step held."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from firmware.demo.case import Case
from firmware.demo.judge import judge
from firmware.demo.stage import DEVICE_NAME, HEIGHT, RATE, SEED, WIDTH, Stage
from firmware.demo.steps import StepFailed, Steps
from firmware.demo.witness import MqttWitness, SocketWitness
from firmware.errors import ScrubcamError
from firmware.export.copy import write_sealed_copy
from firmware.vault.keystore import Keystore

PAGE_WIDTH = 120


def run_demo(out_dir: Path, console: Console | None = None) -> int:
    """Stage, play, open and check one case; leaves the contact sheet, the MP4 and the sealed file in `out_dir`."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = PAGE_WIDTH
    steps, began = Steps(console), time.monotonic()
    console.print("[bold]Scrubcam demo[/]: one operation on this PC, with a rendered scene, a simulated pedal and a "
                  "local broker. About a minute and a half.\n")
    stage: Stage | None = None
    try:
        stage = Stage.set_up(out_dir)
        console.print(f"[bold]The case[/]  ({WIDTH}x{HEIGHT} at {RATE} frames a second, seed {SEED})")
        case, mqtt, sealed = _play(stage, steps)
        console.print("\n[bold]The recording[/]")
        judge(stage, steps, case.record, mqtt, sealed)
    except StepFailed:
        console.print("  The steps after this one were not tried.", style="red")
    except ScrubcamError as error:
        steps.tell(error.code, False, str(error))
    except KeyboardInterrupt:
        steps.tell("demo", False, "interrupted")
    except Exception as error:  # no traceback reaches a user
        steps.tell("demo", False, f"unexpected fault ({type(error).__name__}: {error})")
    finally:
        if stage is not None:
            stage.tear_down()
    _last_words(console, steps, stage, time.monotonic() - began)
    return 1 if steps.failed or not steps.steps else 0


def _play(stage: Stage, steps: Steps) -> tuple[Case, MqttWitness, Path]:
    """The live part: broker, device, script; ends with the device stopped and the sealed file in `out`."""
    stage.start_broker()
    mqtt = MqttWitness(stage.broker_port, DEVICE_NAME)
    local = SocketWitness(stage.run_dir)
    case = Case(stage, steps, mqtt, local)
    try:
        stage.start_unit()
        with steps.console.status("the device starts, then a scripted operation of about 35 s ..."):
            case.play()
        with steps.console.status("the device is told to stop ..."):
            status = stage.stop_unit()
            gone = mqtt.wait_for(lambda h: h.leaf == "status" and h.payload.status == "offline", 5.0)
        told = f"exit status {status}, the fleet was told that it went offline" if gone else f"exit status {status}"
        steps.tell("device stopped", status == 0 and gone is not None, told)
    finally:
        local.close()
        mqtt.close()
    found = sorted(stage.recordings.rglob("*.scrub"))
    steps.need("sealed file", len(found) == 1, f"{len(found)} in the recordings folder")
    sealed = stage.out / "recording.scrub"
    write_sealed_copy(str(found[0]), Keystore.of_device(str(stage.device / "state")), [], str(sealed))
    return case, mqtt, sealed


def _last_words(console: Console, steps: Steps, stage: Stage | None, seconds: float) -> None:
    if stage is not None and not steps.failed:
        console.print(f"\n[bold green]All {len(steps.steps)} steps held[/], in {seconds:.0f} s.")
    else:
        names = ", ".join(step.name for step in steps.failed)
        console.print(f"\n[bold red]Did not hold: {escape(names) or 'nothing was tried'}[/] (after {seconds:.0f} s).")
        if stage is not None and stage.log_path.exists():
            console.print(f"What the device said: {escape(str(stage.log_path))}")
    if stage is not None and (stage.out / "contact-sheet.png").exists():
        console.print(f"Look at contact-sheet.png and recording.mp4 in {escape(str(stage.out))}")

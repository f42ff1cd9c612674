"""Judges what the demo left: the sealed file, the MP4, every frame against the scene, the sound, the loss bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, Progress, TextColumn

from firmware.demo import compare, footage, opened, summary
from firmware.demo.case import CaseRecord, event_problems
from firmware.demo.sheet import Moment, write_sheet
from firmware.demo.stage import HEIGHT, RATE, WIDTH, Stage
from firmware.demo.steps import Steps
from firmware.demo.witness import MqttWitness
from firmware.vault.keys import PrivateKey
from firmware.vault.reader import Recording
from hw.ports import U8
from hw.sim.scene import SceneSource
from hw.sim.scene_picture import TruthBox

LOSS_LIMIT_S = 1.0
QUIET_DB, UNTOUCHED_PART = 30.0, 0.80
SHEET_MOMENTS = 6
TIMES_LIMIT_S = 0.002
LEAST_PREROLL_S = 5.0
LATE_PART, MISSING_PART = 0.0, 0.0


def judge(stage: Stage, steps: Steps, record: CaseRecord, mqtt: MqttWitness, sealed: Path) -> None:
    """Everything that can be known afterwards from the file, the broker and the board."""
    with Recording.open(str(sealed)) as recording:
        report = recording.verify()
    why = report.first_problem.text if report.first_problem else f"signed by device {report.device_fingerprint}"
    steps.need("verify (no key)", report.ok and report.state == "sealed",
               f"{report.state}, {report.records} records, {report.fragments} fragments, {report.frames} frames: {why}")
    key = PrivateKey.load(str(stage.out / "archive.key"))
    content = opened.read_recording(sealed, key)
    steps.tell("open with the archive key", len(content.bookmarks) == 3 and not content.gaps,
               f"{len(content.verdicts)} verdicts, {len(content.bookmarks)} bookmarks, {len(content.gaps)} gaps")
    movie = stage.out / "recording.mp4"
    exported = opened.export(sealed, key, movie)
    seen = footage.probe(movie)
    _tell_media(steps, content, exported.frames, seen)
    _tell_frames(steps, record, content)
    _tell_risk(steps, record, content)
    problems = event_problems(mqtt.heard)
    steps.tell("events over MQTT", not problems and not mqtt.undecodable, "; ".join(problems) or summary.events(mqtt))
    scene = SceneSource(stage.scene_uri)
    compared = _compare(stage, steps, scene, content, movie)
    _tell_compared(steps, compared)
    _tell_sound(steps, compared, movie)
    steps.console.print()
    summary.write(steps.console, stage, record, mqtt, content, report, movie)


def _tell_media(steps: Steps, content: opened.Opened, frames: int, seen: footage.Probe) -> None:
    first = content.first_pts_ns
    late = max((abs(pts - seen.pts_s[0] - (verdict.pts_ns - first) / 1e9)
                for pts, verdict in zip(seen.pts_s, content.verdicts, strict=False)), default=9.0)
    held = (frames == seen.frames == len(content.verdicts) and not seen.complaints and late < TIMES_LIMIT_S
            and (seen.width, seen.height) == (WIDTH, HEIGHT))
    told = (f"{seen.codec} {seen.width}x{seen.height}, {seen.sound_codec or 'no'} sound, {seen.seconds:.1f} s; "
            f"{seen.frames} frames for {len(content.verdicts)} verdicts, times within {late * 1000:.2f} ms; "
            f"ffprobe {'complains: ' + seen.complaints[:200] if seen.complaints else 'has no complaint'}")
    steps.tell("export to MP4", held, told)


def _tell_frames(steps: Steps, record: CaseRecord, content: opened.Opened) -> None:
    """Pre-roll, verdicts and dropped frames. A PC with other work may be late now and then; what is late is filled."""
    preroll_s = (record.pressed_ns - content.first_pts_ns) / 1e9
    steps.tell("pre-roll", preroll_s >= LEAST_PREROLL_S,
               f"the recording begins {preroll_s:.1f} s before the pedal was pressed")
    starved = [v for v in content.verdicts if v.kind == "blanked" and v.reason != "privacy-pause"]
    paused = sum(1 for v in content.verdicts if v.reason == "privacy-pause")
    reasons = ", ".join(sorted({v.reason for v in starved}))
    total = len(content.verdicts)
    told = f"{paused} frames filled in the privacy pause, {len(starved)} of {total} for want of evidence in time"
    if starved:
        told += f" ({reasons}): this PC was too busy for {len(starved) / total:.1%} of the picture"
    steps.tell("live: a verdict for every frame", len(starved) <= LATE_PART * total and paused > RATE, told)
    missing = round((content.verdicts[-1].pts_ns - content.first_pts_ns) * RATE / 1e9) + 1 - total
    steps.tell("live: every frame taken", missing <= MISSING_PART * total,
               f"{missing} of {total + missing} missing, longest step "
               f"{opened.largest_step_s(content.verdicts) * 1000:.0f} ms")


def _tell_risk(steps: Steps, record: CaseRecord, content: opened.Opened) -> None:
    risks = opened.at_risk_s(content, record.durable_samples, time.time() - time.monotonic())
    worst = max(risks, default=9.0)
    told = (f"at {len(risks)} moments a power cut would have cost at most {worst:.2f} s "
            f"(0.50 s delay + {content.longest_fragment_ns / 1e9:.2f} s fragment + encode and sync)")
    steps.tell("loss bound", bool(risks) and worst <= LOSS_LIMIT_S, told)


def _compare(stage: Stage, steps: Steps, scene: SceneSource, content: opened.Opened, movie: Path) -> compare.Compared:
    moments = _moments(scene, content)
    keep: dict[int, Callable[[U8, U8], None]] = {
        number: partial(moment.take, width=WIDTH, height=HEIGHT) for number, moment in moments.items()
    }
    bar = Progress(TextColumn("  comparing every frame with the scene"), BarColumn(),
                   TextColumn("{task.percentage:.0f}%"), console=steps.console, transient=True)
    with bar:
        task = bar.add_task("", total=len(content.verdicts))
        result = compare.compare(footage.luma_frames(movie, WIDTH, HEIGHT), content.verdicts, scene, keep,
                                 lambda number: bar.update(task, completed=number + 1))
    sheet = stage.out / "contact-sheet.png"
    write_sheet(sheet, list(moments.values()))
    drawn = sum(1 for moment in moments.values() if moment.after is not None)
    steps.tell("contact sheet", drawn == SHEET_MOMENTS, f"{drawn} moments before and after")
    return result


def _moments(scene: SceneSource, content: opened.Opened) -> dict[int, Moment]:
    """Frames for the sheet: the one of the pause's middle, and in each fifth of the rest the one with most faces."""
    verdicts, chosen = content.verdicts, list[int]()
    paused = [n for n, v in enumerate(verdicts) if v.reason == "privacy-pause"]
    shown = [n for n, v in enumerate(verdicts) if v.kind != "blanked"]
    parts = SHEET_MOMENTS - bool(paused)
    for part in range(parts):
        piece = shown[len(shown) * part // parts : len(shown) * (part + 1) // parts : 10]
        if piece:
            chosen.append(max(piece, key=lambda n: _faces(scene.truth_at(scene.index_at(verdicts[n].pts_ns)))))
    chosen += paused[len(paused) // 2 : len(paused) // 2 + 1]
    moments = {}
    for number in sorted(chosen):
        verdict = verdicts[number]
        words = {"blanked": f"filled whole ({verdict.reason})", "masked": f"masked, {verdict.regions} regions",
                 "clean": "clean"}[verdict.kind]
        boxes = scene.truth_at(scene.index_at(verdict.pts_ns))
        moments[number] = Moment((verdict.pts_ns - content.first_pts_ns) / 1e9, words, boxes)
    return moments


def _faces(boxes: list[TruthBox]) -> float:
    return sum(box.visible_fraction for box in boxes if box.kind == "face")


def _tell_compared(steps: Steps, c: compare.Compared) -> None:
    bad = ", ".join(f"frame {n}: {label} {part:.0%}" for n, label, part in c.uncovered[:4])
    what = ", ".join(f"{label} {count}" for label, count in sorted(c.boxes.items()))
    told = f"{c.boxes_total} planted boxes in {c.frames} frames ({what})"
    if c.uncovered:
        told += f"; {len(c.uncovered)} not covered: {bad}"
    if c.slivers:
        told += (f"; not counted: {c.slivers} times a face was less than half in view, of which {c.slivers_seen} times "
                 f"its edge can be seen (at most {c.sliver_largest:.0%} of a face)")
    steps.tell("every face and name covered", not c.uncovered and c.boxes_total > 0 and not c.blanked_not_flat, told)
    held = c.quiet_worst_db >= QUIET_DB and c.untouched_median >= UNTOUCHED_PART
    around = sorted(c.around_db)[len(c.around_db) // 2] if c.around_db else 0.0
    steps.tell("scene otherwise untouched", held,
               f"part without faces and text: never below {c.quiet_worst_db:.1f} dB PSNR; away from planted boxes "
               f"{c.untouched_median:.1%} of the picture is as it was ({around:.1f} dB)")


def _tell_sound(steps: Steps, compared: compare.Compared, movie: Path) -> None:
    offsets = compare.clapper_offsets_s(compared.flashes_s, compare.tone_starts_s(footage.sound(movie)))
    low, high = compare.CLAPPER_LIMIT_S
    held = len(offsets) >= 2 and all(low <= offset <= high for offset in offsets)
    told = ", ".join(f"{offset * 1000:+.0f} ms" for offset in offsets) or "no clap was found"
    steps.tell("picture and sound together", held, f"at {len(offsets)} claps, flash minus tone: {told}")

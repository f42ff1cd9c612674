"""The demo's last page: one time line of presses, lights and messages, verdicts for each second, and the figures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from firmware.cli.console import human_bytes
from firmware.demo.case import CaseRecord
from firmware.demo.opened import Opened, Second, by_second
from firmware.demo.stage import KEYS, Stage
from firmware.demo.witness import MqttWitness
from firmware.vault.report import VerifyReport

_USE = {
    "archive": "", "escrow": ", for when the archive's is lost",
    "reader": ", what a web browser can use; not quantum-safe",
}
"""What each of the demo's keys is there for."""


def events(mqtt: MqttWitness) -> str:
    """One line: which events came, and how many of everything."""
    kinds = Counter(h.payload.kind for h in mqtt.heard if h.leaf == "events")
    leaves = Counter(h.leaf for h in mqtt.heard)
    listed = ", ".join(f"{kind} {count}" if count > 1 else kind for kind, count in kinds.items())
    return (f"{leaves['events']} in order without a gap ({listed}); "
            f"{leaves['state']} state reports, {leaves['health']} health")


def write(
    console: Console, stage: Stage, record: CaseRecord, mqtt: MqttWitness, content: Opened, report: VerifyReport,
    movie: Path,
) -> None:
    """Print the whole summary."""
    console.print(_time_line(record, mqtt))
    console.print(Text("Verdicts, one mark a second  ").append_text(_bar(by_second(content.verdicts))))
    console.print(Text("  █ masked  ░ clean  ▒ filled whole (privacy pause)", style="dim"))
    console.print(_figures(stage, record, content, report, movie))


def _time_line(record: CaseRecord, mqtt: MqttWitness) -> Table:
    """Seconds are counted from the press that started the recording."""
    rows: list[tuple[int, int, str]] = []
    for event in record.board_log:
        kind, name, value = event["kind"], event["name"], event["value"]
        if kind == "light":
            rows.append((event["monotonic_ns"], 1, f"{name} light {value}"))
        elif kind == "tone":
            rows.append((event["monotonic_ns"], 1, f"tone: {name}"))
        else:
            rows.append((event["monotonic_ns"], 0, f"{kind} {name}"))
    for heard in mqtt.heard:
        told = ""
        if heard.leaf == "events":
            fields = heard.payload.fields
            why = fields.get("text") or fields.get("problem") or fields.get("code") or ""
            told = f"event {heard.payload.seq}: {heard.payload.kind}" + (f" ({why})" if why else "")
        elif heard.leaf == "state":
            told = f"state {heard.payload.state}" + (f" ({heard.payload.refusal})" if heard.payload.refusal else "")
        elif heard.leaf == "status":
            told = f"status {heard.payload.status}"
        elif heard.leaf == "answer":
            told = f"answer to {heard.payload.id}: {'ok' if heard.payload.ok else heard.payload.reason}"
        if told:
            rows.append((heard.monotonic_ns, 2, told))
    table = Table(title="What was pressed, what was shown, what went over MQTT", title_justify="left", box=None,
                  padding=(0, 2, 0, 0))
    table.add_column("second", justify="right", style="dim")
    for heading in ("pressed", "light and tone", "MQTT"):
        table.add_column(heading)
    zero = record.pressed_ns or min((at for at, _, _ in rows), default=0)
    for moment, cells in _merged(sorted(rows)):
        table.add_row(f"{(moment - zero) / 1e9:+.1f}", *cells)
    return table


def _merged(rows: list[tuple[int, int, str]]) -> list[tuple[int, list[str]]]:
    """Things within a fifth of a second share a line."""
    lines: list[tuple[int, list[list[str]]]] = []
    for at, column, told in rows:
        if not lines or at - lines[-1][0] > 200_000_000:
            lines.append((at, [[], [], []]))
        if told not in lines[-1][1][column]:
            lines[-1][1][column].append(told)
    return [(at, [", ".join(cell) for cell in cells]) for at, cells in lines]


def _bar(seconds: list[Second]) -> Text:
    bar = Text()
    for second in seconds:
        if second.blanked * 2 >= second.clean + second.masked + second.blanked:
            bar.append("▒", "yellow")
        elif second.masked >= second.clean:
            bar.append("█", "cyan")
        else:
            bar.append("░", "green")
    return bar


def _figures(stage: Stage, record: CaseRecord, content: Opened, report: VerifyReport, movie: Path) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    counts = Counter(verdict.kind for verdict in content.verdicts)
    stream = content.stream
    rows = {
        "frames": f"{len(content.verdicts)}: {counts['masked']} masked, {counts['clean']} clean, "
                  f"{counts['blanked']} filled whole; {sum(v.regions for v in content.verdicts)} regions filled",
        "pre-roll": f"{(record.pressed_ns - content.first_pts_ns) / 1e9:.1f} s before the press",
        "made by": f"{stream.encoder}; detectors {', '.join(stream.detectors)}" if stream else "",
        "sealed file": f"{human_bytes(report.size_bytes)}, {report.state}, {report.signed_records} of "
                       f"{report.records} records signed by {report.device_fingerprint}",
        "opens with": "; ".join(f"{role}.key ({kem}{_USE[role]})" for role, kem in KEYS.items()),
        "MP4": f"{human_bytes(movie.stat().st_size)}",
        "left in": str(stage.out),
    }
    for name, told in rows.items():
        table.add_row(f"[bold]{name}[/]", told)
    return table

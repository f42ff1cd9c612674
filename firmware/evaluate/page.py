"""The report as one HTML page that stands by itself: no script, nothing loaded from anywhere. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from firmware.evaluate.chart import recall_chart
from firmware.evaluate.page_details import clip_table, failure_section, made_section, speed_section, view_section
from firmware.evaluate.page_style import STYLE
from firmware.evaluate.page_words import counted, percent, pill, table
from firmware.evaluate.words import JUDGED, NO_PICTURES, NOT_COVERED, PICTURES_WARNING, lines

Report = dict[str, Any]
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_GOAL_OF = {
    "unmasked": "Faces, unmasked", "masked": "Faces, masked", "moving": "Faces in moving scenes, 40 px and up",
    "overlay": "Text on bands and overlays, 16 px and up", "wild": "Text in the wild",
}


def make_page(report: Report, miss_pictures: Sequence[str], fill_pictures: Sequence[str]) -> str:
    """The page for a report (report.py). The pictures are data URIs in the order of `misses` and `false_fills`, or
    empty for a page without pictures."""
    shown = bool(miss_pictures or fill_pictures)
    return "".join([
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Scrubcam: what is still to be seen</title><style>{STYLE}</style></head><body><main>",
        _head(report, shown),
        _goals(report),
        _categories(report),
        _charts(report),
        view_section(report),
        _misses(report, miss_pictures),
        _false_fills(report, fill_pictures),
        speed_section(report),
        _list("How it was judged", lines(JUDGED)),
        _list("What these figures do not cover", report["not_covered"] or lines(NOT_COVERED)),
        made_section(report),
        clip_table(report),
        "</main></body></html>\n",
    ])


def _head(report: Report, shown: bool) -> str:
    counts = report["counts"]
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(report["made_unix_s"]))
    made = escape(report["made_by"]["software"])
    if not report["given_outputs"]:
        made += escape(f", profile {report['made_by']['settings']['detect']['profile']}")
    boxes = counted(counts["boxes"], "marked face, word or code", "marked faces, words and codes")
    leaks = counted(counts["leaks"], "of them still shows", "of them still show")
    text = PICTURES_WARNING if shown else NO_PICTURES
    parts = [
        "<h1>What is still to be seen</h1>",
        f'<p class="soft">{made}. {when}. {counted(counts["judged"], "clip")}, {boxes}, {leaks}.</p>',
        f'<p class="sum">{_summary(report)}</p>',
        f'<p class="{"warn" if shown else "note"}">{escape(" ".join(lines(text)))}</p>',
    ]
    if report["partial"]:
        parts.append(f'<p class="note"><b>Unfinished.</b> It was stopped: {counts["not_reached"]} of {counts["clips"]} '
                     "clips were not reached.</p>")
    if counts["left_out"]:
        parts.append(f'<p class="note">A part of the set, as asked: {counts["left_out"]} clips were left out.</p>')
    if report["given_outputs"]:
        parts.append('<p class="note">The judged films were given; they were not made in this run, and nothing below '
                     "about software, models and settings is about them.</p>")
    if report["made_by"]["changed_during_the_run"]:
        parts.append('<p class="note">The software changed while this ran: outputs may be by different versions.</p>')
    parts.append(failure_section(report))
    return "".join(parts)


def _summary(report: Report) -> str:
    """The verdicts in one line."""
    verdicts = [goal["verdict"] for goal in report["goals"]]
    told = [f"{pill(one)} {verdicts.count(one)}" for one in ("met", "missed", "incomplete", "not measured")
            if one in verdicts]
    return f"Of {counted(len(verdicts), 'target')}: " + " &nbsp; ".join(told)


def _goals(report: Report) -> str:
    rows = []
    for goal in report["goals"]:
        wanted, recall = goal["wanted"], goal["recall"]
        measured = goal["verdict"] != "not measured" and (goal["clips"] > 0)
        asked, found = [], []
        if wanted["recall"] is not None:
            asked.append(f"{percent(wanted['recall'], 1)} covered")
            if measured:
                covered = f"{recall['boxes'] - recall['leaks']} of {recall['boxes']}"
                sure = f"{covered}, at least {percent(recall['at_least_95'], 1)}"
                found.append(_mark(f"{percent(recall['value'])} covered", recall["value"] < wanted["recall"])
                             + f' <span class="soft">({sure})</span>')
        if wanted["longest_exposure"] is not None:
            asked.append(f"at most {counted(wanted['longest_exposure'], 'frame')} in a row")
            if measured:
                found.append(_mark(f"{counted(goal['longest_exposure'], 'frame')} in a row",
                                   goal["longest_exposure"] > wanted["longest_exposure"]))
        for key, name in (("false_area", "of the area"), ("false_frames", "of the frames")):
            if wanted[key] is not None:
                asked.append(f"at most {percent(wanted[key], 1)} {name}")
                if measured:
                    found.append(_mark(f"{percent(goal[key])} {name}", goal[key] > wanted[key]))
        rows.append([f"<b>{escape(goal['name'])}</b>", ", ".join(asked), ", ".join(found) or "-",
                     pill(goal["verdict"])])
    return "<h2>Against the targets</h2>" + table(["", "target", "measured", ""], rows) + (
        '<p class="soft">"Not measured": the set holds nothing for this target. "Incomplete": good so far, but clips '
        "failed or were not reached. \"At least\": with so few or many boxes, the lower end of the 95 % interval.</p>"
    )


def _mark(text: str, off: bool) -> str:
    return f'<span class="off">{text}</span>' if off else text


def _categories(report: Report) -> str:
    rows = []
    for row in report["categories"]:
        recall = row["recall"]
        failed = f' <span class="off">+ {row["failed"]} failed</span>' if row["failed"] else ""
        covered = "-"
        if recall["boxes"]:
            least = f"at least {percent(recall['at_least_95'], 1)}"
            covered = f'{percent(recall["value"])}<br><span class="soft">{least}</span>'
        rows.append([
            f"<b>{escape(row['category'])}</b>", f"{row['clips']}{failed}", str(recall["boxes"]), str(recall["leaks"]),
            covered, str(row["longest_exposure"]) if recall["boxes"] else "-", percent(row["false_area"]),
            percent(row["false_frames"]), str(row["blanked_frames"]) if row["product_frames"] else "-",
        ])
    head = ["category", "clips", "boxes", "leaked", "covered", "longest exposure, frames", "false area",
            "false frames", "blanked frames"]
    return "<h2>By category</h2>" + table(head, rows, numbers=range(1, 9))


def _charts(report: Report) -> str:
    wanted = {goal["name"]: goal["wanted"]["recall"] for goal in report["goals"]}
    cards = [
        f'<div class="card"><b>{escape(row["name"][:1].upper() + row["name"][1:])}</b>'
        + recall_chart(row["name"], row["classes"], wanted.get(_GOAL_OF.get(row["role"], ""))) + "</div>"
        for row in report["sizes"]
    ]
    if not cards:
        return ""
    return ("<h2>Covered, by height of face or letter</h2>"
            f'<div class="charts">{"".join(cards)}</div>'
            '<p class="soft">Red: the target. Light line: the 95 % interval. The scale starts at 50 %.</p>')


def _misses(report: Report, pictures: Sequence[str]) -> str:
    misses = report["misses"]
    if not misses:
        return "<h2>Worst misses</h2><p>No marked face, word or code was still to be seen.</p>"
    told = [
        f"<b>{escape(miss['clip'])}</b>, frame {miss['frame']}: {escape(miss['kind'])} of {miss['height_px']:g} px, "
        f"{percent(miss['still_seen'], 0)} still to be seen, {counted(miss['frames_in_a_row'], 'frame')} in a row"
        for miss in misses
    ]
    return (f"<h2>Worst misses</h2><p>First the input, then the output. {len(misses)} of "
            f"{counted(report['counts']['leaks'], 'leaking box', 'leaking boxes')}, from each category: the longest, "
            "then those that show most. "
            "All are in report.json.</p>") + _sheet(told, pictures, "sheet")


def _false_fills(report: Report, pictures: Sequence[str]) -> str:
    fills = report["false_fills"]
    if not fills:
        return "<h2>Worst false fills</h2><p>Nothing to speak of was covered away from the boxes.</p>"
    told = [f"<b>{escape(fill['clip'])}</b>, frame {fill['frame']}: {percent(fill['part'], 1)} of the picture's texture"
            for fill in fills]
    return ("<h2>Worst false fills</h2><p>Left the input, right the output; the red line is around what counts as "
            "covered without need. What the data set does not mark counts here too, even when it was right to "
            "cover it.</p>") + _sheet(told, pictures, "sheet large")


def _sheet(told: Sequence[str], pictures: Sequence[str], style: str) -> str:
    if not pictures:
        return "<ul>" + "".join(f"<li>{text}</li>" for text in told) + "</ul>"
    return f'<div class="{style}">' + "".join(
        f'<figure><img alt="input and output" src="{picture}"><figcaption>{text}</figcaption></figure>'
        for text, picture in zip(told, pictures, strict=True)
    ) + "</div>"


def _list(title: str, items: Iterable[str]) -> str:
    return f"<h2>{escape(title)}</h2><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"

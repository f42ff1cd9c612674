"""The report page's lower half: speed, failures, what made it, and every clip. Pure."""

from __future__ import annotations

from html import escape
from typing import Any

from firmware.evaluate.page_words import counted, percent, table

Report = dict[str, Any]


def failure_section(report: Report) -> str:
    """The clips that could not be judged; they are in no average."""
    failures = report["failures"]
    if not failures:
        return ""
    items = "".join(f"<li><b>{escape(one['clip'])}</b>: {escape(one['problem'])}</li>" for one in failures)
    return (f'<div class="warn"><b>{counted(len(failures), "clip")} could not be judged</b> and '
            f"{'is' if len(failures) == 1 else 'are'} in no average:<ul>{items}</ul></div>")


def view_section(report: Report) -> str:
    """Recall by how much of a thing is in the picture; empty where the set does not say."""
    rows = [
        [escape(row["name"]), *(
            f'{percent(one["value"])} <span class="soft">of {one["boxes"]}</span>' if one["boxes"] else "-"
            for one in row["classes"]
        )] for row in report["in_view"]
    ]
    if not rows:
        return ""
    head = ["", *(escape(one["class"]) for one in report["in_view"][0]["classes"])]
    return "<h2>Covered, by how much is in view</h2>" + table(head, rows, range(1, 5))


def speed_section(report: Report) -> str:
    """Frames per second and processor seconds a frame, by category and in all."""
    rows = [
        [escape(row["category"]), str(row["product_frames"]), _number(row["frames_per_s"]),
         _number(row["cpu_s_per_frame"])]
        for row in report["categories"] if row["product_frames"]
    ]
    total = report["speed"]
    if not rows:
        return ""
    rows.append(["<b>all</b>", str(total["product_frames"]), _number(total["frames_per_s"]),
                 _number(total["cpu_s_per_frame"])])
    machine = total["machine"]
    where = f"{escape(machine['processor'])}, {counted(machine['cores'], 'core')}, {escape(machine['architecture'])}"
    return (
        "<h2>Speed</h2>" + table(["", "frames", "frames/s of one clip", "processor seconds a frame"], rows, range(1, 4))
        + f'<p class="soft">{where}; {counted(total["jobs"], "clip")} at a time. Each clip pays for starting the '
        "process and loading the models, which weighs on stills. Outputs that were there before count with the time "
        "they took then.</p>"
    )


def made_section(report: Report) -> str:
    """Software, models with hashes and licences, settings, data set."""
    made = report["made_by"]
    models = [
        [escape(model["file"]), escape(model["licence"]),
         f"<code>{escape(model['sha256'] or 'not installed')}</code>" + ("" if model["as_locked"] else
         ' <span class="off">not the file this release was tested with</span>')]
        for model in made["models"]
    ]
    libraries = ", ".join(f"{escape(name)} {escape(version)}" for name, version in made["libraries"].items())
    settings = "".join(
        f"<tr><td>{escape(section)}</td><td class='wide'><code>"
        + escape(", ".join(f"{key} = {value}" for key, value in values.items())) + "</code></td></tr>"
        for section, values in made["settings"].items() if isinstance(values, dict)
    )
    return (
        "<h2>Made with</h2>"
        f"<p>{escape(made['software'])}, code <code>{made['code_sha256'][:16]}</code>; {libraries}. "
        f"Ground truth <code>{report['dataset']['ground_truth_sha256'][:16]}</code>.</p>"
        + table(["model", "licence", "SHA-256"], models)
        + f"<details><summary>Settings</summary><table>{settings}</table></details>"
    )


def clip_table(report: Report) -> str:
    """One row a clip, those that leak first."""
    clips = sorted(report["clips"], key=lambda clip: (-clip["leaks"], clip["clip"]))
    rows = [
        [escape(clip["clip"]), f"{clip['width']}x{clip['height']}", str(clip["frames"]), str(clip["annotated"]),
         str(clip["boxes"]), str(clip["leaks"]), str(clip["longest_exposure"]), percent(clip["false_area"]),
         percent(clip["false_frames"]), _notes(clip)]
        for clip in clips
    ]
    head = ["clip", "size", "frames", "annotated", "boxes", "leaked", "longest exposure", "false area", "false frames",
            ""]
    return (f"<h2>Every clip</h2><details><summary>{counted(len(clips), 'clip')}</summary>"
            f"{table(head, rows, range(2, 9))}</details>")


def _notes(clip: dict[str, Any]) -> str:
    told = []
    if clip["blanked_frames"]:
        told.append(f"{clip['blanked_frames']} blanked")
    if clip["without_texture"]:
        told.append(f"{clip['without_texture']} boxes without texture")
    if clip["entries_without_frame"]:
        told.append(f"{clip['entries_without_frame']} entries beyond the end")
    if clip["resized"]:
        told.append("output of another size")
    return ", ".join(told)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"

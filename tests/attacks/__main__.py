"""python -m tests.attacks [--faces DATASET]: every attack on the product's output, and a report of how each did."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firmware.pipeline.detect.models import READ, load
from tests.attacks import codes, faces, words
from tests.attacks.fetch import model
from tests.detect_helpers import MODELS_DIR

MADE_FACES = 48


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.attacks", description=__doc__)
    asked.add_argument("--faces", type=Path, help="a folder with ground_truth.json and clips; else made-up faces")
    asked.add_argument("--only", default="", help="only clips whose path begins with this")
    asked.add_argument("--limit", type=int, default=0, help="at most so many clips")
    asked.add_argument("--out", type=Path, default=Path("attacks-out"))
    options = asked.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="scrubcam-attacks-") as name:
        folder = Path(name)
        if options.faces:
            stills, found = faces.labelled_faces(options.faces, options.only, options.limit)
        else:
            stills, found = faces.made_faces(MADE_FACES)
        on_faces = faces.attack(stills, found, folder, model("face-embedding"))
        on_words = words.attack(words.Recogniser(load(MODELS_DIR, READ)), folder)
        on_codes = codes.attack(folder)
    table = Table("attack", "right one above a wrong one", "named at once", "by guessing", title=f"{len(found)} faces")
    for attack, result in on_faces.items():
        table.add_row(attack, f"{100 * result.auc:.1f} % ± {100 * result.error:.1f}", f"{result.first:.1f}", "1.0")
    console.print(table)
    matching = on_words.matching
    console.print(
        f"Names: {on_words.read_before} of {on_words.plates} read before, {on_words.read_after} after. Of "
        f"{on_words.sure_after} filled plates the recogniser was sure that there is text.\n"
        f"What it made of them is nearer to the right name than to a wrong one in {100 * matching.auc:.1f} % "
        f"± {100 * matching.error:.1f}.\n"
        f"Codes: {on_codes.read_before} of {on_codes.codes} read before, {on_codes.read_after} after."
    )
    options.out.mkdir(exist_ok=True)
    (options.out / "report.json").write_text(json.dumps({
        "faces": {name: asdict(result) for name, result in on_faces.items()},
        "words": asdict(on_words), "codes": asdict(on_codes),
    }, indent=2) + "\n")
    judged = [result for name, result in on_faces.items() if name.startswith("filled") and faces.COLOUR not in name]
    held = (all(result.at_chance for result in judged) and on_words.matching.at_chance
            and not on_words.read_after and not on_codes.read_after)
    console.print("[bold]Every attack on the fill is at chance.[/]" if held else "[bold red]An attack does better.[/]")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

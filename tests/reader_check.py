"""`make reader-check`: opens what `make demo` left in the reader page, and leaves screenshots beside it.

    python -m tests.reader_check demo-out
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.reader_desk import Judged, ReaderDesk


def check(folder: Path) -> None:
    """Whole, then with one bit changed. Raises AssertionError with what went otherwise."""
    sealed, key = folder / "recording.scrub", folder / "reader.key"
    for path in (sealed, key):
        assert path.exists(), f"{path} is not there: run `make demo` first"
    with tempfile.TemporaryDirectory() as scratch:
        desk = ReaderDesk(Path(scratch))
        try:
            judged = desk.give(sealed, key, drop=True)
            assert judged == Judged("sealed", "", None, True, ""), judged
            length_s = desk.browser.do("session.player.lengthS")
            desk.play_until(2)
            desk.seek(length_s / 2)
            desk.play_until(length_s / 2 + 1)
            film = desk.film()
            print(f"opened, verified and played: {length_s:.1f} s of {film['width']}x{film['height']}")
            desk.browser.screenshot(folder / "reader.png")
            data = bytearray(sealed.read_bytes())
            data[len(data) // 2] ^= 1
            tampered = Path(scratch) / "tampered.scrub"
            tampered.write_bytes(data)
            judged = desk.give(tampered, key)
            assert (judged.state, judged.part) == ("damaged", "record"), judged
            desk.play_until(2)
            print(f"one bit changed: refused at {judged.place}, what stands before it plays")
            desk.browser.screenshot(folder / "reader-tampered.png")
        finally:
            desk.close()
    print(f"looked like this: {folder / 'reader.png'}, {folder / 'reader-tampered.png'}")


if __name__ == "__main__":
    check(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out").resolve())  # a browser takes no relative path

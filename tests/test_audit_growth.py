"""What a line of the audit log costs on the disk: the figure that docs/adr/0014-journal-growth.md rests on."""

from __future__ import annotations

import uuid
from pathlib import Path

from firmware.messages import Event
from firmware.recorder.journal import Journal
from firmware.vault.device_key import DeviceKey
from firmware.vault.format import new_recording_id

MOST_BYTES = 600
USUAL: list[tuple[str, dict[str, str | int | float | bool]]] = [
    ("asked", {"verb": "start", "origin": "dr.with-a-long-name", "done": False, "reason": "consent: none"}),
    ("pressed", {"control": "pedal", "how": "press"}), ("started", {}), ("bookmark", {"pts_ns": 2**62}),
    ("clock", {"source": "ntp", "synchronised": True, "utc_offset_s": -43_200}),
    ("sealed", {"reason": "pipeline-died-too-often", "bytes": 2**50}),
]


def test_a_signed_line_takes_less_than_the_documented_bytes(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    journal.sign = DeviceKey.generate().sign
    journal._db.execute("PRAGMA synchronous=OFF")  # its durability is not asked about here
    recording_id = new_recording_id()
    for number in range(3000):
        kind, fields = USUAL[number % len(USUAL)]
        journal.append(Event(0, str(uuid.uuid4()), kind, 1_795_000_000.123456 + number, recording_id, fields, 2**60))
    assert [row.seq for row in journal.rows()] == list(range(1, 3001))
    journal.close()
    size = sum(one.stat().st_size for one in tmp_path.iterdir())
    assert size < 3000 * MOST_BYTES
    for document in ("docs/adr/0014-journal-growth.md", "docs/audit.md"):
        assert f"less than {MOST_BYTES} bytes" in Path(document).read_text(encoding="utf-8")

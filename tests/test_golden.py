"""The golden vectors, judged by our own reader as their manifest says; the HTML reader is held to the same manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from firmware.errors import DamagedRecording, KeyFault, UnsupportedRecording
from firmware.export.sealed import export_sealed
from firmware.vault.device_certificates import read_certificates
from firmware.vault.keys import PrivateKey, load_trust_list
from firmware.vault.keystore import Keystore
from firmware.vault.reader import Recording
from firmware.vault.timestamps import signature_problem
from tests.media_helpers import decode_cleanly, probe

FOLDER = Path(__file__).parent / "golden"
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text())
EACH = pytest.mark.parametrize("vector", VECTORS, ids=[vector["file"].removesuffix(".scrub") for vector in VECTORS])


def opened(vector: dict[str, Any]) -> Recording:
    store = Keystore(str(FOLDER / "keystore")) if vector.get("keystore") else None
    return Recording.open(str(FOLDER / vector["file"]), store)


def test_the_manifest_names_every_file_and_they_are_small() -> None:
    assert sorted(vector["file"] for vector in VECTORS) == sorted(path.name for path in FOLDER.glob("*.scrub"))
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 500_000


@EACH
def test_verify_finds_what_the_manifest_says(vector: dict[str, Any]) -> None:
    trusted = load_trust_list(str(FOLDER / "keys" / "trusted.txt"))
    if vector["place"] == "header":
        with pytest.raises(DamagedRecording) as caught:
            opened(vector)
        assert isinstance(caught.value, UnsupportedRecording) == (vector["state"] == "unsupported")
        return
    with opened(vector) as recording:
        report = recording.verify(trusted=trusted)
    assert (report.state, report.trusted) == (vector["state"], vector["trusted"])
    place = report.first_problem.place if report.first_problem and report.trusted else ""
    assert place == vector["place"], report.first_problem
    assert [report.records, report.fragments, report.frames] == [vector[n] for n in ("records", "fragments", "frames")]
    assert report.ok == (report.state in ("sealed", "interrupted") and vector["trusted"])
    authority = read_certificates(str(FOLDER / "keys" / "tsa-ca.pem"))
    judged = {one.at: not signature_problem(one.token, report.chain_values[one.at], authority)
              for one in report.timestamps}
    assert judged == vector.get("timestamps", {})


@EACH
def test_it_opens_with_the_keys_it_is_for_and_no_others(vector: dict[str, Any], tmp_path: Path) -> None:
    for name, opens in vector["opens"].items():
        key = PrivateKey.load(str(FOLDER / "keys" / f"{name}.key"))
        target = tmp_path / f"{name}.mp4"
        store = Keystore(str(FOLDER / "keystore")) if vector.get("keystore") else None
        if not opens:
            with pytest.raises((KeyFault, DamagedRecording)) as caught:
                export_sealed(FOLDER / vector["file"], key, target, keystore=store)
            assert vector.get("open_place", "") in str(caught.value)
            assert not target.exists()
            continue
        exported = export_sealed(FOLDER / vector["file"], key, target, keystore=store)
        assert (exported.frames, exported.fragments) == (vector["frames"], vector["fragments"])
    if any(vector["opens"].values()):
        assert len(probe(target if target.exists() else next(tmp_path.iterdir()))["packets"]) == vector["frames"]
        decode_cleanly(next(tmp_path.iterdir()))

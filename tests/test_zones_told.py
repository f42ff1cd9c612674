"""What a recording with a field zone is called, everywhere it is described, and the rules that bound zones."""

from __future__ import annotations

import json
import subprocess
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from firmware import config
from firmware.cli.main import app
from firmware.config import Zone, Zones
from firmware.config_file import load, loads
from firmware.config_rules import MOST_FIELD_AREA, MOST_ZONES, broken_rules
from firmware.errors import ConfigError
from firmware.export.mp4 import export_mp4
from firmware.messages import FieldZone, StreamInfo
from firmware.recorder.scrub_once import scrub
from firmware.recorder.zone_approval import approve
from firmware.statement import statement
from firmware.vault.device_key import DeviceKey
from firmware.vault.reader import Recording
from hw.ports import StreamFormat
from tests.media_helpers import encode, records, video_track
from tests.recorder_helpers import CONSENT, Unit
from tests.vault_helpers import fragment, seal, stream

BOTH = Zones(profile="eye", always=[Zone("corner", 0, 0, 0.25, 0.25)], field=[Zone("eye", 0, 0, 1, 0.5)])
KEPT = replace(stream(), covers=["face", "text"], profile="eye", site_zones=["corner"],
               field_zones=[FieldZone("left eye", 0.2, 0.2, 0.4, 0.4)])
PLAIN = replace(stream(), covers=["face", "text"])
NOT = "not de-identified: field zone left eye (eye)"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.builds(
    lambda names, found, ran: replace(PLAIN, detectors=ran, covers=found, profile="ent" if names else "",
                                      field_zones=[FieldZone(name, 0, 0, 0.1, 0.1) for name in names]),
    st.lists(st.sampled_from(["ear", "nose"]), max_size=2), st.lists(st.sampled_from(["face", "text", "code"])),
    st.lists(st.just("CenterFace"), max_size=1),
), max_size=3))
def test_the_statement_never_says_de_identified_and_always_names_a_field_zone(streams: list[StreamInfo]) -> None:
    said = statement(streams)
    names = {zone.name for each in streams for zone in each.field_zones}
    if names:
        assert said.startswith("not de-identified: field zone")
        assert all(f"{name} (ent)" in said for name in names)
    else:
        assert "identified" not in said
        assert said.endswith("no claim of anonymity")


def test_the_sealed_file_says_it_without_a_key_and_so_do_info_and_verify(tmp_path: Path) -> None:
    kept = seal(str(tmp_path), [PLAIN, fragment(0), KEPT, fragment(4)], recording_id="kept")
    plain = seal(str(tmp_path), [PLAIN, fragment(0)], recording_id="plain")
    old = seal(str(tmp_path), [stream(), fragment(0)], recording_id="old")
    for path, said in ((kept, NOT), (plain, "faces and text covered; no claim of anonymity"),
                       (old, "covered as its detectors found; no claim of anonymity")):
        with Recording.open(path) as recording:
            info, report = recording.info(), recording.verify()
        assert report.ok
        assert info.statement == report.statement == said
        for command in ("info", "verify"):
            told = CliRunner().invoke(app, [command, path]).output
            assert said in " ".join(told.split())
    with Recording.open(kept) as recording:
        assert recording.info().streams[1].field_zones == KEPT.field_zones
        assert recording.info().streams[1].site_zones == ["corner"]


def test_a_field_zone_cannot_be_taken_out_of_a_sealed_file(tmp_path: Path) -> None:
    path = Path(seal(str(tmp_path), [KEPT, fragment(0)]))
    content = path.read_bytes()
    assert content.count(b'"left eye"') == 1, "public, once"
    path.write_bytes(content.replace(b'"left eye"', b'"left arm"'))
    with Recording.open(str(path)) as recording:
        assert not recording.verify().intact


@pytest.mark.parametrize("streams", [[PLAIN], [KEPT], [PLAIN, KEPT]], ids=["plain", "kept", "kept later"])
def test_the_exported_film_says_it_in_its_comment(tmp_path: Path, streams: list[StreamInfo]) -> None:
    fmt = StreamFormat(64, 48, Fraction(10), False)
    units, codec_config = encode(config.Encode(preset="ultrafast"), fmt, [n * 100_000_000 for n in range(5)])
    info, *fragments = records(video_track(fmt, "h264", codec_config), units, 100_000_000)
    assert isinstance(info, StreamInfo)
    own = [replace(each, init_segment=info.init_segment, live=False) for each in streams]
    result = export_mp4([*own, *fragments], str(tmp_path / "film.mp4"))
    probed = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format_tags=comment", "-of", "json",
                             str(tmp_path / "film.mp4")], check=True, capture_output=True, timeout=60)
    comment = json.loads(probed.stdout)["format"]["tags"]["comment"]
    assert comment == f"Scrubcam: {result.statement}"
    assert (NOT in comment) == (KEPT in streams)
    assert ("identified" in comment) == (KEPT in streams)


def test_scrubbed_footage_says_it_in_report_and_film(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=15", "-frames:v", "6",
                    "-c:v", "ffv1", str(source)], check=True, timeout=60)
    cfg = config.Config(zones=BOTH, encode=config.Encode(preset="ultrafast"),
                        detect=config.Detect(faces=False, text=False, codes=False))
    result = scrub(cfg, source, tmp_path / "out.mp4", tmp_path / "report.json", False, lambda *_: None,
                   threading.Event())
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["statement"] == result.statement == "not de-identified: field zone eye (eye)"
    assert report["site_zones"] == ["corner"]
    assert report["field_zones"] == [{"name": "eye", "x": 0.0, "y": 0.0, "w": 1.0, "h": 0.5}]
    assert b"not de-identified" in (tmp_path / "out.mp4").read_bytes()


def test_each_use_of_a_field_zone_is_an_event_for_the_fleet(tmp_path: Path) -> None:
    unit = Unit(tmp_path)
    unit.config.write_text(unit.config.read_text() + "\n[zones]\nprofile = 'ent'\n" + FIELD.format("ear"))
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    approve(str(state_dir), load(unit.config).zones, DeviceKey.load_or_create(str(state_dir)), "kim", 1.0)
    listener = unit.start()
    try:
        listener.state("READY")
        for _ in range(2):
            listener.ask("consent", consent=CONSENT)
            assert listener.ask("start").ok
            listener.state("RECORDING")
            assert listener.ask("stop").ok
            listener.state("READY")
        events = [listener.event("field-zone", count=1), listener.event("field-zone", count=2)]
        listener.event("sealed", count=2)
        assert unit.stop() == 0
    finally:
        if unit.process is not None:
            unit.kill9()
    assert [event.recording_id for event in events] == [
        event.recording_id for event in listener.events if event.kind == "sealed"
    ]
    assert events[0].fields == {"profile": "ent", "zones": "fear",
                                "text": "not de-identified: field zone fear (ent)"}
    with unit.open() as recording:
        assert recording.info().statement == events[0].fields["text"]


# ---- the rules -------------------------------------------------------------------------------------------

FIELD = '[[zones.field]]\nname = "f{0}"\nx = 0.1\ny = 0.1\nw = 0.2\nh = 0.2\n'
ALWAYS = FIELD.replace("field", "always")
ONE = ALWAYS.format(1)
OUT_OF_IT = "x.toml:1: zones.always[0] (f1): reaches out of the picture"
EMPTY = "x.toml:5: zones.always[0].w = 0: allowed more than 0, at most 1"
TOO_LARGE = f"x.toml:2: zones.field = (a list): field zones may cover at most {MOST_FIELD_AREA:.0%}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (FIELD.format(1), "x.toml:1: zones.field = (a list), zones.profile = \"\": faces in a field zone stay visible"),
        ('[zones]\nprofile = "ent"\n', "x.toml:2: zones.profile"),
        ('[zones]\nprofile = "knee"\n', 'x.toml:2: zones.profile = "knee": allowed one of'),
        ('zones.profile = "ent"\n' + FIELD.format(1) + FIELD.format(1), "x.toml:8: zones.field[1] (f1): another zone"),
        ('zones.profile = "ent"\n' + FIELD.format(1).replace("0.2", "0.9"), TOO_LARGE),
        ("".join(ALWAYS.format(n) for n in range(MOST_ZONES + 1)), "at most 16 zones in all"),
        (ONE.replace("x = 0.1", "x = 0.9"), OUT_OF_IT),
        (ONE.replace("w = 0.2", "w = 0"), EMPTY),
        (ONE.replace("w = 0.2\n", ""), "x.toml:1: zones.always[0]: w must be"),
        (ONE + "angle = 3\n", "x.toml:7: zones.always[0].angle: no such setting"),
        (ONE * 2, "another zone has this name"),
        (ALWAYS.format("\\n"), "x.toml:2: zones.always[0].name"),
        ("[zones]\nalways = [1]\n", "x.toml:2: zones.always = (a list): allowed tables [[zones.always]] with name"),
    ],
)
def test_a_zone_that_cannot_be_is_told_with_its_line_and_rule(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, "x.toml")
    assert told in caught.value.what


def test_zones_arrive() -> None:
    text = 'zones.profile = "dental"\n' + FIELD.format(1) + ALWAYS.format(2)
    read = loads(text, "x.toml").zones
    assert read == Zones(profile="dental", field=[Zone("f1", 0.1, 0.1, 0.2, 0.2)],
                         always=[Zone("f2", 0.1, 0.1, 0.2, 0.2)])
    assert broken_rules(config.Config(zones=read)) == []

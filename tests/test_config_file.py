"""The configuration file: what loads, and what every mistake is told as."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import config_docs
from firmware.config import Config
from firmware.config_file import load, loads
from firmware.config_words import settings as all_settings
from firmware.errors import ConfigError
from firmware.settings_file import MAX_FILE_BYTES
from firmware.toml_lines import key_lines, tomllib

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ["deploy/scrubcam-pc.toml", "deploy/scrubcam-jetson.toml"]
PC_TEXT = config_docs.documents()["deploy/scrubcam-pc.toml"]
# Also with every default written out, so that a mutation can hit any setting.
FULL_TEXT = re.sub(r"^# (?=\w+ = )", "", PC_TEXT, flags=re.MULTILINE)
LINED = re.compile(r"^x\.toml:(\d+): ", re.MULTILINE)


def problems(text: str) -> list[tuple[int, str]]:
    """(line, rest) of each problem told for `text`; fails when it loads."""
    with pytest.raises(ConfigError) as caught:
        loads(text, "x.toml")
    parts = re.split(r";\n", caught.value.what)
    return [(int(m.group(1)), part[m.end() :]) for part in parts if (m := LINED.match(part))]


def test_an_empty_file_is_all_defaults() -> None:
    assert loads("", "x.toml") == Config()


def test_values_arrive() -> None:
    config = loads('device.name = "or-7"\n[encode]\nbitrate_bps = 8_000_000\nfragment_s = 0.2\n', "x.toml")
    assert (config.device.name, config.encode.bitrate_bps, config.encode.fragment_s) == ("or-7", 8_000_000, 0.2)


def test_an_impossible_value_names_line_key_value_range_and_unit() -> None:
    text = "\n" * 12 + "[encode]\nbitrate_bps = 5\n"
    assert problems(text) == [(14, "encode.bitrate_bps = 5: allowed 200000 to 100000000 bit/s")]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[encode]\ncodec = "vp9"', 2, 'encode.codec = "vp9": allowed one of "h264", "h265"'),
        ('[detect]\ndelay_s = "500ms"', 2, 'detect.delay_s = "500ms": allowed 0.2 to 1 s'),
        ("[detect]\nface_threshold = 1", 2, "detect.face_threshold = 1: allowed more than 0, less than 1"),
        ("[detect]\nfaces = 1", 2, "detect.faces = 1: allowed true or false"),
        ("[source]\nrate_hz = inf", 2, "source.rate_hz = inf: allowed 0 to 120 Hz"),
        ('[source]\nuri = "a\\u0000b"', 2, 'source.uri = "a\\u0000b": allowed a text in quotes'),
        ('[recorder]\nrecipients = ["archive.pub"]', 2, "allowed tables [[recorder.recipients]] with role, file;"),
        ('[recorder]\nrecipients = ["a"]', 2, 'write [[recorder.recipients]], below it role = "archive" and file = '),
        ('[[recorder.recipients]]\nrole = "owner"\nfile = "a"', 2,
         'recorder.recipients[0].role = "owner": allowed one of "archive", "escrow", "reader"'),
        ('[[recorder.recipients]]\nrole = "reader"', 1, "recorder.recipients[0]: file must be given too"),
        ("[recorder]\nreserve_bytes = 1" + "0" * 30, 2, "(a number of more than 64 bit): allowed at least 0 bytes"),
        ("[detect]\ndelay_ms = 500", 2, "did you mean detect.delay_s (0.2 to 1 s)?"),
        ("[encode]\nbitrate = 500", 2, "did you mean encode.bitrate_bps (200000 to 100000000 bit/s)?"),
        ("[recorder]\ndelay_s = 0.3", 2, "did you mean detect.delay_s"),
        ("[board]\nzzz = 1", 2, "board.zzz: no such setting; known here are kind, definition"),
        ("[detekt]\nfaces = true", 1, "[detekt]: no such section; did you mean [detect]?"),
        ("fragment_s = 0.2", 1, "no such setting outside a section; did you mean encode.fragment_s"),
        ("encode = 5", 1, "encode = 5: a table is expected, written [encode]"),
        ('[a]\n"line\\nbreak" = 1\n', 1, "[a]: no such section"),
        ('[encode]\n\n\ncodec = "h264', 4, "not TOML"),
        ("[encode]\ncodec h264", 2, "not TOML"),
        ("x = 1\nx = 2", 2, "not TOML: Cannot overwrite a value"),
        ("x = " + "[" * 50_000, 1, "nested too deeply"),
        ("x = " + "9" * 5000, 1, "not TOML"),
    ],
)
def test_each_mistake_is_told_at_its_line(text: str, line: int, told: str) -> None:
    assert [at for at, rest in problems(text) if told in rest] == [line]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('[encode]\nencoder = "x265"', 2, 'x265 makes h265 only: set encoder = "x264" or codec = "h265"'),
        ("[detect]\ndelay_s = 0.6\n[encode]\nfragment_s = 0.3", 4, "a power cut could cost 1.1 s, allowed 1 s"),
        ("[detect]\ndelay_s = 0.25", 2, "text_interval_s must be below delay_s"),
        ("[detect]\nfaces = false", 2, "all on, or all off"),
        ("[detect]\ncodes = false", 2, "all on, or all off"),
        ("[detect]\ntext = false", 2, "all on, or all off"),
        ("[recorder]\nfloor_bytes = 3000000000", 2, "floor_bytes must not be above it"),
        ("[recorder]\nlight_stale_s = 0.3", 2, "the record light would flicker"),
        ('[encode]\nrate = "constant"', 2, "needs source.rate_hz above 0 Hz"),
        ("[source]\nwidth = 640", 2, "give both"),
        ('[source]\nuri = ""', 2, "source.uri"),
        ('[source]\nuri = "/dev/video0"\n[sound]\nenabled = true', 4, "name a microphone"),
        ("[controls]\nhold_stop_s = 3\nstuck_s = 2", 3, "hold_stop_s must be below stuck_s"),
        ('[paths]\nrun_dir = ""', 2, "empty: give a directory"),
        ('[paths]\nrun_dir = "/' + "r" * 100 + '"', 2, "too long for the sockets"),
        ('[mqtt]\nhost = "b"', 1, "TLS needs mqtt.ca_file"),
        ('[mqtt]\nhost = "b"\nca_file = "c"\ncert_file = "d"', 4, "a client certificate needs both files"),
        ('[mqtt]\nhost = "b"\ntls = false\nca_file = "c"', 4, "certificates are set but TLS is off"),
        ('[mqtt]\nhost = "b"\ntls = false\npassword_file = "c"', 4, "a password needs mqtt.username"),
        ('[audit]\nhost = "b"', 2, "told over TLS only"),
        ('[audit]\nhost = "b"\nca_file = "c"\ncert_file = "d"', 4, "a client certificate needs both files"),
    ],
)
def test_rules_that_span_settings_are_told_at_a_line(text: str, line: int, told: str) -> None:
    assert [at for at, rest in problems(text) if told in rest] == [line]


def test_all_problems_are_told_at_once_in_order_and_at_most_ten() -> None:
    three = problems('[encode]\nbitrate_bps = 5\n[detect]\ndelay_s = 9\nencoder = "x"\n')
    assert [line for line, _ in three] == [2, 4, 5]
    many = "[encode]\n" + "".join(f"unknown{n} = 1\n" for n in range(25))
    with pytest.raises(ConfigError) as caught:
        loads(many, "x.toml")
    assert len(LINED.findall(caught.value.what)) == 10
    assert caught.value.what.endswith("and 15 more")


def test_a_rule_is_not_told_of_a_setting_that_is_already_wrong() -> None:
    assert len(problems('[encode]\nencoder = "x266"\ncodec = "h265"\n')) == 1


@pytest.mark.parametrize("kind", ["missing", "directory", "device", "too large", "not utf-8", "nul"])
def test_a_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "scrubcam.toml"
    if kind == "directory":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "too large":
        path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    elif kind == "not utf-8":
        path.write_bytes(b"# fine\n# \xff\n")
    with pytest.raises(ConfigError) as caught:
        load(str(path) + "\0" if kind == "nul" else path)
    if kind == "not utf-8":
        assert caught.value.what == f"{path}:2: not UTF-8 text"


# ---- properties ----------------------------------------------------------------------------------

scalars = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(max_size=12), st.lists(st.text(max_size=4), max_size=3)
)


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) < 0xE000) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return repr(value)


def loads_or_is_told(text: str) -> None:
    lines = text.count("\n") + 1
    try:
        assert isinstance(loads(text, "x.toml"), Config)
    except ConfigError as error:
        told = [int(line) for line in LINED.findall(error.what)]
        assert told
        assert all(1 <= line <= lines for line in told)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_mutated_configuration_loads_or_is_told_with_its_line(data: st.DataObject) -> None:
    lines = FULL_TEXT.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        how = data.draw(st.sampled_from(["drop", "double", "value", "chop", "insert", "key"]))
        line = lines[at]
        if how == "drop":
            lines[at] = ""
        elif how == "double":
            lines.insert(at, line)
        elif how == "value" and "=" in line:
            lines[at] = line.split("=")[0] + "= " + toml_value(data.draw(scalars))
        elif how == "chop":
            lines[at] = line[: data.draw(st.integers(0, len(line)))]
        elif how == "key" and "=" in line:
            lines[at] = data.draw(st.text("abcdefs_.\"'", max_size=8)) + line[line.index("=") :]
        else:
            lines[at] += data.draw(st.text(max_size=6))
    loads_or_is_told("\n".join(lines))


@settings(max_examples=200, deadline=None)
@given(st.text("[]{}=.,\"'\\#\n\r \tabc019_-", max_size=60))
def test_rubbish_loads_or_is_told_with_its_line(text: str) -> None:
    loads_or_is_told(text)


keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)


def write_document(draw: Any, document: dict[str, dict[str, str]]) -> tuple[str, dict[tuple[str, ...], int]]:
    """A TOML text of `document` in varied styles, and the true line of each of its keys."""
    text, truth = "", {}
    for section, table in document.items():
        text += draw(st.sampled_from(["", "\n", "# [no.table] = 'x'\n", "  \n\t# \"\n"]))
        if draw(st.booleans()) and not any("\n" in value for value in table.values()):
            pairs = ", ".join(f"{toml_value(key)} = {value}" for key, value in table.items())
            text = f"{toml_value(section)} = {{{pairs}}}\n" + text  # before any header, so at the top level
            truth = {path: line + 1 for path, line in truth.items()}
            truth.update({(section,): 1, **{(section, key): 1 for key in table}})
            continue
        truth[(section,)] = text.count("\n") + 1
        text += f"[ {toml_value(section)} ]\n"
        for key, value in table.items():
            text += draw(st.sampled_from(["", "\n", "# c = 1\n"]))
            truth[(section, key)] = text.count("\n") + 1
            text += f"{toml_value(key)}={value}\n"
    return text, truth


BLOCKS = [
    '"""\n[no]\nk = 1\n"""', "'''\nk = 2'''", "[\n 1, # ]\n 2,\n]", '"""a\\"""b"""""', '""""""',
    '{ a = 1, b = { c = "}" } }',
]
values = st.sampled_from([
    "1", "-2.5e3", "true", "1979-05-27 07:32:00", '"a # = [x]"', "'[b]'", '"\\" ="', "[1, [2, '3 ]'], {x = 1}]",
    *BLOCKS,
])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_scanner_finds_each_key_at_its_line(data: st.DataObject) -> None:
    document = data.draw(st.dictionaries(keys, st.dictionaries(keys, values, max_size=4), max_size=4))
    text, truth = write_document(data.draw, document)
    parsed = tomllib.loads(text)
    assert {name: set(table) for name, table in parsed.items()} == {n: set(t) for n, t in document.items()}
    found = key_lines(text)
    assert {path: found.get(path) for path in truth} == truth


@pytest.mark.parametrize("block", BLOCKS)
def test_the_scanner_steps_over_values_of_many_lines(block: str) -> None:
    text = f"[a]\r\nfirst = {block}\r\nsecond = 2\r\n[[b]]\nthird.x = 3\n"
    assert tomllib.loads(text)["a"]["second"] == 2
    lines = key_lines(text)
    rest = 2 + block.count("\n") + 1
    assert [lines[path] for path in [("a",), ("a", "first"), ("a", "second"), ("b",), ("b", "third", "x")]] == [
        1, 2, rest, rest + 1, rest + 2,
    ]


# ---- what is generated ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(config_docs.documents()))
def test_generated_files_are_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == config_docs.documents()[path], (
        "run `python -m firmware.config_docs`"
    )


@pytest.mark.parametrize("path", EXAMPLES)
def test_the_examples_load_and_so_do_their_commented_defaults(path: str) -> None:
    config = load(ROOT / path)
    full = re.sub(r"^# (?=\w+ = )", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert loads(full, path) == config
    written = {f"{section}.{key}" for section, table in tomllib.loads(full).items() for key in table}
    assert written == {name for name, _ in all_settings(Config)}


def test_the_examples_differ_where_the_machines_do() -> None:
    pc, jetson = (load(ROOT / path) for path in EXAMPLES)
    assert (pc.board.kind, pc.encode.encoder, pc.mqtt.tls) == ("sim", "x264", False)
    assert (jetson.board.kind, jetson.encode.encoder, jetson.encode.codec) == ("jetson", "nvv4l2", "h265")
    assert jetson.mqtt.tls
    assert jetson.source.uri == "/dev/video0"


def test_every_setting_is_in_the_reference() -> None:
    text = config_docs.markdown()
    for section in msgspec.structs.fields(Config):
        part = text.split(f"## [{section.name}]")[1].split("\n## ")[0]
        for item in msgspec.structs.fields(section.type):
            assert f"| `{item.name}` |" in part
    assert "Whose keys open recordings" in text

"""`scrubcam provision`: each answer is checked, nothing that is there is lost, a crash is mended by a rerun."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from firmware.config_file import load
from firmware.errors import ConfigError, KeyFault, ScrubcamError
from firmware.provision.answers import Answers, check_all, read_answers
from firmware.provision.unit import Places, provision, take_certificate
from firmware.vault.device_ca import check_chain, to_der
from firmware.vault.device_certificates import certify_device, load_device_ca, load_device_chain, new_device_ca
from firmware.vault.device_key import DeviceKey
from firmware.vault.keys import new_archive_key
from hw.sim.files import SimFiles
from tests.crash_helpers import crash_everywhere
from tests.fleet_helpers import certificates
from tests.test_cli_commands import scrubcam

NOW = datetime.now(timezone.utc).replace(microsecond=0)


def places(folder: Path) -> Places:
    return Places(folder, folder / "recordings", folder / "state", folder / "run", folder / "models", installed=False)


def quiet(_text: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a site has: two key pairs, a device CA."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("archive", "escrow", "other"):
        new_archive_key(str(folder / f"{name}.key"), str(folder / f"{name}.pub"))
    new_device_ca(str(folder / "ca.key"), str(folder / "ca.pem"), "site", NOW)
    return folder


@pytest.fixture
def answers(desk: Path) -> Answers:
    return Answers(name="or-1", room="OR 1", source="scene://", archive_key=str(desk / "archive.pub"),
                   escrow_key=str(desk / "escrow.pub"))


def test_the_unit_is_what_was_answered(answers: Answers, tmp_path: Path) -> None:
    made = provision(answers, places(tmp_path), quiet)
    cfg = load(tmp_path / "scrubcam.toml")
    assert (cfg.device.name, cfg.device.room, cfg.source.uri, cfg.board.kind) == ("or-1", "OR 1", "scene://", "sim")
    assert [one.role for one in cfg.recorder.recipients] == ["archive", "escrow"]
    assert made.fingerprint == DeviceKey.load(cfg.paths.state_dir).fingerprint
    assert (tmp_path / "state" / "device.key").stat().st_mode & 0o777 == 0o600


def test_a_jetson_gets_its_encoder_and_a_description_of_ones_own_comes_along(answers: Answers, tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((Path(__file__).parent.parent / "hw/boards/agx-orin-two-wire.toml").read_text())
    answers = replace(answers, board=str(own))
    check_all(answers)
    provision(answers, places(tmp_path / "unit"), quiet)
    cfg = load(tmp_path / "unit" / "scrubcam.toml")
    assert (cfg.board.kind, cfg.encode.encoder, cfg.encode.codec) == ("jetson", "nvv4l2", "h265")
    assert (cfg.power.sensors, cfg.power.hardware_watchdog) == ("sysfs", True)
    assert Path(cfg.board.definition).read_bytes() == own.read_bytes()
    assert Path(cfg.board.definition).parent == tmp_path / "unit"


def test_a_second_run_changes_nothing_and_other_answers_are_refused(
    answers: Answers, desk: Path, tmp_path: Path
) -> None:
    first = provision(answers, places(tmp_path), quiet)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = provision(answers, places(tmp_path), quiet)
    assert (second.fingerprint, first.made, second.made) == (first.fingerprint, True, False)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for changed in (replace(answers, room="OR 2"), replace(answers, archive_key=str(desk / "other.pub"))):
        with pytest.raises(ConfigError, match="says something else"):
            provision(changed, places(tmp_path), quiet)
        assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    third = provision(replace(answers, room="OR 2"), places(tmp_path), quiet, replace=True)
    assert load(tmp_path / "scrubcam.toml").device.room == "OR 2"
    assert third.fingerprint == first.fingerprint


def test_a_crash_anywhere_leaves_what_a_second_run_completes(answers: Answers, tmp_path: Path) -> None:
    fingerprints: set[str] = set()

    def once(disk: SimFiles, folder: Path) -> None:
        made = provision(answers, places(folder), quiet)
        disk.say(made.fingerprint)

    def check(folder: Path, said: list[object]) -> None:
        had_config = (folder / "scrubcam.toml").exists()
        if said or had_config:  # the configuration comes last: with it, all is there
            assert said or DeviceKey.load(str(folder / "state"))
            assert (folder / "archive.pub").exists()
            assert (folder / "escrow.pub").exists()
        made = provision(answers, places(folder), quiet, replace=had_config)  # its paths are those of another folder
        assert not said or made.fingerprint == said[0]
        assert load(folder / "scrubcam.toml").device.name == "or-1"
        fingerprints.add(made.fingerprint)

    tally = crash_everywhere("provision", tmp_path, once, check, samples=0)
    assert tally.cuts > 20


def test_the_request_is_certified_here_or_by_openssl_and_the_certificate_taken_in(
    answers: Answers, desk: Path, tmp_path: Path
) -> None:
    made = provision(answers, places(tmp_path), quiet)
    told = subprocess.run(["openssl", "req", "-in", str(made.request), "-noout", "-verify", "-subject"],
                          capture_output=True, text=True, check=True, timeout=30)
    assert "or-1" in told.stdout
    ca = load_device_ca(str(desk / "ca.key"), str(desk / "ca.pem"))
    certify_device(ca, str(made.request), "or-1", str(tmp_path / "or-1.crt"), NOW)
    take_certificate(str(tmp_path / "or-1.crt"), places(tmp_path), quiet)
    device = DeviceKey.load(str(tmp_path / "state"))
    chain = [to_der(one) for one in load_device_chain(str(tmp_path / "state"), device)]
    assert check_chain(chain, device.public, ca.certificate, NOW.timestamp()).trusted


def test_a_certificate_of_another_unit_and_a_changed_request_are_refused(
    answers: Answers, desk: Path, tmp_path: Path
) -> None:
    ca = load_device_ca(str(desk / "ca.key"), str(desk / "ca.pem"))
    one, two = (provision(answers, places(tmp_path / name), quiet) for name in ("one", "two"))
    certify_device(ca, str(one.request), "or-1", str(tmp_path / "one.crt"), NOW)
    with pytest.raises(KeyFault, match="not the certificate of this unit's key"):
        take_certificate(str(tmp_path / "one.crt"), places(tmp_path / "two"), quiet)
    assert not (tmp_path / "two/state/device.crt").exists()
    lines = two.request.read_text().splitlines()
    lines[2] = lines[2][:10] + ("A" if lines[2][10] != "A" else "B") + lines[2][11:]
    two.request.write_text("\n".join(lines) + "\n")
    with pytest.raises(KeyFault):
        certify_device(ca, str(two.request), "or-1", str(tmp_path / "two.crt"), NOW)


@pytest.mark.parametrize(("field", "value", "why"), [
    ("name", "", "no answer"), ("name", "OR 1!", "no name"), ("room", "a\nb", "one line"),
    ("board", "no-such-board", "no board definition"), ("source", "camera", "no camera"),
    ("archive_key", "/nowhere.pub", "cannot be read"), ("archive_key", "archive.key", "PRIVATE"),
    ("escrow_key", "archive.pub", "the archive's key"), ("escrow_key", "", "no answer"),
    ("broker_host", "a b", "no host"), ("device_certificate", "archive.pub", "no certificate"),
])
def test_a_wrong_answer_is_refused_in_words(answers: Answers, desk: Path, field: str, value: str, why: str) -> None:
    text = str(desk / value) if value.endswith((".pub", ".key")) and "/" not in value else value
    with pytest.raises(ScrubcamError) as caught:
        check_all(replace(answers, **{field: text}))
    assert why in str(caught.value)


def test_a_broker_needs_its_authority_and_a_key_that_fits(answers: Answers, desk: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    certificates(made)
    broker = replace(answers, broker_host="fleet.example")
    with pytest.raises(ConfigError, match="authority"):
        check_all(broker)
    whole = replace(broker, broker_ca=str(made / "ca.pem"), broker_certificate=str(made / "device.pem"),
                    broker_key=str(made / "device.key"))
    check_all(whole)
    with pytest.raises(KeyFault, match="not the key"):
        check_all(replace(whole, broker_key=str(made / "other.key")))
    provision(whole, places(tmp_path / "unit"), quiet)
    mqtt = load(tmp_path / "unit/scrubcam.toml").mqtt
    assert (mqtt.host, mqtt.tls) == ("fleet.example", True)
    assert Path(mqtt.key_file).read_bytes() == (made / "device.key").read_bytes()


def test_the_command_takes_an_answers_file_and_says_what_is_missing(desk: Path, tmp_path: Path) -> None:
    file = tmp_path / "answers.toml"
    file.write_text(f'name = "or-7"\nsource = "/dev/video77"\narchive_key = "{desk / "archive.pub"}"\n'
                    'escrow_key = "none"\n')
    told = scrubcam("provision", "--answers", file, "--dir", tmp_path / "unit", "--no-test", home=tmp_path).stdout
    for missing in ("device CA", "No camera at /dev/video77", "No escrow key", "No broker", "No logins"):
        assert missing in told
    assert read_answers(file).name == "or-7"
    file.write_text("nmae = 1\n")
    scrubcam("provision", "--answers", file, "--dir", tmp_path / "unit", home=tmp_path, code=3)


def test_it_asks_a_person_until_the_answers_hold(desk: Path, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    typed = ["OR 1!", "or-1", "OR 1", "", "scene://", str(desk / "archive.key"), str(desk / "archive.pub"),
             str(desk / "archive.pub"), "none", "", ""]
    command = [sys.executable, "-m", "firmware.cli.main", "provision", "--dir", str(tmp_path / "unit"), "--no-test"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        os.close(theirs)
        os.write(ours, ("\n".join(typed) + "\n").encode())
        told, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, told.decode()
    for said in ("is no name for a unit", "is a PRIVATE key", "is the archive's key", "Still missing"):
        assert said in " ".join(told.decode().split())
    assert load(tmp_path / "unit/scrubcam.toml").recorder.escrow == "none"

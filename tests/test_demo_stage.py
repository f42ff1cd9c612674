"""The demo's stage with real parts: its configuration loads, its broker carries messages, its faults are told."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

from firmware.config_file import load
from firmware.demo import run_demo
from firmware.demo.stage import KEYS, Stage, find_program
from firmware.demo.witness import MqttWitness, SocketWitness
from firmware.errors import DiskFault, PartMissing
from firmware.fleet.topics import FleetEvent, encode, topic
from firmware.vault.keys import PrivateKey, load_recipients
from hw.sim.scene import SceneSource


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage.set_up(tmp_path / "out")
    yield stage
    stage.tear_down()


def test_the_stage_is_what_its_configuration_says(stage: Stage) -> None:
    cfg = load(stage.out / "scrubcam.toml")
    assert cfg.board.kind == "sim"
    assert Path(cfg.paths.recordings_dir) == stage.recordings
    assert SceneSource(cfg.source.uri).settings.epoch_ns <= time.monotonic_ns()
    recipients = load_recipients((recipient.role, recipient.file) for recipient in cfg.recorder.recipients)
    assert [(r.role, r.key.kem) for r in recipients] == list(KEYS.items())
    for recipient in recipients:
        assert PrivateKey.load(str(stage.out / f"{recipient.role}.key")).public == recipient.key


def test_the_private_key_is_not_among_the_devices_folders(stage: Stage) -> None:
    secrets = [(stage.out / f"{role}.key").read_bytes() for role in KEYS]
    held = [path.read_bytes() for path in stage.device.rglob("*") if path.is_file()]
    assert not [data for data in held if b"PRIVATE" in data or data in secrets]
    assert stage.device not in (stage.out / "archive.key").parents


def test_a_second_stage_replaces_the_first_ones_files_and_nothing_else(stage: Stage) -> None:
    mine = stage.out / "notes.txt"
    mine.write_text("mine")
    (stage.out / "recording.mp4").write_text("old")
    again = Stage.set_up(stage.out)
    again.tear_down()
    assert mine.read_text() == "mine"
    assert not (stage.out / "recording.mp4").exists()


def test_the_broker_carries_what_the_witness_hears_and_ends_with_the_stage(stage: Stage) -> None:
    stage.start_broker()
    witness = MqttWitness(stage.broker_port, "demo")
    speaker = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    speaker.connect("127.0.0.1", stage.broker_port)
    speaker.loop_start()
    event = FleetEvent("demo", 1, "a", "boot", 0.0)
    speaker.publish(topic("demo", "events"), b"{not json", qos=1)
    deadline = time.monotonic() + 10
    while not witness.heard and time.monotonic() < deadline:  # its subscription may come after the first ones
        speaker.publish(topic("demo", "events"), encode(event), qos=1).wait_for_publish(5)
        witness.wait_for(lambda heard: True, 0.2)
    assert witness.heard[0].payload == event
    speaker.disconnect()
    speaker.loop_stop()
    witness.close()
    broker = stage.broker
    assert broker is not None
    stage.tear_down()
    assert broker.poll() is not None
    assert not stage.device.exists()


def test_a_witness_of_a_recorder_that_never_comes_gives_up_in_time(stage: Stage) -> None:
    witness = SocketWitness(stage.run_dir)
    assert not witness.wait_for(lambda: witness.state == "READY", 0.3)
    witness.close()


def test_a_program_that_is_not_there_is_named_with_its_package() -> None:
    with pytest.raises(PartMissing, match="no-such-program") as caught:
        find_program("no-such-program", "such-package")
    assert "apt install such-package" in caught.value.todo


def test_a_folder_that_cannot_be_used_is_a_named_fault_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskFault, match="cannot be used"):
        Stage.set_up(tmp_path / "file" / "out")
    told = io.StringIO()
    assert run_demo(tmp_path / "file" / "out", Console(file=told)) == 1
    assert "Did not hold" in told.getvalue()
    assert "Traceback" not in told.getvalue()

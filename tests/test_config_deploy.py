"""The systemd units: what they start exists, and what they must not be able to do is closed."""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from pathlib import Path

import pytest

from firmware.config import Paths
from firmware.config_file import load

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SERVICES = ["scrubcam-recorder.service", "scrubcam-agent.service"]


def unit(name: str) -> dict[str, list[str]]:
    settings: dict[str, list[str]] = defaultdict(list)
    for line in (DEPLOY / name).read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            settings[key].append(value)
    return settings


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_starts_a_module_that_exists_and_never_gives_up(name: str) -> None:
    settings = unit(name)
    started = re.fullmatch(r"\S+/python -m (\S+) --config /etc/scrubcam/scrubcam\.toml", settings["ExecStart"][0])
    assert started
    assert importlib.util.find_spec(f"{started.group(1)}.__main__")
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_gains_no_rights_and_leaves_no_core(name: str) -> None:
    settings = unit(name)
    closed = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "LimitCORE": "0",
              "CapabilityBoundingSet": "", "UMask": "0077", "User": "scrubcam"}
    assert {key: settings[key] for key in closed} == {key: [value] for key, value in closed.items()}


def test_the_recorder_has_no_network_and_the_agent_sees_only_its_outbox() -> None:
    recorder, agent = unit(SERVICES[0]), unit(SERVICES[1])
    assert recorder["PrivateNetwork"] == ["yes"]
    assert recorder["RestrictAddressFamilies"] == ["AF_UNIX"]
    state = Paths().state_dir
    assert agent["TemporaryFileSystem"] == ["/var/lib/scrubcam:ro"]
    assert agent["BindPaths"] == [f"{state}/fleet"]
    assert agent["PrivateDevices"] == ["yes"]


def test_the_directories_of_the_units_are_those_of_the_configuration() -> None:
    recorder = unit(SERVICES[0])
    made = {f"/var/lib/{name}" for name in recorder["StateDirectory"][0].split()}
    made |= {f"/run/{name}" for name in recorder["RuntimeDirectory"]}
    paths = load(DEPLOY / "scrubcam-jetson.toml").paths
    assert {paths.recordings_dir, paths.state_dir, paths.run_dir} <= made

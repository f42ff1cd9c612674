"""The systemd units: what they start exists, what they must not be able to do is closed, and systemd accepts them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from firmware.config import Paths
from firmware.config_file import load

try:
    import tomllib
except ModuleNotFoundError:
    import tomli as tomllib

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"
SERVICES = ["scrubcam-recorder.service", "scrubcam-agent.service"]
USERS = {"scrubcam-recorder.service": "scrubcam", "scrubcam-agent.service": "scrubcam-agent"}


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
    started = re.fullmatch(
        r"/usr/lib/scrubcam/bin/python -m (\S+) --config /etc/scrubcam/scrubcam\.toml", settings["ExecStart"][0]
    )
    assert started
    assert importlib.util.find_spec(f"{started.group(1)}.__main__")
    assert settings["Restart"] == ["always"]
    assert settings["StartLimitIntervalSec"] == ["0"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_gains_no_rights_and_leaves_no_core(name: str) -> None:
    settings = unit(name)
    closed = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "LimitCORE": "0",
              "CapabilityBoundingSet": "", "UMask": "0077", "User": USERS[name], "DevicePolicy": "closed"}
    assert {key: settings[key] for key in closed} == {key: [value] for key, value in closed.items()}
    assert "@system-service" in settings["SystemCallFilter"]


def test_the_recorder_has_no_network_and_the_agent_sees_only_its_outbox() -> None:
    recorder, agent = unit(SERVICES[0]), unit(SERVICES[1])
    assert recorder["PrivateNetwork"] == ["yes"]
    assert recorder["RestrictAddressFamilies"] == ["AF_UNIX"]
    state = Paths().state_dir
    assert agent["TemporaryFileSystem"] == ["/var/lib/scrubcam:ro"]
    assert agent["BindPaths"] == [f"/var/lib/{agent['StateDirectory'][0]}:{state}/fleet"]
    assert agent["PrivateDevices"] == ["yes"]
    assert not agent["DeviceAllow"]


def test_the_recorder_opens_the_devices_of_the_list_and_no_others() -> None:
    listed = tomllib.loads((DEPLOY / "devices.toml").read_text(encoding="utf-8"))["device"]
    assert unit(SERVICES[0])["DeviceAllow"] == [f"{device['node']} {device['rights']}" for device in listed]
    assert all(device["reason"] and device["board"] in ("any", "jetson") for device in listed)


def test_the_agent_reaches_the_socket_through_the_group_that_the_configuration_names() -> None:
    access = load(DEPLOY / "scrubcam-jetson.toml").access
    recorder, agent = unit(SERVICES[0]), unit(SERVICES[1])
    assert [access.agent_user] == agent["User"]
    assert [access.group] == recorder["Group"] == agent["SupplementaryGroups"]


def test_the_directories_of_the_units_are_those_of_the_configuration() -> None:
    recorder = unit(SERVICES[0])
    made = {f"/var/lib/{name}" for name in recorder["StateDirectory"][0].split()}
    made |= {f"/run/{name}" for name in recorder["RuntimeDirectory"]}
    paths = load(DEPLOY / "scrubcam-jetson.toml").paths
    assert {paths.recordings_dir, paths.state_dir, paths.run_dir} <= made


def test_the_machine_boots_into_the_target_and_the_target_into_both_units() -> None:
    target = unit("scrubcam.target")
    assert target["WantedBy"] == ["multi-user.target"]
    assert target["Wants"] == [" ".join(SERVICES)]
    assert all(unit(name)["PartOf"] == ["scrubcam.target"] for name in SERVICES)


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for path in [*DEPLOY.glob("*.service"), *DEPLOY.glob("*.target")]:
        text = path.read_text(encoding="utf-8").replace("/usr/lib/scrubcam/bin/python", "/usr/bin/env")
        (tmp_path / path.name).write_text(text)
    names = [str(path) for path in tmp_path.iterdir()]
    told = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True,
                          timeout=60, check=False)
    assert "scrubcam" not in told.stderr, told.stderr
    assert told.returncode == 0, told.stderr


def test_an_agent_with_nobody_to_speak_to_is_skipped_and_not_failed(tmp_path: Path) -> None:
    """Asked as systemd asks: in a process of its own, which hardens itself."""
    assert unit(SERVICES[1])["ExecCondition"] == [unit(SERVICES[1])["ExecStart"][0].replace(" --c", " --wanted --c")]
    config = tmp_path / "scrubcam.toml"
    for text, status in (("", 1), ('[audit]\nhost = "logs.example"\nca_file = "ca.pem"\n', 0)):
        config.write_text(text)
        asked = [sys.executable, "-m", "firmware.fleet", "--wanted", "--config", str(config)]
        assert subprocess.run(asked, timeout=60, check=False).returncode == status

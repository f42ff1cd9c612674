"""What goes wrong with a USB pedal, over emulated event devices and the unmodified libevdev: each fault by its name."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import pytest

from firmware.errors import ConfigError, PartMissing
from hw.linux.usb_pedal import UsbPedal, UsbPedalSpec
from hw.ports import PedalLost
from tests.evdev.remote import Remote, host

USB_ID, PORT = "3553:b001", "usb-0000:00:14.0-2"
B, C = 48, 46
SPEC = {"usb_id": USB_ID, "keys": {"pedal": "KEY_B", "privacy": "KEY_C"}}
REST = {"pedal": False, "privacy": False}


@pytest.fixture
def remote() -> Iterator[Remote]:
    with host() as remote:
        yield remote
        remote.close()


def plug(remote: Remote, **differs: object) -> str:
    return str(remote.ask("plug", **{"usb_id": USB_ID, "keys": [B, C], "port": PORT, **differs}))


def told(remote: Remote) -> str:
    """The present problem; "" when the pedal is read."""
    try:
        remote.read()
    except PedalLost as lost:
        return str(lost)
    return ""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_presses_with_every_fault_between_them_none_lost_and_none_invented(remote: Remote) -> None:
    figures = remote.ask("trial", timeout_s=110, presses=150, seed=20)
    assert figures["presses of the foot"] > 100
    assert figures["press gestures"] == figures["presses of the foot"]
    assert figures["other gestures"] == 0
    assert not [name for name in figures if name.startswith("wrong")], figures


def test_no_console_sees_a_key_once_the_pedal_is_open(remote: Remote) -> None:
    node = plug(remote)
    remote.ask("key", node=node, code=B, down=True)
    remote.ask("key", node=node, code=B, down=False)
    assert remote.ask("console", node=node) == [B], "nobody has taken it yet"
    remote.ask("open", spec=SPEC)
    for code in (B, C, 30):
        remote.ask("key", node=node, code=code, down=True)
        remote.ask("key", node=node, code=code, down=False)
    assert remote.ask("console", node=node) == [B]


def test_a_held_key_repeats_and_stays_one_press(remote: Remote) -> None:
    node = plug(remote)
    remote.ask("open", spec=SPEC)
    remote.ask("key", node=node, code=B, down=True)
    for _ in range(5):
        remote.ask("repeat", node=node)
        assert remote.read() == {"pedal": True, "privacy": False}
    remote.ask("key", node=node, code=B, down=False)
    until(lambda: remote.read() == REST, "the release")


def test_a_pedal_taken_by_another_program_is_named_with_the_program(remote: Remote) -> None:
    node = plug(remote)
    remote.ask("stranger", node=node)
    remote.ask("open", spec=SPEC)
    assert "another program has taken the pedal" in told(remote)
    assert "python" in told(remote)
    assert "end that program" in told(remote)
    remote.ask("stranger_leaves")
    until(lambda: not told(remote), "the pedal is free again")
    assert remote.read() == REST


def test_a_pedal_that_this_user_may_not_open_is_named(remote: Remote) -> None:
    plug(remote, mode=0)
    remote.ask("become_nobody")
    remote.ask("open", spec=SPEC)
    assert "may not be opened by this user" in told(remote)
    assert "udev rule" in told(remote)


def test_a_pedal_that_hangs_when_it_is_opened_is_named_and_blocks_nobody(remote: Remote) -> None:
    plug(remote, hangs=True)
    remote.ask("open", spec=SPEC)
    until(lambda: "does not answer" in told(remote), "the name of the fault")


def test_a_pedal_without_the_configured_key_is_named(remote: Remote) -> None:
    node = plug(remote, keys=[B])
    remote.ask("open", spec=SPEC)
    assert "has no key KEY_C" in told(remote)
    assert "scrubcam pedal listen" in told(remote)
    until(lambda: remote.ask("clients", node=node) == 0, "what is not used is not held")


def test_two_equal_pedals_are_named_unless_the_port_tells_them_apart(remote: Remote) -> None:
    first, second = plug(remote), plug(remote, port="usb-0000:00:14.0-3")
    remote.ask("open", spec=SPEC)
    assert "two USB pedals" in told(remote)
    assert PORT in told(remote)
    assert "usb-0000:00:14.0-3" in told(remote)
    remote.close()
    remote.ask("open", spec={**SPEC, "port": "usb-0000:00:14.0-3"})
    remote.ask("key", node=first, code=B, down=True)
    assert remote.read() == REST
    remote.ask("key", node=second, code=C, down=True)
    assert remote.read() == {"pedal": False, "privacy": True}


def test_the_serial_number_tells_them_apart_too(remote: Remote) -> None:
    plug(remote, uniq="A1")
    other = plug(remote, uniq="A2", port="usb-0000:00:14.0-3")
    remote.ask("open", spec={**SPEC, "serial": "A2"})
    remote.ask("key", node=other, code=B, down=True)
    assert remote.read()["pedal"] is True


def test_an_equal_pedal_beside_the_one_in_use_does_not_take_it_away(remote: Remote) -> None:
    first = plug(remote)
    remote.ask("open", spec=SPEC)
    second = plug(remote, port="usb-0000:00:14.0-3")
    time.sleep(1.2)  # longer than two looks
    remote.ask("key", node=first, code=B, down=True)
    assert remote.read()["pedal"] is True
    assert remote.ask("clients", node=second) == 0


def test_every_device_of_the_pedal_is_taken_also_one_that_comes_late(remote: Remote) -> None:
    """Many pedals are a keyboard, a mouse and something else at once; the kernel makes them one after the other."""
    plug(remote)
    remote.ask("open", spec=SPEC)
    late = plug(remote, interface=1, keys=[C, 0x110])
    until(lambda: remote.ask("clients", node=late) == 1, "the late device")
    time.sleep(0.1)  # it is open now, and taken in the same moment
    remote.ask("key", node=late, code=C, down=True)
    until(lambda: remote.read()["privacy"], "a key of the late device")
    assert remote.ask("console", node=late) == []


def test_other_input_devices_are_left_alone(remote: Remote) -> None:
    keyboard = plug(remote, usb_id="046d:c31c", port="usb-0000:00:14.0-4")
    plug(remote)
    remote.ask("open", spec=SPEC)
    assert remote.read() == REST
    assert remote.ask("clients", node=keyboard) == 0


def test_keys_that_the_kernel_lets_go_are_no_release(remote: Remote) -> None:
    node = plug(remote)
    remote.ask("open", spec=SPEC)
    remote.ask("key", node=node, code=B, down=True)
    assert remote.read()["pedal"] is True
    remote.ask("let_go", node=node)
    assert "unplugged" in told(remote)
    until(lambda: not told(remote), "the pedal, which was only reset")
    assert remote.read() == REST


@pytest.mark.parametrize(("plugged", "ok", "told", "todo"), [
    ({}, True, "is there with its keys", ""),
    ({"keys": [B]}, False, "has no key KEY_C", "`scrubcam pedal listen`"),
    ({"stranger": True}, False, "another program", "stop the recorder"),
    (None, False, "is unplugged", "plug it in"),
])
def test_the_boards_check_tries_the_pedal_itself(
    remote: Remote, plugged: dict[str, object] | None, ok: bool, told: str, todo: str
) -> None:
    if plugged is not None:
        node = plug(remote, **{name: value for name, value in plugged.items() if name != "stranger"})
        if "stranger" in plugged:
            remote.ask("stranger", node=node)
    (finding,) = remote.ask("check", pedal={"type": "usb", "usb_id": USB_ID, "pedal_key": "KEY_B",
                                            "privacy_key": "KEY_C"})
    assert finding["ok"] == ok
    assert told in finding["told"]
    assert todo in finding["todo"]
    assert bool(finding["todo"]) != ok


def test_close_gives_the_pedal_back(remote: Remote) -> None:
    node = plug(remote)
    remote.ask("open", spec=SPEC)
    assert remote.ask("clients", node=node) == 1
    remote.close()
    until(lambda: remote.ask("clients", node=node) == 0, "the pedal is free")
    remote.close()


def test_without_any_input_device_the_pedal_is_unplugged() -> None:
    pedal = UsbPedal(UsbPedalSpec("ffff:fffe", {"pedal": "KEY_B"}, serial="7", port="usb-1"))
    with pytest.raises(PedalLost, match="with the serial number 7 at the USB port usb-1 is unplugged") as lost:
        pedal.read()
    assert lost.value.fault == "unplugged"
    pedal.close()


def test_a_key_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="KEY_NONSENSE"):
        UsbPedal(UsbPedalSpec(USB_ID, {"pedal": "KEY_NONSENSE"}))


def test_without_its_library_the_adapter_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libevdev", None)
    with pytest.raises(PartMissing, match="libevdev is not installed") as caught:
        UsbPedal(UsbPedalSpec(USB_ID, {"pedal": "KEY_B"}))
    assert "apt install libevdev2" in caught.value.todo

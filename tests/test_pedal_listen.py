"""`scrubcam pedal listen` over an emulated pedal: what it hears, and what it says about it."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hw.board_definition import read_definition
from hw.linux.event_nodes import EventNode
from hw.linux.pedal_talk import STROKE_NS, Press, definition, remarks, udev_rule
from tests.evdev.remote import Remote, host

USB_ID, PORT = "3553:b001", "usb-0000:00:14.0-2"
NODE = EventNode("/dev/input/event3", USB_ID, "", PORT, "FootSwitch")


def listened(remote: Remote, end: str) -> str:
    """Its lines until one that contains `end`."""
    text, deadline = "", time.monotonic() + 60
    while end not in text:
        assert time.monotonic() < deadline, text
        text += "".join(remote.ask("listened"))
    return text


def test_a_pedal_that_is_plugged_in_is_heard_and_written_down() -> None:
    with host() as remote:
        keyboard = remote.ask("plug", usb_id="046d:c31c", keys=[30], port="usb-1")
        remote.ask("listen", options=["--seconds", "3"])
        listened(remote, "Plug the pedal in now")
        pedal = remote.ask("plug", usb_id=USB_ID, keys=[48, 46], port=PORT)
        listened(remote, "press each switch")
        for code in (48, 46):
            remote.ask("key", node=pedal, code=code, down=True)
            remote.ask("key", node=keyboard, code=30, down=True)
            time.sleep(0.1)
            remote.ask("key", node=pedal, code=code, down=False)
            remote.ask("key", node=keyboard, code=30, down=False)
        text = listened(remote, "LIBINPUT_IGNORE_DEVICE")
    for line in ("KEY_B, held for 0.1", "KEY_C, held for 0.1", 'usb_id = "3553:b001"', 'pedal_key = "KEY_B"',
                 'privacy_key = "KEY_C"', f'usb_port = "{PORT}"', 'ATTRS{id/vendor}=="3553"', 'OWNER="scrubcam"'):
        assert line in text
    assert "KEY_A" not in text, "what is typed on a keyboard is nobody's business"


def test_a_pedal_that_the_recorder_has_is_told() -> None:
    with host() as remote:
        pedal = remote.ask("plug", usb_id=USB_ID, keys=[48], port=PORT)
        remote.ask("stranger", node=pedal)
        remote.ask("listen", options=["--usb-id", USB_ID])
        text = listened(remote, "Do:")
    assert "another program has taken the pedal" in text


@given(st.lists(st.tuples(st.sampled_from(["KEY_A", "KEY_B", "BTN_0"]), st.integers(0, 10**9)), max_size=6))
def test_every_key_is_named_once_and_every_stroke_is_remarked_on(heard: list[tuple[str, int]]) -> None:
    presses = [Press(key, held_ns) for key, held_ns in heard]
    text = "\n".join(definition(NODE, presses))
    for key in {press.key for press in presses}:
        assert text.count(key) == 1
    assert len(remarks(presses)) == len({press.key for press in presses if press.held_ns < STROKE_NS})


def test_the_rule_that_comes_with_the_product_is_the_one_that_is_written() -> None:
    pedal = read_definition("pc-usb").pedal
    shipped = (Path(__file__).parent.parent / "deploy" / "72-scrubcam-pedal.rules").read_text(encoding="utf-8")
    assert shipped.splitlines()[-1] == udev_rule(pedal.usb_id)



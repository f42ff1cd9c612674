"""A wireless pedal: a lost link is a fault by its name, never a gesture. Real adapter, emulated receiver."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.ports import PedalLost
from hw.several_pins import SeveralPins
from hw.wireless_link import SETTLE_NS, Link, LinkSign, step
from hw.wireless_pins import WirelessPins
from tests.contract.pedal import Watch
from tests.evdev.remote import Remote, host

MS = 1_000_000
SILENCE_NS = 3_000_000_000
USB_ID, PORT = "3553:b001", "usb-0000:00:14.0-2"
B, LINK = 48, 193  # KEY_B, KEY_F23
SPEC = {"usb_id": USB_ID, "keys": {"pedal": "KEY_B", "link": "KEY_F23"}}

levels_over_time = st.lists(st.tuples(st.integers(4, 1500), st.booleans(), st.booleans()), min_size=1, max_size=40)


@pytest.mark.parametrize("sign", ["key-held", "key-lost", "heartbeat"])
@given(levels_over_time)
def test_after_a_loss_levels_are_trusted_only_after_half_a_second_of_link(
    sign: LinkSign, readings: list[tuple[int, bool, bool]]
) -> None:
    """Against the rule said in other words: the link was always there, or at every moment of the last half second."""
    link, now = Link(), 10**12
    there: list[tuple[int, bool]] = []
    heard = 10**12
    before: tuple[bool, bool] | None = None
    for after_ms, pedal, key in readings:
        now += after_ms * MS
        link = step(link, {"pedal": pedal, "link": key}, now, sign, SILENCE_NS)
        if before is None or (key != before[1] or (pedal and not before[0])):
            heard = now
        before = pedal, key
        if sign == "heartbeat":
            there.append((now, now - heard <= SILENCE_NS))
        else:
            there.append((now, key == (sign == "key-held")))
        since = [at for at, linked in there if not linked]
        begun = [at for at, linked in there if linked and (not since or at > since[-1])]
        assert link.trusted(now) == bool(begun and (not since or now - begun[0] >= SETTLE_NS))


def test_a_release_that_the_receiver_makes_up_is_no_sign_of_life() -> None:
    link = step(Link(), {"pedal": True, "link": False}, 0, "heartbeat", SILENCE_NS)
    link = step(link, {"pedal": False, "link": False}, 10 * MS, "heartbeat", SILENCE_NS)
    assert link.heard_ns == 0, "the first look"
    link = step(link, {"pedal": True, "link": False}, 20 * MS, "heartbeat", SILENCE_NS)
    assert link.heard_ns == 20 * MS


class Receiver:
    """An emulated receiver: a USB device with the pedal's key and a key that tells of the link."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.node = self.plug()
        remote.ask("open", spec=SPEC)

    def plug(self, held: tuple[int, ...] = ()) -> str:
        self.node = self._remote.ask("plug", usb_id=USB_ID, keys=[B, LINK], port=PORT, held=list(held))
        return self.node

    def key(self, code: int, down: bool) -> None:
        self._remote.ask("key", node=self.node, code=code, down=down)

    def beat(self) -> None:
        self.key(LINK, True)
        self.key(LINK, False)

    def unplug(self) -> None:
        self._remote.ask("unplug", node=self.node)


@pytest.fixture
def remote() -> Iterator[Remote]:
    with host() as remote:
        yield remote
        remote.close()


@pytest.fixture
def receiver(remote: Remote) -> Receiver:
    return Receiver(remote)


def linked(watch: Watch) -> None:
    watch.until(lambda: watch.lost is None, "the link")
    watch.for_s(0.1)
    assert watch.levels == {"pedal": False}


def link_lost(watch: Watch) -> bool:
    return watch.lost is not None and watch.lost.fault == "link"


def test_a_link_that_is_lost_in_a_press_and_comes_back_in_one_makes_no_gesture(
    remote: Remote, receiver: Receiver
) -> None:
    watch = Watch(WirelessPins(remote, "key-held", 3.0))
    watch.poll()
    assert link_lost(watch), "nothing is trusted before the receiver says so"
    receiver.key(LINK, True)
    linked(watch)
    receiver.key(B, True)
    watch.for_s(0.1)
    assert watch.levels == {"pedal": True}
    receiver.key(LINK, False)
    receiver.key(B, False)  # the receiver lets go by itself
    watch.until(lambda: link_lost(watch), "the fault")
    assert "out of reach" in str(watch.lost)
    receiver.key(LINK, True)
    receiver.key(B, True)
    watch.until(lambda: watch.lost is None, "the link")
    receiver.key(B, False)
    watch.for_s(0.2)
    assert watch.made == []
    receiver.key(B, True)
    watch.for_s(0.1)
    receiver.key(B, False)
    watch.for_s(0.1)
    assert watch.made == [("pedal", "press")]


def test_a_heartbeat_that_stops_is_a_lost_link(remote: Remote, receiver: Receiver) -> None:
    watch = Watch(WirelessPins(remote, "heartbeat", 0.5))
    for _ in range(8):
        receiver.beat()
        watch.for_s(0.15)
    assert watch.lost is None, "a beat has no length, and every one is seen"
    assert watch.until(lambda: link_lost(watch), "the fault") < 2.0
    assert watch.made == []


def test_the_receiver_unplugged_is_a_fault_of_its_own(remote: Remote, receiver: Receiver) -> None:
    watch = Watch(WirelessPins(remote, "key-lost", 3.0))
    linked(watch)
    receiver.unplug()
    watch.until(lambda: watch.lost is not None, "the fault")
    assert watch.lost is not None
    assert watch.lost.fault == "unplugged"
    receiver.plug(held=(LINK,))
    watch.until(lambda: link_lost(watch), "the receiver, which still misses its pedal")
    receiver.key(LINK, False)
    linked(watch)


def test_a_pedal_whose_device_goes_away_with_its_link(remote: Remote, receiver: Receiver) -> None:
    watch = Watch(WirelessPins(remote, "device", 3.0))
    watch.until(lambda: watch.lost is None, "the pedal")
    receiver.unplug()
    watch.until(lambda: link_lost(watch), "the fault")
    receiver.plug()
    watch.until(lambda: watch.lost is None, "the pedal again")


def test_a_lost_pedal_takes_no_other_input_with_it(remote: Remote, receiver: Receiver) -> None:
    class Button:
        """A contact on the header."""

        def read(self) -> dict[str, bool]:
            return {"privacy": True}

        def close(self) -> None: ...

    both = SeveralPins((WirelessPins(remote, "key-held", 3.0), Button()))
    with pytest.raises(PedalLost, match="out of reach") as lost:
        both.read()
    assert lost.value.others == {"privacy": True}
    assert lost.value.faults == {"pedal": "link"}
    receiver.key(LINK, True)
    deadline = time.monotonic() + 20
    while True:
        try:
            assert both.read() == {"pedal": False, "privacy": True}
            return
        except PedalLost:
            assert time.monotonic() < deadline
            time.sleep(0.02)

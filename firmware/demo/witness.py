"""Those who watch the demo from outside: a listener on MQTT, and one on the recorder's local socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from firmware.fleet.topics import FleetAnswer, FleetCommand, FleetEvent, FleetHealth, Leaf, State, Status, encode, topic
from firmware.ipc import ChannelClosed
from firmware.messages import FromRecorder, Health, StateReport, Subscribe
from firmware.recorder_socket import connect_to_recorder

_PAYLOADS: dict[str, Any] = {
    "status": Status, "state": State, "events": FleetEvent, "health": FleetHealth, "answer": FleetAnswer,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """One MQTT message, decoded; `monotonic_ns` is when it came."""

    monotonic_ns: int
    leaf: str
    payload: Any
    retained: bool


class MqttWitness:
    """Listens to everything one device says and can send it a command. Bounded by the demo's length."""

    def __init__(self, port: int, device: str) -> None:
        self.heard: list[Heard] = []
        self.undecodable = 0
        self._device = device
        self._changed = threading.Condition()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="demo-witness", protocol=mqtt.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_connect = lambda client, *_: client.subscribe(f"scrubcam/{device}/#", qos=1)
        self._client.connect("127.0.0.1", port, keepalive=15)
        self._client.loop_start()

    def command(self, command: FleetCommand) -> None:
        leaf: Leaf = "command"
        self._client.publish(topic(self._device, leaf), encode(command), qos=1)

    def wait_for(self, wanted: Callable[[Heard], bool], timeout_s: float, after: int = 0) -> Heard | None:
        """The first message from number `after` on that is wanted; None after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                found = next((item for item in self.heard[after:] if wanted(item)), None)
                left_s = deadline - time.monotonic()
                if found is not None or left_s <= 0:
                    return found
                self._changed.wait(left_s)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        leaf = message.topic.rsplit("/", 1)[-1]
        if leaf not in _PAYLOADS:
            return
        try:
            payload = msgspec.json.decode(message.payload, type=_PAYLOADS[leaf])
        except msgspec.DecodeError:
            self.undecodable += 1
            return
        with self._changed:
            self.heard.append(Heard(time.monotonic_ns(), leaf, payload, bool(message.retain)))
            self._changed.notify_all()


class SocketWitness:
    """Follows the recorder's state and figures on its local socket, whether it is there yet or not."""

    def __init__(self, run_dir: Path) -> None:
        self.reports: list[tuple[int, StateReport]] = []
        self.health: Health | None = None
        self._run_dir = run_dir
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="socket-witness", daemon=True)
        self._thread.start()

    @property
    def state(self) -> str:
        return self.reports[-1][1].state if self.reports else ""

    def wait_for(self, wanted: Callable[[], bool], timeout_s: float) -> bool:
        """Until `wanted()` holds; looked at on every word from the recorder. False after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not wanted():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(min(left_s, 0.1))
        return True

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(3.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                channel = connect_to_recorder(self._run_dir)
            except OSError:
                self._stopping.wait(0.1)
                continue
            try:
                channel.send(Subscribe())
                while not self._stopping.is_set():
                    message = channel.recv(0.2)
                    if message is not None:
                        self._take(message)
            except ChannelClosed:
                pass
            channel.close()

    def _take(self, message: FromRecorder) -> None:
        with self._changed:
            if isinstance(message, StateReport):
                self.reports.append((time.monotonic_ns(), message))
            elif isinstance(message, Health):
                self.health = message
            self._changed.notify_all()

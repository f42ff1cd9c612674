"""One connection to the broker, from CONNECT to its end. Knows MQTT 5 and paho's manners, nothing of the recorder."""

from __future__ import annotations

import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from firmware.config import Mqtt
from firmware.errors import BrokerFault
from firmware.fleet.topics import MAX_PACKET_BYTES
from firmware.log import get_logger

_CONNECT_TIMEOUT_S = 5.0
_CONNACK_TIMEOUT_S = 10.0
_DO_NOT_SEND_RETAINED = 2
_WITH_WILL = 0x04  # DISCONNECT reason: end the session, and publish the will all the same
_NOBODY_LISTENS = 0x10  # PUBACK reason: taken, and thrown away for want of a subscription
_MAX_INBOX = 200

log = get_logger("broker")


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message from the broker; `expiry_s` is what is left of its message expiry, None without one."""

    payload: bytes
    retained: bool
    expiry_s: int | None


class Session:
    """Used from one thread. Any trouble (refused, cut, silent, nonsense) is a BrokerFault; then throw it away.

    Events are not queued in here: what was published and not in `acked` is the caller's to send again.
    """

    def __init__(self, settings: Mqtt, client_id: str, will_topic: str, will: bytes, keepalive_s: int = 15) -> None:
        self._where = f"{settings.host}:{settings.port}"
        self._settings, self._keepalive_s = settings, keepalive_s
        self._inbox: deque[Inbound] = deque(maxlen=_MAX_INBOX)
        self._connack: ReasonCode | None = None
        self._ended_by_broker = ""
        self._connected = False
        self.acked: deque[tuple[int, bool]] = deque()
        """(message number, whether anybody listens) of what the broker has taken, in order."""
        self.receive_maximum = 20
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self._client.connect_timeout = _CONNECT_TIMEOUT_S
        self._client.will_set(will_topic, will, qos=1, retain=True)
        self._client.on_connect = self._guarded(self._on_connect)
        self._client.on_disconnect = self._guarded(self._on_disconnect)
        self._client.on_publish = self._guarded(self._on_publish)
        self._client.on_subscribe = self._guarded(self._on_subscribe)
        self._client.on_message = self._guarded(self._on_message)
        self._trouble = ""

    def open(self) -> None:
        """Connect and wait for the broker's consent. Raises BrokerFault, also when it refuses."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 0  # commands must not queue up at the broker while this end is away
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        try:
            self._log_in()
            self._client.connect(
                self._settings.host, self._settings.port, self._keepalive_s, clean_start=True, properties=properties
            )
        except Exception as error:  # paho, ssl, the resolver and the file system each raise their own
            raise _fault(f"the broker {self._where} cannot be reached: {error}") from None
        deadline_s = time.monotonic() + _CONNACK_TIMEOUT_S
        while not self._connected:
            if time.monotonic() > deadline_s:
                raise _fault(f"the broker {self._where} did not answer within {_CONNACK_TIMEOUT_S:g} s")
            self.step(0.1)

    def step(self, timeout_s: float) -> list[Inbound]:
        """Let the connection work for at most `timeout_s`: the messages that came. Raises BrokerFault."""
        try:
            result = self._client.loop(timeout_s)
        except Exception as error:  # what paho makes of bytes that are not MQTT
            raise _fault(f"the broker {self._where} sent what is not MQTT: {error!r}") from None
        if self._connack is not None and self._connack.is_failure:
            raise _fault(f"the broker {self._where} refused: {self._connack}", "check mqtt.username, the password"
                         " file, the certificate and the broker's access rules")
        if self._ended_by_broker:
            raise _fault(f"the broker {self._where} ended the connection: {self._ended_by_broker}")
        if self._trouble:
            raise _fault(self._trouble)
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            raise _fault(f"the link to the broker {self._where} was lost: {mqtt.error_string(result)}")
        messages = list(self._inbox)
        self._inbox.clear()
        return messages

    @property
    def congested(self) -> bool:
        """The network takes no more just now; publish nothing, so that nothing piles up."""
        return self._client.want_write()

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int:
        """Send; the number that will be in `acked` (QoS 1). Raises BrokerFault."""
        sent = self._client.publish(topic, payload, qos=qos, retain=retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise _fault(f"the link to the broker {self._where} was lost: {mqtt.error_string(sent.rc)}")
        return sent.mid

    def subscribe(self, topic: str) -> None:
        """Listen to `topic` from now on: retained messages are not asked for, and known by their flag."""
        options = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=_DO_NOT_SEND_RETAINED)
        self._client.subscribe(topic, options=options)

    def end(self, *, with_will: bool) -> None:
        """Say goodbye; `with_will` has the broker publish the will all the same."""
        try:
            self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=_WITH_WILL) if with_will else None)
            self._client.loop(0.1)
        except Exception as error:  # on the way out nothing can be done about it
            log.info("goodbye-failed", error=str(error))
        self.drop()

    def drop(self) -> None:
        """Close without a word; the broker publishes the will."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _log_in(self) -> None:
        settings = self._settings
        if settings.username:
            password = None
            if settings.password_file:
                password = Path(settings.password_file).read_text(encoding="utf-8").rstrip("\r\n")
            self._client.username_pw_set(settings.username, password)
        if settings.tls:
            context = ssl.create_default_context(cafile=settings.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if settings.cert_file:
                context.load_cert_chain(settings.cert_file, settings.key_file)
            self._client.tls_set_context(context)

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """A callback whose exception ends this session by name, not the thread."""

        @wraps(callback)
        def call(*args: Any) -> None:
            try:
                callback(*args)
            except Exception as error:
                log.exception("callback-failed", callback=callback.__name__)
                self._trouble = f"a message of the broker {self._where} could not be handled: {error!r}"

        return call

    def _on_connect(self, _c: Any, _u: Any, _flags: Any, reason: ReasonCode, properties: Properties | None) -> None:
        self._connack = reason
        if reason.is_failure:
            return
        if getattr(properties, "MaximumQoS", 1) == 0 or getattr(properties, "RetainAvailable", 1) == 0:
            self._trouble = f"the broker {self._where} offers no QoS 1 or no retained messages; both are needed"
            return
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        self._connected = True

    def _on_disconnect(self, _c: Any, _u: Any, flags: Any, reason: ReasonCode, _p: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._ended_by_broker = str(reason)

    def _on_publish(self, _c: Any, _u: Any, number: int, reason: ReasonCode | None, _p: Any) -> None:
        if reason is not None and reason.is_failure:
            self._trouble = f"the broker {self._where} refused a message: {reason}"
        else:
            self.acked.append((number, reason is None or reason.value != _NOBODY_LISTENS))

    def _on_subscribe(self, _c: Any, _u: Any, _number: int, reasons: list[ReasonCode], _p: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("commands-refused", broker=self._where, reason=str(reasons[0]),
                      meaning="events are sent, but the fleet cannot command this device")

    def _on_message(self, _c: Any, _u: Any, message: mqtt.MQTTMessage) -> None:
        expiry_s = getattr(message.properties, "MessageExpiryInterval", None)
        self._inbox.append(Inbound(bytes(message.payload), bool(message.retain), expiry_s))


def _fault(what: str, todo: str = "check the broker, the network and [mqtt] in scrubcam.toml") -> BrokerFault:
    return BrokerFault(what, meaning="The recording is not affected; events wait on the disk and are sent later",
                       todo=todo)

"""The agent's side of timestamps: takes what waits from the recorder, asks the authority over HTTP, hands tokens back.

On a thread and a connection of its own: it needs no broker, and neither waits for the other. What is asked for waits in
the recorder's files, so nothing here has to survive a restart.
"""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from firmware.config import Timestamps
from firmware.errors import TimestampFault
from firmware.fleet.backoff import Backoff
from firmware.ipc import ChannelClosed
from firmware.log import get_logger
from firmware.messages import ActAsFleet, AskTimestamps, TimestampsWaiting, TimestampToken, TimestampWanted
from firmware.recorder_socket import connect_to_recorder
from firmware.vault.timestamps import MAX_TOKEN_BYTES, new_request, token_of

log = get_logger("timestamps")


@dataclass(frozen=True, slots=True)
class Patience:
    """All in seconds. `look_every_s`: how soon a new request is noticed; waits double from `first_s` to `most_s`."""

    look_every_s: float = 10.0
    first_s: float = 5.0
    most_s: float = 900.0
    recorder_s: float = 10.0


class TimestampClient:
    """`start` and `close`. An authority or a recorder that is away is asked again later, for ever."""

    def __init__(self, settings: Timestamps, run_dir: Path, patience: Patience = Patience()) -> None:
        """Raises TimestampFault when `ca_file` cannot be used."""
        self._settings, self._run_dir, self._patience = settings, run_dir, patience
        self._backoff = Backoff(patience.first_s, patience.most_s, stable_s=0.0)
        self._opener = _opener(settings)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timestamps", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = self._patience.look_every_s
            try:
                self._round()
                self._backoff.connected(time.monotonic())
            except (ChannelClosed, OSError) as error:
                log.info("recorder-unreachable", error=str(error))
            except TimestampFault as fault:
                wait_s = self._backoff.failed(time.monotonic())
                log.warning("timestamp-fault", error=str(fault), again_in_s=round(wait_s, 1))
            except Exception:  # this thread must outlive anything
                wait_s = self._backoff.failed(time.monotonic())
                log.exception("timestamps-failed")
            self._stopping.wait(wait_s)

    def _round(self) -> None:
        """Ask for all that waits. Raises TimestampFault at the first that cannot be had, ChannelClosed, OSError."""
        channel = connect_to_recorder(self._run_dir)
        tried: set[tuple[str, str]] = set()
        try:
            channel.send(ActAsFleet(), timeout_s=self._patience.recorder_s)
            while not self._stopping.is_set():
                channel.send(AskTimestamps(), timeout_s=self._patience.recorder_s)
                heard = channel.recv(self._patience.recorder_s)
                if not isinstance(heard, TimestampsWaiting):
                    raise ChannelClosed("the recorder did not say what waits")
                if not heard.waiting:
                    return
                for wanted in heard.waiting:
                    if (wanted.recording_id, wanted.at) in tried:
                        raise TimestampFault(f"the recorder did not keep the token for {wanted.recording_id}",
                                             todo="look into its log")
                    tried.add((wanted.recording_id, wanted.at))
                    channel.send(self._stamp(wanted), timeout_s=self._patience.recorder_s)
        finally:
            channel.close()

    def _stamp(self, wanted: TimestampWanted) -> TimestampToken:
        request = new_request(wanted.chain)
        return TimestampToken(wanted.recording_id, wanted.at, token_of(self._post(request.der), request))

    def _post(self, query: bytes) -> bytes:
        """RFC 3161, section 3.4. Raises TimestampFault."""
        request = urllib.request.Request(self._settings.url, data=query, method="POST", headers={
            "Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply",
        })
        try:
            with self._opener.open(request, timeout=self._settings.timeout_s) as answer:
                return self._body(answer)
        except urllib.error.HTTPError as error:
            raise TimestampFault(f"the timestamp authority answered {error.code}", meaning="It is asked again later",
                                 ) from error
        except (OSError, http.client.HTTPException) as error:
            raise TimestampFault(f"the timestamp authority cannot be reached ({error})",
                                 meaning="It is asked again later", todo="check timestamps.url") from error


    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        """As much as a token may have and one byte more. An authority that only drips is given up."""
        body, until_s = b"", time.monotonic() + self._settings.timeout_s
        while len(body) <= MAX_TOKEN_BYTES and (piece := answer.read1(MAX_TOKEN_BYTES + 1 - len(body))):
            body += piece
            if time.monotonic() > until_s:
                raise TimestampFault("the timestamp authority did not end its answer in time",
                                     meaning="It is asked again later")
        return body


def _opener(settings: Timestamps) -> urllib.request.OpenerDirector:
    if not settings.url.startswith("https:"):
        return urllib.request.build_opener()
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise TimestampFault(f"timestamps.ca_file {settings.ca_file} cannot be used ({error})",
                             todo="name a PEM file of certificates") from error
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

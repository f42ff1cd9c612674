"""The agent's side of timestamps: takes what waits from the recorder, asks the authority over HTTP, hands tokens back.

On a thread and a connection of its own: it needs no broker, and neither waits for the other. What is asked for waits in
the recorder's files, so nothing here has to survive a restart.
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from firmware.config import Timestamps
from firmware.errors import TimestampFault
from firmware.fleet.rounds import Pace, Rounds, as_fleet
from firmware.ipc import ChannelClosed
from firmware.messages import AskTimestamps, TimestampsWaiting, TimestampToken, TimestampWanted
from firmware.vault.timestamps import MAX_TOKEN_BYTES, new_request, token_of

PACE = Pace(look_every_s=10.0, first_s=5.0, most_s=900.0)


class TimestampClient:
    """`start` and `close`. An authority or a recorder that is away is asked again later, for ever."""

    def __init__(self, settings: Timestamps, run_dir: Path, pace: Pace = PACE) -> None:
        """Raises TimestampFault when `ca_file` cannot be used."""
        self._settings, self._run_dir, self._recorder_s = settings, run_dir, pace.recorder_s
        self._opener = _opener(settings)
        self._rounds = Rounds("timestamps", self._round, TimestampFault, pace)
        self.start, self.close = self._rounds.start, self._rounds.close

    def _round(self) -> None:
        """Ask for all that waits. Raises TimestampFault at the first that cannot be had, ChannelClosed, OSError."""
        tried: set[tuple[str, str]] = set()
        with as_fleet(self._run_dir, self._recorder_s) as channel:
            while not self._rounds.stopping:
                channel.send(AskTimestamps(), timeout_s=self._recorder_s)
                heard = channel.recv(self._recorder_s)
                if not isinstance(heard, TimestampsWaiting):
                    raise ChannelClosed("the recorder did not say what waits")
                if not heard.waiting:
                    break
                for wanted in heard.waiting:
                    if (wanted.recording_id, wanted.at) in tried:
                        raise TimestampFault(f"the recorder did not keep the token for {wanted.recording_id}",
                                             todo="look into its log")
                    tried.add((wanted.recording_id, wanted.at))
                    channel.send(self._stamp(wanted), timeout_s=self._recorder_s)
        self._rounds.went_well()

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

"""A small RTSP camera for tests (RFC 2326, interleaved RTP over TCP): moving bars, until its wire is cut."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from firmware.pipeline.gst import Gst, GstApp, init

assert GstApp is not None
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:stream=0\r\n"
)


class RtspCamera:
    """Serves one client. `cut()` keeps the connection open and sends no more, as a pulled camera cable does."""

    def __init__(self, width: int = 320, height: int = 180, rate: int = 20) -> None:
        init()
        self._media: Any = Gst.parse_launch(
            f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={rate}/1"
            " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10"
            " ! rtph264pay config-interval=1 pt=96 mtu=1400 ! appsink name=out sync=false max-buffers=200 drop=true"
        )
        self._cut = threading.Event()
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.2)
        self.uri = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/camera"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._cut.set()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(5)
        self._media.set_state(Gst.State.NULL)
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client:
                client.settimeout(0.005)
                try:
                    self._talk(client)
                except OSError:
                    pass  # the client went away

    def _talk(self, client: socket.socket) -> None:
        asked, playing = b"", False
        while not self._closed.is_set():
            try:
                received = client.recv(4096)
                if not received:
                    return
                asked += received
            except TimeoutError:
                pass
            while asked[:1] == b"$" and len(asked) >= 4:  # RTCP of the client: not of interest
                asked = asked[4 + int.from_bytes(asked[2:4], "big") :]
            if b"\r\n\r\n" in asked:
                request, _, asked = asked.partition(b"\r\n\r\n")
                playing = self._answer(client, request.decode()) or playing
            if playing and not self._cut.is_set():
                self._send_packets(client)

    def _answer(self, client: socket.socket, request: str) -> bool:
        verb = request.split(" ", 1)[0]
        number = next(line for line in request.splitlines() if line.lower().startswith("cseq")).split(":")[1].strip()
        lines, body = [f"RTSP/1.0 200 OK\r\nCSeq: {number}"], ""
        if verb == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif verb == "DESCRIBE":
            body = SDP
            lines += ["Content-Type: application/sdp", f"Content-Base: {self.uri}/", f"Content-Length: {len(body)}"]
        elif verb == "SETUP":
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        else:
            lines.append("Session: 1")
        client.settimeout(2)
        client.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        client.settimeout(0.005)
        if verb == "PLAY":
            self._media.set_state(Gst.State.PLAYING)
        return verb == "PLAY"

    def _send_packets(self, client: socket.socket) -> None:
        sink = self._media.get_by_name("out")
        deadline = time.monotonic() + 0.05
        while time.monotonic() < deadline and (sample := sink.try_pull_sample(10_000_000)) is not None:
            buffer = sample.get_buffer()
            packet = buffer.extract_dup(0, buffer.get_size())
            client.settimeout(2)
            client.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)
            client.settimeout(0.005)

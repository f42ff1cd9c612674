"""A timestamp authority for tests: `openssl ts` behind local HTTP, with a CA of its own."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware.vault.timestamps import new_request, token_of

CONFIG = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
tsa_name = yes
ess_cert_id_alg = sha256
"""


class Signer:
    """An authority without a network, whose certificates are valid from yesterday for so many days more."""

    def __init__(self, folder: Path, name: str = "Test TSA", days: float = 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        ca_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        self.ca = _certificate(f"{name} CA", f"{name} CA", ca_key, ca_key, days, ca=True)
        tsa = _certificate(name, f"{name} CA", key, ca_key, days, ca=False)
        self.ca_file = folder / "tsa-ca.pem"
        self.ca_file.write_bytes(self.ca.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.pem").write_bytes(tsa.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        (folder / "serial").write_text("01\n")
        (folder / "ts.cnf").write_text(CONFIG.format(folder=folder))
        self._one_at_a_time = threading.Lock()

    def answer(self, query: bytes) -> bytes:
        """The DER answer to a DER request."""
        with self._one_at_a_time:
            (self.folder / "query.tsq").write_bytes(query)
            command = ["openssl", "ts", "-reply", "-config", "ts.cnf", "-section", "authority", "-queryfile",
                       "query.tsq", "-signer", "tsa.pem", "-inkey", "tsa.key", "-out", "answer.tsr"]
            subprocess.run(command, cwd=self.folder, capture_output=True, timeout=30, check=True)
            return (self.folder / "answer.tsr").read_bytes()

    def token(self, chain: bytes) -> bytes:
        """A token over a chain value."""
        request = new_request(chain)
        return token_of(self.answer(request.der), request)


class Authority(Signer):
    """Answers requests on 127.0.0.1 until `close`. `away` refuses them, `spoil` changes a query or its answer,
    with `drip_s` an answer comes byte by byte, so far apart.

    With `tls`, a folder of fleet_helpers.certificates, over https.
    """

    def __init__(self, folder: Path, name: str = "Test TSA", tls: Path | None = None) -> None:
        super().__init__(folder, name)
        self._tls = tls
        self.away = False
        self.spoil_query: Callable[[bytes], bytes] = lambda query: query
        self.spoil: Callable[[bytes], bytes] = lambda answer: answer
        self.asked = 0
        self.drip_s = 0.0
        self._port = 0
        self.come_back()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/tsr"

    def come_back(self) -> None:
        """Listen, on the same port as before."""
        self._server: ThreadingHTTPServer | None = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_address[1]
        if self._tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._tls / "server.pem", self._tls / "server.key")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Nothing listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                authority.asked += 1
                if authority.away or self.headers["Content-Type"] != "application/timestamp-query":
                    self.send_error(503)
                    return
                answer = authority.spoil(authority.answer(authority.spoil_query(query)))
                self.send_response(200)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    step = 1 if authority.drip_s else len(answer)
                    for at in range(0, len(answer), step):
                        self.wfile.write(answer[at : at + step])
                        time.sleep(authority.drip_s)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _certificate(
    name: str, issuer: str, key: EllipticCurvePrivateKey, issuer_key: EllipticCurvePrivateKey, days: float, *, ca: bool
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder()
               .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
               .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=days))
               .add_extension(x509.BasicConstraints(ca, None), critical=True))
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256())

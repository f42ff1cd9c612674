"""A real rsyslogd as the hospital's audit collector: mutual TLS, one line of its file for each message it took."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.fleet_helpers import DEVICE, certificates, free_port, listens, wait_for
from tests.test_audit_dicom import check_shape, details


class Collector:
    """`start` and `stop`, also by SIGKILL. Certificates for it, the device and a stranger lie in `tls`.

    Its queues are "direct": what it has read is in its file before it reads on.
    """

    def __init__(self, folder: Path) -> None:
        self.tls, self.port = folder / "tls", free_port()
        certificates(self.tls)
        self._taken, self._log = folder / "taken.log", folder / "rsyslogd.log"
        self._own = tempfile.mkdtemp(prefix="syslog")  # its pid file's path must be short
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "rsyslog.conf"
        self.configure("server")

    def configure(self, certificate: str, *, driver: str = "ossl") -> None:
        """Which certificate it shows, and through which of rsyslog's TLS drivers; "": a collector without TLS."""
        tls = f'StreamDriver.Name="{driver}" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'
        self._config.write_text(
            f'global(workDirectory="{self._own}" defaultNetstreamDriverCAFile="{self.tls}/ca.pem"'
            f' defaultNetstreamDriverCertFile="{self.tls}/{certificate}.pem"'
            f' defaultNetstreamDriverKeyFile="{self.tls}/{certificate}.key")\n'
            f'main_queue(queue.type="Direct")\nmodule(load="imtcp" {tls if driver else ""})\n'
            'template(name="raw" type="string" string="%rawmsg%\\n")\n'
            f'input(type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="audit")\n'
            'ruleset(name="audit" queue.type="Direct")'
            f' {{ action(type="omfile" file="{self._taken}" template="raw") }}\n'
        )

    def start(self) -> Collector:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/rsyslogd", "-n", "-f", str(self._config), "-i", f"{self._own}/pid"], stdout=log, stderr=log
            )
        wait_for(lambda: listens(self.port), "rsyslogd listens")
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None
        Path(self._own, "pid").unlink(missing_ok=True)

    @property
    def messages(self) -> list[str]:
        """What it took, in its order. A line that a kill cut off is not there yet."""
        text = self._taken.read_text(encoding="utf-8", errors="replace") if self._taken.exists() else ""
        return text.split("\n")[:-1]

    @property
    def seqs(self) -> list[int]:
        """The journal's numbers of what it took, in its order; each message is looked at whole."""
        return [seq_of(message) for message in self.messages]


def parsed(message: str, device: str = DEVICE) -> ET.Element:
    """The XML of a syslog message, of the schema's shape."""
    header, bom, xml = message.partition("\ufeff")
    assert bom
    assert re.fullmatch(rf"<8[2-5]>1 \S+Z {device} scrubcam - DICOM\+RFC3881 - ", header)
    root = ET.fromstring(xml)
    check_shape(root)
    return root


def seq_of(message: str) -> int:
    return int(details(parsed(message))["log.seq"])

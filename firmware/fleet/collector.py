"""One delivery of syslog frames to the audit collector over TLS (RFC 5425), and how to know that it has them."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import termios
import time
from collections.abc import Iterable

from firmware.config import Audit
from firmware.errors import CollectorFault

CONNECT_TIMEOUT_S = 10.0
DELIVERY_TIMEOUT_S = 60.0
QUIET_S = 1.0


def deliver(
    settings: Audit, frames: Iterable[bytes], timeout_s: float = DELIVERY_TIMEOUT_S, quiet_s: float = QUIET_S
) -> None:
    """Send frames on a connection of their own. Raises CollectorFault unless the collector has read every byte.

    Syslog has no acknowledgement, and bytes that a socket took may be lost. But a receiver answers our close_notify
    with its own (RFC 5425, 4.4) and TLS keeps the order: its answer says that it has read all that came before. It must
    be an answer. A receiver that refuses us, or is told to end, says goodbye of its own accord: for `quiet_s` before we
    say it nothing may come. And one that has left bytes unread has its kernel reset the connection, which must
    therefore end in order. After a fault the frames must be sent again; some may then arrive twice.

    With `settings.goodbye` "absent" the order of the connection's end is all there is; a link in between can hide that.
    """
    where = f"{settings.host}:{settings.port}"
    context = _context(settings)
    deadline_s = time.monotonic() + timeout_s
    try:
        connect_s = min(CONNECT_TIMEOUT_S, timeout_s)
        with (
            socket.create_connection((settings.host, settings.port), connect_s) as raw,
            context.wrap_socket(raw, server_hostname=settings.host) as link,
        ):
            for frame in frames:
                link.settimeout(_left_s(deadline_s))
                link.sendall(frame)
            if _speaks(link, quiet_s):
                raise _fault(f"the audit collector {where} ended the connection before it had all lines",
                             "check audit.cert_file and whom the collector permits")
            link.settimeout(_left_s(deadline_s))
            try:
                link.unwrap()
            except ssl.SSLError as error:
                if not _is_bare_end(error) or settings.goodbye == "required":
                    raise
            link.shutdown(socket.SHUT_WR)
            while link.recv(4096):
                pass
            _wait_until_taken(link, deadline_s)
    except ssl.SSLCertVerificationError as error:
        raise _fault(f"the audit collector {where} did not show a certificate that audit.ca_file vouches for"
                     f" ({error.verify_message})", "check audit.host, audit.ca_file and the collector's certificate",
                     ) from None
    except TimeoutError:
        raise _fault(f"the audit collector {where} did not take the lines in time") from None
    except ssl.SSLError as error:
        if _is_bare_end(error):
            raise _fault(f"the audit collector {where} ended the connection without TLS's goodbye (close_notify)",
                         "look whether it was stopped; if it never says one, like rsyslog's gtls driver, use another"
                         ' driver or set audit.goodbye = "absent"') from None
        raise _fault(f"the audit collector {where} ended the connection without confirming the lines"
                     f" ({error.reason or error})", "check audit.cert_file and whom the collector permits") from None
    except (OSError, ValueError) as error:  # ValueError: what the resolver makes of an odd host name
        raise _fault(f"the audit collector {where} cannot be reached, or broke off ({error})",
                     "check audit.host, audit.port and the network") from None


def _context(settings: Audit) -> ssl.SSLContext:
    """Read anew for each delivery, so that a renewed certificate counts at once. Raises CollectorFault."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise _fault(f"audit.ca_file {settings.ca_file} cannot be used ({error})", "name a PEM certificate") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python's default takes a mere end of the stream for a goodbye
    if settings.cert_file:
        try:
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
        except (OSError, ssl.SSLError) as error:
            raise _fault(f"audit.cert_file {settings.cert_file} with audit.key_file cannot be used ({error})",
                         "name PEM files that belong together; the key must not be encrypted") from None
    return context


def _no_password() -> str:
    """Instead of asking a terminal that is not there."""
    return ""


def _speaks(link: ssl.SSLSocket, wait_s: float) -> bool:
    """Whether anything comes within `wait_s`: a word, a goodbye or the end of the stream."""
    link.settimeout(wait_s)
    try:
        link.recv(1)
    except TimeoutError:
        return False
    return True


def _is_bare_end(error: ssl.SSLError) -> bool:
    """Whether the stream ended without close_notify; Python has no one class for it."""
    return isinstance(error, ssl.SSLEOFError) or error.reason == "UNEXPECTED_EOF_WHILE_READING"


def _wait_until_taken(link: ssl.SSLSocket, deadline_s: float) -> None:
    """Until the other end's kernel has acknowledged every byte. Raises OSError when it resets the connection."""
    waiting = bytearray(4)
    while True:
        fcntl.ioctl(link.fileno(), termios.TIOCOUTQ, waiting)
        error = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        if not any(waiting):
            return
        time.sleep(min(0.01, _left_s(deadline_s)))


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _fault(what: str, todo: str = "") -> CollectorFault:
    return CollectorFault(what, meaning="The lines wait in the device's own audit log", todo=todo)

"""The audit log told to a real rsyslogd over mutual TLS: whole, in order, through cuts, kills, strangers, restarts."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from firmware.audit.cursor import Cursor, after, next_lines
from firmware.audit.dicom_codes import OWN_SCHEME
from firmware.audit.syslog import frame, syslog_message
from firmware.config import Audit, Config
from firmware.errors import CollectorFault
from firmware.fleet.agent import Agent
from firmware.fleet.audit_client import CURSOR_NAME, AuditClient
from firmware.fleet.collector import deliver
from firmware.fleet.rounds import Pace
from firmware.messages import CollectorReport, LogLine
from tests.fleet_helpers import DEVICE, Link, RecorderStub, config_for, wait_for
from tests.recorder_helpers import CONSENT, Listener, Unit, until
from tests.syslog_helpers import Collector, parsed
from tests.test_audit_dicom import details

QUICK = Pace(look_every_s=0.05, first_s=0.05, most_s=0.2, recorder_s=5.0)


class Bench:
    """A collector that is not started yet, a link to it that can be cut, a recorder; and clients on demand."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.collector = Collector(folder)
        stack.callback(self.collector.stop)
        self.link = Link(self.collector.port)
        stack.callback(self.link.close)
        self.recorder = RecorderStub(folder)
        stack.callback(lambda: self.recorder.down())
        self.reports: list[CollectorReport] = []
        self.recorder.server.on_collector = self.reports.append
        tls = self.collector.tls
        self.config = structs.replace(config_for(folder, 1, host=""), audit=Audit(
            "127.0.0.1", self.link.port, str(tls / "ca.pem"), str(tls / "device.pem"), str(tls / "device.key"),
            alert_after_s=1.0,
        ))

    def client(self, config: Config | None = None, delivery_s: float = 10.0) -> Callable[[], None]:
        """Start one; the answer stops it."""
        client = AuditClient(config or self.config, QUICK, delivery_s=delivery_s, quiet_s=0.2)
        client.start()
        self._stack.callback(client.close)
        return client.close

    def emit(self, count: int) -> None:
        for number in range(count):
            self.recorder.emit("bookmark", origin="kim", n=number, text="Übung <&> \"fünf\"")

    def told(self, last: int) -> list[int]:
        """The numbers the collector has, once the last of them is there."""
        mark = f">Line {last}<"
        wait_for(lambda: mark in "".join(self.collector.messages[-1:]), f"line {last} at the collector", 60.0)
        return self.collector.seqs


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, stack)


def test_every_line_arrives_whole_and_in_order(bench: Bench) -> None:
    bench.collector.start()
    bench.recorder.emit("boot")
    bench.client()
    assert bench.told(1) == [1]
    bench.emit(700)  # more than one page
    assert bench.told(701) == list(range(1, 702))
    journal = bench.recorder.journal.after(0, 1000)
    for event, message in zip(journal, bench.collector.messages, strict=True):
        told = details(parsed(message))
        assert (told["log.chain"], told["log.monotonic_ns"]) == (event.chain, str(event.monotonic_ns))
        assert {name: told[name] for name in event.fields} == {name: str(value) for name, value in event.fields.items()}


def test_what_is_noted_while_the_collector_is_away_waits_in_the_journal_and_keeps_its_order(bench: Bench) -> None:
    bench.client()
    bench.emit(1100)
    wait_for(lambda: bench.reports, "the alert that it is away")
    assert "127.0.0.1" in bench.reports[0].problem
    bench.collector.start()
    assert bench.told(1100) == list(range(1, 1101))
    wait_for(lambda: bench.reports[-1].problem == "", "the word that it is back")
    bench.collector.stop()
    bench.emit(3)
    bench.collector.start()
    check_repeats(bench.told(1103), 1103)  # the page before may have been read and not confirmed when it stopped


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_collector_ended_in_mid_stream_loses_nothing_and_a_repeat_is_only_ever_a_page(
    bench: Bench, number: signal.Signals
) -> None:
    """One that is told to end says goodbye though it has not read everything: that is no confirmation."""
    bench.client()
    last = before = 0
    for _ in range(3):
        bench.emit(600)
        last += 600
        bench.collector.start()
        wait_for(lambda: len(bench.collector.messages) > before + 20, "the stream runs")  # noqa: B023
        bench.collector.stop(number)
        before = len(bench.collector.messages)
    bench.collector.start()
    check_repeats(bench.told(last), last)


def test_a_link_that_is_cut_again_and_again_loses_nothing(bench: Bench) -> None:
    bench.collector.start()
    bench.client()
    for _ in range(6):
        bench.emit(100)
        bench.link.cut()
    check_repeats(bench.told(600), 600)


def test_a_collector_without_a_goodbye_is_taken_at_its_ending_only_where_the_site_says_so(bench: Bench) -> None:
    """rsyslog's GnuTLS driver ends connections without close_notify."""
    bench.collector.configure("server", driver="gtls")
    bench.collector.start()
    frames = [frame(syslog_message(bench.recorder.emit("boot"), DEVICE))]
    with pytest.raises(CollectorFault, match=r"without TLS's goodbye .*audit\.goodbye"):
        deliver(bench.config.audit, frames, timeout_s=5.0, quiet_s=0.2)
    bench.collector.stop()
    direct = structs.replace(bench.config.audit, goodbye="absent", port=bench.collector.port)
    bench.client(structs.replace(bench.config, audit=direct))
    last = before = 1
    for _ in range(2):
        bench.emit(600)
        last += 600
        bench.collector.start()
        wait_for(lambda: len(bench.collector.messages) > before + 20, "the stream runs")  # noqa: B023
        bench.collector.stop(signal.SIGKILL)
        before = len(bench.collector.messages)
    bench.collector.start()
    check_repeats(bench.told(last), last)


def test_an_unconfirmed_page_is_sent_again(bench: Bench) -> None:
    bench.collector.start()
    bench.emit(3)
    bench.link.swallow_to_client = True  # it gets everything, its answers get lost: so the handshake fails
    stop = bench.client(delivery_s=0.5)
    wait_for(lambda: bench.link.accepted >= 2, "a second try")
    bench.link.swallow_to_client = False
    assert bench.told(3) == [1, 2, 3]
    stop()
    assert Cursor(3, bench.recorder.journal.after(2)[0].chain) == cursor_of(bench)


@pytest.mark.parametrize("ending", ["closed", "reset", "silent"])
def test_only_a_close_notify_confirms(bench: Bench, ending: str) -> None:
    """A receiver that reads everything and then ends without TLS's own goodbye has confirmed nothing."""
    tls = bench.collector.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem", tls / "server.key")
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=True) as link:
            with contextlib.suppress(OSError):
                while link.recv(4096):
                    pass
            if ending == "silent":
                over.wait(20)
            elif ending == "reset":
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        settings = structs.replace(bench.config.audit, port=listener.getsockname()[1])
        with pytest.raises(CollectorFault):
            deliver(settings, [b"3 abc"] * 10, timeout_s=2.0, quiet_s=0.1)
        over.set()
        thread.join(20)


def test_a_stranger_with_the_collectors_address_gets_nothing_and_is_named(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.emit(1)
    bench.collector.configure("other")
    bench.collector.start()
    bench.client()
    wait_for(lambda: "did not show a certificate that audit.ca_file vouches for" in "".join(capfd.readouterr()), "a no")
    bench.collector.stop()
    bench.collector.configure("server", driver="")
    bench.collector.start()
    wait_for(lambda: "collector-fault" in "".join(capfd.readouterr()), "no word without TLS")
    assert "AuditMessage" not in "".join(bench.collector.messages)
    bench.collector.stop()
    bench.collector.configure("server")
    bench.collector.start()
    wait_for(lambda: ">Line 1<" in "".join(bench.collector.messages[-1:]), "the line")


@pytest.mark.parametrize("driver", ["ossl", "gtls"])
def test_a_device_that_the_collector_does_not_know_keeps_its_lines(bench: Bench, driver: str) -> None:
    bench.collector.configure("server", driver=driver)
    bench.collector.start()
    tls = bench.collector.tls
    stranger = structs.replace(bench.config.audit, cert_file=str(tls / "other.pem"), key_file=str(tls / "other.key"))
    for settings in (stranger, structs.replace(bench.config.audit, cert_file="", key_file="")):
        for goodbye in ("required", "absent"):
            asked = structs.replace(settings, goodbye=goodbye)
            with pytest.raises(CollectorFault):
                deliver(asked, [b"3 abc"] * 5, timeout_s=5.0, quiet_s=0.5)
    missing = structs.replace(bench.config.audit, cert_file=str(tls / "none.pem"))
    with pytest.raises(CollectorFault, match=r"audit\.cert_file .*none\.pem"):
        deliver(missing, [b"3 abc"])
    assert bench.collector.messages == []


def test_a_recorder_and_an_agent_that_are_restarted_go_on_where_they_were(bench: Bench) -> None:
    bench.collector.start()
    stop = bench.client()
    bench.emit(3)
    bench.told(3)
    bench.recorder.down()
    bench.recorder.up()
    bench.emit(2)
    bench.told(5)
    stop()
    bench.emit(2)
    bench.client()
    assert bench.told(7) == [1, 2, 3, 4, 5, 6, 7]


def test_the_agent_serves_the_collector_without_a_broker(bench: Bench) -> None:
    bench.collector.start()
    bench.emit(2)
    agent = Agent(bench.config)
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        assert bench.told(2) == [1, 2]
    finally:
        agent.stop()
        thread.join(20)
    assert not thread.is_alive()


def test_another_journal_is_told_from_its_first_line_and_a_damaged_cursor_loses_nothing(bench: Bench) -> None:
    bench.collector.start()
    stop = bench.client()
    bench.emit(3)
    bench.told(3)
    stop()
    bench.recorder.down()
    for file in (bench.folder / "state").glob("journal.db*"):
        file.unlink()
    bench.recorder.up()
    bench.emit(4)
    stop = bench.client()
    assert bench.told(4) == [1, 2, 3, 1, 2, 3, 4]
    stop()
    (bench.folder / "state" / "fleet" / CURSOR_NAME).write_bytes(b"{torn")
    bench.client()
    wait_for(lambda: bench.collector.seqs == [1, 2, 3, 1, 2, 3, 4, 1, 2, 3, 4], "all of it once more")


def test_a_whole_device_tells_its_case_in_order_and_nothing_of_the_patient(tmp_path: Path) -> None:
    """Recorder, agent and collector as processes of their own; the collector comes late."""
    collector, unit = Collector(tmp_path), Unit(tmp_path, preroll_s=1)
    tls = collector.tls
    unit.configure("audit", host="127.0.0.1", port=collector.port, ca_file=str(tls / "ca.pem"), alert_after_s=1,
                   cert_file=str(tls / "device.pem"), key_file=str(tls / "device.key"))
    listener = unit.start()
    agent = subprocess.Popen([sys.executable, "-m", "firmware.fleet", "--config", str(unit.config)])
    try:
        listener.state("READY")
        consent = structs.replace(CONSENT, by="Erika Muster", patient_ref="4711-Muster")
        assert listener.ask("consent", consent=consent).ok
        until(lambda: listener.ask("start").ok, what="a start")
        listener.state("RECORDING")
        until(lambda: about_collector(listener, "alert"), what="the alert")
        collector.start()
        until(lambda: about_collector(listener, "alert-cleared"), what="its end")
        assert listener.ask("stop").ok
        sealed = listener.event("sealed")
        mark = f">Line {sealed.seq}<"
        wait_for(lambda: mark in "".join(collector.messages), "the end of the recording", 30.0)
    finally:
        agent.terminate()
        assert unit.stop() == 0
        assert agent.wait(20) == 0
        collector.stop()
    told = [parsed(message, "bench") for message in collector.messages]
    assert [int(details(root)["log.seq"]) for root in told] == list(range(1, len(told) + 1))
    kinds = [next(c.attrib["csd-code"] for c in root.iter("EventTypeCode") if c.attrib["codeSystemName"] == OWN_SCHEME)
             for root in told]
    wanted = iter(kinds)
    assert all(kind in wanted for kind in ("boot", "consent", "started", "stopped", "sealed")), kinds
    everything = " ".join([*collector.messages, *(str(details(root)) for root in told)])
    assert "Muster" not in everything
    assert "4711" not in everything


def about_collector(listener: Listener, kind: str) -> bool:
    listener.read()
    return any(event.kind == kind and event.fields["code"] == "audit-collector" for event in listener.events)


def cursor_of(bench: Bench) -> Cursor:
    return AuditClient(bench.config)._cursor


def check_repeats(seqs: list[int], last: int) -> None:
    """Everything is there; where the order goes back, it goes back to a line that had not been confirmed."""
    assert set(seqs) == set(range(1, last + 1))
    reached = 0
    for one, other in zip([0, *seqs], seqs, strict=False):
        assert other <= one + 1, "a line was left out"
        assert other > reached - 500, "more than a page was repeated"
        reached = max(reached, other)


# ---- the cursor, pure ------------------------------------------------------------------------------------------


def log_of(length: int, first: int = 1, salt: int = 0) -> list[LogLine]:
    return [LogLine(seq, b"", bytes([salt, seq % 256]) * 16, b"") for seq in range(first, first + length)]


@given(st.integers(0, 30), st.integers(1, 7), st.data())
def test_pages_in_a_row_give_each_line_once_and_in_order(length: int, limit: int, data: st.DataObject) -> None:
    whole, cursor, got = log_of(length), Cursor(), []
    for _ in range(3 * length + 3):
        page = [line for line in whole if line.seq > cursor.ask_after][: limit + 1]
        found = next_lines(cursor, page)
        assert not found.problem
        if found.lines and data.draw(st.booleans()):  # else the delivery failed: the cursor stays
            got += [line.seq for line in found.lines]
            cursor = after(found.lines)
    assert got == list(range(1, len(got) + 1))


@given(st.integers(1, 20), st.integers(0, 20))
def test_another_log_is_known_and_a_gap_is_told(at: int, length: int) -> None:
    cursor = after(log_of(at))
    other = [line for line in log_of(length, salt=1) if line.seq > cursor.ask_after]
    assert next_lines(cursor, other).start_over
    cut = log_of(5, first=at + 3)
    found = next_lines(cursor, cut)
    assert found.lines == cut
    assert found.problem == f"lines {at + 1} to {at + 2} are not in the log"
    assert not next_lines(cursor, log_of(5, first=at + 1)).problem



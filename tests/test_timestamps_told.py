"""Timestamps as a site sees them: from the pedal to `verify`, in sealed copies, what is wrong told with its place."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware.cli.main import app
from firmware.errors import DamagedRecording
from firmware.export.copy import write_sealed_copy
from firmware.recorder.timestamp_desk import chain_values
from firmware.vault.attachments import Timestamp, pack_timestamp
from firmware.vault.reader import Recording
from firmware.vault.timestamp_store import TimestampStore
from tests.recorder_helpers import CONSENT, Unit, until
from tests.timestamp_helpers import Authority, Signer
from tests.vault_helpers import fragment, keystore, read, seal, write


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    authority = Authority(tmp_path / "authority")
    yield authority
    authority.close()


def scrubcam(*words: object) -> tuple[str, BaseException | None]:
    done = CliRunner().invoke(app, [*map(str, words)])
    return " ".join(done.output.split()), done.exception


class Site:
    """A recorder and an agent as processes; the authority is there when the test says so."""

    def __init__(self, root: Path, url: str) -> None:
        self.unit = Unit(root)
        self.unit.configure("timestamps", url=url)
        self.store = TimestampStore.of_device(str(root / "state"))
        self.agents: list[subprocess.Popen[bytes]] = []

    def start_agent(self) -> None:
        command = [sys.executable, "-m", "firmware.fleet", "--config", str(self.unit.config)]
        self.agents.append(subprocess.Popen(command))

    def waiting(self) -> list[str]:
        return [one.at for one in self.store.waiting(9)]

    def close(self) -> None:
        self.unit.stop()
        for agent in self.agents:
            if agent.poll() is None:
                agent.kill()
                agent.wait(10)


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[Site]:
    site = Site(tmp_path, authority.url)
    yield site
    site.close()


def test_from_the_pedal_to_verify_with_the_authority_away_and_both_processes_killed(
    site: Site, authority: Authority, tmp_path: Path
) -> None:
    authority.close()
    usb = tmp_path / "usb"
    usb.mkdir()
    listener = site.unit.start()
    listener.state("READY")
    site.start_agent()
    assert listener.ask("consent", consent=CONSENT).ok
    assert listener.ask("start").ok
    listener.state("RECORDING")
    until(lambda: site.waiting() == ["start"], what="the start's request")
    site.unit.kill9()
    site.agents[0].kill()
    site.agents[0].wait(10)

    listener = site.unit.start()
    listener.state("READY")
    until(lambda: site.waiting() == ["start", "end"], what="the end's request")
    (path,) = site.unit.recordings()
    told, _ = scrubcam("handover", usb, "--same-disk", "--config", site.unit.config)
    assert "1 of them still wait for a timestamp" in told
    copy = usb / path.name
    assert "no timestamps" in scrubcam("verify", copy)[0]

    authority.come_back()
    site.start_agent()
    until(lambda: len(site.store.of(path.stem)) == 2, what="both tokens")
    events = [listener.event("timestamped", count=number) for number in (1, 2)]
    assert [(event.recording_id, event.fields["at"], event.fields["authority"]) for event in events] == [
        (path.stem, "start", "Test TSA"), (path.stem, "end", "Test TSA")]
    site.agents[1].terminate()
    assert site.agents[1].wait(20) == 0
    assert site.unit.stop() == 0

    told, fault = scrubcam("handover", usb, "--same-disk", "--again", "--config", site.unit.config)
    assert (fault, "still wait" in told) == (None, False)
    told, _ = scrubcam("verify", copy, "--tsa-ca", authority.ca_file)
    assert told.count("signed by a trusted authority") == 2
    assert "timestamp, start" in told
    assert "timestamp, end" in told
    with Recording.open(str(copy)) as recording:
        report = recording.verify()
    assert (report.state, report.attachments, report.key_envelope) == ("interrupted", 3, True)


# ---- verify --------------------------------------------------------------------------------------


def test_verify_tells_time_authority_and_whether_it_is_trusted(tmp_path: Path, signer: Signer) -> None:
    path, copy = seal(str(tmp_path), [fragment(0)]), tmp_path / "copy.scrub"
    assert "no timestamps" in scrubcam("verify", path)[0]
    stamps = [Timestamp(one.at, one.record, signer.token(one.chain)) for one in chain_values(path, ["start", "end"])]
    write_sealed_copy(path, keystore(tmp_path), stamps, str(copy))
    told, fault = scrubcam("verify", copy)
    assert fault is None
    assert told.count("by Test TSA") == told.count("its signature not checked") == 2
    told, fault = scrubcam("verify", copy, "--tsa-ca", signer.ca_file)
    assert fault is None
    assert told.count("signed by a trusted authority") == 2


@pytest.mark.parametrize(("kind", "words"), [
    ("foreign", "unable to get local issuer certificate"), ("expired", "certificate has expired"),
    ("later", "its signature does not hold"),
])
def test_a_token_by_another_authority_an_expired_one_or_with_a_forged_time_is_told_with_its_place(
    tmp_path: Path, signer: Signer, kind: str, words: str
) -> None:
    path, copy = seal(str(tmp_path), [fragment(0)]), tmp_path / "copy.scrub"
    start, end = chain_values(path, ["start", "end"])
    of_the_end, trusted = signer, signer.ca_file
    if kind == "foreign":
        of_the_end = Signer(tmp_path / "other", "Other TSA")
    elif kind == "expired":
        of_the_end = Signer(tmp_path / "expired", "Expired TSA", days=-0.5)
        trusted = tmp_path / "both.pem"
        trusted.write_bytes(signer.ca_file.read_bytes() + of_the_end.ca_file.read_bytes())
    token = of_the_end.token(end.chain)
    if kind == "later":
        digit = token.index(b"Z", token.index(b"\x18\x0f20")) - 1
        token = token[:digit] + bytes([token[digit] ^ 1]) + token[digit + 1 :]
    stamps = [Timestamp("start", start.record, signer.token(start.chain)), Timestamp("end", end.record, token)]
    write_sealed_copy(path, keystore(tmp_path), stamps, str(copy))
    told, fault = scrubcam("verify", copy, "--tsa-ca", trusted)
    assert isinstance(fault, DamagedRecording)
    assert told.count("[green]") == 0
    assert told.count("not by a trusted authority") == 1
    assert told.count(" signed by a trusted authority") == 1
    assert "the timestamp of its end is not by an authority" in str(fault)
    assert words in str(fault)


def test_a_token_over_other_data_is_no_timestamp_of_this_recording(tmp_path: Path, signer: Signer) -> None:
    path = seal(str(tmp_path), [fragment(0)])
    other = seal(str(tmp_path), [fragment(1)], recording_id="other")
    (end,), (others_end,) = chain_values(path, ["end"]), chain_values(other, ["end"])
    right = signer.token(end.chain)
    moved = [
        (Timestamp("end", end.record, signer.token(others_end.chain)), "not of the chain value at the recording's end"),
        (Timestamp("end", end.record, b"x"), "malformed"),
        (Timestamp("start", end.record, right), "not over the record of the recording's start"),
        (Timestamp("end", end.record - 1, right), "not over the record of the recording's end"),
    ]
    for timestamp, words in moved:
        write(str(tmp_path / "x.scrub"),
              read(path) + pack_timestamp(Timestamp("end", end.record, right)) + pack_timestamp(timestamp))
        with Recording.open(str(tmp_path / "x.scrub")) as recording:
            report = recording.verify()
        assert report.state == "damaged"
        assert report.first_problem is not None
        assert report.first_problem.place == "attachment 1"
        assert words in report.first_problem.text


def test_a_copy_gets_each_timestamp_once(tmp_path: Path, signer: Signer) -> None:
    path, copy = seal(str(tmp_path), [fragment(0)]), str(tmp_path / "copy.scrub")
    wanted = chain_values(path, ["start", "end"])
    start, end = (Timestamp(one.at, one.record, signer.token(one.chain)) for one in wanted)
    write_sealed_copy(path, keystore(tmp_path), [start], copy)
    before = read(copy)
    report = write_sealed_copy(copy, keystore(tmp_path), [start, end], copy, replace=True)
    assert report.timestamps == [start, end]
    assert read(copy) == before + pack_timestamp(end)

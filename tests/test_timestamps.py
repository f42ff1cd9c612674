"""Timestamps against a real `openssl ts` authority: asked for, checked, kept, attached and reported."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.config import Config, Paths, Timestamps
from firmware.errors import TimestampFault
from firmware.fleet.rounds import Pace
from firmware.fleet.timestamp_client import TimestampClient
from firmware.messages import StampedAt, TimestampToken, TimestampWanted
from firmware.recorder.journal import Journal
from firmware.recorder.socket_server import SocketServer
from firmware.recorder.timestamp_desk import TimestampDesk, chain_values
from firmware.vault.attachments import Timestamp
from firmware.vault.reader import Recording
from firmware.vault.recover import recover
from firmware.vault.timestamp_store import TimestampStore
from firmware.vault.timestamps import covers, new_request, signature_problem, token_info, token_of
from firmware.vault.verification import Verification
from tests.fleet_helpers import certificates
from tests.recorder_helpers import until
from tests.timestamp_helpers import Authority, Signer
from tests.vault_helpers import device, fragment, read, seal, write

CHAIN = bytes(range(32))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="module")
def token(signer: Signer) -> bytes:
    return signer.token(CHAIN)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    authority = Authority(tmp_path / "authority")
    yield authority
    authority.close()


# ---- tokens --------------------------------------------------------------------------------------


def test_a_token_is_over_its_data_and_signed_by_its_authority(signer: Signer, token: bytes, tmp_path: Path) -> None:
    other = Signer(tmp_path / "other", "Other TSA")
    assert covers(token, CHAIN)
    assert not covers(token, CHAIN[::-1])
    assert signature_problem(token, CHAIN, [signer.ca]) == ""
    assert signature_problem(token, CHAIN, [other.ca, signer.ca, signer.ca]) == ""
    assert "unable to get local issuer certificate" in signature_problem(token, CHAIN, [other.ca])
    assert signature_problem(token, CHAIN[::-1], [signer.ca]) == "Mismatch between messages"
    assert token_info(token).authority == "Test TSA"
    (tmp_path / "chain").write_bytes(CHAIN)
    (tmp_path / "token").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-token_in", "-in", "token", "-data", "chain", "-CAfile", signer.ca_file]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=30)


def test_a_token_with_another_time_or_by_a_namesake_does_not_hold(signer: Signer, token: bytes, tmp_path: Path) -> None:
    later = bytearray(token)
    later[token.index(b"Z", token.index(b"\x18\x0f20")) - 1] ^= 1  # the last digit of its seconds
    assert token_info(bytes(later)).unix_s != token_info(token).unix_s
    assert signature_problem(bytes(later), CHAIN, [signer.ca]) == "its signature does not hold"
    namesake = Signer(tmp_path / "namesake").token(CHAIN)
    assert token_info(namesake).authority == "Test TSA"
    assert "certificate signature failure" in signature_problem(namesake, CHAIN, [signer.ca])


def test_an_authoritys_name_is_a_line_of_text(tmp_path: Path) -> None:
    evil = Signer(tmp_path / "evil", "TSA\x1b[2J\n\u202eASL")
    assert token_info(evil.token(CHAIN)).authority == "TSA[2JASL"


def test_the_authority_must_have_been_valid_at_the_tokens_time_not_today(tmp_path: Path) -> None:
    expired = Signer(tmp_path / "expired", days=-0.5)
    assert "certificate has expired" in signature_problem(expired.token(CHAIN), CHAIN, [expired.ca])
    short = Signer(tmp_path / "short", days=3 / 86400)
    token = short.token(CHAIN)
    ends = short.ca.not_valid_after_utc.timestamp()
    assert token_info(token).unix_s < ends
    time.sleep(max(0.0, ends + 1.0 - time.time()))
    assert signature_problem(token, CHAIN, [short.ca]) == ""
    (tmp_path / "chain").write_bytes(CHAIN)
    (tmp_path / "token").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-token_in", "-in", "token", "-data", "chain", "-CAfile", short.ca_file]
    for words, code in (([], 1), (["-attime", str(int(token_info(token).unix_s))], 0)):
        assert subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, timeout=30).returncode == code


def test_the_authority_learns_a_hash_and_a_random_number() -> None:
    requests = [new_request(CHAIN), new_request(CHAIN)]
    assert requests[0].nonce != requests[1].nonce
    for request in requests:
        nonce = request.nonce.to_bytes((request.nonce.bit_length() + 7) // 8, "big")
        told = request.der.replace(hashlib.sha256(CHAIN).digest(), b"").replace(nonce, b"")
        assert len(request.der) - len(told) == 32 + len(nonce)
        assert len(told) < 40, "more than algorithm, version and lengths"


def test_an_answer_to_another_request_is_refused(signer: Signer) -> None:
    request, earlier = new_request(CHAIN), new_request(CHAIN)
    with pytest.raises(TimestampFault, match="its nonce is a different one"):
        token_of(signer.answer(earlier.der), request)
    other = new_request(CHAIN[::-1])
    with pytest.raises(TimestampFault, match="nonce"):
        token_of(signer.answer(other.der), request)
    with pytest.raises(TimestampFault, match="over other data"):
        token_of(signer.answer(other.der), type(other)(CHAIN, other.nonce, other.der))


def test_a_refusal_is_told(signer: Signer) -> None:
    text = (signer.folder / "ts.cnf").read_text()
    (signer.folder / "ts.cnf").write_text(text.replace("digests = sha256", "digests = sha512"))
    try:
        with pytest.raises(TimestampFault, match="refused"):
            token_of(signer.answer((request := new_request(CHAIN)).der), request)
    finally:
        (signer.folder / "ts.cnf").write_text(text)


@given(st.data())
def test_no_bytes_from_the_network_do_more_than_be_refused(token: bytes, data: st.DataObject) -> None:
    changed = bytearray(token)
    for at in data.draw(st.lists(st.integers(0, len(token) - 1), min_size=1, max_size=4)):
        changed[at] = data.draw(st.integers(0, 255))
    hostile = data.draw(st.sampled_from((bytes(changed), bytes(changed[: data.draw(st.integers(0, len(token)))]))))
    uses: list[Callable[[], object]] = [
        lambda: covers(hostile, CHAIN), lambda: token_info(hostile), lambda: token_of(hostile, new_request(CHAIN)),
    ]
    for use in uses:
        try:
            use()
        except TimestampFault:
            pass


def test_a_token_of_any_size_is_not_taken_in() -> None:
    for use in (lambda: covers(bytes(70_000), CHAIN), lambda: token_of(bytes(70_000), new_request(CHAIN))):
        with pytest.raises(TimestampFault, match="at most"):
            use()


# ---- the recorder's files ------------------------------------------------------------------------


def wanted(at: StampedAt = "end", recording_id: str = "abcdefgh") -> TimestampWanted:
    return TimestampWanted(recording_id, at, 9, CHAIN)


def test_requests_wait_in_files_until_the_right_token_comes(tmp_path: Path, token: bytes, signer: Signer) -> None:
    folder = str(tmp_path / "timestamps")
    store = TimestampStore(folder)
    assert store.waiting(9) == store.of("abcdefgh") == []
    store.want(wanted())
    store.want(TimestampWanted("abcdefgh", "end", 1, bytes(32)))  # what is wanted stays as it is
    assert TimestampStore(folder).waiting(9) == [wanted()], "after a restart too"
    other = signer.token(bytes(32))
    for bad, words in ((other, "over other data"), (b"nonsense", "malformed")):
        with pytest.raises(TimestampFault, match=words):
            store.answer("abcdefgh", "end", bad)
    assert TimestampStore(folder).waiting(9) == [wanted()]
    assert store.answer("abcdefgh", "end", token)
    assert not store.answer("abcdefgh", "end", token), "a second time nobody waits"
    assert TimestampStore(folder).of("abcdefgh") == [Timestamp("end", 9, token)]
    assert TimestampStore(folder).waiting(9) == []
    store.want(wanted())
    assert store.waiting(9) == [], "it is answered already"
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "timestamps").iterdir()} == {0o600}
    store.want(wanted("start"))
    assert store.awaited("abcdefgh") == ["start"]
    store.forget("abcdefgh")
    assert os.listdir(folder) == []
    for bad_id in ("../x", "", "a/b"):
        with pytest.raises(ValueError, match="not a recording id"):
            store.of(bad_id)


def test_the_longest_waiting_come_first_and_a_damaged_file_holds_up_nobody(tmp_path: Path) -> None:
    store = TimestampStore(str(tmp_path))
    for number, name in enumerate(("c", "a", "b")):
        store.want(wanted(recording_id=name))
        os.utime(tmp_path / f"{name}.end.wanted", (number, number))
    (tmp_path / "c.end.wanted").write_text("{torn")
    assert [one.recording_id for one in store.waiting(2)] == ["a", "b"]


def judged(path: str) -> Verification:
    with Recording.open(path) as recording:
        found = Verification(recording.header, recording.device_fingerprint, recording.size_bytes, recording.start)
        for frame in recording.frames():
            found.frame(frame)
        return found


def test_what_a_crash_left_unnoted_is_found_in_the_recordings(tmp_path: Path) -> None:
    rec = tmp_path / "rec"
    rec.mkdir()
    sealed = seal(str(rec), [fragment(0)], recording_id="sealed")
    cut = seal(str(rec), [fragment(0)], recording_id="cut", end=False)
    assert [one.at for one in chain_values(cut, ["start", "end"])] == ["start"]
    recover(cut, device())
    write(str(rec / "broken.scrub"), read(sealed)[:200])
    desk = TimestampDesk(configured(tmp_path, "http://127.0.0.1:9"), lambda *_: None)
    desk.look_into([str(tmp_path / "absent"), str(rec)])
    desk.close(20)
    noted = {(one.recording_id, one.at): (one.record, one.chain) for one in desk.waiting()}
    expected = {(name, at): value for name, path in (("sealed", sealed), ("cut", cut))
                for at, value in judged(path).covered.items()}
    assert noted == expected
    assert len(noted) == 4


def test_without_an_address_nothing_is_noted(tmp_path: Path) -> None:
    desk = TimestampDesk(configured(tmp_path, ""), lambda *_: None)
    desk.signed("abcdefgh", "start", 1, CHAIN)
    desk.look_into([str(tmp_path)])
    desk.close(1)
    assert desk.waiting() == []
    assert os.listdir(tmp_path) == []


# ---- authority, agent and recorder ---------------------------------------------------------------


def configured(root: Path, url: str) -> Config:
    return Config(paths=Paths(state_dir=str(root / "state")), timestamps=Timestamps(url=url, timeout_s=5))


class Desk:
    """The recorder's desk behind its real socket, and the agent's client."""

    def __init__(self, root: Path, url: str) -> None:
        self.notes: list[tuple[str, str, dict[str, str | int | float | bool]]] = []
        self.cfg, self.root = configured(root, url), root
        self.desk = TimestampDesk(self.cfg, lambda *note: self.notes.append(note))
        self.server = SocketServer(root / "run", Journal(root / "journal.db"), lambda: None, timestamps=self.desk)
        self.client = TimestampClient(self.cfg.timestamps, root / "run", Pace(0.05, 0.05, 0.1))
        self.client.start()

    def tokens(self) -> list[Timestamp]:
        return TimestampStore.of_device(str(self.root / "state")).of("abcdefgh")

    def close(self) -> None:
        self.client.close()
        self.server.close()
        self.desk.close(5)


@pytest.fixture
def desk(tmp_path: Path, authority: Authority) -> Iterator[Desk]:
    desk = Desk(tmp_path, authority.url)
    yield desk
    desk.close()


def test_an_authority_that_is_away_is_asked_again_until_it_is_back(desk: Desk, authority: Authority) -> None:
    authority.away = True
    desk.desk.signed("abcdefgh", "start", 1, CHAIN)
    until(lambda: authority.asked >= 3, what="three attempts")
    assert desk.tokens() == []
    desk.desk.signed("abcdefgh", "end", 9, CHAIN[::-1])
    authority.away = False
    start, end = until(lambda: found if len(found := desk.tokens()) == 2 else None, what="both tokens")
    assert (start.at, start.record, end.at, end.record) == ("start", 1, "end", 9)
    assert signature_problem(start.token, CHAIN, [authority.ca]) == ""
    assert signature_problem(end.token, CHAIN[::-1], [authority.ca]) == ""
    until(lambda: len(desk.notes) == 2, what="both lines of the journal")
    kinds = [(kind, fields["at"], fields["authority"]) for kind, _, fields in desk.notes]
    assert kinds == [("timestamped", "start", "Test TSA"), ("timestamped", "end", "Test TSA")]


@pytest.mark.parametrize("spoiling", ["replayed", "other data", "garbage", "huge"])
def test_a_false_answer_is_not_kept_and_the_request_still_waits(
    desk: Desk, authority: Authority, spoiling: str
) -> None:
    replayed = authority.answer(new_request(CHAIN).der)
    other = new_request(bytes(32)).der
    if spoiling == "other data":
        authority.spoil_query = lambda query: other
    else:
        spoilt = {"replayed": replayed, "garbage": b"<html>", "huge": bytes(200_000)}[spoiling]
        authority.spoil = lambda answer: spoilt
    desk.desk.signed("abcdefgh", "end", 9, CHAIN)
    until(lambda: authority.asked >= 2, what="two attempts")
    assert desk.tokens() == []
    assert desk.desk.waiting() == [wanted()]
    authority.spoil = authority.spoil_query = lambda data: data
    until(desk.tokens, what="the token")


def test_an_authority_that_drips_its_answer_is_given_up(tmp_path: Path, authority: Authority) -> None:
    authority.drip_s = 0.2
    client = TimestampClient(Timestamps(url=authority.url, timeout_s=1), tmp_path)
    with pytest.raises(TimestampFault, match="did not end its answer in time"):
        client._post(new_request(CHAIN).der)


def test_over_https_only_a_server_of_the_named_authority_is_asked(tmp_path: Path) -> None:
    for name in ("ours", "others"):
        certificates(tmp_path / name)
    authority, request = Authority(tmp_path / "tsa", tls=tmp_path / "ours"), new_request(CHAIN)

    def client(ca_file: str) -> TimestampClient:
        return TimestampClient(Timestamps(url=authority.url, ca_file=str(tmp_path / ca_file), timeout_s=5), tmp_path)

    try:
        with pytest.raises(TimestampFault, match="certificate verify failed"):
            client("others/ca.pem")._post(request.der)
        assert authority.asked == 0
        assert covers(token_of(client("ours/ca.pem")._post(request.der), request), CHAIN)
    finally:
        authority.close()
    with pytest.raises(TimestampFault, match="cannot be used"):
        client("absent.pem")


def test_the_recorder_checks_what_the_agent_brings(desk: Desk, authority: Authority, token: bytes) -> None:
    authority.away = True
    desk.desk.signed("abcdefgh", "end", 9, bytes(32))
    until(lambda: desk.desk.waiting(), what="the request")
    for at, bad in (("end", token), ("end", b"nonsense"), ("start", token)):
        desk.desk.take(TimestampToken("abcdefgh", at, bad))  # type: ignore[arg-type]
    desk.desk.take(TimestampToken("../../etc", "end", token))
    assert desk.tokens() == desk.notes == []
    assert len(desk.desk.waiting()) == 1

"""Roles: the table is whole, the socket keeps to it, logins are sound, and field zones wait for the privacy officer."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware import roles
from firmware.cli.main import app
from firmware.config import Zone, Zones
from firmware.errors import ConfigError, DiskFault
from firmware.fleet.topics import FleetVerb
from firmware.ipc import Channel, ChannelClosed
from firmware.messages import (
    ActAsFleet,
    Answer,
    ApproveZones,
    AskTimestamps,
    CollectorReport,
    Command,
    FromRecorder,
    Hold,
    Login,
    LoginRole,
    LogPage,
    MayHandOver,
    ReadLog,
    Role,
    SetLogin,
    StateReport,
    Subscribe,
    TimestampsWaiting,
    TimestampToken,
    ToRecorder,
    Verb,
)
from firmware.recorder import socket_client, zone_approval
from firmware.recorder.access import Access
from firmware.recorder.holds import Holds
from firmware.recorder.journal import Journal
from firmware.recorder.logins import FILE_NAME, MOST_NAMES, MOST_WAIT_S, Logins, Waits
from firmware.recorder.socket_client import role_of_peer
from firmware.recorder.socket_server import SocketServer
from firmware.vault.device_key import DeviceKey
from firmware.vault.ledger import Ledger, Mark
from hw.sim.clock import SimClock
from tests.recorder_helpers import CONSENT, Unit, files_under

ROLES: tuple[Role, ...] = get_args(Role)
ACTIONS: tuple[roles.Action, ...] = get_args(roles.Action)
CHEAP = 2**4  # scrypt's cost in tests
GOOD = "correct horse battery"

# ---- the table -------------------------------------------------------------------------------------------


def test_every_verb_has_an_entry_and_a_word_about_it() -> None:
    assert set(get_args(Verb)) <= set(ACTIONS)
    assert set(roles.MAY) == set(ACTIONS) == set(roles.ACTION_NOTES)
    assert set(roles.ROLE_NOTES) == set(ROLES)
    assert all(allowed <= set(ROLES) and allowed for allowed in roles.MAY.values())


ASKED: dict[type, tuple[roles.Action, ...]] = {
    Command: get_args(Verb), Subscribe: ("listen",), Login: ("login",), SetLogin: ("set-login",),
    ApproveZones: ("approve-zones",), MayHandOver: ("hand-over",), Hold: ("hold", "release"),
    AskTimestamps: ("timestamps",), TimestampToken: ("timestamps",), ReadLog: ("read-log",),
    CollectorReport: ("report-collector",),
    ActAsFleet: (),  # gives rights up
}


def test_every_message_and_every_command_has_its_place_in_the_table() -> None:
    assert set(get_args(ToRecorder)) == set(ASKED)
    assert {action for actions in ASKED.values() for action in actions} == set(ACTIONS)
    assert set(roles.COMMANDS) == set(commands_of(typer.main.get_command(app)))
    assert {action for actions in roles.COMMANDS.values() for action in actions} <= set(ACTIONS)


def commands_of(command: Any, path: str = "") -> Iterator[str]:
    """Every `scrubcam` command, as it is typed."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
    for name in inner or ():
        yield from commands_of(inner[name], f"{path} {name}".strip())


def test_an_action_without_an_entry_is_no_right_but_an_error() -> None:
    with pytest.raises(KeyError):
        roles.may("administrator", "melt")  # type: ignore[arg-type]


@given(st.sampled_from(ACTIONS), st.sampled_from(ROLES))
def test_rights_only_grow_with_proof(action: roles.Action, role: Role) -> None:
    if roles.may("anyone", action):
        assert roles.may(role, action)  # nobody loses by logging in
    if roles.may("fleet", action):
        assert roles.may("operator", action)  # the agent's word that it is the fleet gives it nothing
    assert (roles.refusal(role, action) == "") == roles.may(role, action)


def test_what_hurts_privacy_needs_the_privacy_officer_alone() -> None:
    assert roles.MAY["approve-zones"] == {"privacy-officer"}
    assert roles.MAY["hold"] == roles.MAY["release"] == {"privacy-officer", "administrator"}
    assert roles.MAY["set-login"] == {"administrator"}
    assert [action for action in ACTIONS if roles.may("anyone", action)] == ["status", "login"]


def test_the_fleet_may_do_what_its_commands_say() -> None:
    assert all(roles.may("fleet", verb) for verb in get_args(FleetVerb))


@given(st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9))
def test_the_kernels_word_makes_an_operator_of_nobody_else(uid: int, own_uid: int, agent_uid: int | None) -> None:
    role = role_of_peer(uid, own_uid, agent_uid)
    assert role == ("operator" if uid in (0, own_uid) else "fleet" if uid == agent_uid else "anyone")


# ---- logins ----------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["ann", "bo", "kim"])
CHANGE = st.tuples(NAMES, st.sampled_from([None, *get_args(LoginRole)]), st.sampled_from([GOOD, "another passphrase"]))


@settings(deadline=None)  # it writes files and hashes; how fast is not what is tested
@given(st.lists(CHANGE, max_size=6))
def test_logins_are_what_was_set_last_and_an_administrator_remains(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, LoginRole | None, str]]
) -> None:
    logins, wanted = Logins(str(tmp_path_factory.mktemp("logins")), CHEAP), {}
    for name, role, passphrase in changes:
        after = {key: value for key, value in wanted.items() if key != name}
        if role is not None:
            after[name] = (role, passphrase)
        problem = logins.set(name, role, passphrase)
        allowed = any(kept[0] == "administrator" for kept in after.values()) and (role is not None or name in wanted)
        assert (problem == "") == allowed
        wanted = after if allowed else wanted
    for name in ("ann", "bo", "kim"):
        role, passphrase = wanted.get(name, (None, GOOD))
        assert logins.role_of(name, passphrase) == role
        assert logins.role_of(name, passphrase + "x") is None


def test_the_file_holds_no_passphrase_and_one_that_is_damaged_opens_nothing(tmp_path: Path) -> None:
    logins = Logins(str(tmp_path), CHEAP)
    assert "at least" in logins.set("ann", "administrator", "too short")
    assert logins.set("ann", "administrator", GOOD) == ""
    file = tmp_path / FILE_NAME
    assert file.stat().st_mode & 0o777 == 0o600
    assert GOOD.encode() not in file.read_bytes()
    file.write_bytes(file.read_bytes()[:-3])
    for ask in (lambda: logins.role_of("ann", GOOD), logins.roles, lambda: logins.set("bo", "administrator", GOOD)):
        with pytest.raises(DiskFault):
            ask()


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.integers(0, 90)), max_size=30))
def test_waits_grow_with_failures_are_bounded_and_end_with_a_success(tries: list[tuple[str, bool, int]]) -> None:
    waits, now_s, failures = Waits(), 0, {"a": 0, "b": 0}
    for name, right, later_s in tries:
        now_s += later_s
        if waits.left_s(name, now_s * 10**9):
            continue
        failures[name] = 0 if right else failures[name] + 1
        if right:
            waits.succeeded(name)
        else:
            waits.failed(name, now_s * 10**9)
        left_s = waits.left_s(name, now_s * 10**9)
        assert left_s == (min(2.0 ** (failures[name] - 3), MOST_WAIT_S) if failures[name] >= 3 else 0)


def test_names_that_were_tried_are_forgotten_beyond_a_bound() -> None:
    waits = Waits()
    for n in range(3 * MOST_NAMES):
        waits.failed(str(n), 0)
    assert len(waits._failed) == MOST_NAMES


# ---- the socket ------------------------------------------------------------------------------------------

FIELD = Zones(profile="eye", field=[Zone("eye", 0.1, 0.1, 0.2, 0.2)])


class Bench:
    """A socket server with logins, and what it noted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.device, self.clock = folder, DeviceKey.generate(), SimClock()
        self.noted: list[tuple[str, dict[str, object]]] = []
        self.ledger = Ledger(str(folder / "ledger"))
        self.access = Access(str(folder), FIELD, lambda: self.device, self.clock, self.note, Logins(str(folder), CHEAP),
                             Holds([str(folder)], self.ledger, self.note, self.clock.unix_s))
        self.journal = Journal(folder / "journal.db")
        self.server = SocketServer(folder, self.journal, lambda: None, self.access)
        self.server.publish(StateReport("READY", 1.0))
        self.channels: list[Channel[ToRecorder, FromRecorder]] = []

    def note(self, kind: str, _recording_id: str, fields: Mapping[str, object]) -> None:
        self.noted.append((kind, dict(fields)))

    def channel(self) -> Channel[ToRecorder, FromRecorder]:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(str(self.server.path))
        self.channels.append(Channel(sock, ToRecorder, FromRecorder))
        return self.channels[-1]

    def ask(self, channel: Channel[ToRecorder, FromRecorder], message: ToRecorder) -> str:
        """The reason of the answer; commands that reach the loop are answered there."""
        channel.send(message)
        if isinstance(message, Command) and not self.refused(channel):
            _, command = self.server.inbox.get(timeout=10)
            return f"reached the loop as {command.origin}"
        answer = self.last or channel.recv(10)
        self.last = None
        assert isinstance(answer, Answer)
        assert answer.ok == (answer.reason == "")
        return answer.reason

    last: FromRecorder | None = None

    def refused(self, channel: Channel[ToRecorder, FromRecorder]) -> bool:
        """Whether an answer came before the command reached the loop."""
        while self.server.inbox.empty():
            self.last = channel.recv(0.02)
            if self.last is not None:
                return True
        return False

    def close(self) -> None:
        for channel in self.channels:
            channel.close()
        self.server.close()
        self.journal.close()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(socket_client, "DENIED_PAUSE_S", 0.0)
    made = Bench(tmp_path)
    yield made
    made.close()


def new_id() -> str:
    return uuid.uuid4().hex


def log_in(bench: Bench, role: LoginRole) -> Channel[ToRecorder, FromRecorder]:
    """A connection with this role, by a login made for it."""
    first = bench.channel()
    if not bench.access._logins.roles():
        assert bench.ask(first, SetLogin(new_id(), "root", "administrator", GOOD)) == ""
    else:
        assert bench.ask(first, Login(new_id(), "root", GOOD)) == ""
    assert bench.ask(first, Login(new_id(), "root", GOOD)) == ""
    assert bench.ask(first, SetLogin(new_id(), f"a-{role}", role, GOOD)) == ""
    channel = bench.channel()
    assert bench.ask(channel, Login(new_id(), f"a-{role}", GOOD)) == ""
    return channel


@pytest.mark.parametrize("role", ROLES)
def test_a_connection_may_do_what_the_table_says_of_its_role(
    bench: Bench, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    if role == "anyone":
        monkeypatch.setattr(socket_client, "role_of_peer", lambda *_: "anyone")
        channel = bench.channel()
    elif role == "fleet":
        channel = bench.channel()
        channel.send(ActAsFleet())
    else:
        channel = log_in(bench, role)
    who = f"a-{role}" if role in get_args(LoginRole) else role
    for verb in get_args(Verb):
        told = bench.ask(channel, Command(new_id(), verb, origin="somebody else"))
        assert told == (f"reached the loop as {who}" if roles.may(role, verb) else roles.refusal(role, verb))
    approved = bench.ask(channel, ApproveZones(new_id(), zone_approval.zones_hash(FIELD)))
    assert approved == roles.refusal(role, "approve-zones")
    assert (bench.access.zones_problem == "") == (role == "privacy-officer")
    (bench.folder / "abc.scrub").touch()
    assert bench.ask(channel, MayHandOver(new_id())) == roles.refusal(role, "hand-over")
    assert bench.ask(channel, Hold(new_id(), "abc")) == roles.refusal(role, "hold")
    assert (bench.ledger.ids("hold") == ["abc"]) == roles.may(role, "hold")
    assert bench.ask(channel, Hold(new_id(), "abc", release=True)) == roles.refusal(role, "release")
    assert bench.ledger.ids("hold") == []
    channel.send(ReadLog(new_id()))
    page = channel.recv(10)
    assert isinstance(page, LogPage) == roles.may(role, "read-log")
    if isinstance(page, Answer):
        assert page.reason == roles.refusal(role, "read-log")
    readers = [fields["origin"] for kind, fields in bench.noted if kind == "log-read"]
    assert readers == ([who] if roles.may(role, "read-log") and role != "fleet" else [])
    channel.send(AskTimestamps())
    if roles.may(role, "timestamps"):
        assert channel.recv(10) == TimestampsWaiting([])
    else:
        with pytest.raises(ChannelClosed):
            channel.recv(10)
    denied = [fields for kind, fields in bench.noted if kind == "denied"]
    asked: tuple[roles.Action, ...] = (
        *get_args(Verb), "approve-zones", "hand-over", "hold", "release", "read-log", "timestamps",
    )
    assert denied == [{"action": action, "origin": who} for action in asked if not roles.may(role, action)]


def test_only_the_agent_tells_of_the_collector(bench: Bench) -> None:
    reports: list[CollectorReport] = []
    bench.server.on_collector = reports.append
    nurse = log_in(bench, "surgeon")
    nurse.send(CollectorReport("away"))
    with pytest.raises(ChannelClosed):
        nurse.recv(10)
    assert bench.noted[-1] == ("denied", {"action": "report-collector", "origin": "a-surgeon"})
    agent = bench.channel()
    for message in (ActAsFleet(), CollectorReport("away"), ReadLog(new_id())):
        agent.send(message)
    assert isinstance(agent.recv(10), LogPage)
    assert reports == [CollectorReport("away")]


def test_the_agents_own_user_has_the_fleets_rights_and_never_the_operators(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_client, "role_of_peer", lambda *_: "fleet")
    agent = bench.channel()
    assert bench.ask(agent, SetLogin(new_id(), "root", "administrator", GOOD)) == roles.refusal("fleet", "set-login")
    for message in (ActAsFleet(), ReadLog(new_id())):
        agent.send(message)
    assert isinstance(agent.recv(10), LogPage)


def test_a_user_that_the_machine_does_not_have_is_no_agent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="agent_user"):
        SocketServer(tmp_path, Journal(tmp_path / "journal.db"), lambda: None, agent_user="no-such-user")


def test_who_has_not_logged_in_hears_the_state_and_no_events(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_client, "role_of_peer", lambda *_: "anyone")
    from tests.test_recorder_parts import event

    stranger = bench.channel()
    stranger.send(Subscribe())
    assert stranger.recv(10) == StateReport("READY", 1.0)
    bench.server.event_is_durable(bench.journal.append(event()))
    bench.server.publish(StateReport("FAULT", 2.0))
    assert stranger.recv(10) == StateReport("FAULT", 2.0)
    assert stranger.recv(0.2) is None


def test_the_first_login_is_an_administrators_and_the_next_needs_one(bench: Bench) -> None:
    own = bench.channel()
    assert "administrator" in bench.ask(own, SetLogin(new_id(), "kim", "privacy-officer", GOOD))
    assert bench.ask(own, SetLogin(new_id(), "root", "administrator", GOOD)) == ""
    assert bench.ask(own, SetLogin(new_id(), "kim", "privacy-officer", GOOD)) == roles.refusal("operator", "set-login")
    assert bench.ask(own, Login(new_id(), "root", GOOD)) == ""
    assert bench.ask(own, SetLogin(new_id(), "kim", "privacy-officer", GOOD)) == ""
    assert "one must remain" in bench.ask(own, SetLogin(new_id(), "root"))
    assert [kind for kind, _ in bench.noted] == ["login-changed", "denied", "login", "login-changed"]


def test_a_hold_is_told_with_its_name_and_needs_a_recording_that_is_not_being_deleted(bench: Bench) -> None:
    officer = log_in(bench, "privacy-officer")
    assert bench.ask(officer, Hold(new_id(), "nobody")) == "hold: there is no recording nobody on this device"
    assert bench.ask(officer, Hold(new_id(), "../abc")) == "hold: there is no recording ../abc on this device"
    (bench.folder / "abc.scrub").touch()
    bench.ledger.mark("abc", "deleting", Mark("time-over", 1.0))
    assert bench.ask(officer, Hold(new_id(), "abc")) == "hold: abc is being deleted"
    assert bench.ledger.ids("hold") == []
    bench.ledger.unmark("abc", "deleting")
    noted = len(bench.noted)
    assert bench.ask(officer, Hold(new_id(), "abc", "inquiry")) == ""
    assert bench.ledger.marked("abc", "hold") == Mark("inquiry", bench.clock.unix_s())
    assert bench.ask(officer, Hold(new_id(), "abc", release=True)) == ""
    assert bench.noted[noted:] == [(kind, {"origin": "a-privacy-officer"}) for kind in ("held", "released")]


def test_guessing_waits_and_neither_passphrase_nor_unknown_name_is_noted(bench: Bench) -> None:
    own = bench.channel()
    assert bench.ask(own, SetLogin(new_id(), "root", "administrator", GOOD)) == ""
    told = [bench.ask(own, Login(new_id(), "root", f"wrong {n}")) for n in range(3)]
    assert told == ["login: wrong name or passphrase"] * 3
    assert "wait 1 s" in bench.ask(own, Login(new_id(), "root", GOOD))  # the right one waits too
    bench.clock.advance(1.0)
    assert bench.ask(own, Login(new_id(), "root", GOOD)) == ""
    assert bench.ask(own, Login(new_id(), "my-secret-passphrase", "root")) == "login: wrong name or passphrase"
    assert bench.noted[-1] == ("login-failed", {"name": "unknown", "uid": bench.noted[1][1]["uid"]})
    assert GOOD not in str(bench.noted)


def test_the_fleet_cannot_become_an_operator_again(bench: Bench) -> None:
    own = bench.channel()
    own.send(ActAsFleet())
    assert bench.ask(own, SetLogin(new_id(), "root", "administrator", GOOD)) == roles.refusal("fleet", "set-login")


# ---- field zones -----------------------------------------------------------------------------------------


@given(st.sampled_from(["profile", "x", "name", "more", "device", "signature", "none"]))
def test_an_approval_holds_for_these_zones_on_this_device_alone(
    tmp_path_factory: pytest.TempPathFactory, changed: str
) -> None:
    folder, device = str(tmp_path_factory.mktemp("approval")), DeviceKey.generate()
    assert zone_approval.problem(None, Zones(), device) == ""
    assert zone_approval.problem(None, FIELD, device) == zone_approval.NOT_APPROVED
    zone_approval.approve(folder, FIELD, device, "kim", 1.5)
    approval = zone_approval.load(folder)
    assert approval is not None
    zones = {
        "profile": Zones(profile="ent", field=FIELD.field),
        "x": Zones(profile="eye", field=[Zone("eye", 0.1 + 1e-12, 0.1, 0.2, 0.2)]),
        "name": Zones(profile="eye", field=[Zone("eyes", 0.1, 0.1, 0.2, 0.2)]),
        "more": Zones(profile="eye", field=[*FIELD.field, Zone("b", 0.5, 0.5, 0.1, 0.1)]),
    }.get(changed, FIELD)
    if changed == "device":
        device = DeviceKey.generate()
    if changed == "signature":
        approval = zone_approval.Approval(approval.sha256, "somebody", approval.unix_s, approval.signature)
    assert (zone_approval.problem(approval, zones, device) == "") == (changed == "none")


def scrubcam(unit: Unit, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "firmware.cli.main", *words, "--config", str(unit.config)],
                          capture_output=True, text=True, timeout=60, check=False)


def test_a_device_with_field_zones_records_only_after_the_privacy_officers_word(tmp_path: Path) -> None:
    unit = Unit(tmp_path)
    zones = "\n[zones]\nprofile = 'ent'\n[[zones.field]]\nname = 'ear'\nx = 0.1\ny = 0.1\nw = 0.2\nh = {}\n"
    plain = unit.config.read_text()
    unit.config.write_text(plain + zones.format(0.2))
    passphrase = tmp_path / "passphrase"
    passphrase.write_text(GOOD + "\n")
    new = ("--new-passphrase-file", str(passphrase))
    log = ("--passphrase-file", str(passphrase))
    listener = unit.start()
    try:
        listener.state("READY")
        listener.ask("consent", consent=CONSENT)
        assert listener.ask("start").reason == "zones: field zones not approved by the privacy officer"
        assert scrubcam(unit, "roles", "set", "root", "--role", "administrator", *new).returncode == 0
        refused = scrubcam(unit, "zones", "approve", "--yes", "--as", "root", *log)
        assert refused.returncode == 12
        assert "approve-zones needs privacy-officer" in refused.stderr
        assert scrubcam(unit, "roles", "set", "kim", "--role", "privacy-officer", *new, "--as", "root",
                        *log).returncode == 0
        assert scrubcam(unit, "zones", "approve", "--yes", "--as", "kim", *log).returncode == 0
        listener.ask("consent", consent=CONSENT)
        assert listener.ask("start").ok
        listener.state("RECORDING")
        assert listener.ask("stop").ok
        listener.event("sealed")
        approved = listener.event("zones-approved").fields
        assert approved["origin"] == "kim"
        assert unit.stop() == 0

        unit.config.write_text(plain + zones.format(0.3))
        listener = unit.start()
        listener.state("READY")
        listener.ask("consent", consent=CONSENT)
        assert listener.ask("start").reason == "zones: field zones not approved by the privacy officer"
        assert unit.stop() == 0
    finally:
        if unit.process is not None:
            unit.kill9()
    passphrase.unlink()
    assert not [path for path in files_under(tmp_path) if GOOD.encode() in path.read_bytes()]
    verified = scrubcam(unit, "audit", "verify")
    assert verified.returncode == 0, verified.stdout

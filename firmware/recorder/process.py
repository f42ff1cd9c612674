"""The recorder process: one loop that feeds the state machine and carries out its effects. It never waits on a disk.

Pins are polled every 4 ms; everything slow (writing, journal, recovery, sockets) has a thread and reports back here.
"""

from __future__ import annotations

import os
import queue
import select
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from firmware import __version__
from firmware.config import Config
from firmware.errors import DiskFault
from firmware.log import get_logger
from firmware.messages import Answer, CollectorReport, Command, Event, Fragment, StreamInfo
from firmware.recorder import conditions, lights, machine, reports, start_notes
from firmware.recorder import machine_types as t
from firmware.recorder.access import Access
from firmware.recorder.chores import Chores
from firmware.recorder.clock_notes import ClockNotes
from firmware.recorder.disk_watch import DiskWatch
from firmware.recorder.effects import Effects
from firmware.recorder.holds import Holds
from firmware.recorder.journal import JOURNAL_NAME, Journal, JournalThread
from firmware.recorder.lamps import Lamps
from firmware.recorder.loss_watch import LossWatch
from firmware.recorder.machine_power import mains_problem
from firmware.recorder.machine_turn import recording_evident
from firmware.recorder.mains_watch import POWER_FAIL, MainsWatch
from firmware.recorder.pedal_desk import Made, PedalDesk, press_fields
from firmware.recorder.pipeline_keeper import PipelineKeeper
from firmware.recorder.power_desk import PowerDesk
from firmware.recorder.preroll import PreRoll
from firmware.recorder.selftest_desk import SelftestDesk
from firmware.recorder.socket_server import AnswerMemory, SocketServer
from firmware.recorder.tidy import Tidy
from firmware.recorder.timestamp_desk import TimestampDesk
from firmware.recorder.watchdogs import Watchdogs
from firmware.vault.format import new_recording_id
from firmware.vault.ledger import Ledger
from hw.board import Board
from hw.ports import Clock, Disk, LightName, Power, Watchdog

POLL_MS = 4
TELL_S = 10.0
TICK_NS = 50_000_000
log = get_logger("recorder")


@dataclass(slots=True)
class Parts:
    """What the recorder runs on; tests give a disk that hangs."""

    board: Board
    disk: Disk
    clock: Clock
    power: Power | None = None
    watchdog: Callable[[], Watchdog | None] = lambda: None
    """Starts the hardware watchdog, if there is to be one."""


class RecorderProcess:
    """Made of a configuration and its parts; `run` returns when everything is sealed."""

    def __init__(self, cfg: Config, parts: Parts) -> None:
        """Raises DiskFault (journal) and ConfigError (socket)."""
        self._cfg, self._parts, self._clock = cfg, parts, parts.clock
        self._inbox: queue.SimpleQueue[t.MachineEvent] = queue.SimpleQueue()
        self._wake_out, self._wake_in = socket.socketpair()
        for end in (self._wake_out, self._wake_in):
            end.setblocking(False)
        self._journal_faulty = False
        journal = Journal(os.path.join(cfg.paths.state_dir, JOURNAL_NAME))
        journal.sign = self._sign
        self._journal = JournalThread(journal, self._event_is_durable, self._journal_fault)
        self._timestamps = TimestampDesk(cfg, self._note)
        self._answers = AnswerMemory()
        self._keeper = PipelineKeeper(cfg, self._clock)
        self._preroll = PreRoll(cfg.recorder.preroll_s)
        self._chores = Chores(cfg, parts.disk, self._clock, self.post, self._note, self._timestamps.look_into)
        self._access = Access(
            cfg.paths.state_dir, cfg.zones, lambda: self._chores.keys.device, self._clock, self._note,
            holds=Holds(cfg.paths.targets, Ledger.of_device(cfg.paths.state_dir), self._tell, self._clock.unix_s),
        )
        self._server = SocketServer(
            cfg.paths.run_dir, journal, self.wake, self._access, cfg.access.group, self._timestamps,
            self._about_collector, cfg.access.agent_user,
        )
        self._selftests = SelftestDesk(cfg, self.post)
        rules = t.Rules(
            path_test_at_boot=self._selftests.due,
            sound_configured=cfg.sound.enabled, light_stale_ns=round(cfg.recorder.light_stale_s * 1e9),
            policy=cfg.policy, room=cfg.device.room, surgeons=frozenset(one.id for one in cfg.controls.surgeons),
        )
        self._state = machine.initial(rules, self._clock.monotonic_ns())
        self._effects = Effects(
            cfg, parts, self._keeper, self._preroll, self._chores, self._selftests, self._timestamps.signed, self._note,
            self.post,
        )
        self._disks = DiskWatch(cfg, self._chores, self._effects)
        self._loss = LossWatch()
        self._power = PowerDesk(cfg.power, parts.power, self._clock)
        self._mains = MainsWatch(round(cfg.power.ride_through_s * t.SECOND))
        self._clock_notes = ClockNotes(self._clock, self._note)
        self._tidy = Tidy(cfg, self._clock, self._tell, self._chores.close_left_open, self.post)
        self._pedals = PedalDesk(cfg.controls, parts.board.pins)
        self._lamps = Lamps(parts.board.lights)
        self._reporter = reports.Reporter(cfg, self._clock, self._server.publish)
        self._watchdogs = Watchdogs(cfg.paths.state_dir, parts.watchdog)
        self._ticked_ns = 0
        self._stop_asked = False

    # ---- from other threads ----------------------------------------------------------------------

    def post(self, event: t.MachineEvent) -> None:
        """Give the loop an event; from any thread."""
        self._inbox.put(event)
        self.wake()

    def wake(self) -> None:
        try:
            self._wake_in.send(b".")
        except (BlockingIOError, OSError):
            pass  # it is awake already, or has ended

    def ask_to_stop(self) -> None:
        """Seal what runs and end; from a signal handler or another thread."""
        self._stop_asked = True
        self.wake()

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT end the process cleanly."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask_to_stop())

    # ---- the loop --------------------------------------------------------------------------------

    def run(self) -> None:
        """Until shut down. Everything that waits has a deadline in the machine. Raises PartMissing (watchdog)."""
        self._watchdogs.ready()
        self._feed(t.BootDone())
        threading.Thread(target=self._note_changes, name="start-notes", daemon=True).start()
        try:
            while not self._effects.exit_asked:
                self._turn()
        finally:
            self._end()

    def _turn(self) -> None:
        self._wait()
        now = self._clock.monotonic_ns()
        if self._stop_asked:
            self._stop_asked = False
            self._feed(t.ShutdownAsked())
        self._read_pins(now)
        for taken in self._keeper.poll():
            self._take(taken)
        while not self._inbox.empty():
            self._feed(self._disks.with_next_id(self._inbox.get()))
        self._read_commands()
        if now - self._ticked_ns >= TICK_NS:
            self._ticked_ns = now
            for event in self._disks.look(now, self._state.alerts):
                self._feed(event)
            for event in (*self._power.look(now), *self._lamps.alerts()):
                self._feed(event)
            for event in self._loss.watch(now, self._state.name, self._effects.session, self._keeper.progress):
                self._feed(event)
            self._clock_notes.look(self._state.recording_id)
            self._look_at_conditions()
            self._feed(t.Tick())
            self._tidy.tick(now, machine.may_tidy(self._state), self._disks.missing_bytes())
            self._reporter.health(self._state, self._keeper, self._disks.room, self._preroll.span_ns,
                                  self._power.figures())
            for event in self._watchdogs.look(now, self._state, self._keeper.picture_age_s(now),
                                              self._keeper.problem_code):
                self._feed(event)
        self._show()

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wake_out, select.POLLIN)
        pipeline = self._keeper.fileno()
        if pipeline is not None and pipeline >= 0:
            poll.register(pipeline, select.POLLIN)
        poll.poll(POLL_MS)
        try:
            self._wake_out.recv(4096)
        except BlockingIOError:
            pass

    def _feed(self, event: t.MachineEvent) -> None:
        """One step; effects in order, and only then is the new state shown and reported."""
        self._state, effects = machine.step(self._state, event, self._clock.monotonic_ns())
        for effect in effects:
            self._effects.carry_out(effect, self._state)
        if effects or not isinstance(event, t.Tick | t.ConditionsChanged):
            self._show()

    def _take(self, taken: StreamInfo | Fragment | t.MachineEvent) -> None:
        if isinstance(taken, Fragment):
            if machine.may_write(self._state):
                self._effects.write(taken)
            elif machine.may_keep(self._state):
                self._preroll.add(taken)
        elif isinstance(taken, StreamInfo):
            self._preroll.clear()
            self._effects.stream(taken)
        else:
            self._feed(taken)

    def _read_pins(self, now: int) -> None:
        for told in self._pedals.read(now, self._state.surgeon):
            if isinstance(told, Made):
                self._press(told)
            else:
                self._feed(told)
        if self._selftests.held(self._pedals.held_ns("privacy", now)):
            self._feed(t.PathTestAsked("privacy button"))
        for event in self._mains.poll(self._pedals.levels.get(POWER_FAIL), now):
            self._feed(event)

    def _press(self, made: Made) -> None:
        """One gesture: what it did, and when, is noted."""
        gesture = made.gesture
        self._look_at_conditions()
        self._feed(t.Pressed(made.action, new_recording_id(), gesture.line, gesture.closed_ns))
        told = press_fields(made, self._effects.take_press_answer(), self._lamps.answered_ns(gesture.closed_ns))
        self._note("pressed", self._state.recording_id, told)

    def _read_commands(self) -> None:
        while True:
            try:
                client, command = self._server.inbox.get_nowait()
            except queue.Empty:
                return
            self._server.answer(client, self._answer(command))

    def _answer(self, command: Command) -> Answer:
        known = self._answers.get(command.id)
        if known is not None and command.verb != "status":
            return known
        self._look_at_conditions()
        self._feed(t.Asked(command, new_recording_id()))
        reply = self._effects.take_reply()
        if command.verb != "status":
            told: dict[str, t.Scalar] = {"verb": command.verb, "origin": command.origin, "ok": reply.ok}
            self._note("asked", self._state.recording_id, told if reply.ok else told | {"reason": reply.reason})
        answer = Answer(command.id, reply.ok, self._state.name, reply.reason)
        self._answers.keep(answer)
        return answer

    def _look_at_conditions(self) -> None:
        self._feed(t.ConditionsChanged(self._unmet(self._clock.monotonic_ns())))

    def _unmet(self, now: int) -> tuple[str, ...]:
        cfg, keys = self._cfg, self._chores.keys
        return conditions.unmet(conditions.Snapshot(
            consent=self._state.consent, disks=tuple(self._chores.looks()),
            floor_bytes=cfg.recorder.floor_bytes, reserve_bytes=cfg.recorder.reserve_bytes,
            reserve_hours=cfg.recorder.reserve_hours, bytes_per_s=self._effects.rate.bytes_per_s,
            recipient_roles=frozenset(recipient.role for recipient in keys.recipients),
            escrow_needed=cfg.recorder.escrow == "required", recipients_problem=keys.recipients_problem,
            pipeline_started=self._keeper.running, pipeline_problem=self._keeper.problem,
            picture_age_s=self._keeper.picture_age_s(now), pedal_problem=self._pedals.refusal,
            zones_problem=self._access.zones_problem,
            policy=cfg.policy, room=cfg.device.room, moments=self._state.moments,
            power_problem=mains_problem(self._state) or self._power.refusal,
            selftest_problem=self._selftests.problem,
        ))

    def _show(self) -> None:
        now = self._clock.monotonic_ns()
        shown = lights.choose(self._state, now)
        self._lamps.show(shown, self._pedals.touched(now), now)
        self._reporter.state(
            self._state, recording_evident(self._state, now), lights.describe(shown), self._disks.room.hours
        )

    def _end(self) -> None:
        self._watchdogs.stopping()
        self._selftests.stop()
        self._keeper.kill()
        self._power.close()
        self._effects.close(timeout_s=2.0)
        self._chores.close()
        self._timestamps.close(timeout_s=2.0)
        self._journal.close(timeout_s=3.0)
        self._server.close()
        for light in get_args(LightName):
            self._parts.board.lights.show(light, "off")
        for end in (self._wake_out, self._wake_in):
            end.close()
        if self._effects.exit_asked:  # not after an error: what comes next may need the machine restarted
            self._watchdogs.close()

    # ---- journal ---------------------------------------------------------------------------------

    def _note(self, kind: str, recording_id: str, fields: dict[str, t.Scalar]) -> None:
        if not self._journal.note(kind, self._clock.unix_s(), recording_id, fields, self._clock.monotonic_ns()):
            log.error("journal-full", kind=kind)
            self.post(t.Alerted("journal", "events are lost: the disk does not take them"))

    def _tell(self, kind: str, recording_id: str, fields: dict[str, t.Scalar]) -> None:
        """An event that is on the disk when this returns; not for the loop. Raises DiskFault."""
        self._note(kind, recording_id, fields)
        if not self._journal.flush(TELL_S):
            raise DiskFault("the journal is not written", meaning="Nothing is deleted without it",
                            todo="check the disk that holds state_dir")

    def _note_changes(self) -> None:
        try:
            start_notes.note_changes(self._cfg.paths.state_dir, self._cfg, f"scrubcam {__version__}", self._tell)
        except DiskFault as fault:
            log.error("changes-not-noted", error=str(fault), meaning="the next start notes them")

    def _about_collector(self, report: CollectorReport) -> None:
        self.post(t.Alerted("audit-collector", report.problem, cleared=not report.problem))

    def _sign(self, data: bytes) -> bytes:
        """The device's signature; b"" while the key is missing (the self-test tells that as a fault)."""
        device = self._chores.keys.device
        return device.sign(data) if device is not None else b""

    def _event_is_durable(self, event: Event) -> None:
        self._server.event_is_durable(event)
        if self._journal_faulty:
            self._journal_faulty = False
            self.post(t.Alerted("journal", cleared=True))

    def _journal_fault(self, text: str) -> None:
        self._journal_faulty = True
        self.post(t.Alerted("journal", text))

"""The state machine walked at random, holding the promises at every step; and the main paths one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware import case
from firmware.config import Action, Policy
from firmware.messages import Command, Consent
from firmware.recorder import lights, machine
from firmware.recorder import machine_types as t
from firmware.recorder.machine_turn import recording_evident
from tests.recorder_helpers import CONSENT

S = t.SECOND
GIVEN = CONSENT
GIVEN_AUDIO = msgspec.structs.replace(CONSENT, audio=True)
NO_VIDEO = msgspec.structs.replace(CONSENT, video=False, audio=True)
CONSENTS = [
    Consent(), GIVEN, GIVEN_AUDIO, NO_VIDEO, Consent(state="given", video=True), Consent(state="given", audio=True),
    msgspec.structs.replace(CONSENT, purpose_class="quality"), msgspec.structs.replace(CONSENT, case_id="notthisone"),
    Consent(state="refused", video=True), Consent(state="withdrawn", video=True),
]
POLICIES = [
    Policy(moments=["induction", "waking"]),
    Policy(moments=["induction", "waking"], first_moments=["induction"], on_refusal="blank"),
]
RUNNING = ("STARTING", "RECORDING", "PAUSED", "INTERRUPTED")
FROM_OUTSIDE = ("READY", "RECORDING", "PAUSED")


class Walk(RuleBasedStateMachine):
    """Any event in any state, at any time; the checks are the promises."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 10 * S
        self.state = machine.initial(t.Rules(sound_configured=True), self.now)
        self.ids = 0
        self.told_paused = False
        self.stop_due_ns = 0
        self.open_files: set[str] = set()
        self.erased: set[str] = set()

    def send(self, event: t.MachineEvent) -> list[t.Effect]:
        before = self.state
        self.state, effects = machine.step(before, event, self.now)
        for effect in effects:
            self.check_effect(effect)
        if self.state.paused and self.state.pipeline_started:
            assert self.told_paused, "the pipeline was not told to fill before the pause was reported"
        assert self.open_files <= {self.state.recording_id, self.state.closing} - {""}
        assert not (self.state.opened and self.state.recording_id not in self.open_files | self.erased)
        if before.opened and not self.state.opened:
            assert any(isinstance(e, t.ClearPreroll) for e in effects)
            assert self.state.consent == Consent(), "consent outlived its recording"
        if self.state.name == "UPDATING" and before.name != "UPDATING":
            assert before.name == "READY"
        if self.state.name == "STOPPING" and before.name != "STOPPING":
            self.stop_due_ns = self.now + self.state.rules.stopping_ns
            assert any(isinstance(e, t.SealRecording | t.EraseRecording) for e in effects)
        if before.consent.case_id != self.state.consent.case_id and self.state.consent.state == "given":
            assert set(self.state.rules.policy.first_moments) <= self.state.moments, "a case begins in them"
        return effects

    def check_effect(self, effect: t.Effect) -> None:
        if isinstance(effect, t.OpenRecording):
            self.check_start()
            assert not self.state.mains_lost, "begun on what the supply has stored"
            assert self.open_files <= {self.state.closing}, "two recordings at once"
            self.open_files.add(effect.recording_id)
        elif isinstance(effect, t.ContinueRecording):
            assert case.allows(self.state.consent, "video"), "a new file without consent"
            assert effect.earlier_id in self.open_files
            assert effect.recording_id == self.state.recording_id
            assert not recording_evident(self.state, self.now), "lit by the bytes of another disk"
            if not effect.sealable:
                self.open_files.discard(effect.earlier_id)
            self.open_files.add(effect.recording_id)
        elif isinstance(effect, t.SealRecording):
            assert effect.recording_id in self.open_files
            assert effect.recording_id not in self.erased, "an ending for what is erased"
        elif isinstance(effect, t.WriteConsent | t.WriteState | t.WriteGap | t.WriteBookmark):
            assert self.state.recording_id not in self.erased, "something was written after the withdrawal"
        elif isinstance(effect, t.EraseRecording):
            assert not self.erased & set(effect.recording_ids), "the erasure was asked for twice"
            assert set(effect.recording_ids) == {*self.state.parts, self.state.recording_id}
            self.erased |= set(effect.recording_ids)
            self.open_files -= set(effect.recording_ids)  # their writers are given up with it
        elif isinstance(effect, t.AbandonRecording):
            self.open_files.discard(effect.recording_id)
        elif isinstance(effect, t.PausePipeline):
            self.told_paused = effect.on
        elif isinstance(effect, t.StartPipeline):
            self.told_paused = effect.paused
            if effect.sound_allowed:
                assert self.state.consent.audio
                assert self.state.consent.state == "given"

    def check_start(self) -> None:
        """Every item of a whole consent is there, and nothing of the policy stands against it."""
        state = self.state
        said = state.consent
        for item in (said.by, said.evidence, said.purpose, said.purpose_class, said.audience, said.destination,
                     said.retention_days, said.medical_record, said.case_id):
            assert item, "a start with something left unsaid"
        assert said.state == "given"
        assert said.video
        assert not state.moments, "a start in a moment that is never recorded"

    def new_id(self) -> str:
        self.ids += 1
        return f"rec{self.ids}-{self.now}"

    @initialize(how=st.sampled_from(["new", "ready", "recording", "recording", "recording"]), sound=st.booleans(),
                policy=st.sampled_from(POLICIES))
    def begins(self, how: str, sound: bool, policy: Policy) -> None:
        self.state = replace(self.state, rules=replace(self.state.rules, policy=policy))
        if how != "new":
            self.gets_ready()
        if how == "recording":
            self.records(sound)

    @rule(sound=st.booleans())
    def records(self, sound: bool) -> None:
        self.consents(GIVEN_AUDIO if sound else GIVEN)
        for name in self.state.rules.policy.first_moments:
            self.moments(name, False)
        self.picture()
        self.conditions(())
        if self.state.name == "READY":
            self.pressed("start-or-bookmark")
        self.durable(1000)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 1.0, 3.0, 11.0, 40.0, 130.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += round(seconds * S)
        self.send(t.Tick())

    @rule()
    def boots(self) -> None:
        self.send(t.BootDone())

    @rule(problem=st.sampled_from(["", "", "", "key: unreadable"]))
    def self_tested(self, problem: str) -> None:
        self.send(t.SelfTested(problem))

    @rule(problem=st.sampled_from(["", "", "", "disk: gone"]))
    def recovered(self, problem: str) -> None:
        self.send(t.Recovered(1, problem))

    @rule()
    def gets_ready(self) -> None:
        for event in (t.BootDone(), t.SelfTested(), t.Recovered(), t.ConditionsChanged(())):
            self.send(event)
        self.picture()

    @rule(action=st.sampled_from([*get_args(Action), "start-or-bookmark"]))
    def pressed(self, action: Action) -> None:
        effects = self.send(t.Pressed(action, self.new_id(), contact_ns=self.now))
        assert len([e for e in effects if isinstance(e, t.PressAnswer)]) == 1
        assert [e for e in effects if isinstance(e, t.PlayTone)], "a press without a tone"

    @rule(verb=st.sampled_from(["start", "stop", "bookmark", "pause", "resume", "status"]))
    def asked(self, verb: str) -> None:
        command = Command(id=f"c{self.now}", verb=verb)  # type: ignore[arg-type]
        effects = self.send(t.Asked(command, self.new_id()))
        replies = [e for e in effects if isinstance(e, t.Reply)]
        assert len(replies) == 1
        assert replies[0].ok or replies[0].reason
        if verb == "start" and not replies[0].ok:
            assert ":" in replies[0].reason, "a refused start names its condition"
            assert self.state.refusal == replies[0].reason
        if verb in ("start", "stop", "pause", "resume") and replies[0].ok and self.state.name != "SELFTEST":
            settled = self.state
            again = self.send(t.Asked(command, self.new_id()))
            assert self.state == settled, "a repeated command changed something"
            assert [e for e in again if not isinstance(e, t.Reply)] == []

    @rule(consent=st.sampled_from(CONSENTS))
    def consents(self, consent: Consent) -> None:
        before = self.state
        was_open = before.opened and before.name in RUNNING
        effects = self.send(t.Asked(Command(id="k", verb="consent", consent=consent), self.new_id()))
        (reply,) = [effect for effect in effects if isinstance(effect, t.Reply)]
        if consent.case_id:
            assert not reply.ok
            return
        if was_open and not case.allows(consent, "video"):
            blanked = self.state.paused and self.state.blanked and self.state.consent.state == "refused"
            assert self.state.name == "STOPPING" or blanked, "the recording went on without consent"
        if was_open and consent.state == "withdrawn":
            assert before.recording_id in self.erased
        if was_open and not case.allows(consent, "audio"):
            assert not self.state.sound_on or self.state.name == "STOPPING", "sound went on without consent"
        if was_open and self.state.name in RUNNING and self.state.consent != before.consent:
            assert t.WriteConsent(self.state.consent) in effects, "a change of consent that is no record"
        if consent.state == "given" and case.opening_problems(consent, before.rules.policy, ""):
            assert not reply.ok
            narrower = case.narrowed(before.consent, consent) if before.name in RUNNING else before.consent
            assert self.state.consent in (before.consent, narrower), "an incomplete consent opened a case"

    @rule(name=st.sampled_from(["induction", "waking", "unknown"]), entered=st.booleans())
    def moments(self, name: str, entered: bool) -> None:
        verb = "enter" if entered else "leave"
        effects = self.send(t.Asked(Command(id="m", verb=verb, moment=name), self.new_id()))  # type: ignore[arg-type]
        assert [e.ok for e in effects if isinstance(e, t.Reply)] == [name != "unknown"]
        if entered and name != "unknown":
            assert self.state.paused

    @rule(own=st.booleans())
    def erase_asked(self, own: bool) -> None:
        recording_id = self.state.recording_id if own else ""
        if own and self.state.parts:
            recording_id = self.state.parts[0]
        if recording_id in self.erased:
            return
        self.send(t.Asked(Command(id="e", verb="erase", recording=recording_id), self.new_id()))

    @rule(problem=st.sampled_from(["", "", "erasure: the disk is read-only"]))
    def erasure_ends(self, problem: str) -> None:
        before = self.state
        self.send(t.Erased(("other",), problem))
        assert self.state == before
        if before.erasing:
            self.send(t.Erased(tuple(before.erasing), problem))
            assert self.state.name in ("FAULT" if problem or before.fault else "READY", "SHUTDOWN")

    @rule(unmet=st.sampled_from([(), (), ("disk: 0.4 h left, 1.0 h needed",), ("pipeline: starting",)]))
    def conditions(self, unmet: tuple[str, ...]) -> None:
        self.send(t.ConditionsChanged(unmet))

    @rule(more=st.integers(0, 5000))
    def durable(self, more: int) -> None:
        if self.state.recording_id in self.open_files:
            self.send(t.Durable(self.state.recording_id, self.state.durable_bytes + more))

    @rule()
    def bytes_of_another_recording(self) -> None:
        before = self.state.durable_bytes
        self.send(t.Durable("other", 10**9))
        assert self.state.durable_bytes == before

    @rule()
    def picture(self) -> None:
        if self.state.pipeline_started:
            self.send(t.PipelineUp())

    @rule(code=st.sampled_from(["finished", "pipeline-died", "source-lost"]))
    def pipeline_dies(self, code: str) -> None:
        if self.state.pipeline_started:
            self.told_paused = False
            self.send(t.PipelineDown(code))

    @rule(code=st.sampled_from(["detector-hung", "pedal"]), cleared=st.booleans())
    def alerts(self, code: str, cleared: bool) -> None:
        self.send(t.Alerted(code, cleared=cleared))

    @rule(another=st.booleans())
    def writer_fails(self, another: bool) -> None:
        self.send(t.WriterFault(self.state.recording_id, "disk: no answer", self.new_id() if another else ""))

    @rule(another=st.booleans())
    def disk_low(self, another: bool) -> None:
        self.send(t.DiskLow(self.state.recording_id, self.new_id() if another else ""))

    @rule(well=st.booleans())
    def earlier_part_ends(self, well: bool) -> None:
        if self.state.closing:
            before, closing = self.state, self.state.closing
            if well:
                self.open_files.discard(closing)
            self.send(t.Sealed(closing, 10) if well else t.WriterFault(closing, "disk: gone"))
            assert self.state == replace(before, closing="", closing_until_ns=0), "it touched the recording"

    @rule()
    def sealed(self) -> None:
        if self.state.erasing:
            before = self.state
            self.send(t.Sealed(before.recording_id, before.durable_bytes))
            assert self.state == before, "a seal that came too late ended the erasure"
        elif self.state.name == "STOPPING":
            self.open_files.discard(self.state.recording_id)
            self.send(t.Sealed(self.state.recording_id, self.state.durable_bytes))
            assert self.state.name in ("READY", "FAULT", "SHUTDOWN")

    @rule(event=st.sampled_from([t.MainsLost(), t.HoldUpEnding(), t.MainsBack(), t.MainsBack()]))
    def mains(self, event: t.MachineEvent) -> None:
        before = self.state
        effects = self.send(event)
        if not isinstance(event, t.HoldUpEnding):
            assert not any(isinstance(e, t.SealRecording) for e in effects)
        elif before.mains_lost:
            assert self.state.name not in RUNNING, "the hold-up ends under a recording"

    @rule(begun=st.booleans())
    def updates(self, begun: bool) -> None:
        self.send(t.UpdateBegun() if begun else t.UpdateEnded())

    @rule(origin=st.sampled_from(["privacy button", "biomed"]), passed=st.none() | st.booleans())
    def path_tested(self, origin: str, passed: bool | None) -> None:
        before = self.state
        effects = self.send(t.PathTestAsked(origin))
        began = [effect for effect in effects if isinstance(effect, t.RunPathTest)]
        may = before.name == "READY" and before.consent.state == "none" and not before.mains_lost
        assert bool(began) == may, "a self-test beside a case, or without mains"
        if passed is not None:
            self.send(t.PathTested({"passed": passed}))
            assert not self.state.path_test

    @precondition(lambda self: self.ids > 12)
    @rule()
    def ends(self) -> None:
        self.ids = 0
        self.send(t.ShutdownAsked())
        assert self.state.name in ("SHUTDOWN", "STOPPING")

    @invariant()
    def promises(self) -> None:
        state, now = self.state, self.now
        if machine.may_write(state):
            assert case.allows(state.consent, "video") or (state.consent.state == "refused" and state.paused)
            assert state.recording_id in self.open_files
        if state.moments or state.blanked:
            assert state.paused, "not filled in a moment that is never recorded"
        if state.pipeline_started and not case.allows(state.consent, "video"):
            assert self.told_paused, "an unfilled picture reaches the encoder without consent"
        if lights.choose(state, now).record != "off":
            assert state.durable_grew_ns > 0
            assert now - state.durable_grew_ns <= state.rules.light_stale_ns
        if state.name not in FROM_OUTSIDE:
            assert state.deadline_ns > 0, f"{state.name} has no deadline"
        if state.path_test:
            assert state.name == "SELFTEST"
            assert state.consent.state == "none"
        if state.name == "STOPPING":
            assert state.deadline_ns <= self.stop_due_ns, "a stop must not be put off"
        if state.name == "PAUSED":
            assert state.paused
        if state.name == "RECORDING":
            assert not state.paused
        if state.name in ("READY", "UPDATING", "FAULT", "SHUTDOWN", "BOOT", "SELFTEST", "RECOVERING"):
            assert not state.opened
            assert self.open_files <= {state.closing}
        if state.closing:
            assert state.closing in self.open_files
            assert state.closing != state.recording_id
            assert state.closing_until_ns > 0
        if state.name == "FAULT":
            assert state.fault
        window = [at for at in state.restarts if now - at < state.rules.restart_window_ns]
        assert len(window) <= len(state.rules.restart_waits_ns)


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


# ---- the main paths ------------------------------------------------------------------------------


class Bench:
    """A machine on a bench: send events, look at effects."""

    def __init__(self, **rules: Any) -> None:
        self.now = 10 * S
        self.state = machine.initial(t.Rules(**rules), self.now)
        self.effects: list[t.Effect] = []

    def send(self, *events: t.MachineEvent, after_s: float = 0.0) -> list[t.Effect]:
        self.now += round(after_s * S)
        self.effects = []
        for event in events:
            self.state, effects = machine.step(self.state, event, self.now)
            self.effects += effects
        return self.effects

    def of(self, kind: type) -> list[t.Effect]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def ask(self, verb: str, consent: Consent | None = None, **more: Any) -> t.Reply:
        command = Command(id="c", verb=verb, consent=consent, **more)  # type: ignore[arg-type]
        replies = [e for e in self.send(t.Asked(command, "rec2")) if isinstance(e, t.Reply)]
        return replies[0]

    def ready(self) -> Bench:
        self.send(t.BootDone(), t.SelfTested(), t.Recovered(), t.ConditionsChanged(()), t.PipelineUp())
        assert self.state.name == "READY"
        return self

    def recording(self, consent: Consent = GIVEN) -> Bench:
        self.ready()
        assert self.ask("consent", consent).ok
        if not self.state.pipeline_up:
            self.send(t.PipelineUp())
        self.send(t.Pressed("start-or-bookmark", "rec1"))
        assert self.state.name == "STARTING"
        self.send(t.Durable("rec1", 100))
        assert self.state.name == "RECORDING"
        return self


def test_press_bookmark_pause_stop() -> None:
    bench = Bench().recording()
    bench.send(t.Pressed("start-or-bookmark", "x"))
    assert len(bench.of(t.WriteBookmark)) == 1
    bench.send(t.Pressed("pause-or-resume", "x"))
    assert bench.state.name == "PAUSED"
    assert bench.of(t.PausePipeline) == [t.PausePipeline(True)]
    bench.send(t.Pressed("pause-or-resume", "x"))
    assert bench.state.name == "RECORDING"
    bench.send(t.Pressed("stop", "x"))
    assert bench.state.name == "STOPPING"
    bench.send(t.Sealed("rec1", 500))
    assert bench.state.name == "READY"
    assert bench.state.consent == Consent()


def test_a_refused_start_names_the_condition() -> None:
    bench = Bench().ready()
    assert bench.ask("start").reason == "consent: none"
    bench.ask("consent", Consent(state="refused"))
    assert bench.ask("start").reason == "consent: refused"
    bench.ask("consent", NO_VIDEO)
    assert bench.ask("start").reason == "consent: not for video"
    bench.ask("consent", GIVEN)
    bench.send(t.ConditionsChanged(("disk: 0.4 h left, 1.0 h needed",)))
    assert bench.ask("start").reason == "disk: 0.4 h left, 1.0 h needed"
    assert bench.of(t.PlayTone) == [t.PlayTone("refused")]
    assert lights.choose(bench.state, bench.now).ready == "triple"
    bench.send(t.ConditionsChanged(()))
    assert bench.ask("start").ok


def test_the_light_follows_durable_bytes_and_nothing_else() -> None:
    bench = Bench().recording()
    assert lights.choose(bench.state, bench.now).record == "on"
    bench.send(t.Tick(), after_s=1.6)
    assert lights.choose(bench.state, bench.now).record == "off"
    assert bench.state.name == "RECORDING"
    bench.send(t.Durable("rec1", 100))  # nothing new on the disk
    assert lights.choose(bench.state, bench.now).record == "off"
    bench.send(t.Durable("rec1", 101))
    assert lights.choose(bench.state, bench.now).record == "on"


def test_a_dead_pipeline_comes_back_with_a_gap() -> None:
    bench = Bench().recording()
    bench.send(t.PipelineDown("pipeline-died"))
    assert bench.state.name == "INTERRUPTED"
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=False, paused=False)]
    bench.send(t.PipelineUp(), after_s=1)
    assert bench.state.name == "RECORDING"
    assert len(bench.of(t.WriteGap)) == 1


def test_a_start_is_told_even_when_the_pipeline_dies_before_the_first_bytes_are_known() -> None:
    bench = Bench().ready()
    assert bench.ask("consent", GIVEN).ok
    bench.send(t.Pressed("start-or-bookmark", "rec1"), t.PipelineDown("pipeline-died"))
    assert bench.state.name == "INTERRUPTED"
    told = bench.send(t.Durable("rec1", 100), t.Durable("rec1", 200), t.PipelineUp())
    assert [effect.kind for effect in told if isinstance(effect, t.Journal)] == ["started", "continued"]
    assert bench.state.name == "RECORDING"


def test_a_dead_pipeline_comes_back_filling_when_paused() -> None:
    bench = Bench().recording()
    bench.send(t.Pressed("pause-or-resume", "x"), t.PipelineDown("pipeline-died"))
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=False, paused=True)]
    bench.send(t.PipelineUp(), after_s=1)
    assert bench.state.name == "PAUSED"


def test_too_many_deaths_end_in_a_sealed_file_and_a_fault() -> None:
    bench = Bench().recording()
    starts = 0
    for _ in range(20):
        bench.send(t.PipelineDown("pipeline-died"))
        starts += len(bench.of(t.StartPipeline))
        if bench.state.name == "STOPPING":
            break
        bench.send(t.Tick(), after_s=9)
        starts += len(bench.of(t.StartPipeline))
    assert starts == 5
    bench.send(t.Sealed("rec1", 100))
    assert bench.state.name == "FAULT"
    assert "pipeline" in bench.state.fault
    bench.send(t.Tick(), after_s=31)
    assert bench.state.name == "SELFTEST"


def test_a_pipeline_that_never_answers_is_replaced_and_then_given_up() -> None:
    bench = Bench().recording()
    bench.send(t.PipelineDown("pipeline-died"))
    for _ in range(400):
        bench.send(t.Tick(), after_s=0.5)
        if bench.state.name == "STOPPING":
            break
    else:
        raise AssertionError("still " + bench.state.name)


def test_a_source_that_is_away_is_waited_for_as_long_as_the_window() -> None:
    bench = Bench().recording()
    bench.send(t.PipelineDown("source-lost"))
    begun, starts = bench.now, 0
    while bench.state.name == "INTERRUPTED":
        bench.send(t.Tick(), after_s=1)
        if bench.of(t.StartPipeline):
            starts += 1
            bench.send(t.PipelineDown("source-missing"), after_s=0.5)
        assert bench.now - begun < 70 * S
    assert starts > 10
    bench.send(t.Sealed("rec1", 100))
    assert bench.state.name == "FAULT"


def test_refused_consent_stops_at_once() -> None:
    bench = Bench().recording()
    bench.ask("consent", Consent(state="refused"))
    assert bench.state.name == "STOPPING"
    assert not machine.may_write(bench.state)
    assert bench.of(t.SealRecording) == [t.SealRecording("rec1", "consent")]


def test_withdrawn_consent_stops_and_erases_at_once() -> None:
    bench = Bench().recording()
    bench.ask("consent", Consent(state="withdrawn"), role="surgeon")
    assert bench.state.name == "STOPPING"
    assert not machine.may_write(bench.state)
    assert bench.of(t.SealRecording) == []
    assert bench.of(t.EraseRecording) == [t.EraseRecording(("rec1",), "withdrawn", "surgeon", "local")]
    bench.send(t.Sealed("rec1", 100), t.WriterFault("rec1", "disk: gone"))
    assert bench.state.name == "STOPPING"
    bench.send(t.Erased(("rec1",)))
    assert bench.state.name == "READY"
    assert bench.state.consent == Consent()


def test_withdrawn_from_afar_stops_at_once_and_erases_nothing() -> None:
    bench = Bench().recording()
    assert bench.ask("consent", Consent(state="withdrawn"), role="fleet").ok
    assert not machine.may_write(bench.state)
    assert bench.of(t.SealRecording) == [t.SealRecording("rec1", "consent")]
    assert bench.of(t.EraseRecording) == []
    assert [e.consent.state for e in bench.effects if isinstance(e, t.WriteConsent)] == ["withdrawn"]


def test_every_part_of_a_recording_that_moved_is_erased() -> None:
    bench = Bench().recording()
    bench.send(t.DiskLow("rec1", "rec2"), t.Durable("rec2", 100))
    bench.ask("consent", Consent(state="withdrawn"))
    assert [e.recording_ids for e in bench.effects if isinstance(e, t.EraseRecording)] == [("rec1", "rec2")]
    bench.send(t.WriterFault("rec1", "disk: gone"))
    assert bench.state.name == "STOPPING"
    bench.send(t.Erased(("rec1", "rec2"), "erasure: the disk is read-only"))
    assert (bench.state.name, bench.state.fault) == ("FAULT", "erasure: the disk is read-only")


def test_withdrawn_while_it_is_being_sealed_erases_too() -> None:
    bench = Bench().recording()
    bench.send(t.Pressed("stop", "x"))
    bench.ask("consent", Consent(state="withdrawn"))
    assert len(bench.of(t.EraseRecording)) == 1
    bench.send(t.Tick(), after_s=11)
    assert bench.state.name == "FAULT"
    assert bench.state.fault.startswith("erasure:")


def test_refused_consent_blanks_where_the_policy_says_so() -> None:
    bench = Bench(policy=Policy(on_refusal="blank"), sound_configured=True).recording(GIVEN_AUDIO)
    bench.ask("consent", Consent(state="refused"))
    assert bench.of(t.PausePipeline) == [t.PausePipeline(True)]
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=False, paused=True)]
    assert [e.consent.state for e in bench.effects if isinstance(e, t.WriteConsent)] == ["refused"]
    bench.send(t.PipelineUp())
    assert bench.state.name == "PAUSED"
    assert bench.ask("resume").reason == "consent: refused"
    assert bench.ask("consent", GIVEN).ok
    assert bench.state.name == "RECORDING"


def test_a_moment_that_is_never_recorded_lasts_until_it_is_left() -> None:
    bench = Bench(policy=Policy(moments=["induction"], first_moments=["induction"])).ready()
    assert bench.ask("consent", GIVEN).ok
    assert bench.state.paused, "filled without consent, and still filled"
    assert bench.ask("start").reason == "policy: never recorded: induction; leave this moment first"
    assert bench.ask("leave", moment="induction").ok
    assert bench.of(t.ClearPreroll), "what was filled in it is no pre-roll"
    bench.send(t.Pressed("start-or-bookmark", "rec1"), t.Durable("rec1", 100))
    assert bench.ask("enter", moment="induction").ok
    assert bench.state.name == "PAUSED"
    assert bench.ask("resume").reason == "policy: never recorded: induction; leave this moment first"
    assert bench.ask("pause").ok
    assert bench.ask("leave", moment="induction").ok
    assert bench.state.name == "PAUSED", "somebody's own pause goes on"
    assert bench.ask("enter", moment="induction").ok
    bench.send(t.Pressed("pause-or-resume", "x"))
    assert bench.state.name == "RECORDING", "the button in the room ends both"
    assert bench.ask("enter", moment="lunch").reason == "policy: there is no such moment in policy.moments"


def test_without_consent_every_picture_is_filled_before_the_encoder() -> None:
    bench = Bench()
    bench.send(t.BootDone(), t.SelfTested(), t.Recovered())
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=False, paused=True)]
    bench.send(t.PipelineUp(), t.ConditionsChanged(()))
    assert bench.ask("consent", GIVEN).ok
    assert bench.of(t.PausePipeline) == [t.PausePipeline(False)]
    bench.send(t.Pressed("start-or-bookmark", "rec1"), t.Durable("rec1", 100))
    assert bench.state.name == "RECORDING"
    bench.send(t.Pressed("stop", "x"), t.Sealed("rec1", 200))
    assert bench.of(t.PausePipeline) == [t.PausePipeline(True)], "consent ends with its recording"


def test_an_incomplete_consent_opens_nothing_but_takes_away_at_once() -> None:
    bench = Bench(sound_configured=True).recording(GIVEN_AUDIO)
    answer = bench.ask("consent", Consent(state="given", video=True))
    assert "consent: who gave it is not said (by)" in answer.reason
    assert not bench.state.consent.audio
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=False, paused=False)]
    bench.ask("consent", Consent(state="given", audio=True))
    assert bench.state.name == "STOPPING"


def test_a_change_of_consent_is_a_record_and_keeps_the_case() -> None:
    bench = Bench().recording()
    case_id = bench.state.consent.case_id
    assert case_id == "rec2"
    assert bench.ask("consent", msgspec.structs.replace(GIVEN, audience="one resident")).ok
    (written,) = [e.consent for e in bench.effects if isinstance(e, t.WriteConsent)]
    assert (written.audience, written.case_id) == ("one resident", case_id)
    (journaled,) = [e for e in bench.effects if isinstance(e, t.Journal)]
    assert set(journaled.fields) == {"case_id", "state", "video", "audio", "stills", "purpose_class", "origin"}
    stranger = msgspec.structs.replace(GIVEN, state="withdrawn", case_id="another")
    assert bench.ask("consent", stranger).reason == "case: this one is not open"
    assert bench.state.name == "RECORDING"


def test_erase_needs_a_recording_and_takes_any() -> None:
    bench = Bench().ready()
    assert bench.ask("erase").reason == "erase: which recording is not said"
    assert bench.ask("erase", recording="older", role="privacy-officer").ok
    assert bench.of(t.EraseRecording) == [t.EraseRecording(("older",), "asked", "privacy-officer", "local")]
    bench.recording()
    assert bench.ask("erase", recording="rec1").ok
    assert bench.of(t.EraseRecording) == [t.EraseRecording(("rec1",), "withdrawn", "", "local")]


def test_a_start_waits_for_a_pipeline_that_is_just_starting() -> None:
    bench = Bench()
    bench.state = replace(bench.state, rules=t.Rules(sound_configured=True))
    bench.ready()
    assert bench.ask("consent", GIVEN_AUDIO).ok
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=True, paused=False)]
    bench.send(t.ConditionsChanged(("pipeline: starting",)))
    assert bench.ask("start").ok
    assert bench.state.name == "STARTING"
    assert bench.of(t.OpenRecording) == []
    bench.send(t.PipelineUp())
    assert bench.of(t.OpenRecording) == [t.OpenRecording("rec2")]


def test_a_start_that_sees_no_picture_is_refused_in_the_end() -> None:
    bench = Bench().ready()
    bench.ask("consent", GIVEN)
    bench.send(t.PipelineDown("pipeline-died"), t.ConditionsChanged(("pipeline: starting",)))
    assert bench.ask("start").ok
    bench.send(t.Tick(), after_s=9)
    assert bench.state.name == "READY"
    assert bench.state.refusal == "pipeline: no picture"


def test_a_seal_that_never_comes_ends_in_fault() -> None:
    bench = Bench().recording()
    bench.send(t.Pressed("stop", "x"))
    bench.send(t.Tick(), after_s=11)
    assert bench.state.name == "FAULT"
    assert bench.of(t.AbandonRecording) == [t.AbandonRecording("rec1")]


def test_a_full_disk_stops_cleanly() -> None:
    bench = Bench().recording()
    bench.send(t.DiskLow("rec1"))
    assert bench.of(t.SealRecording) == [t.SealRecording("rec1", "disk-full")]
    bench.send(t.Sealed("rec1", 100))
    assert bench.state.name == "READY"


def test_a_full_disk_seals_its_part_and_the_recording_goes_on_on_another() -> None:
    bench = Bench().recording()
    bench.send(t.DiskLow("rec1", "rec2"))
    assert bench.of(t.ContinueRecording) == [t.ContinueRecording("rec1", "rec2", sealable=True)]
    assert t.Journal("continues", "rec2", {"earlier": "rec1", "cause": "disk: full up to its floor"}) in bench.effects
    assert lights.choose(bench.state, bench.now).record == "off", "not a byte is on the other disk yet"
    bench.send(t.Sealed("rec1", 500))
    assert t.Journal("sealed", "rec1", {"reason": "disk-full", "bytes": 500}) in bench.effects
    bench.send(t.Durable("rec2", 100))
    assert bench.state.name == "RECORDING"
    assert lights.choose(bench.state, bench.now).record == "on"
    bench.send(t.DiskLow("rec2"))
    assert bench.of(t.SealRecording) == [t.SealRecording("rec2", "disk-full")]


def test_a_failing_disk_while_paused_is_left_and_the_pause_holds() -> None:
    bench = Bench().recording()
    bench.send(t.Pressed("pause-or-resume", "x"), t.WriterFault("rec1", "disk: gone", "rec2"), t.Durable("rec2", 1))
    assert bench.state.name == "PAUSED"
    assert [type(effect) for effect in bench.effects if isinstance(effect, t.SealRecording | t.AbandonRecording)] == []


def test_what_a_hanging_disk_did_not_take_is_saved_on_the_other_though_the_recording_was_stopped() -> None:
    bench = Bench().recording()
    bench.send(t.Pressed("stop", "x"), t.WriterFault("rec1", "disk: no answer", "rec2"))
    assert bench.of(t.ContinueRecording) == [t.ContinueRecording("rec1", "rec2", sealable=False)]
    assert bench.of(t.SealRecording)[-1] == t.SealRecording("rec2", "pedal")
    bench.send(t.Sealed("rec2", 9))
    assert bench.state.name == "READY"


def test_without_consent_nothing_is_moved_to_another_disk() -> None:
    bench = Bench().recording()
    bench.ask("consent", Consent(state="refused"))
    bench.send(t.WriterFault("rec1", "disk: no answer", "rec2"))
    assert bench.of(t.ContinueRecording) == []
    assert bench.state.name == "FAULT"


def test_another_disk_that_takes_nothing_either_ends_in_a_fault() -> None:
    bench = Bench().recording()
    bench.send(t.WriterFault("rec1", "disk: gone", "rec2"))
    bench.send(t.Tick(), after_s=9)
    assert bench.state.name == "STOPPING"
    bench.send(t.Tick(), after_s=11)
    assert bench.state.name == "FAULT"


def test_an_earlier_part_that_is_never_sealed_is_left_for_recovery() -> None:
    bench = Bench().recording()
    bench.send(t.DiskLow("rec1", "rec2"), t.Durable("rec2", 5))
    bench.send(t.Tick(), after_s=11)
    assert bench.of(t.AbandonRecording) == [t.AbandonRecording("rec1")]
    assert bench.state.name == "RECORDING"


def test_sound_consent_withdrawn_while_recording_replaces_the_pipeline() -> None:
    bench = Bench()
    bench.state = replace(bench.state, rules=t.Rules(sound_configured=True))
    bench.recording(GIVEN_AUDIO)
    bench.ask("consent", GIVEN)
    assert bench.of(t.StartPipeline) == [t.StartPipeline(sound_allowed=False, paused=False)]
    assert bench.state.name == "INTERRUPTED"


def test_shutdown_while_recording_seals_first() -> None:
    bench = Bench().recording()
    bench.send(t.ShutdownAsked())
    assert bench.state.name == "STOPPING"
    assert bench.of(t.Exit) == []
    bench.send(t.Sealed("rec1", 100))
    assert bench.state.name == "SHUTDOWN"
    assert bench.of(t.Exit) == [t.Exit()]


def test_no_update_while_recording() -> None:
    bench = Bench().recording()
    bench.send(t.UpdateBegun())
    assert bench.state.name == "RECORDING"
    bench = Bench().ready()
    bench.ask("consent", GIVEN)
    bench.send(t.UpdateBegun())
    assert bench.state.name == "UPDATING"
    assert bench.ask("start").reason == "state: updating"
    bench.send(t.Tick(), after_s=901)
    assert bench.state.name == "READY"

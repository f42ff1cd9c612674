"""Every state x everything a gesture can mean: what the machine does, as the tables of docs/controls.md.

`python -m tests.press_table` prints them. tests/test_press_table.py compares them with the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

from firmware.config import Action, Policy
from firmware.messages import Command, Consent
from firmware.recorder import lights, machine
from firmware.recorder import machine_types as t
from tests.recorder_helpers import CONSENT

S = t.SECOND
BY_DEFAULT: dict[Action, str] = {
    "start-or-bookmark": "pedal pressed", "stop": "pedal held", "pause-or-resume": "privacy pressed",
}
OTHERS: tuple[Action, ...] = tuple(action for action in get_args(Action) if action not in BY_DEFAULT)
POLICY = Policy(moments=["induction"], on_refusal="blank")


class Stage:
    """A machine that has come into a state by events alone."""

    def __init__(self) -> None:
        self.now = 10 * S
        self.state = machine.initial(t.Rules(policy=POLICY, surgeons=frozenset({"kim"})), self.now)

    def send(self, *events: t.MachineEvent, after_s: float = 0.0) -> list[t.Effect]:
        self.now += round(after_s * S)
        effects: list[t.Effect] = []
        for event in events:
            self.state, made = machine.step(self.state, event, self.now)
            effects += made
        return effects

    def ask(self, verb: str, consent: Consent | None = None, moment: str = "", surgeon: str = "") -> t.Reply:
        command = Command(id="c", verb=verb, consent=consent, moment=moment, surgeon=surgeon)  # type: ignore[arg-type]
        (reply,) = [e for e in self.send(t.Asked(command, "rec0")) if isinstance(e, t.Reply)]
        return reply

    def ready(self, consent: Consent = CONSENT) -> Stage:
        self.send(t.BootDone(), t.SelfTested(), t.Recovered(), t.ConditionsChanged(()), t.PipelineUp())
        if consent.state != "none":
            self.ask("consent", consent)
        return self

    def recording(self) -> Stage:
        self.ready().send(t.Pressed("start", "rec1"), t.Durable("rec1", 1000))
        return self


def _sent(stage: Stage, *events: t.MachineEvent, after_s: float = 0.0) -> Stage:
    stage.send(*events, after_s=after_s)
    return stage


def _without_picture() -> Stage:
    stage = Stage()
    stage.send(t.BootDone(), t.SelfTested(), t.Recovered(), t.ConditionsChanged(()))
    stage.ask("consent", CONSENT)
    return _sent(stage, t.Pressed("start", "rec1"))


def _asked(stage: Stage, verb: str, consent: Consent | None = None, moment: str = "") -> Stage:
    assert stage.ask(verb, consent, moment).ok
    return stage


STATES: dict[str, Callable[[], Stage]] = {
    "BOOT": Stage,
    "SELFTEST": lambda: _sent(Stage(), t.BootDone()),
    "SELFTEST, of the whole path": lambda: _sent(Stage().ready(Consent()), t.PathTestAsked("privacy button")),
    "RECOVERING": lambda: _sent(Stage(), t.BootDone(), t.SelfTested()),
    "UPDATING": lambda: _sent(Stage().ready(), t.UpdateBegun()),
    "READY": lambda: Stage().ready(),
    "READY, no consent": lambda: _sent(Stage().ready(Consent()), t.ConditionsChanged(("consent: none",))),
    "READY, disk too full": lambda: _sent(
        Stage().ready(), t.ConditionsChanged(("disk: 0.4 h left, 1.0 h needed",))),
    "READY, in a moment that is never recorded": lambda: _asked(Stage().ready(), "enter", moment="induction"),
    "STARTING, no picture yet": _without_picture,
    "STARTING, nothing on the disk yet": lambda: _sent(Stage().ready(), t.Pressed("start", "rec1")),
    "RECORDING": lambda: Stage().recording(),
    "RECORDING, nothing reaches the disk": lambda: _sent(Stage().recording(), t.Tick(), after_s=2.0),
    "PAUSED": lambda: _sent(Stage().recording(), t.Pressed("pause-or-resume", "x")),
    "PAUSED, in a moment that is never recorded": lambda: _asked(Stage().recording(), "enter", moment="induction"),
    "PAUSED, consent refused": lambda: _asked(Stage().recording(), "consent", Consent(state="refused")),
    "INTERRUPTED": lambda: _sent(Stage().recording(), t.PipelineDown("pipeline-died")),
    "STOPPING": lambda: _sent(Stage().recording(), t.Pressed("stop", "x")),
    "FAULT": lambda: _sent(
        Stage(), t.BootDone(), t.SelfTested("key: the device key cannot be read")),
    "SHUTDOWN": lambda: _sent(Stage().ready(), t.ShutdownAsked()),
}
"""Every state, and each variety of it in which a press is answered otherwise."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one press did: the event's words, the state and the look after it, and the tones."""

    state: str
    action: Action
    did: str
    reason: str
    after: t.MachineState
    look: str
    tones: tuple[str, ...]
    effects: tuple[t.Effect, ...]


def row(state: str, action: Action) -> Row:
    """Press once."""
    stage = STATES[state]()
    effects = stage.send(t.Pressed(action, "rec9", contact_ns=stage.now))
    (answer,) = [effect for effect in effects if isinstance(effect, t.PressAnswer)]
    tones = tuple(effect.tone for effect in effects if isinstance(effect, t.PlayTone))
    return Row(state, action, answer.did, answer.reason, stage.state, lights.look_name(stage.state, stage.now), tones,
               tuple(effects))


def tables() -> dict[str, str]:
    """Name of each table -> its Markdown."""
    return {
        "presses": _table([(BY_DEFAULT[action], row(state, action)) for state in STATES for action in BY_DEFAULT]),
        "other-actions": _table([(action, row(state, action)) for state in STATES for action in OTHERS]),
    }


def _table(rows: list[tuple[str, Row]]) -> str:
    lines = ["| state | what | look after | tone | event `pressed`: did, reason | state after |",
             "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.state} | {what} | {one.look} | {', '.join(one.tones)} | {one.did}"
        f"{f', “{one.reason}”' if one.reason else ''} | {one.after.name} |"
        for what, one in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for name, text in tables().items():
        print(f"<!-- {name} -->\n{text}")

"""The self-test of the whole path on a running unit: at boot, by button, by command; it never keeps anybody waiting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware import __version__
from firmware.config import Config, Paths, Selftest
from firmware.paths import default_models_dir
from firmware.recorder import conditions
from firmware.recorder import machine_types as t
from firmware.recorder.selftest_desk import RESULT_NAME, SelftestDesk
from tests.recorder_helpers import Unit, until
from tests.test_recorder_machine import GIVEN, Bench

S = t.SECOND


def begun(bench: Bench) -> bool:
    return bool(bench.of(t.RunPathTest))


# ---- the machine ---------------------------------------------------------------------------------


def test_it_follows_the_first_start_after_power_on_and_ends_in_ready() -> None:
    bench = Bench(path_test_at_boot=True)
    bench.send(t.BootDone(), t.SelfTested(), t.Recovered())
    assert (bench.state.name, bench.state.path_test) == ("SELFTEST", "boot")
    assert begun(bench)
    bench.send(t.PathTested({"passed": True, "face_covered": True}))
    assert bench.state.name == "READY"
    assert t.Journal("selftest", "", {"origin": "boot", "passed": True, "face_covered": True}) in bench.effects
    bench.send(t.Recovered(), t.PathTested({"passed": False}))
    assert bench.effects == []


def test_a_fault_at_the_start_comes_first_and_the_test_after_its_end() -> None:
    bench = Bench(path_test_at_boot=True)
    bench.send(t.BootDone(), t.SelfTested("key: gone"))
    assert bench.state.name == "FAULT"
    bench.send(t.Tick(), after_s=31)
    bench.send(t.SelfTested(), t.Recovered())
    assert bench.state.path_test == "boot"


@pytest.mark.parametrize("action", ["start-or-bookmark", "stop", "pause-or-resume", "none"])
def test_a_press_ends_it_and_does_what_it_does_in_ready(action: Any) -> None:
    tested, plain = Bench().ready(), Bench().ready()
    tested.send(t.PathTestAsked("privacy button"))
    for bench in (tested, plain):
        bench.send(t.Pressed(action, "rec1", contact_ns=bench.now))
    assert isinstance(tested.effects[0], t.StopPathTest)
    assert tested.effects[2:] == plain.effects
    assert tested.state == plain.state


def test_a_case_that_is_opened_meanwhile_starts_at_the_next_press() -> None:
    bench = Bench().ready()
    assert bench.ask("selftest").ok
    assert bench.state.name == "SELFTEST"
    assert bench.ask("consent", GIVEN).ok
    assert bench.state.name == "READY"
    bench.send(t.Pressed("start-or-bookmark", "rec1"))
    assert bench.state.name == "STARTING"


def test_it_is_refused_in_a_case_in_a_recording_and_asks_nothing_twice() -> None:
    bench = Bench().ready()
    assert bench.ask("consent", GIVEN).ok
    assert bench.ask("selftest") == t.Reply("c", False, "selftest: a case is open")
    bench.send(t.PathTestAsked("privacy button"))
    assert bench.state.refusal == "selftest: a case is open"
    bench = Bench().recording()
    assert bench.send(t.PathTestAsked("privacy button")) == []
    assert bench.ask("selftest") == t.Reply("c", False, "state: recording")
    bench = Bench().ready()
    assert bench.ask("selftest").ok
    assert bench.ask("selftest").ok
    assert not begun(bench)
    assert bench.ask("status").ok
    assert bench.state.name == "SELFTEST"


def test_one_that_says_nothing_in_time_is_ended_and_has_failed() -> None:
    bench = Bench().ready()
    bench.send(t.PathTestAsked("privacy button"))
    bench.send(t.Tick(), after_s=64)
    assert bench.state.name == "SELFTEST"
    bench.send(t.Tick(), after_s=2)
    assert bench.state.name == "READY"
    assert bench.of(t.StopPathTest)
    (told,) = bench.of(t.Journal)
    assert isinstance(told, t.Journal)
    assert (told.kind, told.fields["passed"], told.fields["problem"]) == ("selftest", False, "not done in time")


def test_shutdown_and_a_dead_camera_pipeline_find_it_as_they_find_ready() -> None:
    bench = Bench().ready()
    bench.send(t.PathTestAsked("privacy button"))
    bench.send(t.PipelineDown("pipeline-died"))
    assert bench.of(t.StartPipeline)
    bench.send(t.ShutdownAsked())
    assert bench.state.name == "SHUTDOWN"
    assert bench.of(t.StopPathTest)


# ---- the desk ------------------------------------------------------------------------------------


def desk(folder: Path, **settings: Any) -> SelftestDesk:
    return SelftestDesk(Config(paths=Paths(state_dir=str(folder)), selftest=Selftest(**settings)), lambda _: None)


def test_the_button_asks_once_for_each_time_it_is_held() -> None:
    one = SelftestDesk(Config(selftest=Selftest(hold_s=5.0)), lambda _: None)
    seen = [one.held(round(at * S)) for at in (0, 4.9, 5.0, 6, 7, 0, 1, 5.1, 0)]
    assert [number for number, told in enumerate(seen) if told] == [2, 7]
    never = SelftestDesk(Config(selftest=Selftest(hold_s=0)), lambda _: None)
    assert not any(never.held(held * S) for held in range(30))


def test_it_is_due_once_after_power_on_whatever_the_file_says(tmp_path: Path) -> None:
    assert desk(tmp_path, at_boot=True).due
    assert not desk(tmp_path, at_boot=False).due
    (tmp_path / RESULT_NAME).write_text("{nonsense")
    assert desk(tmp_path, at_boot=True).due
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    last = f'"boot_id": "{boot}", "uncovered": "the last self-test failed: face"'
    (tmp_path / RESULT_NAME).write_text(f'{{{last}, "software": "0.0.1"}}')
    assert desk(tmp_path, at_boot=True).due
    (tmp_path / RESULT_NAME).write_text(f'{{{last}, "software": "{__version__}"}}')
    again = desk(tmp_path, at_boot=True)
    assert not again.due
    assert again.problem == "the last self-test failed: face"


def test_a_planted_thing_that_came_through_refuses_starts_until_a_test_passes(tmp_path: Path) -> None:
    heard: list[t.MachineEvent] = []
    one = SelftestDesk(Config(paths=Paths(state_dir=str(tmp_path))), heard.append)
    check: dict[str, object] = {"name": "face covered", "told": "3 of 9 times", "held": False, "privacy": True}
    one._judge([check], 0)
    assert "face covered" in one.problem
    assert "face covered" in desk(tmp_path).problem
    assert conditions.CONDITIONS["selftest"](_snapshot(one.problem)) == f"selftest: {one.problem}"
    assert heard[-1] == t.Alerted("selftest", "face covered: 3 of 9 times", cleared=False)
    one._judge([], -9)  # ended from outside before it saw a picture: that clears nothing
    assert one.problem
    one._judge([check | {"held": True, "privacy": False}], 0)
    assert not one.problem
    assert heard[-1] == t.Alerted("selftest", "", cleared=True)
    assert conditions.CONDITIONS["selftest"](_snapshot("")) is None


def _snapshot(problem: str) -> conditions.Snapshot:
    return conditions.Snapshot(
        consent=GIVEN, disks=(), floor_bytes=0, reserve_bytes=0, reserve_hours=0, bytes_per_s=1,
        recipient_roles=frozenset(), escrow_needed=False, recipients_problem="", pipeline_started=True,
        pipeline_problem="", picture_age_s=0.0, pedal_problem="", selftest_problem=problem,
    )


# ---- a running unit ------------------------------------------------------------------------------


def test_a_unit_tests_itself_at_boot_and_a_held_button_tests_it_again_until_the_pedal_is_pressed(
    tmp_path: Path
) -> None:
    unit = Unit(tmp_path, faces=True, models=str(default_models_dir()))
    unit.configure("selftest", at_boot=True, hold_s=1.0)
    try:
        listener = unit.start()
        listener.state("SELFTEST", 60.0)
        told = listener.event("selftest", 90.0)
        assert told.fields["passed"], told.fields.get("problem")
        assert told.fields["origin"] == "boot"
        assert {"sealed_recording", "face_covered", "name_covered", "code_covered", "sound_in_step"} <= set(told.fields)
        listener.state("READY", 10.0)
        unit.board("press privacy")
        until(lambda: (listener.read(), [e for e in listener.events if e.kind == "selftest-begun"][1:])[1], 30.0,
              "a second self-test")
        unit.board("release privacy")
        unit.board("tap pedal 0.1")
        ended = listener.event("selftest-stopped", 10.0)
        assert ended.fields["origin"] == "pedal"
        assert str(listener.event("refused", 10.0, count=2).fields["reason"]).startswith("consent:")
    finally:
        unit.stop()


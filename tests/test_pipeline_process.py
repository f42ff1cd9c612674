"""The pipeline as a process: real files and scenes in, verdicts and MP4 out; planted detector faults blank frames and
never let a clear one through."""

from __future__ import annotations

import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware import config
from firmware.messages import Configure, Failed, Finished, ForceKeyframe, Pause, Stop
from firmware.pipeline.replay import DetectionLog
from tests.pipeline_helpers import Heard, Pipeline, make_clip, pipeline, probe_times, run_pipeline

S = 1_000_000_000
BOX = (96, 40, 120, 80)
LIVE = "scene://?width=320&height=180&rate=20"


def detector(body: str = "pass") -> str:
    """Detectors that see the same box in every frame and run `body` first (n: how many frames this one was given)."""
    return f"""
import time
from firmware.pipeline import seats
from firmware.pipeline.detect.types import Region
from firmware.pipeline.detect.worker import DetectorWorker
starts = {{"face": 0, "text": 0, "code": 0}}
class Planted:
    def __init__(self, kind):
        self.kind, self.n = kind, 0
        starts[kind] += 1
        self.start = starts[kind]
    def prepare(self, y, uv):
        return y[::8, ::8].copy()
    def detect(self, prepared):
        n, start, self.n = self.n, self.start, self.n + 1
        {body}
        return (Region(self.kind, *{BOX}),)
def planted(kind, cfg, fmt):
    it = Planted(kind)
    return it.prepare, DetectorWorker(it, width=fmt.coded_width, height=fmt.coded_height,
                                      queue_bound=1 if fmt.live else 3)
seats._real = planted
"""


def configure(uri: str | Path, **more: object) -> Configure:
    settings: dict[str, object] = {
        "source": config.Source(uri=str(uri)), "encode": config.Encode(preset="ultrafast"), "sound": config.Sound(),
        "detect": config.Detect(), "models_dir": "", **more,
    }
    return Configure(**settings)  # type: ignore[arg-type]


def kinds(heard: Heard) -> set[tuple[str, str]]:
    return {(verdict.kind, verdict.reason) for verdict in heard.verdicts}


def decoded(heard: Heard, path: Path) -> np.ndarray:
    """The luma of every encoded frame, (frames, height, width)."""
    assert heard.info is not None
    path.write_bytes(heard.mp4)
    made = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", str(path), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt",
         "yuv420p", "-"], check=True, capture_output=True, timeout=60,
    )
    assert made.stderr == b""
    size = heard.info.coded_width * heard.info.coded_height
    frames = np.frombuffer(made.stdout, np.uint8).reshape(-1, size * 3 // 2)[:, :size]
    return frames.reshape(-1, heard.info.coded_height, heard.info.coded_width)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", size="400x600", seconds=2, sound=True)


# ---- the whole path ------------------------------------------------------------------------------


def test_a_file_keeps_its_frames_and_times_and_only_the_region_changes(clip: Path, tmp_path: Path) -> None:
    ran = run_pipeline(configure(clip), detector())
    heard = ran.heard
    assert heard.last == Finished(60), heard.last
    assert ran.status == 0
    assert "Traceback" not in ran.stderr
    assert kinds(heard) == {("masked", "")}
    times = probe_times(clip)
    assert [round(v.pts_ns / 1000) for v in heard.verdicts] == [round(t * 1e6) for t in times]
    luma = decoded(heard, tmp_path / "out.mp4")
    assert probe_times(tmp_path / "out.mp4") == times
    original = np.frombuffer(subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(clip), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
        check=True, capture_output=True, timeout=60).stdout, np.uint8).reshape(60, -1)[:, : 400 * 600]
    original = original.reshape(60, 600, 400)
    x, y, w, h = BOX
    inside = luma[:, y + 4 : y + h - 4, x + 4 : x + w - 4]
    assert inside.std(axis=(1, 2)).max() < 3, "the region is one colour in every frame"
    assert np.abs(luma[:, 300:].astype(int) - original[:, 300:]).mean() < 4, "the rest is as it was"


def test_fragments_are_short_and_start_at_keyframes_at_least_every_second(clip: Path) -> None:
    heard = run_pipeline(configure(clip), detector()).heard
    assert heard.fragments[0].keyframe
    keys = [f.pts_ns for f in heard.fragments if f.keyframe]
    assert all(after - before <= S + 1000 for before, after in pairwise(keys))
    assert max(f.duration_ns for f in heard.fragments) <= S // 4 + 1000
    assert [f.seq for f in heard.fragments] == list(range(len(heard.fragments)))


def test_progress_counts_what_was_done(clip: Path) -> None:
    last = run_pipeline(configure(clip), detector()).heard.progress[-1]
    assert (last.frames_in, last.frames_out, last.frames_dropped, last.frames_blanked) == (60, 60, 0, 0)
    assert last.regions_masked >= 60
    assert last.total_frames == 60
    assert last.rss_bytes > 10_000_000
    assert {"read", "paint", "prepare", "cpu_encode"} <= set(last.stage_s)


def test_recorded_detections_replay_to_the_same_verdicts_and_say_so(clip: Path, tmp_path: Path) -> None:
    log = tmp_path / "detections.jsonl"
    first = run_pipeline(configure(clip, record_detections=str(log)), detector()).heard
    again = run_pipeline(configure(clip, replay_detections=str(log))).heard
    # Not the encoded bytes: x264's rate control over slices in threads differs a little from run to run.
    assert again.verdicts == first.verdicts
    assert [(f.pts_ns, f.keyframe) for f in again.fragments] == [(f.pts_ns, f.keyframe) for f in first.fragments]
    assert first.info is not None
    assert again.info is not None
    assert all("replay" in name for name in again.info.detectors)
    assert not any("replay" in name for name in first.info.detectors)


def test_a_replay_that_lacks_a_detection_blanks(clip: Path, tmp_path: Path) -> None:
    log = tmp_path / "detections.jsonl"
    run_pipeline(configure(clip, record_detections=str(log)), detector())
    lines = [line for line in log.read_text().splitlines() if not 0.5 * S < json.loads(line)["pts_ns"] < 1.5 * S]
    log.write_text("\n".join(lines))
    heard = run_pipeline(configure(clip, replay_detections=str(log))).heard
    assert kinds(heard) == {("masked", ""), ("blanked", "detector-failed")}
    assert ("detector-failed:face", False) in heard.alert_codes
    assert ("detector-failed:face", True) in heard.alert_codes


def test_max_seconds_ends_the_run(clip: Path) -> None:
    heard = run_pipeline(configure(clip, max_seconds=0.5), detector()).heard
    assert heard.last == Finished(15)


# ---- sound ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["opus", "aac"])
def test_sound_is_there_only_if_both_say_so(clip: Path, tmp_path: Path, codec: str) -> None:
    sound = config.Sound(enabled=True, codec=codec)  # type: ignore[arg-type]
    heard = run_pipeline(configure(clip, sound=sound, sound_allowed=True), detector()).heard
    path = tmp_path / "s.mp4"
    path.write_bytes(heard.mp4)
    times = probe_times(path, "a:0")
    assert abs(times[0]) < 0.03
    assert 1.9 < times[-1] < 2.05
    assert heard.info is not None
    assert (heard.info.sound_codec, heard.info.sound_rate_hz) == (codec, 48_000)


@pytest.mark.parametrize(("enabled", "allowed"), [(True, False), (False, True)])
def test_sound_is_left_out_otherwise(clip: Path, enabled: bool, allowed: bool) -> None:
    heard = run_pipeline(configure(clip, sound=config.Sound(enabled=enabled), sound_allowed=allowed), detector()).heard
    assert heard.info is not None
    assert heard.info.sound_codec == ""
    assert b"mp4a" not in heard.info.init_segment
    assert b"Opus" not in heard.info.init_segment


# ---- detectors that fail -------------------------------------------------------------------------


def test_a_slow_detector_costs_time_not_frames(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=1)
    heard = run_pipeline(configure(path), detector("time.sleep(0.3)")).heard
    assert heard.last == Finished(30)
    assert kinds(heard) == {("masked", "")}


def test_a_detector_that_raises_for_a_while_blanks_and_recovers(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=4)
    body = "if self.kind == 'face' and 4 <= n < 12: raise RuntimeError('planted')"
    heard = run_pipeline(configure(path), detector(body)).heard
    assert heard.last == Finished(120)
    assert kinds(heard) == {("masked", ""), ("blanked", "detector-failed")}
    assert heard.alert_codes == [("detector-failed:face", False), ("detector-failed:face", True)]
    blanked = [v.pts_ns / S for v in heard.verdicts if v.kind == "blanked"]
    assert 0.5 < min(blanked) < 1.2
    assert 1.7 < max(blanked) < 2.5


@pytest.mark.parametrize("nonsense", [
    "Region('face', float('nan'), 1, 9, 9)", "Region('face', 1, 1, -9, 9)", "Region('face', 9e9, 1, 9, 9)", "7",
])
def test_a_detector_that_answers_nonsense_blanks(tmp_path: Path, nonsense: str) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=0.6)
    heard = run_pipeline(configure(path), detector(f"if self.kind == 'face': return ({nonsense},)")).heard
    assert heard.last == Finished(18)
    assert {kind for kind, _ in kinds(heard)} == {"blanked"}


def test_a_hung_detector_is_restarted_once_and_its_frames_are_blanked(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=4)
    body = "if self.kind == 'text' and start == 1 and n == 3: time.sleep(60)"
    ran = run_pipeline(configure(path, detect=config.Detect(hang_timeout_s=1)), detector(body))
    assert ran.heard.last == Finished(120)
    assert ran.status == 0
    assert {kind for kind, _ in kinds(ran.heard)} == {"masked", "blanked"}
    assert ("detector-failed:text", True) in ran.heard.alert_codes


def test_a_detector_that_hangs_again_ends_the_pipeline_by_name(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=4)
    ran = run_pipeline(configure(path, detect=config.Detect(hang_timeout_s=1)), detector("time.sleep(60)"))
    assert isinstance(ran.heard.last, Failed)
    assert ran.heard.last.code == "pipeline-died"
    assert ran.status == 14
    assert {kind for kind, _ in kinds(ran.heard)} <= {"blanked"}


def test_without_detectors_every_frame_is_blanked(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=0.5)
    heard = run_pipeline(configure(path, detect=config.Detect(faces=False, text=False, codes=False))).heard
    assert heard.last == Finished(15)
    assert kinds(heard) == {("blanked", "no-evidence-before")}
    luma = decoded(heard, tmp_path / "out.mp4")
    assert luma.std() < 2


# ---- live ----------------------------------------------------------------------------------------


def until_frames(count: int) -> Callable[[Heard], bool]:
    return lambda heard: len(heard.verdicts) >= count


def run_live(running: Pipeline, uri: str = LIVE, **more: object) -> None:
    running.send(configure(uri, **more))
    running.listen(until_frames(10))


def test_a_live_source_runs_on_the_monotonic_clock_and_stops_when_asked() -> None:
    with pipeline(detector()) as running:
        before = time.monotonic_ns()
        run_live(running)
        running.send(Stop())
        heard = running.finish()
    assert isinstance(heard.last, Finished)
    assert heard.last.frames == len(heard.verdicts) >= 10
    assert before < heard.verdicts[0].pts_ns < time.monotonic_ns()
    assert heard.verdicts[-1].kind == "masked", "evidence stands to the very end"
    assert heard.info is not None
    assert heard.info.live


def test_a_privacy_pause_blanks_and_silences_and_ends_when_told() -> None:
    with pipeline(detector()) as running:
        run_live(running, sound=config.Sound(enabled=True), sound_allowed=True)
        running.send(Pause(True))
        running.listen(lambda heard: any(v.reason == "privacy-pause" for v in heard.verdicts))
        running.listen(until_frames(len(running.heard.verdicts) + 10))
        running.send(Pause(False))
        running.listen(lambda heard: heard.verdicts[-1].kind == "masked")
        running.send(Stop())
        heard = running.finish()
    runs = [v.reason == "privacy-pause" for v in heard.verdicts if v.kind == "masked" or v.reason == "privacy-pause"]
    assert [after for before, after in pairwise(runs) if before != after] == [True, False]


def test_a_forced_keyframe_starts_a_fragment() -> None:
    with pipeline(detector()) as running:
        run_live(running)
        before = len([f for f in running.heard.fragments if f.keyframe])
        running.send(ForceKeyframe())
        running.listen(lambda heard: len([f for f in heard.fragments if f.keyframe]) > before)
        running.send(Stop())
        heard = running.finish()
    keys = [f.pts_ns for f in heard.fragments if f.keyframe]
    assert min(after - before for before, after in pairwise(keys)) < 0.95 * S


def test_a_live_detector_that_never_answers_blanks_every_frame_in_time() -> None:
    with pipeline(detector("time.sleep(60)")) as running:
        run_live(running)
        running.send(Stop())
        running.listen(until_frames(11))
        heard = running.heard
    assert {kind for kind, _ in kinds(heard)} == {"blanked"}
    assert len(heard.verdicts) >= 10
    assert heard.alert_codes == [("frames-blanked", False)], "it is told, once"


def test_a_lost_signal_ends_by_name_after_every_frame_was_sent() -> None:
    with pipeline(detector()) as running:
        running.send(configure(LIVE + "&lost_at=1", source=config.Source(uri=LIVE + "&lost_at=1", lost_after_s=0.5)))
        heard = running.finish()
    assert isinstance(heard.last, Failed)
    assert heard.last.code == "source-lost"
    assert running.status == 15
    assert len(heard.verdicts) == 20


@pytest.mark.parametrize(("fault", "code"), [("black_at", "picture-black"), ("freeze_at", "picture-frozen")])
def test_a_black_or_frozen_picture_is_told_and_its_end_too(fault: str, code: str) -> None:
    with pipeline(detector()) as running:
        running.send(configure(f"{LIVE}&{fault}=1&fault_s=2.5"))
        running.listen(lambda heard: (code, True) in heard.alert_codes, timeout_s=20)
        running.send(Stop())
        heard = running.finish()
    assert (code, False) in heard.alert_codes


def test_a_constant_rate_is_on_the_grid(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "vfr.mp4", seconds=2, filters="select='not(mod(n\\,4))+lt(n\\,20)'",
                     codec=("-fps_mode", "vfr", "-c:v", "libx264", "-pix_fmt", "yuv420p"))
    heard = run_pipeline(configure(
        path, source=config.Source(uri=str(path), rate_hz=25), encode=config.Encode(preset="ultrafast", rate="constant")
    ), detector()).heard
    times = [v.pts_ns for v in heard.verdicts]
    assert times == [i * S // 25 for i in range(len(times))]
    assert 45 <= len(times) <= 50
    assert heard.info is not None
    assert (heard.info.rate_num, heard.info.rate_den) == (25, 1)


# ---- named faults and ends -----------------------------------------------------------------------


def test_named_faults_come_as_failed_without_a_traceback(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    empty.touch()
    cases = [
        (configure(tmp_path / "nothing.mp4"), "source-missing", 4),
        (configure(empty), "media-unreadable", 5),
        (configure("/dev/video99"), "source-missing", 4),
        (configure("scene://?colour=red"), "config", 3),
        (configure(LIVE, replay_detections=str(tmp_path / "nothing.jsonl")), "media-unreadable", 5),
        (configure(LIVE, models_dir=str(tmp_path)), "part-missing", 13),
    ]
    for asked, code, status in cases:
        ran = run_pipeline(asked)
        assert isinstance(ran.heard.last, Failed), asked.source.uri
        assert (ran.heard.last.code, ran.status) == (code, status)
        assert ran.heard.last.what
        assert "Traceback" not in ran.stderr
        assert ran.heard.fragments == []


def test_a_truncated_file_loses_nothing_that_was_there(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mkv", seconds=3, codec=("-c:v", "mjpeg"))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    ran = run_pipeline(configure(cut), detector())
    assert isinstance(ran.heard.last, Failed)
    assert ran.heard.last.code == "media-unreadable"
    assert 30 < len(ran.heard.verdicts) < 60
    assert kinds(ran.heard) == {("masked", "")}


@pytest.mark.parametrize("uri", [LIVE, "scene://?width=320&height=180&paced=0"])
def test_when_the_recorder_is_gone_the_pipeline_ends(uri: str) -> None:
    with pipeline(detector()) as running:
        running.send(configure(uri))
        running.listen(until_frames(5))
        running.channel.close()
        assert running.process.wait(10) == 14


def test_a_file_waits_for_a_slow_recorder(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", seconds=12, size="640x360", filters="noise=alls=60:allf=t")
    with pipeline(detector()) as running:
        running.send(configure(path, encode=config.Encode(preset="ultrafast", bitrate_bps=40_000_000)))
        running.listen(until_frames(1))
        time.sleep(2)  # the recorder does something else
        heard = running.finish()
    assert heard.last == Finished(360)
    assert kinds(heard) == {("masked", "")}
    assert running.status == 0


def test_the_log_of_detections_holds_what_was_seen(tmp_path: Path) -> None:
    log = tmp_path / "d.jsonl"
    DetectionLog(str(log)).close()
    run_pipeline(configure(make_clip(tmp_path / "a.mp4"), record_detections=str(log)), detector())
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert Counter(row["kind"] for row in rows) == {"face": 6, "text": 5, "code": 5}
    assert rows[0]["regions"] == [[*BOX, 0.0, 1.0]]

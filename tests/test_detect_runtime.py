"""Providers and precisions: what is configured runs, or a named fault says why not; none stands in for another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from msgspec.structs import replace

from firmware.config import Config, Detect
from firmware.config_rules import broken_rules
from firmware.errors import PartMissing
from firmware.pipeline.detect import models, runtime, runtime_openvino
from firmware.pipeline.detect.picture import F32, network_input
from firmware.pipeline.detect.runtime import Session, with_free_size
from tests.detect_helpers import MODELS_DIR, backdrop, head, place, portrait

HERE = Path(__file__).parent.parent
openvino = runtime_openvino.load_openvino()
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
OPENVINO, BF16 = Detect(provider="openvino"), Detect(provider="openvino", precision="bf16")


def centerface() -> bytes:
    return with_free_size(models.load(MODELS_DIR, models.FACES))


def scene(width: int, height: int) -> F32:
    """A face on a wall, as CenterFace takes it."""
    picture = backdrop(width, height)
    place(picture, head(height // 2), width // 3, height // 4)
    return network_input(picture, (0, 1, 2), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


# ---- ONNX Runtime: absent, refused, taken over ---------------------------------------------------


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_is_not_there_is_named(provider: Any) -> None:
    assert runtime.PROVIDERS[provider] not in onnxruntime.get_available_providers()
    with pytest.raises(PartMissing, match=f'"{provider}", but this ONNX Runtime has only') as caught:
        Session(centerface(), Detect(provider=provider))
    assert "detect.provider" in caught.value.todo


def test_a_provider_that_takes_no_operator_is_not_helped_out_by_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real second provider of this ONNX Runtime that is there and runs none of our operators."""
    monkeypatch.setitem(runtime.PROVIDERS, "cuda", "AzureExecutionProvider")
    assert "AzureExecutionProvider" in onnxruntime.get_available_providers()
    with pytest.raises(PartMissing, match='could not be opened on "cuda"'):
        Session(centerface(), Detect(provider="cuda"))


def test_a_session_that_onnx_runtime_opened_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ONNX Runtime does when a driver's library cannot be loaded: a warning, and the CPU instead."""
    real = onnxruntime.InferenceSession

    def on_the_cpu(model: bytes, _options: Any, providers: list[str]) -> Any:
        assert providers == ["CUDAExecutionProvider"]
        return real(model, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_the_cpu)
    with pytest.raises(PartMissing, match='did not take the configured provider "cuda"'):
        Session(centerface(), Detect(provider="cuda"))


# ---- OpenVINO ------------------------------------------------------------------------------------


def test_openvino_answers_as_onnx_runtime_does_at_any_size() -> None:
    """More sizes than it compiles for, each twice."""
    ours, reference = Session(centerface(), OPENVINO), Session(centerface(), Detect())
    sizes = [(320 + 64 * step, 192) for step in range(runtime_openvino.FIXED_SIZES + 2)]
    for width, height in [*sizes, *sizes]:
        batch = scene(width, height)
        for got, wanted in zip(ours.maps(batch, 4), reference.maps(batch, 4), strict=True):
            np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_an_answer_is_not_overwritten_by_the_next_one() -> None:
    session = Session(centerface(), OPENVINO)
    first = session.run(scene(320, 192))[0]
    kept = first.copy()
    session.run(np.zeros((1, 3, 192, 320), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_bf16_sees_what_fp32_sees_or_says_that_this_cpu_cannot() -> None:
    if not HAS_BF16:
        with pytest.raises(PartMissing, match="no bfloat16 instructions"):
            Session(centerface(), BF16)
        return
    picture = network_input(portrait(), (0, 1, 2), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    coarse, exact = (Session(centerface(), settings).maps(picture, 4) for settings in (BF16, Detect()))
    assert exact[0].max() > 0.6  # the face
    assert np.unravel_index(coarse[0].argmax(), coarse[0].shape) == np.unravel_index(exact[0].argmax(), exact[0].shape)
    np.testing.assert_allclose(coarse[0], exact[0], atol=0.05)


def test_bf16_on_a_cpu_without_it_is_a_named_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO itself would compute in fp32 and not say so."""

    class OlderCpu(openvino.Core):  # type: ignore[misc]
        def get_property(self, *_: Any) -> list[str]:
            return ["FP32", "INT8", "BIN"]

    monkeypatch.setattr(runtime_openvino, "load_openvino", lambda: SimpleNamespace(Core=OlderCpu))
    Session(centerface(), OPENVINO)
    with pytest.raises(PartMissing, match="no bfloat16 instructions") as caught:
        Session(centerface(), BF16)
    assert 'detect.precision = "fp32"' in caught.value.todo


def test_openvino_that_is_not_installed_is_a_named_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(PartMissing, match="OpenVINO cannot be loaded") as caught:
        Session(centerface(), OPENVINO)
    assert 'detect.provider = "cpu"' in caught.value.todo


@pytest.mark.parametrize("spoil", [lambda _: b"not a network", lambda model: model[: len(model) // 2]])
def test_a_model_that_openvino_cannot_open_is_a_missing_part(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(PartMissing, match='could not be opened on "openvino"') as caught:
        Session(spoil(centerface()), OPENVINO)
    assert len(str(caught.value).splitlines()) == 1


def test_openvino_reports_nothing_and_writes_nothing_at_home(tmp_path: Path) -> None:
    """Its usage reports keep a folder in the home directory once they are merely imported."""
    program = (
        "import sys; from tests.test_detect_runtime import OPENVINO, Session, centerface, scene\n"
        "Session(centerface(), OPENVINO).run(scene(320, 192))\n"
        "assert 'openvino' in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(HERE), "SCRUBCAM_MODELS": str(MODELS_DIR)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=HERE, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


# ---- the settings --------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["cpu", "cuda", "tensorrt"])
def test_a_precision_that_was_not_measured_on_a_provider_is_a_wrong_configuration(provider: Any) -> None:
    config = Config(detect=Detect(provider=provider, precision="bf16"))
    broken = [rule for rule in broken_rules(config) if "detect.precision" in rule.keys]
    assert len(broken) == 1
    assert "detect.provider" in broken[0].keys
    for better in (replace(config.detect, precision="fp32"), replace(config.detect, provider="openvino")):
        assert not [rule for rule in broken_rules(Config(detect=better)) if "detect.precision" in rule.keys]

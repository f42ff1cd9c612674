"""Providers: what is configured runs, or a named fault says why not; none stands in for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from firmware.config import Detect
from firmware.errors import PartMissing
from firmware.pipeline.detect import models, runtime
from firmware.pipeline.detect.runtime import Session, with_free_size
from tests.detect_helpers import MODELS_DIR

HERE = Path(__file__).parent.parent

def centerface() -> bytes:
    return with_free_size(models.load(MODELS_DIR, models.FACES))


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

"""Opens a model on OpenVINO's CPU plugin, in the precision the configuration names. One import site for OpenVINO."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.config import Detect
from firmware.errors import PartMissing

F32 = NDArray[np.float32]

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
NOT_STARTED = "Without detectors every frame would be blanked, so nothing was started"
FIXED_SIZES = 2
"""A network compiled for one picture size is up to a sixth quicker than one for any size, but compiling takes up to a
quarter of a second and memory of its own. So only the first sizes get one: those of the look before any frame, which
are a live source's large ones. Further ones share the network for any size: there a new one costs 10 to 60 ms, once."""


class OpenVinoNetwork:
    """One network with one picture input, on the CPU. `run` takes a float32 (N, 3, H, W) batch.

    Raises PartMissing when OpenVINO is not installed, cannot open the network, or the CPU lacks the precision.
    """

    def __init__(self, model: bytes, settings: Detect) -> None:
        openvino = load_openvino()
        core = openvino.Core()
        precision = PRECISIONS[settings.precision]
        # Without these instructions OpenVINO would compute in fp32 and not say so: twice the work, and late.
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if settings.precision == "bf16" and "BF16" not in able:
            raise PartMissing(
                "Detectors are set to compute in bf16, but this CPU has no bfloat16 instructions",
                meaning=NOT_STARTED,
                todo='set detect.precision = "fp32"',
            )
        self._options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": settings.threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # the encoder and the capture need the cores too
        }
        self._core = core
        try:
            self._network = core.read_model(model)
            self._any_size = self._compiled([-1, 3, -1, -1])
        except Exception as error:
            raise PartMissing(
                f'A detector model could not be opened on "openvino": {first_words(error)}',
                meaning=NOT_STARTED,
                todo='check the OpenVINO installation, or set detect.provider = "cpu"',
            ) from error
        self._fixed: dict[tuple[int, ...], Any] = {}
        self._most_fixed = FIXED_SIZES if settings.profile == "live" else 0

    def run(self, batch: F32) -> list[F32]:
        """All outputs, in the model's own order; each is a copy."""
        request = self._fixed.get(batch.shape)
        if request is None and len(self._fixed) < self._most_fixed:
            request = self._fixed[batch.shape] = self._compiled(list(batch.shape))
        answers = (request or self._any_size).infer([batch], share_inputs=True)
        return list(answers.values())

    def _compiled(self, shape: list[int]) -> Any:
        self._network.reshape(shape)
        return self._core.compile_model(self._network, "CPU", self._options).create_infer_request()


def load_openvino() -> Any:
    """The package, without its usage reports: they come from another package, which is kept from being imported."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise PartMissing(
            f'Detectors are set to run on "openvino", but OpenVINO cannot be loaded: {first_words(error)}',
            meaning=NOT_STARTED,
            todo='install the openvino package that setup.py pins, or set detect.provider = "cpu"',
        ) from error
    return openvino


def first_words(error: BaseException) -> str:
    """OpenVINO's errors name a source file of its own on each of the first lines: the last line says what happened."""
    return ((str(error).strip() or type(error).__name__).splitlines()[-1]).strip()[:300]

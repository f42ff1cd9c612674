"""Opens a model on ONNX Runtime, exactly as the configuration says. Knows nothing of faces or letters."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

# Before the import: ONNX Runtime 1.31 keeps a usage database in the home directory and reports over the network.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime as ort

from firmware.config import Detect
from firmware.errors import PartMissing
from firmware.pipeline.detect.types import BadDetection

F32 = NDArray[np.float32]

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
ERRORS_ONLY = 3
NOT_STARTED = "Without detectors every frame would be blanked, so nothing was started"
CHECK = "check the driver and the ONNX Runtime installation, or set another detect.provider"


class Session:
    """One loaded model with one picture input, on `settings.provider`; `run` takes a float32 (N, 3, H, W) batch.

    Raises PartMissing when that provider is not there or does not take the whole model: none stands in for another.
    """

    def __init__(self, model: bytes, settings: Detect) -> None:
        wanted = PROVIDERS[settings.provider]
        installed = ort.get_available_providers()
        if wanted not in installed:
            raise PartMissing(
                f'Detectors are set to run on "{settings.provider}", but this ONNX Runtime has only '
                + ", ".join(installed),
                meaning=NOT_STARTED,
                todo='install an ONNX Runtime built for it, or set detect.provider = "cpu"',
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.enable_mem_pattern = False  # every picture size would keep a plan and memory of its own
        # Spinning threads would take the cores that the encoder needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if settings.provider != "cpu":
            # An operator that falls back to the CPU would be a silent replacement.
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        try:
            self._session = ort.InferenceSession(model, options, providers=[wanted])
        except Exception as error:
            raise PartMissing(
                f'A detector model could not be opened on "{settings.provider}": {first_line(error)}',
                meaning=NOT_STARTED,
                todo=CHECK,
            ) from error
        if self._session.get_providers()[0] != wanted:
            raise PartMissing(
                f'ONNX Runtime did not take the configured provider "{settings.provider}"',
                meaning=NOT_STARTED,
                todo=CHECK,
            )
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: F32) -> list[F32]:
        """All outputs, in the model's own order."""
        outputs: list[Any] = self._session.run(None, {self._input: batch})
        return outputs

    def maps(self, batch: F32, cell: int) -> list[F32]:
        """As `run`, for a network whose outputs are maps with a value for each `cell` x `cell` pixels of the input.

        Raises BadDetection when one is not finite or does not cover the whole input: what lies beside it was not
        looked at, and "nothing found" would be the wrong reading of it.
        """
        outputs = self.run(batch)
        wanted = (batch.shape[0], -(-batch.shape[2] // cell), -(-batch.shape[3] // cell))
        for output in outputs:
            if output.ndim != 4 or not output.shape[1] or (output.shape[0], *output.shape[2:]) != wanted:
                raise BadDetection(f"a network answered with a map of {output.shape} to a picture of {batch.shape}")
            if not np.isfinite(output).all():
                raise BadDetection("a network answered with numbers that are not finite")
        return outputs


def with_free_size(model: bytes) -> bytes:
    """The same network for any picture size: the files of CenterFace and YuNet fix that of their one input.

    CenterFace's file also lists its weights as graph inputs, which keeps ONNX Runtime from folding them (and makes it
    warn about each): they are taken off the list.
    """
    net = onnx.load_model_from_string(model)
    weights = {tensor.name for tensor in net.graph.initializer}
    pictures = [value for value in net.graph.input if value.name not in weights]
    del net.graph.input[:]
    net.graph.input.extend(pictures)
    for value in net.graph.input:
        n, _, height, width = value.type.tensor_type.shape.dim
        n.dim_param, height.dim_param, width.dim_param = "n", "height", "width"
    for value in net.graph.output:
        for side, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}_{side}"
    data: bytes = net.SerializeToString()
    return data


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]

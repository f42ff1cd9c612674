"""PP-OCR's text detection network: a picture in, the probability of text at each pixel out. It reads nothing."""

from __future__ import annotations

import numpy as np

from firmware.config import Detect
from firmware.pipeline.detect.letters import F32
from firmware.pipeline.detect.picture import network_input, tiles
from firmware.pipeline.detect.runtime import Session
from hw.ports import U8

# The networks were trained on BGR with ImageNet's means and deviations in this order.
ORDER = (2, 1, 0)
MEAN = (123.675, 116.28, 103.53)
SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)


class TextNetwork:
    """One of the networks of PP-OCRv6's family. `model` is the file's bytes, checked by models.load."""

    def __init__(self, model: bytes, settings: Detect) -> None:
        self._session = Session(model, settings)

    def chances(self, rgb: U8) -> F32:
        """The probability of text at each pixel, (H, W). Raises BadDetection when the network answers nonsense."""
        height, width = rgb.shape[:2]
        whole = np.zeros((height, width), np.float32)
        for rows, columns in tiles(width, height):
            part = rgb[rows, columns]
            answer = self._session.maps(network_input(part, ORDER, MEAN, SCALE), 1)[0]
            chance = answer[0, 0, : part.shape[0], : part.shape[1]]
            np.maximum(whole[rows, columns], chance, out=whole[rows, columns])
        return whole

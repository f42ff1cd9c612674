"""Tells a picture that fast motion has smeared along one direction: there, nobody can say what is writing. Pure.

A camera moved at a steady speed averages each row of the scene over the way it went. That takes away detail along
the way and no other, and it can be undone by anybody who guesses the way's length (inverse filtering). It leaves
three marks, which are looked for together because each alone is also seen in sharp pictures.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware.pipeline.detect.field import red_share
from hw.ports import U8

F32 = NDArray[np.float32]

LONG_SIDE = 960
"""Measured at this size at most: a smear matters by the size of the letters it wipes out."""
ONE_WAY = 0.42
"""First mark: weak over strong direction of the gradients, below this. Straight furniture comes down to 0.2 as well."""
LONGEST_SHARP = 7
"""Second: along the weak direction, gradients stay alike over more pixels than this (sharp: mostly 2 to 6)."""
ALIKE = 0.05
HALFWAY = 0.08
DIP = -0.04
"""Third: an edge that goes in at one end of the way comes out at the other with the opposite sign (Yitzhaky and
Kopeika 1997, Identification of blur parameters from motion blurred images), and halfway it still rises."""
TISSUE = 0.75
"""Where tissue fills more than this share of what is lit, letters are burned in after the smear and stay sharp."""
FLAT = 20.0
"""Mean squared Sobel gradient of a picture that shows nothing but noise."""


def is_smeared(y: U8, uv: U8) -> bool:
    """Whether letters in the picture `y` (H, W), `uv` (H/2, W/2, 2) may be smeared beyond telling, not beyond
    restoring."""
    if min(y.shape) < 64:
        return False
    grey = y
    shrink = LONG_SIDE / max(y.shape)
    if shrink < 1:
        size = (round(y.shape[1] * shrink), round(y.shape[0] * shrink))
        grey = np.asarray(cv2.resize(y, size, interpolation=cv2.INTER_AREA), np.uint8)
    ratio, weak_deg = direction(grey)
    if ratio >= ONE_WAY:
        return False
    alike = likeness(grey, weak_deg)
    lobe = int(np.argmax(alike <= ALIKE))
    if lobe <= LONGEST_SHARP or alike[lobe:].size < lobe:
        return False
    ends = alike[round(1.2 * lobe) : round(2.5 * lobe) + 1]
    way = round(1.2 * lobe) + int(np.argmin(ends))
    return bool(ends.min() <= DIP and alike[way // 2] >= HALFWAY and red_share(y, uv) < TISSUE)


def direction(grey: U8) -> tuple[float, float]:
    """Weak over strong eigenvalue of the summed structure tensor (1 no direction, 0 all one way), and the angle of
    the weak direction in degrees, (-90, 90], clockwise. A picture with nothing in it has no direction."""
    values = grey.astype(np.float32)
    across = cv2.Sobel(values, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(values, cv2.CV_32F, 0, 1)
    xx, yy, xy = float((across * across).mean()), float((down * down).mean()), float((across * down).mean())
    if xx + yy < FLAT:
        return 1.0, 0.0
    spread = float(np.hypot(xx - yy, 2 * xy))
    strong_deg = float(np.degrees(np.arctan2(2 * xy, xx - yy))) / 2
    return (xx + yy - spread) / (xx + yy + spread), strong_deg - 90 if strong_deg > 0 else strong_deg + 90


def likeness(grey: U8, along_deg: float) -> F32:
    """Autocorrelation of the differences between neighbours along a direction, 1 at lag 0, up to half the width."""
    height, width = grey.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), along_deg, 1.0)
    level = cv2.warpAffine(grey.astype(np.float32), turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    inner = level[height // 8 : height - height // 8, width // 8 : width - width // 8]  # not what the turn made up
    steps = inner[:, 1:] - inner[:, :-1]
    count = steps.shape[1]
    power = (np.abs(np.fft.rfft(steps, 2 * count, axis=1)) ** 2).sum(0)
    sums = np.fft.irfft(power)[: count // 2]
    fair: F32 = (sums / max(float(sums[0]), 1e-6) * count / (count - np.arange(count // 2))).astype(np.float32)
    return fair

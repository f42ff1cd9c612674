"""Attacks on filled codes: a barcode reader tries the pictures before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import zxingcpp

from hw.ports import U8
from tests.attacks.film import HEIGHT, WIDTH, Still, as_planes, scrubbed

FORMATS = ("QRCode", "DataMatrix", "Code128")


@dataclass(frozen=True)
class Codes:
    """How many of `codes` were read before and after."""

    codes: int
    read_before: int
    read_after: int


def sheets(count: int, seed: int = 3) -> tuple[list[Still], set[str]]:
    """Codes with a record number each, six on a still."""
    random = np.random.default_rng(seed)
    stills: list[Still] = []
    numbers = set()
    for at in range(count):
        if at % 6 == 0:
            back = cv2.GaussianBlur(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 9)
            stills.append(Still(cv2.normalize(back, None, 90, 200, cv2.NORM_MINMAX)))
        number = f"{random.integers(10**9, 10**10)}"
        numbers.add(number)
        drawn = zxingcpp.create_barcode(number, getattr(zxingcpp.BarcodeFormat, FORMATS[at % 3]))
        code = np.asarray(drawn.to_image(scale=int(random.integers(3, 6))))
        code = np.pad(code if code.ndim == 2 else code[..., 0], 12, constant_values=255)[:340, :400]
        left, top = 20 + at % 3 * 420, 10 + at % 6 // 3 * 355
        stills[-1].rgb[top : top + code.shape[0], left : left + code.shape[1]] = code[..., None]
        stills[-1].boxes.append((float(left), float(top), float(code.shape[1]), float(code.shape[0])))
    return stills, numbers


def attack(folder: Path, count: int = 48) -> Codes:
    stills, numbers = sheets(count)
    before = [as_planes(still.rgb).rgb() for still in stills]
    after = [planes.rgb() for planes in scrubbed(stills, folder, "codes")]
    return Codes(count, len(numbers & _read(before)), len(numbers & _read(after)))


def _read(pictures: list[U8]) -> set[str]:
    """Everything a reader finds, in the pictures as they are and at full contrast."""
    found = set()
    for rgb in pictures:
        even = cv2.createCLAHE(40, (16, 16)).apply(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
        for picture in (np.ascontiguousarray(rgb), even):
            found |= {code.text for code in zxingcpp.read_barcodes(picture)}
    return found

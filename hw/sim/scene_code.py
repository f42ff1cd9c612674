"""A patient's label with a QR code, as a sprite, and where its modules lie in it."""

from __future__ import annotations

import cv2
import numpy as np

from hw.sim.moving_cards import bars_of
from hw.sim.scene_sprites import F32, Words, colour, make_sprite

_PLATE, _INK = (232, 232, 226), (20, 20, 24)
_FINE_PX = 12
"""Letters' height that `bars_of` is asked for: two pixels a module, scaled afterwards to the size that is wanted."""
QUIET_MODULES = 4
"""Empty modules around the code, as its standard asks for (ISO/IEC 18004, 6.3.8)."""


def make_code(text: str, module_px: float) -> Words:
    """`text` as a QR code whose modules are `module_px` wide, on a light plate. Raises PartMissing."""
    fine = bars_of("QRCode", text, _FINE_PX)
    modules = fine.shape[0] // 2
    side = max(modules, round(modules * module_px))
    dark: F32 = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32)
    edge = round(QUIET_MODULES * module_px)
    ink = np.pad(dark, edge)[..., None]
    rgb = colour(*_PLATE) * (1 - ink) + colour(*_INK) * ink
    alpha = np.ones(rgb.shape[:2], np.float32)
    return Words(make_sprite(rgb.astype(np.float32), alpha), (edge, edge, side, side))

"""A C++ library of the pipeline may throw: GStreamer's plugins must not bring another unwinder in its way."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from firmware.pipeline import gst
gst.init()
for name in ("x264enc", "qtdemux", "decodebin"):
    assert gst.Gst.ElementFactory.make(name) is not None, name  # this loads its plugin
import cv2
import numpy as np
try:
    cv2.resize(np.zeros((0, 0), np.uint8), (0, 0))
except cv2.error:
    print("thrown and caught")
"""


def test_an_exception_in_native_code_is_an_error_and_not_the_end_of_the_process() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert run.stdout == "thrown and caught\n", (run.returncode, run.stderr)
    assert run.returncode == 0

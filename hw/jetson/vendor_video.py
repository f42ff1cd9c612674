"""The one import site of jetson_utils: the real one with its native part, with logging put back as it was."""

from __future__ import annotations

import logging
from typing import Any

from firmware.errors import PartMissing


def load_jetson_utils() -> Any:
    """NVIDIA's jetson_utils. Raises PartMissing when absent, or when another package of that name is installed."""
    logger_class = logging.getLoggerClass()
    what = ""
    try:
        import jetson_utils

        if getattr(jetson_utils, "HAS_JETSON_UTILS_EXT", None) is not True:
            what = "the installed jetson_utils is not NVIDIA's, or was built without its native part"
    except ImportError as error:
        what = f"jetson_utils is not installed ({error})"
    finally:
        logging.setLoggerClass(logger_class)  # importing it replaces every later logger's class
    if what:
        raise PartMissing(
            f"capture through jetson-utils is asked for, but {what}",
            meaning="There is no picture to record",
            todo="build jetson-utils from NVIDIA's source with CMake (the package of that name on PyPI is another one)",
        )
    return jetson_utils

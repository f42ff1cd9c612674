"""Where installed parts are found when no configuration says so."""

from __future__ import annotations

import os
from pathlib import Path

INSTALLED_MODELS_DIR = Path("/usr/share/scrubcam/models")


def default_models_dir() -> Path:
    """$SCRUBCAM_MODELS, else `.models` beside the source tree (`make setup` fills it), else the installed place."""
    from_environment = os.environ.get("SCRUBCAM_MODELS")
    if from_environment:
        return Path(from_environment)
    beside_source = Path(__file__).resolve().parent.parent / ".models"
    return beside_source if beside_source.is_dir() else INSTALLED_MODELS_DIR

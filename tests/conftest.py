"""What holds for every test: no property is judged by how long an example took, which a busy machine decides."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("scrubcam", deadline=None)
settings.load_profile("scrubcam")

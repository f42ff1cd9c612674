"""What holds for every test: no property is judged by how long an example took; contract classes, also on a bench."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("scrubcam", deadline=None)
settings.load_profile("scrubcam")

pytest.register_assert_rewrite("tests.contract")
pytest_plugins = ["tests.contract.collect"]

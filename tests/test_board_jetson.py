"""The Jetson adapters on a machine that is none: refused by name, with nothing else put in their place."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.errors import PartMissing
from hw.board_definition import read_definition
from hw.jetson.capture import JetsonCapture
from hw.jetson.lights import JetsonLights
from hw.jetson.pins import JetsonPins
from tests.fill_helpers import KERNELS


@pytest.mark.parametrize(
    ("make", "library"),
    [
        (lambda: JetsonPins(read_definition("agx-orin-one-wire")), r"Jetson\.GPIO"),
        (lambda: JetsonLights(read_definition("agx-orin-one-wire")), r"Jetson\.GPIO"),
        (lambda: JetsonCapture("csi://0", KERNELS), "jetson_utils"),
    ],
    ids=["pins", "lights", "capture"],
)
def test_absent_library_is_named_with_what_to_install(make: Callable[[], object], library: str) -> None:
    with pytest.raises(PartMissing, match=library) as caught:
        make()
    assert "pip install" in caught.value.todo or "CMake" in caught.value.todo
    assert caught.value.meaning


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's package of the same name, which also replaces the loggers' class as the real one does."""
    (tmp_path / "jetson_utils.py").write_text(
        "import logging\nclass Loud(logging.Logger): pass\nlogging.setLoggerClass(Loud)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "jetson_utils", raising=False)


@pytest.mark.usefixtures("impostor")
def test_another_package_of_that_name_is_refused_and_logging_is_as_before() -> None:
    before = logging.getLoggerClass()
    with pytest.raises(PartMissing, match="not NVIDIA's"):
        JetsonCapture("v4l2:///dev/video0", KERNELS)
    assert logging.getLoggerClass() is before
    sys.modules.pop("jetson_utils", None)

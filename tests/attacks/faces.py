"""Attacks on filled faces: correlation with the originals, a learnt reconstruction, and a face-matching network."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from hw.ports import U8
from hw.sim.scene import SceneSource
from tests.attacks.film import HEIGHT, WIDTH, Box, Planes, Still, as_planes, fitted, scrubbed
from tests.attacks.scores import F64, Result, judge
from tests.detect_helpers import FACE, portrait

SIDE = 48
"""Crops are compared at this size."""
SMALL = 16
"""And reconstructed at this one."""
LEAST_PX = 32
COLOUR = "reconstruction from the mean colour"
"""Not judged: a fill's colour is that of its surroundings, which are in the picture for all to see. Where like faces
stand in like places, that alone tells something."""
Face = tuple[int, Box]
"""Which still, and where the face is in it."""
Read = Callable[[Planes, Box], F64]


def made_faces(count: int, seed: int = 1) -> tuple[list[Still], list[Face]]:
    """Different faces without a data set: the public-domain portrait, each time bent, lit and coloured differently."""
    random = np.random.default_rng(seed)
    x, y, w, h = FACE
    stills, faces = [], []
    for number in range(count):
        head = portrait()[y - 40 : y + h + 40, x - 40 : x + w + 40]
        rows, columns = np.mgrid[0 : head.shape[0], 0 : head.shape[1]].astype(np.float32)
        bend = [cv2.GaussianBlur(random.normal(0, 260, rows.shape).astype(np.float32), (0, 0), 22) for _ in range(2)]
        bent = cv2.remap(head, columns + bend[0], rows + bend[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        light = 1 + 0.25 * cv2.GaussianBlur(random.normal(0, 60, rows.shape).astype(np.float32), (0, 0), 40)[..., None]
        face = np.clip(bent * light * random.uniform(0.6, 1.2, 3), 0, 255).astype(np.uint8)
        back = cv2.GaussianBlur(random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 5)
        back = cv2.normalize(back, None, 30, 220, cv2.NORM_MINMAX)
        left, top = int(random.integers(50, 900)), int(random.integers(50, 400))
        back[top : top + h, left : left + w] = face[40:-40, 40:-40]
        stills.append(Still(back))
        faces.append((number, (float(left), float(top), float(w), float(h))))
    return stills, faces


def scene_faces(count: int) -> tuple[list[Still], list[Face]]:
    """The people of the staged scene, as `count` seeds put them."""
    stills: list[Still] = []
    faces: list[Face] = []
    for seed in range(count):
        source = SceneSource(f"scene://?width={WIDTH}&height={HEIGHT}&rate=10&seed={seed}&sound=0&paced=0")
        frame = np.zeros(source.open().frame_bytes, np.uint8)
        source.read(frame, 1.0)
        nv12 = frame.reshape(HEIGHT * 3 // 2, WIDTH)
        for truth in source.truth_at(0):
            if truth.kind == "face" and truth.visible_fraction == 1 and min(truth.w, truth.h) >= LEAST_PX:
                faces.append((seed, (float(truth.x), float(truth.y), float(truth.w), float(truth.h))))
        stills.append(Still(np.asarray(cv2.cvtColor(nv12, cv2.COLOR_YUV2RGB_NV12), np.uint8)))
        source.close()
    return stills, faces


def labelled_faces(folder: Path, only: str, limit: int) -> tuple[list[Still], list[Face]]:
    """Faces of a labelled data set: ground_truth.json names clips by their path; the sixth frame of each whose path
    begins with `only` is taken, of `limit` clips at most (0: all)."""
    stills: list[Still] = []
    faces: list[Face] = []
    for name, entries in json.loads((folder / "ground_truth.json").read_text()).items():
        if not name.startswith(only) or (limit and len(stills) == limit):
            continue
        film = cv2.VideoCapture(str(folder / name))
        for _ in range(6):
            there, bgr = film.read()
        boxes = [box for entry in entries if entry["frame"] == 5 for box in entry["boxes"]]
        if not there or not boxes:
            continue
        still, scale = fitted(np.asarray(bgr[..., ::-1], np.uint8))
        for box in boxes:
            x, y, w, h = (value * scale for value in box)
            if min(w, h) >= LEAST_PX and x >= 0 and y >= 0 and x + w <= WIDTH and y + h <= HEIGHT:
                faces.append((len(stills), (x, y, w, h)))
        stills.append(Still(still))
    return stills, faces


def attack(stills: Sequence[Still], faces: Sequence[Face], folder: Path, embedding: Path | None) -> dict[str, Result]:
    """Every attack on the product's output, and the same ones on blur and mosaic to show what they can do."""
    for number, box in faces:
        stills[number].boxes.append(box)
    before = [as_planes(still.rgb) for still in stills]
    after = scrubbed(stills, folder, "faces")
    blurred = [as_planes(hidden(still, _blur)) for still in stills]
    mosaic = [as_planes(hidden(still, _mosaic)) for still in stills]
    results = {}
    soft = [as_planes(hidden(still, _soft)) for still in stills]
    for what, outputs in (("filled", after), ("blurred", blurred), ("slightly blurred", soft), ("mosaic", mosaic)):
        for name, read in READERS.items():
            found = np.stack([read(outputs[n], box) for n, box in faces])
            known = np.stack([read(before[n], box) for n, box in faces])
            results[f"{what}: {name}"] = judge(_correlation(found, known))
        results[f"{what}: learnt reconstruction"] = judge(reconstruction(before, outputs, faces, _pattern))
        results[f"{what}: {COLOUR}"] = judge(reconstruction(before, outputs, faces, _colour))
        if embedding is not None:
            results[f"{what}: face matching"] = judge(matching(before, outputs, faces, embedding))
    return results


def hidden(still: Still, how: Callable[[U8], U8]) -> U8:
    """The still with its faces hidden in one of the ways that are known not to hold."""
    rgb = still.rgb.copy()
    for x, y, w, h in still.boxes:
        part = rgb[int(y) : int(y + h), int(x) : int(x + w)]
        part[:] = how(part)
    return rgb


def _blur(part: U8) -> U8:
    return np.asarray(cv2.GaussianBlur(part, (0, 0), part.shape[1] / 8), np.uint8)


def _soft(part: U8) -> U8:
    return np.asarray(cv2.GaussianBlur(part, (0, 0), part.shape[1] / 40), np.uint8)


def _mosaic(part: U8) -> U8:
    few = cv2.resize(part, (8, 8), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(few, part.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


# ---- correlation -----------------------------------------------------------------------------------


def crop(plane: U8, box: Box, share: int, side: int = SIDE) -> F64:
    """The inner nine tenths of a box of one plane (`share`: pixels of luma for each of its own), as (side, side)."""
    x, y, w, h = (value / share for value in box)
    part = plane[round(y + h / 20) : round(y + h * 19 / 20), round(x + w / 20) : round(x + w * 19 / 20)]
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.float64)


def _sharpened(plane: U8, box: Box, share: int) -> F64:
    """What is left when the even part is taken off: the faintest trace, at full contrast."""
    part = crop(plane, box, share)
    return np.asarray(part - cv2.GaussianBlur(part, (0, 0), 4))


READERS: dict[str, Read] = {
    "luma": lambda p, box: crop(p.y, box, 1),
    "chroma U": lambda p, box: crop(p.u, box, 2),
    "chroma V": lambda p, box: crop(p.v, box, 2),
    "luma, sharpened": lambda p, box: _sharpened(p.y, box, 1),
    "chroma U, sharpened": lambda p, box: _sharpened(p.u, box, 2),
    "chroma V, sharpened": lambda p, box: _sharpened(p.v, box, 2),
}


def _correlation(found: F64, known: F64) -> F64:
    """Normalised cross-correlation of each with each; 0 where there is nothing but one colour."""
    rows = []
    for stack in (found, known):
        flat = stack.reshape(len(stack), -1)
        flat = flat - flat.mean(1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        rows.append(np.where(length > 1e-6, flat / np.maximum(length, 1e-6), 0))
    return np.asarray(np.abs(rows[0] @ rows[1].T).round(9))


def reconstruction(before: Sequence[Planes], after: Sequence[Planes], faces: Sequence[Face], read: Read) -> F64:
    """An attacker who knows originals and outputs of the other faces learns (ridge regression, leave one out) what a
    face looks like from what `read` finds inside its fill; scored by correlation."""
    seen = np.stack([read(after[n], box) for n, box in faces])
    true = np.stack([crop(before[n].y, box, 1, SMALL).ravel() for n, box in faces])
    guess = np.empty_like(true)
    for at in range(len(faces)):
        others = np.arange(len(faces)) != at
        middle_x, middle_y = seen[others].mean(0), true[others].mean(0)
        spread = seen[others].std(0) + 1e-3
        x = (seen[others] - middle_x) / spread
        kernel = x @ x.T
        kernel += np.eye(len(kernel)) * 0.1 * max(np.trace(kernel) / len(kernel), 1e-6)
        weights = np.linalg.solve(kernel, true[others] - middle_y)
        guess[at] = ((seen[at] - middle_x) / spread) @ x.T @ weights  # what is special about this one
    return _correlation_signed(guess, true - true.mean(0))


def _pattern(planes: Planes, box: Box) -> F64:
    """All three planes, each without its mean."""
    parts = [crop(planes.y, box, 1, SMALL), crop(planes.u, box, 2, SMALL), crop(planes.v, box, 2, SMALL)]
    return np.concatenate([(part - part.mean()).ravel() for part in parts])


def _colour(planes: Planes, box: Box) -> F64:
    """The means alone."""
    return np.array([crop(planes.y, box, 1).mean(), crop(planes.u, box, 2).mean(), crop(planes.v, box, 2).mean()])


def _correlation_signed(found: F64, known: F64) -> F64:
    """As the correlation, without means taken off: brightness counts."""
    rows = [stack / np.maximum(np.linalg.norm(stack, axis=1, keepdims=True), 1e-6) for stack in (found, known)]
    return np.asarray((rows[0] @ rows[1].T).round(9))


# ---- face matching ---------------------------------------------------------------------------------


def matching(before: Sequence[Planes], after: Sequence[Planes], faces: Sequence[Face], weights: Path) -> F64:
    """Distances between a network's descriptions of the boxes' contents. Only what lies inside counts: an attacker
    who has the same photograph would recognise its background, which says nothing about faces."""
    import dlib

    network = dlib.face_recognition_model_v1(str(weights))

    def described(planes: Sequence[Planes]) -> F64:
        found = []
        for number, (x, y, w, h) in faces:
            part = planes[number].rgb()[round(y + h / 20) : round(y + h * 19 / 20),
                                        round(x + w / 20) : round(x + w * 19 / 20)]
            found.append(network.compute_face_descriptor(np.ascontiguousarray(cv2.resize(part, (150, 150)))))
        return np.asarray(found, np.float64)

    out, known = described(after), described(before)
    return np.asarray(-np.linalg.norm(out[:, None] - known[None], axis=2).round(9))

"""Scenes for training the detector: labelled photographs turned, scaled, put side by side, relit and blurred; and the targets."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import Floats, Pixels
from training.augment import as_pixels, degrade, light

SIDE = 320
STRIDES = (8, 16, 32)
LEVELS = ((0.0, 56.0), (36.0, 224.0), (128.0, 1e9))  # face sizes in pixels that each stride is to find
CENTRE = 1.5  # strides around a face's centre whose points are positive
SMALLEST = 9.0  # smaller faces are neither wanted nor counted as wrong


@dataclass(frozen=True, eq=False)
class Labelled:
    """images: N x S x S x 3 uint8 BGR. faces: per picture G x 15 (score, box, landmarks), the best first."""

    images: Pixels
    faces: list[Floats]

    @classmethod
    def load(cls, folder: Path) -> "Labelled":
        rows = json.loads((folder / "faces.json").read_text())["faces"]
        faces = [np.array(sorted(faces, reverse=True), np.float32).reshape(-1, 15) for faces in rows]
        return cls(np.load(folder / "images.npy", mmap_mode="r"), [central_first(picture) for picture in faces])


def central_first(faces: Floats, side: float = 250.0) -> Floats:
    """The face nearest to the middle of the picture first, if it is a sure one."""
    if not len(faces):
        return faces
    middle = np.abs((faces[:, 1:3] + faces[:, 3:5]) / 2 - side / 2).max(1) + 1000 * (faces[:, 0] < 0.5)
    order = np.argsort(middle)
    return faces[order] if faces[order[0], 0] >= 0.5 else faces[:0]


def anchor_points(side: int) -> tuple[Floats, Floats]:
    """N x 2 points and N strides for a square input."""
    points, strides = [], []
    for stride in STRIDES:
        axis = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride
        points.append(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
        strides.append(np.full(len(axis) ** 2, stride, np.float32))
    return np.concatenate(points), np.concatenate(strides)


POINTS, POINT_STRIDES = anchor_points(SIDE)


def place(image: Pixels, faces: Floats, matrix: npt.NDArray[np.float64], size: tuple[int, int]) -> tuple[Pixels, Floats]:
    """Warp a picture by a 3 x 3 similarity into width x height, and its faces with it."""
    warped = as_pixels(
        cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0))
    )
    if not len(faces):
        return warped, faces
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    linear, shift = matrix[:2, :2].T, matrix[:2, 2]
    centre = (faces[:, 1:3] + faces[:, 3:5]) / 2 @ linear + shift
    half = (faces[:, 3:5] - faces[:, 1:3]) / 2 * scale
    landmarks = faces[:, 5:].reshape(-1, 5, 2) @ linear + shift
    if np.linalg.det(matrix[:2, :2]) < 0:  # mirrored: the left eye is now the right one
        landmarks = landmarks[:, [1, 0, 2, 4, 3]]
    moved = np.concatenate([faces[:, :1], centre - half, centre + half, landmarks.reshape(-1, 10)], 1).astype(np.float32)
    inside = ((centre > 0) & (centre < np.array(size))).all(1)
    return warped, moved[inside]


def similarity(side: int, width: int, height: int, scale: float, random: np.random.Generator, turn: float) -> npt.NDArray[np.float64]:
    """A random similarity that takes the middle of a side x side picture near the middle of width x height."""
    angle = np.deg2rad(random.normal(0, turn))
    mirror = -1.0 if random.random() < 0.5 else 1.0
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([mirror, 1.0])
    room = np.maximum(np.array([width, height]) / 2 - 30 * scale, 0)
    target = np.array([width, height]) / 2 + random.uniform(-1, 1, 2) * room
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = target - linear @ np.full(2, side / 2)
    return matrix


def scene(labelled: Labelled, rows: npt.NDArray[np.int64], random: np.random.Generator) -> tuple[Pixels, Floats]:
    """One 320 x 320 canvas and its faces: a single picture (faces of 30 to 280 pixels) or a grid of 4 to 16 (faces of 12 to 120)."""
    canvas = np.empty((SIDE, SIDE, 3), np.uint8)
    canvas[:] = random.integers(0, 256, 3)
    parts = int(random.choice([1, 2, 3, 4], p=[0.6, 0.2, 0.12, 0.08]))
    tile = SIDE // parts
    faces = []
    for index in range(parts * parts):
        row = int(random.choice(rows))
        image = labelled.images[row]
        scale = tile / image.shape[0] * float(np.exp(random.uniform(np.log(0.5), np.log(2.2))))
        matrix = similarity(image.shape[0], tile, tile, scale, random, turn=12)
        warped, moved = place(np.asarray(image), labelled.faces[row], matrix, (tile, tile))
        top, left = index // parts * tile, index % parts * tile
        canvas[top : top + tile, left : left + tile] = warped
        if len(moved):
            offset = np.tile(np.array([left, top], np.float32), 7)
            faces.append(np.concatenate([moved[:, :1], moved[:, 1:] + offset], 1))
    if random.random() < 0.6:
        canvas = light(canvas, random)
    if random.random() < 0.25:
        canvas = degrade(canvas, random)
    return canvas, np.concatenate(faces) if faces else np.zeros((0, 15), np.float32)


def targets(faces: Floats) -> tuple[npt.NDArray[np.int8], Floats, Floats]:
    """Faces of one canvas -> (state N: 1, 0 or -1; boxes N x 4; landmarks N x 10), distances in strides."""
    count = len(POINTS)
    state = np.zeros(count, np.int8)
    boxes, landmarks = np.ones((count, 4), np.float32), np.zeros((count, 10), np.float32)
    sizes = (faces[:, 3:5] - faces[:, 1:3]).max(1) if len(faces) else np.zeros(0)
    for face, size in sorted(zip(faces, sizes, strict=True), key=lambda pair: -pair[1]):  # a small face wins over a large one behind it
        inside = ((face[1:3] < POINTS) & (face[3:5] > POINTS)).all(1)
        if face[0] < 0.5 or size < SMALLEST:
            state[inside & (state == 0)] = -1
            continue
        centre = (face[1:3] + face[3:5]) / 2
        near = (np.abs(POINTS - centre) < CENTRE * POINT_STRIDES[:, None]).all(1)
        fits = np.zeros(count, bool)
        for stride, (low, high) in zip(STRIDES, LEVELS, strict=True):
            fits |= (stride == POINT_STRIDES) & (low <= size < high)
        chosen = inside & near & fits
        state[chosen] = 1
        reach = POINT_STRIDES[chosen, None]
        boxes[chosen] = np.concatenate([POINTS[chosen] - face[1:3], face[3:5] - POINTS[chosen]], 1) / reach
        landmarks[chosen] = ((face[5:].reshape(1, 5, 2) - POINTS[chosen][:, None]).reshape(-1, 10)) / reach
    return state, boxes, landmarks


def scene_batch(
    labelled: Labelled, rows: npt.NDArray[np.int64], size: int, random: np.random.Generator
) -> tuple[Pixels, npt.NDArray[np.int8], Floats, Floats]:
    """Canvases B x 320 x 320 x 3, state B x N, boxes B x N x 4, landmarks B x N x 10."""
    made = [scene(labelled, rows, random) for _ in range(size)]
    state, boxes, landmarks = zip(*(targets(faces) for _, faces in made), strict=True)
    return np.stack([canvas for canvas, _ in made]), np.stack(state), np.stack(boxes), np.stack(landmarks)

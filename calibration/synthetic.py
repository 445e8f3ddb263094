"""Crops of faces that nobody has, for calibration where no faces may be kept.

A head, eyes, brows, nose and mouth are drawn at the places where alignment puts them (``edge.face.align.REFERENCE``), with skin, hair and
background of any colour, then lit from one side, blurred, and given the noise of a camera. Such a crop is meant to excite a network
about as strongly as a face does; it resembles no person. How it calibrates is told by the gate of ``calibration.quantise``, on faces.
"""

import cv2
import numpy as np

from calibration.crops import Crops
from edge.face.align import REFERENCE
from edge.records import CROP_SIZE, Pixels

FINER = 4  # drawn on a finer grid, so that edges are smooth
Colour = tuple[float, float, float]


def synthetic_crops(count: int, seed: int = 0) -> Crops:
    """So many different crops; all of nobody."""
    random = np.random.default_rng(seed)
    return Crops(np.stack([face(random) for _ in range(count)]), np.full(count, -1, np.int64))


def face(random: np.random.Generator) -> Pixels:
    """One crop, 112 x 112 x 3 uint8 BGR."""
    side = CROP_SIZE * FINER
    canvas = _backdrop(random, side)
    skin = _skin(random)
    points = (REFERENCE + random.normal(0, 1.2, REFERENCE.shape)) * FINER
    middle = points.mean(axis=0)
    axes = (random.uniform(38, 48) * FINER, random.uniform(52, 64) * FINER)
    hair = tuple(random.uniform(5, 120) * np.array((0.8, 0.9, 1.0)))
    _oval(canvas, (middle[0], middle[1] - 14 * FINER), (axes[0] * 1.15, axes[1] * 1.05), hair)
    _oval(canvas, (middle[0], middle[1] + 2 * FINER), axes, skin)
    _features(canvas, random, points, skin, hair)
    return _photographed(canvas, random)


def _backdrop(random: np.random.Generator, side: int) -> Pixels:
    coarse = random.uniform(0, 255, (int(random.integers(2, 7)), int(random.integers(2, 7)), 3)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def _skin(random: np.random.Generator) -> Colour:
    """From very dark to very light."""
    light = random.uniform(50, 235)
    blue, green, red = light * np.array((random.uniform(0.5, 0.85), random.uniform(0.68, 0.9), 1.0))
    return float(blue), float(green), float(red)


def _features(canvas: Pixels, random: np.random.Generator, points: np.ndarray, skin: Colour, hair: Colour) -> None:
    dark, lip = tuple(0.55 * part for part in skin), (skin[0] * 0.6, skin[1] * 0.5, min(255.0, skin[2] * random.uniform(0.7, 1.0)))
    for eye in points[:2]:
        _oval(canvas, eye, (random.uniform(8, 12) * FINER, random.uniform(3, 6) * FINER), dark)
        _oval(canvas, eye, (random.uniform(6, 8) * FINER, random.uniform(2, 4) * FINER), (225, 225, 225))
        _oval(canvas, eye, (random.uniform(2.5, 3.5) * FINER,) * 2, tuple(random.uniform(10, 110, 3)))
        _oval(canvas, eye - (0, random.uniform(9, 13) * FINER), (random.uniform(9, 13) * FINER, random.uniform(1, 2.5) * FINER), hair)
    nose = points[2]
    _oval(canvas, nose - (0, -2 * FINER), (random.uniform(6, 10) * FINER, random.uniform(3, 5) * FINER), tuple(0.8 * part for part in skin))
    _oval(canvas, nose - (0, 10 * FINER), (random.uniform(2, 4) * FINER, 12 * FINER), tuple(min(255.0, 1.12 * part) for part in skin))
    mouth = points[3:].mean(axis=0)
    _oval(canvas, mouth, (float(np.ptp(points[3:, 0])) / 2, random.uniform(2.5, 7) * FINER), lip)
    if random.random() < 0.4:
        _oval(canvas, mouth, (float(np.ptp(points[3:, 0])) / 2.4, random.uniform(1, 3) * FINER), (220, 225, 230))


def _oval(canvas: Pixels, middle: np.ndarray | tuple[float, float], axes: tuple[float, float], colour: tuple[float, ...]) -> None:
    centre, size = (round(float(middle[0])), round(float(middle[1]))), (max(1, round(axes[0])), max(1, round(axes[1])))
    cv2.ellipse(canvas, centre, size, 0, 0, 360, tuple(float(part) for part in colour), -1)


def _photographed(canvas: Pixels, random: np.random.Generator) -> Pixels:
    """Light from one side, turned a little, blurred as by a lens, with noise."""
    small = cv2.resize(canvas, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), random.uniform(0.4, 1.6)).astype(np.float32)
    y, x = np.mgrid[-1 : 1 : CROP_SIZE * 1j, -1 : 1 : CROP_SIZE * 1j]
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.5)
    light = random.uniform(0.5, 1.25) * (1 + strength * (np.cos(angle) * x + np.sin(angle) * y))
    texture = cv2.GaussianBlur(random.normal(0, 1, (CROP_SIZE, CROP_SIZE)).astype(np.float32), (0, 0), 2.0) * random.uniform(10, 60)
    lit = blurred * light[..., None].astype(np.float32) + texture[..., None] + random.normal(0, random.uniform(0.5, 7), small.shape)
    return np.asarray(lit.clip(0, 255), np.uint8)

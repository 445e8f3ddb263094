"""What a door's camera does to a face, in stated strengths, done to an aligned crop.

For the curves of the uncertainty and for sequences of mixed quality. A greater strength keeps less of the face. The same seed degrades in
the same way (where the cover lies, which noise the sensor has), so that along a sweep nothing changes but the strength. Training has
degradations of its own (``training.worsen``); these are not those.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge.records import CROP_SIZE, Floats, Pixels

GAMMA = 2.2  # of the crops: light = (value / 255) ** GAMMA
READ_NOISE, SHOT_NOISE = 1e-3, 2e-2  # standard deviations, in shares of white, in the dark and at white
FACE = (26, 34, 86, 100)  # x1, y1, x2, y2: where the middle of a cover may lie, from brow to chin
MIXED = (0.25, 0.5, 0.25)  # how often a frame of a sequence has none, one or two degradations

Degrade = Callable[[Pixels, float, int], Pixels]
"""112 x 112 x 3 uint8 BGR, strength, seed -> the same, degraded. Raises ValueError for a strength that is none of this degradation."""


@dataclass(frozen=True)
class Degradation:
    """A kind of degradation. unit: of its strengths, as on an axis. strengths: rising, the first leaves the crop as it is."""

    name: str
    unit: str
    strengths: tuple[float, ...]
    apply: Degrade


def blur(crop: Pixels, strength: float, seed: int) -> Pixels:
    """Defocus by a Gaussian; strength: its standard deviation in pixels of the crop."""
    _least(strength, 0)
    return _pixels(cv2.GaussianBlur(crop, (0, 0), strength)) if strength else crop


def shrink(crop: Pixels, strength: float, seed: int) -> Pixels:
    """A face farther away; strength: how many times smaller the crop was when it was taken. It is brought to 112 pixels again."""
    _least(strength, 1)
    side = max(1, round(CROP_SIZE / strength))
    if side == CROP_SIZE:
        return crop
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    return _pixels(cv2.resize(small, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR))


def cover(crop: Pixels, strength: float, seed: int) -> Pixels:
    """Something of one colour before the face, growing about a point of it; strength: the share 0..1 of the crop that it covers."""
    _least(strength, 0)
    random = np.random.default_rng(seed)
    x, y, ratio = random.uniform(FACE[0], FACE[2]), random.uniform(FACE[1], FACE[3]), np.exp(random.uniform(-0.5, 0.5))
    colour = random.integers(0, 256, 3)
    columns, rows = np.meshgrid(np.arange(CROP_SIZE), np.arange(CROP_SIZE))
    near = np.maximum(np.abs(columns - x) * ratio, np.abs(rows - y) / ratio).ravel()
    out = crop.reshape(-1, 3).copy()
    out[np.argsort(near, kind="stable")[: round(min(strength, 1) * near.size)]] = colour
    return _pixels(out.reshape(crop.shape))


def darken(crop: Pixels, strength: float, seed: int) -> Pixels:
    """Too little light; strength: stops. The sensor's noise stays, and 8 bits hold what is left."""
    _least(strength, 0)
    return _exposed(crop, -strength, seed) if strength else crop


def brighten(crop: Pixels, strength: float, seed: int) -> Pixels:
    """Too much light; strength: stops. What is brighter than white is white."""
    _least(strength, 0)
    return _exposed(crop, strength, seed) if strength else crop


def _exposed(crop: Pixels, stops: float, seed: int) -> Pixels:
    light = (crop.astype(np.float32) / 255) ** GAMMA * np.float32(2.0**stops)
    noise = np.random.default_rng(seed).standard_normal(crop.shape, np.float32)
    seen = light + noise * np.sqrt(READ_NOISE**2 + SHOT_NOISE**2 * light)
    return _pixels((seen.clip(0, 1) ** (1 / GAMMA) * 255).round())


DEGRADATIONS = (
    Degradation("blur", "standard deviation, pixels of the crop", (0, 0.5, 1, 1.5, 2, 3, 4, 5), blur),
    Degradation("down-scaling", "factor", (1, 1.5, 2, 3, 4, 6, 8, 11), shrink),
    Degradation("occlusion", "share covered", (0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5), cover),
    Degradation("under-exposure", "stops", (0, 1, 2, 3, 4, 5, 6, 7), darken),
    Degradation("over-exposure", "stops", (0, 0.5, 1, 1.5, 2, 2.5, 3, 4), brighten),
)


def sweep(crop: Pixels, degradation: Degradation, seed: int) -> list[Pixels]:
    """The crop at every strength of a degradation."""
    return [degradation.apply(crop, strength, seed) for strength in degradation.strengths]


def mixed(crop: Pixels, seed: int) -> Pixels:
    """A frame of a sequence of mixed quality: none, one or two degradations (``MIXED``), each of a strength drawn from its range."""
    random = np.random.default_rng((seed, 1))
    for place in random.choice(len(DEGRADATIONS), random.choice(len(MIXED), p=MIXED), replace=False):
        chosen = DEGRADATIONS[place]
        crop = chosen.apply(crop, float(random.uniform(chosen.strengths[0], chosen.strengths[-1])), seed)
    return crop


def _least(strength: float, least: float) -> None:
    if not strength >= least:
        raise ValueError(f"degradation: a strength of {strength}; this kind begins at {least}, which changes nothing")


def _pixels(image: "cv2.typing.MatLike | Floats") -> Pixels:
    return np.asarray(image, np.uint8)

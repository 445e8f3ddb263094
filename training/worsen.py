"""What makes a face hard to tell, in every strength from nothing to hopeless, so that the uncertainty learns to rise with it.

``training.augment`` stays where a network should still know the person; here it should learn to say that it does not.
"""

from collections.abc import Callable

import cv2
import numpy as np

from edge.records import Pixels
from training.augment import as_pixels, jitter

GAMMA = 2.2
SPREAD = 1.2  # pixels by which landmarks are off, as in ``training.augment``


def blur(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Defocus (Gaussian of up to 6 pixels) or a straight motion (of up to 28)."""
    if random.random() < 0.5:
        return as_pixels(cv2.GaussianBlur(crop, (0, 0), 0.05 + 6 * strength))
    length = 1 + 2 * round(14 * strength)
    line = np.zeros((length, length), np.float32)
    turn = random.uniform(0, np.pi)
    reach = (length // 2) * np.array([np.cos(turn), np.sin(turn)])
    middle = np.full(2, length // 2)
    cv2.line(line, tuple(int(v) for v in np.rint(middle - reach)), tuple(int(v) for v in np.rint(middle + reach)), 1.0)
    return as_pixels(cv2.filter2D(crop, -1, line / line.sum()))


def coarsen(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """A face of fewer pixels: a side of down to 7, enlarged again."""
    side = crop.shape[0]
    small = round(side * (7 / side) ** strength)
    method = (cv2.INTER_AREA, cv2.INTER_LINEAR)[random.integers(2)]
    back = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)[random.choice(3, p=(0.6, 0.3, 0.1))]
    return as_pixels(cv2.resize(cv2.resize(crop, (small, small), interpolation=method), (side, side), interpolation=back))


def cover(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Up to seven tenths of the crop under one colour, noise, or a strange piece of the same picture; from an edge or anywhere."""
    side = crop.shape[0]
    area = 0.7 * strength * side**2
    width = int(np.clip(np.sqrt(area) * np.exp(random.uniform(-0.7, 0.7)), 1, side)) if random.random() < 0.7 else side
    height = int(np.clip(area / width, 1, side))
    if random.random() < 0.5:
        width, height = height, width
    left, top = (int(random.integers(0, side - length + 1)) for length in (width, height))
    out = crop.copy()
    patch = out[top : top + height, left : left + width]
    kind = random.random()
    if kind < 0.6:
        patch[:] = random.integers(0, 256, 3)
    elif kind < 0.8:
        patch[:] = random.integers(0, 256, patch.shape)
    else:
        patch[:] = np.ascontiguousarray(crop[::-1, ::-1])[:height, :width]
    return out


def expose(crop: Pixels, stops: float, random: np.random.Generator) -> Pixels:
    """The picture of a sensor that got 2^stops of the light, with its noise; what is brighter than white is white."""
    light = (crop.astype(np.float32) / 255) ** GAMMA * 2.0**stops
    noise = random.standard_normal(crop.shape, np.float32) * np.sqrt(1e-6 + 4e-4 * light)
    return ((light + noise).clip(0, 1) ** (1 / GAMMA) * 255).round().astype(np.uint8)


def darken(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Up to six stops too little light."""
    return expose(crop, -6 * strength, random)


def brighten(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Up to four stops too much light."""
    return expose(crop, 4 * strength, random)


def noise(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """Normal noise of up to 50 grey levels."""
    noisy = crop + random.standard_normal(crop.shape, np.float32) * np.float32(50 * strength)
    return noisy.clip(0, 255).astype(np.uint8)


def compress(crop: Pixels, strength: float, random: np.random.Generator) -> Pixels:
    """JPEG of quality 90 down to 3."""
    quality = round(90 - 87 * strength)
    return as_pixels(cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR))


Worsening = Callable[[Pixels, float, np.random.Generator], Pixels]
WORSENINGS: tuple[Worsening, ...] = (blur, coarsen, cover, darken, brighten, noise, compress)
OFTEN = np.array([0.2, 0.2, 0.2, 0.12, 0.16, 0.06, 0.06])  # how often each is drawn
TWO = 0.3  # share of pictures with two of them
UNTOUCHED = 0.3  # share of pictures whose better view is not worsened at all


def two_views(crop: Pixels, random: np.random.Generator) -> tuple[Pixels, Pixels, float]:
    """120 x 120 training crop -> a better and a worse 112 x 112 view of it, and by how much the worse one's strengths are greater, 0..1.

    Both are worsened in the same way, one or two kinds at once, and differ in strength alone.
    """
    start = jitter(crop, random, SPREAD)
    if random.random() < 0.5:
        start = np.ascontiguousarray(start[:, ::-1])
    kinds = random.choice(len(WORSENINGS), 1 + int(random.random() < TWO), replace=False, p=OFTEN)
    worse = random.random(len(kinds))
    better = worse * (random.random() if random.random() > UNTOUCHED else 0.0)
    seeds = random.integers(0, 2**32, len(kinds))
    views = []
    for strengths in (better, worse):
        view = start
        for kind, strength, seed in zip(kinds, strengths, seeds, strict=True):
            view = WORSENINGS[kind](view, float(strength), np.random.default_rng(seed)) if strength else view
        views.append(view)
    return views[0], views[1], float((worse - better).max())

"""What a door does to a face, done to an aligned crop: landmark noise, light, low resolution, blur, noise, compression, occlusion."""

import cv2
import numpy as np

from edge.face.align import REFERENCE, align
from edge.records import Pixels

MARGIN = 4
SCALE_SPREAD = 0.022  # per pixel of landmark spread


def as_pixels(image: "cv2.typing.MatLike | None") -> Pixels:
    """OpenCV's result as what it is: uint8."""
    return np.asarray(image, np.uint8)


def jitter(crop: Pixels, random: np.random.Generator, spread: float) -> Pixels:
    """Align a 120x120 crop again with landmarks moved by common and by single normal noise of ``spread`` pixels, and by scale.

    With a spread of 1.2 this is somewhat more than what the shipped detector's landmarks do to crops of LFW, against those of the reference
    detector: standard deviations of 0.8 pixels of shift, 1.4 degrees and 3.4 % of scale.
    """
    noise = random.normal(0, spread, (5, 2)) + random.normal(0, spread, (1, 2))
    middle = REFERENCE.mean(axis=0)
    points = middle + (REFERENCE - middle) * random.normal(1, SCALE_SPREAD * spread)
    return align(crop, (points + MARGIN + noise).astype(np.float32))


def light(crop: Pixels, random: np.random.Generator) -> Pixels:
    """Gain, offset and gamma, and at times one side darker than the other or no colour."""
    level = np.linspace(0, 1, 256, dtype=np.float32) ** random.uniform(0.6, 1.6) * random.uniform(0.6, 1.3) + random.uniform(-0.1, 0.1)
    out = as_pixels(cv2.LUT(crop, (level.clip(0, 1) * 255).astype(np.uint8)))
    if random.random() < 0.3:
        ramp = np.linspace(random.uniform(0.4, 1.0), random.uniform(0.8, 1.3), crop.shape[1], dtype=np.float32)
        factor = np.repeat(ramp if random.random() < 0.5 else ramp[::-1], 3)
        out = (out.reshape(len(out), -1) * factor).clip(0, 255).astype(np.uint8).reshape(crop.shape)
    if random.random() < 0.1:
        out = as_pixels(cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    return out


def degrade(crop: Pixels, random: np.random.Generator) -> Pixels:
    """Low resolution, defocus or motion blur, sensor noise, JPEG."""
    kind = random.integers(4)
    side = crop.shape[0]
    if kind == 0:
        small = int(random.uniform(20, 70))
        coarse = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        crop = as_pixels(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR))
    elif kind == 1:
        crop = as_pixels(cv2.GaussianBlur(crop, (0, 0), random.uniform(0.5, 2.5)))
    elif kind == 2:
        length = int(random.integers(3, 10))
        line = np.zeros((length, length), np.float32)
        cv2.line(line, (0, int(random.integers(length))), (length - 1, int(random.integers(length))), 1.0)
        crop = as_pixels(cv2.filter2D(crop, -1, line / line.sum()))
    else:
        noisy = crop + random.standard_normal(crop.shape, np.float32) * np.float32(random.uniform(3, 15))
        crop = noisy.clip(0, 255).astype(np.uint8)
    if random.random() < 0.3:
        crop = as_pixels(
            cv2.imdecode(cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(random.uniform(20, 80))])[1], cv2.IMREAD_COLOR)
        )
    return crop


def occlude(crop: Pixels, random: np.random.Generator) -> Pixels:
    """Cover a rectangle of up to a quarter of the crop with one colour (Random Erasing, Zhong et al., AAAI 2020)."""
    side = crop.shape[0]
    height, width = random.integers(side // 8, side // 2, 2)
    top, left = random.integers(0, side - height), random.integers(0, side - width)
    crop = crop.copy()
    crop[top : top + height, left : left + width] = random.integers(0, 256, 3)
    return crop


def augment(crop: Pixels, random: np.random.Generator, strength: float = 1.0) -> tuple[Pixels, bool]:
    """120x120 crop -> (112x112 crop, mirrored?). ``strength`` scales how often each change happens."""
    out = jitter(crop, random, 1.2) if random.random() < 0.8 else np.ascontiguousarray(crop[MARGIN:-MARGIN, MARGIN:-MARGIN])
    if random.random() < 0.5 * strength:
        out = light(out, random)
    if random.random() < 0.3 * strength:
        out = degrade(out, random)
    if random.random() < 0.1 * strength:
        out = occlude(out, random)
    mirrored = bool(random.random() < 0.5)
    return (np.ascontiguousarray(out[:, ::-1]) if mirrored else out), mirrored

"""From a picture to the detector's canvas, and from the detector's numbers to faces.

Coordinates on the canvas are those of the source times ``scale``; the canvas is padded at the right and at the bottom only, so nothing
else has to be undone.
"""

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import LANDMARKS, Face, Floats, Pixels

Numbers = npt.NDArray[np.floating]

STRIDES = (8, 16, 32)
MULTIPLE = 32
MOST_CANDIDATES = 1000
VOTE = 0.6  # overlap with the best cell from which a cell of the same face has a say in box and landmarks


def fit(image: Pixels, long_side: int) -> tuple[Pixels, float]:
    """Scale the picture so that its longer side is ``long_side``, and pad with black to multiples of 32.

    image: H x W x 3 uint8. Returns the canvas (H' x W' x 3, uint8) and the scale (canvas pixels per source pixel). Shrinking averages
    areas, so that small faces do not alias. Raises ValueError for an empty picture, another shape or type, or a long side below 32.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"picture: expected H x W x 3 uint8 with at least one pixel, got {image.shape} {image.dtype}")
    if long_side < MULTIPLE:
        raise ValueError(f"long side {long_side}: the detector needs at least {MULTIPLE} pixels")
    height, width = image.shape[:2]
    scale = long_side / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    canvas = np.zeros((_padded(rows), _padded(columns), 3), np.uint8)
    canvas[:rows, :columns] = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return canvas, scale


def anchors(size: tuple[int, int]) -> Floats:
    """Every cell of a canvas (height, width): N x 3 float32 of anchor point x, y and stride; strides 8, 16, 32, each row by row."""
    height, width = size
    if height < MULTIPLE or width < MULTIPLE or height % MULTIPLE or width % MULTIPLE:
        raise ValueError(f"canvas {height} x {width}: both sides must be multiples of {MULTIPLE}")
    blocks = []
    for stride in STRIDES:
        y, x = np.mgrid[0 : height // stride, 0 : width // stride].reshape(2, -1)
        blocks.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, np.full(x.shape, stride)], axis=1))
    return np.concatenate(blocks).astype(np.float32)


def decode(
    scores: Floats, boxes: Floats, landmarks: Floats, size: tuple[int, int], scale: float, threshold: float, iou: float
) -> list[Face]:
    """The detector's outputs for one canvas -> faces in pixels of the source picture, best first.

    scores: (N,) 0..1. boxes: (N, 4) distances left, top, right, bottom from the anchor point, in strides. landmarks: (N, 10) offsets x,
    y of the five points from the anchor point, in strides. size: canvas (height, width). scale: as ``fit`` gave it. Cells below
    ``threshold`` are dropped, then every box that overlaps a better one by more than ``iou``; box and landmarks are the mean over the
    cells that see the same face, by score and overlap (box voting, Gidaris and Komodakis, ICCV 2015), which steadies the landmarks.
    Boxes may reach beyond the picture. Raises ValueError when the shapes do not belong to the canvas.
    """
    cells = anchors(size)
    expected = ((len(cells),), (len(cells), 4), (len(cells), 2 * LANDMARKS))
    if (scores.shape, boxes.shape, landmarks.shape) != expected:
        raise ValueError(f"detector outputs {scores.shape}, {boxes.shape}, {landmarks.shape}: a canvas of {size} needs {expected}")
    sound = (scores >= threshold) & np.isfinite(boxes).all(axis=1) & np.isfinite(landmarks).all(axis=1)
    chosen = np.flatnonzero(sound)
    chosen = chosen[np.argsort(-scores[chosen], kind="stable")][:MOST_CANDIDATES]
    points, strides = cells[chosen, :2], cells[chosen, 2:]
    corners = (np.tile(points, 2) + boxes[chosen] * (-1, -1, 1, 1) * strides) / scale
    marks = (np.tile(points, LANDMARKS) + landmarks[chosen] * strides) / scale
    faces = []
    for best in suppress(corners, iou):
        alike = overlap(corners[best : best + 1], corners)[0]
        voters = np.flatnonzero(alike >= VOTE)
        weights = (scores[chosen[voters]] * alike[voters])[:, None]
        box, points = ((part[voters] * weights).sum(0) / weights.sum() for part in (corners, marks))
        faces.append(Face(box.astype(np.float32), points.reshape(LANDMARKS, 2).astype(np.float32), float(scores[chosen[best]])))
    return faces


def suppress(boxes: Numbers, iou: float) -> list[int]:
    """Greedy non-maximum suppression. boxes: (N, 4) x1, y1, x2, y2, best first. Returns the rows kept, in order; boxes without area go."""
    kept: list[int] = []
    left = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    while left.size:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[overlap(boxes[best : best + 1], boxes[left])[0] <= iou]
    return kept


def overlap(a: Numbers, b: Numbers) -> Numbers:
    """Intersection over union of every box of a (N, 4) with every box of b (M, 4): N x M in 0..1; 0 where neither has an area."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    sides: Numbers = np.clip(np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    union = area(a)[:, None] + area(b)[None, :] - shared
    return shared / np.where(union > 0, union, 1)


def area(boxes: Numbers) -> Numbers:
    """Areas of boxes (N, 4): (N,), 0 for those turned inside out."""
    sides: Numbers = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return sides[:, 0] * sides[:, 1]


def _padded(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE

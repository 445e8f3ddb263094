"""The one preprocessing of a face: five landmarks onto the five reference points, for training, enrolment and identification alike."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import CROP_SIZE, LANDMARKS, Floats, Pixels

# ArcFace (Deng et al., CVPR 2019), as published with InsightFace: eyes, nose, mouth corners in a 112 x 112 crop
REFERENCE = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], dtype=np.float64)
FINEST = 8


def similarity(source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The rotation, scale and shift (no reflection) that takes ``source`` nearest to ``target`` in least squares: 2 x 3, float64.

    Umeyama, IEEE TPAMI 13(4), 1991; in the plane his solution is one complex factor: with centred points as complex numbers z and w,
    sum(conj(z) w) / sum(|z|^2). source, target: (N, 2). Raises ValueError when the points fix no similarity: all equal, not finite, or
    such that every rotation fits equally well.
    """
    z, w = (points[:, 0].astype(np.float64) + 1j * points[:, 1] for points in (source, target))
    spread = float((np.abs(z - z.mean()) ** 2).sum())
    if not np.isfinite(spread) or spread < 1e-6:
        raise ValueError("landmarks: all five lie on one point or are not finite, so they fix no crop; drop this face")
    factor = complex((np.conj(z - z.mean()) * (w - w.mean())).sum() / spread)
    if abs(factor) < 1e-6:
        raise ValueError("landmarks: every rotation fits them equally well, so they fix no crop; drop this face")
    shift = complex(w.mean() - factor * z.mean())
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def align(image: Pixels, landmarks: Floats, margin: int = 0) -> Pixels:
    """The 112 x 112 x 3 uint8 BGR crop in which the landmarks lie on the reference points; black where the picture ends.

    image: H x W x 3 uint8 BGR. landmarks: (5, 2) pixels of the image, in the order of ``records.Face``. margin: pixels that the crop is
    to be larger on every side (for training, which shifts it). A face larger than the crop is sampled on a grid finer by a whole number (at
    most 8) and averaged, so that big faces do not alias. Raises ValueError for degenerate landmarks.
    """
    if landmarks.shape != (LANDMARKS, 2):
        raise ValueError(f"landmarks: expected {LANDMARKS} x 2, got {landmarks.shape}")
    matrix = similarity(landmarks, REFERENCE + margin)
    finer = int(np.clip(1 / np.hypot(matrix[0, 0], matrix[1, 0]), 1, FINEST))
    matrix = matrix * finer
    matrix[:, 2] += (finer - 1) / 2
    side = (CROP_SIZE + 2 * margin) * finer
    crop = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    if finer > 1:
        crop = cv2.resize(crop, (side // finer, side // finer), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)

"""Does a sample serve? Measures of one face and the reasons, if any, for which it is refused.

The measures follow the subjects of ISO/IEC 29794-5 (inter-eye distance, pose, illumination, sharpness); the formulas are this project's.
Pose comes from five points only and is a proxy in degrees: right in sign and order, and within about ten degrees for ordinary heads.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.records import CROP_SIZE, Face, Floats, Pixels, Reason

# Mean proportions of a head, in orthographic view. The nose tip stands this share of the eye distance before the line from eyes to mouth,
# and this share of the way from eyes to mouth below the eyes (median of LFW with SCRFD's points: 0.53).
NOSE_DEPTH = 0.5
NOSE_LEVEL = 0.53
# The same depth as a share of the way from eyes to mouth, which is about 1.1 eye distances long.
NOSE_DEPTH_UPRIGHT = 0.45
# The face in the aligned crop, without hair and background: an ellipse with this centre and these half axes, in pixels.
ELLIPSE_CENTRE = (56, 66)
ELLIPSE_AXES = (36, 44)
SATURATED = 250
DETAIL = 1.0


@dataclass(frozen=True)
class Limits:
    """What a sample must meet. Values stand in the configuration only.

    min_eye_distance, min_box_side: pixels of the source picture. max_outside: share 0..1 of the box's area, and of the five landmarks, that
    may lie outside the picture. max_yaw, max_pitch, max_roll: degrees to either side. min_brightness, max_brightness: mean luma 0..255 of
    the face. max_saturated: share 0..1 of the face with luma 250 or more. min_sharpness: see ``Quality.sharpness``.
    """

    min_eye_distance: float
    min_box_side: float
    max_outside: float
    max_yaw: float
    max_pitch: float
    max_roll: float
    min_brightness: float
    max_brightness: float
    max_saturated: float
    min_sharpness: float


@dataclass(frozen=True)
class Quality:
    """What was measured of one sample, and why it is refused (nothing: it serves).

    eye_distance, box_side (the shorter side): pixels of the source picture. outside: share 0..1. yaw: degrees, positive when the nose
    points to the right of the picture; pitch: positive when it points down; roll: positive when the head leans clockwise in the
    picture. brightness: mean luma 0..255 of the face; saturated: share of it at 250 or more; contrast: standard deviation of luma.
    sharpness: variance of the Laplacian of the luma smoothed by one pixel, over the variance of the luma, in the 112 x 112 crop: 0 for
    none, LFW 0.014..0.065.
    """

    reasons: tuple[Reason, ...]
    eye_distance: float
    box_side: float
    outside: float
    yaw: float
    pitch: float
    roll: float
    brightness: float
    saturated: float
    contrast: float
    sharpness: float


def assess(image: Pixels, face: Face, crop: Pixels, limits: Limits) -> Quality:
    """Measure one face and hold it against the limits; reasons in the order size, cut, pose, light, blur.

    image: the H x W x 3 picture that the face's pixels refer to. crop: its aligned 112 x 112 x 3 uint8 BGR crop. Raises ValueError for
    a crop of another shape.
    """
    if crop.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise ValueError(f"crop: expected {CROP_SIZE} x {CROP_SIZE} x 3, got {crop.shape}")
    eye_distance = float(np.linalg.norm(face.landmarks[1] - face.landmarks[0]))
    box_side = float((face.box[2:] - face.box[:2]).min())
    outside = outside_share(face, image.shape[:2])
    yaw, pitch, roll = pose(face.landmarks)
    luma = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
    inside = luma[_ELLIPSE]
    brightness, saturated, contrast = float(inside.mean()), float((inside >= SATURATED).mean()), float(inside.std())
    sharp = sharpness(luma)
    refused = {
        Reason.TOO_SMALL: eye_distance < limits.min_eye_distance or box_side < limits.min_box_side,
        Reason.CUT_OFF: outside > limits.max_outside,
        Reason.TURNED: abs(yaw) > limits.max_yaw or abs(pitch) > limits.max_pitch,
        Reason.TILTED: abs(roll) > limits.max_roll,
        Reason.TOO_DARK: brightness < limits.min_brightness,
        Reason.TOO_BRIGHT: brightness > limits.max_brightness or saturated > limits.max_saturated,
        Reason.BLURRED: sharp < limits.min_sharpness,
    }
    reasons = tuple(reason for reason, applies in refused.items() if applies)
    return Quality(reasons, eye_distance, box_side, outside, yaw, pitch, roll, brightness, saturated, contrast, sharp)


def outside_share(face: Face, size: tuple[int, ...]) -> float:
    """The larger of two shares: of the box's area, and of the five landmarks, outside a picture of ``size`` (height, width).

    A box without area is outside.
    """
    far = np.array([size[1], size[0]], dtype=np.float64)
    low, high = face.box[:2].astype(np.float64), face.box[2:].astype(np.float64)
    whole = float(np.clip(high - low, 0, None).prod())
    seen = float(np.clip(np.minimum(high, far) - np.maximum(low, 0), 0, None).prod())
    lost = ((face.landmarks < 0) | (face.landmarks > far)).any(axis=1).mean()
    return max(1 - seen / whole if whole else 1.0, float(lost))


def pose(landmarks: Floats) -> tuple[float, float, float]:
    """Proxies of yaw, pitch and roll in degrees, from five points (5 x 2).

    Seen from far away, a head turned by yaw shows the nose off the line from eyes to mouth by depth * tan(yaw) of the eye distance, and one
    bent by pitch shows it lower on that line by depth * tan(pitch). Roll is the slope of the line between the eyes.
    """
    points = landmarks.astype(np.float64)
    across, eyes = points[1] - points[0], points[:2].mean(axis=0)
    down = points[3:].mean(axis=0) - eyes
    length = float(np.linalg.norm(down))
    axis = down / length if length else np.array([0.0, 1.0])
    nose = points[2] - eyes
    aside, along = nose[0] * axis[1] - nose[1] * axis[0], nose @ axis
    yaw = np.arctan2(aside, NOSE_DEPTH * np.linalg.norm(across))
    pitch = np.arctan2(along - NOSE_LEVEL * length, NOSE_DEPTH_UPRIGHT * length)
    roll = np.arctan2(across[1], across[0])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def sharpness(luma: Pixels) -> float:
    """Fine detail over contrast in the face of a 112 x 112 luma crop, see ``Quality``.

    Smoothing by one pixel first keeps sensor noise out.
    """
    smooth = cv2.GaussianBlur(luma.astype(np.float32), (0, 0), DETAIL)
    detail = cv2.Laplacian(smooth, cv2.CV_32F)[_ELLIPSE]
    return float(detail.var() / (smooth[_ELLIPSE].var() + 1))


def _ellipse() -> npt.NDArray[np.bool_]:
    y, x = np.mgrid[0:CROP_SIZE, 0:CROP_SIZE]
    inside: npt.NDArray[np.bool_] = ((x - ELLIPSE_CENTRE[0]) / ELLIPSE_AXES[0]) ** 2 + ((y - ELLIPSE_CENTRE[1]) / ELLIPSE_AXES[1]) ** 2 <= 1
    return inside


_ELLIPSE = _ellipse()

"""A small picture of what the camera sees, for the screen only; it is kept nowhere."""

import cv2
import numpy as np

from edge.records import Pixels
from edge.service.messages import MOST_PICTURE, Preview

QUALITIES = (75, 40)


def jpeg(image: Pixels, width: int, face: tuple[float, float, float, float] | None) -> tuple[Preview, bytes] | None:
    """A preview ``width`` pixels wide (never wider than the picture); None if it cannot be made small enough.

    image: H x W x 3 uint8 BGR. face: box as shares of width and height.
    """
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    small = image if image.shape[1] <= width else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    for quality in QUALITIES:
        done, data = cv2.imencode(".jpg", np.asarray(small), (cv2.IMWRITE_JPEG_QUALITY, quality))
        if done and data.size <= MOST_PICTURE:
            return Preview(face=face), data.tobytes()
    return None

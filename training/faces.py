"""The face that a picture is of, found and aligned as at the door: for training data and for test sets alike."""

from pathlib import Path

import cv2
import numpy as np

from edge.face.align import align
from edge.face.detect import decode, fit
from edge.inference import Network, load_network
from edge.records import Face, Pixels

LONG_SIDE, THRESHOLD, OVERLAP = 320, 0.6, 0.45  # as config/appliance.toml has them


class Finder:
    """The shipped detector, or another of its kind."""

    def __init__(self, manifest: Path, threads: int = 1) -> None:
        self._detector: Network = load_network(manifest, threads=threads)

    def central(self, image: Pixels) -> Face | None:
        """The best face whose box holds the middle of the picture, else the one nearest to it; None without any face."""
        canvas, scale = fit(image, LONG_SIDE)
        found = self._detector.infer(canvas[None], ("scores", "boxes", "landmarks"))
        scores, boxes, landmarks = (found[name][0] for name in ("scores", "boxes", "landmarks"))
        faces = decode(scores, boxes, landmarks, (canvas.shape[0], canvas.shape[1]), scale, THRESHOLD, OVERLAP)
        middle = np.array([image.shape[1], image.shape[0]]) / 2
        distance = [np.maximum(face.box[:2] - middle, 0).max() + np.maximum(middle - face.box[2:], 0).max() for face in faces]
        return faces[int(np.argmin(distance))] if faces else None

    def crop(self, image: Pixels, margin: int = 0) -> Pixels | None:
        """The aligned crop of the central face, 112 pixels and the margin on every side; None without a face that fixes one."""
        face = self.central(image)
        try:
            return None if face is None else align(image, face.landmarks, margin)
        except ValueError:
            return None


def read_picture(name: str, content: bytes) -> Pixels:
    """Decode a picture file as the camera would give it. Raises SystemExit naming the file."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{name}: not a picture; remove it and run again")
    return np.asarray(image, np.uint8)

"""From a picture to features: detect, align, assess, infer. The one way, for enrolment, identification and evaluation alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import NetworkError
from edge.face.align import align
from edge.face.detect import decode, fit
from edge.face.quality import Limits, Quality, assess
from edge.records import CROP_SIZE, Code, Face, Features, Pixels, Reason
from edge.stages import Stages
from edge.template.hashing import costs_of, hash_logits

BACKGROUND = 0.5  # share of the largest face's size below which another face is not taken for a second person
MOST_CROPS = 32  # of one batch: bounds the memory that a crowd can take


class Infer(Protocol):
    """What acquisition needs of a network; ``edge.inference`` gives it."""

    def infer(self, batch: npt.NDArray[Any], outputs: Sequence[str] | None = None) -> Mapping[str, npt.NDArray[Any]]: ...


@dataclass(frozen=True)
class DetectLimits:
    """How the detector's numbers become faces.

    long_side: pixels of the detector's canvas. threshold: score 0..1. overlap: IoU 0..1 of two boxes that are one face. max_faces: kept
    per frame.
    """

    long_side: int
    threshold: float
    overlap: float
    max_faces: int


@dataclass(frozen=True, eq=False)
class Sample:
    """One face of one picture: where it is, its aligned crop (112 x 112 x 3, BGR) and whether that serves."""

    face: Face
    crop: Pixels
    quality: Quality


class Acquirer:
    """Holds both networks and the limits; has no state between pictures."""

    def __init__(self, detector: Infer, hasher: Infer, q: int, detect: DetectLimits, quality: Limits, stages: Stages) -> None:
        self._detector, self._hasher, self._q = detector, hasher, q
        self._detect, self._quality = detect, quality
        self.stages = stages

    def warm(self) -> None:
        """One inference of each network, so that the first person does not wait for what runtimes put off. Raises NetworkError."""
        blank = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        self.faces(blank)
        found = self._hasher.infer(blank[None], ("logits", "log_variance"))
        _features(found["logits"], found["log_variance"].ravel())

    def faces(self, image: Pixels) -> list[Face]:
        """Faces of a picture, best first, in its own pixels."""
        with self.stages.stage("detect"):
            canvas, scale = fit(image, self._detect.long_side)
            found = self._detector.infer(canvas[None], ("scores", "boxes", "landmarks"))
            scores, boxes, landmarks = (found[name][0] for name in ("scores", "boxes", "landmarks"))
            size = (canvas.shape[0], canvas.shape[1])
            faces = decode(scores, boxes, landmarks, size, scale, self._detect.threshold, self._detect.overlap)
            return faces[: self._detect.max_faces]

    def sample(self, image: Pixels, face: Face) -> Sample | None:
        """Align and assess one face; None when its landmarks fix no crop."""
        with self.stages.stage("align"):
            try:
                crop = align(image, face.landmarks)
            except ValueError:
                return None
        with self.stages.stage("quality"):
            return Sample(face, crop, assess(image, face, crop, self._quality))

    def features(self, samples: Sequence[Sample]) -> list[Features]:
        """Hash logits and uncertainty of each sample, faces of one frame in one batch."""
        made: list[Features] = []
        for start in range(0, len(samples), MOST_CROPS):
            crops = np.stack([sample.crop for sample in samples[start : start + MOST_CROPS]])
            with self.stages.stage("hash"):
                found = self._hasher.infer(crops, ("logits", "log_variance"))
            made += _features(found["logits"], found["log_variance"].ravel())
        return made

    def code(self, features: Features) -> Code:
        """The rank hash of (fused) features, with its costs."""
        return Code(hash_logits(features.logits, self._q), self._q, costs_of(features.logits, self._q))

    def only_face(self, image: Pixels) -> tuple[Sample | None, tuple[Reason, ...]]:
        """The one usable face of an enrolment picture, or why there is none. Faces of less than half its size are background."""
        faces = sorted(self.faces(image), key=size_of, reverse=True)
        if not faces:
            return None, (Reason.NO_FACE,)
        if len(faces) > 1 and size_of(faces[1]) >= BACKGROUND * size_of(faces[0]):
            return None, (Reason.SEVERAL_FACES,)
        sample = self.sample(image, faces[0])
        if sample is None or sample.quality.reasons:
            return None, sample.quality.reasons if sample else (Reason.NO_FACE,)
        return sample, ()


def _features(logits: npt.NDArray[Any], log_variances: npt.NDArray[Any]) -> list[Features]:
    try:
        return [Features(row, float(variance)) for row, variance in zip(logits, log_variances, strict=True)]
    except ValueError as error:
        raise NetworkError(f"hash network: {error}; run `edge doctor`, and exchange the network or the runtime") from error


def size_of(face: Face) -> float:
    """The longer side of a face's box, in pixels."""
    return float((face.box[2:] - face.box[:2]).max())

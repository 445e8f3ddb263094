"""Twins of the parts that the loop is handed: small, honest, without a network."""

from collections.abc import Sequence

import numpy as np

from edge.acquire import Sample
from edge.face.quality import Quality
from edge.records import Candidate, Code, Face, Features, Frame, Pixels, Reason
from edge.stages import Stages

M, Q = 64, 8


def person(seed: int) -> Features:
    """Somebody's features: the same seed is the same person."""
    return Features(np.random.default_rng(seed).standard_normal(M * Q).astype(np.float32), -1.0)


def face_at(x: float, y: float = 100.0, side: float = 80.0) -> Face:
    box = np.array([x, y, x + side, y + side], np.float32)
    points = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32) * side + (x, y)
    return Face(box, points.astype(np.float32), 0.9)


def frame(number: int, rate: float = 10.0, size: tuple[int, int] = (8, 8)) -> Frame:
    """A picture that carries its own number in its first pixel, so that the twin below knows it again."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[0, 0] = (number >> 8, number & 255, 0)
    return Frame(image, number / rate, number, "twin")


class ScriptedAcquirer:
    """Sees what the script says: frame number -> faces, each a place, a person's seed and the reasons against it."""

    def __init__(self, script: dict[int, list[tuple[float, int, tuple[Reason, ...]]]]) -> None:
        self._script, self.stages = script, Stages()
        self.hashed = 0

    def faces(self, image: Pixels) -> list[Face]:
        self._now = self._script.get(int(image[0, 0, 0]) << 8 | int(image[0, 0, 1]), [])
        return [face_at(x) for x, _, _ in self._now]

    def sample(self, image: Pixels, face: Face) -> Sample | None:
        _, seed, reasons = next(entry for entry in self._now if entry[0] == float(face.box[0]))
        crop = np.zeros((112, 112, 3), np.uint8)
        crop[0, 0, 0] = seed
        return Sample(face, crop, Quality(reasons, 40, 80, 0, 0, 0, 0, 120, 0, 40, 0.03))

    def features(self, samples: Sequence[Sample]) -> list[Features]:
        self.hashed += len(samples)
        return [person(int(sample.crop[0, 0, 0])) for sample in samples]

    def code(self, features: Features) -> Code:
        return Code(features.logits.reshape(M, Q).argmax(1).astype(np.uint8), Q)

    def only_face(self, image: Pixels) -> tuple[Sample | None, tuple[Reason, ...]]:
        faces = self.faces(image)
        if len(faces) != 1:
            return None, (Reason.SEVERAL_FACES if faces else Reason.NO_FACE,)
        sample = self.sample(image, faces[0])
        return (None, sample.quality.reasons) if sample and sample.quality.reasons else (sample, ())


class ListGallery:
    """A gallery in a list; ``refresh`` calls are counted."""

    def __init__(self, people: dict[str, Code]) -> None:
        self.people, self.refreshed = people, 0

    def refresh(self) -> bool:
        self.refreshed += 1
        return False

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        found = [Candidate(name, name, int((code.symbols != other.symbols).sum())) for name, other in self.people.items()]
        found = [candidate for candidate in found if within is None or candidate.dissimilarity <= within]
        return sorted(found, key=lambda candidate: candidate.dissimilarity)[:limit]

    def __len__(self) -> int:
        return len(self.people)

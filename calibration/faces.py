"""What INT8 costs a detector, held against float on pictures that were not calibrated on: boxes, landmarks, and symbols.

A box and five points say how alike two detectors are; what that costs is said by the hash network, which computes on crops that the points
align: landmarks of the shipped detector that were off by 1 % of the eye distance changed 5 % of the symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from calibration.gate import Figures
from edge.face.align import align
from edge.face.detect import decode, fit, overlap
from edge.inference.manifest import LEAST_AGREEMENT
from edge.inference.onnx_runtime import open_session
from edge.records import Face, Pixels, Symbols
from edge.template.hashing import hash_logits

LEAST_BOXES = 0.95  # share of the float detector's faces that INT8 finds with this overlap:
SAME_BOX = 0.9
SAME_FACE = 0.5  # overlap from which a box is of the same face
LARGEST_SHIFT = 0.03  # of the five points on the mean, in eye distances
LARGEST_EXTRA = 0.02  # faces that float does not see, as a share of those that it sees
LEAST_SYMBOLS = LEAST_AGREEMENT  # equal symbols of the crops that the points of both align: the bar of the hash network itself
# The gate compares detections as a door does that takes most faces; how a door is set is its own matter.
THRESHOLD, SUPPRESSION = 0.5, 0.45
Reals = npt.NDArray[np.float64]
Twins = list[list[tuple[int, float]]]


@dataclass(frozen=True, eq=False)
class Hasher:
    """The float hash network. network: the file. q: values of a symbol."""

    network: bytes
    q: int

    @cached_property
    def _session(self) -> Any:
        return open_session(self.network, 1, "the hash network at the detector's gate")

    def symbols(self, picture: Pixels, face: Face) -> Symbols | None:
        """(m,) of a face, None where its points fix no crop."""
        try:
            crop = align(picture, face.landmarks)
        except ValueError:
            return None
        (logits,) = self._session.run(["logits"], {"crops": crop[None]})
        return np.asarray(hash_logits(logits, self.q)[0])


@dataclass(frozen=True, eq=False)
class DetectJudge:
    """Boxes, landmarks and symbols. reference: the float detector. pictures: whole ones; long_side: of the canvas, in pixels."""

    reference: bytes
    pictures: Sequence[Pixels]
    long_side: int
    hasher: Hasher

    @cached_property
    def true(self) -> list[list[Face]]:
        """The float detector's faces of every picture."""
        return self.faces(self.reference)

    @cached_property
    def codes(self) -> list[list[Symbols | None]]:
        """Symbols of every true face."""
        return [[self.hasher.symbols(picture, face) for face in faces] for picture, faces in zip(self.pictures, self.true, strict=True)]

    def faces(self, network: bytes) -> list[list[Face]]:
        """A detector's faces of every picture."""
        session = open_session(network, 1, "the detector at the gate")
        found = []
        for picture in self.pictures:
            canvas, scale = fit(picture, self.long_side)
            outputs = session.run(["scores", "boxes", "landmarks"], {"image": canvas[None]})
            size = (canvas.shape[0], canvas.shape[1])
            scores, boxes, landmarks = (output[0] for output in outputs)
            found.append(decode(scores, boxes, landmarks, size, scale, THRESHOLD, SUPPRESSION))
        return found

    def agreements(self, found: Sequence[Sequence[Face]]) -> Reals:
        """Share of equal symbols of every true face, 0 for one that was missed or whose points fix no crop."""
        shares = []
        for picture, there, codes, row in zip(self.pictures, found, self.codes, twins(self.true, found), strict=True):
            for code, (place, _) in zip(codes, row, strict=True):
                other = self.hasher.symbols(picture, there[place]) if place >= 0 else None
                shares.append(float((code == other).mean()) if code is not None and other is not None else 0.0)
        return np.array(shares)

    def score(self, network: bytes) -> float:
        found = self.faces(network)
        shares = self.agreements(found)
        return float(max(0.0, shares.mean() - _extra(self.true, found) / shares.size)) if shares.size else 1.0

    def figures(self, network: bytes) -> Figures:
        found = self.faces(network)
        overlaps, shifts, extra = matched(self.true, found)
        seen = overlaps > 0
        met, equal = shifts[seen], self.agreements(found)[seen]
        count = max(overlaps.size, 1)
        same, shift = float((overlaps >= SAME_BOX).sum() / count), float(met.mean()) if met.size else None
        agreement = float(equal.mean()) if equal.size else None
        close = same >= LEAST_BOXES and (shift or 0) <= LARGEST_SHIFT and extra / count <= LARGEST_EXTRA
        limits = {
            "boxes_share": LEAST_BOXES,
            "landmark_shift_mean": LARGEST_SHIFT,
            "extra_share": LARGEST_EXTRA,
            "agreement": LEAST_SYMBOLS,
        }
        return {
            "pictures": len(self.pictures),
            "faces": int(overlaps.size),
            "boxes_share": same,
            "boxes_overlap": SAME_BOX,
            "missed": int((~seen).sum()),
            "extra": extra,
            "landmark_shift_mean": shift,
            "landmark_shift_p95": float(np.percentile(met, 95)) if met.size else None,
            "agreement": agreement,
            "agreement_percentile_1": float(np.percentile(equal, 1)) if equal.size else None,
            "limits": limits,
            "passed": bool(close and agreement is not None and agreement >= LEAST_SYMBOLS),
        }


def twins(true: Sequence[Sequence[Face]], found: Sequence[Sequence[Face]]) -> Twins:
    """Of every true face of every picture which found one is nearest and how much they overlap; -1 and 0 where it was missed."""
    told: Twins = []
    for wanted, there in zip(true, found, strict=True):
        shared = _shared(wanted, there)
        best = [int(row.argmax()) if row.size else -1 for row in shared]
        told.append(
            [
                (place, float(row[place])) if place >= 0 and row[place] >= SAME_FACE else (-1, 0.0)
                for place, row in zip(best, shared, strict=True)
            ]
        )
    return told


def matched(true: Sequence[Sequence[Face]], found: Sequence[Sequence[Face]]) -> tuple[Reals, Reals, int]:
    """Of every true face the overlap with the nearest found one (0: missed) and the mean shift of its points in eye distances (infinite:
    missed); and how many found faces overlap no true one by half."""
    overlaps, shifts = [], []
    for wanted, there, row in zip(true, found, twins(true, found), strict=True):
        for face, (place, shared) in zip(wanted, row, strict=True):
            eyes = max(float(np.linalg.norm(face.landmarks[1] - face.landmarks[0])), 1e-6)
            overlaps.append(shared)
            shifts.append(float(np.linalg.norm(there[place].landmarks - face.landmarks, axis=1).mean()) / eyes if place >= 0 else np.inf)
    return np.array(overlaps), np.array(shifts), _extra(true, found)


def _extra(true: Sequence[Sequence[Face]], found: Sequence[Sequence[Face]]) -> int:
    return sum(int((_shared(wanted, there).max(axis=0, initial=0) < SAME_FACE).sum()) for wanted, there in zip(true, found, strict=True))


def _shared(wanted: Sequence[Face], there: Sequence[Face]) -> Reals:
    """Overlaps, (true, found)."""
    if not wanted or not there:
        return np.zeros((len(wanted), len(there)))
    return np.asarray(overlap(_boxes(wanted), _boxes(there)), np.float64)


def _boxes(faces: Sequence[Face]) -> npt.NDArray[np.float32]:
    return np.stack([face.box for face in faces])

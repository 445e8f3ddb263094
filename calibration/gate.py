"""What INT8 costs, held against float on pictures that were not calibrated on: symbols of the hash network, faces of the detector."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from calibration.crops import Crops
from edge.face.detect import decode, fit, overlap
from edge.inference.manifest import LEAST_AGREEMENT, LEAST_PAIRS
from edge.inference.onnx_runtime import open_session
from edge.records import Face, Pixels, Symbols
from edge.template.hashing import hash_logits
from edge.template.tail import NonMatedTail

BATCH = 16
LEAST_BOXES = 0.95  # share of the float detector's faces that INT8 finds with this overlap:
SAME_BOX = 0.9
LARGEST_SHIFT = 0.03  # of the five points on the mean, in eye distances
LARGEST_EXTRA = 0.02  # faces that float does not see, as a share of those that it sees
# The gate compares detections as a door does that takes most faces; how a door is set is its own matter.
THRESHOLD, SUPPRESSION = 0.5, 0.45
Figures = dict[str, Any]
Reals = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Judge(Protocol):
    """Holds networks against the float one on fixed pictures."""

    def score(self, network: bytes) -> float:
        """How alike, 0..1, smoothly: to choose between networks by."""

    def figures(self, network: bytes) -> Figures:
        """What is kept in the manifest; "passed" says whether the gate holds."""


@dataclass(frozen=True, eq=False)
class HashJudge:
    """Equal symbols. reference: the float network. q: values of a symbol. least: the gate."""

    reference: bytes
    crops: Crops
    q: int
    least: float = LEAST_AGREEMENT

    @cached_property
    def true(self) -> Symbols:
        """The float network's symbols, N x m."""
        return self.symbols(self.reference)

    def symbols(self, network: bytes) -> Symbols:
        """A network's symbols of the crops, N x m."""
        session = open_session(network, 1, "the network at the gate")
        pixels = self.crops.pixels
        parts = [session.run(["logits"], {"crops": pixels[row : row + BATCH]})[0] for row in range(0, len(pixels), BATCH)]
        return np.concatenate([hash_logits(part, self.q) for part in parts])

    def score(self, network: bytes) -> float:
        return float((self.symbols(network) == self.true).mean())

    def figures(self, network: bytes) -> Figures:
        found = self.symbols(network)
        equal = found == self.true
        agreement, each = float(equal.mean()), equal.mean(axis=1)
        return {
            "crops": len(each),
            "agreement": agreement,
            "agreement_percentile_1": float(np.percentile(each, 1)),
            "least_agreement": self.least,
            "passed": agreement >= self.least,
            **distances(self.true, found, self.crops.people),
        }


def distances(true: Symbols, found: Symbols, people: npt.NDArray[np.int64]) -> Figures:
    """Unequal symbols of non-mated pairs (mean, and where the lowest 1 % end) and of mated ones (mean), of three kinds of comparison.

    float_float, int8_int8, and float_int8: a float reference against an INT8 probe. true, found: (n, m). people: (n,), -1 unknown. Where
    too few pairs are of people known to be different, pairs of any two crops stand for them, and "people_known" says so.
    """
    first, second = np.triu_indices(len(people), 1)
    known = (people[first] >= 0) & (people[second] >= 0)
    mated = known & (people[first] == people[second])
    different = known & ~mated
    people_known = bool(different.sum() >= LEAST_PAIRS)
    if not people_known:
        different = ~mated
    told: Figures = {"people_known": people_known, "non_mated_pairs": int(different.sum()), "mated_pairs": int(mated.sum())}
    for name, a, b in (("float_float", true, true), ("int8_int8", found, found), ("float_int8", true, found)):
        unequal = _unequal(a, b)
        told[name] = {
            "non_mated_mean": float(unequal[different].mean()) if different.any() else None,
            "non_mated_low": int(np.percentile(unequal[different], 1, method="lower")) if different.any() else None,
            "mated_mean": float(unequal[mated].mean()) if mated.any() else None,
        }
    return told


def _unequal(a: Symbols, b: Symbols) -> Counts:
    """Of every a before every later b, in the order of ``numpy.triu_indices(n, 1)``."""
    parts = [(a[row] != b[row + 1 :]).sum(axis=1) for row in range(len(a) - 1)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def moved_tail(tail: NonMatedTail | None, figures: Figures) -> tuple[NonMatedTail | None, int | None]:
    """The float network's non-mated tail for the INT8 network, and by how many symbols it was moved; None where nothing was measured.

    Moved by what the lowest hundredth of the same non-mated pairs moved, of INT8 among itself or against float references, whichever is
    nearer to mated; never away from mated, so that a threshold that follows from it errs to the safe side.
    """
    lows = [figures[kind]["non_mated_low"] for kind in ("float_float", "int8_int8", "float_int8")]
    if tail is None or None in lows:
        return tail, None
    shift = max(min(0, lows[1] - lows[0], lows[2] - lows[0]), math.ceil(0.5 - tail.tail_at))
    return tail.moved(shift), shift


@dataclass(frozen=True, eq=False)
class DetectJudge:
    """Boxes and landmarks. pictures: whole ones; long_side: of the canvas, in pixels."""

    reference: bytes
    pictures: Sequence[Pixels]
    long_side: int
    least: float = LEAST_BOXES
    _kept: dict[str, list[list[Face]]] = field(default_factory=dict)

    @property
    def true(self) -> list[list[Face]]:
        """The float detector's faces of every picture."""
        if "true" not in self._kept:
            self._kept["true"] = self.faces(self.reference)
        return self._kept["true"]

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

    def score(self, network: bytes) -> float:
        overlaps, shifts, extra = matched(self.true, self.faces(network))
        if not overlaps.size:
            return 1.0
        return float(max(0.0, np.where(overlaps > 0, overlaps - np.minimum(shifts, 1), 0).mean() - extra / overlaps.size))

    def figures(self, network: bytes) -> Figures:
        overlaps, shifts, extra = matched(self.true, self.faces(network))
        met = shifts[np.isfinite(shifts)]
        count = max(overlaps.size, 1)
        same, shift = float((overlaps >= SAME_BOX).sum() / count), float(met.mean()) if met.size else None
        passed = overlaps.size > 0 and same >= self.least and (shift or 0) <= LARGEST_SHIFT and extra / count <= LARGEST_EXTRA
        return {
            "pictures": len(self.pictures),
            "faces": int(overlaps.size),
            "boxes_share": same,
            "boxes_overlap": SAME_BOX,
            "missed": int((overlaps == 0).sum()),
            "extra": extra,
            "landmark_shift_mean": shift,
            "landmark_shift_p95": float(np.percentile(met, 95)) if met.size else None,
            "limits": {"boxes_share": self.least, "landmark_shift_mean": LARGEST_SHIFT, "extra_share": LARGEST_EXTRA},
            "passed": bool(passed),
        }


def matched(true: Sequence[Sequence[Face]], found: Sequence[Sequence[Face]]) -> tuple[Reals, Reals, int]:
    """Of every true face the overlap with the nearest found one (0: missed) and the mean shift of its points in eye distances (infinite:
    missed); and how many found faces overlap no true one by half."""
    overlaps, shifts, extra = [], [], 0
    for wanted, there in zip(true, found, strict=True):
        shared = overlap(_boxes(wanted), _boxes(there)) if wanted and there else np.zeros((len(wanted), len(there)))
        extra += int((shared.max(axis=0, initial=0) < 0.5).sum())
        for face, row in zip(wanted, shared, strict=True):
            best = int(row.argmax()) if row.size else -1
            seen = best >= 0 and row[best] >= 0.5
            eyes = max(float(np.linalg.norm(face.landmarks[1] - face.landmarks[0])), 1e-6)
            overlaps.append(float(row[best]) if seen else 0.0)
            shifts.append(float(np.linalg.norm(there[best].landmarks - face.landmarks, axis=1).mean()) / eyes if seen else np.inf)
    return np.array(overlaps), np.array(shifts), extra


def _boxes(faces: Sequence[Face]) -> npt.NDArray[np.float32]:
    return np.stack([face.box for face in faces])

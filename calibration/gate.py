"""What INT8 costs, held against float on pictures that were not calibrated on: symbols of the hash network (the detector: ``faces``)."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from calibration.crops import Crops
from edge.inference.manifest import LEAST_AGREEMENT, LEAST_PAIRS
from edge.inference.onnx_runtime import open_session
from edge.records import Symbols
from edge.template import compare
from edge.template.hashing import costs_of, hash_logits
from edge.template.tail import NonMatedTail

BATCH = 16
Figures = dict[str, Any]
Counts = npt.NDArray[np.int64]


class Judge(Protocol):
    """Holds networks against the float one on fixed pictures."""

    def score(self, network: bytes) -> float:
        """How alike, 0..1, smoothly: to choose between networks by."""

    def figures(self, network: bytes) -> Figures:
        """What is kept in the manifest; "passed" says whether the gate holds."""


@dataclass(frozen=True, eq=False)
class Hashed:
    """Faces as references, symbols (n, m), and as probes, costs (n, m, q)."""

    symbols: Symbols
    costs: Symbols


@dataclass(frozen=True, eq=False)
class HashJudge:
    """Equal symbols. reference: the float network. q: values of a symbol. least: the gate."""

    reference: bytes
    crops: Crops
    q: int
    least: float = LEAST_AGREEMENT

    @cached_property
    def true(self) -> Hashed:
        """What the float network makes of the crops."""
        return self.hashed(self.reference)

    def hashed(self, network: bytes) -> Hashed:
        """What a network makes of the crops."""
        session = open_session(network, 1, "the network at the gate")
        pixels = self.crops.pixels
        parts = [session.run(["logits"], {"crops": pixels[row : row + BATCH]})[0] for row in range(0, len(pixels), BATCH)]
        return Hashed(*(np.concatenate([made(part, self.q) for part in parts]) for made in (hash_logits, costs_of)))

    def score(self, network: bytes) -> float:
        return float((self.hashed(network).symbols == self.true.symbols).mean())

    def figures(self, network: bytes) -> Figures:
        found = self.hashed(network)
        equal = found.symbols == self.true.symbols
        agreement, each = float(equal.mean()), equal.mean(axis=1)
        return {
            "crops": len(each),
            "agreement": agreement,
            "agreement_percentile_1": float(np.percentile(each, 1)),
            "least_agreement": self.least,
            "passed": agreement >= self.least,
            **distances(self.true, found, self.crops.people),
        }


def distances(true: Hashed, found: Hashed, people: npt.NDArray[np.int64]) -> Figures:
    """Dissimilarity in symbols of non-mated pairs (mean, and where the lowest 1 % end) and of mated ones (mean), of three comparisons.

    float_float, int8_int8, and float_int8: a float reference against an INT8 probe. Of every two crops the first is the reference.
    people: (n,), -1 unknown. Where too few pairs are of people known to be different, pairs of any two crops stand for them, and
    "people_known" says so.
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
        unlike = compare.dissimilarity_matrix(a.symbols, b.costs).T[first, second]
        told[name] = {
            "non_mated_mean": float(unlike[different].mean()) if different.any() else None,
            "non_mated_low": int(np.percentile(unlike[different], 1, method="lower")) if different.any() else None,
            "mated_mean": float(unlike[mated].mean()) if mated.any() else None,
        }
    return told


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

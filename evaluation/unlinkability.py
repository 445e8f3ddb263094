"""How well rows of two databases can be told to be of one person: D_sys (Gomez-Barrero et al., IEEE TIFS 13(6), 2018), omega = 1.

D(s) = 2 LR / (1 + LR) - 1 where LR(s) = p(s | mated) / p(s | non-mated) is above 1, else 0; where no non-mated score lies, 1. D_sys is the
mean of D over mated scores: 0 fully unlinkable, 1 fully linkable. The densities are histograms, so that D_sys of equal distributions is
above 0: by how much tells the noise floor, from the same scores with their labels drawn again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
MOST_BINS = 100
PER_BIN = 10
REPEATS = 20_000
LEVEL = 0.999
"""Of the noise floor: a table of ten rows alarms falsely once in a hundred times."""


@dataclass(frozen=True)
class Unlinkability:
    """d_sys: 0..1. mated, non_mated: how many scores. bins: of the histograms. floor, floor_most: mean and 99.9th percentile of D_sys when
    nothing links; a d_sys below floor_most is no sign of a link."""

    d_sys: float
    mated: int
    non_mated: int
    bins: int
    floor: float
    floor_most: float

    @property
    def linkable(self) -> bool:
        """Whether it is above what luck gives in 999 of 1000 cases."""
        return self.d_sys > self.floor_most


def bins_of(mated: Numbers, non_mated: Numbers) -> Numbers:
    """The edges: at most 100 bins over the range of all scores, at least ten mated scores to a bin on average (as the authors' code)."""
    return np.histogram_bin_edges(np.concatenate([mated, non_mated]), max(1, min(MOST_BINS, mated.size // PER_BIN)))


def d_sys(mated: Numbers, non_mated: Numbers, edges: Numbers) -> float:
    """See above. ValueError: no scores."""
    if not mated.size or not non_mated.size:
        raise ValueError(f"D_sys of {mated.size} mated and {non_mated.size} non-mated scores: both are needed")
    ours, theirs = (np.histogram(scores, edges)[0] for scores in (mated, non_mated))
    return float(_of_counts(ours, theirs))


def _of_counts(mated: npt.NDArray[np.int64], non_mated: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """D_sys of histograms (..., bins)."""
    ours, theirs = (counts / counts.sum(axis=-1, keepdims=True) for counts in (mated, non_mated))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = ours / theirs
        local = np.where(theirs > 0, np.where(ratio > 1, 2 * ratio / (1 + ratio) - 1, 0.0), 1.0)
    found: npt.NDArray[np.float64] = np.minimum(1.0, (local * ours).sum(axis=-1))
    return found


def measured(mated: Numbers, non_mated: Numbers, seed: int = 0) -> Unlinkability:
    """D_sys with its noise floor. Scores: (n,) and (k,), the larger, the more alike."""
    edges = bins_of(mated, non_mated)
    found, pool = d_sys(mated, non_mated, edges), np.histogram(np.concatenate([mated, non_mated]), edges)[0]
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(pool, mated.size, REPEATS, method="marginals")
    floors = _of_counts(drawn, pool - drawn)  # labels drawn again: which of each bin's scores are called mated
    return Unlinkability(found, mated.size, non_mated.size, len(edges) - 1, float(np.mean(floors)), float(np.quantile(floors, LEVEL)))

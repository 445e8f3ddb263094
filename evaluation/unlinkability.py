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
REPEATS = 500


@dataclass(frozen=True)
class Unlinkability:
    """d_sys: 0..1. mated, non_mated: how many scores. bins: of the histograms. floor, floor_most: mean and 99th percentile of D_sys when
    nothing links; a d_sys below floor_most is no sign of a link."""

    d_sys: float
    mated: int
    non_mated: int
    bins: int
    floor: float
    floor_most: float

    @property
    def linkable(self) -> bool:
        """Whether it is above what luck gives in 99 of 100 cases."""
        return self.d_sys > self.floor_most


def bins_of(mated: Numbers, non_mated: Numbers) -> Numbers:
    """The edges: at most 100 bins over the range of all scores, at least ten mated scores to a bin on average (as the authors' code)."""
    return np.histogram_bin_edges(np.concatenate([mated, non_mated]), max(1, min(MOST_BINS, mated.size // PER_BIN)))


def d_sys(mated: Numbers, non_mated: Numbers, edges: Numbers) -> float:
    """See above. ValueError: no scores."""
    if not mated.size or not non_mated.size:
        raise ValueError(f"D_sys of {mated.size} mated and {non_mated.size} non-mated scores: both are needed")
    ours, theirs = (np.histogram(scores, edges)[0] / scores.size for scores in (mated, non_mated))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = ours / theirs
        local = np.where(theirs > 0, np.where(ratio > 1, 2 * ratio / (1 + ratio) - 1, 0.0), 1.0)
    return float(min(1.0, (local * ours).sum()))


def measured(mated: Numbers, non_mated: Numbers, seed: int = 0) -> Unlinkability:
    """D_sys with its noise floor. Scores: (n,) and (k,), the larger, the more alike."""
    edges = bins_of(mated, non_mated)
    pool, random = np.concatenate([mated, non_mated]), np.random.default_rng(seed)
    floors = []
    for _ in range(REPEATS):
        drawn = random.permutation(pool)
        floors.append(d_sys(drawn[: mated.size], drawn[mated.size :], edges))
    found = d_sys(mated, non_mated, edges)
    return Unlinkability(found, mated.size, non_mated.size, len(edges) - 1, float(np.mean(floors)), float(np.quantile(floors, 0.99)))

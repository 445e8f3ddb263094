"""Three ways to say how much two stored rows look like one person's. All give a score: the larger, the more alike."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edge.errors import EdgeError
from edge.records import Symbols

Numbers = npt.NDArray[np.float64]
Linker = Callable[[Symbols, Symbols], Numbers]
"""(n, m) and (n, m) of two databases -> the score of each row with the one at the same place: (n,)."""
RIDGE = 1.0


def hamming(one: Symbols, other: Symbols) -> Numbers:
    """The share of equal symbols."""
    shares: Numbers = (one == other).mean(axis=1)
    return shares


def best_assignment(one: Symbols, other: Symbols) -> Numbers:
    """The share of symbols that are equal once the other's values are renamed in the best way: breaks one table for all positions."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise EdgeError("attacks: scipy is not installed; .venv/bin/pip install -e '.[eval]'") from error
    q = int(max(one.max(), other.max())) + 1
    scores = np.empty(len(one))
    for place, (left, right) in enumerate(zip(one.astype(np.int64), other, strict=True)):
        together = np.bincount(left * q + right, minlength=q * q).reshape(q, q)
        scores[place] = together[linear_sum_assignment(together, maximize=True)].sum() / one.shape[1]
    return scores


def learned(one: Symbols, other: Symbols) -> Linker:
    """A linker taught by known pairs: (n, m) of both databases, the same person at the same place.

    Ridge regression from one database's symbols to the other's, each symbol a 0 or 1 for every value (Hoerl and Kennard, 1970; solved over
    people, of whom there are fewer than symbols). Whoever has the rows of some people in both databases can learn how the two tables fit.
    """
    left, right = _one_hot(one), _one_hot(other)
    left_mean, right_mean = left.mean(axis=0), right.mean(axis=0)
    known = left - left_mean
    kernel = known @ known.T
    strength = RIDGE * np.trace(kernel) / len(kernel)
    weights = np.linalg.solve(kernel + strength * np.eye(len(kernel), dtype=np.float32), right - right_mean)

    def score(first: Symbols, second: Symbols) -> Numbers:
        foretold = ((_one_hot(first) - left_mean) @ known.T) @ weights
        found = _one_hot(second) - right_mean
        return np.asarray((foretold * found).sum(axis=1), np.float64)

    return score


def _one_hot(symbols: Symbols) -> npt.NDArray[np.float32]:
    values = np.arange(8 * -(-(int(symbols.max()) + 1) // 8), dtype=np.uint8)
    return np.asarray((symbols[:, :, None] == values).reshape(len(symbols), -1), np.float32)

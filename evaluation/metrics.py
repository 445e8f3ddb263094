"""What every table is made of: error rates, accuracy in folds, open-set and closed-set identification, intervals.

Scores are similarities everywhere: the larger, the more alike; a comparison is accepted at ``score >= threshold``. Dissimilarities
(unequal symbols) are handed in with their sign turned. Minus infinity stands for "no score at all" (a failure to acquire).
Words are those of ISO/IEC 19795-1.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import EdgeError

Numbers = npt.NDArray[np.float64]
Scores = Sequence[float] | npt.NDArray[Any]


def error_rates(mated: Scores, non_mated: Scores) -> tuple[Numbers, Numbers, Numbers]:
    """Thresholds, FMR and FNMR: first a threshold that accepts nothing, then every score that occurs, falling; the last accepts all.

    FMR: share of non-mated scores accepted, rising. FNMR: share of mated scores refused, falling. ValueError: no scores, or not numbers.
    """
    good, bad = np.sort(_column(mated, "mated")), np.sort(_column(non_mated, "non-mated"))
    thresholds = np.concatenate([[np.inf], np.unique(np.concatenate([good, bad]))[::-1]])
    fmr = (bad.size - np.searchsorted(bad, thresholds, "left")) / bad.size
    fnmr = np.searchsorted(good, thresholds, "left") / good.size
    return thresholds, fmr, fnmr


def equal_error_rate(mated: Scores, non_mated: Scores) -> float:
    """The rate 0..1 at which FMR and FNMR are equal, between two thresholds by straight line."""
    _, fmr, fnmr = error_rates(mated, non_mated)
    gap = fmr - fnmr
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0:
        return float(fmr[after])
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(fmr[after - 1] + share * (fmr[after] - fmr[after - 1]))


def area_under_roc(mated: Scores, non_mated: Scores) -> float:
    """The chance 0..1 that a mated score is above a non-mated one, equal scores counting half (Mann and Whitney)."""
    good, bad = _column(mated, "mated"), np.sort(_column(non_mated, "non-mated"))
    below, not_above = np.searchsorted(bad, good, "left"), np.searchsorted(bad, good, "right")
    return float((below + not_above).sum() / (2 * good.size * bad.size))


def threshold_at(non_mated: Scores, rate: float) -> float:
    """The smallest threshold at which at most this share (0..1) of the non-mated scores is accepted."""
    scores = _column(non_mated, "non-mated")
    return threshold_of_blocks([scores], scores.size, rate)


def threshold_of_blocks(blocks: Iterable[npt.NDArray[Any]], total: int, rate: float) -> float:
    """``threshold_at`` for more scores than one wants to hold: blocks of them, (n,) each, and how many there are in all.

    Scores that are counted in ``total`` but in no block are lower than all others. ValueError: rate outside 0..1, or an empty total.
    """
    if not 0 <= rate <= 1 or total < 1:
        raise ValueError(f"rate {rate} of {total} scores: a share lies in 0..1, of at least one score")
    allowed = math.floor(rate * total * (1 + 1e-12))
    kept, bound = np.empty(0), -math.inf
    for block in blocks:  # all of them, also where the rate makes them needless: whoever made them may have more to do
        kept = np.concatenate([kept, block[block > bound].astype(np.float64)])
        if kept.size > allowed:
            kept = np.partition(kept, kept.size - allowed - 1)[kept.size - allowed - 1 :]
            bound = float(kept.min())
    if allowed >= total:
        return -math.inf
    return float(np.nextafter(bound, np.inf)) if kept.size > allowed else float(np.nextafter(-np.inf, 0))


def tar_at_far(mated: Scores, non_mated: Scores, far: float) -> float:
    """Share of mated scores accepted at the threshold at which at most ``far`` of the non-mated ones are."""
    return float((_column(mated, "mated") >= threshold_at(non_mated, far)).mean())


def fold_accuracies(
    scores: Scores, same: Sequence[bool] | npt.NDArray[np.bool_], folds: Sequence[int] | npt.NDArray[np.integer]
) -> Numbers:
    """Share of right decisions in each fold, in the order of the fold numbers, at the threshold that is best for all other folds.

    The protocol of LFW, View 2 (Huang et al., 2007, section 3). scores, same (whether both are one person), folds: parallel, finite.
    ValueError: fewer than two folds.
    """
    values, truth, numbers = _column(scores, "scores"), np.asarray(same, bool), np.asarray(folds)
    distinct = np.unique(numbers)
    if not np.isfinite(values).all() or values.shape != truth.shape or values.shape != numbers.shape or distinct.size < 2:
        raise ValueError(
            f"folds: {values.size} finite scores, {truth.size} truths, {numbers.size} fold numbers, {distinct.size} folds do not fit"
        )
    accuracies = []
    for fold in distinct:
        held = numbers == fold
        accepted = values[held] >= best_threshold(values[~held], truth[~held])
        accuracies.append(float((accepted == truth[held]).mean()))
    return np.array(accuracies)


def best_threshold(scores: Numbers, same: npt.NDArray[np.bool_]) -> float:
    """The threshold with most right decisions: halfway between two scores, or infinite; of equally good ones the middle one."""
    distinct = np.unique(scores)
    between = np.maximum(distinct[:-1] / 2 + distinct[1:] / 2, np.nextafter(distinct[:-1], np.inf))
    thresholds = np.concatenate([[-np.inf], between, [np.inf]])
    accepted = np.count_nonzero(same) - np.searchsorted(np.sort(scores[same]), thresholds, "left")
    right = accepted + np.searchsorted(np.sort(scores[~same]), thresholds, "left")
    best = np.flatnonzero(right == right.max())
    return float(thresholds[best[best.size // 2]])


def fnir_at_fpir(mates: Scores, ranks: Scores, best_non_mated: Scores, fpir: float, rank: int = 1) -> tuple[float, float]:
    """FNIR(N, rank, T) of an open-set search and the T at which at most ``fpir`` of the non-mated searches return anybody; DIR = 1 - FNIR.

    mates, ranks: for each mated search the score of the right subject and its place in the candidate list (any score and an infinite rank
    where there is none). best_non_mated: the highest score of each non-mated search.
    """
    threshold = threshold_at(best_non_mated, fpir)
    scores, places = _column(mates, "mates"), _column(ranks, "ranks")
    return float(1 - ((scores >= threshold) & (places <= rank)).mean()), threshold


def mate_ranks(scores: npt.NDArray[Any], subjects: Sequence[str], mates: Sequence[str]) -> npt.NDArray[np.int64]:
    """The place from 1 of the right subject in each search; a subject counts with its best reference, and ties count against the mate.

    scores: (searches, references). subjects: of each reference. mates: the right subject of each search. ValueError: shapes that do not
    fit, or a mate without a reference.
    """
    return mate_scores(scores, subjects, mates)[1]


def mate_scores(scores: npt.NDArray[Any], subjects: Sequence[str], mates: Sequence[str]) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """The score of the right subject's best reference in each search, and its rank; as ``mate_ranks``."""
    people, columns = np.unique(np.asarray(subjects), return_inverse=True)
    if scores.shape != (len(mates), len(subjects)) or not set(mates) <= set(subjects):
        raise ValueError(
            f"ranks: scores {scores.shape} of {len(mates)} searches over {len(subjects)} references, or a mate is not enrolled"
        )
    order = np.argsort(columns, kind="stable")
    first = np.searchsorted(columns[order], np.arange(people.size))
    best = np.maximum.reduceat(scores[:, order].astype(np.float64), first, axis=1)
    own = best[np.arange(len(mates)), np.searchsorted(people, np.asarray(mates))]
    return own, np.asarray((best >= own[:, None]).sum(axis=1), np.int64)


def average_precision(scores: Scores, relevant: Sequence[bool] | npt.NDArray[np.bool_]) -> float:
    """The mean precision 0..1 at which each relevant one is found, in a list by falling score; equal scores are found together.

    The definition of scikit-learn's ``average_precision_score``. ValueError: nothing is relevant, or lengths that do not fit.
    """
    values, wanted = _column(scores, "scores"), np.asarray(relevant, bool)
    if values.shape != wanted.shape or not wanted.any():
        raise ValueError(f"average precision: {values.size} scores, {wanted.size} truths, {np.count_nonzero(wanted)} of them relevant")
    order = np.argsort(-values, kind="stable")
    last = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1)
    found = np.cumsum(wanted[order])[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / found[-1])


def cmc(ranks: Scores, most: int) -> Numbers:
    """Cumulative match characteristic: the share of mated searches whose mate is at rank 1, 2, ... ``most`` or better; [0] is rank-1."""
    places = np.sort(_column(ranks, "ranks"))
    return np.searchsorted(places, np.arange(1, most + 1), "right") / places.size


def interval(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share (Clopper and Pearson, Biometrika 26, 1934). Needs scipy; ValueError: not 0 <= events <= trials > 0."""
    if not 0 <= events <= trials or trials < 1 or not 0 < confidence < 1:
        raise ValueError(f"interval: {events} of {trials} at {confidence} is no share")
    try:
        from scipy.stats import beta
    except ImportError as error:
        raise EdgeError("interval: scipy is not installed; .venv/bin/pip install -e '.[eval]'") from error
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, events, trials - events + 1)) if events else 0.0
    high = float(beta.isf(tail, events + 1, trials - events)) if events < trials else 1.0
    return low, high


def bootstrap(
    statistic: Callable[[npt.NDArray[np.int64]], float],
    groups: Sequence[Any] | npt.NDArray[Any],
    repeats: int = 1000,
    seed: int = 1,
    confidence: float = 0.95,
    corrected: bool = False,
) -> tuple[float, float]:
    """The interval of a statistic when groups of things are drawn again, with replacement (Efron and Tibshirani, 1993).

    statistic: of the places (n,) of things, the same place perhaps several times. groups: of each thing, what it is drawn with: itself,
    its person, its fold. corrected: for bias and acceleration (BCa, chapter 14; one further call for each group), else percentiles
    (chapter 13). The same seed gives the same interval. Draws of which the statistic is undefined (not a number) do not count.
    ValueError: no groups, fewer than two repeats, or no draw on which the statistic is defined.
    """
    labels = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    if labels.size == 0 or repeats < 2 or not 0 < confidence < 1:
        raise ValueError(f"bootstrap: {labels.size} things, {repeats} repeats at {confidence}")
    order, sizes = np.argsort(labels, kind="stable"), np.bincount(labels)
    starts, random = np.cumsum(sizes) - sizes, np.random.default_rng(seed)
    drawn = [statistic(order[_ranges(starts, sizes, random.integers(0, sizes.size, sizes.size))]) for _ in range(repeats)]
    values = np.array([value for value in drawn if not math.isnan(value)])
    if values.size == 0:
        raise ValueError("bootstrap: the statistic is undefined on every draw")
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if corrected:
        everything = np.arange(labels.size)
        without = np.array([statistic(everything[labels != group]) for group in range(sizes.size)])
        tails = _corrected(tails, values, statistic(everything), without)
    low, high = np.quantile(values, tails)
    return float(low), float(high)


def _ranges(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The places of all members of these groups, one group after the other."""
    lengths = sizes[groups]
    before = np.cumsum(lengths) - lengths
    places: npt.NDArray[np.int64] = np.arange(int(lengths.sum())) + np.repeat(starts[groups] - before, lengths)
    return places


def _corrected(tails: Numbers, values: Numbers, observed: float, without: Numbers) -> Numbers:
    """The tails that BCa reads instead: moved by the bias of the draws and by how the statistic's spread grows with it."""
    normal = NormalDist()
    below = ((values < observed).mean() + (values <= observed).mean()) / 2
    bias = normal.inv_cdf(float(np.clip(below, 0.5 / values.size, 1 - 0.5 / values.size)))
    away = without[~np.isnan(without)].mean() - without[~np.isnan(without)]
    away = away / (np.abs(away).max() or 1.0)  # its scale does not matter, and the cube of a tiny one would vanish
    spread = float((away**2).sum())
    bend = float((away**3).sum()) / (6 * spread**1.5) if spread else 0.0
    moved = [bias + (bias + normal.inv_cdf(float(tail))) / (1 - bend * (bias + normal.inv_cdf(float(tail)))) for tail in tails]
    return np.array([normal.cdf(z) for z in moved])


def _column(values: Scores, name: str) -> Numbers:
    column = np.asarray(values, np.float64)
    if column.ndim != 1 or column.size == 0 or np.isnan(column).any():
        raise ValueError(f"{name}: expected at least one number in a row, none of them undefined, got shape {column.shape}")
    return column

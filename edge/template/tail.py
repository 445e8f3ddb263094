"""From non-mated scores to the threshold: the law of their lower tail, how sure it is, and what it promises at an operating point.

Dissimilarities are in symbols, 0..m, as of ``compare.dissimilarities``; smaller is more alike. The one threshold rule of the appliance
stands here.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edge.errors import SettingsError
from edge.records import Code, Symbols
from edge.template import compare

# Probability-weighted moments need a shape below 0.5 (Hosking & Wallis 1987, section 3). At 0 the tail is exponential. Normal-like counts
# fit shapes of -0.2..-0.1 at a share of 1 %, and such a law, which ends, claims a hundredth of the true rate and less four decades further
# down; at 0 it errs to the safe side, at a cost of a few symbols.
SHAPES = (0.0, 0.49)
FREE_SHAPES = (-0.25, 0.49)  # for the lower end of the interval only: near-normal counts do not end sooner than this
SHARE = 0.01
LEAST_TAIL = 100
CONFIDENCE = 0.95
REPLICATES = 200
DEEPEST = 12  # decades below the tail's share down to which an interval is stored


@dataclass(frozen=True)
class Bound:
    """With 95 % confidence the false match rate at ``dissimilarity`` lies in ``low``..``high``, shares of comparisons."""

    dissimilarity: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.dissimilarity < 0 or not 0 <= self.low <= self.high <= 1:
            raise ValueError(f"non-mated tail: {self} is no interval of a share; fit it again")


@dataclass(frozen=True)
class Promise:
    """What a threshold promises.

    threshold: dissimilarity in symbols, of m, that may still be called the person. fpir: stated, per approach of somebody not enrolled.
    size, looks: references searched, searches an approach. expected: the FPIR that follows from the tail, every look taken as independent.
    interval: in which it lies with 95 % confidence, as far as the tail's law holds; None where the tail was fitted without telling people
    apart. Its lower end takes all looks of an approach as one and the same. decades: powers of ten by which the false match rate allowed
    lies below the smallest one that the comparisons measured could show, 1 / pairs; 0: within what was measured.
    """

    threshold: int
    m: int
    fpir: float
    size: int
    looks: int
    expected: float
    interval: tuple[float, float] | None
    decades: float


@dataclass(frozen=True)
class NonMatedTail:
    """The lower tail of measured non-mated dissimilarities: a generalised Pareto law of how far below ``tail_at`` one lies.

    m: symbols of a code. pairs: comparisons measured. tail_at: where the tail begins (halfway between two counts). tail_share: share of the
    pairs below it. shape, scale: of the law P(excess > y) = (1 + shape y / scale)^(-1/shape), exp(-y / scale) at shape 0; scale in symbols.
    people: how many were compared with one another, 0: not told. bounds: the interval of the rate, from the tail's edge downwards; none
    where people were not told apart. Raises ValueError for impossible numbers.
    """

    m: int
    pairs: int
    tail_at: float
    tail_share: float
    shape: float
    scale: float
    people: int = 0
    bounds: tuple[Bound, ...] = ()

    def moved(self, shift: int) -> "NonMatedTail":
        """The same law so many symbols nearer to mated (shift below 0), as far as a tail can begin above 0 symbols."""
        shift = max(shift, math.ceil(0.5 - self.tail_at))
        bounds = tuple(
            replace(bound, dissimilarity=bound.dissimilarity + shift) for bound in self.bounds if bound.dissimilarity + shift >= 0
        )
        return replace(self, tail_at=self.tail_at + shift, bounds=bounds)

    def __post_init__(self) -> None:
        sound = self.m >= 1 and self.pairs >= 1 and 0 < self.tail_at <= self.m and 0 < self.tail_share < 1 and 0 < self.scale < math.inf
        falling = all(a.dissimilarity > b.dissimilarity and a.low >= b.low and a.high >= b.high for a, b in pairwise(self.bounds))
        if not sound or not SHAPES[0] <= self.shape <= SHAPES[1] or not falling or self.people < 0:
            raise ValueError(f"non-mated tail: {self} is no tail of codes with {self.m} symbols and a shape in {SHAPES}; fit it again")

    def false_match_rate(self, dissimilarity: int) -> float:
        """The share of non-mated comparisons with at most this dissimilarity. Above the tail nothing is claimed: 1."""
        excess = self.tail_at - (dissimilarity + 0.5)
        return self.tail_share * float(_survival(np.array(self.shape), np.array(self.scale), excess)) if excess >= 0 else 1.0

    def interval(self, dissimilarity: int) -> tuple[float, float] | None:
        """Where the false match rate at ``dissimilarity`` lies with 95 % confidence; None where it was not measured.

        Between two bounds by straight line in the logarithm, which errs upwards for the upper one. Below the last: 0 to its upper end.
        """
        if not self.bounds:
            return None
        if dissimilarity > self.bounds[0].dissimilarity:
            return self.bounds[0].low, 1.0
        for above, below in pairwise(self.bounds):
            if below.dissimilarity <= dissimilarity:
                part = (above.dissimilarity - dissimilarity) / (above.dissimilarity - below.dissimilarity)
                return _between(above.low, below.low, part), _between(above.high, below.high, part)
        last = self.bounds[-1]
        return (last.low if dissimilarity == last.dissimilarity else 0.0), last.high

    def threshold(self, fpir: float, gallery_size: int, looks: int) -> int:
        """The largest dissimilarity in symbols that may still be called the person.

        fpir: false positives allowed per approach of somebody not enrolled, 0..1. gallery_size: references searched (an empty gallery
        counts as one). looks: searches per approach, each taken as independent, which errs to the safe side. Solves 1 - (1 -
        FMR(t))^(gallery_size * looks) <= fpir. Raises SettingsError when even equal codes would be too frequent.
        """
        if not 0 < fpir < 1 or gallery_size < 0 or looks < 1:
            raise ValueError(f"operating point: FPIR {fpir}, {gallery_size} references, {looks} looks; expected 0..1, >= 0, >= 1")
        allowed = -math.expm1(math.log1p(-fpir) / (max(gallery_size, 1) * looks))
        for dissimilarity in range(math.floor(self.tail_at), -1, -1):
            if self.false_match_rate(dissimilarity) <= allowed:
                return dissimilarity
        raise SettingsError(
            f"FPIR {fpir:g} with {gallery_size} references and {looks} looks an approach asks for a false match rate of {allowed:.1e}, "
            f"which this network's {self.m} symbols never reach; allow a higher FPIR, search fewer references, or look less often"
        )

    def promise(self, fpir: float, gallery_size: int, looks: int) -> Promise:
        """The threshold at an operating point, and how sure it is. Arguments and errors as of ``threshold``."""
        return self.promise_at(self.threshold(fpir, gallery_size, looks), fpir, gallery_size, looks)

    def promise_at(self, threshold: int, fpir: float, gallery_size: int, looks: int) -> Promise:
        """What any threshold, also one of another tail, makes of the people that this tail was measured on."""
        rate, bounds = self.false_match_rate(threshold), self.interval(threshold)
        interval = None if bounds is None else (per_approach(bounds[0], gallery_size, 1), per_approach(bounds[1], gallery_size, looks))
        decades = max(0.0, -math.log10(rate * self.pairs)) if rate > 0 else math.inf
        return Promise(threshold, self.m, fpir, gallery_size, looks, per_approach(rate, gallery_size, looks), interval, decades)


def per_approach(rate: float, gallery_size: int, looks: int) -> float:
    """The FPIR that follows from a false match rate (0..1): 1 - (1 - rate)^(gallery_size * looks)."""
    return 1.0 if rate >= 1 else -math.expm1(max(gallery_size, 1) * looks * math.log1p(-rate))


def fit_tail(
    dissimilarity: npt.NDArray[np.integer],
    m: int,
    share: float = SHARE,
    *,
    people: npt.NDArray[np.integer] | None = None,
    seed: int = 0,
) -> NonMatedTail:
    """Fit the tail to measured non-mated dissimilarities by probability-weighted moments (Hosking & Wallis, Technometrics 29(3), 1987).

    dissimilarity: (pairs,) integers 0..m, of codes of different people compared as the appliance compares them. share: about how much of
    them is tail; all that tie with the last one belong to it. A count k stands for k - 0.5..k + 0.5. The shape is kept within ``SHAPES``;
    where that binds, the scale follows from the mean. people: (pairs, 2) whole numbers that tell who was compared with whom; with them the
    tail gets its interval. seed: of the draws for it. Raises ValueError for too few pairs, or a tail of a single value.
    """
    counts = np.asarray(dissimilarity).ravel()
    if not 0 < share < 1 or counts.size * share < LEAST_TAIL:
        raise ValueError(f"{counts.size} pairs at a tail share of {share}: the tail needs at least {LEAST_TAIL} pairs; measure more")
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0 or counts.max() > m:
        raise ValueError(f"dissimilarities: expected whole numbers in 0..{m}")
    if people is not None and people.shape != (counts.size, 2):
        raise ValueError(f"people: {counts.size} pairs have {counts.size} x 2 people, got shape {people.shape}")
    rank = math.ceil(counts.size * share) - 1
    last = int(np.partition(counts, rank)[rank])
    inside = counts <= last
    depth = (last - counts[inside]).astype(np.int64)  # an excess of depth + 0.5
    if depth.size == counts.size or depth.min() == depth.max():
        raise ValueError(f"{counts.size} pairs: a tail at {last} symbols holds one value or everything; measure more pairs")
    free, mean = (float(number) for number in _moments(np.bincount(depth)))
    shape = float(np.clip(free, *SHAPES))
    tail = NonMatedTail(m, counts.size, last + 0.5, depth.size / counts.size, shape, mean * (1 - shape))
    if people is None:
        return tail
    names, who = np.unique(people, return_inverse=True)
    laws = np.array(list(_drawn_again(depth, inside, who.reshape(people.shape), names.size, seed)))
    return replace(tail, people=int(names.size), bounds=tuple(_bounds(tail, *laws.T)))


def taking_turns(looks: Sequence[Sequence[Code]], references: Symbols) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Dissimilarity of one look of each person to each other person's reference, (n (n-1),), and who was compared, (n (n-1), 2).

    looks: of each person the codes of an approach's searches. references: (n, m) symbols. Only one look of an approach meets one
    reference, its looks taking turns: looks of an approach are nearly the same, so more of them would count the same comparison several
    times.
    """
    counts, who, places = [], [], np.arange(len(looks))
    for place, own in enumerate(looks):
        found, turn = np.empty(len(looks), np.int64), (place + places) % len(own)
        for number, look in enumerate(own):
            found[turn == number] = compare.dissimilarities(references[turn == number], look)
        others = places != place
        counts.append(found[others])
        who.append(np.column_stack([np.full(len(looks) - 1, place), places[others]]))
    return np.concatenate(counts), np.concatenate(who)


def _moments(histogram: npt.NDArray[np.integer]) -> tuple[np.float64, np.float64]:
    """Shape, not bounded, and mean of the excesses, from how many there are of each depth 0, 1, ...

    Probability-weighted moments (Hosking & Wallis 1987): a0 = mean, a1 = mean of excess times the share of larger ones.
    """
    excess, count = np.arange(histogram.size) + 0.5, histogram.astype(np.float64)
    total = count.sum()
    larger = total - np.cumsum(count) + (count - 1) / 2  # ties among themselves: half of them count as larger
    mean = (count * excess).sum() / total
    weighted = (count * excess * larger).sum() / (total * max(total - 1, 1))
    return 2 - mean / max(mean - 2 * weighted, 1e-9 * mean), mean


def _drawn_again(
    depth: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_], who: npt.NDArray[np.integer], people: int, seed: int
) -> Iterator[tuple[float, float, float]]:
    """Share, shape (not bounded) and mean excess of the tail when people are drawn again, with replacement.

    A comparison counts as often as both its people were drawn: comparisons that share a person are not independent. Owen, *The pigeonhole
    bootstrap* (Annals of Applied Statistics 1(2), 2007): never too narrow by much, up to sqrt(3) too wide where people do not matter.
    """
    random = np.random.default_rng(seed)
    first, second = who[:, 0], who[:, 1]
    tail_first, tail_second = first[inside], second[inside]
    for _ in range(REPLICATES):
        times = np.bincount(random.integers(0, people, people), minlength=people)
        weights = times[tail_first] * times[tail_second]
        total = int(np.dot(times[first], times[second]))
        if weights.any():
            shape, mean = _moments(np.bincount(depth, weights))
            yield weights.sum() / total, float(shape), float(mean)
        else:
            yield 0.0, 0.0, 1.0


def _bounds(
    tail: NonMatedTail, share: npt.NDArray[np.float64], shape: npt.NDArray[np.float64], mean: npt.NDArray[np.float64]
) -> Iterator[Bound]:
    """The interval at each decade of the fitted rate, as quantiles over the laws drawn.

    The upper end is of laws whose shape is bounded as the fitted one's, the lower end of laws that may end: data that look as if no
    stranger could come closer than so and so do not raise the door's threshold, but they are a reason not to expect many. A few common
    faces make the tail, so shares drawn again are skewed and their upper quantile is too low: it is replaced by the lower one mirrored at
    the measured share, in the logarithm, where that is larger (by four times at most).
    """
    edge = math.floor(tail.tail_at)
    rates = [tail.false_match_rate(dissimilarity) for dissimilarity in range(edge + 1)]
    depths = [int(np.searchsorted(rates, tail.tail_share * 10.0**-decade * (1 + 1e-9), "right")) - 1 for decade in range(DEEPEST + 1)]
    below, above = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    free, bounded = ((kept, mean * (1 - kept)) for kept in (np.clip(shape, *FREE_SHAPES), np.clip(shape, *SHAPES)))
    least, most = (float(number) for number in np.quantile(share, (below, above)))
    skew = max(1.0, tail.tail_share**2 / max(least * most, tail.tail_share**2 / 4))
    for dissimilarity in sorted({*depths} - {-1}, reverse=True):
        excess, fitted = tail.tail_at - (dissimilarity + 0.5), rates[dissimilarity]
        low = float(np.quantile(share * _survival(*free, excess), below))
        high = skew * float(np.quantile(share * _survival(*bounded, excess), above))
        yield Bound(dissimilarity, _short(min(low, fitted)), _short(min(max(high, fitted), 1.0)))


def _survival(shape: npt.NDArray[np.float64], scale: npt.NDArray[np.float64], excess: float) -> npt.NDArray[np.float64]:
    """P(excess > y) under the generalised Pareto law; 0 beyond the end of a law that ends."""
    straight = np.abs(shape) < 1e-9
    bent = np.where(straight, 1.0, shape)
    inner = np.maximum(1 + bent * excess / scale, 0.0)
    with np.errstate(divide="ignore", under="ignore"):
        curved = np.exp(-np.log(inner) / bent)
        survived: npt.NDArray[np.float64] = np.where(straight, np.exp(-excess / scale), np.where(inner > 0, curved, 0.0))
    return survived


def _between(above: float, below: float, part: float) -> float:
    """Between two rates by straight line in the logarithm; nothing where one of them is nothing."""
    return math.exp((1 - part) * math.log(above) + part * math.log(below)) if above > 0 and below > 0 else 0.0 if part > 0 else above


def _short(rate: float) -> float:
    """Four significant digits: a bound is no surer than that."""
    return float(f"{rate:.4g}")

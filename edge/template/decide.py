"""When is a candidate the person? The threshold that follows from an operating point, and the one decision about one approach.

Dissimilarities are unequal symbols, 0..m; smaller is more alike.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import SettingsError
from edge.records import Candidate, Features, Outcome, Reason, Verdict
from edge.template.fuse import fuse

# Probability-weighted moments need a shape below 0.5 (Hosking & Wallis 1987, section 3). At 0 the tail is exponential. Normal-like counts
# fit shapes of -0.2..-0.1 at a share of 1 %, and such a law, which ends, claims a hundredth of the true rate and less four decades further
# down; at 0 it errs to the safe side, at a cost of a few symbols.
SHAPES = (0.0, 0.49)
LEAST_TAIL = 100


@dataclass(frozen=True)
class NonMatedTail:
    """The lower tail of measured non-mated dissimilarities: a generalised Pareto law of how far below ``tail_at`` one lies.

    m: symbols of a code. pairs: comparisons measured. tail_at: where the tail begins (halfway between two counts). tail_share: share of the
    pairs below it. shape, scale: of the law P(excess > y) = (1 + shape y / scale)^(-1/shape), exp(-y / scale) at shape 0; scale in symbols.
    Raises ValueError for impossible numbers.
    """

    m: int
    pairs: int
    tail_at: float
    tail_share: float
    shape: float
    scale: float

    def __post_init__(self) -> None:
        sound = self.m >= 1 and self.pairs >= 1 and 0 < self.tail_at <= self.m and 0 < self.tail_share < 1 and 0 < self.scale < math.inf
        if not sound or not SHAPES[0] <= self.shape <= SHAPES[1]:
            raise ValueError(f"non-mated tail: {self} is no tail of codes with {self.m} symbols and a shape in {SHAPES}; fit it again")

    def false_match_rate(self, unequal: int) -> float:
        """The share of non-mated comparisons with at most ``unequal`` unequal symbols. Above the tail nothing is claimed: 1."""
        excess = self.tail_at - (unequal + 0.5)
        return self.tail_share * self._survival(excess) if excess >= 0 else 1.0

    def threshold(self, fpir: float, gallery_size: int, looks: int) -> int:
        """The largest number of unequal symbols that may still be called the person.

        fpir: false positives allowed per approach of somebody not enrolled, 0..1. gallery_size: references searched (an empty gallery
        counts as one). looks: searches per approach, each taken as independent, which errs to the safe side. Solves 1 - (1 -
        FMR(t))^(gallery_size * looks) <= fpir. Raises SettingsError when even equal codes would be too frequent.
        """
        if not 0 < fpir < 1 or gallery_size < 0 or looks < 1:
            raise ValueError(f"operating point: FPIR {fpir}, {gallery_size} references, {looks} looks; expected 0..1, >= 0, >= 1")
        allowed = -math.expm1(math.log1p(-fpir) / (max(gallery_size, 1) * looks))
        for unequal in range(math.floor(self.tail_at), -1, -1):
            if self.false_match_rate(unequal) <= allowed:
                return unequal
        raise SettingsError(
            f"FPIR {fpir:g} with {gallery_size} references and {looks} looks an approach asks for a false match rate of {allowed:.1e}, "
            f"which this network's {self.m} symbols never reach; allow a higher FPIR, search fewer references, or look less often"
        )

    def _survival(self, excess: float) -> float:
        if abs(self.shape) < 1e-9:
            return math.exp(-excess / self.scale)
        return math.exp(-math.log1p(self.shape * excess / self.scale) / self.shape)


def fit_tail(unequal: npt.NDArray[np.integer], m: int, share: float = 0.01) -> NonMatedTail:
    """Fit the tail to measured non-mated dissimilarities by probability-weighted moments (Hosking & Wallis, Technometrics 29(3), 1987).

    unequal: (pairs,) integers 0..m, of codes of different people compared as the appliance compares them. share: about how much of them
    is tail; all that tie with the last one belong to it. A count k stands for k - 0.5..k + 0.5. The shape is kept within ``SHAPES``;
    where that binds, the scale follows from the mean. Raises ValueError for too few pairs, or a tail of a single value.
    """
    counts = np.asarray(unequal).ravel()
    if not 0 < share < 1 or counts.size * share < LEAST_TAIL:
        raise ValueError(f"{counts.size} pairs at a tail share of {share}: the tail needs at least {LEAST_TAIL} pairs; measure more")
    if not np.issubdtype(counts.dtype, np.integer) or counts.min() < 0 or counts.max() > m:
        raise ValueError(f"dissimilarities: expected whole numbers in 0..{m}")
    rank = math.ceil(counts.size * share) - 1
    last = int(np.partition(counts, rank)[rank])
    excess = np.sort(last + 0.5 - counts[counts <= last].astype(np.float64))
    if excess.size == counts.size or excess[0] == excess[-1]:
        raise ValueError(f"{counts.size} pairs: a tail at {last} unequal symbols holds one value or everything; measure more pairs")
    ranks = np.arange(1, excess.size + 1)
    mean, weighted = float(excess.mean()), float((excess * (excess.size - ranks)).sum() / (excess.size * (excess.size - 1)))
    shape = float(np.clip(2 - mean / (mean - 2 * weighted), *SHAPES))
    return NonMatedTail(m, counts.size, last + 0.5, excess.size / counts.size, shape, mean * (1 - shape))


@dataclass(frozen=True)
class Policy:
    """How an approach is judged.

    min_samples, max_samples: usable samples before the first and at the last look. margin: symbols by which the best candidate of another
    subject must be worse, at least 1 (two subjects alike are never decided). max_log_variance: fused uncertainty (natural logarithm) above
    which another sample is awaited. interval: seconds from one sample to the next, so that they are not all of one moment. window:
    seconds after which a sample is too old to be fused with a new one. Raises ValueError for impossible values.
    """

    min_samples: int
    max_samples: int
    margin: int
    max_log_variance: float
    interval: float
    window: float

    def __post_init__(self) -> None:
        sound = 1 <= self.min_samples <= self.max_samples and self.margin >= 1 and 0 <= self.interval < self.window
        if not sound or math.isnan(self.max_log_variance):
            raise ValueError(
                f"{self}: expected 1 <= min_samples <= max_samples, margin >= 1, 0 <= interval < window, and a number for max_log_variance"
            )

    @property
    def looks(self) -> int:
        """The most searches that one approach can cost."""
        return self.max_samples - self.min_samples + 1


@dataclass(frozen=True, eq=False)
class _Sample:
    features: Features
    captured: float


class Approach:
    """One track on its way to one outcome.

    Hand in every sample; search for what ``add`` returns; ``judge`` the candidates; ``close`` when the track has ended.
    track: the tracker's number. captured: monotonic seconds of its first frame. Holds at most ``policy.max_samples`` samples, and none once
    decided.
    """

    def __init__(self, track: int, policy: Policy, captured: float) -> None:
        self.track, self._policy, self._seen = track, policy, captured
        self._samples: list[_Sample] = []
        self._used, self._newest = 0, captured
        self._looked = False
        self._refused: Counter[Reason] = Counter()
        self.decided = False

    def wants(self, captured: float) -> bool:
        """Whether a sample of this moment (monotonic seconds) is of use: undecided, and not too soon after the last one."""
        return not self.decided and (not self._samples or captured - self._newest >= self._policy.interval)

    def refuse(self, reasons: Sequence[Reason], captured: float) -> None:
        """A sample of this track was not used, for these reasons."""
        self._seen = max(self._seen, captured)
        self._refused.update(reasons)

    @property
    def fused(self) -> Features | None:
        """The samples held, as one; None where there are none."""
        return fuse([sample.features for sample in self._samples]) if self._samples else None

    def restart(self) -> None:
        """Forget the samples held: somebody else stands there now."""
        self._samples.clear()
        self._refused[Reason.INCONSISTENT] += 1

    def add(self, features: Features, captured: float) -> Features | None:
        """A usable sample. Returns the fused features to search for, or None: decided already, too few, or still too uncertain.

        Samples older than the window are forgotten, so that nobody is named by frames of somebody who has left. When ``max_samples`` are
        held and still too uncertain, a new sample takes the place of the least certain one.
        """
        if self.decided:
            return None
        self._seen = max(self._seen, captured)
        self._samples = [sample for sample in self._samples if captured - sample.captured <= self._policy.window]
        self._samples.append(_Sample(features, captured))
        if len(self._samples) > self._policy.max_samples:
            self._samples.remove(max(self._samples, key=lambda sample: sample.features.log_variance))
        self._used, self._newest = len(self._samples), max(sample.captured for sample in self._samples)
        fused = self.fused
        if fused is None or fused.log_variance > self._policy.max_log_variance:
            self._refused[Reason.UNCERTAIN] += 1
            return None
        return fused if self._used >= self._policy.min_samples else None

    def judge(self, candidates: Sequence[Candidate], threshold: int, now: float) -> Outcome | None:
        """The outcome, if the candidates found for the fused features decide it; None: go on. After the one decision always None.

        candidates: any number, in any order, also several of one subject. threshold: see ``NonMatedTail.threshold``. now: monotonic
        seconds. Raises ValueError before enough samples were added.
        """
        if self.decided:
            return None
        if self._used < self._policy.min_samples:
            raise ValueError(f"track {self.track}: judged with {self._used} samples, the policy asks for {self._policy.min_samples}")
        self._looked = True
        subject = self._named(candidates, threshold)
        if subject is not None:
            return self._decide(Verdict.IDENTIFIED, now, subject)
        return self._decide(Verdict.UNKNOWN, now) if self._used >= self._policy.max_samples else None

    def close(self, now: float) -> Outcome | None:
        """The track has ended: unknown if it was looked at, not acquired if its samples never sufficed; None if it was decided before."""
        if self.decided:
            return None
        return self._decide(Verdict.UNKNOWN if self._looked else Verdict.NOT_ACQUIRED, now)

    def _named(self, candidates: Sequence[Candidate], threshold: int) -> str | None:
        best = min(candidates, key=lambda candidate: candidate.unequal, default=None)
        if best is None or best.unequal > threshold:
            return None
        others = (candidate.unequal for candidate in candidates if candidate.subject != best.subject)
        return best.subject if min(others, default=math.inf) - best.unequal >= self._policy.margin else None

    def _decide(self, verdict: Verdict, now: float, subject: str | None = None) -> Outcome:
        self.decided = True
        self._samples.clear()
        reasons = tuple(reason for reason, _ in self._refused.most_common())
        if verdict is Verdict.NOT_ACQUIRED and not reasons:
            reasons = (Reason.TOO_BRIEF,)
        captured = self._seen if verdict is Verdict.NOT_ACQUIRED else self._newest
        return Outcome(verdict, self.track, captured, now, self._used, subject, reasons)


def expired(outcome: Outcome, now: float, expiry: float) -> bool:
    """Is the newest frame behind the outcome older than ``expiry`` seconds? Such an outcome is dropped: the person may have left."""
    return now - outcome.captured > expiry

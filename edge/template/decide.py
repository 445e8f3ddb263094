"""When is a candidate the person? The one decision about one approach.

Dissimilarities are in symbols, 0..m; smaller is more alike. The threshold comes from ``edge.template.tail``.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edge.records import Candidate, Features, Outcome, Reason, Verdict
from edge.template.fuse import fuse


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

    @property
    def held(self) -> int:
        """Samples held at this moment."""
        return len(self._samples)

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

        candidates: any number, in any order, also several of one subject. threshold: see ``tail.NonMatedTail.threshold``. now: monotonic
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
        best = min(candidates, key=lambda candidate: candidate.dissimilarity, default=None)
        if best is None or best.dissimilarity > threshold:
            return None
        others = (candidate.dissimilarity for candidate in candidates if candidate.subject != best.subject)
        return best.subject if min(others, default=math.inf) - best.dissimilarity >= self._policy.margin else None

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

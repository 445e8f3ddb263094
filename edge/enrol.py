"""Enrolment: pictures of one person in, one reference out. Nothing is stored unless every check passes."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge.acquire import Sample
from edge.errors import AcquisitionError
from edge.records import Candidate, Code, Features, Frame, Pixels, Reason
from edge.template.fuse import fuse

Listener = Callable[[int, tuple[Reason, ...]], None]


def unheard(count: int, reasons: tuple[Reason, ...]) -> None:
    """Progress that nobody watches."""


class Capturer(Protocol):
    """What a session needs of an acquirer; ``edge.acquire.Acquirer`` is one."""

    def only_face(self, image: Pixels) -> tuple[Sample | None, tuple[Reason, ...]]: ...

    def features(self, samples: Sequence[Sample]) -> list[Features]: ...

    def code(self, features: Features) -> Code: ...


@dataclass(frozen=True)
class EnrolmentRules:
    """What a session must yield.

    min_samples, max_samples: usable samples. consistency: share 0..1 of unequal symbols between a sample and the others, fused, above
    which it is of somebody else. interval: seconds from one sample to the next, so that they are not all of one moment.
    """

    min_samples: int
    max_samples: int
    consistency: float
    interval: float


@dataclass(frozen=True, eq=False)
class Session:
    """What a session yielded: the fused features' code, samples used, and why others were not (most frequent first).

    former: the same person's code of the network before, while people move from it.
    """

    code: Code
    samples: int
    reasons: tuple[Reason, ...]
    former: Code | None = None


def capture(frames: Iterable[Frame], acquirer: Capturer, rules: EnrolmentRules, tell: Listener = unheard) -> Session:
    """Collect samples of the one person in front of the camera until ``max_samples`` serve or the frames end.

    tell: called after every frame with the number of samples so far and the reasons against this frame's. Raises
    AcquisitionError naming the most frequent reasons when fewer than ``min_samples`` serve, or when the samples are not of one person.
    """
    features: list[Features] = []
    refused: Counter[Reason] = Counter()
    seen, last = 0, float("-inf")
    for frame in frames:
        if frame.captured - last < rules.interval:
            continue
        seen += 1
        sample, reasons = acquirer.only_face(frame.image)
        if sample is not None:
            last = frame.captured
            features += acquirer.features([sample])
        refused.update(reasons)
        tell(len(features), reasons)
        if len(features) >= rules.max_samples:
            break
    kept = consistent(features, acquirer, rules.consistency)
    refused[Reason.INCONSISTENT] += len(features) - len(kept)
    ordered = tuple(reason for reason, count in refused.most_common() if count)
    if len(kept) < rules.min_samples or 2 * len(kept) <= len(features):
        why = ", ".join(f"{reason.value} ({refused[reason]})" for reason in ordered) or "the source ended"
        raise AcquisitionError(
            f"enrolment: {len(kept)} of {seen} pictures serve, {rules.min_samples} are needed; refused: {why}. "
            f"Nothing was stored; {advice(ordered)}"
        )
    return Session(acquirer.code(fuse(kept)), len(kept), ordered)


def consistent(features: list[Features], acquirer: Capturer, limit: float) -> list[Features]:
    """The samples whose code agrees with that of all the others fused; two samples that disagree are both left out."""
    if len(features) < 2:
        return features
    kept = []
    for index, each in enumerate(features):
        others = fuse(features[:index] + features[index + 1 :])
        if float(np.mean(acquirer.code(each).symbols != acquirer.code(others).symbols)) <= limit:
            kept.append(each)
    return kept


def duplicate(candidates: list[Candidate], threshold: int) -> Candidate | None:
    """The enrolled subject that this session's person already is, if any."""
    return next((candidate for candidate in candidates if candidate.dissimilarity <= threshold), None)


ADVICE = {
    Reason.NO_FACE: "show the face to the camera",
    Reason.SEVERAL_FACES: "one person at a time",
    Reason.TOO_SMALL: "come nearer",
    Reason.CUT_OFF: "move into the middle",
    Reason.TURNED: "look at the camera",
    Reason.TILTED: "hold the head upright",
    Reason.TOO_DARK: "more light on the face",
    Reason.TOO_BRIGHT: "less light on the face",
    Reason.BLURRED: "hold still, and clean the lens",
    Reason.UNCERTAIN: "look at the camera in better light",
    Reason.TOO_BRIEF: "stay in front of the camera",
    Reason.INCONSISTENT: "make sure that all pictures show one person",
}


def advice(reasons: tuple[Reason, ...]) -> str:
    """What to do about the most frequent reason."""
    return ADVICE[reasons[0]] if reasons else "give more pictures"

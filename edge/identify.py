"""The identification loop: one frame in, outcomes out. Camera, networks, gallery and door are handed in."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from edge.acquire import Sample
from edge.face.track import Tracker
from edge.face.zone import Attention
from edge.records import Candidate, Code, Face, Features, Frame, Outcome, Pixels, Reason, Sighting
from edge.stages import Stages
from edge.template.decide import Approach, Policy, expired

Clock = Callable[[], float]


class Searchable(Protocol):
    """What a decision needs of a gallery."""

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]: ...

    def __len__(self) -> int: ...


class LiveGallery(Searchable, Protocol):
    """What the loop needs of it: also the changes that other processes make."""

    def refresh(self) -> bool: ...


class Sampler(Protocol):
    """What the loop needs of an acquirer."""

    stages: Stages

    def faces(self, image: Pixels) -> list[Face]: ...

    def sample(self, image: Pixels, face: Face) -> Sample | None: ...

    def features(self, samples: Sequence[Sample]) -> list[Features]: ...

    def code(self, features: Features) -> Code: ...


class Identifier:
    """Follows every approach to its one outcome.

    threshold: gallery size (references) -> largest dissimilarity in symbols that is still the person's (``template.decide``). expiry:
    seconds from capture after which an outcome is dropped. consistency: share of unequal symbols 0..1 between a sample and those before
    it from which it is of somebody else. attention: whose approach counts; who walks past is not sampled, and nothing is decided of him.
    None: everybody's does.
    """

    def __init__(
        self,
        acquirer: Sampler,
        gallery: LiveGallery,
        tracker: Tracker,
        policy: Policy,
        threshold: Callable[[int], int],
        *,
        expiry: float,
        consistency: float,
        attention: Attention | None = None,
    ) -> None:
        self._acquirer, self._gallery, self._tracker = acquirer, gallery, tracker
        self._policy, self._threshold = policy, threshold
        self._expiry, self._consistency, self._attention = expiry, consistency, attention
        self._approaches: dict[int, Approach] = {}
        self.dropped = 0
        self.sightings: list[Sighting] = []  # of the newest frame

    def step(self, frame: Frame, clock: Clock) -> list[Outcome]:
        """One frame: detect, track, align, assess, hash, fuse, compare, decide. clock: monotonic seconds, read when outcomes are made."""
        self._gallery.refresh()
        faces = self._acquirer.faces(frame.image)
        with self._acquirer.stages.stage("track"):
            tracks = self._tracker.update(faces, frame.captured)
            outcomes = self._ended(self._tracker.expired(frame.captured), clock)
        waiting, refused = self._usable(frame, faces, tracks)
        features = self._acquirer.features([sample for _, sample in waiting])
        for (approach, _), each in zip(waiting, features, strict=True):
            outcomes += self._look(approach, each, frame.captured, clock)
        self.sightings = self._sighted(faces, tracks, refused)
        return [outcome for outcome in outcomes if self._fresh(outcome, clock())]

    def finish(self, clock: Clock) -> list[Outcome]:
        """The stream has ended: the outcomes of the approaches still open."""
        return self._ended(list(self._approaches), clock)

    def _usable(
        self, frame: Frame, faces: list[Face], tracks: list[int | None]
    ) -> tuple[list[tuple[Approach, Sample]], dict[int, tuple[Reason, ...]]]:
        """The undecided approaches of this frame whose sample serves; the others are told why not, and so is the caller, by track."""
        usable, refused = [], {}
        counting = self._counting(frame, faces, tracks)
        for face, track in zip(faces, tracks, strict=True):
            if track is None or track not in counting:
                continue
            approach = self._approaches.setdefault(track, Approach(track, self._policy, frame.captured))
            sample = self._acquirer.sample(frame.image, face) if approach.wants(frame.captured) else None
            if sample is None:
                continue
            if sample.quality.reasons:
                approach.refuse(sample.quality.reasons, frame.captured)
                refused[track] = sample.quality.reasons
            else:
                usable.append((approach, sample))
        return usable, refused

    def _counting(self, frame: Frame, faces: list[Face], tracks: list[int | None]) -> frozenset[int]:
        """The tracks of this frame whose faces are looked at."""
        there = [(track, face) for face, track in zip(faces, tracks, strict=True) if track is not None]
        if self._attention is None:
            return frozenset(track for track, _ in there)
        height, width = frame.image.shape[:2]
        return self._attention.seen(frame.captured, (width, height), there)

    def _sighted(self, faces: list[Face], tracks: list[int | None], refused: dict[int, tuple[Reason, ...]]) -> list[Sighting]:
        """Every face with a track, also of who walks past: without samples and without a decision."""
        found = []
        for face, track in zip(faces, tracks, strict=True):
            approach = self._approaches.get(track) if track is not None else None
            if approach is not None:
                found.append(Sighting(approach.track, face, approach.held, refused.get(approach.track, ()), approach.decided))
            elif track is not None and self._attention is not None:
                found.append(Sighting(track, face, 0, (), False))
        return found

    def _look(self, approach: Approach, features: Features, captured: float, clock: Clock) -> list[Outcome]:
        with self._acquirer.stages.stage("fuse"):
            if self._is_somebody_else(approach, features):
                approach.restart()
            fused = approach.add(features, captured)
        if fused is None:
            return []
        with self._acquirer.stages.stage("search"):
            threshold = self._threshold(len(self._gallery))
            candidates = self._gallery.search(self._acquirer.code(fused), limit=2, within=threshold + self._policy.margin)
        outcome = approach.judge(candidates, threshold, clock())
        return [outcome] if outcome else []

    def _is_somebody_else(self, approach: Approach, features: Features) -> bool:
        """Whether a sample disagrees with those before it: a cut in a film, or one person stepping in front of another."""
        held = approach.fused
        if held is None:
            return False
        before, now = self._acquirer.code(held).symbols, self._acquirer.code(features).symbols
        return float(np.mean(before != now)) > self._consistency

    def _ended(self, tracks: Iterable[int], clock: Clock) -> list[Outcome]:
        closed = (self._approaches.pop(track).close(clock()) for track in tracks if track in self._approaches)
        return [outcome for outcome in closed if outcome]

    def _fresh(self, outcome: Outcome, now: float) -> bool:
        """An identification that comes too late is dropped: the person may have left. Other verdicts open nothing and are kept."""
        late = outcome.subject is not None and expired(outcome, now, self._expiry)
        self.dropped += late
        return not late


def run(
    frames: Iterable[Frame], identifier: Identifier, clock: Clock | None = time.monotonic
) -> Iterator[tuple[Frame | None, list[Outcome]]]:
    """The loop: every frame and what came of it; last, with no frame, what was still open.

    clock: None for recordings, whose time is that of their frames.
    """
    last = 0.0
    for frame in frames:
        last = frame.captured
        yield frame, identifier.step(frame, clock or (lambda: last))  # noqa: B023 - the newest frame's time is what is wanted
    yield None, identifier.finish(clock or (lambda: last))

"""`edge calibrate SOURCE`: a tail measured on people of one's own.

Of the closest pair only a verdict is said, in words: ``edge.assembly.standing`` says why.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.assembly import build
from edge.assembly.calibration import Calibration
from edge.assembly.standing import CONFUSABLE, promised, sentence, tail_facts, tail_rows, verdict_of
from edge.camera.folder import natural_key, pictures_in
from edge.enrol import consistent
from edge.errors import AcquisitionError, SourceError
from edge.records import Code, Features
from edge.settings import Settings
from edge.stages import Stages
from edge.template.decide import Approach
from edge.template.fuse import fuse
from edge.template.tail import LEAST_TAIL, SHARE, NonMatedTail, Promise, fit_tail, taking_turns


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who comes to the door as in real life. looks: the code of every search of one approach. reference: as enrolled."""

    name: str
    looks: tuple[Code, ...]
    reference: Code


@dataclass(frozen=True)
class Measured:
    """A tail of one's own, what it promises, and what the threshold in force makes of these people; who was left out for want of samples;
    and the two who look most alike, with a verdict."""

    tail: NonMatedTail
    promise: Promise
    in_force: Promise | None
    left_out: tuple[str, ...]
    closest: tuple[str, str, str]

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        pair = dict(zip(("first", "second", "verdict"), self.closest, strict=True))
        before = tail_facts(self.tail, self.in_force) if self.in_force else None
        return {**tail_facts(self.tail, self.promise), "threshold_in_force": before, "left_out": list(self.left_out), "closest": pair}

    def rows(self) -> list[tuple[str, str]]:
        """For people."""
        first, second, verdict = self.closest
        hint = "; if they are one person, take one of them out and measure again" if verdict == CONFUSABLE else ""
        return [
            *tail_rows(self.tail, self.promise),
            *([("the threshold in force, with these people", sentence(self.in_force))] if self.in_force else []),
            ("closest people", f"{first} and {second}: {verdict}{hint}"),
            ("left out, too few usable samples", ", ".join(self.left_out) or "nobody"),
        ]


class Measurement:
    """People of a folder, acquired and compared as at the door. A calibration that does not fit is no hindrance."""

    def __init__(self, settings: Settings, warn: build.Listener) -> None:
        self._settings, self._warn = settings, warn
        networks = build.Networks(settings, calibrated=False)
        self._manifest = networks.hasher.manifest
        self._acquirer = build.acquirer(settings, networks, Stages())

    def person(self, place: Path) -> Person | None:
        """One person's approach and reference, from a folder of pictures or of videos, or one video. None: too few samples serve."""
        features = consistent(list(self._features(place)), self._acquirer, self._settings.decision.consistency)
        decision = self._settings.decision
        approach = Approach(0, build.policy(self._settings, decision.min_samples, decision.max_samples), 0.0)
        searched = [approach.add(each, 0.0) for each in features[: decision.max_samples]]
        looks = tuple(self._acquirer.code(look) for look in searched if look is not None)
        if not looks:
            return None
        return Person(place.stem, looks, self._acquirer.code(fuse(features[: self._settings.enrolment.max_samples])))

    def _features(self, place: Path) -> Iterator[Features]:
        most = max(self._settings.decision.max_samples, self._settings.enrolment.max_samples)
        for source in sources_of(place):
            last = float("-inf")
            camera = self._settings.camera.model_copy(update={"source": str(source)})
            with build.source(self._settings.model_copy(update={"camera": camera}), self._warn) as stream:
                for frame in stream.frames():
                    if source.is_file() and frame.captured - last < self._settings.decision.interval:
                        continue
                    sample, _ = self._acquirer.only_face(frame.image)
                    if sample is not None:
                        last = frame.captured
                        yield from self._acquirer.features([sample])
                        most -= 1
                    if not most:
                        return

    def measure(self, places: Iterable[Path], references: int, in_force: int | None = None) -> Measured:
        """Everybody's approach against everybody else's reference, and the tail of it.

        references: of the gallery for which the promise is made. in_force: the threshold to hold against these people, if there is one.
        Raises AcquisitionError for too few people, saying how many are needed.
        """
        people, left_out = [], []
        for place in places:
            try:
                found = self.person(place)
            except SourceError as error:
                self._warn(str(error))
                found = None
            people += [found] if found else []
            left_out += [] if found else [place.name]
        if len(people) < (needed := least_people()):
            raise AcquisitionError(
                f"{len(people)} people have {self._settings.decision.min_samples} or more usable samples, {len(left_out)} have not; "
                f"{needed} are needed for a tail of {LEAST_TAIL} comparisons. Nothing was measured; add people, or pictures of them"
            )
        counts, who = comparisons(people)
        try:
            tail = fit_tail(counts, people[0].reference.symbols.size, people=who)
        except ValueError as error:
            raise AcquisitionError(f"no tail: {error}. Are these different people, and faces at all?") from error
        promise = promised(self._settings, tail, references)
        nearest = int(counts.argmin())
        verdict = verdict_of(int(counts[nearest]), promise.threshold, self._settings.decision.margin)
        first, second = (people[place].name for place in who[nearest])
        before = None if in_force is None else tail.promise_at(in_force, promise.fpir, references, promise.looks)
        return Measured(tail, promise, before, tuple(left_out), (first, second, verdict))

    def calibration(self, measured: Measured) -> Calibration:
        """What is written: the tail's numbers, what they depend on, and the day."""
        day = datetime.now(timezone.utc).strftime("%Y-%m-%d")
        return Calibration(conditions=build.conditions(self._settings, self._manifest), measured=day, non_mated=measured.tail)


def least_people() -> int:
    """How many people are needed so that the comparisons of each with all others have a tail."""
    people = 2
    while people * (people - 1) * SHARE < LEAST_TAIL:
        people += 1
    return people


def comparisons(people: Sequence[Person]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """See ``edge.template.tail.taking_turns``."""
    return taking_turns([person.looks for person in people], np.stack([person.reference.symbols for person in people]))


def people_in(source: Path) -> list[Path]:
    """The people of a folder, in natural order: each folder in it, and each file (a video). Raises SourceError."""
    try:
        found = [path for path in source.iterdir() if path.name[0] != "."]
    except OSError as error:
        raise SourceError(
            f"{source}: cannot be read ({error.strerror}); name a folder in which every person has a folder or video"
        ) from error
    if not found:
        raise SourceError(f"{source}: is empty; put in a folder with pictures, or a video, for every person")
    return sorted(found, key=lambda path: natural_key(path.name))


def sources_of(place: Path) -> list[Path]:
    """What shows one person: the folder itself if it holds pictures, else each file in it; or the one video."""
    if place.is_file():
        return [place]
    try:
        pictures_in(place)
    except SourceError:
        return sorted((path for path in place.iterdir() if path.is_file() and path.name[0] != "."), key=lambda path: natural_key(path.name))
    return [place]

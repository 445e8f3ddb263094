"""`edge calibrate`: what the threshold in force promises, and a tail measured on people of one's own.

Nothing here tells how alike two people are: of the closest pair only a verdict is said, in words. A number would let whoever sees the
screen find out whom somebody nearly passes for. The threshold's number is a setting that follows from settings; it may be shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge import build
from edge.calibration import Calibration
from edge.camera.folder import natural_key, pictures_in
from edge.enrol import consistent
from edge.errors import AcquisitionError, SourceError
from edge.records import Code, Features
from edge.settings import Settings
from edge.stages import Stages
from edge.template.compare import Bytes, bits_of, unequal
from edge.template.decide import Approach
from edge.template.fuse import fuse
from edge.template.tail import LEAST_TAIL, SHARE, NonMatedTail, Promise, fit_tail, taking_turns
from edge.words import counted

AT_ONCE = 8  # probes of one comparison: see ``compare.unequal``
FAR, NEAR, CONFUSABLE = "far apart", "near", "confusable"


@dataclass(frozen=True)
class Standing:
    """The threshold in force: where its tail comes from, in words, what it promises, and the two enrolled people who are closest."""

    source: str
    tail: NonMatedTail
    promise: Promise
    closest: tuple[str, str, str] | None

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        pair = dict(zip(("first", "second", "verdict"), self.closest, strict=True)) if self.closest else None
        return {"source": self.source, **tail_facts(self.tail, self.promise), "closest": pair}

    def rows(self) -> list[tuple[str, str]]:
        """For people."""
        pair = f"{self.closest[0]} and {self.closest[1]}: {self.closest[2]}" if self.closest else "fewer than two people are enrolled"
        return [("tail from", self.source), *tail_rows(self.tail, self.promise), ("closest enrolled people", pair)]


def tail_facts(tail: NonMatedTail, promise: Promise) -> dict[str, Any]:
    """Counts, threshold and promise, JSON-ready."""
    return {
        "people": tail.people or None,
        "comparisons": tail.pairs,
        "threshold_unequal": promise.threshold,
        "symbols": promise.m,
        "fpir": promise.fpir,
        "references": promise.size,
        "looks": promise.looks,
        "expected_fpir": promise.expected,
        "interval": promise.interval,
        "decades_beyond_measured": promise.decades,
    }


def sentence(promise: Promise) -> str:
    """The promise in words: "at FPIR 0.3 % per approach and 37 references: at most 341 of 512 symbols unequal; ..."."""

    def few(share: float) -> str:
        return f"{100 * share:.2g}"

    within = f"[{few(promise.interval[0])}, {few(promise.interval[1])}]" if promise.interval else "(its interval was not measured)"
    stretched = f"extrapolated by {promise.decades:.1f} decades beyond" if promise.decades else "within"
    point = f"at FPIR {few(promise.fpir)} % per approach and {counted(promise.size, 'reference') if promise.size else 'no references'}"
    rule = f"at most {promise.threshold} of {promise.m} symbols unequal"
    return f"{point}: {rule}; expected FPIR {few(promise.expected)} % {within}; {stretched} the measured comparisons"


def tail_rows(tail: NonMatedTail, promise: Promise) -> list[tuple[str, str]]:
    """What was measured and what it promises, for people."""
    measured = f"{tail.pairs} comparisons" + (f" of {tail.people} people" if tail.people else "; of how many people was not told")
    return [("measured", measured), ("threshold", sentence(promise)), ("searches an approach, at most", str(promise.looks))]


def promised(settings: Settings, tail: NonMatedTail, references: int) -> Promise:
    """What the door's operating point makes of a tail. Raises SettingsError where it is out of reach."""
    decision = settings.decision
    return tail.promise(decision.fpir, references, build.policy(settings, decision.min_samples, decision.max_samples).looks)


def standing(settings: Settings, warn: build.Listener) -> Standing:
    """The threshold in force with the gallery as it is; without one, as for a gallery of one reference."""
    manifest = build.hash_manifest(settings)
    calibration = build.calibration(settings, manifest)
    tail = build.tail_in_force(settings, manifest, calibration, build.own_tail(settings, manifest))
    source = f"calibration of {calibration.measured}" if calibration else f"network {manifest.name}"
    if not settings.gallery.path.exists():
        return Standing(source, tail, promised(settings, tail, 0), None)
    with build.gallery(settings, build.network_id(settings), warn) as gallery:
        promise = promised(settings, tail, len(gallery))
        owners = [gallery.subject_of_row(row) for row in range(len(gallery))]
        pair = closest(gallery.rows, owners, bits_of(build.conditions(settings, manifest).q))
        names = {person.id: person.label for person in gallery.subjects()}
    if pair is None:
        return Standing(source, tail, promise, None)
    first, second, distance = pair
    verdict = verdict_of(distance, promise.threshold, settings.decision.margin)
    return Standing(source, tail, promise, (names[first], names[second], verdict))


def verdict_of(distance: int, threshold: int, margin: int) -> str:
    """confusable: one may be taken for the other. near: within the margin above it, so that a little change of a face is enough."""
    return CONFUSABLE if distance <= threshold else NEAR if distance <= threshold + margin else FAR


def closest(rows: Bytes, owners: Sequence[str], bits: int) -> tuple[str, str, int] | None:
    """The two different owners whose rows (n, row_bytes) differ in the fewest symbols, and in how many; None for fewer than two owners."""
    names, whose = np.unique(np.asarray(owners), return_inverse=True)
    best: tuple[str, str, int] | None = None
    for start in range(0, len(rows) if names.size > 1 else 0, AT_ONCE):
        batch = slice(start, start + AT_ONCE)
        counts = unequal(rows, rows[batch], bits).astype(np.int64)
        counts[whose[batch, None] == whose[None]] = np.iinfo(np.int64).max
        probe, row = np.unravel_index(int(counts.argmin()), counts.shape)
        if best is None or counts[probe, row] < best[2]:
            best = owners[start + int(probe)], owners[int(row)], int(counts[probe, row])
    return best


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
    looks = [np.stack([look.symbols for look in person.looks]) for person in people]
    return taking_turns(looks, np.stack([person.reference.symbols for person in people]), people[0].reference.q)


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

"""What the threshold in force promises, and the two enrolled people who are closest.

Nothing here tells how alike two people are: of the closest pair only a verdict is said, in words. A number would let whoever sees the
screen find out whom somebody nearly passes for. The threshold's number is a setting that follows from settings; it may be shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.assembly import build
from edge.settings import Settings
from edge.template.compare import Bytes, bits_of, unequal
from edge.template.tail import NonMatedTail, Promise
from edge.words import counted

AT_ONCE = 8  # probes of one comparison: see ``compare.unequal``
FAR, NEAR, CONFUSABLE, UNTOLD = "far apart", "near", "confusable", "not told by this network"


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
        "threshold": promise.threshold,
        "symbols": promise.m,
        "fpir": promise.fpir,
        "references": promise.size,
        "looks": promise.looks,
        "expected_fpir": promise.expected,
        "interval": promise.interval,
        "decades_beyond_measured": promise.decades,
    }


def sentence(promise: Promise) -> str:
    """The promise in words: "at FPIR 0.3 % per approach and 37 references: unlike by at most 341 of 512 symbols; ..."."""

    def few(share: float) -> str:
        return f"{100 * share:.2g}"

    within = f"[{few(promise.interval[0])}, {few(promise.interval[1])}]" if promise.interval else "(its interval was not measured)"
    stretched = f"extrapolated by {promise.decades:.1f} decades beyond" if promise.decades else "within"
    point = f"at FPIR {few(promise.fpir)} % per approach and {counted(promise.size, 'reference') if promise.size else 'no references'}"
    rule = f"unlike by at most {promise.threshold} of {promise.m} symbols"
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
    # two references have no costs: the threshold of unequal symbols at the same operating point
    between = promised(settings, manifest.references, promise.size).threshold if manifest.references else None
    verdict = UNTOLD if between is None else verdict_of(distance, between, settings.decision.margin)
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

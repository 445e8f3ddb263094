"""Attack 4: step by step towards somebody enrolled, by what the door answers.

There is no score to climb on: equal verdicts give equal answers. What is left is accept or deny. Without a probe that passes a search is
blind, and each decision succeeds as often as a stranger does. With a probe that passes (an accomplice who is mistaken for somebody) the
edge between accept and deny can be felt along, and leads to the embedding of the person enrolled: then only the number of decisions helps.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.assembly.outputs import limits
from edge.assembly.report import outcome_facts
from edge.gallery import Gallery
from edge.records import Floats, Verdict
from edge.settings import AccessSettings
from evaluation.attacks.bench import NEVER, Chance, Knowledge, Result
from evaluation.attacks.door import Door, Rule
from evaluation.attacks.faces import Faces
from evaluation.attacks.throttled import pace, soonest

PEOPLE, CLIMBERS = 100, 10
DECISIONS = 3000
BUDGETS = (1000, 4000)
NEAR = 0.75
"""Cosine to the embedding enrolled that a climb must reach: nearer than any other picture of the person is, as a rule."""
START = 0.68
"""Cosine to the embedding enrolled at which a climb starts: just within what a door of 100 people accepts."""
FEELERS = 100
KNOWN = 0.1
"""Share of a decision that tells of the direction wanted; the rest is noise of the symbols. By trial, as the next one."""
ASIDE = 1.1
"""How far the middle lies aside, once its direction is known: the tangent of the angle at ``START``."""
Accepts = Callable[[Floats], bool]


def attack(faces: Faces, rule: Rule) -> list[Result]:
    """No score; blind search; and climbing from a probe that passes."""
    some = faces.some(slice(0, PEOPLE))
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        door = Door(Path(folder), rule, some.codes[0])
        with door.opened() as gallery:
            return [no_score(door, gallery, some), *blind(door, gallery, some), *climbs(door, gallery, some)]


def no_score(door: Door, gallery: Gallery, faces: Faces) -> Result:
    """Pairs of probes with the same verdict at different distances: does anything that the door tells the world differ?"""
    answers: dict[tuple[Verdict, str | None], set[str]] = {}
    asked = 0
    for start, end in zip(faces.first, faces.second, strict=True):
        for share in (0.0, 0.1, 0.2, 0.3, 1.0):
            probe = faces.projection.probes(_unit((1 - share) * start + share * end)[None])[0]
            outcome = door.rule.judge(gallery, probe)
            gallery.record(outcome.verdict.value, outcome.subject)
            told = f"{outcome_facts(outcome, None, 0.0)} {gallery.events(1)[0].kind} {gallery.events(1)[0].subject}"
            answers.setdefault((outcome.verdict, outcome.subject), set()).add(told)
            asked += 1
    telling = sum(len(found) - 1 for found in answers.values())
    note = "the JSON of `edge identify` and `edge run`, and the event log"
    return Result("score in an answer", Knowledge.ORACLE, "same verdict, different answer", asked, telling, NEVER, note)


def blind(door: Door, gallery: Gallery, faces: Faces) -> list[Result]:
    """Strangers' faces; and faces bred from them, without anything to select by. Each decision is a trial."""
    chance = Chance(door.rule.settings.decision.fpir)
    random = np.random.default_rng(0)
    parents = faces.strangers[random.integers(0, len(faces.strangers), (2, DECISIONS))]
    bred = _unit(parents.sum(axis=0) + 0.3 * _unit(random.normal(size=parents[0].shape).astype(np.float32)))
    results = []
    for name, shown in (("strangers at random", parents[0]), ("genetic search without a score", bred)):
        hits = sum(door.admits(gallery, probe) is not None for probe in faces.projection.probes(shown))
        due = f"one success is allowed in {1 / chance.level:.0f} decisions: {hours(door.rule, 1 / chance.level)}"
        results.append(
            Result(f"search by accept or deny, {name}", Knowledge.ORACLE, "a decision is an admission", len(shown), hits, chance, due)
        )
    return results


def climbs(door: Door, gallery: Gallery, faces: Faces) -> list[Result]:
    """From a probe that passes: as far from the embedding enrolled as an accomplice who is mistaken for the person would be."""
    reached: dict[int, list[float]] = {budget: [] for budget in BUDGETS}
    for place in range(min(CLIMBERS, len(faces.first))):
        target, mate = faces.first[place], door.ids[place]

        def accepts(embedding: Floats, mate: str = mate) -> bool:
            return door.admits(gallery, faces.projection.probes(embedding[None])[0]) == mate

        start = _at_cosine(target, faces.strangers[place % len(faces.strangers)], START)
        guesses = climb(accepts, start, np.random.default_rng(place), max(BUDGETS)) if accepts(start) else {}
        for budget, cosines in reached.items():
            cosines += [float(guess @ target) for spent, guess in guesses.items() if spent == budget]
    return [_climbed(door.rule, budget, cosines) for budget, cosines in reached.items() if cosines]


def _climbed(rule: Rule, budget: int, cosines: list[float]) -> Result:
    note = f"median cosine {np.median(cosines):.2f}, from {START}; {hours(rule, budget)}"
    success = f"the embedding is known to cosine {NEAR}"
    return Result(f"climbing by {budget} decisions", Knowledge.PASSING, success, len(cosines), sum(c >= NEAR for c in cosines), NEVER, note)


def climb(accepts: Accepts, start: Floats, random: np.random.Generator, decisions: int) -> dict[int, Floats]:
    """Decisions spent -> what the embedding enrolled is taken for then, (d,).

    Feels around the start, at a distance at which about half is accepted: the mean of the accepted directions less that of the denied ones
    points to the middle of what is accepted (as HopSkipJump does, Chen et al., 2020). It is believed the more, the more decisions it rests
    on. The middle is that of the code: no nearer to the face than a pre-image of the code is.
    """
    total, distance, found = np.zeros_like(start), 0.3, {}
    for spent in range(FEELERS, decisions + 1, FEELERS):
        feelers = random.normal(size=(FEELERS, start.size)).astype(np.float32)
        feelers = _unit(feelers - (feelers @ start)[:, None] * start)
        accepted = np.array([accepts(_unit(start + distance * feeler)) for feeler in feelers], np.float32)
        total = total + (accepted - accepted.mean()) @ feelers
        distance = float(np.clip(distance * np.exp(0.3 * (accepted.mean() - 0.5)), 0.02, 3))
        sure = np.sqrt(spent * KNOWN / (spent * KNOWN + start.size))
        found[spent] = _unit(start + ASIDE * sure * _unit(total))
    return found


def hours(rule: Rule, decisions: float) -> str:
    """How long so many denials last: without a throttle, at one face a time and at as many as the door follows; and with the door's own,
    by whoever goes about it best (``evaluation.attacks.throttled``)."""
    access = rule.settings.access
    each, many = pace(rule.settings)
    told = f"{_time(decisions * each)} one by one, {_time(decisions * many)} with {rule.settings.track.max_tracks} faces at once"
    if not access.failures:
        return f"{told}; no throttle"
    return f"{told}, {_time(soonest(limits(rule.settings), many, round(decisions)))} with the throttle ({limits_text(access)})"


def limits_text(access: AccessSettings) -> str:
    """The throttle in words."""
    window = f"{access.failures} denials in {access.window:g} s or {access.hourly} an hour"
    return f"{window} pause {access.pause:g} s, doubling to {access.longest_pause:g} s"


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _at_cosine(target: Floats, other: Floats, cosine: float) -> Floats:
    away = _unit(other - (other @ target) * target)
    return np.asarray(cosine * target + np.sqrt(1 - cosine**2) * away, np.float32)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12), np.float32)

"""Open-set and closed-set identification after the split of the authors of deep rank hashing: what protection costs a gallery.

    python -m evaluation.openset TREE [--enrol 3] [--landmarks landmarks.csv.gz] [--config FILE] [--limit PEOPLE]

TREE is a folder or zip of person/picture.jpg; LFW gives the authors' figures. People with more than K pictures (three, so four or more)
are known: their first K pictures are enrolled, the others are mated searches. Everybody else is unknown: each picture is a non-mated
search. The appliance decides nothing here: no quality limit, no threshold of its own. Two ways to hold a person's K pictures: fused into
one reference, as enrolment at the door does, weighed by uncertainty (``samples.fused``); or each a reference of its own, of which the
best counts ("best of K", what the authors' code does).

Open set: DIR = 1 - FNIR(N, 1, T) at the T at which at most a share FPIR of the non-mated searches returns anybody (ISO/IEC 19795-1).
Closed set: mated searches alone; rank-1, CMC, and the mean average precision over references (with one reference a person that is the
mean of 1 / rank). Equal scores count against the mate. A picture without a face, or of a person of whom nothing could be enrolled, is a
miss; a non-mated one returns nobody. Intervals: 95 %, people drawn again (bootstrap). The last line of output is JSON.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from edge.errors import SourceError
from edge.template.compare import SHORTLIST, SLACK
from evaluation import metrics
from evaluation.folders import OPERATING_POINTS, RANKS, Draw
from evaluation.pictures import Answer, Tree, answer, count, percent
from evaluation.samples import Extractor, Samples, extractor, fused
from evaluation.templates import Graded, Shares, Template, templates_of

Numbers = npt.NDArray[np.float64]
Named = Sequence[tuple[str, int]]
"""Person and row of ``Samples``; -1 where there is no sample."""
BLOCK = 1000
LONGEST_CMC = 20
BAR = 0.01
"""The FPIR at which protected and unprotected are held against each other."""


@dataclass(frozen=True, eq=False)
class Searches:
    """What came of all searches, in the order of the probes.

    people: whom each probe shows, first all mated, then all non-mated ones. own, rank, precision: of each mated search the score of the
    right person, its place (ties against it) and the average precision; minus infinity, infinity and 0 where there is none. best: the
    highest score of each non-mated search; minus infinity where there is none.
    """

    people: list[str]
    own: Numbers
    rank: Numbers
    precision: Numbers
    best: Numbers


def split_of(people: Mapping[str, Sequence[str]], enrol: int = 3) -> Draw:
    """The authors' split. people: person -> pictures in order."""
    known = {name: keys for name, keys in people.items() if len(keys) > enrol}
    return Draw(
        {name: list(keys[:enrol]) for name, keys in known.items()},
        [(name, key) for name, keys in known.items() for key in keys[enrol:]],
        [(name, key) for name, keys in people.items() if name not in known for key in keys],
    )


def pictures_of(split: Draw) -> list[str]:
    """Every picture of the split, once."""
    return sorted({key for keys in split.enrolled.values() for key in keys} | {key for _, key in (*split.mated, *split.strangers)})


def search(template: Template, gallery: Named, mated: Named, strangers: Named) -> Searches:
    """Every probe against the whole gallery, whose rows are all sound. ValueError: an empty gallery."""
    subjects, references = [name for name, _ in gallery], np.array([row for _, row in gallery], np.int64)
    if not subjects:
        raise ValueError("search: the gallery is empty")
    enrolled, own = set(subjects), np.full(len(mated), -math.inf)
    rank, precision = np.full(len(mated), math.inf), np.zeros(len(mated))
    sound = [place for place, (name, row) in enumerate(mated) if row >= 0 and name in enrolled]
    for start in range(0, len(sound), BLOCK):
        part = sound[start : start + BLOCK]
        scores, names = template.matrix([mated[place][1] for place in part], references), [mated[place][0] for place in part]
        own[part], rank[part] = metrics.mate_scores(scores, subjects, names)
        mates = np.asarray(subjects)[None, :] == np.asarray(names)[:, None]
        precision[part] = [metrics.average_precision(line, mate) for line, mate in zip(scores, mates, strict=True)]
    best = np.full(len(strangers), -math.inf)
    strange = [place for place, (_, row) in enumerate(strangers) if row >= 0]
    for start in range(0, len(strange), BLOCK):
        part = strange[start : start + BLOCK]
        best[part] = template.matrix([strangers[place][1] for place in part], references).max(axis=1)
    return Searches([name for name, _ in (*mated, *strangers)], own, rank, precision, best)


def rate_at(found: Searches, fpir: float, places: npt.NDArray[np.int64] | None = None) -> float:
    """DIR at rank 1 and this FPIR, of all searches or of those at these places; not a number without mated or non-mated ones."""
    chosen = np.arange(len(found.people)) if places is None else places
    mated, strange = chosen[chosen < found.own.size], chosen[chosen >= found.own.size] - found.own.size
    if not mated.size or not strange.size:
        return math.nan
    return 1 - metrics.fnir_at_fpir(found.own[mated], found.rank[mated], found.best[strange], fpir)[0]


def facts_of_searches(found: Searches) -> dict[str, Any]:
    """DIR at each FPIR that has a search to spare, rank, CMC and mAP, with their intervals over people. At least one mated search."""
    points = [fpir for fpir in OPERATING_POINTS if fpir * found.best.size >= 1]
    curve, people = metrics.cmc(found.rank, LONGEST_CMC), np.array(found.people[: found.own.size])
    first = (found.rank == 1).astype(np.float64)
    return {
        "mated_searches": found.own.size,
        "non_mated_searches": found.best.size,
        "dir_at_fpir": {f"{fpir:g}": rate_at(found, fpir) for fpir in points},
        "dir_at_fpir_interval": {f"{fpir:g}": metrics.bootstrap(partial(rate_at, found, fpir), found.people) for fpir in points},
        "rank": {str(rank): float(curve[rank - 1]) for rank in RANKS},
        "rank_1_interval": metrics.bootstrap(lambda places: float(first[places].mean()), people),
        "map": float(found.precision.mean()),
        "map_interval": metrics.bootstrap(lambda places: float(found.precision[places].mean()), people),
        "cmc": curve.tolist(),
    }


def difference(one: Searches, other: Searches, fpir: float = BAR) -> dict[str, Any] | None:
    """By how much the DIR of ``one`` is above the other's on the same searches, and its interval over people; None with few strangers."""
    if not fpir * one.best.size >= 1:
        return None
    return {
        "fpir": fpir,
        "dir_difference": rate_at(one, fpir) - rate_at(other, fpir),
        "interval": metrics.bootstrap(lambda places: rate_at(one, fpir, places) - rate_at(other, fpir, places), one.people),
    }


def shortlisted(joined: Samples, gallery: Named, mated: Named) -> dict[str, int]:
    """What a door loses by asking a probe's costs of few references: mated searches in which it does not ask the mate's.

    beyond: how many, because no reference of the mate is among the first by unequal symbols, or the most alike one has so many more than
    its dissimilarity that a search within a limit may pass it over (``SLACK``). lost: of these, how many would have come first by costs.
    """
    names, rows = np.array([name for name, _ in gallery]), np.array([row for _, row in gallery])
    counted, costs = Shares(joined.codes, joined.q), Graded(joined.codes, joined.costs, "costs")
    beyond = lost = 0
    sound = [(name, row) for name, row in mated if row >= 0 and (names == name).any()]
    for start in range(0, len(sound), BLOCK):
        part = sound[start : start + BLOCK]
        probes, own = [row for _, row in part], names[None] == np.array([name for name, _ in part])[:, None]
        equal, alike = counted.matrix(probes, rows), costs.matrix(probes, rows)  # both as shares of m
        best = np.where(own, alike, -math.inf).argmax(axis=1)[:, None]
        more = np.take_along_axis(alike - equal, best, axis=1)[:, 0] * joined.codes.shape[1] ** 0.5
        missed = (_ahead(equal, own) >= SHORTLIST) | (more > SLACK)
        beyond += int(missed.sum())
        lost += int((missed & (_ahead(alike, own) == 0)).sum())
    return {"references": len(gallery), "searches": len(sound), "beyond": beyond, "lost": lost}


def _ahead(scores: Numbers, own: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many references of others are at least as alike as the mate's best one. scores: (probes, references)."""
    best = np.where(own, scores, -math.inf).max(axis=1)
    ahead: npt.NDArray[np.int64] = ((scores >= best[:, None]) & ~own).sum(axis=1)
    return ahead


def facts_of(samples: Samples, split: Draw) -> dict[str, Any]:
    """Reference ("fused", "best of 3") -> template -> facts; and protected against unprotected. samples: of all pictures, with logits.

    Raises SourceError if nobody could be enrolled, or nobody comes back.
    """
    most = max((len(keys) for keys in split.enrolled.values()), default=0)
    whole = fused(samples, {f"reference of {name}": [[key] for key in keys] for name, keys in split.enrolled.items()}, "uncertainty")
    joined = samples.joined(whole)
    one = [(name, row) for name in split.enrolled if (row := joined.place.get(f"reference of {name}", -1)) >= 0]
    each = [(name, int(row)) for name, keys in split.enrolled.items() for row in joined.rows(keys) if row >= 0]
    if not one or not split.mated:
        raise SourceError(f"open set: {len(one)} people enrolled, {len(split.mated)} mated searches; people with more pictures are needed")
    facts: dict[str, Any] = {"people": {"known": len(split.enrolled), "enrolled": len(one), "unknown": len(dict(split.strangers))}}
    probes = [(name, joined.place.get(key, -1)) for name, key in split.mated]
    facts["shortlist"] = [shortlisted(joined, gallery, probes) for gallery in (one, each)]
    for how, gallery in (("fused", one), (f"best of {most}", each)):
        found = {template.name: _searches(template, joined, gallery, split) for template in templates_of(joined)}
        facts.setdefault("references", {})[how] = {name: facts_of_searches(searches) for name, searches in found.items()}
        plain = next(iter(found))  # the unprotected embedding, where the network gives one
        facts.setdefault("protected_minus", {})[how] = {name: difference(found["protected"], found[name]) for name in (plain, "rank hash")}
    return facts


def over_galleries(
    samples: Samples, galleries: Sequence[Sequence[tuple[str, str]]], probes: Sequence[tuple[str, str]]
) -> dict[str, dict[str, Any]]:
    """Template -> facts of each gallery, and the means over the galleries of what all of them have (as IJB prescribes).

    galleries, probes: person and name of the sample. A probe is mated in the gallery that holds its person, non-mated in the others. An
    enrolled person without a sample stays a mate nobody can find. Raises SourceError for a gallery without a sample or without a mate.
    """
    facts: dict[str, dict[str, Any]] = {}
    for template in templates_of(samples):
        each = [facts_of_searches(_against(template, samples, gallery, probes)) for gallery in galleries]
        points = [point for point in each[0]["dir_at_fpir"] if all(point in found["dir_at_fpir"] for found in each)]
        facts[template.name] = {
            "dir_at_fpir": {point: float(np.mean([found["dir_at_fpir"][point] for found in each])) for point in points},
            "rank": {rank: float(np.mean([found["rank"][rank] for found in each])) for rank in each[0]["rank"]},
            "map": float(np.mean([found["map"] for found in each])),
            "galleries": each,
        }
    return facts


def _against(template: Template, samples: Samples, gallery: Sequence[tuple[str, str]], probes: Sequence[tuple[str, str]]) -> Searches:
    enrolled = {name for name, _ in gallery}
    references = [(name, samples.place[key]) for name, key in gallery if key in samples.place]
    named = [(name, samples.place.get(key, -1)) for name, key in probes]
    mated = [probe for probe in named if probe[0] in enrolled]
    if not references or not mated:
        raise SourceError(f"identification: a gallery with {len(references)} references and {len(mated)} mated searches; is a list empty?")
    return search(template, references, mated, [probe for probe in named if probe[0] not in enrolled])


def _searches(template: Template, joined: Samples, gallery: Named, split: Draw) -> Searches:
    def rows(probes: Sequence[tuple[str, str]]) -> Named:
        return [(name, joined.place.get(key, -1)) for name, key in probes]

    return search(template, gallery, rows(split.mated), rows(split.strangers))


def table(title: str, kinds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """kinds: how references are held -> template -> facts."""
    shown = Table(title=title, caption="DIR at rank 1 and FPIR, with its 95 % interval; rank and mAP of the mated searches alone")
    shown.add_column("references")
    shown.add_column("template")
    for heading in (*(f"DIR@{100 * fpir:g} %" for fpir in OPERATING_POINTS), "rank 1", "rank 10", "mAP"):
        shown.add_column(heading, justify="right")
    for how, templates in kinds.items():
        for name, found in templates.items():
            rates = (_rate(found, f"{fpir:g}") for fpir in OPERATING_POINTS)
            shown.add_row(how, name, *rates, percent(found["rank"]["1"]), percent(found["rank"]["10"]), percent(found["map"]))
    return shown


def _rate(found: Mapping[str, Any], point: str) -> str:
    if point not in found["dir_at_fpir"]:
        return "-"
    if "dir_at_fpir_interval" not in found:
        return percent(found["dir_at_fpir"][point])
    low, high = found["dir_at_fpir_interval"][point]
    return f"{100 * found['dir_at_fpir'][point]:.2f} [{100 * low:.1f}, {100 * high:.1f}]"


def measured(tree: Tree, split: Draw, eye: Extractor) -> tuple[dict[str, Any], Table]:
    """The whole protocol on one tree: facts and table."""
    keys = pictures_of(split)
    samples = eye.samples(tree, keys, keep_logits=True)
    facts = {
        "tree": str(tree.path),
        "landmarks": eye.landmarks,
        "network": eye.hasher.manifest.name,
        "pictures": len(keys),
        "failures_to_acquire": len(keys) - len(samples.place),
        **facts_of(samples, split),
    }
    people = facts["people"]
    title = f"{tree.path.name}: {people['enrolled']} people enrolled, {people['unknown']} unknown, landmarks of the {eye.landmarks}"
    return facts, table(title, facts["references"])


def measure(options: argparse.Namespace) -> Answer:
    """Read, hash, search; the table."""
    tree = Tree(options.tree)
    names = list(tree.people().items())[: options.limit]
    facts, shown = measured(tree, split_of(dict(names), options.enrol), extractor(options.config, options.landmarks))
    return [shown], {"enrol": options.enrol} | facts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.openset", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tree", type=Path, help="folder or zip of person/picture.jpg")
    parser.add_argument("--enrol", type=count, default=3, metavar="K", help="pictures enrolled of each known person (default 3)")
    parser.add_argument("--landmarks", type=Path, help="table of reference landmarks to use instead of the detector")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    parser.add_argument("--limit", type=count, metavar="PEOPLE", help="the first so many people (default all)")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

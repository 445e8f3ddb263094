"""Does the threshold rule keep what it promises? The tail of half the people of a set, held against the other half.

    python -m evaluation.threshold TREE [--limit PEOPLE] [--seed S] [--out FOLDER]

TREE is a folder or zip of person/picture.jpg; the first picture of everybody is taken, its central face aligned and hashed as at the door.
Half the people, drawn by seed, are compared with one another, and the door's own law is fitted to their scores (``edge.template.tail``).
Of the other half nothing went into it; they are compared with one another (false match rate) and searched: half of them, in galleries of
10, 100, 1,000, are enrolled, each of the rest is a stranger who comes once, to one of the galleries in turn (FPIR, exact interval). The
same is done with the tail in force at the door. Where an interval is predicted, *holds* says whether it and the measured one have a point
in common. With --out also threshold.png. The last line of output is JSON.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from edge.assembly import build
from edge.errors import SettingsError, SourceError
from edge.records import Symbols
from edge.settings import load_settings
from edge.template import compare
from edge.template.tail import NonMatedTail, fit_tail
from evaluation import metrics
from evaluation.pictures import Answer, Tree, answer, count
from evaluation.samples import extractor

SIZES = (10, 100, 1000)
STATED = (0.003, 0.01, 0.03)
DECADES = 5  # below the tail's share, at which the rate is told
LEAST = 300  # people: the half that is fitted needs a tail
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Faces:
    """People, one sample of each: its code (n, m), as a reference, and its costs (n, m, q), as a probe."""

    codes: Symbols
    costs: Symbols

    def part(self, places: npt.NDArray[np.int64]) -> "Faces":
        """Those at these places."""
        return Faces(self.codes[places], self.costs[places])


def between(references: Faces, probes: Faces) -> Counts:
    """Dissimilarity of every probe to every reference: (probes, references)."""
    return compare.dissimilarity_matrix(references.codes, probes.costs).astype(np.int64)


def all_pairs(faces: Faces) -> tuple[Counts, Counts]:
    """Dissimilarity of everybody to everybody later, (n (n-1) / 2,), and who was compared, (n (n-1) / 2, 2)."""
    first, second = np.triu_indices(len(faces.codes), 1)
    return between(faces, faces)[first, second], np.column_stack([first, second])


def curve(tail: NonMatedTail, held: Counts) -> list[dict[str, Any]]:
    """At each decade of the predicted rate: the count of symbols, the rate predicted with its interval, and the share of ``held`` there."""
    found, counts = [], np.sort(held)
    for decade in range(DECADES):
        rates = [tail.false_match_rate(unequal) for unequal in range(math.floor(tail.tail_at) + 1)]
        unequal = int(np.searchsorted(rates, tail.tail_share * 10.0**-decade * (1 + 1e-9), "right")) - 1
        if unequal >= 0:
            matches = int(np.searchsorted(counts, unequal, "right"))
            found.append(
                {
                    "dissimilarity": unequal,
                    "predicted": rates[unequal],
                    "predicted_interval": tail.interval(unequal),
                    "measured": matches / counts.size,
                    "matches": matches,
                }
            )
    return found


def nearest(gallery: Faces, strangers: Faces, size: int) -> Counts:
    """Dissimilarity of each stranger to the nearest reference of his gallery of ``size`` people; galleries, disjoint, take turns."""
    counts = between(gallery, strangers)
    galleries = len(gallery.codes) // size
    turns = np.arange(len(strangers.codes)) % galleries
    blocks: Counts = counts[:, : galleries * size].reshape(len(counts), galleries, size)[np.arange(len(counts)), turns].min(axis=1)
    return blocks


def searches(tail: NonMatedTail, gallery: Faces, strangers: Faces) -> Iterator[dict[str, Any]]:
    """For each size that the gallery allows and each stated FPIR that the code can keep: what is promised and what is measured."""
    for size in (size for size in SIZES if size <= len(gallery.codes)):
        best = nearest(gallery, strangers, size)
        for fpir in STATED:
            try:
                promise = tail.promise(fpir, size, 1)
            except SettingsError:
                continue
            named = int((best <= promise.threshold).sum())
            low, high = metrics.interval(named, best.size)
            inside = None if promise.interval is None else low <= promise.interval[1] and high >= promise.interval[0]
            yield {
                "references": size,
                "fpir": fpir,
                "threshold": promise.threshold,
                "expected": promise.expected,
                "expected_interval": promise.interval,
                "named": named,
                "strangers": int(best.size),
                "measured": named / best.size,
                "measured_interval": (low, high),
                "holds": inside,
            }


def facts_of(faces: Faces, own: NonMatedTail, seed: int) -> dict[str, Any]:
    """faces: one of each person. own: the tail in force at the door."""
    total = len(faces.codes)
    faces = faces.part(np.random.default_rng(seed).permutation(total))
    half, three = total // 2, 3 * total // 4
    places = np.arange(total)
    measured, people = all_pairs(faces.part(places[:half]))
    held, _ = all_pairs(faces.part(places[half:]))
    tails = {"of the other half": fit_tail(measured, faces.codes.shape[1], people=people, seed=seed), "in force": own}
    found = {
        name: {
            "people": tail.people,
            "comparisons": tail.pairs,
            "curve": curve(tail, held),
            "searches": list(searches(tail, faces.part(places[half:three]), faces.part(places[three:]))),
        }
        for name, tail in tails.items()
    }
    return {"people": total, "held_people": total - half, "held_comparisons": int(held.size), "tails": found}


def measure(options: argparse.Namespace) -> Answer:
    """Hash the first picture of everybody; fit, hold against."""
    tree, settings = Tree(options.tree), load_settings(options.config)
    people = tree.people()
    names = [list(people)[place] for place in np.random.default_rng(options.seed).permutation(len(people))[: options.limit]]
    if len(names) < LEAST:
        raise SourceError(f"{options.tree}: {len(names)} people; {LEAST} are needed for a tail of half of them, so name a larger set")
    eye = extractor(options.config)
    samples = eye.samples(tree, [people[name][0] for name in sorted(names)])
    manifest = build.hash_manifest(settings)
    calibration = build.calibration(settings, manifest)
    own = calibration.non_mated if calibration else build.single_tail(settings, manifest)
    facts = {
        "tree": str(options.tree),
        "seed": options.seed,
        "network": manifest.name,
        **facts_of(Faces(samples.codes, samples.costs), own, options.seed),
    }
    if options.out:
        from evaluation import plots  # a table needs no matplotlib

        facts["plot"] = str(plots.threshold(facts, options.out / "threshold.png"))
    return [_rates(facts), _searches(facts)], facts


def _rates(facts: Mapping[str, Any]) -> Table:
    table = Table(title=f"false match rate of {facts['held_comparisons']} comparisons of {facts['held_people']} people held out")
    for heading in ("tail", "dissimilarity, at most", "predicted", "measured", "matches"):
        table.add_column(heading, justify="left" if heading == "tail" else "right")
    for name, tail in facts["tails"].items():
        for row in tail["curve"]:
            predicted = f"{row['predicted']:.1e}{_interval(row['predicted_interval'], '{:.1e}')}"
            table.add_row(name, str(row["dissimilarity"]), predicted, f"{row['measured']:.1e}", str(row["matches"]))
    return table


def _searches(facts: Mapping[str, Any]) -> Table:
    table = Table(title="FPIR of strangers held out, stated and measured, %")
    for heading in ("tail", "references", "stated", "threshold", "expected", "measured", "holds"):
        table.add_column(heading, justify="left" if heading == "tail" else "right")
    for name, tail in facts["tails"].items():
        for row in tail["searches"]:
            expected = f"{100 * row['expected']:.2f}{_interval(row['expected_interval'], '{:.2f}', 100)}"
            found = f"{100 * row['measured']:.2f}{_interval(row['measured_interval'], '{:.2f}', 100)}"
            holds = "-" if row["holds"] is None else "yes" if row["holds"] else "no"
            table.add_row(name, str(row["references"]), f"{100 * row['fpir']:g}", str(row["threshold"]), expected, found, holds)
    return table


def _interval(bounds: Sequence[float] | None, form: str, times: float = 1) -> str:
    return f" [{form.format(times * bounds[0])}, {form.format(times * bounds[1])}]" if bounds else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.threshold", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tree", type=Path, help="folder or zip of person/picture.jpg")
    parser.add_argument("--limit", type=count, metavar="PEOPLE", help="so many people, drawn by seed (default all)")
    parser.add_argument("--seed", type=int, default=1, help="of the draw of the halves (default 1)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the plot")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

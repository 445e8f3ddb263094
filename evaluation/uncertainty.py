"""Does the network know when it cannot tell a face? Uncertainty against what makes faces hard, and what it is good for, as plots.

    python -m evaluation.uncertainty TREE [TREE ...] --out FOLDER [--pfe PFE.onnx] [--landmarks landmarks.csv.gz] [--limit PEOPLE]

TREE is a folder or zip of person/picture.jpg. People of the first one with two pictures or more are drawn by seed, up to four pictures of
each. Crops are degraded after alignment (``evaluation.degrade``). Written into FOLDER: montage.png (faces of a few people, by uncertainty;
not to be published without their consent), sweeps.png (uncertainty against blur, down-scaling, occlusion, exposure, yaw), histograms.png
(as they are, degraded, other trees), discard.png (error versus discard, Grother and Tabassi, IEEE TPAMI 29, 2007), fusion.png
(``evaluation.fusion``), and with --pfe strip.png (ln of the variance of every dimension).

Rank correlation is Spearman's, of strength and uncertainty along the sweep of each picture, in the mean over pictures; bar: 0.8. That of
the mean curve is told too. Yaw cannot be set: it is told of the pictures as they are. The last line of output is JSON.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track
from rich.table import Table

from edge.errors import EdgeError, SourceError
from edge.face.quality import pose
from edge.records import Pixels
from evaluation import fusion, metrics
from evaluation.degrade import DEGRADATIONS, Degradation, mixed, sweep
from evaluation.gaussians import PfeNetwork
from evaluation.pictures import CONSOLE, Answer, Tree, answer, count, percent
from evaluation.samples import Extractor, Samples, compute, extractor
from evaluation.templates import Numbers, protected

BAR = 0.8
EACH = 4  # pictures of a person
FMR = 0.001
DISCARDED = np.linspace(0, 0.5, 26)
YAWS = (0, 5, 10, 15, 20, 30, 40, 60)  # degrees, edges of the groups
BINS = 40
MONTAGE_PEOPLE, MONTAGE_PICTURES = 6, 8
STRIP_PICTURES, STRIP_DEGRADATION = 3, "blur"


def ranks(values: Sequence[float] | npt.NDArray[Any]) -> Numbers:
    """Ranks from 1, equal values sharing their mean rank."""
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Numbers = (last - (counts - 1) / 2)[place]
    return means


def spearman(first: Sequence[float] | npt.NDArray[Any], second: Sequence[float] | npt.NDArray[Any]) -> float:
    """Spearman's rank correlation, -1..1; 0 where one of both does not vary. ValueError: lengths that differ, or fewer than two."""
    one, other = ranks(first), ranks(second)
    if one.size != other.size or one.size < 2:
        raise ValueError(f"rank correlation: {one.size} and {other.size} numbers; two equally long rows of two or more are needed")
    one, other = one - one.mean(), other - other.mean()
    spread = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum()) / spread if spread else 0.0


def swept(degradation: Degradation, variances: Numbers) -> dict[str, Any]:
    """variances: (pictures, strengths), ln s. Quartiles and mean of every strength, and the correlations of the module's docstring."""
    each = np.array([spearman(degradation.strengths, row) for row in variances])
    low, middle, high = np.quantile(variances, (0.25, 0.5, 0.75), axis=0)
    mean = variances.mean(axis=0)
    return {
        "unit": degradation.unit,
        "strengths": list(degradation.strengths),
        "mean": _rounded(mean),
        "quartiles": [_rounded(part) for part in (low, middle, high)],
        "rank_correlation": float(each.mean()),
        "rank_correlation_of_mean": spearman(degradation.strengths, mean),
        "pictures_at_bar": float((each >= BAR).mean()),
    }


def turned(yaws: Numbers, variances: Numbers) -> dict[str, Any]:
    """yaws: degrees to either side. Groups of ``YAWS`` with three pictures or more, and the correlation over pictures."""
    away = np.abs(yaws)
    groups = []
    for low, high in pairwise(YAWS):
        inside = variances[(away >= low) & (away < high)]
        if inside.size >= 3:
            groups.append(
                {"from": low, "to": high, "pictures": int(inside.size), "quartiles": _rounded(np.quantile(inside, (0.25, 0.5, 0.75)))}
            )
    return {"unit": "degrees", "groups": groups, "rank_correlation_of_pictures": spearman(away, variances)}


def histogram(variances: Numbers, edges: Numbers) -> list[float]:
    """Density within each pair of edges."""
    return _rounded(np.histogram(variances, edges, density=True)[0])


def discard(scores: Numbers, uncertainties: Numbers, threshold: float) -> dict[str, list[float]]:
    """FNMR of mated pairs when the most uncertain ones are left out, at a threshold that stays: a share ``DISCARDED`` of all at a time.

    by_uncertainty, and ideal: those that fail are left out first. Without any knowledge the curve is flat.
    """
    failed = scores < threshold
    order = np.argsort(uncertainties, kind="stable")
    kept = [max(1, round(scores.size * (1 - share))) for share in DISCARDED]
    return {
        "by_uncertainty": _rounded([float(failed[order[:count]].mean()) for count in kept]),
        "ideal": _rounded([max(0, int(failed.sum()) - (scores.size - count)) / count for count in kept]),
    }


def _rounded(values: Numbers | Sequence[float]) -> list[float]:
    return [round(float(value), 5) for value in values]


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces of one tree. keys: "person/picture", of which a face was found; crops, yaws (degrees): parallel."""

    keys: list[str]
    crops: list[Pixels]
    yaws: Numbers

    def people(self) -> dict[str, list[int]]:
        """Person -> places."""
        found: dict[str, list[int]] = {}
        for place, key in enumerate(self.keys):
            found.setdefault(key.partition("/")[0], []).append(place)
        return found


def drawn(people: Mapping[str, Sequence[str]], limit: int | None, seed: int) -> list[str]:
    """Up to ``EACH`` pictures of people who have two or more, by seed; those with most pictures are among them, for the montage."""
    random = np.random.default_rng(seed)
    able = [name for name in people if len(people[name]) > 1]
    most = sorted(able, key=lambda name: -len(people[name]))[:MONTAGE_PEOPLE]
    others = [able[place] for place in random.permutation(len(able)) if able[place] not in most]
    chosen = [(name, MONTAGE_PICTURES) for name in most] + [(name, EACH) for name in others[: max(0, (limit or len(able)) - len(most))]]
    return [people[name][place] for name, each in chosen for place in random.permutation(len(people[name]))[:each]]


def located(tree: Tree, keys: Sequence[str], extract: Extractor) -> Faces:
    """Crop and yaw of every picture in which a face was found. Raises SourceError if there is none."""
    found = [(key, crop, pose(face.landmarks)[0]) for key, face, crop in fusion.located(tree, keys, extract)]
    if not found:
        raise SourceError(f"{tree.path}: no face was found in {len(keys)} pictures, or nobody has two; name another tree")
    names, crops, yaws = zip(*found, strict=True)
    return Faces(list(names), list(crops), np.array(yaws))


def told(extract: Extractor, crops: Sequence[Pixels]) -> Samples:
    """What the network says of crops; the row is the place."""
    samples = compute(((str(place), crop) for place, crop in enumerate(crops)), extract.hasher, extract.q)
    assert samples is not None
    return samples


def sweeps(extract: Extractor, crops: Sequence[Pixels]) -> dict[str, dict[str, Any]]:
    """Every degradation of every crop."""
    made = {}
    for each in track(DEGRADATIONS, "degrading", console=CONSOLE, transient=True):
        pictures = [picture for seed, crop in enumerate(crops) for picture in sweep(crop, each, seed)]
        variances = told(extract, pictures).log_variances.astype(np.float64)
        made[each.name] = swept(each, variances.reshape(len(crops), len(each.strengths)))
    return made


def discards(faces: Faces, plain: Samples, degraded: Samples) -> dict[str, Any]:
    """Error versus discard of references as they are with probes as they are, and with degraded ones; protected templates."""
    first, second = zip(*((a, b) for places in faces.people().values() for a in places for b in places if a != b), strict=True)
    people = np.unique([key.partition("/")[0] for key in faces.keys], return_inverse=True)[1]
    apart = people[:, None] != people[None]
    made: dict[str, Any] = {"discarded": _rounded(DISCARDED), "fmr": FMR, "mated_pairs": len(first)}
    for name, probes in (("as they are", plain), ("degraded", degraded)):
        scores = protected(np.concatenate([plain.codes, probes.codes]), np.concatenate([plain.costs, probes.costs]), plain.q)
        count = len(faces.keys)
        matrix = scores.matrix(np.arange(count, 2 * count), np.arange(count))
        threshold = metrics.threshold_at(matrix[apart], FMR)
        unsure = np.exp(plain.log_variances[list(first)]) + np.exp(probes.log_variances[list(second)])
        made[name] = discard(matrix[list(second), list(first)], unsure.astype(np.float64), threshold)
    return made


def histograms(variances: Mapping[str, Numbers]) -> dict[str, Any]:
    """Name -> density over common edges, and quartiles."""
    low, high = min(float(part.min()) for part in variances.values()), max(float(part.max()) for part in variances.values())
    edges = np.linspace(low, high + 1e-6, BINS + 1)
    sets = {
        name: {"pictures": part.size, "density": histogram(part, edges), "quartiles": _rounded(np.quantile(part, (0.25, 0.5, 0.75)))}
        for name, part in variances.items()
    }
    return {"edges": _rounded(edges), "sets": sets}


def montage_rows(faces: Faces, samples: Samples) -> list[tuple[str, list[tuple[float, Pixels]]]]:
    """The people with most pictures: name, and ln s with the crop, rising."""
    most = sorted(faces.people().items(), key=lambda item: -len(item[1]))[:MONTAGE_PEOPLE]
    rows = []
    for name, places in most:
        pictures = [(float(samples.log_variances[place]), faces.crops[place]) for place in places[:MONTAGE_PICTURES]]
        rows.append((name, sorted(pictures, key=lambda each: each[0])))
    return rows


def strips(pfe: PfeNetwork, crops: Sequence[Pixels]) -> list[tuple[float, Numbers]]:
    """Strength and ln s of every dimension (d,), the mean over a few crops, along one degradation."""
    chosen = next(each for each in DEGRADATIONS if each.name == STRIP_DEGRADATION)
    rows = []
    for place, strength in enumerate(chosen.strengths):
        named = ((str(number), sweep(crop, chosen, number)[place]) for number, crop in enumerate(crops[:STRIP_PICTURES]))
        rows.append((strength, pfe.gaussians(named).log_variances.astype(np.float64).mean(axis=0)))
    return rows


def measure(options: argparse.Namespace) -> Answer:
    """All measurements and plots; the table of correlations and those of fusion."""
    try:
        from evaluation import plots
    except ImportError as error:
        raise EdgeError("uncertainty: matplotlib is not installed; .venv/bin/pip install -e '.[eval]'") from error
    options.out.mkdir(parents=True, exist_ok=True)
    trees, extract = [Tree(path) for path in options.trees], extractor(options.config, options.landmarks)
    faces = located(trees[0], drawn(trees[0].people(), options.limit, options.seed), extract)
    plain = told(extract, faces.crops)
    degraded = told(extract, [mixed(crop, seed) for seed, crop in enumerate(faces.crops)])
    sets = {trees[0].path.stem: plain.log_variances.astype(np.float64)}
    sets[f"{trees[0].path.stem}, degraded"] = degraded.log_variances.astype(np.float64)
    for tree in trees[1:]:
        others = extractor(options.config)
        more = located(tree, drawn(tree.people(), options.limit, options.seed), others)
        sets[tree.path.stem] = told(extract, more.crops).log_variances.astype(np.float64)
    one_each = [faces.crops[places[0]] for places in faces.people().values()][: options.pictures]
    facts: dict[str, Any] = {
        "trees": [str(tree.path) for tree in trees],
        "landmarks": extract.landmarks,
        "people": len(faces.people()),
        "pictures": len(faces.keys),
        "pictures_swept": len(one_each),
        "seed": options.seed,
        "sweeps": sweeps(extract, one_each),
        "yaw": turned(faces.yaws, plain.log_variances.astype(np.float64)),
        "histograms": histograms(sets),
        "discard": discards(faces, plain, degraded),
    }
    facts["bar"] = {"rank_correlation": BAR, "met": all(each["rank_correlation"] >= BAR for each in facts["sweeps"].values())}
    tables = [_table(facts)]
    made = [plots.montage(montage_rows(faces, plain), options.out / "montage.png")]
    if options.pfe:
        made.append(plots.strip(strips(PfeNetwork(options.pfe), one_each), STRIP_DEGRADATION, options.out / "strip.png"))
    made += [draw(facts, options.out / f"{name}.png") for name, draw in plots.OF_FACTS.items()]
    if not options.without_fusion:
        more_tables, fused = fusion.measure(options)
        facts["fusion"] = {key: value for key, value in fused.items() if key != "plots"}
        tables += more_tables
        made += [Path(path) for path in fused["plots"]]
    return tables, {**facts, "plots": [str(path) for path in made]}


def _table(facts: Mapping[str, Any]) -> Table:
    caption = f"of {facts['pictures_swept']} pictures; bar {BAR} for the mean over pictures: {'met' if facts['bar']['met'] else 'not met'}"
    table = Table(title="Rank correlation of uncertainty with the strength of a degradation", caption=caption)
    for heading in ("degradation", "mean over pictures", "of the mean curve", f"pictures at {BAR} or more"):
        table.add_column(heading, justify="left" if heading == "degradation" else "right")
    for name, each in facts["sweeps"].items():
        values = (f"{each['rank_correlation']:.3f}", f"{each['rank_correlation_of_mean']:.3f}", percent(each["pictures_at_bar"]))
        table.add_row(name, *values)
    table.add_row("yaw (as it is, over pictures)", f"{facts['yaw']['rank_correlation_of_pictures']:.3f}", "", "")
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, draw and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.uncertainty", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trees", type=Path, nargs="+", help="folder or zip of person/picture.jpg; further ones for histograms only")
    parser.add_argument("--out", type=Path, required=True, help="folder for the plots")
    parser.add_argument("--pictures", type=count, default=200, help="pictures that are degraded in all strengths (default 200)")
    parser.add_argument("--limit", type=count, metavar="PEOPLE", help="at most so many people (default all)")
    parser.add_argument("--without-fusion", action="store_true", help="leave the comparison of fusions out: it takes longest")
    fusion.options_of(parser)
    options = parser.parse_args(arguments)
    options.tree, options.sequences = options.trees[0], list(fusion.SEQUENCES)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

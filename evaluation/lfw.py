"""Verification on LFW, View 2: how much accuracy hashing and protection cost, through the appliance's own detector and network.

    python -m evaluation.lfw LFW [--protocols pairs blufr openset] [--pairs PAIRS] [--blufr MAT] [--landmarks landmarks.csv.gz]
                             [--config FILE] [--limit PAIRS] [--out FOLDER]

LFW is a folder or zip of person/person_0001.jpg; pairs.txt is looked for beside it. Of every picture the central face is aligned and
hashed (``folders.central``); quality refuses nothing here. With --landmarks the points of that table take the detector's place, so that
the two can be told apart. A pair with a picture in which no face was found has the lowest score there is. Ten folds: the threshold of
each is the best one of the other nine (Huang et al., 2007). Similarities: the cosine of the unprotected embedding; the share of equal
symbols of the plain rank hash; the same of transformed and packed codes as a gallery compares them; and of codes under two different
keys, which must look like different people. Intervals are of 95 %: of the accuracy that of a share (Clopper and Pearson), of the other
rates from pairs drawn again (bootstrap), both as if pairs were independent. With several protocols each picture is hashed once for all of
them (see ``evaluation.blufr``, ``evaluation.openset``). With --out also plots of the pairs, det.png and scores.png. The last line of
output is JSON.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from edge.errors import SourceError
from evaluation import blufr, metrics, openset
from evaluation.pictures import Answer, Tree, answer, count
from evaluation.samples import Samples, extractor
from evaluation.templates import templates_of

FARS = (0.001, 0.01)
POINTS, BINS = 60, 48  # of a plotted curve, of a histogram
PROTOCOLS = ("pairs", "blufr", "openset")
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two pictures ("person/person_0001.jpg"), whether they show one person, and the fold from 0."""

    first: str
    second: str
    same: bool
    fold: int


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of LFW's View 2: a line of folds and n, then per fold n lines "name i j", n lines "name i name j". Raises SourceError."""
    try:
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        folds, each = (int(number) for number in lines[0])
        pairs = [_pair(words, place // (2 * each)) for place, words in enumerate(lines[1:])]
    except OSError as error:
        raise SourceError(f"{path}: the pairs cannot be read ({error.strerror}); name LFW's pairs.txt with --pairs") from error
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise SourceError(f"{path}: not a list of pairs as LFW's View 2 has it ({error}); name pairs.txt with --pairs") from error
    if len(pairs) != 2 * folds * each or folds < 2:
        raise SourceError(f"{path}: {len(pairs)} pairs, but its first line states {folds} folds of twice {each}; copy it again")
    return pairs


def _pair(words: Sequence[str], fold: int) -> Pair:
    if len(words) == 3:
        return Pair(picture(words[0], words[1]), picture(words[0], words[2]), True, fold)
    name, number, other, other_number = words
    return Pair(picture(name, number), picture(other, other_number), False, fold)


def picture(name: str, number: str) -> str:
    """LFW's name of a person's picture: "Zico", "2" -> "Zico/Zico_0002.jpg"."""
    return f"{name}/{name}_{int(number):04d}.jpg"


def pairs_of(tree: Path, named: Path | None) -> list[Pair]:
    """The pairs of the file named, else of the pairs.txt in or beside the tree."""
    beside = [tree / "pairs.txt", tree.parent / "pairs.txt"]
    return read_pairs(named or next((path for path in beside if path.is_file()), beside[-1]))


def few(pairs: Sequence[Pair], limit: int | None) -> list[Pair]:
    """About so many pairs, as many of each kind from each fold: the first ones."""
    if limit is None:
        return list(pairs)
    kinds = sorted({(pair.fold, not pair.same) for pair in pairs})
    each = max(1, limit // len(kinds))
    return [pair for fold, different in kinds for pair in islice((p for p in pairs if (p.fold, not p.same) == (fold, different)), each)]


def pictures_of(pairs: Iterable[Pair]) -> list[str]:
    """Every picture named, once."""
    return sorted({key for pair in pairs for key in (pair.first, pair.second)})


def similarities(pairs: Sequence[Pair], samples: Samples) -> dict[str, Numbers]:
    """Name of the template -> similarity of every pair; a pair without a sample has the lowest."""
    first, second = (samples.rows([getattr(pair, side) for pair in pairs]) for side in ("first", "second"))
    sound = (first >= 0) & (second >= 0)
    made = {}
    for template in templates_of(samples):
        scores = np.full(sound.size, template.lowest)
        scores[sound] = template.pairs(first[sound], second[sound])
        made[template.name] = scores
    return made


def facts_of(pairs: Sequence[Pair], scores: Numbers, fars: Sequence[float] = FARS) -> dict[str, Any]:
    """Accuracy over the folds with its standard deviation, EER, AUC and TAR at FAR, as shares, with intervals."""
    same, folds = np.array([pair.same for pair in pairs]), np.array([pair.fold for pair in pairs])
    accuracies = metrics.fold_accuracies(scores, same, folds)
    right = round(float((accuracies * np.unique(folds, return_counts=True)[1]).sum()))
    mated, non_mated = scores[same], scores[~same]

    def interval(rate: Callable[[Numbers, Numbers], float]) -> tuple[float, float]:
        def drawn(places: npt.NDArray[np.int64]) -> float:
            chosen, truth = scores[places], same[places]
            return rate(chosen[truth], chosen[~truth]) if truth.any() and not truth.all() else math.nan

        return metrics.bootstrap(drawn, np.arange(scores.size))

    return {
        "accuracy": float(accuracies.mean()),
        "accuracy_sd": float(accuracies.std(ddof=1)),
        "accuracy_interval": metrics.interval(right, len(pairs)),
        "eer": metrics.equal_error_rate(mated, non_mated),
        "eer_interval": interval(metrics.equal_error_rate),
        "auc": metrics.area_under_roc(mated, non_mated),
        **{f"tar_at_far_{far:g}": metrics.tar_at_far(mated, non_mated, far) for far in fars},
        **{f"tar_at_far_{far:g}_interval": interval(partial(metrics.tar_at_far, far=far)) for far in fars},
        "mean_mated": float(mated.mean()),
        "mean_non_mated": float(non_mated.mean()),
    }


def bin_edges(values: Numbers) -> Numbers:
    """Edges of at most ``BINS`` + 1 bins that hold equally many of the values that may occur: symbols are counted, so scores have steps."""
    distinct = np.unique(values.round(9))
    step = float(np.diff(distinct).min(initial=np.inf))
    if not np.isfinite(step):
        return np.histogram_bin_edges(values, 1)
    width = step * math.ceil((distinct[-1] - distinct[0]) / BINS / step)
    first = float(distinct[0]) - step / 2
    count = math.ceil((float(distinct[-1]) + step / 4 - first) / width)
    edges: Numbers = first + width * np.arange(count + 1)
    return edges


def curves(pairs: Sequence[Pair], scores: Mapping[str, Numbers], sound: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Template -> FMR and FNMR at every score that changes either by enough to be seen, and histograms of both kinds of pairs.

    sound: of each pair, whether both pictures have a sample; the histograms leave the others out.
    """
    same, made = np.array([pair.same for pair in pairs]), {}
    for name, values in scores.items():
        _, fmr, fnmr = metrics.error_rates(values[same], values[~same])
        kept = np.unique(np.searchsorted(fmr, np.geomspace(max(fmr[fmr > 0][0], 1e-6), 1, POINTS)).clip(max=fmr.size - 1))
        edges = bin_edges(values[sound])
        made[name] = {
            "fmr": fmr[kept].tolist(),
            "fnmr": fnmr[kept].tolist(),
            "edges": [round(float(edge), 6) for edge in edges],
            **{kind: np.histogram(values[which & sound], edges)[0].tolist() for kind, which in (("mated", same), ("non_mated", ~same))},
        }
    return made


def verification(pairs: Sequence[Pair], samples: Samples) -> dict[str, Any]:
    """How many pairs lack a sample, and template -> facts."""
    found, lost = similarities(pairs, samples), [not {pair.first, pair.second} <= samples.place.keys() for pair in pairs]
    return {
        "pairs": len(pairs),
        "pairs_without_sample": sum(lost),
        "templates": {name: facts_of(pairs, scores) for name, scores in found.items()},
        "curves": curves(pairs, found, ~np.array(lost)),
    }


def measure(options: argparse.Namespace) -> Answer:
    """Read, hash, compare; a table for each protocol."""
    tree, wanted = Tree(options.lfw), options.protocols
    pairs = few(pairs_of(options.lfw, options.pairs), options.limit) if "pairs" in wanted else []
    benchmark = blufr.protocol_of(options.lfw, options.blufr) if "blufr" in wanted else None
    split = openset.split_of(tree.people()) if "openset" in wanted else None
    keys = set(pictures_of(pairs)) | set(benchmark.pictures if benchmark else []) | set(openset.pictures_of(split) if split else [])
    eye = extractor(options.config, options.landmarks)
    samples = eye.samples(tree, sorted(keys), keep_logits=split is not None)
    facts: dict[str, Any] = {
        "lfw": str(options.lfw),
        "landmarks": eye.landmarks,
        "network": eye.hasher.manifest.name,
        "pictures": len(keys),
        "failures_to_acquire": len(keys) - len(samples.place),
    }
    tables = []
    if pairs:
        facts |= verification(pairs, samples)
        tables.append(table(facts, f"LFW, {len(pairs)} pairs, landmarks of the {eye.landmarks}"))
    if benchmark:
        facts["blufr"] = blufr.facts_of(samples, benchmark)
        tables.append(blufr.table(facts["blufr"], f"BLUFR on LFW, landmarks of the {eye.landmarks}"))
    if split:
        facts["open_set"] = openset.facts_of(samples, split)
        tables.append(openset.table(f"open-set split of LFW, landmarks of the {eye.landmarks}", facts["open_set"]["references"]))
    if options.out and pairs:
        from evaluation import plots  # a table needs no matplotlib

        facts["plots"] = [str(draw(facts["curves"], options.out / f"{draw.__name__}.png")) for draw in (plots.det, plots.scores)]
    return tables, facts


def table(facts: Mapping[str, Any], title: str) -> Table:
    """facts: as of ``verification``, with the numbers of pictures and of those not acquired."""
    lost = f"{facts['failures_to_acquire']} of {facts['pictures']} pictures not acquired, {facts['pairs_without_sample']} pairs lost by it"
    shown = Table(title=title, caption=f"{lost}; [95 % interval]")
    shown.add_column("template")
    for heading in ("accuracy ± sd of folds", "EER", "AUC", *(f"TAR@{100 * far:g} %" for far in FARS)):
        shown.add_column(heading, justify="right", no_wrap=True)
    for name, found in facts["templates"].items():
        accuracy = f"{100 * found['accuracy']:.2f} ± {100 * found['accuracy_sd']:.2f} {_interval(found['accuracy_interval'])}"
        rates = {what: f"{100 * found[what]:.2f} {_interval(found[f'{what}_interval'])}" for what in ("eer", *map(_tar, FARS))}
        shown.add_row(name, accuracy, rates.pop("eer"), f"{found['auc']:.5f}", *rates.values())
    return shown


def _tar(far: float) -> str:
    return f"tar_at_far_{far:g}"


def _interval(bounds: tuple[float, float]) -> str:
    return f"[{100 * bounds[0]:.2f}, {100 * bounds[1]:.2f}]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.lfw", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lfw", type=Path, help="folder or zip of person/person_0001.jpg")
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=["pairs"], help="what is measured (default pairs)")
    parser.add_argument("--pairs", type=Path, help="pairs.txt (default: in or beside LFW)")
    parser.add_argument("--blufr", type=Path, metavar="MAT", help="blufr_lfw_config.mat (default: in or beside LFW)")
    parser.add_argument("--landmarks", type=Path, help="table of reference landmarks to use instead of the detector")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for plots of the pairs: det.png, scores.png")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    parser.add_argument("--limit", type=count, metavar="PAIRS", help="about so many pairs, the same share of every fold (default all)")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

"""BLUFR on LFW: verification and open-set identification at low false accept rates, ten trials over all 13,233 pictures.

    python -m evaluation.blufr LFW [--protocol blufr_lfw_config.mat] [--landmarks landmarks.csv.gz] [--config FILE] [--trials N]

LFW is a folder or zip of person/person_0001.jpg; the protocol is the .mat file of the benchmark, looked for beside it (Liao, Lei, Yi and
Li, A benchmark study of large-scale unconstrained face recognition, IJCB 2014). In each trial every picture of the test set is compared
with every other one: the verification rate (VR) at FAR 0.1 %; and each probe is searched for in a gallery of 1,000 people with one picture
each: the detection and identification rate (DIR) at rank 1 and FAR 1 %, which is the FPIR of ISO/IEC 19795-1. Reported is, as the protocol
prescribes, the mean less the standard deviation over the trials. Nothing is learnt on the training sets. Unlike the published toolkit a
threshold never accepts more non-mated scores than its rate allows, and equal scores count against the mate: with shares of equal symbols
equal scores are common. A picture in which no face was found has the lowest score against everybody. The last line of output is JSON.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track
from rich.table import Table

from edge.errors import EdgeError, SourceError
from evaluation import metrics
from evaluation.openset import rate_at, search
from evaluation.pictures import CONSOLE, Answer, Tree, answer, count
from evaluation.samples import Samples, extractor
from evaluation.templates import Template, templates_of

Places = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
VERIFICATION_FAR, SEARCH_FAR = 0.001, 0.01
BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Trial:
    """Places from 0 in the picture list: the whole test set, and the gallery and the probes, which are parts of it."""

    test: Places
    gallery: Places
    probes: Places


@dataclass(frozen=True, eq=False)
class Benchmark:
    """pictures: "person/person_0001.jpg". labels: whom each of them shows. trials: ten of them."""

    pictures: list[str]
    labels: Places
    trials: list[Trial]


def read_protocol(path: Path) -> Benchmark:
    """The benchmark's own file: imageList, labels, and testIndex, galIndex, probIndex of every trial, from 1. Raises SourceError."""
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise EdgeError("blufr: scipy is not installed; .venv/bin/pip install -e '.[eval]'") from error
    try:
        found = loadmat(str(path))
        pictures = [_picture(str(cell.item())) for cell in found["imageList"].ravel()]
        labels = found["labels"].ravel().astype(np.int64)
        columns = [[cell.ravel().astype(np.int64) - 1 for cell in found[name].ravel()] for name in ("testIndex", "galIndex", "probIndex")]
        trials = [Trial(*parts) for parts in zip(*columns, strict=True)]
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error}); name blufr_lfw_config.mat with --protocol") from error
    except (KeyError, ValueError, TypeError, AttributeError, NotImplementedError) as error:  # the last: MATLAB 7.3, which scipy reads not
        raise SourceError(f"{path}: not the BLUFR protocol ({error!r}); name blufr_lfw_config.mat with --protocol") from error
    _check(path, Benchmark(pictures, labels, trials))
    return Benchmark(pictures, labels, trials)


def _picture(name: str) -> str:
    """ "Zico_0002.jpg" -> "Zico/Zico_0002.jpg"."""
    person, underline, _ = name.rpartition("_")
    if not underline:
        raise ValueError(f"picture {name!r} has no number")
    return f"{person}/{name}"


def _check(path: Path, benchmark: Benchmark) -> None:
    size = len(benchmark.pictures)
    if benchmark.labels.size != size or not benchmark.trials:
        raise SourceError(
            f"{path}: {size} pictures, {benchmark.labels.size} labels and {len(benchmark.trials)} trials do not fit; copy it again"
        )
    for number, trial in enumerate(benchmark.trials, 1):
        for name, places in (("test", trial.test), ("gallery", trial.gallery), ("probe", trial.probes)):
            if not places.size or places.min() < 0 or places.max() >= size:
                raise SourceError(f"{path}: trial {number}: a {name} index is not in 1..{size}; copy it again")
            if not np.isin(places, trial.test).all():
                raise SourceError(f"{path}: trial {number}: a {name} picture is not in the test set; copy it again")


def protocol_of(tree: Path, named: Path | None) -> Benchmark:
    """The protocol of the file named, else of the one in or beside the tree."""
    beside = [folder / "blufr_lfw_config.mat" for folder in (tree, tree.parent)]
    return read_protocol(named or next((path for path in beside if path.is_file()), beside[-1]))


def verification_rate(template: Template, rows: Places, labels: Places, far: float = VERIFICATION_FAR) -> float:
    """TAR at FAR over all pairs of the test set. rows: of ``Samples``, -1 without one. labels: whom each shows.

    ValueError: no mated or no non-mated pair.
    """
    sound = rows >= 0
    mated_pairs = sum(int(n) * (int(n) - 1) // 2 for n in np.unique(labels, return_counts=True)[1])
    others = rows.size * (rows.size - 1) // 2 - mated_pairs
    if not mated_pairs or not others:
        raise ValueError(f"verification: {mated_pairs} mated and {others} non-mated pairs")
    mated: list[Numbers] = []

    def non_mated() -> Iterator[Numbers]:
        for scores, same in _pairs(template, rows[sound], labels[sound]):
            mated.append(scores[same])
            yield scores[~same]

    threshold = metrics.threshold_of_blocks(non_mated(), others, far)
    return float(sum(np.count_nonzero(part >= threshold) for part in mated) / mated_pairs)


def _pairs(template: Template, rows: Places, labels: Places) -> Iterator[tuple[Numbers, npt.NDArray[np.bool_]]]:
    """Scores of every pair of different places, once, and whether both are one person."""
    for start in range(0, rows.size, BLOCK):
        stop = min(start + BLOCK, rows.size)
        scores = template.matrix(rows[start:stop], rows[start:])
        later = np.arange(rows.size - start)[None, :] > np.arange(stop - start)[:, None]
        same = labels[start:stop, None] == labels[None, start:]
        yield scores[later], same[later]


def identification_rate(template: Template, samples: Samples, benchmark: Benchmark, trial: Trial, fpir: float = SEARCH_FAR) -> float:
    """DIR at rank 1: the probes of people who are in the gallery are mated searches, all others non-mated ones."""
    rows = samples.rows(benchmark.pictures)
    enrolled = set(benchmark.labels[trial.gallery].tolist())
    gallery, probes = ([(str(benchmark.labels[place]), int(rows[place])) for place in places] for places in (trial.gallery, trial.probes))
    known = [benchmark.labels[place] in enrolled for place in trial.probes]
    mated = [probe for probe, mate in zip(probes, known, strict=True) if mate]
    strangers = [probe for probe, mate in zip(probes, known, strict=True) if not mate]
    return rate_at(search(template, [(name, row) for name, row in gallery if row >= 0], mated, strangers), fpir)


def facts_of(samples: Samples, benchmark: Benchmark) -> dict[str, Any]:
    """Template -> VR and DIR with mean, standard deviation, mean less standard deviation, and the rate of each trial."""
    rows, templates = samples.rows(benchmark.pictures), templates_of(samples)
    rates: dict[str, tuple[list[float], list[float]]] = {template.name: ([], []) for template in templates}
    turns = [(template, trial) for template in templates for trial in benchmark.trials]
    for template, trial in track(turns, "comparing", console=CONSOLE, transient=True):
        verified, identified = rates[template.name]
        verified.append(verification_rate(template, rows[trial.test], benchmark.labels[trial.test]))
        identified.append(identification_rate(template, samples, benchmark, trial))
    names = (f"vr_at_far_{VERIFICATION_FAR:g}", f"dir_at_far_{SEARCH_FAR:g}")
    return {template: {name: _over_trials(both) for name, both in zip(names, found, strict=True)} for template, found in rates.items()}


def _over_trials(rates: Sequence[float]) -> dict[str, Any]:
    mean, spread = float(np.mean(rates)), float(np.std(rates, ddof=1)) if len(rates) > 1 else 0.0
    return {"mean": mean, "sd": spread, "mean_less_sd": mean - spread, "trials": list(rates)}


def table(facts: Mapping[str, Any], title: str) -> Table:
    """facts: template -> rates, as of ``facts_of``."""
    shown = Table(title=title, caption="mean less standard deviation over the trials (mean ± standard deviation)")
    shown.add_column("template")
    shown.add_column(f"VR@FAR {100 * VERIFICATION_FAR:g} %", justify="right")
    shown.add_column(f"DIR@FAR {100 * SEARCH_FAR:g} %, rank 1", justify="right")
    for name, rates in facts.items():
        cells = (f"{100 * found['mean_less_sd']:.2f} ({100 * found['mean']:.2f} ± {100 * found['sd']:.2f}) %" for found in rates.values())
        shown.add_row(name, *cells)
    return shown


def measure(options: argparse.Namespace) -> Answer:
    """Read, hash, compare; the table."""
    tree, benchmark = Tree(options.lfw), protocol_of(options.lfw, options.protocol)
    benchmark = Benchmark(benchmark.pictures, benchmark.labels, benchmark.trials[: options.trials])
    eye = extractor(options.config, options.landmarks)
    keys = [benchmark.pictures[place] for place in np.unique(np.concatenate([trial.test for trial in benchmark.trials]))]
    samples = eye.samples(tree, keys)
    found = facts_of(samples, benchmark)
    facts = {
        "lfw": str(options.lfw),
        "landmarks": eye.landmarks,
        "network": eye.hasher.manifest.name,
        "pictures": len(keys),
        "failures_to_acquire": len(keys) - len(samples.place),
        "trials": len(benchmark.trials),
        "templates": found,
    }
    return [table(found, f"BLUFR on LFW, {len(benchmark.trials)} trials, landmarks of the {eye.landmarks}")], facts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.blufr", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lfw", type=Path, help="folder or zip of person/person_0001.jpg")
    parser.add_argument("--protocol", type=Path, help="blufr_lfw_config.mat (default: in or beside LFW)")
    parser.add_argument("--landmarks", type=Path, help="table of reference landmarks to use instead of the detector")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    parser.add_argument("--trials", type=count, metavar="N", help="the first so many trials (default all)")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

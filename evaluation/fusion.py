"""Does it help to weigh the frames of an approach by uncertainty? Open-set search with several frames a template, fused in different ways.

    python -m evaluation.fusion TREE [--frames 1 3 5 10] [--fpir 0.01] [--pfe PFE.onnx] [--limit PEOPLE] [--out FOLDER]

TREE is a folder or zip of person/picture.jpg. Two kinds of sequences, drawn by seed: *pictures*, the first frames are the person's other
pictures as they are (people with too few of them are left out at that number of frames); *degraded*, the person's other pictures in turn,
each frame degraded at random (``degrade.mixed``): blur, few pixels, covers, too little or too much light, in any strength, or nothing.
Frames are nested: five of them are three and two more. Everybody known is enrolled from --enrol pictures as they are, fused as at the door.

Ways to fuse, all by the door's ``edge.template.fuse``: mean (all frames alike), uncertainty (by inverse variance), best frame (the least
uncertain one alone). With --pfe, a file of ``training.pfe --kind full``, also one variance a dimension (Shi and Jain, ICCV 2019, section
3.3), compared by cosine and by mutual likelihood. FNIR(N, 1, T) at the T at which at most a share FPIR of the strangers' sequences returns
anybody, a T for each way. Intervals, 95 %: of the difference mean - uncertainty, both on the same people, who are drawn again (paired
bootstrap). With --out also fusion.png. The last line of output is JSON.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track
from rich.table import Table

from edge.errors import SourceError
from edge.records import Face, Pixels
from evaluation import metrics
from evaluation.degrade import mixed
from evaluation.gaussians import Gaussians, Likelihood, PfeNetwork, fused_gaussians
from evaluation.pictures import CONSOLE, Answer, Tree, answer, count, percent
from evaluation.samples import Extractor, Samples, compute, extractor, fused, locator
from evaluation.templates import Cosine, Numbers, Template, protected

WAYS = ("mean", "uncertainty", "best frame")
REFERENCE = "reference"
SEQUENCES = ("pictures", "degraded")
BLOCK = 100  # people whose logits are held at once: 18 MB a frame at 512 x 8
FRAME = "\0"  # between a picture and the number of the frame that it is degraded for; no file has it in its name
Crops = Mapping[str, Pixels]
Frames = Mapping[str, Sequence[str]]
"""Person -> names of the frames, in order."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Who is searched. mates: person -> the pictures enrolled; strangers: people not enrolled. frames: of everybody."""

    mates: dict[str, list[str]]
    strangers: list[str]
    frames: dict[str, list[str]]

    def of_length(self, length: int) -> "Drawn":
        """Those who have so many frames, with so many."""
        frames = {name: names[:length] for name, names in self.frames.items() if len(names) >= length}
        mates = {name: pictures for name, pictures in self.mates.items() if name in frames}
        return Drawn(mates, [name for name in self.strangers if name in frames], frames)


def draw(people: Mapping[str, Sequence[str]], kind: str, enrol: int, length: int, limit: int | None, seed: int) -> Drawn:
    """Half of the people, at most, are strangers.

    pictures: of those with more than ``enrol`` pictures every second one is a stranger. degraded: strangers are those who have not more,
    and others where that is less than a third of all; frames are the pictures in turn, with the frame's number after ``FRAME``. limit: so
    many people in all.
    """
    random = np.random.default_rng(seed)
    names = [list(people)[place] for place in random.permutation(len(people))]
    shuffled = {name: [people[name][place] for place in random.permutation(len(people[name]))] for name in names}
    able = [name for name in names if len(people[name]) > enrol]
    if kind == "pictures":
        able, strangers = able[::2], able[1::2]
    else:
        lone = [name for name in names if len(people[name]) <= enrol]
        missing = max(0, len(names) // 3 - len(lone))
        able, strangers = able[missing:], [*lone, *able[:missing]]
    half = len(able) if limit is None else min(len(able), limit // 2)
    able, strangers = able[:half], strangers[: max(half, 1)]
    left = {name: shuffled[name][enrol:] for name in able} | {name: shuffled[name] for name in strangers}
    if kind == "degraded":
        left = {name: [f"{keys[place % len(keys)]}{FRAME}{place}" for place in range(length)] for name, keys in left.items()}
    return Drawn({name: shuffled[name][:enrol] for name in able}, strangers, left)


def fuse_ways(samples: Samples, frames: Frames) -> dict[str, Samples]:
    """Way -> one sample of each person, in the order of ``frames``. samples: with logits, of all frames."""
    variances = {key: float(samples.log_variances[row]) for key, row in samples.place.items()}
    media = {name: [keys] for name, keys in frames.items()}
    best = {name: [[min(keys, key=variances.__getitem__)]] for name, keys in frames.items()}
    return {
        "mean": fused(samples, media, "mean"),
        "uncertainty": fused(samples, media, "uncertainty"),
        "best frame": fused(samples, best, "first"),
    }


@dataclass(frozen=True, eq=False)
class Searches:
    """What came of one way: mates first, then strangers. own, rank: of each mated search; best: of each stranger's."""

    own: Numbers
    rank: npt.NDArray[np.int64]
    best: Numbers

    def fnir(self, fpir: float, places: npt.NDArray[np.int64] | None = None) -> float:
        """FNIR, of all or of some searches (mates counted first); not a number where either kind is missing."""
        own, rank, best = self.own, self.rank, self.best
        if places is not None:
            mated = places[places < own.size]
            own, rank, best = own[mated], rank[mated], best[places[places >= own.size] - own.size]
        if not own.size or not best.size:
            return float("nan")
        return metrics.fnir_at_fpir(own, rank, best, fpir)[0]

    @property
    def rank_one(self) -> float:
        """Share of mated searches whose mate comes first."""
        return float((self.rank == 1).mean())


def search(template: Template, mates: int, strangers: int) -> Searches:
    """template: rows are the mates' references, their probes in the same order, and the strangers' probes."""
    scores = template.matrix(np.arange(mates, 2 * mates + strangers), np.arange(mates))
    own = scores[np.arange(mates), np.arange(mates)]
    return Searches(own, (scores[:mates] >= own[:, None]).sum(axis=1), scores[mates:].max(axis=1))


def difference(first: Searches, second: Searches, fpir: float, seed: int) -> dict[str, Any]:
    """FNIR of the first less that of the second, with its interval: mates and strangers are drawn again, for both the same."""

    def statistic(places: npt.NDArray[np.int64]) -> float:
        return first.fnir(fpir, places) - second.fnir(fpir, places)

    everybody = np.arange(first.own.size + first.best.size)
    return {"fnir": first.fnir(fpir) - second.fnir(fpir), "interval": list(metrics.bootstrap(statistic, everybody, seed=seed))}


def compared(found: Mapping[str, Searches], fpir: float, seed: int) -> dict[str, Any]:
    """FNIR and rank-1 of every way, and mean - way for all others."""
    facts: dict[str, Any] = {way: {"fnir": each.fnir(fpir), "rank_1": each.rank_one} for way, each in found.items()}
    facts["mean_minus"] = {way: difference(found["mean"], each, fpir, seed) for way, each in found.items() if way != "mean"}
    return facts


def templates(references: Samples, probes: Samples) -> list[Template]:
    """Unprotected and protected, references before probes."""
    made: list[Template] = []
    if references.embeddings is not None and probes.embeddings is not None:
        made.append(Cosine(np.concatenate([references.embeddings, probes.embeddings])))
    codes, costs = np.concatenate([references.codes, probes.codes]), np.concatenate([references.costs, probes.costs])
    return [*made, protected(codes, costs, references.q)]


@dataclass(frozen=True, eq=False)
class Source:
    """Where frames come from. crops: of the pictures in which a face was found. seed: of degradations. pfe: the full network or None."""

    crops: Crops
    extractor: Extractor
    seed: int
    pfe: PfeNetwork | None

    def frames(self, names: Iterable[str]) -> Iterator[tuple[str, Pixels]]:
        """Name and crop; with a number after it a picture is degraded."""
        for name in names:
            key, degraded, number = name.partition(FRAME)
            yield name, mixed(self.crops[key], _seed_of(self.seed, key, int(number))) if degraded else self.crops[key]

    def samples(self, names: Iterable[str]) -> Samples:
        found = compute(self.frames(names), self.extractor.hasher, self.extractor.q, keep_logits=True)
        if found is None:
            raise SourceError("fusion: nobody has enough frames with a face; name a tree with more pictures, or fewer --frames")
        return found


def _seed_of(seed: int, key: str, frame: int) -> int:
    """A seed for one frame, the same in every process."""
    return int(np.random.SeedSequence([seed, frame, *key.encode()]).generate_state(1)[0])


@dataclass(frozen=True, eq=False)
class Fused:
    """Everybody's probes: by number of frames and way, samples; and Gaussians where there is a full network. References likewise."""

    references: Samples
    probes: dict[tuple[int, str], Samples]
    gaussian_references: Gaussians | None
    gaussian_probes: dict[int, Gaussians]


def everything(source: Source, drawn: Drawn, lengths: Sequence[int]) -> Fused:
    """Compute and fuse a block of people at a time."""
    names = [*drawn.mates, *drawn.strangers]
    parts: dict[tuple[int, str], list[Samples]] = {}
    gaussians: dict[int, list[Gaussians]] = {}
    for start in track(range(0, len(names), BLOCK), "fusing", console=CONSOLE, transient=True):
        some = {name: drawn.frames[name] for name in names[start : start + BLOCK]}
        keys = sorted({key for frames in some.values() for key in frames})
        samples = source.samples(keys)
        told = source.pfe.gaussians(source.frames(keys)) if source.pfe else None
        for length in lengths:
            frames = {name: keys[:length] for name, keys in some.items() if len(keys) >= length}
            if not frames:
                continue
            for way, made in fuse_ways(samples, frames).items():
                parts.setdefault((length, way), []).append(made)
            if told:
                gaussians.setdefault(length, []).append(fused_gaussians(told, frames))
    keys = sorted({key for pictures in drawn.mates.values() for key in pictures})
    references = fused(source.samples(keys), {name: [pictures] for name, pictures in drawn.mates.items()}, "uncertainty")
    told = fused_gaussians(source.pfe.gaussians(source.frames(keys)), drawn.mates) if source.pfe else None
    probes = {which: _joined(each) for which, each in parts.items()}
    return Fused(references, probes, told, {length: Gaussians.joined(each) for length, each in gaussians.items()})


def _joined(parts: Sequence[Samples]) -> Samples:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.joined(part)
    return whole


def chosen(samples: Samples, names: Sequence[str]) -> Samples:
    """The samples of these, in this order."""
    rows = samples.rows(names)
    embeddings = None if samples.embeddings is None else samples.embeddings[rows]
    place = {name: row for row, name in enumerate(names)}
    return Samples(place, samples.q, samples.codes[rows], samples.costs[rows], samples.log_variances[rows], embeddings)


def at_length(made: Fused, drawn: Drawn, length: int, fpir: float, seed: int) -> dict[str, Any] | None:
    """Every template and way at this number of frames; None where fewer than two mates or strangers have so many."""
    here = drawn.of_length(length)
    mates, strangers = list(here.mates), here.strangers
    if len(mates) < 2 or len(strangers) < 2:
        return None
    found: dict[str, dict[str, Searches]] = {}
    for way in WAYS:
        probes = chosen(made.probes[length, way], [*mates, *strangers])
        for template in templates(chosen(made.references, mates), probes):
            found.setdefault(template.name, {})[way] = search(template, len(mates), len(strangers))
    if made.gaussian_references is not None:
        rows = made.gaussian_references.chosen(mates), made.gaussian_probes[length].chosen([*mates, *strangers])
        both = Gaussians.joined([rows[0].named("reference "), rows[1]])
        found["embedding, cosine"]["PFE"] = search(Cosine(both.means), len(mates), len(strangers))
        found["embedding, cosine"]["PFE, likelihood"] = search(Likelihood(both), len(mates), len(strangers))
    facts = {name: compared(ways, fpir, seed) for name, ways in found.items()}
    return {"mates": len(mates), "strangers": len(strangers), "templates": facts}


def located(tree: Tree, keys: Sequence[str], extract: Extractor) -> Iterator[tuple[str, Face, Pixels]]:
    """Every picture in which a face was found: its name, the face, the crop."""
    locate = locator(extract.acquirer, extract.references)
    for key in track(keys, "aligning", console=CONSOLE, transient=True):
        image = tree.read(key)
        face = locate(key, image)
        sample = face and extract.acquirer.sample(image, face)
        if face and sample:
            yield key, face, sample.crop


def sequences(tree: Tree, kind: str, extract: Extractor, pfe: PfeNetwork | None, options: argparse.Namespace) -> dict[str, Any]:
    """One kind of sequences: draw, compute, fuse, search."""
    lengths = sorted(set(options.frames))
    drawn = draw(tree.people(), kind, options.enrol, lengths[-1], options.limit, options.seed)
    needed = {key.partition(FRAME)[0] for keys in (*drawn.mates.values(), *drawn.frames.values()) for key in keys[: lengths[-1]]}
    crops = {key: crop for key, _, crop in located(tree, sorted(needed), extract)}
    seen = _seen(drawn, crops)
    made = everything(Source(crops, extract, options.seed, pfe), seen, lengths)
    by_length = {str(length): at_length(made, seen, length, options.fpir, options.seed) for length in lengths}
    return {"pictures": len(needed), "failures_to_acquire": len(needed) - len(crops), "frames": {k: v for k, v in by_length.items() if v}}


def _seen(drawn: Drawn, crops: Crops) -> Drawn:
    """Without pictures in which no face was found, and without those who could not be enrolled or have no frame left."""
    frames = {name: [key for key in keys if key.partition(FRAME)[0] in crops] for name, keys in drawn.frames.items()}
    frames = {name: keys for name, keys in frames.items() if keys}
    mates = {name: [key for key in keys if key in crops] for name, keys in drawn.mates.items() if name in frames}
    return Drawn({name: keys for name, keys in mates.items() if keys}, [name for name in drawn.strangers if name in frames], frames)


def measure(options: argparse.Namespace) -> Answer:
    """All kinds of sequences; a table each."""
    tree, extract = Tree(options.tree), extractor(options.config, options.landmarks)
    pfe = PfeNetwork(options.pfe) if options.pfe else None
    facts: dict[str, Any] = {"tree": str(options.tree), "landmarks": extract.landmarks, "fpir": options.fpir, "enrol": options.enrol}
    facts |= {"seed": options.seed, "sequences": {kind: sequences(tree, kind, extract, pfe, options) for kind in options.sequences}}
    if options.out:
        from evaluation import plots

        facts["plots"] = [str(plots.fusion(facts, options.out / "fusion.png"))]
    return [_table(kind, each, options.fpir) for kind, each in facts["sequences"].items()], facts


def _table(kind: str, facts: Mapping[str, Any], fpir: float) -> Table:
    lost = f"{facts['failures_to_acquire']} of {facts['pictures']} pictures not acquired; interval of the difference, 95 %, in points"
    table = Table(title=f"Sequences of {kind}: FNIR at FPIR {percent(fpir)}, and rank-1", caption=lost)
    for heading in ("frames", "mates / strangers", "template", "fused by", "FNIR", "rank-1", "mean less this"):
        table.add_column(heading, justify="left" if heading in ("template", "fused by") else "right", no_wrap=True)
    for length, here in facts["frames"].items():
        for name, ways in here["templates"].items():
            for way in (way for way in ways if way != "mean_minus"):
                gap = ways["mean_minus"].get(way)
                less = f"{100 * gap['fnir']:+.2f} [{100 * gap['interval'][0]:+.2f}, {100 * gap['interval'][1]:+.2f}]" if gap else ""
                people = f"{here['mates']} / {here['strangers']}"
                table.add_row(length, people, name, way, percent(ways[way]["fnir"]), percent(ways[way]["rank_1"]), less)
    return table


def options_of(parser: argparse.ArgumentParser) -> None:
    """What sequences are made of; also for ``evaluation.uncertainty``."""
    parser.add_argument("--frames", type=count, nargs="+", default=[1, 3, 5, 10], help="numbers of frames (default 1 3 5 10)")
    parser.add_argument("--fpir", type=float, default=0.01)
    parser.add_argument("--enrol", type=count, default=1, help="pictures enrolled of everybody known (default 1)")
    parser.add_argument("--pfe", type=Path, help="network with one variance a dimension, of training.pfe --kind full")
    parser.add_argument("--landmarks", type=Path, help="table of reference landmarks to use instead of the detector")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    parser.add_argument("--seed", type=int, default=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.fusion", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tree", type=Path, help="folder or zip of person/picture.jpg")
    options_of(parser)
    parser.add_argument("--sequences", choices=SEQUENCES, nargs="+", default=list(SEQUENCES))
    parser.add_argument("--limit", type=count, metavar="PEOPLE", help="at most so many people of each kind (default all)")
    parser.add_argument("--out", type=Path, help="folder for the plot")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

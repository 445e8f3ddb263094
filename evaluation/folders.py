"""Open-set identification on any tree of pictures, person/picture.jpg, as a folder or a zip file.

    python -m evaluation.folders TREE [--enrol K] [--strangers SHARE | --strangers-from TREE2] [--fpir F] [--seed S] [--limit PEOPLE]

People are drawn by seed: a share of all are strangers, and so is whoever has no picture left over after K for enrolment; of the others K
pictures drawn by seed are enrolled, through ``edge.enrol.capture`` with one sample being enough, into a gallery and under a key that
vanish at the end. Every other picture is one approach of one sample, judged by the appliance with its own threshold; of several faces the
central one is meant (see ``central``). The last line of output is JSON.

FNIR counts every picture of an enrolled person that did not lead to that person, failures to acquire too. FPIR counts strangers named
among those acquired. Pictures of people who could not be enrolled are left out and counted.
"""

import argparse
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.assembly.report import Report
from edge.camera.folder import natural_key
from edge.enrol import EnrolmentRules, Session, capture
from edge.errors import AcquisitionError, SourceError
from edge.gallery import Gallery
from edge.records import Candidate, Code, Frame, Reason, Verdict
from edge.settings import load_settings
from edge.stages import Stages
from evaluation import metrics
from evaluation.pictures import CONSOLE, Answer, Tree, answer, central, count, percent, two_columns

RANKS = (1, 5, 10)
OPERATING_POINTS = (0.001, 0.01, 0.1)
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Draw:
    """Who is enrolled with which pictures, and the probes: of whom, and the picture."""

    enrolled: dict[str, list[str]]
    mated: list[tuple[str, str]]
    strangers: list[tuple[str, str]]


def draw(people: Mapping[str, Sequence[str]], others: Mapping[str, Sequence[str]] | None, enrol: int, share: float, seed: int) -> Draw:
    """The split of the module's docstring. others: strangers instead of a share of the people; whoever is in both is none of them."""
    random = np.random.default_rng(seed)
    names = [list(people)[place] for place in random.permutation(len(people))]
    drawn = set() if others is not None else set(names[: round(share * len(names))])
    shuffled = {name: [people[name][place] for place in random.permutation(len(people[name]))] for name in names}
    able = [name for name in names if name not in drawn and len(people[name]) > enrol]
    strange = {name: people[name] for name in names if name not in able} if others is None else others
    return Draw(
        {name: shuffled[name][:enrol] for name in able},
        [(name, key) for name in able for key in shuffled[name][enrol:]],
        [(name, key) for name, keys in strange.items() if others is None or name not in people for key in keys],
    )


@dataclass(frozen=True)
class Search:
    """What came of one probe.

    right: the subject named is the mate. best, mate: unequal symbols of the first candidate and of the mate, with a minus; minus infinity:
    there is none. rank: place of the mate, ties counting against it.
    """

    verdict: Verdict
    right: bool = False
    best: float = -math.inf
    mate: float = -math.inf
    rank: float = math.inf


class Observed:
    """A gallery as the appliance sees it; keeps the whole candidate list of the last search, which the appliance has no use for."""

    def __init__(self, gallery: Gallery, stages: Stages) -> None:
        self._gallery, self._stages = gallery, stages
        self.candidates: list[Candidate] = []

    def __len__(self) -> int:
        return len(self._gallery)

    def refresh(self) -> bool:
        """See ``Gallery.refresh``."""
        return self._gallery.refresh()

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        with self._stages.stage("search"):
            found = self._gallery.search(code, limit=limit, within=within)
        self.candidates = self._gallery.search(code)
        return found


@dataclass
class Trial:
    """One evaluation under way: the appliance, its gallery, and what has failed so far (reason -> count)."""

    appliance: Appliance
    gallery: Gallery
    not_enrolled: Counter[str] = field(default_factory=Counter)
    not_acquired: dict[str, Counter[str]] = field(default_factory=lambda: {"mated": Counter(), "strangers": Counter()})

    def enrol(self, tree: Tree, pictures: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Person -> subject id of everybody who could be enrolled."""
        subjects = {}
        for number, (name, keys) in enumerate(track(pictures.items(), "enrolling", console=CONSOLE, transient=True)):
            session = self._session(tree, keys)
            if session:
                subjects[name] = self.gallery.enrol(f"person {number}", [session.code]).id
        return subjects

    def _session(self, tree: Tree, keys: Sequence[str]) -> Session | None:
        """One person's enrolment; if it fails, the person counts once for each reason against the pictures."""
        refused: Counter[str] = Counter()
        rules = EnrolmentRules(1, len(keys), self.appliance.settings.enrolment.consistency, interval=0.0)
        frames = _frames(tree, keys, refused)
        try:
            return capture(frames, self.appliance.acquirer, rules, lambda _, why: refused.update(reason.value for reason in why))
        except AcquisitionError:
            self.not_enrolled.update(set(refused) or {Reason.INCONSISTENT.value})
            return None

    def probe(self, tree: Tree, key: str, mate: str | None) -> Search:
        """One picture as one approach. mate: subject id of the person on it, None for a stranger."""
        observed = Observed(self.gallery, self.appliance.stages)
        failed = self.not_acquired["strangers" if mate is None else "mated"]
        try:
            image = tree.read(key)
        except SourceError as error:
            CONSOLE.print(str(error), style="yellow", markup=False)
            failed[UNREADABLE] += 1
            return Search(Verdict.NOT_ACQUIRED)
        face = central(self.appliance.acquirer.faces(image), image)
        if face is None:
            failed[Reason.NO_FACE.value] += 1
            return Search(Verdict.NOT_ACQUIRED)
        match = build.plainly(self.appliance.settings, self.appliance.acquirer, observed, self.appliance.networks)
        outcome = self.appliance.judge(match, Frame(image, 0.0, 0, key), 1, face)
        if outcome.verdict is Verdict.NOT_ACQUIRED:
            failed.update(reason.value for reason in outcome.reasons)
            return Search(outcome.verdict)
        return _searched(outcome.verdict, mate is not None and outcome.subject == mate, observed.candidates, mate)


def _frames(tree: Tree, keys: Sequence[str], refused: Counter[str]) -> Iterator[Frame]:
    for number, key in enumerate(keys):
        try:
            yield Frame(tree.read(key), float(number), number, key)
        except SourceError as error:
            CONSOLE.print(str(error), style="yellow", markup=False)
            refused[UNREADABLE] += 1


def _searched(verdict: Verdict, right: bool, candidates: Sequence[Candidate], mate: str | None) -> Search:
    own = next((candidate.dissimilarity for candidate in candidates if candidate.subject == mate), None)
    rank = math.inf if own is None else float(sum(candidate.dissimilarity <= own for candidate in candidates))
    best = min((candidate.dissimilarity for candidate in candidates), default=math.inf)
    return Search(verdict, right, -best, -math.inf if own is None else -float(own), rank)


def rates(mated: Sequence[Search], strangers: Sequence[Search]) -> dict[str, Any]:
    """FNIR, FPIR, ranks and operating points of the searches; None where there is nothing to divide by."""
    hits, wrong = sum(search.right for search in mated), sum(search.verdict is Verdict.IDENTIFIED and not search.right for search in mated)
    acquired = [search for search in mated if search.verdict is not Verdict.NOT_ACQUIRED]
    searched = [search for search in strangers if search.verdict is not Verdict.NOT_ACQUIRED]
    named = sum(search.verdict is Verdict.IDENTIFIED for search in searched)
    curve = metrics.cmc([search.rank for search in acquired], max(RANKS)) if acquired else None
    points = [fpir for fpir in OPERATING_POINTS if searched and mated and fpir * len(searched) >= 1]
    fnir = {
        point: metrics.fnir_at_fpir([s.mate for s in mated], [s.rank for s in mated], [s.best for s in searched], point)[0]
        for point in points
    }
    return {
        "mated_searches": len(mated),
        "mated_acquired": len(acquired),
        "stranger_searches": len(strangers),
        "strangers_acquired": len(searched),
        "fnir": 1 - hits / len(mated) if mated else None,
        "fnir_interval": metrics.interval(len(mated) - hits, len(mated)) if mated else None,
        "dir": hits / len(mated) if mated else None,
        "fnir_of_acquired": 1 - hits / len(acquired) if acquired else None,
        "named_wrongly": wrong,
        "strangers_named": named,
        "measured_fpir": named / len(searched) if searched else None,
        "measured_fpir_interval": metrics.interval(named, len(searched)) if searched else None,
        "rank": {str(rank): float(curve[rank - 1]) for rank in RANKS} if curve is not None else None,
        "fnir_at_measured_fpir": {str(point): float(rate) for point, rate in fnir.items()},
    }


def measure(options: argparse.Namespace) -> Answer:
    """The whole evaluation with a gallery and a key of its own."""
    metrics.interval(0, 1)  # raises now, not after the work, where scipy is missing
    tree = Tree(options.tree)
    people = _few(tree.people(), options.limit, options.seed)
    other = Tree(options.strangers_from) if options.strangers_from else None
    split = draw(
        people, _few(other.people(), options.limit, options.seed) if other else None, options.enrol, options.strangers, options.seed
    )
    if not split.enrolled:
        raise SourceError(
            f"{options.tree}: none of {len(people)} people is left to enrol; more than {options.enrol} pictures are needed of one, "
            "so lower --enrol or --strangers"
        )
    with tempfile.TemporaryDirectory(prefix="edge-evaluation-") as folder:
        own = {"gallery.path": f"{folder}/gallery.db", "keys.file": f"{folder}/root.key", "keys.credential": "edge-evaluation-has-none"}
        settings = load_settings(options.config, flags=own | ({"decision.fpir": options.fpir} if options.fpir else {}))
        appliance = Appliance(settings, Report(as_json=True, quiet=True))
        with build.gallery(settings, build.network_id(settings), lambda text: None, create=True) as gallery:
            facts = _run(Trial(appliance, gallery), tree, other or tree, split)
    facts = {
        "tree": str(options.tree),
        "strangers_from": str(options.strangers_from or options.tree),
        "enrol": options.enrol,
        "seed": options.seed,
    } | facts
    return [_table(facts)], facts


def _few(people: dict[str, list[str]], limit: int | None, seed: int) -> dict[str, list[str]]:
    if limit is None or limit >= len(people):
        return people
    names = sorted(np.random.default_rng(seed).permutation(list(people))[:limit].tolist(), key=natural_key)
    return {name: people[name] for name in names}


def _run(trial: Trial, tree: Tree, strange: Tree, split: Draw) -> dict[str, Any]:
    settings, tail = trial.appliance.settings, trial.appliance.networks.single
    subjects = trial.enrol(tree, split.enrolled)
    trial.appliance.stages.seconds.clear()
    probes = [(name, key) for name, key in split.mated if name in subjects]
    mated = [trial.probe(tree, key, subjects[name]) for name, key in track(probes, "enrolled people come", console=CONSOLE, transient=True)]
    strangers = [trial.probe(strange, key, None) for _, key in track(split.strangers, "strangers come", console=CONSOLE, transient=True)]
    return {
        "people": {
            "enrolled": len(subjects),
            "not_enrolled": len(split.enrolled) - len(subjects),
            "strangers": len({name for name, _ in split.strangers}),
        },
        "left_out": len(split.mated) - len(probes),
        "failure_to_enrol": dict(trial.not_enrolled.most_common()),
        "failure_to_acquire": {who: dict(why.most_common()) for who, why in trial.not_acquired.items()},
        "fpir": settings.decision.fpir,
        "threshold": build.threshold(tail, settings.decision.fpir, 1)(len(trial.gallery)),
        "symbols": tail.m,
        **rates(mated, strangers),
        "stage_ms": {name: round(spent, 3) for name, spent in trial.appliance.stages.medians().items()},
    }


def _table(facts: Mapping[str, Any]) -> Table:
    people, failed = facts["people"], facts["failure_to_acquire"]
    lines = [
        ("people enrolled / strangers", f"{people['enrolled']} / {people['strangers']}"),
        ("failures to enrol (people)", f"{people['not_enrolled']}{_reasons(facts['failure_to_enrol'])}"),
        ("mated searches, acquired of all", f"{facts['mated_acquired']} of {facts['mated_searches']}{_reasons(failed['mated'])}"),
        (
            "non-mated searches, acquired of all",
            f"{facts['strangers_acquired']} of {facts['stranger_searches']}{_reasons(failed['strangers'])}",
        ),
        (f"door's threshold at FPIR {facts['fpir']:g}", f"unlike by {facts['threshold']} of {facts['symbols']} symbols"),
        ("FNIR at it (DIR)", f"{_with_interval(facts, 'fnir')} (DIR {percent(facts['dir'])})"),
        ("FNIR at it, of those acquired", percent(facts["fnir_of_acquired"])),
        ("enrolled people named as another", str(facts["named_wrongly"])),
        ("FPIR measured at it", f"{_with_interval(facts, 'measured_fpir')}, {facts['strangers_named']} named"),
    ]
    lines += [(f"rank {rank} or better, of those acquired", percent(share)) for rank, share in (facts["rank"] or {}).items()]
    lines += [
        (f"FNIR where measured FPIR is {100 * float(point):g} %", percent(rate)) for point, rate in facts["fnir_at_measured_fpir"].items()
    ]
    lines += [(f"{stage}, ms (median)", f"{spent:.2f}") for stage, spent in facts["stage_ms"].items()]
    return two_columns(f"{facts['tree']}: {facts['enrol']} of each enrolled, seed {facts['seed']}", lines)


def _reasons(counts: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{reason} {count}' for reason, count in counts.items())})" if counts else ""


def _with_interval(facts: Mapping[str, Any], name: str) -> str:
    bounds = facts[f"{name}_interval"]
    return percent(facts[name]) + (f" [{100 * bounds[0]:.2f}, {100 * bounds[1]:.2f}]" if bounds else "")


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text}: a share between 0 and 1 is wanted")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.folders", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tree", type=Path, help="folder or zip of person/picture.jpg")
    parser.add_argument("--enrol", type=count, default=1, metavar="K", help="pictures enrolled of each person (default 1)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--strangers", type=_share, default=0.5, metavar="SHARE", help="share of the people who are not enrolled (default 0.5)"
    )
    group.add_argument("--strangers-from", type=Path, metavar="TREE2", help="another tree, all of whose people are strangers")
    parser.add_argument("--fpir", type=_share, help="false positives per approach to allow, instead of decision.fpir")
    parser.add_argument("--seed", type=int, default=1, help="of the draw of people and pictures (default 1)")
    parser.add_argument("--limit", type=count, metavar="PEOPLE", help="so many people of each tree, drawn by seed (default all)")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

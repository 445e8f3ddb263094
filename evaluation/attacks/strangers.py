"""Attack 6: everybody at hand shows his face. Does one of many strangers pass for one of a thousand? Are some better at it than others?

A wolf passes for many people, a lamb is passed for by many (Doddington et al., ICSLP 1998). Wolves are looked for on people whom the
attacker knows, half of those there are, and then shown to a door at which only the other half is enrolled.
"""

import numpy as np
import numpy.typing as npt

from edge.records import Floats
from edge.template import compare
from evaluation.attacks.bench import Chance, Knowledge, Result
from evaluation.attacks.door import Rule
from evaluation.attacks.faces import Faces
from evaluation.attacks.weights import Projection

GALLERY = 1000
WOLVES = 0.02
LOOSE = 0.001
"""The false match rate at which wolves and lambs are counted: at the door's own threshold there are too few matches."""
Counts = npt.NDArray[np.uint16]


def attack(faces: Faces, rule: Rule) -> list[Result]:
    """Every stranger once; then the wolves among them."""
    enrolled = faces.first[:GALLERY]
    counts = dissimilarities(faces.projection, faces.strangers, enrolled)
    chance = Chance(rule.settings.decision.fpir)
    threshold = rule.threshold(len(enrolled))
    hits = named(counts, threshold, rule.settings.decision.margin)
    nearest = f"the nearest stranger is {int(counts.min()) - threshold:+d} symbols from the threshold (below it: named)"
    note = f"{len(enrolled)} enrolled; {nearest}; {zoo(counts)}"
    success = "a stranger is identified as somebody"
    results = [Result("every stranger once", Knowledge.ORACLE, success, len(counts), int(hits.sum()), chance, note)]
    half = len(enrolled) // 2
    wolves = np.argsort(np.partition(counts[:, :half], 2, axis=1)[:, :3].mean(axis=1))[: max(1, round(WOLVES * len(counts)))]
    others = counts[wolves][:, half:]
    hits = named(others, rule.threshold(half), rule.settings.decision.margin)
    note = f"the {len(wolves)} strangers most like {half} known people, at a door of {len(enrolled) - half} others"
    return [*results, Result("wolves, chosen on known people", Knowledge.ORACLE, success, len(wolves), int(hits.sum()), chance, note)]


def dissimilarities(projection: Projection, probes: Floats, references: Floats) -> Counts:
    """Of embeddings (probes, d) and (references, d) in symbols (probes, references), as the door has them; the transform changes none."""
    return compare.dissimilarity_matrix(projection.codes(references), projection.costs(probes))


def named(counts: Counts, threshold: int, margin: int) -> npt.NDArray[np.bool_]:
    """Which of the probes the door would name: the best near enough, and the next worse by the margin."""
    best, second = np.partition(counts.astype(np.int64), 1, axis=1)[:, :2].T
    return np.asarray((best <= threshold) & (second - best >= margin), np.bool_)


def zoo(counts: Counts) -> str:
    """How uneven false matches are: the share that falls to the 1 % of strangers, and of those enrolled, who have most of them.

    Held against the shares of the same number of matches dealt out evenly at random.
    """
    matches = counts <= np.quantile(counts, LOOSE)
    found = [_top_share(matches.sum(axis=axis)) for axis in (1, 0)]
    random = np.random.default_rng(0)
    even = [_top_share(np.bincount(random.integers(0, size, int(matches.sum())), minlength=size)) for size in counts.shape]
    shares = [f"{100 * share:.0f} % (by chance {100 * luck:.0f} %)" for share, luck in zip(found, even, strict=True)]
    return f"at FMR 0.1 % the 1 % worst wolves have {shares[0]} of the false matches, the 1 % worst lambs {shares[1]}"


def _top_share(events: npt.NDArray[np.integer]) -> float:
    top = np.sort(events)[::-1][: max(1, round(0.01 * events.size))]
    return float(top.sum() / max(events.sum(), 1))

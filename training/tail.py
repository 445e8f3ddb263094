"""The non-mated tail of a shipped hashing network, measured as the door compares: fused samples of an approach with fused references.

    python -m training.tail PACKED MANIFEST [--write]

PACKED is what ``training.pack`` wrote; only identities held out of training are looked at, those with three crops or more (what a door asks
for). Each one's looks are the first three crops fused, the first four, ... up to twelve; the reference is all of these fused. One look of
each meets the reference of each other (``edge.template.tail.taking_turns``). Two "identities" that are nearer to one another than half of
the people are to themselves are one person under two names, and the one with fewer crops is left out; who that is stands in the facts.

--write puts the tail and the facts into the manifest as ``non_mated``: the door's threshold follows from them; as ``references`` also the
tail of unequal symbols between two references, by which enrolled people are called confusable. A tail of single samples,
which ``training.drh`` leaves in a head and ``training.export`` writes as ``single``, serves for pictures that stand alone. Of a door it
promises too much: what two people have in common stays when samples are fused, what differs from picture to picture does not. The last
line printed is JSON.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from edge.inference import Network, load_network, read_manifest, write_manifest
from edge.records import Code, Features, Symbols
from edge.template.compare import bits_of, pack, unequal
from edge.template.fuse import fuse
from edge.template.hashing import costs_of, hash_logits
from edge.template.tail import LEAST_TAIL, SHARE, fit_tail, taking_turns
from training.packed import Packed, centres, load

LEAST, MOST = 3, 12  # samples: decision.min_samples, and the most of decision and enrolment, of config/appliance.toml
OPERATING_POINT = 0.003  # FPIR of the printed thresholds


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One person. name: the folder's. samples: at most MOST."""

    name: str
    samples: list[Features]


def people_of(packed: Packed, network: Network, names: Sequence[str]) -> list[HeldOut]:
    """Everybody held out with crops enough. names: of the crops, "folder/picture"."""
    rows = packed.validate
    found = []
    for identity in track(np.unique(packed.identity[rows]).tolist(), "hashing people held out", transient=True):
        own = rows[packed.identity[rows] == identity][:MOST]
        if len(own) >= LEAST:
            outputs = network.infer(centres(packed.crops[own]), ("logits", "log_variance"))
            pairs = zip(outputs["logits"], outputs["log_variance"].ravel(), strict=True)
            found.append(HeldOut(names[own[0]].rpartition("/")[0], [Features(np.array(row), float(variance)) for row, variance in pairs]))
    return found


def code(samples: Sequence[Features], q: int) -> Symbols:
    """The code of samples fused."""
    return hash_logits(fuse(samples).logits, q)


def probe(samples: Sequence[Features], q: int) -> Code:
    """The same of a search, with its costs."""
    logits = fuse(samples).logits
    return Code(hash_logits(logits, q), q, costs_of(logits, q))


def mated(people: Sequence[HeldOut], q: int) -> npt.NDArray[np.int64]:
    """Unequal symbols between the two halves of each person's samples, of those who have enough for both."""
    halves = [(person.samples[: len(person.samples) // 2], person.samples[len(person.samples) // 2 :]) for person in people]
    return np.array([np.count_nonzero(code(one, q) != code(two, q)) for one, two in halves if len(one) >= LEAST], dtype=np.int64)


def without_doubles(people: Sequence[HeldOut], q: int) -> tuple[list[HeldOut], list[str]]:
    """The people, and whose names are second ones of a person who is there already."""
    near = float(np.median(mated(people, q)))
    ordered = sorted(people, key=lambda person: -len(person.samples))
    rows = pack(np.stack([code(person.samples, q) for person in ordered]), q)
    counts = unequal(rows, rows, bits_of(q))
    doubles = {int(later) for first, later in np.argwhere(counts <= near) if first < later}
    return [each for place, each in enumerate(ordered) if place not in doubles], [ordered[place].name for place in sorted(doubles)]


def measure(people: Sequence[HeldOut], q: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Non-mated comparisons as at the door, and whose they are."""
    looks = [[probe(person.samples[:count], q) for count in range(LEAST, len(person.samples) + 1)] for person in people]
    return taking_turns(looks, np.stack([code(person.samples, q) for person in people]))


def between(people: Sequence[HeldOut], q: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Unequal symbols of everybody's reference and everybody else's, each pair once, and whose they are."""
    rows = pack(np.stack([code(person.samples, q) for person in people]), q)
    first, second = np.triu_indices(len(people), 1)
    return unequal(rows, rows, bits_of(q))[first, second].astype(np.int64), np.column_stack([first, second])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep it if asked to."""
    parser = argparse.ArgumentParser(prog="python -m training.tail", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("packed", type=Path)
    parser.add_argument("manifest", type=Path, help="of a hashing network")
    parser.add_argument("--write", action="store_true", help="put the tail into the manifest")
    options = parser.parse_args(arguments)
    manifest = read_manifest(options.manifest)
    if manifest.code is None:
        raise SystemExit(f"{options.manifest}: this is a network of kind '{manifest.kind}'; name one of kind 'hash'")
    m, q = manifest.code.m, manifest.code.q
    names = [row["name"] for row in json.loads((options.packed / "index.json").read_text())]
    people, doubles = without_doubles(people_of(load(options.packed), load_network(options.manifest), names), q)
    counts, who = measure(people, q)
    tail = fit_tail(counts, m, people=who)
    unequal_counts, pairs = between(people, q)
    # half as many comparisons, of which no fewer are to be tail
    references = fit_tail(unequal_counts, m, max(SHARE, LEAST_TAIL / unequal_counts.size), people=pairs)
    before = manifest.non_mated
    sizes = (1, 100, 1000)
    thresholds = {str(size): tail.threshold(OPERATING_POINT, size, MOST - LEAST + 1) for size in sizes}
    facts = {"people": len(people), "second_names": doubles, "samples": [LEAST, MOST], "comparisons": int(counts.size)}
    if options.write:
        write_manifest(
            manifest.model_copy(update={"non_mated": tail, "references": references, "facts": {**manifest.facts, "tail": facts}}),
            options.manifest,
        )
    old = {str(size): before.threshold(OPERATING_POINT, size, MOST - LEAST + 1) for size in sizes} if before else None
    print(json.dumps({**facts, "mated_median": float(np.median(mated(people, q))), "thresholds": thresholds, "before": old}))


if __name__ == "__main__":
    main()

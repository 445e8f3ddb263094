"""What protection gives and what it costs: unlinkability, revocability, accuracy, entropy, sizes, times, and compression.

    python -m evaluation.protection DATA | --synthetic [--people N] [--out FOLDER] [--config FILE]

DATA as for ``evaluation.attacks``: a folder with lfw/lfw-deepfunneled.zip, or a tree of person/picture.jpg. Words of ISO/IEC 24745 and
30136. Everything is measured on the shipped network: for the plain rank hash, with one table shared by all positions (as published), with a
keyed table for each position (what a thief of database and row key sees), and for the whole scheme (what a thief of the database sees).
With --out also the plot unlinkability.png. The last line of output is JSON.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from edge.records import Symbols
from edge.settings import load_settings
from edge.template import compare
from evaluation import metrics, unlinkability
from evaluation.attacks.command import add_faces, faces_of
from evaluation.attacks.door import Door, Rule, rule_of
from evaluation.attacks.faces import Faces
from evaluation.attacks.linkers import Linker, best_assignment, hamming
from evaluation.pictures import Answer, answer, two_columns
from evaluation.schemes import LAYERS, Make, Whole, stolen
from evaluation.templates import Graded, Template, protected, two_keys

KEY_PAIRS = 4
"""Pairs of databases, each with keys of its own, whose scores are pooled."""
SHIFTS = 4
"""Non-mated scores for each mated one: with the persons so many places further on."""
LINKERS: dict[str, Linker] = {"Hamming": hamming, "best assignment": best_assignment}
VALUES = (8, 4, 2)
"""Values a symbol keeps: all of 8 (three bits), two symbols to a value (two bits), four (one bit)."""
ENROLLED, TIMED = 500, 25
PLOT_BINS = 60
Numbers = npt.NDArray[np.float64]


def linking_scores(linker: Linker, one: Symbols, other: Symbols) -> tuple[Numbers, Numbers]:
    """Scores of mated rows, (n,), and of non-mated ones. one, other: (n, m), the same person at the same place."""
    mated = linker(one, other)
    return mated, np.concatenate([linker(one, np.roll(other, shift, axis=0)) for shift in range(1, SHIFTS + 1)])


def unlinkability_of(make: Make, faces: Faces) -> dict[str, Any]:
    """Linker -> D_sys and histograms of a scheme: first pictures in one database, second ones in another of other keys."""
    first, second = faces.codes
    m, q = first.shape[1], faces.projection.q
    scores: dict[str, list[tuple[Numbers, Numbers]]] = {name: [] for name in LINKERS}
    for _ in range(KEY_PAIRS):
        one, other = stolen(make(m, q), first), stolen(make(m, q), second)
        for name, linker in LINKERS.items():
            scores[name].append(linking_scores(linker, one, other))
    found = {}
    for name, each in scores.items():
        mated, non_mated = (np.concatenate([pair[side] for pair in each]) for side in (0, 1))
        edges = lattice(np.concatenate([mated, non_mated]), m)
        found[name] = {
            **asdict(unlinkability.measured(mated, non_mated)),
            "edges": edges.round(5).tolist(),
            "mated_density": (np.histogram(mated, edges)[0] / mated.size).round(6).tolist(),
            "non_mated_density": (np.histogram(non_mated, edges)[0] / non_mated.size).round(6).tolist(),
        }
    return found


def lattice(scores: Numbers, m: int) -> Numbers:
    """Edges of about ``PLOT_BINS`` bins that each hold as many of the possible shares of m symbols."""
    least, most = round(m * float(scores.min())), round(m * float(scores.max()))
    return (np.arange(least, most + 2 * (step := -(-(most - least + 1) // PLOT_BINS)), step) - 0.5) / m


def revocability(faces: Faces, rule: Rule) -> dict[str, Any]:
    """Old against new epoch of the same face: how many pass at the door's threshold, and whether they differ from impostors.

    The transforms alone, without pads: references after a rotation, and the probe of the face enrolled as the door before would have it.
    """
    first, m = faces.codes[0], faces.codes[0].shape[1]
    compared = two_keys(first, faces.projection.costs(faces.first), faces.projection.q)
    mated, *others = (_of_others(compared, len(first), shift) for shift in range(SHIFTS + 1))
    non_mated = np.concatenate(others)
    accepted = int((mated >= 1 - rule.threshold(len(first)) / m).sum())
    return {
        "accepted": accepted,
        "of": len(mated),
        "interval": metrics.interval(accepted, len(mated)),
        "eer": metrics.equal_error_rate(mated, non_mated),
        "mean_old_against_new": float(mated.mean()),
        "mean_impostors": float(non_mated.mean()),
        **asdict(unlinkability.measured(mated, non_mated)),
    }


def _of_others(compared: Template, people: int, shift: int) -> Numbers:
    """Everybody's reference with the probe of the person so many places further on."""
    return compared.pairs(np.arange(people), np.roll(np.arange(people), -shift))


def balanced_tables(m: int, q: int, values: int, seed: int = 0) -> Symbols:
    """A table (m, q) for each position by which as many symbols share each of so many values: many-to-one where values < q.

    ValueError: values do not divide q.
    """
    if not 2 <= values <= q or q % values:
        raise ValueError(f"{q} symbols cannot share {values} values evenly: name a divisor of {q} from 2")
    random = np.random.default_rng(seed)
    even = np.repeat(np.arange(values, dtype=np.uint8), q // values)
    return np.stack([random.permutation(even) for _ in range(m)])


def pre_image(stored: Symbols, tables: Symbols, faces: Faces) -> float:
    """Mean cosine to the original of embeddings made of stored values (n, m) by one matrix product, all keys known."""
    blocks = faces.projection.weight.reshape(*tables.shape, -1)
    blocks = blocks - blocks.mean(axis=1, keepdims=True)
    named = [(blocks * (tables == code[:, None])[..., None]).sum(axis=(0, 1)) for code in stored]
    made = np.stack([vector / np.linalg.norm(vector) for vector in named])
    return float((made * faces.first[: len(made)]).sum(axis=1).mean())


def accuracy(scores: Callable[[npt.NDArray[np.int64]], Numbers], people: int) -> dict[str, Any]:
    """EER and TAR at FAR 0.1 % of pairs: everybody's first with his own second picture, and with those of ten others.

    scores: places of second pictures (n,) -> similarity of each first picture with it.
    """
    own = np.arange(people)
    mated, others = scores(own), np.concatenate([scores(np.roll(own, shift)) for shift in range(1, 11)])
    return {"eer": metrics.equal_error_rate(mated, others), "tar_at_far_0.001": metrics.tar_at_far(mated, others, 0.001)}


def costs(faces: Faces) -> list[dict[str, Any]]:
    """Accuracy and bytes before and after hashing and protection, and with compression by many-to-one tables."""
    first, second = faces.codes
    n, m = first.shape
    q, asked, places = faces.projection.q, faces.projection.costs(faces.second), np.arange(n)
    door, size = protected(first, asked, q), len(Whole(m, q).seal(first[0], "s", "r"))
    rows = [
        {"template": "embedding, cosine", "bytes": 4 * faces.first.shape[1], **accuracy(lambda to: _cosine(faces, to), n)},
        {"template": "rank hash", "bytes": compare.row_bytes(m, q), **accuracy(lambda to: hamming(first, second[to]), n)},
        {"template": "protected", "bytes": size, **accuracy(lambda to: door.pairs(places, to), n)},
    ]
    for values in VALUES:
        tables = balanced_tables(m, q, values)
        few = tables[np.arange(m), first]
        fewer = Graded(few, merged(asked, tables, values), "merged")
        bits = (values - 1).bit_length()
        rows.append(
            {
                "template": f"{bits} bit{'s' * (bits > 1)} a symbol" if values < q else f"{bits} bits a symbol (as shipped)",
                "bytes": m * bits // 8,
                **accuracy(lambda to, fewer=fewer: fewer.pairs(places, to), n),  # type: ignore[misc]
                "pre_image_cosine": pre_image(few[:50], tables, faces),
            }
        )
    return rows


def merged(asked: Symbols, tables: Symbols, values: int) -> Symbols:
    """Costs (n, m, values) of what symbols become by tables (m, q): the least of the symbols that share a value. asked: (n, m, q)."""
    return np.stack([np.where(tables == value, asked, np.uint8(255)).min(axis=2) for value in range(values)], axis=2)


def _cosine(faces: Faces, to: npt.NDArray[np.int64]) -> Numbers:
    scores: Numbers = (faces.first * faces.second[to]).sum(axis=1).astype(np.float64)
    return scores


def entropy(codes: Symbols, q: int) -> dict[str, float]:
    """How evenly people's symbols (n, m) are spread, and how many independent ones there are.

    entropy: bits a symbol over people, mean and least of the positions; at most log2 q. least_share, most_share: of a value at a position.
    free: p (1 - p) / variance of the share of equal symbols of two people, the degrees of freedom of a binomial law of that mean and
    spread (Daugman, Pattern Recognition 36, 2003).
    """
    counts = np.stack([(codes == value).sum(axis=0) for value in range(q)]).astype(np.float64)
    shares = counts / len(codes)
    bits = -np.where(shares > 0, shares * np.log2(np.where(shares > 0, shares, 1)), 0).sum(axis=0)
    equal = hamming(codes[:-1], codes[1:])
    mean = float(equal.mean())
    return {
        "people": len(codes),
        "entropy_mean": float(bits.mean()),
        "entropy_least": float(bits.min()),
        "least_share": float(shares.min()),
        "most_share": float(shares.max()),
        "equal_mean": mean,
        "free": mean * (1 - mean) / max(float(equal.var()), 1e-12),
    }


def times(faces: Faces, rule: Rule) -> dict[str, float]:
    """Milliseconds of one enrolment, renewal and search (medians), of a rotation a reference, and bytes of the file a reference."""
    first, second = faces.codes[0], faces.probes[1]
    enrolled = first[:ENROLLED]
    with TemporaryDirectory(prefix="edge-protection-") as folder:
        door = Door(Path(folder), rule, enrolled)
        with door.opened() as gallery:
            spent = {
                "enrol": _median(lambda place: gallery.enrol(f"late {place}", [second[place]])),
                "renew": _median(lambda place: gallery.renew(door.ids[place], None)),
                "search": _median(lambda place: gallery.search(second[place], limit=2)),
            }
            size = len(gallery)
            begun = time.perf_counter()
            gallery.rotate(transform=True)
            spent["rotate"] = 1000 * (time.perf_counter() - begun) / size
        return {**spent, "references": size, "file_bytes": door.path.stat().st_size / size}


def _median(act: Callable[[int], object]) -> float:
    spent = []
    for place in range(TIMED):
        begun = time.perf_counter()
        act(place)
        spent.append(1000 * (time.perf_counter() - begun))
    return statistics.median(spent)


def measure(options: argparse.Namespace) -> Answer:
    """Everything, tables and facts."""
    rule = rule_of(load_settings(options.config))
    faces = faces_of(options, rule)
    everybody = np.concatenate([faces.codes[0], faces.projection.codes(faces.strangers)])
    facts: dict[str, Any] = {
        "faces": faces.name,
        "people": len(faces.first),
        "unlinkability": {make.name: unlinkability_of(make, faces) for make in LAYERS},
        "revocability": revocability(faces, rule),
        "costs": costs(faces),
        "entropy": entropy(everybody, faces.projection.q),
        "milliseconds": times(faces, rule),
    }
    if options.out:
        from evaluation import plots  # a table needs no matplotlib

        plots.unlinkability(facts["unlinkability"], options.out / "unlinkability.png")
    return tables_of(facts), facts


def tables_of(facts: dict[str, Any]) -> list[Table]:
    """For people."""
    return [_linking_table(facts), _revocation_table(facts), _cost_table(facts), _entropy_table(facts), _time_table(facts)]


def _linking_table(facts: dict[str, Any]) -> Table:
    one = next(iter(next(iter(facts["unlinkability"].values())).values()))
    caption = f"{one['mated']} mated and {one['non_mated']} non-mated scores, {one['bins']} bins, {KEY_PAIRS} pairs of keys pooled"
    shown = Table(title=f"Unlinkability, D_sys (0 unlinkable, 1 linkable): {facts['faces']}", caption=caption)
    for heading in ("what the thief sees", "linker", "D_sys", "noise floor, mean / 99.9th percentile", "verdict"):
        shown.add_column(heading)
    for layer, linkers in facts["unlinkability"].items():
        for linker, found in linkers.items():
            verdict = "linkable" if found["d_sys"] > found["floor_most"] else "within the noise"
            shown.add_row(layer, linker, f"{found['d_sys']:.3f}", f"{found['floor']:.3f} / {found['floor_most']:.3f}", verdict)
    return shown


def _revocation_table(facts: dict[str, Any]) -> Table:
    found = facts["revocability"]
    low, high = found["interval"]
    lines = [
        ("old templates accepted after it", f"{found['accepted']} of {found['of']} (0 to {100 * high:.2f} %)"),
        ("1 - dissimilarity / m, old against new", f"{100 * found['mean_old_against_new']:.2f} %"),
        ("1 - dissimilarity / m, impostors", f"{100 * found['mean_impostors']:.2f} %"),
        ("EER, old against new as if mated", f"{100 * found['eer']:.1f} % (50 % is chance)"),
        ("D_sys, old against new", f"{found['d_sys']:.3f} (noise floor {found['floor']:.3f} / {found['floor_most']:.3f})"),
    ]
    assert low == 0 or found["accepted"]
    return two_columns("Revocability: a new transform epoch", lines)


def _cost_table(facts: dict[str, Any]) -> Table:
    shown = Table(
        title="Accuracy and size, before and after", caption="compression: many-to-one balanced tables, not in the shipped format"
    )
    shown.add_column("template")
    for heading in ("bytes", "EER", "TAR at FAR 0.1 %", "pre-image cosine, all keys"):
        shown.add_column(heading, justify="right")
    for row in facts["costs"]:
        cosine = f"{row['pre_image_cosine']:.2f}" if "pre_image_cosine" in row else ""
        shown.add_row(row["template"], str(row["bytes"]), f"{100 * row['eer']:.2f} %", f"{100 * row['tar_at_far_0.001']:.1f} %", cosine)
    return shown


def _entropy_table(facts: dict[str, Any]) -> Table:
    found = facts["entropy"]
    lines = [
        ("people", str(found["people"])),
        ("entropy of a symbol, mean / least of the positions", f"{found['entropy_mean']:.3f} / {found['entropy_least']:.3f} bits"),
        ("share of a value at a position, least / most", f"{100 * found['least_share']:.1f} % / {100 * found['most_share']:.1f} %"),
        ("equal symbols of two people", f"{100 * found['equal_mean']:.2f} %"),
        ("independent symbols, as a binomial law has it", f"{found['free']:.0f}"),
    ]
    return two_columns("Entropy and balance of the symbols", lines)


def _time_table(facts: dict[str, Any]) -> Table:
    found = facts["milliseconds"]
    lines = [(f"{what}, ms", f"{found[what]:.2f}") for what in ("enrol", "renew", "search")]
    lines += [
        ("rotate with a new transform, ms a reference", f"{found['rotate']:.3f}"),
        ("file, bytes a reference", f"{found['file_bytes']:.0f}"),
    ]
    return two_columns(f"Times at {found['references']:.0f} references, one thread, every change synced to the disk", lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.protection", description=(__doc__ or "").partition("\n")[0])
    add_faces(parser)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for the plot: unlinkability.png")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

"""The table over code sizes on LFW, View 2: m symbols of q values, random and trained projections, four ways of comparing codes.

    python -m evaluation.sizes LFW --heads FOLDER [--pairs PAIRS] [--landmarks landmarks.csv.gz] [--config FILE] [--limit PAIRS]

FOLDER holds what ``training.heads`` wrote from features of the very backbone that the configured network has; each head is applied to the
network's embedding. The shape is that of the authors' draft table (``deep rank hashing``, Dong et al., Pattern Recognition 2022): the
unprotected cosine; then per size, random and trained, the probe's costs (as at the door), the share of equal symbols, the binary Hamming
distance of the symbols' numbers and Euclid's distance of the numbers. Pictures, folds and pairs without a sample as in
``evaluation.lfw``. The last line of output is JSON.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from edge.assembly import build
from edge.errors import NetworkError
from edge.records import Floats, Symbols
from edge.settings import load_settings
from edge.stages import Stages
from edge.template.hashing import costs_of, hash_logits
from evaluation.lfw import Pair, facts_of, few, pairs_of, pictures_of
from evaluation.pictures import CONSOLE, Answer, Tree, answer, count, percent
from evaluation.samples import Samples, extract, locator, read_references
from evaluation.templates import BinaryHamming, Cosine, Graded, IndexDistance, Shares, Template

BLOCK = 512  # embeddings hashed at a time
DOOR, COUNTED = "the probe's costs", "equal symbols"


@dataclass(frozen=True, eq=False)
class Head:
    """A rank-hash projection from a file. weight: (m*q, d). bias: (m*q,). kind: 'random' or 'trained'. backbone: SHA-256, "" unknown."""

    m: int
    q: int
    kind: str
    weight: Floats
    bias: Floats
    backbone: str

    def hashed(self, embeddings: Floats) -> tuple[Symbols, Symbols]:
        """(n, d) of length 1 -> (n, m) symbols, and (n, m, q) costs."""
        parts = [embeddings[start : start + BLOCK] @ self.weight.T + self.bias for start in range(0, len(embeddings), BLOCK)]
        codes, costs = (np.concatenate([made(part, self.q) for part in parts]) for made in (hash_logits, costs_of))
        return codes, costs


def read_head(path: Path) -> Head:
    """One file of ``training.heads``. Raises NetworkError."""
    try:
        with np.load(path) as data:
            m, q, weight, bias = int(data["m"]), int(data["q"]), data["weight"].astype(np.float32), data["bias"].astype(np.float32)
            backbone = str(json.loads(str(data["facts"])).get("features", {}).get("backbone", ""))
            head = Head(m, q, str(data["kind"]), weight, bias, backbone)
    except (OSError, ValueError, KeyError) as error:
        raise NetworkError(f"{path}: this is no rank-hash head ({error}); write heads with training.heads") from error
    if weight.ndim != 2 or len(weight) != m * q or bias.shape != (m * q,):
        raise NetworkError(f"{path}: weight {weight.shape} and bias {bias.shape} are not those of {m} symbols of {q}; write it again")
    return head


def read_heads(folder: Path, width: int, backbone: str) -> list[Head]:
    """All heads of a folder, by size, random first. width, backbone: of the network ("" where it does not say). Raises NetworkError."""
    heads = {path: read_head(path) for path in sorted(folder.glob("*.npz"))}
    if not heads:
        raise NetworkError(f"{folder}: holds no head (*.npz); write some with training.heads")
    for path, head in heads.items():
        if head.weight.shape[1] != width:
            raise NetworkError(f"{path}: takes embeddings of {head.weight.shape[1]} numbers, the network gives {width}; name its own heads")
        if head.backbone and backbone and head.backbone != backbone:
            raise NetworkError(
                f"{path}: was made for backbone {head.backbone[:12]}..., the network has {backbone[:12]}...; make heads for it"
            )
    return sorted(heads.values(), key=lambda head: (head.m, head.q, head.kind))


def comparisons(codes: Symbols, costs: Symbols, q: int) -> list[Template]:
    """By the probe's costs, as at the door; and the three ways of comparing two codes, which at q = 2 give one order."""
    return [Graded(codes, costs, DOOR), Shares(codes, q, COUNTED), BinaryHamming(codes, q), IndexDistance(codes)]


def score(pairs: Sequence[Pair], samples: Samples, template: Template) -> dict[str, float]:
    """The figures of one way of comparing; a pair without a sample is as unlike as the most unlike pair that has one."""
    first, second = (samples.rows([getattr(pair, side) for pair in pairs]) for side in ("first", "second"))
    sound = (first >= 0) & (second >= 0)
    found = template.pairs(first[sound], second[sound])
    scores = np.full(sound.size, found.min())
    scores[sound] = found
    return facts_of(pairs, scores)


def lines(pairs: Sequence[Pair], samples: Samples, heads: Sequence[Head]) -> list[dict[str, Any]]:
    """The table's lines: m, q, projection, comparison and the figures. ``samples`` must have embeddings."""
    assert samples.embeddings is not None
    made: list[dict[str, Any]] = [{"projection": "none", "comparison": "cosine", **score(pairs, samples, Cosine(samples.embeddings))}]
    for head in track(heads, "hashing", console=CONSOLE, transient=True):
        for template in comparisons(*head.hashed(samples.embeddings), head.q):
            line = {"m": head.m, "q": head.q, "projection": head.kind, "comparison": template.name}
            made.append({**line, **score(pairs, samples, template)})
    return made


def gains(table: Sequence[Mapping[str, Any]], comparison: str) -> dict[str, float]:
    """By how much training lowers the EER of one comparison, as a share of the random projection's: "64x8" -> 0.25."""
    errors = {(line["m"], line["q"], line["projection"]): line["eer"] for line in table if line["comparison"] == comparison}
    return {
        f"{m}x{q}": round(1 - errors[m, q, "trained"] / rate, 4)
        for (m, q, kind), rate in errors.items()
        if kind == "random" and rate and (m, q, "trained") in errors
    }


def measure(options: argparse.Namespace) -> Answer:
    """Read, embed, hash by every head, compare; the table."""
    tree, settings = Tree(options.lfw), load_settings(options.config)
    pairs = few(pairs_of(options.lfw, options.pairs), options.limit)
    references = read_references(options.landmarks) if options.landmarks else None
    networks = build.Networks(settings)
    manifest = networks.hasher.manifest
    width = next((tensor.shape[-1] for tensor in manifest.outputs if tensor.name == "embedding"), None)
    if width is None:
        raise NetworkError(f"{manifest.file}: has no output 'embedding', which heads are applied to; export it with one")
    heads = read_heads(options.heads, width, str(manifest.facts.get("backbone", "")))
    acquirer = build.acquirer(settings, networks, Stages())
    samples = extract(tree, pictures_of(pairs), locator(acquirer, references), acquirer, networks.hasher, networks.q)
    table = lines(pairs, samples, heads)
    facts = {
        "lfw": str(options.lfw),
        "landmarks": "reference" if references is not None else "detector",
        "network": manifest.name,
        "pairs": len(pairs),
        "table": table,
        "eer_lowered_by_training": {comparison: gains(table, comparison) for comparison in (DOOR, COUNTED)},
    }
    return [_table(facts)], facts


def _table(facts: Mapping[str, Any]) -> Table:
    lowered = (
        f"{comparison}: " + ", ".join(f"{size} {percent(gain)}" for size, gain in sizes.items())
        for comparison, sizes in facts["eer_lowered_by_training"].items()
    )
    caption = "EER lowered by training, by " + "; by ".join(lowered)
    table = Table(title=f"LFW, {facts['pairs']} pairs, landmarks of the {facts['landmarks']}, {facts['network']}", caption=caption)
    for heading in ("m x q", "projection", "comparison"):
        table.add_column(heading)
    for heading in ("accuracy", "EER", "TAR@0.1 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in facts["table"]:
        size = f"{line['m']} x {line['q']}" if "m" in line else "-"
        rates = (percent(line[name]) for name in ("accuracy", "eer", "tar_at_far_0.001"))
        table.add_row(size, line["projection"], line["comparison"], *rates)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.sizes", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lfw", type=Path, help="folder or zip of person/person_0001.jpg")
    parser.add_argument("--heads", type=Path, required=True, help="folder of what training.heads wrote")
    parser.add_argument("--pairs", type=Path, help="pairs.txt (default: in or beside LFW)")
    parser.add_argument("--landmarks", type=Path, help="table of reference landmarks to use instead of the detector")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    parser.add_argument("--limit", type=count, metavar="PAIRS", help="about so many pairs, the same share of every fold (default all)")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

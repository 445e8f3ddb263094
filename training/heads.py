"""A grid of rank-hash heads, random and trained, from cached features: what ``evaluation.sizes`` makes its table of.

    python -m training.heads FEATURES.npz OUT [--sizes 64x8 128x8 512x8 ...] [--teacher TEACHER.npy] [options of training.drh]

Every size is measured as a Gaussian random projection and trained by the recipe of the options (``training.drh``), on identities held
out. Writes OUT/<m>x<q>_random.npz and OUT/<m>x<q>_trained.npz: weight, bias, m, q, kind and facts. What is written already by the same
recipe from the same features is not trained again. The last line printed is JSON.
"""

import argparse
import json
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.drh import Recipe, beginning, held_out_pairs, read_teacher, recipe_of, recipe_options, train_projection
from training.features import Features, read_features
from training.projection import check_size, figures, random_projection, save_head

SIZES = ("64x8", "128x8", "256x8", "512x2", "512x8", "512x16")
KINDS = ("random", "trained")


def size_of(text: str) -> tuple[int, int]:
    """ "64x8" -> (64, 8). Raises argparse.ArgumentTypeError."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}': a size is symbols x values, such as 64x8")
    return int(found[1]), int(found[2])


def done(path: Path, facts: dict[str, Any]) -> dict[str, float] | None:
    """The held-out figures of a head that is there already, made in the same way; else None."""
    if not path.exists():
        return None
    with np.load(path) as head:
        there = json.loads(str(head["facts"]))
    held_out: dict[str, float] = there.pop("held_out", {})
    return held_out if there == facts else None


def make(kind: str, features: Features, teacher: Tensor | None, m: int, q: int, recipe: Recipe) -> nn.Linear:
    """One head of the grid."""
    if kind == "random":
        return random_projection(m, q, recipe.seed, features.embedding.shape[2])
    return train_projection(features, teacher, beginning(features, m, q, recipe), q, recipe)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", type=size_of, nargs="+", default=[size_of(text) for text in SIZES], metavar="MxQ")
    parser.add_argument("--teacher", type=Path, help="what training.teach wrote")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    recipe_options(parser)
    options = parser.parse_args(arguments)
    for size in options.sizes:
        check_size(*size)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    recipe, features = recipe_of(options), read_features(options.features)
    teacher = read_teacher(options.teacher, features)
    found: dict[str, dict[str, float]] = {}
    for m, q in options.sizes:
        for kind in KINDS:
            path = options.out / f"{m}x{q}_{kind}.npz"
            facts = {"features": features.facts, "recipe": asdict(recipe), "teacher": options.teacher is not None}
            held_out = done(path, facts)
            if held_out is None:
                layer = make(kind, features, teacher, m, q, recipe)
                held_out = figures(*held_out_pairs(layer, features, q))
                save_head(path, layer, m, q, kind, {**facts, "held_out": held_out})
            found[path.stem] = held_out
    print(json.dumps(found))


if __name__ == "__main__":
    main()

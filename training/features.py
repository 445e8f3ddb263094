"""Pooled features and embeddings of a frozen backbone, for training heads on them.

    python -m training.features PACKED BACKBONE.pt OUT.npz [--views 3]

View 0 is the clean centre crop, view 1 the ordinary augmentation, later ones a stronger one. Only labelled crops are read. Writes rows (N),
identity (N), held_out (N), pooled (N x V x 512, float16) and embedding (N x V x 512, float16, normalised). The last line printed is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import nn

from edge.records import Pixels
from training.augment import augment
from training.backbone import restore
from training.packed import Packed, centres, load, to_network

BATCH = 128
STRONGER = 2.5


def view(packed: Packed, rows: np.ndarray, number: int, random: np.random.Generator) -> Pixels:
    """The ``number``-th view of some crops: B x 112 x 112 x 3."""
    crops = np.asarray(packed.crops[rows])
    if number == 0:
        return centres(crops)
    return np.stack([augment(crop, random, 1.0 if number == 1 else STRONGER)[0] for crop in crops])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("backbone", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="at most this many crops, for a trial")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    packed = load(arguments.packed)
    backbone = restore(arguments.backbone)
    rows = np.flatnonzero(packed.identity >= 0)
    if arguments.limit:
        rows = rows[:: -(-len(rows) // arguments.limit)]
    random = np.random.default_rng(arguments.seed)
    pooled = np.empty((len(rows), arguments.views, 512), np.float16)
    embedding = np.empty_like(pooled)
    with torch.inference_mode():
        for start in track(range(0, len(rows), BATCH), description="embedding"):
            chosen = rows[start : start + BATCH]
            for number in range(arguments.views):
                with torch.autocast("cpu", torch.bfloat16):
                    features = backbone.pooled(to_network(view(packed, chosen, number, random)))
                features = features.float()
                pooled[start : start + BATCH, number] = features.numpy()
                embedding[start : start + BATCH, number] = nn.functional.normalize(backbone.embed(features), dim=1).numpy()
    held_out = packed.held_out[rows]
    np.savez(arguments.out, rows=rows, identity=packed.identity[rows], held_out=held_out, pooled=pooled, embedding=embedding)
    print(json.dumps({"crops": len(rows), "views": arguments.views, "held_out": int(held_out.sum())}))


if __name__ == "__main__":
    main()

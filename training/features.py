"""Features of a frozen backbone, once, so that heads are trained on them in minutes.

    python -m training.features PACKED BACKBONE OUT.npz [--views 3] [--limit N] [--unlabelled] [--description FILE]

BACKBONE is a checkpoint of ours (.pt) or any pre-built face network (.onnx) with its description (``training.prebuilt``). View 0 is the
clean centre crop, view 1 the ordinary augmentation, later ones a stronger one. Writes rows (N), identity (N; -1 where --unlabelled crops
are read too), held_out (N), embedding (N x V x d, float16, normalised), pooled (N x V x p, float16: what the uncertainty is told from; of
a pre-built network the tensor that its description names, else its embedding as it comes) and facts (JSON). Crops that look like a test
set are not read. A stopped run goes on where it was (OUT.part/); a finished one is not repeated. The last line printed is JSON.
"""

import argparse
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import track
from torch import nn

from edge.records import Floats, Pixels
from training import device
from training.augment import augment
from training.backbone import TAKEN_FROM, restore
from training.packed import Packed, centres, load, to_network
from training.prebuilt import Embedder, read_description

BATCH = 128
STRONGER = 2.5
CONSOLE = Console(stderr=True)

Embed = Callable[[Pixels], tuple[Floats, Floats]]
"""B x 112 x 112 x 3 uint8 BGR -> pooled B x p, embedding B x d (normalised)."""


@dataclass(frozen=True, eq=False)
class Features:
    """What this command wrote. rows, identity, held_out: N. embedding: N x V x d. pooled: N x V x p. facts: where they came from."""

    rows: npt.NDArray[np.int64]
    identity: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.bool_]
    embedding: Floats
    pooled: Floats
    facts: dict[str, Any]

    @property
    def learn(self) -> npt.NDArray[np.int64]:
        """Places to train on."""
        return np.flatnonzero(~self.held_out)

    @property
    def validate(self) -> npt.NDArray[np.int64]:
        """Places of the identities held out."""
        return np.flatnonzero(self.held_out)


def read_features(path: Path) -> Features:
    """Read OUT.npz. Raises SystemExit when it is none."""
    try:
        with np.load(path) as data:
            facts = json.loads(str(data["facts"])) if "facts" in data else {}
            embedding, pooled = (data[name].astype(np.float32) for name in ("embedding", "pooled"))
            return Features(data["rows"], data["identity"], data["held_out"], embedding, pooled, facts)
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"{path}: these are no features ({error}); write them with training.features") from error


def backbone_of(path: Path, description: Path | None, threads: int) -> Embed:
    """A checkpoint (on the CPU, in its fastest precision) or a pre-built network, by the file's ending."""
    if path.suffix == ".onnx":
        return Embedder(path, read_description(path, description), threads).embed
    backbone, where = restore(path), torch.device("cpu")

    @torch.inference_mode()
    def embed(crops: Pixels) -> tuple[Floats, Floats]:
        with device.autocast(where, device.precision_of("auto", where)):
            pooled = backbone.pooled(to_network(crops))
        pooled = pooled.float()
        return pooled.numpy(), nn.functional.normalize(backbone.embed(pooled), dim=1).numpy()

    return embed


def view(packed: Packed, rows: npt.NDArray[np.int64], number: int, seed: int) -> Pixels:
    """The ``number``-th view of some crops: B x 112 x 112 x 3. The same seed, row and number give the same view."""
    crops = np.asarray(packed.crops[rows])
    if number == 0:
        return centres(crops)
    strength = 1.0 if number == 1 else STRONGER
    return np.stack(
        [augment(crop, np.random.default_rng((seed, int(row), number)), strength)[0] for crop, row in zip(crops, rows, strict=True)]
    )


def rows_of(packed: Packed, unlabelled: bool, limit: int) -> npt.NDArray[np.int64]:
    """The crops to read: all, or at most ``limit`` of them, of whole people with two crops or more, drawn at random."""
    rows = np.flatnonzero(~packed.left_out & (unlabelled | (packed.identity >= 0)))
    if not limit or len(rows) <= limit:
        return rows
    people, counts = np.unique(packed.identity[rows][packed.identity[rows] >= 0], return_counts=True)
    order = np.random.default_rng(0).permutation(np.flatnonzero(counts > 1))
    kept = people[order[np.cumsum(counts[order]) <= limit]]
    return rows[np.isin(packed.identity[rows], kept)]


def opened(folder: Path, facts: dict[str, Any], shapes: dict[str, tuple[int, int, int]]) -> dict[str, Any]:
    """The arrays of a run, new or begun before. Raises SystemExit when what was begun is another one."""
    note = folder / "facts.json"
    if note.exists():
        begun = json.loads(note.read_text())
        if begun != facts:
            other = next(name for name in facts if begun.get(name) != facts[name])
            raise SystemExit(
                f"{folder}: begun with {other} {begun.get(other)}, now it is {facts[other]}; remove the folder or name another file"
            )
        return {name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="r+") for name in shapes}
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape) for name, shape in shapes.items()
    }
    note.write_text(json.dumps(facts))
    return made


def compute(packed: Packed, rows: npt.NDArray[np.int64], embed: Embed, folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """All views of ``rows``, into ``folder``; what is there already is not computed again."""
    pooled, embedding = embed(view(packed, rows[:1], 0, facts["seed"]))
    shapes = {name: (len(rows), facts["views"], part.shape[1]) for name, part in (("pooled", pooled), ("embedding", embedding))}
    arrays = opened(folder, facts, shapes)
    for start in track(range(0, len(rows), BATCH), description="embedding", console=CONSOLE):
        span = slice(start, start + BATCH)
        for number in range(facts["views"]):
            if not arrays["embedding"][span, number].any(axis=1).all():
                found = embed(view(packed, rows[span], number, facts["seed"]))
                arrays["pooled"][span, number], arrays["embedding"][span, number] = found
    return arrays


def digest(path: Path) -> str:
    """What features, heads and manifests call a backbone: the SHA-256 of its file, in hex.

    What ``training.warm`` took out of a shipped network goes by the name of the checkpoint that was exported: it computes the same, so its
    heads are heads for the network.
    """
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    if path.suffix == ".onnx":
        return own
    return str(torch.load(path, weights_only=True, map_location="cpu").get(TAKEN_FROM) or own)


def finished(out: Path, facts: dict[str, Any]) -> bool:
    """Whether OUT.npz holds exactly this run. Raises SystemExit when it holds another one."""
    if not out.exists():
        return False
    there = read_features(out).facts
    if there != facts:
        raise SystemExit(f"{out}: holds {there}, this run would be {facts}; remove it or name another file")
    return True


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("backbone", type=Path, help=".pt of ours or a pre-built .onnx")
    parser.add_argument("out", type=Path)
    parser.add_argument("--views", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="at most so many crops, of whole people (default all)")
    parser.add_argument("--unlabelled", action="store_true", help="also crops of nobody known: for the similarity term")
    parser.add_argument("--description", type=Path, help="of a pre-built network (default: NETWORK.json beside it)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    packed = load(options.packed)
    rows = rows_of(packed, options.unlabelled, options.limit)
    facts = {"backbone": digest(options.backbone), "views": options.views, "seed": options.seed, "crops": len(rows)}
    facts["unlabelled"] = int((packed.identity[rows] < 0).sum())
    if not finished(options.out, facts):
        folder = options.out.with_suffix(".part")
        arrays = compute(packed, rows, backbone_of(options.backbone, options.description, options.threads), folder, facts)
        known: dict[str, Any] = {"rows": rows, "identity": packed.identity[rows], "held_out": packed.held_out[rows]}
        draft = folder / "whole.npz"
        np.savez(draft, **known, **arrays, facts=json.dumps(facts))
        draft.replace(options.out)
        shutil.rmtree(folder)
    print(json.dumps({**facts, "held_out": int(packed.held_out[rows].sum())}))


if __name__ == "__main__":
    main()

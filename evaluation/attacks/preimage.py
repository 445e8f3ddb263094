"""Attack 1: from a stolen row to an embedding that the door takes for the person.

By one matrix product: add up the rows of the network's projection that the symbols name. By optimisation: move the embedding until the
symbols come out. What the door is shown is the rank hash of that embedding, as if a picture with that embedding had been made (published
attacks make such pictures; none is made here). A trial is one person; success is being identified as that person.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.records import Code, Floats, Symbols
from evaluation.attacks.bench import Chance, Knowledge, Result
from evaluation.attacks.door import Door, Rule
from evaluation.attacks.faces import Faces
from evaluation.attacks.weights import Projection
from evaluation.schemes import Make, stolen

Recover = Callable[[Symbols, Projection], Floats]
SAME = "same door"
STEPS, RATE, SLACK = 60, 0.05, 0.02


def by_product(codes: Symbols, projection: Projection) -> Floats:
    """Embeddings (n, d) of length 1 from codes (n, m): the mean-free rows of the projection that the symbols name, added up."""
    blocks = projection.weight.reshape(codes.shape[1], projection.q, -1)
    blocks = blocks - blocks.mean(axis=1, keepdims=True)
    named = np.stack([blocks[np.arange(codes.shape[1]), code].sum(axis=0) for code in codes])
    return _unit(named)


def by_optimisation(codes: Symbols, projection: Projection) -> Floats:
    """The same, then so many steps that push each block's named projection above its rivals by a slack (a hinge, by its gradient)."""
    found = by_product(codes, projection)
    n, m = codes.shape
    rows, places = np.arange(n)[:, None], np.arange(m)[None]
    for step in range(STEPS):
        logits = (found @ projection.weight.T + projection.bias).reshape(n, m, projection.q)
        named = logits[rows, places, codes][..., None]
        wrong = (logits > named - SLACK).astype(np.float32)
        wrong[rows, places, codes] = 0
        pull = -wrong
        pull[rows, places, codes] = wrong.sum(axis=2)
        gradient = pull.reshape(n, -1) @ projection.weight
        found = _unit(found + RATE * (1 - step / STEPS) * _unit(gradient))
    return found


METHODS: dict[str, Recover] = {"one matrix product": by_product, "optimisation": by_optimisation}


def attack(make: Make, faces: Faces, rule: Rule) -> list[Result]:
    """Codes stolen from a door's database, under each knowledge, shown to that door; with all keys also to other doors."""
    first, _ = faces.codes
    scheme = make(first.shape[1], faces.projection.q)
    known = {Knowledge.DATABASE: stolen(scheme, first), Knowledge.ROW_KEY: scheme.transform(first), Knowledge.ALL_KEYS: first}
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        doors = _doors(Path(folder), rule, faces)
        results = []
        for where, (door, own) in doors.items():
            asked = known if where == SAME else {Knowledge.ALL_KEYS: first}
            chance = _strangers(door, faces)
            for knowledge, codes in asked.items():
                for method, recover in METHODS.items():
                    made = recover(codes, faces.projection)
                    hits = _admitted(door, faces.projection.probes(made))
                    cosine = abs(float((made * faces.first).sum(axis=1).mean()))
                    passing = f"cosine {cosine:.2f} to the face enrolled; with another picture {own} of {len(first)} pass at that door"
                    note = passing if knowledge is Knowledge.ALL_KEYS else ""
                    attack = f"pre-image by {method}, {where}"
                    results.append(Result(attack, knowledge, "identified as the person", len(first), hits, chance, note))
    return results


def _doors(folder: Path, rule: Rule, faces: Faces) -> dict[str, tuple[Door, int]]:
    """Where the pre-images are shown, and how many people pass there with another picture than the one enrolled."""
    first, second = faces.codes
    one, another = faces.probes
    same, rotated, other = (Door(folder, rule, codes, site) for codes, site in ((first, "same"), (first, "rotated"), (second, "other")))
    with rotated.opened() as gallery:
        gallery.rotate(transform=True)
    return {
        SAME: (same, _admitted(same, another)),
        "same door after rotation": (rotated, _admitted(rotated, another)),
        "door of other keys and pictures": (other, _admitted(other, one)),
    }


def _admitted(door: Door, probes: Sequence[Code]) -> int:
    """How many of the probes, one for each person enrolled, pass for their person."""
    with door.opened() as gallery:
        return sum(door.admits(gallery, probe) == mate for probe, mate in zip(probes, door.ids, strict=True))


def _strangers(door: Door, faces: Faces) -> Chance:
    """How often a stranger passes for one given person: named at all, over everybody who could have been named."""
    probes = faces.projection.probes(faces.strangers[:1000])
    with door.opened() as gallery:
        named = sum(door.admits(gallery, probe) is not None for probe in probes)
    return Chance.measured(named, len(probes) * len(door.ids))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float32)

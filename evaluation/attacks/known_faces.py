"""From stolen rows without pads and pictures of some who are enrolled to the transform, and from there to everybody else's face.

Every pair of a stolen row and a code of the same person's picture says a little about which position went where, and which symbol became
which. Positions: the assignment with the largest chi-square of symbols together. Tables: for each position the best assignment of symbols.
With pads on the same is tried, and must find nothing. A success is a person whom the attacker did not know, identified at the door by the
pre-image of his row.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from edge.errors import EdgeError
from edge.records import Symbols
from evaluation.attacks.bench import NEVER, Knowledge, Result
from evaluation.attacks.door import Door, Rule
from evaluation.attacks.faces import Faces
from evaluation.attacks.preimage import by_product
from evaluation.schemes import Make, stolen

KNOWN = (50, 100, 200)
OTHERS = 100


def attack(make: Make, faces: Faces, rule: Rule) -> list[Result]:
    """With so many known faces each. The known ones' pictures are other ones than those enrolled."""
    first, second = faces.codes
    scheme = make(first.shape[1], faces.projection.q)
    most = min(max(KNOWN), len(first) // 2)
    others = slice(most, most + OTHERS)
    seen = {Knowledge.DATABASE: stolen(scheme, first), Knowledge.ROW_KEY: scheme.transform(first)}
    results = []
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        door = Door(Path(folder), rule, first[others])
        for knowledge, rows in seen.items():
            for known in [most] if knowledge.keyless else sorted({min(known, most) for known in KNOWN}):
                guess = undone(rows[others], *recovered(second[:known], rows[:known], faces.projection.q))
                made = faces.projection.probes(by_product(guess, faces.projection))
                with door.opened() as gallery:
                    hits = sum(door.admits(gallery, probe) == mate for probe, mate in zip(made, door.ids, strict=True))
                note = f"{100 * (guess == first[others]).mean():.0f} % of the others' symbols are right"
                name = f"transform from {known} known faces, then pre-images"
                results.append(Result(name, knowledge, "somebody else is identified", len(guess), hits, NEVER, note))
    return results


def recovered(plain: Symbols, rows: Symbols, q: int) -> tuple[npt.NDArray[np.int64], Symbols]:
    """The permutation (m,) and the tables (m, q), row symbol to plain symbol, that fit known pairs best. plain, rows: (k, m)."""
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise EdgeError("attacks: scipy is not installed; .venv/bin/pip install -e '.[eval]'") from error
    m = plain.shape[1]
    together = (_one_hot(rows, q).T @ _one_hot(plain, q)).reshape(m, q, m, q)
    expected = together.sum(axis=3, keepdims=True) * together.sum(axis=1, keepdims=True) / len(plain)
    chi = ((together - expected) ** 2 / np.maximum(expected, 1e-6)).sum(axis=(1, 3))
    permutation = np.asarray(linear_sum_assignment(chi, maximize=True)[1], np.int64)
    fits = together[np.arange(m), :, permutation]
    return permutation, np.stack([linear_sum_assignment(fit, maximize=True)[1] for fit in fits]).astype(np.uint8)


def undone(rows: Symbols, permutation: npt.NDArray[np.int64], tables: Symbols) -> Symbols:
    """Plain codes (n, m) of rows (n, m), if that is the transform."""
    plain = np.empty_like(rows)
    plain[:, permutation] = tables[np.arange(rows.shape[1]), rows]
    return plain


def _one_hot(symbols: Symbols, q: int) -> npt.NDArray[np.float32]:
    return np.asarray((symbols[:, :, None] == np.arange(q, dtype=np.uint8)).reshape(len(symbols), -1), np.float32)

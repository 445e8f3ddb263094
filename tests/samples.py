"""Samples without pictures: what a tiny network would say of faces that are given as vectors."""

from collections.abc import Mapping, Sequence

import numpy as np

from edge.records import FREE, WHOLE
from edge.template.hashing import costs_of, hash_logits, unequal_of
from evaluation.samples import Samples

M, Q, WIDTH = 256, 8, 16
PROJECTION = np.random.default_rng(3).normal(size=(WIDTH, M * Q)).astype(np.float32)


def samples(vectors: Mapping[str, Sequence[float] | np.ndarray], log_variances: Sequence[float] | None = None) -> Samples:
    """Name of the picture -> vector of 16: the embedding is its direction, the logits are its random projection."""
    rows = np.array([np.asarray(vector, np.float32) for vector in vectors.values()], np.float32)
    embeddings = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    logits = embeddings @ PROJECTION
    variances = np.zeros(len(rows), np.float32) if log_variances is None else np.array(log_variances, np.float32)
    place = {name: row for row, name in enumerate(vectors)}
    return Samples(place, Q, hash_logits(logits, Q), costs_of(logits, Q), variances, embeddings, logits)


def whole_costs(codes: np.ndarray, q: int) -> np.ndarray:
    """Costs (..., m, q) of codes (..., m) for which every value but the symbol costs a whole one."""
    return (FREE + WHOLE * (codes[..., None] != np.arange(q))).astype(np.uint8)


def told(unequal: int, m: int, q: int) -> int:
    """The dissimilarity where so many symbols of such codes are unequal."""
    return int(unequal_of(m, q)[m * FREE + WHOLE * unequal])


def crowd(people: Mapping[str, int], spread: float, seed: int = 0) -> dict[str, np.ndarray]:
    """So many pictures "person/number" of each person, each the person's own direction and noise: 0 is perfect, large is chance."""
    random = np.random.default_rng(seed)
    own = {name: random.normal(size=WIDTH) for name in people}
    return {f"{name}/{number}": own[name] + spread * random.normal(size=WIDTH) for name, n in people.items() for number in range(1, n + 1)}

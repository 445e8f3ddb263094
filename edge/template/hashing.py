"""The rank hash: of every block of q projections, which one is largest (deep rank hashing, Dong et al., Pattern Recognition 2022)."""

import numpy as np

from edge.records import Floats, Symbols


def hash_logits(logits: Floats, q: int) -> Symbols:
    """The arg-max of every block of ``q``.

    logits: (m*q,) or (n, m*q), contiguous blocks of q. Returns (m,) or (n, m) uint8 in 0..q-1; of equal largest values the first counts.
    Raises ValueError for a width that q does not divide, q outside 2..64, or numbers that are not finite.
    """
    if not 2 <= q <= 64:
        raise ValueError(f"q = {q}: a symbol has 2 to 64 values")
    if logits.ndim not in (1, 2) or logits.shape[-1] == 0 or logits.shape[-1] % q:
        raise ValueError(f"logits of shape {logits.shape}: expected (m*q,) or (n, m*q) with q = {q}")
    if not np.isfinite(logits).all():
        raise ValueError("logits: a number is not finite, so no rank can be told; drop this sample")
    symbols: Symbols = logits.reshape(*logits.shape[:-1], -1, q).argmax(axis=-1).astype(np.uint8)
    return symbols

"""The rank hash: of every block of q projections, which one is largest (deep rank hashing, Dong et al., Pattern Recognition 2022).

A reference is its symbols and nothing else. A probe has more to say: how large its own projection is at each value that the reference may
have. Its costs say so; their sum over the reference's symbols estimates the cosine of the two faces (asymmetric comparison: one side
quantised, as in Jegou et al., *Product quantization for nearest neighbor search*, IEEE TPAMI 33(1), 2011, section 3), with less noise than
the number of unequal symbols does. What is compared is the number of symbols that are unequal at that cosine on the average.
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from edge.records import FREE, WHOLE, Floats, Symbols

Numbers = npt.NDArray[np.float64]

ANGLES = 128  # intervals of the table of shares
NODES, INNER = 48, 24  # of the Gauss rules, Hermite's and Legendre's
NOTHING, TOO_LARGE = 1e-30, 1e30  # projections: all below it are alike; sums of those above it overflow


def hash_logits(logits: Floats, q: int) -> Symbols:
    """The arg-max of every block of ``q``.

    logits: (m*q,) or (n, m*q), contiguous blocks of q. Returns (m,) or (n, m) uint8 in 0..q-1; of equal largest values the first counts.
    Raises ValueError for a width that q does not divide, q outside 2..64, or numbers that are not finite.
    """
    symbols: Symbols = _blocks(logits, q).argmax(axis=-1).astype(np.uint8)
    return symbols


def costs_of(logits: Floats, q: int) -> Symbols:
    """What it costs a probe that a reference has this value at this position: the less, the larger the probe's own projection there is.

    Projections count from the mean of their block, as shares of what the sample's largest ones are on the average. A share s costs
    (1 - s) (q-1)/q of a symbol, so that the probe's own symbols cost nothing on the average, those of a stranger, whose shares are 0 on
    the average, as many as are unequal, and those of a face at cosine c 1 - c of that.

    logits: (m*q,) or (n, m*q). Returns (m, q) or (n, m, q) uint8, in parts of ``WHOLE``, a symbol, above ``FREE``; rounded, cut at 0 and
    255. Where all projections are equal every value costs the same. Raises ValueError as ``hash_logits``.
    """
    blocks = _blocks(logits, q).astype(np.float32)
    blocks = blocks - (blocks @ np.full(q, 1 / q, np.float32))[..., None]
    rows = blocks.reshape(-1, q)  # to take the largest is several times as fast as numpy's maximum over so few
    largest = rows[np.arange(len(rows)), rows.argmax(axis=1)].reshape(blocks.shape[:-1]).mean(axis=-1)[..., None, None]
    unit = np.float32(WHOLE * (1 - 1 / q))
    blocks *= -unit / np.maximum(largest, np.float32(NOTHING))
    blocks += FREE + unit
    costs: Symbols = np.rint(blocks, out=blocks).clip(0, 255).astype(np.uint8)
    return costs


def _blocks(logits: Floats, q: int) -> Floats:
    """(..., m*q) as (..., m, q), checked."""
    if not 2 <= q <= 64:
        raise ValueError(f"q = {q}: a symbol has 2 to 64 values")
    if logits.ndim not in (1, 2) or logits.shape[-1] == 0 or logits.shape[-1] % q:
        raise ValueError(f"logits of shape {logits.shape}: expected (m*q,) or (n, m*q) with q = {q}")
    if not (np.abs(logits) <= TOO_LARGE).all():
        raise ValueError(f"logits: a number is not finite, or beyond {TOO_LARGE:g}, so no rank can be told; drop this sample")
    return logits.reshape(*logits.shape[:-1], -1, q)


@lru_cache(maxsize=8)
def shares(q: int) -> Numbers:
    """The chance that q Gaussian projections of two faces have their largest value in the same place, at ``ANGLES`` + 1 angles 0..pi.

    At cosine c the q pairs (x, y) are independent and binormal, so the chance is q E[F(x, y)^(q-1)], F their distribution function
    (index-of-max hashing, Jin et al., IEEE TIFS 2018; the function itself: Frieze and Jerrum, Algorithmica 18, 1997). E by Gauss-Hermite
    in (x + y) and (x - y); F by Plackett's integral (Biometrika 41, 1954), Gauss-Legendre:
    F = Phi(x) Phi(y) + 1/(2 pi) int_0^asin(c) exp(-(x^2 + y^2 - 2 x y sin t) / (2 cos^2 t)) dt.
    At q = 2 it is 1 - angle / pi.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    inner, inner_weights = np.polynomial.legendre.leggauss(INNER)
    made = []
    for angle in np.linspace(0, math.pi, ANGLES + 1)[1:-1]:
        c = math.cos(angle)
        s, d = np.meshgrid(nodes * math.sqrt((1 + c) / 2), nodes * math.sqrt((1 - c) / 2), indexing="ij")
        x, y = (s + d)[..., None], (s - d)[..., None]
        t = math.asin(c) * (inner + 1) / 2
        curve = np.exp(-(x**2 + y**2 - 2 * x * y * np.sin(t)) / (2 * np.cos(t) ** 2))
        plackett = (curve * inner_weights).sum(2) * math.asin(c) / (4 * math.pi)
        first = _normal(x[..., 0])
        below = first * first[:, ::-1] + plackett  # the nodes are symmetric: y is x with d turned round
        chance = (np.outer(weights, weights) * below.clip(0, 1) ** (q - 1)).sum() * q / weights.sum() ** 2
        made.append(min(float(chance), 1.0))
    return np.array([1.0, *made, 0.0])


def _normal(x: Numbers) -> Numbers:
    """The distribution function of standard normal numbers, to 1e-7, by straight lines between 12,001 of its values."""
    return np.asarray(np.interp(x, *_normal_table()))


@lru_cache(maxsize=1)
def _normal_table() -> tuple[Numbers, Numbers]:
    places = np.linspace(-6, 6, 12_001)
    return places, np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in places])


@lru_cache(maxsize=8)
def unequal_of(m: int, q: int) -> npt.NDArray[np.uint16]:
    """Sum of m costs, 0..255 m -> unequal symbols on the average at the cosine that it stands for, rounded. Rising, from 0 to m."""
    symbols = (np.arange(255 * m + 1) - m * FREE) / WHOLE
    angle = np.arccos((1 - symbols / (m * (1 - 1 / q))).clip(-1, 1))
    unequal = m * (1 - np.interp(angle, np.linspace(0, math.pi, ANGLES + 1), shares(q)))
    rounded: npt.NDArray[np.uint16] = np.rint(unequal).astype(np.uint16)
    return rounded

"""What stage 2 is taught by: the categorical losses, and the published ones with their faults mended.

Deep rank hashing (Dong et al., Pattern Recognition 2022) hashes a face to m symbols of q values, each the arg-max of q projections. In
training a symbol is soft: p = softmax(T z) per block, B x m x q ("probabilities" below), with a temperature T that rises.

Categorical: the likeness of two faces is the expected share of equal symbols, (1/m) sum_i <p_i(a), p_i(b)>, which has a gradient and does
not care what the values are called.
Published: ``L = L_arc + 0.5 L_quant + 0.001 L_lut + L_balance`` on the soft-arg-max h = sum_k k p_k (B x m, in 0..q-1), a magnitude.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

ANGLES = 128  # intervals of the table of shares
NODES = 48  # of each Gauss rule behind it
Numbers = npt.NDArray[np.float64]
NEARLY = 1e-6  # cosines are kept this far from 1, where the angle has no slope


def probabilities(logits: Tensor, q: int, temperature: float) -> Tensor:
    """B x m*q logits -> B x m x q probabilities of the values of every symbol."""
    return (temperature * logits.view(len(logits), -1, q)).softmax(2)


def decided(p: Tensor) -> Tensor:
    """Probabilities B x m x q -> the symbols that they decide, one-hot, with the gradient of the probabilities.

    The straight-through estimator (Bengio et al., 2013, arXiv 1308.3432): the loss sees codes as a door compares them.
    """
    hard = nn.functional.one_hot(p.argmax(2), p.shape[2]).to(p.dtype)
    return hard + p - p.detach()


def shares(p: Tensor) -> Tensor:
    """B x m x q probabilities -> B x B expected shares of equal symbols."""
    flat = p.flatten(1)
    return flat @ flat.T / p.shape[1]


@lru_cache(maxsize=8)
def share_table(q: int) -> Tensor:
    """The chance that q Gaussian projections of two faces have their largest value in the same place, at angles 0..pi between them.

    At cosine c the q pairs (x, y) are independent and binormal, so the chance is q E[F(x, y)^(q-1)], F their distribution function
    (index-of-max hashing, Jin et al., IEEE TIFS 2018; the function itself: Frieze and Jerrum, Algorithmica 18, 1997). E by Gauss-Hermite
    in (x + y) and (x - y); F by Plackett's integral (Biometrika 41, 1954), Gauss-Legendre:
    F = Phi(x) Phi(y) + 1/(2 pi) int_0^asin(c) exp(-(x^2 + y^2 - 2 x y sin t) / (2 cos^2 t)) dt.
    At q = 2 it is 1 - angle / pi. Returns ANGLES + 1 shares.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    inner, inner_weights = np.polynomial.legendre.leggauss(NODES)
    made = []
    for angle in np.linspace(0, math.pi, ANGLES + 1)[1:-1]:
        c = math.cos(angle)
        s, d = np.meshgrid(nodes * math.sqrt((1 + c) / 2), nodes * math.sqrt((1 - c) / 2), indexing="ij")
        x, y = (s + d)[..., None], (s - d)[..., None]
        t = math.asin(c) * (inner + 1) / 2
        curve = np.exp(-(x**2 + y**2 - 2 * x * y * np.sin(t)) / (2 * np.cos(t) ** 2))
        plackett = (curve * inner_weights).sum(2) * math.asin(c) / (4 * math.pi)
        below = _normal(x[..., 0]) * _normal(y[..., 0]) + plackett
        chance = (np.outer(weights, weights) * below.clip(0, 1) ** (q - 1)).sum() * q / weights.sum() ** 2
        made.append(min(float(chance), 1.0))
    return torch.tensor([1.0, *made, 0.0], dtype=torch.float32)


def _normal(x: Numbers) -> Numbers:
    return np.asarray(torch.special.ndtr(torch.from_numpy(x)).numpy(), np.float64)


def share_at(cosine: Tensor, q: int) -> Tensor:
    """The share of equal symbols that a Gaussian projection gives to faces at this cosine, on average: rising, 1 at cosine 1."""
    place = cosine.clamp(-1, 1).acos() * (ANGLES / math.pi)
    below = place.long().clamp(max=ANGLES - 1)
    table = share_table(q).to(cosine.device)
    return table[below].lerp(table[below + 1], place - below)


def same_people(people: Tensor) -> Tensor:
    """B identities (-1: not known) -> B x B, whether two faces are certainly one person's; nobody is compared with himself."""
    same = (people[:, None] == people[None]) & (people >= 0)[:, None]
    return same & ~torch.eye(len(people), dtype=torch.bool, device=people.device)


def following_loss(p: Tensor, cosine: Tensor, likeness: float = 4.0) -> Tensor:
    """Squared difference of the expected share of equal symbols to the one that a cosine asks for (``share_at``).

    p: B x m x q. cosine: B x B, the embedding's own or a teacher's. likeness: how much more pairs above a cosine of 0.2 count. This is
    what keeps the order of the embedding: similarity-preserving distillation (Tung and Mori, ICCV 2019) into symbols.
    """
    weight = (1 + likeness * (cosine > 0.2)) * ~torch.eye(len(p), dtype=torch.bool, device=p.device)
    return ((shares(p) - share_at(cosine, p.shape[2])).square() * weight).mean()


def similarity_loss(logits: Tensor, vectors: Tensor, q: int, temperature: float) -> Tensor:
    """``following_loss`` of logits B x m*q after the cosines of B x D vectors of length 1 (a teacher's)."""
    return following_loss(probabilities(logits, q, temperature), vectors @ vectors.T)


def contrast_loss(p: Tensor, people: Tensor, scale: float) -> Tensor:
    """Each mated pair against all non-mated ones of the same face: softplus(log sum exp(scale s_non-mated) - scale s_mated), mean.

    The share of equal symbols in the place of the cosine of InfoNCE (van den Oord et al., 2018). p: B x m x q. people: B, -1 where not
    known; such faces are strangers to all. 0 where the batch has no mated pair.
    """
    scores = scale * shares(p)
    same = same_people(people)
    if not same.any():
        return scores.sum() * 0
    strangers = same | torch.eye(len(p), dtype=torch.bool, device=p.device)
    others = torch.logsumexp(scores.masked_fill(strangers, -math.inf), 1, keepdim=True)
    return nn.functional.softplus(others - scores)[same].mean()


def margin_loss(p: Tensor, people: Tensor, margin: float) -> Tensor:
    """Batch-hard margin on the angle of the normalised likeness: a face's furthest mate against its nearest stranger.

    p: B x m x q. people: B, -1 where not known; only faces with a mate count. margin: radians. 0 where the batch has no mated pair.
    """
    flat = nn.functional.normalize(p.flatten(1), dim=1)
    far, near, anchors = hardest(flat, people)
    hinge = nn.functional.softplus(16 * (near.cos() - (far + margin).cos())) / 16
    return (hinge * anchors).sum() / anchors.sum().clamp(min=1)


def hardest(vectors: Tensor, people: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Batch-hard mining (Hermans et al., 2017): vectors of length 1, B x n -> angles to furthest mate, nearest stranger; has it a mate?"""
    cosine = (vectors @ vectors.T).clamp(-1 + NEARLY, 1 - NEARLY)
    same = same_people(people)
    strangers = ~same & ~torch.eye(len(people), dtype=torch.bool, device=people.device)
    far = torch.where(same, cosine, torch.ones_like(cosine) - NEARLY).amin(1).acos()
    near = torch.where(strangers, cosine, NEARLY - torch.ones_like(cosine)).amax(1).acos()
    return far, near, same.any(1)


def quantisation_loss(p: Tensor) -> Tensor:
    """How far the symbols are from being decided: mean of 1 - max_k p, 0..1 - 1/q."""
    return (1 - p.amax(2)).mean()


def balance_loss(p: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the batch's mean p from the uniform distribution, mean over positions: 0..ln q, in nats."""
    mean = p.mean(0)
    return (mean * (mean * p.shape[2]).clamp(min=1e-12).log()).sum(1).mean()


@dataclass(frozen=True)
class Weights:
    """How much each categorical term counts. scale: of ``contrast_loss``. edge: margin of ``margin_loss``, radians. 0 leaves a term out."""

    similarity: float = 20.0
    contrast: float = 0.1
    margin: float = 0.0
    quantisation: float = 0.0
    balance: float = 1.0
    scale: float = 40.0
    edge: float = 0.1


def categorical_loss(p: Tensor, people: Tensor, cosine: Tensor, weights: Weights) -> Tensor:
    """The weighted sum. p: B x m x q. people: B. cosine: B x B, which the share of equal symbols is to follow."""
    total = p.new_zeros(())
    if weights.similarity:
        total = total + weights.similarity * following_loss(p, cosine)
    if weights.contrast:
        total = total + weights.contrast * contrast_loss(p, people, weights.scale)
    if weights.margin:
        total = total + weights.margin * margin_loss(p, people, weights.edge)
    if weights.quantisation:
        total = total + weights.quantisation * quantisation_loss(p)
    if weights.balance:
        total = total + weights.balance * balance_loss(p)
    return total


def soft_symbols(p: Tensor) -> Tensor:
    """The soft-arg-max, sum_k k p_k: B x m x q -> B x m, in 0..q-1."""
    return p @ torch.arange(p.shape[2], dtype=p.dtype, device=p.device)


def soft_bits(p: Tensor) -> Tensor:
    """Expected bits of the symbols' binary numbers: B x m x q -> B x m*ceil(log2 q), in -1..1."""
    values = torch.arange(p.shape[2], device=p.device)
    bits = torch.stack([(values >> place) & 1 for place in range((p.shape[2] - 1).bit_length())], 1)
    return (p @ (2 * bits - 1).to(p.dtype)).flatten(1)


def published_angular_loss(vectors: Tensor, people: Tensor, scale: float = 32.0, margin: float = 0.0) -> Tensor:
    """The published pairwise margin-based angular loss on B x n code vectors, batch-hard; tp, tn: angles to mate and stranger.

    ``s [e^cos(tn+a) / (e^cos(tn+a) + e^sin tn) + e^sin(tp+a) / (e^sin(tp+a) + e^cos tp)] + tp``, mean over the faces with a mate.
    Mended: the cosine is divided by both norms (published: by one norm, squared, which is none unless both are equal).
    """
    tp, tn, anchors = hardest(nn.functional.normalize(vectors, dim=1), people)
    apart = torch.sigmoid((tn + margin).cos() - tn.sin())
    together = torch.sigmoid((tp + margin).sin() - tp.cos())
    return ((scale * (apart + together) + tp) * anchors).sum() / anchors.sum().clamp(min=1)


def published_balance_loss(p: Tensor) -> Tensor:
    """The mean symbol near (q-1)/2, squared, and a flat histogram of each position (squared difference to 1/q, summed over values).

    Mended: the histogram is the batch's mean of p (published: a count of rounded symbols, which has no gradient).
    """
    middle = (soft_symbols(p).mean(0) - (p.shape[2] - 1) / 2).square().mean()
    return middle + (p.mean(0) - 1 / p.shape[2]).square().sum(1).mean()


def published_loss(p: Tensor, people: Tensor) -> Tensor:
    """``L_arc + 0.5 L_quant + 0.001 L_lut + L_balance``. p: B x m x q. people: B, -1 where not known.

    L_quant: mean ||round(h) - h||^2 over the faces; the rounded code is a constant. L_lut, on the binary code behind the table: mended, it
    is the angular loss on expected bits (published: on bits cast to whole numbers, which has no gradient). What is not mended: h takes
    the symbol's number for a magnitude, so other names for the same symbols give another loss.
    """
    h = soft_symbols(p)
    quantisation = (h.detach().round() - h).square().sum(1).mean()
    arc, lut = published_angular_loss(h, people), published_angular_loss(soft_bits(p), people)
    return arc + 0.5 * quantisation + 0.001 * lut + published_balance_loss(p)

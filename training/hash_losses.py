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

import torch
from torch import Tensor, nn

from edge.records import FREE, WHOLE
from edge.template.hashing import ANGLES
from edge.template.hashing import shares as shares_of

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
    """``edge.template.hashing.shares`` as a tensor."""
    return torch.from_numpy(shares_of(q)).float()


def share_at(cosine: Tensor, q: int) -> Tensor:
    """The share of equal symbols that a Gaussian projection gives to faces at this cosine, on average: rising, 1 at cosine 1."""
    place = cosine.clamp(-1, 1).acos() * (ANGLES / math.pi)
    below = place.long().clamp(max=ANGLES - 1)
    table = share_table(q).to(cosine.device)
    return table[below].lerp(table[below + 1], place - below)


def costs(logits: Tensor, q: int) -> Tensor:
    """B x m*q logits -> B x m x q: what every value costs a probe in symbols, as ``edge.template.hashing.costs_of`` but not rounded."""
    blocks = logits.view(len(logits), -1, q)
    blocks = blocks - blocks.mean(2, keepdim=True)
    largest = blocks.amax(2, keepdim=True).mean(1, keepdim=True)
    return ((1 - 1 / q) * (1 - blocks / largest)).clamp(-FREE / WHOLE, (255 - FREE) / WHOLE)


def dissimilarity(logits: Tensor, p: Tensor) -> Tensor:
    """The mean cost, in symbols, of each face of B as a reference to each one as a probe: B probes x B references.

    logits: B x m*q, of the probes. p: B x m x q, decided symbols of the references (``decided``).
    """
    return costs(logits, p.shape[2]).flatten(1) @ p.flatten(1).T / p.shape[1]


def probing_loss(logits: Tensor, p: Tensor, cosine: Tensor) -> Tensor:
    """Squared difference of ``dissimilarity`` to the one that a cosine asks for, mean over the pairs of two faces.

    A Gaussian projection of the probe is, where the reference has its largest value, the cosine times as large as the reference's on the
    average; so at cosine c the dissimilarity is 1 - c of that of strangers, (q-1)/q. cosine: B x B, as of ``following_loss``.
    """
    asked = (1 - cosine) * (1 - 1 / p.shape[2])
    apart = ~torch.eye(len(p), dtype=torch.bool, device=p.device)
    return ((dissimilarity(logits, p) - asked).square() * apart).sum() / apart.sum()


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


def contrast_loss(p: Tensor, people: Tensor, scale: float) -> Tensor:
    """``told_apart`` by the share of equal symbols. p: B x m x q. people: B, -1 where not known."""
    return told_apart(scale * shares(p), people)


def told_apart(scores: Tensor, people: Tensor) -> Tensor:
    """Each mated pair against all non-mated ones of the same face: softplus(log sum exp(s_non-mated) - s_mated), mean.

    Codes in the place of the cosine of InfoNCE (van den Oord et al., 2018). scores: B x B, more is more alike. people: B, -1 where not
    known; such faces are strangers to all. 0 where the batch has no mated pair.
    """
    same = same_people(people)
    if not same.any():
        return scores.sum() * 0
    strangers = same | torch.eye(len(scores), dtype=torch.bool, device=scores.device)
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
    """How much each categorical term counts; 0 leaves it out.

    probing, asking: ``probing_loss``, and ``told_apart`` by the same dissimilarity. scale: of both contrasts. edge: margin of
    ``margin_loss``, radians.
    """

    probing: float = 0.0
    asking: float = 0.0
    similarity: float = 20.0
    contrast: float = 0.1
    margin: float = 0.0
    quantisation: float = 0.0
    balance: float = 1.0
    scale: float = 40.0
    edge: float = 0.1


def categorical_loss(logits: Tensor, p: Tensor, people: Tensor, cosine: Tensor, weights: Weights) -> Tensor:
    """The weighted sum. logits: B x m*q. p: B x m x q. people: B. cosine: B x B, which likeness is to follow."""
    total = p.new_zeros(())
    if weights.probing:
        total = total + weights.probing * probing_loss(logits, p, cosine)
    if weights.asking:
        total = total + weights.asking * told_apart(-weights.scale * dissimilarity(logits, p), people)
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

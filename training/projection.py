"""The rank-hash projection: its beginnings, its file, and what it is worth on people held out.

One linear layer with bias, width -> m*q, contiguous blocks of q; the arg-max of every block is a symbol (Dong et al., 2022, section 3).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge.records import Floats
from edge.template import compare
from edge.template.hashing import costs_of, hash_logits

Integers = npt.NDArray[np.int64]

SMALLEST, LARGEST = 32, 2048  # symbols
FARS = (1e-2, 1e-3, 1e-4)
FACES = 20_000  # that codebooks are made of
_ROUNDS = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 1e-4)


def check_size(m: int, q: int) -> None:
    """Raises SystemExit unless m is a multiple of 8 in 32..2048 and q lies in 2..64."""
    if not SMALLEST <= m <= LARGEST or m % 8:
        raise SystemExit(f"--m {m}: a code has {SMALLEST} to {LARGEST} symbols, a multiple of 8 (whole bytes a bit plane)")
    if not 2 <= q <= 64:
        raise SystemExit(f"--q {q}: a symbol has 2 to 64 values")


def random_projection(m: int, q: int, seed: int, width: int = 512) -> nn.Linear:
    """The untrained baseline: Gaussian directions (index-of-max hashing, Jin et al., IEEE TIFS 2018). width: of the embedding."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(width, m * q)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(m * q, width, generator=generator))
        layer.bias.zero_()
    return layer


def orthogonal_projection(m: int, q: int, seed: int, width: int = 512) -> nn.Linear:
    """Directions that are orthogonal ``width`` at a time: a little less noise than independent ones."""
    layer = random_projection(m, q, seed, width)
    with torch.no_grad():
        for start in range(0, m * q, width):
            rows = layer.weight[start : start + width]
            rows.copy_(torch.linalg.qr(rows.T)[0].T * width**0.5)
    return layer


def codebook_projection(embedding: Floats, m: int, q: int, seed: int) -> nn.Linear:
    """Every symbol says which of q centres is the nearest to the face in a plane of the embedding.

    <c, x> - |c|^2 / 2 is largest for the nearest centre c, so the arg-max of q such rows is product quantisation (Jegou et al., IEEE TPAMI
    33(1), 2011) and the costs are its asymmetric distances. The planes are the coordinates, two by two, of random rotations (as in Ge et
    al., *Optimized product quantization*, CVPR 2013) of the 2 m directions of largest variance, or of all, as often as m symbols need; the
    centres are those of k-means. embedding: (n, d), normalised. The same for a seed. Raises SystemExit for fewer faces than centres.
    """
    if len(embedding) < q:
        raise SystemExit(f"--begin codebooks: {len(embedding)} faces to make {q} centres of; add data or lower --q")
    random = np.random.default_rng(seed)
    faces = embedding[random.choice(len(embedding), min(FACES, len(embedding)), replace=False)]
    width = faces.shape[1]
    leading = np.linalg.eigh(np.cov(faces.T))[1][:, ::-1][:, : 2 * m]
    layer = nn.Linear(width, m * q)
    weight, bias = np.empty((m, q, width), np.float32), np.empty((m, q), np.float32)
    cv2.setRNGSeed(seed)
    for place in range(m):
        part = place % (leading.shape[1] // 2)
        if part == 0:
            turned = (leading @ np.linalg.qr(random.standard_normal((leading.shape[1],) * 2))[0]).astype(np.float32)
        plane = turned[:, 2 * part : 2 * part + 2]
        points = np.ascontiguousarray(faces @ plane) * np.float32(width**0.5)
        centres = cv2.kmeans(points, q, None, _ROUNDS, 1, cv2.KMEANS_PP_CENTERS)[2]  # type: ignore[call-overload]
        weight[place], bias[place] = centres @ plane.T * width**0.5, -(centres**2).sum(axis=1) / 2
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight.reshape(m * q, width)))
        layer.bias.copy_(torch.from_numpy(bias.ravel()))
    return layer


def sector_projection(embedding: Floats, m: int, q: int, seed: int) -> nn.Linear:
    """Every symbol says in which of q equal sectors around their mean the face lies, in a plane of the embedding.

    The planes are the coordinates, two by two, of as many random rotations as m symbols need; the directions of a plane are 360 degrees / q
    apart. Unlike a centre of ``codebook_projection`` a direction has no length, so a fused face, which is shorter, keeps its symbols.
    embedding: (n, d), normalised. The same for a seed.
    """
    width = embedding.shape[1]
    random = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(q) / q
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1) * width**0.5  # (q, 2)
    turns = -(-m // (width // 2))
    planes = np.concatenate([np.linalg.qr(random.standard_normal((width, width)))[0][: width // 2 * 2] for _ in range(turns)])
    weight = (directions @ planes.reshape(-1, 2, width)[:m]).reshape(m * q, width)
    layer = nn.Linear(width, m * q)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(-weight @ embedding.mean(axis=0)))
    return layer


def permuted(layer: nn.Linear, seed: int) -> nn.Linear:
    """The layer behind a fixed permutation of the embedding (the published PermLayer; identity while training), folded into its columns.

    The codes are then others, and what was trained is lost: columns meet numbers that they were not made for. A door renews templates by
    its keyed transform instead (``edge.template.protect``), which costs no accuracy.
    """
    order = torch.randperm(layer.in_features, generator=torch.Generator().manual_seed(seed))
    made = nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        made.weight.copy_(layer.weight[:, order.argsort()])
        made.bias.copy_(layer.bias)
    return made


@torch.inference_mode()
def dissimilarities(layer: nn.Linear, embedding: Floats, q: int) -> Integers:
    """N x N, of each face as a reference (row) to each as a probe (column), in symbols, as at the door."""
    logits = layer(torch.from_numpy(embedding)).numpy()
    return compare.dissimilarity_matrix(hash_logits(logits, q), costs_of(logits, q)).T.astype(np.int64)


def pair_scores(scores: npt.NDArray[Any], identity: Integers) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Mated and non-mated scores of all pairs out of an N x N matrix."""
    upper = np.triu(np.ones(scores.shape, dtype=bool), 1)
    same = identity[:, None] == identity[None]
    return scores[same & upper], scores[~same & upper]


def non_mated_people(identity: Integers) -> npt.NDArray[Any]:
    """Whose two pictures each non-mated score of ``pair_scores`` compares: (pairs, 2)."""
    first, second = np.nonzero(np.triu(identity[:, None] != identity[None], 1))
    return np.column_stack([identity[first], identity[second]])


def accepted(mated: npt.NDArray[Any], non_mated: npt.NDArray[Any], share: float) -> float:
    """Share of mated pairs below the dissimilarity that ``share`` of the non-mated ones reach."""
    threshold = np.partition(non_mated, int(len(non_mated) * share))[int(len(non_mated) * share)]
    return float((mated < threshold).mean())


def equal_error(mated: npt.NDArray[Any], non_mated: npt.NDArray[Any]) -> float:
    """The rate at which as many mated pairs are refused as non-mated ones accepted, at the nearest threshold; of dissimilarities."""
    thresholds = np.unique(np.concatenate([mated, np.quantile(non_mated, np.linspace(0, 1, 2001))]))
    refused = 1 - np.searchsorted(np.sort(mated), thresholds, "right") / len(mated)
    wrong = np.searchsorted(np.sort(non_mated), thresholds, "right") / len(non_mated)
    best = int(np.abs(refused - wrong).argmin())
    return float((refused[best] + wrong[best]) / 2)


def figures(mated: npt.NDArray[Any], non_mated: npt.NDArray[Any]) -> dict[str, float]:
    """EER and TAR at FARS of dissimilarities."""
    rates = {f"TAR_at_FAR_{share:g}": round(accepted(mated, non_mated, share), 4) for share in FARS}
    return {"EER": round(equal_error(mated, non_mated), 4), **rates}


def save_head(path: Path, layer: nn.Linear, m: int, q: int, kind: str, facts: Mapping[str, Any]) -> None:
    """A head as a file that evaluation reads without torch: weight (m*q x width, float16), bias (m*q), m, q, kind, facts (JSON)."""
    draft = path.with_suffix(".part")
    with draft.open("wb") as file, torch.no_grad():
        weight, bias = layer.weight.numpy().astype(np.float16), layer.bias.numpy().astype(np.float32)
        np.savez(file, weight=weight, bias=bias, m=m, q=q, kind=kind, facts=json.dumps(dict(facts)))
    draft.replace(path)

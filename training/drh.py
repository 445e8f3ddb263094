"""Stage 2: train the rank-hash projection and the uncertainty head on a frozen backbone's features.

    python -m training.drh FEATURES.npz TEACHER.npy OUT.pt [--m 512 --q 8]

Deep rank hashing (Dong et al., Pattern Recognition 2022): one linear layer m x q, soft-arg-max in training, arg-max afterwards. With
p = softmax(T z) per block, the similarity of two faces is the expected share of equal symbols, sum <p_a, p_b> / m, which has a gradient
and treats symbols as the categories they are. Loss: that share against the one which the teacher's cosine asks for (similarity-preserving
distillation), batch-hard margin on the angle of the similarity, quantisation (1 - max p), and balance (KL of the batch mean against
uniform). T rises from 3 to 10. It begins at orthogonal directions.

The uncertainty head gives the logarithm of one variance per face by the scalar mutual likelihood of mated pairs,
2 (1 - cos) / (s_a + s_b) + ln(s_a + s_b) (Shi and Jain, ICCV 2019; scalar form of Chen et al., 2022), on clean and degraded views.

A Gaussian random projection is measured beside it on identities held out; the better one is kept. The last line printed is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from training.uncertainty import train_uncertainty

PEOPLE, SAMPLES = 60, 4
SIMILARITY = 20.0  # weight of the distilled similarity against the margin


def random_projection(m: int, q: int, seed: int) -> nn.Linear:
    """The untrained baseline: Gaussian directions (index-of-max hashing, Jin et al., IEEE TIFS 2018)."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(512, m * q)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(m * q, 512, generator=generator))
        layer.bias.zero_()
    return layer


def orthogonal_projection(m: int, q: int, seed: int) -> nn.Linear:
    """Directions that are orthogonal 512 at a time: a little less noise than independent ones."""
    layer = random_projection(m, q, seed)
    with torch.no_grad():
        for start in range(0, m * q, 512):
            rows = layer.weight[start : start + 512]
            rows.copy_(torch.linalg.qr(rows.T)[0].T * 512**0.5)
    return layer


def people_batches(identity: np.ndarray, steps: int, random: np.random.Generator) -> "list[np.ndarray]":
    """``steps`` batches of row numbers: 60 identities x 4 samples, with repetition where an identity has fewer."""
    order = np.argsort(identity, kind="stable")
    groups = [group for group in np.split(order, np.flatnonzero(np.diff(identity[order])) + 1) if len(group) > 1]
    chosen = (random.choice(len(groups), PEOPLE, replace=False) for _ in range(steps))
    return [np.concatenate([random.choice(groups[g], SAMPLES, replace=len(groups[g]) < SAMPLES) for g in batch]) for batch in chosen]


def hash_loss(logits: Tensor, q: int, temperature: float, margin: float) -> Tensor:
    """B x m*q logits of 60 x 4 faces -> loss."""
    p = (temperature * logits.view(len(logits), -1, q)).softmax(2)
    flat = nn.functional.normalize(p.flatten(1), dim=1)
    cosine = (flat @ flat.T).clamp(-1 + 1e-6, 1 - 1e-6)
    same = torch.arange(PEOPLE).repeat_interleave(SAMPLES)
    same = same[:, None] == same[None]
    apart = torch.where(same, cosine, torch.ones_like(cosine)).amin(1).acos()
    close = torch.where(same, -torch.ones_like(cosine), cosine).amax(1).acos()
    identity = nn.functional.softplus(16 * (close.cos() - (apart + margin).cos())).mean() / 16
    mean = p.mean(0)
    balance = (mean * (mean * q).clamp(min=1e-6).log()).sum(1).mean()
    return identity + 0.1 * (1 - p.amax(2)).mean() + balance


def share_at(cosine: Tensor) -> Tensor:
    """The share of equal symbols (q = 8) asked for at a cosine of the teacher.

    Up to a cosine of one half it follows what a Gaussian projection gives; above, it rises faster, to 1 at cosine 1, so that likeness is
    stretched.
    """
    return 0.122 + 0.3 * cosine.clamp(min=-0.2) + 0.578 * cosine.clamp(min=0) ** 3


def similarity_loss(logits: Tensor, teacher: Tensor, q: int, temperature: float) -> Tensor:
    """Squared difference of the expected share of equal symbols to the one that the teacher's cosine asks for; likeness counts more."""
    p = (temperature * logits.view(len(logits), -1, q)).softmax(2)
    share = p.flatten(1) @ p.flatten(1).T / p.shape[1]
    cosine = teacher @ teacher.T
    weight = (1 + 4 * (cosine > 0.2)) * ~torch.eye(len(logits), dtype=torch.bool)
    return ((share - share_at(cosine)).square() * weight).mean()


def train_projection(embedding: Tensor, teacher: Tensor, identity: np.ndarray, arguments: argparse.Namespace) -> nn.Linear:
    """The trained projection."""
    layer = orthogonal_projection(arguments.m, arguments.q, arguments.seed)
    optimiser = torch.optim.Adam(layer.parameters(), lr=arguments.rate)
    random = np.random.default_rng(arguments.seed)
    for step, batch in enumerate(track(people_batches(identity, arguments.steps, random), description="projection")):
        progress = step / arguments.steps
        optimiser.param_groups[0]["lr"] = arguments.rate * (1 - progress)
        logits = layer(embedding[batch, random.integers(0, 2, len(batch))])
        temperature = 3 + 7 * progress
        loss = SIMILARITY * similarity_loss(logits, teacher[batch], arguments.q, temperature)
        loss = loss + hash_loss(logits, arguments.q, temperature, arguments.margin)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return layer


@torch.inference_mode()
def unequal_symbols(layer: nn.Linear, embedding: Tensor, q: int) -> np.ndarray:
    """N x N unequal symbols between the codes of N embeddings."""
    symbols = layer(embedding).view(len(embedding), -1, q).argmax(2)
    one_hot = nn.functional.one_hot(symbols, q).flatten(1).float()
    return (symbols.shape[1] - one_hot @ one_hot.T).round().numpy().astype(np.int64)


def pair_scores(unequal: np.ndarray, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mated and non-mated dissimilarities of all pairs."""
    upper = np.triu(np.ones_like(unequal, dtype=bool), 1)
    same = identity[:, None] == identity[None]
    return unequal[same & upper], unequal[~same & upper]


def accepted(mated: np.ndarray, non_mated: np.ndarray, share: float) -> float:
    """Share of mated pairs below the score that ``share`` of the non-mated ones reach."""
    threshold = np.partition(non_mated, int(len(non_mated) * share))[int(len(non_mated) * share)]
    return float((mated < threshold).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--m", type=int, default=512)
    parser.add_argument("--q", type=int, default=8)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--margin", type=float, default=0.1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    data = np.load(arguments.features)
    held = data["held_out"]
    embedding, pooled = (torch.from_numpy(data[name].astype(np.float32)) for name in ("embedding", "pooled"))
    learn, test = np.flatnonzero(~held), np.flatnonzero(held)
    start = random_projection(arguments.m, arguments.q, arguments.seed)
    teacher = nn.functional.normalize(torch.from_numpy(np.load(arguments.teacher)[data["rows"], 0].astype(np.float32)), dim=1)
    trained = train_projection(embedding[learn], teacher[learn], data["identity"][learn], arguments)
    uncertainty = train_uncertainty(pooled[learn], embedding[learn], data["identity"][learn], arguments.steps, arguments.seed)

    figures = {}
    for name, layer in (("random", start), ("trained", trained)):
        mated, non_mated = pair_scores(unequal_symbols(layer, embedding[test, 0], arguments.q), data["identity"][test])
        figures[name] = {f"TAR_at_FAR_{share:g}": round(accepted(mated, non_mated, share), 4) for share in (1e-2, 1e-3, 1e-4)}
    kept = max(figures, key=lambda name: sum(figures[name].values()))
    with torch.inference_mode():
        figures["log_variance"] = {f"view_{v}": round(float(uncertainty(pooled[test, v]).mean()), 3) for v in range(pooled.shape[1])}
    state = {"projection": (trained if kept == "trained" else start).state_dict(), "uncertainty": uncertainty.state_dict()}
    _, non_mated = pair_scores(
        unequal_symbols(trained if kept == "trained" else start, embedding[test, 0], arguments.q), data["identity"][test]
    )
    torch.save(
        {
            **state,
            "m": arguments.m,
            "q": arguments.q,
            "non_mated": torch.from_numpy(non_mated.astype(np.int16)),
            "figures": json.dumps(figures),
            "kept": kept,
        },
        arguments.out,
    )
    print(json.dumps({"kept": kept, **figures}))


if __name__ == "__main__":
    main()

"""Stage 1: train the backbone to give a teacher's embeddings.

    python -m training.distil PACKED TEACHER.npy OUT.pt --minutes 60 [--codes HEAD.pt]

The target of a crop is the mean of the teacher's embeddings of it and of its mirror image: the better teacher, and mirroring is then one
thing less to learn. The loss is 1 - cosine to the target plus the squared difference of the batch's two similarity matrices (relational
distillation, Park et al., CVPR 2019). With ``--codes`` the projection of a head (``training.drh``) is trained along: to the loss comes
that the expected share of equal symbols follows the target's cosine, so that the embedding learns to survive hashing; half of each batch
is then second pictures of the people in the other half.

The learning rate follows one cycle over ``--minutes`` of training time. The shipped weights are the moving average. Checkpoints go to
OUT.pt every four minutes; the same command goes on from there. The last line printed is JSON.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.backbone import Backbone
from training.cycle import Cycle, options
from training.drh import accepted, pair_scores, similarity_loss, unequal_symbols
from training.packed import Packed, batches, centres, load, to_network

TEMPERATURE = 8.0  # of the soft arg-max; at the end of ``training.drh`` it is 10


def targets(path: Path) -> Tensor:
    """What ``training.teach`` wrote (N x 2 x D) -> N x D, normalised."""
    return nn.functional.normalize(torch.from_numpy(np.load(path)).float().sum(1), dim=1)


def loss_of(student: Tensor, teacher: Tensor, relation: float) -> Tensor:
    """B x D and B x D (normalised) -> the loss."""
    student = nn.functional.normalize(student.float(), dim=1)
    cosine = (student * teacher).sum(1).mean()
    difference = student @ student.T - teacher @ teacher.T
    return 1 - cosine + relation * difference.square().mean()


class Hashed(nn.Module):
    """A backbone and a rank-hash projection that are trained together: crops -> embedding B x 512 and logits B x m*q."""

    def __init__(self, backbone: Backbone, projection: nn.Linear) -> None:
        super().__init__()
        self.backbone, self.projection = backbone, projection

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.backbone(x).float()
        with torch.autocast(x.device.type, enabled=False):
            return embedding, self.projection(nn.functional.normalize(embedding, dim=1))


@torch.inference_mode()
def embed(network: nn.Module, packed: Packed, rows: npt.NDArray[np.int64], size: int = 128) -> Tensor:
    """Normalised embeddings of the centre crops of ``rows``."""
    network.eval()
    parts = []
    for start in range(0, len(rows), size):
        crops = centres(np.asarray(packed.crops[rows[start : start + size]]))
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(network(to_network(crops)).float())
    return nn.functional.normalize(torch.cat(parts), dim=1)


def validate(network: nn.Module, packed: Packed, rows: npt.NDArray[np.int64]) -> dict[str, float]:
    """Share of mated held-out pairs above the score that one in a thousand non-mated pairs reaches."""
    embeddings = embed(network, packed, rows)
    identity = torch.from_numpy(packed.identity[rows])
    scores = embeddings @ embeddings.T
    upper = torch.ones_like(scores, dtype=torch.bool).triu(1)
    mated = (identity[:, None] == identity[None]) & upper
    non_mated = scores[(~mated) & upper].numpy()
    threshold = np.partition(non_mated, -len(non_mated) // 1000)[-len(non_mated) // 1000]
    return {"TAR_at_FAR_0.001": round(float((scores[mated] > float(threshold)).float().mean()), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--relation", type=float, default=10.0, help="weight of the relational term")
    parser.add_argument("--codes", type=Path, help="train the projection of this head along")
    parser.add_argument("--hashing", type=float, default=30.0, help="weight of the codes' term")
    options(parser, minutes=60, batch=128, rate=3e-3)
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    packed = load(arguments.packed)
    teacher = targets(arguments.teacher)
    if arguments.codes:
        train_hashed(arguments, packed, teacher)
        return
    cycle = Cycle(Backbone(), arguments, decay=0.02, validate=lambda mean: validate(mean, packed, packed.validate))
    random = np.random.default_rng(arguments.seed + cycle.samples)
    for chosen, crops, _ in batches(packed, packed.learn, arguments.batch, random):
        if cycle.over:
            break
        with torch.autocast("cpu", torch.bfloat16):
            output = cycle.network(to_network(crops))
        cycle.learn(loss_of(output, teacher[chosen], arguments.relation), len(crops))
    cycle.finish()


def train_hashed(arguments: argparse.Namespace, packed: Packed, teacher: Tensor) -> None:
    """Backbone and projection together; OUT.pt holds both, under ``backbone.`` and ``projection.``."""
    head = torch.load(arguments.codes, weights_only=True)
    projection = nn.Linear(512, head["m"] * head["q"])
    projection.load_state_dict(head["projection"])
    backbone = Backbone()
    if arguments.start:
        backbone.load_state_dict(torch.load(arguments.start, weights_only=True)["mean"])
        arguments.start = None
    network = Hashed(backbone, projection)
    cycle = Cycle(network, arguments, decay=0.02, validate=lambda mean: validate_hashed(mean, packed, head["q"]))
    random = np.random.default_rng(arguments.seed + cycle.samples)
    for chosen, crops, _ in batches(packed, packed.learn, arguments.batch, random, partners=True):
        if cycle.over:
            break
        with torch.autocast("cpu", torch.bfloat16):
            embedding, logits = cycle.network(to_network(crops))
        hashing = similarity_loss(logits, teacher[chosen], head["q"], TEMPERATURE)
        cycle.learn(loss_of(embedding, teacher[chosen], arguments.relation) + arguments.hashing * hashing, len(crops))
    cycle.finish()


def validate_hashed(network: nn.Module, packed: Packed, q: int) -> dict[str, float]:
    """Figures of embedding and code on what is held out."""
    backbone, projection = network.backbone, network.projection
    rows = packed.validate
    assert isinstance(backbone, nn.Module)
    assert isinstance(projection, nn.Linear)
    unequal = unequal_symbols(projection, embed(backbone, packed, rows), q)
    mated, non_mated = pair_scores(unequal, packed.identity[rows])
    return {**validate(backbone, packed, rows), "code": round(accepted(mated, non_mated, 1e-3), 4)}


if __name__ == "__main__":
    main()

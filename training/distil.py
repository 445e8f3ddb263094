"""Stage 1: train the backbone to give a teacher's embeddings.

    python -m training.distil PACKED TEACHER.npy OUT.pt --minutes 60

The target of a crop is the mean of the teacher's embeddings of it and of its mirror image: the better teacher, and mirroring is then one
thing less to learn. The loss is 1 - cosine to the target plus the squared difference of the batch's two similarity matrices (relational
distillation, Park et al., CVPR 2019). The learning rate follows one cycle over ``--minutes`` of training time. The shipped weights are
the moving average. Checkpoints go to OUT.pt every four minutes; the same command goes on from there. The last line printed is JSON.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.backbone import Backbone
from training.cycle import Cycle, options
from training.packed import Packed, batches, centres, load, to_network


def targets(path: Path) -> Tensor:
    """What ``training.teach`` wrote (N x 2 x D) -> N x D, normalised."""
    return nn.functional.normalize(torch.from_numpy(np.load(path)).float().sum(1), dim=1)


def loss_of(student: Tensor, teacher: Tensor, relation: float) -> Tensor:
    """B x D and B x D (normalised) -> the loss."""
    student = nn.functional.normalize(student.float(), dim=1)
    cosine = (student * teacher).sum(1).mean()
    difference = student @ student.T - teacher @ teacher.T
    return 1 - cosine + relation * difference.square().mean()


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
    options(parser, minutes=60, batch=128, rate=3e-3)
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    packed = load(arguments.packed)
    teacher = targets(arguments.teacher)
    cycle = Cycle(Backbone(), arguments, decay=0.02, validate=lambda mean: validate(mean, packed, packed.validate))
    random = np.random.default_rng(arguments.seed + cycle.samples)
    for chosen, crops, _ in batches(packed, packed.learn, arguments.batch, random):
        if cycle.over:
            break
        with torch.autocast("cpu", torch.bfloat16):
            output = cycle.network(to_network(crops))
        cycle.learn(loss_of(output, teacher[chosen], arguments.relation), len(crops))
    cycle.finish()


if __name__ == "__main__":
    main()

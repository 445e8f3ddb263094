"""Stage 1: train the backbone to give a teacher's embeddings.

    python -m training.distil PACKED TEACHER.npy OUT.pt --minutes 60

The loss is 1 - cosine to the teacher's embedding plus the squared difference of the batch's two similarity matrices (relational
distillation, Park et al., CVPR 2019). The learning rate follows one cycle over ``--minutes`` of training time. The shipped weights are
the moving average. Checkpoints go to OUT.pt every four minutes; the same command goes on from there. The last line printed is JSON.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from torch import Tensor, nn

from training.backbone import Backbone
from training.packed import Packed, batches, centres, load, to_network

console = Console()


def loss_of(student: Tensor, teacher: Tensor, relation: float) -> tuple[Tensor, Tensor]:
    """B x D and B x D (normalised) -> (loss, mean cosine)."""
    student = nn.functional.normalize(student.float(), dim=1)
    cosine = (student * teacher).sum(1).mean()
    difference = student @ student.T - teacher @ teacher.T
    return 1 - cosine + relation * difference.square().mean(), cosine.detach()


def one_cycle(progress: float, peak: float) -> float:
    """Learning rate at ``progress`` 0..1: linear warm-up over the first 5 %, then a cosine down to 1 % of the peak."""
    if progress < 0.05:
        return peak * (0.02 + 0.98 * progress / 0.05)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - 0.05) / 0.95)))


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


def average_into(mean: nn.Module, network: nn.Module, decay: float) -> None:
    """Exponential moving average of weights; the other buffers are copied."""
    with torch.no_grad():
        for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
            kept.lerp_(new, 1 - decay)
        for kept, new in zip(mean.buffers(), network.buffers(), strict=True):
            kept.copy_(new)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--relation", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    train(arguments)


def train(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    packed = load(arguments.packed)
    teacher = torch.from_numpy(np.load(arguments.teacher)).float()
    rows, held = np.flatnonzero(~packed.held_out), np.flatnonzero(packed.held_out)
    network = Backbone().to(memory_format=torch.channels_last)
    mean = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=0.02)
    elapsed, samples = 0.0, 0
    if arguments.out.exists():
        state = torch.load(arguments.out, weights_only=True)
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        elapsed, samples = state["elapsed"], state["samples"]
    random = np.random.default_rng(arguments.seed + samples)
    saved = reported = elapsed
    cosines: list[float] = []
    begun = time.monotonic()
    for chosen, crops, mirrored in batches(packed, rows, arguments.batch, random):
        progress = elapsed / 60 / arguments.minutes
        if progress >= 1:
            break
        optimiser.param_groups[0]["lr"] = one_cycle(progress, arguments.rate)
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            output = network(to_network(crops))
        loss, cosine = loss_of(output, teacher[chosen, mirrored], arguments.relation)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average_into(mean, network, min(0.998, (1 + samples / arguments.batch) / (10 + samples / arguments.batch)))
        samples += len(crops)
        cosines.append(float(cosine))
        elapsed += time.monotonic() - begun
        begun = time.monotonic()
        if elapsed - reported > 30:
            rate = len(cosines) * arguments.batch / (elapsed - reported)
            mean_cosine = np.mean(cosines)
            console.print(f"{elapsed / 60:6.1f} min {samples:9d} samples  loss {loss.item():.4f}  cosine {mean_cosine:.4f}  {rate:.0f}/s")
            reported, cosines = elapsed, []
        if elapsed - saved > 240:
            save(arguments.out, network, mean, optimiser, elapsed, samples)
            console.print(f"          held-out identities: {validate(mean, packed, held)}")
            saved, begun = elapsed, time.monotonic()
    save(arguments.out, network, mean, optimiser, elapsed, samples)
    print(json.dumps({"minutes": round(elapsed / 60, 1), "samples": samples, **validate(mean, packed, held)}))


def save(path: Path, network: nn.Module, mean: nn.Module, optimiser: torch.optim.Optimizer, elapsed: float, samples: int) -> None:
    """Write a checkpoint so that a kill at any moment leaves a whole one."""
    state = {
        "network": network.state_dict(),
        "mean": mean.state_dict(),
        "optimiser": optimiser.state_dict(),
        "elapsed": elapsed,
        "samples": samples,
    }
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


if __name__ == "__main__":
    main()

"""Probabilistic face embeddings: train how unsure the network is of a face, on a frozen backbone.

    python -m training.pfe PACKED BACKBONE.pt OUT.pt [--kind scalar] [--head HEAD.pt]     # one variance a face; shipped
    python -m training.pfe PACKED BACKBONE.pt OUT.pt --kind full                           # one a dimension; also writes OUT.onnx

Shi and Jain (ICCV 2019): the likelihood that two pictures of one person are of one face is largest when the variances are right; strangers
are not needed. Every picture comes in two views, worsened in one way by two known strengths (``training.worsen``): blur, few pixels,
covers, too little or too much light, noise, compression. Pairs are pictures of one person, never two views of one picture.

scalar: ``training.uncertainty.Uncertainty`` on the pooled features, by AdamW; beside the likelihood, the worse view of a picture has to be
the less sure one. --head puts it into what ``training.drh`` wrote, in place of the one there. full: the paper's module on the last
convolution map, by SGD as in the paper; OUT.onnx takes crops as the shipped network does and gives log_variance and embedding, B x 512
each, for ``evaluation``.

Only people who are not held out train; the held-out ones are measured. A stopped run goes on from OUT.part. The last line printed is JSON.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from edge.records import Pixels
from training import device, export
from training.backbone import Backbone, restore
from training.packed import Packed, load, to_network
from training.stream import stream
from training.uncertainty import (
    POOLED,
    DimensionUncertainty,
    PeopleBatches,
    Uncertainty,
    mated_pairs,
    mutual_likelihood,
    order_loss,
    scalar_loss,
)
from training.worsen import two_views

CONSOLE = Console(stderr=True)
SAVE = 60.0  # seconds
TESTS = 8  # batches of held-out people
STEPS = {"scalar": 240, "full": 3000}
ORDER = 1.0  # weight of the order of two views against the likelihood


class Views:
    """Batches by their number: rows (B), crops of their better views, then of their worse ones (2 B x 112 x 112 x 3), gaps (B)."""

    def __init__(self, packed: Packed, people: PeopleBatches) -> None:
        self._packed, self._people = packed, people

    def __call__(self, step: int) -> tuple[npt.NDArray[np.int64], Pixels, npt.NDArray[np.float32]]:
        rows, random = self._people(step)
        better, worse, gaps = zip(*(two_views(np.asarray(self._packed.crops[row]), random) for row in rows), strict=True)
        return rows, np.stack([*better, *worse]), np.array(gaps, np.float32)


class Likelihood:
    """The loss of a batch of ``people`` x ``pictures``, two views each, for either kind of head."""

    def __init__(self, kind: str, people: int, pictures: int) -> None:
        self._kind = kind
        first, second = mated_pairs(people, pictures)
        offsets = [(a, b) for a in (0, people * pictures) for b in (0, people * pictures)]
        self._first, self._second = (torch.cat([side + pair[n] for pair in offsets]) for n, side in enumerate((first, second)))

    def __call__(self, log: Tensor, embedding: Tensor, rows: Tensor, gaps: Tensor) -> tuple[Tensor, float]:
        """log: 2 B x 1 or x 512. embedding: 2 B x 512 of length 1. The loss, and the share of pictures whose worse view is less sure."""
        first, second = self._first.to(log.device), self._second.to(log.device)
        other = rows.repeat(2)[first] != rows.repeat(2)[second]  # whoever has few pictures comes several times with one
        first, second = first[other], second[other]
        better, worse = log.mean(1).chunk(2)
        ordered = float((worse > better).float().mean())
        if self._kind == "full":
            return -mutual_likelihood(embedding[first], log[first], embedding[second], log[second]).mean(), ordered
        likelihood = scalar_loss(embedding[first], log[first, 0], embedding[second], log[second, 0]).mean()
        return likelihood + ORDER * order_loss(better, worse, gaps).mean(), ordered


@dataclass(frozen=True, eq=False)
class Frozen:
    """A backbone that only computes. kind: of the head; the full one wants the last map, the scalar one the pooled features."""

    backbone: Backbone
    kind: str
    device: torch.device
    precision: torch.dtype

    @torch.no_grad()
    def __call__(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """What the head takes, and the normalised embedding."""
        with device.autocast(self.device, self.precision):
            features = self.backbone.features(to_network(crops, self.device))
            pooled = self.backbone.pool(features)
        embedding = nn.functional.normalize(self.backbone.embed(pooled.float()), dim=1)
        return (features if self.kind == "full" else pooled).float(), embedding


def head_of(kind: str, backbone: Backbone) -> nn.Module:
    """A new head. Raises SystemExit where the backbone's pooled features are not those that the scalar head takes."""
    if kind == "full":
        return DimensionUncertainty(backbone.map_size)
    if backbone.pooled_size != POOLED:
        raise SystemExit(f"{backbone.name}: pools {backbone.pooled_size} features, the scalar head takes {POOLED}; take --kind full")
    return Uncertainty()


def optimiser_of(kind: str, head: nn.Module, rate: float) -> torch.optim.Optimizer:
    if kind == "full":
        return torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    return torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.01)


def rate_at(kind: str, progress: float, rate: float) -> float:
    """The full head's rate drops to a tenth after two thirds, the scalar one's falls in a straight line to nothing."""
    return rate * (0.1 if progress >= 2 / 3 else 1.0) if kind == "full" else rate * (1 - progress)


def train(head: nn.Module, frozen: Frozen, views: Views, likelihood: Likelihood, options: argparse.Namespace, save: float = SAVE) -> None:
    """Train ``head`` in place for the steps of the options, going on from OUT.part, which is written every ``save`` seconds."""
    optimiser = optimiser_of(frozen.kind, head, options.rate)
    draft = options.out.with_suffix(".part")
    begun = resume(draft, head, optimiser, options)
    saved, head = time.monotonic(), head.train()
    batches: Iterator[tuple[Tensor, ...]] = stream(views, begun, options.workers)
    for step in track(range(begun, options.steps), description=f"{frozen.kind} uncertainty", console=CONSOLE):
        rows, crops, gaps = (part.to(frozen.device) for part in next(batches))
        taken, embedding = frozen(crops)
        loss, _ = likelihood(head(taken), embedding, rows, gaps)
        if not torch.isfinite(loss):
            raise SystemExit(f"step {step}: the loss is {loss.item()}; try a lower --rate (now {options.rate:g})")
        optimiser.param_groups[0]["lr"] = rate_at(frozen.kind, step / options.steps, options.rate)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if time.monotonic() - saved > save:
            torch.save({"run": run_of(options), "step": step + 1, "head": head.state_dict(), "optimiser": optimiser.state_dict()}, draft)
            saved = time.monotonic()
    head.eval()


def run_of(options: argparse.Namespace) -> str:
    """What must be the same for a stopped run to go on."""
    names = ("packed", "backbone", "kind", "steps", "people", "pictures", "rate", "seed")
    return json.dumps({name: str(getattr(options, name)) for name in names})


def resume(draft: Path, head: nn.Module, optimiser: torch.optim.Optimizer, options: argparse.Namespace) -> int:
    """The step to begin with. Raises SystemExit where the draft is of another run."""
    if not draft.exists():
        return 0
    state = torch.load(draft, weights_only=True)
    if state["run"] != run_of(options):
        raise SystemExit(f"{draft}: left by another run, {state['run']}; say the same options, remove it, or name another OUT")
    head.load_state_dict(state["head"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


@torch.inference_mode()
def measured(head: nn.Module, frozen: Frozen, views: Views, likelihood: Likelihood) -> dict[str, float]:
    """Of people held out: the loss, the share of pictures whose worse view is the less sure one, and ln s of better and worse views."""
    found = []
    for step in range(TESTS):
        rows, crops, gaps = (torch.as_tensor(part).to(frozen.device) for part in views(step))
        taken, embedding = frozen(crops)
        log = head(taken)
        loss, ordered = likelihood(log, embedding, rows, gaps)
        found.append([float(loss), ordered, *(float(side.mean()) for side in log.chunk(2))])
    names = ("loss", "ordered", "better_view", "worse_view")
    return {name: round(value, 4) for name, value in zip(names, np.mean(found, axis=0).tolist(), strict=True)}


class PfeNetwork(nn.Module):
    """Crops B x 112 x 112 x 3 uint8 -> log_variance, embedding, B x 512 each."""

    def __init__(self, backbone: Backbone, uncertainty: DimensionUncertainty) -> None:
        super().__init__()
        self.backbone, self.uncertainty = backbone, uncertainty

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone.features(export.pictures_to_network(crops))
        embedding = self.backbone.embed(self.backbone.pool(features))
        return self.uncertainty(features), nn.functional.normalize(embedding, dim=1)


def write_onnx(backbone: Backbone, head: DimensionUncertainty, path: Path) -> float:
    """The network with the full head as a file for ``evaluation``; returns the largest difference to PyTorch."""
    example = torch.randint(0, 256, (2, 112, 112, 3), dtype=torch.uint8)
    outputs = {name: {0: "batch"} for name in ("log_variance", "embedding")}
    return export.write(PfeNetwork(backbone.cpu(), head.cpu()), example, path, {"crops": {0: "batch"}}, outputs)


def put_into(path: Path, state: dict[str, Any]) -> None:
    """Exchange the uncertainty in a head of ``training.drh``."""
    head = torch.load(path, weights_only=True, map_location="cpu")
    draft = path.with_suffix(".part")
    torch.save({**head, "uncertainty": state["uncertainty"], "uncertainty_figures": state["figures"]}, draft)
    draft.replace(path)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train, measure, write; what is said of it."""
    where = device.prepare(options)
    packed, backbone = load(options.packed), restore(options.backbone).to(where)
    frozen = Frozen(backbone, options.kind, where, device.precision_of(options.precision, where))
    head = head_of(options.kind, backbone).to(where)
    sides = [
        Views(packed, PeopleBatches(packed.identity, rows[packed.identity[rows] >= 0], options.seed, options.people, options.pictures))
        for rows in (packed.learn, packed.validate)
    ]
    likelihood = Likelihood(options.kind, options.people, options.pictures)
    train(head, frozen, sides[0], likelihood, options)
    figures: dict[str, Any] = {"kind": options.kind, "steps": options.steps, "held_out": measured(head, frozen, sides[1], likelihood)}
    state = {"kind": options.kind, "uncertainty": head.cpu().state_dict(), "figures": json.dumps(figures)}
    torch.save(state, options.out)
    if isinstance(head, DimensionUncertainty):
        figures["difference"] = write_onnx(backbone, head, options.out.with_suffix(".onnx"))
    elif options.head:
        put_into(options.head, state)
    options.out.with_suffix(".part").unlink(missing_ok=True)
    return figures


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("packed", type=Path)
    made.add_argument("backbone", type=Path)
    made.add_argument("out", type=Path)
    made.add_argument("--kind", choices=tuple(STEPS), default="scalar")
    made.add_argument("--head", type=Path, help="what training.drh wrote; its uncertainty is exchanged (scalar)")
    made.add_argument("--steps", type=int, help=f"default: {', '.join(f'{kind} {steps}' for kind, steps in STEPS.items())}")
    made.add_argument("--people", type=int, default=64, help="of a batch")
    made.add_argument("--pictures", type=int, default=2, help="of each of them, in two views")
    made.add_argument("--rate", type=float, default=1e-3)
    made.add_argument("--workers", type=int, default=0, help="processes that make views ahead")
    device.options(made)
    return made


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    options.steps = STEPS[options.kind] if options.steps is None else options.steps
    if options.kind == "full" and options.head:
        parser().error("--head takes the scalar uncertainty; leave out --kind full")
    print(json.dumps(run(options)))


if __name__ == "__main__":
    main()

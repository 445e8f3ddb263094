"""Train the face detector: boxes and five landmarks, anchor-free, about 90,000 parameters.

    python -m training.detector LABELLED OUT.pt --minutes 30

LABELLED comes from ``training.label_faces``. One anchor point per cell at strides 8, 16 and 32; points near a face's centre, on the levels
that fit its size, are positive (FCOS, Tian et al., ICCV 2019). Losses: varifocal for the score with the box's IoU as its target (Zhang
et al., CVPR 2021), GIoU for the box, smooth L1 for the landmarks. Checkpoints and schedule as in ``training.distil``. The last line
printed is JSON.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from training.backbone import convolution
from training.distil import average_into, one_cycle, save
from training.scenes import Labelled, anchor_points, scene_batches

console = Console()
WIDTH = 64
LANDMARK_WEIGHT = 6.0


def separable(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Depthwise 3x3, then 1x1, each with batch normalisation and ReLU."""
    depthwise = nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False), nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)
    )
    return nn.Sequential(depthwise, convolution(inputs, outputs, kernel=1))


class Detector(nn.Module):
    """B x 3 x H x W in -1..1, H and W multiples of 32 -> score logits B x N, boxes B x N x 4, landmarks B x N x 10.

    N runs over strides 8, 16, 32, row by row. Boxes are left, top, right, bottom distances from the anchor point and landmarks
    x, y offsets from it, all in strides.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(3, 16, stride=2), convolution(16, 32, stride=2), convolution(32, WIDTH, stride=2))
        self.fine = nn.Sequential(separable(WIDTH, WIDTH), separable(WIDTH, WIDTH))
        self.middle = nn.Sequential(separable(WIDTH, WIDTH, 2), separable(WIDTH, WIDTH), separable(WIDTH, WIDTH))
        self.coarse = nn.Sequential(separable(WIDTH, WIDTH, 2), separable(WIDTH, WIDTH), separable(WIDTH, WIDTH))
        self.up_middle, self.up_fine = separable(WIDTH, WIDTH), separable(WIDTH, WIDTH)
        self.heads = nn.ModuleList(nn.Sequential(separable(WIDTH, WIDTH), nn.Conv2d(WIDTH, 15, 1)) for _ in range(3))
        for head in self.heads:
            nn.init.constant_(head[1].bias[:1], -4.0)  # type: ignore[index,union-attr,arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.up_middle(middle + nn.functional.interpolate(coarse, scale_factor=2.0, mode="nearest"))
        fine = self.up_fine(fine + nn.functional.interpolate(middle, scale_factor=2.0, mode="nearest"))
        maps = [head(level) for head, level in zip(self.heads, (fine, middle, coarse), strict=True)]
        rows = torch.cat([level.flatten(2).transpose(1, 2) for level in maps], 1)
        return rows[..., 0], nn.functional.softplus(rows[..., 1:5]), rows[..., 5:]


def giou(box: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """P x 4 distances from the same point -> (IoU, generalised IoU; Rezatofighi et al., CVPR 2019)."""
    inner = torch.minimum(box, target)
    outer = torch.maximum(box, target)
    overlap = (inner[:, 0] + inner[:, 2]) * (inner[:, 1] + inner[:, 3])
    area = sum((b[:, 0] + b[:, 2]) * (b[:, 1] + b[:, 3]) for b in (box, target)) - overlap
    hull = (outer[:, 0] + outer[:, 2]) * (outer[:, 1] + outer[:, 3])
    iou = overlap / area.clamp(min=1e-6)
    return iou, iou - (hull - area) / hull.clamp(min=1e-6)


def detection_loss(output: tuple[Tensor, Tensor, Tensor], state: Tensor, boxes: Tensor, landmarks: Tensor) -> Tensor:
    """state: B x N, 1 positive, 0 negative, -1 ignored; boxes and landmarks: targets in strides, valid where positive."""
    scores, predicted, points = (part.float() for part in output)
    positive = state > 0
    iou, generalised = giou(predicted[positive], boxes[positive])
    count = max(int(positive.sum()), 1)
    target = torch.zeros_like(scores)
    target[positive] = iou.detach().clamp(0, 1)
    weight = torch.where(positive, target, 0.75 * scores.sigmoid().detach().square()) * (state >= 0)
    score_loss = (nn.functional.binary_cross_entropy_with_logits(scores, target, reduction="none") * weight).sum() / count
    size = (boxes[positive][:, :2] + boxes[positive][:, 2:]).mean(1, keepdim=True)
    difference = (points[positive] - landmarks[positive]) / size
    landmark_loss = nn.functional.smooth_l1_loss(difference, torch.zeros_like(difference), beta=0.02, reduction="sum") / count
    return score_loss + 2 * (1 - generalised).sum() / count + LANDMARK_WEIGHT * landmark_loss


@torch.inference_mode()
def validate(network: nn.Module, labelled: Labelled, rows: np.ndarray, size: int = 320) -> dict[str, float]:
    """On unchanged held-out pictures: share whose best point lies on the central face, and the median landmark error in eye distances."""
    network.eval()
    points, strides = anchor_points(size)
    found, errors = 0, []
    for row in rows:
        canvas = np.zeros((size, size, 3), np.uint8)
        image = labelled.images[row]
        canvas[: image.shape[0], : image.shape[1]] = image
        scores, _, landmarks = network(((torch.from_numpy(canvas).float() - 127.5) / 127.5).permute(2, 0, 1)[None])
        best = int(scores[0].argmax())
        face = labelled.faces[row][0]
        here = landmarks[0, best].numpy().reshape(5, 2) * strides[best] + points[best]
        truth = face[5:].reshape(5, 2)
        error = np.linalg.norm(here - truth, axis=1).mean() / np.linalg.norm(truth[0] - truth[1])
        found += bool(scores[0, best] > 0 and error < 0.5)
        errors.append(error)
    return {"found": round(found / len(rows), 4), "landmark_error_of_eye_distance": round(float(np.median(errors)), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path, help="begin a new cycle from the averaged weights of this checkpoint")
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    labelled = Labelled.load(arguments.labelled)
    rows = np.array([row for row, faces in enumerate(labelled.faces) if len(faces)])
    held, trained = rows[::20], np.setdiff1d(rows, rows[::20])
    network = Detector().to(memory_format=torch.channels_last)
    mean = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=arguments.rate, weight_decay=0.01)
    elapsed, samples = 0.0, 0
    if arguments.start and not arguments.out.exists():
        for part in (network, mean):
            part.load_state_dict(torch.load(arguments.start, weights_only=True)["mean"])
    if arguments.out.exists():
        state = torch.load(arguments.out, weights_only=True)
        network.load_state_dict(state["network"])
        mean.load_state_dict(state["mean"])
        optimiser.load_state_dict(state["optimiser"])
        elapsed, samples = state["elapsed"], state["samples"]
    console.print(f"{sum(p.numel() for p in network.parameters())} parameters, {len(trained)} pictures, {len(held)} held out")
    reported = saved = elapsed
    losses: list[float] = []
    begun = time.monotonic()
    for canvases, state_map, boxes, landmarks in scene_batches(
        labelled, trained, arguments.batch, np.random.default_rng(arguments.seed + samples)
    ):
        progress = elapsed / 60 / arguments.minutes
        if progress >= 1:
            break
        optimiser.param_groups[0]["lr"] = one_cycle(progress, arguments.rate)
        network.train()
        batch = ((torch.from_numpy(canvases).float() - 127.5) / 127.5).permute(0, 3, 1, 2)
        with torch.autocast("cpu", torch.bfloat16):
            output = network(batch)
        loss = detection_loss(output, *(torch.from_numpy(part) for part in (state_map, boxes, landmarks)))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average_into(mean, network, min(0.998, (1 + samples / arguments.batch) / (10 + samples / arguments.batch)))
        samples += len(canvases)
        losses.append(float(loss))
        elapsed += time.monotonic() - begun
        begun = time.monotonic()
        if elapsed - reported > 30:
            rate = len(losses) * arguments.batch / (elapsed - reported)
            console.print(f"{elapsed / 60:6.1f} min {samples:9d} samples  loss {np.mean(losses):.4f}  {rate:.0f}/s")
            reported, losses = elapsed, []
        if elapsed - saved > 180:
            save(arguments.out, network, mean, optimiser, elapsed, samples)
            console.print(f"          held-out pictures: {validate(mean, labelled, held)}")
            saved, begun = elapsed, time.monotonic()
    save(arguments.out, network, mean, optimiser, elapsed, samples)
    print(json.dumps({"minutes": round(elapsed / 60, 1), "samples": samples, **validate(mean, labelled, held)}))


if __name__ == "__main__":
    main()

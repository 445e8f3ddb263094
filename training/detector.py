"""Train the face detector: boxes and five landmarks, anchor-free, about 90,000 parameters.

    python -m training.detector LABELLED OUT.pt --minutes 30

LABELLED comes from ``training.label_faces``. One anchor point per cell at strides 8, 16 and 32; points near a face's centre, on the levels
that fit its size, are positive (FCOS, Tian et al., ICCV 2019). Losses: varifocal for the score with the box's IoU as its target (Zhang
et al., CVPR 2021), GIoU for the box, smooth L1 for the landmarks. Checkpoints and schedule as in ``training.stage1``. The last line
printed is JSON.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training import device
from training.backbones.layers import convolution
from training.cycle import Cycle, options
from training.packed import to_network
from training.scenes import Labelled, anchor_points, scene_batch
from training.stream import stream

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
        levels = [head[0](level) for head, level in zip(self.heads, (fine, middle, coarse), strict=True)]
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round landmarks to a hundredth of their distance
            maps = [head[1](level.float()) for head, level in zip(self.heads, levels, strict=True)]
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
    where = next(network.parameters()).device
    points, strides = anchor_points(size)
    found, errors = 0, []
    for row in rows:
        canvas = np.zeros((size, size, 3), np.uint8)
        image = labelled.images[row]
        canvas[: image.shape[0], : image.shape[1]] = image
        scores, _, landmarks = (part.cpu() for part in network(to_network(canvas[None], where)))
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
    options(parser, minutes=30, batch=24, rate=4e-3)
    train(parser.parse_args())


def train(arguments: argparse.Namespace) -> None:
    device.prepare(arguments)
    labelled = Labelled.load(arguments.labelled)
    rows = np.array([row for row, faces in enumerate(labelled.faces) if len(faces)], np.int64)
    held, trained = rows[::20], np.setdiff1d(rows, rows[::20])
    if not len(trained):
        raise SystemExit(f"{arguments.labelled}: {len(rows)} pictures with a sure face in the middle; two at least are needed")
    cycle = Cycle(Detector(), arguments, decay=0.01, validate=lambda mean: validate(mean, labelled, held))

    def batch(step: int) -> tuple[np.ndarray, ...]:
        return scene_batch(labelled, trained, arguments.batch, np.random.default_rng((arguments.seed, step)))

    for canvases, *aims in stream(batch, cycle.steps, arguments.workers, cycle.device.type == "cuda"):
        if cycle.over:
            break
        with cycle.autocast():
            output = cycle.network(to_network(canvases, cycle.device))
        cycle.learn(detection_loss(output, *(aim.to(cycle.device) for aim in aims)), len(canvases))
    cycle.finish()


if __name__ == "__main__":
    main()

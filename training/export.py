"""Write the shipped networks: one ONNX file and one manifest each.

    python -m training.export drh BACKBONE.pt HEAD.pt models/drh.onnx --facts facts.json
    python -m training.export detector DETECTOR.pt models/detector.onnx --facts facts.json

Inputs are uint8 BGR pictures as the camera gives them; the normalisation is part of the graph. Names, shapes and golden vectors are
read off the written file, which must agree with PyTorch. The last line printed is JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from edge.inference.make import describe
from edge.inference.manifest import CodeSize, write_manifest
from edge.template.tail import fit_tail
from training.backbone import Backbone, restore
from training.detector import Detector
from training.drh import Uncertainty

OPSET = 17
TOLERANCE = 2e-3


def pictures_to_network(pictures: Tensor) -> Tensor:
    """B x H x W x 3 uint8 -> B x 3 x H x W in -1..1."""
    return (pictures.permute(0, 3, 1, 2).float() - 127.5) * (1 / 127.5)


class HashNetwork(nn.Module):
    """Crops -> logits, log_variance, embedding."""

    def __init__(self, backbone: Backbone, projection: nn.Linear, uncertainty: Uncertainty) -> None:
        super().__init__()
        self.backbone, self.projection, self.uncertainty = backbone, projection, uncertainty

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pooled = self.backbone.pooled(pictures_to_network(crops))
        embedding = nn.functional.normalize(self.backbone.embed(pooled), dim=1)
        return self.projection(embedding), self.uncertainty(pooled), embedding


class DetectNetwork(nn.Module):
    """Picture -> scores, boxes, landmarks."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores, boxes, landmarks = self.detector(pictures_to_network(image))
        return scores.sigmoid(), boxes, landmarks


def write(network: nn.Module, example: Tensor, path: Path, inputs: dict[str, dict[int, str]], outputs: dict[str, dict[int, str]]) -> float:
    """Export and run the file; returns the largest difference to PyTorch. Raises SystemExit when they disagree."""
    network.eval()
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes={**inputs, **outputs},
        opset_version=OPSET,
        dynamo=False,
    )
    with torch.inference_mode():
        expected = network(example)
    state_shapes(path, {name: tuple(part.shape) for name, part in zip(outputs, expected, strict=True)}, outputs)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(outputs), {next(iter(inputs)): example.numpy()})
    worst = max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected, found, strict=True))
    if worst > TOLERANCE:
        raise SystemExit(f"{path}: onnxruntime differs from PyTorch by {worst:.2g}, more than {TOLERANCE}; do not ship this file")
    return worst


def state_shapes(path: Path, shapes: dict[str, tuple[int, ...]], free: dict[str, dict[int, str]]) -> None:
    """Write into the file the output sizes that do not vary; the exporter leaves some of them open."""
    model = onnx.load(str(path))
    for output in model.graph.output:
        for axis, (dimension, size) in enumerate(zip(output.type.tensor_type.shape.dim, shapes[output.name], strict=True)):
            if axis not in free[output.name]:
                dimension.dim_value = size
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def export_hash(arguments: argparse.Namespace) -> dict[str, object]:
    backbone = restore(arguments.network)
    head = torch.load(arguments.head, weights_only=True)
    m, q = head["m"], head["q"]
    projection, uncertainty = nn.Linear(512, m * q), Uncertainty()
    projection.load_state_dict(head["projection"])
    uncertainty.load_state_dict(head["uncertainty"])
    example = torch.randint(0, 256, (2, 112, 112, 3), dtype=torch.uint8)
    names = {name: {0: "batch"} for name in ("logits", "log_variance", "embedding")}
    worst = write(HashNetwork(backbone, projection, uncertainty), example, arguments.out, {"crops": {0: "batch"}}, names)
    facts = {**json.loads(arguments.facts.read_text()), "projection": head["kept"], "held_out": json.loads(head["figures"])}
    people = head["non_mated_people"].numpy() if "non_mated_people" in head else None
    tail = fit_tail(head["non_mated"].numpy().astype(np.int64), m, people=people)
    write_manifest(
        describe(arguments.out, "hash", facts=facts, code=CodeSize(m=m, q=q), non_mated=tail), arguments.out.with_suffix(".json")
    )
    return {"file": str(arguments.out), "difference": worst, "bytes": arguments.out.stat().st_size}


def export_detector(arguments: argparse.Namespace) -> dict[str, object]:
    detector = Detector()
    detector.load_state_dict(torch.load(arguments.network, weights_only=True)["mean"])
    example = torch.randint(0, 256, (1, 256, 320, 3), dtype=torch.uint8)
    names = {name: {0: "batch", 1: "cells"} for name in ("scores", "boxes", "landmarks")}
    worst = write(DetectNetwork(detector), example, arguments.out, {"image": {0: "batch", 1: "height", 2: "width"}}, names)
    facts = {**json.loads(arguments.facts.read_text()), "parameters": sum(p.numel() for p in detector.parameters())}
    write_manifest(describe(arguments.out, "detect", facts=facts, size=320), arguments.out.with_suffix(".json"))
    return {"file": str(arguments.out), "difference": worst, "bytes": arguments.out.stat().st_size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("drh", "detector"):
        sub = kinds.add_parser(kind)
        sub.add_argument("network", type=Path)
        if kind == "drh":
            sub.add_argument("head", type=Path)
        sub.add_argument("out", type=Path)
        sub.add_argument("--facts", type=Path, required=True, help="JSON: where the network came from; kept in the manifest")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    print(json.dumps(export_hash(arguments) if arguments.kind == "drh" else export_detector(arguments)))


if __name__ == "__main__":
    main()

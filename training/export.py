"""Write the shipped networks: one ONNX file and one manifest each.

    python -m training.export drh BACKBONE HEAD.pt models/drh.onnx --facts facts.json [--description FILE]
    python -m training.export detector DETECTOR.pt models/detector.onnx --facts facts.json

BACKBONE is a checkpoint of ours (.pt) or a pre-built face network (.onnx) with its description (``training.prebuilt``), which is joined
with its preprocessing in front and the head behind into one graph.

Inputs are uint8 BGR pictures as the camera gives them; the normalisation is part of the graph. Names, shapes and golden vectors are
read off the written file, which must agree with PyTorch. The last line printed is JSON.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from training.features import digest
from training.prebuilt import OPSET, Embedder, embedder_graph, graph_of, joined, read_description
from training.uncertainty import Uncertainty

TOLERANCE = 2e-3
OUTPUTS = ("logits", "log_variance", "embedding")


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


class HeadNetwork(nn.Module):
    """What stands behind a pre-built network: its embedding (and pooled features) -> logits, log_variance, embedding.

    uncertainty: told from ``pooled``, else from the embedding before it is normalised; None: every face's log_variance is 0.
    """

    def __init__(self, projection: nn.Linear, uncertainty: Uncertainty | None) -> None:
        super().__init__()
        self.projection, self.uncertainty = projection, uncertainty

    def forward(self, raw: Tensor, pooled: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        raw = raw.flatten(1)
        embedding = nn.functional.normalize(raw, dim=1)
        if self.uncertainty is None:
            return self.projection(embedding), 0 * raw[:, :1], embedding
        return self.projection(embedding), self.uncertainty(raw if pooled is None else pooled.flatten(1)), embedding


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
    return difference(path, next(iter(inputs)), example.numpy(), dict(zip(outputs, expected, strict=True)))


def difference(path: Path, name: str, example: np.ndarray, expected: Mapping[str, Tensor]) -> float:
    """How far onnxruntime is from what PyTorch gives, at most. Raises SystemExit when that is more than rounding."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(list(expected), {name: example})
    worst = max(float(np.abs(a.numpy() - b).max()) for a, b in zip(expected.values(), found, strict=True))
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


def read_head(path: Path) -> tuple[dict[str, Any], nn.Linear, Uncertainty | None]:
    """What ``training.drh`` wrote."""
    head = torch.load(path, weights_only=True)
    projection = nn.Linear(head.get("width", 512), head["m"] * head["q"])
    projection.load_state_dict(head["projection"])
    if "uncertainty" not in head:
        return head, projection, None
    uncertainty = Uncertainty()
    uncertainty.load_state_dict(head["uncertainty"])
    return head, projection.eval(), uncertainty.eval()


def write_prebuilt(network: Path, description: Path | None, head: HeadNetwork, path: Path) -> float:
    """Join a pre-built network and a head, and run the file; returns the largest difference to PyTorch on the network's features.

    Raises SystemExit when they disagree, or when head and network do not fit.
    """
    told = read_description(network, description)
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    pooled, raw = Embedder(network, told, 1).raw(crops)
    if raw.shape[1] != head.projection.in_features:
        raise SystemExit(f"{network}: gives {raw.shape[1]} numbers, the head takes {head.projection.in_features}; train it on its features")
    given = {"raw": torch.from_numpy(raw), **({"pooled": torch.from_numpy(pooled)} if told.pooled and head.uncertainty is not None else {})}
    with tempfile.TemporaryDirectory() as scratch, torch.inference_mode():
        front = embedder_graph(network, told, Path(scratch))
        behind = graph_of(head, tuple(given.values()), [f"{name}_in" for name in given], OUTPUTS, Path(scratch) / "head.onnx")
        expected = head.eval()(*given.values())
    onnx.save(joined(front, behind, [(name, f"{name}_in") for name in given], OUTPUTS), str(path))
    free = {name: {0: "batch"} for name in OUTPUTS}
    state_shapes(path, {name: tuple(part.shape) for name, part in zip(OUTPUTS, expected, strict=True)}, free)
    return difference(path, "crops", crops, dict(zip(OUTPUTS, expected, strict=True)))


def export_hash(arguments: argparse.Namespace) -> dict[str, object]:
    head, projection, uncertainty = read_head(arguments.head)
    backbone = digest(arguments.network)
    if head.get("backbone") and head["backbone"] != backbone:
        raise SystemExit(f"{arguments.head}: was trained on features of another backbone than {arguments.network}; name that one")
    if arguments.network.suffix == ".onnx":
        worst = write_prebuilt(arguments.network, arguments.description, HeadNetwork(projection, uncertainty), arguments.out)
    else:
        worst = write_own(arguments.network, projection, uncertainty, arguments.out)
    m, q = head["m"], head["q"]
    facts = {**json.loads(arguments.facts.read_text()), "projection": head["kept"], "held_out": json.loads(head["figures"])}
    facts |= {"backbone": backbone, "recipe": json.loads(head.get("recipe", "null"))}
    people = head["non_mated_people"].numpy() if "non_mated_people" in head else None
    tail = fit_tail(head["non_mated"].numpy().astype(np.int64), m, people=people)
    write_manifest(
        describe(arguments.out, "hash", facts=facts, code=CodeSize(m=m, q=q), non_mated=tail, single=tail),
        arguments.out.with_suffix(".json"),
    )
    return {"file": str(arguments.out), "difference": worst, "bytes": arguments.out.stat().st_size}


def write_own(checkpoint: Path, projection: nn.Linear, uncertainty: Uncertainty | None, path: Path) -> float:
    """One of our backbones and a head as one file; returns the largest difference to PyTorch. Raises SystemExit."""
    if uncertainty is None:
        raise SystemExit(f"{checkpoint}: its head has no uncertainty; train one with training.drh on this backbone's features")
    backbone = restore(checkpoint)
    example = torch.randint(0, 256, (2, 112, 112, 3), dtype=torch.uint8)
    outputs = {name: {0: "batch"} for name in OUTPUTS}
    return write(HashNetwork(backbone, projection, uncertainty), example, path, {"crops": {0: "batch"}}, outputs)


def export_detector(arguments: argparse.Namespace) -> dict[str, object]:
    detector = Detector()
    detector.load_state_dict(torch.load(arguments.network, weights_only=True)["mean"])
    example = torch.randint(0, 256, (1, 256, 320, 3), dtype=torch.uint8)
    names = {name: {0: "batch", 1: "cells"} for name in ("scores", "boxes", "landmarks")}
    worst = write(DetectNetwork(detector), example, arguments.out, {"image": {0: "batch", 1: "height", 2: "width"}}, names)
    facts = {**json.loads(arguments.facts.read_text()), "parameters": sum(p.numel() for p in detector.parameters())}
    write_manifest(describe(arguments.out, "detect", facts=facts, size=320), arguments.out.with_suffix(".json"))
    return {"file": str(arguments.out), "difference": worst, "bytes": arguments.out.stat().st_size}


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("drh", "detector"):
        sub = kinds.add_parser(kind)
        sub.add_argument("network", type=Path)
        if kind == "drh":
            sub.add_argument("head", type=Path)
            sub.add_argument("--description", type=Path, help="of a pre-built network (default: NETWORK.json beside it)")
        sub.add_argument("out", type=Path)
        sub.add_argument("--facts", type=Path, required=True, help="JSON: where the network came from; kept in the manifest")
    arguments = parser.parse_args(words)
    torch.manual_seed(0)
    print(json.dumps(export_hash(arguments) if arguments.kind == "drh" else export_detector(arguments)))


if __name__ == "__main__":
    main()

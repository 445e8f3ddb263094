"""From a shipped ONNX network back to weights that can be trained on: so that a door's owner goes on from ours, on data of their own.

    python -m training.warm hash models/drh.onnx PACKED OUT.pt
    python -m training.warm detector models/detector.onnx LABELLED OUT.pt

Export folds every batch normalisation into the convolution before it. This unfolds them: statistics are measured on the given data, and
scale and shift chosen so that the network computes what it did (checked). Convolutions are scaled to the norm at which training begins;
behind a normalisation that changes nothing but how far a step goes. OUT.pt serves as ``--start`` of ``training.stage1`` and
``training.detector``, and with its projection as ``--codes`` of the former. It is also a backbone for ``training.features``, whose heads
``evaluation.sizes`` and ``training.export`` take for those of the shipped network; its own uncertainty goes on in them by ``--uncertainty``
of ``training.drh``. The last line printed is JSON.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper
import torch
from torch import Tensor, nn

from edge.inference import read_manifest
from training.backbone import DEFAULT, NAMES, TAKEN_FROM, make
from training.detector import Detector
from training.packed import centres, load, to_network
from training.scenes import Labelled

SAMPLES = 512  # pictures that the statistics come from
NORM = 0.577  # of a filter as PyTorch draws it: uniform within 1/sqrt(inputs)
TOLERANCE = 1e-3  # of the outputs' spread


Weights = npt.NDArray[np.float32]


def layers_in_order(network: nn.Module, example: Tensor) -> list[nn.Module]:
    """Convolutions, linear layers and batch normalisations in the order in which they compute, which is that of the exported graph."""
    order: list[nn.Module] = []
    hooks = [
        module.register_forward_hook(lambda module, inputs, output: order.append(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm)
    ]
    with torch.inference_mode():
        network.eval()(example)
    for hook in hooks:
        hook.remove()
    return order


def graph_weights(path: Path) -> list[tuple[str, list[Weights]]]:
    """Operator and constant inputs of every layer with weights, in the graph's order."""
    graph = onnx.load(str(path)).graph
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    kinds = ("Conv", "MatMul", "Gemm", "BatchNormalization")
    rows = [(node.op_type, [constants[name] for name in node.input if name in constants]) for node in graph.node if node.op_type in kinds]
    return [(kind, [np.asarray(part, np.float32) for part in parts]) for kind, parts in rows]


def pour(layers: list[nn.Module], rows: list[tuple[str, list[Weights]]]) -> list[tuple[nn.Module, nn.Module]]:
    """Write the graph's weights into the layers; returns the pairs (convolution, normalisation) that the export had folded.

    Raises SystemExit where the graph is not the network's.
    """
    folded = []
    remaining = iter(rows)
    previous: nn.Module | None = None
    kind, parts = "", list[Weights]()
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.modules.batchnorm._BatchNorm) and isinstance(previous, nn.Conv2d):
                _identity(layer, parts[1])
                folded.append((previous, layer))
            else:
                kind, parts = next(remaining, ("nothing", []))
                _fill(layer, kind, parts)
            previous = layer
    return folded


def _identity(layer: nn.modules.batchnorm._BatchNorm, bias: Weights) -> None:
    """A normalisation that only adds ``bias``."""
    layer.running_mean.zero_()  # type: ignore[union-attr]
    layer.running_var.fill_(1 - layer.eps)  # type: ignore[union-attr]
    layer.weight.fill_(1)
    layer.bias.copy_(torch.from_numpy(bias.copy()))


def _fill(layer: nn.Module, kind: str, parts: list[Weights]) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    for name, part in zip(names, parts, strict=False):
        target = getattr(layer, name)
        if target is None:  # the bias of a folded convolution stands in the normalisation
            continue
        value = torch.from_numpy(part.T.copy() if kind == "MatMul" else part.copy())
        if value.shape != target.shape:
            raise SystemExit(
                f"{type(layer).__name__} of {tuple(target.shape)} meets {kind} of {tuple(value.shape)}: not this network's file"
            )
        target.copy_(value)
    if not parts:
        raise SystemExit(f"{type(layer).__name__}: the file has {kind} in its place; was it exported by this version?")


@torch.inference_mode()
def unfold(network: nn.Module, folded: list[tuple[nn.Module, nn.Module]], batches: list[Tensor]) -> None:
    """Give every folded normalisation the statistics of ``batches``, and scale and shift that leave the network as it was."""
    sums = {conv: [torch.zeros(()).double()] * 3 for conv, _ in folded}

    def note(module: nn.Module, inputs: object, output: Tensor) -> None:
        values = output.double().transpose(0, 1).flatten(1)
        for place, part in enumerate((torch.tensor(values.shape[1]), values.sum(1), values.square().sum(1))):
            sums[module][place] = sums[module][place] + part

    hooks = [conv.register_forward_hook(note) for conv, _ in folded]
    for batch in batches:
        network.eval()(batch)
    for hook in hooks:
        hook.remove()
    for conv, norm in folded:
        count, total, squares = sums[conv]
        mean = total / count
        variance = (squares / count - mean**2).clamp(min=1e-6)
        scale = NORM / conv.weight.flatten(1).norm(dim=1).clamp(min=1e-6)
        conv.weight.mul_(scale.view(-1, 1, 1, 1))
        norm.running_mean.copy_(mean * scale)
        norm.running_var.copy_(variance * scale.double() ** 2)
        norm.bias.add_(mean.float())
        norm.weight.copy_((norm.running_var + norm.eps).sqrt() / scale)


def warm(network: nn.Module, path: Path, batches: list[Tensor]) -> tuple[nn.Module, float]:
    """The network with the file's weights, ready to be trained on; and by how much unfolding changed it, in shares of the outputs' spread.

    Raises SystemExit when it changed more than rounding does.
    """
    layers = layers_in_order(network, batches[0][:1])
    folded = pour(layers, graph_weights(path))
    with torch.inference_mode():
        before = network(batches[0])
        unfold(network, folded, batches)
        after = network(batches[0])
    parts = list(zip(before, after, strict=True)) if isinstance(before, tuple) else [(before, after)]
    worst = max(float((a - b).abs().max() / a.std()) for a, b in parts)
    if worst > TOLERANCE:
        raise SystemExit(f"{path}: unfolded weights change the outputs by {worst:.2g} of their spread; the data may be empty pictures")
    return network, worst


def head_of(path: Path) -> dict[str, Any]:
    """Of a shipped network: its rank-hash projection and size, as ``--codes`` of training.stage1 wants them, its uncertainty head, and the
    name that its manifest gives the backbone ("" where it gives none). Raises SystemExit.
    """
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer}
    manifest = read_manifest(path.with_suffix(".json"))
    code = manifest.code
    if code is None or "projection.weight" not in constants:
        raise SystemExit(f"{path}: holds no projection; a hash network exported by training.export is wanted")
    parts = {part: _named(constants, part) for part in ("projection", "uncertainty")}
    return {**parts, "m": code.m, "q": code.q, TAKEN_FROM: str(manifest.facts.get("backbone", ""))}


def _named(constants: dict[str, Weights], part: str) -> dict[str, Tensor]:
    """The state of one part of the network by the names that its weights have in the file."""
    return {
        name.removeprefix(f"{part}."): torch.from_numpy(value.copy()) for name, value in constants.items() if name.startswith(f"{part}.")
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("hash", "detector"))
    parser.add_argument("network", type=Path)
    parser.add_argument("data", type=Path, help="what training.pack or training.label_faces wrote")
    parser.add_argument("out", type=Path)
    parser.add_argument("--backbone", choices=[name for name in NAMES if "prelu" not in name], default=DEFAULT, help="of a hash network")
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    if arguments.kind == "hash":
        packed = load(arguments.data)
        rows = np.sort(random.permutation(np.flatnonzero(~packed.held_out))[:SAMPLES])
        pictures = centres(np.asarray(packed.crops[rows]))
    else:
        images = Labelled.load(arguments.data).images
        rows = np.sort(random.permutation(len(images))[: SAMPLES // 4])
        pictures = np.zeros((len(rows), 256, 256, 3), np.uint8)
        pictures[:, : images.shape[1], : images.shape[2]] = images[rows]
    batches = [to_network(pictures[start : start + 64]) for start in range(0, len(pictures), 64)]
    network, change = warm(make(arguments.backbone) if arguments.kind == "hash" else Detector(), arguments.network, batches)
    facts = {"backbone": arguments.backbone, **head_of(arguments.network)} if arguments.kind == "hash" else {}
    torch.save({**facts, "mean": network.state_dict()}, arguments.out)
    print(json.dumps({"kind": arguments.kind, "pictures": len(pictures), "change": change}))


if __name__ == "__main__":
    main()

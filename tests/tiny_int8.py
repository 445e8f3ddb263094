"""A small hash network with one of everything: first layer, residual Add, depthwise layer, last layers; and its Q/DQ form."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from calibration.graph import Graph, activations, prepare
from calibration.qdq import quantised
from calibration.ranges import Observer, Ranges
from edge.inference import load_network
from edge.inference.make import describe
from edge.inference.manifest import CodeSize, write_manifest
from edge.template.tail import NonMatedTail

M, Q, CHANNELS = 64, 4, 8
TOLD_BY = 12
TAIL = NonMatedTail(m=M, pairs=100_000, tail_at=30.5, tail_share=0.01, shape=0.0, scale=1.5)


def network(path: Path) -> Path:
    """crops -> logits (64 symbols of 4) and log_variance; writes the manifest too and returns its path."""
    random, node = np.random.default_rng(7), helper.make_node

    def conv(name: str, source: str, kernel: int = 3, **more: int | list[int]) -> onnx.NodeProto:
        return node("Conv", [source, f"{name}_w", f"{name}_b"], [f"{name}_out"], name, kernel_shape=[kernel, kernel], **more)

    nodes = [
        node("Transpose", ["crops"], ["turned"], "turn", perm=[0, 3, 1, 2]),
        node("Cast", ["turned"], ["numbers"], "cast", to=TensorProto.FLOAT),
        node("Mul", ["numbers", "small"], ["scaled"], "scale"),
        conv("first", "scaled", 8, strides=[8, 8]),
        node("Relu", ["first_out"], ["a"], "relu_a"),
        conv("inner", "a", pads=[1, 1, 1, 1]),
        node("Relu", ["inner_out"], ["b"], "relu_b"),
        conv("outer", "b", pads=[1, 1, 1, 1]),
        node("Add", ["a", "outer_out"], ["sum"], "residual"),
        node("Relu", ["sum"], ["c"], "relu_c"),
        conv("deep", "c", group=CHANNELS, pads=[1, 1, 1, 1]),
        node("Relu", ["deep_out"], ["d"], "relu_d"),
        node("AveragePool", ["d"], ["pooled"], "pool", kernel_shape=[7, 7], strides=[7, 7]),
        node("Flatten", ["pooled"], ["flat"], "flatten"),
        node("Gemm", ["flat", "logits_w", "logits_b"], ["logits"], "project", transB=1),
        node("Gemm", ["flat", "variance_w", "variance_b"], ["log_variance"], "uncertain", transB=1),
    ]
    shapes = {"first_w": (CHANNELS, 3, 8, 8), "inner_w": (CHANNELS, CHANNELS, 3, 3), "outer_w": (CHANNELS, CHANNELS, 3, 3)}
    shapes |= {"deep_w": (CHANNELS, 1, 3, 3), "logits_w": (M * Q, 4 * CHANNELS), "variance_w": (1, 4 * CHANNELS)}
    weights = {name: (random.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32) for name, shape in shapes.items()}
    weights["deep_w"] *= np.geomspace(1, 100, CHANNELS, dtype=np.float32).reshape(-1, 1, 1, 1)
    weights["logits_w"] /= np.repeat(np.geomspace(1, 100, CHANNELS, dtype=np.float32), 4)
    weights |= {name.replace("_w", "_b"): random.normal(size=shape[0]).astype(np.float32) for name, shape in shapes.items()}
    weights["logits_b"] *= 0
    weights["small"] = np.array(1 / 128, np.float32)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["B", 112, 112, 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["B", w]) for n, w in (("logits", M * Q), ("log_variance", 1))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    write_manifest(describe(path, "hash", facts={}, code=CodeSize(m=M, q=Q), non_mated=TAIL), path.with_suffix(".json"))
    return path.with_suffix(".json")


def telling_apart(path: Path) -> Path:
    """The same network with a projection along the twelve directions in which ``quadrants`` differ most, so that any two of them get
    different codes. Writes the manifest too and returns its path."""
    logits = load_network(network(path)).infer(quadrants(200, 1), ("logits",))["logits"]
    model = onnx.load(path)
    stored = {one.name: one for one in model.graph.initializer}
    features = logits @ np.linalg.pinv(numpy_helper.to_array(stored["logits_w"])).T
    middle = features.mean(axis=0)
    _, spread, directions = np.linalg.svd(features - middle, full_matrices=False)
    random = np.random.default_rng(3).normal(size=(M * Q, TOLD_BY))
    weights = (random / spread[:TOLD_BY] * np.sqrt(len(logits))) @ directions[:TOLD_BY]
    for name, value in (("logits_w", weights), ("logits_b", -weights @ middle)):
        stored[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
    path.write_bytes(model.SerializeToString())
    tail = NonMatedTail(m=M, pairs=100_000, tail_at=20.5, tail_share=0.01, shape=0.0, scale=1.5)
    write_manifest(describe(path, "hash", facts={}, code=CodeSize(m=M, q=Q), non_mated=tail), path.with_suffix(".json"))
    return path.with_suffix(".json")


def quadrants(count: int, seed: int = 0) -> np.ndarray:
    """Pictures of four colours, one in each quarter, N x 112 x 112 x 3 uint8."""
    colours = np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3))
    return colours.repeat(56, 1).repeat(56, 2).astype(np.uint8)


def crops(count: int, seed: int = 0) -> np.ndarray:
    """Coarse random pictures, N x 112 x 112 x 3 uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 14, 14, 3))
    return coarse.repeat(8, 1).repeat(8, 2).astype(np.uint8)


def observed(folder: Path) -> tuple[Graph, Observer]:
    """The simplified network, and an observer that has seen 32 pictures."""
    network(folder / "tiny.onnx")
    graph = prepare(folder / "tiny.onnx")
    observer = Observer(graph.model, activations(graph, graph.layers))
    observer.see([crops(16), crops(16, 1)])
    return graph, observer


def tensorrt_form(folder: Path) -> onnx.ModelProto:
    """The sound Q/DQ network."""
    graph, observer = observed(folder)
    ranges: Ranges = observer.ranges("minmax")
    return quantised(graph, graph.layers, ranges, "tensorrt")

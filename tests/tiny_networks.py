"""Networks in one screen each, as training exports them: for tests of what opens, builds and runs networks."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.inference import write_manifest
from edge.inference.make import describe
from edge.inference.manifest import CodeSize
from edge.template.tail import NonMatedTail

M, Q = 8, 4
TAIL = NonMatedTail(m=M, pairs=100_000, tail_at=4.5, tail_share=0.01, shape=0.0, scale=0.5)


def save(path: Path, nodes: list, inputs: dict, outputs: dict, weights: dict) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def hash_file(path: Path, seed: int = 0, crops: str = "crops") -> Path:
    """A hash network in one screen: mean colour -> 32 logits and one log variance."""
    random = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Cast", [crops], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["colour", "w"], ["logits"]),
        helper.make_node("MatMul", ["colour", "v"], ["log_variance"]),
    ]
    weights = {"w": random.normal(size=(3, M * Q)).astype(np.float32), "v": random.normal(size=(3, 1)).astype(np.float32)}
    return save(path, nodes, {crops: ["B", 112, 112, 3]}, {"logits": ["B", M * Q], "log_variance": ["B", 1]}, weights)


def detector_file(path: Path) -> Path:
    """A detector that gives every 32 x 32 block its mean brightness: shapes as agreed, one cell a block."""
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["blocks"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Reshape", ["blocks", "flat"], ["cells"]),
        helper.make_node("Transpose", ["cells"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["rows", "s"], ["one"]),
        helper.make_node("Squeeze", ["one", "last"], ["scores"]),
        helper.make_node("MatMul", ["rows", "b"], ["boxes"]),
        helper.make_node("MatMul", ["rows", "l"], ["landmarks"]),
    ]
    weights = {"s": np.full((3, 1), 1 / 765, np.float32), "b": np.ones((3, 4), np.float32), "l": np.ones((3, 10), np.float32)}
    weights |= {"flat": np.array([0, 3, -1]), "last": np.array([2])}
    return save(
        path, nodes, {"image": ["B", "H", "W", 3]}, {"scores": ["B", "N"], "boxes": ["B", "N", 4], "landmarks": ["B", "N", 10]}, weights
    )


def ship_hash(folder: Path, seed: int = 0) -> Path:
    """A hash network as training ships it: file and manifest; the manifest's path."""
    network = hash_file(folder / "tiny.onnx", seed)
    manifest = describe(network, "hash", code=CodeSize(m=M, q=Q), non_mated=TAIL, facts={"trained_on": "nothing", "accuracy": 0.5})
    write_manifest(manifest, network.with_suffix(".json"))
    return network.with_suffix(".json")


def ship_detector(folder: Path) -> Path:
    """Likewise a detector."""
    network = detector_file(folder / "eyes.onnx")
    write_manifest(describe(network, "detect", size=64, facts={}), network.with_suffix(".json"))
    return network.with_suffix(".json")

"""A graph with Q/DQ nodes, read for the linter: who makes a tensor, who reads it, what it is if it is constant."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Q, DQ = "QuantizeLinear", "DequantizeLinear"
WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Pair:
    """One Q/DQ node: its tensor, and the parameters, None where they are computed. weight: it quantises a constant."""

    node: onnx.NodeProto
    scale: Array | None
    zero_point: Array | None
    axis: int
    weight: bool


@dataclass(frozen=True, eq=False)
class QdqGraph:
    """model: read by onnx, shapes not needed."""

    model: onnx.ModelProto

    @cached_property
    def nodes(self) -> list[onnx.NodeProto]:
        """All of them, as they stand."""
        return list(self.model.graph.node)

    @cached_property
    def maker(self) -> dict[str, onnx.NodeProto]:
        """Tensor -> node."""
        return {output: node for node in self.nodes for output in node.output}

    @cached_property
    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """Tensor -> nodes."""
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def constants(self) -> dict[str, onnx.TensorProto]:
        """Tensor -> its value."""
        found = {tensor.name: tensor for tensor in self.model.graph.initializer}
        for node in self.nodes:
            value = next((each.t for each in node.attribute if each.name == "value"), None)
            if node.op_type == "Constant" and value is not None:
                found[node.output[0]] = value
        return found

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every Q and every DQ node."""
        return [self._pair(node) for node in self.nodes if node.op_type in (Q, DQ)]

    def value(self, name: str) -> Array | None:
        """A constant's numbers; None for what is computed or kept outside the file."""
        tensor = self.constants.get(name)
        if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return None
        return np.asarray(numpy_helper.to_array(tensor))

    def _pair(self, node: onnx.NodeProto) -> Pair:
        source = self.before(node.input[0]) if node.op_type == DQ else node.input[0]
        zero = self.value(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        return Pair(node, self.value(node.input[1]), zero, attribute(node, "axis", 1), source in self.constants)

    def before(self, tensor: str) -> str:
        """What a tensor was before it went through Q and DQ."""
        node = self.maker.get(tensor)
        while node is not None and node.op_type in (Q, DQ):
            tensor = node.input[0]
            node = self.maker.get(tensor)
        return tensor

    def quantised(self, tensor: str) -> bool:
        """Whether a tensor comes out of a DQ."""
        node = self.maker.get(tensor)
        return node is not None and node.op_type == DQ

    @cached_property
    def weighted(self) -> list[onnx.NodeProto]:
        """Layers with weights: convolutions and matrix products one side of which is constant, perhaps behind Q/DQ."""
        return [node for node in self.nodes if node.op_type in WEIGHTED and any(self.before(name) in self.constants for name in node.input)]

    def above(self, tensor: str) -> Iterator[onnx.NodeProto]:
        """Every node that a tensor depends on."""
        waiting, seen = [tensor], set()
        while waiting:
            name = waiting.pop()
            node = self.maker.get(name)
            if node is not None and node.output[0] not in seen:
                seen.add(node.output[0])
                waiting += list(node.input)
                yield node


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """An integer attribute."""
    return next((int(each.i) for each in node.attribute if each.name == name), default)


def channel_axis(node: onnx.NodeProto) -> int:
    """The axis of a layer's weights along which the outputs lie."""
    if node.op_type == "Conv" or (node.op_type == "Gemm" and attribute(node, "transB", 0)):
        return 0
    return 1


def finite_and_positive(scale: Array) -> bool:
    """Whether every step of a scale is one."""
    return bool(np.isfinite(scale).all() and (scale > 0).all())

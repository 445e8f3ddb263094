"""ONNX as TensorRT wants it: uint8 is cast first, and float16 stands in the graph where types are strong."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from build_engine.errors import BuildError

MOST_HALF = 65504.0
# These change to float16, except what a DequantizeLinear feeds: that computes in integers. With float16 scales around it the codes of a
# quantised DRH network were others in onnxruntime (16 % agreement); with float32 scales they are the same.
HEAVY = {"Conv", "Gemm", "MatMul"}
# These stay in float16 where they find it. All others compute in float32: normalisation of the picture and of the embedding, batch
# normalisation, activations that exponentiate. They are few and small.
FOLLOWING = {
    "Add", "AveragePool", "Concat", "Flatten", "Gather", "GlobalAveragePool", "MaxPool", "PRelu", "Relu", "Reshape", "Resize", "Slice",
    "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip
# of these the first input alone is of the network's float type
FLOAT_INPUTS = {"Gather": 1, "Reshape": 1, "Resize": 1, "Slice": 1, "Squeeze": 1, "Unsqueeze": 1}


def read_model(raw: bytes, where: str) -> onnx.ModelProto:
    """Raises BuildError."""
    try:
        return onnx.load_model_from_string(raw)
    except Exception as error:  # protobuf's errors are of several kinds
        raise BuildError(f"{where}: is no ONNX file ({error}); take network and manifest from one release") from error


def is_quantised(model: onnx.ModelProto) -> bool:
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)


def cast_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network, in which every uint8 input feeds a Cast: Transpose and Cast change places where the export has them otherwise.

    Raises BuildError when something else than a Transpose stands in between.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    nodes = made.graph.node
    for name in [port.name for port in made.graph.input if port.type.tensor_type.elem_type == TensorProto.UINT8]:
        for node in [node for node in nodes if name in node.input and node.op_type != "Cast"]:
            casts = [other for other in nodes if node.output[0] in other.input]
            if node.op_type != "Transpose" or [cast.op_type for cast in casts] != ["Cast"]:
                raise BuildError(
                    f"node '{node.name}' ({node.op_type}) takes the uint8 input '{name}', which TensorRT allows a Cast only; export the "
                    "network with a cast first"
                )
            cast, between = casts[0], node.output[0] + "_cast"
            node.output[0], cast.input[0] = cast.output[0], name
            node.input[0] = cast.output[0] = between
            _put_before(made.graph, cast, node)
    onnx.checker.check_model(made)
    return made


def halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network computing in float16 wherever ``HEAVY`` and ``FOLLOWING`` say so; inputs and outputs keep their types.

    What is quantised stays as it is. Raises BuildError.
    """
    source = onnx.ModelProto()
    source.CopyFrom(model)
    return _Halving(source).done()


class _Halving:
    """Walks the nodes in order; each float tensor exists as float32, as float16, or as both where both are asked for."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model, self._graph = model, model.graph
        _constants_to_initializers(self._graph)
        self._weights = {weight.name: numpy_helper.to_array(weight) for weight in self._graph.initializer}
        self._dequantised = {node.output[0] for node in self._graph.node if node.op_type == "DequantizeLinear"}
        self._nodes: list[onnx.NodeProto] = []
        self._half: set[str] = set()
        self._floats = _floats(model)
        self._changed: dict[tuple[str, bool], str] = {}

    def done(self) -> onnx.ModelProto:
        for node in list(self._graph.node):
            self._take(node)
        for port in self._graph.output:
            if port.name in self._half:
                self._nodes.append(
                    helper.make_node("Cast", [_as_half(port.name)], [port.name], f"{port.name}_to_float", to=TensorProto.FLOAT)
                )
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        del self._graph.value_info[:]
        _drop_unused(self._graph)
        onnx.checker.check_model(self._model)
        return self._model

    def _take(self, node: onnx.NodeProto) -> None:
        half = self._in_half(node)
        for place, name in enumerate(node.input):
            if name in self._floats:
                node.input[place] = self._get(name, half and self._of_network_type(node, place))
        for place, name in enumerate(node.output):
            if half and name in self._floats:
                self._half.add(name)
                node.output[place] = _as_half(name)
        self._nodes.append(node)

    def _in_half(self, node: onnx.NodeProto) -> bool:
        if node.op_type in HEAVY:
            return not self._dequantised.intersection(node.input)
        return node.op_type in FOLLOWING and node.input[0] in self._half

    @staticmethod
    def _of_network_type(node: onnx.NodeProto, place: int) -> bool:
        return place < FLOAT_INPUTS.get(node.op_type, len(node.input))

    def _get(self, name: str, half: bool) -> str:
        """The tensor's name in the type asked for; a Cast is added the first time, weights are converted."""
        if not half and name not in self._half:
            return name
        if half and name in self._half:
            return _as_half(name)
        if (name, half) not in self._changed:
            self._changed[name, half] = self._convert(name, half)
        return self._changed[name, half]

    def _convert(self, name: str, half: bool) -> str:
        if half and name in self._weights:
            values = np.clip(self._weights[name], -MOST_HALF, MOST_HALF).astype(np.float16)
            self._graph.initializer.append(numpy_helper.from_array(values, _as_half(name)))
            return _as_half(name)
        made = _as_half(name) if half else f"{name}_as_float"
        to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self._nodes.append(helper.make_node("Cast", [name if half else _as_half(name)], [made], f"{made}_cast", to=to))
        return made


def _as_half(name: str) -> str:
    return f"{name}_half"


def _floats(model: onnx.ModelProto) -> set[str]:
    """Names of all float32 tensors."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    ports: Iterable[onnx.ValueInfoProto] = [*inferred.value_info, *inferred.input, *inferred.output]
    named = {port.name for port in ports if port.type.tensor_type.elem_type == TensorProto.FLOAT}
    return named | {weight.name for weight in inferred.initializer if weight.data_type == TensorProto.FLOAT}


def _constants_to_initializers(graph: onnx.GraphProto) -> None:
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)
        if value is None:
            raise BuildError(f"node '{node.name}': a Constant without a tensor cannot be halved; export the network again")
        weight = graph.initializer.add()
        weight.CopyFrom(value)
        weight.name = node.output[0]
        graph.node.remove(node)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    for weight in [weight for weight in graph.initializer if weight.name not in used]:
        graph.initializer.remove(weight)


def _put_before(graph: onnx.GraphProto, first: onnx.NodeProto, then: onnx.NodeProto) -> None:
    """Move a node before another, because ONNX wants nodes in the order in which they are computed."""
    moved, place = onnx.NodeProto(), list(graph.node).index(then)
    moved.CopyFrom(first)
    graph.node.remove(first)
    graph.node.insert(place, moved)

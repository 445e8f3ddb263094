"""The float graph before it is quantised: simplified, and read for which layers may be quantised at all."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import onnx
from onnxruntime.quantization.shape_inference import quant_pre_process

from edge.errors import NetworkError

WEIGHTED = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True)
class Layer:
    """A convolution that may be quantised.

    name: of its node. source: the tensor it reads. residual: the Add that its output goes to, "" for none; skip: the tensor that is
    added there.
    """

    name: str
    source: str
    residual: str = ""
    skip: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A simplified float network."""

    model: onnx.ModelProto

    @cached_property
    def maker(self) -> dict[str, onnx.NodeProto]:
        """Tensor -> the node that makes it."""
        return {output: node for node in self.model.graph.node for output in node.output}

    @cached_property
    def readers(self) -> dict[str, list[onnx.NodeProto]]:
        """Tensor -> the nodes that read it."""
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.model.graph.node:
            for name in node.input:
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def constants(self) -> set[str]:
        """Tensors that do not depend on the input."""
        made = {output for node in self.model.graph.node if node.op_type == "Constant" for output in node.output}
        return {initializer.name for initializer in self.model.graph.initializer} | made

    @cached_property
    def kept(self) -> dict[str, str]:
        """Weighted layer -> why it stays float (``policy``)."""
        return policy(self)

    @cached_property
    def layers(self) -> list[Layer]:
        """Every layer that may be quantised, from input to output."""
        nodes = [node for node in self.model.graph.node if node.op_type == "Conv" and node.name not in self.kept]
        return [self._layer(node) for node in nodes]

    def _layer(self, node: onnx.NodeProto) -> Layer:
        readers = self.readers.get(node.output[0], [])
        if len(readers) == 1 and readers[0].op_type == "Add":
            skips = [name for name in readers[0].input if name != node.output[0] and name not in self.constants]
            if len(skips) == 1 and self.maker[skips[0]].op_type != "Conv":
                return Layer(node.name, node.input[0], readers[0].name, skips[0])
        return Layer(node.name, node.input[0])

    def above(self, tensor: str) -> Iterator[onnx.NodeProto]:
        """Every node that the tensor depends on."""
        waiting, seen = [tensor], set()
        while waiting:
            node = self.maker.get(waiting.pop())
            if node is not None and node.name not in seen:
                seen.add(node.name)
                waiting += list(node.input)
                yield node


def prepare(network: Path) -> Graph:
    """Read a float network and simplify it (batch normalisation folded, constants computed) with onnxruntime. Raises NetworkError."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "simplified.onnx"
        try:
            onnx.checker.check_model(str(network))
            quant_pre_process(str(network), str(target), skip_symbolic_shape=True)
            model = onnx.load(str(target))
        except Exception as error:  # onnx and onnxruntime have no common base of errors
            raise NetworkError(f"{network}: cannot be simplified for quantisation ({error}); export it again") from error
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in model.graph.node):
        raise NetworkError(f"{network}: is quantised already; give the float network that it was made from")
    _cast_first(model)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
    return Graph(model)


def _cast_first(model: onnx.ModelProto) -> None:
    """Pictures are turned from B x H x W x 3 after they were made float, not before: TensorRT takes uint8 in a Cast only. Same numbers."""
    graph = model.graph
    readers = [node for node in graph.node if graph.input[0].name in node.input]
    turn = readers[0] if len(readers) == 1 and readers[0].op_type == "Transpose" else None
    casts = [node for node in graph.node if turn is not None and turn.output[0] in node.input]
    if turn is None or len(casts) != 1 or casts[0].op_type != "Cast":
        return
    cast = casts[0]
    between, end = turn.output[0], cast.output[0]
    cast.input[0], cast.output[0], turn.input[0], turn.output[0] = turn.input[0], between, between, end
    first, second = onnx.NodeProto(), onnx.NodeProto()
    first.CopyFrom(cast)
    second.CopyFrom(turn)
    turn.CopyFrom(first)
    cast.CopyFrom(second)
    for info in [info for info in graph.value_info if info.name == between]:
        graph.value_info.remove(info)  # it has another type and shape now


def policy(graph: Graph) -> dict[str, str]:
    """Weighted layer -> why it stays float.

    The first layer sees pixels and the last one writes the result: both cost most for little time. A layer that works on one position (a
    matrix times a vector at batch 1) waits for memory, not for arithmetic. Weights that are not constant cannot be calibrated.
    """
    sizes = {info.name: [axis.dim_value for axis in info.type.tensor_type.shape.dim] for info in graph.model.graph.value_info}
    weighted = [node for node in graph.model.graph.node if node.op_type in WEIGHTED and any(i in graph.constants for i in node.input)]
    kept: dict[str, str] = {}
    followed: set[str] = set()
    for node in weighted:
        before = {other.name for other in graph.above(node.input[0]) if other in weighted}
        followed |= before
        if not before:
            kept[node.name] = "first layer"
    for node in weighted:
        if node.name in kept:
            continue
        if node.name not in followed:
            kept[node.name] = "last layer"
        elif node.op_type != "Conv" or sizes.get(node.output[0], [0, 0, 0])[2:] == [1, 1]:
            kept[node.name] = "one position: a matrix times a vector at batch 1"
        elif node.input[1] not in graph.constants:
            kept[node.name] = "weights are not constant"
    return kept


def activations(graph: Graph, layers: Sequence[Layer]) -> list[str]:
    """Tensors whose ranges the layers need: what they read and write, up to the end of the activation and the residual Add behind them."""
    nodes = {node.name: node for node in graph.model.graph.node}
    found: dict[str, None] = {}
    for layer in layers:
        found |= dict.fromkeys([layer.source, layer.skip] if layer.skip else [layer.source])
        node: onnx.NodeProto | None = nodes[layer.name]
        while node is not None:
            found[node.output[0]] = None
            behind = graph.readers.get(node.output[0], [])
            node = behind[0] if len(behind) == 1 and behind[0].op_type in ("Relu", "Add", "Clip") else None
    return list(found)

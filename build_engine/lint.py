"""Is this Q/DQ network one that TensorRT builds as it is meant? Asked before any builder sees it.

    python -m build_engine.lint FILE.onnx [--json]

TensorRT's own parser takes some bad graphs silently, and others end the process (``tests/test_lint.py`` has them as a table, each with
what the real parser does). Every fault names the node and the remedy. Exit code 5 where there is one. With --json the faults are one line
of JSON.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from build_engine.qdq_graph import DQ, Pair, Q, QdqGraph, channel_axis, finite_and_positive
from edge.errors import NetworkError
from edge.inference.manifest import Manifest, Tensor, read_manifest
from edge.inference.network import check_signature, read_network

OPSETS = range(13, 18)  # a scale per channel needs 13; TensorRT 8.6, the oldest built for, knows up to 17
MAKE_AGAIN = "make the network again with python -m calibration.quantise"
FEWEST_STEPS = 16  # of 127 that the largest weight of a channel should reach
Rule = Callable[[QdqGraph], Iterator["Fault"]]


@dataclass(frozen=True)
class Fault:
    """rule: a short name. node: of the graph, or the tensor or file that it is about. what: is wrong. remedy: what to do."""

    rule: str
    node: str
    what: str
    remedy: str = MAKE_AGAIN

    def __str__(self) -> str:
        return f"[{self.rule}] {self.node}: {self.what}; {self.remedy}"


def lint(model: onnx.ModelProto) -> list[Fault]:
    """Every fault of a graph, in the order of the rules."""
    graph = QdqGraph(model)
    return [fault for rule in RULES for fault in rule(graph)]


def lint_file(path: Path) -> list[Fault]:
    """Faults of a network file, of its manifest beside it, and of their agreement. Raises NetworkError for a file that is no network."""
    try:
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(model)
    except Exception as error:  # onnx's errors have no base class of their own
        raise NetworkError(f"{path}: is no sound ONNX network ({error}); {MAKE_AGAIN}") from error
    return [*_beside(path, model), *lint(model)]


def _beside(path: Path, model: onnx.ModelProto) -> Iterator[Fault]:
    """The manifest: there, of this file, with these inputs and outputs."""
    try:
        manifest = read_manifest(path.with_suffix(".json"))
        if manifest.file != path.name:
            raise NetworkError(f"{path.with_suffix('.json')}: is of {manifest.file}; each network has a manifest of its own name")
        read_network(manifest, path.with_suffix(".json"))
        check_signature(manifest, _ports(model, manifest, "input"), _ports(model, manifest, "output"))
    except NetworkError as error:
        what, _, remedy = str(error).rpartition("; ")
        yield Fault("manifest", path.name, what, remedy)


def _ports(model: onnx.ModelProto, manifest: Manifest, side: str) -> list[Tensor]:
    constant = {tensor.name for tensor in model.graph.initializer}
    found = []
    for port in model.graph.input if side == "input" else model.graph.output:
        if port.name not in constant:
            tensor = port.type.tensor_type
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
            found.append(Tensor(name=port.name, dtype=dtype, shape=tuple(axis.dim_value or None for axis in tensor.shape.dim)))
    return found


def operator_sets(graph: QdqGraph) -> Iterator[Fault]:
    """Versions and domains that every builder knows."""
    versions = {one.domain: one.version for one in graph.model.opset_import}
    if versions.get("", 0) not in OPSETS:
        what = f"operator set {versions.get('', 'none')}; TensorRT from 8.6 on takes {OPSETS[0]} to {OPSETS[-1]}"
        yield Fault("opset", "the file", what, "export it with operator set 17")
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            yield Fault("domain", node.name, f"{node.op_type} of '{node.domain}', which TensorRT does not have")


def names(graph: QdqGraph) -> Iterator[Fault]:
    """Nodes and tensors that can be told apart, in every export alike."""
    for name, count in Counter(node.name for node in graph.nodes).items():
        if not name or count > 1:
            yield Fault("names", name or "a node without a name", f"{count} nodes have this name, so no message or exclusion can mean one")


def pictures(graph: QdqGraph) -> Iterator[Fault]:
    """TensorRT takes a uint8 input in a Cast only; it refuses to turn or slice it."""
    for port in graph.model.graph.input:
        if port.type.tensor_type.elem_type == TensorProto.UINT8:
            for node in graph.readers.get(port.name, []):
                if node.op_type != "Cast":
                    what = f"{node.op_type} reads the uint8 input '{port.name}'; TensorRT takes it in a Cast only"
                    yield Fault("uint8-input", node.name, what, "cast to float first, then turn; calibration.quantise does")


def float64(graph: QdqGraph) -> Iterator[Fault]:
    """Doubles: TensorRT narrows or refuses them."""
    for name, tensor in graph.constants.items():
        if tensor.data_type == TensorProto.DOUBLE:
            yield Fault("float64", name, "is float64, which TensorRT does not compute", "export in float32")
    for node in graph.nodes:
        if node.op_type == "Cast" and any(each.name == "to" and each.i == TensorProto.DOUBLE for each in node.attribute):
            yield Fault("float64", node.name, "casts to float64, which TensorRT does not compute", "export in float32")


def outside(graph: QdqGraph) -> Iterator[Fault]:
    """Weights in another file are not covered by the manifest's SHA-256."""
    for tensor in graph.model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            yield Fault("external", tensor.name, "lies in another file, which no hash covers", "save the network as one file")


def there(graph: QdqGraph) -> Iterator[Fault]:
    """A network without any Q/DQ would be built in float, and nobody would notice."""
    if not graph.pairs:
        yield Fault("not-quantised", "the file", "has no Q/DQ node, so TensorRT builds it in float")


def scales(graph: QdqGraph) -> Iterator[Fault]:
    """Constant, positive, finite, float32."""
    for pair in graph.pairs:
        name, scale = pair.node.name, pair.scale
        if scale is None:
            yield Fault("computed-scale", name, f"its scale '{pair.node.input[1]}' is computed; TensorRT's parser crashes on that")
        elif scale.dtype != np.float32:
            yield Fault("scale-type", name, f"its scale is {scale.dtype}; it has to be float32")
        elif not finite_and_positive(scale):
            bad = scale[~(np.isfinite(scale) & (scale > 0))].ravel()[0]
            yield Fault("scale-value", name, f"a scale is {bad}; it has to be positive and finite")


def zero_points(graph: QdqGraph) -> Iterator[Fault]:
    """int8, all zero. Without a zero point ONNX means uint8."""
    for pair in graph.pairs:
        name, zero = pair.node.name, pair.zero_point
        stated = len(pair.node.input) > 2 and bool(pair.node.input[2])
        if not stated:
            yield Fault("type", name, "has no zero point, and without one ONNX means uint8; TensorRT takes int8")
        elif zero is None:
            yield Fault("zero-point", name, "its zero point is computed; it has to be a constant 0")
        elif zero.dtype == np.int32:
            yield Fault("int32", name, "is of int32, a quantised bias, which TensorRT refuses", "keep the bias float: QuantizeBias False")
        elif zero.dtype != np.int8:
            what = f"is of {zero.dtype}; TensorRT takes int8 only, and reads uint8 with zero point 0 silently as int8"
            yield Fault("type", name, what, "use the form 'tensorrt' of calibration.quantise")
        elif zero.any():
            yield Fault("zero-point", name, f"its zero point is {zero.ravel()[zero.ravel() != 0][0]}; TensorRT takes 0 only")


def granularity(graph: QdqGraph) -> Iterator[Fault]:
    """One scale an activation; a scale a channel for weights."""
    for pair in graph.pairs:
        if pair.scale is not None and not pair.weight and pair.scale.size > 1:
            what = f"an activation with {pair.scale.size} scales; TensorRT takes the graph and computes something else"
            yield Fault("activation-scales", pair.node.name, what)
    for node, pair in _weights(graph):
        yield from _of_weights(graph, node, pair)


def _weights(graph: QdqGraph) -> Iterator[tuple[onnx.NodeProto, Pair]]:
    """Layers, and the DQ of their weights."""
    by_output = {pair.node.output[0]: pair for pair in graph.pairs}
    for node in graph.weighted:
        for name in node.input[:2]:
            if name in by_output and by_output[name].weight:
                yield node, by_output[name]


def _of_weights(graph: QdqGraph, node: onnx.NodeProto, pair: Pair) -> Iterator[Fault]:
    values, axis = graph.value(graph.before(pair.node.output[0])), channel_axis(node)
    if values is None or pair.scale is None or pair.scale.dtype != np.float32 or not finite_and_positive(pair.scale):
        return
    group = next((int(each.i) for each in node.attribute if each.name == "group"), 1)
    if pair.scale.size == 1 and values.shape[axis] > 1:
        kind = "depthwise weights" if group > 1 else "weights"
        yield Fault("weight-scales", node.name, f"its {kind} have one scale for {values.shape[axis]} channels; small channels vanish")
    elif pair.scale.size > 1 and pair.axis % values.ndim != axis:
        yield Fault("weight-axis", node.name, f"its weights' scales lie along axis {pair.axis}; the outputs are axis {axis}")
    elif pair.scale.size not in (1, values.shape[axis]):
        yield Fault("weight-axis", node.name, f"{pair.scale.size} scales for {values.shape[axis]} channels")
    elif values.dtype == np.float32:
        yield from _fits(node, values, pair.scale, axis)


def _fits(node: onnx.NodeProto, values: np.ndarray, scale: np.ndarray, axis: int) -> Iterator[Fault]:
    """Scales and weights that belong together."""
    largest = np.abs(np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)).max(axis=1)
    steps = largest / scale.ravel()
    cut, coarse = int((steps > 128).sum()), int(((steps < FEWEST_STEPS) & (largest > 1e-4 * largest.max(initial=0))).sum())
    if cut or coarse:
        yield Fault("weight-range", node.name, f"{cut} of {steps.size} channels are cut off by their scale, {coarse} use few of its steps")


def chains(graph: QdqGraph) -> Iterator[Fault]:
    """A Q is followed by DQs only, a DQ comes after a Q or a constant, and both say the same."""
    ends = {port.name for port in graph.model.graph.output}
    by_name = {pair.node.name: pair for pair in graph.pairs}
    for pair in graph.pairs:
        node = pair.node
        if node.op_type == Q:
            wrong = [reader for reader in graph.readers.get(node.output[0], []) if reader.op_type != DQ]
            if wrong or node.output[0] in ends or not graph.readers.get(node.output[0]):
                reader = wrong[0].name if wrong else "no node"
                yield Fault("no-dq", node.name, f"its result is read by {reader} and not by a DequantizeLinear")
            continue
        source = graph.maker.get(node.input[0])
        if source is None or source.op_type != Q:
            if node.input[0] not in graph.constants:
                yield Fault("no-q", node.name, "dequantises what no QuantizeLinear made")
            continue
        yield from _alike(by_name[source.name], pair)


def _alike(q: Pair, dq: Pair) -> Iterator[Fault]:
    if q.scale is None or dq.scale is None:
        return
    types = [None if each.zero_point is None else each.zero_point.dtype for each in (q, dq)]
    same_axis = q.axis == dq.axis or q.scale.size == 1
    if not np.array_equal(q.scale, dq.scale, equal_nan=True) or types[0] != types[1] or not same_axis:
        yield Fault("mismatch", dq.node.name, f"its scale, axis or type is not that of {q.node.name} before it")


def placement(graph: QdqGraph) -> Iterator[Fault]:
    """What the house leaves float: first and last layers, matrices times vectors, bias, one side of an Add."""
    seen: set[str] = set()
    firsts = []
    for node in graph.weighted:
        before = {other.name for other in graph.above(node.input[0]) if other in graph.weighted}
        seen |= before
        firsts += [] if before else [node.name]
    for node in graph.weighted:
        sides = [graph.quantised(name) for name in node.input]
        if not any(sides):
            continue
        if node.name in firsts or node.name not in seen:
            yield Fault(
                "end-layer",
                node.name,
                f"the {'first' if node.name in firsts else 'last'} layer is quantised; it costs most and saves little",
            )
        elif node.op_type in ("Gemm", "MatMul"):
            yield Fault("vector", node.name, "a matrix times a vector is quantised; it waits for memory, and only loses accuracy")
        if len(sides) > 2 and sides[2]:
            yield Fault("int32", node.name, "its bias is quantised, which TensorRT refuses", "keep the bias float: QuantizeBias False")
        if not all(sides[:2]):
            yield Fault("one-sided", node.name, "only one of input and weights is quantised, so it is computed in float, more slowly")
    for node in graph.nodes:
        if node.op_type == "Add" and all(graph.quantised(name) for name in node.input):
            yield Fault(
                "add", node.name, "both inputs are quantised, so it does not fuse with its convolution; quantise the skip input only"
            )


def dynamic_weights(graph: QdqGraph) -> Iterator[Fault]:
    """Weights of a quantised convolution are constants."""
    for node in graph.nodes:
        touched = node.op_type in ("Conv", "ConvTranspose") and any(map(graph.quantised, node.input[:2]))
        if touched and graph.before(node.input[1]) not in graph.constants:
            yield Fault("dynamic-weights", node.name, "its weights are computed, so no calibrated scale holds", "export constant weights")


def prelu(graph: QdqGraph) -> Iterator[Fault]:
    """PReLU does not fuse with Q/DQ: slower than float, everywhere."""
    for node in graph.nodes:
        if node.op_type == "PRelu":
            near = [*(graph.maker.get(name) for name in node.input[:1]), *graph.readers.get(node.output[0], [])]
            if any(other is not None and (other.op_type in (Q, DQ) or any(map(graph.quantised, other.input))) for other in near):
                yield Fault("prelu", node.name, "PRelu beside Q/DQ does not fuse and makes INT8 slower than float", "train with Relu")


RULES: tuple[Rule, ...] = (
    operator_sets,
    names,
    pictures,
    float64,
    outside,
    there,
    scales,
    zero_points,
    granularity,
    chains,
    placement,
    dynamic_weights,
    prelu,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Lint and print; 0 for none, NetworkError's exit code for any fault."""
    parser = argparse.ArgumentParser(prog="python -m build_engine.lint", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="the Q/DQ network; its manifest lies beside it")
    parser.add_argument("--json", action="store_true", help="faults as one line of JSON")
    options = parser.parse_args(arguments)
    try:
        faults = lint_file(options.file)
    except NetworkError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps({"file": str(options.file), "faults": [asdict(fault) for fault in faults]}))
    else:
        print("\n".join(map(str, faults)) or f"{options.file}: no fault found")
    return NetworkError.exit_code if faults else 0


if __name__ == "__main__":
    sys.exit(main())

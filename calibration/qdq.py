"""Float network + ranges -> network with Q/DQ nodes, in one of two forms, both by onnxruntime's quantiser.

``tensorrt``: signed symmetric activations (one scale a tensor), weights signed, symmetric, a scale for each output channel, as pairs of
Q and DQ on float weights; Q/DQ stands in front of a convolution and on the skip input of a residual Add, so that TensorRT can fuse Conv,
Add and Relu. Bias stays float. It is what every TensorRT from 8.5 to 11 takes. onnxruntime computes it, but no faster than float on a
CPU: between the convolution and the next Q stands a Relu, and with zero point 0 half of the signed range lies below it, so nothing can be
fused.

``cpu``: unsigned activations with zero points, so that the range begins where the Relu does and the quantiser can drop the Relu; outputs
and both inputs of an Add quantised; int8 weights stored; int32 bias. onnxruntime fuses each convolution into one integer kernel. TensorRT
refuses or misreads it.
"""

import logging
from collections.abc import Sequence

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from calibration.graph import Graph, Layer
from calibration.ranges import Ranges

FORMS = ("tensorrt", "cpu")
LEAST = 1e-6  # of a range's end: an activation that is always 0 still needs a scale


def quantised(graph: Graph, layers: Sequence[Layer], ranges: Ranges, form: str) -> onnx.ModelProto:
    """The network with these layers in INT8, the others float. Raises ValueError for another form."""
    if form not in FORMS:
        raise ValueError(f"form '{form}': choose one of {', '.join(FORMS)}")
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    if not layers:
        return model
    if form == "cpu":
        return _run(model, _with_followers(graph, layers), ranges, symmetric=False)
    made = _run(model, [layer.name for layer in layers], ranges, symmetric=True)
    _bypass(made, {layer.name for layer in layers} | {layer.residual for layer in layers if layer.skip})
    return made


def _run(model: onnx.ModelProto, nodes: list[str], ranges: Ranges, symmetric: bool) -> onnx.ModelProto:
    known = TensorsData(CalibrationMethod.MinMax, {name: (np.float32(a), np.float32(b)) for name, (a, b) in _safe(ranges).items()})
    options = {
        "ActivationSymmetric": symmetric,
        "WeightSymmetric": True,
        "QuantizeBias": not symmetric,
        "DedicatedQDQPair": symmetric,
        "AddQDQPairToWeight": symmetric,
        "OpTypesToExcludeOutputQuantization": ["Conv"] if symmetric else [],
    }
    quantizer = QDQQuantizer(
        model,
        True,
        False,
        QuantType.QInt8,
        QuantType.QInt8 if symmetric else QuantType.QUInt8,
        known,
        nodes,
        [],
        ["Conv"] if symmetric else ["Conv", "Relu", "Add"],
        options,
    )
    logging.disable(logging.WARNING)  # it warns of every range that it was not asked for
    try:
        quantizer.quantize_model()
    finally:
        logging.disable(logging.NOTSET)
    quantizer.model.topological_sort()
    made: onnx.ModelProto = quantizer.model.model
    return made


def _safe(ranges: Ranges) -> Ranges:
    return {name: (min(low, 0.0), max(high, LEAST)) for name, (low, high) in ranges.items()}


def _with_followers(graph: Graph, layers: Sequence[Layer]) -> list[str]:
    """The layers, the Adds that they write to, and the Relus behind both."""
    nodes = {node.name: node for node in graph.model.graph.node}
    chosen: dict[str, None] = {}
    for layer in layers:
        for name in filter(None, (layer.name, layer.residual)):
            chosen[name] = None
            behind = graph.readers.get(nodes[name].output[0], [])
            if len(behind) == 1 and behind[0].op_type == "Relu":
                chosen[behind[0].name] = None
    return list(chosen)


def _bypass(model: onnx.ModelProto, wanted: set[str]) -> None:
    """The quantiser puts a pair in front of every reader of a tensor; take those away that stand before another node than wanted."""
    maker = {output: node for node in model.graph.node for output in node.output}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            pair = _pair(maker, name)
            if pair and node.name not in wanted:
                node.input[place] = pair[0].input[0]
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        read = {name for node in model.graph.node for name in node.input} | {output.name for output in model.graph.output}
        for node in [node for node in model.graph.node if node.op_type == kind and node.output[0] not in read]:
            model.graph.node.remove(node)


def _pair(maker: dict[str, onnx.NodeProto], name: str) -> list[onnx.NodeProto]:
    """The Q and the DQ behind which a tensor lies, if it does."""
    last = maker.get(name)
    first = maker.get(last.input[0]) if last is not None and last.op_type == "DequantizeLinear" else None
    return [first, last] if first is not None and last is not None and first.op_type == "QuantizeLinear" else []

"""Faults planted into a sound Q/DQ network, one each: what the linter has to call it, and what NVIDIA's own parser does with it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.tiny_int8 import CHANNELS

Model = onnx.ModelProto


class Planted(NamedTuple):
    """rule: the linter's name for it. parser: what that of TensorRT-RTX 1.7 does: "refuses", "accepts" silently, or "dies" with it all.

    harm: "symbols" (other symbols come out, measured), "unreadable" (the reference, onnxruntime, refuses it), or in words.
    """

    plant: Callable[[Model], object]
    rule: str
    parser: str
    harm: str


def node(model: Model, name: str) -> onnx.NodeProto:
    return next(each for each in model.graph.node if each.name == name)


def pair(model: Model, reader: str, place: int = 0) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """The Q and DQ in front of a node's input."""
    made = {output: each for each in model.graph.node for output in each.output}
    dq = made[node(model, reader).input[place]]
    return made[dq.input[0]], dq


def constant(model: Model, value: np.ndarray, name: str = "planted") -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def set_both(model: Model, reader: str, place: int, which: int, value: np.ndarray, axis: int | None = None) -> None:
    """Give the Q and DQ in front of an input another scale (1) or zero point (2)."""
    name = constant(model, value, f"planted{which}")
    for each in pair(model, reader, place):
        each.input[which] = name
        if axis is not None:
            kept = [attribute for attribute in each.attribute if attribute.name != "axis"]
            del each.attribute[:]
            each.attribute.extend([*kept, helper.make_attribute("axis", axis)])


def scale_of(model: Model, reader: str, place: int) -> np.ndarray:
    name = pair(model, reader, place)[0].input[1]
    return numpy_helper.to_array(next(each for each in model.graph.initializer if each.name == name))


def wrap(model: Model, reader: str, place: int, scale: np.ndarray | float) -> None:
    """Put a new Q/DQ pair in front of an input."""
    size, tag = np.asarray(scale, np.float32), f"{reader}_{place}"
    target = node(model, reader)
    parameters = [constant(model, size, f"{tag}_s"), constant(model, np.zeros(size.shape, np.int8), f"{tag}_z")]
    axis = {"axis": 0} if size.ndim else {}
    new = [
        helper.make_node("QuantizeLinear", [target.input[place], *parameters], [f"{tag}_q"], f"{tag}_Q", **axis),
        helper.make_node("DequantizeLinear", [f"{tag}_q", *parameters], [f"{tag}_dq"], f"{tag}_DQ", **axis),
    ]
    where = list(model.graph.node).index(target)
    for each in reversed(new):
        model.graph.node.insert(where, each)
    node(model, reader).input[place] = f"{tag}_dq"


def put_before(model: Model, reader: str, *new: onnx.NodeProto) -> None:
    where = list(model.graph.node).index(node(model, reader))
    for each in reversed(new):
        model.graph.node.insert(where, each)


def computed_scale(model: Model) -> None:
    first = pair(model, "inner")[0]
    constant(model, np.array(127, np.float32), "steps")
    largest = helper.make_node("ReduceMax", ["a"], ["largest"], "largest", keepdims=0)
    put_before(model, first.name, largest, helper.make_node("Div", ["largest", "steps"], ["measured"], "measured"))
    for each in pair(model, "inner"):
        each.input[1] = "measured"


def no_dq(model: Model) -> None:
    first, last = pair(model, "inner")
    cast = helper.make_node("Cast", [first.output[0]], [last.output[0]], last.name, to=TensorProto.FLOAT)
    node(model, last.name).CopyFrom(cast)


def other_scale_behind(model: Model) -> None:
    pair(model, "inner")[1].input[1] = constant(model, scale_of(model, "inner", 0) * np.float32(1.5))


def no_zero_point(model: Model) -> None:
    for each in pair(model, "inner"):
        del each.input[2]


def int32_bias(model: Model) -> None:
    step = scale_of(model, "inner", 0) * scale_of(model, "inner", 1)
    names = [
        constant(model, np.ones(CHANNELS, np.int32), "bias32"),
        constant(model, step, "bias_s"),
        constant(model, np.zeros(CHANNELS, np.int32), "z"),
    ]
    put_before(model, "inner", helper.make_node("DequantizeLinear", names, ["bias"], "bias_DQ", axis=0))
    node(model, "inner").input[2] = "bias"


def foreign(model: Model) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for each in pair(model, "inner"):
        each.domain = "com.microsoft"


def operator_set(version: int) -> Callable[[Model], None]:
    def plant(model: Model) -> None:
        model.opset_import[0].version = version

    return plant


def computed_weights(model: Model) -> None:
    first = pair(model, "inner", 1)[0]
    kind = helper.make_node("RandomNormal", [], ["some"], "some", shape=[CHANNELS, CHANNELS, 3, 3], seed=1.0)
    put_before(model, first.name, kind)
    first.input[0] = "some"


def prelu(model: Model) -> None:
    relu = node(model, "relu_a")
    relu.op_type = "PRelu"
    relu.input.append(constant(model, np.full((CHANNELS, 1, 1), 0.25, np.float32)))


def doubles(model: Model) -> None:
    there, back = (helper.make_node("Cast", [a], [b], b, to=to) for a, b, to in (("flat", "wide", 11), ("wide", "narrow", 1)))
    put_before(model, "project", there, back)
    node(model, "project").input[0] = "narrow"


def turned_first(model: Model) -> None:
    cast, turn = (next(each for each in model.graph.node if each.op_type == kind) for kind in ("Cast", "Transpose"))
    a, b, c = cast.input[0], cast.output[0], turn.output[0]
    old = [onnx.NodeProto(), onnx.NodeProto()]
    old[0].CopyFrom(cast)
    old[1].CopyFrom(turn)
    old[0].input[0], old[0].output[0], old[1].input[0], old[1].output[0] = b, c, a, b
    cast.CopyFrom(old[1])
    turn.CopyFrom(old[0])


def float_input(model: Model, reader: str, place: int) -> None:
    node(model, reader).input[place] = pair(model, reader, place)[0].input[0]
    read = {name for each in model.graph.node for name in each.input}
    for kind in ("DequantizeLinear", "QuantizeLinear"):
        for each in [each for each in model.graph.node if each.op_type == kind and each.output[0] not in read]:
            model.graph.node.remove(each)
        read = {name for each in model.graph.node for name in each.input}


def one_name(model: Model) -> None:
    node(model, "relu_a").name = "relu_b"


def float_only(model: Model) -> None:
    for reader, place in (("inner", 0), ("inner", 1), ("outer", 0), ("outer", 1), ("deep", 0), ("deep", 1), ("residual", 0)):
        float_input(model, reader, place)


def float16_scale(model: Model) -> None:
    name = constant(model, scale_of(model, "inner", 0).astype(np.float16))
    for each in pair(model, "inner"):
        each.input[1] = name


def bad_scale(value: float) -> Callable[[Model], None]:
    return lambda model: set_both(model, "inner", 0, 1, np.array(value, np.float32))


PLANTED: dict[str, Planted] = {
    "zero point of an activation is 3": Planted(
        lambda m: set_both(m, "inner", 0, 2, np.array(3, np.int8)), "zero-point", "refuses", "refused"
    ),
    "zero point of weights is 1": Planted(
        lambda m: set_both(m, "inner", 1, 2, np.ones(CHANNELS, np.int8), 0), "zero-point", "refuses", "refused"
    ),
    "uint8 activation, zero point 0": Planted(
        lambda m: set_both(m, "inner", 0, 2, np.array(0, np.uint8)),
        "type",
        "accepts",
        "DLA and TensorRT 8.6 have no uint8 activations: taken for int8, half the range is lost",
    ),
    "no zero point, so uint8": Planted(no_zero_point, "type", "accepts", "as uint8"),
    "int32 bias behind a DQ": Planted(int32_bias, "int32", "refuses", "symbols"),
    "scale 0": Planted(bad_scale(0.0), "scale-value", "refuses", "symbols"),
    "scale negative": Planted(bad_scale(-0.1), "scale-value", "refuses", "refused"),
    "scale not a number": Planted(bad_scale(float("nan")), "scale-value", "refuses", "symbols"),
    "scale infinite": Planted(bad_scale(float("inf")), "scale-value", "accepts", "symbols"),
    "scale computed": Planted(computed_scale, "computed-scale", "dies", "ends the process"),
    "scale of float16": Planted(float16_scale, "scale-type", "refuses", "unreadable"),
    "activation with a scale a channel": Planted(
        lambda m: (
            set_both(m, "inner", 0, 1, np.full(CHANNELS, scale_of(m, "inner", 0)), 1),
            set_both(m, "inner", 0, 2, np.zeros(CHANNELS, np.int8), 1),
        ),
        "activation-scales",
        "accepts",
        "no kernel has such scales: not fused, slower",
    ),
    "weights along axis 1": Planted(lambda m: set_both(m, "inner", 1, 1, scale_of(m, "inner", 1), 1), "weight-axis", "accepts", "symbols"),
    "depthwise weights with one scale": Planted(
        lambda m: (set_both(m, "deep", 1, 1, scale_of(m, "deep", 1).max()), set_both(m, "deep", 1, 2, np.array(0, np.int8))),
        "weight-scales",
        "accepts",
        "symbols",
    ),
    "weights cut off by their scale": Planted(
        lambda m: set_both(m, "inner", 1, 1, scale_of(m, "inner", 1) / np.float32(8), 0), "weight-range", "accepts", "symbols"
    ),
    "Q without DQ": Planted(no_dq, "no-dq", "accepts", "symbols"),
    "DQ with another scale than its Q": Planted(other_scale_behind, "mismatch", "accepts", "symbols"),
    "operator set 12": Planted(operator_set(12), "opset", "accepts", "unreadable"),
    "operator set 99": Planted(operator_set(99), "opset", "accepts", "unreadable"),
    "Q of com.microsoft": Planted(foreign, "domain", "accepts", "TensorRT 8.6 has no such domain"),
    "first layer quantised": Planted(
        lambda m: (wrap(m, "first", 0, 0.01), wrap(m, "first", 1, np.full(CHANNELS, 0.01))), "end-layer", "accepts", "symbols"
    ),
    "last layer quantised": Planted(
        lambda m: (wrap(m, "project", 0, 0.1), wrap(m, "project", 1, np.full(256, 0.002))), "end-layer", "accepts", "symbols"
    ),
    "both sides of an Add quantised": Planted(lambda m: wrap(m, "residual", 1, 0.05), "add", "accepts", "Conv and Add do not fuse"),
    "PRelu beside Q/DQ": Planted(prelu, "prelu", "accepts", "does not fuse, slower than float"),
    "float64 inside": Planted(doubles, "float64", "accepts", "narrowed or refused, by version"),
    "weights computed": Planted(computed_weights, "dynamic-weights", "accepts", "symbols"),
    "only the input quantised": Planted(
        lambda m: float_input(m, "inner", 1), "one-sided", "accepts", "computed in float with Q and DQ on top"
    ),
    "only the weights quantised": Planted(
        lambda m: float_input(m, "inner", 0), "one-sided", "accepts", "computed in float with Q and DQ on top"
    ),
    "uint8 pictures turned before the cast": Planted(turned_first, "uint8-input", "refuses", "refused"),
    "two nodes of one name": Planted(one_name, "names", "accepts", "unreadable"),
    "nothing quantised": Planted(float_only, "not-quantised", "accepts", "a float engine that is taken for INT8"),
}

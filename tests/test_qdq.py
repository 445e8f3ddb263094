"""The two forms of a quantised network, their ranges, and which layers stay float."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from calibration.graph import Graph, Layer, prepare
from calibration.qdq import quantised
from calibration.ranges import CALIBRATORS, Observer, Ranges, entropy_end
from calibration.sensitivity import alone, from_the_end, until
from edge.errors import NetworkError
from tests.tiny_int8 import observed

BINS = 2048


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Observer]:
    return observed(tmp_path_factory.mktemp("tiny"))


def made(tiny: tuple[Graph, Observer], form: str, layers: list[Layer] | None = None) -> onnx.ModelProto:
    graph, observer = tiny
    return quantised(graph, graph.layers if layers is None else layers, observer.ranges("minmax"), form)


def fed_by(model: onnx.ModelProto, name: str) -> list[str]:
    """What kinds of node stand before a node's inputs."""
    maker = {output: node.op_type for node in model.graph.node for output in node.output}
    return [maker.get(tensor, "constant") for node in model.graph.node if node.name == name for tensor in node.input]


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_for_tensorrt_only_the_skip_input_of_an_add_is_quantised(tiny: tuple[Graph, Observer]) -> None:
    assert sorted(fed_by(made(tiny, "tensorrt"), "residual")) == ["Conv", "DequantizeLinear"]


def test_for_the_cpu_both_inputs_are_and_the_relus_are_gone(tiny: tuple[Graph, Observer]) -> None:
    model = made(tiny, "cpu")
    assert fed_by(model, "residual") == ["DequantizeLinear", "DequantizeLinear"]
    assert kinds(model).count("Relu") == 1, "that of the first layer, which is float"
    assert kinds(made(tiny, "tensorrt")).count("Relu") == 4


@pytest.mark.parametrize("form", ["tensorrt", "cpu"])
def test_a_layer_left_out_is_fed_in_float_weights_and_all(tiny: tuple[Graph, Observer], form: str) -> None:
    layers = [layer for layer in tiny[0].layers if layer.name != "outer"]
    model = made(tiny, form, layers)
    onnx.checker.check_model(model, full_check=True)
    assert fed_by(model, "outer")[1] == "constant"
    if form == "tensorrt":
        assert sorted(fed_by(model, "residual")) == ["Conv", "Relu"]


def test_no_layer_is_the_float_network(tiny: tuple[Graph, Observer]) -> None:
    assert "QuantizeLinear" not in kinds(made(tiny, "tensorrt", []))


def test_pictures_are_cast_before_they_are_turned(tiny: tuple[Graph, Observer]) -> None:
    assert kinds(tiny[0].model)[:2] == ["Cast", "Transpose"]


def test_every_weighted_layer_is_quantised_or_has_a_reason(tiny: tuple[Graph, Observer]) -> None:
    graph = tiny[0]
    weighted = {node.name for node in graph.model.graph.node if node.op_type in ("Conv", "Gemm")}
    assert weighted == {layer.name for layer in graph.layers} | set(graph.kept)
    assert all(graph.kept.values())


@pytest.mark.parametrize("raw", [b"", b"no network"])
def test_what_is_no_network_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(raw)
    with pytest.raises(NetworkError, match=r"bad\.onnx"):
        prepare(tmp_path / "bad.onnx")


def test_a_quantised_network_is_not_quantised_again(tiny: tuple[Graph, Observer], tmp_path: Path) -> None:
    (tmp_path / "int8.onnx").write_bytes(made(tiny, "tensorrt").SerializeToString())
    with pytest.raises(NetworkError, match="quantised already"):
        prepare(tmp_path / "int8.onnx")


@pytest.mark.parametrize(
    "wrong", [lambda g, o: quantised(g, g.layers, {}, "gpu"), lambda g, o: o.ranges("best")], ids=["form", "calibrator"]
)
def test_an_unknown_choice_is_refused_with_what_there_is(tiny: tuple[Graph, Observer], wrong: object) -> None:
    with pytest.raises(ValueError, match="choose one of"):
        wrong(*tiny)  # type: ignore[operator]


def histogram(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    end = np.abs(values).max()
    counts, edges = np.histogram(values, BINS, (-end, end))
    return counts, edges


def test_entropy_clips_outliers_and_keeps_what_is_spread_evenly() -> None:
    random = np.random.default_rng(0)
    assert entropy_end(*histogram(np.append(random.normal(size=100_000), 40))) < 8
    assert entropy_end(*histogram(random.uniform(-1, 1, 100_000))) == pytest.approx(1, abs=0.05)


def test_the_zeros_of_a_relu_do_not_narrow_its_range() -> None:
    values = np.abs(np.random.default_rng(0).normal(size=20_000))
    zeros = np.concatenate([values, np.zeros(200_000)])
    assert entropy_end(*histogram(zeros)) == pytest.approx(entropy_end(*histogram(values)), rel=0.1)


def test_a_tensor_that_is_always_zero_has_a_range_all_the_same(tiny: tuple[Graph, Observer]) -> None:
    graph, observer = tiny
    ranges: Ranges = dict.fromkeys(observer.ranges("minmax"), (0.0, 0.0))
    scales = {t.name: onnx.numpy_helper.to_array(t) for t in quantised(graph, graph.layers, ranges, "tensorrt").graph.initializer}
    assert all((value > 0).all() for name, value in scales.items() if name.endswith("_scale"))


def test_percentile_is_inside_minmax_and_all_calibrators_differ(tiny: tuple[Graph, Observer]) -> None:
    found = [tiny[1].ranges(name) for name in CALIBRATORS]
    assert found[0] != found[1] != found[2]


def test_the_costliest_layers_stay_float_and_no_more_than_needed() -> None:
    layers = [Layer(name, "x") for name in "abcd"]
    costs = {"a": 0.1, "b": 0.4, "c": 0.2, "d": 0.3}
    assert [layer.name for layer in until(layers, costs, lambda kept: len(kept) <= 2) or []] == ["a", "c"]
    assert until(layers, costs, lambda kept: True) == layers
    assert until(layers, costs, lambda kept: False) is None


def test_from_the_end_the_first_layers_stay_int8_in_one_piece() -> None:
    layers = [Layer(name, "x") for name in "abcd"]
    assert [layer.name for layer in from_the_end(layers, lambda kept: len(kept) <= 2) or []] == ["a", "b"]
    assert from_the_end(layers, lambda kept: True) == layers
    assert from_the_end(layers, lambda kept: False) is None


def test_each_layer_is_judged_alone(tiny: tuple[Graph, Observer]) -> None:
    class Counts:
        def score(self, network: bytes) -> float:
            convolutions = [node for node in onnx.load_model_from_string(network).graph.node if node.op_type == "Conv"]
            return 1 - 0.1 * sum("dequant" in node.input[1].lower() for node in convolutions)

        def figures(self, network: bytes) -> dict:
            raise AssertionError

    graph, observer = tiny
    costs = dict(alone(graph, graph.layers, observer.ranges("minmax"), "tensorrt", Counts()))
    assert costs == pytest.approx({"inner": 0.1, "outer": 0.1, "deep": 0.1})

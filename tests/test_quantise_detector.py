"""The shipped detector becomes an INT8 one on whole pictures, held to boxes, landmarks and the symbols of what they align."""

import json
from itertools import islice
from pathlib import Path

import cv2
import onnx
import pytest

from calibration import quantise
from edge.camera.demo import DemoSource
from edge.errors import NetworkError
from edge.inference import load_network
from tests import tiny_int8

MODELS = Path(__file__).parent.parent / "models"
HASH = ["--hash", str(MODELS / "drh.json")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("skimage", reason="a portrait of the demonstration is in scikit-image")
    pytest.importorskip("matplotlib", reason="a portrait of the demonstration is in matplotlib")
    folder = tmp_path_factory.mktemp("pictures")
    for seed in (1, 2):
        with DemoSource(seed=seed) as stream:
            for frame in islice(stream.frames(), 20, 110):
                assert cv2.imwrite(str(folder / f"{seed}-{frame.number}.png"), frame.image)
    return folder


def test_a_detector_is_calibrated_and_its_gate_counts_boxes_landmarks_and_symbols(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two portraits are too few to calibrate on, so the bar for symbols is not the product's here; leaving layers out is tested below."""
    monkeypatch.setattr("calibration.faces.LEAST_SYMBOLS", 0.5)
    words = [
        str(MODELS / "detector.json"),
        str(pictures),
        *HASH,
        "--held-out",
        str(pictures),
        "--most-held-out",
        "40",
        "--form",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    code = quantise.main(words)
    told = capsys.readouterr()
    assert code == 0, told.err
    facts = json.loads(told.out.splitlines()[-1])["forms"]["cpu"]
    gate = facts["gate"]
    assert gate["passed"]
    assert gate["faces"] >= 20
    assert 0.5 <= gate["agreement"] < 1
    assert gate["boxes_share"] >= gate["limits"]["boxes_share"]
    assert facts["pictures"]["hash"] == "drh"
    assert facts["time_share"] > 0
    assert "of float's time here" in " ".join(told.err.split())
    assert load_network(tmp_path / "detector_int8_cpu.json").manifest.kind == "detect"
    assert (tmp_path / "detector.recipe").exists()


@pytest.mark.parametrize(("given", "said"), [([], "name the float hash network with --hash"), (None, "--hash names one of kind 'hash'")])
def test_without_a_hash_network_a_detector_is_not_judged(
    tmp_path: Path, pictures: Path, given: list[str] | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--hash", str(MODELS / "detector.json")] if given is None else given
    assert quantise.main([str(MODELS / "detector.json"), str(pictures), *words, "--out", str(tmp_path)]) == 5
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*.onnx"))


def test_made_up_crops_are_no_pictures_for_a_detector(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantise.main([str(MODELS / "detector.json"), "--synthetic", *HASH, "--out", str(tmp_path)]) == 4
    assert "a detector sees whole pictures" in " ".join(capsys.readouterr().err.split())


class OneLayer:
    """A judge by whom a network passes with one layer in INT8: its input and its weights."""

    def score(self, network: bytes) -> float:
        return 1.0

    def figures(self, network: bytes) -> dict[str, object]:
        pairs = sum(node.op_type == "QuantizeLinear" for node in onnx.load_model_from_string(network).graph.node)
        return {"passed": pairs <= 2, "pairs": pairs}


@pytest.mark.parametrize(("costliest", "left"), [(("outer", "deep"), ["inner"]), (("inner", "outer"), ["deep"])])
def test_layers_that_cost_too_much_stay_float_until_the_gate_holds(tmp_path: Path, costliest: tuple[str, str], left: list[str]) -> None:
    graph, observer = tiny_int8.observed(tmp_path)
    material = quantise.Material([tiny_int8.crops(1)], OneLayer(), OneLayer(), {})
    costs = {layer.name: float(layer.name in costliest) for layer in graph.layers}
    layers, figures = quantise.chosen(graph, "tensorrt", observer.ranges("minmax"), costs, material)
    assert [layer.name for layer in layers] == left
    assert figures == {"passed": True, "pairs": 2}


class Nothing(OneLayer):
    """A judge by whom nothing passes."""

    def figures(self, network: bytes) -> dict[str, object]:
        return {"passed": False}


@pytest.mark.parametrize("form", ["tensorrt", "cpu"])
def test_where_no_choice_of_layers_passes_it_is_refused(tmp_path: Path, form: str) -> None:
    graph, observer = tiny_int8.observed(tmp_path)
    material = quantise.Material([tiny_int8.crops(1)], Nothing(), Nothing(), {})
    costs = {layer.name: 0.0 for layer in graph.layers}
    with pytest.raises(NetworkError, match=f"form {form}: the gate holds with no layer quantised"):
        quantise.chosen(graph, form, observer.ranges("minmax"), costs, material)

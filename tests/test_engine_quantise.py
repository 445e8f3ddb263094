"""`edge engine quantise`: from the recipe beside a float network to its INT8 forms, in one word and without a picture."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from build_engine.lint import lint_file
from calibration.graph import activations
from calibration.recipe import Form, Recipe, save
from edge.assembly import build
from edge.assembly.report import Report
from edge.commands import engine
from edge.errors import NetworkError
from edge.inference import load_network, read_manifest
from edge.settings import DEFAULTS, Settings, load_settings
from tests import tiny_int8
from tests.tiny_networks import ship_detector

MODELS = DEFAULTS.parent.parent / "models"
LOW = {"non_mated_low": 20}
GATE = {"people_known": True, "agreement": 0.97, "non_mated_pairs": 20_000, "float_float": LOW, "int8_int8": LOW, "float_int8": LOW}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A door with a tiny detector, a tiny float network and its recipe."""
    ship_detector(tmp_path)
    graph, observer = tiny_int8.observed(tmp_path)
    form = Form.of(graph.layers, observer.ranges("minmax"), activations(graph, graph.layers), {"gate": GATE})
    sha256 = read_manifest(tmp_path / "tiny.json").sha256
    save(Recipe(name="tiny", float_sha256=sha256, forms={"tensorrt": form, "cpu": form}), tmp_path / "tiny.recipe")
    (tmp_path / "door.toml").write_text('[network]\nmodels = "."\nplans = "plans"\ndetector = "eyes"\nhash = "tiny"\n')
    return load_settings(tmp_path / "door.toml", {})


def quantise(settings: Settings, capture: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    engine.run(settings, Report(as_json=True, quiet=False), "quantise")
    return [json.loads(line) for line in capture.readouterr().out.splitlines()]


def test_a_recipe_becomes_both_forms_that_the_gallery_of_float_serves(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    models = settings.network.models
    assert engine.without_int8(models, "tiny").endswith("here or elsewhere")
    assert [set(one["quantised"]["made"]) for one in quantise(settings, capsys)] == [{"tensorrt", "cpu"}]
    assert engine.without_int8(models, "tiny") == ""
    assert "--quantised" in engine.command(settings, "build", "tiny", False)
    on_cpu = settings.model_copy(update={"network": settings.network.model_copy(update={"hash": "tiny_int8_cpu"})})
    assert build.network_id(on_cpu) == build.network_id(settings)


def test_a_door_that_names_the_int8_network_may_make_it_too(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    on_cpu = settings.model_copy(update={"network": settings.network.model_copy(update={"hash": "tiny_int8_cpu"})})
    assert len(quantise(on_cpu, capsys)) == 1
    assert build.Networks(on_cpu).hasher.manifest.name == "tiny_int8_cpu"


def test_a_recipe_of_another_network_is_refused_and_makes_nothing(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    path = settings.network.models / "tiny.recipe"
    path.write_text(json.dumps({**json.loads(path.read_text()), "float_sha256": "0" * 64}))
    with pytest.raises(NetworkError, match="the recipe is for tiny 000000000000"):
        quantise(settings, capsys)
    assert not list(settings.network.models.glob("*_int8*"))


def test_without_a_recipe_it_says_how_to_get_one(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    (settings.network.models / "tiny.recipe").unlink()
    with pytest.raises(NetworkError, match=r"holds no recipe .*calibration\.quantise"):
        quantise(settings, capsys)
    assert "no recipe for one" in engine.without_int8(settings.network.models, "tiny")


def test_a_plan_is_made_of_the_float_network_and_an_int8_name_says_so(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    quantise(settings, capsys)
    on_cpu = settings.model_copy(update={"network": settings.network.model_copy(update={"hash": "tiny_int8_cpu"})})
    with pytest.raises(NetworkError, match=r"tiny_int8_cpu: is an INT8 form; .*its float network"):
        engine.run(on_cpu, Report(as_json=True, quiet=True), "build")


def test_the_shipped_recipe_makes_networks_that_galleries_of_the_shipped_one_serve(tmp_path: Path) -> None:
    for name in ("detector.json", "detector.onnx", "detector.recipe", "drh.json", "drh.onnx", "drh.recipe"):
        shutil.copy(MODELS / name, tmp_path)
    (tmp_path / "door.toml").write_text('[network]\nmodels = "."\n')
    engine.run(load_settings(tmp_path / "door.toml", {}), Report(as_json=True, quiet=True), "quantise")
    parent = read_manifest(MODELS / "drh.json")
    for name in ("drh_int8", "drh_int8_cpu"):
        manifest = read_manifest(tmp_path / f"{name}.json")
        assert manifest.gallery_sha256 == parent.sha256
        assert manifest.float_parent is not None
        assert manifest.float_parent.agreement >= 0.95
        (tmp_path / "door.toml").write_text(f'[network]\nmodels = "."\nhash = "{name}"\n')
        assert build.Networks(load_settings(tmp_path / "door.toml", {})).tail == manifest.non_mated
    assert not list(lint_file(tmp_path / "drh_int8.onnx"))
    for form in ("detector_int8", "detector_int8_cpu"):
        gate = read_manifest(tmp_path / f"{form}.json").facts["quantised"]["gate"]  # type: ignore[index, call-overload]
        assert gate["passed"]  # type: ignore[index, call-overload]
        assert load_network(tmp_path / f"{form}.json").manifest.kind == "detect"
    assert not list(lint_file(tmp_path / "detector_int8.onnx"))
    (tmp_path / "door.toml").write_text('[network]\nmodels = "."\ndetector = "detector_int8_cpu"\n')
    with pytest.raises(NetworkError, match=r"detector_int8_cpu: is an INT8 form; .*in network\.detector"):
        engine.run(load_settings(tmp_path / "door.toml", {}), Report(as_json=True, quiet=True), "build")

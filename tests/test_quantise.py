"""A float network becomes INT8 ones that the door loads, that a linter passes, and that give nearly the same symbols."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from build_engine.lint import lint_file
from calibration import cache, quantise, recipe
from calibration.ranges import CALIBRATORS
from edge.inference import load_network
from edge.template.hashing import hash_logits
from tests import tiny_int8


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Forty people with six crops each."""
    for number, crop in enumerate(tiny_int8.crops(240, 3)):
        path = tmp_path / "crops" / f"person{number // 6}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), crop)
    return tmp_path / "crops"


def test_the_int8_networks_load_lint_and_agree_with_the_float_one(tmp_path: Path, crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tiny_int8.network(tmp_path / "tiny.onnx")
    code = quantise.main([str(manifest), str(crops), "--out", str(tmp_path / "out")])
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == 0, facts
    assert set(facts["forms"]) == {"tensorrt", "cpu"}
    seen = tiny_int8.crops(16, 9)
    wanted = hash_logits(load_network(manifest).infer(seen, ("logits",))["logits"], tiny_int8.Q)
    for form in facts["forms"].values():
        found = load_network(form["manifest"])
        assert found.manifest.sha256 != load_network(manifest).manifest.sha256
        agreement = (hash_logits(found.infer(seen, ("logits",))["logits"], tiny_int8.Q) == wanted).mean()
        assert agreement > 0.9
    assert not list(lint_file(Path(facts["forms"]["tensorrt"]["manifest"]).with_suffix(".onnx")))


def test_a_recipe_makes_the_same_networks_again_without_a_picture(tmp_path: Path, crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tiny_int8.network(tmp_path / "tiny.onnx")
    assert quantise.main([str(manifest), str(crops), "--out", str(tmp_path / "out")]) == 0
    assert recipe.main([str(manifest), str(tmp_path / "out" / "tiny.recipe"), "--out", str(tmp_path / "again")]) == 0
    for name in ("tiny_int8.onnx", "tiny_int8.json", "tiny_int8_cpu.onnx", "tiny_int8_cpu.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [({"float_sha256": "0" * 64}, "the recipe is for"), ({"format": 2}, "no recipe can be read"), ({"forms": 3}, "no recipe can be read")],
    ids=["of another network", "of another format", "damaged"],
)
def test_a_recipe_that_does_not_fit_is_refused(tmp_path: Path, spoil: dict, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tiny_int8.network(tmp_path / "tiny.onnx")
    sound = {"name": "tiny", "float_sha256": json.loads(manifest.read_text())["sha256"], "forms": {}}
    (tmp_path / "some.recipe").write_text(json.dumps(sound | spoil))
    assert recipe.main([str(manifest), str(tmp_path / "some.recipe"), "--out", str(tmp_path / "again")]) == 5
    assert said in " ".join(capsys.readouterr().err.split())


def test_a_folder_that_cannot_be_made_is_told_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tiny_int8.network(tmp_path / "tiny.onnx")
    made = {"name": "tiny", "float_sha256": json.loads(manifest.read_text())["sha256"], "forms": {}}
    (tmp_path / "some.recipe").write_text(json.dumps(made))
    (tmp_path / "taken").touch()
    assert recipe.main([str(manifest), str(tmp_path / "some.recipe"), "--out", str(tmp_path / "taken")]) == 5
    told = capsys.readouterr()
    assert "must be writable" in " ".join(told.err.split())
    assert json.loads(told.out.splitlines()[-1])["exit_code"] == 5


def test_faces_that_nobody_has_calibrate_too(tmp_path: Path, crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tiny_int8.network(tmp_path / "tiny.onnx")
    words = [str(manifest), "--synthetic", "--most", "160", "--held-out", str(crops), "--form", "tensorrt", "--out", str(tmp_path / "out")]
    assert quantise.main(words) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])["forms"]["tensorrt"]
    assert facts["pictures"] == {"pictures": "synthetic", "ranges": 128, "choice": 32, "held_out": "crops", "held_out_pictures": 240}


def test_without_pictures_it_says_what_to_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quantise.main([str(tiny_int8.network(tmp_path / "tiny.onnx")), "--out", str(tmp_path / "out")]) == 4
    assert "or say --synthetic" in " ".join(capsys.readouterr().err.split())


def test_too_few_pictures_are_refused_with_how_many_are_needed(tmp_path: Path, crops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tiny_int8.network(tmp_path / "tiny.onnx")
    assert quantise.main([str(manifest), str(crops), "--most", "48", "--out", str(tmp_path / "out")]) == 4
    assert "at least 32 each are needed" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("out/*.onnx"))


def test_every_calibrator_keeps_zero_inside_and_none_goes_beyond_what_was_seen(tmp_path: Path) -> None:
    _, observer = tiny_int8.observed(tmp_path)
    widest = observer.ranges("minmax")
    for name in CALIBRATORS:
        for tensor, (low, high) in observer.ranges(name).items():
            assert low <= 0 <= high
            assert max(-low, high) <= max(-widest[tensor][0], widest[tensor][1]) * 1.001


def test_the_first_and_the_last_layers_stay_float(tmp_path: Path) -> None:
    model = tiny_int8.tensorrt_form(tmp_path)
    made = {output: node for node in model.graph.node for output in node.output}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    quantised = {node.name for node in layers if node.input[0] in made and made[node.input[0]].op_type == "DequantizeLinear"}
    assert {"inner", "outer", "deep"} <= quantised
    assert not quantised & {"first", "project", "uncertain"}
    onnx.checker.check_model(model)


def test_a_calibration_cache_holds_the_largest_magnitude_over_127() -> None:
    text = cache.written({"a": (-2.54, 1.0), "b": (0.0, 0.0)}, ["a", "b"])
    header, first, second = text.splitlines()
    assert header == "TRT-8600-EntropyCalibration2"
    assert np.frombuffer(bytes.fromhex(first.removeprefix("a: ")), ">f4")[0] == pytest.approx(0.02)
    assert np.frombuffer(bytes.fromhex(second.removeprefix("b: ")), ">f4")[0] > 0
    with pytest.raises(ValueError, match="no range"):
        cache.written({}, ["a"])

"""A face network that is not ours, given what it wants; what its description must say. Needs torch (extra ``train``)."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from tests import tiny_backbone as tiny  # noqa: E402
from training import prebuilt  # noqa: E402

RUNS = Path(__file__).parent.parent / "training" / "runs"
KINDS = [("NCHW", "RGB", 32), ("NHWC", "BGR", 32), ("NHWC", "RGB", 112), ("NCHW", "BGR", 128)]


def crops(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 112, 112, 3), np.uint8)


def by_hand(path: Path, crop: np.ndarray) -> np.ndarray:
    """One crop prepared with OpenCV as the description says, through the untouched file: its embedding, not normalised."""
    told = json.loads(path.with_suffix(".json").read_text())
    left, top, right, bottom = told.get("window", (0, 0, 112, 112))
    picture = cv2.resize(crop[top:bottom, left:right].astype(np.float32), tuple(told["size"][::-1]))
    if told["colour"] == "RGB":
        picture = picture[..., ::-1]
    picture = (picture - np.float32(told["mean"])) / np.float32(told["scale"])
    if told["layout"] == "NCHW":
        picture = picture.transpose(2, 0, 1)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"given": picture[None]})[0][0]


@pytest.mark.parametrize("window", [None, [8, 0, 104, 112]])
@pytest.mark.parametrize(("layout", "colour", "side"), KINDS)
def test_the_network_is_given_what_its_description_says(
    tmp_path: Path, layout: str, colour: str, side: int, window: list[int] | None
) -> None:
    path = tiny.network(tmp_path / "tiny.onnx", layout, side)
    tiny.describe(path, layout, colour, side, **({"window": window} if window else {}))
    embedder = prebuilt.Embedder(path, prebuilt.read_description(path), 1)
    expected = np.stack([by_hand(path, crop) for crop in crops()])
    pooled, embedding = embedder.embed(crops())
    assert pooled == pytest.approx(expected, abs=2e-3)
    assert embedding == pytest.approx(expected / np.linalg.norm(expected, axis=1, keepdims=True), abs=1e-3)


def test_the_uncertainty_can_be_told_from_a_tensor_inside(tmp_path: Path) -> None:
    path = tiny.network(tmp_path / "tiny.onnx", "NCHW")
    tiny.describe(path, "NCHW", "RGB", pooled="fields")
    pooled, embedding = prebuilt.Embedder(path, prebuilt.read_description(path), 1).embed(crops())
    assert pooled.shape == (3, 48)
    assert embedding.shape == (3, tiny.WIDTH)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"layout": "CHWN"}, "layout"),
        ({"colour": None}, "colour"),
        ({"size": [112]}, "size"),
        ({"scale": [1, 0, 1]}, "scale: a number is 0"),
        ({"window": [10, 0, 10, 112]}, r"window \[10, 0, 10, 112\]"),
        ({"meen": [0, 0, 0]}, "meen: Extra inputs"),
        ({"mean": ["a", 0, 0]}, r"mean\.0"),
    ],
)
def test_a_wrong_description_is_refused_with_its_file_and_key(tmp_path: Path, change: dict[str, object], fault: str) -> None:
    path = tiny.network(tmp_path / "tiny.onnx", "NCHW")
    tiny.describe(path, **{"layout": "NCHW", "colour": "RGB", **change})  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match=rf"tiny\.json: .*{fault}"):
        prebuilt.read_description(path)


def test_a_missing_description_says_how_to_give_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"face\.json: the description of face\.onnx cannot be read .*--description"):
        prebuilt.read_description(tmp_path / "face.onnx")


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"side": 48}, "its description says one input of"),
        ({"embedding": "nose"}, "outputs are face; say"),
        ({"pooled": "nose"}, "no tensor 'nose'"),
    ],
)
def test_a_description_that_is_not_the_network_s_is_refused(tmp_path: Path, more: dict[str, object], fault: str) -> None:
    path = tiny.network(tmp_path / "tiny.onnx", "NCHW")
    tiny.describe(path, "NCHW", "RGB", **more)  # type: ignore[arg-type]
    with pytest.raises(SystemExit, match=fault):
        prebuilt.Embedder(path, prebuilt.read_description(path), 1)


def test_a_network_for_one_picture_only_is_refused(tmp_path: Path) -> None:
    path = tiny.network(tmp_path / "tiny.onnx", "NCHW", fixed_batch=True)
    tiny.describe(path, "NCHW", "RGB")
    with pytest.raises(SystemExit, match="batch"):
        prebuilt.Embedder(path, prebuilt.read_description(path), 1)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("text")
    tiny.describe(path, "NCHW", "RGB")
    with pytest.raises(SystemExit, match=r"text\.onnx: no ONNX network"):
        prebuilt.Embedder(path, prebuilt.read_description(path), 1)


@pytest.mark.parametrize("name", ["insightface", "face_reid_retail_0095"])
def test_the_descriptions_that_come_along_are_sound(name: str) -> None:
    assert prebuilt.read_description(Path("any.onnx"), RUNS / f"{name}.json").layout == "NCHW"

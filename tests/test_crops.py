"""Training data from photographs: found and aligned as at the door, and nobody of a test set among them. Needs no torch for the cutting."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.acquire import Acquirer
from edge.face.align import align
from edge.inference import write_manifest
from edge.inference.make import describe
from edge.settings import load_settings
from tests.test_evaluation import SIDE, detector_file, face, people, zipped
from training import crops, faces
from training.augment import MARGIN
from training.faces import Finder
from training.pack import pictures


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Finder:
    folder = tmp_path_factory.mktemp("detector")
    write_manifest(describe(detector_file(folder / "detector.onnx"), "detect", size=SIDE, facts={}), folder / "detector.json")
    return Finder(folder / "detector.json")


def test_a_face_is_looked_for_in_training_as_it_is_at_the_door() -> None:
    detect = load_settings().detect
    assert (detect.long_side, detect.threshold, detect.overlap) == (faces.LONG_SIDE, faces.THRESHOLD, faces.OVERLAP)
    assert Acquirer.__module__ == "edge.acquire"


def test_a_training_crop_is_the_door_s_crop_with_a_margin(finder: Finder) -> None:
    image = face((150, 20, 20))
    found = finder.central(image)
    large = finder.crop(image, MARGIN)
    assert found is not None
    assert large is not None
    assert large.shape == (112 + 2 * MARGIN, 112 + 2 * MARGIN, 3)
    difference = np.abs(large[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(int) - align(image, found.landmarks))
    assert difference.max() <= 1


def test_the_face_in_the_middle_is_taken_and_without_one_there_is_no_crop(finder: Finder) -> None:
    both = face((150, 20, 20), marks=((1, 1), (5, 5)))
    found = finder.central(both)
    assert found is not None
    assert np.abs(found.box.reshape(2, 2).mean(0) - 44).max() < 8
    assert finder.crop(np.zeros((SIDE, SIDE, 3), np.uint8)) is None


def test_crops_are_cut_once_named_after_their_person_and_ready_to_be_packed(tmp_path: Path, finder: Finder) -> None:
    tree = people(tmp_path / "photos", ("Ada", "Bo"), 2)
    blank = tree / "Ada" / "Ada_0003.png"
    assert cv2.imwrite(str(blank), np.zeros((SIDE, SIDE, 3), np.uint8))
    assert crops.cut(tree, tmp_path / "out", finder) == {"written": 4, "there": 0, "without_a_face": 1}
    assert crops.cut(tree, tmp_path / "out", finder) == {"written": 0, "there": 4, "without_a_face": 1}
    expected = [f"{who}/{who}_000{number}.png" for who in ("Ada", "Bo") for number in (1, 2)]
    assert [name for name, _ in pictures(tmp_path / "out" / "photos")] == expected
    assert crops.cut(zipped(tree), tmp_path / "packed", finder)["written"] == 4


def test_a_file_that_is_no_picture_is_named(tmp_path: Path, finder: Finder) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(SystemExit, match=r"broken\.jpg: not a picture"):
        crops.cut(tmp_path, tmp_path / "out", finder)


def test_whoever_looks_like_a_test_set_is_left_out_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")
    from training import overlap, packed

    identity = np.array([0, 0, 0, 1, 1, -1, -1])
    cosine = np.array([0.9, 0.8, 0.1, 0.9, 0.1, 0.6, 0.2], np.float32)
    out = overlap.to_leave_out(cosine, identity, 0.5)
    assert out.tolist() == [True, True, True, True, False, True, False]  # of person 0 two look alike, so all go; of person 1 the one

    folder = tmp_path / "packed"
    folder.mkdir()
    np.save(folder / "crops.npy", np.zeros((7, 120, 120, 3), np.uint8))
    rows = [{"name": f"{who}/{n}.png", "identity": int(who), "source": "a"} for n, who in enumerate(identity)]
    (folder / "index.json").write_text(json.dumps(rows))
    assert packed.load(folder).left_out.sum() == 0
    (folder / packed.LEFT_OUT).write_text(json.dumps({"crops": [{"row": int(row)} for row in np.flatnonzero(out)]}))
    kept = packed.load(folder)
    assert sorted([*kept.learn, *kept.validate]) == [4, 6]
    assert sys.modules["training.overlap"].LEFT_OUT == packed.LEFT_OUT


def test_the_nearest_test_picture_is_told() -> None:
    pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")
    from training.overlap import nearest

    best, cosine = nearest(np.eye(3, dtype=np.float32), np.array([[0, 1, 0], [0.6, 0, 0.8]], np.float32))
    assert best.tolist() == [1, 0, 1]
    assert cosine == pytest.approx([0.6, 1.0, 0.8])

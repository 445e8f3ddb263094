"""What networks are calibrated on: every way in which crops come, and crops of nobody."""

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.crops import Crops, read_crops, read_pictures, split
from calibration.synthetic import synthetic_crops
from edge.errors import SourceError


def picture(value: int, side: int = 112) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def folder(path: Path, side: int = 112) -> Path:
    """ada 10, 20; bo 30, 40 (grey values)."""
    for name, value in (("ada/1", 10), ("ada/2", 20), ("bo/1", 30), ("bo/2", 40)):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path / f"{name}.png"), picture(value, side))
    return path


def zipped(path: Path) -> Path:
    with zipfile.ZipFile(path / "crops.zip", "w") as archive:
        for file in sorted(folder(path / "there").rglob("*.png")):
            archive.write(file, file.relative_to(path))
    return path / "crops.zip"


def packed(path: Path, margin: int = 4) -> Path:
    side = 112 + 2 * margin
    array = np.stack([cv2.copyMakeBorder(picture(v), *[margin] * 4, cv2.BORDER_CONSTANT, value=(9, 9, 9)) for v in (10, 20, 30, 40)])
    assert array.shape[1] == side
    np.save(path / "crops.npy", array)
    (path / "index.json").write_text(json.dumps([{"name": str(n), "identity": n // 2} for n in range(4)]))
    return path


@pytest.mark.parametrize(
    "made",
    [folder, lambda path: folder(path, 120), zipped, packed, lambda path: packed(path, 0)],
    ids=["folder", "120", "zip", "120 packed", "112 packed"],
)
def test_every_form_gives_the_same_crops_and_people(made: object, tmp_path: Path) -> None:
    crops = read_crops(made(tmp_path), 10)  # type: ignore[operator]
    assert crops.pixels.shape == (4, 112, 112, 3)
    assert sorted(crops.pixels[:, 50, 50, 0]) == [10, 20, 30, 40]
    assert len(np.unique(crops.pixels[:, 0])) == 4, "the margin is cut off"
    assert [sum(crops.people == person) for person in np.unique(crops.people)] == [2, 2]


def test_an_array_alone_names_nobody_and_black_crops_are_left_out(tmp_path: Path) -> None:
    np.save(tmp_path / "some.npy", np.stack([picture(0), picture(7)]))
    crops = read_crops(tmp_path / "some.npy", 10)
    assert (len(crops), crops.people.tolist()) == (1, [-1])


def test_so_many_at_most_are_drawn_the_same_every_time(tmp_path: Path) -> None:
    path = folder(tmp_path)
    assert len(read_crops(path, 3)) == 3
    assert np.array_equal(read_crops(path, 2).pixels, read_crops(path, 2).pixels)


@pytest.mark.parametrize("spoilt", ["size", "damaged", "nothing", "no folder", "array"])
def test_what_is_no_crop_is_refused_with_its_name(spoilt: str, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.mkdir()
    if spoilt == "size":
        cv2.imwrite(str(path / "face.png"), picture(1, 100))
    elif spoilt == "damaged":
        (path / "face.png").write_bytes(b"\x89PNG")
    elif spoilt == "array":
        np.save(path / "crops.npy", np.zeros((2, 64, 64, 3), np.uint8))
    elif spoilt == "no folder":
        path = tmp_path / "none"
    with pytest.raises(SourceError, match=r"given|none"):
        read_crops(path, 5)


def test_whole_pictures_keep_their_size(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((60, 90, 3), np.uint8))
    assert [image.shape for image in read_pictures(tmp_path, 5)] == [(60, 90, 3)]


@given(st.lists(st.integers(-1, 12), min_size=1, max_size=60), st.integers(0, 5))
def test_no_person_is_in_two_parts_and_nobody_is_lost(people: list[int], seed: int) -> None:
    numbered = np.arange(len(people), dtype=np.uint8)[:, None, None, None]
    parts = split(Crops(numbered, np.array(people)), (0.5, 0.2, 0.3), seed)
    known = [set(part.people[part.people >= 0].tolist()) for part in parts]
    assert not known[0] & known[1]
    assert not (known[0] | known[1]) & known[2]
    assert sorted(np.concatenate([part.pixels.ravel() for part in parts])) == list(range(len(people)))


def test_synthetic_crops_are_all_different_and_the_same_for_a_seed() -> None:
    crops = synthetic_crops(6)
    assert crops.pixels.shape == (6, 112, 112, 3)
    assert crops.pixels.dtype == np.uint8
    assert len({crop.tobytes() for crop in crops.pixels}) == 6
    assert np.array_equal(crops.pixels, synthetic_crops(6).pixels)
    assert (crops.people == -1).all()

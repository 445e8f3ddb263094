"""Rotation and mirror: once, for every kind of source."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.camera.turn import turned
from edge.records import Frame
from tests.camera_kit import opened

#   1 2 3
#   4 5 6
NUMBERS = np.repeat(np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)


@pytest.mark.parametrize(
    ("rotation", "mirror", "rows"),
    [
        (0, False, [[1, 2, 3], [4, 5, 6]]),
        (90, False, [[4, 1], [5, 2], [6, 3]]),
        (180, False, [[6, 5, 4], [3, 2, 1]]),
        (270, False, [[3, 6], [2, 5], [1, 4]]),
        (0, True, [[3, 2, 1], [6, 5, 4]]),
        (90, True, [[1, 4], [2, 5], [3, 6]]),
    ],
)
def test_a_picture_is_turned_clockwise_and_then_mirrored(rotation: int, mirror: bool, rows: list[list[int]]) -> None:
    assert turned(NUMBERS, rotation, mirror)[..., 0].tolist() == rows


def test_four_quarters_and_two_mirrors_are_the_picture_itself() -> None:
    image = np.random.default_rng(1).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    around = image
    for _ in range(4):
        around = turned(around, 90, False)
    assert np.array_equal(around, image)
    assert np.array_equal(turned(turned(image, 0, True), 0, True), image)


def folder(path: Path) -> str:
    assert cv2.imwrite(str(path / "1.png"), NUMBERS)
    return str(path)


def film(path: Path) -> str:
    writer = cv2.VideoWriter(str(path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 32))
    writer.write(np.zeros((32, 64, 3), np.uint8))
    writer.release()
    return str(path / "a.avi")


@pytest.mark.parametrize("make", [folder, film, lambda path: "added:"])
def test_every_source_is_turned(tmp_path: Path, make) -> None:
    uri, schemes = make(tmp_path), {"added": lambda text: Added()}
    plain = next(opened(uri, schemes=schemes).frames()).image
    with opened(uri, schemes=schemes, rotation=90, mirror=True) as source:
        frames = list(source.frames())
    assert np.array_equal(frames[0].image, turned(plain, 90, True))
    assert frames[0].image.shape == (plain.shape[1], plain.shape[0], 3)
    assert (frames[0].number, frames[0].source) == (0, source.name)


class Added:
    """A source of a scheme that somebody adds."""

    name, live = "added", True

    def __init__(self) -> None:
        self.closed = 0

    def frames(self):
        yield Frame(NUMBERS, 5.0, 0, self.name)

    def close(self) -> None:
        self.closed += 1


def test_a_turned_source_is_as_live_as_the_one_within_and_closes_it() -> None:
    within = Added()
    with opened("added:", schemes={"added": lambda text: within}, rotation=180) as source:
        first = next(source.frames())
        assert (source.live, source.name, first.captured) == (True, "added", 5.0)
        assert next(source.frames(), None) is None
    assert within.closed == 1


def test_an_upright_source_is_handed_out_as_it_is() -> None:
    within = Added()
    assert opened("added:", schemes={"added": lambda text: within}) is within

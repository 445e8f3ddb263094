"""Folders of pictures: natural order, broken pictures noted and passed over, nothing readable is an error."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.folder import FolderSource, natural_key, pictures_in
from edge.camera.images import MAX_PIXELS
from edge.errors import SourceError


def write(path, value):
    path.write_bytes(cv2.imencode(path.suffix, np.full((8, 8, 3), value, np.uint8))[1].tobytes())
    return path


def levels(source):
    return [int(frame.image[0, 0, 0]) for frame in source.frames()]


def opened(folder, **options):
    return FolderSource(pictures_in(folder), "album", **{"interval": 1.0, "max_pixels": MAX_PIXELS, **options})


def test_pictures_come_in_natural_order(tmp_path):
    for value, name in ((30, "b10.png"), (20, "B9.png"), (10, "a.png"), (25, "b09.bmp"), (40, "übung.png")):
        write(tmp_path / name, value)
    assert [path.name for path in pictures_in(tmp_path)] == ["a.png", "b09.bmp", "B9.png", "b10.png", "übung.png"]
    assert levels(opened(tmp_path)) == [10, 25, 20, 30, 40]


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=12), max_size=8), st.randoms())
def test_any_names_have_one_order(names, chance):
    shuffled = chance.sample(names, len(names))
    assert sorted(shuffled, key=natural_key) == sorted(names, key=natural_key)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_in_names_are_ordered_by_value(first, second):
    assert (natural_key(f"x{first}.png") < natural_key(f"x{second}.png")) == (first < second)


def test_a_broken_picture_is_noted_and_passed_over(tmp_path):
    write(tmp_path / "1.png", 10)
    (tmp_path / "2.png").write_bytes(b"")
    (tmp_path / "3.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    write(tmp_path / "4.png", 40)
    heard = []
    source = opened(tmp_path, on_problem=heard.append)
    assert [(frame.number, int(frame.image[0, 0, 0])) for frame in source.frames()] == [(0, 10), (1, 40)]
    assert ["2.png" in heard[0], "3.jpg" in heard[1]] == [True, True]
    assert list(source.problems) == heard
    assert len(source.problems) == 2


def test_an_empty_folder_is_an_error_that_tells_what_is_wanted(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    write(tmp_path / ".hidden.png", 1)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SourceError, match=r"holds no picture; put JPEG, PNG"):
        pictures_in(tmp_path)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        pictures_in(tmp_path / "nobody")


def test_a_folder_with_no_readable_picture_is_an_error(tmp_path):
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"none of its 1 pictures can be read; the last: .*1\.png"):
        list(opened(tmp_path).frames())


def test_pictures_are_an_interval_apart(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", number)
    assert [frame.captured for frame in opened(tmp_path, interval=0.5, clock=lambda: 100.0).frames()] == [100.0, 100.5, 101.0]


def test_an_interval_of_nothing_is_refused(tmp_path):
    write(tmp_path / "1.png", 1)
    with pytest.raises(SourceError, match="interval of 0"):
        opened(tmp_path, interval=0)


def test_only_the_newest_problems_are_kept(tmp_path):
    for number in range(105):
        (tmp_path / f"{number}.png").write_bytes(b"")
    write(tmp_path / "last.png", 1)
    source = opened(tmp_path)
    assert levels(source) == [1]
    assert len(source.problems) == 100
    assert "104.png" in list(source.problems)[-1]

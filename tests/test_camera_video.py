"""Video files: timed by the stream, ended by what can be decoded, refused when they are no videos."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from edge.camera.images import MAX_PIXELS
from edge.camera.video import VideoSource
from edge.errors import SourceError

SIZE = (64, 48)


def write_video(path, code="MJPG", frames=20, fps=10):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), fps, SIZE)
    assert writer.isOpened()
    noise = np.random.default_rng(3)
    for _ in range(frames):
        writer.write(noise.integers(0, 256, (SIZE[1], SIZE[0], 3)).astype(np.uint8))
    writer.release()
    return path


class Clock:
    """Time that passes only in sleep."""

    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v"), ("a.mkv", "mp4v")])
def test_stamps_follow_the_presentation_times(tmp_path, name, code):
    with VideoSource(write_video(tmp_path / name, code), clock=lambda: 7.0, max_pixels=MAX_PIXELS) as source:
        frames = list(source.frames())
    assert [frame.number for frame in frames] == list(range(20))
    assert [frame.captured for frame in frames] == pytest.approx([7.0 + number / 10 for number in range(20)], abs=0.002)
    assert list(source.problems) == []


def test_a_video_in_real_time_waits_for_each_frame_and_keeps_its_stamps(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=5)
    clock, now = Clock(), []
    with VideoSource(path, realtime=True, clock=clock, sleep=clock.sleep, max_pixels=MAX_PIXELS) as source:
        stamps = [(now.append(clock.now), frame.captured)[1] for frame in source.frames()]
    assert now == pytest.approx(stamps)
    assert stamps == pytest.approx([50.0, 50.1, 50.2, 50.3, 50.4], abs=0.002)


def test_a_video_that_breaks_off_gives_what_there_is_and_a_note(tmp_path):
    whole = write_video(tmp_path / "whole.mkv", "mp4v").read_bytes()
    path = tmp_path / "cut.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    heard = []
    with VideoSource(path, on_problem=heard.append, max_pixels=MAX_PIXELS) as source:
        count = len(list(source.frames()))
    assert 0 < count < 20
    assert len(heard) == 1
    assert f"broke off after {count} of 20" in heard[0]


def test_a_video_damaged_in_the_middle_gives_what_there_is_and_a_note(tmp_path):
    data = bytearray(write_video(tmp_path / "a.avi").read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 4] = b"\xaa" * (len(data) // 4)
    path = tmp_path / "damaged.avi"
    path.write_bytes(data)
    with VideoSource(path, max_pixels=MAX_PIXELS) as source:
        frames = list(source.frames())
    assert 0 < len(frames) < 20
    assert len(source.problems) == 1
    assert all(later.captured > earlier.captured for earlier, later in pairwise(frames))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file, not a video"),
        (b"once upon a time\n" * 40, "text, not a video"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nother.ts\n", "text, not a video"),
        (np.random.default_rng(1).bytes(5000), "not a video that can be played"),
    ],
)
def test_a_file_that_is_no_video_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "thing.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        VideoSource(path, max_pixels=MAX_PIXELS)
    assert str(path) in str(caught.value)


def test_an_mp4_without_its_index_is_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", "mp4v").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="cut off"):
        VideoSource(path, max_pixels=MAX_PIXELS)


def test_a_video_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot be read"):
        VideoSource(tmp_path / "nobody.mp4", max_pixels=MAX_PIXELS)


def test_a_video_of_huge_pictures_is_refused_before_one_is_decoded(tmp_path):
    path = write_video(tmp_path / "a.avi", frames=1)
    with pytest.raises(SourceError, match="64 x 48 pixels"):
        VideoSource(path, max_pixels=64 * 48 - 1)


def test_a_video_without_one_sound_picture_is_an_error(tmp_path):
    data = bytearray(write_video(tmp_path / "a.avi", frames=2).read_bytes())
    start = data.index(b"movi") + 4
    data[start:] = b"\xaa" * (len(data) - start)
    path = tmp_path / "hollow.avi"
    path.write_bytes(data)
    with (
        pytest.raises(SourceError, match="not one picture of the video can be decoded"),
        VideoSource(path, max_pixels=MAX_PIXELS) as source,
    ):
        list(source.frames())


def test_a_name_with_a_colon_is_a_file_and_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "b.avi", frames=2).rename(tmp_path / "http:b 美.avi")
    with VideoSource((tmp_path / "http:b 美.avi").relative_to(tmp_path), max_pixels=MAX_PIXELS) as source:
        assert len(list(source.frames())) == 2

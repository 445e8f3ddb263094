"""What befalls a camera while a door runs: unplugged and replugged, exchanged, covered, stuck, read too slowly. Twins, and real time."""

import threading
import time

import numpy as np
import pytest

from edge.camera import LiveReader
from edge.camera.dark import Lens, is_dark
from edge.camera.live import Ended, Patience
from edge.camera.picamera2 import Picamera2Grabber
from edge.camera.v4l2 import V4l2Grabber
from edge.errors import SourceError
from tests.camera_kit import DEVICE, NOWHERE, PATIENCE, FakeCapture, FakeKernel, FakePicamera2, colour

HASTY = Patience(silent=0.05, frozen=5.0, dark=5.0, vanished=10.0, first_pause=0.01, longest_pause=0.02)


def until(true, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert true()


class Cable:
    """A V4L2 camera at the end of a cable: while it is out there is no device, and reads fail."""

    def __init__(self, folder):
        self.device, self.kernel, self.capture = folder / "usb-Good_Camera-index0", FakeKernel(), FakeCapture()
        self.capture.read = self.read
        self.put_in()

    def put_in(self):
        self.device.symlink_to(DEVICE)

    def pull_out(self):
        self.device.unlink()

    def read(self):
        time.sleep(0.002)
        self.capture.count += 1
        return (True, colour(self.capture.count)) if self.device.exists() else (False, None)

    def grabber(self, **options):
        return V4l2Grabber(self.device, capture=self.capture, ioctl=self.kernel, characters=NOWHERE, **options)


def test_a_v4l2_camera_unplugged_and_replugged_goes_on(tmp_path):
    cable = Cable(tmp_path)
    with LiveReader(cable.grabber(width=640), patience=HASTY) as reader:
        stream = reader.frames()
        before = next(stream)
        cable.pull_out()
        until(lambda: len(reader.problems) > 0)
        unplugged = time.monotonic()
        cable.put_in()
        after = next(frame for frame in stream if frame.captured > unplugged)
    assert after.number > before.number
    assert "the device is gone; the camera is opened again" in next(iter(reader.problems))
    assert len(reader.problems) == 1, "one trouble is told once"
    assert cable.capture.calls.count("release") >= 2, "the old device was let go"


def test_a_loopback_device_that_takes_the_place_of_a_camera_gives_no_frame(tmp_path):
    cable = Cable(tmp_path)
    patience = Patience(silent=0.05, frozen=5.0, dark=5.0, vanished=0.5, first_pause=0.01, longest_pause=0.02)
    with LiveReader(cable.grabber(), patience=patience) as reader:
        stream = reader.frames()
        next(stream)
        cable.pull_out()
        until(lambda: len(reader.problems) > 0)
        exchanged = time.monotonic()
        cable.kernel.driver = "v4l2 loopback"
        cable.put_in()
        late = []
        with pytest.raises(SourceError, match=r"camera vanished \(.*a loopback device"):
            late += [frame for frame in stream if frame.captured > exchanged]
        assert late == []


def test_a_picamera2_unplugged_and_replugged_goes_on():
    module = FakePicamera2()
    works = module.wait

    def broken(job, timeout):
        raise RuntimeError("Camera frontend has timed out")

    with LiveReader(Picamera2Grabber(0, load=lambda: module), patience=HASTY) as reader:
        stream = reader.frames()
        next(stream)
        module.wait, module.cameras = broken, 0
        until(lambda: len(reader.problems) > 0)
        unplugged = time.monotonic()
        module.wait, module.cameras = works, 1
        assert next(frame for frame in stream if frame.captured > unplugged).image.shape == (48, 64, 3)
    assert "Camera frontend has timed out" in next(iter(reader.problems))


def test_a_slow_reader_sees_the_present_and_none_of_the_past():
    capture = FakeCapture()
    lags, numbers = [], []
    grabber = V4l2Grabber(DEVICE, capture=counted(capture), ioctl=FakeKernel(), characters=NOWHERE)
    with LiveReader(grabber, patience=PATIENCE) as reader:
        for frame in reader.frames():
            lags.append(capture.count - count_of(frame.image))
            numbers.append(frame.number)
            if len(numbers) == 20:
                break
            time.sleep(0.03)  # some fifteen pictures of the camera
        assert capture.count > 100
    assert sorted(lags)[10] <= 5, "in the middle of all reads hardly a picture is newer, where a queue would hold hundreds"
    assert numbers == list(range(20))


def counted(capture):
    """The capture, with the number of each picture in its first pixels."""

    def read():
        time.sleep(0.002)
        capture.count += 1
        image = colour()
        image[0, 0] = (capture.count >> 8, capture.count & 255, 0)
        return True, image

    capture.read = read
    return capture


def count_of(image):
    return int(image[0, 0, 0]) << 8 | int(image[0, 0, 1])


class Stuck:
    """A driver that gives a picture and then does not return until it is freed."""

    name = "twin"

    def __init__(self, pictures=1):
        self.pictures, self.free = pictures, threading.Event()
        self.opened = self.closed = 0

    def open(self):
        self.opened += 1

    def read(self, timeout):
        if self.pictures == 0:
            self.free.wait(20)
            return colour(99)
        self.pictures -= 1
        return colour(self.pictures)

    def close(self):
        self.closed += 1


class Sound(Stuck):
    """A driver that gives pictures all the time."""

    def read(self, timeout):
        time.sleep(0.002)
        self.pictures += 1
        return colour(self.pictures)


STUCK = Patience(silent=0.05, frozen=5.0, dark=5.0, vanished=1.0, first_pause=0.01, longest_pause=0.1)


def test_a_driver_that_does_not_return_is_left_behind_and_the_pipeline_is_made_anew():
    first, second = Stuck(), Sound()
    with LiveReader(first, renew=lambda: second, patience=STUCK) as reader:
        stream = reader.frames()
        assert [next(stream).number for _ in range(5)] == [0, 1, 2, 3, 4]
        assert (second.opened, first.closed) == (1, 0)
        assert "it is left behind and the whole pipeline is made anew" in next(iter(reader.problems))
        first.free.set()
        until(lambda: first.closed == 1)
        shown = [next(stream).image[0, 0, 0] for _ in range(20)]
    assert 99 not in shown, "what the old driver still brings is not shown"
    assert second.closed >= 1


def test_when_the_new_driver_does_not_return_either_it_is_the_end():
    first, second, made = Stuck(), Stuck(pictures=0), []

    def renew():
        made.append(second)
        return second

    with LiveReader(first, renew=renew, patience=STUCK) as reader:
        begun = time.monotonic()
        with pytest.raises(SourceError, match="the camera's driver has not returned for"):
            list(reader.frames())
        assert time.monotonic() - begun < 5.0
        assert made == [second], "left behind once, not for ever"
        first.free.set()
        second.free.set()


def test_with_the_shipped_settings_all_stages_are_over_before_the_watchdog_bites():
    assert 2 * PATIENCE.stuck < 45.0
    assert PATIENCE.end < 45.0


def dark(noise, seed=0, level=6.0):
    return np.random.default_rng(seed).normal(level, noise, (96, 128, 3)).clip(0, 255).astype(np.uint8)


def lamp():
    image = dark(3)
    image[40:60, 60:90] = 200
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.zeros((96, 128, 3), np.uint8), True),
        (dark(noise=3), True),
        (dark(noise=6, level=12), True),
        (lamp(), False),
        (np.full((96, 128, 3), 128, np.uint8), False),
        (np.full((96, 128, 3), 255, np.uint8), False),
        (np.full((96, 128, 3), (90, 0, 0), np.uint8), False),
        (np.random.default_rng(1).integers(0, 256, (96, 128, 3)).astype(np.uint8), False),
        (np.zeros((1, 1, 3), np.uint8), True),
    ],
    ids=["black", "sensor noise", "more noise", "one lamp", "grey", "white", "blue", "snow", "one pixel"],
)
def test_dark_is_what_shows_nothing(image, expected):
    assert is_dark(image) is expected


def test_darkness_is_told_once_when_it_has_lasted_and_once_when_it_is_over():
    lens, light, black = Lens(3.0), colour(), dark(3)
    pictures = [(0, black), (2.9, black), (3.0, black), (4.0, black), (60.0, black), (61.0, light), (62.0, light), (63, black), (66, black)]
    told = {now: said for now, picture in pictures if (said := lens.picture(picture, now)) is not None}
    assert list(told) == [3.0, 61.0, 66]
    assert told[3.0] == "nothing but darkness for 3.0 s; is the lens covered, or is there no light?"
    assert told[61.0] == "the picture is no longer dark"


def test_a_moment_of_darkness_is_not_told():
    lens = Lens(3.0)
    assert [lens.picture(dark(3) if second % 3 else colour(), second) for second in range(30)] == [None] * 30


def test_a_covered_camera_stays_open_and_its_frames_go_on():
    class Covered(Sound):
        def read(self, timeout):
            time.sleep(0.002)
            self.pictures += 1
            if self.pictures > 400:
                raise Ended
            return dark(3, seed=self.pictures)

    grabber = Covered()
    patience = Patience(silent=1.0, frozen=5.0, dark=0.2, vanished=10.0)
    with LiveReader(grabber, patience=patience) as reader:
        frames = list(reader.frames())
    assert len(frames) > 50
    assert grabber.opened == 1
    assert ["nothing but darkness" in note for note in reader.problems] == [True]

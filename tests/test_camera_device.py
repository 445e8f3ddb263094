"""What the kernel is asked of a V4L2 device: who it is, and its exposure. A loopback device is no camera."""

import errno
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from edge.camera import device
from edge.camera.device import EXPOSURE_MODE, EXPOSURE_TIME, admit, identity, set_exposure
from edge.camera.picamera2 import Picamera2Grabber
from edge.camera.v4l2 import V4l2Grabber
from edge.errors import SourceError
from tests.camera_kit import DEVICE, NOWHERE, FakeCapture, FakeKernel, FakePicamera2, opened

HEADER = """
#include <stdio.h>
#include <linux/videodev2.h>
int main(void) {
    printf("%u %u %u %u ", (unsigned)VIDIOC_QUERYCAP, (unsigned)VIDIOC_QUERYCTRL, (unsigned)VIDIOC_G_CTRL, (unsigned)VIDIOC_S_CTRL);
    printf("%zu %zu %zu ", sizeof(struct v4l2_capability), sizeof(struct v4l2_queryctrl), sizeof(struct v4l2_control));
    printf("%u %u ", (unsigned)V4L2_CID_EXPOSURE_AUTO, (unsigned)V4L2_CID_EXPOSURE_ABSOLUTE);
    printf("%u %u ", (unsigned)(V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_VIDEO_CAPTURE_MPLANE), (unsigned)V4L2_CAP_DEVICE_CAPS);
    printf("%d %d %d %d", V4L2_EXPOSURE_AUTO, V4L2_EXPOSURE_APERTURE_PRIORITY, V4L2_EXPOSURE_MANUAL, V4L2_EXPOSURE_SHUTTER_PRIORITY);
    return 0;
}
"""


def asked(kernel: FakeKernel, **options: bool) -> None:
    admit(DEVICE, **{"allow_loopback": False, **options}, ioctl=kernel, characters=NOWHERE)


def test_numbers_and_sizes_are_those_of_the_kernel_s_header(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/usr/include/linux/videodev2.h").exists():
        pytest.skip("no C compiler, or no header linux/videodev2.h")
    (tmp_path / "ask.c").write_text(HEADER)
    subprocess.run([compiler, "ask.c", "-o", "ask"], cwd=tmp_path, check=True)
    told = [int(word) for word in subprocess.run([tmp_path / "ask"], capture_output=True, text=True, check=True).stdout.split()]
    sizes = [one.size for one in (device.CAPABILITY, device.QUERY, device.CONTROL)]
    assert told == [
        *(device.QUERYCAP, device.QUERYCTRL, device.G_CTRL, device.S_CTRL, *sizes, EXPOSURE_MODE, EXPOSURE_TIME),
        *(device.CAPTURES, device.HAS_DEVICE_CAPS, *device.AUTOMATIC, *device.MANUAL),
    ]


def test_the_real_kernel_says_that_a_device_is_no_camera() -> None:
    with pytest.raises(SourceError, match=r"/dev/null: it is no camera \(.*\); list the cameras with"):
        identity(DEVICE)


@pytest.mark.parametrize("driver", ["v4l2 loopback", "v4l2loopback", "V4L2-Loopback", "v4l2loopback-dc", "akvcam", "vivid", "vimc"])
def test_a_loopback_device_is_refused_unless_allowed(driver: str) -> None:
    with pytest.raises(SourceError, match=r"a loopback device \(driver '.*'\), .*; name the camera itself.*camera.allow_loopback = true"):
        asked(FakeKernel(driver))
    asked(FakeKernel(driver), allow_loopback=True)


@pytest.mark.parametrize("driver", ["uvcvideo", "unicam", "rp1-cfe", "tegra-video", "bm2835 mmal"])
def test_a_camera_is_admitted(driver: str) -> None:
    asked(FakeKernel(driver))


@pytest.mark.parametrize("place", ["/sys/devices/virtual/video4linux/video9", "/sys/devices/pci0000:00/usb1/video4linux/video0"])
def test_a_device_without_hardware_is_refused_whatever_its_driver_calls_itself(tmp_path: Path, place: str) -> None:
    number = DEVICE.stat().st_rdev
    (tmp_path / f"{os.major(number)}:{os.minor(number)}").symlink_to(place)
    found = identity(DEVICE, FakeKernel("uvcvideo"), tmp_path)
    assert (found.driver, found.card, found.bus, found.captures) == ("uvcvideo", "Good Camera", "usb-1", True)
    assert found.virtual is ("virtual" in place)


def test_the_second_device_of_a_camera_gives_no_pictures_and_is_refused() -> None:
    with pytest.raises(SourceError, match="another device of 'Good Camera'; try the one whose name ends in video-index0"):
        asked(FakeKernel(captures=False))


def test_a_device_that_cannot_be_opened_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"it cannot be opened \(No such file or directory\)"):
        identity(tmp_path / "video0", FakeKernel(), NOWHERE)


def test_a_loopback_device_is_refused_at_every_opening_before_it_is_streamed() -> None:
    kernel, capture = FakeKernel(), FakeCapture()
    grabber = V4l2Grabber(DEVICE, capture=capture, ioctl=kernel, characters=NOWHERE)
    grabber.open()
    grabber.close()
    kernel.driver, capture.calls = "v4l2 loopback", []
    with pytest.raises(SourceError, match="loopback"):
        grabber.open()
    assert capture.calls == []


@pytest.mark.parametrize(("modes", "automatic", "manual"), [((1, 3), 3, 1), ((0, 1), 0, 1), ((0, 2), 0, 2)])
def test_an_exposure_of_microseconds_is_set_in_the_camera_s_units_and_auto_hands_it_back(
    modes: tuple[int, ...], automatic: int, manual: int
) -> None:
    kernel = FakeKernel(modes=modes)
    set_exposure(DEVICE, 8000, kernel)
    assert (kernel.controls[EXPOSURE_MODE][3], kernel.controls[EXPOSURE_TIME][3]) == (manual, 80)
    set_exposure(DEVICE, None, kernel)
    assert kernel.controls[EXPOSURE_MODE][3] == automatic


def test_the_nearest_step_is_taken() -> None:
    kernel = FakeKernel(exposure=(3, 5000, 10, 157))
    set_exposure(DEVICE, 8100, kernel)
    assert kernel.controls[EXPOSURE_TIME][3] == 83


def test_a_camera_with_a_time_and_no_mode_takes_the_time() -> None:
    kernel = FakeKernel(modes=())
    set_exposure(DEVICE, 8000, kernel)
    assert kernel.calls == [(EXPOSURE_TIME, 80)]


def test_a_camera_without_controls_may_stay_automatic() -> None:
    kernel = FakeKernel(exposure=None, modes=())
    set_exposure(DEVICE, None, kernel)
    assert kernel.calls == []


def test_a_camera_that_only_one_may_open_at_a_time_may_stay_automatic(tmp_path: Path) -> None:
    held = tmp_path / "video0"
    set_exposure(held, None, FakeKernel())
    with pytest.raises(SourceError, match="it cannot be opened"):
        set_exposure(held, 8000, FakeKernel())


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (FakeKernel(exposure=None), "its driver has no exposure time that could be set; set camera.exposure = "),
        (FakeKernel(exposure=(100, 5000, 1, 157)), "an exposure of 8000 us; it has 10000 to 500000: choose one of these"),
        (FakeKernel(exposure=(1, 50, 1, 20)), "an exposure of 8000 us; it has 100 to 5000: choose one of these"),
        (FakeKernel(stubborn=True), "it keeps an exposure of 15700 us instead of 8000"),
    ],
)
def test_an_exposure_that_the_camera_cannot_have_is_refused(kernel: FakeKernel, words: str) -> None:
    with pytest.raises(SourceError, match=f"/dev/null: {words}"):
        set_exposure(DEVICE, 8000, kernel)


def test_a_camera_that_fails_while_it_is_set_is_refused_with_the_reason() -> None:
    def broken(descriptor: int, request: int, data: bytearray) -> object:
        if request == device.S_CTRL:
            raise OSError(errno.EIO, "Input/output error")
        return FakeKernel()(descriptor, request, data)

    with pytest.raises(SourceError, match=r"it refuses an exposure of 8000 us \(Input/output error\)"):
        set_exposure(DEVICE, 8000, broken)
    set_exposure(DEVICE, None, broken)


def test_v4l2_sets_the_exposure_after_the_format_and_again_at_every_opening() -> None:
    capture, kernel = FakeCapture(), FakeKernel()
    grabber = V4l2Grabber(DEVICE, width=640, exposure=8000, capture=capture, ioctl=kernel, characters=NOWHERE)
    for _ in range(2):
        kernel.controls[EXPOSURE_TIME][3], kernel.calls = 157, capture.calls  # a replugged camera has forgotten it; one list for both
        grabber.open()
        grabber.close()
        assert capture.calls[-3:] == [(EXPOSURE_MODE, 1), (EXPOSURE_TIME, 80), "release"]
        assert kernel.controls[EXPOSURE_TIME][3] == 80


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ({"ExposureTime": (50, 60_000, 20_000)}, {"ExposureTime": 8000}),
        ({"ExposureTime": (50, 60_000, 20_000), "ExposureTimeMode": (0, 1, 0)}, {"ExposureTimeMode": 1, "ExposureTime": 8000}),
    ],
)
def test_picamera2_gets_the_exposure_between_configuration_and_start(offered: dict[str, tuple[int, ...]], wanted: dict[str, int]) -> None:
    module = FakePicamera2(controls=offered)
    grabber = Picamera2Grabber(0, exposure=8000, load=lambda: module)
    grabber.open()
    grabber.close()
    assert module.calls[-3:] == [("set_controls", wanted), "start", "close"]


@pytest.mark.parametrize(
    ("offered", "words"),
    [({}, "it has no exposure time that could be set"), ({"ExposureTime": (50, 5000, 1000)}, "an exposure of 8000 us; it has 50 to 5000")],
)
def test_a_picamera2_that_cannot_have_the_exposure_is_refused_and_let_go(offered: dict[str, tuple[int, ...]], words: str) -> None:
    module = FakePicamera2(controls=offered)
    with pytest.raises(SourceError, match=f"picamera2:0: {words}"):
        Picamera2Grabber(0, exposure=8000, load=lambda: module).open()
    assert module.calls[-1] == "close"


def test_a_pipeline_is_exposed_by_its_own_elements() -> None:
    with pytest.raises(SourceError, match=r"gst:videotestsrc: camera.exposure is not for a pipeline.*exposuretimerange") as caught:
        opened("gst:videotestsrc", exposure=8000)
    assert str(caught.value).endswith('set camera.exposure = "auto"')


def test_structures_are_packed_without_gaps() -> None:
    assert [struct.calcsize(one.format) for one in (device.CAPABILITY, device.QUERY, device.CONTROL)] == [104, 68, 8]

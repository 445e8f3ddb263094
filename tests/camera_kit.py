"""Twins of cameras: the kernel's side of Video4Linux, cv2.VideoCapture, picamera2. And options that say everything once."""

import concurrent.futures
import errno
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from edge.camera import Patience, SourceOptions, open_source
from edge.camera.device import CAPABILITY, CONTROL, EXPOSURE_MODE, EXPOSURE_TIME, G_CTRL, QUERY, QUERYCAP, QUERYCTRL, S_CTRL

BGR = (200, 100, 30)
SIZE = (64, 48)
DEVICE = Path("/dev/null")  # a character device wherever tests run
NOWHERE = Path("/nobody/sys/dev/char")  # so that /dev/null is not found out
CAPTURE, META, OWN_CAPS = 0x00000001, 0x00800000, 0x80000000

PATIENCE = Patience(silent=5.0, frozen=10.0, dark=10.0, vanished=30.0)
OPTIONS = SourceOptions(
    width=None,
    height=None,
    fps=None,
    exposure=None,
    allow_loopback=False,
    rotation=0,
    mirror=False,
    interval=1.0,
    max_pixels=10_000_000,
    patience=PATIENCE,
)


def opened(uri, *, on_problem=None, clock=time.monotonic, schemes=None, **changes):
    return open_source(uri, replace(OPTIONS, **changes), on_problem=on_problem, clock=clock, schemes=schemes)


def colour(number=0):
    """One colour, and a corner that changes from picture to picture."""
    image = np.full((SIZE[1], SIZE[0], 3), BGR, np.uint8)
    image[:4, :4] = number % 256
    return image


class FakeKernel:
    """As much of a Video4Linux driver as is asked by ioctl. controls: id -> [minimum, maximum, step, value]; modes: those it takes."""

    def __init__(self, driver="uvcvideo", *, captures=True, exposure=(1, 5000, 1, 157), modes=(1, 3), stubborn=False):
        self.driver, self.captures, self.modes, self.stubborn, self.calls = driver, captures, modes, stubborn, []
        self.controls = {EXPOSURE_TIME: list(exposure)} if exposure else {}
        if modes:
            self.controls[EXPOSURE_MODE] = [0, 3, 1, modes[-1]]

    def __call__(self, descriptor, request, data):
        answer = {QUERYCAP: self._capability, QUERYCTRL: self._query, G_CTRL: self._get, S_CTRL: self._set}[request](bytes(data))
        data[:] = answer
        return 0

    def _capability(self, data):
        own = CAPTURE if self.captures else META
        return CAPABILITY.pack(self.driver.encode(), b"Good Camera", b"usb-1", 0x60000, CAPTURE | META | OWN_CAPS, own, 0, 0, 0)

    def _known(self, control):
        if control not in self.controls:
            raise OSError(errno.EINVAL, "Invalid argument")
        return self.controls[control]

    def _query(self, data):
        control = QUERY.unpack(data)[0]
        minimum, maximum, step, _ = self._known(control)
        return QUERY.pack(control, 1, b"Exposure", minimum, maximum, step, 0, 0, 0, 0)

    def _get(self, data):
        control = CONTROL.unpack(data)[0]
        return CONTROL.pack(control, self._known(control)[3])

    def _set(self, data):
        control, value = CONTROL.unpack(data)
        self.calls.append((control, value))
        known = self._known(control)
        if (control == EXPOSURE_MODE and value not in self.modes) or not known[0] <= value <= known[1]:
            raise OSError(errno.EINVAL, "Invalid argument")
        if not self.stubborn:
            known[3] = value
        return data


class FakeCapture:
    """As much of cv2.VideoCapture as the driver uses; one picture every 2 ms, ``frames`` of them, then failures."""

    def __init__(self, frames=10**9, opens=True):
        self.frames, self.opens, self.calls, self.count = frames, opens, [], 0

    def __call__(self, device, backend):
        self.calls.append(("open", device, backend))
        return self

    def isOpened(self):
        return self.opens

    def set(self, key, value):
        self.calls.append((key, value))
        return True

    def read(self):
        time.sleep(0.002)
        self.count += 1
        return (True, colour(self.count)) if self.count <= self.frames else (False, None)

    def release(self):
        self.calls.append("release")


class FakePicamera2:
    """As much of the module picamera2 as the driver uses: ``load()`` gives it, ``Picamera2`` makes the camera."""

    def __init__(self, cameras=1, delivers=True, controls=None):
        self.calls, self.cameras, self.delivers, self.count, self.pending = [], cameras, delivers, 0, False
        self.camera_controls = {"ExposureTime": (50, 60_000, 20_000)} if controls is None else controls
        self.Picamera2 = self
        self.pool = concurrent.futures.ThreadPoolExecutor(1)

    def global_camera_info(self):
        return [{"Model": "imx708", "Num": number} for number in range(self.cameras)]

    def __call__(self, index):
        self.calls.append(("Picamera2", index))
        return self

    def create_video_configuration(self, **wanted):
        self.calls.append(("create_video_configuration", wanted))
        return wanted

    def configure(self, wanted):
        self.calls.append(("configure", wanted))

    def set_controls(self, wanted):
        self.calls.append(("set_controls", wanted))

    def start(self):
        self.calls.append("start")

    def capture_array(self, name, wait):
        assert (name, wait, self.pending) == ("main", False, False)
        self.pending = True
        self.count += 1
        return self.pool.submit(lambda number: (time.sleep(0.002), colour(number))[1], self.count)

    def wait(self, job, timeout):
        if not self.delivers:
            raise concurrent.futures.TimeoutError
        image = job.result(timeout)
        self.pending = False
        return image

    def cancel_all_and_flush(self):
        self.calls.append("cancel_all_and_flush")
        self.pending = False

    def close(self):
        assert not self.pending, "close would wait for the capture for ever"
        self.calls.append("close")

"""USB and other Video4Linux cameras, through OpenCV's V4L2 backend.

A camera is named by its link below /dev/v4l/by-id (this very camera) or by-path (whatever is plugged in there): the numbers of
/dev/videoN are dealt out anew at every start.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy.typing as npt

from edge.camera.device import CHARACTER_DEVICES, Ioctl, admit, kernel, set_exposure
from edge.errors import SourceError

LINKS = Path("/dev/v4l")
MAKERS = ("by-id", "by-path")


def pinned_names(links: Path = LINKS) -> list[Path]:
    """The lasting names of all cameras present, by-id first."""
    return [link for maker in MAKERS if (links / maker).is_dir() for link in sorted((links / maker).iterdir())]


def numbering_note(device: Path, links: Path = LINKS) -> str | None:
    """What to say of a device named by its number; None when the name is a lasting one."""
    if device.is_relative_to(links):
        return None
    lasting = [str(link) for link in pinned_names(links) if link.resolve() == device.resolve()]
    advice = f"name it {lasting[0]}" if lasting else f"name it by a link below {links}/by-id or by-path"
    return f"{device} may be another camera after a restart; {advice}"


class V4l2Grabber:
    """One camera. width, height, fps: asked for as MJPEG; None leaves the camera's own choice, and the driver may choose the nearest.

    exposure: microseconds, None for the camera's own choice; set at every opening, for a camera forgets it with its power. A loopback
    device is refused at every opening too, unless allowed: one may take a camera's place while the door runs.

    ``read`` is bounded by OpenCV (10 s), not by ``timeout``. capture: opens a device, as ``cv2.VideoCapture`` does. ioctl, characters:
    how the kernel is asked, and where it shows what is behind a device.
    """

    def __init__(
        self,
        device: Path,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        exposure: int | None = None,
        allow_loopback: bool = False,
        links: Path = LINKS,
        capture: Callable[[str, int], Any] = cv2.VideoCapture,
        ioctl: Ioctl = kernel,
        characters: Path = CHARACTER_DEVICES,
    ) -> None:
        self.name = str(device)
        self._exposure, self._allow_loopback = exposure, allow_loopback
        self._ioctl, self._characters = ioctl, characters
        self._device = device
        self._wanted = {cv2.CAP_PROP_FRAME_WIDTH: width, cv2.CAP_PROP_FRAME_HEIGHT: height, cv2.CAP_PROP_FPS: fps}
        self._links = links
        self._open_capture = capture
        self._capture: Any = None

    def open(self) -> None:
        self._check_device()
        admit(self._device, allow_loopback=self._allow_loopback, ioctl=self._ioctl, characters=self._characters)
        self._capture = self._open_capture(self.name, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            self.close()
            raise SourceError(
                f"{self.name}: it gives no pictures: another program holds it, it is no camera, or this user is not in the group 'video'"
            )
        if any(value is not None for value in self._wanted.values()):
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        for key, value in self._wanted.items():
            if value is not None:
                self._capture.set(key, value)
        set_exposure(self._device, self._exposure, self._ioctl)  # last: a new format may undo it

    def read(self, timeout: float) -> npt.NDArray[Any] | None:
        try:
            done, image = self._capture.read()
        except cv2.error as error:
            raise SourceError(f"{self.name}: OpenCV failed to read ({error.err})") from error
        if not done and not self._device.exists():
            raise SourceError(f"{self.name}: the device is gone")
        return image if done else None

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _check_device(self) -> None:
        if self._device.is_char_device():
            return
        present = ", ".join(map(str, pinned_names(self._links))) or "none"
        state = "is no camera device" if self._device.exists() else "is not there"
        raise SourceError(f"{self.name}: {state}; cameras present: {present}")

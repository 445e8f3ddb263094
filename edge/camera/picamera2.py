"""Raspberry Pi cameras through picamera2 (libcamera)."""

import importlib
from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYet
from types import ModuleType
from typing import Any

import numpy.typing as npt

from edge.errors import SourceError

BUFFERS = 4
MANUAL = 1  # libcamera's ExposureTimeModeManual


def load_picamera2(importer: Callable[[str], ModuleType] = importlib.import_module) -> Any:
    """The module ``picamera2``. Raises SourceError that tells how to install it."""
    try:
        return importer("picamera2")
    except ImportError as error:
        raise SourceError(
            f"picamera2 is missing ({error}); on Raspberry Pi OS: sudo apt-get install python3-picamera2,"
            " and a virtual environment made with --system-site-packages"
        ) from error


class Picamera2Grabber:
    """Camera ``index`` of ``Picamera2.global_camera_info()``. width and height go together; None leaves picamera2's own choice.

    exposure: microseconds, None for its automatic; the gain follows the light either way.
    One capture is always under way; ``read`` waits for it up to ``timeout``. load: gives the module ``picamera2``.
    """

    def __init__(
        self,
        index: int,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        exposure: int | None = None,
        load: Callable[[], Any] = load_picamera2,
    ) -> None:
        self.name = f"picamera2:{index}"
        self._index = index
        self._size = None if width is None or height is None else (width, height)
        self._fps = fps
        self._exposure = exposure
        self._load = load
        self._camera: Any = None
        self._job: Any = None

    def open(self) -> None:
        maker = self._load().Picamera2
        try:
            present = maker.global_camera_info()
            if self._index >= len(present):
                raise SourceError(f"{self.name}: libcamera sees {len(present)} cameras; check the cable and rpicam-hello --list-cameras")
            self._camera = maker(self._index)
            self._camera.configure(self._camera.create_video_configuration(**self._configuration()))
            self._expose()
            self._camera.start()
        except SourceError:
            self.close()
            raise
        except (RuntimeError, OSError, IndexError) as error:
            self.close()
            raise SourceError(f"{self.name}: the camera does not start ({error}); another program may hold it") from error

    def read(self, timeout: float) -> npt.NDArray[Any] | None:
        try:
            self._job = self._job or self._camera.capture_array("main", wait=False)
            image: npt.NDArray[Any] = self._camera.wait(self._job, timeout=timeout)
        except NotYet:
            return None
        except (RuntimeError, OSError) as error:
            raise SourceError(f"{self.name}: the camera failed ({error})") from error
        self._job = None
        return image

    def close(self) -> None:
        camera, job = self._camera, self._job
        self._camera = self._job = None
        if camera is None:
            return
        try:
            if job is not None:
                camera.cancel_all_and_flush()  # else close() waits for a capture that may never come
            camera.close()
        except (RuntimeError, OSError):
            return

    def _expose(self) -> None:
        """Fixes the exposure time. Raises SourceError when the camera has none to set, or not that one."""
        if self._exposure is None:
            return
        offered = self._camera.camera_controls  # name -> least, greatest, usual
        if "ExposureTime" not in offered:
            raise SourceError(f'{self.name}: it has no exposure time that could be set; set camera.exposure = "auto"')
        least, greatest = offered["ExposureTime"][:2]
        if not least <= self._exposure <= greatest:
            raise SourceError(
                f"{self.name}: an exposure of {self._exposure} us; it has {least} to {greatest}: choose one of these, or set"
                ' camera.exposure = "auto"'
            )
        mode = {"ExposureTimeMode": MANUAL} if "ExposureTimeMode" in offered else {}  # libcamera 0.5 and newer wants it
        self._camera.set_controls({**mode, "ExposureTime": self._exposure})

    def _configuration(self) -> dict[str, Any]:
        """libcamera's RGB888 is B, G, R in memory (picamera2 manual, appendix A)."""
        main: dict[str, Any] = {"format": "RGB888"}
        if self._size is not None:
            main["size"] = self._size
        wanted: dict[str, Any] = {"main": main, "buffer_count": BUFFERS, "queue": False}
        if self._fps is not None:
            duration = round(1_000_000 / self._fps)
            wanted["controls"] = {"FrameDurationLimits": (duration, duration)}
        return wanted

"""GStreamer pipelines through PyGObject's appsink (the OpenCV wheels come without GStreamer): Jetson CSI cameras, RTSP, anything else."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np

from edge.camera.live import Ended
from edge.errors import SourceError
from edge.records import Pixels

PACKAGES = "python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base"
QUEUE, SINK = "edge_queue", "edge_sink"
TAIL = (
    f"queue name={QUEUE} max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! videoconvert ! video/x-raw,format=BGR"
    f" ! appsink name={SINK} max-buffers=1 drop=true"
)
LEAKY_NO, LEAKY_OLD = 0, 2  # of GstQueue: keep all; let the old ones go
START, SLICE = 10, 0.2  # seconds that a change of state may take, and between looks at the bus
NAME_LENGTH = 60


def csi(sensor_id: int, width: int | None = None, height: int | None = None, fps: int | None = None, exposure: int | None = None) -> str:
    """The pipeline of a Jetson CSI camera, up to system memory (BGRx); None leaves the sensor's own choice. exposure: microseconds."""
    wanted = {"width": width, "height": height, "framerate": None if fps is None else f"{fps}/1"}
    caps = ",".join(["video/x-raw(memory:NVMM)", *(f"{key}={value}" for key, value in wanted.items() if value is not None)])
    fixed = "" if exposure is None else f' exposuretimerange="{exposure * 1000} {exposure * 1000}"'  # from, to in nanoseconds
    return f"nvarguscamerasrc sensor-id={sensor_id}{fixed} ! {caps} ! nvvidconv ! video/x-raw,format=BGRx"


def load_gstreamer(importer: Callable[[str], ModuleType] = importlib.import_module) -> Any:
    """The initialised ``gi.repository.Gst`` with appsink's methods. Raises SourceError that tells how to install what is missing."""
    try:
        gi: Any = importer("gi")
        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        gst: Any = importer("gi.repository.Gst")
        importer("gi.repository.GstApp")
    except (ImportError, ValueError) as error:
        raise SourceError(
            f"GStreamer is missing in {sys.executable} ({error}); sudo apt-get install {PACKAGES},"
            " and use the system's Python or a virtual environment made with --system-site-packages"
        ) from error
    gst.init(None)
    return gst


class GstGrabber:
    """One pipeline without its sink, as gst-launch takes it; a queue and an appsink of one buffer each are put at its end.

    A live pipeline runs unsynchronised into a leaky queue, so that the newest picture is never late; when it ends, the camera is lost.
    One that is not live (a file, videotestsrc) is played at its own pace, and its end is the end of the stream.
    ``read`` keeps to ``timeout``. load: gives the Gst module. admit: raises SourceError for a video device that may not be used; asked of
    every v4l2src, also of one that a bin brings along.

    Opened again, the pipeline is made anew from its description: links made while it ran (rtspsrc, decodebin) are made only once.
    """

    def __init__(
        self,
        pipeline: str,
        *,
        name: str | None = None,
        load: Callable[[], Any] = load_gstreamer,
        admit: Callable[[Path], None] | None = None,
    ) -> None:
        self.name = name or _shorten(_redact(f"gst:{pipeline}"))
        self._description = f"{pipeline} ! {TAIL}"
        self._load = load
        self._admit = admit
        self._gst: Any = None
        self._pipeline: Any = None
        self._sink: Any = None
        self._live = False

    def open(self) -> None:
        self._gst = gst = self._load()
        try:
            self._pipeline = gst.parse_launch(self._description)
        except Exception as error:  # GLib.Error, which cannot be imported without gi
            raise SourceError(f"{self.name}: GStreamer refuses the pipeline: {_redact(str(error))}; try it with gst-launch-1.0") from error
        self._sink = self._pipeline.get_by_name(SINK)
        self._check_devices()
        self._pipeline.set_state(gst.State.PAUSED)
        self._live = self._settled() == gst.StateChangeReturn.NO_PREROLL
        self._check_devices()
        self._sink.set_property("sync", not self._live)
        self._pipeline.get_by_name(QUEUE).set_property("leaky", LEAKY_OLD if self._live else LEAKY_NO)
        self._pipeline.set_state(gst.State.PLAYING)
        self._settled()

    def read(self, timeout: float) -> Pixels | None:
        sample = self._sink.try_pull_sample(int(timeout * self._gst.SECOND))
        if sample is not None:
            return self._pixels(sample)
        self._raise_error()
        if not self._sink.is_eos():
            return None
        if self._live:
            raise SourceError(f"{self.name}: the camera ended its stream")
        raise Ended

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.set_state(self._gst.State.NULL)
        self._pipeline = self._sink = None

    def _check_devices(self) -> None:
        for element in self._elements() if self._admit else ():
            factory = element.get_factory()
            if self._admit and factory is not None and factory.get_name() == "v4l2src":
                self._admit(Path(element.get_property("device")))

    def _elements(self) -> Iterator[Any]:
        found = self._pipeline.iterate_recurse()
        while (step := found.next())[0] in (self._gst.IteratorResult.OK, self._gst.IteratorResult.RESYNC):
            if step[0] == self._gst.IteratorResult.OK:
                yield step[1]
            else:
                found.resync()

    def _settled(self) -> Any:
        """Waits for the last change of state and gives its result. Raises SourceError when it failed.

        A network camera that is not there fails in a thread of its own, and is told on the bus while the state still changes.
        """
        for _ in range(int(START / SLICE)):
            result = self._pipeline.get_state(int(SLICE * self._gst.SECOND))[0]
            if result != self._gst.StateChangeReturn.ASYNC:
                break
            self._raise_error()
        if result == self._gst.StateChangeReturn.FAILURE:
            self._raise_error()
            raise SourceError(f"{self.name}: the pipeline does not start; try it with gst-launch-1.0")
        return result

    def _raise_error(self) -> None:
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        if message is not None:
            error, _ = message.parse_error()
            raise SourceError(f"{self.name}: {message.src.get_name()}: {_redact(error.message)}; try the pipeline with gst-launch-1.0")

    def _pixels(self, sample: Any) -> Pixels:
        caps, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
        width, height = caps.get_value("width"), caps.get_value("height")
        done, mapped = buffer.map(self._gst.MapFlags.READ)
        if not done:
            raise SourceError(f"{self.name}: GStreamer's buffer cannot be read")
        try:
            return bgr_rows(mapped.data, width, height)
        except (TypeError, ValueError) as error:
            raise SourceError(f"{self.name}: {mapped.size} bytes are no {width} x {height} BGR picture") from error
        finally:
            buffer.unmap(mapped)


def bgr_rows(data: Any, width: int, height: int) -> Pixels:
    """H x W x 3 uint8 in memory of its own from BGR rows padded to 4 bytes (GStreamer's raw video layout).

    Raises TypeError or ValueError when the data is too short.
    """
    stride = (3 * width + 3) // 4 * 4
    return cast(Pixels, np.ndarray((height, width, 3), np.uint8, buffer=data, strides=(stride, 3, 1)).copy())


def _redact(text: str) -> str:
    """Without the password of a network camera: names and messages reach logs and screens."""
    return re.sub(r"://[^/\s]*@|\b(user-pw)=\S+", lambda found: f"{found[1]}=***" if found[1] else "://***@", text)


def _shorten(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"

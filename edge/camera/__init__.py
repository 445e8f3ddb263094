"""The door to cameras, videos and pictures: ``open_source`` gives a stream of frames, ``read_image`` one picture."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edge.camera.dark import is_dark
from edge.camera.device import admit
from edge.camera.folder import FolderSource, pictures_in
from edge.camera.gstreamer import GstGrabber, csi
from edge.camera.headers import kind_of
from edge.camera.images import read_image
from edge.camera.live import Grabber, LiveReader, Patience
from edge.camera.picamera2 import Picamera2Grabber
from edge.camera.source import Clock, Listener, Problems, Source
from edge.camera.turn import TurnedSource
from edge.camera.v4l2 import V4l2Grabber, numbering_note
from edge.camera.video import VideoSource
from edge.errors import SourceError

__all__ = [
    "FolderSource",
    "Grabber",
    "LiveReader",
    "Patience",
    "Problems",
    "Source",
    "SourceOptions",
    "VideoSource",
    "is_dark",
    "open_source",
    "read_image",
]

Opener = Callable[[str], Source]


@dataclass(frozen=True)
class SourceOptions:
    """What is asked of a source. No defaults: they stand in config/appliance.toml.

    width, height, fps: asked of a camera; None is its own choice. exposure: microseconds, None is the camera's automatic; of a camera
    only. allow_loopback: whether a device that shows what a program feeds it may be a camera. rotation: degrees clockwise (0, 90, 180,
    270) that put a picture upright; mirror: whether left and right are exchanged after that; both of every source. interval: seconds
    between the pictures of a folder on the frames' clock; longer than a track lives for pictures that have nothing to do with each other.
    max_pixels: of one picture of a folder or video. patience: with a camera.
    """

    width: int | None
    height: int | None
    fps: int | None
    exposure: int | None
    allow_loopback: bool
    rotation: int
    mirror: bool
    interval: float
    max_pixels: int
    patience: Patience


def open_source(
    uri: str,
    options: SourceOptions,
    *,
    realtime: bool = False,
    on_problem: Listener | None = None,
    clock: Clock = time.monotonic,
    schemes: Mapping[str, Opener] | None = None,
) -> Source:
    """Opens a folder of pictures, a picture, a video file, "v4l2:/dev/v4l/by-id/..." (or the device alone), "gst:PIPELINE" (without its
    sink), "csi:0" (Jetson), "picamera2:0", or what ``schemes`` adds ("demo" -> function of the text after the colon).

    realtime: plays a video at its own pace. on_problem: is told what goes wrong without ending the source, possibly from the camera's
    thread. Raises SourceError when there is no such source, it cannot be opened, is a loopback device that is not allowed, or cannot have
    the exposure.
    """
    found = _open(uri, options, realtime, on_problem, clock, schemes or {})
    return TurnedSource(found, options.rotation, options.mirror) if options.rotation or options.mirror else found


def _open(
    uri: str,
    options: SourceOptions,
    realtime: bool,
    on_problem: Listener | None,
    clock: Clock,
    schemes: Mapping[str, Opener],
) -> Source:
    if not uri:
        raise SourceError("no source is named; give a folder, a picture, a video or a camera")
    cameras = _Cameras(options, on_problem, clock)
    openers = {**cameras.openers(), **schemes}
    scheme, colon, rest = uri.partition(":")
    if colon and scheme in openers:
        return openers[scheme](rest)
    path = Path(uri)
    if _is(path, Path.is_char_device):
        return cameras.v4l2(uri)
    if _is(path, Path.is_dir) or _is_picture(path):
        pictures = pictures_in(path) if path.is_dir() else [path]
        return FolderSource(pictures, uri, interval=options.interval, max_pixels=options.max_pixels, on_problem=on_problem, clock=clock)
    if _is(path, Path.is_file):
        return VideoSource(path, realtime=realtime, max_pixels=options.max_pixels, on_problem=on_problem, clock=clock)
    raise SourceError(_unknown(uri, sorted(openers)))


@dataclass(frozen=True)
class _Cameras:
    """Opens cameras, each from the text after its scheme."""

    options: SourceOptions
    on_problem: Listener | None
    clock: Clock

    def openers(self) -> dict[str, Opener]:
        return {"v4l2": self.v4l2, "gst": self.gst, "csi": self.csi, "picamera2": self.picamera2}

    def v4l2(self, text: str) -> Source:
        device, asked = Path(text), self.options

        def make() -> Grabber:
            return V4l2Grabber(
                device,
                width=asked.width,
                height=asked.height,
                fps=asked.fps,
                exposure=asked.exposure,
                allow_loopback=asked.allow_loopback,
            )

        source = self._live(make)
        note = numbering_note(device)
        if note is not None:
            source.problems.note(note)
        return source

    def gst(self, text: str) -> Source:
        name = GstGrabber(text).name
        if self.options.exposure is not None:
            raise SourceError(
                f"{name}: camera.exposure is not for a pipeline, whose elements have names of their own for it; write it into the pipeline"
                ' (v4l2src extra-controls="c,auto_exposure=1,exposure_time_absolute=80", or exposuretimerange of nvarguscamerasrc), and set'
                ' camera.exposure = "auto"'
            )
        return self._live(lambda: GstGrabber(text, admit=partial(admit, allow_loopback=self.options.allow_loopback)))

    def csi(self, text: str) -> Source:
        asked = self.options
        pipeline = csi(_number("csi", text), asked.width, asked.height, asked.fps, asked.exposure)
        return self._live(lambda: GstGrabber(pipeline, name=f"csi:{text}"))

    def picamera2(self, text: str) -> Source:
        index, asked = _number("picamera2", text), self.options
        return self._live(lambda: Picamera2Grabber(index, width=asked.width, height=asked.height, fps=asked.fps, exposure=asked.exposure))

    def _live(self, make: Callable[[], Grabber]) -> LiveReader:
        return LiveReader(make(), renew=make, patience=self.options.patience, on_problem=self.on_problem, clock=self.clock)


def _is(path: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return test(path)
    except (OSError, ValueError):
        return False


def _is_picture(path: Path) -> bool:
    if not _is(path, Path.is_file):
        return False
    try:
        with path.open("rb") as file:
            return kind_of(file.read(12)) is not None
    except OSError as error:
        raise SourceError(f"{path}: the file cannot be read ({error.strerror}); check the permissions") from error


def _number(scheme: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise SourceError(f"{scheme}:{text}: after the colon the camera's number is wanted, as in {scheme}:0")
    return int(text)


def _unknown(uri: str, schemes: list[str]) -> str:
    if "://" in uri:
        return f"{uri.partition('://')[0]}://...: a stream from a network comes as gst:rtspsrc location=... latency=0 ! decodebin"
    if uri.startswith("/dev/"):
        return f"{uri}: there is no such device; list the cameras with: ls /dev/v4l/by-id"
    return f"{uri}: no such folder, picture or video; a path or one of {', '.join(f'{scheme}:' for scheme in schemes)} is wanted"

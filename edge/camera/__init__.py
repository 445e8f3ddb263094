"""The door to cameras, videos and pictures: ``open_source`` gives a stream of frames, ``read_image`` one picture."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.camera.folder import FolderSource, pictures_in
from edge.camera.gstreamer import GstGrabber, csi
from edge.camera.headers import kind_of
from edge.camera.images import MAX_PIXELS, read_image
from edge.camera.live import Grabber, LiveReader, Patience
from edge.camera.picamera2 import Picamera2Grabber
from edge.camera.source import Clock, Listener, Problems, Source
from edge.camera.v4l2 import V4l2Grabber, numbering_note
from edge.camera.video import VideoSource
from edge.errors import SourceError

__all__ = ["FolderSource", "Grabber", "LiveReader", "Patience", "Problems", "Source", "VideoSource", "open_source", "read_image"]

Opener = Callable[[str], Source]


def open_source(
    uri: str,
    *,
    width: int | None = None,
    height: int | None = None,
    fps: int | None = None,
    interval: float = 5.0,
    realtime: bool = False,
    max_pixels: int = MAX_PIXELS,
    patience: Patience | None = None,
    on_problem: Listener | None = None,
    clock: Clock = time.monotonic,
    schemes: Mapping[str, Opener] | None = None,
) -> Source:
    """Opens a folder of pictures, a picture, a video file, "v4l2:/dev/v4l/by-id/..." (or the device alone), "gst:PIPELINE" (without its
    sink), "csi:0" (Jetson), "picamera2:0", or what ``schemes`` adds ("demo" -> function of the text after the colon).

    width, height, fps: asked of a camera; None is its own choice. interval: seconds between the pictures of a folder on the frames'
    clock; longer than a track lives, so that unrelated pictures are not fused. realtime: plays a video at its own pace. max_pixels: of
    one picture. on_problem: is told what goes wrong without ending the source, possibly from the camera's thread.
    Raises SourceError when there is no such source or it cannot be opened.
    """
    if not uri:
        raise SourceError("no source is named; give a folder, a picture, a video or a camera")
    cameras = _Cameras(width, height, fps, patience, on_problem, clock)
    openers = {**cameras.openers(), **(schemes or {})}
    scheme, colon, rest = uri.partition(":")
    if colon and scheme in openers:
        return openers[scheme](rest)
    path = Path(uri)
    if _is(path, Path.is_char_device):
        return cameras.v4l2(uri)
    if _is(path, Path.is_dir) or _is_picture(path):
        pictures = pictures_in(path) if path.is_dir() else [path]
        return FolderSource(pictures, uri, interval=interval, max_pixels=max_pixels, on_problem=on_problem, clock=clock)
    if _is(path, Path.is_file):
        return VideoSource(path, realtime=realtime, max_pixels=max_pixels, on_problem=on_problem, clock=clock)
    raise SourceError(_unknown(uri, sorted(openers)))


@dataclass(frozen=True)
class _Cameras:
    """Opens cameras, each from the text after its scheme."""

    width: int | None
    height: int | None
    fps: int | None
    patience: Patience | None
    on_problem: Listener | None
    clock: Clock

    def openers(self) -> dict[str, Opener]:
        return {"v4l2": self.v4l2, "gst": self.gst, "csi": self.csi, "picamera2": self.picamera2}

    def v4l2(self, text: str) -> Source:
        device = Path(text)
        source = self._live(V4l2Grabber(device, width=self.width, height=self.height, fps=self.fps))
        note = numbering_note(device)
        if note is not None:
            source.problems.note(note)
        return source

    def gst(self, text: str) -> Source:
        return self._live(GstGrabber(text))

    def csi(self, text: str) -> Source:
        return self._live(GstGrabber(csi(_number("csi", text), self.width, self.height, self.fps), name=f"csi:{text}"))

    def picamera2(self, text: str) -> Source:
        return self._live(Picamera2Grabber(_number("picamera2", text), width=self.width, height=self.height, fps=self.fps))

    def _live(self, grabber: Grabber) -> LiveReader:
        return LiveReader(grabber, patience=self.patience, on_problem=self.on_problem, clock=self.clock)


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

"""A video file as a stream: frames timed by the stream's own presentation times."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from edge.camera.images import to_bgr
from edge.camera.source import Clock, Listener, Problems, Source
from edge.errors import SourceError
from edge.records import Frame, Pixels

FALLBACK_FPS = 25.0
ANNOUNCED_SLACK = 0.02


class VideoSource(Source):
    """Frames with ``captured`` = start + presentation time, so that tracks are the same however fast the file is played.

    realtime: holds each frame back until its time has come; else as fast as they are read. A file that breaks off ends with what could
    be decoded and a note in ``problems``. Raises SourceError when made for a file that is no video or whose pictures exceed
    ``max_pixels``; from ``frames`` when not one picture could be decoded.
    """

    live = False

    def __init__(
        self,
        path: Path,
        *,
        realtime: bool = False,
        max_pixels: int,
        on_problem: Listener | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.name = str(path)
        self.problems = Problems(on_problem)
        self._realtime = realtime
        self._clock = clock
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._lock = threading.Lock()
        self._capture = _open(path, max_pixels)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._step = 1 / fps if 0 < fps < 1000 else 1 / FALLBACK_FPS
        self._announced = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self._stream = self._read_all()

    def frames(self) -> Iterator[Frame]:
        return self._stream

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._capture.release()

    def _read_all(self) -> Iterator[Frame]:
        start, number, latest = self._clock(), 0, -self._step
        while (read := self._read()) is not None:
            image, shown = read
            latest = shown if shown > latest else latest + self._step
            if self._realtime and (early := start + latest - self._clock()) > 0:
                self._sleep(early)
            if self._closed.is_set():
                return
            yield Frame(image, start + latest, number, self.name)
            number += 1
        if not self._closed.is_set():
            self._check_end(number)

    def _read(self) -> tuple[Pixels, float] | None:
        """The next picture and its presentation time in seconds from the first; None at the end."""
        with self._lock:
            if self._closed.is_set():
                return None
            done, image = self._capture.read()
            return (to_bgr(image), self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000) if done else None

    def _check_end(self, number: int) -> None:
        if number == 0:
            raise SourceError(f"{self.name}: not one picture of the video can be decoded; convert it to H.264 in MP4")
        if number < self._announced * (1 - ANNOUNCED_SLACK) - 1:
            self.problems.note(f"{self.name}: the video broke off after {number} of {self._announced:.0f} frames; copy or convert it again")


def _open(path: Path, max_pixels: int) -> cv2.VideoCapture:
    _refuse_text(path)
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"{path}: not a video that can be played, or it is cut off; convert it to H.264 in MP4")
    width, height = (int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if not 0 < width * height <= max_pixels:
        capture.release()
        raise SourceError(f"{path}: {width} x {height} pixels; a video may have 1 to {max_pixels}: scale it down")
    return capture


def _refuse_text(path: Path) -> None:
    """FFmpeg draws text files as films and follows play lists to other files and hosts; no video begins with 4096 bytes without a 0."""
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise SourceError(f"{path}: the video cannot be read ({error.strerror}); check path and permissions") from error
    if b"\0" not in start:
        raise SourceError(f"{path}: {'text' if start else 'an empty file'}, not a video; give a video file or a folder of pictures")

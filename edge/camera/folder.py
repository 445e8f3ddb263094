"""Pictures in a folder as a stream: natural order, unreadable ones noted and passed over."""

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge.camera.images import KINDS, read_image
from edge.camera.source import Clock, Listener, Problems, Source
from edge.errors import SourceError
from edge.records import Frame

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"})


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sorts "2.jpg" before "10.jpg", upper case with lower; equal names by their letters."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts)), name


def pictures_in(folder: Path) -> list[Path]:
    """The folder's picture files (by suffix, not hidden, not in folders below) in natural order. Raises SourceError when there are none."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()]
    except OSError as error:
        raise SourceError(f"{folder}: the folder cannot be read ({error.strerror}); check path and permissions") from error
    if not found:
        raise SourceError(f"{folder}: the folder holds no picture; put {KINDS} files into it")
    return sorted(found, key=lambda path: natural_key(path.name))


class FolderSource(Source):
    """Pictures one after the other, ``interval`` seconds apart on the frames' clock, as fast as they are read.

    interval: longer than a track lives for pictures that have nothing to do with each other, 1/fps for the pictures of a film.
    problems: one note for each picture that could not be read. Raises SourceError from ``frames`` when not one could be.
    """

    live = False

    def __init__(
        self,
        pictures: Sequence[Path],
        name: str,
        *,
        interval: float,
        max_pixels: int,
        on_problem: Listener | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        if interval <= 0:
            raise SourceError(f"{name}: an interval of {interval} s between pictures; give more than 0")
        self.name = name
        self.problems = Problems(on_problem)
        self._pictures = tuple(pictures)
        self._interval = interval
        self._max_pixels = max_pixels
        self._clock = clock
        self._closed = False
        self._stream = self._read_all()

    def frames(self) -> Iterator[Frame]:
        return self._stream

    def close(self) -> None:
        self._closed = True

    def _read_all(self) -> Iterator[Frame]:
        start, number = self._clock(), 0
        for path in self._pictures:
            if self._closed:
                return
            try:
                image = read_image(path, max_pixels=self._max_pixels)
            except SourceError as error:
                self.problems.note(str(error))
                continue
            yield Frame(image, start + number * self._interval, number, self.name)
            number += 1
        if number == 0:
            raise SourceError(f"{self.name}: none of its {len(self._pictures)} pictures can be read; the last: {list(self.problems)[-1]}")

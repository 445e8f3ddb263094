"""Pictures of a camera that hangs on its side, upside down, or shows a mirror image: put right here, once, for every kind of source."""

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import cv2

from edge.camera.source import Source
from edge.records import Frame, Pixels

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
LEFT_RIGHT = 1


def turned(image: Pixels, rotation: int, mirror: bool) -> Pixels:
    """H x W x 3 turned clockwise by ``rotation`` degrees (0, 90, 180, 270; KeyError for others), then its left and right exchanged."""
    upright = cast(Pixels, cv2.rotate(image, TURNS[rotation])) if rotation else image
    return cast(Pixels, cv2.flip(upright, LEFT_RIGHT)) if mirror else upright


class TurnedSource(Source):
    """A source whose pictures are turned; everything else is as in the source within. See ``turned``."""

    def __init__(self, source: Source, rotation: int, mirror: bool) -> None:
        self.name, self.live = source.name, source.live
        self._source = source
        self._stream = (replace(frame, image=turned(frame.image, rotation, mirror)) for frame in source.frames())

    def frames(self) -> Iterator[Frame]:
        return self._stream

    def close(self) -> None:
        self._source.close()

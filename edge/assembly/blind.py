"""A camera that may be away: the door goes on without it, for whoever has another way in, and takes it again when it is there."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from edge.camera.source import Source
from edge.errors import SourceError
from edge.records import Frame

AGAIN = 5.0  # seconds between two tries to open the camera
BREATH = 1.0  # seconds between two signs of life meanwhile
CAMERAS = ("v4l2:", "gst:", "csi:", "picamera2:", "/dev/")  # a folder or film that is not there will not come


class Steadfast(Source):
    """Frames of a camera whenever it can be opened. open_: opens it; raises SourceError. tell: hears, once a time, that it is away and that
    it is back. still_here: called every second while there is none."""

    live = True

    def __init__(
        self, name: str, open_: Callable[[], Source], tell: Callable[[str], None], still_here: Callable[[], None], again: float = AGAIN
    ) -> None:
        self.name, self._open, self._tell, self._still_here, self._again = name, open_, tell, still_here, again
        self._closing = threading.Event()
        self._source: Source | None = None
        self._number = 0
        self._away = False

    def frames(self) -> Iterator[Frame]:
        """Numbered through, over every gap."""
        while not self._closing.is_set():
            try:
                with self._open() as self._source:
                    yield from self._numbered(self._source)
                    return  # closed, or at its end
            except SourceError as error:
                if not self._away:
                    self._tell(f"{error}. No face is recognised until it gives frames; door codes open")
                self._away = True
            self._wait()

    def close(self) -> None:
        """See ``Source``."""
        self._closing.set()
        if self._source is not None:
            self._source.close()

    def _numbered(self, source: Source) -> Iterator[Frame]:
        for frame in source.frames():
            if self._away:
                self._tell(f"{self.name}: gives frames again")
            self._away = False
            yield replace(frame, number=self._number)
            self._number += 1

    def _wait(self) -> None:
        left = self._again
        while left > 0 and not self._closing.wait(min(left, BREATH)):
            self._still_here()
            left -= BREATH

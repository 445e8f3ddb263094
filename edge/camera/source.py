"""What every source is: a name, a stream of frames, an end."""

from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, TypeVar

from edge.records import Frame

Listener = Callable[[str], None]
Clock = Callable[[], float]
S = TypeVar("S", bound="Source")

KEPT_PROBLEMS = 100


class Source(Protocol):
    """A stream of pictures, read once: a second call of ``frames`` goes on where the first one stopped.

    name: for people. live: True when pictures come at the world's pace, so that only the newest one is kept and a slow reader misses
    the others. A source is a context manager that closes itself.
    """

    name: str
    live: bool

    def frames(self) -> Iterator[Frame]:
        """Frames numbered from 0 with strictly increasing times; ends with the source or when it is closed. Raises SourceError."""
        ...

    def close(self) -> None:
        """Lets go of file, device and thread; may be called again, and from another thread."""
        ...

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Problems:
    """What went wrong without ending the source: the newest notes, oldest first. Each is also handed to ``listener`` as it happens."""

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._notes: deque[str] = deque(maxlen=KEPT_PROBLEMS)

    def note(self, text: str) -> None:
        """Keeps the text and tells the listener, in the thread in which it happened."""
        self._notes.append(text)
        if self._listener is not None:
            self._listener(text)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._notes))

    def __len__(self) -> int:
        return len(self._notes)

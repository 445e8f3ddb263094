"""Who is told what the loop sees and decides. Outputs, audit, metrics, watchdog and screen plug in here; none of them can hold it up."""

from collections.abc import Callable, Sequence
from typing import Protocol

from edge.records import Frame, Outcome, Sighting


class Watcher(Protocol):
    """Told from the loop's own thread, in order. Each call returns at once: what takes time belongs into a thread of the watcher's."""

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """A frame went through the whole loop, with these faces in it."""

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """One approach came to its one outcome. name: the identified subject's label."""

    def close(self) -> None:
        """The loop has ended; outputs go to their safe state."""


class Watchers:
    """Several watchers as one: one that fails is told of once, left out from then on, and does not stop the door or the others."""

    def __init__(self, watchers: Sequence[Watcher], on_problem: Callable[[str], None]) -> None:
        self._watchers, self._on_problem = list(watchers), on_problem

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``Watcher.seen``."""
        self._tell(lambda watcher: watcher.seen(frame, sightings))

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """See ``Watcher.decided``."""
        self._tell(lambda watcher: watcher.decided(outcome, name))

    def close(self) -> None:
        """See ``Watcher.close``."""
        self._tell(lambda watcher: watcher.close())

    def _tell(self, call: Callable[[Watcher], None]) -> None:
        for watcher in list(self._watchers):
            try:
                call(watcher)
            except Exception as error:  # a door must outlive any defect of what listens to it
                self._watchers.remove(watcher)
                self._on_problem(f"{type(watcher).__name__} failed and is no longer told anything until the next start: {error!r}")

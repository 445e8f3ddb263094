"""The screen says what the rules of the door made of an identification: denied, or try later, in place of a welcome."""

from collections.abc import Callable, Sequence
from typing import Protocol

from edge.door.events import Cause, Denied, Refusal
from edge.records import Frame, Outcome, Sighting
from edge.service.messages import State

SHOWN = {
    Refusal.TRY_LATER: State.TRY_LATER,
    Refusal.OUTSIDE_HOURS: State.DENIED,
    Refusal.CLOCK_UNSURE: State.DENIED,
    Refusal.LATE: State.TRY_LATER,
    Refusal.EXPIRED: State.DENIED,
    Refusal.NOT_YET_VALID: State.DENIED,
}


class Face(Protocol):
    """What is needed of the screen; ``edge.service.face.ScreenWatcher`` is one."""

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None: ...

    def decided(self, outcome: Outcome, name: str | None) -> None: ...

    def overrule(self, track: int, state: State) -> None: ...

    def close(self) -> None: ...


class Talkative(Protocol):
    """What is needed of the door; ``edge.door.door.Door`` is one. It is told of an outcome before the screen is."""

    def listen(self, listener: Callable[[object], None]) -> None: ...


class RuledScreen:
    """A screen's watcher that hears the door's refusals."""

    def __init__(self, screen: Face, door: Talkative) -> None:
        self._screen = screen
        self._refusal: Refusal | None = None
        door.listen(self._hear)

    def _hear(self, event: object) -> None:
        if isinstance(event, Denied) and event.cause is Cause.FACE:  # what is typed meanwhile is answered on its own page
            self._refusal = event.refusal

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``."""
        self._screen.seen(frame, sightings)

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """See ``edge.watch.Watcher``. The door's refusal of this very outcome was heard just before."""
        refusal, self._refusal = self._refusal, None
        if refusal in SHOWN:
            self._screen.overrule(outcome.track, SHOWN[refusal])
        else:
            self._screen.decided(outcome, name)

    def close(self) -> None:
        """See ``edge.watch.Watcher``."""
        self._screen.close()

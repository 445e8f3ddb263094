"""The door as the loop's watcher: outcomes go through the access rules, and what comes of them to every output."""

import threading
import time
from collections.abc import Callable, Sequence

from edge.door import clock
from edge.door.access import Access
from edge.door.events import Alarm, Cause, Denied, Leaf, Output, Refusal, State, Unlock
from edge.door.lane import CLOSING, Lane, Tell
from edge.records import Frame, Outcome, Sighting, Validity, Verdict

EXIT_LIFE = 1.0  # seconds within which a press of the exit button opens

Clock = Callable[[], float]
Listener = Callable[[Unlock | Denied | State], None]


class Door:
    """Tells every output, each in its own lane; no call waits for any of them.

    monotonic: seconds. wall: wall-clock seconds since 1970. synchronised: whether the kernel says so of that clock. recorded: the stream is
    a recording, whose times are its own: an outcome is then as old as its own two times say.
    """

    def __init__(
        self,
        access: Access,
        outputs: Sequence[Output],
        tell: Tell,
        *,
        recorded: bool = False,
        monotonic: Clock = time.monotonic,
        wall: Clock = time.time,
        synchronised: Callable[[], bool] = clock.synchronised,
    ) -> None:
        self._access, self._recorded, self._tell = access, recorded, tell
        self._clock, self._wall, self._synchronised = monotonic, wall, synchronised
        self._lanes = [Lane(output, tell, monotonic) for output in outputs]
        self._lock = threading.Lock()  # the contact's thread tells too
        self._leaf, self._try_later = Leaf.NOT_WATCHED, False
        self._listeners: list[Listener] = []
        self._closers: list[Callable[[], None]] = []
        self._look_at_clock()
        self._tell_state()

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``. A pause of the throttle ends here too."""
        self._look_at_clock()
        self._update(self._leaf)

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """See ``edge.watch.Watcher``. The name goes nowhere."""
        now = self._clock()
        if self._recorded:
            outcome = _at(outcome, now)
        with self._lock:
            event = self._access.judge(outcome, now, self._wall(), self._synchronised())
        if event is not None:
            self._spread(event)
        self._update(self._leaf)

    def typed(
        self, entry: int, subject: str | None, since: float, *, duress: bool = False, validity: Validity | None = None
    ) -> Refusal | None:
        """A door code was typed: the door is opened by it like by a face, or this is why not.

        entry: number of the entry, from 1, never used twice. subject: whose code it is; None: nobody's. since: monotonic seconds at which
        it was looked up. validity: that person's, looked up then. duress: outputs are told that somebody is forced, whether the door opens
        or not, and nobody else is.
        """
        now, wall = self._clock(), self._wall()
        outcome = Outcome(Verdict.IDENTIFIED if subject else Verdict.UNKNOWN, -entry, since, now, 0, subject)
        with self._lock:
            event = self._access.judge(outcome, now, wall, self._synchronised(), Cause.CODE, validity)
        assert event is not None  # only an approach without a sample comes to nothing
        self._spread(event)
        if duress and subject:
            for lane in self._lanes:
                lane.put(Alarm(subject, wall))
        return event.refusal if isinstance(event, Denied) else None

    def refused(self, refusal: Refusal) -> None:
        """A door code was typed and not looked at."""
        self._spread(Denied(refusal, None, self._wall(), Cause.CODE))

    def exit_pressed(self) -> None:
        """The button inside: it always opens, whatever the hours."""
        self._spread(Unlock(Cause.EXIT_BUTTON, None, self._clock() + EXIT_LIFE, self._wall()))

    def leaf(self, leaf: Leaf) -> None:
        """The contact says something new of the door leaf."""
        self._update(leaf)

    def listen(self, listener: Listener) -> None:
        """Who wants to know of every event in the moment it happens: a screen, an audit. Called from several threads; returns at once."""
        self._listeners.append(listener)

    def on_close(self, closer: Callable[[], None]) -> None:
        """Called before the outputs are closed."""
        self._closers.append(closer)

    def close(self) -> None:
        """All outputs go to their safe state, at the same time."""
        for closer in self._closers:
            closer()
        for lane in self._lanes:
            lane.close()
        until = time.monotonic() + CLOSING
        for lane in self._lanes:
            lane.join(until - time.monotonic())

    def _look_at_clock(self) -> None:
        with self._lock:
            self._access.look_at_clock(self._clock(), self._wall(), self._synchronised())

    def _spread(self, event: Unlock | Denied | State) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception as error:  # whoever listens does not keep the door from opening, or from staying shut
                self._tell(f"a listener of the door failed: {error!r}")
        for lane in self._lanes:
            lane.put(event)

    def _update(self, leaf: Leaf) -> None:
        with self._lock:
            try_later = self._access.try_later(self._clock())
            if (leaf, try_later) == (self._leaf, self._try_later):
                return
            self._leaf, self._try_later = leaf, try_later
            self._tell_state()

    def _tell_state(self) -> None:
        self._spread(State(self._try_later, self._leaf, self._wall()))


def _at(outcome: Outcome, now: float) -> Outcome:
    """The outcome of a recording as if it had been decided now."""
    age = outcome.decided - outcome.captured
    return Outcome(outcome.verdict, outcome.track, now - age, now, outcome.frames, outcome.subject, outcome.reasons)

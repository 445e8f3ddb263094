"""One output's own thread and bounded queue: whatever an output does, the loop never waits; an unlock that waited too long is dropped."""

import threading
import time
from collections import deque
from collections.abc import Callable

from edge.door.events import Alarm, Denied, Output, State, Unlock

WAITING = 16  # unlocks, and refusals, that may wait for a slow output
CLOSING = 4.0  # seconds that the outputs have to go to their safe states, all at the same time

Tell = Callable[[str], None]
Event = Unlock | Denied | Alarm | State


class Lane:
    """Hands events to one output, unlocks first, then alarms, of states only the newest. A failure is told once, and again after it
    has worked.

    tell: hears what is wrong, in the lane's thread. Names no subject.
    """

    def __init__(self, output: Output, tell: Tell, clock: Callable[[], float] = time.monotonic) -> None:
        self._output, self._tell, self._clock = output, tell, clock
        self._unlocks: deque[Unlock] = deque(maxlen=WAITING)
        self._denied: deque[Denied] = deque(maxlen=WAITING)
        self._alarms: deque[Alarm] = deque(maxlen=WAITING)
        self._state: State | None = None
        self._change = threading.Condition()
        self._closing = self._failing = False
        self.dropped = 0  # unlocks that came to nothing because they waited too long
        self._thread = threading.Thread(target=self._work, name=f"door {output.name}", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Returns at once. When the queue is full the oldest of the same kind is lost."""
        with self._change:
            if isinstance(event, Unlock):
                self.dropped += len(self._unlocks) == WAITING
                self._unlocks.append(event)
            elif isinstance(event, Denied):
                self._denied.append(event)
            elif isinstance(event, Alarm):
                self._alarms.append(event)
            else:
                self._state = event
            self._change.notify()

    def close(self) -> None:
        """What waits is still handed over, then the output is closed. Returns at once; see ``join``."""
        with self._change:
            self._closing = True
            self._change.notify()

    def join(self, seconds: float) -> None:
        """Wait for the end, at most so long; an output that takes longer is told of."""
        self._thread.join(max(seconds, 0.0))
        if self._thread.is_alive():
            self._tell(f"{self._output.name} does not come to an end and is left behind")

    def _work(self) -> None:
        while (event := self._next()) is not None:
            self._hand_over(event)
        self._guarded(self._output.close)

    def _next(self) -> Event | None:
        """Waits for the next event; None: closing, and nothing is left."""
        with self._change:
            self._change.wait_for(lambda: self._closing or self._unlocks or self._alarms or self._denied or self._state)
            if self._unlocks:
                return self._unlocks.popleft()
            if self._alarms:
                return self._alarms.popleft()
            if self._denied:
                return self._denied.popleft()
            event, self._state = self._state, None
            return event

    def _hand_over(self, event: Event) -> None:
        if isinstance(event, Unlock):
            if self._clock() > event.deadline:
                self.dropped += 1
                self._tell(f"{self._output.name}: too slow; an unlock came too late and was dropped")
                return
            self._guarded(lambda: self._output.unlock(event))
        elif isinstance(event, Denied):
            self._guarded(lambda: self._output.denied(event))
        elif isinstance(event, Alarm):
            self._guarded(lambda: self._output.alarm(event))
        else:
            self._guarded(lambda: self._output.state(event))

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever an output does wrong, the door goes on
            if not self._failing:
                self._tell(f"{self._output.name}: {error}")
            self._failing = True
        else:
            self._failing = False

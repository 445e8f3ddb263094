"""Outputs that write down what they are told, hang or fail as asked; and a way to wait for what another thread does."""

import threading
import time
from collections.abc import Callable

from edge.door.events import Alarm, Denied, State, Unlock


def soon(fact: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the fact holds within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.005)
    return fact()


class Recorder:
    """Writes down every call. hold: while it is set, calls wait. fails: every call raises."""

    def __init__(self, name: str = "recorder", *, fails: bool = False) -> None:
        self.name, self.fails = name, fails
        self.unlocks: list[Unlock] = []
        self.denials: list[Denied] = []
        self.states: list[State] = []
        self.alarms: list[Alarm] = []
        self.closed = False
        self.go = threading.Event()
        self.go.set()

    def unlock(self, event: Unlock) -> None:
        self._wait()
        self.unlocks.append(event)

    def denied(self, event: Denied) -> None:
        self._wait()
        self.denials.append(event)

    def alarm(self, event: Alarm) -> None:
        self._wait()
        self.alarms.append(event)

    def state(self, event: State) -> None:
        self._wait()
        self.states.append(event)

    def close(self) -> None:
        self._wait()
        self.closed = True

    def _wait(self) -> None:
        if self.fails:
            raise OSError("the wire is cut")
        self.go.wait(60)

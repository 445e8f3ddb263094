"""Telling the service manager how the door is: ready, alive, stopping (sd_notify(3), without its library)."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence

from edge.records import Frame, Outcome, Sighting

SHARE = 4  # the watchdog is fed at most so many times in its interval
ONE_LINE = 200  # characters of a status


class Notifier:
    """The manager's datagram socket. A message that cannot be delivered at once is dropped: the door does not wait for its manager."""

    def __init__(self, address: str) -> None:
        """address: a path, or ``@`` and an abstract name."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def tell(self, **state: str | int) -> None:
        """One message, e.g. ``tell(READY=1, STATUS="watching")``."""
        lines = (f"{name}={' '.join(str(value).split())[:ONE_LINE]}" for name, value in state.items())
        with contextlib.suppress(OSError):
            self._socket.sendto("\n".join(lines).encode(), self._address)


def notifier(environment: Mapping[str, str] = os.environ) -> Notifier | None:
    """The manager that started this process, if one did and wants to be told."""
    address = environment.get("NOTIFY_SOCKET", "")
    return Notifier(address) if address[:1] in ("/", "@") and len(address) > 1 else None


def watchdog_interval(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """Seconds within which the manager wants a sign of life from this process; None if it wants none."""
    told, whose = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID")
    if not told.isdecimal() or int(told) == 0 or (whose is not None and whose != str(pid or os.getpid())):
        return None
    return int(told) / 1e6


class Alive:
    """A watcher that feeds the watchdog: only by a frame that is new, fresh, and went through inference.

    interval: seconds, None where no watchdog waits. live: whether frames carry the time at which the world was so.
    """

    def __init__(self, manager: Notifier, interval: float | None, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._manager, self._interval, self._live, self._clock = manager, interval, live, clock
        self._newest = -1
        self._fed = float("-inf")

    def ready(self, status: str) -> None:
        """Everything is loaded and one inference has run."""
        self._manager.tell(READY=1, STATUS=status)

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """Feeds the watchdog, unless this frame is an old one."""
        fresh, self._newest = frame.number > self._newest, max(self._newest, frame.number)
        now = self._clock()
        if self._interval is None or not fresh or now - self._fed < self._interval / SHARE:
            return
        if self._live and now - frame.captured > self._interval / 2:
            return
        self._fed = now
        self._manager.tell(WATCHDOG=1)

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """Who passes is not the manager's business."""

    def close(self) -> None:
        """The loop has ended, by whatever cause."""
        self._manager.tell(STOPPING=1, STATUS="stopping")

"""The throttle on unknown faces: too many failures, and nobody is let in by face for a while, each time for longer.

Pure: the caller brings the time, in monotonic seconds. Failures during a pause neither count nor prolong it, so that nobody can shut the
door for good; ``longest`` says how long it may take.
"""

from collections import deque
from dataclasses import dataclass

HOUR = 3600.0  # seconds


@dataclass(frozen=True)
class Limits:
    """``failures`` within ``window`` seconds, or ``hourly`` within an hour, begin a pause; 0 of either: that one never does.

    A pause lasts ``pause`` seconds, and twice as long as the one before, ``longest`` at most, where it begins less than ``quiet`` seconds
    after the end of that one. Raises ValueError for impossible values.
    """

    failures: int
    window: float
    pause: float
    longest: float
    quiet: float
    hourly: int = 0

    def __post_init__(self) -> None:
        if not (self.failures >= 0 and self.hourly >= 0 and self.window > 0 and self.quiet > 0):
            raise ValueError(f"{self}: expected window and quiet above 0, failures and hourly of 0 or more")
        if not 0 < self.pause <= self.longest:
            raise ValueError(f"{self}: expected a pause above 0 and at most the longest one")


class Throttle:
    """Counts failures; see above."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._recent: deque[float] = deque(maxlen=max(limits.failures, 1))
        self._of_hour: deque[float] = deque(maxlen=max(limits.hourly, 1))
        self._until: float | None = None
        self._length = 0.0  # of the newest pause

    def failed(self, now: float) -> None:
        """One more failure at this moment."""
        if self.pausing(now):
            return
        begins = self.would_pause(now)
        self._recent.append(now)
        self._of_hour.append(now)
        if begins:
            self._begin(now)

    def would_pause(self, now: float) -> bool:
        """Whether a failure at this moment, outside of a pause, would begin one."""
        limits = self._limits
        return _fills(self._recent, limits.failures, limits.window, now) or _fills(self._of_hour, limits.hourly, HOUR, now)

    def pausing(self, now: float) -> bool:
        """Whether nobody is let in at this moment."""
        return self._until is not None and now < self._until

    def left(self, now: float) -> float:
        """Seconds until the pause ends; 0 where there is none."""
        return max(0.0, self._until - now) if self._until is not None else 0.0

    def _begin(self, now: float) -> None:
        limits = self._limits
        again = self._until is not None and now - self._until < limits.quiet
        self._length = min(self._length * 2, limits.longest) if again else limits.pause
        self._until = now + self._length
        self._recent.clear()
        self._of_hour.clear()


def _fills(times: deque[float], most: int, seconds: float, now: float) -> bool:
    """Whether one more at this moment would be ``most`` within so many seconds; 0: never."""
    return most == 1 or (most > 1 and len(times) >= most - 1 and now - times[1 - most] <= seconds)

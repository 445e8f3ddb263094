"""The wait after wrong door codes: doubles with every wrong one, is kept on the disk, and no restart or clock makes it shorter.

The file holds one number, the wrong codes not forgiven yet. It is written before a code is looked at, so that pulling the plug gives
nothing away. A program that starts waits for the whole of what the number says, however long the machine was off: no wall clock is asked.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.door.events import OutputError
from edge.durable import replace_file

MOST = 1_000  # wrong codes counted; also what an unreadable file stands for
DOUBLINGS = 30


@dataclass(frozen=True)
class Waits:
    """free: wrong codes before the first wait. first, longest: seconds of a wait. quiet: seconds after a wait without a wrong code for
    which one is forgiven. Raises ValueError for impossible values."""

    free: int
    first: float
    longest: float
    quiet: float

    def __post_init__(self) -> None:
        if not (self.free >= 1 and 0 < self.first <= self.longest and self.quiet > 0):
            raise ValueError(f"{self}: expected 1 or more free, waits above 0, the first not above the longest, and quiet above 0")

    def after(self, wrong: int) -> float:
        """Seconds to wait after so many wrong codes."""
        return 0.0 if wrong < self.free else min(self.longest, self.first * 2.0 ** min(wrong - self.free, DOUBLINGS))

    @property
    def most(self) -> int:
        """The number of wrong codes from which the wait grows no more."""
        wrong = self.free
        while self.after(wrong) < self.longest:
            wrong += 1
        return wrong


class Backoff:
    """One door's count of wrong codes. clock: monotonic seconds. Raises OutputError where the file's folder cannot be made."""

    def __init__(self, path: Path, waits: Waits, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._waits, self._clock = path, waits, clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"code.state = {path}: {error.strerror}; choose a path that this user may write") from error
        self._wrong = min(_read(path), waits.most)
        self._until = clock() + waits.after(self._wrong)
        self._before = (self._wrong, self._until)

    def wait(self) -> float:
        """Seconds until the next code is looked at."""
        return max(0.0, self._until - self._clock())

    def begin(self) -> None:
        """A code is about to be looked at: it counts as wrong until ``right`` says otherwise. Raises OSError where that cannot be kept."""
        self._forgive()
        wrong = min(self._wrong + 1, self._waits.most)
        self._keep(wrong)
        self._before = (self._wrong, self._until)
        self._wrong, self._until = wrong, self._clock() + self._waits.after(wrong)

    def right(self) -> None:
        """It was right: it does not count, but wrong ones before it do. Raises OSError where the disk does not take it; then it counts."""
        self._wrong, self._until = self._before
        self._keep(self._wrong)

    def rest(self) -> None:
        """Nothing is typed: forgives what is due, on the disk too. Raises OSError."""
        if self._forgive():
            self._keep(self._wrong)

    @property
    def wrong(self) -> int:
        """Wrong codes that count at this moment."""
        self._forgive()
        return self._wrong

    def _keep(self, wrong: int) -> None:
        replace_file(self._path, str(wrong).encode())

    def _forgive(self) -> bool:
        """One for every quiet time since the last wait ended; whether there was one."""
        spans = int(max(0.0, self._clock() - self._until) // self._waits.quiet)
        if not (spans and self._wrong):
            return False
        self._wrong = max(0, self._wrong - spans)
        self._until += spans * self._waits.quiet
        return True


def _read(path: Path) -> int:
    """What the file says; what cannot be read stands for the most."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(16)
    except FileNotFoundError:
        return 0
    except OSError:
        return MOST
    return min(int(text), MOST) if text.isdigit() else MOST

"""A camera as a stream: its own thread, the newest picture only, and staged recovery when it falls silent or freezes.

Stages: close and open again, waiting twice as long each time. A driver that does not return is left behind with its thread, and the whole
pipeline is made anew in another one. When no new picture came for ``Patience.vanished``, SourceError, so that the process ends and the
service manager starts it afresh.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from edge.camera.dark import Lens
from edge.camera.images import to_bgr
from edge.camera.source import Clock, Listener, Problems, Source
from edge.errors import SourceError
from edge.records import Frame, Pixels

READ_SLICE = 0.2
IDLE = 0.01
LEAVE = 3.0
SAMPLED = 8


class Ended(Exception):
    """Raised by a grabber whose stream has come to its proper end."""


class Grabber(Protocol):
    """One camera driver, used by one thread at a time.

    open: starts the camera; SourceError when that fails. read: the newest picture, H x W or H x W x 1, 3 (BGR) or 4, uint8 or uint16, in
    memory of its own; None when none came within about ``timeout`` seconds; SourceError when the camera is gone; Ended. close: may be
    called at any time, also again.
    """

    name: str

    def open(self) -> None: ...

    def read(self, timeout: float) -> npt.NDArray[Any] | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Patience:
    """Seconds. silent: without a picture, then reopen. frozen: of the same picture, then reopen. dark: of nothing but darkness, then it is
    told. vanished: without a new picture, then give up. first_pause, longest_pause: before reopening; doubled each time until a new picture
    comes.
    """

    silent: float
    frozen: float
    dark: float
    vanished: float
    first_pause: float = 0.5
    longest_pause: float = 8.0

    @property
    def stuck(self) -> float:
        """Until a driver that does not return is left behind: longer than opening takes, and twice that is below the watchdog."""
        return 0.7 * self.vanished

    @property
    def end(self) -> float:
        """Until a driver that does not return is the end, where none can take its place."""
        return self.vanished + self.longest_pause


class Watch:
    """Judges a camera by its pictures; holds no camera, no thread and no clock. Times are seconds of one clock.

    A picture of one single colour (a covered lens, night) says nothing about freezing and counts as new.
    """

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._heard = self._moved = self._opened = now
        self._sample = b""
        self._attempts = 0

    def picture(self, image: Pixels, now: float) -> str | None:
        """Takes note of a picture; what is wrong, or None."""
        self._heard = now
        sample = image[::SAMPLED, ::SAMPLED].tobytes()
        if sample != self._sample or image.min() == image.max():
            self._sample, self._moved, self._attempts = sample, now, 0
            return None
        still = now - max(self._moved, self._opened)
        return f"the same picture for {still:.1f} s" if still > self._patience.frozen else None

    def silence(self, now: float) -> str | None:
        """Takes note that no picture came; what is wrong, or None."""
        silent = now - self._heard
        return f"no picture for {silent:.1f} s" if silent > self._patience.silent else None

    def opened(self, now: float) -> None:
        """The camera was opened again."""
        self._heard = self._opened = now

    def lost(self, now: float) -> bool:
        """Whether the last new picture is too old to go on trying."""
        return now - self._moved > self._patience.vanished

    def pause(self) -> float:
        """Seconds to wait before the next attempt to open."""
        self._attempts += 1
        return min(self._patience.first_pause * 2.0 ** min(self._attempts - 1, 30), self._patience.longest_pause)


class LiveReader(Source):
    """The newest pictures of one grabber. Numbers count the frames handed out; ``captured`` is the time at which the driver gave them.

    The grabber is opened here, so that a missing camera is a SourceError at once; from then on it belongs to the thread, started here
    too. ``frames`` raises SourceError when the camera has vanished for good or its driver does not return. renew: makes a fresh grabber of
    the same camera, for when a driver does not return; without it that is the end. wait: stands in for pausing the thread (it takes seconds
    and returns early when the source is closed).
    """

    live = True

    def __init__(
        self,
        grabber: Grabber,
        *,
        patience: Patience,
        renew: Callable[[], Grabber] | None = None,
        on_problem: Listener | None = None,
        clock: Clock = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.name = grabber.name
        self.problems = Problems(on_problem)
        self._patience = patience
        self._grabber = grabber
        self._renew = renew
        self._limit = patience.end
        self._clock = clock
        self._stop = threading.Event()
        self._pause = wait or self._stop.wait
        self._news = threading.Condition()
        self._newest: tuple[Pixels, float] | None = None
        self._over = False
        self._failure: Exception | None = None
        self._open_first()
        self._alive = clock()
        self._watch = Watch(patience, self._alive)
        self._lens = Lens(patience.dark)
        self._stream = self._deliver()
        self._thread = self._started(grabber)

    def frames(self) -> Iterator[Frame]:
        return self._stream

    def close(self) -> None:
        if self._stop.is_set():
            return
        self._stop.set()
        with self._news:
            self._news.notify_all()
        self._thread.join(LEAVE)
        if self._thread.is_alive():
            self.problems.note(f"{self.name}: the driver does not return; the camera is let go when the process ends")

    def _started(self, grabber: Grabber, trouble: str | None = None) -> threading.Thread:
        thread = threading.Thread(target=self._work, args=(grabber, trouble), name=f"camera {self.name}", daemon=True)
        thread.start()
        return thread

    def _open_first(self) -> None:
        try:
            self._grabber.open()
        except BaseException:
            self._grabber.close()
            raise

    def _deliver(self) -> Iterator[Frame]:
        number, latest = 0, -math.inf
        while (found := self._await_newest()) is not None:
            image, captured = found
            latest = max(captured, math.nextafter(latest, math.inf))
            yield Frame(image, latest, number, self.name)
            number += 1

    def _await_newest(self) -> tuple[Pixels, float] | None:
        """The newest picture not handed out yet; None when the stream has ended. Raises what ended the thread."""
        with self._news:
            while True:
                if self._stop.is_set():
                    return None
                if self._newest is not None:
                    found, self._newest = self._newest, None
                    return found
                if self._failure is not None:
                    raise self._failure
                if self._over:
                    return None
                self._check_alive()
                self._news.wait(READ_SLICE)

    def _check_alive(self) -> None:
        """Leaves a driver behind that does not return, once; if the next does not either, SourceError. Called with the lock held."""
        still = self._clock() - self._alive
        if self._renew is not None and still > self._patience.stuck:
            trouble = f"the driver has not returned for {still:.0f} s"
            self.problems.note(f"{self.name}: {trouble}; it is left behind and the whole pipeline is made anew")
            self._alive, self._limit, self._grabber, self._renew = self._clock(), self._patience.stuck, self._renew(), None
            self._thread = self._started(self._grabber, trouble)
        elif still > self._limit:
            raise SourceError(f"{self.name}: the camera's driver has not returned for {still:.0f} s; unplug it or restart the board")

    def _mine(self, grabber: Grabber) -> bool:
        """Whether the calling thread's grabber is still wanted."""
        return grabber is self._grabber and not self._stop.is_set()

    def _work(self, grabber: Grabber, trouble: str | None) -> None:
        """trouble: why this grabber has to be opened first."""
        try:
            if trouble is not None:
                self._reopen(grabber, trouble, tries=1)
            while self._mine(grabber):
                self._alive = self._clock()
                trouble = self._step(grabber)
                if trouble is not None:
                    self._reopen(grabber, trouble)
        except Ended:
            self._finish(grabber, None)
        except Exception as error:  # handed to the reader, whose thread it should have ended
            self._finish(grabber, error)
        finally:
            grabber.close()

    def _step(self, grabber: Grabber) -> str | None:
        """Reads once; what is wrong with the camera, or None."""
        try:
            read = grabber.read(min(READ_SLICE, self._patience.silent))
            image = None if read is None else to_bgr(read)
        except (SourceError, ValueError) as error:
            return str(error)
        if not self._mine(grabber):
            return None
        now = self._clock()
        if image is None:
            trouble = self._watch.silence(now)
            self._pause(IDLE)
            return trouble
        trouble = self._watch.picture(image, now)
        if trouble is None:
            self._publish(grabber, image, now)
        if (change := self._lens.picture(image, now)) is not None:
            self.problems.note(f"{self.name}: {change}")
        return trouble

    def _publish(self, grabber: Grabber, image: Pixels, captured: float) -> None:
        with self._news:
            if self._mine(grabber):
                self._newest = (image, captured)
                self._news.notify_all()

    def _reopen(self, grabber: Grabber, trouble: str, tries: int = 0) -> None:
        """Closes and opens until it works. Raises SourceError when that takes too long, but not before so many tries."""
        self.problems.note(f"{self.name}: {trouble}; the camera is opened again")
        while self._mine(grabber):
            grabber.close()
            if not self._mine(grabber):
                return
            if tries <= 0 and self._watch.lost(self._clock()):
                raise SourceError(f"{self.name}: camera vanished ({trouble}); check cable and power, then start again")
            self._pause(self._watch.pause())
            self._alive, tries = self._clock(), tries - 1
            try:
                grabber.open()
            except SourceError as error:
                trouble = str(error)
            else:
                if self._mine(grabber):
                    self._watch.opened(self._clock())
                return

    def _finish(self, grabber: Grabber, failure: Exception | None) -> None:
        with self._news:
            if grabber is self._grabber:
                self._failure = failure
                self._over = True
                self._news.notify_all()

"""One thread that does what it is given, one job at a time, and whoever waits for it has an end to his patience."""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class StuckError(Exception):
    """A job did not end in time; its thread may hang in a driver for ever, so that nothing more is given to it."""


class _Job(Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        self._work, self._done = work, threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def do(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # handed to the thread that waits
            self._error = error
        self._done.set()

    def wait(self, seconds: float) -> T:
        if not self._done.wait(seconds):
            raise StuckError
        if self._error is not None:
            raise self._error
        return self._result[0]


class Worker:
    """A daemon thread: a job that hangs in it does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job[object] | None] = queue.SimpleQueue()
        self._stuck = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def run(self, work: Callable[[], T], seconds: float) -> T:
        """What ``work`` returns or raises. Raises StuckError when it takes longer than ``seconds``, and at once ever after."""
        if self._stuck:
            raise StuckError
        job = _Job(work)
        self._jobs.put(job)  # type: ignore[arg-type]  # the queue does not care what comes out
        try:
            return job.wait(seconds)
        except StuckError:
            self._stuck = True
            raise

    def stop(self) -> None:
        """End the thread after the jobs that wait."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.do()

"""The door's outcomes into the audit log, from a thread of its own, so that a slow or full disk does not hold up the loop."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.errors import AuditError
from edge.records import Frame, Outcome, Sighting, Verdict
from edge.service.chain import Fact

WAITING = 1000  # lines at most; what does not fit is counted and told in the log
PATIENCE = 4.0  # seconds that the end of a run waits twice at most: for room, and for the last lines


class Appender(Protocol):
    """What takes the lines; ``Audit`` is one."""

    def append(self, kind: str, **facts: Fact) -> None: ...


class Recorder:
    """A watcher: the start of a run, every outcome by verdict and opaque id, the end. on_problem: told once when lines are lost, and once
    when they are not any more."""

    def __init__(self, audit: Appender, on_problem: Callable[[str], None], **facts: Fact) -> None:
        """facts: what the log shall say of the run that begins."""
        self._audit, self._on_problem = audit, on_problem
        self._waiting: queue.Queue[tuple[str, dict[str, Fact]] | None] = queue.Queue(WAITING)
        self._missed, self._lock = 0, threading.Lock()  # did not fit; counted by the threads that tell
        self._lost = 0  # could not be written; counted by the writing thread
        self._failing = False
        self._refused: tuple[str, str | None] | None = None
        self._thread = threading.Thread(target=self._write, name="audit", daemon=True)
        self._thread.start()
        self._put("start", facts)

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """Nothing of a frame is logged."""

    def refused(self, reason: str, subject: str | None) -> None:
        """The door's rules refuse the approach whose outcome comes next. reason: a lower-case word."""
        self._refused = (reason, subject)

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """One line an approach; the name is not in it. Of somebody identified also why the rules kept him out, if they did."""
        refused, self._refused = self._refused, None
        facts: dict[str, Fact] = {"verdict": outcome.verdict.value}
        if outcome.subject is not None:
            facts["subject"] = outcome.subject
            if refused and refused[1] == outcome.subject:
                facts["denied"] = refused[0]
        self._put("outcome", facts)

    def typed(self, subject: str | None, refusal: str | None) -> None:
        """One line a door code that was typed. subject: whose it was, None: nobody's. refusal: why nothing opened, None: the door did."""
        facts: dict[str, Fact] = {"verdict": (Verdict.IDENTIFIED if subject else Verdict.UNKNOWN).value, "reason": "code"}
        facts |= {name: value for name, value in (("subject", subject), ("refusal", refusal)) if value is not None}
        self._put("outcome", facts)

    def close(self) -> None:
        """The last lines, as far as they can be written in a few seconds."""
        self._put("stop", {})
        try:
            self._waiting.put(None, timeout=PATIENCE)
        except queue.Full:
            return
        self._thread.join(PATIENCE)

    def _put(self, kind: str, facts: dict[str, Fact]) -> None:
        try:
            self._waiting.put_nowait((kind, facts))
        except queue.Full:
            with self._lock:
                self._missed += 1

    def _write(self) -> None:
        told = 0
        while (entry := self._waiting.get()) is not None:
            missed = self._missed
            try:
                if lost := self._lost + missed - told:
                    self._audit.append("lost", lines=lost)
                    self._lost, told = 0, missed
                self._audit.append(entry[0], **entry[1])
                self._tell(None)
            except AuditError as error:
                self._lost += 1
                self._tell(error)

    def _tell(self, error: AuditError | None) -> None:
        if (error is not None) != self._failing:
            self._failing = error is not None
            goes_on = f"{error}; the door goes on, and the log will say how many lines it misses"
            self._on_problem(goes_on if error else "audit log: is written again")

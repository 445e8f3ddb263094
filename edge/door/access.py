"""Who is let in: pure rules over outcomes, without I/O. Nothing opens by error; whatever is not sure stays shut.

Ages and pauses are monotonic seconds, so that no change of the wall clock opens anything or keeps it open. Only the weekly schedule and
the dates between which somebody may pass need the wall clock, and ask two of them: the one in force, and a witness, the first one that this
program saw set, carried on by the monotonic clock. Both must lie within. The witness is replaced once, when the kernel first says that its
clock is synchronised: a board without a clock of its own starts with the time of its last shutdown.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from edge.door.events import Cause, Denied, Refusal, Unlock
from edge.door.schedule import Schedule
from edge.records import ALWAYS, Outcome, Phase, Validity, Verdict

KEPT_APPROACHES = 1024
NEVER_SET = 1_767_225_600.0  # 2026-01-01: a wall clock that shows less was never set

DATED = {Phase.VALID: None, Phase.NOT_YET_VALID: Refusal.NOT_YET_VALID, Phase.EXPIRED: Refusal.EXPIRED}

LocalTime = Callable[[float], tuple[int, int]]  # wall-clock seconds -> (weekday, 0 is Monday; minute of that day)


@dataclass(frozen=True)
class Rules:
    """expiry: seconds from capture within which the door may open. failures unknown approaches within ``window`` seconds: nobody is let in
    for ``pause`` seconds; 0 failures: never. synchronised: schedule and dates open only once the kernel's clock has been synchronised
    since the start. Raises ValueError for impossible values."""

    expiry: float
    failures: int
    window: float
    pause: float
    schedule: Schedule
    synchronised: bool = False

    def __post_init__(self) -> None:
        if not (self.expiry > 0 and self.failures >= 0 and self.window > 0 and self.pause > 0):
            raise ValueError(f"{self}: expected expiry, window and pause above 0, and failures of 0 or more")


class Clocks:
    """Two wall clocks; see above. required: whether a synchronised clock is asked for."""

    def __init__(self, required: bool) -> None:
        self._required = required
        self._offset: float | None = None  # the witness: wall clock minus monotonic clock
        self._synchronised = False  # has been, since the start

    def look(self, now: float, wall: float, synchronised: bool) -> None:
        """Take the witness. now: monotonic seconds; wall: wall-clock seconds since 1970; synchronised: as the kernel says."""
        first = synchronised and not self._synchronised
        if wall >= NEVER_SET and (self._offset is None or first):
            self._offset = wall - now
            self._synchronised = synchronised

    def refusal(self, now: float, wall: float, asked: Callable[[float], Refusal | None]) -> Refusal | None:
        """None: both clocks are let in. asked: what a rule says of a wall clock. Units as above."""
        if wall < NEVER_SET or self._offset is None or (self._required and not self._synchronised):
            return Refusal.CLOCK_UNSURE
        return asked(wall) or (Refusal.CLOCK_UNSURE if asked(self._offset + now) else None)


class Throttle:
    """After so many failures within the window, a pause. Failures during a pause do not prolong it: nobody can shut the door for good."""

    def __init__(self, failures: int, window: float, pause: float) -> None:
        self._failures, self._window, self._pause = failures, window, pause
        self._recent: deque[float] = deque(maxlen=max(failures, 1))
        self._until: float | None = None

    def failed(self, now: float) -> None:
        """One more failure at this moment (monotonic seconds)."""
        if self._failures == 0 or self.pausing(now):
            return
        self._recent.append(now)
        if len(self._recent) == self._failures and now - self._recent[0] <= self._window:
            self._until = now + self._pause
            self._recent.clear()

    def pausing(self, now: float) -> bool:
        """Whether nobody is let in at this moment."""
        return self._until is not None and now < self._until


class Access:
    """One unlock an approach, in time, within the person's dates and the door's hours, unless too many have failed."""

    def __init__(self, rules: Rules, local: LocalTime, validity: Callable[[str], Validity] = lambda subject: ALWAYS) -> None:
        """validity: a subject's id -> when that person may pass."""
        self._rules, self._local, self._validity = rules, local, validity
        self._clocks = Clocks(rules.synchronised)
        self._throttle = Throttle(rules.failures, rules.window, rules.pause)
        self._let_in: deque[int] = deque(maxlen=KEPT_APPROACHES)

    def judge(self, outcome: Outcome, now: float, wall: float, synchronised: bool = False) -> Unlock | Denied | None:
        """What an outcome comes to; None for an approach of which no usable sample was had.

        now: monotonic seconds. wall: wall-clock seconds since 1970. synchronised: whether the kernel says so of that clock.
        """
        self._clocks.look(now, wall, synchronised)
        if outcome.verdict is Verdict.NOT_ACQUIRED:
            return None
        if outcome.verdict is not Verdict.IDENTIFIED or outcome.subject is None:
            paused = self._throttle.pausing(now)
            self._throttle.failed(now)
            return Denied(Refusal.TRY_LATER if paused else Refusal.UNKNOWN, None, wall)
        refusal = self._refusal(outcome, outcome.subject, now, wall)
        if refusal is not None:
            return Denied(refusal, outcome.subject, wall)
        self._let_in.append(outcome.track)
        return Unlock(Cause.FACE, outcome.subject, outcome.captured + self._rules.expiry, wall)

    def look_at_clock(self, now: float, wall: float, synchronised: bool) -> None:
        """Tell it the time early, so that a clock set to something else later is noticed. Units as in ``judge``."""
        self._clocks.look(now, wall, synchronised)

    def try_later(self, now: float) -> bool:
        """Whether nobody is let in at this moment because too many approaches failed."""
        return self._throttle.pausing(now)

    def _refusal(self, outcome: Outcome, subject: str, now: float, wall: float) -> Refusal | None:
        if not 0 <= now - outcome.captured <= self._rules.expiry:
            return Refusal.LATE
        if outcome.track in self._let_in:
            return Refusal.REPEATED
        if self._throttle.pausing(now):
            return Refusal.TRY_LATER
        return self._dates(subject, now, wall) or self._hours(now, wall)

    def _dates(self, subject: str, now: float, wall: float) -> Refusal | None:
        validity = self._validity(subject)
        return self._clocks.refusal(now, wall, lambda moment: DATED[validity.at(moment)]) if validity.limited else None

    def _hours(self, now: float, wall: float) -> Refusal | None:
        schedule = self._rules.schedule
        if schedule.always:
            return None
        return self._clocks.refusal(now, wall, lambda moment: None if schedule.open_at(*self._local(moment)) else Refusal.OUTSIDE_HOURS)

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
from edge.door.throttle import Limits, Throttle
from edge.records import ALWAYS, Outcome, Phase, Validity, Verdict

KEPT_APPROACHES = 1024
NEVER_SET = 1_767_225_600.0  # 2026-01-01: a wall clock that shows less was never set

DATED = {Phase.VALID: None, Phase.NOT_YET_VALID: Refusal.NOT_YET_VALID, Phase.EXPIRED: Refusal.EXPIRED}

LocalTime = Callable[[float], tuple[int, int]]  # wall-clock seconds -> (weekday, 0 is Monday; minute of that day)


@dataclass(frozen=True)
class Rules:
    """expiry: seconds from capture within which the door may open. limits: after how many unknown approaches nobody is let in by face for a
    while. synchronised: schedule and dates open only once the kernel's clock has been synchronised since the start. Raises ValueError for
    impossible values."""

    expiry: float
    limits: Limits
    schedule: Schedule
    synchronised: bool = False

    def __post_init__(self) -> None:
        if not self.expiry > 0:
            raise ValueError(f"{self}: expected an expiry above 0")


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


class Access:
    """One unlock an approach, in time, within the person's dates and the door's hours, unless too many have failed."""

    def __init__(self, rules: Rules, local: LocalTime, validity: Callable[[str], Validity] = lambda subject: ALWAYS) -> None:
        """validity: a subject's id -> when that person may pass."""
        self._rules, self._local, self._validity = rules, local, validity
        self._clocks = Clocks(rules.synchronised)
        self._throttle = Throttle(rules.limits)
        self._let_in: deque[int] = deque(maxlen=KEPT_APPROACHES)

    def judge(
        self,
        outcome: Outcome,
        now: float,
        wall: float,
        synchronised: bool = False,
        cause: Cause = Cause.FACE,
        validity: Validity | None = None,
    ) -> Unlock | Denied | None:
        """What an outcome comes to; None for an approach of which no usable sample was had.

        now: monotonic seconds. wall: wall-clock seconds since 1970. synchronised: whether the kernel says so of that clock. cause: FACE, or
        CODE for a door code that was typed, which is an approach of its own with a track that no face has. A code obeys what a face obeys,
        but for the throttle: it has one of its own (``edge.door.backoff``), and is there for when faces are not recognised. validity: the
        person's, where the caller has looked it up just now.
        """
        self._clocks.look(now, wall, synchronised)
        if outcome.verdict is Verdict.NOT_ACQUIRED:
            return None
        if outcome.verdict is not Verdict.IDENTIFIED or outcome.subject is None:
            return Denied(self._unknown(now) if cause is Cause.FACE else Refusal.WRONG_CODE, None, wall, cause)
        refusal = self._refusal(outcome, cause, now) or self._dates(validity or self._validity(outcome.subject), now, wall)
        refusal = refusal or self._hours(now, wall)
        if refusal is not None:
            return Denied(refusal, outcome.subject, wall, cause)
        self._let_in.append(outcome.track)
        return Unlock(cause, outcome.subject, outcome.captured + self._rules.expiry, wall)

    def look_at_clock(self, now: float, wall: float, synchronised: bool) -> None:
        """Tell it the time early, so that a clock set to something else later is noticed. Units as in ``judge``."""
        self._clocks.look(now, wall, synchronised)

    def try_later(self, now: float) -> bool:
        """Whether nobody is let in by face at this moment because too many approaches failed."""
        return self._throttle.pausing(now)

    def _unknown(self, now: float) -> Refusal:
        paused = self._throttle.pausing(now)
        self._throttle.failed(now)
        return Refusal.TRY_LATER if paused else Refusal.UNKNOWN

    def _refusal(self, outcome: Outcome, cause: Cause, now: float) -> Refusal | None:
        if not 0 <= now - outcome.captured <= self._rules.expiry:
            return Refusal.LATE
        if outcome.track in self._let_in:
            return Refusal.REPEATED
        if cause is Cause.FACE and self._throttle.pausing(now):
            return Refusal.TRY_LATER
        return None

    def _dates(self, validity: Validity, now: float, wall: float) -> Refusal | None:
        return self._clocks.refusal(now, wall, lambda moment: DATED[validity.at(moment)]) if validity.limited else None

    def _hours(self, now: float, wall: float) -> Refusal | None:
        schedule = self._rules.schedule
        if schedule.always:
            return None
        return self._clocks.refusal(now, wall, lambda moment: None if schedule.open_at(*self._local(moment)) else Refusal.OUTSIDE_HOURS)

"""What passes from the decision to the outputs: unlock, denied, alarm, state. Opaque ids only: no name, no score, no code, no picture.

``deadline`` is in seconds of ``time.monotonic``; ``at`` is wall-clock seconds since 1970, for people and logs: it decides nothing.
"""

import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from edge.errors import EdgeError


class OutputError(EdgeError):
    """An output of the door cannot be set up as the settings ask."""

    exit_code = 11


class Cause(str, Enum):
    """Why the door is opened, or was to be."""

    FACE = "face"
    CODE = "code"
    EXIT_BUTTON = "exit_button"


class Refusal(str, Enum):
    """Why the door is not opened."""

    UNKNOWN = "unknown"
    TRY_LATER = "try_later"
    OUTSIDE_HOURS = "outside_hours"
    CLOCK_UNSURE = "clock_unsure"
    LATE = "late"
    REPEATED = "repeated"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_CODE = "wrong_code"


class Leaf(str, Enum):
    """What the door contact says of the door leaf."""

    NOT_WATCHED = "not_watched"
    CLOSED = "closed"
    OPEN = "open"
    HELD_OPEN = "held_open"
    FORCED = "forced"


def new_id() -> str:
    """32 random hex digits by which a receiver knows an event again."""
    return secrets.token_hex(16)


@dataclass(frozen=True)
class Unlock:
    """The door is to be opened, once, and not after ``deadline`` (monotonic seconds). subject: the gallery's opaque id, None by button."""

    cause: Cause
    subject: str | None
    deadline: float
    at: float
    id: str = field(default_factory=new_id)

    def __post_init__(self) -> None:
        if (self.subject is None) != (self.cause is Cause.EXIT_BUTTON):
            raise ValueError(f"unlock by {self.cause.value}: a subject belongs to 'face' and 'code' and to nothing else")


@dataclass(frozen=True)
class Denied:
    """An approach, or a door code, that opens nothing. subject: the opaque id of somebody identified whom a rule keeps out, else None."""

    refusal: Refusal
    subject: str | None
    at: float
    cause: Cause = Cause.FACE
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class Alarm:
    """Somebody used a duress code. At the door nothing tells it from the normal one: no listener hears of it, outputs do."""

    subject: str
    at: float
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class State:
    """What the door is like. try_later: too many approaches failed, so that nobody is let in for a while."""

    try_later: bool
    leaf: Leaf
    at: float
    id: str = field(default_factory=new_id)


class Output(Protocol):
    """One way to the world. Every call comes from this output's own thread (``edge.door.lane``), so that it may take its time.

    name: for messages. Calls may raise: the lane tells of it once and goes on.
    """

    name: str

    def unlock(self, event: Unlock) -> None:
        """Open, if ``event.deadline`` has not passed."""

    def denied(self, event: Denied) -> None:
        """Nobody was let in."""

    def alarm(self, event: Alarm) -> None:
        """Somebody is forced. Tell people elsewhere, and nobody at the door."""

    def state(self, event: State) -> None:
        """What the door is like has changed."""

    def close(self) -> None:
        """Go to the safe state; nothing is called afterwards."""

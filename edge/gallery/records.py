"""What a gallery tells: subjects, events, damage, a report. Frozen."""

from dataclasses import dataclass

from edge.records import ALWAYS, Validity


@dataclass(frozen=True)
class Subject:
    """An enrolled person: opaque id, name, wall-clock UTC of enrolment (ISO 8601), number of references that can match.

    former: references of the network before, which match until the person is renewed or the window closes. validity: when the person may
    pass; being recognised does not depend on it.
    """

    id: str
    label: str
    created: str
    references: int
    former: int = 0
    validity: Validity = ALWAYS


@dataclass(frozen=True)
class Event:
    """Something that happened: what, to whom (a subject's id or None), when (wall-clock UTC, ISO 8601). Never a score."""

    kind: str
    subject: str | None
    time: str


@dataclass(frozen=True)
class Damage:
    """A reference that never matches until it is renewed or restored, and why."""

    reference: str
    subject: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What a check found: the numbers of sound references, subjects and events, and everything that is not sound."""

    references: int
    subjects: int
    events: int
    damaged: tuple[Damage, ...]
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing at all is wrong."""
        return not self.damaged and not self.problems

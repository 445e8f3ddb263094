"""What a gallery holds in RAM, and how it follows the file."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from edge.gallery.matrix import Matrix
from edge.gallery.records import Damage, Subject
from edge.gallery.sealer import Row, Sealer
from edge.template.compare import settle
from edge.template.protect import TemplateError

_TEMPLATES = "SELECT id, subject, template FROM templates"
_REFERENCES = "SELECT id, subject FROM templates NOT INDEXED"  # a damaged index must hide nobody


class Live:
    """Subjects, rows and damage of one gallery at one pair of epochs. A row is here only if it and its subject opened."""

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer
        self.matrix = Matrix(sealer.width)
        self.damaged: dict[str, Damage] = {}
        self.problems: dict[str, str] = {}
        self._people: dict[str, tuple[bytes, str, str]] = {}

    def load(self, db: sqlite3.Connection) -> None:
        """Takes over the state of the file within the open transaction; only what changed is opened."""
        self._load_subjects(db)
        stored: dict[str, str] = dict(db.execute(_REFERENCES))
        for reference, subject in list(zip(self.matrix.references, self.matrix.subjects, strict=True)):
            if stored.get(reference) != subject or subject not in self._people:
                self.matrix.remove(reference)
        self.damaged.clear()
        self.matrix.reserve(len(stored))
        if len(self.matrix):
            missing = [reference for reference in stored if reference not in self.matrix]
            self._take(row for reference in missing for row in db.execute(f"{_TEMPLATES} WHERE id = ?", (reference,)))
        else:
            self._take(db.execute(_TEMPLATES))
            settle(self.matrix.rows, self.sealer.bits, time.perf_counter)
        for reference in stored.keys() - self.matrix.references - self.damaged.keys():
            self.damaged[reference] = Damage(reference, stored[reference], f"reference {reference}: its id is damaged: restore a backup")

    def _load_subjects(self, db: sqlite3.Connection) -> None:
        revoked = {subject for (subject,) in db.execute("SELECT subject FROM revocations")}
        before, self._people, self.problems = self._people, {}, {}
        for subject, sealed in db.execute("SELECT id, sealed FROM subjects"):
            if subject in revoked:
                self.problems[subject] = f"subject {subject}: is revoked, yet somebody put it back: revoke it again"
            elif subject in before and before[subject][0] == sealed:
                self._people[subject] = before[subject]
            else:
                self._open_subject(subject, sealed)

    def _open_subject(self, subject: str, sealed: bytes) -> None:
        try:
            facts = self.sealer.open_facts("subject", subject, sealed)
        except TemplateError as error:
            self.problems[subject] = str(error)
            return
        self.know(subject, sealed, facts)

    def know(self, subject: str, sealed: bytes, facts: Mapping[str, str | None]) -> None:
        """Adds a subject by the facts of its record."""
        self._people[subject] = (sealed, str(facts["label"]), str(facts["created"]))

    def _take(self, stored: Iterable[tuple[str, str, bytes]]) -> None:
        for reference, subject, template in stored:
            if subject not in self._people:
                self.damaged[reference] = Damage(reference, subject, f"reference {reference}: its subject is altered, revoked or missing")
                continue
            try:
                self.matrix.append(reference, subject, self.sealer.open(reference, subject, template))
            except TemplateError as error:
                self.damaged[reference] = Damage(reference, subject, str(error))

    def append(self, rows: Iterable[Row]) -> None:
        """Adds rows that were just committed."""
        for row in rows:
            self.matrix.append(row.reference, row.subject, row.planes)

    def forget(self, references: Iterable[str], subject: str | None = None) -> None:
        """Removes rows, and a subject, that were just deleted from the file."""
        of_subject = [each for each, whose in zip(self.matrix.references, self.matrix.subjects, strict=True) if whose == subject]
        for reference in {*references, *of_subject}:
            self.damaged.pop(reference, None)
            if reference in self.matrix:
                self.matrix.remove(reference)
        if subject is not None:
            self._people.pop(subject, None)
            self.problems.pop(subject, None)

    def subject(self, identity: str) -> Subject | None:
        """The subject of that id, or None."""
        if identity not in self._people:
            return None
        _, label, created = self._people[identity]
        return Subject(identity, label, created, self.matrix.subjects.count(identity))

    def subjects(self) -> list[Subject]:
        """Everybody enrolled, by name."""
        counts = Counter(self.matrix.subjects)
        people = (Subject(identity, label, created, counts[identity]) for identity, (_, label, created) in self._people.items())
        return sorted(people, key=lambda subject: (subject.label.casefold(), subject.id))

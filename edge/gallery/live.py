"""What a gallery holds in RAM, and how it follows the file."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice

from edge.gallery.labels import is_id
from edge.gallery.matrix import Matrix
from edge.gallery.records import Damage, Subject
from edge.gallery.sealer import Row, Sealer
from edge.records import Candidate, Code
from edge.template.compare import nearest_first, settle, unequal
from edge.template.protect import TemplateError

TABLES = ("templates", "former")
# ids as their bytes, which takes no call for each text; what is no text (in an altered file) stays told apart
_IDS = ", ".join(f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE quote({name}) END" for name in ("id", "subject"))
_TEMPLATES = {table: f"SELECT {_IDS}, template FROM {table} NOT INDEXED" for table in TABLES}  # noqa: S608 - fixed names
# in the order of the table itself: SQLite would read the index alone, and a damaged one must hide nobody
_REFERENCES = {table: f"SELECT id, subject FROM {table} NOT INDEXED ORDER BY id" for table in TABLES}  # noqa: S608 - fixed names

_CHUNK = 4096
_PUT_BACK = "subject {}: is revoked, yet somebody put it back: revoke it again"

OWN_FACTS = ("label", "created")
NOTHING: Mapping[str, str] = {}

Stored = tuple[bytes | str, bytes | str, bytes]
"""Reference, subject and template of a row of the file; an id is a str only if it is no text there."""


class Live:
    """Subjects, rows and damage of one gallery at one pair of epochs. A row is here only if it and its subject opened.

    table: "templates", or "former" for the references of the network before.
    """

    def __init__(self, sealer: Sealer, table: str = TABLES[0]) -> None:
        self.sealer, self.table = sealer, table
        self.matrix = Matrix(sealer.width)
        self.damaged: dict[str, Damage] = {}
        self.problems: dict[str, str] = {}
        self._people: dict[str, tuple[bytes, str, str, Mapping[str, str]]] = {}

    def load(self, db: sqlite3.Connection) -> None:
        """Takes over the state of the file within the open transaction; only what changed is opened."""
        self._load_subjects(db)
        if not len(self.matrix):
            self.damaged.clear()
            self.matrix.reserve(db.execute(f"SELECT count(*) FROM {self.table}").fetchone()[0])  # noqa: S608 - fixed names
            self._take_all(db.execute(_TEMPLATES[self.table]))
            return
        stored: dict[str, str] = dict(db.execute(_REFERENCES[self.table]))
        for reference, subject in list(zip(self.matrix.references, self.matrix.subjects, strict=True)):
            if stored.get(reference) != subject or subject not in self._people:
                self.matrix.remove(reference)
        self.damaged.clear()
        self.matrix.reserve(len(stored))
        for reference in stored.keys() - set(self.matrix.references):
            for row in db.execute(f"{_TEMPLATES[self.table]} WHERE id = ?", (reference,)):
                self._take(row)
        for reference in stored.keys() - self.matrix.references - self.damaged.keys():
            self.damaged[reference] = Damage(reference, stored[reference], f"reference {reference}: its id is damaged: restore a backup")

    def moved(self, db: sqlite3.Connection, subject: str) -> tuple[list[str], list[str]]:
        """The references of a subject that came to the file and that went from it since it was followed."""
        here = set(self.matrix.of_subject(subject))
        here |= {reference for reference, damage in self.damaged.items() if damage.subject == subject}
        there = {reference for (reference,) in db.execute(f"SELECT id FROM {self.table} WHERE subject = ?", (subject,))}  # noqa: S608
        return sorted(there - here), sorted(here - there)

    def follow(self, db: sqlite3.Connection, subject: str, came: Iterable[str], went: Iterable[str]) -> None:
        """Takes over what ``moved`` found."""
        self._load_subject(db, subject)
        self.forget(went)
        for reference in came:
            for row in db.execute(f"{_TEMPLATES[self.table]} WHERE id = ?", (reference,)):
                self._take(row)

    def _load_subject(self, db: sqlite3.Connection, subject: str) -> None:
        self._people.pop(subject, None)
        self.problems.pop(subject, None)
        found = db.execute("SELECT sealed FROM subjects WHERE id = ?", (subject,)).fetchone()
        if found and db.execute("SELECT 1 FROM revocations WHERE subject = ?", (subject,)).fetchone():
            self.problems[subject] = _PUT_BACK.format(subject)
        elif found:
            self._open_subject(subject, found[0])

    def _load_subjects(self, db: sqlite3.Connection) -> None:
        revoked = {subject for (subject,) in db.execute("SELECT subject FROM revocations")}
        before, self._people, self.problems = self._people, {}, {}
        for subject, sealed in db.execute("SELECT id, sealed FROM subjects"):
            if subject in revoked:
                self.problems[subject] = _PUT_BACK.format(subject)
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
        """Adds a subject by the facts of its record, or takes over new ones."""
        more = {name: value for name, value in facts.items() if value is not None and name not in OWN_FACTS} or NOTHING
        self._people[subject] = (sealed, str(facts["label"]), str(facts["created"]), more)

    def facts(self, subject: str) -> Mapping[str, str]:
        """The facts of a subject's record besides label and created; none of one who is not known."""
        return self._people[subject][3] if subject in self._people else NOTHING

    def _take_all(self, stored: Iterable[Stored]) -> None:
        """Opens rows by the thousand into an empty matrix; those that do not open, or come out of order, one by one, which tells why."""
        rows, people = iter(stored), [subject for subject in self._people if is_id(subject)]
        self.matrix.fill(people)
        owners: dict[bytes | str, int] = {subject.encode(): number for number, subject in enumerate(people)}
        while chunk := list(islice(rows, _CHUNK)):
            opened = self.sealer.open_many(chunk)
            good = [row for row in zip(chunk, opened, strict=True) if row[1] is not None and row[0][1] in owners]
            try:
                self.matrix.extend(
                    [row[0] for row, _ in good], [owners[row[1]] for row, _ in good], [planes for _, planes in good if planes]
                )
            except ValueError:  # out of order, as in no sound file
                good = []
            if len(good) < len(chunk):
                taken = {row[0] for row, _ in good}
                for row in chunk:
                    if row[0] not in taken:
                        self._take(row)
        settle(self.matrix.rows, self.sealer.bits, time.thread_time)

    def _take(self, row: Stored) -> None:
        """Opens one row and adds it, or says why it is damaged."""
        reference, subject = (each.decode("utf-8", "backslashreplace") if isinstance(each, bytes) else each for each in row[:2])
        if subject not in self._people:
            self.damaged[reference] = Damage(reference, subject, f"reference {reference}: its subject is altered, revoked or missing")
            return
        try:
            self.matrix.append(reference, subject, self.sealer.open(reference, subject, row[2]))
        except (TemplateError, ValueError) as error:
            self.damaged[reference] = Damage(reference, subject, str(error))

    def search(self, code: Code, limit: int | None) -> list[Candidate]:
        """Each subject's nearest reference to a plain code, the most alike first; at most ``limit`` subjects."""
        if not len(self.matrix):
            return []
        counts = unequal(self.matrix.rows, self.sealer.planes([code]).reshape(-1), self.sealer.bits)
        best: dict[str, Candidate] = {}
        for row in nearest_first(counts):
            if limit is not None and len(best) >= limit:
                break
            subject = self.matrix.subjects[row]
            if subject not in best:
                best[subject] = Candidate(subject, self.matrix.references[row], int(counts[row]))
        return list(best.values())

    def append(self, rows: Iterable[Row]) -> None:
        """Adds rows that were just committed."""
        for row in rows:
            self.matrix.append(row.reference, row.subject, row.planes)

    def forget(self, references: Iterable[str], subject: str | None = None) -> None:
        """Removes rows, and a subject, that were just deleted from the file."""
        of_subject = self.matrix.of_subject(subject) if subject is not None else []
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
        _, label, created, _ = self._people[identity]
        return Subject(identity, label, created, self.matrix.subjects.count(identity))

    def subjects(self) -> list[Subject]:
        """Everybody enrolled, by name."""
        counts = Counter(self.matrix.subjects)
        people = (Subject(identity, label, created, counts[identity]) for identity, (_, label, created, _) in self._people.items())
        return sorted(people, key=lambda subject: (subject.label.casefold(), subject.id))

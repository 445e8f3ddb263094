"""What a gallery holds in RAM, and how it follows the file."""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import numpy as np

from edge.gallery.block import ROWS, Directory, Ids, Rows, Signed, Tally, ids_of, joined, pieces
from edge.gallery.dates import of_facts
from edge.gallery.head import Signer
from edge.gallery.labels import ids_only
from edge.gallery.matrix import Matrix
from edge.gallery.records import Damage, Subject
from edge.gallery.sealer import Row, Sealer, as_record, of_record
from edge.records import NEVER, Candidate, Code, Symbols, Validity
from edge.template.compare import SHORTLIST, Counts, candidates, graded, nearest_first, settle, unequal
from edge.template.hashing import unequal_of
from edge.template.protect import TemplateError

TABLES = ("templates", "former")
# ids as their bytes, which takes no call for each text; what is no text (in an altered file) stays told apart
_ID, _SUBJECT, _VERSION = (
    f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE quote({name}) END" for name in ("id", "subject", "version")
)
_TEMPLATES = {table: f"SELECT {_ID}, {_SUBJECT}, template FROM {table} NOT INDEXED" for table in TABLES}  # noqa: S608 - fixed names
_RECORDS = f"SELECT {_ID}, sealed, {_VERSION} FROM subjects"  # noqa: S608 - fixed names
# in the order of the table itself: SQLite would read the index alone, and a damaged one must hide nobody
_REFERENCES = {table: f"SELECT id, subject FROM {table} NOT INDEXED ORDER BY id" for table in TABLES}  # noqa: S608 - fixed names
# by the index, which SQLite would take for the table, and then in the table itself: an id that only the index has is none
_OF_SUBJECT = {
    table: f"SELECT one.id FROM {table} here CROSS JOIN {table} one ON one.id = here.id WHERE here.subject = ?1 AND +one.subject = ?1"  # noqa: S608 - fixed names
    for table in TABLES
}

_CHUNK = 4096
_PUT_BACK = "subject {}: is revoked, yet somebody put it back: revoke it again"

OWN_FACTS = ("label", "created")
NOTHING: Mapping[str, str] = {}


class Person(NamedTuple):
    """An opened record of the file: its version, its facts as they lie in it. They are read when asked for, not at every load."""

    version: str
    plain: bytes

    @property
    def facts(self) -> Mapping[str, str]:
        """All that is stated of the person."""
        return {name: value for name, value in of_record(self.plain).items() if value is not None}

    @property
    def more(self) -> Mapping[str, str]:
        """Facts besides label and created."""
        return {name: value for name, value in self.facts.items() if name not in OWN_FACTS}


Stored = tuple[bytes | str, bytes | str, bytes]
"""Reference, subject and template of a row of the file; an id is a str only if it is no text there."""


def of_subject(db: sqlite3.Connection, table: str, subject: str) -> list[str]:
    """The references of a subject in a table of the file; a damaged index may leave some out."""
    return [reference for (reference,) in db.execute(_OF_SUBJECT[table], (subject,))]


class Live:
    """Subjects, rows and damage of one gallery at one pair of epochs. A row is here only if it and its subject opened.

    table: "templates", or "former" for the references of the network before.
    """

    def __init__(self, sealer: Sealer, table: str = TABLES[0]) -> None:
        self.sealer, self.table = sealer, table
        self.matrix = Matrix(sealer.width)
        self.damaged: dict[str, Damage] = {}
        self.problems: dict[str, str] = {}
        self.tally: Tally | None = None
        self._people: dict[str, Person] = {}
        self._unopened: dict[str, str] = {}  # subject -> the version of a record that does not open, or counts for nothing

    def load(self, db: sqlite3.Connection, signed: Signed | None = None) -> None:
        """Takes over the state of the file within the open transaction; only what changed is opened.

        signed: what all rows of ``templates`` may be held against at once; those are not opened one by one. ``tally`` then has the sums
        of what opened, if everything was read.
        """
        self._load_subjects(db)
        self.tally = None
        if not len(self.matrix):
            total = db.execute(f"SELECT count(*) FROM {self.table}").fetchone()[0]  # noqa: S608 - fixed names
            self.matrix.reserve(total)
            if not (signed and self._take_block(db, total, signed)):
                self._take_all(db.execute(_TEMPLATES[self.table]), signed)
            settle(self.matrix.rows, self.sealer.bits, time.thread_time)
            unequal_of(self.sealer.network.m, self.sealer.network.q)  # so that the first person does not wait for the table
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
        there = set(of_subject(db, self.table, subject))
        return sorted(there - here, key=str), sorted(here - there, key=str)

    def moved_record(self, db: sqlite3.Connection, subject: str) -> list[str]:
        """The versions of a subject's record that came to the file or went from it since it was followed."""
        there = {version for (version,) in db.execute("SELECT version FROM subjects WHERE id = ?", (subject,))}
        person = self._people.get(subject)
        here = self._unopened.get(subject) if person is None else person.version
        return sorted(there ^ (set() if here is None else {here}), key=str)  # an altered file may hold what is no text

    def follow(self, db: sqlite3.Connection, subject: str, came: Iterable[str], went: Iterable[str]) -> None:
        """Takes over what ``moved`` found. Nothing of a subject whose record does not open any more, or that is revoked, matches then."""
        self._load_subject(db, subject)
        lost = [] if subject in self._people else self.matrix.of_subject(subject)
        self.forget([*went, *lost])
        for reference in (*came, *lost):
            for row in db.execute(f"{_TEMPLATES[self.table]} WHERE id = ?", (reference,)):
                self._take(row)

    def _load_subject(self, db: sqlite3.Connection, subject: str) -> None:
        self._forget_subject(subject)
        found = db.execute("SELECT sealed, version FROM subjects WHERE id = ?", (subject,)).fetchone()
        if found and db.execute("SELECT 1 FROM revocations WHERE subject = ?", (subject,)).fetchone():
            self._refuse(subject, found[1], _PUT_BACK.format(subject))
        elif found:
            self._open_subject(subject, *found)

    def _load_subjects(self, db: sqlite3.Connection) -> None:
        """All records, opened by the thousand; those that do not open one by one, which tells why."""
        revoked = [subject for (subject,) in db.execute("SELECT subject FROM revocations")]
        self._people, self._unopened, self.problems = {}, {}, {}
        records, n, odd = db.execute(_RECORDS), 0, set[int]()
        while some := records.fetchmany(_CHUNK):
            for number, (record, plain) in enumerate(zip(some, self.sealer.open_records("subject", some), strict=True), n):
                if plain is None:
                    odd.add(number)
                else:
                    self._people[record[0].decode()] = Person(record[2].decode(), plain)
            n += len(some)
        if odd:  # by their places: in an altered table an id may stand twice, once with a record that opens
            for number, row in enumerate(db.execute("SELECT id, sealed, version FROM subjects")):
                if number in odd:
                    self._open_subject(*row)
        for subject in revoked:
            if subject in self._people or subject in self._unopened:
                version = self._people[subject].version if subject in self._people else self._unopened[subject]
                self._refuse(subject, version, _PUT_BACK.format(subject))

    def _open_subject(self, subject: str, sealed: bytes, version: str) -> None:
        try:
            self.know(subject, version, self.sealer.open_facts("subject", subject, sealed, version))
        except TemplateError as error:
            self.problems[subject], self._unopened[subject] = str(error), version

    def know(self, subject: str, version: str, facts: Mapping[str, str | None]) -> None:
        """Adds a subject by the facts of its record, or takes over new ones."""
        self._people[subject] = Person(version, as_record(facts))

    def _refuse(self, subject: str, version: str, problem: str) -> None:
        self._forget_subject(subject)
        self.problems[subject], self._unopened[subject] = problem, version

    def _forget_subject(self, subject: str) -> None:
        for known in (self._people, self.problems, self._unopened):
            known.pop(subject, None)

    def validity(self, subject: str) -> Validity:
        """When a subject may pass; never, where nobody of that id is known."""
        person = self._people.get(subject)
        return of_facts(person.more) if person else NEVER

    def label(self, subject: str) -> str | None:
        """The name in a subject's record; None of one who is not known."""
        person = self._people.get(subject)
        return person.facts["label"] if person else None

    def facts(self, subject: str) -> Mapping[str, str]:
        """The facts of a subject's record besides label and created; none of one who is not known."""
        person = self._people.get(subject)
        return person.more if person else NOTHING

    def _take_block(self, db: sqlite3.Connection, total: int, signed: Signed) -> bool:
        """Takes all rows into an empty matrix if they are those that were signed, else none: then their tags tell which are not."""
        if signed.contents is None:
            return False
        self.damaged.clear()
        self.matrix.fill(ids_only(self._people))
        tally = Tally(signed.signer, self.sealer.scope, whole=True)
        with suppress(ValueError, sqlite3.DatabaseError), ThreadPoolExecutor(1) as beside:
            people, planes = self.matrix.directory(), np.empty((ROWS, self.sealer.width), np.uint8)
            taken: Future[None] | None = None
            for rows in pieces(db, total, self.sealer.template_bytes):
                if taken:
                    taken.result()
                taken = beside.submit(
                    self._take_piece, rows, tally, people, planes[: len(rows.references)]
                )  # while SQLite reads the next ones
            if taken:
                taken.result()
            if tally.contents == signed.contents:
                self.tally = tally
                return True
        self.matrix.wipe()
        return False

    def _take_piece(self, rows: Rows, tally: Tally, people: Directory, planes: Symbols) -> None:
        references = tally.add(rows)
        owners = people.places(ids_of(rows.subjects))
        self.sealer.unpad(rows.templates, planes)
        if (strangers := owners < 0).any():
            for reference, subject in zip(rows.references[strangers], rows.subjects[strangers], strict=True):
                self._orphaned(reference.tobytes().decode("ascii"), subject.tobytes().decode("ascii"))
            references, owners, planes = references[:, ~strangers], owners[~strangers], planes[~strangers]
        self.matrix.extend_by(references, owners, planes)

    def _orphaned(self, reference: str, subject: str) -> None:
        self.damaged[reference] = Damage(reference, subject, f"reference {reference}: its subject is altered, revoked or missing")

    def _take_all(self, stored: Iterable[Stored], signed: Signed | None) -> None:
        """Opens rows by the thousand into an empty matrix; those that do not open, or come out of order, one by one, which tells why."""
        self.damaged.clear()
        self.tally = Tally(signed.signer, self.sealer.scope) if signed else None
        rows, people = iter(stored), ids_only(self._people)
        self.matrix.fill(people)
        owners: dict[bytes | str, int] = {subject.encode(): number for number, subject in enumerate(people)}
        while chunk := list(islice(rows, _CHUNK)):
            opened = self.sealer.open_many(chunk)
            if self.tally:
                self.tally.add(joined([row for row, planes in zip(chunk, opened, strict=True) if planes is not None]))
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

    def _take(self, row: Stored) -> None:
        """Opens one row and adds it, or says why it is damaged."""
        reference, subject = (each.decode("utf-8", "backslashreplace") if isinstance(each, bytes) else each for each in row[:2])
        if subject not in self._people:
            return self._orphaned(reference, subject)
        try:
            self.matrix.append(reference, subject, self.sealer.open(reference, subject, row[2]))
        except (TemplateError, ValueError) as error:
            self.damaged[reference] = Damage(reference, subject, str(error))

    def contents(self, db: sqlite3.Connection, references: Iterable[str], signer: Signer) -> bytes:
        """``Signer.contents`` of those rows of the file, as far as they open."""
        query = f"{_TEMPLATES[self.table]} WHERE id = ?"
        rows = [row for reference in references for row in db.execute(query, (reference,))]
        good = [row for row, planes in zip(rows, self.sealer.open_many(rows), strict=True) if planes is not None]
        return signer.contents(joined(good), self.sealer.scope)

    def holds_any(self, references: Sequence[str], ids: Ids) -> bool:
        """Whether the file was seen to hold one of many references by the last load; for one that took all rows at once. ids: the same."""
        return self.matrix.holds_any(ids) or not self.damaged.keys().isdisjoint(references)

    def search(self, code: Code, limit: int | None, within: int | None = None) -> list[Candidate]:
        """Each subject's nearest reference to a plain code, the most alike first; at most ``limit`` subjects. within: as in ``Gallery``."""
        if not len(self.matrix):
            return []
        most = within if code.costs is None else None
        counts = unequal(self.matrix.rows, self.sealer.planes([code]).reshape(-1), self.sealer.bits, most=most)
        best: dict[str, Candidate] = {}
        for row, dissimilarity in self._ranked(code, counts, limit, within):
            if (limit is not None and len(best) >= limit) or (within is not None and dissimilarity > within):
                break
            subject = self.matrix.subjects[row]
            if subject not in best:
                best[subject] = Candidate(subject, self.matrix.references[row], dissimilarity)
        return list(best.values())

    def _ranked(self, code: Code, counts: Counts, limit: int | None, within: int | None) -> Iterator[tuple[int, int]]:
        """Rows and their dissimilarities, the most alike first. Of a code with costs, where ``limit`` allows it, the shortlist alone."""
        if code.costs is None:
            return ((row, int(counts[row])) for row in nearest_first(counts))
        near = candidates(counts, len(counts) if limit is None else SHORTLIST, len(code.symbols), within)
        if limit is not None and len(near) == SHORTLIST and not self._are_of(near, limit):
            near = candidates(counts, len(counts), len(code.symbols), within)
        if not len(near):
            return iter(())
        grades = graded(self.matrix.rows[near], self.sealer.costs(code.costs))
        order = np.argsort(grades, kind="stable")  # equal ones by unequal symbols, then by row
        return zip(near[order].tolist(), grades[order].tolist(), strict=True)

    def _are_of(self, rows: Iterable[int], subjects: int) -> bool:
        """Whether rows are of so many different subjects, or more."""
        seen = set()
        for row in rows:
            seen.add(self.matrix.subjects[row])
            if len(seen) >= subjects:
                return True
        return False

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
            self._forget_subject(subject)

    def subject(self, identity: str) -> Subject | None:
        """The subject of that id, or None."""
        person = self._people.get(identity)
        return _subject(identity, person, self.matrix.subjects.count(identity)) if person else None

    def subjects(self) -> list[Subject]:
        """Everybody enrolled, by name."""
        counts = Counter(self.matrix.subjects)
        people = (_subject(identity, person, counts[identity]) for identity, person in self._people.items())
        return sorted(people, key=lambda subject: (subject.label.casefold(), subject.id))


def _subject(identity: str, person: Person, references: int) -> Subject:
    facts = person.facts
    return Subject(identity, facts["label"], facts["created"], references, validity=of_facts(facts))

"""The gallery of one device: subjects and their references, protected on the disk, ready to compare in RAM."""

import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from edge.errors import GalleryError, SubjectError
from edge.gallery.file import GalleryFile, Meta, NetworkId, open_file, read_meta
from edge.gallery.labels import is_id, nearest, normalised
from edge.gallery.live import Live
from edge.gallery.records import Damage, Event, Report, Subject
from edge.gallery.sealer import Row, Sealer
from edge.records import Candidate, Code, Symbols
from edge.template.compare import nearest_first, unequal
from edge.template.protect import FORMAT_VERSION, Keys, TemplateError

Check = Callable[[], None]
_KIND = re.compile(r"[a-z_]{1,32}")
# the number after the newest event; below an event put in under the largest number there is, which would leave no next one
_NEXT_EVENT = "SELECT coalesce(max(id), 0) + 1 FROM events WHERE id < 9223372036854775807 AND id + 1 NOT IN (SELECT id FROM events)"


def open_gallery(path: Path | str, keys: Keys, network: NetworkId, device: str, *, create: bool = True, patience: float = 5.0) -> "Gallery":
    """The gallery at ``path``, made if nothing is there and ``create`` says so.

    patience: seconds to wait for another process that is writing, then BusyGalleryError. Raises the errors of edge.gallery.errors,
    each before anything in the file is changed. Damaged references stop nothing: they never match and stand in ``Gallery.damaged``.
    """
    if not device:
        raise ValueError("device: must not be empty")
    first = Meta(FORMAT_VERSION, network, transform_epoch=1, row_epoch=1, key_check=keys.check_value(), device=device)
    file = open_file(Path(path), first, create=create, patience=patience)
    try:
        return Gallery(file, Sealer(keys, network, device, (1, 1)))
    except BaseException:
        file.close()
        raise


def _no_check() -> None: ...


class Gallery:
    """Made by ``open_gallery``; belongs to the thread that made it. What other processes do to the file counts after ``refresh``."""

    def __init__(self, file: GalleryFile, sealer: Sealer) -> None:
        self._file = file
        self._live = Live(sealer)
        self._version = self._agreed = -1
        with file.reading() as db:
            self._load(db)

    @property
    def path(self) -> Path:
        """Where the gallery lies."""
        return self._file.path

    @property
    def rows(self) -> Symbols:
        """The live rows (n, row_bytes) uint8, transformed, 64-byte aligned; take it anew after every change."""
        return self._live.matrix.rows

    @property
    def damaged(self) -> tuple[Damage, ...]:
        """The references that could not be opened and never match."""
        return tuple(self._live.damaged.values())

    @property
    def erasure_pending(self) -> bool:
        """Whether deleted rows may still lie, sealed, in the journal because another process was reading; ``refresh`` tries again."""
        return self._file.erasure_pending

    def subject_of_row(self, row: int) -> str:
        """The subject's id of a row of ``rows``."""
        return self._live.matrix.subjects[row]

    def subjects(self) -> list[Subject]:
        """Everybody enrolled, by name."""
        return self._live.subjects()

    def find(self, label_or_id: str) -> Subject:
        """The one subject of that id or name; SubjectError, with the nearest names, if there is none or there are several."""
        people = self.subjects()
        by_id = is_id(label_or_id.casefold())
        wanted = label_or_id.casefold() if by_id else normalised(label_or_id)
        found = [s for s in people if wanted == (s.id if by_id else s.label)]
        if not found and not by_id:
            found = [s for s in people if s.label.casefold() == wanted.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise SubjectError(f"subject {wanted}: fits {len(found)} subjects: name one by its id: {', '.join(s.id for s in found)}")
        near = ", ".join(nearest(wanted, (s.label for s in people)))
        way_out = f"near to it: {near}" if near else "see who is enrolled with list"
        raise SubjectError(f"subject {wanted}: nobody has that name or id: {way_out}")

    def probe(self, code: Code) -> Symbols:
        """A plain code as bit planes (row_bytes,) that compare with ``rows``."""
        return self._live.sealer.planes([code]).reshape(-1)

    def search(self, code: Code, *, limit: int | None = None) -> list[Candidate]:
        """Each subject's nearest reference, the most alike first; at most ``limit`` subjects."""
        matrix = self._live.matrix
        if not len(matrix):
            return []
        counts = unequal(matrix.rows, self.probe(code), self._live.sealer.bits)
        best: dict[str, Candidate] = {}
        for row in nearest_first(counts):
            if limit is not None and len(best) >= limit:
                break
            subject = matrix.subjects[row]
            if subject not in best:
                best[subject] = Candidate(subject, matrix.references[row], int(counts[row]))
        return list(best.values())

    def enrol(self, label: str, codes: Sequence[Code], *, subject_id: str | None = None, check: Check = _no_check) -> Subject:
        """Stores one reference per plain code, all or none: for a new subject or, with ``subject_id``, for the one of that name and id.

        check: called when nobody else can change the gallery any more; what it raises stops the enrolment. SubjectError for an impossible
        name or another person's id; GalleryError if it cannot be stored.
        """
        name = normalised(label)
        with self._changing() as db:
            check()
            identity = secrets.token_hex(16) if subject_id is None else self._named(subject_id, name).id
            facts = {"created": _now(), "label": name}
            sealed = self._live.sealer.seal_facts("subject", identity, facts)
            if subject_id is None:
                db.execute("INSERT INTO subjects (id, sealed) VALUES (?, ?)", (identity, sealed))
            added = self._insert(db, identity, self._live.sealer.planes(codes))
            self._log(db, "enrolled", identity)
        if subject_id is None:
            self._live.know(identity, sealed, facts)
        self._live.append(added)
        self._followed()
        return self._named(identity, name)

    def revoke(self, subject_id: str) -> None:
        """Deletes a subject with all references and remembers the id as revoked; also references whose subject is missing.

        SubjectError if there is no such id.
        """
        with self._changing() as db:
            gone = _references_of(db, subject_id)
            if not gone:
                _require_subject(db, subject_id)
            db.execute("DELETE FROM templates WHERE subject = ?", (subject_id,))
            db.execute("DELETE FROM subjects WHERE id = ?", (subject_id,))
            sealed = self._live.sealer.seal_facts("revocation", subject_id, {"time": _now()})
            db.execute("INSERT OR REPLACE INTO revocations (subject, sealed) VALUES (?, ?)", (subject_id, sealed))
            self._log(db, "revoked", subject_id)
        self._live.forget(gone, subject_id)
        self._followed()
        self._file.erase()

    def renew(self, subject_id: str, codes: Sequence[Code] | None, *, check: Check = _no_check) -> None:
        """Replaces a subject's references by those of new plain codes or, with None, by fresh ids and pads of the same codes.

        With None, damaged references stay as they are, and it is a GalleryError if there is no sound one; likewise if the subject's record
        does not open or he was revoked: nobody may pass on it. check: as in ``enrol``.
        """
        with self._changing() as db:
            check()
            _require_subject(db, subject_id)
            if self._live.subject(subject_id) is None:
                raise GalleryError(f"gallery {self.path}: the record of subject {subject_id} is altered or revoked: revoke it, enrol anew")
            gone = _references_of(db, subject_id)
            if codes is None:
                gone = [reference for reference in gone if reference in self._live.matrix]
                planes = self._live.matrix.taken(gone)
            else:
                planes = self._live.sealer.planes(codes)
            if not len(planes):
                raise GalleryError(f"gallery {self.path}: no reference of subject {subject_id} can be opened: enrol again")
            _delete(db, gone)
            added = self._insert(db, subject_id, planes)
            self._log(db, "renewed", subject_id)
        self._live.forget(gone)
        self._live.append(added)
        self._followed()
        self._file.erase()

    def rotate(self, *, transform: bool = False) -> None:
        """Seals every reference anew under the next row epoch and, with ``transform``, recodes it to the next transform epoch.

        Nobody need be present. GalleryError if a reference is damaged, for it could not be taken along.
        """
        with self._changing() as db:
            old = self._live
            if old.damaged or old.problems:
                found = "; ".join(old.problems.values()) or f"{len(old.damaged)} references are damaged"
                raise GalleryError(f"gallery {self.path}: {found}: revoke or renew their subjects first")
            epochs = (old.sealer.epochs[0] + transform, old.sealer.epochs[1] + 1)
            fresh = old.sealer.at(epochs)
            planes, subjects = old.sealer.recoded(old.matrix.rows, fresh), list(old.matrix.subjects)
            db.execute("UPDATE meta SET transform_epoch = ?, row_epoch = ?", epochs)
            db.execute("DELETE FROM templates")
            _insert(db, fresh, [Row(secrets.token_hex(16), s, p.tobytes()) for s, p in zip(subjects, planes, strict=True)])
            self._log(db, "rotated", None)
        self._follow()
        self._file.erase()

    def record(self, kind: str, subject: str | None = None) -> None:
        """Stores an event: what it was (a verdict, say; small letters and _) and, if somebody was identified, the subject's id."""
        if not _KIND.fullmatch(kind):
            raise ValueError(f"event {kind!r}: expected 1 to 32 small letters and _")
        with self._file.writing() as db:
            self._log(db, kind, subject)

    def events(self, limit: int = 100) -> list[Event]:
        """The newest ``limit`` events, newest first; altered ones are left out (``verify`` counts them)."""
        with self._file.reading() as db:
            stored = db.execute("SELECT id, sealed FROM events ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [event for number, sealed in stored if (event := _event(self._live.sealer, number, sealed))]

    def refresh(self) -> bool:
        """Follows what other processes did to the file; True if one changed it. Costs microseconds if none did.

        ReplacedGalleryError if another file lies at the path now.
        """
        self._file.require_same()
        if self._file.erasure_pending:
            self._file.erase(patience=0)
        if self._file.data_version() == self._version:
            return False
        self._follow()
        return True

    def verify(self) -> Report:
        """Reads and opens everything in the file anew: its structure, each reference, subject, revocation and event."""
        with self._file.reading() as db:
            problems = [line for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"]
            problems += [f"table {row[0]}: a row without its subject" for row in db.execute("PRAGMA foreign_key_check")]
            meta = read_meta(db, self.path)
            fresh = Live(self._live.sealer.at((meta.transform_epoch, meta.row_epoch)))
            fresh.load(db)
            events = [_event(fresh.sealer, number, sealed) for number, sealed in db.execute("SELECT id, sealed FROM events")]
            problems += [*fresh.problems.values(), *_altered_revocations(db, fresh.sealer)]
        lost = events.count(None)
        problems += [f"{lost} events: altered or moved"] if lost else []
        report = Report(len(fresh.matrix), len(fresh.subjects()), len(events) - lost, tuple(fresh.damaged.values()), tuple(problems))
        fresh.matrix.wipe()
        return report

    def close(self) -> None:
        """Wipes the rows in RAM and ends the connection; a second call does nothing."""
        self._live.matrix.wipe()
        self._file.close()

    def __len__(self) -> int:
        """References that can match."""
        return len(self._live.matrix)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """A writing transaction in which RAM and file agree. Change RAM only after it, then call ``_followed``.

        In between RAM counts as stale: whatever ends the change half way (a signal, say), the next use loads the file anew.
        """
        with self._file.writing() as db:
            if self._file.data_version() != self._version:
                self._load(db)
            self._agreed, self._version = self._version, -1
            yield db

    def _followed(self) -> None:
        self._version = self._agreed

    def _follow(self) -> None:
        with self._file.reading() as db:
            self._load(db)

    def _load(self, db: sqlite3.Connection) -> None:
        meta = read_meta(db, self.path)
        epochs = (meta.transform_epoch, meta.row_epoch)
        if epochs != self._live.sealer.epochs:
            self._live.matrix.wipe()
            self._live = Live(self._live.sealer.at(epochs))
        self._live.load(db)
        self._version = self._file.data_version()

    def _named(self, subject_id: str, name: str) -> Subject:
        subject = self._live.subject(subject_id)
        if subject is None or subject.label != name:
            raise SubjectError(f"subject {subject_id}: nobody called {name} has that id: see who is enrolled with list")
        return subject

    def _insert(self, db: sqlite3.Connection, subject: str, planes: Symbols) -> list[Row]:
        rows = [Row(secrets.token_hex(16), subject, row.tobytes()) for row in planes]
        _insert(db, self._live.sealer, rows)
        return rows

    def _log(self, db: sqlite3.Connection, kind: str, subject: str | None) -> None:
        number = db.execute(_NEXT_EVENT).fetchone()[0]
        sealed = self._live.sealer.seal_facts("event", str(number), {"kind": kind, "subject": subject, "time": _now()})
        db.execute("INSERT INTO events (id, sealed) VALUES (?, ?)", (number, sealed))


def _require_subject(db: sqlite3.Connection, subject_id: str) -> None:
    if not db.execute("SELECT 1 FROM subjects WHERE id = ?", (subject_id,)).fetchone():
        raise SubjectError(f"subject {subject_id}: nobody has that id: see who is enrolled with list")


def _references_of(db: sqlite3.Connection, subject_id: str) -> list[str]:
    return [reference for (reference,) in db.execute("SELECT id FROM templates WHERE subject = ? ORDER BY id", (subject_id,))]


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _insert(db: sqlite3.Connection, sealer: Sealer, rows: Iterable[Row]) -> None:
    db.executemany(
        "INSERT INTO templates (id, subject, template) VALUES (?, ?, ?)", ((row.reference, row.subject, sealer.seal(row)) for row in rows)
    )


def _delete(db: sqlite3.Connection, references: Iterable[str]) -> None:
    db.executemany("DELETE FROM templates WHERE id = ?", ((reference,) for reference in references))


def _event(sealer: Sealer, number: int, sealed: bytes) -> Event | None:
    try:
        facts = sealer.open_facts("event", str(number), sealed)
    except TemplateError:
        return None
    return Event(str(facts["kind"]), facts["subject"], str(facts["time"]))


def _altered_revocations(db: sqlite3.Connection, sealer: Sealer) -> list[str]:
    problems = []
    for subject, sealed in db.execute("SELECT subject, sealed FROM revocations"):
        try:
            sealer.open_facts("revocation", subject, sealed)
        except TemplateError as error:
            problems.append(str(error))
    return problems

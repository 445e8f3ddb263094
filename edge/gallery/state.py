"""What a gallery's file and RAM have in common, and how the one follows the other."""

import contextlib
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

from edge.errors import GalleryError
from edge.gallery.block import joined
from edge.gallery.errors import AlteredGalleryError
from edge.gallery.file import GalleryFile, Meta, read_meta, require_fit, require_plain
from edge.gallery.former import Former, load_former
from edge.gallery.head import EMPTY, Signer, xor
from edge.gallery.integrity import Integrity
from edge.gallery.live import TABLES, Live, of_subject
from edge.gallery.sealer import Row, Sealer
from edge.records import Symbols
from edge.template.protect import TemplateError

# the number after the newest event; below an event put in under the largest number there is, which would leave no next one
_NEXT_EVENT = "SELECT coalesce(max(id), 0) + 1 FROM events WHERE id < 9223372036854775807 AND id + 1 NOT IN (SELECT id FROM events)"

WITNESS_PAUSE = 2.0  # seconds between two tries to write a witness that cannot be written


class State:
    """One open file with what of it lies in RAM: present and former references, the signed head. Belongs to the thread that made it."""

    def __init__(self, file: GalleryFile, sealer: Sealer, integrity: Integrity, expected: Meta) -> None:
        self.file, self.integrity, self._expected = file, integrity, expected
        self.live = Live(sealer)
        self.former: Former | None = None
        self._version = self._agreed = -1
        self._event, self._own_events = 0, set[int]()  # the newest number seen, and our own since another process changed the file
        self._moved = EMPTY  # contents of what came and went in the change that is being made
        self._next_witness = 0.0
        self.follow()
        self.witness()

    @property
    def lives(self) -> list[Live]:
        """The references that count: the present ones, and while a window is open the former ones."""
        return [self.live, *([self.former.live] if self.former is not None else [])]

    def require_unaltered(self) -> None:
        """AlteredGalleryError if the references are not those that were signed, or not the newest."""
        if self.integrity.altered:
            way_out = "see who is enrolled with list, then restore a backup, or sign it as it is with accept"
            raise AlteredGalleryError(f"gallery {self.file.path}: {self.integrity.altered}: {way_out}")

    @contextmanager
    def changing(self, *, also_altered: bool = False, keep: bool = True) -> Iterator[sqlite3.Connection]:
        """A writing transaction in which RAM and file agree. Change RAM only after it, then call ``followed``.

        also_altered: in a gallery that is not the one that was signed too, where nothing may be added. keep: the witness follows. In
        between RAM counts as stale: whatever ends the change half way (a signal, say), the next use loads the file anew.
        """
        with self.file.writing() as db:
            if self.file.data_version() != self._version:
                self._load(db)
            if not also_altered:
                self.require_unaltered()
            self._agreed, self._version, self._moved = self._version, -1, EMPTY
            yield db
        if keep:
            self.witness()

    def agree(self, db: sqlite3.Connection, subject: str) -> None:
        """Within ``changing``: looks at everything if the file has other rows of a subject than RAM, as after an edit beside an event."""
        if self.live.moved_record(db, subject) or any(any(live.moved(db, subject)) for live in self.lives):
            self._load(db)
            self._agreed, self._version = self._version, -1

    def followed(self) -> None:
        """RAM holds what was committed; an altered gallery is looked at again instead, for a removal may have mended it."""
        self._version = -1 if self.integrity.altered else self._agreed

    def follow(self) -> None:
        """Takes over the file as it is now.

        Between what is read of the file and what is read of the witness another process may have changed both, which looks like an old
        copy: a gallery that seems altered is looked at once more while nobody else can write.
        """
        with self.file.reading() as db:
            self._load(db)
        if self.integrity.altered:
            with contextlib.suppress(GalleryError, OSError), self.file.writing() as db:
                self._load(db)

    def look_at_everything(self) -> None:
        """The same, holding every reference against the signed head, whatever the file tells of its changes."""
        self._version = -1
        self.follow()

    def stale(self) -> bool:
        """Whether somebody has changed the file since it was followed."""
        return self.file.data_version() != self._version

    def _load(self, db: sqlite3.Connection) -> None:
        require_plain(self.file.path, db)
        meta = read_meta(db, self.file.path)
        require_fit(self.file.path, meta, self._expected)  # another process may have moved it to another network, key or device
        epochs = (meta.transform_epoch, meta.row_epoch)
        if self._caught_up(db, epochs):
            self._seen(db)
            return
        if epochs != self.live.sealer.epochs:
            self.live.matrix.wipe()
            self.live = Live(self.live.sealer.at(epochs))
        self.live.load(db, self.integrity.signed(db))
        self.former = load_former(db, self.live.sealer, self.former)
        self.integrity.check(db, self.live, self.former is not None)
        self._seen(db)

    def _seen(self, db: sqlite3.Connection) -> None:
        self._version = self.file.data_version()
        self._event = db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
        self._own_events.clear()

    def _only_events(self, db: sqlite3.Connection) -> bool:
        """Whether events that another process recorded account for what happened to the file; each of them must open.

        Nobody without the keys can make one. An edit of the references just then by somebody else changes nothing in RAM, and is found
        at the next look at everything.
        """
        stored = db.execute("SELECT id, sealed FROM events WHERE id > ?", (self._event,)).fetchall()
        others = [(number, sealed) for number, sealed in stored if number not in self._own_events]
        try:
            for number, sealed in others:
                self.live.sealer.open_facts("event", str(number), sealed)
        except TemplateError:
            return False
        return bool(others)

    def _caught_up(self, db: sqlite3.Connection, epochs: tuple[int, int]) -> bool:
        """Follows events, or changes of single subjects, if those are all that happened: it costs nothing that grows with the gallery."""
        if self._version < 0 or epochs != self.live.sealer.epochs:
            return False
        if self.integrity.unchanged(db):
            return self._only_events(db)
        if self.former is not None or db.execute("SELECT 1 FROM facts WHERE name = 'former'").fetchone() is not None:
            return False
        if (found := self.integrity.changed_since(db)) is None:
            return False
        head, subjects = found
        moves = {subject: self.live.moved(db, subject) for subject in subjects}
        versions = [version for subject in subjects for version in self.live.moved_record(db, subject)]
        if not self.integrity.accept_change(head, [*versions, *(each for came, went in moves.values() for each in (*came, *went))]):
            return False
        for subject, (came, went) in moves.items():
            self.live.follow(db, subject, came, went)
        return True

    def adopt(self, expected: Meta, sealer: Sealer, integrity: Integrity | None = None) -> None:
        """Follows the file, which was just moved to another network, key or device."""
        self.wipe()
        self._expected, self.live, self.former = expected, Live(sealer), None
        self.integrity = integrity or self.integrity
        self.follow()
        self.witness()

    @property
    def expected(self) -> Meta:
        """The facts that the file must have; only its epochs may differ."""
        return self._expected

    def witness(self) -> None:
        """Brings the witness to the file's head where it is behind; what hinders that stands in ``integrity.witness_pending``."""
        if self.integrity.witness_pending and not self.integrity.altered and time.monotonic() >= self._next_witness:
            self._next_witness = time.monotonic() + WITNESS_PAUSE
            with contextlib.suppress(GalleryError, OSError), self.file.writing() as db:
                self.integrity.keep(db)
            if not self.integrity.witness_pending:
                self._next_witness = 0.0

    def insert(self, db: sqlite3.Connection, subject: str, planes: Symbols) -> list[Row]:
        """New rows of a subject within the open transaction."""
        rows = [Row(secrets.token_hex(16), subject, row.tobytes()) for row in planes]
        self._moved = xor(self._moved, insert(db, TABLES[0], self.live.sealer, rows, self.integrity.signer))
        return rows

    def delete(self, db: sqlite3.Connection, references: Sequence[str]) -> None:
        """Deletes references, of this network and of the one before, within the open transaction."""
        self._moved = xor(self._moved, self.live.contents(db, references, self.integrity.signer))
        for table in TABLES:
            db.executemany(f"DELETE FROM {table} WHERE id = ?", [(reference,) for reference in references])  # noqa: S608 - fixed names

    def sign(self, db: sqlite3.Connection, *, came: Sequence[str] = (), went: Sequence[str] = (), subject: str | None = None) -> None:
        """Signs a change that ``insert`` and ``delete`` made; see ``Integrity.sign``."""
        before = self.integrity.contents
        contents = None if before is None else xor(before, self._moved)
        self.integrity.sign(db, came=came, went=went, subject=subject, contents=contents)

    def stored_references_of(self, db: sqlite3.Connection, subject: str, tables: Sequence[str] = TABLES) -> list[str]:
        """The references of a subject in the file, within ``changing``. A damaged index is made anew: it must keep nobody in."""
        here = {each for live in self.lives if live.table in tables for each in live.matrix.of_subject(subject)}
        found = [each for table in tables for each in of_subject(db, table, subject)]
        told = [each for table in tables for each in db.execute(f"SELECT id FROM {table} WHERE subject = ?", (subject,))]  # noqa: S608
        if len(told) == len(found) and here.issubset(found):
            return found
        db.execute("REINDEX")
        return [each for table in tables for each in of_subject(db, table, subject)]

    def forget(self, references: Iterable[str], subject: str | None = None) -> None:
        """Takes rows, and a subject, out of RAM that were just deleted from the file."""
        gone = list(references)
        for live in self.lives:
            live.forget(gone, subject)

    def log(self, db: sqlite3.Connection, kind: str, subject: str | None = None, sealer: Sealer | None = None) -> None:
        """One event within the open transaction. sealer: another one than the present, where the keys change."""
        number = db.execute(_NEXT_EVENT).fetchone()[0]
        facts = {"kind": kind, "subject": subject, "time": now_text()}
        sealed = (sealer or self.live.sealer).seal_facts("event", str(number), facts)
        db.execute("INSERT INTO events (id, sealed) VALUES (?, ?)", (number, sealed))
        if self.file.data_version() in (self._version, self._agreed):
            self._event = number
        else:
            self._own_events.add(number)

    def wipe(self) -> None:
        """Overwrites every row in RAM."""
        for live in self.lives:
            live.matrix.wipe()


def now_text() -> str:
    """Wall-clock UTC, ISO 8601."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def insert(db: sqlite3.Connection, table: str, sealer: Sealer, rows: Iterable[Row], signer: Signer) -> bytes:
    """Seals rows, each with a fresh pad, and stores them. Returns their ``Signer.contents``."""
    stored = [(row.reference, row.subject, sealer.seal(row)) for row in rows]
    db.executemany(f"INSERT INTO {table} (id, subject, template) VALUES (?, ?, ?)", stored)  # noqa: S608 - fixed names
    return signer.contents(joined(stored), sealer.scope)

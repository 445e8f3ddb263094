"""What the webhook still has to send: an SQLite file that survives kill -9 and power cuts, and never grows beyond its limit."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge.door.events import OutputError

SCHEMA = "CREATE TABLE IF NOT EXISTS waiting (place INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, facts TEXT NOT NULL)"


@dataclass(frozen=True)
class Letter:
    """One event that waits. id: the event's. kind: unlock, denied or state. facts: its JSON object. Holds opaque ids only."""

    id: str
    kind: str
    facts: str


class Outbox:
    """Letters, first come first served. May be used from several threads. Raises OutputError when the file cannot be used.

    limit: letters kept at most; the oldest are lost first. A damaged file is put aside (``.damaged``) and begun anew.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._lock = threading.Lock()
        self.lost = 0
        try:
            self._file = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._unusable(error) from error
            self._put_aside()
            self._file = self._open()

    def add(self, letter: Letter) -> None:
        """Kept on the disk when this returns."""
        with self._guarded(), self._file:
            self._file.execute("INSERT OR IGNORE INTO waiting (id, kind, facts) VALUES (?, ?, ?)", (letter.id, letter.kind, letter.facts))
            surplus = self._count() - self._limit
            if surplus > 0:
                self._file.execute("DELETE FROM waiting WHERE place IN (SELECT place FROM waiting ORDER BY place LIMIT ?)", (surplus,))
                self.lost += surplus

    def first(self) -> Letter | None:
        """The one that has waited longest."""
        return self._one("SELECT id, kind, facts FROM waiting ORDER BY place LIMIT 1")

    def get(self, identity: str) -> Letter | None:
        """The letter of this id, if it still waits."""
        return self._one("SELECT id, kind, facts FROM waiting WHERE id = ?", identity)

    def remove(self, identity: str) -> None:
        """It has arrived, or is given up."""
        with self._guarded(), self._file:
            self._file.execute("DELETE FROM waiting WHERE id = ?", (identity,))

    def to_the_end(self, identity: str) -> None:
        """Let the others go first: this one may be what the receiver stumbles over."""
        with self._guarded(), self._file:
            self._file.execute("UPDATE waiting SET place = (SELECT max(place) + 1 FROM waiting) WHERE id = ?", (identity,))

    def __len__(self) -> int:
        with self._guarded():
            return self._count()

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _one(self, query: str, *values: str) -> Letter | None:
        with self._guarded():
            row = self._file.execute(query, values).fetchone()
        return Letter(*row) if row else None

    def _count(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def _open(self) -> sqlite3.Connection:
        with contextlib.suppress(OSError):  # SQLite says it better
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        opened = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False)
        try:
            opened.execute("PRAGMA journal_mode = WAL")
            opened.execute("PRAGMA synchronous = FULL")
            opened.execute("PRAGMA secure_delete = ON")
            with opened:
                opened.execute(SCHEMA)
                opened.execute("SELECT place, id, kind, facts FROM waiting LIMIT 1").fetchone()
            if opened.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
        except sqlite3.Error:
            opened.close()
            raise
        return opened

    def _put_aside(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).replace(self._path.with_name(self._path.name + suffix + ".damaged"))

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> OutputError:
        return OutputError(f"outbox {self._path}: {error}; check the disk, its room and the user's rights")

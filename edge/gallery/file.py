"""The gallery file: made whole or not at all, checked before anything is written, read and changed in transactions."""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from edge.durable import sync_folder
from edge.gallery.errors import (
    DamagedGalleryError,
    ForeignFileError,
    MissingGalleryError,
    NewerGalleryError,
    OtherDeviceError,
    OtherNetworkError,
    ReplacedGalleryError,
    UnwritableGalleryError,
    WrongKeyError,
    translated,
)
from edge.gallery.header import first_bytes
from edge.gallery.schema import APPLICATION_ID, INDEXES, MIGRATIONS, SCHEMA_VERSION
from edge.template.protect import require_sha256

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_PAGE_BYTES = 16384  # of a new gallery: fewer and larger than SQLite's own choice, for all of them are read at the start
LAST_EPOCH = 2**32 - 1  # the labels of the keys hold 32 bits
Convert = Callable[[sqlite3.Connection], None]
_META = "format, network, m, q, transform_epoch, row_epoch, key_check, device"


@dataclass(frozen=True)
class NetworkId:
    """The hashing network a gallery belongs to: SHA-256 of its file (64 hex digits), m symbols (a multiple of 8) of q values."""

    sha256: str
    m: int
    q: int

    def __post_init__(self) -> None:
        require_sha256(self.sha256)
        if self.m < 8 or self.m % 8 or not 2 <= self.q <= 64:
            raise ValueError(f"network: {self.m} symbols of {self.q}: expected a multiple of 8 symbols of 2..64 values")


@dataclass(frozen=True)
class Meta:
    """The facts of a gallery file, table ``meta``."""

    format: int
    network: NetworkId
    transform_epoch: int
    row_epoch: int
    key_check: bytes
    device: str


class GalleryFile:
    """One connection to a gallery file. Belongs to the thread that made it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, patience: float) -> None:
        self.path = path
        self.patience = patience
        self.connection = connection
        self._identity = _identity(path)
        self.erasure_pending = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one state of the file."""
        with translated(self.path), _transaction(self.connection, "BEGIN"):
            yield self.connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that no other process can write beside; whole or not at all, on the disk when it ends."""
        self.require_same()
        with translated(self.path), _transaction(self.connection, "BEGIN IMMEDIATE"):
            require_plain(self.path, self.connection)
            yield self.connection

    def copy_to(self, path: Path) -> None:
        """A compact copy in a new file of mode 0600, of one state of the file."""
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with translated(path):
            self.connection.execute("VACUUM INTO ?", (str(path),))

    def data_version(self) -> int:
        """A number that changes when another connection has changed the file."""
        with translated(self.path):
            return int(self.connection.execute("PRAGMA data_version").fetchone()[0])

    def require_same(self) -> None:
        """ReplacedGalleryError if somebody moved, removed or replaced the file since it was opened."""
        if _identity(self.path) != self._identity:
            raise ReplacedGalleryError(f"gallery {self.path}: was moved, removed or replaced while in use: start this program again")

    def erase(self, *, patience: float | None = None) -> None:
        """Removes the journal's copies of deleted rows.

        Sets ``erasure_pending`` if another process kept reading for ``patience`` seconds (the file's own by default) or the disk refused;
        call it again then. It raises nothing: the deletion itself is committed.
        """
        self.erasure_pending = True
        with contextlib.suppress(sqlite3.Error):
            _wait_for_others(self.connection, self.patience if patience is None else patience)
            try:
                self.erasure_pending = bool(self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
            finally:
                _wait_for_others(self.connection, self.patience)

    def close(self) -> None:
        """Ends the connection; a second call does nothing."""
        self.connection.close()


def _identity(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError:
        return (0, 0)
    return facts.st_dev, facts.st_ino


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the first error tells the story; closing rolls back as well
                connection.execute("ROLLBACK")
        raise


def read_meta(connection: sqlite3.Connection, path: Path) -> Meta:
    """The one row of ``meta``; DamagedGalleryError if it is not as it was written."""
    rows = connection.execute(f"SELECT {_META} FROM meta").fetchall()  # noqa: S608 - fixed column names
    try:
        ((version, sha256, m, q, transform_epoch, row_epoch, key_check, device),) = rows
        if not all(1 <= epoch <= LAST_EPOCH for epoch in (transform_epoch, row_epoch)):
            raise ValueError(f"epochs {transform_epoch} and {row_epoch}: expected 1..{LAST_EPOCH}")
        return Meta(version, NetworkId(sha256, m, q), transform_epoch, row_epoch, key_check, device)
    except (TypeError, ValueError) as error:
        raise DamagedGalleryError(f"gallery {path}: table meta is damaged: restore a backup; the file was left as it is") from error


def network_of(path: Path) -> NetworkId:
    """The network that a gallery file belongs to, read without any key. Raises the errors of edge.gallery.errors."""
    _check_header(path)
    with translated(path), contextlib.closing(reader(path)) as connection:
        return read_meta(connection, path).network


def reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads. Where a process was killed within a change of journal modes, its journal is rolled back first.

    SQLite cannot do that on a connection that may not write, and the gallery would open for nobody any more.
    """
    mode = "rw" if path.with_name(f"{path.name}-journal").exists() else "ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def open_file(path: Path, expected: Meta, head: bytes, *, create: bool, patience: float, convert: Convert) -> GalleryFile:
    """Opens the gallery at ``path``, after making it if it is not there and ``create`` says so.

    ``expected`` gives the facts a new gallery gets and an old one must have; only its epochs may differ. head: sealed, of a new gallery.
    patience: seconds to wait for another process. convert: what an older file needs besides new columns, in the same
    transaction. Raises the errors of edge.gallery.errors, each before anything in the file is changed.
    """
    if create and not os.path.lexists(path):
        _create(path, expected, head)
    _check_header(path)
    _check_rights(path)
    with translated(path):
        _check_content(path, expected, patience)
        return GalleryFile(path, _connect(path, patience, convert), patience)


def _check_header(path: Path) -> None:
    """Refuses, without opening a database, what is no gallery, one of a newer program, and one cut short."""
    try:
        header, size = first_bytes(path, _HEADER_BYTES)
    except FileNotFoundError as error:
        raise MissingGalleryError(f"gallery {path}: does not exist: check the path, or enrol somebody to make it") from error
    except OSError as error:
        way_out = "check the path and the rights of this user"
        raise UnwritableGalleryError(f"gallery {path}: cannot be read ({error.strerror}): {way_out}") from error
    if not size:
        raise DamagedGalleryError(f"gallery {path}: is empty (0 bytes): restore a backup, or remove it to start a new gallery")
    if not header.startswith(_MAGIC):
        raise ForeignFileError(f"gallery {path}: is no SQLite database: name another file")
    if size < _HEADER_BYTES:
        raise DamagedGalleryError(f"gallery {path}: is cut short ({size} bytes): restore a backup; the file was left as it is")
    if (found := _number(header, 68)) != APPLICATION_ID:
        raise ForeignFileError(f"gallery {path}: is the database of another program (application id {found:#010x}): name another file")
    _require_known_version(path, _number(header, 60))
    page = _number(header, 16, 2)
    whole = (65536 if page == 1 else page) * _number(header, 28)
    journal = _journal(path)
    if size < whole and not (journal.exists() and journal.stat().st_size):
        raise DamagedGalleryError(f"gallery {path}: is cut short ({size} of {whole} bytes): restore a backup; the file was left as it is")


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _number(header: bytes, offset: int, size: int = 4) -> int:
    return int.from_bytes(header[offset : offset + size], "big")


def _require_known_version(path: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise NewerGalleryError(f"gallery {path}: has format {version}, this program knows {SCHEMA_VERSION}: update the program")
    if version < 1:
        raise DamagedGalleryError(f"gallery {path}: has no format number: restore a backup; the file was left as it is")


def _check_rights(path: Path) -> None:
    effective = os.access in os.supports_effective_ids
    for place in (path, path.parent):
        if not os.access(place, os.R_OK | os.W_OK, effective_ids=effective):
            way_out = "SQLite keeps its journal beside the gallery: give this user both, or name another place"
            raise UnwritableGalleryError(f"gallery {path}: {place} is read-only for user {os.geteuid()}: {way_out}")


def _check_content(path: Path, expected: Meta, patience: float) -> None:
    """Refuses, on a connection that does not write, a gallery of other facts than ``expected``."""
    with contextlib.closing(reader(path)) as connection:
        _configure(connection, patience)
        with _transaction(connection, "BEGIN"):
            _require_known_version(path, connection.execute("PRAGMA user_version").fetchone()[0])
            require_plain(path, connection)
            require_fit(path, read_meta(connection, path), expected)


def require_plain(path: Path, connection: sqlite3.Connection) -> None:
    """Refuses what could undo a revocation, or give each question another answer than the tables hold: triggers, views, other indexes than
    this program's, those of a UNIQUE among them, and statistics, which make SQLite read an index where it would read the table."""
    query = """SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_stat%' OR type != 'table' AND (sql IS NULL OR sql NOT IN (?, ?))
        AND NOT (type = 'index' AND tbl_name = '_sqlite_migrations')"""
    if foreign := connection.execute(query, INDEXES).fetchall():
        names = ", ".join(name for (name,) in foreign)
        raise DamagedGalleryError(f"gallery {path}: holds {names}, not made by this program: restore a backup")


def require_fit(path: Path, found: Meta, expected: Meta) -> None:
    """Refuses a gallery of other facts than ``expected``; epochs may differ."""
    if found.format > expected.format:
        raise NewerGalleryError(f"gallery {path}: has templates of format {found.format}, this program knows {expected.format}: update it")
    if found.network != expected.network:
        old, new = (f"{n.sha256[:12]} ({n.m} symbols of {n.q})" for n in (found.network, expected.network))
        raise OtherNetworkError(
            f"gallery {path}: was made with network {old}, not {new}: use that network, `edge rebind`, or enrol into a new gallery"
        )
    if found.key_check != expected.key_check:
        way_out = "restore the right key; another site or application name gives other keys too"
        raise WrongKeyError(f"gallery {path}: was made with another root key, site or application: {way_out}")
    if found.device != expected.device:
        way_out = "use it there, or enrol into a new gallery here"
        raise OtherDeviceError(f"gallery {path}: belongs to device {found.device}, this is {expected.device}: {way_out}")


def _connect(path: Path, patience: float, convert: Convert) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        _configure(connection, patience)
        connection.execute("PRAGMA journal_mode=WAL").fetchall()  # a copy, or one that a restore was killed on, has another
        _migrate(connection, convert)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection, patience: float) -> None:
    _wait_for_others(connection, patience)
    connection.text_factory = _text
    settings = ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "trusted_schema=OFF", "cell_size_check=ON")
    for setting in settings:
        connection.execute(f"PRAGMA {setting}").fetchall()


def _text(stored: bytes) -> str:
    """Text as the file holds it. A damaged id must not stop the reading of the others: it stays printable and equals no sound one."""
    return stored.decode("utf-8", "backslashreplace")


def _wait_for_others(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout={int(seconds * 1000)}").fetchall()


def _migrate(connection: sqlite3.Connection, convert: Convert) -> None:
    """Brings the tables to this program's version, all steps in one transaction."""
    if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
        return
    with _transaction(connection, "BEGIN IMMEDIATE"):
        if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
            return  # another process was first
        MIGRATIONS.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
        convert(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _create(path: Path, meta: Meta, head: bytes) -> None:
    """Makes a gallery under another name and links it into place: at ``path`` there is a whole one or none."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    if os.path.lexists(journal := _journal(path)) and not os.path.lexists(path):  # in this order: another process may be making both
        raise DamagedGalleryError(f"gallery {path}: is missing, yet its journal {journal} is there: restore both, or remove it")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with translated(path):
            _fill(draft, meta, head)
        with contextlib.suppress(FileExistsError):  # another process was first: its gallery is opened and checked like any other
            os.link(draft, path)
        sync_folder(path.parent)
    except OSError as error:
        way_out = "check that its folder exists, has room, may be written and can hold hard links"
        raise UnwritableGalleryError(f"gallery {path}: cannot be created ({error.strerror}): {way_out}") from error
    finally:
        for name in (draft.name, f"{draft.name}-wal", f"{draft.name}-shm"):
            with contextlib.suppress(OSError):
                draft.with_name(name).unlink(missing_ok=True)


def _fill(draft: Path, meta: Meta, head: bytes) -> None:
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}").fetchall()
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        _configure(connection, patience=0)
        _migrate(connection, lambda empty: None)
        sizes = (meta.network.sha256, meta.network.m, meta.network.q)
        facts = (meta.format, *sizes, meta.transform_epoch, meta.row_epoch, meta.key_check, meta.device)
        connection.execute(f"INSERT INTO meta (id, {_META}) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)", facts)  # noqa: S608 - fixed column names
        connection.execute("INSERT INTO head (id, sealed) VALUES (1, ?)", (head,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

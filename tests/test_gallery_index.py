"""Indexes that say something else than their tables: whoever writes to the file can make them, and SQLite believes them."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.gallery import DamagedGalleryError, Gallery, NetworkId, open_gallery
from tests.test_gallery import KEYRING, NETWORK, code
from tests.test_gallery_edits import edited

OLD, NEW, NEW_OTHER, ANA = (code() for _ in range(4))
OTHER = NetworkId("cd" * 32, NETWORK.m, NETWORK.q)
SOON = datetime.now(timezone.utc) + timedelta(days=30)
Row = tuple[str, str, bytes]


def opened(path: Path, network: NetworkId = NETWORK) -> Gallery:
    return open_gallery(path, KEYRING, network, "device", witness=path.with_name("gallery.head"), patience=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "gallery.db") as gallery:
        gallery.enrol("Sam", [OLD])
        gallery.enrol("Ana", [ANA])
    return tmp_path / "gallery.db"


def id_of(path: Path, name: str, network: NetworkId = NETWORK) -> str:
    with opened(path, network) as gallery:
        return gallery.find(name).id


def rows(path: Path, table: str) -> list[Row]:
    with edited(path) as db:
        return db.execute(f"SELECT id, subject, template FROM {table}").fetchall()


def indexed(path: Path, table: str, entries: Sequence[Row]) -> None:
    """The index of a table by subject has these entries from now on."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, subject TEXT NOT NULL) WITHOUT ROWID")
        db.executemany("INSERT INTO t VALUES (?, ?)", [row[:2] for row in entries])
        db.execute("CREATE INDEX i ON t (subject)")
        db.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'i') WHERE name = ?",
            (f"{table}_subject",),
        )
        db.execute("DELETE FROM sqlite_master WHERE name IN ('t', 'i')")


def put_back(path: Path, table: str, row: Row) -> None:
    """A row into the table, and not into its index."""
    before = rows(path, table)
    with edited(path) as db:
        db.execute(f"INSERT INTO {table} VALUES (?, ?, ?)", row)
    indexed(path, table, before)


def matches(gallery: Gallery, face: object) -> bool:
    found = gallery.search_former(face) if gallery.former is not None else gallery.search(face)  # type: ignore[arg-type]
    return any(each.dissimilarity == 0 for each in found)


def test_a_former_reference_that_is_put_back_beside_the_index_is_noticed(path: Path) -> None:
    sam = id_of(path, "Sam")
    with opened(path) as gallery:
        gallery.rebind(OTHER, SOON)
    old = next(row for row in rows(path, "former") if row[1] == sam)
    with opened(path, OTHER) as gallery:
        assert gallery.rebound(sam, NEW_OTHER)
    put_back(path, "former", old)
    with opened(path, OTHER) as gallery:
        assert gallery.altered is not None


def with_statistics(path: Path) -> None:
    """They make SQLite take the index of templates by subject for the cheaper way to their ids."""
    with edited(path) as db:
        db.execute("ANALYZE")


def with_unique_versions(path: Path) -> None:
    """An index that belongs to a column of the table; SQLite reads versions from it alone."""
    with edited(path) as db:
        people = db.execute("SELECT * FROM subjects").fetchall()
        db.execute("DROP TABLE subjects")
        db.execute("CREATE TABLE subjects (id TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL, version TEXT NOT NULL UNIQUE) WITHOUT ROWID")
        db.executemany("INSERT INTO subjects VALUES (?, ?, ?)", people)


@pytest.mark.parametrize("edit", [with_statistics, with_unique_versions])
def test_what_gives_sqlite_other_ways_to_the_rows_is_refused(path: Path, edit: Callable[[Path], None]) -> None:
    edit(path)
    with pytest.raises(DamagedGalleryError, match=r"holds sqlite_.*, not made by this program"):
        opened(path)


def test_a_revocation_takes_nothing_out_of_the_sum_that_only_the_index_has(path: Path) -> None:
    """Else an old reference of somebody else would fit the sum from then on."""
    sam, ana = id_of(path, "Sam"), id_of(path, "Ana")
    old = next(row for row in rows(path, "templates") if row[1] == sam)
    with opened(path) as gallery:
        gallery.renew(sam, [NEW])
    indexed(path, "templates", [*rows(path, "templates"), (old[0], ana, b"")])
    with opened(path) as gallery:
        gallery.revoke(ana)
        assert gallery.altered is None
    with edited(path) as db:
        db.execute("INSERT INTO templates VALUES (?, ?, ?)", old)
    with opened(path) as gallery:
        assert gallery.altered is not None


def test_the_end_of_a_window_takes_nothing_out_of_the_sum_that_only_the_index_has(path: Path) -> None:
    sam = id_of(path, "Sam")
    old = next(row for row in rows(path, "templates") if row[1] == sam)
    with opened(path) as gallery:
        gallery.renew(sam, [NEW])
        gallery.rebind(OTHER, SOON)
    indexed(path, "former", [*rows(path, "former"), (old[0], sam, b"")])
    with opened(path, OTHER) as gallery:
        gallery.end_rebind()
        assert gallery.altered is None
        gallery.rebind(NETWORK, SOON)
    with edited(path) as db:
        db.execute("INSERT INTO templates VALUES (?, ?, ?)", old)
    with opened(path) as gallery:
        assert gallery.altered is not None


def test_a_renewal_misses_no_reference_that_the_index_leaves_out(path: Path) -> None:
    sam = id_of(path, "Sam")
    indexed(path, "templates", [])
    with opened(path) as gallery:
        gallery.renew(sam, [NEW])
    with opened(path) as gallery:
        assert gallery.altered is None
        assert (matches(gallery, OLD), matches(gallery, NEW)) == (False, True)


def test_who_is_renewed_in_a_window_leaves_no_former_reference_that_the_index_leaves_out(path: Path) -> None:
    sam = id_of(path, "Sam")
    with opened(path) as gallery:
        gallery.rebind(OTHER, SOON)
    indexed(path, "former", [])
    with opened(path, OTHER) as gallery:
        assert gallery.rebound(sam, NEW_OTHER)
    with opened(path, OTHER) as gallery:
        assert gallery.altered is None
        assert not matches(gallery, OLD)

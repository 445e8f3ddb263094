"""What somebody without a key does to the file so that the sum over it still fits: found by review, each with its way in."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.gallery import AlteredGalleryError, Gallery, open_gallery
from edge.gallery.records import Subject
from tests.test_gallery import KEYRING, NETWORK, code

ANA, SAM = code(), code()
LATER, OVER = "2999-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
Rows = tuple[tuple[str, bytes, str], tuple[str, str, bytes]]


def opened(path: Path) -> Gallery:
    return open_gallery(path, KEYRING, NETWORK, "device", witness=path.with_name("gallery.head"), patience=0.2)


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as db, db:
        yield db


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "gallery.db") as gallery:
        gallery.enrol("Ana", [ANA])
        gallery.amend(gallery.enrol("Sam", [SAM]).id, {"valid_until": LATER})
    return tmp_path / "gallery.db"


def sam(path: Path) -> Subject:
    with opened(path) as gallery:
        return gallery.find("Sam")


def rows_of(path: Path, subject: str) -> Rows:
    with edited(path) as db:
        record = db.execute("SELECT * FROM subjects WHERE id = ?", (subject,)).fetchone()
        return record, db.execute("SELECT * FROM templates WHERE subject = ?", (subject,)).fetchone()


def put_back(db: sqlite3.Connection, rows: Rows) -> None:
    db.execute("INSERT INTO subjects VALUES (?, ?, ?)", rows[0])
    db.execute("INSERT INTO templates VALUES (?, ?, ?)", rows[1])
    db.execute("DELETE FROM revocations")


def in_facts(db: sqlite3.Connection, *versions: str) -> None:
    db.executemany("INSERT INTO facts VALUES (?, x'00', ?)", [(f"junk {number}", each) for number, each in enumerate(versions)])


def parted(db: sqlite3.Connection, identity: str, subject: str) -> None:
    """The id once more, and between the two, in Python's order and not in SQLite's, a text that is no UTF-8; that one twice too."""
    place = max(number for number, digit in enumerate(identity) if digit in "abcdef")
    between = identity[:place].encode() + b"\xff"
    db.execute("INSERT INTO former VALUES (?, ?, x'00')", (identity, subject))
    db.execute("INSERT INTO former VALUES (cast(? AS TEXT), ?, x'00')", (between, subject))
    db.execute("INSERT INTO facts VALUES (?, x'00', cast(? AS TEXT))", (f"parted {identity}", between))


def dates_put_back(path: Path) -> None:
    old = rows_of(path, sam(path).id)
    with opened(path) as gallery:
        gallery.amend(old[0][0], {"valid_until": OVER})
    new = rows_of(path, old[0][0])
    with edited(path) as db:
        db.execute("UPDATE subjects SET sealed = ?, version = ? WHERE id = ?", (old[0][1], old[0][2], old[0][0]))
        parted(db, old[0][2], old[0][0])
        in_facts(db, new[0][2])


def revoked_put_back(path: Path) -> None:
    old = rows_of(path, sam(path).id)
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        gallery.revoke(old[0][0])
    with edited(path) as db:
        put_back(db, old)
        for each in (old[0][2], old[1][0]):
            parted(db, each, ana)
        in_facts(db, old[1][0], old[1][0])


def hidden_in_facts(path: Path) -> None:
    old = rows_of(path, sam(path).id)
    with edited(path) as db:
        db.execute("DELETE FROM templates WHERE subject = ?", (old[0][0],))
        db.execute("DELETE FROM subjects WHERE id = ?", (old[0][0],))
        in_facts(db, old[0][2], old[1][0])


def hidden_behind_a_window_that_does_not_open(path: Path) -> None:
    old = rows_of(path, sam(path).id)
    with edited(path) as db:
        db.execute("DELETE FROM templates WHERE subject = ?", (old[0][0],))
        db.execute("DELETE FROM subjects WHERE id = ?", (old[0][0],))
        db.execute("INSERT INTO facts VALUES ('former', x'00', ?)", (old[0][2],))
        db.execute("INSERT INTO former VALUES (?, 'nobody', x'00')", (old[1][0],))


@pytest.mark.parametrize("edit", [dates_put_back, revoked_put_back, hidden_in_facts, hidden_behind_a_window_that_does_not_open])
def test_nobody_comes_back_or_goes_unnoticed_by_rows_that_cancel_or_stand_elsewhere(path: Path, edit: Callable[[Path], None]) -> None:
    edit(path)
    with opened(path) as gallery:
        assert gallery.altered is not None
        assert not gallery.verify().sound
        with pytest.raises(AlteredGalleryError):
            gallery.search(SAM)


@pytest.mark.parametrize("edit", [hidden_in_facts, hidden_behind_a_window_that_does_not_open])
def test_what_was_hidden_is_gone_once_the_operator_has_signed_the_gallery_as_it_is(path: Path, edit: Callable[[Path], None]) -> None:
    edit(path)
    with opened(path) as gallery:
        gallery.accept()
    with opened(path) as gallery:
        assert gallery.altered is None
        assert [one.label for one in gallery.subjects()] == ["Ana"]
    with edited(path) as db:
        assert [db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("facts", "former")] == [(0,), (0,)]


def test_an_id_in_four_places_does_not_cancel_itself(path: Path) -> None:
    """Each further one stands for another value: two alike would leave no trace."""
    record, reference = rows_of(path, sam(path).id)
    with edited(path) as db:
        db.execute("INSERT INTO former VALUES (?, ?, x'00')", (reference[0], record[0]))
        db.execute("INSERT INTO facts VALUES ('former', x'00', ?)", (reference[0],))
    with opened(path) as gallery:
        assert gallery.altered is not None


@pytest.mark.parametrize("elsewhere", ["facts", "subjects"])
def test_an_edit_beside_an_event_does_not_make_a_revocation_take_other_rows_out_of_the_sum(path: Path, elsewhere: str) -> None:
    """The gallery was open, the door recorded an event, and an edit just then was not looked for."""
    subject = sam(path).id
    old, others = rows_of(path, subject), ("e" * 32, "d" * 32)
    with opened(path) as clerk, opened(path) as door:
        door.record("unknown")
        with edited(path) as db:
            db.execute("UPDATE subjects SET version = ? WHERE id = ?", (others[0], subject))
            db.execute("UPDATE templates SET id = ? WHERE id = ?", (others[1], old[1][0]))
        clerk.refresh()
        clerk.revoke(subject)
    with edited(path) as db:
        put_back(db, old)
        if elsewhere == "facts":
            in_facts(db, *others)
        else:
            db.executemany("INSERT INTO subjects VALUES (?, x'00', ?)", [(each[:1], each) for each in others])
    with opened(path) as gallery, pytest.raises(AlteredGalleryError):
        gallery.search(SAM)


@pytest.mark.parametrize("change", ["renew", "amend"])
def test_an_edit_beside_an_event_stops_the_next_change(path: Path, change: str) -> None:
    subject = sam(path).id
    with opened(path) as clerk, opened(path) as door:
        door.record("unknown")
        with edited(path) as db:
            db.execute("UPDATE subjects SET version = ? WHERE id = ?", ("e" * 32, subject))
        clerk.refresh()
        with pytest.raises(AlteredGalleryError):
            clerk.renew(subject, [code()]) if change == "renew" else clerk.amend(subject, {"floor": "3"})


def test_rows_cut_at_other_places_are_not_taken_all_at_once(path: Path) -> None:
    """One digit of a subject's id moved to the next row: joined, the bytes are the same, and a renewal would have missed the old face."""
    with opened(path) as gallery:
        for _ in range(4):
            gallery.enrol(f"Somebody {gallery.counter}", [code()])
    with edited(path) as db:
        first, second, *_ = db.execute("SELECT id, subject FROM templates ORDER BY id").fetchall()
        db.execute("UPDATE templates SET subject = ? WHERE id = ?", (first[1][:31], first[0]))
        db.execute("UPDATE templates SET subject = ? WHERE id = ?", (first[1][31] + second[1], second[0]))
    with opened(path) as gallery:
        assert {damage.reference for damage in gallery.damaged} == {first[0], second[0]}
        assert len(gallery) == 4


def test_a_file_made_to_look_older_is_altered_and_its_records_stay_whole(path: Path) -> None:
    with edited(path) as db:
        db.execute("PRAGMA user_version = 2")
    try:
        opened(path).close()
    finally:
        with edited(path) as db:
            db.execute("PRAGMA user_version = 3")
    with opened(path) as gallery:
        assert [one.label for one in gallery.subjects()] == ["Ana", "Sam"]


def test_whose_record_does_not_open_any_more_is_followed_out_of_the_memory_too(path: Path) -> None:
    subject = sam(path).id
    with opened(path) as door:
        with opened(path) as clerk:
            clerk.amend(subject, {"floor": "3"})
        with edited(path) as db:
            db.execute("UPDATE subjects SET sealed = x'00' WHERE id = ?", (subject,))
        door.refresh()
        assert all(each.subject != subject for each in door.search(SAM))

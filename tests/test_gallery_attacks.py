"""What a thief with write access, a failing disk or a signal at a bad moment can do to a gallery: hide nobody, admit nobody."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge.errors import GalleryError, SubjectError
from edge.gallery import AlteredGalleryError, DamagedGalleryError, Gallery, NetworkId, open_gallery
from edge.gallery.file import Meta, _create
from edge.gallery.head import Signer
from edge.gallery.integrity import first_head
from edge.keys import Keyring
from edge.records import Code

NETWORK = NetworkId("ab" * 32, 512, 8)
KEYRING = Keyring(bytes(range(32)), "site", "door")
ANA, BEN, CLEO = (Code(np.random.default_rng(seed).integers(0, 8, 512, dtype=np.uint8), 8) for seed in range(3))


def opened(path: Path) -> Gallery:
    return open_gallery(path, KEYRING, NETWORK, "device", patience=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with opened(path) as gallery:
        gallery.enrol("Ana", [ANA])
        gallery.enrol("Ben", [BEN])
    return path


def altered(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


def id_of(path: Path, name: str) -> str:
    with opened(path) as gallery:
        return gallery.find(name).id


def matches(gallery: Gallery, code: Code) -> bool:
    return any(candidate.dissimilarity == 0 for candidate in gallery.search(code))


def unlock(gallery: Gallery, altered: bool) -> None:
    """An altered gallery lets nobody in until somebody has signed it as it is."""
    assert bool(gallery.altered) == altered
    if altered:
        with pytest.raises(AlteredGalleryError, match="are not those that were signed"):
            gallery.search(ANA)
        gallery.accept()


BAD_BYTE = "CAST(x'e1' AS TEXT) || substr({0}, 2)"


@pytest.mark.parametrize(
    ("table", "column", "whose"), [("templates", "id", "subject"), ("templates", "subject", "subject"), ("subjects", "id", "id")]
)
def test_an_id_that_is_no_text_any_more_hides_nobody_else(path: Path, table: str, column: str, whose: str) -> None:
    """One flipped high bit makes an id invalid UTF-8; before and after it was open."""
    ana = id_of(path, "Ana")
    with opened(path) as running:
        altered(path, f"UPDATE {table} SET {column} = {BAD_BYTE.format(column)} WHERE {whose} = ?", ana)
        running.refresh()
        for gallery in (running, opened(path)):
            unlock(gallery, table == "templates" and column == "id")
            assert (matches(gallery, ANA), matches(gallery, BEN)) == (False, True)
            assert len(gallery.damaged) == 1
            assert not gallery.verify().sound


def test_ids_that_are_bytes_hide_nobody_else(path: Path) -> None:
    """Tables that are not STRICT (SQLite before 3.37) hold anything."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, ', STRICT', '')")
    altered(path, "UPDATE subjects SET id = x'00ff' WHERE id = ?", id_of(path, "Ana"))
    with opened(path) as gallery:
        assert (matches(gallery, ANA), matches(gallery, BEN)) == (False, True)
        assert any("its id is no text" in problem for problem in gallery.verify().problems)


@pytest.mark.parametrize("epoch", [-1, 0, 2**32, 2**40])
@pytest.mark.parametrize("column", ["transform_epoch", "row_epoch"])
def test_impossible_epochs_are_damage_with_a_way_out(path: Path, column: str, epoch: int) -> None:
    altered(path, f"UPDATE meta SET {column} = ?", epoch)
    with pytest.raises(DamagedGalleryError, match="table meta is damaged: restore a backup"):
        opened(path)


def test_an_event_of_the_largest_number_blocks_nothing(path: Path) -> None:
    """Else nobody could be revoked any more."""
    altered(path, "UPDATE events SET id = 9223372036854775807 WHERE id = 2")
    altered(path, "INSERT INTO events VALUES (9223372036854775806, x'00')")
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
        gallery.record("unknown")
        assert [event.kind for event in gallery.events()] == ["unknown", "revoked", "enrolled"]
    with opened(path) as gallery:
        assert not matches(gallery, ANA)


def test_a_name_is_never_taken_for_an_id(path: Path) -> None:
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        with pytest.raises(SubjectError, match="is shaped like a subject's id"):
            gallery.enrol(ana.upper(), [CLEO])
        assert gallery.find(ana.upper()).id == ana
        gallery.revoke(ana)
        with pytest.raises(SubjectError, match=f"subject {ana}: nobody has that name or id"):
            gallery.find(ana)


def test_references_without_a_subject_can_be_removed_and_then_all_is_sound(path: Path) -> None:
    altered(path, "INSERT INTO templates VALUES (?, ?, x'00')", "f" * 32, "e" * 32)
    with opened(path) as gallery:
        with pytest.raises(AlteredGalleryError, match="are not those that were signed"):
            gallery.rotate()
        gallery.revoke("e" * 32)  # exactly what did not belong to it
        gallery.rotate()
        assert gallery.verify().sound
        assert matches(gallery, ANA)


def spoil(path: Path, ana: str) -> None:
    altered(path, "UPDATE subjects SET sealed = x'00' WHERE id = ?", ana)


def put_back(path: Path, ana: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        row = db.execute("SELECT * FROM subjects WHERE id = ?", (ana,)).fetchone()
    with opened(path) as gallery:
        gallery.revoke(ana)
    altered(path, "INSERT INTO subjects VALUES (?, ?, ?)", *row)


@pytest.mark.parametrize("damage", [spoil, put_back])
def test_renewal_lets_nobody_in_whose_record_does_not_open_or_who_was_revoked(path: Path, damage: Callable[[Path, str], None]) -> None:
    ana = id_of(path, "Ana")
    damage(path, ana)
    with opened(path) as gallery:
        unlock(gallery, damage is put_back)
        with pytest.raises(GalleryError, match=f"the record of subject {ana} is altered or revoked"):
            gallery.renew(ana, [CLEO])
        assert not matches(gallery, CLEO)
        with pytest.raises(GalleryError, match=f"subject {ana}.*: revoke"):
            gallery.rotate()
        gallery.revoke(ana)
        gallery.rotate()
        assert gallery.verify().sound


def empty_the_index(path: Path) -> None:
    """The index of templates by subject now names nobody; the table is as it was."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = 1")
        db.execute("CREATE TABLE t (subject, id)")
        db.execute("CREATE INDEX i ON t (subject, id)")
        db.execute(
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'i') WHERE name = 'templates_subject'"
        )
        db.execute("DELETE FROM sqlite_master WHERE name IN ('t', 'i')")


def test_a_damaged_index_hides_nobody_and_keeps_nobody_in(path: Path) -> None:
    empty_the_index(path)
    with opened(path) as gallery, opened(path) as other:
        other.record("unknown")
        assert gallery.refresh()
        assert matches(gallery, ANA)
        gallery.revoke(gallery.find("Ana").id)
        assert not matches(gallery, ANA)
        assert other.refresh()
        assert (matches(other, ANA), matches(other, BEN)) == (False, True)


def test_a_disk_that_refuses_the_erasure_does_not_deny_the_revocation(path: Path) -> None:
    """It was committed; the erasure is made up for."""
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        gallery.renew(ana, None)
        with closing(sqlite3.connect(path)) as db:
            ((sealed,),) = db.execute("SELECT template FROM templates WHERE subject = ?", (ana,))
        gallery._state.file.connection.set_authorizer(
            lambda action, one, *rest: sqlite3.SQLITE_DENY if one == "wal_checkpoint" else sqlite3.SQLITE_OK
        )
        gallery.revoke(ana)
        assert not matches(gallery, ANA)
        assert gallery.erasure_pending
        gallery._state.file.connection.set_authorizer(lambda *about: sqlite3.SQLITE_OK)
        gallery.refresh()
        assert not gallery.erasure_pending
        assert not any(sealed[20:60] in file.read_bytes() for file in path.parent.iterdir())


def test_a_trigger_put_in_while_running_cannot_undo_a_revocation_unnoticed(path: Path) -> None:
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        altered(path, "CREATE TRIGGER t BEFORE DELETE ON templates BEGIN SELECT raise(IGNORE); END")
        with pytest.raises(DamagedGalleryError, match="holds t, not made by this program"):
            gallery.revoke(ana)
        altered(path, "DROP TRIGGER t")
        gallery.revoke(ana)
        assert not matches(gallery, ANA)


class Stopped(BaseException):
    """A signal."""


def stop(*_: object) -> None:
    raise Stopped


def test_a_rotation_interrupted_after_its_commit_is_followed_before_the_next_change(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next enrolment would be sealed under the old epoch and never open again."""
    with opened(path) as gallery:
        with monkeypatch.context() as patch:
            patch.setattr(gallery._state, "follow", stop)
            with pytest.raises(Stopped):
                gallery.rotate()
        gallery.enrol("Cleo", [CLEO])
        assert gallery.verify().sound


def test_a_revocation_interrupted_after_its_commit_ends_at_the_next_refresh(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        with monkeypatch.context() as patch:
            patch.setattr(gallery._state, "forget", stop)
            with pytest.raises(Stopped):
                gallery.revoke(ana)
        assert gallery.refresh()
        assert (matches(gallery, ANA), matches(gallery, BEN)) == (False, True)


def test_a_gallery_that_another_process_made_in_between_is_taken_as_it_is(path: Path) -> None:
    """Its journal is no left-over."""
    with opened(path) as other:
        other.enrol("Cleo", [CLEO])
        assert path.with_name("gallery.db-wal").exists()
        head = first_head(Signer(KEYRING.head_key()))
        _create(path, Meta(1, NETWORK, 1, 1, KEYRING.check_value(), "device"), head)
        with opened(path) as gallery:
            assert matches(gallery, CLEO)

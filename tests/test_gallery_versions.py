"""Sealed records of people and of the window of a rebind: changed through one call, and an old one put back lets nobody in."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from edge.errors import GalleryError, SubjectError
from edge.gallery import AlteredGalleryError, Gallery, NetworkId, open_gallery
from edge.keys import Keyring
from edge.records import NEVER, Code
from edge.template.protect import TemplateError, open_record, seal_record
from tests.older_gallery import as_version_2
from tests.test_gallery import KEYRING, NETWORK, code
from tests.test_gallery_head import NOT_SIGNED, altered

ANA, BEN = code(), code()
NEW = NetworkId("cd" * 32, 256, 4)
SOON = datetime.now(timezone.utc) + timedelta(days=3)
OTHER_KEYS = Keyring(bytes(range(1, 33)), "site", "door")


def opened(path: Path, network: NetworkId = NETWORK, keyring: Keyring = KEYRING) -> Gallery:
    return open_gallery(path, keyring, network, "device", witness=path.with_name("gallery.head"), patience=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "gallery.db") as gallery:
        gallery.enrol("Ana", [ANA])
        gallery.enrol("Ben", [BEN])
    return tmp_path / "gallery.db"


def amended(path: Path, name: str, **facts: str | None) -> str:
    with opened(path) as gallery:
        subject = gallery.find(name).id
        gallery.amend(subject, facts)
    return subject


def row(path: Path, table: str) -> tuple[str, bytes, str]:
    with closing(sqlite3.connect(path)) as db:
        found: tuple[str, bytes, str] = db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
    return found


def test_facts_are_changed_one_by_one_and_name_and_time_of_enrolment_stay(path: Path) -> None:
    with opened(path) as gallery:
        before = gallery.find("Ana")
        assert gallery.facts(before.id) == {}
        gallery.amend(before.id, {"floor": "3", "desk": "7"})
        gallery.amend(before.id, {"floor": "4", "desk": None, "lamp": None})
        assert gallery.facts(before.id) == {"floor": "4"}
        assert gallery.counter == 4
    with opened(path) as gallery:
        assert (gallery.find("Ana"), gallery.facts(before.id)) == (before, {"floor": "4"})
        assert gallery.search(ANA)[0].dissimilarity == 0
        assert gallery.verify().sound
        assert [event.kind for event in gallery.events(2)] == ["amended", "amended"]


def test_facts_are_sealed(path: Path) -> None:
    amended(path, "Ana", floor="mezzanine")
    assert not any(b"mezzanine" in file.read_bytes() for file in path.parent.iterdir())


def test_the_record_before_is_gone_from_the_files(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        old = [sealed for (sealed,) in db.execute("SELECT sealed FROM subjects")]
    amended(path, "Ana", floor="3")
    amended(path, "Ben", floor="3")
    assert not any(sealed[12:60] in file.read_bytes() for sealed in old for file in path.parent.iterdir())


def test_the_record_before_is_gone_from_the_journal_too_while_the_gallery_stays_open(path: Path) -> None:
    with opened(path) as gallery:
        subject, old, _ = row(path, "subjects")
        gallery.amend(subject, {"floor": "3"})
        assert not any(old[12:60] in file.read_bytes() for file in path.parent.iterdir())


@pytest.mark.parametrize("name", ["label", "created"])
def test_name_and_time_of_enrolment_are_no_facts_to_change(path: Path, name: str) -> None:
    with opened(path) as gallery, pytest.raises(ValueError, match="are set at enrolment alone"):
        gallery.amend(gallery.find("Ana").id, {name: "Zoe"})


def test_nobody_s_facts_cannot_be_changed(path: Path) -> None:
    with opened(path) as gallery:
        with pytest.raises(SubjectError, match="nobody has that id"):
            gallery.amend("e" * 32, {"floor": "3"})
        ben = gallery.find("Ben").id
        gallery.revoke(ben)
        with pytest.raises(SubjectError, match="nobody has that id"):
            gallery.amend(ben, {"floor": "3"})
        assert gallery.facts(ben) == {}


def test_a_record_that_does_not_open_is_not_written_over(path: Path) -> None:
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
    altered(path, "UPDATE subjects SET sealed = x'00' WHERE id = ?", ana)
    with opened(path) as gallery, pytest.raises(GalleryError, match="is altered or revoked"):
        gallery.amend(ana, {"floor": "3"})


def test_a_check_that_fails_stops_the_change(path: Path) -> None:
    def taken() -> None:
        raise SubjectError("taken")

    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        with pytest.raises(SubjectError, match="taken"):
            gallery.amend(ana, {"floor": "3"}, check=taken)
        assert (gallery.facts(ana), gallery.counter) == ({}, 2)


def test_a_running_door_follows_a_change_of_facts_among_others(path: Path) -> None:
    with opened(path) as door, opened(path) as operator:
        ana = operator.find("Ana").id
        operator.amend(ana, {"floor": "3"})
        operator.enrol("Cleo", [code()])
        operator.revoke(operator.find("Ben").id)
        assert door.refresh()
        assert (door.altered, door.facts(ana)) == (None, {"floor": "3"})
        assert door.counter == operator.counter


def test_whatever_the_file_tells_of_its_changes_new_facts_are_followed(path: Path) -> None:
    with opened(path) as door, opened(path) as operator:
        operator.amend(operator.find("Ana").id, {"floor": "3"})
        altered(path, "UPDATE changes SET subject = 'nobody'")
        assert door.refresh()
        assert (door.altered, door.facts(door.find("Ana").id)) == (None, {"floor": "3"})


# --- attacks


def old_record_put_back(path: Path) -> NetworkId:
    old = row(path, "subjects")
    with opened(path) as gallery:
        gallery.amend(old[0], {"floor": "3"})
    altered(path, "UPDATE subjects SET sealed = ?, version = ? WHERE id = ?", old[1], old[2], old[0])
    return NETWORK


def record_of_somebody_revoked_put_back(path: Path) -> NetworkId:
    old = row(path, "subjects")
    with opened(path) as gallery:
        gallery.revoke(old[0])
    altered(path, "INSERT INTO subjects VALUES (?, ?, ?)", *old)
    altered(path, "DELETE FROM revocations")
    return NETWORK


def record_removed(path: Path) -> NetworkId:
    altered(path, "DELETE FROM subjects WHERE id = ?", row(path, "subjects")[0])
    return NETWORK


def record_added_twice(path: Path) -> NetworkId:
    """Two rows of one version would leave no trace in the XOR of a set."""
    old = row(path, "subjects")
    with opened(path) as gallery:
        gallery.revoke(old[0])
    altered(path, "INSERT INTO subjects VALUES (?, ?, ?)", *old)
    altered(path, "INSERT INTO facts VALUES ('x', x'00', ?)", old[2])
    return NETWORK


def version_edited(path: Path) -> NetworkId:
    altered(path, "UPDATE subjects SET version = ? WHERE id = ?", "f" * 32, row(path, "subjects")[0])
    return NETWORK


def shorter_window(path: Path) -> tuple[str, bytes, str]:
    """A window that closes soon; the record of an earlier, longer one."""
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON + timedelta(days=300))
    old = row(path, "facts")
    with opened(path, NEW) as gallery:
        gallery.end_rebind()
        gallery.rebind(NETWORK, SOON)
    with opened(path) as gallery:
        gallery.end_rebind()
        gallery.rebind(NEW, SOON)
    return old


def former_window_put_back(path: Path) -> NetworkId:
    altered(path, "UPDATE facts SET sealed = ?, version = ?", *shorter_window(path)[1:])
    return NEW


def former_window_prolonged_by_the_sealed_bytes_of_another(path: Path) -> NetworkId:
    """The version left as it is, the head fits; the record does not open, which is no window at all."""
    altered(path, "UPDATE facts SET sealed = ?", shorter_window(path)[1])
    return NEW


def window_removed(path: Path) -> NetworkId:
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON)
    altered(path, "DELETE FROM facts")
    return NEW


ATTACKS: tuple[Callable[[Path], NetworkId], ...] = (
    old_record_put_back,
    record_of_somebody_revoked_put_back,
    record_removed,
    record_added_twice,
    version_edited,
    former_window_put_back,
    window_removed,
)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_record_put_back_added_or_removed_makes_the_gallery_altered(path: Path, attack: Callable[[Path], NetworkId]) -> None:
    with opened(path, attack(path)) as gallery:
        assert gallery.altered
        for refused in (
            lambda: gallery.search(ANA),
            lambda: gallery.search_former(ANA),
            lambda: gallery.amend(row(path, "subjects")[0], {"floor": "3"}),
        ):
            with pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
                refused()


@pytest.mark.parametrize("attack", [old_record_put_back, record_removed, version_edited], ids=lambda attack: attack.__name__)
def test_it_is_noticed_while_the_door_runs(path: Path, attack: Callable[[Path], NetworkId]) -> None:
    with opened(path) as door:
        attack(path)
        door.refresh()
        with pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
            door.search(ANA)


def test_a_record_whose_sealed_bytes_change_while_the_door_runs_does_not_count_any_more(path: Path) -> None:
    with opened(path) as door:
        ana = door.find("Ana").id
        altered(path, "UPDATE subjects SET sealed = zeroblob(156) WHERE id = ?", ana)
        door.refresh()
        assert [one.subject for one in door.damaged] == [ana]
        assert [door.search(each)[0].dissimilarity == 0 for each in (ANA, BEN)] == [False, True]


@pytest.mark.parametrize(
    "harm",
    ["INSERT INTO revocations VALUES (?, x'00')", "UPDATE subjects SET sealed = zeroblob(156) WHERE id = ?"],
    ids=["revoked", "broken"],
)
def test_who_is_revoked_or_has_no_sound_record_does_not_come_in_with_another_change_that_the_door_follows(path: Path, harm: str) -> None:
    with opened(path) as door, opened(path) as operator:
        ana = operator.find("Ana").id
        operator.amend(ana, {"floor": "3"})
        altered(path, harm, ana)
        door.refresh()
        assert (door.altered, door.facts(ana), door.validity(ana)) == (None, {}, NEVER)
        assert [one.label for one in door.subjects()] == ["Ben"]
        assert [door.search(each)[0].dissimilarity == 0 for each in (ANA, BEN)] == [False, True]
        assert [one.subject for one in door.damaged] == [ana]


def test_who_is_revoked_or_has_no_sound_record_is_not_renewed_by_passing(path: Path) -> None:
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON)
        ana = gallery.find("Ana").id
    altered(path, "UPDATE subjects SET sealed = zeroblob(156) WHERE id = ?", ana)
    with opened(path, NEW) as gallery:
        assert not gallery.rebound(ana, Code(np.zeros(NEW.m, np.uint8), NEW.q))
        assert (len(gallery), gallery.altered) == (0, None)


def test_sealed_bytes_of_an_older_record_open_no_window(path: Path) -> None:
    """References of a window that does not open are rows that nothing looks at: nobody is let in until the operator has looked."""
    network = former_window_prolonged_by_the_sealed_bytes_of_another(path)
    with opened(path, network) as gallery:
        assert gallery.former is None
        assert "rows in facts or former" in str(gallery.altered)
        with pytest.raises(AlteredGalleryError):
            gallery.search_former(ANA)


def test_bit_rot_in_a_record_hurts_that_person_alone(path: Path) -> None:
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
    altered(path, "UPDATE subjects SET sealed = zeroblob(156) WHERE id = ?", ana)
    with opened(path) as gallery:
        assert gallery.altered is None
        assert [gallery.search(each)[0].dissimilarity == 0 for each in (ANA, BEN)] == [False, True]
        assert [one.subject for one in gallery.damaged] == [ana]


def test_an_old_record_s_sealed_bytes_under_the_present_version_do_not_open(path: Path) -> None:
    old = row(path, "subjects")
    with opened(path) as gallery:
        gallery.amend(old[0], {"floor": "3"})
    altered(path, "UPDATE subjects SET sealed = ? WHERE id = ?", old[1], old[0])
    with opened(path) as gallery:
        assert gallery.altered is None
        assert gallery.facts(old[0]) == {}
        assert [one.subject for one in gallery.damaged] == [old[0]]


# --- other keys, older files


def test_facts_go_along_to_other_keys_under_new_versions(path: Path) -> None:
    ana = amended(path, "Ana", floor="3")
    before = row(path, "subjects")[2]
    with opened(path) as gallery:
        gallery.rotate()
        assert row(path, "subjects")[2] == before
        gallery.readdress(OTHER_KEYS, "device")
        assert gallery.facts(ana) == {"floor": "3"}
    assert row(path, "subjects")[2] != before
    with opened(path, keyring=OTHER_KEYS) as gallery:
        assert (gallery.altered, gallery.facts(ana)) == (None, {"floor": "3"})


def test_facts_changed_while_people_are_renewed_serve_for_both_networks(path: Path) -> None:
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON)
    with opened(path, NEW) as gallery:
        ana = gallery.find("Ana").id
        gallery.amend(ana, {"floor": "3"})
        assert gallery.search_former(ANA)[0].subject == ana
        assert gallery.facts(ana) == {"floor": "3"}
    with opened(path, NEW) as gallery:
        assert gallery.verify().sound


def test_a_file_of_version_2_is_taken_over_whole_and_signed(path: Path) -> None:
    with opened(path) as gallery:
        gallery.rebind(NEW, SOON)
        counter = gallery.counter
    as_version_2(path, KEYRING)
    with opened(path, NEW) as gallery:
        assert (gallery.altered, gallery.counter) == (None, counter)
        assert gallery.former is not None
        assert gallery.search_former(ANA)[0].dissimilarity == 0
        gallery.amend(gallery.find("Ana").id, {"floor": "3"})
    with opened(path, NEW) as gallery:
        assert gallery.verify().sound
    assert len({row(path, table)[2] for table in ("subjects", "facts")} - {""}) == 2


def test_an_altered_file_of_version_2_stays_altered(path: Path) -> None:
    as_version_2(path, KEYRING)
    altered(path, "DELETE FROM templates WHERE id = (SELECT max(id) FROM templates)")
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match="of an older program"):
        gallery.search(ANA)


def test_an_old_copy_of_version_2_is_still_found_out(path: Path) -> None:
    as_version_2(path, KEYRING)
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    amended(path, "Ana", floor="3")
    copy.replace(path)
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match="is an old copy: it has seen 2 changes, the witness 3"):
        gallery.search(ANA)


def test_a_damaged_record_of_version_2_stays_damaged_and_harms_nobody_else(path: Path) -> None:
    as_version_2(path, KEYRING)
    altered(path, "UPDATE subjects SET id = CAST(x'e1' AS TEXT) || substr(id, 2) WHERE id = (SELECT min(id) FROM subjects)")
    altered(path, "UPDATE templates SET template = x'00' WHERE id = (SELECT min(id) FROM templates)")
    with opened(path) as gallery:
        assert gallery.altered is None
        assert len(gallery.subjects()) == 1


def test_a_newer_file_made_to_look_older_does_not_take_old_records_over(path: Path) -> None:
    """The versions, put in as references nobody can open, would make the sum of references alone fit."""
    as_version_2(path, KEYRING)
    with closing(sqlite3.connect(path)) as db:
        old = db.execute("SELECT id, sealed FROM subjects").fetchall()
    amended(path, "Ana", floor="3")
    with closing(sqlite3.connect(path)) as db, db:
        versions = [version for (version,) in db.execute("SELECT version FROM subjects")]
        db.execute("DROP TABLE subjects")
        db.execute("CREATE TABLE subjects (id TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID")
        db.executemany("INSERT INTO subjects VALUES (?, ?)", old)
        db.executemany("INSERT INTO templates VALUES (?, 'x', x'00')", [(version,) for version in versions])
        db.execute("DROP TABLE facts")
        db.execute("CREATE TABLE facts (name TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'versioned_records'")
        db.execute("PRAGMA user_version = 2")
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
        gallery.search(ANA)


def test_a_versioned_record_opens_under_its_version_only() -> None:
    sealed = seal_record(b"{}", bytes(32), "subject", "1", "ab" * 16)
    assert open_record(sealed, bytes(32), "subject", "1", "ab" * 16) == b"{}"
    for version in ("cd" * 16, "", None):
        with pytest.raises(TemplateError, match="record altered or moved"):
            open_record(sealed, bytes(32), "subject", "1", version)


@pytest.mark.parametrize("size", [4096, 16384])
def test_a_file_of_either_page_size_is_read_and_changed_and_keeps_it(path: Path, size: int) -> None:
    """16 KiB is what a new gallery has, 4 KiB what those of version 0.2.0 had."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (16384,)
        for statement in ("PRAGMA journal_mode = DELETE", f"PRAGMA page_size = {size}", "VACUUM"):
            db.execute(statement).fetchall()
    with opened(path) as gallery:
        before = {subject.label for subject in gallery.subjects()}
        fresh = code()
        new = gallery.enrol("Newcomer", [fresh])
    with opened(path) as gallery:
        assert {subject.label for subject in gallery.subjects()} == {*before, "Newcomer"}
        assert gallery.search(fresh)[0].subject == new.id
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA page_size").fetchone() == (size,)

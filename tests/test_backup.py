"""A backup is for its operator only, holds no key of the device, and comes back whole, here or on another device."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyrage
import pytest

from edge.errors import GalleryError
from edge.gallery import AlteredGalleryError, BusyGalleryError, Gallery, open_gallery
from edge.gallery.backup import MOST_HEADER, BackupError, Restored, name_of, new_identity, restore, surplus, write_backup
from edge.keys import Keyring
from tests.test_gallery import KEYRING, NETWORK, code
from tests.test_gallery_faults import file_size_limit

ROOT = Path(__file__).parent.parent
ANA, BEN = code(), code()
OTHER_KEYS = Keyring(bytes(range(1, 33)), "elsewhere", "door")


def opened(path: Path, keyring: Keyring = KEYRING, device: str = "device") -> Gallery:
    return open_gallery(path, keyring, NETWORK, device, witness=path.with_name("head"), patience=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "gallery.db") as gallery:
        gallery.enrol("Ana", [ANA, code()])
        gallery.enrol("Ben", [BEN])
    return tmp_path / "gallery.db"


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    new_identity(tmp_path / "operator.txt")
    return tmp_path / "operator.txt"


def recipient(identity: Path) -> str:
    return identity.read_text().split()[3]


@pytest.fixture
def backup(path: Path, identity: Path) -> Path:
    target = path.with_name("backup.age")
    with opened(path) as gallery:
        write_backup(gallery, target, KEYRING, NETWORK, "device", [recipient(identity)])
    return target


def names(gallery: Gallery) -> list[str]:
    return [subject.label for subject in gallery.subjects()]


def restored(backup: Path, identity: Path, path: Path, keys: Keyring = KEYRING, device: str = "device", **how: bool) -> Restored:
    return restore(backup, identity, path, keys, device, witness=path.with_name("head"), **{"replace": False, **how})


def test_on_another_device_with_other_keys_everybody_is_there(backup: Path, identity: Path, path: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    place = tmp_path / "new" / "gallery.db"
    with opened(path) as old:
        ids = [subject.id for subject in old.subjects()]
    with pytest.raises(BackupError, match="says it is from device device, but was not written with this device's present keys"):
        restored(backup, identity, place, OTHER_KEYS, "door-2")
    assert not place.exists()
    done = restored(backup, identity, place, OTHER_KEYS, "door-2", elsewhere=True)
    assert (done.facts.device, done.subjects, done.revoked) == ("device", 2, ())
    with opened(place, OTHER_KEYS, "door-2") as gallery:
        assert gallery.altered is None
        assert [subject.id for subject in gallery.subjects()] == ids
        assert [gallery.search(each)[0].dissimilarity for each in (ANA, BEN)] == [0, 0]
        assert gallery.verify().sound


def test_in_place_of_a_gallery_only_where_wanted_and_that_one_is_kept(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as gallery:
        gallery.enrol("Cleo", [code()])
    with pytest.raises(BackupError, match="is there already: restore with --replace"):
        restored(backup, identity, path)
    restored(backup, identity, path, replace=True)
    with opened(path) as gallery:
        assert names(gallery) == ["Ana", "Ben"]
        assert gallery.altered is None  # counts on from what the witness has seen
    kept = [each for each in path.parent.iterdir() if each.name.startswith("gallery.db.2")]
    assert len(kept) == 1
    with open_gallery(kept[0], KEYRING, NETWORK, "device", create=False) as gallery:
        assert names(gallery) == ["Ana", "Ben", "Cleo"]


def test_at_no_moment_of_a_restore_is_there_no_gallery(backup: Path, identity: Path, path: Path) -> None:
    """Killed in between, it would leave a door that makes a new, empty one."""
    there: list[bool] = []
    watching = True
    sys.addaudithook(lambda event, _: there.append(path.exists()) if watching and event == "os.rename" else None)
    restored(backup, identity, path, replace=True)
    watching = False
    assert len(there) >= 1
    assert all(there)


def test_who_was_revoked_since_stays_revoked(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    assert restored(backup, identity, path, replace=True).revoked == ("Ana",)
    with opened(path) as gallery:
        assert names(gallery) == ["Ben"]
        assert gallery.search(ANA)[0].dissimilarity > 300


def test_where_nobody_can_say_who_was_revoked_since_it_takes_a_word_more(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    path.write_bytes(path.read_bytes()[:4096])
    with pytest.raises(BackupError, match=r"its revocations cannot be read .*whoever was revoked since .* --forget-revocations"):
        restored(backup, identity, path, replace=True)
    assert path.stat().st_size == 4096, "left as it was"
    assert [each.name for each in path.parent.iterdir() if "draft" in each.name] == []
    done = restored(backup, identity, path, replace=True, forget=True)
    assert "its revocations cannot be read" in str(done.unread)
    with opened(path) as gallery:
        assert names(gallery) == ["Ana", "Ben"]


def test_a_gallery_damaged_elsewhere_still_says_who_was_revoked(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE head")
    done = restored(backup, identity, path, replace=True)
    assert (done.revoked, done.unread) == (("Ana",), None)


def test_a_damaged_id_among_the_revoked_lets_nobody_else_back_in(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO revocations VALUES (CAST(x'00ff' AS TEXT), x'00')")
    done = restored(backup, identity, path, replace=True)
    assert (done.revoked, done.unread) == (("Ana",), None)


def test_where_no_gallery_lies_it_is_told_that_nobody_knows_who_was_revoked(backup: Path, identity: Path, path: Path) -> None:
    for each in path.parent.glob("gallery.db*"):
        each.unlink()
    assert "is not there, and with it the revocations" in str(restored(backup, identity, path).unread)


NOW = datetime(2026, 3, 1, 2, 0, tzinfo=timezone.utc)


def test_only_backups_with_a_name_that_this_device_made_are_counted_and_removed(tmp_path: Path) -> None:
    ours = [tmp_path / name_of(KEYRING, NOW + timedelta(days=day)) for day in range(4)]
    copied = ours[0].name.partition("Z-")[2]
    planted = ["gallery-99991231T235959Z.age", f"gallery-99991231T235959Z-{'0' * 32}.age", f"gallery-99991231T235959Z-{copied}"]
    planted += [name_of(OTHER_KEYS, NOW + timedelta(days=9)), "gallery-9.age"]
    for path in [*ours, *(tmp_path / name for name in planted)]:
        path.touch()
    assert surplus(tmp_path, KEYRING, 2, ours[3]) == ours[:2]
    assert surplus(tmp_path, KEYRING, 4, ours[3]) == []
    assert surplus(tmp_path, KEYRING, 1, ours[0]) == ours[1:], "a clock set back does not remove what was just made"


_RESTORER = """
import sys
from pathlib import Path
from edge.gallery.backup import restore
from edge.keys import Keyring
backup, identity, path = map(Path, sys.argv[1:])
print("ready", flush=True)
for _ in range(1000):
    restore(backup, identity, path, Keyring(bytes(range(32)), "site", "door"), "device", witness=path.with_name("head"), replace=True)
"""


def test_killed_at_any_moment_of_a_restore_there_is_one_whole_gallery_that_serves(backup: Path, identity: Path, path: Path) -> None:
    moments = random.Random(5)
    for _ in range(8):
        words = [sys.executable, "-c", _RESTORER, str(backup), str(identity), str(path)]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.0, 0.25))
        process.kill()
        process.wait()
        with opened(path) as gallery:
            assert gallery.altered is None
            assert names(gallery) == ["Ana", "Ben"]
            assert gallery.verify().sound


_KILLED_BETWEEN_MODES = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=DELETE").fetchall()
db.execute("PRAGMA synchronous=OFF").fetchall()
db.execute("BEGIN IMMEDIATE")
db.execute("DELETE FROM revocations")
db.execute("DELETE FROM subjects")
os._exit(0)
"""


def test_a_journal_left_by_a_killed_restore_is_rolled_back_and_the_gallery_opens(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    for use in ("open", "restore"):
        subprocess.run([sys.executable, "-c", _KILLED_BETWEEN_MODES, str(path)], check=True)
        assert path.with_name("gallery.db-journal").stat().st_size > 0
        if use == "restore":
            assert restored(backup, identity, path, replace=True).revoked == ("Ana",)
        with opened(path) as gallery:
            assert (names(gallery), gallery.altered) == (["Ben"], None)


def test_what_another_program_does_to_the_draft_of_a_restore_is_not_signed(backup: Path, identity: Path, path: Path) -> None:
    """Somebody is taken out of it between its recoding and its signature."""
    before, meddling = path.read_bytes(), False

    def meddle(event: str, words: tuple[object, ...]) -> None:
        nonlocal meddling
        if not watching or meddling or event != "sqlite3.connect" or not (drafts := list(path.parent.glob("*.draft"))):
            return
        meddling = True
        with closing(sqlite3.connect(drafts[0])) as db, db:
            if db.execute("SELECT device FROM meta").fetchall() == [("device",)]:
                db.execute("DELETE FROM templates WHERE id = (SELECT min(id) FROM templates)")
        meddling = False

    watching = True
    sys.addaudithook(meddle)
    try:
        with pytest.raises(AlteredGalleryError, match="was changed by another program just now: restore again"):
            restored(backup, identity, path, replace=True)
    finally:
        watching = False
    assert path.read_bytes() == before


def test_not_while_a_door_has_the_gallery_open(backup: Path, identity: Path, path: Path) -> None:
    with opened(path) as door:
        with pytest.raises(BusyGalleryError):
            restored(backup, identity, path, replace=True)
        door.refresh()
        assert door.search(ANA)[0].dissimilarity == 0


def test_the_backup_holds_no_key_of_the_device_and_nothing_lies_open(backup: Path, identity: Path, path: Path) -> None:
    plain = pyrage.decrypt(backup.read_bytes(), [pyrage.x25519.Identity.from_str(identity.read_text().split()[-1])])
    device_keys = [
        KEYRING.row_key(1),
        KEYRING.transform_key(1),
        KEYRING.label_key(),
        KEYRING.head_key(),
        KEYRING.check_value(),
        bytes(range(32)),
    ]
    assert not any(key in plain or key.hex().encode() in plain for key in device_keys)
    with closing(sqlite3.connect(path)) as db:
        rows = [row for (row,) in db.execute("SELECT template FROM templates")]
    assert len(rows) == 3
    assert not any(row[20:60] in plain for row in rows)
    assert b"Ana" not in plain
    assert b"SQLite format 3" not in backup.read_bytes()
    assert [each.name for each in path.parent.iterdir() if "draft" in each.name] == []
    assert {each.stat().st_mode & 0o777 for each in (backup, identity)} == {0o600}


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 40)


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(bytes(raw))


def foreign(path: Path) -> None:
    identity = pyrage.x25519.Identity.from_str(path.with_name("operator.txt").read_text().split()[-1])
    path.write_bytes(pyrage.encrypt(b"a letter\nto somebody", [identity.to_public()]))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (cut, "is damaged, or not encrypted to"),
    "flipped": (flipped, "is damaged, or not encrypted to"),
    "text": (lambda path: path.write_text("hello"), "is damaged, or not encrypted to"),
    "foreign": (foreign, "opens, but is no backup of a gallery"),
    "missing": (lambda path: path.unlink(), "does not exist"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_backup_is_told_and_the_gallery_left_alone(backup: Path, identity: Path, path: Path, damage: str) -> None:
    act, message = DAMAGE[damage]
    act(backup)
    with pytest.raises(BackupError, match=message):
        restored(backup, identity, path, replace=True)
    with opened(path) as gallery:
        assert names(gallery) == ["Ana", "Ben"]
    assert [each.name for each in path.parent.iterdir() if "draft" in each.name] == []


def test_another_operator_opens_nothing(backup: Path, path: Path, tmp_path: Path) -> None:
    new_identity(tmp_path / "other.txt")
    with pytest.raises(BackupError, match=r"not encrypted to .*other\.txt"):
        restored(backup, tmp_path / "other.txt", path, replace=True)
    for content in ("", "AGE-SECRET-KEY-1NONSENSE\n", "# nothing"):
        (tmp_path / "bad.txt").write_text(content)
        with pytest.raises(BackupError, match="holds no sound AGE-SECRET-KEY-1"):
            restored(backup, tmp_path / "bad.txt", path, replace=True)
    with pytest.raises(BackupError, match="cannot be read"):
        restored(backup, tmp_path / "absent.txt", path, replace=True)


def test_a_backup_forged_for_the_operator_by_somebody_without_the_keys_is_refused(path: Path, identity: Path, tmp_path: Path) -> None:
    """The recipient is no secret: here a stranger writes a sound backup in this device's name, with himself in it."""
    (tmp_path / "forger").mkdir()
    with opened(tmp_path / "forger" / "gallery.db", OTHER_KEYS) as forger:
        forger.enrol("Eve", [code()])
        write_backup(forger, tmp_path / "forged.age", OTHER_KEYS, NETWORK, "device", [recipient(identity)])
    with pytest.raises(BackupError, match="make sure where it comes from, then restore with --from-elsewhere"):
        restored(tmp_path / "forged.age", identity, path, replace=True)
    with opened(path) as gallery:
        assert names(gallery) == ["Ana", "Ben"]


def test_a_forged_backup_that_never_comes_to_the_end_of_its_header_is_not_read_to_its_own(path: Path, identity: Path) -> None:
    endless = pyrage.encrypt(b"x" * (MOST_HEADER + 1), [pyrage.x25519.Recipient.from_str(recipient(identity))])
    path.with_name("endless.age").write_bytes(endless)
    with pytest.raises(BackupError, match="is damaged, or not encrypted to"):
        restored(path.with_name("endless.age"), identity, path, replace=True)


@pytest.mark.parametrize(("recipients", "message"), [([], "no recipient"), (["age1nonsense"], r"backup recipient: .*expected age1")])
def test_no_backup_is_written_to_nobody(path: Path, recipients: list[str], message: str) -> None:
    with opened(path) as gallery, pytest.raises(BackupError, match=message):
        write_backup(gallery, path.with_name("b.age"), KEYRING, NETWORK, "device", recipients)
    assert not path.with_name("b.age").exists()


def test_neither_a_backup_nor_an_identity_is_written_over_another(backup: Path, identity: Path, path: Path) -> None:
    before = (backup.read_bytes(), identity.read_bytes())
    with opened(path) as gallery, pytest.raises(BackupError, match="exists already"):
        write_backup(gallery, backup, KEYRING, NETWORK, "device", [recipient(identity)])
    with pytest.raises(BackupError, match="File exists"):
        new_identity(identity)
    assert (backup.read_bytes(), identity.read_bytes()) == before


def test_an_altered_gallery_is_not_backed_up_and_a_damaged_reference_is_left_out(path: Path, identity: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE templates SET template = x'00' WHERE id = (SELECT min(id) FROM templates)")
    with opened(path) as gallery:
        write_backup(gallery, path.with_name("b.age"), KEYRING, NETWORK, "device", [recipient(identity)])
    (path.parent / "new").mkdir()
    restored(path.with_name("b.age"), identity, path.parent / "new" / "gallery.db")
    with opened(path.parent / "new" / "gallery.db") as gallery:
        assert (len(gallery), gallery.verify().sound) == (2, True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM templates WHERE id = (SELECT min(id) FROM templates)")
    with opened(path) as gallery, pytest.raises(AlteredGalleryError):
        write_backup(gallery, path.with_name("c.age"), KEYRING, NETWORK, "device", [recipient(identity)])
    assert not path.with_name("c.age").exists()


@pytest.mark.parametrize("room", [20_000, 53_400])
def test_a_full_disk_leaves_no_half_backup(path: Path, identity: Path, room: int) -> None:
    """While the copy is made, and while it is encrypted."""
    with opened(path) as gallery, file_size_limit(room), pytest.raises(GalleryError, match=r"make room|has no room|has room"):
        write_backup(gallery, path.with_name("b.age"), KEYRING, NETWORK, "device", [recipient(identity)])
    assert [each.name for each in path.parent.iterdir() if "draft" in each.name or each.name == "b.age"] == []

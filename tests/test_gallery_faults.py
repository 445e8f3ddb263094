"""Bad files, bad rows, bad disks, other processes and sudden ends: told clearly, contained, and no committed reference lost."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge.errors import GalleryError, KeySourceError
from edge.gallery import (
    BusyGalleryError,
    DamagedGalleryError,
    ForeignFileError,
    Gallery,
    MissingGalleryError,
    NetworkId,
    NewerGalleryError,
    OtherDeviceError,
    OtherNetworkError,
    ReplacedGalleryError,
    UnwritableGalleryError,
    WrongKeyError,
    open_gallery,
)
from edge.keys import Keyring
from edge.records import Code

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
SHA256 = "ab" * 32
NETWORK = NetworkId(SHA256, 512, 8)
KEYRING = Keyring(bytes(range(32)), "site", "door")
PEOPLE = ("Ana", "Ben", "Cleo")
CODES = {name: Code(np.random.default_rng(i).integers(0, 8, 512, dtype=np.uint8), 8) for i, name in enumerate((*PEOPLE, "Dan"))}


def opened(path: Path, *, keyring: Keyring = KEYRING, network: NetworkId = NETWORK, device: str = "device", create: bool = True) -> Gallery:
    return open_gallery(path, keyring, network, device, create=create, patience=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed gallery of three subjects with two references each; the second is three symbols off."""
    path = tmp_path / "gallery.db"
    with opened(path) as gallery:
        for name in PEOPLE:
            other = CODES[name].symbols.copy()
            other[:3] ^= 1
            gallery.enrol(name, [CODES[name], Code(other, 8)])
    return path


def found(gallery: Gallery) -> list[str]:
    """Whose code still finds him at distance 0."""
    names = {subject.id: subject.label for subject in gallery.subjects()}
    best = {name: gallery.search(CODES[name], limit=1) for name in PEOPLE}
    return [name for name in PEOPLE if any(one.dissimilarity == 0 and names[one.subject] == name for one in best[name])]


def altered(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


def rows(path: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


def overwritten(path: Path, offset: int, content: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:offset] + content + whole[offset + len(content) :])


def edit(sql: str) -> Callable[[Path], None]:
    return lambda path: altered(path, sql)


def foreign(path: Path) -> None:
    path.unlink()
    altered(path, "CREATE TABLE meta (id)")


REFUSED: dict[str, tuple[Callable[[Path], object], type[GalleryError], str]] = {
    "empty": (lambda path: os.truncate(path, 0), DamagedGalleryError, r"is empty \(0 bytes\): restore a backup, or remove it"),
    "text": (lambda path: path.write_text("names\n" * 99), ForeignFileError, "is no SQLite database: name another file"),
    "cut in the header": (lambda path: os.truncate(path, 50), DamagedGalleryError, r"is cut short \(50 bytes\): restore a backup"),
    "cut after a page": (lambda path: os.truncate(path, 4096), DamagedGalleryError, r"is cut short \(4096 of \d+ bytes\): restore"),
    "cut in the last page": (lambda path: os.truncate(path, path.stat().st_size - 1), DamagedGalleryError, "is cut short"),
    "foreign": (foreign, ForeignFileError, r"database of another program \(application id 0x00000000\): name another file"),
    "newer file": (edit("PRAGMA user_version = 4"), NewerGalleryError, "has format 4, this program knows 3: update"),
    "no version": (edit("PRAGMA user_version = 0"), DamagedGalleryError, "has no format number: restore a backup"),
    "newer templates": (edit("UPDATE meta SET format = 2"), NewerGalleryError, "templates of format 2, this program"),
    "no facts": (edit("DELETE FROM meta"), DamagedGalleryError, "table meta is damaged: restore a backup"),
    "no sizes": (edit("UPDATE meta SET m = 7"), DamagedGalleryError, "table meta is damaged: restore a backup"),
    "no table": (edit("DROP TABLE meta"), DamagedGalleryError, "is damaged: restore a backup"),
    "trigger": (edit("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM meta; END"), DamagedGalleryError, "holds t, not made by"),
    "noise in the pages": (lambda path: overwritten(path, 4096, b"\xa5" * 4096 * 3), DamagedGalleryError, "is damaged: restore a backup"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_an_unusable_file_is_refused_with_the_way_out_and_left_alone(path: Path, fault: str) -> None:
    damage, kind, message = REFUSED[fault]
    damage(path)
    before = path.read_bytes()
    with pytest.raises(kind, match=message) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("other", "kind", "message"),
    [
        ({"network": NetworkId("cd" * 32, 512, 8)}, OtherNetworkError, r"network abababababab .* not cdcdcdcdcdcd .*: use that network"),
        ({"network": NetworkId(SHA256, 256, 8)}, OtherNetworkError, r"\(512 symbols of 8\), not abababababab \(256 symbols of 8\)"),
        ({"network": NetworkId(SHA256, 512, 16)}, OtherNetworkError, r"not abababababab \(512 symbols of 16\)"),
        ({"keyring": Keyring(bytes(32), "site", "door")}, WrongKeyError, "another root key, site or application: restore the right key"),
        ({"keyring": Keyring(bytes(range(32)), "elsewhere", "door")}, WrongKeyError, "another root key, site or application"),
        ({"device": "other"}, OtherDeviceError, "belongs to device device, this is other: use it there, or enrol"),
    ],
    ids=["network", "m", "q", "key", "site", "device"],
)
def test_a_gallery_of_other_facts_is_refused_and_left_alone(path: Path, other: dict, kind: type[GalleryError], message: str) -> None:
    before = path.read_bytes()
    with pytest.raises(kind, match=message):
        opened(path, **other)
    assert path.read_bytes() == before
    with opened(path) as gallery:
        assert found(gallery) == list(PEOPLE)


def test_a_wrong_key_counts_as_a_key_error_and_as_a_gallery_error(path: Path) -> None:
    with pytest.raises(KeySourceError) as caught:
        opened(path, keyring=Keyring(bytes(32), "site", "door"))
    assert (isinstance(caught.value, GalleryError), caught.value.exit_code) == (True, KeySourceError.exit_code)


def test_a_missing_gallery_is_made_only_if_wanted(tmp_path: Path) -> None:
    with pytest.raises(MissingGalleryError, match="does not exist: check the path, or enrol somebody"):
        opened(tmp_path / "gallery.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_folders_are_no_galleries_and_are_not_made(tmp_path: Path) -> None:
    with pytest.raises(UnwritableGalleryError, match="cannot be read"):
        opened(tmp_path)
    with pytest.raises(UnwritableGalleryError, match=r"cannot be created .*: check that its folder exists"):
        opened(tmp_path / "absent" / "gallery.db")


def test_a_left_over_journal_is_not_mixed_into_a_new_gallery(path: Path) -> None:
    journal = path.with_name("gallery.db-wal")
    path.rename(path.with_name("elsewhere.db"))
    journal.write_bytes(b"old")
    with pytest.raises(DamagedGalleryError, match=r"is missing, yet its journal .*gallery\.db-wal is there"):
        opened(path)
    assert journal.read_bytes() == b"old"


def template(path: Path, name: str) -> tuple[str, str, bytes]:
    """(reference, subject, template) of one reference of a subject."""
    with opened(path) as gallery:
        subject = gallery.find(name).id
    return next(row for row in rows(path, "SELECT id, subject, template FROM templates ORDER BY id") if row[1] == subject)


def edited(path: Path, edit: Callable[[bytes], bytes]) -> None:
    reference, _, sealed = template(path, "Ana")
    altered(path, "UPDATE templates SET template = ? WHERE id = ?", edit(sealed), reference)


def flip(path: Path) -> None:
    edited(path, lambda sealed: sealed[:40] + bytes([sealed[40] ^ 4]) + sealed[41:])


def cut(path: Path) -> None:
    edited(path, lambda sealed: sealed[:-1])


def narrow(path: Path) -> None:
    edited(path, lambda sealed: sealed[:1] + (190).to_bytes(2, "big") + sealed[3:-2])


def renamed(path: Path) -> None:
    altered(path, "UPDATE templates SET id = ? WHERE id = ?", "0" * 32, template(path, "Ana")[0])


def moved(path: Path) -> None:
    """Ana's reference given to Ben: Ana would pass as Ben."""
    altered(path, "UPDATE templates SET subject = ? WHERE id = ?", template(path, "Ben")[1], template(path, "Ana")[0])


def copied(path: Path) -> None:
    altered(path, "UPDATE templates SET template = ? WHERE id = ?", template(path, "Ana")[2], template(path, "Ben")[0])


def added(path: Path) -> None:
    """A reference of the same person from a gallery of another device with the same root key."""
    with opened(path.with_name("other.db"), device="other") as other:
        other.enrol("Ana", [CODES["Ana"]])
    ((sealed,),) = rows(path.with_name("other.db"), "SELECT template FROM templates")
    altered(path, "INSERT INTO templates VALUES (?, ?, ?)", "f" * 32, template(path, "Ana")[1], sealed)


@pytest.mark.parametrize("damage", [flip, cut, narrow, renamed, moved, copied, added], ids=lambda damage: damage.__name__)
def test_a_damaged_row_is_told_never_matches_and_hides_nobody(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    with opened(path) as gallery:
        assert bool(gallery.altered) == (damage in (renamed, added))
        gallery.accept()
        assert [one.reference in one.reason for one in gallery.damaged] == [True]
        assert gallery.damaged[0].reference in {row[0] for row in rows(path, "SELECT id FROM templates")}
        for name in PEOPLE:
            best = gallery.search(CODES[name])[0]
            assert best.dissimilarity <= 3
            assert best.subject == gallery.find(name).id
            assert gallery.damaged[0].reference not in {one.reference for one in gallery.search(CODES[name])}
        report = gallery.verify()
        assert report.damaged == gallery.damaged
        assert not report.sound


def test_damage_done_while_running_is_told_by_verify_and_does_not_reach_ram(path: Path) -> None:
    with opened(path) as gallery:
        flip(path)
        gallery.refresh()
        assert found(gallery) == list(PEOPLE)
        assert len(gallery.verify().damaged) == 1


def test_renewing_keeps_a_damaged_row_and_new_codes_replace_it(path: Path) -> None:
    flip(path)
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        gallery.renew(ana, None)
        assert len(gallery.damaged) == 1
        assert gallery.find("Ana").references == 1
        gallery.renew(ana, [CODES["Ana"]])
        assert gallery.damaged == ()
        assert gallery.verify().sound


def test_nothing_is_renewed_or_rotated_from_damage_alone(path: Path) -> None:
    altered(path, "UPDATE templates SET template = x'00' WHERE subject = ?", template(path, "Ana")[1])
    before = sorted(rows(path, "SELECT * FROM templates"))
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
        with pytest.raises(GalleryError, match=f"no reference of subject {ana} can be opened: enrol again"):
            gallery.renew(ana, None)
        with pytest.raises(GalleryError, match="damaged: 2 references: revoke or renew their subjects first"):
            gallery.rotate()
        assert sorted(rows(path, "SELECT * FROM templates")) == before
        assert found(gallery) == ["Ben", "Cleo"]


def test_swapped_names_let_nobody_in_under_another_name(path: Path) -> None:
    """Their references stop matching, the rest goes on."""
    ana, ben = template(path, "Ana")[1], template(path, "Ben")[1]
    sealed = dict(rows(path, "SELECT id, sealed FROM subjects"))
    altered(path, "UPDATE subjects SET sealed = ? WHERE id = ?", sealed[ben], ana)
    altered(path, "UPDATE subjects SET sealed = ? WHERE id = ?", sealed[ana], ben)
    with opened(path) as gallery:
        assert found(gallery) == ["Cleo"]
        assert {one.subject for one in gallery.search(CODES["Ana"])} == {gallery.find("Cleo").id}
        assert {one.subject for one in gallery.damaged} == {ana, ben}
        assert len(gallery.verify().problems) == 2
        gallery.revoke(ana)
        gallery.revoke(ben)
        assert gallery.verify().sound


def test_edited_epochs_open_no_row_and_lose_none(path: Path) -> None:
    altered(path, "UPDATE meta SET row_epoch = 2")
    with opened(path) as gallery:
        assert found(gallery) == []
        assert len(gallery.damaged) == 6
    altered(path, "UPDATE meta SET row_epoch = 1")
    with opened(path) as gallery:
        assert found(gallery) == list(PEOPLE)


def test_altered_events_and_revocations_are_counted_and_not_shown(path: Path) -> None:
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
        altered(path, "UPDATE events SET sealed = (SELECT sealed FROM events WHERE id = 2) WHERE id = 1")
        altered(path, "UPDATE revocations SET sealed = x'00'")
        assert [event.kind for event in gallery.events()] == ["revoked", "enrolled", "enrolled"]
        problems = " ".join(gallery.verify().problems)
        assert "1 event: altered" in problems
        assert "revocation" in problems


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file may grow beyond ``size``: the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_FSIZE, before)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        yield


def test_a_full_disk_refuses_the_new_and_keeps_the_old(path: Path) -> None:
    """All or nothing, RAM in step with the file, and it goes on when there is room."""
    with opened(path) as gallery:
        gallery.record("unknown")
        with file_size_limit(64 << 10), pytest.raises(UnwritableGalleryError, match=r"make room|has no room"):
            gallery.enrol("Dan", [CODES["Dan"]] * 400)
        assert found(gallery) == list(PEOPLE)
        assert [subject.label for subject in gallery.subjects()] == list(PEOPLE)
        assert len(gallery.rows) == 6
    with opened(path) as gallery:
        assert gallery.verify().sound
        assert len(gallery.rows) == 6
        assert gallery.enrol("Dan", [CODES["Dan"]] * 400).references == 400


def test_a_full_disk_gets_no_half_gallery(tmp_path: Path) -> None:
    with file_size_limit(8 << 10), pytest.raises(UnwritableGalleryError, match=r"make room|has no room"):
        opened(tmp_path / "gallery.db")
    assert list(tmp_path.iterdir()) == []
    with opened(tmp_path / "gallery.db") as gallery:
        assert gallery.verify().sound


@contextmanager
def as_ordinary_user(*places: Path) -> Iterator[None]:
    """Root may write everywhere, so he becomes nobody for a while."""
    before = os.geteuid()
    if before == 0:
        for place in places:
            os.chown(place, 65534, 65534)
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def reachable(path: Path) -> Iterator[Path]:
    """The gallery in a folder that any user can reach."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copy(path, folder))
        Path(folder).chmod(0o755)


def test_a_read_only_folder_or_file_is_refused_by_name(reachable: Path) -> None:
    reachable.parent.chmod(0o555)
    with as_ordinary_user(reachable, reachable.parent):
        with pytest.raises(UnwritableGalleryError, match=rf"{reachable.parent} is read-only for user \d+: .*give this user both"):
            opened(reachable)
        with pytest.raises(UnwritableGalleryError, match="cannot be created"):
            opened(reachable.with_name("new.db"))
        reachable.parent.chmod(0o755)
        reachable.chmod(0o400)
        with pytest.raises(UnwritableGalleryError, match=rf"{reachable} is read-only"):
            opened(reachable)
        closed = reachable.rename(reachable.with_name("never opened.db"))
        shutil.copy(closed, reachable)
        reachable.chmod(0o000)
        with pytest.raises(UnwritableGalleryError, match="cannot be read"):
            opened(reachable)
        reachable.chmod(0o600)
        with opened(reachable) as gallery:
            assert found(gallery) == list(PEOPLE)


def test_a_file_replaced_while_open_is_noticed(path: Path) -> None:
    """Else this process would go on with references that were revoked in the other file."""
    with opened(path) as gallery:
        shutil.copy(path, path.with_name("copy"))
        path.with_name("copy").replace(path)
        for use in (gallery.refresh, lambda: gallery.record("unknown")):
            with pytest.raises(ReplacedGalleryError, match="was moved, removed or replaced while in use: start this program again"):
                use()
        path.unlink()
        with pytest.raises(ReplacedGalleryError):
            gallery.refresh()


ENROLLER = f"""
import sys
import numpy as np
from edge.gallery import NetworkId, open_gallery
from edge.keys import Keyring
from edge.records import Code
random = np.random.default_rng(int(sys.argv[2]))
with open_gallery(sys.argv[1], Keyring(bytes(range(32)), "site", "door"), NetworkId("{SHA256}", 512, 8), "device") as gallery:
    for i in range(int(sys.argv[3])):
        codes = [Code(row, 8) for row in random.integers(0, 8, (2, 512), dtype=np.uint8)]
        print(gallery.enrol(f"{{sys.argv[2]}}-{{i}}", codes).id, flush=True)
"""


def enroller(path: Path, seed: int, count: int) -> subprocess.Popen[str]:
    """A process that enrols ``count`` subjects, two references each, and prints each id when it is committed."""
    command = [sys.executable, "-c", ENROLLER, str(path), str(seed), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


def test_two_processes_may_make_and_fill_one_gallery(tmp_path: Path) -> None:
    path = tmp_path / "gallery.db"
    both = [enroller(path, seed, 15) for seed in (1, 2)]
    printed = [process.communicate(timeout=60)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    with opened(path) as gallery:
        assert {subject.id for subject in gallery.subjects()} == {*printed[0], *printed[1]}
        assert len(gallery.rows) == 60
        assert gallery.verify().sound
    assert [file.name for file in tmp_path.iterdir()] == ["gallery.db"]


def test_an_enrolment_killed_half_way_loses_no_committed_reference(tmp_path: Path) -> None:
    """kill -9 at six different moments; each subject that was reported is there, whole, and nobody is there by half."""
    path, reported = tmp_path / "gallery.db", set()
    for round_ in range(6):
        process = enroller(path, round_, 10_000)
        for _ in range(1 + 3 * round_):
            reported.add(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
        reported.update(line.strip() for line in process.stdout.readlines() if len(line) == 33)
        process.wait()
        process.stdout.close()
        with opened(path) as gallery:
            assert reported <= {subject.id for subject in gallery.subjects()}
            assert {subject.references for subject in gallery.subjects()} == {2}
            assert gallery.damaged == ()
    with opened(path) as gallery:
        assert gallery.verify().sound


def test_a_refused_gallery_keeps_the_journal_of_a_killed_process(tmp_path: Path) -> None:
    """Someone with the wrong key must not disturb what the journal still holds."""
    path = tmp_path / "gallery.db"
    process = enroller(path, 1, 10_000)
    first = process.stdout.readline().strip()
    process.kill()
    process.communicate()
    journal = path.with_name("gallery.db-wal")
    before = path.read_bytes(), journal.read_bytes()
    assert before[1]
    with pytest.raises(WrongKeyError):
        opened(path, keyring=Keyring(bytes(32), "site", "door"))
    assert (path.read_bytes(), journal.read_bytes()) == before
    with opened(path) as gallery:
        assert first in {subject.id for subject in gallery.subjects()}


def test_a_gallery_held_by_another_process_is_told(path: Path) -> None:
    with opened(path) as gallery, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyGalleryError, match="is held by another process: try again"):
            gallery.enrol("Dan", [CODES["Dan"]])
        assert found(gallery) == list(PEOPLE)
        other.execute("ROLLBACK")
        assert gallery.enrol("Dan", [CODES["Dan"]]).references == 1


def test_erasure_waits_for_a_reader_and_is_made_up_for(path: Path) -> None:
    """Revoked is revoked at once; the sealed remains in the journal go when the reader has left."""
    with opened(path) as gallery, closing(sqlite3.connect(path, isolation_level=None)) as reader:
        sealed = gallery.find("Ana")
        gallery.renew(sealed.id, None)
        remains = template(path, "Ana")[2]
        assert remains[20:60] in path.read_bytes()
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM templates").fetchall()
        gallery.revoke(sealed.id)
        assert found(gallery) == ["Ben", "Cleo"]
        assert gallery.erasure_pending
        gallery.refresh()
        assert gallery.erasure_pending
        reader.execute("ROLLBACK")
        gallery.refresh()
        assert not gallery.erasure_pending
        assert not any(remains[20:60] in file.read_bytes() for file in path.parent.iterdir())

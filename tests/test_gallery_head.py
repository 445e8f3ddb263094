"""The signed head and its witness: a reference added, removed or put back, or an old copy of the whole file, lets nobody in."""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from edge.gallery import AlteredGalleryError, DamagedGalleryError, Gallery, open_gallery
from edge.gallery.head import EMPTY, Head, Signer, xor
from edge.gallery.state import WITNESS_PAUSE
from edge.keys import Keyring
from edge.template.protect import TemplateError, derive
from tests.older_gallery import as_version_1
from tests.test_gallery import KEYRING, NETWORK, code

ANA, BEN = code(), code()
SIGNER = Signer(KEYRING.head_key())
IDS = st.text("0123456789abcdef", min_size=32, max_size=32)


def opened(path: Path, keyring: Keyring = KEYRING) -> Gallery:
    return open_gallery(path, keyring, NETWORK, "device", witness=path.with_name("gallery.head"), patience=0.2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "gallery.db") as gallery:
        gallery.enrol("Ana", [ANA])
        gallery.enrol("Ben", [BEN])
    return tmp_path / "gallery.db"


def altered(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(sql, values)


def template_of(path: Path, name: str) -> tuple[str, str, bytes]:
    with opened(path) as gallery:
        subject = gallery.find(name).id
    with closing(sqlite3.connect(path)) as db:
        row: tuple[str, str, bytes] = db.execute("SELECT * FROM templates WHERE subject = ?", (subject,)).fetchone()
    return row


def put_back_after_renewal(path: Path) -> None:
    old = template_of(path, "Ana")
    with opened(path) as gallery:
        gallery.renew(gallery.find("Ana").id, [code()])
    altered(path, "INSERT INTO templates VALUES (?, ?, ?)", *old)


def put_back_whole_file(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    copy.replace(path)


def put_back_head(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        ((head,),) = db.execute("SELECT sealed FROM head")
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ana").id)
    altered(path, "UPDATE head SET sealed = ?", head)


def other_gallery(path: Path) -> None:
    """A sound gallery of the same device and keys, made elsewhere."""
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    with opened(elsewhere / "gallery.db") as gallery:
        gallery.enrol("Ana", [ANA])
    (elsewhere / "gallery.db").replace(path)


def witness_as_folder(path: Path) -> None:
    path.with_name("gallery.head").unlink()
    path.with_name("gallery.head").mkdir()


NOT_SIGNED = "are not those that were signed"
ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a reference deleted": (lambda path: altered(path, "DELETE FROM templates WHERE id = ?", template_of(path, "Ben")[0]), NOT_SIGNED),
    "all references deleted": (lambda path: altered(path, "DELETE FROM templates"), NOT_SIGNED),
    "a renewed reference put back": (put_back_after_renewal, NOT_SIGNED),
    "an old signature put back": (put_back_head, NOT_SIGNED),
    "an old copy of the file put back": (put_back_whole_file, "is an old copy: it has seen 2 changes, the witness 3"),
    "another gallery of this device": (other_gallery, "is another gallery than the one that the witness"),
    "the signature deleted": (lambda path: altered(path, "DELETE FROM head"), "never signed, or the signature was removed"),
    "the signature edited": (lambda path: altered(path, "UPDATE head SET sealed = x'00'"), "signature does not open"),
    "the witness deleted": (lambda path: path.with_name("gallery.head").unlink(), "is missing, so nobody can say"),
    "the witness edited": (lambda path: path.with_name("gallery.head").write_bytes(b"?" * 156), "is altered or unreadable"),
    "the witness a folder": (
        lambda path: (path.with_name("gallery.head").unlink(), path.with_name("gallery.head").mkdir())[1],
        "unreadable",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_altered_gallery_lets_nobody_in_and_says_why(path: Path, attack: str) -> None:
    act, reason = ATTACKS[attack]
    act(path)
    with opened(path) as gallery:
        for refused in (lambda: gallery.search(ANA), lambda: gallery.enrol("Cleo", [code()]), lambda: gallery.rotate()):
            with pytest.raises(AlteredGalleryError, match=reason):
                refused()
        assert any(reason in problem for problem in gallery.verify().problems)
        assert {subject.label for subject in gallery.subjects()} <= {"Ana", "Ben"}


WHILE_RUNNING = (
    "a reference deleted",
    "all references deleted",
    "a renewed reference put back",
    "an old signature put back",
    "the signature deleted",
    "the signature edited",
)


@pytest.mark.parametrize("attack", WHILE_RUNNING)
def test_what_is_done_to_the_file_while_the_door_runs_is_noticed_at_its_next_frame(path: Path, attack: str) -> None:
    with opened(path) as running:
        ATTACKS[attack][0](path)
        running.refresh()
        with pytest.raises(AlteredGalleryError, match=ATTACKS[attack][1]):
            running.search(ANA)


def test_once_signed_again_as_it_is_a_gallery_serves_and_the_revoked_stay_out(path: Path) -> None:
    put_back_whole_file(path)
    with opened(path) as gallery:
        gallery.accept()
        assert gallery.search(ANA)[0].dissimilarity == 0
        assert gallery.counter == 4  # counts on from the newest that was seen
    with opened(path) as gallery:
        assert gallery.altered is None
        gallery.revoke(gallery.find("Ana").id)
    with opened(path) as gallery:
        assert gallery.search(ANA)[0].dissimilarity > 300


def test_rows_of_a_revoked_subject_put_back_from_a_copy_do_not_match_even_where_signed_as_they_are(path: Path) -> None:
    old = template_of(path, "Ana")
    with closing(sqlite3.connect(path)) as db:
        subject = db.execute("SELECT * FROM subjects WHERE id = ?", (old[1],)).fetchone()
    with opened(path) as gallery:
        gallery.revoke(old[1])
    altered(path, "INSERT INTO subjects VALUES (?, ?, ?)", *subject)
    altered(path, "INSERT INTO templates VALUES (?, ?, ?)", *old)
    with opened(path) as gallery:
        with pytest.raises(AlteredGalleryError, match="added, removed or put back"):
            gallery.search(BEN)
        gallery.accept()
        assert [gallery.search(each)[0].dissimilarity == 0 for each in (ANA, BEN)] == [False, True]
        assert [one.reference for one in gallery.damaged] == [old[0]]
        assert any(f"subject {old[1]}: is revoked, yet" in problem for problem in gallery.verify().problems)


def test_a_revocation_of_exactly_what_did_not_belong_makes_it_whole(path: Path) -> None:
    altered(path, "INSERT INTO templates VALUES (?, ?, x'00')", "f" * 32, "e" * 32)
    with opened(path) as gallery:
        gallery.revoke("e" * 32)
        gallery.refresh()
        assert gallery.altered is None
        gallery.revoke(gallery.find("Ana").id)
        assert gallery.search(BEN)[0].dissimilarity == 0


def double(path: Path, table: str, row: tuple[str, str, bytes]) -> None:
    altered(path, f"INSERT INTO {table} VALUES (?, ?, ?)", *row)


def revoked_and_put_back(path: Path, subject: tuple[str, bytes, str]) -> None:
    """The person's record comes back, and the note of the revocation goes."""
    altered(path, "DELETE FROM revocations")
    altered(path, "INSERT INTO subjects VALUES (?, ?, ?)", *subject)


def subject_of(path: Path, identity: str) -> tuple[str, bytes, str]:
    with closing(sqlite3.connect(path)) as db:
        row: tuple[str, bytes, str] = db.execute("SELECT * FROM subjects WHERE id = ?", (identity,)).fetchone()
    return row


def test_a_reference_put_back_into_both_tables_does_not_cancel_itself_out_of_the_sum(path: Path) -> None:
    """Found by review: in the XOR of a set an id that comes twice would leave no trace."""
    old = template_of(path, "Ana")
    subject = subject_of(path, old[1])
    with opened(path) as gallery:
        gallery.revoke(old[1])
    revoked_and_put_back(path, subject)
    for table in ("templates", "former"):
        double(path, table, old)
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
        gallery.search(ANA)


def test_a_revocation_in_an_altered_gallery_signs_nobody_in(path: Path) -> None:
    """Found by review: a renewed person's old reference, put back and then revoked with the person, must not become part of the sum."""
    old = template_of(path, "Ana")
    subject = subject_of(path, old[1])
    with opened(path) as gallery:
        gallery.renew(old[1], [code()])
    double(path, "templates", old)
    with opened(path) as gallery:
        gallery.revoke(old[1])
    revoked_and_put_back(path, subject)
    double(path, "templates", old)
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
        gallery.search(ANA)


def test_a_revocation_of_somebody_else_in_an_altered_gallery_signs_nobody_in(path: Path) -> None:
    old = template_of(path, "Ana")
    with opened(path) as gallery:
        gallery.renew(old[1], [code()])
    double(path, "templates", old)
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ben").id)
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
        gallery.search(ANA)


def test_an_old_copy_does_not_catch_up_by_a_revocation(path: Path) -> None:
    put_back_whole_file(path)
    with opened(path) as gallery:
        gallery.revoke(gallery.find("Ben").id)
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match="is an old copy"):
        gallery.search(ANA)


def written_over(path: Path, by: Path) -> None:
    """The file's content is that of another now, its place on the disk is not: who has it open goes on with it."""
    with closing(sqlite3.connect(by)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)


def test_an_old_copy_that_is_news_to_a_running_door_is_found_out_all_the_same(path: Path) -> None:
    """It tells of a change that the door has not followed yet, and rightly; what came after it only the witness knows."""
    copy = path.with_name("copy.db")
    with opened(path) as door, opened(path) as operator:
        operator.enrol("Cleo", [code()])
        written_over(copy, path)
        operator.revoke(operator.find("Ana").id)
        written_over(path, copy)
        door.refresh()
        with pytest.raises(AlteredGalleryError, match="is an old copy: it has seen 3 changes, the witness 4"):
            door.search(ANA)


def test_what_was_altered_since_the_gallery_was_opened_is_not_copied(path: Path) -> None:
    with opened(path) as gallery:
        altered(path, "DELETE FROM templates WHERE subject = ?", gallery.find("Ben").id)
        with pytest.raises(AlteredGalleryError, match=NOT_SIGNED):
            gallery.copy_to(path.with_name("copy.db"))
        assert not path.with_name("copy.db").exists()


def test_an_index_of_somebody_else_is_refused(path: Path) -> None:
    """Found by review: a covering index can hold what the table does not."""
    altered(path, "CREATE INDEX other ON templates (subject, id, template)")
    with pytest.raises(DamagedGalleryError, match="holds other, not made by this program"):
        opened(path)


def test_a_witness_that_is_a_pipe_does_not_make_the_door_wait(path: Path) -> None:
    path.with_name("gallery.head").unlink()
    os.mkfifo(path.with_name("gallery.head"))
    with opened(path) as gallery, pytest.raises(AlteredGalleryError, match="is altered or unreadable"):
        gallery.search(ANA)


def test_every_change_of_references_counts_and_nothing_else_does(path: Path) -> None:
    with opened(path) as gallery:
        assert gallery.counter == 2
        gallery.record("unknown")
        assert gallery.counter == 2
        gallery.renew(gallery.find("Ana").id, None)
        gallery.rotate(transform=True)
        gallery.revoke(gallery.find("Ben").id)
        assert gallery.counter == 5
    with opened(path) as gallery:
        assert (gallery.altered, gallery.counter) == (None, 5)


LIES: dict[str, str | None] = {
    "true": None,
    "nothing": "DELETE FROM changes",
    "somebody else": "UPDATE changes SET subject = (SELECT id FROM subjects ORDER BY id LIMIT 1)",
    "nobody": "UPDATE changes SET subject = 'nobody'",
    "other numbers": "UPDATE changes SET counter = counter + 7",
}


@pytest.mark.parametrize("lie", LIES)
def test_whatever_the_file_tells_of_its_changes_they_are_followed_rightly(path: Path, lie: str) -> None:
    cleo = code()
    with opened(path) as door, opened(path) as operator:
        ana = operator.find("Ana").id
        operator.enrol("Cleo", [cleo])
        operator.renew(operator.find("Ben").id, [cleo, BEN])
        operator.revoke(ana)
        if sql := LIES[lie]:
            altered(path, sql)
        assert door.refresh()
        assert door.altered is None
        assert [subject.label for subject in door.subjects()] == ["Ben", "Cleo"]
        assert [door.search(each)[0].dissimilarity == 0 for each in (ANA, BEN, cleo)] == [False, True, True]
        assert len(door) == 3
        assert not door.refresh()


def looks(door: Gallery) -> int:
    """How many ids of references the next refresh of a door reads: none where it need not look at everything."""
    asked: list[str] = []
    connection = door._state.file.connection
    connection.set_trace_callback(asked.append)
    door.refresh()
    connection.set_trace_callback(None)
    return sum("FROM templates" in statement for statement in asked)


def test_an_event_of_another_process_costs_no_look_at_the_references(path: Path) -> None:
    with opened(path) as door, opened(path) as other:
        for turn in range(3):
            other.record("unknown")
            door.record("unknown")
            assert looks(door) == 0, turn
            assert (door.altered, door.search(ANA)[0].dissimilarity) == (None, 0)
        other.enrol("Cleo", [code()])
        other.record("unknown")
        door.refresh()
        assert len(door) == 3


EDITS = ("DELETE FROM templates", "INSERT INTO templates SELECT 'ab' || substr(id, 3), subject, template FROM templates LIMIT 1")


@pytest.mark.parametrize("event", [None, "copied", "forged", "own"])
@pytest.mark.parametrize("edit", EDITS, ids=["removed", "added"])
def test_an_edit_hides_behind_no_event_that_another_process_did_not_record(path: Path, edit: str, event: str | None) -> None:
    with opened(path) as door:
        door.record("unknown")
        altered(path, edit)
        if event == "own":
            door.record("unknown")
        elif event:
            sealed = "(SELECT sealed FROM events ORDER BY id DESC LIMIT 1)" if event == "copied" else "x'0011'"
            altered(path, f"INSERT INTO events SELECT max(id) + 1, {sealed} FROM events")
        assert looks(door) > 0
        with pytest.raises(AlteredGalleryError, match="are not those that were signed"):
            door.search(ANA)


def test_a_draft_of_the_witness_that_a_killed_process_left_goes_with_the_next_change(path: Path) -> None:
    left, other = path.with_name(f".gallery.head.{'0123456789abcdef'}.new"), path.with_name(".gallery.head.mine.new")
    left.touch()
    other.touch()
    with opened(path) as gallery:
        gallery.enrol("Cleo", [code()])
    assert (left.exists(), other.exists()) == (False, True)


def test_a_process_that_ended_between_change_and_witness_is_made_up_for(path: Path) -> None:
    witness = path.with_name("gallery.head")
    before = witness.read_bytes()
    with opened(path) as gallery:
        gallery.enrol("Cleo", [code()])
    witness.write_bytes(before)
    with opened(path) as gallery:
        assert gallery.altered is None
    assert SIGNER.open(witness.read_bytes(), "witness").counter == 3


def test_a_witness_that_cannot_be_written_stops_no_change_and_is_made_up_for(tmp_path: Path) -> None:
    folder = tmp_path / "other disk"
    folder.mkdir()
    with open_gallery(tmp_path / "gallery.db", KEYRING, NETWORK, "device", witness=folder / "head") as gallery:
        folder.rename(tmp_path / "gone")
        gallery.enrol("Ana", [ANA])
        assert gallery.witness_pending
        assert gallery.search(ANA)[0].dissimilarity == 0
        (tmp_path / "gone").rename(folder)
        until = time.monotonic() + 2 * WITNESS_PAUSE
        while gallery.witness_pending and time.monotonic() < until:
            gallery.refresh()
        assert not gallery.witness_pending
    assert SIGNER.open((folder / "head").read_bytes(), "witness").counter == 1


def test_a_gallery_of_version_1_is_signed_by_its_operator_once(path: Path) -> None:
    as_version_1(path, KEYRING)
    path.with_name("gallery.head").unlink()
    with opened(path) as gallery:
        with pytest.raises(AlteredGalleryError, match="never signed"):
            gallery.search(ANA)
        gallery.accept()
        assert gallery.search(ANA)[0].dissimilarity == 0
    with opened(path) as gallery:
        assert gallery.altered is None


@given(st.lists(IDS, unique=True), st.lists(IDS, unique=True))
def test_the_sum_of_ids_knows_sets_and_no_order(one: list[str], other: list[str]) -> None:
    assert SIGNER.members(one) == SIGNER.members(reversed(one))
    assert (SIGNER.members(one) == SIGNER.members(other)) == (set(one) == set(other))
    assert xor(SIGNER.members(one), SIGNER.members(one)) == EMPTY


def test_a_head_opens_under_its_key_and_in_its_place_only() -> None:
    head = Head("ab" * 16, 7, bytes(range(16)))
    sealed = SIGNER.seal(head, "gallery")
    assert SIGNER.open(sealed, "gallery") == head
    for other, where in ((SIGNER, "witness"), (Signer(bytes(32)), "gallery")):
        with pytest.raises(TemplateError):
            other.open(sealed, where)


VECTORS = json.loads((Path(__file__).parent / "vectors" / "head-1.json").read_text())


def test_the_sum_of_ids_is_that_of_the_vectors() -> None:
    """Computed by a second program, with HMAC by hand and openssl's AES."""
    keys = Keyring(bytes.fromhex(VECTORS["root"]), VECTORS["site"], VECTORS["application"])
    signer = Signer(keys.head_key())
    assert keys.head_key().hex() == VECTORS["head_key"]
    assert [signer.members([each]).hex() for each in VECTORS["ids"]] == VECTORS["images"]
    assert signer.members(VECTORS["ids"]).hex() == VECTORS["members"]
    assert signer.members([]).hex() == VECTORS["members_of_none"]
    assert derive(keys.head_key(), "backup origin").hex() == VECTORS["backup_origin_key"]


@pytest.mark.parametrize("where", ["gallery", "witness"])
def test_a_head_is_a_sealed_record_under_the_key_and_the_associated_data_of_the_vectors(where: str) -> None:
    signer = Signer(bytes.fromhex(VECTORS["head_key"]))
    sealed = signer.seal(Head("ab" * 16, 5, bytes(16)), where)
    cipher = AESGCM(bytes.fromhex(VECTORS["head_record_key"]))
    facts = json.loads(cipher.decrypt(sealed[:12], sealed[12:], bytes.fromhex(VECTORS["associated_data"][where])))
    assert facts == {"counter": 5, "gallery": "ab" * 16, "members": "00" * 16, "replaces": "", "rule": 2}

"""All references at once: the sum over the stored rows, and that a load by it gives what opening each row gives."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.gallery import Gallery
from edge.gallery.block import NONE, Directory, Signed, pieces
from edge.gallery.cmac import Cmac, summed
from edge.gallery.head import EMPTY, Signer, xor
from edge.gallery.live import Live
from edge.gallery.state import State
from edge.template.protect import RowCipher, derive
from tests.test_gallery import KEYRING, NETWORK, code
from tests.test_gallery_head import altered, opened

PEOPLE = ("Ana", "Ben", "Cleo")
RANDOM = np.random.default_rng(7)
# RFC 4493, section 4
RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_TEXT = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
RFC_CODES = {
    0: "bb1d6929e95937287fa37d129b756746",
    16: "070a16b46b4d4144f79bdd9dd04a287c",
    40: "dfa66747de9ae63030ca32611497c827",
    64: "51f0bebf7e3b9d92fc49741779363cfe",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with opened(tmp_path / "gallery.db") as gallery:
        for name in PEOPLE:
            gallery.enrol(name, [code(), code()])
    return tmp_path / "gallery.db"


def state(gallery: Gallery) -> State:
    return gallery._state


def at_once(gallery: Gallery) -> bool:
    """Whether the gallery was loaded by the sum, and no tag was looked at."""
    tally = state(gallery).live.tally
    return tally is not None and tally.whole


def seen(live: Live) -> tuple[dict[str, tuple[str, bytes]], dict[str, str]]:
    """Reference -> subject and planes of what can match, and reference -> reason of what cannot."""
    matrix = live.matrix
    rows = {one: (of, row.tobytes()) for one, of, row in zip(matrix.references, matrix.subjects, matrix.rows, strict=True)}
    return rows, {damage.reference: damage.reason for damage in live.damaged.values()}


def row_by_row(path: Path, like: Live) -> tuple[dict[str, tuple[str, bytes]], dict[str, str]]:
    """The model: every row opened by itself."""
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = lambda stored: stored.decode("utf-8", "backslashreplace")
        fresh = Live(like.sealer)
        fresh.load(db, None)
    return seen(fresh)


@pytest.mark.parametrize("length", RFC_CODES)
def test_codes_are_those_of_the_standard(length: int) -> None:
    message = np.frombuffer(RFC_TEXT[:length], np.uint8).reshape(1, length)
    assert Cmac(RFC_KEY).of(message).tobytes().hex() == RFC_CODES[length]


@given(st.integers(0, 70), st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(0, 2**32))
def test_codes_of_many_messages_are_those_of_each_by_the_library(length: int, counts: list[int], seed: int) -> None:
    """One object after another for other numbers of messages: it keeps its memory."""
    random = np.random.default_rng(seed)
    key = random.bytes(32)
    ours = Cmac(key)
    for n in counts:
        messages = random.integers(0, 256, (n, length), np.uint8)
        expected = []
        for each in messages:
            theirs = CMAC(algorithms.AES(key))
            theirs.update(each.tobytes())
            expected.append(theirs.finalize())
        assert ours.of(messages).tobytes() == b"".join(expected)


def test_the_sum_is_over_the_bytes_that_the_format_names(path: Path) -> None:
    key = derive(KEYRING.head_key(), "head contents", NETWORK.sha256, "device", 1, 1)
    total = EMPTY
    with closing(sqlite3.connect(path)) as db:
        for reference, subject, template in db.execute("SELECT id, subject, template FROM templates"):
            one = CMAC(algorithms.AES(key))
            one.update(reference.encode() + subject.encode() + template)
            total = xor(total, one.finalize())
    with opened(path) as gallery:
        assert gallery.head is not None
        assert gallery.head.contents == total


@given(st.integers(1, 40), st.integers(0, 1100), st.integers(0, 2**32))
@settings(max_examples=25)
def test_pads_of_many_rows_are_those_of_each(width: int, n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    cipher = RowCipher(random.bytes(32), network="ab" * 32, device="device", transform_epoch=1, row_epoch=1)
    planes = random.integers(0, 256, (n, width), np.uint8)
    sealed = b"".join(cipher.seal(row.tobytes(), "a" * 32, "b" * 32).to_bytes() for row in planes)
    opened_ = np.zeros((n, width), np.uint8)
    cipher.unpad(np.frombuffer(sealed, np.uint8).reshape(n, 31 + width), opened_)
    assert np.array_equal(opened_, planes)
    with pytest.raises(ValueError, match="expected"):
        cipher.unpad(np.zeros((n, 30 + width), np.uint8), opened_)


@given(
    st.lists(st.binary(min_size=16, max_size=16), unique_by=lambda each: each[:8], max_size=60),
    st.lists(st.binary(min_size=16, max_size=16)),
)
def test_a_directory_finds_every_id_and_no_other(listed: list[bytes], others: list[bytes]) -> None:
    wanted = [*reversed(listed), *others, *(each[:8] + each[:7:-1] for each in listed)]
    ids, asked = (np.frombuffer(b"".join(each), ">u8").reshape(-1, 2).T.astype(np.uint64) for each in (listed, wanted))
    expected = [listed.index(each) if each in listed else -1 for each in wanted]
    assert Directory(ids).places(asked).tolist() == expected


def test_ids_that_begin_alike_are_left_to_the_slow_way() -> None:
    with pytest.raises(ValueError, match="begin with the same"):
        Directory(np.array([[1, 1], [1, 2]], np.uint64))


def test_a_gallery_is_loaded_at_once_after_every_kind_of_change(path: Path) -> None:
    with opened(path) as gallery:
        ana, ben = gallery.find("Ana").id, gallery.find("Ben").id
    changes: list[Callable[[Gallery], object]] = [
        lambda gallery: gallery.enrol("Ana", [code()], subject_id=ana),
        lambda gallery: gallery.renew(ana, None),
        lambda gallery: gallery.renew(ben, [code()]),
        lambda gallery: gallery.rotate(),
        lambda gallery: gallery.rotate(transform=True),
        lambda gallery: gallery.revoke(ben),
        lambda gallery: gallery.accept(),
    ]
    for change in changes:
        with opened(path) as other, opened(path) as gallery:
            change(gallery)
            other.refresh()
            other.renew(ana, None)
        with opened(path) as gallery:
            assert (at_once(gallery), gallery.altered) == (True, None)
            assert seen(state(gallery).live) == row_by_row(path, state(gallery).live)


def two_rows(path: Path) -> list[tuple[str, str, bytes]]:
    """Of two people."""
    with closing(sqlite3.connect(path)) as db:
        first, *others = db.execute("SELECT id, subject, template FROM templates ORDER BY id").fetchall()
    return [first, next(row for row in others if row[1] != first[1])]


def flip(template: bytes, place: int) -> bytes:
    return template[:place] + bytes([template[place] ^ 1]) + template[place + 1 :]


def swap(path: Path, column: str, value: int) -> None:
    one, other = two_rows(path)
    for row, taken in ((one, other), (other, one)):
        altered(path, f"UPDATE templates SET {column} = ? WHERE id = ?", taken[value], row[0])


def set_first(path: Path, template: bytes) -> None:
    altered(path, "UPDATE templates SET template = ? WHERE id = ?", template, two_rows(path)[0][0])


def trade_bytes(path: Path) -> None:
    for row, template in zip(two_rows(path), (two_rows(path)[0][2][:-1], two_rows(path)[1][2] + b"\0"), strict=True):
        altered(path, "UPDATE templates SET template = ? WHERE id = ?", template, row[0])


HARM: dict[str, Callable[[Path], None]] = {
    "version flipped": lambda path: set_first(path, flip(two_rows(path)[0][2], 0)),
    "nonce flipped": lambda path: set_first(path, flip(two_rows(path)[0][2], 5)),
    "code flipped": lambda path: set_first(path, flip(two_rows(path)[0][2], 100)),
    "tag flipped": lambda path: set_first(path, flip(two_rows(path)[0][2], 222)),
    "too short": lambda path: set_first(path, two_rows(path)[0][2][:-1]),
    "too long": lambda path: set_first(path, two_rows(path)[0][2] + b"\0"),
    "one shorter, one longer": trade_bytes,
    "empty": lambda path: set_first(path, b""),
    "templates swapped": lambda path: swap(path, "template", 2),
    "subjects swapped": lambda path: swap(path, "subject", 1),
    "added": lambda path: altered(path, "INSERT INTO templates VALUES (?, ?, ?)", "0" * 32, *two_rows(path)[0][1:]),
    "added below all others": lambda path: altered(path, "INSERT INTO templates VALUES ('', ?, ?)", *two_rows(path)[0][1:]),
    "removed": lambda path: altered(path, "DELETE FROM templates WHERE id = ?", two_rows(path)[0][0]),
    "another in its place": lambda path: altered(path, "UPDATE templates SET id = ? WHERE id = ?", "f" * 32, two_rows(path)[0][0]),
    "id in capitals": lambda path: altered(path, "UPDATE templates SET id = upper(id)"),
    "a digit of the id moved to the subject": lambda path: altered(
        path, "UPDATE templates SET id = substr(id, 1, 31), subject = substr(id, 32) || subject"
    ),
    "id cut": lambda path: altered(path, "UPDATE templates SET id = substr(id, 2), subject = substr(id, 1, 1) || subject"),
    "row epoch": lambda path: altered(path, "UPDATE meta SET row_epoch = 2"),
    "transform epoch": lambda path: altered(path, "UPDATE meta SET transform_epoch = 2"),
    "head of another gallery": lambda path: altered(path, "UPDATE head SET sealed = zeroblob(200)"),
}


@pytest.mark.parametrize("harm", HARM)
def test_whatever_is_done_to_the_rows_the_sum_tells_and_each_is_opened_by_itself(path: Path, harm: str) -> None:
    HARM[harm](path)
    with opened(path) as gallery:
        live = state(gallery).live
        assert not at_once(gallery)
        assert seen(live) == row_by_row(path, live)


def test_a_row_twice_in_what_is_read_does_not_cancel_itself(path: Path) -> None:
    """As in a file whose pages were doubled: the ids no longer rise, and every row is opened by itself."""
    with opened(path) as gallery:
        live, head = state(gallery).live, gallery.head
        assert head is not None
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE templates (id, subject, template)")
        rows = [*closing_rows(path), two_rows(path)[0], two_rows(path)[0]]
        db.executemany("INSERT INTO templates VALUES (?, ?, ?)", rows)
        db.execute("CREATE TABLE subjects AS SELECT '' AS id, x'' AS sealed, '' AS version WHERE 0")
        db.execute("CREATE TABLE revocations (subject)")
        fresh = Live(live.sealer)
        fresh.load(db, Signed(Signer(KEYRING.head_key()), head.contents))
    assert fresh.tally is not None
    assert not fresh.tally.whole


def closing_rows(path: Path) -> list[tuple[str, str, bytes]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT id, subject, template FROM templates").fetchall()


def test_rows_of_somebody_without_a_record_are_damaged_and_the_others_loaded_at_once(path: Path) -> None:
    with opened(path) as gallery:
        ana = gallery.find("Ana").id
    altered(path, "UPDATE subjects SET sealed = zeroblob(156) WHERE id = ?", ana)
    with opened(path) as gallery:
        assert at_once(gallery)
        assert {damage.subject for damage in gallery.damaged} == {ana}
        assert seen(state(gallery).live) == row_by_row(path, state(gallery).live)
        gallery.revoke(ana)
    with opened(path) as gallery:
        assert (at_once(gallery), gallery.altered, len(gallery)) == (True, None, 4)


def test_signed_as_it_is_with_an_id_twice_a_gallery_loaded_at_once_has_the_sum_that_was_signed(path: Path) -> None:
    """Both ways of summing the ids, by the rows just loaded and by the file, mark the one that comes twice."""
    one, other = two_rows(path)
    altered(path, "UPDATE subjects SET version = ? WHERE id = ?", one[0], other[1])
    with opened(path) as gallery:
        assert gallery.altered
        gallery.accept()
    with opened(path) as gallery:
        assert (at_once(gallery), gallery.altered) == (True, None)


def test_a_gallery_of_a_program_that_knew_no_such_sum_gets_one_by_its_next_change(path: Path) -> None:
    with opened(path) as gallery:
        integrity = state(gallery).integrity
        integrity.contents = None
        gallery.enrol("Dan", [code()])
        assert gallery.head is not None
        assert gallery.head.contents is None
    with opened(path) as gallery:
        assert not at_once(gallery)
        gallery.enrol("Eve", [code()])
    with opened(path) as gallery:
        assert (at_once(gallery), len(gallery)) == (True, 8)


def test_a_damaged_row_slows_loading_until_it_is_gone_and_no_longer(path: Path) -> None:
    broken = two_rows(path)[0]
    set_first(path, flip(broken[2], 100))
    for change in (lambda gallery: gallery.enrol("Dan", [code()]), lambda gallery: gallery.revoke(broken[1])):
        with opened(path) as gallery:
            assert not at_once(gallery)
            change(gallery)
    with opened(path) as gallery:
        assert (at_once(gallery), gallery.altered, gallery.damaged) == (True, None, ())


def test_rows_that_heal_are_let_in_and_counted_by_the_next_change(path: Path) -> None:
    whole = path.with_name("whole.db")
    shutil.copyfile(path, whole)
    sound = two_rows(path)[0]
    set_first(path, flip(sound[2], 100))
    with opened(path) as gallery:
        gallery.enrol("Dan", [code()])
    altered(path, "UPDATE templates SET template = ? WHERE id = ?", sound[2], sound[0])  # another's may be first by now
    with opened(path) as gallery:
        assert (at_once(gallery), len(gallery), gallery.damaged) == (False, 7, ())
        gallery.enrol("Eve", [code()])
    with opened(path) as gallery:
        assert (at_once(gallery), len(gallery)) == (True, 8)


STEPS = ("enrol", "more", "renew", "fresh", "revoke", "rotate", "damage", "reopen", "other")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), max_size=8))
@settings(max_examples=20, deadline=None)
def test_after_any_changes_a_load_gives_what_opening_each_row_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    path = tmp_path_factory.mktemp("steps") / "gallery.db"
    opened(path).close()
    for number, (step, which) in enumerate(steps):
        with opened(path) as gallery, opened(path) as other:
            people = gallery.subjects()
            if step == "enrol" or not people:
                gallery.enrol(f"person {number}", [code(), code()])
                continue
            one = people[which % len(people)]
            act(step, gallery, other, one.id, one.label)
    with opened(path) as gallery:
        live = state(gallery).live
        assert gallery.altered is None
        assert seen(live) == row_by_row(path, live)
        assert at_once(gallery) or live.damaged or any(step == "damage" for step, _ in steps)


def act(step: str, gallery: Gallery, other: Gallery, subject: str, label: str) -> None:
    if step == "more":
        gallery.enrol(label, [code()], subject_id=subject)
    elif step == "renew":
        gallery.renew(subject, [code()])
    elif step == "fresh" and gallery.find(subject).references:
        gallery.renew(subject, None)
    elif step == "revoke":
        gallery.revoke(subject)
    elif step == "rotate" and not gallery.damaged:
        gallery.rotate()
    elif step == "damage":
        altered(gallery.path, "UPDATE templates SET template = zeroblob(223) WHERE subject = ?", subject)
    elif step == "other":
        gallery.enrol("other", [code()])
        other.refresh()
        other.renew(subject, [code()])


@pytest.mark.parametrize("n", [0, 1, 3999, 4000, 4001, 8500])
def test_pieces_are_all_rows_in_order(n: int) -> None:
    ids = sorted(RANDOM.bytes(16).hex() for _ in range(n))
    rows = [(each, each[::-1], RANDOM.bytes(9)) for each in ids]
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE templates (id TEXT PRIMARY KEY, subject TEXT, template BLOB) WITHOUT ROWID")
        db.executemany("INSERT INTO templates VALUES (?, ?, ?)", rows)
        found = [[column.tobytes() for column in piece] for piece in pieces(db, n, 9)]
        expected = [b"".join(column) for column in zip(*((one.encode(), of.encode(), template) for one, of, template in rows), strict=True)]
        assert [b"".join(part) for part in zip(*found, strict=True)] == expected
        with pytest.raises(ValueError, match="rows read of"):
            list(pieces(db, n + 1, 9))
        db.execute("INSERT INTO templates VALUES (x'ff', 'a', x'00')")
        with pytest.raises(ValueError, match="rows read of"):
            list(pieces(db, n + 1, 9))


def test_the_sum_of_nothing_is_nothing() -> None:
    assert summed(np.zeros((0, 16), np.uint8)) == EMPTY
    assert Signer(KEYRING.head_key()).contents(NONE, (NETWORK.sha256, "device", 1, 1)) == EMPTY

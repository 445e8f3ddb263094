"""The gallery keeps people across processes, compares exactly, forgets for good, and gives a thief of the file nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import SubjectError
from edge.gallery import Event, Gallery, NetworkId, open_gallery
from edge.gallery.labels import normalised
from edge.gallery.matrix import Matrix
from edge.keys import Keyring
from edge.records import Code, Verdict
from edge.template.compare import bits_of, pack, unequal

NETWORK = NetworkId("ab" * 32, 512, 8)
KEYRING = Keyring(bytes(range(32)), "site", "door")
RANDOM = np.random.default_rng(7)
A, B = "a" * 32, "b" * 32


def code() -> Code:
    return Code(RANDOM.integers(0, NETWORK.q, NETWORK.m, dtype=np.uint8), NETWORK.q)


def near(other: Code, changes: int) -> Code:
    """The same code but for the first ``changes`` symbols."""
    symbols = other.symbols.copy()
    symbols[:changes] = (symbols[:changes] + 1) % other.q
    return Code(symbols, other.q)


@pytest.fixture
def reopen(tmp_path: Path) -> Iterator[Callable[[], Gallery]]:
    opened: list[Gallery] = []

    def again() -> Gallery:
        opened.append(open_gallery(tmp_path / "gallery.db", KEYRING, NETWORK, "device"))
        return opened[-1]

    yield again
    for one in opened:
        one.close()


@pytest.fixture
def gallery(reopen: Callable[[], Gallery]) -> Gallery:
    return reopen()


def disk(gallery: Gallery) -> bytes:
    """Every byte of the gallery's files."""
    return b"".join(path.read_bytes() for path in sorted(gallery.path.parent.glob(f"{gallery.path.name}*")))


def stored(gallery: Gallery) -> dict[str, bytes]:
    """The templates as they lie in the file, by reference."""
    db = sqlite3.connect(gallery.path)
    try:
        return dict(db.execute("SELECT id, template FROM templates"))
    finally:
        db.close()


def test_an_enrolled_subject_is_found_again(gallery: Gallery) -> None:
    first, second = code(), code()
    ana = gallery.enrol("Ana", [first, second])
    assert (ana.label, ana.references) == ("Ana", 2)
    assert ana.created.endswith("Z")
    gallery.enrol("Ben", [code()])
    assert [gallery.search(one)[0].subject for one in (first, second)] == [ana.id, ana.id]
    assert gallery.search(near(second, 37))[0].dissimilarity == 37


def test_everything_is_there_after_reopening(gallery: Gallery, reopen: Callable[[], Gallery]) -> None:
    probes = [code() for _ in range(5)]
    people = [gallery.enrol(f"Person {i}", [probe]) for i, probe in enumerate(probes)]
    before = gallery.subjects()
    gallery.close()
    again = reopen()
    assert again.subjects() == before
    assert [again.search(probe, limit=1)[0].subject for probe in probes] == [person.id for person in people]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.sampled_from([2, 5, 8, 64]), st.lists(st.integers(1, 3), min_size=1, max_size=6), st.integers(0, 2**32))
def test_candidates_are_those_of_the_plain_comparison(
    tmp_path_factory: pytest.TempPathFactory, eighth: int, q: int, sizes: list[int], seed: int
) -> None:
    """Best reference per subject, ascending, and every number exactly that of the unprotected codes."""
    network, random = NetworkId("cd" * 32, 8 * eighth, q), np.random.default_rng(seed)
    with open_gallery(tmp_path_factory.mktemp("plain") / "gallery.db", KEYRING, network, "device") as gallery:
        people = {}
        for i, size in enumerate(sizes):
            codes = [Code(row, q) for row in random.integers(0, q, (size, network.m), dtype=np.uint8)]
            people[gallery.enrol(f"P{i}", codes).id] = np.array([one.symbols for one in codes])
        probe = Code(random.integers(0, q, network.m, dtype=np.uint8), q)
        plain = {subject: int((codes != probe.symbols).sum(axis=1).min()) for subject, codes in people.items()}
        candidates = gallery.search(probe)
        assert {candidate.subject: candidate.dissimilarity for candidate in candidates} == plain
        assert [candidate.dissimilarity for candidate in candidates] == sorted(plain.values())
        assert gallery.search(probe, limit=2) == candidates[:2]


def test_an_empty_gallery_has_no_candidates(gallery: Gallery) -> None:
    assert gallery.search(code()) == []
    assert gallery.rows.shape == (0, 192)


def test_rows_and_probes_compare_outside_the_gallery(gallery: Gallery) -> None:
    probe = code()
    people = [gallery.enrol(f"P{i}", [near(probe, 10 * i)]).id for i in range(4)]
    assert gallery.rows.ctypes.data % 64 == 0
    counts = unequal(gallery.rows, gallery.probe(probe), bits_of(8))
    assert {gallery.subject_of_row(row): int(n) for row, n in enumerate(counts)} == {p: 10 * i for i, p in enumerate(people)}


def test_more_references_join_a_subject_of_the_same_name_and_id(gallery: Gallery) -> None:
    ana, later = gallery.enrol("Ana", [code()]), code()
    assert gallery.enrol(" Ana ", [later], subject_id=ana.id).references == 2
    assert gallery.search(later, limit=1)[0].subject == ana.id
    for label, identity in (("Ben", ana.id), ("Ana", "0" * 32)):
        with pytest.raises(SubjectError, match=f"nobody called {label} has that id"):
            gallery.enrol(label, [code()], subject_id=identity)
    assert len(gallery.subjects()) == 1


@pytest.mark.parametrize("codes", [[], [Code(np.zeros(256, np.uint8), 8)], [Code(np.zeros(512, np.uint8), 4)]], ids=["none", "m", "q"])
def test_codes_that_do_not_fit_enrol_nobody(gallery: Gallery, codes: list[Code]) -> None:
    with pytest.raises(ValueError, match="expected at least one, each of 512 symbols of 8"):
        gallery.enrol("Ana", codes)
    assert gallery.subjects() == []
    assert gallery.enrol("Ana", [code()]).references == 1


@pytest.mark.parametrize(
    "name", ["Ana", "Ångström", "Зоя", "王小明", "محمد", "नेहा", "ゆうこ", "👩‍🚀", "a" * 64, "O'Neil; DROP TABLE subjects"]
)
def test_names_in_any_script_come_back(gallery: Gallery, reopen: Callable[[], Gallery], name: str) -> None:
    gallery.enrol(name, [code()])
    gallery.close()
    assert reopen().find(name).label == name


def test_a_name_has_one_form(gallery: Gallery) -> None:
    person = gallery.enrol("  Jose\u0301 \n", [code()])
    assert person.label == "Jos\u00e9"
    assert gallery.find("Jos\u00e9").id == gallery.find("jose\u0301").id == person.id


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (" \t", "is empty"),
        ("a" * 65, "has 65 characters, at most 64"),
        ("a\x00b", r"character 2 \(U\+0000\)"),
        ("a\nb", r"U\+000A"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\u202eb", r"U\+202E"),
        ("a\u2066b", r"U\+2066"),
        ("a\u2028b", r"U\+2028"),
        ("a\ud800", r"U\+D800"),
        ("0123456789abcdef" * 2, "is shaped like a subject's id"),
    ],
)
def test_impossible_names_are_refused(gallery: Gallery, name: str, reason: str) -> None:
    with pytest.raises(SubjectError, match=reason):
        gallery.enrol(name, [code()])
    assert gallery.subjects() == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=70))
def test_a_normal_name_stays_as_it_is(text: str) -> None:
    try:
        name = normalised(text)
    except SubjectError:
        return
    assert normalised(name) == name


def test_nobody_of_a_name_is_told_with_near_ones(gallery: Gallery) -> None:
    gallery.enrol("Katherine", [code()])
    gallery.enrol("Zoe", [code()])
    with pytest.raises(SubjectError, match="subject catherine: nobody has that name or id: near to it: Katherine"):
        gallery.find("catherine")
    with pytest.raises(SubjectError, match="see who is enrolled with list"):
        gallery.find("0" * 32)


def test_namesakes_are_told_apart_by_id(gallery: Gallery) -> None:
    people = [gallery.enrol("Ana", [code()]) for _ in range(2)]
    assert [gallery.find(person.id).id for person in people] == [person.id for person in people]
    with pytest.raises(SubjectError, match="fits 2 subjects: name one by its id: ") as caught:
        gallery.find("ana")
    assert all(person.id in str(caught.value) for person in people)


def test_an_exact_name_comes_before_another_letter_case(gallery: Gallery) -> None:
    upper, lower = gallery.enrol("ANA", [code()]), gallery.enrol("ana", [code()])
    assert (gallery.find("ANA").id, gallery.find("ana").id) == (upper.id, lower.id)


def test_the_file_tells_neither_names_nor_codes_nor_times(gallery: Gallery) -> None:
    probe = code()
    person = gallery.enrol("Rumpelstiltskin", [probe])
    gallery.record(Verdict.IDENTIFIED, person.id)
    content = disk(gallery)
    plain = pack(probe.symbols, 8).tobytes()
    for secret in (b"Rumpel", person.created.encode(), person.created[:10].encode() + b"T", plain[:16], gallery.rows[0].tobytes()[:16]):
        assert secret not in content
    assert b"identified" not in content
    assert person.id.encode() in content


def test_the_file_is_marked_as_documented(gallery: Gallery) -> None:
    """SQLite's header: write-ahead log (2, 2), user_version 3, application_id EdgF."""
    header = gallery.path.read_bytes()[:100]
    assert header[18:20] == b"\x02\x02"
    assert (header[60:64], header[68:72]) == (b"\0\0\0\x03", b"EdgF")


def test_only_the_owner_may_read_the_files(gallery: Gallery) -> None:
    gallery.enrol("Ana", [code()])
    files = list(gallery.path.parent.iterdir())
    assert {path.name for path in files} == {"gallery.db", "gallery.db-wal", "gallery.db-shm"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_same_code_looks_unlike_under_other_keys(tmp_path: Path) -> None:
    """Rows of two galleries of one person agree as two strangers' do."""
    probe, planes = code(), []
    for site in ("a", "b"):
        with open_gallery(tmp_path / site, Keyring(bytes(32), site, "door"), NETWORK, "device") as gallery:
            gallery.enrol("Ana", [probe])
            planes.append(gallery.rows.copy())
    assert 400 < int(unequal(planes[0], planes[1], 3)[0, 0]) < 500


def test_a_revoked_subject_is_gone_everywhere(gallery: Gallery, reopen: Callable[[], Gallery]) -> None:
    """Here at once, in other open galleries after refresh, and after reopening; the others stay."""
    probe, other = code(), reopen()
    ana, ben = gallery.enrol("Ana", [probe, code()]), gallery.enrol("Ben", [code()])
    assert other.refresh()
    gallery.revoke(ana.id)
    assert other.search(probe, limit=1)[0].subject == ana.id
    assert other.refresh()
    for one in (gallery, other, reopen()):
        assert [candidate.subject for candidate in one.search(probe)] == [ben.id]
        assert [subject.id for subject in one.subjects()] == [ben.id]
        assert one.verify().sound


def test_revoking_leaves_no_old_bytes_in_the_files(gallery: Gallery) -> None:
    people = [gallery.enrol(f"P{i}", [code(), code()]) for i in range(40)]
    gone = people[5:25]
    before = stored(gallery)
    assert all(template[-100:] in disk(gallery) for template in before.values())
    for person in gone:
        gallery.revoke(person.id)
    left = stored(gallery)
    assert len(left) == 40
    assert not gallery.erasure_pending
    content = disk(gallery)
    deleted = {name: template for name, template in before.items() if name not in left}
    assert not any(template[20:60] in content or name.encode() in content for name, template in deleted.items())
    assert all(template in content for template in left.values())


def test_renewing_without_the_person_changes_every_byte_and_no_decision(gallery: Gallery, reopen: Callable[[], Gallery]) -> None:
    probe, second = code(), code()
    ana = gallery.enrol("Ana", [probe, second])
    gallery.enrol("Ben", [code()])
    other, before, counts = reopen(), stored(gallery), [c.dissimilarity for c in gallery.search(probe)]
    gallery.renew(ana.id, None)
    after = stored(gallery)
    assert len(after) == 3
    assert len(before.keys() & after.keys()) == 1
    assert not any(before[name][20:60] in disk(gallery) for name in before.keys() - after.keys())
    assert other.refresh()
    for one in (gallery, other, reopen()):
        assert [c.dissimilarity for c in one.search(probe)] == counts
        assert one.search(second)[0].dissimilarity == 0


def test_renewing_with_new_codes_ends_the_old_ones(gallery: Gallery) -> None:
    old, new = code(), code()
    ana = gallery.enrol("Ana", [old, code(), code()])
    gallery.renew(ana.id, [new])
    assert gallery.search(new)[0].dissimilarity == 0
    assert gallery.search(old)[0].dissimilarity > 300
    assert gallery.find("Ana").references == 1
    with pytest.raises(ValueError, match="expected at least one"):
        gallery.renew(ana.id, [])
    assert gallery.find("Ana").references == 1


@pytest.mark.parametrize("command", [lambda g, s: g.revoke(s), lambda g, s: g.renew(s, None), lambda g, s: g.renew(s, [code()])])
def test_unknown_ids_are_refused(gallery: Gallery, command: Callable[[Gallery, str], None]) -> None:
    gallery.enrol("Ana", [code()])
    with pytest.raises(SubjectError, match=f"subject {'0' * 32}: nobody has that id"):
        command(gallery, "0" * 32)
    assert len(gallery.subjects()) == 1


@pytest.mark.parametrize("transform", [False, True])
def test_rotating_changes_every_row_and_no_decision(gallery: Gallery, reopen: Callable[[], Gallery], transform: bool) -> None:
    probes = [code() for _ in range(3)]
    people = [gallery.enrol(f"P{i}", [probe, code()]) for i, probe in enumerate(probes)]
    other, before, planes = reopen(), stored(gallery), {row.tobytes() for row in gallery.rows}
    gallery.rotate(transform=transform)
    assert not before.keys() & stored(gallery).keys()
    assert not any(template[20:60] in disk(gallery) for template in before.values())
    assert ({row.tobytes() for row in gallery.rows} == planes) is not transform
    assert other.refresh()
    late = other.enrol("Late", [code()])
    assert gallery.refresh()
    for one in (gallery, other, reopen()):
        assert [one.search(probe)[0].subject for probe in probes] == [person.id for person in people]
        assert [one.search(probe)[0].dissimilarity for probe in probes] == [0, 0, 0]
        assert one.find("Late").id == late.id
        assert one.verify().sound


def test_refresh_follows_other_processes_and_nothing_else(gallery: Gallery, reopen: Callable[[], Gallery]) -> None:
    other, probe = reopen(), code()
    assert not gallery.refresh()
    ana = gallery.enrol("Ana", [probe])
    assert not gallery.refresh()
    assert other.refresh()
    assert not other.refresh()
    assert other.search(probe)[0].subject == ana.id
    other.renew(ana.id, [code()])
    assert gallery.refresh()
    assert gallery.search(probe)[0].dissimilarity > 300


def test_a_change_sees_what_others_did_before_it(gallery: Gallery, reopen: Callable[[], Gallery]) -> None:
    """Even if refresh was not called."""
    other = reopen()
    ana = gallery.enrol("Ana", [code()])
    gallery.rotate()
    later = code()
    assert other.enrol("Ana", [later], subject_id=ana.id).references == 2
    assert gallery.refresh()
    assert gallery.search(later)[0].subject == ana.id


def test_events_come_newest_first_and_name_no_score(gallery: Gallery) -> None:
    ana = gallery.enrol("Ana", [code()])
    gallery.record(Verdict.UNKNOWN)
    gallery.record(Verdict.IDENTIFIED, ana.id)
    gallery.revoke(ana.id)
    kinds = [(event.kind, event.subject) for event in gallery.events()]
    assert kinds == [("revoked", ana.id), ("identified", ana.id), ("unknown", None), ("enrolled", ana.id)]
    assert gallery.events(limit=2) == gallery.events()[:2]
    assert set(Event.__dataclass_fields__) == {"kind", "subject", "time"}


@pytest.mark.parametrize("kind", ["", "score=3", "Identified", "a" * 33])
def test_events_of_a_free_text_are_refused(gallery: Gallery, kind: str) -> None:
    with pytest.raises(ValueError, match="expected 1 to 32 small letters"):
        gallery.record(kind)
    assert gallery.events() == []


def test_a_sound_gallery_verifies(gallery: Gallery) -> None:
    people = [gallery.enrol(f"P{i}", [code(), code()]) for i in range(3)]
    gallery.revoke(people[0].id)
    report = gallery.verify()
    assert report.sound
    assert (report.references, report.subjects, report.events) == (4, 2, 4)


@pytest.mark.parametrize("facts", [("ab", 512, 8), ("ab" * 32, 12, 8), ("ab" * 32, 0, 8), ("ab" * 32, 512, 1), ("ab" * 32, 512, 65)])
def test_impossible_networks_are_refused(facts: tuple[str, int, int]) -> None:
    with pytest.raises(ValueError, match="network"):
        NetworkId(*facts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_the_matrix_holds_what_was_appended_and_not_removed(steps: list[tuple[bool, int]]) -> None:
    matrix, model = Matrix(24, capacity=1), {}
    for keep, number in steps:
        name, planes = f"{number:032x}", bytes([number]) * 24
        if keep and name not in model:
            matrix.append(name, f"{number % 3:032x}", planes)
            model[name] = planes
        elif not keep and name in model:
            matrix.remove(name)
            del model[name]
        found = {n: row.tobytes() for n, row in zip(matrix.references, matrix.rows, strict=True)}
        assert found == model
        assert list(matrix.subjects) == [f"{int(n, 16) % 3:032x}" for n in matrix.references]
        assert [matrix.references[row] for row in range(len(matrix))] == list(matrix.references)
        assert [matrix.subjects[row] for row in range(len(matrix))] == list(matrix.subjects)
        for whose in (f"{subject:032x}" for subject in range(4)):
            assert sorted(matrix.of_subject(whose)) == sorted(n for n in model if f"{int(n, 16) % 3:032x}" == whose)
            assert matrix.subjects.count(whose) == len(matrix.of_subject(whose))
        assert all(name in matrix for name in model)
        assert matrix.rows.ctypes.data % 64 == 0


def test_the_matrix_wipes_removed_rows() -> None:
    matrix = Matrix(8, capacity=4)
    for name in (A, B):
        matrix.append(name, A, b"\xff" * 8)
    memory = matrix.rows
    matrix.remove(A)
    assert memory.tolist() == [[255] * 8, [0] * 8]
    matrix.wipe()
    assert not memory.any()
    assert len(matrix) == 0


def test_the_matrix_refuses_doubles_and_other_widths_and_what_is_no_id() -> None:
    matrix = Matrix(8)
    matrix.append(A, A, bytes(8))
    for name, subject, planes in ((A, A, bytes(8)), (B, A, bytes(7)), ("b", A, bytes(8)), (B, "B" * 32, bytes(8))):
        with pytest.raises(ValueError, match="matrix: reference"):
            matrix.append(name, subject, planes)
    assert list(matrix.references) == [A]
    assert B not in matrix
    with pytest.raises(KeyError):
        matrix.remove(B)


def test_many_rows_at_once_are_what_they_are_one_by_one() -> None:
    names = sorted(f"{number:032x}" for number in RANDOM.integers(0, 2**63, 500).tolist())
    people, planes = [A, B], [RANDOM.bytes(8) for _ in names]
    single, many = Matrix(8), Matrix(8, capacity=0)
    many.fill(people)
    for start in range(0, 500, 100):
        part = slice(start, start + 100)
        many.extend([name.encode() for name in names[part]], [row % 2 for row in range(100)], planes[part])
    for row, name in enumerate(names):
        single.append(name, people[row % 2], planes[row])
    assert (list(many.references), list(many.subjects)) == (list(single.references), list(single.subjects))
    assert np.array_equal(many.rows, single.rows)
    assert many.rows.ctypes.data % 64 == 0


@pytest.mark.parametrize(
    ("references", "owners", "planes"),
    [
        ([B, A], [0, 0], [bytes(8)] * 2),
        ([B, B], [0, 0], [bytes(8)] * 2),
        ([A], [0], [bytes(8)]),
        ([B], [1], [bytes(8)]),
        ([B], [0, 0], [bytes(8)]),
        ([B], [0], [bytes(7)]),
        (["b"], [0], [bytes(8)]),
        (["x" * 32], [0], [bytes(8)]),
    ],
    ids=["falling", "twice", "there already", "nobody's", "too many subjects", "another width", "short", "no hex"],
)
def test_the_matrix_takes_many_rows_in_rising_order_only_and_none_of_them_otherwise(
    references: list[str], owners: list[int], planes: list[bytes]
) -> None:
    matrix = Matrix(8)
    matrix.fill([A])
    matrix.extend([A.encode()], [0], [b"\1" * 8])
    with pytest.raises(ValueError):
        matrix.extend([each.encode() for each in references], owners, planes)
    assert list(matrix.references) == [A]
    assert matrix.rows.tolist() == [[1] * 8]
    with pytest.raises(ValueError, match="1 rows already"):
        matrix.fill([B])


def test_of_thousands_of_rows_one_that_is_damaged_hides_no_other(gallery: Gallery, reopen: Callable[[], Gallery]) -> None:
    """More than are opened at once, of two people; the damaged one is in the middle."""
    symbols = RANDOM.integers(0, NETWORK.q, (5000, NETWORK.m), np.uint8)
    codes = [Code(each, NETWORK.q) for each in symbols]
    gallery.enrol("Ana", codes[:2000])
    gallery.enrol("Bo", codes[2000:])
    names = sorted(stored(gallery))
    with sqlite3.connect(gallery.path) as db:
        db.execute("UPDATE templates SET template = zeroblob(223) WHERE id = ?", (names[2500],))
    fresh = reopen()
    assert [damage.reference for damage in fresh.damaged] == [names[2500]]
    assert len(fresh) == 4999
    before, after = ({row.tobytes() for row in each.rows} for each in (gallery, fresh))
    assert (len(before), len(after), after < before) == (5000, 4999, True)
    assert sorted(subject.references for subject in fresh.subjects()) in ([1999, 3000], [2000, 2999])

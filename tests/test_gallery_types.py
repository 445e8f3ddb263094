"""Tables without types hold anything. A load that takes all rows at once must then say what one says that looks at each by itself."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import GalleryError
from edge.gallery.integrity import _members
from edge.gallery.live import Live
from edge.template.protect import TemplateError
from tests.test_gallery import NETWORK, code
from tests.test_gallery_contents import row_by_row, seen, state
from tests.test_gallery_edits import opened
from tests.test_gallery_index import OTHER, SOON
from tests.test_gallery_index import opened as opened_for

COLUMNS = {
    "templates": ("id", "subject", "template"),
    "former": ("id", "subject", "template"),
    "subjects": ("id", "sealed", "version"),
    "facts": ("name", "sealed", "version"),
}
# what an edit makes of a text; ? is another one of the gallery
CHANGES = (
    *("NULL", "''", "7", "zeroblob(11)", "CAST({0} AS BLOB)", "upper({0})", "substr({0}, 1, 31)", "{0} || ' '", "{0} || char(0)"),
    *("?", "CAST(? AS BLOB)", "{0} || ',' || ?", "CAST(x'ff' || {0} AS TEXT)"),
)


def without_types(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for table, columns in COLUMNS.items():
            rows = db.execute(f"SELECT * FROM {table}").fetchall()
            db.execute(f"DROP TABLE {table}")
            db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
            db.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "gallery.db"
    with opened(path) as gallery:
        for name in ("Ana", "Ben", "Cleo"):
            gallery.enrol(name, [code()])
    return path


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)


def cut_elsewhere(table: str, column: str) -> tuple[str, str]:
    """Two texts in one row, with a comma between, and none in the next."""
    both = f"UPDATE {table} SET {column} = {column} || ',' || (SELECT {column} FROM {table} WHERE rowid = 2) WHERE rowid = 1"
    return both, f"UPDATE {table} SET {column} = NULL WHERE rowid = 2"


@pytest.mark.parametrize(
    "statements",
    [
        cut_elsewhere("subjects", "version"),
        ("UPDATE subjects SET version = CAST(version AS BLOB)",),
        ("UPDATE subjects SET version = NULL",),
        ("UPDATE subjects SET version = NULL WHERE rowid = 1",),
    ],
)
def test_a_version_that_is_no_text_is_no_version(path: Path, statements: tuple[str, ...]) -> None:
    without_types(path)
    edit(path, *statements)
    with opened(path) as gallery:
        assert gallery.altered is not None


@pytest.mark.parametrize("statements", [cut_elsewhere("templates", "subject"), ("UPDATE templates SET subject = CAST(subject AS BLOB)",)])
def test_a_reference_whose_subject_is_no_text_matches_nobody(path: Path, statements: tuple[str, ...]) -> None:
    """No question for the subject finds it: a renewal would leave the old face in."""
    without_types(path)
    edit(path, *statements)
    with opened(path) as gallery, closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT count(*) FROM templates JOIN subjects ON subjects.id = templates.subject").fetchone()[0]
        assert (len(gallery), len(gallery.damaged)) == (found, 3 - found)


def test_whose_version_stands_in_a_second_row_of_somebody_else_is_missed(path: Path) -> None:
    """The sum fits, and where a rebind has ended nobody need have a reference that lacks its subject then."""
    with opened(path) as gallery:
        gallery.rebind(OTHER, SOON)
    with opened_for(path, OTHER) as gallery:
        gallery.end_rebind()
    without_types(path)
    edit(path, "UPDATE subjects SET id = (SELECT id FROM subjects WHERE rowid = 2) WHERE rowid = 1")
    with opened_for(path, OTHER) as gallery:
        assert len(gallery.subjects()) == 2
        assert not gallery.verify().sound


@pytest.fixture(scope="module")
def galleries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One without, one with a window, in which half are renewed."""
    plain, window = (tmp_path_factory.mktemp(name) / "gallery.db" for name in ("plain", "window"))
    for path in (plain, window):
        with opened(path) as gallery:
            people = [gallery.enrol(name, [code(), code()]).id for name in ("Ana", "Ben", "Cleo", "Dora")]
            if path == window:
                gallery.rebind(OTHER, SOON)
    with opened_for(window, OTHER) as gallery:
        for subject in people[:2]:
            gallery.rebound(subject, code())
    for path in (plain, window):
        without_types(path)
    return plain, window


CELLS = st.sampled_from([(table, column) for table, columns in COLUMNS.items() for column in columns])
EDITS = st.lists(st.tuples(CELLS, st.sampled_from(CHANGES), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=3)


def people_of(live: Live, path: Path) -> tuple[dict[str, str], set[object]]:
    """The model: every record opened by itself; who is known, by his version, and whose record is a problem."""
    known: dict[str, str] = {}
    problems = set[object]()
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = lambda stored: stored.decode("utf-8", "backslashreplace")
        for subject, sealed, version in db.execute("SELECT id, sealed, version FROM subjects"):
            try:
                live.sealer.open_facts("subject", subject, sealed, version)
                known[subject] = version
            except TemplateError:
                problems.add(subject)
    return known, problems


@given(st.booleans(), EDITS)
@settings(max_examples=60)
def test_all_at_once_says_what_each_by_itself_says(
    galleries: tuple[Path, Path], window: bool, edits: list[tuple[tuple[str, str], str, int, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gallery.db"
        for file in galleries[window].parent.iterdir():
            shutil.copy(file, folder)
        for (table, column), change, row, other in edits:
            another = f"(SELECT {column} FROM {table} ORDER BY rowid LIMIT 1 OFFSET {other} % (SELECT count(*) FROM {table}))"
            value = change.format(column).replace("?", another)
            edit(path, f"UPDATE {table} SET {column} = {value} WHERE rowid = {row} % (SELECT count(*) FROM {table}) + 1")
        with opened_for(path, OTHER if window else NETWORK) as gallery:
            signer, live = state(gallery).integrity.signer, Live(state(gallery).live.sealer)
            with state(gallery).file.reading() as db:
                live.load(db, state(gallery).integrity.signed(db))
                assert _members(db, signer, live) == _members(db, signer)
            assert seen(live) == row_by_row(path, live)
            assert ({one: person.version for one, person in live._people.items()}, set(live.problems)) == people_of(live, path)


def second_record(path: Path, subject: str, version: str) -> None:
    edit(path, f"INSERT INTO subjects SELECT id, zeroblob(40), {version} FROM subjects WHERE id = '{subject}'")


@pytest.mark.parametrize("version", ["CAST(version AS BLOB)", "NULL", "7"])
def test_a_version_of_another_type_in_a_second_row_stops_neither_following_nor_revoking(path: Path, version: str) -> None:
    without_types(path)
    with opened(path) as clerk, opened(path) as door:
        ana = clerk.find("Ana").id
        clerk.amend(ana, {"floor": "3"})
        second_record(path, ana, version)
        assert door.refresh()
        assert door.altered is not None
        clerk.revoke(ana)
        assert door.refresh()
        assert [subject.label for subject in door.subjects()] == ["Ben", "Cleo"]


def test_whose_record_stands_twice_cannot_be_amended(path: Path) -> None:
    """Of which of the two it would be, nobody knows. The other row has a version that is signed: that of somebody who is gone."""
    without_types(path)
    with opened(path) as gallery:
        ana, ben = (gallery.find(name).id for name in ("Ana", "Ben"))
    edit(path, f"UPDATE subjects SET id = '{ana}' WHERE id = '{ben}'")
    with opened(path) as gallery, pytest.raises(GalleryError, match=f"record of subject {ana} is altered"):
        gallery.amend(ana, {"floor": "3"})


def test_a_reference_that_stood_twice_when_it_was_renewed_does_not_stay_in_the_sum(path: Path) -> None:
    """A copy of its row, put in beside an event, is not looked for: taken out of the sum twice it would still be in it."""
    without_types(path)
    with opened(path) as clerk, opened(path) as door:
        ana = clerk.find("Ana").id
        door.record("unknown")
        edit(path, f"INSERT INTO templates SELECT * FROM templates WHERE subject = '{ana}'")
        edit(path, "CREATE TABLE kept AS SELECT * FROM templates")
        clerk.refresh()
        clerk.renew(ana, [code()])
    edit(path, f"INSERT INTO templates SELECT DISTINCT * FROM kept WHERE subject = '{ana}'")
    with opened(path) as gallery:
        assert gallery.altered is not None

"""Attack 5: whoever can write the database, without its keys, tries to be let in.

Each trial edits a fresh copy of a real gallery file past its door, with SQL or byte by byte. Then the door opens it, and two people show
their faces: a stranger, and an attacker who is enrolled himself. Success: the stranger is identified as anybody, the attacker as somebody
else, or somebody who was revoked, or whose dates are over, as himself. A file that is refused, or a row that never matches, is no success:
the door stays shut.
"""

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edge.errors import EdgeError
from edge.gallery import Gallery
from edge.records import Code, Symbols, Validity
from edge.template.compare import pack
from edge.template.protect import FORMAT_VERSION, NONCE_BYTES, TAG_BYTES, ProtectedTemplate, TemplateError
from evaluation.attacks.bench import NEVER, Knowledge, Result
from evaluation.attacks.door import Door, Rule
from evaluation.attacks.faces import Faces
from evaluation.schemes import Make, Scheme

PEOPLE = 6
TRIALS = 25
SUCCESS = "somebody is let in who is not"
OVER = 1_767_225_600.0  # 2026-01-01
HEADER = 100
"""Bytes of an SQLite file before its first page's content."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What an edit may use. path: the file to edit. ids: the subjects' ids; the first is the attacker's own, the last was revoked, and the
    dates of the one before are over.

    stranger: a code (m,). foreign: a gallery of other keys, in which the stranger is enrolled. old: a copy of the file before both.
    """

    path: Path
    ids: list[str]
    stranger: Symbols
    q: int
    foreign: Path
    old: Path
    random: np.random.Generator

    def sql(self, *statements: tuple[object, ...]) -> None:
        """Statements with their values, all in one transaction, with every check of SQLite off that can be off."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("PRAGMA foreign_keys = OFF")
            for statement, *values in statements:
                db.execute(str(statement), values)

    def rows(self, path: Path, query: str, *values: object) -> list[tuple[object, ...]]:
        """What a query of a file gives."""
        with closing(sqlite3.connect(path)) as db:
            return list(db.execute(query, values))

    def other(self) -> str:
        """The id of somebody else who is enrolled."""
        return str(self.random.choice(self.ids[1:-1]))


def _flipped(raw: bytes, random: np.random.Generator) -> bytes:
    found = bytearray(raw)
    found[random.integers(len(found))] ^= 1 << int(random.integers(8))
    return bytes(found)


def flip_a_bit(scene: Scene) -> None:
    reference, template = scene.rows(scene.path, "SELECT id, template FROM templates WHERE subject = ?", scene.other())[0]
    assert isinstance(template, bytes)
    scene.sql(("UPDATE templates SET template = ? WHERE id = ?", _flipped(template, scene.random), reference))


def swap_templates(scene: Scene) -> None:
    (mine,), (theirs,) = (
        scene.rows(scene.path, "SELECT template FROM templates WHERE subject = ?", s)[0] for s in (scene.ids[0], scene.other())
    )
    scene.sql(("UPDATE templates SET template = CASE template WHEN ? THEN ? WHEN ? THEN ? ELSE template END", mine, theirs, theirs, mine))


def take_over_a_subject(scene: Scene) -> None:
    """The attacker's own row, given to somebody else."""
    scene.sql(("UPDATE templates SET subject = ? WHERE subject = ?", scene.other(), scene.ids[0]))


def copy_over_a_row(scene: Scene) -> None:
    scene.sql(
        (
            "UPDATE templates SET template = (SELECT template FROM templates WHERE subject = ?) WHERE subject = ?",
            scene.ids[0],
            scene.other(),
        )
    )


def swap_names(scene: Scene) -> None:
    """The sealed records of two subjects exchanged: the attacker would be told by another name, which must not happen either."""
    mine, theirs = scene.ids[0], scene.other()
    one, two = (scene.rows(scene.path, "SELECT sealed, version FROM subjects WHERE id = ?", s)[0] for s in (mine, theirs))
    change = "UPDATE subjects SET sealed = ?, version = ? WHERE id = ?"
    scene.sql((change, *two, mine), (change, *one, theirs))


def foreign_row(scene: Scene) -> None:
    """Subject and template of a gallery of other keys, in which the stranger is enrolled."""
    record, *_ = scene.rows(scene.foreign, "SELECT id, sealed, version FROM subjects")
    (reference, template), *_ = scene.rows(scene.foreign, "SELECT id, template FROM templates WHERE subject = ?", record[0])
    scene.sql(
        ("INSERT INTO subjects (id, sealed, version) VALUES (?, ?, ?)", *record),
        ("INSERT INTO templates (id, subject, template) VALUES (?, ?, ?)", reference, record[0], template),
    )


def forged_row(scene: Scene) -> None:
    """The stranger's own code, as if pad and tag were nothing, in the name of somebody enrolled."""
    raw = ProtectedTemplate(
        FORMAT_VERSION, secrets.token_bytes(NONCE_BYTES), pack(scene.stranger, scene.q).tobytes(), secrets.token_bytes(TAG_BYTES)
    )
    scene.sql(("INSERT INTO templates (id, subject, template) VALUES (?, ?, ?)", secrets.token_hex(16), scene.other(), raw.to_bytes()))


def loosen(path: Path) -> None:
    """Takes from the tables that they are STRICT, so that a column holds values of any kind."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = replace(replace(sql, ', STRICT', ''), ' STRICT', '')")


def odd_values(scene: Scene) -> None:
    """Values of kinds that no program of ours writes, wherever SQLite takes them."""
    loosen(scene.path)
    values = [None, 0, -1, 2**63 - 1, 1.5, "", "x" * 70_000, b"", b"\0" * 70_000, "' OR 1=1 --", "\0", "‮"]
    table, column = [("templates", "template"), ("templates", "subject"), ("templates", "id"), ("subjects", "sealed"), ("meta", "m")][
        int(scene.random.integers(5))
    ]
    value = values[int(scene.random.integers(len(values)))]
    rowwise = "" if table == "meta" else " WHERE {} = ?".format("id" if table == "subjects" else "subject")
    arguments = () if table == "meta" else (scene.other(),)
    with suppress(sqlite3.IntegrityError):  # NOT NULL holds in loose tables too
        scene.sql((f"UPDATE {table} SET {column} = ?{rowwise}", value, *arguments))  # noqa: S608 - names of our own


def edited_epochs(scene: Scene) -> None:
    column = ("transform_epoch", "row_epoch")[int(scene.random.integers(2))]
    scene.sql((f"UPDATE meta SET {column} = ?", int(scene.random.integers(0, 5))))  # noqa: S608 - names of our own


def added_trigger(scene: Scene) -> None:
    scene.sql(("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM revocations; END",))


def cut_short(scene: Scene) -> None:
    size = scene.path.stat().st_size
    with scene.path.open("r+b") as file:
        file.truncate(int(scene.random.integers(size)))


def noise_in_the_file(scene: Scene) -> None:
    whole = bytearray(scene.path.read_bytes())
    start = int(scene.random.integers(HEADER, len(whole) - 64))
    whole[start : start + 64] = scene.random.bytes(64)
    scene.path.write_bytes(whole)


def put_back_a_revoked_row(scene: Scene) -> None:
    """Subject and template of somebody revoked, from an older copy; the note of the revocation stays."""
    gone = scene.ids[-1]
    old = scene.old / scene.path.name
    (record,) = scene.rows(old, "SELECT id, sealed, version FROM subjects WHERE id = ?", gone)
    ((reference, template),) = scene.rows(old, "SELECT id, template FROM templates WHERE subject = ?", gone)
    scene.sql(
        ("INSERT INTO subjects (id, sealed, version) VALUES (?, ?, ?)", *record),
        ("INSERT INTO templates (id, subject, template) VALUES (?, ?, ?)", reference, gone, template),
    )


def put_back_and_forget_the_revocation(scene: Scene) -> None:
    put_back_a_revoked_row(scene)
    scene.sql(("DELETE FROM revocations",))


def put_back_the_dates(scene: Scene) -> None:
    """The sealed record of somebody whose dates are over, from an older copy in which he had none."""
    over = scene.ids[-2]
    (record,) = scene.rows(scene.old / scene.path.name, "SELECT sealed, version FROM subjects WHERE id = ?", over)
    scene.sql(("UPDATE subjects SET sealed = ?, version = ? WHERE id = ?", *record, over))


def put_back_the_sealed_dates(scene: Scene) -> None:
    """Only the sealed bytes, so that the sum over the versions is as it was."""
    over = scene.ids[-2]
    ((sealed,),) = scene.rows(scene.old / scene.path.name, "SELECT sealed FROM subjects WHERE id = ?", over)
    scene.sql(("UPDATE subjects SET sealed = ? WHERE id = ?", sealed, over))


def put_back_the_whole_file(scene: Scene) -> None:
    shutil.copyfile(scene.old / scene.path.name, scene.path)


def put_back_everything(scene: Scene) -> None:
    """Also what the appliance keeps beside the file."""
    restored(scene.old, scene.path.parent)


Edit = Callable[[Scene], None]
EDITS: dict[str, Edit] = {
    "bit flipped in a row": flip_a_bit,
    "rows of two people swapped": swap_templates,
    "own row given to another subject": take_over_a_subject,
    "own row copied over another's": copy_over_a_row,
    "names of two people swapped": swap_names,
    "row of another gallery put in": foreign_row,
    "row forged without keys": forged_row,
    "values of other kinds by SQL": odd_values,
    "epochs edited": edited_epochs,
    "trigger put in": added_trigger,
    "file cut short": cut_short,
    "noise written into the file": noise_in_the_file,
    "revoked row put back": put_back_a_revoked_row,
}
REPLAYS: dict[str, Edit] = {
    "revoked row put back, revocation deleted": put_back_and_forget_the_revocation,
    "former dates put back": put_back_the_dates,
    "former dates under the present version": put_back_the_sealed_dates,
    "whole old file put back": put_back_the_whole_file,
}
ROLL_BACKS: dict[str, Edit] = {"whole old folder put back": put_back_everything}

KINDS = {Knowledge.DATABASE: EDITS, Knowledge.OLD_COPY: REPLAYS, Knowledge.OLD_DISK: ROLL_BACKS}


def attack(faces: Faces, rule: Rule, trials: int = TRIALS) -> list[Result]:
    """Every edit so many times."""
    some = faces.some(slice(0, PEOPLE))
    codes, probes = some.codes[0], some.probes[0]
    stranger = faces.projection.probes(faces.strangers[:1])[0]
    with TemporaryDirectory(prefix="edge-attack-") as name:
        folder = Path(name)
        door, foreign = Door(folder, rule, codes, "own"), Door(folder, rule, stranger.symbols[None], "foreign")
        old, clean = (folder / kind for kind in ("old", "clean"))
        restored(door.path.parent, old)
        with door.opened() as gallery:
            end(gallery, door)
        restored(door.path.parent, clean)
        results = []
        for knowledge, edits in KINDS.items():
            for what, edit in edits.items():
                hits = 0
                for trial in range(trials):
                    restored(clean, door.path.parent)
                    edit(Scene(door.path, door.ids, stranger.symbols, rule.network.q, foreign.path, old, np.random.default_rng(trial)))
                    hits += admitted(door, probes, stranger)
                results.append(Result(what, knowledge, SUCCESS, trials, hits, NEVER))
    return results


def end(gallery: Gallery, door: Door) -> None:
    """The last person is revoked, and the dates of the one before are over."""
    gallery.revoke(door.ids[-1])
    gallery.limit(door.ids[-2], Validity(ends=OVER))


def restored(source: Path, target: Path) -> None:
    """The files of one folder in the place of those of another; the folder of keys stays."""
    target.mkdir(exist_ok=True)
    for file in [file for file in target.iterdir() if file.is_file()]:
        file.unlink()
    for file in [file for file in source.iterdir() if file.is_file()]:
        shutil.copy(file, target / file.name)


def admitted(door: Door, probes: Sequence[Code], stranger: Code) -> bool:
    """Whether the door, as its file now is, lets in the stranger, the attacker under another id or name, or who was revoked or expired."""
    try:
        with door.opened() as gallery:
            attacker = door.admits(gallery, probes[0])
            named = None if attacker is None else gallery.find(attacker).label
            wrong = attacker not in (None, door.ids[0]) or named not in (None, "person 0")
            return wrong or any(door.admits(gallery, probe) is not None for probe in (stranger, probes[-1], probes[-2]))
    except EdgeError:
        return False


def rows(make: Make, faces: Faces, trials: int = 200) -> list[Result]:
    """The same for single rows of any scheme: does an edited or moved row open? Success needs no match; a row that opens is one."""
    codes, _ = faces.codes
    scheme, random = make(codes.shape[1], faces.projection.q), np.random.default_rng(0)
    flipped = moved = 0
    for trial in range(trials):
        code = codes[trial % len(codes)]
        raw = scheme.seal(code, "subject", "reference")
        flipped += _opens(scheme, _flipped(raw, random), "subject", "reference")
        moved += _opens(scheme, raw, "somebody else", "reference") + _opens(scheme, raw, "subject", "another reference")
    return [
        Result("single row, a bit flipped", Knowledge.DATABASE, "the row opens", trials, flipped, NEVER),
        Result("single row, moved", Knowledge.DATABASE, "the row opens", 2 * trials, moved, NEVER),
    ]


def _opens(scheme: Scheme, raw: bytes, subject: str, reference: str) -> bool:
    try:
        scheme.open(raw, subject, reference)
    except TemplateError:
        return False
    return True

"""Renewal of a whole gallery, each in one transaction and with nobody present: pads, transform, keys; and the move to another network."""

import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from edge.errors import GalleryError
from edge.gallery.file import NetworkId
from edge.gallery.former import STAMP, TABLE, close_window, open_window
from edge.gallery.head import EMPTY, Signer, xor
from edge.gallery.live import TABLES, Live
from edge.gallery.sealer import Row, Sealer
from edge.gallery.state import State, insert
from edge.gallery.versions import reseal_versioned
from edge.records import Code
from edge.template.protect import Keys, TemplateError
from edge.words import counted

Tell = Callable[[int, int], None]
CHUNK = 2048  # references between two words of progress
_UNVERSIONED = (("revocations", "subject", "revocation"), ("events", "id", "event"))


def untold(done: int, total: int) -> None:
    """Progress that nobody watches."""


def rotate(state: State, *, transform: bool, tell: Tell) -> None:
    """See ``Gallery.rotate``."""
    with state.changing() as db:
        _require_whole(state)
        now = state.live.sealer.epochs
        epochs = (now[0] + transform, now[1] + 1)
        db.execute("UPDATE meta SET transform_epoch = ?, row_epoch = ?", epochs)
        came, went, contents = _reseal(db, state.lives, lambda sealer: sealer.at(epochs), state.integrity.signer, tell)
        state.integrity.sign(db, came=came, went=went, contents=contents)
        state.log(db, "rotated")
    state.follow()
    state.file.erase()


def readdress(state: State, keys: Keys, device: str, tell: Tell, *, whole: bool) -> None:
    """See ``Gallery.readdress``."""
    epochs = (1, 1)
    old = state.live.sealer
    fresh = old.under(keys, device).at(epochs)
    integrity = state.integrity.under(Signer(keys.head_key()))
    expected = replace(state.expected, key_check=keys.check_value(), device=device)
    with state.changing() as db:
        if whole:
            _require_whole(state)
        facts = (*epochs, expected.key_check, device)
        db.execute("UPDATE meta SET transform_epoch = ?, row_epoch = ?, key_check = ?, device = ?", facts)
        _, _, contents = _reseal(db, state.lives, lambda sealer: sealer.under(keys, device).at(epochs), integrity.signer, tell)
        _reseal_records(db, old, fresh)
        integrity.accept(db, contents, state.former is not None)
        state.log(db, "readdressed", sealer=fresh)
    state.adopt(expected, fresh, integrity)
    state.file.erase()


def rebind(state: State, network: NetworkId, until: datetime) -> int:
    """See ``Gallery.rebind``."""
    with state.changing() as db:
        if state.former is not None:
            raise GalleryError(f"gallery {state.file.path}: people are being renewed until {state.former.until:{STAMP}}: end that first")
        old = state.live.sealer
        if network == old.network:
            raise GalleryError(f"gallery {state.file.path}: belongs to network {network.sha256[:12]} already: nothing to do")
        _require_whole(state)
        waiting = len(state.live.matrix)
        version = open_window(db, old, old.network, until)
        db.execute("UPDATE meta SET network = ?, m = ?, q = ?", (network.sha256, network.m, network.q))
        state.integrity.sign(db, came=[version], contents=EMPTY)
        state.log(db, "rebind_begun")
    state.adopt(replace(state.expected, network=network), old.of(network))
    return waiting


def rebound(state: State, subject_id: str, code: Code, check: Callable[[], None]) -> bool:
    """See ``Gallery.rebound``."""
    with state.changing() as db:
        check()
        state.agree(db, subject_id)
        state.require_unaltered()
        gone = state.stored_references_of(db, subject_id, (TABLE,))
        passed = bool(gone) and state.live.subject(subject_id) is not None
        added: list[Row] = []
        if passed:
            added = state.insert(db, subject_id, state.live.sealer.planes([code]))
            state.delete(db, gone)
            state.sign(db, came=[row.reference for row in added], went=gone)
            state.log(db, "rebound", subject_id)
    if passed:
        state.forget(gone)
        state.live.append(added)
    state.followed()
    if passed:
        state.file.erase()
    return passed


def end_rebind(state: State) -> int:
    """See ``Gallery.end_rebind``."""
    with state.changing() as db:
        went, versions = close_window(db)
        state.sign(db, went=[*went, *versions])
        state.log(db, "rebind_ended")
    state.follow()
    state.file.erase()
    return len(went)


def _require_whole(state: State) -> None:
    """GalleryError if something cannot be taken along: it would be lost."""
    problems = sorted({problem for live in state.lives for problem in live.problems.values()})
    damaged = sum(len(live.damaged) for live in state.lives)
    if problems or damaged:
        found = "; ".join(problems) or f"damaged: {counted(damaged, 'reference')}"
        raise GalleryError(f"gallery {state.file.path}: {found}: revoke or renew their subjects first")


def _reseal(
    db: sqlite3.Connection, lives: Sequence[Live], fresh: Callable[[Sealer], Sealer], signer: Signer, tell: Tell
) -> tuple[list[str], list[str], bytes]:
    """Every reference under a new id, pad and sealer. fresh: the old sealer -> the new one.

    Returns the ids that came and that went, and ``Signer.contents`` of those that are no former ones.
    """
    contents = EMPTY
    total = sum(len(live.matrix) for live in lives)
    came: list[str] = []
    went = [reference for live in lives for reference in live.matrix.references]
    for live in lives:
        sealer = fresh(live.sealer)
        db.execute(f"DELETE FROM {live.table}")  # noqa: S608 - fixed names
        for rows in _recoded(live, sealer):
            sealed = insert(db, live.table, sealer, rows, signer)
            contents = xor(contents, sealed if live.table == TABLES[0] else EMPTY)
            came += [row.reference for row in rows]
            tell(len(came), total)
    return came, went, contents


def _recoded(live: Live, fresh: Sealer) -> Iterator[list[Row]]:
    matrix = live.matrix
    for start in range(0, len(matrix), CHUNK):
        planes = live.sealer.recoded(matrix.rows[start : start + CHUNK], fresh)
        subjects = matrix.subjects[start : start + CHUNK]
        yield [Row(secrets.token_hex(16), subject, row.tobytes()) for subject, row in zip(subjects, planes, strict=True)]


def _reseal_records(db: sqlite3.Connection, old: Sealer, fresh: Sealer) -> None:
    """Every sealed record under the keys of ``fresh``. One that does not open is dropped; a revocation stays in force, without its time."""
    reseal_versioned(db, old, fresh)
    for table, key, kind in _UNVERSIONED:
        for identity, sealed in db.execute(f"SELECT {key}, sealed FROM {table}").fetchall():  # noqa: S608 - fixed names
            try:
                facts = old.open_facts(kind, str(identity), sealed)
            except TemplateError:
                facts = {"time": ""} if kind == "revocation" else {}
            if facts:
                db.execute(f"UPDATE {table} SET sealed = ? WHERE {key} = ?", (fresh.seal_facts(kind, str(identity), facts), identity))  # noqa: S608
            else:
                db.execute(f"DELETE FROM {table} WHERE {key} = ?", (identity,))  # noqa: S608

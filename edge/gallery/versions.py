"""Versions of sealed records: 16 random bytes a row, new whenever it is rewritten, summed by the signed head like ids of references."""

import secrets
import sqlite3

from edge.gallery.schema import VERSIONED
from edge.gallery.sealer import Sealer
from edge.template.protect import TemplateError


def new_version() -> str:
    """A version that no row had before, 32 hex digits."""
    return secrets.token_hex(16)


def give_versions(db: sqlite3.Connection, sealer: Sealer) -> list[str]:
    """Seals the records of an older file anew, each under a version; one that does not open gets one too, and still does not open."""
    for table, key, kind in VERSIONED:
        for identity, sealed in db.execute(f"SELECT {key}, sealed FROM {table} WHERE version = ''").fetchall():  # noqa: S608 - fixed names
            version = new_version()
            try:
                fresh = sealer.seal_facts(kind, identity, sealer.open_facts(kind, identity, sealed), version)
            except TemplateError:
                fresh = sealed
            db.execute(f"UPDATE {table} SET sealed = ?, version = ? WHERE {key} = ?", (fresh, version, identity))  # noqa: S608
        db.execute(f"UPDATE {table} SET version = lower(hex(randomblob(16))) WHERE version = ''")  # noqa: S608 - whose id is damaged
    return [version for table, _, _ in VERSIONED for (version,) in db.execute(f"SELECT version FROM {table}")]  # noqa: S608 - fixed names


def reseal_versioned(db: sqlite3.Connection, old: Sealer, fresh: Sealer) -> None:
    """Every record under the keys of ``fresh`` and a new version. One that does not open is dropped."""
    for table, key, kind in VERSIONED:
        for identity, sealed, version in db.execute(f"SELECT {key}, sealed, version FROM {table}").fetchall():  # noqa: S608 - fixed names
            try:
                facts = old.open_facts(kind, identity, sealed, version)
            except TemplateError:
                db.execute(f"DELETE FROM {table} WHERE {key} = ?", (identity,))  # noqa: S608 - fixed names
                continue
            following = new_version()
            values = (fresh.seal_facts(kind, identity, facts, following), following, identity)
            db.execute(f"UPDATE {table} SET sealed = ?, version = ? WHERE {key} = ?", values)  # noqa: S608 - fixed names

"""A gallery file as the programs before this one wrote it, made of one of today's."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from edge.gallery.head import Signer
from edge.gallery.schema import VERSIONED
from edge.template.protect import Keys, derive, open_record, seal_record


def as_version_2(path: Path, keys: Keys) -> None:
    """Records without versions, and a signature over references alone."""
    with closing(sqlite3.connect(path)) as db, db:
        for table, key, kind in VERSIONED:
            kept = []
            for identity, sealed, version in db.execute(f"SELECT {key}, sealed, version FROM {table}").fetchall():
                plain = open_record(sealed, keys.label_key(), kind, identity, version)
                kept.append((identity, seal_record(plain, keys.label_key(), kind, identity)))
            db.execute(f"DROP TABLE {table}")
            db.execute(f"CREATE TABLE {table} ({key} TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID")
            db.executemany(f"INSERT INTO {table} VALUES (?, ?)", kept)
        signer = Signer(keys.head_key())
        head = signer.open(db.execute("SELECT sealed FROM head").fetchone()[0], "gallery")
        ids = [each for table in ("templates", "former") for (each,) in db.execute(f"SELECT id FROM {table}")]
        facts = {"counter": head.counter, "gallery": head.gallery, "members": signer.members(ids).hex(), "replaces": head.replaces}
        sealed = seal_record(json.dumps(facts).encode(), derive(keys.head_key(), "head record"), "head", "gallery")
        db.execute("UPDATE head SET sealed = ?", (sealed,))
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'versioned_records'")
        db.execute("PRAGMA user_version = 2")


def as_version_1(path: Path, keys: Keys) -> None:
    """Without any signature, too."""
    as_version_2(path, keys)
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("head", "changes", "former", "facts"):
            db.execute(f"DROP TABLE {table}")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'signed_head'")
        db.execute("PRAGMA user_version = 1")

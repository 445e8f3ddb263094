"""The tables of a gallery file and how they came to be (docs/template-format.md, "The file")."""

import sqlite3
from typing import Any

from sqlite_utils import Migrations

APPLICATION_ID = int.from_bytes(b"EdgF", "big")
SCHEMA_VERSION = 3
VERSIONED = (("subjects", "id", "subject"), ("facts", "name", "fact"))
"""Tables whose rows have a version, their key, and the table that their associated data name."""

INDEXES = ("CREATE INDEX templates_subject ON templates (subject)", "CREATE INDEX former_subject ON former (subject)")

MIGRATIONS = Migrations("edge-gallery")


def first_light(db: Any) -> None:
    """meta (one row), subjects, templates (one row per reference), revocations, events."""
    strict = ["STRICT"] if sqlite3.sqlite_version_info >= (3, 37) else []
    by_id = ", ".join(["WITHOUT ROWID", *strict])  # rows lie by random id, not in the order people came
    statements = (
        f"""CREATE TABLE meta (
            id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, network TEXT NOT NULL, m INTEGER NOT NULL, q INTEGER NOT NULL,
            transform_epoch INTEGER NOT NULL, row_epoch INTEGER NOT NULL, key_check BLOB NOT NULL, device TEXT NOT NULL) {by_id}""",
        f"CREATE TABLE subjects (id TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) {by_id}",
        f"""CREATE TABLE templates (
            id TEXT PRIMARY KEY NOT NULL, subject TEXT NOT NULL REFERENCES subjects (id), template BLOB NOT NULL) {by_id}""",
        "CREATE INDEX templates_subject ON templates (subject)",
        f"CREATE TABLE revocations (subject TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) {by_id}",
        f"CREATE TABLE events (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL) {', '.join(strict)}",
    )
    for statement in statements:
        db.conn.execute(statement)


def signed_head(db: Any) -> None:
    """head (one row: the signature over the references), changes (whose the newest of them were), former (references of the network before,
    while people are renewed), facts."""
    strict = ["STRICT"] if sqlite3.sqlite_version_info >= (3, 37) else []
    by_id = ", ".join(["WITHOUT ROWID", *strict])
    statements = (
        f"CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL) {by_id}",
        f"CREATE TABLE changes (counter INTEGER PRIMARY KEY, subject TEXT NOT NULL) {', '.join(strict)}",
        f"""CREATE TABLE former (
            id TEXT PRIMARY KEY NOT NULL, subject TEXT NOT NULL REFERENCES subjects (id), template BLOB NOT NULL) {by_id}""",
        "CREATE INDEX former_subject ON former (subject)",
        f"CREATE TABLE facts (name TEXT PRIMARY KEY NOT NULL, sealed BLOB NOT NULL) {by_id}",
    )
    for statement in statements:
        db.conn.execute(statement)


def versioned_records(db: Any) -> None:
    """subjects and facts: version, which the signature sums. What lies in an older file gets one by ``edge.gallery.versions``."""
    for table, _, _ in VERSIONED:
        db.conn.execute(f"ALTER TABLE {table} ADD COLUMN version TEXT NOT NULL DEFAULT ''")


MIGRATIONS()(first_light)
MIGRATIONS()(signed_head)
MIGRATIONS()(versioned_records)

"""References of the network before: they still say who somebody is, until each person has been renewed or the window has closed."""

import contextlib
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

from edge.gallery.file import NetworkId, reader
from edge.gallery.live import Live
from edge.gallery.sealer import Sealer
from edge.gallery.versions import new_version
from edge.template.protect import TemplateError

TABLE = "former"
_FACT = "former"
STAMP = "%Y-%m-%dT%H:%M:%SZ"


class Former:
    """The live references of the network before, and when they end (wall-clock UTC)."""

    def __init__(self, live: Live, until: datetime) -> None:
        self.live, self.until = live, until

    @property
    def network(self) -> NetworkId:
        """The network whose codes these are."""
        return self.live.sealer.network

    def __len__(self) -> int:
        return len(self.live.matrix)

    def over(self, now: datetime) -> bool:
        """Whether the window has closed."""
        return now >= self.until


def load_former(db: sqlite3.Connection, current: Sealer, before: Former | None) -> Former | None:
    """What the file holds of them; None where no window is open or its record does not open. before: what was loaded last."""
    row = db.execute("SELECT sealed, version FROM facts WHERE name = ?", (_FACT,)).fetchone()
    if row is None:
        return None
    try:
        facts = current.open_facts("fact", _FACT, *row)
    except TemplateError:
        return None
    network = NetworkId(str(facts["network"]), int(str(facts["m"])), int(str(facts["q"])))
    sealer = current.of(network)
    kept = before is not None and before.network == network and before.live.sealer.epochs == current.epochs
    live = before.live if kept and before else Live(sealer, TABLE)
    live.load(db)
    return Former(live, datetime.strptime(str(facts["until"]), STAMP).replace(tzinfo=timezone.utc))


def is_moving(path: Path) -> bool:
    """Whether a gallery file says that a window is open, read without any key; False for what cannot be read."""
    try:
        with contextlib.closing(reader(path)) as db:
            return db.execute("SELECT 1 FROM facts WHERE name = ?", (_FACT,)).fetchone() is not None
    except sqlite3.Error:
        return False


def open_window(db: sqlite3.Connection, current: Sealer, network: NetworkId, until: datetime) -> str:
    """Makes the references of ``network``, all those in the file, the former ones until a wall-clock time. The version of that record."""
    version = new_version()
    facts = {"network": network.sha256, "m": str(network.m), "q": str(network.q), "until": until.strftime(STAMP)}
    db.execute(f"INSERT INTO {TABLE} SELECT id, subject, template FROM templates")  # noqa: S608 - a fixed name
    db.execute("DELETE FROM templates")
    sealed = current.seal_facts("fact", _FACT, facts, version)
    db.execute("INSERT INTO facts (name, sealed, version) VALUES (?, ?, ?)", (_FACT, sealed, version))
    return version


def close_window(db: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Deletes the former references and the record of the window; the ids and the version that went."""
    stored = db.execute(f"SELECT id, length(template) FROM {TABLE}")  # noqa: S608 - both, or SQLite reads the index alone
    went = [identity for identity, _ in stored]
    db.execute(f"DELETE FROM {TABLE}")  # noqa: S608 - a fixed name
    db.execute(f"REINDEX {TABLE}")  # what only a damaged index has would stay in it
    versions = [version for (version,) in db.execute("SELECT version FROM facts WHERE name = ?", (_FACT,))]
    db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))
    return went, versions

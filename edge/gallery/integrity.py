"""Whether a gallery is the one that was signed: every reference and record and no other, and the newest copy this device has seen."""

import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import merge
from pathlib import Path

from edge.gallery.block import Signed, ids_in
from edge.gallery.head import EMPTY, RULE, Head, Signer, xor
from edge.gallery.labels import id_bytes
from edge.gallery.live import Live
from edge.gallery.schema import VERSIONED
from edge.gallery.witness import Witness
from edge.template.protect import TemplateError

_PLACE = "gallery"
KEPT = 64  # changes whose subject is told; who missed more looks at everything
# in the order of the tables themselves: SQLite would read an index alone, and a damaged one must hide nobody
_IDS = ("SELECT id FROM templates NOT INDEXED ORDER BY id", "SELECT id FROM former NOT INDEXED ORDER BY id")
# of each table one text: a call for each id would take longer. The length of what lies beside the id has the table read and not an index
# alone, which NOT INDEXED does not bar where a table is WITHOUT ROWID
_OTHERS = tuple(
    f"SELECT count(*), total(typeof({one}) = 'text' AND length({beside}) >= 0), CAST(group_concat({one}, ',') AS BLOB) FROM {table}"  # noqa: S608 - fixed names
    for table, one, beside in (("former", "id", "template"), *((table, "version", "sealed") for table, _, _ in VERSIONED))
)
_VERSIONS = tuple(f"SELECT version FROM {table} NOT INDEXED ORDER BY version" for table, _, _ in VERSIONED)  # noqa: S608 - fixed names


def first_head(signer: Signer) -> bytes:
    """The sealed head of a new, empty gallery with a random id."""
    return signer.seal(Head(secrets.token_hex(16), 0, EMPTY, contents=EMPTY), _PLACE)


class Integrity:
    """Checks the head at every load and signs it anew in the transaction of every change.

    altered: why the gallery is not the one that was signed, or None. witness_pending: the witness could not be written; the next change
    or ``keep`` makes up for it. contents: ``Signer.contents`` of the present references that open; None where nobody has summed them.
    """

    def __init__(self, signer: Signer, witness: Path | None) -> None:
        self.signer = signer
        self._witness = Witness(witness, signer) if witness else None
        self._head: Head | None = None
        self.contents: bytes | None = None
        self.altered: str | None = None
        self.witness_pending = False

    def under(self, signer: Signer) -> "Integrity":
        """The same gallery's integrity under another key; nothing is signed yet."""
        other = Integrity(signer, self._witness.path if self._witness else None)
        other._head = self._head
        return other

    @property
    def counter(self) -> int | None:
        """Changes so far, as signed; None where no head opens."""
        return self._head.counter if self._head else None

    @property
    def head(self) -> Head | None:
        """As signed; None where none opens."""
        return self._head

    def is_at(self, db: sqlite3.Connection, head: Head) -> bool:
        """Whether the file is signed so, and its references and records are those."""
        return self._head == head and _members(db, self.signer) == head.members

    def signed(self, db: sqlite3.Connection) -> Signed:
        """What a load may hold all rows of the file against, within the open transaction."""
        sealed = db.execute("SELECT sealed FROM head").fetchone()
        try:
            return Signed(self.signer, self.signer.open(sealed[0], _PLACE).contents if sealed else None)
        except TemplateError:
            return Signed(self.signer, None)

    def check(self, db: sqlite3.Connection, live: Live, window: bool) -> None:
        """Holds the head against the file and the witness, within the open transaction. live: what was loaded in it. window: whether a
        rebind is open, and its record opened."""
        self.altered = self._fault(db, live, window)
        self.contents = live.tally.contents if live.tally else self._head.contents if self._head else None

    def _fault(self, db: sqlite3.Connection, live: Live, window: bool) -> str | None:
        self._head = None
        sealed = db.execute("SELECT sealed FROM head").fetchone()
        if sealed is None:
            return "its references were never signed, or the signature was removed"
        try:
            head = self.signer.open(sealed[0], _PLACE)
        except TemplateError:
            return "its signature does not open"
        self._head = head
        if head.rule != RULE:
            return "its signature is one of an older program, and not over what is here"
        if _members(db, self.signer, live) != head.members:
            return "its references or records are not those that were signed: some were added, removed or put back by another program"
        if _strays(db, window):
            return "it holds rows in facts or former that this program never writes"
        return self._unwitnessed(head)

    def _unwitnessed(self, head: Head) -> str | None:
        if self._witness is None:
            return None
        if head.replaces and self._digest() == head.replaces:
            self.witness_pending = True  # its process ended between a change of keys, or a restore, and the new witness
            return None
        try:
            seen = self._witness.read()
        except TemplateError:
            return f"the witness {self._witness.path} is altered or unreadable"
        if not head.counter and (seen is None or seen.gallery != head.gallery):
            self.witness_pending = True  # a new, empty gallery: it lets nobody in
            return None
        if seen is None:
            return f"the witness {self._witness.path} is missing, so nobody can say that this is the newest copy"
        if seen.gallery != head.gallery:
            return f"it is another gallery than the one that the witness {self._witness.path} has seen"
        if seen.counter > head.counter:
            return f"it is an old copy: it has seen {head.counter} changes, the witness {seen.counter}"
        self.witness_pending = seen.counter < head.counter  # its process ended between the change and the witness
        return None

    def sign(
        self,
        db: sqlite3.Connection,
        *,
        came: Sequence[str] = (),
        went: Sequence[str] = (),
        subject: str | None = None,
        contents: bytes | None = None,
    ) -> None:
        """The head after a change within the open transaction. came, went: ids of references and versions of records.
        subject: whose, if all are of one. contents: as they are after it, where they are known.

        In an altered gallery only removals come here: it is whole again once what did not belong to it is gone, and that alone or at once
        with something that did. Nothing else becomes part of it by that; then only ``accept`` helps.
        """
        if self._head is None:
            return
        change = xor(self.signer.members(set(came)), self.signer.members(set(went)))  # what stands twice in an altered table would cancel
        following = self._head.next(change, contents)
        if self.altered:  # counts no change, or an old copy would catch up; what was added unsigned must not get into the sum
            now = _members(db, self.signer)
            whole = self._head.members in (now, xor(now, change))
            following = replace(self._head, members=now if whole else secrets.token_bytes(len(EMPTY)), contents=None)
        elif subject is not None:
            db.execute("INSERT OR REPLACE INTO changes (counter, subject) VALUES (?, ?)", (following.counter, subject))
            db.execute("DELETE FROM changes WHERE counter <= ?", (following.counter - KEPT,))
        self._store(db, following)

    def changed_since(self, db: sqlite3.Connection) -> tuple[Head, list[str]] | None:
        """The head of the file, and the subjects that were changed since the head known here; None where the file does not tell all.

        What it tells is not signed: believe it only if ``accept_change`` does.
        """
        before, sealed = self._head, db.execute("SELECT sealed FROM head").fetchone()
        if before is None or self.altered or sealed is None:
            return None
        try:
            head = self.signer.open(sealed[0], _PLACE)
        except TemplateError:
            return None
        told = db.execute("SELECT counter, subject FROM changes WHERE counter > ? ORDER BY counter", (before.counter,)).fetchall()
        counters = list(range(before.counter + 1, head.counter + 1))
        if head.gallery != before.gallery or not told or [counter for counter, _ in told] != counters or self._unwitnessed(head):
            return None
        return head, list(dict.fromkeys(subject for _, subject in told))

    def unchanged(self, db: sqlite3.Connection) -> bool:
        """Whether the file is signed as it was when it was last found whole, and the witness knows nothing newer."""
        if self._head is None or self.altered or (sealed := db.execute("SELECT sealed FROM head").fetchone()) is None:
            return False
        try:
            return self.signer.open(sealed[0], _PLACE) == self._head and self._unwitnessed(self._head) is None
        except TemplateError:
            return False

    def accept_change(self, head: Head, moved: Sequence[str]) -> bool:
        """Whether the ids and versions that came and went lead from the head known here to this one; then this one is known."""
        if self._head is None or xor(self._head.members, self.signer.members(moved)) != head.members:
            return False
        self._head, self.contents = head, head.contents
        return True

    def accept(self, db: sqlite3.Connection, contents: bytes | None, window: bool) -> None:
        """Signs the references as they are; rows that nothing loads are deleted. Counts on from the newest change that file or witness has
        seen. contents: as in ``sign``. window: as in ``check``."""
        for each in _odd_rows(window):
            db.execute(f"DELETE FROM {each}")  # noqa: S608 - fixed names
        db.execute("REINDEX")  # what only a damaged index has would stay in it
        seen = [each for each in (self._head, self._witnessed()) if each]
        identity = seen[0].gallery if seen else secrets.token_hex(16)
        counter = max((each.counter for each in seen), default=0) + 1
        self._store(db, Head(identity, counter, _members(db, self.signer), self._digest(), contents=contents))
        self.altered = None

    def _digest(self) -> str:
        try:
            return self._witness.digest() if self._witness else ""
        except TemplateError:
            return ""

    def _witnessed(self) -> Head | None:
        try:
            return self._witness.read() if self._witness else None
        except TemplateError:
            return None

    def _store(self, db: sqlite3.Connection, head: Head) -> None:
        db.execute("INSERT OR REPLACE INTO head (id, sealed) VALUES (1, ?)", (self.signer.seal(head, _PLACE),))
        self._head, self.contents = head, head.contents
        self.witness_pending = self._witness is not None

    def keep(self, db: sqlite3.Connection) -> None:
        """Brings the witness to the file's head, within a transaction that bars other processes. Raises OSError or TemplateError."""
        if self._witness is not None and self.altered is None:
            head = self.signer.open(db.execute("SELECT sealed FROM head").fetchone()[0], _PLACE)
            if head != self._head:
                return  # changed since it was checked: look first
            self._witness.write(head)
        self.witness_pending = False


def sign_versions(db: sqlite3.Connection, signer: Signer, versions: Sequence[str]) -> None:
    """Takes the versions that the records of an older file were just given into its signature, if its references are those signed there.

    The head counts no change and needs no other witness. One that does not fit, or knows versions already, is left: it stays unfit.
    """
    sealed = db.execute("SELECT sealed FROM head").fetchone()
    try:
        head = signer.open(sealed[0], _PLACE) if sealed else None
    except TemplateError:
        return
    if head and head.rule == 1 and signer.members(_each_once(db, _IDS)) == head.members:
        whole = replace(head, members=xor(head.members, signer.members(versions)), rule=RULE)
        db.execute("UPDATE head SET sealed = ?", (signer.seal(whole, _PLACE),))


def _strays(db: sqlite3.Connection, window: bool) -> bool:
    """Whether there are rows that nothing loads or reports: an id or a version that is hidden there keeps the sum as it is."""
    return any(db.execute(f"SELECT 1 FROM {each}").fetchone() for each in _odd_rows(window))  # noqa: S608 - fixed names


def _odd_rows(window: bool) -> tuple[str, ...]:
    return ("facts WHERE name != 'former'",) if window else ("facts", "former")


def _members(db: sqlite3.Connection, signer: Signer, live: Live | None = None) -> bytes:
    """live: what was just loaded. If that were all rows of ``templates`` at once, their ids are summed already."""
    if live is not None and live.tally is not None and live.tally.whole:
        others = _others(db)
        if len(set(others)) == len(others) and (blocks := id_bytes(others)) is not None and not live.holds_any(others, ids_in(blocks)):
            return xor(live.tally.members, signer.members_of(blocks))
    return signer.members(_each_once(db, (*_IDS, *_VERSIONS)))


def _others(db: sqlite3.Connection) -> list[str]:
    """Every id and version besides ``templates``; something that is no id among them where not all are texts.

    Only then do the commas say where each ends, and is none left out.
    """
    others: list[str] = []
    for query in _OTHERS:
        count, sound, joined = db.execute(query).fetchone()
        each = joined.decode("utf-8", "backslashreplace").split(",") if joined else []
        others += each if len(each) == count == sound else ["no ids"]
    return others


def _each_once(db: sqlite3.Connection, queries: Sequence[str]) -> Iterator[str]:
    """Every id and version, of all tables in one order. One that comes again would cancel itself: it stands for another then.

    One that is lower than one before (text that is no UTF-8 has another order in SQLite; so may a damaged table) stands for another too:
    it may be one that came already. These are numbered, each id by itself, so that no two are alike.
    """
    last, again = "", Counter[str]()
    for identity in map(str, merge(*((row[0] for row in db.execute(query)) for query in queries), key=str)):
        if identity > last:
            yield identity
            last = identity
        else:
            again[identity] += 1
            yield f"again {again[identity]} {identity}"

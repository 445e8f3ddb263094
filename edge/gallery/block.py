"""All stored references at once: read in a few large pieces, and summed to see whether they are those that were signed.

A call of Python for every row takes ten times as long as reading the rows; here there are a few for some thousands of them.
"""

import sqlite3
from binascii import unhexlify
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.gallery.head import EMPTY, Scope, Signer, xor
from edge.gallery.labels import ID_CHARACTERS
from edge.records import Symbols

Ids = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROWS = 4000  # worked on at once: what is made of them stays in the cache
_ASKED = 3700  # of SQLite at once: random ids give hardly ever more than ROWS then. With far fewer the two threads wait for one another
# of every column all bytes one after the other, NUL too. Between ids stands a comma, as no id has one: rows that are cut at other places
# are told by it. Of templates, in which any byte may be, the lengths are counted. A NULL is left out and a blob joined like a text, while
# no question for that subject finds the row: so types are counted too (of the ids the bounds take texts alone)
_JOINED = "CAST(group_concat(id, ',') AS BLOB), CAST(group_concat(subject, ',') AS BLOB), CAST(group_concat(template, '') AS BLOB)"
# a text lies below every blob, a number below every text
_SOUND = "count(CASE WHEN length(template) = ? AND template >= x'' AND subject >= '' AND subject < x'' THEN 1 END)"
_PIECE = f"SELECT count(*), {_SOUND}, {_JOINED} FROM templates WHERE id >= ? AND id < ?"  # noqa: S608 - fixed names
_COMMA = ord(",")
_SPARE_BITS = 4


class Rows(NamedTuple):
    """Many rows, uint8 (n, length) each: the hex digits of reference and subject, the stored template."""

    references: Symbols
    subjects: Symbols
    templates: Symbols


NONE = Rows(*(np.zeros((0, size), np.uint8) for size in (ID_CHARACTERS, ID_CHARACTERS, 0)))


def pieces(db: sqlite3.Connection, total: int, template_bytes: int) -> Iterator[Rows]:
    """All rows of ``templates`` by id, at most ``ROWS`` at a time.

    total: how many rows there are. ValueError where it differs from what was read, or a column of a row has another length than all
    should have.
    """
    left = total
    for n, references, subjects, templates in _read(db, total, template_bytes):
        left -= n
        columns = _ids(n, references), _ids(n, subjects), _column(n, templates, template_bytes)
        for start in range(0, n, ROWS):
            yield Rows(*(column[start : start + ROWS] for column in columns))
    if left:
        raise ValueError(f"{total - left} rows read of {total}")


def _column(n: int, found: bytes | None, size: int) -> Symbols:
    if n * size != len(found or b""):
        raise ValueError(f"{n} rows with {len(found or b'')} bytes: expected {size} each")
    return np.frombuffer(found or b"", np.uint8).reshape(n, size)


def _ids(n: int, found: bytes | None) -> Symbols:
    """The columns of ids, between which commas stand. Whether they are hex digits, and no comma among them, ``ids_of`` says."""
    size, text = ID_CHARACTERS, found or b""
    if len(text) != max(0, n * (size + 1) - 1) or (np.frombuffer(text, np.uint8)[size :: size + 1] != _COMMA).any():
        raise ValueError(f"{n} ids in {len(text)} bytes: expected {size} each and commas between them")
    return np.ndarray((n, size), np.uint8, text, strides=(size + 1, 1)) if n else np.zeros((0, size), np.uint8)


def _read(db: sqlite3.Connection, total: int, template_bytes: int) -> Iterator[tuple[int, bytes | None, bytes | None, bytes | None]]:
    """How many rows, and their columns: some thousands of rows at a time, ids being random."""
    parts = max(1, total // _ASKED)
    bounds: list[str | bytes] = ["", *(f"{(part << 32) // parts:08x}" for part in range(1, parts)), b""]  # a text lies below every blob
    for low, high in pairwise(bounds):
        n, whole, *columns = db.execute(_PIECE, (template_bytes, low, high)).fetchone()
        if whole != n:
            raise ValueError(f"{n} rows, of which {whole} have a subject and a template of {template_bytes} bytes")
        yield n, *columns


def ids_of(column: Symbols) -> Ids:
    """The ids of a column of hex digits as (2, n) words. ValueError for what is none."""
    return ids_in(unhexlify(column.tobytes()))


def ids_in(blocks: bytes) -> Ids:
    """Ids of 16 bytes each as (2, n) words."""
    return np.ascontiguousarray(np.frombuffer(blocks, ">u8").reshape(-1, 2).T.astype(np.uint64))


def joined(rows: Sequence[tuple[bytes | str, bytes | str, bytes]]) -> Rows:
    """Rows of reference, subject and template, each column of one length, as ``pieces`` gives them."""
    columns = (b"".join(each.encode() if isinstance(each, str) else each for each in column) for column in zip(*rows, strict=True))
    return Rows(*(np.frombuffer(column, np.uint8).reshape(len(rows), -1) for column in columns)) if rows else NONE


def rise(ids: Ids) -> bool:
    """Whether each of the ids (2, n) is larger than the one before."""
    first, second = ids
    return bool(((first[1:] > first[:-1]) | (first[1:] == first[:-1]) & (second[1:] > second[:-1])).all())


class Signed(NamedTuple):
    """What all rows may be held against: who signs, and ``contents`` of the head as signed; None where it has none, or does not open."""

    signer: Signer
    contents: bytes | None


class Tally:
    """The two sums of the signed head, over rows of references that opened: ``contents`` of the rows, ``members`` of their ids.

    whole: they are to be all that the file holds, by rising ids, so that none comes twice and cancels itself.
    """

    def __init__(self, signer: Signer, scope: Scope, *, whole: bool = False) -> None:
        self._signer, self._scope, self.whole = signer, scope, whole
        self.contents = self.members = EMPTY
        self._last = np.zeros((2, 0), np.uint64)

    def add(self, rows: Rows) -> Ids:
        """Takes rows; their references. ValueError for ids that are no hex digits, or do not rise."""
        references = ids_of(rows.references)
        if self.whole:
            if not rise(np.concatenate([self._last, references], axis=1)):
                raise ValueError("references do not rise")
            self._last = references[:, -1:]
        self.contents = xor(self.contents, self._signer.contents(rows, self._scope))
        self.members = xor(self.members, self._signer.members_of(references.T.astype(">u8").tobytes()))
        return references


class Directory:
    """Where each of many ids stands in a list (2, k) of them that does not change: one look-up in a table, by the first bits.

    ValueError if two of the list begin with the same 64 bits, as no random ids do.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids, k = ids, ids.shape[1]
        bits = k.bit_length() + _SPARE_BITS
        self._shift = np.uint64(64 - bits)
        self._table = np.full(1 << bits, -1, np.int64)
        self._table[ids[0] >> self._shift] = np.arange(k)
        self._order = np.argsort(ids[0])
        self._sorted = ids[0][self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise ValueError("two ids begin with the same 64 bits")

    def places(self, wanted: Ids) -> Places:
        """The place of each of the ids (2, n); -1 for one that is not there."""
        if not len(self._order):
            return np.full(wanted.shape[1], -1, np.int64)
        found: Places = self._table[wanted[0] >> self._shift]
        other = np.flatnonzero(~self._are(found, wanted))  # another id has their place in the table
        if len(other):
            near = np.searchsorted(self._sorted, wanted[0, other])
            found[other] = self._order[np.minimum(near, len(self._order) - 1)]
            found[other[~self._are(found[other], wanted[:, other])]] = -1
        return found

    def _are(self, found: Places, wanted: Ids) -> Bools:
        same: Bools = (self._ids[0].take(found) == wanted[0]) & (self._ids[1].take(found) == wanted[1])
        return same

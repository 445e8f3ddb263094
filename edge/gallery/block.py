"""All stored references at once: read in a few large pieces, and summed to see whether they are those that were signed.

A call of Python for every row takes ten times as long as reading the rows; here there are a few for some thousands of them.
"""

import sqlite3
from binascii import unhexlify
from collections.abc import Iterable, Iterator
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

IDS = 2 * ID_CHARACTERS  # what a row begins with: its reference and its subject, as text
_ROWS = 4096  # of a piece, about: what is made of it stays in the cache
_DIGITS = "0123456789abcdef"
# || keeps every byte, NUL too; a row with a NULL is left out, which the count tells
_PIECE = "SELECT count(*), CAST(group_concat(id || subject || template, '') AS BLOB) FROM templates WHERE id >= ? AND id < ?"
_SPARE_BITS = 4


def pieces(db: sqlite3.Connection, total: int, template_bytes: int) -> Iterator[Symbols]:
    """All rows of ``templates`` by id, uint8 (n, 64 + template_bytes): reference, subject and template of each, joined.

    total: how many there are. ValueError where it differs from what was read, or a row has another length than all should have.
    """
    size, left = IDS + template_bytes, total
    bounds: list[str | bytes] = [*_prefixes(total), b""]  # a text lies below every blob
    for start, stop in pairwise(bounds):
        n, found = db.execute(_PIECE, (start, stop)).fetchone()
        text = found or b""
        left -= n
        if n * size != len(text):
            raise ValueError(f"{n} rows in {len(text)} bytes: expected {size} each")
        if n:
            yield np.frombuffer(text, np.uint8).reshape(n, size)
    if left:
        raise ValueError(f"{total - left} rows read of {total}")


def _prefixes(total: int) -> list[str]:
    """What the ids of each piece begin at; the first one at nothing."""
    found = [""]
    while len(found) * _ROWS < total:
        found = [each + digit for each in found for digit in _DIGITS]
    return ["", *found[1:]]


def ids_of(rows: Symbols) -> tuple[Ids, Ids]:
    """References and subjects of rows, each as (2, n) words. ValueError for what is no hex digit."""
    words = np.frombuffer(unhexlify(rows[:, :IDS].tobytes()), ">u8").reshape(-1, 4).T.astype(np.uint64)
    return words[:2], words[2:]


def joined(rows: Iterable[tuple[bytes | str, bytes | str, bytes]]) -> Symbols:
    """Rows of reference, subject and template, all of one length, as ``pieces`` gives them."""
    listed = [b"".join(each.encode() if isinstance(each, str) else each for each in row) for row in rows]
    return np.frombuffer(b"".join(listed), np.uint8).reshape(len(listed), -1 if listed else 0)


class Signed(NamedTuple):
    """What all rows may be held against: who signs, and ``contents`` of the head as signed; None where it has none, or does not open."""

    signer: Signer
    contents: bytes | None


class Tally:
    """The two sums of the signed head, over rows of references that opened: ``contents`` of the rows, ``members`` of their ids.

    whole: they are all that the file holds, and no id comes twice.
    """

    def __init__(self, signer: Signer, scope: Scope, *, whole: bool = False) -> None:
        self._signer, self._scope, self.whole = signer, scope, whole
        self.contents = self.members = EMPTY

    def add(self, rows: Symbols) -> None:
        """Rows as ``pieces`` gives them. ValueError for a reference that is no hex digits."""
        self.contents = xor(self.contents, self._signer.contents(rows, self._scope))
        self.members = xor(self.members, self._signer.members_of(unhexlify(rows[:, :ID_CHARACTERS].tobytes())))


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

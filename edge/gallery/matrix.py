"""The gallery in RAM: transformed bit planes, one aligned row per reference, with room to grow.

Ids are kept as their 16 bytes and a row's subject as a number, 20 bytes a row in all, and 4 more once rows are looked for by their
subject: a million rows of 192 bytes need little more than themselves.
"""

from binascii import unhexlify
from collections.abc import Iterator, Sequence
from typing import cast, overload

import numpy as np
import numpy.typing as npt

from edge.gallery.block import Directory, Ids, Places, ids_in, rise
from edge.gallery.finder import Finder
from edge.gallery.labels import ID_CHARACTERS, id_bytes, is_id
from edge.records import Symbols
from edge.template.compare import aligned_rows

Numbers = npt.NDArray[np.uint32]


class Matrix:
    """Rows of ``width`` bytes and, in parallel, the reference and subject of each; both ids are 32 lower-case hex digits.

    Appending uses spare capacity; removing moves the last row into the gap, so row numbers last only until the next change.
    """

    def __init__(self, width: int, capacity: int = 64) -> None:
        self._width, self._n = width, 0
        self._rows = aligned_rows(capacity, width)
        self._ids, self._owners = _no_ids(capacity), np.zeros(capacity, np.uint32)
        self._subjects, self._known = _no_ids(0), 0
        self._by_id, self._by_owner = Finder(), Finder()

    @property
    def rows(self) -> Symbols:
        """The live rows (n, width), uint8, 64-byte aligned, C-contiguous. Take it anew after every change."""
        return self._rows[: self._n]

    @property
    def references(self) -> "IdColumn":
        """The reference of each row. Take it anew after every change."""
        return IdColumn(self._ids[:, : self._n])

    @property
    def subjects(self) -> "IdColumn":
        """The subject of each row. Take it anew after every change."""
        return IdColumn(self._subjects, self._owners[: self._n])

    def __len__(self) -> int:
        return self._n

    def __contains__(self, reference: object) -> bool:
        return self._row_of(reference) is not None

    def holds_any(self, references: Ids) -> bool:
        """Whether one of many references (2, n) is there, by its first 64 bits: no two random ones begin alike.

        Only while the rows lie in the order of their references, as ``extend`` left them.
        """
        here, firsts = self._ids[0, : self._n], references[0]
        near = np.minimum(np.searchsorted(here, firsts), max(self._n - 1, 0))
        return bool(self._n and (here[near] == firsts).any())

    def taken(self, references: Sequence[str]) -> Symbols:
        """A copy of the rows (n, width) of some references; KeyError if one is not there."""
        return self._rows[np.array([self._row(reference) for reference in references], dtype=np.int64)]

    def reserve(self, n: int) -> None:
        """Makes room for n rows in all."""
        if n > len(self._rows):
            rows, ids, owners = aligned_rows(n, self._width), _no_ids(n), np.zeros(n, np.uint32)
            rows[: self._n], ids[:, : self._n], owners[: self._n] = self.rows, self._ids[:, : self._n], self._owners[: self._n]
            self._rows, self._ids, self._owners = rows, ids, owners

    def append(self, reference: str, subject: str, planes: bytes | Symbols) -> None:
        """Adds one row of ``width`` bytes; ValueError if the reference is there already, is no id, or the width differs."""
        if reference in self or not (is_id(reference) and is_id(subject)) or len(planes) != self._width:
            raise ValueError(f"matrix: reference {reference} twice or no id, or {len(planes)} bytes instead of {self._width}")
        if self._n == len(self._rows):
            self.reserve(2 * self._n + 1)
        words, owner = _words(reference), self._owner(subject)
        self._by_id.set(self._n, words[0], self._ids[0])
        self._by_owner.set(self._n, owner, self._owners)
        self._ids[:, self._n], self._owners[self._n] = words, owner
        self._rows[self._n] = np.frombuffer(planes, dtype=np.uint8)
        self._n += 1

    def fill(self, subjects: Sequence[str]) -> None:
        """Makes the subjects known, by their place in the list, whose rows ``extend`` brings.

        ValueError unless the matrix is empty and each is an id.
        """
        if self._n:
            raise ValueError(f"matrix: holds {self._n} rows already")
        if (blocks := id_bytes(subjects)) is None:
            raise ValueError("subjects: expected 32 hex digits each")
        self._subjects, self._known = ids_in(blocks), len(subjects)

    def directory(self) -> Directory:
        """Finds the places of many subjects at once among those that are known now."""
        return Directory(self._subjects[:, : self._known])

    def extend(self, references: Sequence[bytes | str], owners: Sequence[int], planes: Sequence[bytes]) -> None:
        """Adds many rows after ``fill``: their references (the bytes of the hex digits), the places of their subjects, their planes.

        ValueError unless the references rise and lie above those that are there (so none comes twice) and all sizes agree.
        """
        joined = b"".join(planes)
        if len(joined) != len(references) * self._width:
            raise ValueError(f"matrix: {len(references)} references, {len(joined)} bytes")
        rows = np.frombuffer(joined, np.uint8).reshape(len(references), self._width)
        self.extend_by(_ids_of(references), np.asarray(owners, np.int64), rows)

    def extend_by(self, ids: Ids, owners: Places, planes: Symbols) -> None:
        """The same of arrays: ids (2, n) as words, places (n,), planes (n, width)."""
        n = ids.shape[1]
        start, end = max(self._n - 1, 0), self._n + n
        known = not n or 0 <= owners.min() <= owners.max() < self._known
        if owners.shape != (n,) or planes.shape != (n, self._width) or not known:
            raise ValueError(f"matrix: {n} references, {len(owners)} subjects, planes {planes.shape}")
        if end > len(self._rows):
            self.reserve(max(end, 2 * self._n))
        self._ids[:, self._n : end], self._owners[self._n : end] = ids, owners
        if not rise(self._ids[:, start:end]):
            raise ValueError("matrix: references do not rise")
        self._rows[self._n : end] = planes
        self._n = end
        self._by_id.forget()
        self._by_owner.forget()

    def remove(self, reference: str) -> None:
        """Removes one row and wipes its bytes; KeyError if it is not there."""
        row, last = self._row(reference), self._n - 1
        for finder, keys in ((self._by_id, self._ids[0]), (self._by_owner, self._owners)):
            finder.set(row, int(keys[last]), keys)
            finder.set(last, None, keys)
        self._rows[row], self._ids[:, row], self._owners[row] = self._rows[last], self._ids[:, last], self._owners[last]
        self._rows[last] = 0
        self._n = last

    def of_subject(self, subject: str) -> list[str]:
        """The references of a subject."""
        number = _place(self._subjects[:, : self._known], subject)
        if number is None:
            return []
        references = self.references
        return [references[row] for row in self._by_owner.rows(number, self._owners[: self._n])]

    def wipe(self) -> None:
        """Overwrites and forgets every row."""
        self._rows[:] = 0
        self._ids[:] = 0
        self._n = self._known = 0
        self._by_id.forget()
        self._by_owner.forget()
        self._subjects = _no_ids(0)

    def _row(self, reference: str) -> int:
        row = self._row_of(reference)
        if row is None:
            raise KeyError(reference)
        return row

    def _row_of(self, reference: object) -> int | None:
        if not isinstance(reference, str) or not is_id(reference):
            return None
        first, second = _words(reference)
        return next((row for row in self._by_id.rows(first, self._ids[0, : self._n]) if self._ids[1, row] == second), None)

    def _owner(self, subject: str) -> int:
        """The number of a subject, a new one for one that is not known."""
        number = _place(self._subjects[:, : self._known], subject)
        if number is None:
            number = self._known
            if number == self._subjects.shape[1]:
                larger = _no_ids(2 * number + 1)
                larger[:, :number] = self._subjects
                self._subjects = larger
            self._subjects[:, number] = _words(subject)
            self._known += 1
        return number


class IdColumn(Sequence[str]):
    """Ids as texts, made when they are asked for. numbers: which of the ids each item is; None for each in turn."""

    def __init__(self, ids: Ids, numbers: Numbers | None = None) -> None:
        self._ids, self._numbers = ids, numbers

    def __len__(self) -> int:
        return self._ids.shape[1] if self._numbers is None else len(self._numbers)

    @overload
    def __getitem__(self, item: int) -> str: ...

    @overload
    def __getitem__(self, item: slice) -> Sequence[str]: ...

    def __getitem__(self, item: int | slice) -> str | Sequence[str]:
        if isinstance(item, slice):
            return list(self)[item]
        place = item if self._numbers is None else int(self._numbers[item])
        return "".join(f"{int(word):016x}" for word in self._ids[:, place])

    def __iter__(self) -> Iterator[str]:
        text = self._ids.T.astype(">u8").tobytes().hex()
        names = [text[at : at + ID_CHARACTERS] for at in range(0, len(text), ID_CHARACTERS)]
        return iter(names) if self._numbers is None else (names[number] for number in self._numbers.tolist())

    def count(self, value: object) -> int:
        """How many items are that id."""
        place = _place(self._ids, value)
        if place is None or self._numbers is None:
            return int(place is not None)
        return int(np.count_nonzero(self._numbers == place))


def _no_ids(n: int) -> Ids:
    return np.zeros((2, n), np.uint64)


def _words(identity: str) -> tuple[int, int]:
    return int(identity[:16], 16), int(identity[16:], 16)


def _ids_of(identities: Sequence[bytes | str]) -> Ids:
    """The hex digits of ids, in bytes, as (2, n) words. ValueError for anything else."""
    if any(not isinstance(each, bytes) or len(each) != ID_CHARACTERS for each in identities):
        raise ValueError("ids: expected 32 hex digits each")
    return ids_in(unhexlify(b"".join(cast(Sequence[bytes], identities))))


def _place(ids: Ids, identity: object) -> int | None:
    """Where an id stands in (2, n) words; None where it does not, or for what is no id."""
    if not isinstance(identity, str) or not is_id(identity):
        return None
    first, second = _words(identity)
    places = np.flatnonzero(ids[0] == first)
    places = places[ids[1, places] == second]
    return int(places[0]) if len(places) else None

"""The gallery in RAM: transformed bit planes, one aligned row per reference, with room to grow."""

from collections.abc import Sequence

import numpy as np

from edge.records import Symbols
from edge.template.compare import aligned_rows


class Matrix:
    """Rows of ``width`` bytes and, in parallel, the reference and subject of each.

    Appending uses spare capacity; removing moves the last row into the gap, so row numbers last only until the next change.
    """

    def __init__(self, width: int, capacity: int = 64) -> None:
        self._width = width
        self._rows = aligned_rows(capacity, width)
        self._references: list[str] = []
        self._subjects: list[str] = []
        self._place: dict[str, int] = {}

    @property
    def rows(self) -> Symbols:
        """The live rows (n, width), uint8, 64-byte aligned, C-contiguous. Take it anew after every change."""
        return self._rows[: len(self._references)]

    @property
    def references(self) -> Sequence[str]:
        """The reference of each row."""
        return self._references

    @property
    def subjects(self) -> Sequence[str]:
        """The subject of each row."""
        return self._subjects

    def __len__(self) -> int:
        return len(self._references)

    def __contains__(self, reference: str) -> bool:
        return reference in self._place

    def taken(self, references: Sequence[str]) -> Symbols:
        """A copy of the rows (n, width) of some references; KeyError if one is not there."""
        return self._rows[np.array([self._place[reference] for reference in references], dtype=np.int64)]

    def reserve(self, n: int) -> None:
        """Makes room for n rows in all."""
        if n > len(self._rows):
            larger = aligned_rows(n, self._width)
            larger[: len(self)] = self.rows
            self._rows = larger

    def append(self, reference: str, subject: str, planes: bytes | Symbols) -> None:
        """Adds one row of ``width`` bytes; ValueError if the reference is there already or the width differs."""
        row = len(self._references)
        if reference in self._place or len(planes) != self._width:
            raise ValueError(f"matrix: reference {reference} twice, or {len(planes)} bytes instead of {self._width}")
        if row == len(self._rows):
            self.reserve(2 * row + 1)
        self._rows[row] = np.frombuffer(planes, dtype=np.uint8)
        self._references.append(reference)
        self._subjects.append(subject)
        self._place[reference] = row

    def remove(self, reference: str) -> None:
        """Removes one row and wipes its bytes; KeyError if it is not there."""
        row = self._place.pop(reference)
        last_reference, last_subject = self._references.pop(), self._subjects.pop()
        last = len(self._references)
        if row != last:
            self._rows[row] = self._rows[last]
            self._references[row], self._subjects[row] = last_reference, last_subject
            self._place[last_reference] = row
        self._rows[last] = 0

    def wipe(self) -> None:
        """Overwrites and forgets every row."""
        self._rows[:] = 0
        self._references.clear()
        self._subjects.clear()
        self._place.clear()

"""Which rows have a key, among a million that change now and then: sorted once, when first asked, and what changed since beside it."""

from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[Any]
"""One unsigned number for each row."""

_MOST_CHANGES = 8192  # then it is sorted anew: some 0.1 s at a million rows


class Finder:
    """Tells the rows of a key. The keys of all rows are handed in as they are now; tell ``set`` of each that changes, before it does.

    Takes 4 bytes a row where the rows do not lie in the order of their keys already, and nothing before it is first asked.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Many rows changed: sort them anew when next asked."""
        self._n = -1  # rows that were sorted
        self._order: npt.NDArray[np.uint32] | None = None  # of their keys; None: they lie in it
        self._sorted_as: dict[int, int] = {}  # row -> the key it was sorted by, of rows that changed since
        self._since: dict[int, int | None] = {}  # row -> its key, of rows that changed or came; None: it went
        self._by_key: dict[int, set[int]] = {}

    def rows(self, key: int, keys: Keys) -> list[int]:
        """The rows with that key, in order."""
        if self._n < 0:
            self._n = len(keys)
            self._order = None if (keys[1:] >= keys[:-1]).all() else np.argsort(keys, kind="stable").astype(np.uint32)
        places = range(self._n)

        def at(place: int) -> int:
            row = self._row(place)
            return self._sorted_as[row] if row in self._sorted_as else int(keys[row])

        settled = (self._row(place) for place in range(bisect_left(places, key, key=at), bisect_right(places, key, key=at)))
        return sorted({row for row in settled if row not in self._since} | self._by_key.get(key, set()))

    def set(self, row: int, key: int | None, keys: Keys) -> None:
        """That row is about to have this key; None: it goes."""
        if len(self._since) >= _MOST_CHANGES:
            self.forget()
        if self._n < 0:
            return
        if row < self._n and row not in self._sorted_as:
            self._sorted_as[row] = int(keys[row])
        if (before := self._since.get(row)) is not None:
            self._by_key[before].discard(row)
        self._since[row] = key
        if key is not None:
            self._by_key.setdefault(key, set()).add(row)

    def _row(self, place: int) -> int:
        return place if self._order is None else int(self._order[place])

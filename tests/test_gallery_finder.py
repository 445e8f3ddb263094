"""Rows found by their keys are those that a pass over all of them finds, whatever changed since they were sorted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gallery import finder
from edge.gallery.finder import Finder

KEYS = st.integers(0, 6)
CHANGES = st.lists(st.tuples(st.sampled_from(["append", "change", "remove", "look", "forget"]), st.integers(0, 99), KEYS), max_size=40)


@pytest.mark.parametrize("most", [3, 8192])
@given(st.lists(KEYS, max_size=12), CHANGES)
def test_a_finder_tells_what_a_pass_over_all_keys_tells(most: int, start: list[int], changes: list[tuple[str, int, int]]) -> None:
    """Removal as in the matrix: the last row takes the place of the one that goes, and memory beyond it keeps what it held."""
    keys, n = np.zeros(64, np.uint32), len(start)
    keys[:n] = start
    before, finder._MOST_CHANGES = finder._MOST_CHANGES, most
    found = Finder()
    try:
        for step, where, key in changes:
            if step == "append":
                found.set(n, key, keys)
                keys[n], n = key, n + 1
            elif step == "change" and n:
                found.set(where % n, key, keys)
                keys[where % n] = key
            elif step == "remove" and n:
                row, last = where % n, n - 1
                found.set(row, int(keys[last]), keys)
                found.set(last, None, keys)
                keys[row], n = keys[last], last
            elif step == "forget":
                found.forget()
            else:
                assert found.rows(key, keys[:n]) == np.flatnonzero(keys[:n] == key).tolist()
        assert [found.rows(key, keys[:n]) for key in range(7)] == [np.flatnonzero(keys[:n] == key).tolist() for key in range(7)]
    finally:
        finder._MOST_CHANGES = before

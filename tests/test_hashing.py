import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.template.hashing import hash_logits

FINITE = st.floats(-100, 100, width=32)


def test_the_symbol_is_the_place_of_the_largest_in_its_block() -> None:
    """Two blocks of four, by hand."""
    assert hash_logits(np.array([0, 9, 3, 1, 5, 4, 6, 7], np.float32), 4).tolist() == [1, 3]


def test_of_equal_values_the_first_counts() -> None:
    """So that every machine makes the same code."""
    assert hash_logits(np.zeros(16, np.float32), 8).tolist() == [0, 0]


@given(q=st.integers(2, 16), data=st.data())
def test_many_at_once_are_one_after_the_other(q: int, data: st.DataObject) -> None:
    """A batch gives the rows of its parts, uint8 and below q."""
    logits = data.draw(hnp.arrays(np.float32, (3, 8 * q), elements=FINITE))
    symbols = hash_logits(logits, q)
    assert symbols.dtype == np.uint8
    assert symbols.shape == (3, 8)
    assert symbols.max() < q
    assert (symbols == [hash_logits(row, q) for row in logits]).all()


@given(hnp.arrays(np.float32, 64, elements=st.integers(-1000, 1000).map(float)), st.integers(1, 64))
def test_only_the_order_counts(logits: np.ndarray, factor: int) -> None:
    """Brighter, sharper: any rising change of a block leaves its symbol."""
    assert (hash_logits(logits, 8) == hash_logits(logits * np.float32(factor) + np.float32(7), 8)).all()


@pytest.mark.parametrize(
    ("logits", "q"),
    [
        (np.zeros(10, np.float32), 4),
        (np.zeros(0, np.float32), 4),
        (np.zeros((2, 2, 4), np.float32), 4),
        (np.zeros(8, np.float32), 1),
        (np.zeros(65, np.float32), 65),
        (np.array([1, np.nan], np.float32), 2),
    ],
)
def test_what_has_no_ranks_is_refused(logits: np.ndarray, q: int) -> None:
    """Wrong widths, shapes, sizes of symbols, and numbers that are not finite."""
    with pytest.raises(ValueError, match=r"q =|not finite"):
        hash_logits(logits, q)

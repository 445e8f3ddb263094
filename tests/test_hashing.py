import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge.records import FREE, WHOLE
from edge.template.hashing import costs_of, hash_logits, unequal_of

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
        (np.array([1, 2e30], np.float32), 2),
    ],
)
def test_what_has_no_ranks_is_refused(logits: np.ndarray, q: int) -> None:
    """Wrong widths, shapes, sizes of symbols, and numbers that are not finite or so large that their sums are not."""
    for told in (hash_logits, costs_of):
        with pytest.raises(ValueError, match=r"q =|not finite"):
            told(logits, q)


def test_costs_are_worked_by_hand() -> None:
    """Two blocks of two, 1 and 2 on either side of their means, so that the largest are 1.5 on the average."""
    shares = np.array([[-1, 1], [2, -2]]) / 1.5
    assert costs_of(np.array([1, 3, 2, -2], np.float32), 2).tolist() == np.rint(FREE + WHOLE * 0.5 * (1 - shares)).tolist()


@given(hnp.arrays(np.float32, 64, elements=st.floats(-100, 100, width=16)), st.sampled_from([2, 4, 8]), st.sampled_from([0.5, 2.0, 8.0]))
def test_the_symbol_costs_least_a_lower_value_no_less_and_the_length_does_not_matter(logits: np.ndarray, q: int, factor: float) -> None:
    costs, blocks = costs_of(logits, q), logits.reshape(-1, q)
    assert (costs[np.arange(64 // q), hash_logits(logits, q)] == costs.min(axis=1)).all()
    ordered = np.take_along_axis(costs.astype(int), np.argsort(-blocks, axis=1, kind="stable"), axis=1)
    assert (np.diff(ordered, axis=1) >= 0).all()
    assert (np.abs(costs_of(logits * np.float32(factor), q).astype(int) - costs) <= 1).all()


def test_what_is_far_off_is_cut_and_without_any_deviation_all_values_cost_the_same() -> None:
    logits = np.zeros(64, np.float32)
    logits[0], logits[9] = 10.0, -10.0  # a value far above seven alike, and one far below
    costs = costs_of(logits, 8)
    assert (costs[0, 0], costs[1, 1]) == (0, 255)
    nothing = costs_of(np.zeros(64, np.float32), 8)
    assert set(nothing.ravel().tolist()) == {FREE + round(WHOLE * 7 / 8)}, "what a stranger's symbols cost"
    assert costs_of(np.full(64, 1e30, np.float32) * np.tile([1, -1], 32).astype(np.float32), 8).max() < 255, "the largest that are taken"


def test_costs_of_many_are_those_of_each() -> None:
    many = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    assert (costs_of(many, 8) == np.stack([costs_of(each, 8) for each in many])).all()


@pytest.mark.parametrize("q", [2, 3, 8, 16, 64])
def test_own_symbols_cost_nothing_and_those_of_strangers_as_many_as_are_unequal(q: int) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=8192 * q).astype(np.float32)
    costs, own, places = (costs_of(logits, q).astype(int) - FREE) / WHOLE, hash_logits(logits, q), np.arange(8192)
    assert costs[places, own].mean() == pytest.approx(0.0, abs=0.02)
    assert costs[places, random.integers(0, q, own.size)].mean() == pytest.approx(1 - 1 / q, abs=0.03)


@pytest.mark.parametrize("q", [2, 4, 8, 16])
def test_unequal_symbols_on_the_average_are_those_of_gaussian_projections(q: int) -> None:
    """Faces at every cosine: the costs say, with less spread, how many symbols of random projections are unequal."""
    random, m = np.random.default_rng(q), 512
    for cosine in (0.9, 0.6, 0.3, 0.0, -0.3):
        first = random.normal(size=(60, m * q)).astype(np.float32)
        second = (cosine * first + (1 - cosine**2) ** 0.5 * random.normal(size=first.shape)).astype(np.float32)
        references, probes = hash_logits(first, q), hash_logits(second, q)
        sums = np.take_along_axis(costs_of(second, q), references[..., None].astype(np.int64), axis=2).sum(axis=(1, 2), dtype=np.int64)
        counted, told = (references != probes).sum(axis=1), unequal_of(m, q)[sums].astype(int)
        assert told.mean() == pytest.approx(counted.mean(), abs=0.012 * m)
        assert told.std() < counted.std()


@pytest.mark.parametrize(("m", "q"), [(8, 2), (64, 8), (512, 8), (40, 7)])
def test_unequal_symbols_rise_with_the_costs_from_none_to_all(m: int, q: int) -> None:
    table = unequal_of(m, q).astype(int)
    assert (table[0], table[-1]) == (0, m)
    assert (np.diff(table) >= 0).all()
    strangers = m * FREE + WHOLE * m * (1 - 1 / q)
    assert table[round(strangers)] == pytest.approx(m * (1 - 1 / q), abs=0.51)

"""What a reference's symbols cost a probe: sums and dissimilarities, of plain codes and packed rows, by numpy and by the extension."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import Code
from edge.template import compare
from edge.template.hashing import unequal_of
from tests.test_compare import SIZES, compiled, symbols_like


@st.composite
def probed(draw: st.DrawFn) -> tuple[np.ndarray, Code]:
    """Codes (n, m), and a probe with costs of its own."""
    n, m, q = draw(SIZES.filter(lambda size: size[2] <= 64))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    costs = random.integers(0, 256, (m, q), np.uint8)
    return symbols_like(random, n, m, q), Code(costs.argmin(axis=1).astype(np.uint8), q, costs)


@given(probed())
@settings(max_examples=60, deadline=None)
def test_a_dissimilarity_follows_from_the_sum_of_costs(drawn):
    """By plain arithmetic; of packed rows, and of many probes at once, the same."""
    symbols, probe = drawn
    m = probe.symbols.size
    sums = [sum(int(probe.costs[place, symbol]) for place, symbol in enumerate(row)) for row in symbols]
    expected = [int(unequal_of(m, probe.q)[total]) for total in sums]
    assert compare.dissimilarities(symbols, probe).tolist() == expected
    assert compare.graded(compare.pack(symbols, probe.q), probe.costs).tolist() == expected
    assert compare.dissimilarity_matrix(symbols, np.stack([probe.costs] * 2)).tolist() == [expected] * 2


@given(probed())
@settings(max_examples=60, deadline=None)
def test_of_a_code_without_costs_unequal_symbols_are_counted(drawn):
    symbols, probe = drawn
    counted = compare.unequal(compare.pack(symbols, probe.q), compare.pack(probe.symbols, probe.q), compare.bits_of(probe.q)).tolist()
    assert compare.dissimilarities(symbols, Code(probe.symbols, probe.q)).tolist() == counted


def test_thousands_at_once_are_compared_in_parts():
    random = np.random.default_rng(5)
    symbols, costs = random.integers(0, 4, (2500, 16), np.uint8), random.integers(0, 256, (1100, 16, 4), np.uint8)
    found = compare.dissimilarity_matrix(symbols, costs)
    assert found[::97].tolist() == [compare.graded(compare.pack(symbols, 4), each).tolist() for each in costs[::97]]


@given(st.integers(0, 3000), st.integers(1, 80), st.integers(1, 600), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_a_shortlist_is_the_head_of_the_sorted_rows(rows, k, values, seed):
    counts = np.random.default_rng(seed).integers(0, values, rows).astype(np.uint16)
    assert compare.shortlist(counts, k).tolist() == np.argsort(counts, kind="stable")[:k].tolist()


def test_a_shortlist_of_a_large_gallery_and_of_nobody():
    counts = np.random.default_rng(1).integers(300, 512, 200_000).astype(np.uint16)
    assert compare.shortlist(counts, 64).tolist() == np.argsort(counts, kind="stable")[:64].tolist()
    assert compare.shortlist(np.full(200_000, 7, np.uint16), 3).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="shortlist of 0 rows"):
        compare.shortlist(counts, 0)


@given(st.integers(0, 400), st.integers(1, 80), st.none() | st.integers(0, 64), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_costs_are_asked_of_the_shortlist_less_who_is_too_far_for_the_limit(rows, k, within, seed):
    """64 symbols: three roots of m are 24."""
    counts = np.random.default_rng(seed).integers(0, 65, rows).astype(np.uint16)
    listed = compare.shortlist(counts, k).tolist()
    asked = compare.candidates(counts, k, 64, within).tolist()
    assert asked == [row for row in listed if within is None or counts[row] <= within + 24]


@given(probed())
@settings(max_examples=60, deadline=None)
def test_the_extension_sums_costs_as_numpy_does(drawn):
    """Of every number of planes; where q is no power of two the extension is not asked."""
    symbols, probe = drawn
    m, q = probe.costs.shape
    rows, sums = compare.pack(symbols, q), np.empty(len(symbols), np.uint32)
    wide = np.full((m, 1 << compare.bits_of(q)), 255, np.uint8)
    wide[:, :q] = probe.costs
    compiled().cost_sums(rows, wide.reshape(-1), sums, compare.bits_of(q), rows.shape[1])
    assert sums.tolist() == [int(probe.costs[np.arange(m), row].sum(dtype=np.int64)) for row in symbols]


@pytest.mark.parametrize(
    ("rows", "costs", "sums", "bits", "width", "message"),
    [
        (48, 256, 1, 3, 48, "do not fit 3 planes in 48 bytes"),
        (48, 1024, 1, 3, 47, "47 bytes: expected 1 to 8 planes of equal width"),
        (47, 1024, 1, 3, 48, "do not fit"),
        (48, 1024, 2, 3, 48, "do not fit"),
        (48, 1024, 1, 9, 45, "expected 1 to 8 planes"),
        (48, 1024, 1, 3, 0, "expected 1 to 8 planes"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_the_sums_too(rows, costs, sums, bits, width, message):
    with pytest.raises(ValueError, match=message):
        compiled().cost_sums(np.zeros(rows, np.uint8), np.zeros(costs, np.uint8), np.zeros(sums, np.uint32), bits, width)


def test_sums_of_another_type_are_refused():
    with pytest.raises(ValueError, match="out: expected items of 4 bytes"):
        compiled().cost_sums(np.zeros(48, np.uint8), np.zeros(1024, np.uint8), np.zeros(1, np.uint16), 3, 48)


def test_altered_rows_are_refused_where_q_is_no_power_of_two():
    rows = compare.pack(np.full((2, 8), 4, np.uint8), 5)
    rows[1] |= 0xFF
    with pytest.raises(ValueError, match="a symbol of 5 or above"):
        compare.graded(rows, np.zeros((8, 5), np.uint8))

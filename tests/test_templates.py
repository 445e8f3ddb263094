import numpy as np
import pytest

from edge.template.hashing import hash_logits
from evaluation.samples import Samples, second_symbols
from evaluation.templates import templates_of
from tests.samples import crowd, samples


@pytest.mark.parametrize("place", range(5))
def test_pairs_are_the_entries_of_the_matrix(place: int) -> None:
    """In any order, with repeats, and for no pair at all."""
    found = samples(crowd({"Ada": 6, "Bo": 6}, 0.7))
    template = templates_of(found)[place]
    first, second = np.random.default_rng(1).integers(0, 12, (2, 100))
    matrix = template.matrix(range(12), range(12))
    # a pair is (reference, probe), a matrix (probes, references)
    assert template.pairs(first, second).tolist() == pytest.approx(matrix[second, first].tolist())
    assert template.pairs([], []).shape == (0,)
    assert (matrix >= template.lowest).all()


LOGITS = np.array([[4, 3, 2, 1, 1, 2, 3, 4], [3, 4, 2, 1, 1, 2, 4, 3], [2, 3, 4, 1, 2, 1, 3, 4]], np.float32)
"""Two positions of four values, of three faces. First choices: 0 3, 1 2, 2 3. Second choices: 1 2, 0 3, 1 2."""


def test_a_probe_s_second_choice_counts_half_and_a_reference_has_none() -> None:
    codes, seconds = hash_logits(LOGITS, 4), second_symbols(LOGITS, 4)
    assert (codes.tolist(), seconds.tolist()) == ([[0, 3], [1, 2], [2, 3]], [[1, 2], [0, 3], [1, 2]])
    found = Samples({"a": 0, "b": 1, "c": 2}, 4, np.repeat(codes, 4, 1), np.zeros(3, np.float32), None, None, np.repeat(seconds, 4, 1))
    template = templates_of(found)[2]
    assert template.name == "protected, second choice"
    # probes in rows: of a, both seconds are b's; of b, both are a's and the latter is c's too; of c, both are b's
    assert template.matrix(range(3), range(3)).tolist() == [[1, 0.5, 0.5], [0.5, 1, 0.25], [0.5, 0.5, 1]]


def test_equal_largest_values_are_first_and_second_choice() -> None:
    assert second_symbols(np.array([[1, 1, 0, 0]], np.float32), 4).tolist() == [[1]]

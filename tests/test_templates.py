import numpy as np
import pytest

from evaluation.templates import Graded, protected, templates_of, two_keys
from tests.samples import crowd, samples


@pytest.mark.parametrize("place", range(4))
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


def test_protected_scores_are_those_of_plain_codes_and_another_key_s_are_chance() -> None:
    found = samples(crowd({"Ada": 6, "Bo": 6}, 0.7))
    plain = Graded(found.codes, found.costs, "plain").matrix(range(12), range(12))
    hidden, two = (of(found.codes, found.costs, found.q).matrix(range(12), range(12)) for of in (protected, two_keys))
    assert (hidden == plain).all()
    assert plain.diagonal().min() > 0.93  # to the rounding of costs
    assert two.diagonal().max() < 0.75

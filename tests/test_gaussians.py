"""Gaussians: the score and the fusion of Shi and Jain against numbers worked by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edge.errors import NetworkError
from evaluation.gaussians import Gaussians, Likelihood, PfeNetwork, fused_gaussians, mutual_likelihood

rows = arrays(np.float64, 4, elements=st.floats(-2, 2))


def gaussians(means: list[list[float]], logs: list[list[float]]) -> Gaussians:
    return Gaussians({str(row): row for row in range(len(means))}, np.array(means, np.float32), np.array(logs, np.float32))


def test_the_score_by_hand() -> None:
    """Two dimensions, s = 1 and 1, 1 and 3: -1/2 [(1 / 2 + ln 2) + (4 / 4 + ln 4)] - ln 2 pi."""
    found = mutual_likelihood(np.array([1.0, 0.0]), np.log([1.0, 1.0]), np.array([[0.0, 2.0]]), np.log([[1.0, 3.0]]))
    assert found == pytest.approx([-0.5 * (0.5 + math.log(2) + 1 + math.log(4)) - math.log(2 * math.pi)])


@given(rows, rows, rows, rows)
def test_the_score_is_symmetric(a: np.ndarray, log_a: np.ndarray, b: np.ndarray, log_b: np.ndarray) -> None:
    there, back = mutual_likelihood(a, log_a, b[None], log_b[None]), mutual_likelihood(b, log_b, a[None], log_a[None])
    assert there == pytest.approx(back)


def test_all_pairs_and_single_pairs_are_scored_alike() -> None:
    template = Likelihood(gaussians([[1, 0], [0, 1], [0.6, 0.8]], [[0, 1], [-1, 0], [0.5, 0.5]]))
    matrix = template.matrix([0, 1], [2, 1])
    assert template.pairs([0, 1], [2, 1]) == pytest.approx([matrix[0, 0], matrix[1, 1]])


def test_equal_variances_fuse_to_the_plain_mean_of_length_one() -> None:
    fused = fused_gaussians(gaussians([[1, 0], [0, 1]], [[-3, -3], [-3, -3]]), {"Ada": ["0", "1"]})
    assert fused.means == pytest.approx(np.array([[0.5**0.5, 0.5**0.5]]))
    assert fused.log_variances == pytest.approx(np.array([[-3, -3]]))


def test_samples_without_any_certainty_leave_the_best_one() -> None:
    fused = fused_gaussians(gaussians([[0.6, 0.8], [1, 0], [0, 1]], [[0, 0], [800, 800], [800, 800]]), {"Ada": ["1", "0", "2"]})
    assert fused.means == pytest.approx(np.array([[0.6, 0.8]]))


def test_every_dimension_has_its_own_best_sample() -> None:
    """s: the smallest of each dimension; mean: of each dimension from the sample that is sure of it, then of length 1."""
    fused = fused_gaussians(gaussians([[0.8, 0.6], [0.6, 0.8]], [[-50, 50], [50, -50]]), {"Ada": ["0", "1"]})
    assert fused.means == pytest.approx(np.array([[0.5**0.5, 0.5**0.5]]))
    assert fused.log_variances == pytest.approx(np.array([[-50, -50]]))


def test_what_is_no_such_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("text")
    for path in (tmp_path / "text.onnx", tmp_path / "nowhere.onnx"):
        with pytest.raises(NetworkError, match=r"training\.pfe"):
            PfeNetwork(path)

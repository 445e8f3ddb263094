"""The curves and histograms of the LFW pairs, counted by hand. The protocol itself is tested in test_evaluation."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import plots
from evaluation.lfw import BINS, Pair, bin_edges, curves

PAIRS = [Pair("a/1", "a/2", same, 0) for same in (True, True, True, True, False, False, False, False)]
SCORES = np.array([0.9, 0.8, 0.7, 0.3, 0.5, 0.2, 0.1, 0.0])
ALL = np.ones(8, bool)


def test_a_curve_holds_the_rates_of_the_scores() -> None:
    """One of four strangers lies above one of four mates: at an FMR of a quarter a quarter of the mates is refused, at 1 nobody."""
    found = curves(PAIRS, {"rank hash": SCORES}, ALL)["rank hash"]
    points = dict(zip(found["fmr"], found["fnmr"], strict=True))
    assert points == {0.25: 0.25, 0.5: 0.0, 0.75: 0.0, 1.0: 0.0}


def test_a_histogram_holds_every_pair_once() -> None:
    """Both kinds in the same bins from the lowest score to the highest."""
    found = curves(PAIRS, {"rank hash": SCORES}, ALL)["rank hash"]
    assert (sum(found["mated"]), sum(found["non_mated"])) == (4, 4)
    assert (found["edges"][0], found["edges"][-1]) == (-0.05, 0.95)
    assert found["mated"] == [0, 0, 0, 1, 0, 0, 0, 1, 1, 1]
    assert found["non_mated"] == [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]


@given(st.sampled_from([64, 256, 512, 1000]), st.integers(0, 500), st.integers(1, 300), st.integers(0, 99))
def test_every_bin_holds_equally_many_numbers_of_symbols(m: int, first: int, span: int, seed: int) -> None:
    """Of all numbers between the first and the last one, each bin but the last has the same count: no comb."""
    first, last = min(first, m - 1), min(first + span, m)
    drawn = np.random.default_rng(seed).integers(first, last + 1, 400)
    edges = bin_edges(1 - np.r_[drawn, first, first + 1, last] / m)
    assert len(edges) <= BINS + 2
    inside = np.histogram(1 - np.arange(first, last + 1) / m, edges)[0]
    assert inside.sum() == last - first + 1
    assert len(set(inside[:-1])) <= 1


def test_scores_that_are_all_alike_have_one_bin() -> None:
    assert np.histogram([0.5, 0.5], bin_edges(np.array([0.5, 0.5])))[0].tolist() == [2]


def test_a_pair_without_a_sample_is_in_the_curve_and_not_in_the_histogram() -> None:
    """It is refused at every threshold, and has no score to show."""
    lost = np.array([True] * 3 + [False] + [True] * 4)
    found = curves(PAIRS, {"rank hash": np.where(lost, SCORES, -1.0)}, lost)["rank hash"]
    assert (sum(found["mated"]), found["edges"][0]) == (3, -0.05)
    assert found["fnmr"][0] == 0.25


@pytest.mark.parametrize("draw", [plots.det, plots.scores])
def test_plots_are_made_of_the_curves_alone(tmp_path: Path, draw: object) -> None:
    """Another score, another picture."""
    one = curves(PAIRS, {"rank hash": SCORES, "embedding, cosine": SCORES}, ALL)
    other = curves(PAIRS, {"rank hash": SCORES[::-1], "embedding, cosine": SCORES}, ALL)
    made = [draw(found, tmp_path / f"{number}.png").read_bytes() for number, found in enumerate((one, one, other))]  # type: ignore[operator]
    assert made[0][:4] == b"\x89PNG"
    assert made[0] == made[1] != made[2]

"""Uncertainty: correlations against scipy and by hand, error versus discard by hand, and the command with its pictures."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation import uncertainty
from evaluation.degrade import DEGRADATIONS
from evaluation.uncertainty import DISCARDED, discard, drawn, histogram, ranks, spearman, swept, turned
from tests.test_evaluation import config, people, said  # noqa: F401

BLUR = DEGRADATIONS[0]
numbers = st.lists(st.integers(-3, 3), min_size=3, max_size=12)


def test_equal_values_share_their_rank() -> None:
    assert ranks([5, 1, 5, 9]).tolist() == [2.5, 1, 2.5, 4]


@given(numbers, st.randoms(use_true_random=False))
def test_rank_correlation_is_scipy_s(values: list[int], random: object) -> None:
    others = random.sample(values, len(values))  # type: ignore[attr-defined]
    stats = pytest.importorskip("scipy.stats")
    if len(set(values)) > 1:
        assert spearman(values, others) == pytest.approx(stats.spearmanr(values, others).statistic, abs=1e-9)


def test_rank_correlation_of_what_does_not_vary_is_none_and_of_different_lengths_an_error() -> None:
    assert spearman([1, 2, 3], [4, 4, 4]) == 0
    with pytest.raises(ValueError, match="3 and 2"):
        spearman([1, 2, 3], [1, 2])


def test_a_sweep_is_judged_picture_by_picture() -> None:
    """One picture rises all the way, one falls all the way: in the mean nothing, although the mean curve rises."""
    rising = np.arange(8.0)
    facts = swept(BLUR, np.stack([10 * rising, -rising]))
    assert facts["rank_correlation"] == pytest.approx(0)
    assert facts["rank_correlation_of_mean"] == pytest.approx(1)
    assert facts["pictures_at_bar"] == 0.5
    assert facts["mean"] == (4.5 * rising).tolist()


def test_yaw_counts_to_either_side_in_groups() -> None:
    facts = turned(np.array([-1.0, 2, 3, 25, -25, 28, 50]), np.array([0.0, 0, 0, 1, 1, 1, 9]))
    assert [(group["from"], group["pictures"]) for group in facts["groups"]] == [(0, 3), (20, 3)]  # one picture is no group
    assert facts["rank_correlation_of_pictures"] > 0.8


def test_a_histogram_is_a_density() -> None:
    assert histogram(np.array([0.1, 0.2, 0.9]), np.array([0, 0.5, 1.0])) == pytest.approx([4 / 3, 2 / 3], abs=1e-4)


def test_error_versus_discard_by_hand() -> None:
    """Four of ten pairs fail; they are the most uncertain ones, or the least."""
    scores, threshold = np.array([0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]), 0.5
    knows, wrong = (discard(scores, order * np.arange(10.0), threshold) for order in (-1, 1))
    fifth, half = (int(np.argmin(np.abs(DISCARDED - share))) for share in (0.2, 0.5))
    assert knows["by_uncertainty"] == knows["ideal"]
    assert (knows["by_uncertainty"][0], knows["by_uncertainty"][fifth], knows["by_uncertainty"][half]) == (0.4, 0.25, 0.0)
    assert (wrong["by_uncertainty"][fifth], wrong["by_uncertainty"][half]) == (0.5, 0.8)


def test_people_with_one_picture_are_not_drawn() -> None:
    tree = {"Ada": ["Ada/1"], "Bo": ["Bo/1", "Bo/2"], "Cy": [f"Cy/{n}" for n in range(20)]}
    keys = drawn(tree, None, 1)
    assert {key.partition("/")[0] for key in keys} == {"Bo", "Cy"}
    assert len(keys) == 2 + uncertainty.MONTAGE_PICTURES


def test_the_command_measures_and_draws(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    trees = [str(people(tmp_path / "set")), str(people(tmp_path / "more"))]
    options = ["--config", str(config), "--out", str(tmp_path / "out"), "--pictures", "2", "--frames", "1", "2"]
    assert uncertainty.main([*trees, *options]) == 0
    facts = said(capsys)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}.png" for name in ("montage", "sweeps", "histograms", "discard", "fusion")
    }
    assert all(Path(path).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for path in facts["plots"])
    assert set(facts["histograms"]["sets"]) == {"set", "set, degraded", "more"}
    assert not facts["bar"]["met"]  # this network has one uncertainty for everything

"""Two views of a training crop differ in how much is done to them, in nothing else."""

import numpy as np
import pytest

from training.worsen import WORSENINGS, Worsening, two_views


def crop() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (120, 120, 3), np.uint8)


@pytest.mark.parametrize("worsening", WORSENINGS, ids=lambda each: each.__name__)
def test_a_strong_worsening_changes_more_than_a_weak_one(worsening: Worsening) -> None:
    away = [
        np.mean([np.abs(worsening(crop(), strength, np.random.default_rng(seed)).astype(float) - crop()).mean() for seed in range(20)])
        for strength in (0.05, 0.5, 1.0)
    ]
    assert away[0] < away[1] < away[2]


def test_views_are_crops_of_the_door_and_repeat_with_their_seed() -> None:
    for seed in range(30):
        (better, worse, gap), (again, _, _) = (two_views(crop(), np.random.default_rng(seed)) for _ in range(2))
        assert better.shape == worse.shape == (112, 112, 3)
        assert (better == again).all()
        assert 0 <= gap <= 1


def test_some_pictures_stay_as_they_are_in_their_better_view() -> None:
    """About three in ten, for which the gap is the whole strength of the worse view; and a small gap leaves both views alike."""
    views = [two_views(crop(), np.random.default_rng(seed)) for seed in range(100)]
    changes = [float(np.abs(better.astype(float) - worse).mean()) for better, worse, _ in views]
    gaps = [gap for _, _, gap in views]
    assert np.corrcoef(gaps, changes)[0, 1] > 0.3

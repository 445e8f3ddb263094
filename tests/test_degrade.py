"""Degradations take away more the stronger they are, and nothing at their first strength."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.records import CROP_SIZE, Pixels
from evaluation.degrade import DEGRADATIONS, Degradation, cover, mixed, sweep

KINDS = pytest.mark.parametrize("kind", DEGRADATIONS, ids=lambda kind: kind.name)


def picture(seed: int = 0) -> Pixels:
    """Detail of every size, neither black nor white anywhere."""
    return np.random.default_rng(seed).integers(60, 200, (CROP_SIZE, CROP_SIZE, 3), np.uint8)


@KINDS
def test_the_first_strength_changes_nothing(kind: Degradation) -> None:
    assert (sweep(picture(), kind, 1)[0] == picture()).all()


@KINDS
@given(seed=st.integers(0, 2**31))
@settings(max_examples=5)
def test_a_greater_strength_is_farther_from_the_picture(kind: Degradation, seed: int) -> None:
    """Mean distance of grey levels; a cover in the picture's own colour moves little, so that the covered area is counted instead."""
    crop = picture()
    views = [view.astype(float) for view in sweep(crop, kind, seed)]
    away = [float((view != crop).mean() if kind.apply is cover else np.abs(view - crop).mean()) for view in views]
    assert all(later > earlier for earlier, later in pairwise(away)), away


@KINDS
def test_crops_stay_crops_and_the_same_seed_degrades_in_the_same_way(kind: Degradation) -> None:
    first, again = (kind.apply(picture(), kind.strengths[-1], 5) for _ in range(2))
    assert first.shape == (CROP_SIZE, CROP_SIZE, 3)
    assert first.dtype == np.uint8
    assert (first == again).all()


@KINDS
def test_a_strength_below_the_first_is_none(kind: Degradation) -> None:
    with pytest.raises(ValueError, match="begins at"):
        kind.apply(picture(), kind.strengths[0] - 0.5, 1)


def test_a_cover_hides_the_share_asked_for_and_grows_about_its_place() -> None:
    crop = np.full((CROP_SIZE, CROP_SIZE, 3), 7, np.uint8)
    small, large = ((cover(crop, share, 4) != 7).any(axis=2) for share in (0.1, 0.3))
    assert small.mean() == pytest.approx(0.1, abs=1e-3)
    assert large.mean() == pytest.approx(0.3, abs=1e-3)
    assert not (small & ~large).any()


def test_frames_of_mixed_quality_are_of_mixed_quality() -> None:
    """About a quarter is as it was; another seed degrades otherwise; the same seed in the same way."""
    same = sum(bool((mixed(picture(), seed) == picture()).all()) for seed in range(200))
    assert 30 <= same <= 70
    assert (mixed(picture(), 3) == mixed(picture(), 3)).all()
    assert len({mixed(picture(), seed).tobytes() for seed in range(20)}) > 10

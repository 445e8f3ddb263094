import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Features
from edge.template.fuse import fuse


def sample(log_variance: float, *logits: float) -> Features:
    return Features(np.array(logits, np.float32), log_variance)


samples = st.lists(st.builds(sample, st.floats(-30, 30), *[st.floats(-50, 50, width=32)] * 3), min_size=1, max_size=8)


@given(samples)
def test_fused_is_the_inverse_variance_mean(features: list[Features]) -> None:
    """Against the formula, written out."""
    fused = fuse(features)
    weights = [math.exp(-each.log_variance) for each in features]
    mean = sum(weight * each.logits.astype(np.float64) for weight, each in zip(weights, features, strict=True)) / sum(weights)
    assert np.allclose(fused.logits, mean, rtol=1e-5, atol=1e-4)
    assert fused.log_variance == pytest.approx(-math.log(sum(weights)), rel=1e-9, abs=1e-9)


@given(samples)
def test_every_sample_makes_it_surer(features: list[Features]) -> None:
    """The fused uncertainty is at most that of the best sample, and falls with each one more."""
    fused = fuse(features)
    assert fused.log_variance <= min(each.log_variance for each in features) + 1e-9
    assert fuse([*features, sample(fused.log_variance, 0, 0, 0)]).log_variance < fused.log_variance


@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_count(features: list[Features], random: object) -> None:
    """Shuffled samples fuse to the same."""
    shuffled = random.sample(features, len(features))
    assert np.allclose(fuse(features).logits, fuse(shuffled).logits, rtol=1e-5, atol=1e-5)


def test_one_sample_fused_is_itself() -> None:
    """Bit by bit."""
    one = sample(0.3, 1, 2, 3)
    assert fuse([one]).logits.tobytes() == one.logits.tobytes()
    assert fuse([one]).log_variance == 0.3


def test_equal_samples_change_nothing_but_the_certainty() -> None:
    """Four times the same: the same logits, a quarter of the variance."""
    fused = fuse([sample(1.0, 5, -5)] * 4)
    assert fused.logits.tolist() == [5, -5]
    assert fused.log_variance == pytest.approx(1 - math.log(4))


def test_a_hopeless_sample_weighs_nothing() -> None:
    """Beside a sure sample, one with e^40 times its variance does not count; nothing overflows at extreme values."""
    assert fuse([sample(0, 1, 1), sample(40, -9, -9)]).logits.tolist() == [1, 1]
    assert fuse([sample(-900, 1), sample(900, 5)]).logits.tolist() == [1]
    assert fuse([sample(900, 1), sample(900, 5)]).logits.tolist() == [3]


def test_nothing_and_different_networks_do_not_fuse() -> None:
    """No sample, or samples of different lengths, are refused."""
    with pytest.raises(ValueError, match="no sample"):
        fuse([])
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        fuse([sample(0, 1), sample(0, 1, 2)])

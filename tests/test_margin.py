"""Margin losses against numbers worked by hand. Needs torch (extra ``train``)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training.margin import KINDS, Margin, arcface, cosface  # noqa: E402


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [
        (1.0, 0.86908),  # cos(0.01745 + 0.5)
        (60.0, 0.02358),  # cos(1.04720 + 0.5)
        (90.0, -0.47943),  # cos(1.57080 + 0.5)
        (150.0, -0.99972),  # cos(2.61799 + 0.5)
    ],
)
def test_arcface_adds_half_a_radian_to_the_angle(degrees: float, expected: float) -> None:
    cosine = torch.tensor(math.cos(math.radians(degrees)))
    assert float(arcface(cosine)) == pytest.approx(expected, abs=1e-4)


def test_beyond_pi_less_the_margin_arcface_is_a_straight_line() -> None:
    """cos(pi - 0.5) = -0.87758; there 0.5 sin(0.5) = 0.23971 is taken off."""
    for cosine, expected in ((-0.8775, -1.0), (-0.8777, -1.11741), (-0.95, -1.18971), (-1.0, -1.23971)):
        assert float(arcface(torch.tensor(cosine))) == pytest.approx(expected, abs=1e-4)


def test_cosface_takes_its_margin_off_the_cosine() -> None:
    assert float(cosface(torch.tensor(0.5))) == pytest.approx(0.15)


@pytest.mark.parametrize("kind", KINDS)
@given(first=st.floats(-1, 1), second=st.floats(-1, 1))
def test_a_likeness_that_is_greater_is_never_punished(kind: str, first: float, second: float) -> None:
    low, high = (KINDS[kind](torch.tensor(value, dtype=torch.float64)) for value in sorted((first, second)))
    assert low <= high
    assert high <= max(first, second)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        # cosines 0.6 (true) and 0.8: arcface turns 0.6 into 0.6 cos 0.5 - 0.8 sin 0.5 = 0.14301, cosface into 0.25
        ("arcface", 4 * (0.8 - 0.14301) + math.log1p(math.exp(-4 * (0.8 - 0.14301)))),
        ("cosface", 4 * (0.8 - 0.25) + math.log1p(math.exp(-4 * (0.8 - 0.25)))),
    ],
)
def test_the_loss_of_two_classes_is_the_one_worked_by_hand(kind: str, expected: float) -> None:
    margin = Margin(kind, classes=2, dimensions=2, scale=4.0)
    margin.centres.data = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    loss = margin(torch.tensor([[0.6 * 7, 0.8 * 7]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_embedding_and_centre_has_a_finite_gradient_even_at_the_ends_of_the_cosine(kind: str) -> None:
    margin = Margin(kind, classes=2, dimensions=2)
    margin.centres.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    embedding = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.3, 0.2]], requires_grad=True)
    margin(embedding, torch.tensor([0, 0, 1])).backward()
    for gradient in (embedding.grad, margin.centres.grad):
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.abs().sum() > 0

"""Losses of stage 2: hand-worked numbers, a gradient in every term, categories that have no size. Needs torch (extra ``train``)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.records import FREE, WHOLE  # noqa: E402
from edge.template.hashing import costs_of, hash_logits  # noqa: E402
from training import hash_losses as losses  # noqa: E402
from training.projection import random_projection  # noqa: E402

# two people with two faces each, and a stranger; two symbols of two values, all but decided
SURE = torch.tensor(
    [[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]], [[0.5, 0.5]] * 2]
)
PEOPLE = torch.tensor([0, 0, 1, 1, -1])


def logits(seed: int = 1, m: int = 16, q: int = 8, faces: int = 12) -> "torch.Tensor":
    return torch.randn(faces, m * q, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def people(faces: int = 12) -> "torch.Tensor":
    """Pairs, and the last two of nobody known."""
    return torch.cat([torch.arange((faces - 2) // 2).repeat_interleave(2), torch.tensor([-1, -1])])


# measured on draws of Gaussian projections, good to about 0.004
MEASURED = {
    2: [0.499, 0.534, 0.562, 0.597, 0.630, 0.667, 0.707, 0.746, 0.795, 0.855, 0.899],
    8: [0.122, 0.154, 0.189, 0.228, 0.275, 0.326, 0.383, 0.457, 0.547, 0.669, 0.761],
    16: [0.064, 0.085, 0.113, 0.146, 0.187, 0.237, 0.295, 0.369, 0.464, 0.603, 0.707],
}
COSINES = torch.tensor([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])


@pytest.mark.parametrize("q", MEASURED)
def test_the_share_at_a_cosine_is_the_measured_one(q: int) -> None:
    assert losses.share_at(COSINES, q).numpy() == pytest.approx(np.array(MEASURED[q]), abs=0.005)


@given(st.floats(-1, 1))
def test_with_two_values_the_share_is_one_minus_the_angle_in_half_turns(cosine: float) -> None:
    assert float(losses.share_at(torch.tensor(cosine), 2)) == pytest.approx(1 - math.acos(cosine) / math.pi, abs=1e-3)


@pytest.mark.parametrize("q", [2, 3, 5, 8, 16, 33, 64])
def test_strangers_share_one_symbol_in_q_the_same_face_all_and_the_share_rises_between(q: int) -> None:
    table = losses.share_at(torch.linspace(-1, 1, 401), q)
    assert float(losses.share_at(torch.tensor(0.0), q)) == pytest.approx(1 / q, abs=1e-5)
    assert float(table[-1]) == 1
    assert (table.diff() >= -1e-6).all()


@pytest.mark.parametrize("q", [4, 32])
def test_a_gaussian_projection_gives_the_share_that_the_table_says(q: int) -> None:
    first, second = torch.randn(2, 512, generator=torch.Generator().manual_seed(2))
    pair = torch.nn.functional.normalize(torch.stack([first, 0.8 * first + 0.6 * second]), dim=1)
    symbols = hash_logits(random_projection(2048, q, 1)(pair).detach().numpy(), q)
    assert float((symbols[0] == symbols[1]).mean()) == pytest.approx(float(losses.share_at(pair[0] @ pair[1], q)), abs=0.035)


def test_likeness_is_the_expected_share_of_equal_symbols() -> None:
    assert losses.shares(SURE)[0].tolist() == [1, 0.5, 0, 0, 0.5]


def test_nobody_is_his_own_mate_and_an_unknown_face_has_none() -> None:
    assert losses.same_people(PEOPLE).nonzero().tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]


def test_contrast_by_hand() -> None:
    """Faces 2 and 3: mate at share 1, strangers at 0, 1/2 and 1/2. Faces 0 and 1: mate at 1/2, strangers at 0, 0, 1/2 and 1/2, 1/2, 1/2."""
    log = math.log
    by_hand = [log(1 + (2 + math.e) / math.e), log(1 + 3), *[log(1 + (1 + 2 * math.e) / math.e**2)] * 2]
    assert float(losses.contrast_loss(SURE, PEOPLE, 2.0)) == pytest.approx(sum(by_hand) / 4, rel=1e-5)


def test_the_hardest_mate_and_stranger_by_hand() -> None:
    vectors = torch.nn.functional.normalize(SURE.flatten(1), dim=1)
    far, near, anchors = losses.hardest(vectors, PEOPLE)
    assert anchors.tolist() == [True, True, True, True, False]
    assert far[:2].tolist() == pytest.approx([math.pi / 3] * 2, abs=2e-3)
    assert near[:3].tolist() == pytest.approx([math.pi / 4] * 3, abs=2e-3)


def test_quantisation_and_balance_by_hand() -> None:
    assert float(losses.quantisation_loss(SURE)) == pytest.approx(0.5 / 5)
    assert float(losses.balance_loss(SURE[[0, 2]])) == pytest.approx(0, abs=1e-6)
    assert float(losses.balance_loss(SURE[:1])) == pytest.approx(math.log(2))


def test_following_is_content_with_what_was_asked_for_and_with_nothing_else() -> None:
    faces = torch.nn.functional.normalize(torch.randn(40, 512), dim=1)
    z = random_projection(512, 8, 1)(faces)
    p = losses.probabilities(z.detach(), 8, 10.0)
    right, same = (losses.following_loss(p, asked @ asked.T) for asked in (faces, faces[:1].expand(40, -1)))
    assert float(right) < 0.01 < float(same)


def test_decided_symbols_are_those_of_the_arg_max_and_keep_the_gradient_of_the_soft_ones() -> None:
    z, weights = logits(), torch.randn(12, 16, 8, generator=torch.Generator().manual_seed(2))
    p = losses.decided(losses.probabilities(z, 8, 3.0))
    assert torch.equal(p.detach().round(decimals=5), torch.nn.functional.one_hot(z.detach().view(12, 16, 8).argmax(2), 8).float())
    (p * weights).sum().backward()
    soft = logits()
    (losses.probabilities(soft, 8, 3.0) * weights).sum().backward()
    assert torch.allclose(z.grad, soft.grad)


def test_soft_symbols_and_bits_are_the_hard_ones_where_all_is_decided() -> None:
    symbols = torch.tensor([[0, 5, 7, 2]])
    p = torch.nn.functional.one_hot(symbols, 8).float()
    assert losses.soft_symbols(p).tolist() == [[0, 5, 7, 2]]
    assert losses.soft_bits(p).tolist() == [[-1, -1, -1, 1, -1, 1, 1, 1, 1, -1, 1, -1]]


def test_the_published_angular_loss_by_hand_and_by_both_norms() -> None:
    """Mates 60 degrees apart, the stranger 90 from one and 30 from the other; vectors of any length are the same directions."""
    vectors = torch.tensor([[1.0, 0.0], [0.5, 3**0.5 / 2], [0.0, 1.0]])
    who = torch.tensor([0, 0, 1])

    def one(tp: float, tn: float) -> float:
        apart = math.exp(math.cos(tn)) / (math.exp(math.cos(tn)) + math.exp(math.sin(tn)))
        together = math.exp(math.sin(tp)) / (math.exp(math.sin(tp)) + math.exp(math.cos(tp)))
        return 32 * (apart + together) + tp

    by_hand = (one(math.pi / 3, math.pi / 2) + one(math.pi / 3, math.pi / 6)) / 2
    assert float(losses.published_angular_loss(vectors, who)) == pytest.approx(by_hand, rel=1e-4)
    longer = vectors * torch.tensor([[5.0], [0.3], [2.0]])
    assert float(losses.published_angular_loss(longer, who)) == pytest.approx(by_hand, rel=1e-4)


TERMS = {
    "following": lambda p: losses.following_loss(p, torch.eye(12)),
    "contrast": lambda p: losses.contrast_loss(p, people(), 40.0),
    "margin": lambda p: losses.margin_loss(p, people(), 0.1),
    "quantisation": losses.quantisation_loss,
    "balance": losses.balance_loss,
    "published": lambda p: losses.published_loss(p, people()),
    "published, angular": lambda p: losses.published_angular_loss(losses.soft_symbols(p), people()),
    "published, table": lambda p: losses.published_angular_loss(losses.soft_bits(p), people()),
    "published, balance": losses.published_balance_loss,
}


@pytest.mark.parametrize("q", [2, 8, 64])
@pytest.mark.parametrize("term", TERMS)
def test_every_term_has_a_gradient_and_falls_along_it(term: str, q: int) -> None:
    z = logits(q=q)
    loss = TERMS[term](losses.probabilities(z, q, 1.0))
    loss.backward()
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    slope = float(z.grad.square().sum())
    assert slope > 0
    with torch.no_grad():
        after = TERMS[term](losses.probabilities(z - 1e-2 * z.grad / slope**0.5, q, 1.0))
    assert float(after) < float(loss)


@pytest.mark.parametrize("term", ["following", "contrast", "margin", "quantisation", "balance"])
def test_other_names_for_the_symbols_change_nothing_in_the_categorical_terms(term: str) -> None:
    p = losses.probabilities(logits(), 8, 3.0)
    renamed = torch.stack([p[:, place, torch.randperm(8)] for place in range(p.shape[1])], 1)
    assert float(TERMS[term](renamed)) == pytest.approx(float(TERMS[term](p)), rel=1e-4)


def test_the_published_loss_takes_the_names_for_magnitudes() -> None:
    p = losses.probabilities(logits(), 8, 3.0)
    assert abs(float(losses.published_loss(p[:, :, [0, 7, 1, 6, 2, 5, 3, 4]], people()) - losses.published_loss(p, people()))) > 0.01


def test_a_batch_without_mates_teaches_no_identity_and_is_no_error() -> None:
    p, nobody = losses.probabilities(logits(), 8, 3.0), torch.full((12,), -1)
    assert float(losses.contrast_loss(p, nobody, 40.0)) == float(losses.margin_loss(p, nobody, 0.1)) == 0


def test_weights_of_nought_leave_a_term_out() -> None:
    p = losses.probabilities(logits(), 8, 3.0)
    only = losses.Weights(similarity=0, contrast=0, margin=0, quantisation=2, balance=0)
    assert float(losses.categorical_loss(logits(), p, people(), torch.eye(12), only)) == pytest.approx(
        2 * float(losses.quantisation_loss(p))
    )


def test_costs_are_those_of_a_probe_at_the_door() -> None:
    found = losses.costs(logits(), 8).detach().numpy()
    assert (np.abs(found * WHOLE + FREE - costs_of(logits().detach().numpy(), 8)) <= 0.501).all()


def test_a_gaussian_projection_asks_for_what_it_gives() -> None:
    """At every cosine the dissimilarity of a wide random projection is the one that ``probing_loss`` asks for; another one is punished."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(6, 64)) + 2 * random.normal(size=64)
    vectors = torch.from_numpy(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).float()
    projected = vectors @ torch.from_numpy(random.normal(size=(64, 2048 * 8))).float()
    p, cosine = losses.decided(losses.probabilities(projected, 8, 10.0)), vectors @ vectors.T
    right, wrong = (float(losses.probing_loss(projected, p, each)) for each in (cosine, cosine - 0.2))
    assert right < 5e-4 < 5e-3 < wrong


def test_asking_punishes_mates_that_are_as_unlike_as_strangers() -> None:
    given = logits()
    p = losses.decided(losses.probabilities(given, 8, 10.0))
    weights = losses.Weights(asking=1.0, similarity=0, contrast=0, balance=0)
    mixed, same = given, given.view(-1, 3, given.shape[1])[:, :1].expand(-1, 3, -1).reshape(given.shape)
    shared = losses.decided(losses.probabilities(same, 8, 10.0))
    four = torch.arange(4).repeat_interleave(3)
    told = [float(losses.categorical_loss(each, q, four, torch.eye(12), weights)) for each, q in ((mixed, p), (same, shared))]
    assert told[1] < 0.1 * told[0]

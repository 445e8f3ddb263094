"""The rank-hash projection: where it begins, how codes of people held out are counted. Needs torch (extra ``train``)."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.records import Code  # noqa: E402
from edge.template.compare import dissimilarities  # noqa: E402
from edge.template.hashing import costs_of, hash_logits  # noqa: E402
from training import projection  # noqa: E402


@pytest.mark.parametrize("width", [512, 256, 100])
def test_orthogonal_directions_are_orthogonal_and_as_long_as_gaussian_ones(width: int) -> None:
    weight = projection.orthogonal_projection(64, 8, 1, width).weight.detach()[:width]
    assert (weight @ weight.T).numpy() == pytest.approx(width * np.eye(len(weight)), abs=1e-2)


def test_the_same_seed_gives_the_same_directions_and_another_others() -> None:
    first, again, other = (projection.random_projection(32, 4, seed).weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("m", "q", "fault"), [(24, 8, "--m 24"), (2056, 8, "--m 2056"), (36, 8, "--m 36"), (64, 1, "--q 1"), (64, 65, "--q 65")]
)
def test_sizes_outside_what_can_be_packed_are_refused(m: int, q: int, fault: str) -> None:
    with pytest.raises(SystemExit, match=fault):
        projection.check_size(m, q)


@pytest.mark.parametrize(("m", "q"), [(32, 2), (32, 64), (2048, 2), (64, 8), (40, 7)])
def test_dissimilarities_are_those_of_the_door(m: int, q: int) -> None:
    projection.check_size(m, q)
    layer, embedding = projection.random_projection(m, q, 1, 48), np.random.default_rng(0).normal(size=(5, 48)).astype(np.float32)
    logits = layer(torch.from_numpy(embedding)).detach().numpy()
    codes = [Code(hash_logits(each, q), q, costs_of(each, q)) for each in logits]
    symbols = np.stack([code.symbols for code in codes])
    found = projection.dissimilarities(layer, embedding, q)
    assert found.T.tolist() == [dissimilarities(symbols, probe).tolist() for probe in codes]


def test_a_permutation_in_front_is_the_layer_on_the_permuted_embedding() -> None:
    layer, embedding = projection.random_projection(32, 4, 1, 16), torch.randn(3, 16)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(9))
    assert torch.allclose(projection.permuted(layer, 9)(embedding), layer(embedding[:, order]), atol=1e-5)


def test_figures_by_hand() -> None:
    """Of ten mates one is further than the nearest of a hundred strangers: accepting it accepts that one, a rate between 0 and 0.01."""
    mated, non_mated = np.array([10] * 9 + [40]), np.array([30] + [50] * 99)
    assert projection.figures(mated, non_mated) == {"EER": 0.005, "TAR_at_FAR_0.01": 1.0, "TAR_at_FAR_0.001": 0.9, "TAR_at_FAR_0.0001": 0.9}


def test_every_non_mated_score_knows_its_two_people() -> None:
    """In the order of the scores: whose pictures each of them compares."""
    identity = np.array([7, 7, 8, 9])
    scores = np.arange(16).reshape(4, 4)
    _, non_mated = projection.pair_scores(scores, identity)
    assert non_mated.tolist() == [2, 3, 6, 7, 11]
    assert projection.non_mated_people(identity).tolist() == [[7, 8], [7, 9], [7, 8], [7, 9], [8, 9]]

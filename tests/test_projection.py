"""The rank-hash projection: where it begins, how codes of people held out are counted. Needs torch (extra ``train``)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def faces(count: int, width: int, spread: np.ndarray) -> np.ndarray:
    """Normalised vectors, Gaussian with these deviations along the coordinates."""
    drawn = np.random.default_rng(1).normal(size=(count, width)) * spread
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("q", [2, 7, 8])
def test_a_symbol_of_a_codebook_is_the_nearest_centre_in_its_plane(q: int) -> None:
    """Held against distances: the rows of a block are the centres, times the root of the width; the bias says how long they are."""
    some = faces(3000, 16, np.ones(16))
    layer = projection.codebook_projection(some, 24, q, 1)
    blocks, bias = layer.weight.detach().numpy().reshape(24, q, 16), layer.bias.detach().numpy().reshape(24, q)
    symbols = hash_logits(layer(torch.from_numpy(some)).detach().numpy(), q)
    for rows, lengths, found in zip(blocks, bias, symbols.T, strict=True):
        assert np.linalg.matrix_rank(rows, tol=1e-3) <= 2, "a plane"
        centres = rows / 4  # 4 = the root of the width
        assert lengths == pytest.approx(-(centres**2).sum(axis=1) / 2, rel=1e-4)
        distances = ((4 * some[:, None] - centres) ** 2).sum(axis=2)
        assert (distances.argmin(axis=1) == found).mean() > 0.999  # but for ties in float32
        assert np.bincount(found, minlength=q).min() > len(some) / q / 3, "every centre has its share"


def test_more_centres_than_faces_are_refused() -> None:
    with pytest.raises(SystemExit, match="--begin codebooks: 7 faces to make 8 centres of"):
        projection.codebook_projection(faces(7, 16, np.ones(16)), 32, 8, 1)


def test_a_small_code_looks_where_faces_differ_most() -> None:
    """32 symbols have 32 planes, of the 64 leading directions of 100; a larger code has three looks at all of them."""
    spread = np.r_[np.full(64, 1.0), np.full(36, 0.05)]
    small, large = (projection.codebook_projection(faces(4000, 100, spread), m, 4, 1).weight.detach().numpy() for m in (32, 152))
    inside = [float((weight[:, :64] ** 2).sum() / (weight**2).sum()) for weight in (small, large)]
    assert inside[0] > 0.99 > 0.98 > inside[1]
    assert np.linalg.matrix_rank(large, tol=1e-3) == 100
    looks = large.reshape(152, 4, 100)[[0, 50, 100]]
    assert np.linalg.matrix_rank(looks.reshape(12, 100), tol=1e-3) == 6, "every look has planes of its own"


def test_codebooks_are_the_same_for_a_seed_and_tell_more_than_random_directions() -> None:
    """Of an uneven spread, as embeddings have it: dissimilarities follow the cosine more closely."""
    some = faces(1500, 64, np.linspace(2, 0.2, 64))
    first, again, other = (projection.codebook_projection(some, 64, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    pairs = np.triu_indices(200, 1)
    cosines = (some[:200] @ some[:200].T)[pairs]

    def follows(layer: torch.nn.Linear) -> float:
        return -float(np.corrcoef(projection.dissimilarities(layer, some[:200], 8)[pairs], cosines)[0, 1])

    assert follows(first) > follows(projection.random_projection(64, 8, 1, 64)) + 0.02


@pytest.mark.parametrize("q", [2, 7, 8])
def test_a_symbol_of_sectors_is_the_angle_around_the_mean_in_its_plane(q: int) -> None:
    """Held against the arc tangent: a block turns round its plane in q equal steps, and 24 symbols are three looks at eight planes."""
    some = faces(2000, 16, np.ones(16)) + np.float32(0.2)
    layer = projection.sector_projection(some, 24, q, 1)
    blocks = layer.weight.detach().numpy().reshape(24, q, 16)
    symbols = hash_logits(layer(torch.from_numpy(some)).detach().numpy(), q)
    for rows, found in zip(blocks, symbols.T, strict=True):
        assert np.linalg.norm(rows, axis=1) == pytest.approx(np.full(q, 4), rel=1e-5), "the root of the width"
        first = rows[0] / 4
        step = 2 * np.pi / q
        second = (rows[1] / 4 - np.cos(step) * first) / np.sin(step) if q > 2 else first * 0
        around = some - some.mean(axis=0)
        angle = np.arctan2(around @ second, around @ first)
        assert (np.round(angle / step).astype(int) % q == found).mean() > 0.999  # but for ties in float32
    looks = blocks[[0, 8, 16]].reshape(3 * q, 16)
    assert np.linalg.matrix_rank(looks, tol=1e-3) == (6 if q > 2 else 3), "every look has planes of its own"


@given(st.floats(0.05, 1), st.integers(0, 199))
def test_a_face_keeps_its_sectors_however_near_the_mean_it_moves(share: float, which: int) -> None:
    """As fusing does to it; a codebook's nearest centre changes with the length."""
    some = faces(200, 32, np.ones(32))
    mean = some.mean(axis=0)
    layer = projection.sector_projection(some, 32, 8, 3)

    def logits(face: np.ndarray) -> np.ndarray:
        return np.sort(layer(torch.from_numpy(face.astype(np.float32))).detach().numpy().reshape(32, 8), axis=1)

    def symbols(face: np.ndarray) -> np.ndarray:
        return hash_logits(layer(torch.from_numpy(face.astype(np.float32))).detach().numpy(), 8)

    before = logits(some[which])
    clear = before[:, -1] - before[:, -2] > 1e-3 / share  # float32 decides the others
    assert (symbols(some[which]) == symbols(mean + share * (some[which] - mean)))[clear].all()
    assert clear.mean() > 0.5


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

"""Stage 2: batches, what a projection learns, the head that is written; any size, any width. Needs torch (extra ``train``)."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training import drh  # noqa: E402
from training.features import Features  # noqa: E402
from training.hash_losses import Weights  # noqa: E402
from training.projection import codebook_projection, figures, orthogonal_projection, sector_projection  # noqa: E402

WIDTH, SIGNAL = 48, 12


def features(people: int = 120, pictures: int = 4, width: int = WIDTH, noise: float = 0.9) -> Features:
    """People who differ in twelve directions; what differs between pictures of one lies in all the others. The last third is held out."""
    random = np.random.default_rng(1)
    faces = np.zeros((people, pictures, width))
    faces[:, :, :SIGNAL] = random.standard_normal((people, 1, SIGNAL))
    faces[:, :, SIGNAL:] = noise * random.standard_normal((people, pictures, width - SIGNAL))
    embedding = (faces / np.linalg.norm(faces, axis=2, keepdims=True)).reshape(-1, 1, width).astype(np.float32)
    identity = np.repeat(np.arange(people), pictures)
    return Features(np.arange(len(identity)), identity, identity >= people * 2 // 3, embedding, embedding, {})


def save(path: Path, found: Features) -> Path:
    np.savez(path, rows=found.rows, identity=found.identity, held_out=found.held_out, embedding=found.embedding, pooled=found.pooled)
    return path


def test_a_batch_holds_so_many_people_with_so_many_samples_and_nobody_unknown() -> None:
    identity = np.concatenate([np.repeat(np.arange(80), 3), np.full(50, -1), [80]])
    for batch in drh.people_batches(identity, 3, np.random.default_rng(1), 70, 5):
        groups = identity[batch].reshape(70, 5)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == 70
        assert groups.min() >= 0
        assert groups.max() < 80


def test_too_few_people_for_a_batch_is_said() -> None:
    with pytest.raises(SystemExit, match="3 identities have two crops or more, a batch wants 60"):
        drh.people_batches(np.repeat(np.arange(3), 2), 1, np.random.default_rng(1))


@pytest.mark.parametrize(
    "recipe",
    [
        drh.Recipe(steps=60, people=20, others=20),
        drh.Recipe(steps=60, people=20, others=0, weights=Weights(similarity=0, contrast=1)),
        drh.Recipe(steps=60, people=20, others=0, weights=Weights(similarity=0, margin=1, quantisation=0.1)),
        drh.Recipe(loss="published", steps=60, people=20, others=0, cold=1, hot=1),
    ],
    ids=["default", "contrast", "margin", "published"],
)
def test_training_tells_people_apart_better_than_where_it_began(recipe: drh.Recipe) -> None:
    found, m, q = features(), 32, 4
    begun = figures(*drh.held_out_pairs(orthogonal_projection(m, q, 1, WIDTH), found, q))
    layer = drh.train_projection(found, None, orthogonal_projection(m, q, 1, WIDTH), q, recipe)
    assert figures(*drh.held_out_pairs(layer, found, q))["EER"] < 0.95 * begun["EER"]


def test_the_share_can_follow_a_teacher_who_knows_better() -> None:
    """The teacher sees only what differs between people; no label is used."""
    found, m, q = features(), 32, 4
    teacher = torch.nn.functional.normalize(torch.from_numpy(found.embedding[:, 0, :SIGNAL]), dim=1)
    plain = drh.Recipe(steps=60, people=20, others=60, weights=Weights(contrast=0))
    errors = [
        figures(*drh.held_out_pairs(drh.train_projection(found, told, orthogonal_projection(m, q, 1, WIDTH), q, plain), found, q))["EER"]
        for told in (None, teacher)
    ]
    assert errors[1] < 0.9 * errors[0]


def test_the_same_seed_gives_the_same_projection() -> None:
    recipe = drh.Recipe(steps=3, people=10, others=5)
    first, again = (drh.train_projection(features(), None, orthogonal_projection(32, 4, 1, WIDTH), 4, recipe).weight for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize(("m", "q", "width"), [(32, 2, 100), (32, 64, 100), (2048, 2, 20), (40, 7, 256)])
def test_corners_of_size_and_width_are_trained_and_written(tmp_path: Path, m: int, q: int, width: int) -> None:
    path = save(tmp_path / "f.npz", features(40, 3, width))
    more = ["--m", str(m), "--q", str(q), "--steps", "2", "--people", "8", "--others", "4", "--threads", "1"]
    drh.main([str(path), str(tmp_path / "head.pt"), *more])
    head = torch.load(tmp_path / "head.pt")
    assert head["projection"]["weight"].shape == (m * q, width)
    assert (head["m"], head["q"], head["width"]) == (m, q, width)
    assert "uncertainty" not in head
    assert 0 <= int(head["non_mated"].min()) <= int(head["non_mated"].max()) <= 2 * m


def test_what_was_trained_along_with_a_backbone_is_where_stage_2_begins(tmp_path: Path) -> None:
    layer = orthogonal_projection(32, 4, 5, WIDTH)
    torch.save({"mean": {"backbone.a": torch.zeros(1), **{f"projection.{k}": v for k, v in layer.state_dict().items()}}}, tmp_path / "b.pt")
    torch.save({"projection": layer.state_dict(), "m": 32, "q": 4}, tmp_path / "h.pt")
    for name in ("b.pt", "h.pt"):
        assert torch.equal(drh.read_projection(tmp_path / name, 32, 4, WIDTH).weight, layer.weight)
    with pytest.raises(SystemExit, match=r"h\.pt: holds no projection of 48 to 64 x 4"):
        drh.read_projection(tmp_path / "h.pt", 64, 4, WIDTH)


@pytest.mark.parametrize(("begin", "make"), [("codebooks", codebook_projection), ("sectors", sector_projection)])
def test_without_a_step_a_projection_is_what_is_made_of_those_who_are_not_held_out(
    begin: str, make: "Callable[..., torch.nn.Linear]"
) -> None:
    found, recipe = features(), drh.Recipe(begin=begin, steps=0, people=8, seed=3)
    made = make(found.embedding[found.learn].reshape(-1, WIDTH), 32, 4, 3).weight
    assert torch.equal(drh.train_projection(found, None, drh.beginning(found, 32, 4, recipe), 4, recipe).weight, made)
    found.embedding[found.validate] = 0
    assert torch.equal(drh.beginning(found, 32, 4, recipe).weight, made)


def test_two_beginnings_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "f.npz", features())
    with pytest.raises(SystemExit, match=r"--start .*h\.pt and --begin sectors are two beginnings; name one"):
        drh.main([str(path), str(tmp_path / "out.pt"), "--start", str(tmp_path / "h.pt"), "--begin", "sectors", "--threads", "1"])


def test_a_teacher_of_another_set_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.zeros((5, 2, 8), np.float16))
    with pytest.raises(SystemExit, match=r"t\.npy: holds \(5, 2, 8\)"):
        drh.read_teacher(tmp_path / "t.npy", features())


def test_options_make_the_recipe_and_their_defaults_are_its_own() -> None:
    parser = argparse.ArgumentParser()
    drh.recipe_options(parser)
    assert drh.recipe_of(parser.parse_args([])) == drh.Recipe()
    said = drh.recipe_of(parser.parse_args(["--loss", "published", "--hot", "50", "--contrast", "2"]))
    assert said == drh.Recipe(loss="published", hot=50, weights=Weights(contrast=2))

"""Training: what is trained is what is shipped, splits keep people apart, losses have gradients. Needs torch (extra ``train``)."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; pip install '.[train]' runs the training tests")

from edge.face.align import REFERENCE  # noqa: E402
from edge.inference import load_network, write_manifest  # noqa: E402
from edge.inference.make import describe  # noqa: E402
from edge.inference.manifest import CodeSize  # noqa: E402
from training import export, packed, scenes  # noqa: E402
from training.augment import MARGIN, augment, jitter  # noqa: E402
from training.backbones.dense import Dense  # noqa: E402
from training.drh import (  # noqa: E402
    PEOPLE,
    SAMPLES,
    hash_loss,
    orthogonal_projection,
    people_batches,
    random_projection,
    share_at,
    similarity_loss,
    unequal_symbols,
)
from training.uncertainty import Uncertainty  # noqa: E402


def test_augmentation_repeats_with_its_seed_and_gives_the_door_s_crop_size() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    (first, flip), (again, flip_again) = (augment(crop, np.random.default_rng(5)) for _ in range(2))
    assert first.shape == (112, 112, 3)
    assert (first == again).all()
    assert flip == flip_again


def test_without_noise_the_training_crop_is_the_centre_that_the_door_sees() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (120, 120, 3), np.uint8)
    assert np.abs(jitter(crop, np.random.default_rng(0), 0.0).astype(int) - crop[MARGIN:-MARGIN, MARGIN:-MARGIN]).max() <= 1
    assert (REFERENCE > 0).all()


def test_identities_are_held_out_whole_and_the_same_way_when_sets_are_added(tmp_path: Path) -> None:
    def write(folder: Path, names: list[str]) -> packed.Packed:
        folder.mkdir()
        np.save(folder / "crops.npy", np.zeros((len(names), 120, 120, 3), np.uint8))
        rows = [{"name": name, "identity": int(name.split("/")[0]), "source": "a"} for name in names]
        (folder / "index.json").write_text(json.dumps(rows))
        return packed.load(folder)

    few = [f"{who}/{n}.png" for who in range(100) for n in range(2)]
    small, large = write(tmp_path / "a", few), write(tmp_path / "b", [*few, *(f"{who}/0.png" for who in range(100, 150))])
    assert (small.held_out == large.held_out[: len(few)]).all()
    assert 0 < small.held_out.sum() < len(few) / 4
    assert not set(small.identity[small.held_out]) & set(small.identity[~small.held_out])


def test_the_hash_loss_has_a_gradient_and_falls_when_people_are_told_apart() -> None:
    people = torch.nn.functional.normalize(torch.randn(PEOPLE, 512), dim=1).repeat_interleave(SAMPLES, 0)
    layer = random_projection(64, 8, 1)
    apart = hash_loss(layer(people), 8, 4.0, 0.1)
    mixed = hash_loss(layer(people[torch.randperm(len(people))]), 8, 4.0, 0.1)
    apart.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.abs().sum() > 0
    assert apart.item() < mixed.item()


def test_the_share_asked_for_follows_a_gaussian_projection_to_one_half_and_stretches_likeness_above() -> None:
    torch.manual_seed(0)
    first = torch.nn.functional.normalize(torch.randn(1, 512), dim=1)
    across = torch.nn.functional.normalize(torch.randn(1, 512) @ (torch.eye(512) - first.T @ first), dim=1)
    for cosine in (0.0, 0.25, 0.5, 0.8):
        pair = torch.cat([first, cosine * first + (1 - cosine**2) ** 0.5 * across])
        gaussian = 1 - unequal_symbols(random_projection(8192, 8, 1), pair, 8)[0, 1] / 8192
        asked = float(share_at(torch.tensor(cosine)))
        assert asked == pytest.approx(gaussian, abs=0.03) if cosine <= 0.5 else asked > gaussian + 0.05
    assert float(share_at(torch.tensor(1.0))) == pytest.approx(1)


def test_orthogonal_directions_are_orthogonal_and_as_long_as_gaussian_ones() -> None:
    weight = orthogonal_projection(64, 8, 1).weight
    assert (weight @ weight.T).detach().numpy() == pytest.approx(512 * np.eye(512), abs=1e-2)


def test_the_similarity_loss_is_smaller_where_codes_follow_the_teacher() -> None:
    faces = torch.nn.functional.normalize(torch.randn(40, 512), dim=1)
    logits = random_projection(512, 8, 1)(faces)
    right = similarity_loss(logits, faces, 8, 10.0)
    same = similarity_loss(logits, faces[:1].expand(40, -1), 8, 10.0)
    assert right.item() < 0.01 < same.item()


def test_a_batch_holds_sixty_people_with_four_samples_each() -> None:
    identity = np.repeat(np.arange(80), 3)
    for batch in people_batches(identity, 3, np.random.default_rng(1)):
        groups = identity[batch].reshape(PEOPLE, SAMPLES)
        assert (groups == groups[:, :1]).all()
        assert len(set(groups[:, 0])) == PEOPLE


def test_unequal_symbols_are_counted_like_a_plain_comparison() -> None:
    layer, embedding = random_projection(32, 8, 1), torch.randn(5, 512)
    symbols = layer(embedding).view(5, 32, 8).argmax(2)
    expected = (symbols[:, None] != symbols[None]).sum(2).numpy()
    assert (unequal_symbols(layer, embedding, 8) == expected).all()


@pytest.mark.parametrize(("size", "strides"), [(20.0, {8}), (48.0, {8, 16}), (110.0, {16}), (150.0, {16, 32}), (250.0, {32})])
def test_a_face_is_asked_of_the_levels_that_fit_its_size_and_is_background_to_the_others(size: float, strides: set[int]) -> None:
    face = np.concatenate([[0.9, 160 - size / 2, 160 - size / 2, 160 + size / 2, 160 + size / 2], np.full(10, 160.0)]).astype(np.float32)
    state, boxes, landmarks = scenes.targets(face[None])
    assert set(scenes.POINT_STRIDES[state > 0].astype(int)) == strides
    reach = scenes.POINT_STRIDES[state > 0, None]
    assert scenes.POINTS[state > 0] - boxes[state > 0, :2] * reach == pytest.approx(160 - size / 2, abs=1e-3)
    assert np.tile(scenes.POINTS[state > 0], 5) + landmarks[state > 0] * reach == pytest.approx(160.0, abs=1e-3)


def test_a_face_that_the_teacher_was_unsure_of_is_neither_wanted_nor_wrong() -> None:
    face = np.concatenate([[0.3, 100, 100, 180, 180], np.full(10, 140.0)]).astype(np.float32)
    state, _, _ = scenes.targets(face[None])
    assert set(state.tolist()) == {0, -1}


def test_what_is_exported_loads_through_the_door_of_the_appliance(tmp_path: Path) -> None:
    pictures = torch.randint(0, 256, (2, 112, 112, 3), dtype=torch.uint8)
    names = {name: {0: "batch"} for name in ("logits", "log_variance", "embedding")}
    network = export.HashNetwork(Dense((8, 8, 16, 32), (1, 1, 1)), random_projection(64, 8, 1), Uncertainty())
    path = tmp_path / "tiny.onnx"
    assert export.write(network, pictures, path, {"crops": {0: "batch"}}, names) < export.TOLERANCE
    write_manifest(describe(path, "hash", facts={}, code=CodeSize(m=64, q=8)), path.with_suffix(".json"))
    found = load_network(path.with_suffix(".json")).infer(pictures.numpy())
    with torch.inference_mode():
        logits, variance, embedding = network(pictures)
    for name, expected in (("logits", logits), ("log_variance", variance), ("embedding", embedding)):
        assert found[name] == pytest.approx(expected.numpy(), abs=1e-3)


def test_every_batch_of_partners_holds_two_pictures_of_each_person_who_has_two() -> None:
    identity = np.array([0, 0, 0, 1, 1, 2, -1, -1])
    random = np.random.default_rng(0)
    for _ in range(20):
        both = packed.with_partners(identity, np.arange(8), random)
        first, second = both[:8], both[8:]
        assert (identity[first] == identity[second]).all()
        assert (first != second).tolist() == [True] * 5 + [False] * 3  # who is alone, or of no known identity, comes twice

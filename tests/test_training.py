"""Training: what augmentation does, and that splits keep people apart. Needs torch (extra ``train``)."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from edge.face.align import REFERENCE  # noqa: E402
from training import packed, scenes  # noqa: E402
from training.augment import MARGIN, augment, jitter  # noqa: E402


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


def test_every_batch_of_partners_holds_two_pictures_of_each_person_who_has_two() -> None:
    identity = np.array([0, 0, 0, 1, 1, 2, -1, -1])
    random = np.random.default_rng(0)
    for _ in range(20):
        both = packed.with_partners(identity, np.arange(8), random)
        first, second = both[:8], both[8:]
        assert (identity[first] == identity[second]).all()
        assert (first != second).tolist() == [True] * 5 + [False] * 3  # who is alone, or of no known identity, comes twice

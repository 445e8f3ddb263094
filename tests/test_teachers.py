"""Distillation: the student is content with the teacher itself and with nothing else. Needs torch (extra ``train``)."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training.teachers import Distil, Teacher, loss_of  # noqa: E402

ROWS = np.arange(16)


def unit(*shape: int, seed: int = 0) -> "torch.Tensor":
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def teacher(path: Path, dimensions: int, seed: int = 0) -> Teacher:
    said = np.stack([unit(len(ROWS), dimensions, seed=seed + side).numpy() for side in (0, 1)], 1)
    np.save(path, said.astype(np.float16))
    return Teacher(path, len(ROWS), ROWS)


def test_the_target_is_the_normalised_mean_of_crop_and_mirror_image(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([[[1, 0], [0, 1]], [[0, -1], [0, -1]]], np.float16))
    target = Teacher(tmp_path / "t.npy", 2, np.arange(2)).of(np.array([1, 0]))
    assert target.numpy() == pytest.approx(np.array([[0, -1], [0.5**0.5, 0.5**0.5]]))


def test_the_loss_of_two_faces_is_the_one_worked_by_hand() -> None:
    """Cosines to the targets in the mean 0.7, then 0.6; two of the four similarities are 1, then 0.96, and should be 0."""
    student, wanted = torch.tensor([[0.6, 0.8], [0.6, 0.8]]), torch.eye(2)
    assert loss_of([student], student, [wanted], 10.0).item() == pytest.approx(0.3 + 10 * 1.0 / 2)
    student = torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    assert loss_of([student], student, [wanted], 10.0).item() == pytest.approx(0.4 + 10 * 0.96**2 / 2)


def test_one_teacher_of_the_students_size_is_imitated_without_a_map(tmp_path: Path) -> None:
    distil = Distil([teacher(tmp_path / "t.npy", 512)], 512, 10.0)
    wanted = teacher(tmp_path / "t.npy", 512).of(ROWS)
    assert list(distil.parameters()) == []
    assert distil(3 * wanted, ROWS).item() == pytest.approx(0, abs=1e-5)
    assert distil(unit(16, 512, seed=9), ROWS).item() > 0.5


def test_of_several_teachers_similarities_are_averaged(tmp_path: Path) -> None:
    first, second = unit(4, 8, seed=1), unit(4, 6, seed=2)
    student = unit(4, 8, seed=3)
    mean = (first @ first.T + second @ second.T) / 2
    apart = loss_of([first, second], student, [first, second], 1.0)
    assert apart.item() == pytest.approx((student @ student.T - mean).square().mean().item(), abs=1e-6)


def test_teachers_of_other_sizes_are_met_through_maps_that_learn(tmp_path: Path) -> None:
    distil = Distil([teacher(tmp_path / "a.npy", 256), teacher(tmp_path / "b.npy", 512, seed=5)], 512, 1.0)
    assert [tuple(layer.weight.shape) for layer in distil.maps] == [(256, 512), (512, 512)]
    student = unit(16, 512, seed=7).requires_grad_()
    optimiser = torch.optim.Adam([student, *distil.parameters()], lr=0.01)
    losses = []
    for _ in range(60):
        loss = distil(student, ROWS)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(layer.weight.grad.abs().sum() > 0 for layer in distil.maps)
    assert losses[-1] < losses[0] / 3


def test_a_file_of_another_set_or_an_unfinished_one_is_refused(tmp_path: Path) -> None:
    teacher(tmp_path / "t.npy", 512)
    with pytest.raises(SystemExit, match=r"holds \(16, 2, 512\), not 17 x 2 x D"):
        Teacher(tmp_path / "t.npy", 17, ROWS)
    said = np.load(tmp_path / "t.npy")
    said[3:5] = 0
    np.save(tmp_path / "t.npy", said)
    with pytest.raises(SystemExit, match="2 of 16 crops are not embedded yet"):
        Teacher(tmp_path / "t.npy", 16, ROWS)
    assert Teacher(tmp_path / "t.npy", 16, ROWS[8:]).dimensions == 512

"""Distillation from what one or several teachers said of every crop (files of ``training.teach``)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

PROBE = 8  # numbers of an embedding by which a row that was never written is known


class Teacher:
    """One file of ``training.teach``, N x 2 x D, read row by row.

    Raises:
        SystemExit: the file is another set's, or lacks some of ``rows``.
    """

    def __init__(self, path: Path, crops: int, rows: npt.NDArray[np.int64]) -> None:
        self._said = np.load(path, mmap_mode="r")
        if self._said.ndim != 3 or self._said.shape[:2] != (crops, 2):
            raise SystemExit(f"{path}: holds {self._said.shape}, not {crops} x 2 x D; make it from this set with training.teach")
        missing = int((~self._said[:, 0, :PROBE].any(1))[rows].sum())
        if missing:
            raise SystemExit(f"{path}: {missing} of {len(rows)} crops are not embedded yet; let training.teach finish")

    @property
    def dimensions(self) -> int:
        """D."""
        return int(self._said.shape[2])

    def of(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """B row numbers -> B x D targets: normalised mean of crop and mirror image."""
        return nn.functional.normalize(torch.from_numpy(self._said[rows]).float().sum(1), dim=1)


def loss_of(students: Sequence[Tensor], student: Tensor, teachers: Sequence[Tensor], relation: float) -> Tensor:
    """1 - cosine to the target, in the mean over teachers, plus ``relation`` times the squared difference between the student's similarity
    matrix and the mean of the teachers' (relational distillation, Park et al., CVPR 2019).

    students: per teacher B x D_i. student: B x D, whose similarities are asked for. teachers: per teacher B x D_i. All normalised.
    """
    cosines = [(mine * theirs).sum(1).mean() for mine, theirs in zip(students, teachers, strict=True)]
    wanted = torch.stack([each @ each.T for each in teachers]).mean(0)
    return 1 - torch.stack(cosines).mean() + relation * (student @ student.T - wanted).square().mean()


class Distil(nn.Module):
    """Distillation from ``teachers``. One teacher of the student's size is imitated as it is; others through a learned linear map each."""

    def __init__(self, teachers: Sequence[Teacher], dimensions: int, relation: float) -> None:
        super().__init__()
        self._teachers, self._relation = list(teachers), relation
        alike = len(self._teachers) == 1 and self._teachers[0].dimensions == dimensions
        sizes = [] if alike else [teacher.dimensions for teacher in self._teachers]
        self.maps = nn.ModuleList(nn.Linear(dimensions, size, bias=False) for size in sizes)
        for layer in self.maps:
            nn.init.orthogonal_(layer.weight)

    def forward(self, embedding: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
        """B x D embeddings (any length) of the crops in ``rows`` -> the loss."""
        student = nn.functional.normalize(embedding.float(), dim=1)
        mapped = [nn.functional.normalize(layer(student), dim=1) for layer in self.maps]
        return loss_of(mapped or [student], student, self.targets(rows, student.device), self._relation)

    def targets(self, rows: npt.NDArray[np.int64], device: torch.device) -> list[Tensor]:
        """What each teacher says of the crops: B x D_i, normalised."""
        return [teacher.of(rows).to(device, non_blocking=True) for teacher in self._teachers]

"""Batches by number: batch ``step`` is a function of the seed and of ``step`` alone.

So a run that was stopped goes on with the batches that an uninterrupted one would see, and worker processes change nothing but the time.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Make = Callable[[int], tuple[Any, ...]]


class _Numbered(Dataset[Any]):
    def __init__(self, make: Make) -> None:
        self._make = make

    def __getitem__(self, step: int) -> tuple[Any, ...]:
        return self._make(step)


class _From:
    """The numbers from ``first`` on."""

    def __init__(self, first: int) -> None:
        self._first = first

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self._first)


def _alone(worker: int) -> None:
    """Worker processes run beside one another; OpenCV's own threads do not survive the fork."""
    cv2.setNumThreads(0)


def stream(make: Make, first: int, workers: int = 0, pinned: bool = False) -> Iterator[tuple[Tensor, ...]]:
    """make(first), make(first + 1), ... as tensors, without end.

    make: step -> arrays. workers: processes that make batches ahead; 0 makes each when it is asked for. pinned: in memory from which a GPU
    copies at once. Errors of ``make`` come out here.
    """
    loader = DataLoader(
        _Numbered(make),
        batch_size=None,
        sampler=_From(first),
        num_workers=workers,
        pin_memory=pinned,
        worker_init_fn=_alone,
        generator=torch.Generator(),  # not the common one, whose state is the training's
    )
    return iter(loader)  # type: ignore[no-any-return]

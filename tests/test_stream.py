"""Batches by number: the same ones in whatever process they are made, and from wherever a run goes on. Needs torch."""

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; .venv/bin/pip install -e '.[train]' runs the training tests")

from training.stream import stream  # noqa: E402


def numbered(step: int) -> tuple[np.ndarray, np.ndarray]:
    if step == 13:
        raise ValueError("no batch thirteen")
    return np.full(3, step), np.random.default_rng((1, step)).integers(0, 256, (2, 2), np.uint8)


def taken(first: int, count: int, workers: int = 0) -> list[list[list[int]]]:
    return [[part.tolist() for part in batch] for batch in itertools.islice(stream(numbered, first, workers), count)]


def test_a_stream_begins_anywhere_and_is_the_same_one() -> None:
    assert taken(0, 5)[3:] == taken(3, 2)
    assert taken(3, 1)[0][0] == [3, 3, 3]


def test_worker_processes_change_nothing() -> None:
    assert taken(2, 6, workers=2) == taken(2, 6)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_goes_wrong_while_a_batch_is_made_comes_out(workers: int) -> None:
    with pytest.raises(ValueError, match="no batch thirteen"):
        taken(12, 2, workers)


def test_making_batches_does_not_touch_the_training_s_random_numbers() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    taken(0, 2)
    assert torch.equal(torch.get_rng_state(), before)

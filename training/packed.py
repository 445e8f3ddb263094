"""Reads what ``training.pack`` wrote, and splits it by identity."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edge.records import Pixels
from training.augment import MARGIN, augment

LEFT_OUT = "left_out.json"  # what ``training.overlap`` found to look like a test set
HELD_OUT = 16  # one identity in sixteen is never trained on: it validates, and its non-mated scores set the threshold


@dataclass(frozen=True, eq=False)
class Packed:
    """crops: N x 120 x 120 x 3 uint8 BGR (memory map). identity: N, -1 where unlabelled. held_out, left_out: N booleans, see ``load``."""

    crops: Pixels
    identity: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.bool_]
    left_out: npt.NDArray[np.bool_]

    @property
    def learn(self) -> npt.NDArray[np.int64]:
        """Rows to train on."""
        return np.flatnonzero(~self.held_out & ~self.left_out)

    @property
    def validate(self) -> npt.NDArray[np.int64]:
        """Rows of the identities held out."""
        return np.flatnonzero(self.held_out & ~self.left_out)


def load(folder: Path) -> Packed:
    """Open a packed set; an identity is held out by its folder's name, so the split does not move when sets are added.

    Crops that look like a test set are left out of everything (``training.overlap``).
    """
    rows = json.loads((folder / "index.json").read_text())
    crops = np.load(folder / "crops.npy", mmap_mode="r")
    held = [row["identity"] >= 0 and zlib.crc32(row["name"].rpartition("/")[0].encode()) % HELD_OUT == 0 for row in rows]
    left_out = np.zeros(len(rows), bool)
    if (folder / LEFT_OUT).exists():
        left_out[[each["row"] for each in json.loads((folder / LEFT_OUT).read_text())["crops"]]] = True
    return Packed(crops, np.array([row["identity"] for row in rows]), np.array(held), left_out)


def to_network(crops: Pixels) -> Tensor:
    """B x H x W x 3 uint8 BGR -> B x 3 x H x W float in -1..1, channels last."""
    return ((torch.from_numpy(crops).float() - 127.5) / 127.5).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def centres(crops: Pixels) -> Pixels:
    """The 112x112 crop of the door out of the 120x120 training crop."""
    return np.ascontiguousarray(crops[:, MARGIN:-MARGIN, MARGIN:-MARGIN])


def batches(
    packed: Packed, rows: npt.NDArray[np.int64], size: int, random: np.random.Generator, strength: float = 1.0
) -> Iterator[tuple[npt.NDArray[np.int64], Pixels, npt.NDArray[np.int64]]]:
    """Endless shuffled batches: (row numbers, augmented crops B x 112 x 112 x 3, mirrored 0/1)."""
    while True:
        order = random.permutation(rows)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            made = [augment(np.asarray(packed.crops[row]), random, strength) for row in chosen]
            yield chosen, np.stack([crop for crop, _ in made]), np.array([mirrored for _, mirrored in made], np.int64)

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


def with_partners(identity: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows, and for each of them another row of the same identity; the row itself where there is none or it is unlabelled: (2 n,).

    identity: of all rows, -1 where unlabelled.
    """
    order = np.argsort(identity, kind="stable")
    first = np.searchsorted(identity[order], identity[rows], "left")
    count = np.searchsorted(identity[order], identity[rows], "right") - first
    place = np.empty(len(identity), np.int64)
    place[order] = np.arange(len(order))
    step = 1 + np.floor(random.random(len(rows)) * np.maximum(count - 1, 1)).astype(np.int64)
    partner = order[first + (place[rows] - first + step) % count]
    return np.concatenate([rows, np.where(identity[rows] < 0, rows, partner)])


def batches(
    packed: Packed,
    rows: npt.NDArray[np.int64],
    size: int,
    random: np.random.Generator,
    strength: float = 1.0,
    partners: bool = False,
) -> Iterator[tuple[npt.NDArray[np.int64], Pixels, npt.NDArray[np.int64]]]:
    """Endless shuffled batches: (row numbers, augmented crops B x 112 x 112 x 3, mirrored 0/1).

    partners: half of each batch is other crops of the people of the first half (``with_partners``), so that every batch has mated pairs.
    """
    identity = np.full(len(packed.identity), -1)
    identity[rows] = packed.identity[rows]
    step = size // 2 if partners else size
    while True:
        order = random.permutation(rows)
        for start in range(0, len(order) - step + 1, step):
            chosen = order[start : start + step]
            if partners:
                chosen = with_partners(identity, chosen, random)
            made = [augment(np.asarray(packed.crops[row]), random, strength) for row in chosen]
            yield chosen, np.stack([crop for crop, _ in made]), np.array([mirrored for _, mirrored in made], np.int64)

"""Reads what ``training.pack`` wrote, and splits it by identity."""

import json
import zlib
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

    Raises:
        SystemExit: the folder holds no whole packed set.
    """
    if not (folder / "index.json").exists():  # written last
        raise SystemExit(f"{folder}: holds no packed set (index.json); make it with python -m training.pack {folder} SOURCE")
    rows = json.loads((folder / "index.json").read_text())
    crops = np.load(folder / "crops.npy", mmap_mode="r")
    if len(rows) != len(crops):
        raise SystemExit(f"{folder}: {len(crops)} crops, but {len(rows)} rows in index.json; pack it again")
    held = [row["identity"] >= 0 and zlib.crc32(row["name"].rpartition("/")[0].encode()) % HELD_OUT == 0 for row in rows]
    left_out = np.zeros(len(rows), bool)
    if (folder / LEFT_OUT).exists():
        left_out[[each["row"] for each in json.loads((folder / LEFT_OUT).read_text())["crops"]]] = True
    return Packed(crops, np.array([row["identity"] for row in rows]), np.array(held), left_out)


def to_network(crops: Pixels | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """B x H x W x 3 uint8 BGR -> B x 3 x H x W float in -1..1, channels last, on the device."""
    pictures = torch.as_tensor(crops).to(device, non_blocking=True).float()
    return ((pictures - 127.5) / 127.5).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


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


class Batches:
    """Shuffled, augmented batches of ``rows`` by their number; every row once before any comes again, but for what fills no batch.

    A batch depends on the seed and its number alone. partners: half of each batch is other crops of the people of the first half
    (``with_partners``), so that every batch has mated pairs.

    Raises:
        SystemExit: there are fewer rows than a batch holds.
    """

    def __init__(
        self, packed: Packed, rows: npt.NDArray[np.int64], size: int, seed: int, strength: float = 1.0, partners: bool = False
    ) -> None:
        if len(rows) < max(size, 2):
            raise SystemExit(f"{len(rows)} crops to learn from make no batch of {size}; pack more pictures or say --batch {len(rows)}")
        self._packed, self._rows, self._seed, self._strength, self._partners = packed, rows, seed, strength, partners
        self._step = max(size // 2, 1) if partners else size
        self._identity = np.full(len(packed.identity), -1)
        self._identity[rows] = packed.identity[rows]
        self._epoch, self._order = -1, rows

    def __call__(self, step: int) -> tuple[npt.NDArray[np.int64], Pixels]:
        """The batch: row numbers B, crops B x 112 x 112 x 3."""
        epoch, place = divmod(step, len(self._rows) // self._step)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, np.random.default_rng((self._seed, 0, epoch)).permutation(self._rows)
        chosen = self._order[place * self._step : (place + 1) * self._step]
        random = np.random.default_rng((self._seed, 1, step))
        if self._partners:
            chosen = with_partners(self._identity, chosen, random)
        return chosen, np.stack([augment(np.asarray(self._packed.crops[row]), random, self._strength)[0] for row in chosen])

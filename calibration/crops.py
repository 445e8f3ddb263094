"""What a network is calibrated on: aligned crops, whole pictures, or crops made up where no faces may be kept.

Aligned crops come as a folder or zip of pictures of 112 x 112 (the name of the folder that a picture lies in is the person), as one array
``crops.npy`` of N x 112 x 112 x 3, or as the packed set of training: a folder with ``crops.npy`` of N x 120 x 120 x 3, of which the middle
is taken, and ``index.json``, which names the people.
"""

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.records import CROP_SIZE, Pixels

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
MARGIN = 4  # pixels by which a packed training crop is larger on every side
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Crops:
    """pixels: N x 112 x 112 x 3 uint8 BGR. people: (N,), equal numbers are one person, -1 is somebody unknown."""

    pixels: Pixels
    people: Labels

    def __len__(self) -> int:
        return len(self.people)

    def part(self, rows: npt.NDArray[np.int64]) -> "Crops":
        """Some of them."""
        return Crops(self.pixels[rows], self.people[rows])


def read_crops(path: Path, most: int, seed: int = 0) -> Crops:
    """At most so many crops, drawn at random from all there are; wholly black ones (no face was found) are left out. Raises SourceError."""
    if path.suffix == ".npy" or (path / "crops.npy").is_file():
        found = _from_array(path, most, seed)
    else:
        names, read = _pictures(path)
        drawn = [names[row] for row in _drawn(len(names), most, seed)]
        folders = sorted({_person(name) for name in names})
        people = [folders.index(_person(name)) if _person(name) else -1 for name in drawn]
        found = Crops(np.stack([_crop(read(name), f"{path}: {name}") for name in drawn]), np.array(people, np.int64))
    return found.part(np.flatnonzero(found.pixels.any(axis=(1, 2, 3))))


def read_pictures(path: Path, most: int, seed: int = 0) -> list[Pixels]:
    """At most so many whole pictures, H x W x 3 uint8 BGR, drawn at random from a folder or zip. Raises SourceError."""
    names, read = _pictures(path)
    return [_decoded(read(names[row]), f"{path}: {names[row]}") for row in _drawn(len(names), most, seed)]


def _from_array(path: Path, most: int, seed: int) -> Crops:
    file = path if path.suffix == ".npy" else path / "crops.npy"
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
        index = path / "index.json"
        rows = json.loads(index.read_text(encoding="utf-8")) if file != path and index.is_file() else None
    except (OSError, ValueError) as error:
        raise SourceError(f"{file}: no array of crops can be read ({error}); make it with numpy.save or training.pack") from error
    margin = {CROP_SIZE: 0, CROP_SIZE + 2 * MARGIN: MARGIN}.get(array.shape[1] if array.ndim == 4 else 0)
    if margin is None or array.shape[1:] != (CROP_SIZE + 2 * margin, CROP_SIZE + 2 * margin, 3) or array.dtype != np.uint8:
        raise SourceError(f"{file}: {array.dtype} of {array.shape}; expected uint8 of N x 112 x 112 x 3, or N x 120 x 120 x 3 as packed")
    if rows is not None and len(rows) != len(array):
        raise SourceError(f"{path}: {len(array)} crops, but {len(rows)} rows in index.json; pack them again")
    drawn = _drawn(len(array), most, seed)
    pixels = np.ascontiguousarray(array[drawn][:, margin : margin + CROP_SIZE, margin : margin + CROP_SIZE])
    people = [rows[row]["identity"] for row in drawn] if rows is not None else [-1] * len(drawn)
    return Crops(pixels, np.array(people, np.int64))


def _drawn(count: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    if count == 0:
        return np.empty(0, np.int64)
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


def _pictures(path: Path) -> tuple[list[str], Callable[[str], bytes]]:
    """The names of all pictures, sorted, and how to read one."""
    try:
        if path.is_dir():
            names = [file.relative_to(path).as_posix() for file in path.rglob("*")]
            read: Callable[[str], bytes] = lambda name: (path / name).read_bytes()  # noqa: E731 - two ways of one thing
        else:
            archive = zipfile.ZipFile(path)
            names, read = archive.namelist(), archive.read
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: neither a folder nor a zip file that can be read ({error})") from error
    found = sorted(name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES and "__MACOSX" not in name)
    if not found:
        raise SourceError(f"{path}: holds no picture ({', '.join(sorted(SUFFIXES))}); name a folder or zip of pictures")
    return found, read


def _person(name: str) -> str:
    return PurePosixPath(name).parent.name


def _decoded(data: bytes, place: str) -> Pixels:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise SourceError(f"{place}: the picture is damaged or empty; leave it out")
    return np.asarray(image, np.uint8)


def _crop(data: bytes, place: str) -> Pixels:
    image = _decoded(data, place)
    margin = {CROP_SIZE: 0, CROP_SIZE + 2 * MARGIN: MARGIN}.get(image.shape[0])
    if margin is None or image.shape[0] != image.shape[1]:
        raise SourceError(f"{place}: {image.shape[1]} x {image.shape[0]} pixels is no aligned crop; align it to 112 x 112 first")
    return image[margin : margin + CROP_SIZE, margin : margin + CROP_SIZE]


def split(crops: Crops, shares: Sequence[float], seed: int = 0) -> list[Crops]:
    """Disjoint parts of about these shares (they add up to at most 1), no person in two of them; the unknown go one by one."""
    random = np.random.default_rng(seed)
    names = np.where(crops.people >= 0, crops.people, crops.people.max(initial=0) + 1 + np.arange(len(crops)))
    order = random.permutation(np.unique(names))
    rank = np.empty(len(crops), np.float64)
    place = {name: number for number, name in enumerate(order)}
    rank[:] = [(place[name] + 0.5) / len(order) for name in names]
    ends = np.cumsum([0.0, *shares])
    return [crops.part(np.flatnonzero((rank >= low) & (rank < high))) for low, high in pairwise(ends)]

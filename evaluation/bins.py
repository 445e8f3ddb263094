"""Verification on packed sets of aligned pairs, as InsightFace publishes them: AgeDB-30, CFP-FP, CALFW, CPLFW, LFW.

    python -m evaluation.bins agedb_30.bin [cfp_fp.bin ...] [--config FILE]

A .bin file is a pickle of two lists: the pictures (JPEG, 112 x 112, already aligned), two of each pair in turn, and whether each pair is
one person. It is read without running anything that is in it: only lists, tuples, bytes, booleans and plain numpy arrays of them are
let in, everything else is refused by name. There is no detector here, and no picture is lost. Ten folds in the order of the file, as the
publisher's own evaluation has it; for the rest see ``evaluation.lfw``. The last line of output is JSON.
"""

import argparse
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from edge.camera.images import decode_image
from edge.errors import SourceError
from edge.inference import Network
from edge.records import CROP_SIZE, Pixels
from evaluation.lfw import Pair, table, verification
from evaluation.pictures import CONSOLE, Answer, answer
from evaluation.samples import compute, extractor

FOLDS = 10
BROKEN = (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, MemoryError, OverflowError)


class _Kind:
    """Stands for numpy's dtype: booleans or bytes, nothing else."""

    def __init__(self, name: str = "", *_: object) -> None:
        if name not in ("b1", "u1"):
            raise pickle.UnpicklingError(f"an array of {name!r}")
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Byte order and the like; nothing to know for single bytes."""


class _Array:
    """Stands for numpy's array while it is read: its bytes, and no shape."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def __setstate__(self, state: tuple[object, object, _Kind, object, bytes]) -> None:
        if not isinstance(state[2], _Kind) or not isinstance(state[4], bytes):
            raise pickle.UnpicklingError("an array without bytes")
        self.data = state[4]


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 writes bytes in the older pickle protocols."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


def _scalar(kind: _Kind, data: bytes) -> bool:
    return bytes(data) != b"\0"


def _begin(*_: object) -> _Array:
    return _Array()


def _buffer(data: bytes, *_: object) -> _Array:
    return _Array(bytes(data))


_ALLOWED: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("_codecs", "encode"): _latin1,
    ("numpy", "dtype"): _Kind,
    ("numpy", "ndarray"): _Array,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "_reconstruct", _begin),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _buffer),
        )
    },
}


class _Only(pickle.Unpickler):
    """Reads the few types of a packed set; no name in the file leads to anything but the stand-ins above."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return _ALLOWED[module, name]


def read_bin(path: Path) -> tuple[list[bytes], list[bool]]:
    """The encoded pictures, two of each pair in turn, and whether each pair is one person. Raises SourceError."""
    try:
        with path.open("rb") as file:
            found = _Only(file, encoding="bytes").load()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); name a packed set such as agedb_30.bin") from error
    except BROKEN as error:
        raise SourceError(f"{path}: not a packed set of pairs; refused at {error}; nothing in it was run") from error
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        raise SourceError(f"{path}: a packed set is two lists, pictures and whether pairs are one person; this is {type(found).__name__}")
    pictures, same = [_encoded(path, item) for item in _items(path, found[0])], [_truth(path, item) for item in _items(path, found[1])]
    if len(pictures) != 2 * len(same) or len(same) < FOLDS or len(set(same)) < 2:
        raise SourceError(
            f"{path}: {len(pictures)} pictures, {len(same)} pairs, {sum(same)} of one person, do not fit: two pictures each, at least "
            f"{FOLDS} pairs, and some of either kind; copy it again"
        )
    return pictures, same


def _items(path: Path, found: object) -> Sequence[object]:
    if isinstance(found, _Array):
        return list(found.data)
    if not isinstance(found, (list, tuple)):
        raise SourceError(f"{path}: a list was expected, this is {type(found).__name__}")
    return found


def _encoded(path: Path, item: object) -> bytes:
    data = item.data if isinstance(item, _Array) else item
    if not isinstance(data, (bytes, bytearray)):
        raise SourceError(f"{path}: a picture is bytes, this is {type(item).__name__}")
    return bytes(data)


def _truth(path: Path, item: object) -> bool:
    if not isinstance(item, int) or item not in (0, 1):
        raise SourceError(f"{path}: whether a pair is one person is true or false, this is {type(item).__name__}")
    return bool(item)


def pairs_of(same: Sequence[bool]) -> list[Pair]:
    """Pairs of the pictures "0" and "1", "2" and "3", ...; ten folds as even as can be, in order, the longer ones first."""
    folds = np.repeat(np.arange(FOLDS), [part.size for part in np.array_split(np.arange(len(same)), FOLDS)])
    return [Pair(str(2 * place), str(2 * place + 1), truth, int(folds[place])) for place, truth in enumerate(same)]


def facts_of(path: Path, hasher: Network, q: int) -> dict[str, Any]:
    """One set: read, hash, compare. Raises SourceError, also for a picture that is none or not of the right size."""
    encoded, same = read_bin(path)
    samples = compute(_crops(path, encoded), hasher, q)
    assert samples is not None, "read_bin lets no empty set pass"
    return {"pictures": len(encoded), "failures_to_acquire": 0, **verification(pairs_of(same), samples)}


def _crops(path: Path, encoded: Sequence[bytes]) -> Iterator[tuple[str, Pixels]]:
    for place, data in enumerate(track(encoded, f"hashing {path.stem}", console=CONSOLE, transient=True)):
        crop = decode_image(data, f"{path}: picture {place}")
        if crop.shape != (CROP_SIZE, CROP_SIZE, 3):
            raise SourceError(f"{path}: picture {place} is {crop.shape[1]} x {crop.shape[0]}; aligned ones are {CROP_SIZE} x {CROP_SIZE}")
        yield str(place), crop


def measure(options: argparse.Namespace) -> Answer:
    """A table for each set."""
    eye = extractor(options.config)
    sets = {path.stem: facts_of(path, eye.hasher, eye.q) for path in options.bins}
    tables = [table(facts, f"{name}, {facts['pairs']} pairs, already aligned") for name, facts in sets.items()]
    return tables, {"network": eye.hasher.manifest.name, "sets": sets}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.bins", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bins", type=Path, nargs="+", help="packed sets, such as agedb_30.bin")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

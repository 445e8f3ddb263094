"""From test pictures to what the network says of them: located, aligned and computed as at the door, once for all protocols."""

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from edge.acquire import MOST_CROPS, Acquirer
from edge.errors import SourceError
from edge.inference import Network
from edge.records import LANDMARKS, Face, Floats, Pixels, Symbols
from edge.template.hashing import hash_logits
from evaluation.pictures import CONSOLE, Tree, central

Locate = Callable[[str, Pixels], Face | None]
"""How the face of a picture is found: name and picture -> face, or None."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What the network says of the n pictures in which a face was found.

    place: picture -> row. codes: (n, m) uint8, symbols 0..q-1. log_variances: (n,), natural logarithm. embeddings: (n, d) of length 1, or
    None where the network gives none. logits: (n, m*q), where they were asked for.
    """

    place: dict[str, int]
    q: int
    codes: Symbols
    log_variances: Floats
    embeddings: Floats | None
    logits: Floats | None = None

    def rows(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """The rows of pictures; -1 where no face was found."""
        return np.array([self.place.get(key, -1) for key in keys], np.int64)


def extract(
    tree: Tree, keys: Sequence[str], locate: Locate, acquirer: Acquirer, hasher: Network, q: int, keep_logits: bool = False
) -> Samples:
    """Detect, align and compute every picture, 32 crops a batch. Quality refuses nothing. Raises SourceError if no picture has a face."""
    wanted = ["logits", "log_variance"] + ["embedding"] * any(tensor.name == "embedding" for tensor in hasher.manifest.outputs)
    place: dict[str, int] = {}
    crops: list[Pixels] = []
    found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in (*wanted, "codes")}
    for key in track(keys, "hashing pictures", console=CONSOLE, transient=True):
        image = tree.read(key)
        face = locate(key, image)
        sample = face and acquirer.sample(image, face)
        if sample:
            place[key] = len(place)
            crops.append(sample.crop)
        if len(crops) == MOST_CROPS or (crops and key == keys[-1]):
            computed = hasher.infer(np.stack(crops), wanted)
            found["codes"].append(hash_logits(computed["logits"], q))
            for name in wanted:
                if name != "logits" or keep_logits:
                    found[name].append(computed[name])
            crops.clear()
    if not place:
        raise SourceError(f"{tree.path}: no face was found in any of {len(keys)} pictures; look at the detector with evaluation.detection")
    parts = {name: np.concatenate(values) for name, values in found.items() if values}
    return Samples(place, q, parts["codes"], parts["log_variance"].ravel(), parts.get("embedding"), parts.get("logits"))


def locator(acquirer: Acquirer, references: Mapping[str, Face] | None) -> Locate:
    """By the appliance's detector (the central face), or from a table of reference landmarks."""
    if references is not None:
        return lambda key, image: reference_of(references, key)
    return lambda key, image: central(acquirer.faces(image), image)


def read_references(path: Path) -> dict[str, Face]:
    """Picture -> reference face, from a CSV (perhaps .gz) with path, x1, y1, x2, y2, score and five points x, y. Raises SourceError."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        return {row[0]: _reference([float(number) for number in row[1:]]) for row in rows}
    except (OSError, EOFError) as error:
        raise SourceError(f"{path}: the reference landmarks cannot be read ({error}); name a CSV file, perhaps .gz") from error
    except (ValueError, IndexError) as error:
        raise SourceError(f"{path}: not a table of path,x1,y1,x2,y2,score and {LANDMARKS} points ({error})") from error


def _reference(numbers: Sequence[float]) -> Face:
    return Face(np.array(numbers[:4], np.float32), np.array(numbers[5:], np.float32).reshape(LANDMARKS, 2), numbers[4])


def reference_of(references: Mapping[str, Face], key: str) -> Face:
    """The reference face of one picture. Raises SourceError."""
    if key not in references:
        raise SourceError(f"{key}: the reference landmarks have no such picture; is the table of this set?")
    return references[key]

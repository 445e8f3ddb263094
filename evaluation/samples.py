"""From test pictures to what the network says of them: located, aligned and computed as at the door, once for all protocols."""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.progress import track

from edge.acquire import MOST_CROPS, Acquirer
from edge.assembly import build
from edge.errors import SourceError
from edge.inference import Network
from edge.records import LANDMARKS, Face, Features, Floats, Pixels, Symbols
from edge.settings import load_settings
from edge.stages import Stages
from edge.template.fuse import fuse
from edge.template.hashing import costs_of, hash_logits
from evaluation.pictures import CONSOLE, Tree, central

Locate = Callable[[str, Pixels], Face | None]
"""How the face of a picture is found: name and picture -> face, or None."""
Media = Sequence[Sequence[str]]
"""The pictures of one template, by the medium (a photograph, a video) that they come from."""
FUSIONS = ("first", "mean", "uncertainty")
PART = 20_000
"""Pictures whose logits are held at once: 330 MB at 512 x 8."""


@dataclass(frozen=True, eq=False)
class Samples:
    """What the network says of the n pictures in which a face was found.

    place: picture -> row. codes: (n, m) uint8, symbols 0..q-1. costs: (n, m, q) uint8, of the same as probes. log_variances: (n,), natural
    logarithm. embeddings: (n, d) of length 1, or None where the network gives none. logits: (n, m*q), where they were asked for.
    """

    place: dict[str, int]
    q: int
    codes: Symbols
    costs: Symbols
    log_variances: Floats
    embeddings: Floats | None
    logits: Floats | None = None

    def rows(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """The rows of pictures; -1 where no face was found."""
        return np.array([self.place.get(key, -1) for key in keys], np.int64)

    def joined(self, other: "Samples") -> "Samples":
        """Both, the other's rows after these, without logits. ValueError: a name that both have, or outputs that do not fit."""
        if self.place.keys() & other.place.keys() or self.q != other.q or (self.embeddings is None) != (other.embeddings is None):
            raise ValueError("samples: two sets with a common name, or of two networks, cannot be joined")
        place = self.place | {name: row + len(self.codes) for name, row in other.place.items()}
        embeddings = None if self.embeddings is None or other.embeddings is None else np.concatenate([self.embeddings, other.embeddings])
        variances = np.concatenate([self.log_variances, other.log_variances])
        codes, costs = np.concatenate([self.codes, other.codes]), np.concatenate([self.costs, other.costs])
        return Samples(place, self.q, codes, costs, variances, embeddings)


@dataclass(frozen=True, eq=False)
class Extractor:
    """The appliance's own way from a picture to its sample; with references, their landmarks take the detector's place."""

    acquirer: Acquirer
    hasher: Network
    q: int
    references: Mapping[str, Face] | None = None

    @property
    def landmarks(self) -> str:
        """Whose landmarks these are, for tables."""
        return "detector" if self.references is None else "reference"

    def samples(self, tree: Tree, keys: Sequence[str], keep_logits: bool = False) -> Samples:
        """As ``extract``."""
        return extract(tree, keys, locator(self.acquirer, self.references), self.acquirer, self.hasher, self.q, keep_logits)

    def fused(self, tree: Tree, templates: Mapping[str, Media], part: int = PART) -> dict[str, Samples]:
        """How it was fused (``FUSIONS``) -> one sample of each template by its name; ``part`` pictures' logits at a time.

        A template in no picture of which a face was found is left out. Raises SourceError if no part has a face.
        """
        found: dict[str, list[Samples]] = {how: [] for how in FUSIONS}
        for names in _parts(templates, part):
            keys = sorted({key for name in names for medium in templates[name] for key in medium})
            crops = _located(tree, keys, locator(self.acquirer, self.references), self.acquirer)
            samples = compute(crops, self.hasher, self.q, keep_logits=True)
            if samples is None:
                continue
            for how in FUSIONS:
                found[how].append(fused(samples, {name: templates[name] for name in names}, how))
        if not any(found.values()):
            raise SourceError(f"{tree.path}: no face was found in any picture; look at the detector with evaluation.detection")
        return {how: _united(parts) for how, parts in found.items()}


def extractor(config: Path | None, landmarks: Path | None = None, references: Mapping[str, Face] | None = None) -> Extractor:
    """Networks and detector of the configuration; reference landmarks from a table or as they are."""
    table = read_references(landmarks) if landmarks else references
    settings = load_settings(config)
    networks = build.Networks(settings)
    return Extractor(build.acquirer(settings, networks, Stages()), networks.hasher, networks.q, table)


def _parts(templates: Mapping[str, Media], most: int) -> Iterator[list[str]]:
    """Names of templates in turn, at most so many pictures at once unless a single template has more."""
    names: list[str] = []
    held = 0
    for name, media in templates.items():
        size = sum(len(medium) for medium in media)
        if names and held + size > most:
            yield names
            names, held = [], 0
        names.append(name)
        held += size
    if names:
        yield names


def _united(parts: Sequence[Samples]) -> Samples:
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.joined(part)
    return whole


def fused(samples: Samples, templates: Mapping[str, Media], how: str) -> Samples:
    """One sample of each template, by ``edge.template.fuse``: first over the pictures of a medium, then over the media.

    samples: with logits. how: "uncertainty" weighs by inverse variance, a medium being as sure as its surest picture (Shi and Jain, ICCV
    2019, section 3.3: the minimum); "mean" weighs all alike; "first" takes the first picture that has a sample. A template without any
    sample is left out. ValueError: samples without logits, another ``how``.
    """
    if samples.logits is None or how not in FUSIONS:
        raise ValueError(f"fused: {how!r}; expected samples with logits, and one of {', '.join(FUSIONS)}")
    logits, variances = samples.logits, samples.log_variances if how == "uncertainty" else np.zeros_like(samples.log_variances)
    rows = {name: _media_rows(samples, media) for name, media in templates.items()}
    rows = {name: [media[0][:1]] if how == "first" else media for name, media in rows.items() if media}
    made = [_fused(logits, variances, media) for media in rows.values()]
    m_q = logits.shape[1]
    stacked = np.stack([features.logits for features in made]) if made else np.empty((0, m_q), np.float32)
    embeddings = None
    if samples.embeddings is not None:
        vectors = [_fused(samples.embeddings, variances, media).logits for media in rows.values()]
        plain = np.stack(vectors) if vectors else np.empty((0, samples.embeddings.shape[1]), np.float32)
        embeddings = plain / np.maximum(np.linalg.norm(plain, axis=1, keepdims=True), 1e-12)
    log_variances = np.array([features.log_variance for features in made], np.float32)
    places = {name: row for row, name in enumerate(rows)}
    m, q = samples.codes.shape[1], samples.q
    codes, costs = (hash_logits(stacked, q), costs_of(stacked, q)) if made else (np.empty((0, m), np.uint8), np.empty((0, m, q), np.uint8))
    return Samples(places, q, codes, costs, log_variances, embeddings)


def _media_rows(samples: Samples, media: Media) -> list[npt.NDArray[np.int64]]:
    rows = (samples.rows(medium) for medium in media)
    return [found for found in (row[row >= 0] for row in rows) if found.size]


def _fused(vectors: Floats, variances: Floats, media: Sequence[npt.NDArray[np.int64]]) -> Features:
    """vectors: (n, width), logits or embeddings."""
    parts = []
    for rows in media:
        whole = fuse([Features(vectors[row], float(variances[row])) for row in rows])
        parts.append(Features(whole.logits, float(variances[rows].min())))
    return fuse(parts)


def extract(
    tree: Tree, keys: Sequence[str], locate: Locate, acquirer: Acquirer, hasher: Network, q: int, keep_logits: bool = False
) -> Samples:
    """Detect, align and compute every picture, 32 crops a batch. Quality refuses nothing. Raises SourceError if no picture has a face."""
    samples = compute(_located(tree, keys, locate, acquirer), hasher, q, keep_logits)
    if samples is None:
        raise SourceError(f"{tree.path}: no face was found in any of {len(keys)} pictures; look at the detector with evaluation.detection")
    return samples


def _located(tree: Tree, keys: Sequence[str], locate: Locate, acquirer: Acquirer) -> Iterator[tuple[str, Pixels]]:
    for key in track(keys, "hashing pictures", console=CONSOLE, transient=True):
        image = tree.read(key)
        face = locate(key, image)
        sample = face and acquirer.sample(image, face)
        if sample:
            yield key, sample.crop


def compute(crops: Iterable[tuple[str, Pixels]], hasher: Network, q: int, keep_logits: bool = False) -> Samples | None:
    """What the network says of named aligned crops, 112 x 112 x 3 uint8 BGR, 32 a batch; None if there is none."""
    wanted = ["logits", "log_variance"] + ["embedding"] * any(tensor.name == "embedding" for tensor in hasher.manifest.outputs)
    place: dict[str, int] = {}
    found: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in (*wanted, "codes", "costs")}
    for batch in _batches(crops):
        computed = hasher.infer(np.stack([crop for _, crop in batch]), wanted)
        place |= {key: len(place) + row for row, (key, _) in enumerate(batch)}
        found["codes"].append(hash_logits(computed["logits"], q))
        found["costs"].append(costs_of(computed["logits"], q))
        for name in wanted:
            if name != "logits" or keep_logits:
                found[name].append(computed[name])
    if not place:
        return None
    parts = {name: np.concatenate(values) for name, values in found.items() if values}
    variances = parts["log_variance"].ravel()
    return Samples(place, q, parts["codes"], parts["costs"], variances, parts.get("embedding"), parts.get("logits"))


def _batches(crops: Iterable[tuple[str, Pixels]]) -> Iterator[list[tuple[str, Pixels]]]:
    batch: list[tuple[str, Pixels]] = []
    for pair in crops:
        batch.append(pair)
        if len(batch) == MOST_CROPS:
            yield batch
            batch = []
    if batch:
        yield batch


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

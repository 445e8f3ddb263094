"""Whose faces the attacks are tried on: LFW, or identities made on the spot from the shipped network's own projection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.records import Code, Floats, Symbols
from evaluation.attacks.weights import Projection
from evaluation.pictures import Tree
from evaluation.samples import Extractor

PEOPLE = 1000
"""People with two pictures of LFW that are attacked; the rest of those serve to teach a linker."""
STRANGERS = 10_000
NO_EMBEDDING = "attacks: the network gives no embedding; they need one whose outputs name it"
MATED_COSINE = 0.53
"""Of two pictures of one synthetic person; the mean of LFW's mated pairs on the shipped network."""


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """The same pictures by another network, embeddings of length 1: first, second (n, d) and the first of the strangers (s, d)."""

    name: str
    first: Floats
    second: Floats
    strangers: Floats


@dataclass(frozen=True, eq=False)
class Faces:
    """People with two pictures each, and strangers with one.

    first, second: (n, d) embeddings of length 1, of the same n people in the same order. strangers: (s, d), of other people.
    projection: of the network; the codes follow from it. elsewhere: by another network, where one was named.
    """

    name: str
    first: Floats
    second: Floats
    strangers: Floats
    projection: Projection
    elsewhere: Elsewhere | None = None

    def __post_init__(self) -> None:
        if self.first.shape != self.second.shape or len(self.first) < 2 or not len(self.strangers):
            raise SourceError(f"{self.name}: {len(self.first)} people with two pictures, {len(self.strangers)} strangers; more are needed")

    @property
    def codes(self) -> tuple[Symbols, Symbols]:
        """The rank hashes (n, m) of the first and of the second pictures."""
        return self.projection.codes(self.first), self.projection.codes(self.second)

    @property
    def probes(self) -> tuple[list[Code], list[Code]]:
        """The same faces as they are at a door."""
        return self.projection.probes(self.first), self.projection.probes(self.second)

    def some(self, people: slice) -> "Faces":
        """These people, all strangers."""
        return Faces(self.name, self.first[people], self.second[people], self.strangers, self.projection)


def synthetic(projection: Projection, people: int, strangers: int, seed: int = 1) -> Faces:
    """Directions drawn at random: two people are as unlike as chance has it, two pictures of one have ``MATED_COSINE`` on average."""
    random = np.random.default_rng(seed)
    d = projection.width
    own = _unit(random.normal(size=(people, d)))
    noise = np.sqrt(1 / MATED_COSINE - 1)
    first, second = (_unit(own + noise * _unit(random.normal(size=own.shape))) for _ in range(2))
    return Faces("synthetic identities", first, second, _unit(random.normal(size=(strangers, d))), projection)


Look = Callable[[list[str], list[str], list[str]], Elsewhere]
"""Names of first, second and strangers' pictures -> what another network makes of them."""


def of_lfw(
    tree: Tree, eye: Extractor, projection: Projection, people: int | None, look: Look | None = None, more: Sequence[Tree] = ()
) -> Faces:
    """Everybody with two pictures, at most ``people`` of them, and one picture of everybody else, up to ``STRANGERS``.

    more: trees whose people are strangers too. Raises SourceError.
    """
    pictures = tree.people()
    several = [keys[:2] for keys in pictures.values() if len(keys) > 1][:people]
    chosen = {keys[0] for keys in several}
    single = [keys[0] for keys in pictures.values() if keys[0] not in chosen][:STRANGERS]
    samples = eye.samples(tree, [key for keys in several for key in keys] + single)
    if samples.embeddings is None:
        raise SourceError(NO_EMBEDDING)
    several = [keys for keys in several if samples.rows(keys).min() >= 0]
    first, second = ([keys[place] for keys in several] for place in (0, 1))
    single = [key for key in single if key in samples.place]
    name = f"LFW, {len(several)} people and {len(single)} strangers"
    ours, theirs, *strangers = (samples.embeddings[samples.rows(keys)] for keys in (first, second, single))
    for other in more:
        if (missing := STRANGERS - sum(map(len, strangers))) > 0:
            strangers.append(_one_of_each(other, eye, missing))
            name += f", {len(strangers[-1])} of {other.path.stem}"
    return Faces(name, ours, theirs, np.concatenate(strangers), projection, look(first, second, single) if look else None)


def _one_of_each(tree: Tree, eye: Extractor, most: int) -> Floats:
    """The embeddings (s, d) of one picture of everybody in whose picture a face is found, of at most ``most``."""
    embeddings = eye.samples(tree, [pictures[0] for pictures in tree.people().values()]).embeddings
    if embeddings is None:
        raise SourceError(NO_EMBEDDING)
    return embeddings[:most]


def _unit(vectors: npt.NDArray[np.float64]) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

"""The ways in which two faces are compared, all as similarities, so that every protocol measures every one of them alike."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge.records import Code, Floats, Symbols
from edge.template import compare
from edge.template.protect import KEY_BYTES, Transform
from evaluation.samples import Samples

Numbers = npt.NDArray[np.float64]
Rows = Sequence[int] | npt.NDArray[np.integer]

KEYS = (bytes([1]) * KEY_BYTES, bytes([2]) * KEY_BYTES)  # any two: nothing is kept


class Template(Protocol):
    """One way of comparing the rows of ``Samples``. name: as it stands in tables. lowest: the score of a comparison that has no sample."""

    name: str
    lowest: float

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        """The similarity of each row of ``first`` with the one of ``second`` at the same place: (n,)."""

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        """The similarity of every probe with every reference: (probes, references)."""


class Cosine:
    """The unprotected embedding; what hashing is held against. embeddings: (n, d) of length 1."""

    lowest = -1.0

    def __init__(self, embeddings: Floats, name: str = "embedding, cosine") -> None:
        self.name, self._vectors = name, embeddings.astype(np.float64)

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        scores: Numbers = (self._vectors[first] * self._vectors[second]).sum(axis=1)
        return scores

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        scores: Numbers = self._vectors[probes] @ self._vectors[references].T
        return scores


class Shares:
    """The share of equal symbols, counted as a gallery counts: on bit planes. probes: other codes of the same faces on the probes' side."""

    lowest = 0.0

    def __init__(self, codes: Symbols, q: int, name: str = "rank hash", probes: Symbols | None = None) -> None:
        self.name, self._m, self._bits = name, codes.shape[1], compare.bits_of(q)
        self._references = compare.pack(codes, q)
        self._probes = self._references if probes is None else compare.pack(probes, q)

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        one, other = np.asarray(first), np.asarray(second)
        order = np.argsort(other, kind="stable")
        counts = np.empty(other.size, np.float64)
        for places in np.split(order, np.flatnonzero(np.diff(other[order])) + 1):
            if places.size:  # all comparisons with one probe are one scan, as in a gallery
                counts[places] = compare.unequal(self._references[one[places]], self._probes[other[places[0]]], self._bits)
        shares: Numbers = 1 - counts / self._m
        return shares

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        counts = compare.unequal(self._references[references], self._probes[probes], self._bits)
        shares: Numbers = 1 - counts.astype(np.float64) / self._m
        return shares


class BinaryHamming:
    """The share of equal bits of the symbols' binary numbers: the published comparison behind a table of its own length.

    Neighbouring numbers differ in one bit or in several, so equal bits say something that equal symbols do not: noise.
    """

    lowest = 0.0

    def __init__(self, codes: Symbols, q: int, name: str = "binary Hamming") -> None:
        self.name, bits = name, compare.bits_of(q)
        self._bits = ((codes[..., None] >> np.arange(bits)) & 1).reshape(len(codes), -1).astype(np.float32)

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        shares: Numbers = (self._bits[first] == self._bits[second]).mean(axis=1)
        return shares

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        ours, theirs = self._bits[probes], self._bits[references]
        shares: Numbers = (ours @ theirs.T + (1 - ours) @ (1 - theirs).T).astype(np.float64) / self._bits.shape[1]
        return shares


class IndexDistance:
    """Euclid's distance of the symbols' numbers, its sign turned: what takes categories for magnitudes."""

    lowest = -np.inf

    def __init__(self, codes: Symbols, name: str = "index distance") -> None:
        self.name, self._numbers = name, codes.astype(np.float64)

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        distances: Numbers = -np.linalg.norm(self._numbers[first] - self._numbers[second], axis=1)
        return distances

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        ours, theirs = self._numbers[probes], self._numbers[references]
        squares = (ours**2).sum(1)[:, None] + (theirs**2).sum(1)[None] - 2 * ours @ theirs.T
        distances: Numbers = -np.sqrt(squares.clip(min=0))
        return distances


class Graded:
    """How alike reference and probe are as the door compares them: 1 less the dissimilarity in symbols over m; only the probe has costs.

    codes: (n, m), what is held of each face as a reference. costs: (n, m, q) uint8, of each face as a probe. Every reference is compared,
    while the door compares those in which the fewest symbols are unequal (``evaluation.shortlist`` tells what that loses).
    """

    lowest = 0.0

    def __init__(self, codes: Symbols, costs: Symbols, name: str) -> None:
        self.name, self._codes, self._costs = name, codes, costs

    def pairs(self, first: Rows, second: Rows) -> Numbers:
        counts = [self._between(self._codes[one][None], other)[0] for one, other in zip(first, second, strict=True)]
        shares: Numbers = 1 - np.array(counts, np.float64) / self._codes.shape[1]
        return shares

    def matrix(self, probes: Rows, references: Rows) -> Numbers:
        shares: Numbers = 1 - compare.dissimilarity_matrix(self._codes[references], self._costs[probes]) / self._codes.shape[1]
        return shares

    def _between(self, codes: Symbols, probe: int | np.integer) -> compare.Counts:
        return compare.dissimilarities(codes, Code(codes[0], self._costs.shape[2], self._costs[probe]))


def protected(codes: Symbols, costs: Symbols, q: int) -> Graded:
    """References transformed under one key, and the probes' costs with them."""
    m = codes.shape[1]
    transform = Transform(KEYS[0], m, q)
    return Graded(transform.apply(codes), np.stack([transform.costs(each) for each in costs]), "protected")


def two_keys(codes: Symbols, costs: Symbols, q: int) -> Graded:
    """References under one key, probes under another: a revoked template against a new one. It must look like different people."""
    ours, theirs = (Transform(key, codes.shape[1], q) for key in KEYS)
    return Graded(ours.apply(codes), np.stack([theirs.costs(each) for each in costs]), "protected, two keys")


def templates_of(samples: Samples) -> list[Template]:
    """Unprotected; the plain rank hash, of which equal symbols are counted; protected as at the door; and that under two keys."""
    made: list[Template] = [] if samples.embeddings is None else [Cosine(samples.embeddings)]
    return [*made, Shares(samples.codes, samples.q), *(of(samples.codes, samples.costs, samples.q) for of in (protected, two_keys))]

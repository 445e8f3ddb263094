"""Ways to store a code, from none to the whole scheme, so that each layer's worth can be measured: the shipped one and weaker ones.

A scheme belongs to one database: its keys are drawn when it is made, and two schemes of one kind are two databases, or one before and
after a renewal. What a thief sees of a stored row depends on the keys he took along: ``seen``.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from edge.records import Symbols
from edge.template import compare
from edge.template.protect import KEY_BYTES, ProtectedTemplate, RowCipher, TemplateError, Transform

NETWORK, DEVICE = "0" * 64, "bench"


class Scheme(Protocol):
    """One database. name: for tables. m, q: the size of a code."""

    name: str

    def seal(self, code: Symbols, subject: str, reference: str) -> bytes:
        """A code (m,) as it lies on the disk."""

    def open(self, raw: bytes, subject: str, reference: str) -> Symbols:
        """The symbols (m,) that the door compares with a transformed probe. Raises TemplateError for a row that it refuses."""

    def transform(self, codes: Symbols) -> Symbols:
        """Codes (n, m) as the door compares them: transformed, without pads."""

    def on_disk(self, raw: bytes) -> Symbols:
        """The stored symbols (m,) as a thief of the database alone reads them."""


Make = Callable[[int, int], Scheme]
"""m, q -> a fresh database."""


class Plain:
    """Rank hashes as they are."""

    name = "plain rank hash"

    def __init__(self, m: int, q: int) -> None:
        self._m, self._q = m, q

    def seal(self, code: Symbols, subject: str, reference: str) -> bytes:
        return compare.pack(self.transform(code[None])[0], self._q).tobytes()

    def open(self, raw: bytes, subject: str, reference: str) -> Symbols:
        try:
            return compare.unpack(np.frombuffer(raw, np.uint8), self._m, self._q)
        except ValueError as error:
            raise TemplateError(f"reference {reference}: {error}") from error

    def transform(self, codes: Symbols) -> Symbols:
        return codes

    def on_disk(self, raw: bytes) -> Symbols:
        return self.open(raw, "", "")


class SharedTable(Plain):
    """One secret table for all positions, as published: 8! settings at q = 8."""

    name = "one shared table"

    def __init__(self, m: int, q: int) -> None:
        super().__init__(m, q)
        self._table = np.random.default_rng(secrets.randbits(64)).permutation(q).astype(np.uint8)

    def transform(self, codes: Symbols) -> Symbols:
        return np.asarray(self._table[codes], np.uint8)


class PerPosition(Plain):
    """The keyed transform of the appliance, without pads: what a thief of database and row key sees."""

    name = "table per position"

    def __init__(self, m: int, q: int) -> None:
        super().__init__(m, q)
        self._transform = Transform(secrets.token_bytes(KEY_BYTES), m, q)

    def transform(self, codes: Symbols) -> Symbols:
        return self._transform.apply(codes)


class Whole(PerPosition):
    """The shipped scheme: transform, one-time pads, tags (docs/template-format.md)."""

    name = "whole scheme"

    def __init__(self, m: int, q: int) -> None:
        super().__init__(m, q)
        key = secrets.token_bytes(KEY_BYTES)
        self._cipher = RowCipher(key, network=NETWORK, device=DEVICE, transform_epoch=1, row_epoch=1)

    def seal(self, code: Symbols, subject: str, reference: str) -> bytes:
        return self._cipher.seal(super().seal(code, subject, reference), subject, reference).to_bytes()

    def open(self, raw: bytes, subject: str, reference: str) -> Symbols:
        return super().open(self._cipher.open(raw, compare.row_bytes(self._m, self._q), subject, reference), subject, reference)

    def on_disk(self, raw: bytes) -> Symbols:
        return Plain.open(self, ProtectedTemplate.from_bytes(raw).pi, "", "")


class ReusedPad(PerPosition):
    """Two mistakes of the published code: one pad for many rows, and no tag. The bench must find it broken."""

    name = "reused pad, no tag"

    def __init__(self, m: int, q: int) -> None:
        super().__init__(m, q)
        self._pad = np.frombuffer(secrets.token_bytes(compare.row_bytes(m, q)), np.uint8)

    def seal(self, code: Symbols, subject: str, reference: str) -> bytes:
        return (np.frombuffer(super().seal(code, subject, reference), np.uint8) ^ self._pad).tobytes()

    def open(self, raw: bytes, subject: str, reference: str) -> Symbols:
        if len(raw) != len(self._pad):
            raise TemplateError(f"reference {reference}: {len(raw)} bytes")
        return super().open((np.frombuffer(raw, np.uint8) ^ self._pad).tobytes(), subject, reference)

    def on_disk(self, raw: bytes) -> Symbols:
        return Plain.open(self, raw, "", "")


LAYERS: tuple[type[Plain], ...] = (Plain, SharedTable, PerPosition, Whole)


def sealed(scheme: Scheme, codes: Symbols) -> list[bytes]:
    """Codes (n, m) of n subjects as they lie on the disk, each a reference of its own."""
    return [scheme.seal(code, f"subject {place}", secrets.token_hex(16)) for place, code in enumerate(codes)]


def stolen(scheme: Scheme, codes: Symbols) -> Symbols:
    """What a thief of the database alone reads of codes (n, m) that are stored in it."""
    return np.stack([scheme.on_disk(raw) for raw in sealed(scheme, codes)])


def nonces(rows: Sequence[bytes]) -> list[bytes]:
    """The auxiliary data of sealed rows of the shipped format."""
    return [ProtectedTemplate.from_bytes(raw).nonce for raw in rows] if rows else []

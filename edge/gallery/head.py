"""The signed head of a gallery: which references belong to it, and how many changes it has seen (docs/template-format.md, "Head")."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge.gallery.cmac import Cmac, summed
from edge.gallery.labels import id_bytes, is_id
from edge.records import Symbols
from edge.template.protect import RecordCipher, derive

MEMBER_BYTES = 16
EMPTY = bytes(MEMBER_BYTES)
RULE = 2  # what ``members`` sums: references alone (1), or the versions of sealed records too (2)
_CHUNK = 4096

Scope = tuple[str, str, int, int]
"""Network (SHA-256 in hex digits), device, transform epoch, row epoch: what all rows of a gallery are bound to."""


@dataclass(frozen=True)
class Head:
    """What is signed: the gallery's own random id (32 hex digits), its number of changes so far, and the sum of the ids of its
    references and the versions of its records.

    replaces: SHA-256, in hex, of the witness of the gallery or the keys before, for as long as that one may still be in its place. rule: of
    the sum; 1 in what a program signed that knew no versions. contents: ``Signer.contents`` of the rows of the present references, as far
    as they open; None where nobody has summed them.
    """

    gallery: str
    counter: int
    members: bytes
    replaces: str = ""
    rule: int = RULE
    contents: bytes | None = None

    def next(self, change: bytes, contents: bytes | None = None) -> "Head":
        """The head after one more change. change: ``Signer.members`` of every id and version that came or went. contents: after it."""
        return Head(self.gallery, self.counter + 1, xor(self.members, change), contents=contents)


class Signer:
    """Makes and opens heads under one head key. ``where`` names the place of a record: a head taken elsewhere does not open."""

    def __init__(self, head_key: bytes) -> None:
        self._record = RecordCipher(derive(head_key, "head record"))
        self._members = Cipher(algorithms.AES(derive(head_key, "head members")), modes.ECB())  # noqa: S305 - single blocks as a PRF
        self._cmac = lru_cache(maxsize=4)(lambda scope: Cmac(derive(head_key, "head contents", *scope)))

    def members(self, ids: Iterable[str]) -> bytes:
        """The XOR of a keyed image of every id, 16 bytes; the same for every order. Nobody without the key can make another set fit."""
        rest, total = iter(ids), EMPTY
        while chunk := list(islice(rest, _CHUNK)):
            total = xor(total, self.members_of(_blocks(chunk)))
        return total

    def members_of(self, blocks: bytes) -> bytes:
        """The same of ids as their 16 bytes each, joined."""
        return summed(np.frombuffer(self._members.encryptor().update(blocks), np.uint8))

    def contents(self, rows: Sequence[Symbols], scope: Scope) -> bytes:
        """The XOR of a keyed code of every row, 16 bytes. rows: columns uint8 (n, length) of the bytes of reference, subject and template.

        scope: what the templates are bound to besides; it has a part in the key. All rows at once cost little more than reading them. Only
        for rows that differ from one another: two of the same would cancel.
        """
        return summed(self._cmac(scope).of(*rows))

    def seal(self, head: Head, where: str) -> bytes:
        """The head as a sealed record of that place."""
        facts: dict[str, object] = {"counter": head.counter, "gallery": head.gallery, "members": head.members.hex()}
        facts |= {"replaces": head.replaces, "rule": head.rule}
        if head.contents is not None:
            facts["contents"] = head.contents.hex()
        return self._record.seal(json.dumps(facts).encode(), "head", where)

    def open(self, sealed: object, where: str) -> Head:
        """The head again. Raises TemplateError if it was altered, moved, or sealed under another key."""
        facts = json.loads(self._record.open(sealed, "head", where))
        contents = bytes.fromhex(facts["contents"]) if "contents" in facts else None
        rule = facts.get("rule", 1)
        return Head(facts["gallery"], facts["counter"], bytes.fromhex(facts["members"]), facts["replaces"], rule, contents)


def xor(one: bytes, other: bytes) -> bytes:
    """Both, 16 bytes each, bit by bit."""
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _blocks(ids: list[str]) -> bytes:
    """The 16 bytes of every id, and of what is none something that no id has."""
    if (blocks := id_bytes(ids)) is not None:
        return blocks
    return b"".join(bytes.fromhex(each) if isinstance(each, str) and is_id(each) else _unlike_any(each) for each in ids)


def _unlike_any(damaged: object) -> bytes:
    """16 bytes for what is no id: nothing that was ever signed."""
    return hashlib.sha256(repr(damaged).encode()).digest()[:MEMBER_BYTES]

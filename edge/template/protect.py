"""Protected templates: labelled key derivation, the keyed transform, the one-time XOR with a tag, sealed records.

Byte by byte in docs/template-format.md; a protected template is the pseudonymous identifier ``pi`` with its auxiliary data (the
nonce) of ISO/IEC 24745. Nothing here reads files or remembers keys beyond the objects that are made with them.
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from edge.errors import GalleryError
from edge.records import Symbols

PRODUCT = "edge-face"
FORMAT_VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
RECORD_BLOCK = 128
_HEADER_BYTES = 3
_PI_START = _HEADER_BYTES + NONCE_BYTES
_ID_BYTES = 32
_AES_BLOCK = 16
_BLOCK_TYPE = np.dtype((np.void, _AES_BLOCK))
_PADS = 512  # pads made at once: few enough that no memory is asked of the system for them
_FIRST_PAD = 2  # the number of the first block of a pad; GCM keeps block 1 for the tag
_MAX_FIELD = 0xFFFF
_WORDS = 1 << 32
_WAY_OUT = "renew the subject or restore a backup"

Integers = npt.NDArray[np.int64]


class TemplateError(GalleryError):
    """One stored reference cannot be opened; the others are not touched by it."""


class Keys(Protocol):
    """The derived keys a gallery works with; ``edge.keys.Keyring`` is one."""

    def transform_key(self, epoch: int) -> bytes: ...

    def row_key(self, epoch: int) -> bytes: ...

    def label_key(self) -> bytes: ...

    def head_key(self) -> bytes: ...

    def check_value(self) -> bytes: ...


def label(purpose: str, *fields: str | int) -> bytes:
    """The canonical bytes that name a purpose: product, format version, purpose, then the fields.

    Text is UTF-8 behind its length (2 bytes, big-endian), a number is 4 bytes big-endian. ValueError for what does not fit.
    """
    return b"".join([_field(PRODUCT), FORMAT_VERSION.to_bytes(2, "big"), _field(purpose), *map(_field, fields)])


def _field(value: str | int) -> bytes:
    if isinstance(value, int):
        if not 0 <= value < _WORDS:
            raise ValueError(f"label field {value}: a number must lie in 0..{_WORDS - 1}")
        return value.to_bytes(4, "big")
    raw = value.encode()
    if len(raw) > _MAX_FIELD:
        raise ValueError(f"label field of {len(raw)} bytes: at most {_MAX_FIELD} fit")
    return len(raw).to_bytes(2, "big") + raw


def derive(secret: bytes, purpose: str, *fields: str | int, length: int = KEY_BYTES) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without salt over a 32-byte secret, ``label(purpose, *fields)`` as info; ``length`` bytes."""
    _require_key(secret)
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=label(purpose, *fields)).derive(secret)


def _require_key(key: bytes) -> None:
    if len(key) != KEY_BYTES:
        raise ValueError(f"key: expected {KEY_BYTES} bytes, got {len(key)}")


class Transform:
    """The keyed transform of codes of m symbols of q values: one permutation of the positions, one bijective table per position.

    The number of unequal symbols of two codes is the same before and after. Output position i takes input position
    ``permutation[i]`` through ``tables[i]``. Distinct keys give independent transforms; ValueError for impossible sizes.
    """

    def __init__(self, key: bytes, m: int, q: int) -> None:
        if not (1 <= m < _MAX_FIELD and 2 <= q <= 64):
            raise ValueError(f"transform of {m} symbols of {q}: expected 1..{_MAX_FIELD - 1} symbols of 2..64 values")
        self.m, self.q = m, q
        words = _words(derive(key, "transform stream", m, q))
        self._permutation = np.array(_shuffled(m, words), dtype=np.int64)
        self._tables = np.array([_shuffled(q, words) for _ in range(m)], dtype=np.uint8)
        self._inverse_permutation: Integers = np.argsort(self._permutation)
        self._inverse_tables = np.argsort(self._tables, axis=1).astype(np.uint8)
        self._positions: Integers = np.arange(m)
        self._row_starts: Integers = self._positions * q
        self._sources: Integers = self._permutation[:, None] * q + self._inverse_tables  # where the costs of each place and value were

    def apply(self, symbols: Symbols) -> Symbols:
        """Plain codes (m,) or (n, m) uint8 in, transformed codes of the same shape out."""
        self._check(symbols)
        places = self._row_starts + symbols.take(self._permutation, axis=-1)
        return np.asarray(self._tables.ravel().take(places), dtype=np.uint8)

    def invert(self, symbols: Symbols) -> Symbols:
        """The plain codes of transformed ones, same shapes as ``apply``."""
        self._check(symbols)
        moved = self._inverse_tables[self._positions, symbols]
        return np.asarray(moved[..., self._inverse_permutation], dtype=np.uint8)

    def costs(self, costs: Symbols) -> Symbols:
        """Costs (m, q) uint8 of plain codes as those of transformed ones: the value that a symbol becomes costs what the symbol cost."""
        if costs.shape != (self.m, self.q) or costs.dtype != np.uint8:
            raise ValueError(f"transform: expected costs of {self.m} symbols of {self.q} values, got {costs.shape} {costs.dtype}")
        moved: Symbols = costs.ravel().take(self._sources)
        return moved

    def _check(self, symbols: Symbols) -> None:
        if symbols.dtype != np.uint8 or symbols.shape[-1:] != (self.m,) or int(symbols.max(initial=0)) >= self.q:
            raise ValueError(f"transform: expected codes of {self.m} uint8 symbols below {self.q}, got {symbols.shape} {symbols.dtype}")


def _words(key: bytes) -> Iterator[int]:
    """The AES-256-CTR key stream from counter 0 as 32-bit little-endian words, without end."""
    stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    while True:
        yield from np.frombuffer(stream.update(bytes(16384)), dtype="<u4").tolist()


def _shuffled(n: int, words: Iterator[int]) -> list[int]:
    """0..n-1 in an order that every permutation reaches equally often (Fisher-Yates; words that would bias it are skipped)."""
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        size = last + 1
        limit = _WORDS - _WORDS % size
        word = next(words)
        while word >= limit:
            word = next(words)
        other = word % size
        order[last], order[other] = order[other], order[last]
    return order


@dataclass(frozen=True)
class Binding:
    """What a protected template belongs to. It opens with exactly these facts: a row that was moved or relabelled does not open.

    subject, reference: opaque ids. network: SHA-256 of the network file, 64 hex digits. device: the device's id. Epochs count from 1.
    """

    subject: str
    reference: str
    network: str
    device: str
    transform_epoch: int
    row_epoch: int

    def __post_init__(self) -> None:
        if not (self.subject and self.reference and self.device):
            raise ValueError("binding: subject, reference and device must not be empty")
        require_sha256(self.network)

    def associated_data(self) -> bytes:
        """The canonical bytes the tag covers besides ``pi``."""
        return _scope(self.network, self.device, self.transform_epoch, self.row_epoch) + _field(self.subject) + _field(self.reference)


def require_sha256(text: str) -> None:
    """ValueError unless ``text`` is a SHA-256 in 64 lower-case hex digits."""
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"network {text!r}: expected a SHA-256 as 64 lower-case hex digits")


def _scope(network: str, device: str, transform_epoch: int, row_epoch: int) -> bytes:
    """The part of the associated data that all rows of a gallery share."""
    return label("template", network, device, transform_epoch, row_epoch)


@dataclass(frozen=True)
class ProtectedTemplate:
    """One stored sample: pseudonymous identifier ``pi`` and, as auxiliary data, the nonce that its pad comes from."""

    version: int
    nonce: bytes
    pi: bytes
    tag: bytes

    def __post_init__(self) -> None:
        sizes = (len(self.nonce), len(self.tag))
        if sizes != (NONCE_BYTES, TAG_BYTES) or not 0 < len(self.pi) <= _MAX_FIELD or not 0 < self.version < 256:
            raise ValueError(f"protected template: version {self.version}, nonce and tag of {sizes} bytes, pi of {len(self.pi)}")

    def to_bytes(self) -> bytes:
        """version (1 byte), length of pi (2, big-endian), nonce (12), pi, tag (16)."""
        return _header(self.version, len(self.pi)) + self.nonce + self.pi + self.tag

    @staticmethod
    def from_bytes(raw: bytes, *, reference: str = "without name") -> "ProtectedTemplate":
        """Reads ``to_bytes`` back; TemplateError, naming the reference, for anything else."""
        width = _checked_width(raw, reference)
        pi_end = _PI_START + width
        return ProtectedTemplate(raw[0], raw[_HEADER_BYTES:_PI_START], raw[_PI_START:pi_end], raw[pi_end:])


def serialised_bytes(width: int) -> int:
    """Bytes of a serialised template whose ``pi`` has ``width``."""
    return _PI_START + width + TAG_BYTES


def _header(version: int, width: int) -> bytes:
    return version.to_bytes(1, "big") + width.to_bytes(2, "big")


def _checked_width(raw: object, reference: str) -> int:
    """The length of pi in a serialised template of this version; TemplateError otherwise."""
    if not isinstance(raw, bytes) or len(raw) <= _PI_START + TAG_BYTES:
        raise TemplateError(f"reference {reference}: not a protected template: {_WAY_OUT}")
    if raw[0] != FORMAT_VERSION:
        raise TemplateError(f"reference {reference}: template version {raw[0]}, this program knows {FORMAT_VERSION}: update the program")
    width = int.from_bytes(raw[1:_HEADER_BYTES], "big")
    expected = serialised_bytes(width)
    if len(raw) != expected:
        raise TemplateError(f"reference {reference}: {len(raw)} bytes where {expected} belong: {_WAY_OUT}")
    return width


class RowCipher:
    """Seals and opens the rows of one gallery under one row key: one AES object, the constant part of the bound data made once."""

    def __init__(self, key: bytes, *, network: str, device: str, transform_epoch: int, row_epoch: int) -> None:
        _require_key(key)
        require_sha256(network)
        self._aes = AESGCM(key)
        self._blocks = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305 - of the counter blocks alone: CTR for many rows at once
        self._prefix = _scope(network, device, transform_epoch, row_epoch)

    def seal(self, planes: bytes, subject: str, reference: str) -> ProtectedTemplate:
        """Bit planes xor a fresh one-time pad, with a tag (AES-256-GCM, NIST SP 800-38D, random nonce)."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._aes.encrypt(nonce, planes, self._bound(subject, reference))
        return ProtectedTemplate(FORMAT_VERSION, nonce, sealed[:-TAG_BYTES], sealed[-TAG_BYTES:])

    def open(self, raw: bytes, width: int, subject: str, reference: str) -> bytes:
        """The ``width`` bytes of bit planes in one serialised template; TemplateError if it is damaged or bound to anything else."""
        found = _checked_width(raw, reference)
        if found != width:
            raise TemplateError(f"reference {reference}: pi of {found} bytes where {width} belong: {_WAY_OUT}")
        _require_short(subject, reference)
        try:
            return self._aes.decrypt(raw[_HEADER_BYTES:_PI_START], raw[_PI_START:], self._bound(subject, reference))
        except InvalidTag:
            cause = "altered, or sealed for another subject, network, device or epoch"
            raise TemplateError(f"reference {reference}: {cause}: {_WAY_OUT}") from None

    def open_many(self, rows: Iterable[tuple[Any, Any, Any]], width: int) -> list[bytes | None]:
        """The bit planes of many serialised templates (reference, subject, template), each id as the 32 bytes of its hex digits.

        One by one as ``open``, without its texts: None where it would raise, and for ids of another kind.
        """
        start, size = _header(FORMAT_VERSION, width), serialised_bytes(width)
        decrypt, before = self._aes.decrypt, _ID_BYTES.to_bytes(2, "big")
        head, whole = self._prefix + before, len(before) + 2 * _ID_BYTES
        opened: list[bytes | None] = []
        for reference, subject, raw in rows:
            try:
                ids = subject + before + reference  # TypeError for what is no bytes
                if len(ids) != whole or len(subject) != _ID_BYTES or len(raw) != size or not raw.startswith(start):
                    raise InvalidTag
                opened.append(decrypt(raw[_HEADER_BYTES:_PI_START], raw[_PI_START:], head + ids))
            except (InvalidTag, TypeError, AttributeError):
                opened.append(None)
        return opened

    def unpad(self, templates: Symbols, planes: Symbols) -> None:
        """Puts the bit planes of serialised templates (n, size) uint8 into ``planes`` (n, width) uint8, hundreds by one call of the cipher.

        Their tags are not looked at: only for templates that are known to be the ones that were sealed. ValueError for another size.
        """
        width = planes.shape[1]
        if templates.shape != (len(planes), serialised_bytes(width)):
            raise ValueError(f"templates {templates.shape}: expected ({len(planes)}, {serialised_bytes(width)})")
        for start in range(0, len(planes), _PADS):
            some = templates[start : start + _PADS]
            pads = self._pads(some[:, _HEADER_BYTES:_PI_START], -(-width // _AES_BLOCK))
            np.bitwise_xor(some[:, _PI_START : _PI_START + width], pads[:, :width], out=planes[start : start + _PADS])

    def _pads(self, nonces: Symbols, count: int) -> Symbols:
        """The first ``count`` blocks of the pad of each nonce (n, 12): uint8 (n, 16 * count)."""
        first = np.zeros((len(nonces), _AES_BLOCK), np.uint8)
        first[:, :NONCE_BYTES] = nonces
        blocks = np.empty((len(nonces), count), _BLOCK_TYPE)
        blocks[:] = first.reshape(-1).view(_BLOCK_TYPE)[:, None]
        blocks.view(">u4").reshape(len(nonces), count, 4)[..., 3] = np.arange(_FIRST_PAD, _FIRST_PAD + count)
        pads = self._blocks.encryptor().update(blocks.view(np.uint8).reshape(-1).data)
        return np.frombuffer(pads, np.uint8).reshape(len(nonces), count * _AES_BLOCK)

    def _bound(self, subject: str, reference: str) -> bytes:
        return self._prefix + _field(subject) + _field(reference)


def _require_short(*ids: str) -> None:
    """TemplateError for an id that no label holds: it was not written by this program, and must not stop the reading of the others."""
    for each in ids:
        if len(each) * 4 > _MAX_FIELD and len(each.encode()) > _MAX_FIELD:
            raise TemplateError(f"reference or record {each[:64]}...: its id has {len(each)} characters: {_WAY_OUT}")


def _cipher(key: bytes, bound: Binding) -> RowCipher:
    return RowCipher(key, network=bound.network, device=bound.device, transform_epoch=bound.transform_epoch, row_epoch=bound.row_epoch)


def seal(planes: bytes | Symbols, key: bytes, binding: Binding) -> ProtectedTemplate:
    """One row of (transformed) bit planes as a protected template under a 32-byte row key; a fresh random nonce at every call."""
    return _cipher(key, binding).seal(bytes(planes), binding.subject, binding.reference)


def open_template(protected: ProtectedTemplate, key: bytes, binding: Binding) -> bytes:
    """The bit planes again; TemplateError, naming the reference, if a bit or the binding differs."""
    return _cipher(key, binding).open(protected.to_bytes(), len(protected.pi), binding.subject, binding.reference)


@lru_cache(maxsize=16)
def _of_table(table: str) -> bytes:
    """What the associated data of a table's records begin with: ``label("record", table, record)`` without the last field."""
    return label("record", table)


def _about(table: str, record: str, version: str | None) -> bytes:
    return _of_table(table) + _field(record) + (b"" if version is None else _field(version))


class RecordCipher:
    """Seals and opens short records under one 32-byte key: one AES object for all of them.

    A record is bound to its table, id and, where it has one, version. It is nonce (12), ciphertext padded with spaces to whole blocks of
    128, tag (16).
    """

    def __init__(self, key: bytes) -> None:
        _require_key(key)
        self._aes = AESGCM(key)

    def seal(self, plain: bytes, table: str, record: str, version: str | None = None) -> bytes:
        """The record as it is stored, under a fresh random nonce."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        padded = plain + b" " * (-len(plain) % RECORD_BLOCK)
        return nonce + self._aes.encrypt(nonce, padded, _about(table, record, version))

    def open(self, sealed: object, table: str, record: str, version: str | None = None) -> bytes:
        """The record without its padding; TemplateError, naming table and id, if it is damaged, of another version or belongs elsewhere."""
        _require_short(record, version or "")
        if isinstance(sealed, bytes) and len(sealed) >= NONCE_BYTES + TAG_BYTES:
            try:
                return self._aes.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _about(table, record, version)).rstrip(b" ")
            except InvalidTag:
                pass
        raise TemplateError(f"{table} {record}: record altered or moved: restore a backup")

    def open_many(self, table: str, records: Iterable[tuple[Any, Any, Any]]) -> list[bytes | None]:
        """Many records (id, sealed, version) of one table, padding included; ids and versions as the 32 bytes of their hex digits.

        One by one as ``open``, without its texts: None where it would raise, and for ids of another kind.
        """
        decrypt, before = self._aes.decrypt, _ID_BYTES.to_bytes(2, "big")
        head, whole = _of_table(table) + before, len(before) + 2 * _ID_BYTES
        opened: list[bytes | None] = []
        for record, sealed, version in records:
            try:
                ids = record + before + version  # TypeError for what is no bytes
                if len(ids) != whole or len(record) != _ID_BYTES:
                    raise InvalidTag
                opened.append(decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], head + ids))
            except (InvalidTag, TypeError, ValueError):
                opened.append(None)
        return opened


def seal_record(plain: bytes, key: bytes, table: str, record: str, version: str | None = None) -> bytes:
    """``RecordCipher.seal`` of a single record."""
    return RecordCipher(key).seal(plain, table, record, version)


def open_record(sealed: object, key: bytes, table: str, record: str, version: str | None = None) -> bytes:
    """``RecordCipher.open`` of a single record."""
    return RecordCipher(key).open(sealed, table, record, version)

"""Between plain codes and stored bytes: transform, pack, seal, and back, for one gallery at one pair of epochs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.gallery.file import NetworkId
from edge.records import Code, Symbols
from edge.template.compare import bits_of, pack, row_bytes, unpack
from edge.template.protect import Keys, RecordCipher, RowCipher, TemplateError, Transform, serialised_bytes


@dataclass(frozen=True)
class Row:
    """One reference in the clear, as it lies in RAM: transformed bit planes with their reference and subject."""

    reference: str
    subject: str
    planes: bytes


class Sealer:
    """Holds the keys of one pair of epochs; another pair needs another sealer.

    ``bits`` planes a symbol, rows of ``width`` bytes, stored as templates of ``template_bytes``.
    """

    def __init__(self, keys: Keys, network: NetworkId, device: str, epochs: tuple[int, int]) -> None:
        self._keys, self.network, self._device = keys, network, device
        self.epochs = epochs
        self.bits, self.width = bits_of(network.q), row_bytes(network.m, network.q)
        self.template_bytes = serialised_bytes(self.width)
        self._transform = Transform(keys.transform_key(epochs[0]), network.m, network.q)
        self._cipher = RowCipher(
            keys.row_key(epochs[1]), network=network.sha256, device=device, transform_epoch=epochs[0], row_epoch=epochs[1]
        )
        self._records = RecordCipher(keys.label_key())

    @property
    def scope(self) -> tuple[str, str, int, int]:
        """What all its templates are bound to: network, device, transform epoch, row epoch."""
        return self.network.sha256, self._device, *self.epochs

    def at(self, epochs: tuple[int, int]) -> "Sealer":
        """The sealer of the same gallery at another pair (transform epoch, row epoch)."""
        return Sealer(self._keys, self.network, self._device, epochs)

    def under(self, keys: Keys, device: str) -> "Sealer":
        """The sealer of the same network and epochs under other keys and for another device."""
        return Sealer(keys, self.network, device, self.epochs)

    def of(self, network: NetworkId) -> "Sealer":
        """The sealer of the same keys, device and epochs for the codes of another network."""
        return Sealer(self._keys, network, self._device, self.epochs)

    def planes(self, codes: Sequence[Code]) -> Symbols:
        """Plain codes as transformed bit planes (n, width) uint8; ValueError for none at all or codes of another size."""
        m, q = self.network.m, self.network.q
        if not codes or any(code.symbols.shape != (m,) or code.q != q for code in codes):
            sizes = sorted({(len(code.symbols), code.q) for code in codes})
            raise ValueError(f"codes: expected at least one, each of {m} symbols of {q}, got {sizes}")
        return pack(self._transform.apply(np.stack([code.symbols for code in codes])), q)

    def costs(self, costs: Symbols) -> Symbols:
        """A probe's costs (m, q) as they hold for bit planes of this transform. ValueError for another size."""
        return self._transform.costs(costs)

    def recoded(self, planes: Symbols, fresh: "Sealer") -> Symbols:
        """Bit planes (n, width) of this sealer's transform as those of ``fresh``."""
        if fresh._keys is self._keys and fresh.epochs[0] == self.epochs[0]:
            return planes
        plain = self._transform.invert(unpack(planes, self.network.m, self.network.q))
        return pack(fresh._transform.apply(plain), self.network.q)

    def seal(self, row: Row) -> bytes:
        """A row as it is stored: a serialised protected template with a fresh pad."""
        return self._cipher.seal(row.planes, row.subject, row.reference).to_bytes()

    def open(self, reference: str, subject: str, template: bytes) -> bytes:
        """The bit planes of a stored row; TemplateError if it is damaged or bound to anything else."""
        if not (isinstance(reference, str) and isinstance(subject, str)):
            raise TemplateError(f"reference {reference!r}: its ids are no text: restore a backup")
        return self._cipher.open(template, self.width, subject, reference)

    def open_many(self, rows: Iterable[tuple[bytes | str, bytes | str, bytes]]) -> list[bytes | None]:
        """The bit planes of stored rows (reference, subject, template), ids as bytes; None for each that ``open`` would refuse."""
        return self._cipher.open_many(rows, self.width)

    def unpad(self, templates: Symbols, planes: Symbols) -> None:
        """Puts into ``planes`` (n, width) those of stored templates, uint8 (n, template_bytes), which must be the ones that were sealed."""
        self._cipher.unpad(templates, planes)

    def seal_facts(self, table: str, record: str, facts: Mapping[str, str | None], version: str | None = None) -> bytes:
        """A few facts as one sealed record, bound to table, id and, in the tables that have it, version."""
        return self._records.seal(as_record(facts), table, record, version)

    def open_facts(self, table: str, record: str, sealed: bytes, version: str | None = None) -> dict[str, str | None]:
        """The facts of a sealed record; TemplateError if it is damaged, of another version or belongs elsewhere."""
        if not isinstance(record, str) or not isinstance(version, str | None):
            raise TemplateError(f"{table} {record!r}: its id is no text: restore a backup")
        return of_record(self._records.open(sealed, table, record, version))

    def open_records(self, table: str, records: Iterable[tuple[bytes | str, bytes, bytes | str]]) -> list[bytes | None]:
        """Sealed records (id, record, version), ids and versions as bytes: for ``of_record``, None where ``open_facts`` would refuse."""
        return self._records.open_many(table, records)


def as_record(facts: Mapping[str, str | None]) -> bytes:
    """Facts as they lie in a sealed record."""
    return json.dumps(facts, ensure_ascii=False).encode()


def of_record(plain: bytes) -> dict[str, str | None]:
    """The facts of an opened record."""
    facts: dict[str, str | None] = json.loads(plain)
    return facts

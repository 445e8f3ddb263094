"""AES-CMAC (RFC 4493, NIST SP 800-38B) of many messages of one length at once: one call of the block cipher for a block of all of them."""

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from edge.records import Symbols

Words = npt.NDArray[np.uint64]

BLOCK = 16
_BLOCKS = np.dtype((np.void, BLOCK))
_FEEDBACK = 0x87  # x^128 + x^7 + x^2 + x + 1


class Cmac:
    """Codes of 16 bytes under one AES key (16, 24 or 32 bytes). For use in one thread."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - the chaining is done here, for all rows at once
        whole = _doubled(self._cipher.update(bytes(BLOCK)))
        self._last = {True: _words(whole), False: _words(_doubled(whole))}
        self._room = np.zeros((0, 0, 2), np.uint64)

    def of(self, *columns: Symbols) -> Symbols:
        """The code of every message: uint8 (n, length) -> (n, 16). Messages may come in columns, all but the last of whole blocks."""
        blocks = self._blocks([np.ascontiguousarray(column) for column in columns])
        state = blocks[0]
        for block in blocks[1:]:
            state = block ^ self._encrypted(state)
        return self._encrypted(state).view(np.uint8).reshape(len(columns[0]), BLOCK)

    def _blocks(self, columns: list[Symbols]) -> Words:
        """All first blocks, then all second ones, and so on, as pairs of words; the last ones made so as the standard says."""
        n, length = len(columns[0]), sum(column.shape[1] for column in columns)
        rest = length % BLOCK
        count = max(1, -(-length // BLOCK))
        if self._room.shape[0] != count or self._room.shape[1] < n:
            self._room = np.zeros((count, n, 2), np.uint64)  # kept: asking the system for it each time takes as long as the codes
        blocks, place = self._room[:, :n], 0
        for column in columns:
            whole = column.shape[1] // BLOCK
            if whole and n:
                taken = np.ndarray((n, whole), _BLOCKS, column.data, strides=(column.shape[1], BLOCK))
                self._room.view(_BLOCKS)[place : place + whole, :n, 0] = taken.T
            place += whole
        if rest or not length:
            last = blocks[-1].view(np.uint8)
            last[:] = 0
            last[:, :rest] = columns[-1][:, columns[-1].shape[1] - rest :]
            last[:, rest] = 0x80
        blocks[-1] ^= self._last[length > 0 and not rest]
        return blocks

    def _encrypted(self, words: Words) -> Words:
        return np.frombuffer(self._cipher.update(words.view(np.uint8).reshape(-1).data), np.uint64).reshape(words.shape)


def _doubled(block: bytes) -> bytes:
    """Twice the element of GF(2^128), as RFC 4493 makes its subkeys."""
    number = int.from_bytes(block, "big") << 1
    return (number ^ _FEEDBACK if number >> 128 else number).to_bytes(BLOCK + 1, "big")[1:]


def _words(block: bytes) -> Words:
    return np.frombuffer(block, np.uint64)


def summed(codes: Symbols) -> bytes:
    """The XOR of codes of 16 bytes each; of none, 16 zero bytes."""
    total: Words = np.bitwise_xor.reduce(codes.reshape(-1).view(np.uint64).reshape(-1, 2), axis=0)
    return total.tobytes()

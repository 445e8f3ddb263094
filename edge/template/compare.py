"""Exact 1:N comparison: how many symbols of every row of the gallery differ from a probe.

A code of m symbols below q is laid out as bit planes. With ``bits = ceil(log2 q)`` a row has ``bits * m / 8`` bytes: first plane 0
(the lowest bit of every symbol), then plane 1, and so on; inside a plane, bit ``i % 8`` of byte ``i // 8`` belongs to position i.
Two symbols differ if any of their bits does, so ``unequal = popcount((a0 ^ b0) | (a1 ^ b1) | ...)``: the speed of plain Hamming
distance, without the noise of the binary numbering.

The scan is done by the C extension ``edge.template._compare`` where it was built, by numpy otherwise; both give the same integers.
"""

import importlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Symbols = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint64]

CACHE_LINE = 64
LARGEST_Q = 256
LARGEST_M = 65528
_SHARE_BYTES = 4 << 20
_CHUNK_BYTES = 96 << 10
_SHARE_ROWS = 64
_FEW = 8
_TAKEN = np.uint16(65535)  # more than LARGEST_M symbols can differ


class _Extension(Protocol):
    """What ``_compare.c`` offers; it checks every size again and raises ValueError."""

    def kernels(self) -> list[str]: ...

    def unequal(self, rows: Bytes, probes: Bytes, out: Counts, bits: int, width: int, start: int, stop: int, kernel: str, /) -> None: ...

    def read_sum(self, rows: Bytes, kernel: str, /) -> int: ...


def _extension() -> _Extension | None:
    try:
        return cast(_Extension, importlib.import_module("edge.template._compare"))
    except ImportError:
        return None


_compiled = _extension()


def kernels() -> tuple[str, ...]:
    """Names of the kernels that run here, best first: of "avx512", "avx2", "popcnt", "neon", "scalar", and always "numpy"."""
    return (*(_compiled.kernels() if _compiled is not None else []), "numpy")


def bits_of(q: int) -> int:
    """Planes per symbol, ceil(log2 q). ValueError: q is not 2..256."""
    if not 2 <= q <= LARGEST_Q:
        raise ValueError(f"q is {q}: symbols have 2 to {LARGEST_Q} values")
    return (q - 1).bit_length()


def row_bytes(m: int, q: int) -> int:
    """Bytes of a row of m symbols below q. ValueError: m is not a multiple of 8 in 8..65528."""
    if not 8 <= m <= LARGEST_M or m % 8:
        raise ValueError(f"m is {m}: a code has a multiple of 8 symbols, 8 to {LARGEST_M}")
    return bits_of(q) * m // 8


def pack(symbols: Symbols, q: int) -> Bytes:
    """Bit planes (row_bytes,) or (n, row_bytes) of symbols (m,) or (n, m), uint8 below q. ValueError: another shape, type or value."""
    if symbols.dtype != np.uint8 or symbols.ndim not in (1, 2):
        raise ValueError(f"symbols: expected uint8 of shape (m,) or (n, m), got {symbols.dtype} {symbols.shape}")
    m = symbols.shape[-1]
    width = row_bytes(m, q)
    if symbols.max(initial=0) >= q:
        raise ValueError(f"symbols: expected values below {q}, got one of {q} or above")
    weights = np.uint8(1) << np.arange(bits_of(q), dtype=np.uint8)[:, None]
    planes = np.packbits(symbols[..., None, :] & weights, axis=-1, bitorder="little")
    return planes.reshape(*symbols.shape[:-1], width)


def unpack(planes: Bytes, m: int, q: int) -> Symbols:
    """Symbols (m,) or (n, m) of bit planes (row_bytes,) or (n, row_bytes): the inverse of ``pack``.

    ValueError: another shape or type, or planes that hold a symbol of q or above (q not a power of two; altered bytes).
    """
    width = row_bytes(m, q)
    if planes.dtype != np.uint8 or planes.ndim not in (1, 2) or planes.shape[-1] != width:
        raise ValueError(f"planes: expected uint8 of shape ({width},) or (n, {width}), got {planes.dtype} {planes.shape}")
    symbols = np.zeros((*planes.shape[:-1], m), np.uint8)
    for k in range(bits_of(q)):
        plane = planes[..., k * m // 8 : (k + 1) * m // 8]
        symbols |= np.unpackbits(plane, axis=-1, bitorder="little") << np.uint8(k)
    if symbols.max(initial=0) >= q:
        raise ValueError(f"planes: they hold a symbol of {q} or above; they were not made for q = {q}, or were altered")
    return symbols


def aligned_rows(n: int, width: int) -> Bytes:
    """Zeroed uint8 (n, width), C-contiguous, its first byte on a cache line of 64 bytes."""
    memory = np.zeros(n * width + CACHE_LINE, np.uint8)
    skip = -memory.ctypes.data % CACHE_LINE
    return memory[skip : skip + n * width].reshape(n, width)


def unequal(rows: Bytes, probes: Bytes, bits: int, *, kernel: str | None = None, threads: int = 1) -> Counts:
    """The number of unequal symbols of every row and every probe.

    rows: uint8 (n, width), C-contiguous, any alignment (64 bytes is best). probes: uint8 (width,) or (p, width); of a large gallery,
    eight at once cost as much as two or three single ones. bits: planes in a row. kernel: one of ``kernels()``, the best by default.
    threads: large galleries are divided among so many. Returns uint16 (n,) or (p, n).
    ValueError: a shape, type, kernel or number that does not fit.
    """
    _check(rows, probes, bits, threads)
    chosen = _chosen(kernel)
    batch = np.ascontiguousarray(np.atleast_2d(probes))
    out = np.empty((batch.shape[0], rows.shape[0]), np.uint16)
    if chosen == "numpy" or _compiled is None:
        scan: _Scan = partial(_scan_numpy, rows, batch, out, bits)
    else:
        scan = partial(_scan_compiled, _compiled, rows, batch, out, bits, chosen)
    _divide(scan, rows, threads)
    return out if probes.ndim == 2 else out[0]


def read_sum(rows: Bytes, *, kernel: str | None = None) -> int:
    """Sum of the 64-bit words of C-contiguous uint8 memory, modulo 2**64: the yardstick that reads each byte once and does no more.

    ValueError: another type, not contiguous, or an unknown kernel.
    """
    if rows.dtype != np.uint8 or not rows.flags.c_contiguous:
        raise ValueError(f"rows: expected C-contiguous uint8, got {rows.dtype} with strides {rows.strides}")
    chosen = _chosen(kernel)
    if chosen != "numpy" and _compiled is not None:
        return _compiled.read_sum(rows, chosen)
    flat = rows.reshape(-1)
    whole = flat.size // 8 * 8
    last = np.zeros(8, np.uint8)
    last[: flat.size - whole] = flat[whole:]
    words = int(flat[:whole].view(np.uint64).sum(dtype=np.uint64)) + int(last.view(np.uint64)[0])
    return words % 2**64


def _chosen(kernel: str | None) -> str:
    present = kernels()
    if kernel is not None and kernel not in present:
        raise ValueError(f"kernel {kernel!r}: this machine has {', '.join(present)}")
    return present[0] if kernel is None else kernel


def _check(rows: Bytes, probes: Bytes, bits: int, threads: int) -> None:
    if rows.dtype != np.uint8 or rows.ndim != 2 or not rows.flags.c_contiguous:
        raise ValueError(f"rows: expected C-contiguous uint8 (n, width), got {rows.dtype} {rows.shape} with strides {rows.strides}")
    width = rows.shape[1]
    if not 1 <= bits <= 8 or width < bits or width % bits or width // bits * 8 > LARGEST_M:
        raise ValueError(f"rows of {width} bytes: expected {bits} planes of equal width, 1 to 8 planes of at most {LARGEST_M // 8} bytes")
    if probes.dtype != np.uint8 or probes.ndim not in (1, 2) or probes.shape[-1] != width:
        raise ValueError(f"probes: expected uint8 ({width},) or (p, {width}), got {probes.dtype} {probes.shape}")
    if threads < 1:
        raise ValueError(f"threads is {threads}: at least 1")


_Scan = Callable[[int, int], None]
"""Compares the rows from the first number to the second with all probes."""


def _divide(scan: _Scan, rows: Bytes, threads: int) -> None:
    """Run the scan over all rows, in as many shares as are worth a thread; the caller's thread takes the first one."""
    n = rows.shape[0]
    shares = min(threads, max(1, rows.nbytes // _SHARE_BYTES))
    step = -(-n // (shares * _SHARE_ROWS)) * _SHARE_ROWS
    if shares == 1 or step >= n:
        return scan(0, n)
    pool = _pool(os.getpid(), shares - 1)
    waiting = [pool.submit(scan, start, min(start + step, n)) for start in range(step, n, step)]
    scan(0, step)
    for share in waiting:
        share.result()
    return None


@lru_cache(maxsize=4)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads kept for the next search. They do not survive a fork, so they belong to the process with that number."""
    return ThreadPoolExecutor(workers, thread_name_prefix=f"compare-{process}")


def _scan_compiled(extension: _Extension, rows: Bytes, probes: Bytes, out: Counts, bits: int, kernel: str, start: int, stop: int) -> None:
    extension.unequal(rows, probes, out, bits, rows.shape[1], start, stop, kernel)


def _scan_numpy(rows: Bytes, probes: Bytes, out: Counts, bits: int, start: int, stop: int) -> None:
    """Chunks that stay in the cache, turned so that numpy's inner loops run along the rows: short inner loops are its slow part."""
    against = _words(probes, bits)
    step = max(1, _CHUNK_BYTES // rows.shape[1])
    for at in range(start, stop, step):
        end = min(at + step, stop)
        chunk = np.ascontiguousarray(_words(rows[at:end], bits).T)
        for p in range(len(probes)):
            differ = np.bitwise_or.reduce(chunk ^ against[p].T[:, :, None], axis=1)
            _ones(differ).sum(axis=0, dtype=np.uint16, out=out[p, at:end])


def _words(planes: Bytes, bits: int) -> Words:
    """Rows (n, width) as 64-bit words (n, bits, words of a plane), each plane filled up with zero bytes."""
    n, width = planes.shape
    plane = width // bits
    if plane % 8 == 0:
        return planes.view(np.uint64).reshape(n, bits, plane // 8)
    filled = np.zeros((n, bits, -(-plane // 8) * 8), np.uint8)
    filled[:, :, :plane] = planes.reshape(n, bits, plane)
    return filled.view(np.uint64)


def _ones_by_arithmetic(words: Words) -> Bytes:
    """Ones in every word (Warren, Hacker's Delight, section 5-1): numpy before 2.0 has no ``bitwise_count``."""
    pairs = words - (words >> np.uint64(1) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (pairs >> np.uint64(2) & np.uint64(0x3333333333333333))
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    ones: Bytes = (eights * np.uint64(0x0101010101010101) >> np.uint64(56)).astype(np.uint8)
    return ones


_ones: Callable[[Words], Bytes] = getattr(np, "bitwise_count", _ones_by_arithmetic)


def nearest_first(counts: Counts) -> Iterator[int]:
    """Row numbers by rising count, equal counts by row. The first few cost one pass each and no sorting, and few are wanted."""
    left = counts.copy()
    for _ in range(min(_FEW, len(left))):
        row = int(left.argmin())
        yield row
        left[row] = _TAKEN
    for row in np.argsort(left, kind="stable").tolist():
        if left[row] != _TAKEN:
            yield row

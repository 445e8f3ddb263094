"""Exact 1:N comparison: how many symbols of every row of the gallery differ from a probe.

A code of m symbols below q is laid out as bit planes. With ``bits = ceil(log2 q)`` a row has ``bits * m / 8`` bytes: first plane 0
(the lowest bit of every symbol), then plane 1, and so on; inside a plane, bit ``i % 8`` of byte ``i // 8`` belongs to position i.
Two symbols differ if any of their bits does, so ``unequal = popcount((a0 ^ b0) | (a1 ^ b1) | ...)``: the speed of plain Hamming
distance, without the noise of the binary numbering.

The scan is done by the C extension ``edge.template._compare`` where it was built, by numpy otherwise; both give the same integers.
Which kernel is fastest, and how far ahead it should ask the memory, differs between processors that have the same instructions (a
factor of 1.6 was measured), so ``settle`` times the candidates on pieces of a large gallery and keeps the best.
"""

import importlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from itertools import product
from typing import NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt

from edge.records import Code, Symbols
from edge.template.hashing import unequal_of

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.uint16]
Words = npt.NDArray[np.uint64]

SHORTLIST = 64
"""References in which the fewest symbols are unequal, of which a probe's costs choose the nearest."""
SLACK = 3.0
"""Roots of m by which a reference's unequal symbols may be more than its dissimilarity and still be looked at. Of m independent symbols so
many more than their mean are unequal once in exp(18), by Hoeffding's bound; whom it loses on real faces, ``evaluation.openset`` counts."""
CACHE_LINE = 64
LARGEST_Q = 256
LARGEST_M = 65528
_SHARE_BYTES = 2 << 20
_CHUNK_BYTES = 96 << 10
_SHARE_ROWS = 64
_FEW = 8
_TAKEN = np.uint16(65535)  # more than LARGEST_M symbols can differ
_PIECE_BYTES = 16 << 20  # timed at a time, and the least a gallery has that is worth timing
_TIMINGS = 5
_GAIN = 0.97  # of the first plan's time: less is no reason to leave it
_GROWN = 4  # times as large as it was timed on, a gallery may lie in slower memory
_BLOCK_ROWS = 4096
_GRADED_AT_ONCE = 1024
_LEAST_OF = 256
_BATCH_AHEAD = 16128  # two blocks of the kernel
_FIRST_AHEAD = 16128  # of one probe, where most rows are settled by their first plane: less to compute, so the memory is asked sooner
_EXACT = 65535  # no count is above it


class _Extension(Protocol):
    """What ``_compare.c`` offers; it checks every size again and raises ValueError."""

    def kernels(self) -> list[str]: ...

    def unequal(
        self,
        rows: Bytes,
        probes: Bytes,
        out: Counts,
        bits: int,
        width: int,
        start: int,
        stop: int,
        kernel: str,
        streams: int = 1,
        ahead: int = 0,
        most: int = 65535,
        /,
    ) -> None: ...

    def cost_sums(self, rows: Bytes, costs: Symbols, out: npt.NDArray[np.uint32], bits: int, width: int, /) -> None: ...

    def read_sum(self, rows: Bytes, kernel: str, /) -> int: ...


def _extension() -> _Extension | None:
    try:
        return cast(_Extension, importlib.import_module("edge.template._compare"))
    except ImportError:
        return None


_compiled = _extension()


class Plan(NamedTuple):
    """How a gallery is scanned for one probe; it changes the speed only.

    kernel: one of ``kernels()``. streams: places of the gallery read side by side. ahead: bytes between what is compared and what is
    asked of the memory already; 0 leaves that to the processor.
    """

    kernel: str
    streams: int = 1
    ahead: int = 8064


_WAYS = ((1, 8064), (1, 3072), (1, 0), (2, 3072), (2, 1536), (2, 0))
_plans: dict[tuple[int, int], tuple[Plan, int]] = {}  # with the bytes it was timed on


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


def unequal(rows: Bytes, probes: Bytes, bits: int, *, kernel: str | None = None, threads: int = 1, most: int | None = None) -> Counts:
    """The number of unequal symbols of every row and every probe.

    rows: uint8 (n, width), C-contiguous, any alignment (64 bytes is best). probes: uint8 (width,) or (p, width); of a large gallery,
    eight at once cost as much as two or three single ones. bits: planes in a row. kernel: one of ``kernels()``, the best by default.
    threads: large galleries are divided among so many. most: counts above it need not be exact, they are only also above it; for one
    probe that reads a third of a large gallery of three planes where most rows are far. Returns uint16 (n,) or (p, n).
    ValueError: a shape, type, kernel or number that does not fit.
    """
    _check(rows, probes, bits, threads)
    if most is not None and most < 0:
        raise ValueError(f"most is {most}: at least 0")
    batch = np.ascontiguousarray(np.atleast_2d(probes))
    chosen = _chosen(kernel)
    how = Plan(chosen, ahead=_BATCH_AHEAD if len(batch) > 1 else Plan(chosen).ahead)
    if kernel is None and len(batch) == 1:
        how = plan(rows, bits)
    bound = _EXACT if most is None else min(most, _EXACT)
    if bound < _EXACT and len(batch) == 1:
        how = how._replace(ahead=_FIRST_AHEAD)
    out = np.empty((len(batch), len(rows)), np.uint16)
    _divide(_scan(rows, batch, out, bits, how, bound), rows, threads)
    return out if probes.ndim == 2 else out[0]


def dissimilarities(symbols: Symbols, probe: Code) -> Counts:
    """By how much the probe is unlike each of some codes, in symbols: how many are unequal on the average where theirs cost it as much.

    symbols: uint8 (n, m), below the probe's q, plain as the probe is. Returns uint16 (n,), 0..m. Of a probe without costs: the number
    of unequal symbols.
    """
    if probe.costs is None:
        return np.asarray((symbols != probe.symbols).sum(axis=1), np.uint16)
    return _summed(symbols, probe.costs)


def dissimilarity_matrix(symbols: Symbols, costs: Symbols) -> Counts:
    """``dissimilarities`` of many probes at once, by matrix products: for measuring, where every code meets every probe.

    symbols: uint8 (n, m). costs: uint8 (p, m, q). Returns uint16 (p, n).
    """
    p, m, q = costs.shape
    found = np.empty((p, len(symbols)), np.uint16)
    for start in range(0, len(symbols), _GRADED_AT_ONCE):
        some = symbols[start : start + _GRADED_AT_ONCE]
        chosen = (some[..., None] == np.arange(q, dtype=np.uint8)).reshape(len(some), m * q).astype(np.float32)
        for first in range(0, p, _GRADED_AT_ONCE):  # sums of whole numbers are exact in float32 below 2**24
            part = costs[first : first + _GRADED_AT_ONCE].reshape(-1, m * q).astype(np.float32)
            sums = (part @ chosen.T).astype(np.int64)
            found[first : first + _GRADED_AT_ONCE, start : start + _GRADED_AT_ONCE] = unequal_of(m, q)[sums]
    return found


def graded(rows: Bytes, costs: Symbols) -> Counts:
    """``dissimilarities`` of packed rows, for a probe's costs (m, q) transformed as the rows are.

    rows: uint8 (n, width), as of ``pack``. Returns uint16 (n,). Takes a microsecond a row (where q is no power of two, or without the
    extension, some), so it is for the few rows of a gallery in which the fewest symbols are unequal. ValueError as ``unpack``.
    """
    m, q = costs.shape
    bits = bits_of(q)
    if _compiled is not None and q == 1 << bits and rows.ndim == 2 and rows.shape[1] == row_bytes(m, q):
        sums = np.empty(len(rows), np.uint32)
        _compiled.cost_sums(np.ascontiguousarray(rows), np.ascontiguousarray(costs).reshape(-1), sums, bits, rows.shape[1])
        counts: Counts = unequal_of(m, q)[sums]
        return counts
    parts = [_summed(unpack(rows[start : start + _GRADED_AT_ONCE], m, q), costs) for start in range(0, len(rows), _GRADED_AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint16)


def _summed(symbols: Symbols, costs: Symbols) -> Counts:
    m, q = costs.shape
    sums = costs.ravel().take(np.arange(m) * q + symbols).sum(axis=1, dtype=np.uint32)
    counts: Counts = unequal_of(m, q)[sums]
    return counts


def plan(rows: Bytes, bits: int) -> Plan:
    """How ``unequal`` scans these rows for one probe where no kernel is named: what was settled, else the first of ``kernels()``."""
    settled = _plans.get((bits, rows.shape[1]))
    return settled[0] if settled else Plan(kernels()[0])


def settle(rows: Bytes, bits: int, clock: Callable[[], float]) -> Plan:
    """Find out how rows of that width and planes are scanned fastest; ``plan`` and ``unequal`` keep to it in this process.

    Takes some 30 ms, once, and again for a gallery four times as large. Galleries below 16 MiB are not worth timing and settle nothing.
    clock: seconds, best of this thread's processor time (time.thread_time).
    """
    size = (bits, rows.shape[1])
    timed_on = _plans[size][1] if size in _plans else 0
    if _compiled is not None and rows.nbytes >= max(_PIECE_BYTES, _GROWN * timed_on):
        _plans[size] = _fastest(rows, bits, clock), rows.nbytes
    return plan(rows, bits)


def _fastest(rows: Bytes, bits: int, clock: Callable[[], float]) -> Plan:
    """The plan with the shortest best time. Every timing takes the next piece of the gallery, so that no cache holds it already."""
    vectors = [kernel for kernel in kernels() if kernel not in ("scalar", "numpy")] or ["scalar"]
    plans = [Plan(kernel, *way) for kernel, way in product(vectors, _WAYS)]
    step = _PIECE_BYTES // rows.shape[1]
    starts = range(0, len(rows) - step + 1, step)
    out = np.zeros((1, len(rows)), np.uint16)
    best = dict.fromkeys(plans, float("inf"))
    for number, tried in enumerate(plans * _TIMINGS):
        scan = _scan(rows, rows[:1], out, bits, tried)
        start = starts[number % len(starts)]
        begun = clock()
        scan(start, start + step)
        best[tried] = min(best[tried], clock() - begun)
    fastest = min(plans, key=best.__getitem__)
    return fastest if best[fastest] < _GAIN * best[plans[0]] else plans[0]


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


def _scan(rows: Bytes, probes: Bytes, out: Counts, bits: int, how: Plan, most: int = _EXACT) -> _Scan:
    if how.kernel == "numpy" or _compiled is None:
        return partial(_scan_numpy, rows, probes, out, bits)
    return partial(_scan_compiled, _compiled, rows, probes, out, bits, how, most)


def _divide(scan: _Scan, rows: Bytes, threads: int) -> None:
    """Run the scan over all rows. Threads take shares until none is left: one that wakes late, or is held up, finds fewer."""
    shares = deque(_shares(len(rows), rows.shape[1], threads))
    if len(shares) < 2:
        return scan(0, len(rows))

    def work() -> None:
        while shares:
            try:
                share = shares.popleft()
            except IndexError:  # another thread was faster
                return
            scan(*share)

    pool = _pool(os.getpid(), threads - 1)
    helpers = [pool.submit(work) for _ in range(min(threads, len(shares)) - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    return None


def _shares(n: int, width: int, threads: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows, large ones first, so that there are few of them and all threads end at about the same time."""
    least = _SHARE_BYTES // width // _SHARE_ROWS * _SHARE_ROWS + _SHARE_ROWS if threads > 1 else n
    start = 0
    while start < n:
        step = max(least, (n - start) // (2 * threads) // _SHARE_ROWS * _SHARE_ROWS)
        stop = n if n - start - step < least // 2 else start + step
        yield start, stop
        start = stop


@lru_cache(maxsize=4)
def _pool(process: int, workers: int) -> ThreadPoolExecutor:
    """Threads kept for the next search. They do not survive a fork, so they belong to the process with that number."""
    return ThreadPoolExecutor(workers, thread_name_prefix=f"compare-{process}")


def _scan_compiled(
    extension: _Extension, rows: Bytes, probes: Bytes, out: Counts, bits: int, how: Plan, most: int, start: int, stop: int
) -> None:
    extension.unequal(rows, probes, out, bits, rows.shape[1], start, stop, *how, most)


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


def shortlist(counts: Counts, k: int) -> npt.NDArray[np.int64]:
    """The rows of the ``k`` lowest counts, lowest first, equal ones by row; all rows where there are no more. ValueError: k below 1.

    Few rows are sorted. Of many it takes one pass: k blocks hold a count as low as the k-th lowest of the blocks' lowest ones, so no higher
    one is looked at.
    """
    if k < 1:
        raise ValueError(f"shortlist of {k} rows: at least 1")
    if len(counts) <= k * _LEAST_OF:
        return np.argsort(counts, kind="stable")[:k]
    least = np.minimum.reduceat(counts, np.arange(0, len(counts), _LEAST_OF))
    near = np.flatnonzero(counts <= np.partition(least, k - 1)[k - 1])
    return near[np.argsort(counts[near], kind="stable")[:k]]


def candidates(counts: Counts, k: int, m: int, within: int | None = None) -> npt.NDArray[np.int64]:
    """The rows of which a probe's costs are asked: ``shortlist``, less those too far off to be of a dissimilarity ``within``.

    Unequal symbols of a reference and its dissimilarity estimate the same (``SLACK``), so where nobody is near no costs are asked at all.
    """
    if within is None:
        return shortlist(counts, k)
    near = np.flatnonzero(counts <= within + math.ceil(SLACK * m**0.5))
    return near[shortlist(counts[near], k)]


def nearest_first(counts: Counts) -> Iterator[int]:
    """Row numbers by rising count, equal counts by row. One pass in all for the first few, without sorting, and few are wanted."""
    starts = np.arange(0, len(counts), _BLOCK_ROWS)
    least = np.minimum.reduceat(counts, starts) if len(counts) else counts
    blocks: dict[int, Counts] = {}
    taken: set[int] = set()
    for _ in range(min(_FEW, len(counts))):
        number = int(least.argmin())
        start = number * _BLOCK_ROWS
        block = blocks.setdefault(number, counts[start : start + _BLOCK_ROWS].copy())
        place = int(block.argmin())
        taken.add(start + place)
        yield start + place
        block[place] = _TAKEN
        least[number] = block.min()
    for row in np.argsort(counts, kind="stable").tolist():
        if row not in taken:
            yield row

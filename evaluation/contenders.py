"""Exact searches to be timed against one another: ours, a read-only sum of the same bytes, faiss, usearch, simsimd and numpy.

The peers know no planes of symbols: they compare the same bytes as one binary code, by plain Hamming distance, and give the nearest
row. That is as much memory to read and less to compute than ours. Those that are not installed are told of, not guessed.
"""

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from edge.errors import EdgeError
from edge.template import compare

SYMBOLS, Q, PROBES, SEED = 512, 8, 8, 2022
BITS = compare.bits_of(Q)
OURS, OURS_TWO, OURS_BATCH = "edge, all counts", "edge, all counts, 2 threads", f"edge, batch of {PROBES}"
DOOR, DOOR_TWO = "edge, as a door searches", "edge, as a door searches, 2 threads"
WITHIN, WITHIN_TWO = "edge, within the limit", "edge, within the limit, 2 threads"
FAISS, FAISS_BATCH = "faiss", f"faiss, batch of {PROBES}"
SUM_TWO = "read-only sum, 2 threads"
PEERS = {"simsimd": "simsimd", "faiss": "faiss-cpu", "usearch": "usearch"}
"""Module -> package; all of them in the extra "bench". In this order: simsimd 6.5 refuses every array once usearch was imported."""


@dataclass(frozen=True)
class Contender:
    """One search to time. probes: how many of them a call answers; its time is divided by them. threads: more than one is timed by the
    clock, one by processor time. yardstick: a read-only sum in one thread."""

    name: str
    call: Callable[[], object]
    probes: int = 1
    threads: int = 1
    yardstick: bool = False


@dataclass(frozen=True)
class Limits:
    """Up to how many unequal symbols anybody is asked for. references: by who looks for a second reference of a person. door: by a door, of
    the dissimilarity by its probe's costs."""

    references: int
    door: int


def random_gallery(rows: int) -> tuple[compare.Bytes, compare.Bytes]:
    """Uniform symbols: planes of the gallery (rows, 192), aligned, and of the probes (8, 192)."""
    random = np.random.default_rng(SEED)
    gallery = compare.aligned_rows(rows, compare.row_bytes(SYMBOLS, Q))
    for part in np.array_split(gallery, max(1, rows // 50_000)):
        part[:] = random.integers(0, 256, part.shape, np.uint8)
    return gallery, random.integers(0, 256, (PROBES, gallery.shape[1]), np.uint8)


def missing() -> list[str]:
    """The packages of the peers that cannot be imported here."""
    return [package for module, package in PEERS.items() if _module(module) is None]


def versions() -> dict[str, str]:
    """Package -> version, of numpy and the peers that are here."""
    found = {}
    for package in ("numpy", *PEERS.values()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def plant(gallery: compare.Bytes) -> compare.Bytes:
    """Writes into the gallery, evenly spread, as many rows as a door asks costs of (of a small one half), each a code in which one symbol
    in four was drawn anew; returns the planes (192,) of that code. So a door's search has the most to do."""
    random = np.random.default_rng(SEED + 1)
    code = random.integers(0, Q, SYMBOLS, np.uint8)
    rows = np.linspace(0, len(gallery) - 1, min(compare.SHORTLIST, len(gallery) // 2)).astype(np.int64)
    symbols = np.where(random.random((len(rows), SYMBOLS)) < 0.25, random.integers(0, Q, (len(rows), SYMBOLS), np.uint8), code)
    gallery[rows] = compare.pack(symbols, Q)
    planes: compare.Bytes = compare.pack(code[None], Q)[0]
    return planes


def line_up(gallery: compare.Bytes, probes: compare.Bytes, limits: Limits) -> list[Contender]:
    """Everybody who can be timed here, checked: EdgeError if a kernel or a peer gives another answer than numpy. Changes some rows of the
    gallery (``plant``)."""
    known = plant(gallery)
    _require_equal_kernels(gallery, probes, limits.references)
    return [*_sums(gallery), *_ours(gallery, probes, known, limits), *_numpy(gallery, probes), *_peers(gallery, probes)]


def _sums(gallery: compare.Bytes) -> Iterator[Contender]:
    vectors = [kernel for kernel in compare.kernels() if kernel in ("avx512", "avx2", "neon")] or compare.kernels()[:1]
    for kernel in vectors:
        yield Contender(f"read-only sum, {kernel}", partial(compare.read_sum, gallery, kernel=kernel), yardstick=True)
    halves, pool = np.array_split(gallery, 2), ThreadPoolExecutor(1)

    def both() -> None:
        other = pool.submit(compare.read_sum, halves[1])
        compare.read_sum(halves[0])
        other.result()

    yield Contender(SUM_TWO, both, threads=2)


def _ours(gallery: compare.Bytes, probes: compare.Bytes, known: compare.Bytes, limits: Limits) -> Iterator[Contender]:
    """All counts, then the nearest row; as a door that names the nearest of those it knows, by costs of those with the lowest counts; the
    counts up to a limit, then the nearest row; then the counts alone by every kernel in its plain form."""
    costs = np.random.default_rng(SEED).integers(0, 256, (SYMBOLS, Q), np.uint8)

    def nearest(threads: int, most: int | None = None) -> int:
        return next(compare.nearest_first(compare.unequal(gallery, probes[0], BITS, threads=threads, most=most)))

    def batch() -> list[int]:
        return [next(compare.nearest_first(counts)) for counts in compare.unequal(gallery, probes, BITS)]

    def door(threads: int) -> int:
        counts = compare.unequal(gallery, known, BITS, threads=threads)
        near = compare.candidates(counts, compare.SHORTLIST, SYMBOLS, limits.door)
        return int(near[compare.graded(gallery[near], costs).argmin()])

    yield Contender(OURS, partial(nearest, 1))
    yield Contender(DOOR, partial(door, 1))
    yield Contender(DOOR_TWO, partial(door, 2), threads=2)
    yield Contender(OURS_TWO, partial(nearest, 2), threads=2)
    yield Contender(WITHIN, partial(nearest, 1, limits.references))
    yield Contender(WITHIN_TWO, partial(nearest, 2, limits.references), threads=2)
    yield Contender(OURS_BATCH, batch, probes=PROBES)
    for kernel in compare.kernels():
        if kernel != "numpy":
            yield Contender(f"kernel {kernel}", partial(compare.unequal, gallery, probes[0], BITS, kernel=kernel))


def _numpy(gallery: compare.Bytes, probes: compare.Bytes) -> Iterator[Contender]:
    yield Contender("edge without its extension (numpy)", partial(compare.unequal, gallery, probes[0], BITS, kernel="numpy"))
    count = getattr(np, "bitwise_count", None)  # numpy 2.0
    if count is not None:
        words, probe = gallery.view(np.uint64), probes[0].view(np.uint64)
        yield Contender("numpy, plain", lambda: int(count(words ^ probe).sum(axis=1, dtype=np.uint16).argmin()))


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _peers(gallery: compare.Bytes, probes: compare.Bytes) -> Iterator[Contender]:
    least = int(np.unpackbits(gallery[_plain_nearest(gallery, probes[0])] ^ probes[0]).sum())
    for module, make in (("simsimd", _simsimd), ("faiss", _faiss), ("usearch", _usearch)):
        if (found := _module(module)) is None:
            continue
        searches = make(found, gallery, probes)
        if (distance := searches[0]()) != least:
            raise EdgeError(f"{module}: its nearest row is {distance} bits away, numpy finds one {least} away: leave {module} out")
        yield Contender(module, searches[0])
        for search in searches[1:]:
            yield Contender(f"{module}, batch of {PROBES}", search, probes=PROBES)


Search = Callable[[], float]
"""Searches once and gives the distance of the first probe's nearest row."""


def _faiss(faiss: Any, gallery: compare.Bytes, probes: compare.Bytes) -> list[Search]:
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(gallery.shape[1] * 8)
    index.add(gallery)
    return [lambda: float(index.search(probes[:1], 1)[0][0, 0]), lambda: float(index.search(probes, 1)[0][0, 0])]


def _usearch(_: Any, gallery: compare.Bytes, probes: compare.Bytes) -> list[Search]:
    index = importlib.import_module("usearch.index")
    search = partial(index.search, gallery, count=1, metric=index.MetricKind.Hamming, exact=True, threads=1, dtype="b1")
    return [lambda: float(search(query=probes[:1]).distances[0]), lambda: float(search(query=probes).distances[0, 0])]


def _simsimd(simsimd: Any, gallery: compare.Bytes, probes: compare.Bytes) -> list[Search]:
    distances = partial(simsimd.cdist, metric="hamming", dtype="bin8", out_dtype="uint32")

    def nearest(some: compare.Bytes) -> float:
        found = np.asarray(distances(some, gallery))
        return float(found[0, found.argmin(axis=1)[0]])

    return [partial(nearest, probes[:1]), partial(nearest, probes)]


def _plain_nearest(gallery: compare.Bytes, probe: compare.Bytes) -> int:
    """The row with the fewest other bits: planes counted as so many symbols of two values."""
    ones = compare.unequal(gallery, probe, 1, kernel="numpy")
    return int(ones.argmin())


def _require_equal_kernels(gallery: compare.Bytes, probes: compare.Bytes, limit: int) -> None:
    some = gallery[: 1 << 14]
    expected = compare.unequal(some, probes, BITS, kernel="numpy")
    wrong = [kernel for kernel in compare.kernels() if not np.array_equal(compare.unequal(some, probes, BITS, kernel=kernel), expected)]
    for kernel in compare.kernels():
        found = compare.unequal(some, probes[0], BITS, kernel=kernel, most=limit)
        if not np.where(expected[0] <= limit, found == expected[0], found > limit).all():
            wrong.append(f"{kernel} up to {limit}")
    if wrong:
        raise EdgeError(f"kernel {', '.join(wrong)} gives other integers than numpy: rebuild the extension or remove it")

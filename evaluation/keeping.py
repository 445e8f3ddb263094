"""What a stored gallery costs: loading it, following a change, and the memory it takes beside the packed rows."""

import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from sqlite_utils import Database

from edge.gallery import Gallery, NetworkId, open_gallery
from edge.gallery.matrix import Matrix
from edge.keys import Keyring
from edge.records import Code
from edge.template import compare
from evaluation.contenders import SYMBOLS, Q
from evaluation.pictures import CONSOLE

SUBJECTS, LOADS, CHANGES, MOVES, PART = 10_000, 9, 5, 25, 4096
NETWORK = NetworkId("ab" * 32, SYMBOLS, Q)
PACKED = ("*/edge/gallery/matrix.py", "*/edge/template/compare.py")
"""Where the memory is asked for that a search reads, or that says whose a row is."""


def opened(path: Path) -> Gallery:
    """The gallery at the path under keys of no secret."""
    return open_gallery(path, Keyring(bytes(32), "bench", "bench"), NETWORK, "bench")


def fill(path: Path, references: int) -> None:
    """Random codes of at most 10,000 subjects."""
    random = np.random.default_rng(1)
    each = -(-references // SUBJECTS)
    with opened(path) as gallery:
        for start in track(range(0, references, each), "filling a gallery", console=CONSOLE, transient=True):
            codes = random.integers(0, Q, (min(each, references - start), SYMBOLS), np.uint8)
            gallery.enrol(f"subject {start}", [Code(symbols, Q) for symbols in codes])


def measure(references: int) -> dict[str, Any]:
    """Load, changes and memory of a gallery of so many references."""
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        path = Path(folder) / "gallery.db"
        fill(path, references)
        return {
            "references": references,
            "load": _load(path, references),
            "visible_ms": _visible(path),
            "in_memory_us": _moves(references),
            "memory": _memory(path),
        }


def _load(path: Path, references: int) -> dict[str, Any]:
    """By the clock, in turn: all rows as sqlite-utils gives them, the blobs alone, memory for the packed rows filled once, and the gallery
    itself, every row held against what was signed."""

    def rows() -> int:
        return sum(1 for _ in Database(path)["templates"].rows)

    def blobs() -> int:
        return sum(1 for _ in Database(path).execute("SELECT template FROM templates"))

    def memory() -> int:
        return len(np.full((references, compare.row_bytes(SYMBOLS, Q)), 1, np.uint8))

    def ours() -> int:
        with opened(path) as gallery:
            return len(gallery)

    ways: dict[str, Callable[[], int]] = {"sqlite_utils_rows": rows, "blobs_alone": blobs, "memory_alone": memory, "edge": ours}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(LOADS):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    base = seconds["sqlite_utils_rows"]
    ratios = {name: sorted(a / b for a, b in zip(each, base, strict=True)) for name, each in seconds.items()}
    return {
        name: {
            "ms": round(1e3 * statistics.median(seconds[name]), 2),
            "ratio": round(statistics.median(each), 3),
            "least": round(each[0], 3),
            "most": round(each[-1], 3),
        }
        for name, each in ratios.items()
    }


def _visible(path: Path) -> dict[str, Any]:
    """Median milliseconds: changes until they lie safely on the disk, and how long another program takes to follow each."""
    random, names = np.random.default_rng(2), count()
    spent: dict[str, list[float]] = {
        name: [] for name in ("enrol", "enrol_followed", "renew", "renew_followed", "revoke", "revoke_followed", "nothing_followed")
    }

    def timed(name: str, act: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        result = act()
        spent[name].append(time.perf_counter() - begun)
        return result

    with opened(path) as ours, opened(path) as other:
        for _ in range(CHANGES):
            code = Code(random.integers(0, Q, SYMBOLS, np.uint8), Q)
            subject = timed("enrol", partial(ours.enrol, f"newcomer {next(names)}", [code]))
            timed("enrol_followed", other.refresh)
            timed("renew", partial(ours.renew, subject.id, None))
            timed("renew_followed", other.refresh)
            timed("revoke", partial(ours.revoke, subject.id))
            timed("revoke_followed", other.refresh)
            timed("nothing_followed", other.refresh)
    return {name: round(1e3 * statistics.median(each), 4) for name, each in spent.items()}


def _moves(references: int) -> dict[str, float]:
    """Median microseconds of adding one row to those in memory, and of removing one."""
    matrix = Matrix(compare.row_bytes(SYMBOLS, Q), references + MOVES)
    random = np.random.default_rng(3)
    ids = sorted({random.bytes(16).hex() for _ in range(references + MOVES)})
    newcomers, ids = ids[:MOVES], ids[MOVES:]
    matrix.fill(ids[:SUBJECTS])
    for start in range(0, len(ids), PART):
        part = ids[start : start + PART]
        owners = [number % min(SUBJECTS, len(ids)) for number in range(len(part))]
        matrix.extend([each.encode() for each in part], owners, [bytes(192)] * len(part))
    added, removed = [], []
    for newcomer, leaver in zip(newcomers, ids, strict=False):
        begun = time.perf_counter()
        matrix.append(newcomer, ids[0], bytes(192))
        added.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        matrix.remove(leaver)
        removed.append(time.perf_counter() - begun)
    return {name: round(1e6 * statistics.median(each), 1) for name, each in (("append", added), ("remove", removed))}


def _memory(path: Path) -> dict[str, float]:
    """Bytes that stay after loading, as traced, relative to those of the packed rows: what a search needs, and all with the people's
    records; and the most there was while loading."""
    tracemalloc.start()
    try:
        with opened(path) as gallery:
            packed = gallery.rows.nbytes
            whole, peak = tracemalloc.get_traced_memory()
            needed = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, place) for place in PACKED])
    finally:
        tracemalloc.stop()
    searched = sum(trace.size for trace in needed.traces)
    return {"searched": round(searched / packed, 3), "whole": round(whole / packed, 3), "peak": round(peak / packed, 3)}

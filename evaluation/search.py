"""How fast the exact search is, as ratios to a read-only sum of the same bytes.

    python -m evaluation.search [--rows 1000000] [--rounds 15] [--json]

Every contender is called once a round, in an order that turns from round to round, in one process; reported are ratios of medians
over the rounds, their quartiles, and the ratio of the fastest calls. The yardstick is the fastest of the read-only sums, each of
which reads every byte once. What runs in one thread is timed by that thread's processor time, so that other work on the machine does
not count as ours; what runs in two by the clock. faiss joins in where it is installed. The last line of output is JSON.
"""

import argparse
import importlib
import itertools
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edge.errors import EdgeError
from edge.template import compare
from evaluation.pictures import CONSOLE, Answer, answer

SYMBOLS, Q, PROBES, SEED = 512, 8, 8, 2022
TARGET, TARGET_ROWS = 1.25, 1_000_000
SHORTEST_BYTES = 64 << 20
"""Small galleries are scanned so often that a timing covers as many bytes."""


@dataclass(frozen=True, eq=False)
class Contender:
    """One thing to time. probes: how many searches a call answers; its time is divided by them. clock: gives seconds."""

    name: str
    call: Callable[[], object]
    probes: int = 1
    yardstick: bool = False
    clock: Callable[[], float] = time.thread_time
    seconds: list[float] = field(default_factory=list)


def random_gallery(rows: int) -> tuple[compare.Bytes, compare.Bytes]:
    """Uniform symbols: planes of the gallery (rows, 192), aligned, and of the probes (8, 192)."""
    random = np.random.default_rng(SEED)
    gallery = compare.aligned_rows(rows, compare.row_bytes(SYMBOLS, Q))
    for part in np.array_split(gallery, max(1, rows // 50_000)):
        part[:] = random.integers(0, 256, part.shape, np.uint8)
    return gallery, random.integers(0, 256, (PROBES, gallery.shape[1]), np.uint8)


def line_up(gallery: compare.Bytes, probes: compare.Bytes) -> Iterator[Contender]:
    """The sums, every kernel for one probe, and the best one with two threads and with a batch; faiss where it can be imported."""
    bits = compare.bits_of(Q)
    for kernel in compare.kernels():
        yield Contender(f"read-only sum, {kernel}", partial(compare.read_sum, gallery, kernel=kernel), yardstick=True)
    for kernel in compare.kernels():
        yield Contender(kernel, partial(compare.unequal, gallery, probes[0], bits, kernel=kernel))
    best = compare.kernels()[0]
    yield Contender(f"{best}, 2 threads", partial(compare.unequal, gallery, probes[0], bits, threads=2), clock=time.perf_counter)
    yield Contender(f"{best}, batch of {PROBES}", partial(compare.unequal, gallery, probes, bits), probes=PROBES)
    yield from _faiss(gallery, probes)


def _faiss(gallery: compare.Bytes, probes: compare.Bytes) -> Iterator[Contender]:
    """The usual flat binary index on as many bits, one thread: plain Hamming distance, so other integers."""
    try:
        faiss: Any = importlib.import_module("faiss")
    except ImportError:
        return
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(gallery.shape[1] * 8)
    index.add(gallery)
    yield Contender("faiss IndexBinaryFlat", partial(index.search, probes[:1], 1))
    yield Contender(f"faiss IndexBinaryFlat, batch of {PROBES}", partial(index.search, probes, 1), probes=PROBES)


def disagreeing(gallery: compare.Bytes, probes: compare.Bytes) -> list[str]:
    """Kernels that do not give numpy's integers: none, or nothing that is timed here means anything."""
    some, bits = gallery[: 1 << 14], compare.bits_of(Q)
    expected = compare.unequal(some, probes, bits, kernel="numpy")
    return [kernel for kernel in compare.kernels() if not np.array_equal(compare.unequal(some, probes, bits, kernel=kernel), expected)]


def measure(contenders: list[Contender], rounds: int, repeats: int, console: Console) -> None:
    """Add to every contender its seconds per search of each round."""
    for contender in contenders:
        contender.call()
    for turn in track(range(rounds), "measuring", console=console, transient=True):
        start = turn % len(contenders)
        for contender in itertools.islice(itertools.cycle(contenders), start, start + len(contenders)):
            begin = contender.clock()
            for _ in range(repeats):
                contender.call()
            contender.seconds.append((contender.clock() - begin) / repeats / contender.probes)


def summary(contender: Contender, yardstick: Contender) -> dict[str, Any]:
    """Median time, ratio of medians, quartiles of the rounds' ratios, ratio of the fastest calls."""
    base = statistics.median(yardstick.seconds)
    low, _, high = statistics.quantiles(contender.seconds, n=4)
    return {
        "name": contender.name,
        "median_ms": round(statistics.median(contender.seconds) * 1e3, 5),
        "ratio": round(statistics.median(contender.seconds) / base, 3),
        "ratio_quartiles": [round(low / base, 3), round(high / base, 3)],
        "ratio_fastest": round(min(contender.seconds) / min(yardstick.seconds), 3),
    }


def report(contenders: list[Contender], rows: int) -> dict[str, Any]:
    """Everything that was measured, ready for JSON. The yardstick is the sum with the smallest median; the target is for its rows only."""
    yardstick = min((c for c in contenders if c.yardstick), key=lambda c: statistics.median(c.seconds))
    results = [summary(c, yardstick) for c in contenders]
    best = next(r for r in results if r["name"] == compare.kernels()[0])
    return {
        "rows": rows,
        "row_bytes": compare.row_bytes(SYMBOLS, Q),
        "rounds": len(yardstick.seconds),
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}, numpy {np.__version__}",
        "yardstick": yardstick.name,
        "results": results,
        "best": {"kernel": best["name"], "ratio": best["ratio"]},
        "target": {"ratio": TARGET, "rows": TARGET_ROWS, "met": best["ratio"] <= TARGET if rows == TARGET_ROWS else None},
    }


def table(facts: dict[str, Any]) -> Table:
    """The report for people."""
    shown = Table(title=f"{facts['rows']:,} rows of {facts['row_bytes']} bytes, {facts['rounds']} rounds; 1.00 = {facts['yardstick']}")
    shown.add_column("what")
    for heading in ("ms per search", "ratio", "quartiles", "fastest"):
        shown.add_column(heading, justify="right")
    for line in facts["results"]:
        low, high = line["ratio_quartiles"]
        numbers = (f"{line['median_ms']:.4f}", f"{line['ratio']:.2f}", f"{low:.2f} - {high:.2f}", f"{line['ratio_fastest']:.2f}")
        shown.add_row(line["name"], *numbers)
    return shown


def _at_least_two(text: str) -> int:
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"{number} is too few: at least 2")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if a kernel gives other integers than numpy."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.search", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=_at_least_two, default=1_000_000, help="references in the gallery (default 1,000,000: 192 MB)")
    parser.add_argument("--rounds", type=_at_least_two, default=15, help="calls of each contender (default 15)")
    parser.add_argument("--json", action="store_true", help="print only the JSON")
    options = parser.parse_args(arguments)
    return answer(lambda: compared(options))


def compared(options: argparse.Namespace) -> Answer:
    """Time every contender. Raises EdgeError if a kernel gives other integers than numpy."""
    gallery, probes = random_gallery(options.rows)
    if wrong := disagreeing(gallery, probes):
        raise EdgeError(f"kernel {', '.join(wrong)} gives other integers than numpy: rebuild the extension or remove it")
    contenders = list(line_up(gallery, probes))
    measure(contenders, options.rounds, max(1, SHORTEST_BYTES // gallery.nbytes), CONSOLE)
    facts = report(contenders, options.rows)
    return [] if options.json else [table(facts)], facts


if __name__ == "__main__":
    sys.exit(main())

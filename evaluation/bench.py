"""How fast the exact search is, as ratios to a read-only sum of the same bytes and to faiss, usearch, simsimd and numpy, in one run.

    python -m evaluation.bench [--rows N ...] [--rounds N] [--references N ...] [--document docs/search.md]

Every contender is called once a round, in an order that turns from round to round, in one process. A ratio is that of two times of
one round, so that what slows the whole machine down slows both; reported are the median of the rounds and its 95 % interval. What runs
in one thread is timed by processor time, what runs in two by the clock. The peers come with the extra "bench"; those that are missing
are named. With --references a gallery of so many references is filled, loaded and changed as well. --document writes the page, its
plot and the facts behind them. The last line of output is JSON.
"""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from edge.assembly import build
from edge.errors import NetworkError
from edge.settings import load_settings
from edge.template import compare
from evaluation import contenders, keeping
from evaluation.contenders import BITS, Contender, Limits
from evaluation.pictures import CONSOLE, Answer, answer, count
from evaluation.report import commit
from evaluation.search_page import bars, page, tables

ROWS, ROUNDS = (1_000, 10_000, 100_000, 1_000_000), 31
SHORTEST_BYTES = 32 << 20
"""Small galleries are scanned so often that a timing covers as many bytes."""

Times = dict[str, list[tuple[float, float]]]
"""Name -> of every round: processor seconds and seconds by the clock for one search."""


def measure(lined_up: Sequence[Contender], rounds: int, repeats: int) -> Times:
    """Times of every contender, taken in turn."""
    found: Times = {each.name: [] for each in lined_up}
    for each in lined_up:
        each.call()
    for turn in track(range(rounds), "measuring", console=CONSOLE, transient=True):
        start = turn % len(lined_up)
        for each in islice(cycle(lined_up), start, start + len(lined_up)):
            found[each.name].append(_timed(each, repeats))
    return found


def _timed(contender: Contender, repeats: int) -> tuple[float, float]:
    busy, begun = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        contender.call()
    searches = repeats * contender.probes
    return (time.process_time() - busy) / searches, (time.perf_counter() - begun) / searches


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Median of the rounds' ratios with its 95 % interval (order statistics), and the ratio of the lower deciles: of a quiet machine."""
    found = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    reach = 0.98 * math.sqrt(len(found))
    low, high = (min(max(round(len(found) / 2 + side * reach - 0.5), 0), len(found) - 1) for side in (-1, 1))
    quiet = float(np.quantile(ours, 0.1) / np.quantile(theirs, 0.1))
    return {
        name: round(number, 3)
        for name, number in zip(("median", "low", "high", "quiet"), (statistics.median(found), found[low], found[high], quiet), strict=True)
    }


def limits_of(rows: int) -> Limits:
    """By the delivered settings and network, at that size and with the margin: up to where two references would be one person's, and up to
    where a door asks for anybody.

    Raises NetworkError where the network does not say.
    """
    settings = load_settings(environment={})
    decision, manifest = settings.decision, build.hash_manifest(settings)
    if manifest.references is None or manifest.non_mated is None:
        raise NetworkError(f"{manifest.name}: its manifest does not tell strangers; `python -m training.tail --write` measures them")
    looks = build.policy(settings, decision.min_samples, decision.max_samples).looks
    references, door = (
        build.threshold(tail, decision.fpir, looks)(rows) + decision.margin for tail in (manifest.references, manifest.non_mated)
    )
    return Limits(references, door)


def compared(rows: int, rounds: int) -> dict[str, Any]:
    """All contenders on a gallery of so many rows. EdgeError if one of them gives a wrong answer."""
    gallery, probes = contenders.random_gallery(rows)
    settled = compare.settle(gallery, BITS, time.thread_time)
    limits = limits_of(rows)
    lined_up = contenders.line_up(gallery, probes, limits)
    times = measure(lined_up, rounds, max(1, SHORTEST_BYTES // gallery.nbytes))
    yardstick = min((each.name for each in lined_up if each.yardstick), key=lambda name: statistics.median(busy for busy, _ in times[name]))
    return {
        "rows": rows,
        "yardstick": yardstick,
        "settled": settled._asdict(),
        "limit": limits.references,
        "door_limit": limits.door,
        "contenders": {each.name: _summary(each, times, yardstick) for each in lined_up},
    }


def _summary(contender: Contender, times: Times, yardstick: str) -> dict[str, Any]:
    clock = int(contender.threads > 1)

    def of(name: str) -> list[float]:
        return [pair[clock] for pair in times[name]]

    ours = of(contender.name)
    against = {"sum": yardstick, "faiss": contenders.FAISS, "faiss_batch": contenders.FAISS_BATCH}
    return {
        "ms": round(statistics.median(ours) * 1e3, 5),
        "threads": contender.threads,
        "of": {name: ratio(ours, of(other)) for name, other in against.items() if other in times},
    }


def processor() -> str:
    """The processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    named = facts.get("model name") or facts.get("CPU part") or "unknown"
    return f"{named}, family {facts['cpu family']}, model {facts['model']}" if {"cpu family", "model"} <= facts.keys() else named


def circumstances() -> dict[str, Any]:
    """Where and on what is measured."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
        "versions": contenders.versions(),
        "missing": contenders.missing(),
        "commit": commit(),
        "kernels": list(compare.kernels()),
    }


def run(options: argparse.Namespace) -> Answer:
    """Measure everything asked for; write the page if wanted."""
    facts = {
        **circumstances(),
        "command": "python -m evaluation.bench " + " ".join(word for word in options.words if word != "--json"),
        "row_bytes": compare.row_bytes(contenders.SYMBOLS, contenders.Q),
        "rounds": options.rounds,
        "sizes": [compared(rows, options.rounds) for rows in sorted(options.rows)],
        "galleries": [keeping.measure(references) for references in options.references],
    }
    facts["load_after"] = round(os.getloadavg()[0], 2)
    facts["bars"] = bars(facts)
    if options.document:
        write(facts, options.document)
    return ([] if options.json else tables(facts)), facts


def write(facts: dict[str, Any], document: Path) -> None:
    """The page, its plot in plots/ and its facts, all with the page's name."""
    from evaluation.plots import search

    document.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    document.write_text(page(facts), encoding="utf-8")
    search(facts, document.parent / "plots" / f"{document.stem}.png")


def _at_least_two(text: str) -> int:
    number = int(text)
    if number < 2:
        raise argparse.ArgumentTypeError(f"{number} is too few: at least 2")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if somebody gives a wrong answer."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m evaluation.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--rows", type=_at_least_two, nargs="+", default=list(ROWS), metavar="N", help="sizes of the galleries that are searched"
    )
    parser.add_argument("--rounds", type=_at_least_two, default=ROUNDS, help=f"timings of each contender (default {ROUNDS})")
    parser.add_argument(
        "--references", type=count, nargs="+", default=[], metavar="N", help="sizes of the galleries that are stored and loaded"
    )
    parser.add_argument("--document", type=Path, help="page to write, docs/search.md say; its plot goes to plots/ beside it")
    parser.add_argument("--json", action="store_true", help="print only the JSON")
    options = parser.parse_args(words)
    options.words = words
    return answer(lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())

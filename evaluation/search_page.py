"""From the facts of ``evaluation.bench``: which bars are met, the tables, and the page docs/search.md. Measures nothing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table

from evaluation.contenders import DOOR, DOOR_TWO, FAISS, FAISS_BATCH, OURS, OURS_BATCH, OURS_TWO, SUM_TWO, WITHIN, WITHIN_TWO
from evaluation.report import as_rows, markdown

Facts = Mapping[str, Any]
BAR_ROWS = 1_000_000
SEARCH_BARS = (
    ("one probe, all counts, of a read-only sum", OURS, "sum", 1.10),
    ("one probe, all counts, of faiss", OURS, "faiss", 0.80),
    ("one probe, as a door searches, of faiss", DOOR, "faiss", 0.80),
    ("one probe in two threads, all counts, of faiss", OURS_TWO, "faiss", 0.45),
    ("one probe in two threads, as a door searches, of faiss", DOOR_TWO, "faiss", 0.45),
    ("one probe in two threads, within the limit, of faiss", WITHIN_TWO, "faiss", 0.45),
    ("each probe of a batch of 8, of faiss with one probe", OURS_BATCH, "faiss", 0.30),
    ("each probe of a batch of 8, of faiss with the same batch", OURS_BATCH, "faiss_batch", 0.30),
)
LOAD_BAR, VISIBLE_BAR_MS, MEMORY_BAR = 0.40, 1.0, 1.15


def bars(facts: Facts) -> list[dict[str, Any]]:
    """Every bar with its limit, what was found and whether it is met; None where it was not measured."""
    return [*_search_bars(facts), *_gallery_bars(facts)]


def _bar(name: str, limit: float, found: float | None, spread: Sequence[float] | None = None) -> dict[str, Any]:
    return {"bar": name, "limit": limit, "found": found, "spread": spread, "met": None if found is None else found <= limit}


def _search_bars(facts: Facts) -> Iterator[dict[str, Any]]:
    size = next((size for size in facts["sizes"] if size["rows"] == BAR_ROWS), None)
    for name, contender, against, limit in SEARCH_BARS:
        ratios = size["contenders"][contender]["of"].get(against) if size else None
        name = f"{BAR_ROWS:,} rows: {name}"
        yield _bar(name, limit, ratios["median"], (ratios["low"], ratios["high"])) if ratios else _bar(name, limit, None)


def _gallery_bars(facts: Facts) -> Iterator[dict[str, Any]]:
    for gallery in facts["galleries"]:
        rows, load, visible = f"{gallery['references']:,} references", gallery["load"]["edge"], gallery["visible_ms"]
        yield _bar(f"{rows}: load, of reading them as sqlite-utils rows", LOAD_BAR, load["ratio"], (load["least"], load["most"]))
        for change in ("enrol", "renew", "revoke"):
            yield _bar(f"{rows}: {change} followed by another program, ms", VISIBLE_BAR_MS, visible[f"{change}_followed"])
        moves = gallery["in_memory_us"]
        for name, key in (("append", "append"), ("delete", "remove")):
            yield _bar(f"{rows}: {name} in memory, ms", VISIBLE_BAR_MS, moves[key] / 1e3)
        yield _bar(f"{rows}: memory of what is searched, of the packed bytes", MEMORY_BAR, gallery["memory"]["searched"])


def tables(facts: Facts) -> list[Table]:
    """For people: the bars, a table for every size, and one for the stored galleries."""
    return [_bars_table(facts), *(_size_table(size, facts["rounds"]) for size in facts["sizes"]), *_gallery_tables(facts)]


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title)
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table


def _bars_table(facts: Facts) -> Table:
    table = _table("The bars", "what", "at most", "found", "interval", "met")
    for bar in facts["bars"]:
        found = "-" if bar["found"] is None else f"{bar['found']:.3f}"
        spread = "" if bar["spread"] is None else f"{bar['spread'][0]:.3f} - {bar['spread'][1]:.3f}"
        table.add_row(bar["bar"], f"{bar['limit']:.2f}", found, spread, {True: "yes", False: "no", None: "not measured"}[bar["met"]])
    return table


def _shown(ratios: Mapping[str, float] | None) -> str:
    return "-" if ratios is None else f"{ratios['median']:.2f} [{ratios['low']:.2f}, {ratios['high']:.2f}]"


def _size_table(size: Facts, rounds: int) -> Table:
    settled = size["settled"]
    way = f"{settled['kernel']}, {settled['streams']} stream{'s' * (settled['streams'] > 1)}, {settled['ahead']} bytes ahead"
    title = f"{size['rows']:,} rows, {rounds} rounds; the limit is {size['limit']} symbols, a door's {size['door_limit']}; "
    title += f"edge scans with {way}; the sum is {size['yardstick']}"
    table = _table(title, "what", "ms per probe", "of the sum", "on a quiet machine", "of faiss")
    for name, each in size["contenders"].items():
        ratios = each["of"]
        table.add_row(name, f"{each['ms']:.4f}", _shown(ratios["sum"]), f"{ratios['sum']['quiet']:.2f}", _shown(ratios.get("faiss")))
    return table


def _gallery_tables(facts: Facts) -> Iterator[Table]:
    if not facts["galleries"]:
        return
    table = _table("Stored galleries", "what", *(f"{gallery['references']:,} references" for gallery in facts["galleries"]))
    for key, name in (
        ("sqlite_utils_rows", "all rows by sqlite-utils"),
        ("blobs_alone", "the blobs alone"),
        ("memory_alone", "memory for the packed rows, filled once"),
        ("edge", "edge, loaded and checked"),
    ):
        loads = [gallery["load"][key] for gallery in facts["galleries"]]
        table.add_row(f"{name}, ms", *(f"{load['ms']:.0f}" for load in loads))
        table.add_row(f"{name}, of sqlite-utils", *(f"{load['ratio']:.2f} [{load['least']:.2f}, {load['most']:.2f}]" for load in loads))
    for change in ("enrol", "renew", "revoke"):
        table.add_row(f"{change}, until it is safe on the disk, ms", *(f"{g['visible_ms'][change]:.2f}" for g in facts["galleries"]))
        table.add_row(
            f"{change}, another program follows, ms", *(f"{g['visible_ms'][f'{change}_followed']:.2f}" for g in facts["galleries"])
        )
    table.add_row("asking whether anything changed, ms", *(f"{g['visible_ms']['nothing_followed']:.4f}" for g in facts["galleries"]))
    for key, name in (("append", "append a row in memory, us"), ("remove", "remove a row in memory, us")):
        table.add_row(name, *(f"{g['in_memory_us'][key]:.1f}" for g in facts["galleries"]))
    for key, name in (("searched", "what a search needs"), ("whole", "with the people's records"), ("peak", "most while loading")):
        table.add_row(f"memory, of the packed bytes: {name}", *(f"{g['memory'][key]:.2f}" for g in facts["galleries"]))
    yield table


INTRODUCTION = """
Every contender is called once a round, in an order that turns from round to round, in one process. A ratio is that of two times of one
round; given are the median of the rounds and its 95 % interval. "On a quiet machine" is the ratio of the lower deciles. What runs in one
thread is timed by processor time, what runs in two by the clock, for which both cores must be free. Times hold for this machine only.

A row is 512 symbols of 8 values in three bit planes, 192 bytes. **edge, all counts** gives the distance of every row, then the nearest one;
how it scans was settled by a short timing when the gallery was loaded. **Edge, as a door searches** counts all, then names the nearest row
by the probe's costs of those within a door's limit and 3 roots of m more, at most of the 64 in which the fewest symbols are unequal
([Comparison](template-format.md#comparison)). So many are there in these galleries, which is the dearest case. **Edge, within the limit**
counts for somebody who asks for nobody beyond so many unequal symbols, so that a row whose first plane alone differs in more places is
settled by a third of its bytes. The limit of each table is that at which two references would be one person's by the delivered settings
and network at that size. What lies within it is found and ranked exactly as by all counts (`tests/test_compare.py`); where few rows are
settled so, as in small galleries, everything is counted. Codes are uniform; of real ones an unequal symbol differs in the
first plane as often, 4 times in 7, because every gallery has its own random tables.
The **kernels** are counted alone, in their plain form. The peers compare
the same bytes by plain Hamming distance and give the nearest row: as much memory to read, less to compute. Every kernel's integers are
compared with numpy's before anything is timed, and every peer's nearest distance too."""


def page(facts: Facts) -> str:
    """docs/search.md."""
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    lines = [
        f"# Search at the memory limit\n{INTRODUCTION}",
        f"    {facts['command']}",
        f"Measured on {facts['processor']}, {facts['cores']} cores, {facts['machine']}; {versions}; commit {facts['commit']}; "
        f"load average {facts['load_before']} before, {facts['load_after']} after. Kernels here: {', '.join(facts['kernels'])}.",
    ]
    if facts["missing"]:
        lines.append(f"Not installed, and so not measured: {', '.join(facts['missing'])}.")
    lines += ["## The bars", markdown(as_rows(_bars_table(facts))), *_reasons(facts)]
    lines += ["## Search", "![Ratios to a read-only sum over the size of the gallery](plots/search.png)"]
    lines += [markdown(as_rows(_size_table(size, facts["rounds"]))) for size in facts["sizes"]]
    lines += ["## Stored galleries", STORED, *(markdown(as_rows(table)) for table in _gallery_tables(facts)), ELSEWHERE, NOT_MEASURED]
    return "\n\n".join(lines) + "\n"


STORED = """At most 10,000 subjects, random codes. Loading holds all rows against the sum in the signed head, which stands for their tags,
and takes off their pads (docs/template-format.md, "All rows at once"). Changes are made by one connection and followed by another, as
`edge revoke` beside a running door."""

ELSEWHERE = """## Elsewhere

Ratios differ between processors. `git show e4c44cb:docs/search.md` is this page as one with AVX-512 and faster memory gave it: all counts
1.10 of the sum and 0.86 of faiss, in two threads 0.75; a load of 1,000,000 references 0.46; changes followed in less than 0.4 ms. A search
that settles rows by their first two planes, where the first alone does not, is in commit 8d309ae; its door took longer than counting all
(this command there, on an AVX2 processor)."""

NOT_MEASURED = """## Not measured

No figure here is of a Jetson or a Raspberry Pi. NEON gives the same integers under an emulator (`tests/test_aarch64.py`); its speed was not
measured."""


def _reasons(facts: Facts) -> Iterator[str]:
    """Why a bar is missed, as far as the same run shows it."""
    missed = " ".join(bar["bar"] for bar in facts["bars"] if bar["met"] is False)
    size = next((size for size in facts["sizes"] if size["rows"] == BAR_ROWS), None)
    if size and "two threads" in missed:
        two, ours = (size["contenders"][name]["of"] for name in (SUM_TWO, OURS_TWO))
        yield (
            f"Two threads, all counts: the read-only sum itself takes {two['sum']['median']:.2f} of its time with two, so the second core "
            f"was not free or the memory is the limit. In the quietest tenth of the rounds the search took {ours['faiss']['quiet']:.2f} of "
            "faiss."
        )
    for gallery in facts["galleries"]:
        if f"{gallery['references']:,} references: load" in missed:
            alone, memory = gallery["load"]["blobs_alone"]["ratio"], gallery["load"]["memory_alone"]
            yield (
                f"Load of {gallery['references']:,} references: SQLite alone, giving one blob a row and nothing else, takes {alone:.2f} of "
                "the rows by sqlite-utils. Edge has it join the columns of some thousand rows, so that Python is called for each of those "
                "and not for each row, and opens them in a second thread, for which a core must be free. The records of the people "
                "(10,000 here) are opened by the thousand. Filling memory for the packed rows once, which is part of it, takes "
                f"{memory['ratio']:.2f} [{memory['least']:.2f}, {memory['most']:.2f}] by itself."
            )
    if "followed by another program" in missed:
        yield (
            "Following: the other program looks at the references of the subject that was changed, and looks for them in a sorted order; "
            "it is made when first asked, some 0.1 s at 1,000,000 references."
        )


PLOTTED = (DOOR, WITHIN, WITHIN_TWO, OURS, OURS_BATCH, FAISS, FAISS_BATCH, "usearch", "simsimd", "edge without its extension (numpy)")
"""What the plot shows, in this order, where it was measured at every size."""

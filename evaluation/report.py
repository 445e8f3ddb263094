"""Measures everything and writes docs/evaluation.md and docs/protection.md: tables with their commands, the commit and the networks.

    python -m evaluation.report DATA [--only SECTION ...] [--facts var/evaluation] [--out docs/evaluation.md] [--write-only]

DATA is a folder with the public sets: lfw/ (lfw-deepfunneled.zip, pairs.txt, landmarks.csv.gz, blufr_lfw_config.mat), test/ytf_150.zip,
models/ (a stock MobileFaceNet for comparison). A section whose data are absent says so. What each section found is kept as JSON in the
folder of facts, so that sections can be measured one by one and the document written again without measuring (--write-only). The
sections and the words between their tables stand in ``evaluation.sections`` and ``evaluation.protection_sections``. The last line of output
is JSON.
"""

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.table import Table

from edge import __version__
from edge.errors import EdgeError, SourceError
from edge.settings import load_settings
from evaluation.pictures import CONSOLE, Answer, answer, recording
from evaluation.protection_sections import PROTECTION
from evaluation.sections import DATA, EVALUATION, Document, Section

ROOT = Path(__file__).parent.parent
DOCUMENTS = (EVALUATION, PROTECTION)
SECTIONS = tuple(section for page in DOCUMENTS for section in page.sections)


def as_rows(table: Table) -> dict[str, Any]:
    """A rich table as plain data: title, caption, header and rows of texts."""
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    return {
        "title": str(table.title or ""),
        "caption": str(table.caption or ""),
        "header": [str(column.header) for column in table.columns],
        "rows": [list(row) for row in zip(*columns, strict=True)],
    }


def without(table: Mapping[str, Any], data: Path) -> dict[str, Any]:
    """The same table with the place of the data called DATA in title and caption, wherever they lie on this machine."""
    return {**table, **{name: table[name].replace(str(data), DATA.rstrip("/")) for name in ("title", "caption")}}


def markdown(table: Mapping[str, Any]) -> str:
    """What ``as_rows`` gives as a table in Markdown, its title above and its caption below."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.strip().replace("|", "\\|") for cell in cells) + " |"

    lines = [line(table["header"]), "|" + "---|" * len(table["header"]), *(line(row) for row in table["rows"])]
    above, below = ([f"*{text}*", ""] if text else [] for text in (table["title"], table["caption"]))
    return "\n".join([*above, *lines, *(["", below[0]] if below else [])])


def networks() -> dict[str, str]:
    """Name of each network in use -> SHA-256 of its file."""
    network = load_settings(None).network
    return {name: hashlib.sha256((network.models / f"{name}.onnx").read_bytes()).hexdigest() for name in (network.detector, network.hash)}


def commit() -> str:
    """The commit that is measured, with a plus where the tree differs from it; "unknown" outside of a checkout."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+"], capture_output=True, text=True, cwd=ROOT, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def measured(section: Section, data: Path, folder: Path) -> dict[str, Any]:
    """Run a section's command in this process; what it found, with when and on what. Raises EdgeError when the command fails.

    folder: for what the command writes.
    """
    begun = time.monotonic()
    with recording() as made:
        code = import_module(f"evaluation.{section.command}").main(section.arguments(data, folder))
    if code or not made:
        raise EdgeError(f"section {section.name}: `{section.shown()}` ended with exit code {code}; its message stands above")
    tables, facts = made[-1]
    return {
        "section": section.name,
        "command": section.shown(),
        "facts": facts,
        "tables": [without(as_rows(table), data) for table in tables],
        "networks": networks(),
        "commit": commit(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
        "seconds": round(time.monotonic() - begun, 1),
    }


def rendered(section: Section, found: Mapping[str, Any] | None, current: Mapping[str, str]) -> str:
    """One section in Markdown. found: what ``measured`` gave, or None. current: the networks in use; a section of others says so."""
    parts = [f"## {section.title}", f"    {section.shown()}"]
    if section.before:
        parts.append(section.before)
    if found is None:
        return "\n\n".join([*parts, "Not measured: the data were absent where this document was written."])
    if dict(found["networks"]) != dict(current):
        parts.append(f"*Measured on other networks than those above: {_named(found['networks'])}.*")
    parts += [markdown(table) for table in found["tables"] if not section.tables or table["title"].startswith(section.tables)]
    parts += [paragraph for paragraph in (part(found["facts"]) for part in section.after) if paragraph]
    parts += [f"![{words}](plots/{name})" for name, words in section.plots]
    return "\n\n".join(parts)


def document(results: Mapping[str, Mapping[str, Any]], current: Mapping[str, str], page: Document = EVALUATION) -> str:
    """One page in Markdown. results: section -> what ``measured`` gave."""
    elsewhere = {section.name for other in DOCUMENTS if other is not page for section in other.sections}
    here = [found for name, found in results.items() if name not in elsewhere]
    commits = ", ".join(dict.fromkeys(found["commit"] for found in here))
    machine = f"{here[0]['machine']}, {here[0]['date']}, measured at {commits}" if here else "nothing was measured"
    head = f"# {page.title}\n\nVersion {__version__}, networks {_named(current)}; {machine}.\n{page.introduction}"
    return "\n\n".join([head, *(rendered(section, results.get(section.name), current) for section in page.sections)]) + "\n"


def _named(hashes: Mapping[str, str]) -> str:
    return " and ".join(f"`{name}` {found[:16]}…" for name, found in hashes.items())


def publish(section: Section, folder: Path, plots: Path) -> None:
    """Copy a section's plots beside the document: those named, which show no face."""
    for name, _ in section.plots:
        if (folder / name).exists():
            plots.mkdir(exist_ok=True)
            shutil.copyfile(folder / name, plots / name)


def stored(folder: Path) -> dict[str, dict[str, Any]]:
    """What was measured so far, by section. Raises SourceError for a file that is none of ours."""
    found = {}
    for section in SECTIONS:
        path = folder / f"{section.name}.json"
        if path.exists():
            try:
                found[section.name] = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise SourceError(f"{path}: not what a section found ({error}); remove it and measure again") from error
    return found


def measure(options: argparse.Namespace) -> Answer:
    """Measure the sections asked for, keep what they found, write the document."""
    chosen = [section for section in SECTIONS if not options.only or section.name in options.only]
    options.facts.mkdir(parents=True, exist_ok=True)
    failed = {}
    for section in [] if options.write_only else chosen:
        if missing := section.missing(options.data):
            CONSOLE.print(f"{section.name}: not measured, {missing} is absent", style="yellow", markup=False)
            continue
        CONSOLE.rule(section.name)
        try:
            found = measured(section, options.data, options.facts / section.name)
        except EdgeError as error:
            failed[section.name] = str(error)
            CONSOLE.print(str(error), style="red", markup=False)
            continue
        (options.facts / f"{section.name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    results = stored(options.facts)
    for section in SECTIONS:
        publish(section, options.facts / section.name, options.out.parent / "plots")
    options.out.write_text(document(results, networks()), encoding="utf-8")
    beside = options.out.parent / PROTECTION.file
    beside.write_text(document(results, networks(), PROTECTION), encoding="utf-8")
    return [], {"written": [str(options.out), str(beside)], "sections": sorted(results), "failed": failed}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.report", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with lfw/, test/ and models/")
    parser.add_argument("--only", nargs="+", choices=[section.name for section in SECTIONS], help="measure only these (default all)")
    parser.add_argument(
        "--facts", type=Path, default=ROOT / "var" / "evaluation", help="folder for what was found (default var/evaluation)"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs" / EVALUATION.file, help=f"page of results; {PROTECTION.file} goes beside it"
    )
    parser.add_argument("--write-only", action="store_true", help="measure nothing, write the document from what was found before")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

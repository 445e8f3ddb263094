"""What the command line shows: lines and tables for people (rich), JSON for programs. No score passes through here."""

import json
import os
import re
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import MofNCompleteColumn, Progress
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from edge.enrol import ADVICE
from edge.records import Outcome, Phase, Reason, Verdict

Item = TypeVar("Item")
AGAIN = 600.0  # seconds after which a trouble that lasts is told again in the journal
REMEMBERED = 64  # troubles
_ID = re.compile(r"\b[0-9a-f]{32}\b")  # is copied whole: no line break in it
COLOURS = {Verdict.IDENTIFIED: "green", Verdict.UNKNOWN: "yellow", Verdict.NOT_ACQUIRED: "dim"}
WORDS = {Verdict.IDENTIFIED: "identified", Verdict.UNKNOWN: "unknown", Verdict.NOT_ACQUIRED: "not acquired"}


class Report:
    """Prints for people, or as JSON lines; ``quiet`` leaves only results and errors."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json, self.quiet = as_json, quiet
        self.out = Console(highlight=False, soft_wrap=True)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def note(self, text: str) -> None:
        """Something that happened on the way."""
        if not self.quiet and not self.as_json:
            self.out.print(text, markup=False)

    def warn(self, text: str) -> None:
        """Something the operator should know; never on stdout."""
        self.err.print(text, style="yellow", markup=False)

    def result(self, facts: Mapping[str, Any], text: str = "") -> None:
        """The outcome of a command: one JSON line, or its sentence."""
        if self.as_json:
            _print_line(facts)
        elif text:
            self.out.print(text, markup=False)

    def error(self, text: str) -> None:
        """Why the command could not be done."""
        self.err.print(f"error: {text}", style="red", markup=False)

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = False) -> None:
        """A table, for people only. numbers: all columns but the first hold some."""
        if self.as_json:
            return
        table, listed = Table(header_style="bold"), [list(row) for row in rows]
        for place, column in enumerate(columns):
            widest = max((len(word) for row in listed for word in _ID.findall(row[place])), default=None)
            table.add_column(column, justify="right" if numbers and place else "left", overflow="fold", min_width=widest)
        for row in listed:
            table.add_row(*(Text(cell) for cell in row))
        self.out.print(table)

    def summary(self, tally: "Tally", stages: Mapping[str, float]) -> None:
        """The end of a run: frames, approaches, outcomes, and the median milliseconds of each stage."""
        self.table(("what", "value"), tally.rows(stages), numbers=True)
        self.result({"summary": tally.facts(stages)})

    @contextmanager
    def samples(self, wanted: int) -> Iterator[Callable[[int, tuple[Reason, ...]], None]]:
        """Progress of an enrolment: samples so far, and what to change."""
        with Progress(console=self.err, transient=True, disable=self.quiet or self.as_json or not self.err.is_terminal) as progress:
            task = progress.add_task("look at the camera", total=wanted)

            def tell(count: int, reasons: tuple[Reason, ...]) -> None:
                progress.update(task, completed=count, description=reasons[0].value.replace("_", " ") if reasons else "look at the camera")

            yield tell

    @contextmanager
    def counted(self, text: str) -> Iterator[Callable[[int, int], None]]:
        """Progress told as done and total, with a bar and the time left on a terminal."""
        hidden = self.quiet or self.as_json or not self.err.is_terminal
        with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=self.err, transient=True, disable=hidden) as progress:
            task = progress.add_task(text, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    @contextmanager
    def guided(self, wanted: int, seconds: float) -> Iterator[Callable[[int, tuple[Reason, ...]], None]]:
        """An enrolment at the terminal: one instruction at a time, and what is left. Without a terminal, a line for each new one."""
        ends, said = time.monotonic() + seconds, [""]

        def instruction(count: int, reasons: tuple[Reason, ...]) -> str:
            return ADVICE[reasons[0]] if reasons else "good; turn the head slowly" if count else "look at the camera"

        if not self.err.is_terminal or self.quiet:

            def line(count: int, reasons: tuple[Reason, ...]) -> None:
                text = instruction(count, reasons)
                if text != said[0] and not self.quiet:
                    self.err.print(text, markup=False)
                said[0] = text

            yield line
            return
        with Live(console=self.err, refresh_per_second=10, transient=True) as live:

            def panel(count: int, reasons: tuple[Reason, ...]) -> None:
                bar = ProgressBar(total=wanted, completed=count, width=40)
                text = Text(instruction(count, reasons), style="bold yellow" if reasons else "bold green")
                left = Text(f"{count} of {wanted} samples, {max(0.0, ends - time.monotonic()):.0f} s left", style="dim")
                live.update(Panel(Group(text, bar, left), title="enrolment", width=60))

            panel(0, ())
            yield panel

    def progress(self, items: Sequence[Item], text: str) -> Iterator[Item]:
        """The items one by one, with a bar on a terminal."""
        hidden = self.quiet or self.as_json or not self.err.is_terminal
        with Progress(console=self.err, transient=True, disable=hidden) as progress:
            yield from progress.track(items, description=text)

    def outcome(self, outcome: Outcome, name: str | None, seconds: float, dated: Phase = Phase.VALID) -> None:
        """One approach decided. seconds: since the stream began. dated: where this moment lies to the dates of somebody identified."""
        if self.as_json:
            _print_line(outcome_facts(outcome, name, seconds, dated))
            return
        why = (
            f" ({', '.join(reason.value for reason in outcome.reasons)})"
            if outcome.verdict is Verdict.NOT_ACQUIRED and outcome.reasons
            else ""
        )
        why = why if dated is Phase.VALID else f" ({dated.value.replace('_', ' ')})"
        self.out.print(f"{seconds:8.1f} s  approach {outcome.track:<4d} [{COLOURS[outcome.verdict]}]{WORDS[outcome.verdict]}[/]", end="")
        self.out.print(f"  {name or ''}{why}", markup=False, style="bold" if name else "dim")


class JournalReport(Report):
    """For a service whose stderr is the journal: one line each with its priority, the same trouble once, and of who passes no name."""

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(as_json=False, quiet=quiet)
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()

    def note(self, text: str) -> None:
        if not self.quiet:
            _to_journal(6, text)

    def warn(self, text: str) -> None:
        """A state that goes on is told again only after a while."""
        now = self._clock()
        if now - self._told.get(text, float("-inf")) < AGAIN:
            return
        self._told[text] = now
        self._told.move_to_end(text)
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        _to_journal(4, text)

    def result(self, facts: Mapping[str, Any], text: str = "") -> None:
        if text:
            _to_journal(6, text)

    def error(self, text: str) -> None:
        _to_journal(3, f"error: {text}")

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = False) -> None:
        for row in rows:
            _to_journal(6, "  ".join(row))

    def summary(self, tally: "Tally", stages: Mapping[str, float]) -> None:
        counts = Counter(dict.fromkeys(Verdict, 0))
        for (verdict, _), count in tally.outcomes.items():
            counts[verdict] += count
        told = ", ".join(f"{WORDS[verdict]} {count}" for verdict, count in counts.items())
        _to_journal(6, f"ended after {tally.frames} frames; {told}")

    def outcome(self, outcome: Outcome, name: str | None, seconds: float, dated: Phase = Phase.VALID) -> None:
        _to_journal(7, f"approach {outcome.track}: {WORDS[outcome.verdict]}")


def _print_line(facts: Mapping[str, Any]) -> None:
    """One JSON line in one piece: Ctrl-C does not come between it and its end."""
    print(f"{json.dumps(facts, ensure_ascii=False)}\n", end="", flush=True)


def _to_journal(priority: int, text: str) -> None:
    """Each line with its priority (sd-daemon(3))."""
    for line in text.splitlines():
        print(f"<{priority}>{line}", file=sys.stderr, flush=True)


def is_journal(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what is written to this descriptor goes straight into the journal (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        facts = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


def reporter(*, as_json: bool, quiet: bool) -> Report:
    """The report that suits where this process writes to."""
    return JournalReport(quiet=quiet) if not as_json and is_journal(2) else Report(as_json=as_json, quiet=quiet)


def outcome_facts(outcome: Outcome, name: str | None, seconds: float, dated: Phase = Phase.VALID) -> dict[str, Any]:
    """An outcome as JSON-ready facts: no score."""
    return {
        "seconds": round(seconds, 2),
        "approach": outcome.track,
        "verdict": outcome.verdict.value,
        "subject": outcome.subject,
        "name": name,
        "validity": dated.value if outcome.subject is not None else None,
        "samples": outcome.frames,
        "reasons": [reason.value for reason in outcome.reasons],
    }


class Tally:
    """Counts for the table at the end of a run."""

    def __init__(self) -> None:
        self.frames = 0
        self.stopped = False  # by Ctrl-C
        self.outcomes: Counter[tuple[Verdict, str | None]] = Counter()

    def add(self, outcome: Outcome, name: str | None) -> None:
        self.outcomes[outcome.verdict, name] += 1

    def __add__(self, other: "Tally") -> "Tally":
        both = Tally()
        both.frames, both.outcomes = self.frames + other.frames, self.outcomes + other.outcomes
        return both

    def rows(self, stages: Mapping[str, float]) -> list[tuple[str, str]]:
        """Frames, approaches, outcomes, and the median milliseconds of each stage."""
        rows = [("frames", str(self.frames)), ("approaches", str(sum(self.outcomes.values())))]
        rows += [
            (f"  {WORDS[verdict]}{f' {name}' if name else ''}", str(count))
            for (verdict, name), count in sorted(self.outcomes.items(), key=str)
        ]
        return rows + [(f"{name}, ms", f"{spent:.2f}") for name, spent in stages.items()]

    def facts(self, stages: Mapping[str, float]) -> dict[str, Any]:
        """The same for programs."""
        outcomes = [{"verdict": verdict.value, "name": name, "count": count} for (verdict, name), count in self.outcomes.items()]
        return {
            "frames": self.frames,
            "approaches": sum(self.outcomes.values()),
            "outcomes": outcomes,
            "stage_ms": {k: round(v, 3) for k, v in stages.items()},
        }

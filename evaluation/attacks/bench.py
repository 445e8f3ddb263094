"""What every attack on the protection reports, and the gate: without a key no attack does better than chance.

Words: ISO/IEC 24745 and 30136. An attack has a success rate; "chance" is the rate of somebody who has stolen nothing and does not try.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from rich.table import Table

from evaluation import metrics

FALSE_ALARM = 0.001
"""How often the gate may fail a sound scheme by bad luck, all its attacks together."""


class Knowledge(str, Enum):
    """What the attacker holds; the network is public in every case."""

    DATABASE = "database only"
    ROW_KEY = "database, row key"
    ALL_KEYS = "database, all keys"
    ORACLE = "accept/deny of a live door"
    PASSING = "accept/deny, a probe that passes"
    OLD_COPY = "database, an older copy of it"
    OLD_DISK = "an older copy of the whole disk"
    BACKUPS = "the place of the backups, to write"

    @property
    def keyless(self) -> bool:
        """Whether the scheme promises to hold against it."""
        return self in (Knowledge.DATABASE, Knowledge.OLD_COPY, Knowledge.BACKUPS, Knowledge.ORACLE)


@dataclass(frozen=True)
class Chance:
    """How often somebody without anything succeeds: events of so many trials, or exactly ``level`` where that follows from arithmetic.

    turned: a rate below chance tells as much as one above, since the attacker may say the opposite.
    """

    level: float
    events: int = 0
    trials: int = 0
    turned: bool = False

    @staticmethod
    def measured(events: int, trials: int) -> "Chance":
        """From trials. ValueError: no share."""
        metrics.interval(events, trials)
        return Chance(events / trials, events, trials)

    def most(self, confidence: float) -> float:
        """The upper end of its interval; itself where it is exact."""
        return metrics.interval(self.events, self.trials, confidence)[1] if self.trials else self.level


NEVER = Chance(0.0)
COIN = Chance(0.5, turned=True)


@dataclass(frozen=True)
class Result:
    """One attack under one knowledge.

    attack: what is done. success: what counts as one. trials, successes: how often it was tried, and succeeded. note: a figure that
    explains it, or where the scheme falls. Raises ValueError for impossible counts.
    """

    attack: str
    knowledge: Knowledge
    success: str
    trials: int
    successes: int
    chance: Chance
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials or self.trials < 1 or not 0 <= self.chance.level <= 1:
            raise ValueError(f"attack {self.attack}: {self.successes} of {self.trials} trials, chance {self.chance.level}")

    @property
    def rate(self) -> float:
        """Share of trials that succeeded, 0..1."""
        return self.successes / self.trials

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Where the rate lies (Clopper and Pearson)."""
        return metrics.interval(self.successes, self.trials, confidence)

    def beats_chance(self, confidence: float) -> bool:
        """Whether even the lower end of its interval is above the upper end of chance; or, where that tells as much, all of it below."""
        low, high = self.interval(confidence)
        return low > self.chance.most(confidence) or (self.chance.turned and high < self.chance.level)

    def verdict(self, confidence: float) -> str:
        """In words."""
        return "succeeds" if self.beats_chance(confidence) else "at chance"


def confidence_of(results: Sequence[Result]) -> float:
    """The confidence of each interval at which all together alarm falsely with ``FALSE_ALARM`` at most (Bonferroni)."""
    gated = sum(result.knowledge.keyless for result in results)
    return 1 - FALSE_ALARM / max(gated, 1)


def broken(results: Sequence[Result]) -> list[Result]:
    """The attacks without keys that do better than chance: what fails a release."""
    confidence = confidence_of(results)
    return [result for result in results if result.knowledge.keyless and result.beats_chance(confidence)]


def facts_of(results: Sequence[Result]) -> dict[str, Any]:
    """JSON-ready: every attack, and whether the gate holds."""
    confidence = confidence_of(results)
    return {
        "attacks": [
            {
                **asdict(result),
                "knowledge": result.knowledge.value,
                "rate": result.rate,
                "interval": result.interval(),
                "gated": result.knowledge.keyless,
                "verdict": result.verdict(confidence),
            }
            for result in results
        ],
        "gate": {
            "holds": not broken(results),
            "confidence": confidence,
            "broken": [f"{one.attack} ({one.knowledge.value})" for one in broken(results)],
        },
    }


def tables(results: Sequence[Result], title: str) -> list[Table]:
    """For people: a table for each knowledge, and one of the notes. title: whose faces."""
    found = []
    for knowledge in Knowledge:
        rows = [row for row in results if row.knowledge is knowledge]
        if rows:
            promise = "the gate: must be at chance" if knowledge.keyless else "not gated"
            found.append(_table(rows, results, f"Attacker holds: {knowledge.value} ({promise}). {title}"))
    notes = Table(title="Notes", show_lines=True)
    notes.add_column("attack")
    notes.add_column("what to know")
    for note, named in _by_note(results).items():
        notes.add_row("; ".join(named), note)
    return [*found, *([notes] if notes.row_count else [])]


def _by_note(results: Iterable[Result]) -> dict[str, list[str]]:
    """Each note once, with the attacks that it belongs to."""
    found: dict[str, list[str]] = {}
    for row in results:
        if row.note:
            found.setdefault(row.note, []).append(f"{row.attack} ({row.knowledge.value})")
    return found


def _table(rows: Iterable[Result], everything: Sequence[Result], title: str) -> Table:
    confidence, failed = confidence_of(everything), broken(everything)
    shown = Table(title=title, caption="in brackets: 95 % interval (Clopper and Pearson)")
    for heading in ("attack", "a success is"):
        shown.add_column(heading)
    for heading in ("successes", "rate, %", "chance, %"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("verdict", no_wrap=True)
    for row in rows:
        low, high = row.interval()
        verdict = row.verdict(confidence).upper() if row in failed else row.verdict(confidence)
        rate = f"{100 * row.rate:.1f} ({100 * low:.1f} to {100 * high:.1f})"
        shown.add_row(row.attack, row.success, f"{row.successes} of {row.trials}", rate, f"{100 * row.chance.level:.2g}", verdict)
    return shown

"""The audit log held against its key, line by line, and against what was noted of its end."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import AuditError
from edge.service.audit import files, read_head, unchanging
from edge.service.chain import MOST_BYTES, PRUNED, Line, first_of_file, opened, previous

MOST_PROBLEMS = 20


@dataclass(frozen=True)
class Verified:
    """What a log holds. first, last: its lines, None of an empty one. torn: bytes of a last line that was never whole (no fault)."""

    files: int
    lines: int
    first: Line | None
    last: Line | None
    torn: int
    problems: tuple[str, ...]

    @property
    def head(self) -> str:
        """``number:code`` of the newest line, to be noted elsewhere and given to ``verify`` as ``since``."""
        return f"{self.last.number}:{self.last.mac.hex()}" if self.last else ""

    def facts(self) -> dict[str, Any]:
        """JSON-ready."""
        times = {"from": self.first.time if self.first else None, "to": self.last.time if self.last else None}
        sound = not self.problems
        return {"sound": sound, "files": self.files, "lines": self.lines, **times, "head": self.head, "problems": list(self.problems)}


class _Walk:
    """Goes over a log once, flat in memory."""

    def __init__(self, folder: Path, key: bytes, since: tuple[int, str] | None) -> None:
        self._folder, self._key, self._since = folder, key, since
        self.problems: list[str] = []
        self.first: Line | None = None
        self.last: Line | None = None
        self.pruned: Line | None = None
        self.count = self.torn = 0
        self._sound = True  # whether what comes next must follow what came last
        self._met = False

    def lines(self) -> Iterator[Line]:
        """Every sound line; what is wrong gathers in ``problems``."""
        paths = files(self._folder)
        for path in paths:
            try:
                yield from self._file(path, newest=path == paths[-1])
            except ValueError as error:
                self._wrong(str(error))
                self._sound = False
        self._front()
        self._end()

    def _file(self, path: Path, *, newest: bool) -> Iterator[Line]:
        before = None
        with path.open("rb") as file:
            for row, raw in enumerate(iter(lambda: file.readline(MOST_BYTES), b""), 1):
                if not raw.endswith(b"\n") and len(raw) < MOST_BYTES and newest:
                    self.torn = len(raw)
                    return
                try:
                    line = first_of_file(self._key, raw[:-1]) if before is None else opened(self._key, before, raw[:-1])
                    self._follows(line, opening=before is None)
                except ValueError as error:
                    raise ValueError(f"{path.name}:{row}: {error}") from None
                before = line.mac
                yield line

    def _follows(self, line: Line, *, opening: bool) -> None:
        if opening and line.facts.get("cause") == "damage":
            self._wrong(f"line {line.number}: the log was found {line.facts.get('found')} at {line.time} and a new chain begun")
        elif self._sound and self.last and (line.number != self.last.number + 1 or (opening and previous(line) != self.last.mac)):
            raise ValueError(f"line {line.number} does not follow line {self.last.number}; what lay between is missing")
        self._sound, self.last, self.count = True, line, self.count + 1
        self.first = self.first or line
        self.pruned = line if line.kind == PRUNED else self.pruned
        if self._since and line.number == self._since[0]:
            self._met = line.mac.hex() == self._since[1]

    def _front(self) -> None:
        """The first line is the first of all, or follows what the log itself says it deleted."""
        if self.first is None or self.first.number == 1:
            return
        through = int(self.pruned.facts["through"]) if self.pruned else 0
        if through < self.first.number - 1:
            self._wrong(f"lines {through + 1} to {self.first.number - 1} are missing, and not because they were too old")
        elif through == self.first.number - 1 and self.pruned and self.pruned.facts["last"] != previous(self.first).hex():
            self._wrong(f"line {self.first.number} does not follow the lines that were deleted as too old")

    def _end(self) -> None:
        head, newest = read_head(self._folder, self._key), self.last.number if self.last else 0
        if head is None:
            if newest > 1 or (newest == 0 and self.problems):
                self._wrong("the note of the newest line is missing or not of this key; whether lines were cut off cannot be told")
        elif head.number > newest:
            self._wrong(f"lines {newest + 1} to {head.number} are missing at the end")
        elif self.last and head.number == newest and head.facts["last"] != self.last.mac.hex():
            self._wrong(f"line {newest} is another one than was noted")
        if self._since and not self._met and not (self.first and self.first.number > self._since[0]):
            self._wrong(f"the line noted elsewhere ({self._since[0]}) is not in this log: an older copy was put back")

    def _wrong(self, text: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(text)


def verify(folder: Path, key: bytes, since: tuple[int, str] | None = None) -> Verified:
    """Everything that can be told about a log, while nothing is appended to it. AuditError if it cannot be read.

    since: number and code (hex) of a line that must still be there, unless it grew too old.
    """
    walk = _Walk(folder, key, since)
    with _readable(folder):
        for _ in walk.lines():
            pass
        return Verified(len(files(folder)), walk.count, walk.first, walk.last, walk.torn, tuple(walk.problems))


def lines(folder: Path, key: bytes, last: int | None = None) -> list[Line]:
    """The sound lines of a log, oldest first; the last so many. AuditError if it cannot be read."""
    with _readable(folder):
        return list(deque(_Walk(folder, key, None).lines(), last))


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        with unchanging(folder):
            yield
    except OSError as error:
        raise AuditError(f"audit log {folder}: cannot be read ({error.strerror}); check its owner and its rights") from error

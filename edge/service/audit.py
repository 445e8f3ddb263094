"""The audit log: who changed what and what the door decided, by opaque ids, in lines that nobody without the key can make or move.

A folder of files ``audit-<number of the first line>.jsonl``; the last is written to. Beside them ``head``, the number and code of the
newest line, and ``lock``. A file is closed at the end of its day (UTC) or when it is full, and deleted when all its lines are older than
is kept, or all files together take more than they may; a ``pruned`` line says up to which line that went. Several processes may append.

What is found: a line changed, moved, removed, put in or written with another key; files missing at the front, in the middle or at the end;
lines cut from the end. What is not: the whole folder, ``head`` too, put back as it once was; for that give `edge audit verify --since` a
head noted elsewhere. Whoever has the root key can write any log.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edge.durable import sync_folder
from edge.errors import AuditError
from edge.service.chain import (
    MAC_BYTES,
    MOST_BYTES,
    OPENED,
    OWN,
    PRUNED,
    REPAIRED,
    START,
    Fact,
    Line,
    first_of_file,
    opened,
    require_plain,
    sealed,
    unchecked,
)

PATIENCE = 5.0  # seconds that an append waits for the other processes
PRUNED_AT_ONCE = 2  # files at most: a clock that jumps ahead does not empty the log at one blow
HEAD, LOCK = "head", "lock"
_NAME = re.compile(r"audit-[0-9]{12,18}\.jsonl")


def files(folder: Path) -> list[Path]:
    """The files of a log, oldest first."""
    return sorted((path for path in folder.glob("audit-*.jsonl") if _NAME.fullmatch(path.name)), key=_begins)


def _begins(path: Path) -> int:
    return int(path.stem[6:])


def stamp(seconds: float) -> str:
    """Wall-clock seconds as the log writes them."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@dataclass
class _End:
    """Where the log ends: the file written to (None before the first), its size and day, and the newest line's number and code."""

    path: Path | None
    size: int
    day: str
    number: int
    mac: bytes
    torn: int = 0  # bytes of a line that was never whole
    damage: str = ""  # why the next line starts a chain of its own


class Audit:
    """One log. key: 32 bytes (``Keyring.audit_key``). max_bytes: of one file. max_total: bytes of all.
    keep_days: after which lines are deleted."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        max_bytes: int,
        max_total: int,
        keep_days: int,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
    ) -> None:
        """Makes the folder where there is none. AuditError if nothing can be written there, so that no command goes on unaudited."""
        if len(key) != MAC_BYTES:
            raise ValueError(f"audit key: expected {MAC_BYTES} bytes, got {len(key)}")
        self.folder, self._key = folder, key
        self._max_bytes, self._max_total, self._keep_days = max_bytes, max_total, keep_days
        self._clock, self._patience = clock, patience
        with self._locked():
            pass

    def append(self, kind: str, **facts: Fact) -> None:
        """One line, on the disk when this returns. AuditError if that cannot be; what was done before stands all the same.

        Facts are opaque ids, lower-case words, whole numbers, yes or no: ValueError for anything else, or for a kind the log uses itself.
        """
        require_plain(kind, facts)
        if kind in OWN[:3]:
            raise ValueError(f"audit kind '{kind}' is the log's own")
        with self._locked():
            end = self._end()
            if end.path is None or end.damage or end.size >= self._max_bytes or end.day != self._now()[:10]:
                self._open_file(end)
            if end.torn:
                self._write(end, REPAIRED, {"bytes": end.torn})
            self._write(end, kind, facts)

    def _now(self) -> str:
        return stamp(self._clock())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refusal(error) from error
        try:
            _take(self.folder, lock, fcntl.LOCK_EX, self._patience)
            yield
        except OSError as error:
            raise self._refusal(error) from error
        finally:
            os.close(lock)

    def _refusal(self, error: OSError) -> AuditError:
        way_out = "check its owner, its rights and the room on the disk"
        return AuditError(f"audit log {self.folder}: cannot be written ({error.strerror}); {way_out}")

    def _end(self) -> _End:
        """Where the log ends; a torn last line is cut off, for it was never promised to anybody."""
        head, torn = read_head(self.folder, self._key), 0
        paths = files(self.folder)
        while paths:
            path = paths[-1]
            torn += _cut_torn(path)
            if path.stat().st_size:
                return self._end_of(path, head, torn)
            path.unlink()  # its opening line was never whole
            paths.pop()
        damage = "missing" if head else ""
        return _End(None, 0, "", head.number if head else 0, _follows(head), torn, damage)

    def _end_of(self, path: Path, head: Line | None, torn: int) -> _End:
        size, named = path.stat().st_size, _begins(path)
        try:
            first, last = _ends(path, self._key)
        except ValueError:
            number = max(named, named - 1 + path.read_bytes().count(b"\n"), head.number if head else 0)
            return _End(path, size, "", number, _follows(head), torn, "altered")
        damage = ""
        if head is None and last.number > 1:
            damage = "headless"
        elif head and (last.number < head.number or (last.number == head.number and last.mac != _follows(head))):
            damage = "cut"
        if damage:
            return _End(path, size, "", max(last.number, head.number if head else 0), _follows(head) if head else last.mac, torn, damage)
        return _End(path, size, first.time[:10], last.number, last.mac, torn)

    def _open_file(self, end: _End) -> None:
        """The next file, which says what it follows; then what is too old goes."""
        cause = "damage" if end.damage else "first" if end.path is None else "next"
        facts: dict[str, Fact] = {"previous": end.mac.hex(), "cause": cause}
        if end.damage:
            facts["found"] = end.damage
        end.path, end.size, end.damage = self.folder / f"audit-{end.number + 1:012d}.jsonl", 0, ""
        os.close(os.open(end.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        sync_folder(self.folder)
        self._write(end, OPENED, facts)
        self._prune(end)

    def _prune(self, end: _End) -> None:
        """Deletes the oldest files if all their lines are too old, or all files together too large; the line that says so goes first."""
        limit = stamp(self._clock() - self._keep_days * 86400)
        paths, old = files(self.folder), []
        told: dict[str, Fact] = {}
        total = sum(path.stat().st_size for path in paths)
        for path, successor in pairwise(paths[: PRUNED_AT_ONCE + 1]):
            begun, first, before = self._beginning(successor)
            if begun >= limit and total <= self._max_total:
                break
            total -= path.stat().st_size
            old.append(path)
            told = {"through": first - 1, "last": before}
        if old:
            self._write(end, PRUNED, told)
            for path in old:
                path.unlink()
            sync_folder(self.folder)

    def _beginning(self, path: Path) -> tuple[str, int, str]:
        """Time and number of a file's first line, and the code it follows; of a damaged one what its name and its date say."""
        try:
            line = first_of_file(self._key, _first(path))
        except ValueError:
            return stamp(path.stat().st_mtime), _begins(path), ""
        return line.time, line.number, str(line.facts["previous"])

    def _write(self, end: _End, kind: str, facts: dict[str, Fact]) -> None:
        assert end.path is not None
        number = end.number + 1
        raw = sealed(self._key, end.mac, number, self._now(), kind, facts)
        _append(end.path, raw, end.size)
        end.number, end.mac, end.size = number, unchecked(raw[:-1]).mac, end.size + len(raw)
        write_head(self.folder, self._key, end.number, end.mac, self._now())


@contextmanager
def unchanging(folder: Path) -> Iterator[None]:
    """Nothing is appended meanwhile. A copy of a log that has no lock is read as it is. AuditError if another process holds the log."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise AuditError(f"audit log {folder}: cannot be read ({error.strerror}); check its owner and its rights") from error
    try:
        _take(folder, lock, fcntl.LOCK_SH, PATIENCE)
        yield
    finally:
        os.close(lock)


def _take(folder: Path, lock: int, how: int, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise AuditError(f"audit log {folder}: another process holds it; end that one, then try again") from None
            time.sleep(0.002)


def read_head(folder: Path, key: bytes) -> Line | None:
    """The newest line's number and code, as last noted; None where that is missing or was not made with this key."""
    try:
        return opened(key, START, (folder / HEAD).read_bytes()[:-1], "head")
    except (OSError, ValueError):
        return None


def write_head(folder: Path, key: bytes, number: int, mac: bytes, now: str) -> None:
    """Notes the newest line: whole or not at all, on the disk when this returns."""
    new = folder / f"{HEAD}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(sealed(key, START, number, now, HEAD, {"last": mac.hex()}, "head"))
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / HEAD)


def _follows(head: Line | None) -> bytes:
    return bytes.fromhex(head.facts["last"]) if head else START


def _append(path: Path, raw: bytes, size: int) -> None:
    """Adds the bytes and waits for the disk; half of them are taken back."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            written = os.pwrite(descriptor, raw, size)
            if written != len(raw):
                raise OSError(28, "No space left on device")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _cut_torn(path: Path) -> int:
    """Cuts off what follows the last newline; the number of bytes cut."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        whole = file.tell() + file.read().rfind(b"\n") + 1
        if whole == size or (whole == max(0, size - MOST_BYTES) and size > MOST_BYTES):
            return 0  # nothing torn, or no newline within a line's length: not torn but altered
        file.truncate(whole)
        os.fsync(file.fileno())
    return size - whole


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES).partition(b"\n")[0]


def _ends(path: Path, key: bytes) -> tuple[Line, Line]:
    """The first and the last line of a file. ValueError if either was not made with this key at its place."""
    first = first_of_file(key, raw := _first(path))
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == len(raw) + 1:
            return first, first
        file.seek(max(0, size - 3 * MOST_BYTES))
        rows = file.read().split(b"\n")
    if len(rows) < 3 or rows[-1]:
        raise ValueError("no lines of an audit log")
    return first, opened(key, unchecked(rows[-3]).mac, rows[-2])

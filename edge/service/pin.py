"""The operator's PIN: an argon2id hash in a file of mode 0600, and a wait that doubles with every failure and survives a restart."""

import itertools
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from edge.errors import EdgeError
from edge.service.messages import Trouble

SHORTEST, LONGEST = 6, 12  # digits
FREE = 3  # failures before the first wait
FIRST_WAIT, LONGEST_WAIT = 10.0, 600.0  # seconds


class PinError(EdgeError):
    """The PIN is too weak, or its file cannot be used."""

    exit_code = 14


def set_pin(path: Path, pin: str) -> None:
    """Store the hash of a new PIN; the failures so far are forgotten. Raises PinError for a weak PIN or a folder that cannot be written."""
    _require_strong(pin)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(beside, PasswordHasher().hash(pin))
        beside.replace(path)
        _failures(path).unlink(missing_ok=True)
    except OSError as error:
        raise PinError(f"screen.pin = {path}: {error.strerror}; choose a path that this user may write") from error


class PinLock:
    """Checks PINs against the file. Failures are counted in a file beside it, before the PIN is looked at, so that pulling the plug is no
    way around the wait.

    clock: monotonic seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._until = clock() + _wait(self._count())

    @property
    def is_set(self) -> bool:
        """Whether an operator has chosen a PIN; without one nothing is unlocked."""
        return self._path.is_file()

    def wait(self) -> float:
        """Seconds until the next attempt is heard."""
        return max(0.0, self._until - self._clock())

    def check(self, pin: str) -> Trouble | None:
        """None: it is the PIN. Else NO_PIN, WAIT (not even looked at), WRONG_PIN, or DEFECT where the files cannot be used."""
        if not self.is_set:
            return Trouble.NO_PIN
        if self.wait() > 0:
            return Trouble.WAIT
        try:
            count = self._count() + 1
            _write(_failures(self._path), str(count))
            if not _fits(self._path, pin):
                self._until = self._clock() + _wait(count)
                return Trouble.WRONG_PIN
            _failures(self._path).unlink(missing_ok=True)
        except OSError:
            return Trouble.DEFECT
        return None

    def _count(self) -> int:
        try:
            return min(int(_failures(self._path).read_text(encoding="ascii")), 1_000)
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            return 1_000


def _fits(path: Path, pin: str) -> bool:
    try:
        return bool(PasswordHasher().verify(path.read_text(encoding="ascii"), pin))
    except (Argon2Error, InvalidHashError, ValueError):
        return False


def _wait(failures: int) -> float:
    """Seconds after so many failures in a row."""
    return 0.0 if failures < FREE else min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - FREE, 16))


def _failures(path: Path) -> Path:
    return path.with_name(path.name + ".failures")


def _write(path: Path, text: str) -> None:
    """A file of mode 0600, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _require_strong(pin: str) -> None:
    if not (pin.isascii() and pin.isdigit() and SHORTEST <= len(pin) <= LONGEST):
        raise PinError(f"PIN: {len(pin)} characters given; {SHORTEST} to {LONGEST} digits are wanted")
    steps = {(ord(after) - ord(before)) % 10 for before, after in itertools.pairwise(pin)}
    if len(steps) == 1 or len(set(pin)) < 3:
        raise PinError("PIN: repeated or counting digits are the first that anybody tries; choose another")

"""Secrets of the outputs: a systemd credential, else a file that only this program's user can read. Never the configuration itself."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.door.events import OutputError

LONGEST = 4096  # bytes


@dataclass(frozen=True)
class Place:
    """Where a secret lies. what: for messages. credential: systemd's, looked for first."""

    what: str
    credential: str
    file: Path


def read_secret(place: Place, environment: Mapping[str, str] | None = None) -> str:
    """The secret, one line of text without its line end. Raises OutputError, which never shows it."""
    folder = (os.environ if environment is None else environment).get("CREDENTIALS_DIRECTORY")
    if folder and os.path.lexists(sealed := Path(folder) / place.credential):
        return _text(place, sealed, _read(place, sealed, owner=None))
    if not os.path.lexists(place.file):
        raise OutputError(
            f"{place.what}: neither systemd credential {place.credential} nor file {place.file}; write it there, with mode 0600"
        )
    return _text(place, place.file, _read(place, place.file, owner=os.geteuid()))


def _read(place: Place, path: Path, owner: int | None) -> bytes:
    """owner: who must own the file, which then nobody else may read; None: systemd looks after it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = "is a symbolic link; put the file itself there" if path.is_symlink() else f"{error.strerror}; check the path and the user"
        raise OutputError(f"{place.what} {path}: {why}") from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OutputError(f"{place.what} {path}: is no regular file; name the file that holds it")
        if owner is not None and facts.st_uid != owner:
            raise OutputError(f"{place.what} {path}: belongs to user {facts.st_uid}; chown {owner} {path}")
        if owner is not None and facts.st_mode & 0o077:
            raise OutputError(f"{place.what} {path}: mode {stat.S_IMODE(facts.st_mode):04o} lets others in; chmod 600 {path}")
        return os.read(descriptor, LONGEST + 1)
    finally:
        os.close(descriptor)


def _text(place: Place, path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise OutputError(f"{place.what} {path}: is no text; write one line of text") from error
    if not text or len(content) > LONGEST or not text.isprintable():
        raise OutputError(f"{place.what} {path}: expected one line of 1 to {LONGEST} printable characters; write it anew")
    return text

"""Why the door does not run, for the screen: one word in a file beside the socket, put there by a door that refused to start.

Nothing but the word is told: no path, no name, no text of the error. Who may write into that folder may also put a socket there and speak
as the door, so the file is believed as much as the socket is, and a word that is not known is not shown.
"""

import contextlib
import os
import stat
from pathlib import Path

from edge.service.messages import Trouble

SUFFIX = ".refusal"
REASONS = (Trouble.KEY, Trouble.GALLERY, Trouble.NETWORK, Trouble.CAMERA, Trouble.STORAGE, Trouble.SETTINGS, Trouble.DEFECT)
MOST_BYTES = 32


def place_of(socket: Path) -> Path:
    """Where the word lies for the door of that socket."""
    return socket.with_name(socket.name + SUFFIX)


def publish(socket: Path, reason: Trouble, *, shared: bool) -> None:
    """Leave the word. shared: for other users too. A word that cannot be written is let go: the door's own error counts."""
    path = place_of(socket)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            os.fchmod(handle, 0o644 if shared else 0o600)
            file.write(reason.value + "\n")
        fresh.replace(path)


def withdraw(socket: Path) -> None:
    """The door runs: nothing keeps it."""
    with contextlib.suppress(OSError):
        place_of(socket).unlink(missing_ok=True)


def refused(socket: Path) -> Trouble | None:
    """The word that a door left, if it is one of ``REASONS``. Never blocks and never fails, whatever lies there."""
    try:
        handle = os.open(place_of(socket), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        raw = os.read(handle, MOST_BYTES + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return None
    finally:
        os.close(handle)
    return next((reason for reason in REASONS if raw == f"{reason.value}\n".encode()), None)

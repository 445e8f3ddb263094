"""The first bytes of a gallery file, read without taking SQLite's locks away.

POSIX drops all locks that a process holds on a file as soon as the process closes any descriptor of it (fcntl(2); "How To Corrupt An
SQLite Database File", 2.2). A door that has its gallery open and reads the header of the same file once more, for a second connection,
would lose its locks, and the next process that closes the gallery would take the journal away from under it. So a descriptor by which a
header was read is kept, one a file.
"""

import os
import threading
from collections import OrderedDict
from pathlib import Path

MOST_KEPT = 64  # files; a door has one gallery

_kept: OrderedDict[tuple[int, int], int] = OrderedDict()
_turn = threading.Lock()


def first_bytes(path: Path, count: int) -> tuple[bytes, int]:
    """Up to ``count`` bytes from the start of the file, and its size. Raises OSError."""
    with _turn:
        facts = path.stat()
        identity = (facts.st_dev, facts.st_ino)
        if identity not in _kept:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            facts = os.fstat(descriptor)
            identity = (facts.st_dev, facts.st_ino)
            _kept.setdefault(identity, descriptor)
            if len(_kept) > MOST_KEPT:
                os.close(_kept.popitem(last=False)[1])
        _kept.move_to_end(identity)
        return os.pread(_kept[identity], count, 0), facts.st_size

"""What outlives a power cut. All doors stand on it; it imports nothing of ours."""

import contextlib
import os
import secrets
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """A name just made, changed or removed in this folder outlives a power cut once this has returned. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """The file has this content, mode 0600, and outlives a power cut once this has returned; killed before, it is as it was.

    A process that is killed meanwhile leaves a draft, ``.NAME.<16 hex digits>.new``. Raises OSError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)

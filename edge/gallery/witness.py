"""The witness: the newest head that a device has seen, kept outside the gallery file, so that an old copy of the file is found out."""

import contextlib
import hashlib
import os
from glob import escape
from pathlib import Path

from edge.durable import replace_file
from edge.gallery.head import Head, Signer
from edge.template.protect import TemplateError

_PLACE = "witness"
MOST_BYTES = 4096


class Witness:
    """One small sealed file, as strong as its place: on the gallery's own disk it finds out a file put back, not a whole disk."""

    def __init__(self, path: Path, signer: Signer) -> None:
        self.path, self._signer = path, signer

    def read(self) -> Head | None:
        """What was written last; None if nothing ever was. Raises TemplateError for a file that was altered or cannot be read."""
        sealed = self._sealed()
        return None if sealed is None else self._signer.open(sealed, _PLACE)

    def digest(self) -> str:
        """SHA-256 of the file as it is, in hex; empty where there is none. Raises TemplateError."""
        sealed = self._sealed()
        return "" if sealed is None else hashlib.sha256(sealed).hexdigest()

    def _sealed(self) -> bytes | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not make the door wait
            with os.fdopen(descriptor, "rb") as file:
                return file.read(MOST_BYTES) or b""
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TemplateError(f"witness {self.path}: {error.strerror}: check the rights of this user") from error

    def write(self, head: Head) -> None:
        """Keeps a head: whole or not at all, on the disk when this returns. Raises OSError.

        One process at a time, as ``Integrity.keep`` has it: a draft that lies there is of one that was killed.
        """
        for left in self.path.parent.glob(f".{escape(self.path.name)}.{'[0-9a-f]' * 16}.new"):
            with contextlib.suppress(OSError):
                left.unlink()
        replace_file(self.path, self._signer.seal(head, _PLACE))

"""Why a gallery file cannot be used: one class per situation, and the translation of SQLite's own errors."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import GalleryError, KeySourceError


class MissingGalleryError(GalleryError):
    """There is no gallery at the path, and none was to be made."""


class ForeignFileError(GalleryError):
    """The file is no gallery of this program."""


class NewerGalleryError(GalleryError):
    """A newer program wrote the gallery."""


class OtherNetworkError(GalleryError):
    """The gallery holds codes of another hashing network or size."""


class OtherDeviceError(GalleryError):
    """The gallery was made on another device."""


class WrongKeyError(KeySourceError, GalleryError):
    """The root key, site or application is not the one the gallery was made with."""


class DamagedGalleryError(GalleryError):
    """The file is truncated or its structure is broken."""


class AlteredGalleryError(GalleryError):
    """The references are not those that were signed, or an old copy of the file was put back: nobody is let in by it."""


class BusyGalleryError(GalleryError):
    """Another process holds the gallery."""


class UnwritableGalleryError(GalleryError):
    """The gallery cannot be written: rights, read-only or full file system."""


class ReplacedGalleryError(GalleryError):
    """The file at the path is no longer the one that was opened."""


_DAMAGED = "is damaged: restore a backup; the file was left as it is"
_UNWRITABLE = "cannot be written: check the rights of this user on the file and its folder"
_TRANSLATIONS: tuple[tuple[str, type[GalleryError], str], ...] = (
    ("database is locked", BusyGalleryError, "is held by another process: try again, or end that process"),
    ("database or disk is full", UnwritableGalleryError, "has no room on its disk: free some; nothing was stored"),
    ("disk i/o error", UnwritableGalleryError, "met a disk that refuses (full or failing): make room or change it; nothing was stored"),
    ("readonly database", UnwritableGalleryError, _UNWRITABLE),
    ("unable to open database", UnwritableGalleryError, _UNWRITABLE),
    ("malformed", DamagedGalleryError, _DAMAGED),
    ("not a database", DamagedGalleryError, _DAMAGED),
    ("no such table", DamagedGalleryError, _DAMAGED),
    ("no such column", DamagedGalleryError, _DAMAGED),
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns sqlite3's errors into the ones above, with the path, SQLite's words and the way out."""
    try:
        yield
    except sqlite3.Error as error:
        words = str(error)
        for fragment, kind, way_out in _TRANSLATIONS:
            if fragment in words.lower():
                raise kind(f"gallery {path}: {way_out} ({words})") from error
        raise GalleryError(f"gallery {path}: {words}: check it with doctor; nothing was stored") from error

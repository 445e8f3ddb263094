"""The plans of one network on disk: the one in use, the one before it, and a pointer that is exchanged in one step.

``<folder>/<network>/current.json`` names two sub-folders, each with ``plan.json`` and ``plan.bin``: ``now``, and ``before``, which stays
until ``now`` has run once. Whatever is cut off at whatever moment, the pointer names whole plans: a plan's folder is written and
flushed first, and the pointer is renamed over the old one last. Who may write here may run code in the door, as with the networks.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from edge.durable import sync_folder
from edge.errors import NetworkError
from edge.inference.plan import PlanError, PlanManifest
from edge.inference.progress import PROGRESS, Progress, read_progress

POINTER, MANIFEST, PLAN, RAN, STAGING, LOCK = "current.json", "plan.json", "plan.bin", "ran", ".building-", "lock"
LOOKS, LOOK = 5, 0.1  # tries for the lock, and seconds between two
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")  # a folder here, and nothing above it


class BusyError(NetworkError):
    """Another process is building a plan of this network."""


class PlanStore:
    """The plans of the network ``network`` below ``folder``; neither need exist to be asked."""

    def __init__(self, folder: Path, network: str) -> None:
        self.folder = folder / network

    def names(self) -> list[str]:
        """The plans to try, best first: now, before. Empty where none was ever installed. Raises PlanError for a damaged pointer."""
        path = self.folder / POINTER
        try:
            pointer = json.loads(path.read_text(encoding="utf-8"))
            named = [name for name in (pointer["now"], pointer["before"]) if name is not None]
            if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in named):
                raise ValueError(f"{named} are no names of plans")
            return named
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise PlanError(f"{path}: cannot be read ({error}); delete it, and run `edge engine build`") from error

    def read(self, name: str) -> PlanManifest:
        """The manifest of one plan. Raises PlanError."""
        path = self.folder / name / MANIFEST
        try:
            return PlanManifest.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise PlanError(f"{path}: is no manifest of a plan ({_line(error)}); run `edge engine build`") from error

    def plan(self, name: str, manifest: PlanManifest) -> bytes:
        """The plan itself, whose SHA-256 is that of its manifest. Raises PlanError."""
        path = self.folder / name / PLAN
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise PlanError(f"{path}: cannot be read ({error.strerror}); run `edge engine build`") from error
        if hashlib.sha256(raw).hexdigest() != manifest.plan_sha256:
            raise PlanError(f"{path}: SHA-256 is not that of {MANIFEST}: altered or cut short; run `edge engine build`")
        return raw

    def has_run(self, name: str) -> bool:
        return (self.folder / name / RAN).exists()

    def mark_run(self, name: str) -> None:
        """Note that a plan was loaded and gave its golden outputs. A door that may not write here leaves it to the builder."""
        try:
            (self.folder / name / RAN).touch()
        except OSError:
            return

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A folder to build in, for one process at a time; it is gone afterwards. Raises BusyError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("w") as lock:
            self._take(lock)
            self._remove(self.folder.glob(STAGING + "*"))
            (self.folder / PROGRESS).unlink(missing_ok=True)  # of a builder that was killed
            staging = self.folder / f"{STAGING}{os.getpid()}"
            staging.mkdir()
            try:
                yield staging
            finally:
                (self.folder / PROGRESS).unlink(missing_ok=True)
                shutil.rmtree(staging, ignore_errors=True)

    def _take(self, lock: IO[str]) -> None:
        """The lock, also where somebody who only asks ``is_building`` has it for a moment. Raises BusyError."""
        for left in reversed(range(LOOKS)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except OSError as error:
                if not left:
                    raise BusyError(f"{self.folder}: another build is running; wait for it (`edge engine status`)") from error
            time.sleep(LOOK)

    def is_building(self) -> bool:
        """Whether a build holds the lock at this moment."""
        try:
            with (self.folder / LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def progress(self) -> Progress | None:
        """How far the build is; None where nobody builds, or nothing was told yet. What a killed builder left is not believed."""
        return read_progress(self.folder) if self.is_building() else None

    def install(self, staging: Path, manifest: PlanManifest, raw: bytes) -> str:
        """Write a plan and make it the one in use; the last one that has run stays as ``before``. Returns its name."""
        stem = f"{manifest.precision}-{manifest.plan_sha256[:12]}"
        name = next(name for number in count(1) if not (self.folder / (name := f"{stem}-{number}")).exists())
        old = self._sound_names()
        kept = next((one for one in old if self.has_run(one)), old[0] if old else None)
        made = staging / name
        made.mkdir()
        _write(made / PLAN, raw)
        _write(made / MANIFEST, (manifest.model_dump_json(indent=2) + "\n").encode())
        sync_folder(made)
        made.rename(self.folder / name)
        sync_folder(self.folder)
        return self._repoint(staging, name, kept)

    def withdraw(self, staging: Path, name: str) -> str | None:
        """Take a plan out of use that did not run; the one before it is in use again, if there is one. Returns its name."""
        others = [one for one in self._sound_names() if one != name]
        if others:
            self._repoint(staging, others[0], None)
        else:
            (self.folder / POINTER).unlink(missing_ok=True)
        self._remove([self.folder / name])
        return others[0] if others else None

    def clean(self, staging: Path) -> list[str]:
        """Remove all that is not in use: the plan before one that has run, unfinished builds. Returns the names."""
        names = self._sound_names()
        if len(names) > 1 and self.has_run(names[0]):
            self._repoint(staging, names[0], None)
            names = names[:1]
        rubbish = [path for path in self.folder.iterdir() if path.is_dir() and path.name not in names and path != staging]
        self._remove(rubbish)
        return sorted(path.name for path in rubbish)

    def _sound_names(self) -> list[str]:
        """``names``; a damaged pointer names nothing, and is about to be replaced."""
        try:
            return self.names()
        except PlanError:
            return []

    def _repoint(self, staging: Path, now: str, before: str | None) -> str:
        fresh = staging / POINTER
        _write(fresh, json.dumps({"now": now, "before": before}).encode())
        fresh.rename(self.folder / POINTER)
        sync_folder(self.folder)
        return now

    @staticmethod
    def _remove(paths: Iterator[Path] | list[Path]) -> None:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _line(error: OSError | ValidationError) -> str:
    return str(error.strerror) if isinstance(error, OSError) else error.errors(include_url=False)[0]["msg"]

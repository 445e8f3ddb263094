"""What the commands of this package share: trees of pictures, the central face, and how results are shown."""

import argparse
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from edge.camera.folder import SUFFIXES, natural_key
from edge.camera.images import decode_image
from edge.errors import EdgeError, SourceError
from edge.records import Face, Pixels

CONSOLE = Console(stderr=True)


Answer = tuple[Iterable[Table], Mapping[str, Any]]


class Tree:
    """Pictures by "person/picture", from a folder or a zip file; folders above the person's do not count. Raises SourceError.

    levels: parts of a picture's name; 3 for "person/video/picture", 1 where no folder counts.
    """

    def __init__(self, path: Path, levels: int = 2) -> None:
        self.path = path
        form = "/".join([*("person", "video")[: levels - 1], "picture.jpg"])
        self._zip = _open_zip(path) if path.is_file() else None
        names = self._zip.namelist() if self._zip else [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
        self._names: dict[str, str] = {}
        for name in names:
            parts = PurePosixPath(name).parts
            if len(parts) < levels or PurePosixPath(name).suffix.lower() not in SUFFIXES or parts[-1][0] == "." or "__MACOSX" in parts:
                continue
            key = "/".join(parts[-levels:])
            if self._names.setdefault(key, name) != name:
                raise SourceError(f"{path}: {key} is there twice; name the folder in which the people's folders are")
        if not self._names:
            raise SourceError(f"{path}: no picture of the form {form}; name the folder (or zip) in which the people's folders are")

    def people(self) -> dict[str, list[str]]:
        """Person -> "person/picture", both in natural order."""
        people: dict[str, list[str]] = {}
        for key in sorted(self._names, key=natural_key):
            people.setdefault(key.partition("/")[0], []).append(key)
        return people

    def read(self, key: str) -> Pixels:
        """One picture, H x W x 3 uint8 BGR. Raises SourceError."""
        place = f"{self.path}: {key}"
        if key not in self._names:
            raise SourceError(f"{place}: there is no such picture; is this the tree that the list belongs to?")
        try:
            data = self._zip.read(self._names[key]) if self._zip else (self.path / self._names[key]).read_bytes()
        except (OSError, RuntimeError, zipfile.BadZipFile) as error:
            raise SourceError(f"{place}: cannot be read ({error}); copy it again or leave it out") from error
        return decode_image(data, place)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path}: neither a folder nor a zip file that can be read ({error})") from error


def central(faces: Sequence[Face], image: Pixels) -> Face | None:
    """The face that a portrait is of: the best one whose box holds the middle of the picture, else the one nearest to it.

    faces: best first, as the detector gives them.
    """
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    holding = (face for face in faces if (face.box[:2] <= middle).all() and (face.box[2:] >= middle).all())
    nearest = min(faces, key=lambda face: float(np.linalg.norm(face.box.reshape(2, 2).mean(axis=0) - middle)), default=None)
    return next(holding, nearest)


_recorded: ContextVar[list[Answer] | None] = ContextVar("recorded", default=None)


@contextmanager
def recording() -> Iterator[list[Answer]]:
    """Within it, what commands answer is also put into the list given, for whoever runs them in this process."""
    made: list[Answer] = []
    token = _recorded.set(made)
    try:
        yield made
    finally:
        _recorded.reset(token)


def answer(measure: Callable[[], Answer]) -> int:
    """The end of every command: tables for people, the facts as one line of JSON; an expected error is one line and its exit code."""
    try:
        tables, facts = measure()
    except EdgeError as error:
        CONSOLE.print(f"error: {error}", style="red", markup=False, highlight=False)
        return error.exit_code
    tables = list(tables)
    if (listener := _recorded.get()) is not None:
        listener.append((tables, facts))
    for table in tables:
        Console().print(table)
    print(json.dumps(facts))
    return 0


def two_columns(title: str, lines: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values."""
    table = Table(title=title)
    table.add_column("what")
    table.add_column("value", justify="right")
    for line in lines:
        table.add_row(*line)
    return table


def percent(share: float | None) -> str:
    """A share 0..1 for people; a dash for none."""
    return "-" if share is None else f"{100 * share:.2f} %"


def count(text: str) -> int:
    """An argument that counts something: 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number

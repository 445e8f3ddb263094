"""A twin of the part of ``gpiod`` 2 that the door uses. Lines are files in the folder that is the chip, so that they outlive a process.

``17`` holds the level that the line has (0 or 1); ``17.held`` exists, locked, while a request holds it; ``log`` gets one line a change. A
level stays when its process dies: the worst that hardware does. Run as a program it is the relay's guard with this twin's lines.
"""

import enum
import fcntl
import os
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO


class Direction(enum.Enum):
    INPUT = 2
    OUTPUT = 3


class Value(enum.Enum):
    INACTIVE = 0
    ACTIVE = 1

    def __bool__(self) -> bool:
        return self is Value.ACTIVE


class Bias(enum.Enum):
    AS_IS = 1
    DISABLED = 3
    PULL_UP = 4
    PULL_DOWN = 5


class Edge(enum.Enum):
    NONE = 1
    BOTH = 4


line = SimpleNamespace(Direction=Direction, Value=Value, Bias=Bias, Edge=Edge)


@dataclass
class LineSettings:
    direction: Direction = Direction.INPUT
    edge_detection: Edge = Edge.NONE
    bias: Bias = Bias.AS_IS
    active_low: bool = False
    debounce_period: timedelta = timedelta()
    output_value: Value = Value.INACTIVE


def level(chip: Path, name: int | str) -> int:
    return int((chip / str(name)).read_text())


def drive(chip: Path, name: int | str, new: int) -> None:
    """From outside: what a contact does to an input."""
    draft = chip / f".{name}.{os.getpid()}"
    draft.write_text(str(new))
    with (chip / "log").open("a") as log:  # first, so that whoever sees the level finds the change written down
        log.write(f"{time.monotonic()!r} {name} {new}\n")
    draft.rename(chip / str(name))


def changes(chip: Path, name: int | str) -> list[tuple[float, int]]:
    """(monotonic seconds, level) of every change so far."""
    lines = [text.split() for text in (chip / "log").read_text().splitlines()] if (chip / "log").exists() else []
    return [(float(at), int(new)) for at, who, new in lines if who == str(name)]


class Request:
    def __init__(self, chip: Path, config: dict[int | str, LineSettings]) -> None:
        self._chip, self._config = chip, config
        self._locks: list[TextIO] = []
        for name, settings in config.items():
            if not (chip / str(name)).exists():
                raise ValueError(f"line {name} not found")
            lock = (chip / f"{name}.held").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(16, "Device or resource busy") from None
            self._locks.append(lock)
            if settings.direction is Direction.OUTPUT:
                self.set_value(name, settings.output_value)
        self._seen = self._levels()

    def set_value(self, line: int | str, value: Value) -> None:
        drive(self._chip, line, value.value ^ self._config[line].active_low)

    def get_value(self, line: int | str) -> Value:
        return Value(level(self._chip, line) ^ self._config[line].active_low)

    def wait_edge_events(self, timeout: float | None = None) -> bool:
        until = time.monotonic() + (timeout or 0)
        while self._levels() == self._seen:
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        return True

    def read_edge_events(self, max_events: int | None = None) -> list[Any]:
        self._seen = self._levels()
        return []

    def release(self) -> None:
        for lock in self._locks:
            lock.close()

    def _levels(self) -> list[int]:
        return [level(self._chip, name) for name in self._config]


class Chip:
    def __init__(self, path: str) -> None:
        self._path = _present(path)

    def __enter__(self) -> "Chip":
        return self

    def __exit__(self, *_: object) -> None: ...

    def get_info(self) -> SimpleNamespace:
        return SimpleNamespace(name=self._path.name, label="twin", num_lines=2)

    def get_line_info(self, line: int | str) -> SimpleNamespace:
        if not (self._path / str(line)).exists():
            raise ValueError(f"line {line} not found")
        held = self._path / f"{line}.consumer"
        return SimpleNamespace(offset=line, used=held.exists(), consumer=held.read_text() if held.exists() else "")


def request_lines(path: str, config: dict[int | str, LineSettings], consumer: str | None = None) -> Request:
    return Request(_present(path), config)


def _present(path: str) -> Path:
    if not Path(path).is_dir():
        raise FileNotFoundError(2, "No such file or directory")
    return Path(path)


def twin() -> Any:
    """What ``load_gpiod`` gives, but this."""
    return sys.modules[__name__]


def board(folder: Path, *lines: str) -> Path:
    """A chip with these lines, all low."""
    chip = folder / "gpiochip0"
    chip.mkdir()
    for name in lines:
        (chip / name).write_text("0")
    return chip


if __name__ == "__main__":
    from edge.door.guard import main

    sys.exit(main(sys.argv[1:], load=twin))

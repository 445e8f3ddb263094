"""Lines of a GPIO chip through libgpiod v2: the only file that knows the package ``gpiod``."""

import importlib
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

from edge.door.events import OutputError

CONSUMER = "edge-door"
BIASES = {"as-is": "AS_IS", "disabled": "DISABLED", "pull-up": "PULL_UP", "pull-down": "PULL_DOWN"}

Load = Callable[[], Any]


def load_gpiod(importer: Callable[[str], ModuleType] = importlib.import_module) -> Any:
    """The module ``gpiod``, version 2. Raises OutputError that tells how to install it."""
    try:
        found = importer("gpiod")
    except ImportError as error:
        raise OutputError(f"gpiod is missing ({error}); install it: .venv/bin/pip install -e '.[door]'") from error
    if not hasattr(found, "request_lines"):
        raise OutputError("gpiod: this is version 1 of libgpiod's bindings; install version 2: .venv/bin/pip install 'gpiod>=2.1'")
    return found


def line_id(text: str) -> int | str:
    """A line by its offset ("17") or by its name ("GPIO17", "PBB.00")."""
    return int(text) if text.isdecimal() else text


class OutputLine:
    """One line as an output, inactive from the moment it is ours. active_low: the active level is the low one.

    Raises OutputError where the chip or line is not there, is not ours, or is held by another program.
    """

    def __init__(self, chip: str, line: str, *, active_low: bool, load: Load = load_gpiod) -> None:
        self._gpiod = load()
        self._line = line_id(line)
        values = self._gpiod.line
        settings = self._gpiod.LineSettings(direction=values.Direction.OUTPUT, active_low=active_low, output_value=values.Value.INACTIVE)
        self._request = _requested(self._gpiod, chip, {self._line: settings})

    def set(self, active: bool) -> None:
        """Drive the line. Raises OutputError."""
        values = self._gpiod.line.Value
        try:
            self._request.set_value(self._line, values.ACTIVE if active else values.INACTIVE)
        except OSError as error:
            raise OutputError(f"GPIO line {self._line}: cannot be set ({error.strerror}); is the chip still there?") from error

    def release(self) -> None:
        """Make it inactive and let go."""
        try:
            self.set(False)
        finally:
            self._request.release()


class InputLines:
    """Lines as inputs that tell of every change. active_low: True where the low level is the active one. bias: a key of ``BIASES``.

    debounce: seconds that a level must stay. Raises OutputError as above.
    """

    def __init__(self, chip: str, lines: dict[str, bool], *, bias: str, debounce: float, load: Load = load_gpiod) -> None:
        gpiod = load()
        values = gpiod.line
        self._request = _requested(
            gpiod,
            chip,
            {
                line_id(line): gpiod.LineSettings(
                    direction=values.Direction.INPUT,
                    edge_detection=values.Edge.BOTH,
                    bias=getattr(values.Bias, BIASES[bias]),
                    active_low=active_low,
                    debounce_period=timedelta(seconds=debounce),
                )
                for line, active_low in lines.items()
            },
        )

    def wait(self, seconds: float) -> bool:
        """Whether something changed within so many seconds. Raises OutputError."""
        try:
            changed: bool = self._request.wait_edge_events(seconds)
            if changed:
                self._request.read_edge_events()
        except OSError as error:
            raise OutputError(f"GPIO inputs: {error.strerror}; is the chip still there?") from error
        return changed

    def active(self, line: str) -> bool:
        """Whether a line is active at this moment. Raises OutputError."""
        try:
            return bool(self._request.get_value(line_id(line)))
        except OSError as error:
            raise OutputError(f"GPIO line {line}: cannot be read ({error.strerror}); is the chip still there?") from error

    def release(self) -> None:
        self._request.release()


def probe(chip: str, lines: list[str], load: Load = load_gpiod) -> str:
    """Looks without taking anything: the chip's name, and that it has these lines and no other program holds them. Raises OutputError."""
    gpiod = load()
    try:
        with gpiod.Chip(chip) as opened:
            for line in lines:
                info = opened.get_line_info(line_id(line))
                if info.used and info.consumer != CONSUMER:
                    raise ValueError(f"held by '{info.consumer}'")
            return str(opened.get_info().label)
    except (OSError, ValueError) as error:
        raise OutputError(_why(chip, lines, error)) from error


def _requested(gpiod: Any, chip: str, config: dict[int | str, Any]) -> Any:
    try:
        return gpiod.request_lines(chip, config=config, consumer=CONSUMER)
    except (OSError, ValueError) as error:
        raise OutputError(_why(chip, [str(line) for line in config], error)) from error


def _why(chip: str, lines: list[str], error: Exception) -> str:
    said = getattr(error, "strerror", None) or str(error)
    way_out = "`gpioinfo` lists chips and lines; the user needs the right to the chip, and no other program may hold the line"
    return f"GPIO {chip}, line {', '.join(lines)}: {said}; {way_out}"

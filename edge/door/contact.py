"""The door contact and the exit button: is the door held open, was it forced, does somebody inside want to leave?"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge.door.events import Leaf, OutputError
from edge.door.gpio import InputLines, Load, load_gpiod
from edge.door.lane import Tell

LOOK = 0.25  # seconds between looks at the lines where nothing changes
AGAIN = 2.0  # seconds until lines that failed are tried again


@dataclass(frozen=True)
class Wiring:
    """Which lines. door, exit_button: a line, or empty for none. *_low: low when the door is open, when the button is pressed."""

    chip: str
    door: str
    door_low: bool
    exit_button: str
    exit_low: bool
    bias: str
    debounce: float

    def __post_init__(self) -> None:
        if not (self.door or self.exit_button) or self.door == self.exit_button:
            raise OutputError("contact.door and contact.exit_button: name at least one line, and not the same twice")

    @property
    def lines(self) -> dict[str, bool]:
        """Line -> whether its low level is the active one."""
        return {line: low for line, low in ((self.door, self.door_low), (self.exit_button, self.exit_low)) if line}


class LeafWatch:
    """What the leaf's position means. Pure; times are monotonic seconds.

    grace: seconds after an unlock within which opening is allowed. held: seconds open from which it is held open.
    """

    def __init__(self, grace: float, held: float) -> None:
        self._grace, self._held = grace, held
        self._allowed_until: float | None = None
        self._opened: float | None = None
        self._forced = False

    def unlocked(self, now: float) -> None:
        """The door was unlocked, from outside or inside."""
        self._allowed_until = now + self._grace

    def look(self, is_open: bool, now: float) -> Leaf:
        """The leaf is open or closed at this moment."""
        if not is_open:
            self._opened, self._forced = None, False
            return Leaf.CLOSED
        if self._opened is None:
            self._opened = now
            self._forced = self._allowed_until is None or now > self._allowed_until
        if self._forced:
            return Leaf.FORCED
        return Leaf.HELD_OPEN if now - self._opened >= self._held else Leaf.OPEN


class Button:
    """One press is one opening, however long it is held; a button that is held when the door starts is none."""

    def __init__(self) -> None:
        self._was = True

    def look(self, pressed: bool) -> bool:
        """Whether it was pressed just now."""
        new = pressed and not self._was
        self._was = pressed
        return new


class Contact:
    """Watches the lines in a thread of its own.

    on_leaf: hears what the leaf is like, on every look. on_exit: hears every press. tell: hears what is wrong, once.
    """

    def __init__(
        self,
        wiring: Wiring,
        watch: LeafWatch,
        on_leaf: Callable[[Leaf], None],
        on_exit: Callable[[], None],
        tell: Tell,
        load: Load = load_gpiod,
    ) -> None:
        self._wiring, self._watch, self._load = wiring, watch, load
        self._on_leaf, self._on_exit, self._tell = on_leaf, on_exit, tell
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="door contact", daemon=True)
        self._thread.start()

    def unlocked(self) -> None:
        """The door is being unlocked: opening it is no force."""
        with self._lock:
            self._watch.unlocked(time.monotonic())

    def close(self) -> None:
        self._closing.set()
        self._thread.join(4 * LOOK)

    def _work(self) -> None:
        told = ""
        while not self._closing.is_set():
            try:
                self._follow()
            except OutputError as error:
                if str(error) != told:
                    self._tell(f"contact: {error}")
                told = str(error)
                self._on_leaf(Leaf.NOT_WATCHED)
                self._closing.wait(AGAIN)

    def _follow(self) -> None:
        """Looks at the lines until closed. Raises OutputError."""
        lines = InputLines(self._wiring.chip, self._wiring.lines, bias=self._wiring.bias, debounce=self._wiring.debounce, load=self._load)
        button = Button()
        try:
            while not self._closing.is_set():
                self._look(lines, button)
                lines.wait(LOOK)
        finally:
            lines.release()

    def _look(self, lines: InputLines, button: Button) -> None:
        if self._wiring.exit_button and button.look(lines.active(self._wiring.exit_button)):
            self._on_exit()
        if self._wiring.door:
            is_open = lines.active(self._wiring.door)
            with self._lock:
                leaf = self._watch.look(is_open, time.monotonic())
            self._on_leaf(leaf)

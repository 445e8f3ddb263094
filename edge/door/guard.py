"""The relay's guard: a process of its own that alone holds the line, and lets go of it whatever becomes of the door.

    python -m edge.door.guard CHIP LINE MAX_ON [--active-low]     driven through stdin by edge.door.relay
    python -m edge.door.guard CHIP LINE 0 --safe [--active-low]   makes the line inactive once and ends: for ExecStopPost of a service

It reads ``on DEADLINE SECONDS`` (DEADLINE by CLOCK_MONOTONIC, which all processes of a machine share) and ``off``. It answers ``ready``,
``on``, ``more``, ``off`` and ``late``. The line is active for SECONDS, and never longer than MAX_ON without a break, however many commands
come. When stdin ends, because the door ended or was killed, the line is inactive at once.
"""

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence

from edge.door.events import OutputError
from edge.door.gpio import Load, OutputLine, load_gpiod

LONGEST = 256  # bytes of a command


class Pulses:
    """When the line is to be active. Pure: the caller brings the time, in monotonic seconds."""

    def __init__(self, max_on: float) -> None:
        self._max_on = max_on
        self._since = self._until = 0.0
        self.active = False

    def command(self, words: Sequence[str], now: float) -> str:
        """What one command comes to: on, more (a longer pulse), off, late, or nothing for a command that is none."""
        if words == ["off"]:
            return self._off()
        if len(words) != 3 or words[0] != "on":
            return ""
        try:
            deadline, seconds = float(words[1]), float(words[2])
        except ValueError:
            return ""
        if not now <= deadline or not seconds > 0:
            return "late"
        fresh = not self.active
        self._since = now if fresh else self._since
        self._until = min(max(now + seconds, self._until if not fresh else 0.0), self._since + self._max_on)
        self.active = True
        return "on" if fresh else "more"

    def tick(self, now: float) -> str:
        """``off`` when the time is over."""
        return self._off() if self.active and now >= self._until else ""

    def patience(self, now: float) -> float | None:
        """Seconds until the next ``tick``; None while the line is inactive."""
        return max(self._until - now, 0.0) if self.active else None

    def _off(self) -> str:
        was, self.active = self.active, False
        return "off" if was else ""


def serve(line: OutputLine, pulses: Pulses, source: int, answer: Callable[[str], None]) -> None:
    """Drive the line by what comes from the descriptor ``source``, until it ends. The line is inactive and released afterwards."""
    waiting = b""
    try:
        answer("ready")
        while True:
            readable, _, _ = select.select([source], [], [], pulses.patience(time.monotonic()))
            _act(line, pulses.tick(time.monotonic()), answer)
            if not readable:
                continue
            read = os.read(source, 4096)
            if not read:
                return
            *commands, waiting = (waiting + read).split(b"\n")
            waiting = waiting[:LONGEST]
            for command in commands:
                _act(line, pulses.command(command.decode("ascii", "replace").split(), time.monotonic()), answer)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        line.release()


def _act(line: OutputLine, what: str, answer: Callable[[str], None]) -> None:
    if what in ("on", "off"):
        line.set(what == "on")
    if what:
        answer(what)


def _answer(text: str) -> None:
    try:
        os.write(sys.stdout.fileno(), text.encode() + b"\n")
    except OSError:
        return  # nobody listens any more: stdin ends too


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


def main(words: Sequence[str], load: Load = load_gpiod) -> int:
    """Exit status 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(prog="edge.door.guard")
    parser.add_argument("chip")
    parser.add_argument("line")
    parser.add_argument("max_on", type=float)
    parser.add_argument("--active-low", action="store_true")
    parser.add_argument("--safe", action="store_true")
    given = parser.parse_args(words)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the door's affair: it closes stdin
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    try:
        line = OutputLine(given.chip, given.line, active_low=given.active_low, load=load)
        if given.safe:
            line.release()
        else:
            serve(line, Pulses(given.max_on), sys.stdin.fileno(), _answer)
    except OutputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The relay of the door's strike: a pulse for every unlock, given by a guard process that outlives the door by no open moment."""

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.door.events import Alarm, Denied, OutputError, State, Unlock
from edge.door.lane import Tell

LATE_OFF = 1.0  # seconds after the maximum on-time until a guard that has not said "off" is killed
AGAIN = 2.0  # seconds until a guard that ended again and again is started again; the first time it is at once
ANSWER = 1.0  # seconds that a guard has to answer
CLOSING = 1.0  # seconds that a guard has to end


@dataclass(frozen=True)
class Strike:
    """Which line and how long. pulse: seconds of an unlock. max_on: most seconds without a break. Raises ValueError where impossible."""

    chip: str
    line: str
    active_low: bool
    pulse: float
    max_on: float

    def __post_init__(self) -> None:
        if not 0 < self.pulse <= self.max_on:
            raise ValueError(f"relay: pulse = {self.pulse} s and max_on = {self.max_on} s; expected 0 < pulse <= max_on")


def guard_command(strike: Strike, module: str = "edge.door.guard") -> list[str]:
    """The guard's command line."""
    words = [sys.executable, "-m", module, strike.chip, strike.line, str(strike.max_on)]
    return [*words, "--active-low"] if strike.active_low else words


class Relay:
    """An output. Keeps one guard running; one that dies, fails or does not let go in time is replaced, and the new one begins inactive."""

    name = "relay"

    def __init__(self, strike: Strike, tell: Tell, command: Sequence[str] | None = None) -> None:
        self._strike, self._tell = strike, tell
        self._command = list(command or guard_command(strike))
        self._guard: subprocess.Popen[bytes] | None = None
        self._pipe = threading.Lock()  # nobody writes into a pipe that is being closed
        self._closing, self._answered = threading.Event(), threading.Event()
        self._answer = b""
        self.ready = threading.Event()  # the guard holds the line
        self._thread = threading.Thread(target=self._keep, name="relay guard", daemon=True)
        self._thread.start()

    def unlock(self, event: Unlock) -> None:
        """See ``Output``. Raises OutputError where the line did not become active."""
        self._answered.clear()
        guard = self._write(f"on {event.deadline!r} {self._strike.pulse!r}\n")
        if not self._answered.wait(ANSWER):
            guard.kill()
            raise OutputError("the guard of the line does not answer and is replaced; the door may not have opened")
        if self._answer == b"late":
            raise OutputError("the unlock came too late and was dropped")

    def denied(self, event: Denied) -> None:
        """Nothing: the line is inactive."""

    def alarm(self, event: Alarm) -> None:
        """Nothing: at the door nobody is told."""

    def state(self, event: State) -> None:
        """Nothing."""

    def close(self) -> None:
        """The line is inactive and released when this returns; a guard that does not end is killed and another one makes the line safe."""
        self._closing.set()
        guard = self._guard
        if guard is not None:
            self._close_pipe(guard)
        self._thread.join(CLOSING)
        if self._thread.is_alive() and guard is not None:
            guard.kill()
            self._thread.join(2 * CLOSING)

    def _write(self, command: str) -> "subprocess.Popen[bytes]":
        """The guard that was told."""
        with self._pipe:
            guard = self._guard
            if guard is None or guard.stdin is None or guard.stdin.closed or not self.ready.is_set():
                raise OutputError("no guard holds the line, so that the door does not open")
            try:
                os.write(guard.stdin.fileno(), command.encode())
            except OSError as error:
                raise OutputError("the guard of the line has gone, so that the door does not open") from error
            return guard

    def _close_pipe(self, guard: "subprocess.Popen[bytes]") -> None:
        with self._pipe:
            if guard.stdin is not None:
                guard.stdin.close()

    def _keep(self) -> None:
        """Runs a guard, and another one when it has ended, until closed."""
        told, brief, pause = "", 0, 0.0
        while not self._closing.wait(pause):
            begun = time.monotonic()
            said, ended = self._run()
            if self._closing.is_set():
                if ended != 0:
                    self._make_safe()
                return
            if said != told:
                self._tell(f"relay: {said}; a new one is started, until then the door does not open")
            lasted = time.monotonic() - begun > AGAIN
            told, brief = ("", 0) if lasted else (said, brief + 1)
            pause = AGAIN if brief > 1 else 0.0  # the first time at once: the line may be active

    def _run(self) -> tuple[str, int]:
        """One guard from start to end: what it had to complain of, and its exit status."""
        try:
            # a session of its own: signals for the door's terminal are not for the guard, who must end after it
            guard = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                **_surroundings(),
            )
        except OSError as error:
            return f"the guard of the line does not start: {error.strerror}", 1
        assert guard.stdout is not None
        assert guard.stderr is not None
        self._guard = guard
        if self._closing.is_set():
            self._close_pipe(guard)
        try:
            why = self._listen(guard)
            self._close_pipe(guard)
            ended = _end(guard)
            complaint = guard.stderr.read(4096).decode("utf-8", "replace").strip().splitlines()
            return why or (complaint[-1] if complaint else f"the guard of the line ended (status {ended})"), ended
        finally:
            self.ready.clear()
            self._guard = None
            guard.stdout.close()
            guard.stderr.close()

    def _listen(self, guard: "subprocess.Popen[bytes]") -> str:
        """Follows what the guard says until it ends; a reason for which it was killed, or empty."""
        assert guard.stdout is not None
        source, off_by = guard.stdout.fileno(), None
        while True:
            patience = None if off_by is None else max(off_by - time.monotonic(), 0.0)
            readable, _, _ = select.select([source], [], [], patience)
            if not readable:
                guard.kill()
                return "the guard did not let go of the line in time and was killed"
            said = os.read(source, 4096).split()
            if not said:
                return ""
            for word in said:
                if word == b"ready":
                    self.ready.set()
                elif word in (b"on", b"more", b"late"):
                    self._answer = word
                    self._answered.set()
                if word in (b"on", b"off"):
                    off_by = time.monotonic() + self._strike.max_on + LATE_OFF if word == b"on" else None

    def _make_safe(self) -> None:
        """The last guard ended badly: another one makes the line inactive."""
        try:
            subprocess.run(
                [*self._command, "--safe"], stdin=subprocess.DEVNULL, capture_output=True, timeout=CLOSING, check=True, **_surroundings()
            )
        except (OSError, subprocess.SubprocessError):
            self._tell("relay: the line may still be active; take the power from the strike")


def _surroundings() -> dict[str, Any]:
    """The guard runs this very package, whatever folder the door was started in and whatever lies there."""
    return {"cwd": "/", "env": {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}}


def _end(guard: "subprocess.Popen[bytes]") -> int:
    """Wait for its end a moment, else kill it; its exit status."""
    try:
        return guard.wait(CLOSING)
    except subprocess.TimeoutExpired:
        guard.kill()
        return guard.wait()

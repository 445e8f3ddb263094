"""How the program begins and ends towards its caller: Ctrl-C is quiet from the first moment, and its three streams are there."""

import errno
import os
import signal
import sys
from typing import TextIO, cast

from edge.errors import EdgeError

INTERRUPTED = 130  # as a shell says it: 128 + SIGINT
NOBODY_READS = 141  # 128 + SIGPIPE


class StdoutError(EdgeError):
    """Standard output cannot be written. gone: whoever read it has left, as `head` does."""

    exit_code = 15

    def __init__(self, error: OSError) -> None:
        super().__init__(f"stdout: {error.strerror}: what was to be said is lost; lead it to a place with room, or look again")
        self.gone = error.errno == errno.EPIPE


class Stream:
    """A standard stream. must: an error at writing is a StdoutError; else it is passed over, for stderr is where errors are told."""

    def __init__(self, stream: TextIO, *, must: bool) -> None:
        self._stream, self._must = stream, must

    def write(self, text: str) -> int:
        """See ``io.TextIOBase``. Raises StdoutError."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._failed(error)
            return len(text)

    def flush(self) -> None:
        """See ``io.TextIOBase``. Raises StdoutError."""
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        if self._must:
            raise StdoutError(error) from error

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def hush() -> None:
    """First of all: while the rest is loaded, Ctrl-C ends the program without a word; streams that were closed lead nowhere.

    Else the next file opened would take a closed stream's number, and what is printed would end up in it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def begin() -> None:
    """Everything is loaded: Ctrl-C is an exception again, and what cannot be said is an error."""
    hush()
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout, sys.stderr = (cast(TextIO, Stream(stream, must=stream is sys.stdout)) for stream in (sys.stdout, sys.stderr))


def give_up(error: StdoutError) -> int:
    """The exit code where stdout cannot be written; what is still unsaid goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return NOBODY_READS if error.gone else error.exit_code


def _end(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


def main() -> None:
    """Entry point of the ``edge`` command."""
    hush()
    from edge.__main__ import main as run

    run()

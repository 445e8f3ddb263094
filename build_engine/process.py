"""What touches TensorRT or the GPU runs in processes of its own: one that crashes, hangs or eats the memory takes nothing with it.

``python -m build_engine.process TASK.json`` does one task; ``Workshop`` starts it and watches. What a task says goes over a pipe as JSON
lines, because TensorRT writes to stdout and stderr as it likes: these two go to the log file.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from build_engine.errors import BuildError
from edge.errors import NetworkError

Facts = dict[str, Any]
Listener = Callable[[Facts], None]
PARENT_DIED = 1  # PR_SET_PDEATHSIG
LOG_LINES = 3
BEAT = 10.0  # seconds of silence after which the listener hears that the task goes on


@dataclass(frozen=True)
class Workshop:
    """Starts tasks. command: what is run, followed by the task's file and the pipe's number. log: file that takes all they print.
    beat: see ``BEAT``."""

    log: Path
    command: Sequence[str] = (sys.executable, "-m", "build_engine.process")
    beat: float = BEAT

    def do(self, task: Facts, folder: Path, seconds: float, listen: Listener = lambda facts: None) -> Facts:
        """What the task ``{"do": name, ...}`` results in. folder: where its description is put. listen: hears what the task says, and
        ``{"waited": seconds}`` where it has said nothing for a while (TensorRT 8.6 tells no progress).

        Raises BuildError when it fails, crashes (with the signal's name), or takes longer than ``seconds``; then it has been killed.
        """
        path = folder / f"{task['do']}.json"
        path.write_text(json.dumps(task), encoding="utf-8")
        reading, writing = os.pipe()
        with self.log.open("ab") as log, os.fdopen(reading, "rb", 0) as pipe:
            try:
                process = subprocess.Popen(
                    [*self.command, str(path), str(writing)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[writing]
                )
            finally:
                os.close(writing)
            try:
                said = _listen(pipe, seconds, listen, self.beat)
                process.wait(timeout=5)
            except (TimeoutError, subprocess.TimeoutExpired):
                late = f"{task['do']}: took longer than {seconds:g} s and was stopped"
                raise BuildError(f"{late}; raise network.build_timeout, and look into {self.log}") from None
            finally:
                process.kill()
                process.wait()
        return self._result(str(task["do"]), process.returncode, said)

    def _result(self, name: str, code: int, said: Facts) -> Facts:
        if "error" in said:
            raise BuildError(str(said["error"]))
        if "result" not in said:
            end = f"crashed with {signal.Signals(-code).name}" if code < 0 else f"ended with code {code} and no result"
            raise BuildError(f"{name}: {end}; last words: {self._last_words()}; all of them in {self.log}")
        result: Facts = said["result"]
        return result

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-LOG_LINES:]
        return " / ".join(line.strip()[:200] for line in lines) or "none"


def _listen(pipe: BinaryIO, seconds: float, listen: Listener, beat: float) -> Facts:
    """Everything said until the other side closes the pipe; results and errors are returned, the rest is passed on as it comes."""
    said: Facts = {}
    rest, began = b"", time.monotonic()
    while True:
        left = began + seconds - time.monotonic()
        if not select.select([pipe], [], [], max(0.0, min(left, beat)))[0]:
            if left <= beat:
                raise TimeoutError
            listen({"waited": round(time.monotonic() - began, 1)})
            continue
        piece = pipe.read(1 << 16)
        if not piece:
            return said
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            facts = json.loads(line)
            if {"result", "error"} & facts.keys():
                said.update(facts)
            else:
                listen(facts)


def serve(tasks: dict[str, Callable[[Facts, Listener], Facts]], arguments: Sequence[str]) -> int:
    """The other side: do the task of the file and say what came of it. Returns the exit code."""
    ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
    task = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    with os.fdopen(int(arguments[1]), "w", encoding="utf-8") as pipe:

        def say(facts: Facts) -> None:
            pipe.write(json.dumps(facts) + "\n")
            pipe.flush()

        try:
            say({"result": tasks[task["do"]](task, say)})
        except NetworkError as error:
            say({"error": str(error)})
            return NetworkError.exit_code
    return 0


if __name__ == "__main__":
    from build_engine.tasks import tasks
    from edge.inference.tensorrt import find_modules

    sys.exit(serve(tasks(find_modules), sys.argv[1:]))

"""What an attached screen costs the door's decisions: latency with a screen, with one that hangs, and without any.

    python -m evaluation.screen [--rounds N] [--frames N]

The whole loop runs on the demonstration stream at the world's pace, the person enrolled. A decision's latency is the time from the first
frame in which the person is seen until the last watcher was told of the outcome; a frame's, from its capture until the last watcher was
told of it, for the frames that lead to a decision. Rounds of the three settings alternate, and frames of the same number are the same
picture, so that other work on the machine meets all of them alike. The screen is a process of its own with real QML, drawn off screen;
the one that hangs connects and never reads. The last line is JSON.
"""

import argparse
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from edge.assembly import kiosk
from edge.assembly.appliance import Appliance
from edge.assembly.report import Report
from edge.camera.demo import DemoSource, LiveDemoSource, Visit
from edge.records import Frame, Outcome, Sighting
from edge.settings import Settings, load_settings
from edge.watch import Watcher

PERSON = "Eileen Collins"
VISITS = (Visit((PERSON,), 7, hardship=0.1), Visit((), 12))  # the pause is longer than a track's patience
SETTINGS = ("none", "attached", "hangs")
TARGET = 1.05
READY = 20.0  # seconds for a screen to start


class Stopwatch:
    """The last watcher: seconds of frames that lead to a decision, and of decisions."""

    def __init__(self) -> None:
        self.frames: list[float] = []
        self.decisions: list[float] = []
        self._begun: dict[int, float] = {}

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``."""
        for sighting in sightings:
            self._begun.setdefault(sighting.track, frame.captured)
        if any(not sighting.decided for sighting in sightings):
            self.frames.append(time.monotonic() - frame.captured)

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """See ``edge.watch.Watcher``."""
        if outcome.subject is not None:
            self.frames.append(time.monotonic() - outcome.captured)
            self.decisions.append(time.monotonic() - self._begun[outcome.track])

    def close(self) -> None:
        """See ``edge.watch.Watcher``."""


@contextmanager
def attached(settings: Settings) -> Iterator[None]:
    """A screen's process beside the door, drawing off screen."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "EDGE_SCREEN_SOCKET": str(settings.screen.socket)}
    process = subprocess.Popen([sys.executable, "-m", "edge", "screen", "--windowed", "1024x600"], env=environment)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def hanging(settings: Settings) -> Iterator[None]:
    """A connection that never reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(os.fspath(settings.screen.socket))
        yield


def enrol(settings: Settings) -> None:
    """The person of the stream, in the gallery of these settings."""
    door = Appliance(settings, quiet())
    with door.gallery(create=True, throwaway=True) as gallery, DemoSource([Visit((PERSON,), 24)], seed=7) as stream:
        door.enrol(gallery, PERSON, door.capture_from(stream.frames()))


def quiet() -> Report:
    """A report that shows nothing."""
    report = Report(as_json=False, quiet=True)
    report.out = report.err = Console(file=io.StringIO())
    return report


def one_round(settings: Settings, setting: str, frames: int) -> Stopwatch:
    """So many frames of the stream with that setting."""
    watch = Stopwatch()
    screen = settings.screen.model_copy(update={"enabled": setting != "none"})
    door = Appliance(settings.model_copy(update={"screen": screen}), quiet())
    with ExitStack() as stack:
        gallery = stack.enter_context(door.gallery(create=True, throwaway=True))
        watchers: list[Watcher] = [*stack.enter_context(kiosk.screen(door)), watch]
        if setting != "none":
            stack.enter_context((attached if setting == "attached" else hanging)(door.settings))
        with LiveDemoSource(VISITS) as stream:
            if setting == "attached":
                time.sleep(READY / 5)  # its start is no part of what is measured
            door.watch(gallery, stream, frames, watchers)
    return watch


def main(arguments: Sequence[str] = ()) -> int:
    """Measure and show; 0 if the ratios of decisions meet the target, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.screen", description="what an attached screen costs the door's decisions")
    parser.add_argument("--rounds", type=int, default=6, help="of each setting")
    parser.add_argument("--frames", type=int, default=190, help="of each round, ten a second")
    asked = parser.parse_args(arguments)
    told: dict[str, list[Stopwatch]] = {name: [] for name in SETTINGS}
    with tempfile.TemporaryDirectory(prefix="edge-screen-") as folder:
        place = {"gallery.path": "gallery.db", "keys.file": "root.key", "screen.socket": "s", "screen.pin": "pin"}
        settings = load_settings(environment={}, flags={name: Path(folder) / file for name, file in place.items()})
        enrol(settings)
        for _ in range(asked.rounds):
            for name in SETTINGS:
                told[name].append(one_round(settings, name, asked.frames))
    return show(told)


def show(told: dict[str, list[Stopwatch]]) -> int:
    """The table and its JSON; the exit code."""
    frames = {name: 1000 * np.concatenate([watch.frames for watch in watches]) for name, watches in told.items()}
    decisions = {name: 1000 * np.concatenate([watch.decisions for watch in watches]) for name, watches in told.items()}
    facts = {
        name: {
            "decisions": len(decisions[name]),
            "decision_ms": round(float(np.median(decisions[name])), 1),
            "decision_ratio": round(float(np.median(decisions[name]) / np.median(decisions["none"])), 3),
            "frames": len(frames[name]),
            "frame_ms": round(float(np.median(frames[name])), 2),
            "frame_p95_ms": round(float(np.percentile(frames[name], 95)), 2),
            "frame_ratio": round(float(np.median(frames[name]) / np.median(frames["none"])), 3),
        }
        for name in told
    }
    table = Table("screen", *(column.replace("_", " ") for column in facts["none"]), title="milliseconds, medians")
    for name, row in facts.items():
        table.add_row(name, *(str(value) for value in row.values()))
    Console().print(table)
    met = all(row["decision_ratio"] <= TARGET for row in facts.values())
    print(json.dumps({"screens": facts, "target": TARGET, "met": met}))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

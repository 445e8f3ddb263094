"""The door's process with a camera's twin in front of it, or with somebody who counts: ``python -m evaluation.faults.twin_door FOLDER``.

FOLDER holds the pictures of a film, and the file ``camera`` with one word that says what the camera does: plays, gone (cannot be opened,
reads fail), frozen (one and the same picture), silent (none comes), slow (one in two seconds) or black. With ``--count`` the film is played
once, as fast as it goes, as a recording. All else is what ``edge run`` does; at its end a JSON line says how many faces were followed at
most in one frame.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.assembly import attend
from edge.assembly.appliance import Appliance
from edge.assembly.report import reporter
from edge.camera import Patience, read_image
from edge.camera.folder import natural_key
from edge.camera.live import LiveReader
from edge.camera.source import Source
from edge.errors import EdgeError, SourceError
from edge.records import Frame, Outcome, Pixels, Sighting
from edge.settings import load_settings

RATE, SLOW = 10.0, 2.0  # pictures a second; seconds between those of a slow camera
WORDS = ("plays", "gone", "frozen", "silent", "slow", "black")


class TwinCamera:
    """A ``Grabber`` that does what the file says."""

    name = "twin camera"

    def __init__(self, folder: Path) -> None:
        self._word = folder / "camera"
        paths = sorted((folder / "film").iterdir(), key=lambda path: natural_key(path.name))
        self._film = [read_image(path) for path in paths]
        self._next, self._due = 0, 0.0

    def open(self) -> None:
        """See ``edge.camera.live.Grabber``."""
        if self._says() == "gone":
            raise SourceError("twin camera: is not there")

    def read(self, timeout: float) -> Pixels | None:
        """See ``edge.camera.live.Grabber``."""
        says = self._says()
        if says == "gone":
            raise SourceError("twin camera: was unplugged")
        if says == "silent" or (says == "slow" and time.monotonic() < self._due):
            time.sleep(timeout)
            return None
        time.sleep(1 / RATE)
        self._due = time.monotonic() + SLOW
        self._next += says != "frozen"
        picture = self._film[self._next % len(self._film)]
        return np.zeros_like(picture) if says == "black" else picture.copy()

    def close(self) -> None:
        """See ``edge.camera.live.Grabber``."""

    def _says(self) -> str:
        return self._word.read_text().strip()


class Census:
    """A watcher: the most faces that were followed in one frame, and the seconds between frames."""

    def __init__(self) -> None:
        self.most, self.times = 0, [time.monotonic()]

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``."""
        self.most = max(self.most, len(sightings))
        self.times.append(time.monotonic())

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """See ``edge.watch.Watcher``."""

    def close(self) -> None:
        """See ``edge.watch.Watcher``."""

    def facts(self) -> dict[str, object]:
        """For JSON."""
        between = 1000 * np.diff(self.times)
        return {
            "followed_at_most": self.most,
            "frames": len(between),
            "frame_ms_median": round(float(np.median(between)), 1) if len(between) else None,
            "frame_ms_p95": round(float(np.percentile(between, 95)), 1) if len(between) else None,
        }


class TwinDoor(Appliance):
    """The appliance before the twin of a camera. folder: None for the source of the settings."""

    folder: Path | None = None

    def source(self) -> Source:
        """See ``Appliance.source``."""
        if self.folder is None:
            return super().source()
        camera = self.settings.camera
        patience = Patience(silent=camera.silent, frozen=camera.frozen, dark=camera.dark, vanished=camera.vanished)
        return LiveReader(TwinCamera(self.folder), patience=patience, on_problem=self.report.warn)


def run(job: TwinDoor) -> None:
    """What ``edge run`` does, and the census."""
    census = Census()
    with job.source() as stream, job.gallery(create=True) as gallery:
        tally = job.watch(gallery, stream, None, [*attend.watchers(job, gallery, [], live=stream.live), census])
    job.report.result({"census": census.facts()})
    job.report.summary(tally, job.stages.medians())


def main(words: Sequence[str]) -> int:
    """The exit code, as ``edge run`` has it."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.faults.twin_door")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--config", type=Path)
    asked = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = reporter(as_json=True, quiet=True)
    try:
        job = TwinDoor(load_settings(asked.config, flags={"camera.source": str(asked.folder)} if asked.count else {}), report)
        job.folder = None if asked.count else asked.folder
        run(job)
    except EdgeError as error:
        print(json.dumps({"error": str(error)}), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

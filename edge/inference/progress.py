"""How far the build of a plan is, for whoever waits: a small file beside the plans, believed only while its builder holds the lock."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from edge.inference.manifest import Strict

PROGRESS = "progress.json"
MOST_BYTES = 2_000  # what is longer was not written here
FORGETS = 900.0  # seconds without a word after which nobody says how long it still takes
Positive = Annotated[int, Field(ge=1, le=99)]
Seconds = Annotated[float, Field(ge=0)]


class Progress(Strict):
    """Candidate ``number`` of ``of`` is being built, for network ``part`` of ``parts``.

    began, told: monotonic seconds of this machine (CLOCK_MONOTONIC, the same in every process). left: seconds of this network's build as
    they appeared when told; None: not known yet.
    """

    candidate: Annotated[str, Field(max_length=64)]
    number: Positive
    of: Positive
    part: Positive = 1
    parts: Positive = 1
    began: Seconds
    told: Seconds
    left: Seconds | None = None

    def left_at(self, now: float) -> float | None:
        """Seconds left at that moment; None where nothing is known, the time told has run out, or nothing was told for long."""
        if self.left is None or not 0 <= now - self.told <= FORGETS:
            return None
        left = self.left - (now - self.told)
        return left if left > 0 else None


def write_progress(folder: Path, staging: Path, progress: Progress) -> None:
    """Put it beside the plans of ``folder`` in one step; ``staging`` is on the same file system. A full disk must not end a build."""
    fresh = staging / PROGRESS
    try:
        fresh.write_text(progress.model_dump_json() + "\n", encoding="utf-8")
        fresh.rename(folder / PROGRESS)
    except OSError:
        return


def read_progress(folder: Path) -> Progress | None:
    """What was written last, None where nothing sound was."""
    try:
        with (folder / PROGRESS).open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
        found: object = json.loads(raw) if len(raw) <= MOST_BYTES else None
        return Progress.model_validate(found) if isinstance(found, Mapping) else None
    except (OSError, ValueError, ValidationError, RecursionError):
        return None

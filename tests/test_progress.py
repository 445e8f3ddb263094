"""How long a plan's build still takes: the forecast as a table, the file beside the plans, and a real build with the twin of TensorRT."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from build_engine.forecast import Forecast
from edge.inference import PlanStore
from edge.inference.progress import FORGETS, MOST_BYTES, PROGRESS, Progress, read_progress, write_progress
from tests.test_build_job import ROOT, Site

TOLD = Progress(candidate="int8", number=2, of=3, began=10.0, told=100.0, left=60.0)
LAST = {"fp16": 100.0, "int8": 200.0}


class Course:
    """A build by the hour: what is told at each moment."""

    def __init__(self, before: dict[str, float]) -> None:
        self.now, self.told = 0.0, list[Progress]()
        self.forecast = Forecast(("fp16", "int8"), before, self.told.append, clock=lambda: self.now)

    def plays(self, *steps: str | float) -> float | None:
        for step in steps:
            if isinstance(step, float):
                self.now += step
            elif step in ("built", "failed"):
                self.forecast.ends(built=step == "built")
            elif step.startswith("left "):
                self.forecast.says({"left": step.removeprefix("left ")})
            else:
                self.forecast.begins(step)
        return self.forecast.left()


@pytest.mark.parametrize(
    ("before", "steps", "left"),
    [
        (LAST, ("fp16",), 300.0),  # as last time
        (LAST, ("fp16", 40.0), 260.0),
        (LAST, ("fp16", 101.0), None),  # longer than last time: nobody knows
        (LAST, ("fp16", 101.0, "built", "int8", 50.0), 150.0),
        ({}, ("fp16",), None),  # the first build on this board: nobody knows yet
        ({}, ("fp16", 10.0, "left 30"), 30.0 + 40.0),  # its own steps speak, and the next is taken for as long
        ({}, ("fp16", 50.0, "built", "int8"), 50.0),
        ({}, ("fp16", 50.0, "built", "int8", 20.0), 30.0),
        ({}, ("fp16", 0.1, "failed", "int8"), None),  # how fast one fails says nothing of the next
        ({"fp16": 100.0}, ("fp16", 90.0), 10.0 + 100.0),  # one that was never built here is taken for as long as the longest
    ],
)
def test_what_is_left_follows_from_the_last_build_or_from_this_one(
    before: dict[str, float], steps: tuple[str | float, ...], left: float | None
) -> None:
    assert Course(before).plays(*steps) == left


def test_a_candidate_s_steps_are_written_at_most_every_two_seconds() -> None:
    course = Course({})
    course.plays("fp16", *[one for _ in range(100) for one in (0.1, "left 30")])
    assert 4 <= len(course.told) <= 6
    assert [(one.candidate, one.number, one.of) for one in course.told[-1:]] == [("fp16", 1, 2)]


@pytest.mark.parametrize(("now", "left"), [(100.0, 60.0), (130.0, 30.0), (160.0, None), (99.0, None), (100.0 + FORGETS + 1, None)])
def test_the_time_left_runs_down_and_is_not_told_once_it_has_run_out(now: float, left: float | None) -> None:
    assert TOLD.left_at(now) == left


def test_what_a_killed_builder_left_is_not_believed_and_the_next_build_removes_it(tmp_path: Path) -> None:
    store = PlanStore(tmp_path, "tiny")
    with store.building() as staging:
        write_progress(store.folder, staging, TOLD)
        assert store.progress() == TOLD
        kept = (store.folder / PROGRESS).read_bytes()
    assert not (store.folder / PROGRESS).exists()
    (store.folder / PROGRESS).write_bytes(kept)
    assert store.progress() is None, "nobody holds the lock"
    with store.building():
        assert store.progress() is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"candidate": "x"}', b"[" * 1_900, b"\xff", b'{"left": -1}', b" " * 9_000])
def test_a_file_that_says_nothing_sound_says_nothing(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / PROGRESS).write_bytes(raw)
    assert read_progress(tmp_path) is None


def test_a_file_longer_than_was_ever_written_says_nothing_however_sound_it_begins(tmp_path: Path) -> None:
    write_progress(tmp_path, tmp_path, TOLD)
    sound = (tmp_path / PROGRESS).read_bytes()
    for size, said in ((MOST_BYTES, TOLD), (MOST_BYTES + 1, None)):
        (tmp_path / PROGRESS).write_bytes(sound.ljust(size))
        assert read_progress(tmp_path) == said


def test_a_real_build_says_how_far_it_is_until_it_is_killed(tmp_path: Path) -> None:
    """The builder is the product's own, with the twin of TensorRT; ``edge engine`` gives it these words."""
    site, store = Site(tmp_path), PlanStore(tmp_path / "plans", "tiny")
    site.says(step=1.0)
    words = ["build", str(site.network), "--plans", str(site.plans), "--batch", "4", "--side", "128", "--workspace", "64"]
    words += ["--timeout", "60", "--part", "2", "2"]
    environment = {**os.environ, "TWIN_SCRIPT": str(site.script), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "tests.twin_build", *words], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        ends = time.monotonic() + 30
        while (found := store.progress()) is None or found.left is None:
            assert process.poll() is None, "the build ended without a word"
            assert time.monotonic() < ends, "no word came"
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert (found.candidate, found.number, found.of, found.part, found.parts) == ("fp16", 3, 3, 2, 2), "the two in INT8 fail at once here"
    assert 0 < found.left < 600
    assert store.progress() is None

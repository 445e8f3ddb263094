"""`make run` tells its story, and the story is true."""

import io
import json
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from edge.assembly.report import Report
from edge.camera.demo import RATE, STORY, DemoSource, Visit
from edge.commands.demo import ENROLLED, play
from edge.errors import SourceError
from edge.settings import load_settings


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    said = io.StringIO()
    with redirect_stdout(said):
        play(load_settings(environment={}), Report(as_json=True, quiet=True))
    return [json.loads(line) for line in said.getvalue().splitlines()]


def test_the_enrolled_person_is_named_at_each_of_her_three_visits_and_nobody_else_ever(lines: list[dict[str, object]]) -> None:
    before = lines[: next(i for i, line in enumerate(lines) if "revoked" in line)]
    named = [float(str(line["seconds"])) for line in before if line.get("verdict") == "identified"]
    starts = np.cumsum([0] + [visit.frames for visit in STORY]) / RATE
    visited = [
        any(start <= second <= start + visit.frames / RATE for second in named)
        for start, visit in zip(starts, STORY, strict=False)
        if ENROLLED in visit.people
    ]
    assert visited == [True] * 3
    alone = [(start, start + visit.frames / RATE) for start, visit in zip(starts, STORY, strict=False) if ENROLLED not in visit.people]
    assert not [second for second in named if any(start <= second < end for start, end in alone)]


def test_the_person_not_enrolled_is_unknown(lines: list[dict[str, object]]) -> None:
    assert [line["verdict"] for line in lines if line.get("verdict") == "unknown"]


def test_once_revoked_she_is_unknown(lines: list[dict[str, object]]) -> None:
    after = lines[next(i for i, line in enumerate(lines) if "revoked" in line) :]
    verdicts = {line["verdict"] for line in after if "verdict" in line}
    assert "unknown" in verdicts
    assert "identified" not in verdicts


def test_it_ends_with_frames_approaches_outcomes_and_milliseconds(lines: list[dict[str, object]]) -> None:
    summary = lines[-1]["summary"]
    assert isinstance(summary, dict)
    assert summary["frames"] == sum(visit.frames for visit in STORY) + 37
    assert {"detect", "align", "quality", "hash", "search"} <= set(summary["stage_ms"])


def test_the_same_seed_is_the_same_stream_and_another_seed_another() -> None:
    visit = [Visit((ENROLLED,), 3)]
    first, again, other = ([frame.image for frame in DemoSource(visit, seed=seed).frames()] for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_a_visit_of_somebody_without_a_portrait_is_refused() -> None:
    with pytest.raises(SourceError, match="no portrait of Nobody"):
        DemoSource([Visit(("Nobody",), 3)])


def test_ctrl_c_ends_the_whole_demonstration() -> None:
    words = [sys.executable, "-m", "edge", "demo", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdout
    for line in process.stdout:
        if "verdict" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.stdout.read()
    assert process.wait(20) == 130
    assert "revoked" not in rest

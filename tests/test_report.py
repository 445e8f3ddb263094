"""What people and programs are shown."""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

from edge.assembly.report import AGAIN, JournalReport, Report, Tally, is_journal, outcome_facts, reporter
from edge.records import Outcome, Reason, Verdict
from edge.stages import KEPT, Stages

ADA = Outcome(Verdict.IDENTIFIED, 4, 1.0, 1.1, 3, "id-1")
NOBODY = Outcome(Verdict.NOT_ACQUIRED, 5, 2.0, 2.1, 0, None, (Reason.BLURRED, Reason.TURNED))


def test_people_read_a_line_with_time_approach_verdict_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False, quiet=False)
    report.outcome(ADA, "Ada [Lovelace]", 12.34)
    report.outcome(NOBODY, None, 13.0)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["12.3", "s", "approach", "4", "identified", "Ada", "[Lovelace]"],
        ["13.0", "s", "approach", "5", "not", "acquired", "(blurred,", "turned)"],
    ]


@pytest.mark.parametrize("width", [20, 60, 80])
@pytest.mark.parametrize("cell", ["0123456789abcdef" * 2, f"subject {'ab' * 16}, samples 3", f"change 7, subject {'12' * 16}"])
def test_an_id_in_a_table_stays_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int, cell: str) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    Report(as_json=False, quiet=False).table(("name", "id", "since"), [("Eileen Marie Collins", cell, "2026-11-26")])
    (identity,) = re.findall("[0-9a-f]{32}", cell)
    assert capsys.readouterr().out.count(identity) == 1


def test_a_line_for_programs_goes_out_in_one_piece_with_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the two would join it with the next one."""
    pieces: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stdout", Stream())
    report = Report(as_json=True, quiet=False)
    report.result({"a": 1})
    report.outcome(ADA, "Ada", 1.0)
    assert len([piece for piece in pieces if piece]) == 2
    assert all(piece.endswith("\n") for piece in pieces if piece)


def test_programs_read_one_json_object_a_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=True, quiet=False)
    report.note("for people")
    report.table(("a",), [("b",)])
    report.outcome(ADA, "Ada", 12.34)
    report.result({"done": True}, "done")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [outcome_facts(ADA, "Ada", 12.34), {"done": True}]


def test_quiet_leaves_results_and_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False, quiet=True)
    report.note("on the way")
    report.result({}, "the result")
    report.warn("the key lies in a file")
    shown = capsys.readouterr()
    assert shown.out.split("\n")[0] == "the result"
    assert "the key lies in a file" in shown.err


def test_two_tallies_add_up_and_count_by_verdict_and_name() -> None:
    first, second = Tally(), Tally()
    first.frames, second.frames = 3, 4
    first.add(ADA, "Ada")
    second.add(ADA, "Ada")
    second.add(NOBODY, None)
    facts = (first + second).facts({"detect": 1.5})
    assert (facts["frames"], facts["approaches"], facts["stage_ms"]) == (7, 3, {"detect": 1.5})
    assert {"verdict": "identified", "name": "Ada", "count": 2} in facts["outcomes"]


def test_stage_times_stay_flat_in_memory_and_give_medians_in_order() -> None:
    stages = Stages()
    for _ in range(KEPT + 10):
        with stages.stage("detect"):
            pass
    with pytest.raises(ZeroDivisionError), stages.stage("hash"):
        1 / 0  # noqa: B018
    assert len(stages.seconds["detect"]) == KEPT
    assert list(stages.medians()) == ["detect", "hash"]


def test_in_the_journal_a_trouble_that_lasts_is_told_once_and_again_after_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    report = JournalReport(quiet=False, clock=lambda: now[0])
    for second in (0.0, 1.0, 2.0, AGAIN + 1):
        now[0] = second
        report.warn("the disk is full")
        report.warn("the camera is gone")
    assert capsys.readouterr().err.splitlines() == ["<4>the disk is full", "<4>the camera is gone"] * 2


def test_in_the_journal_every_line_has_its_priority_and_nobody_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    report, tally = JournalReport(quiet=False), Tally()
    tally.add(ADA, "Ada")
    report.outcome(ADA, "Ada", 1.0)
    report.summary(tally, {"detect": 1.0})
    report.error("one\ntwo")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "<7>approach 4: identified",
        "<6>ended after 0 frames; identified 1, unknown 0, not acquired 0",
        "<3>error: one",
        "<3>two",
    ]


def test_only_a_descriptor_that_systemd_named_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        facts = os.fstat(file.fileno())
        assert is_journal(file.fileno(), {"JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino}"})
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": "8:1"})
        assert not is_journal(file.fileno(), {})
    assert type(reporter(as_json=True, quiet=False)) is Report

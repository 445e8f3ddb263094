"""What people and programs are shown."""

import json

import pytest

from edge.records import Outcome, Reason, Verdict
from edge.report import Report, Tally, outcome_facts
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

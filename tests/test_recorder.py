"""Outcomes reach the log from a thread of its own; a disk that refuses costs lines, which are counted, and never the door."""

import threading

from edge.assembly.attend import refusals
from edge.door.events import Cause, Denied, Refusal
from edge.errors import AuditError
from edge.records import Outcome, Verdict
from edge.service.recorder import WAITING, Recorder

ADA = Outcome(Verdict.IDENTIFIED, 1, 1.0, 1.1, 3, "0f" * 16)
NOBODY = Outcome(Verdict.UNKNOWN, 2, 1.0, 1.1, 3)


class Disk:
    """Takes lines; refuses those whose number is in ``full``; waits for ``gate``."""

    def __init__(self, full: range = range(0), *, shut: bool = False) -> None:
        self.lines: list[tuple[str, dict]] = []
        self.full, self.asked, self.gate = full, 0, threading.Event()
        if not shut:
            self.gate.set()

    def append(self, kind: str, **facts: object) -> None:
        self.gate.wait(30)
        self.asked += 1
        if self.asked in self.full:
            raise AuditError("audit log: cannot be written")
        self.lines.append((kind, facts))


def test_start_outcomes_and_stop_by_verdict_and_id_without_a_name() -> None:
    disk = Disk()
    recorder = Recorder(disk, print, version="1")
    recorder.decided(ADA, "Ada")
    recorder.decided(NOBODY, None)
    recorder.close()
    assert disk.lines == [
        ("start", {"version": "1"}),
        ("outcome", {"verdict": "identified", "subject": "0f" * 16}),
        ("outcome", {"verdict": "unknown"}),
        ("stop", {}),
    ]


def test_an_outcome_that_the_rules_refuse_says_so_and_the_next_does_not() -> None:
    disk = Disk()
    recorder = Recorder(disk, print)
    recorder.refused("expired", ADA.subject)
    recorder.decided(ADA, "Ada")
    recorder.decided(ADA, "Ada")
    recorder.refused("try_later", None)
    recorder.decided(NOBODY, None)
    recorder.close()
    assert [facts.get("denied") for kind, facts in disk.lines if kind == "outcome"] == ["expired", None, None]


def test_a_refusal_of_somebody_else_or_of_a_door_code_says_nothing_of_a_face() -> None:
    disk = Disk()
    recorder = Recorder(disk, print)
    hear = refusals(recorder)
    for refused in (Denied(Refusal.EXPIRED, "0e" * 16, 0.0), Denied(Refusal.EXPIRED, ADA.subject, 0.0, Cause.CODE)):
        hear(refused)
        recorder.decided(ADA, "Ada")
    hear(Denied(Refusal.EXPIRED, ADA.subject, 0.0))
    recorder.decided(ADA, "Ada")
    recorder.close()
    assert [facts.get("denied") for kind, facts in disk.lines if kind == "outcome"] == [None, None, "expired"]


def test_a_door_code_is_an_outcome_with_its_reason_and_never_the_code() -> None:
    disk = Disk()
    recorder = Recorder(disk, print)
    recorder.typed("0f" * 16, None)
    recorder.typed("0f" * 16, "outside_hours")
    recorder.typed(None, "wrong_code")
    recorder.close()
    assert disk.lines[1:-1] == [
        ("outcome", {"verdict": "identified", "reason": "code", "subject": "0f" * 16}),
        ("outcome", {"verdict": "identified", "reason": "code", "subject": "0f" * 16, "refusal": "outside_hours"}),
        ("outcome", {"verdict": "unknown", "reason": "code", "refusal": "wrong_code"}),
    ]


def test_a_full_disk_is_told_once_and_the_log_says_how_many_lines_it_misses() -> None:
    disk, said = Disk(range(3, 7)), list[str]()
    recorder = Recorder(disk, said.append)
    for _ in range(8):
        recorder.decided(NOBODY, None)
    recorder.close()
    assert [kind for kind, _ in disk.lines] == ["start", "outcome", "lost", *["outcome"] * 3, "stop"]
    assert disk.lines[2] == ("lost", {"lines": 4})
    assert ["cannot be written" in text for text in said] == [True, False]
    assert "written again" in said[1]


def test_a_disk_that_hangs_does_not_hold_up_the_loop_and_the_rest_is_counted() -> None:
    disk = Disk(shut=True)
    recorder = Recorder(disk, print)
    for _ in range(WAITING + 50):
        recorder.decided(NOBODY, None)
    disk.gate.set()
    recorder.close()
    written = sum(kind == "outcome" for kind, _ in disk.lines)
    lost = sum(facts["lines"] for kind, facts in disk.lines if kind == "lost")
    assert lost > 0
    assert written + lost >= WAITING + 50

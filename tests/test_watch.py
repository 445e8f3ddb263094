"""Watchers: told of everything, and none of them can hold up the door or the others."""

from edge.face.track import Tracker
from edge.identify import Identifier, run
from edge.records import Frame, Outcome, Reason, Sighting, Verdict
from edge.watch import Watchers
from tests.test_identify import POLICY
from tests.twins import ListGallery, ScriptedAcquirer, frame, person

OUTCOME = Outcome(Verdict.UNKNOWN, 1, 0.0, 0.0, 3)


class Notebook:
    """Writes down what it is told; fails at the call named."""

    def __init__(self, fails_at: str = "") -> None:
        self.told: list[str] = []
        self.fails_at = fails_at

    def seen(self, frame: Frame, sightings: object) -> None:
        self._note("seen")

    def decided(self, outcome: Outcome, name: str | None) -> None:
        self._note("decided")

    def close(self) -> None:
        self._note("close")

    def _note(self, call: str) -> None:
        self.told.append(call)
        if call == self.fails_at:
            raise OSError("the wire is cut")


def test_a_watcher_that_fails_is_told_of_once_and_the_others_go_on() -> None:
    problems: list[str] = []
    bad, good = Notebook("seen"), Notebook()
    watchers = Watchers([bad, good], problems.append)
    for _ in range(3):
        watchers.seen(frame(1), [])
    watchers.decided(OUTCOME, None)
    watchers.close()
    assert (bad.told, good.told) == (["seen"], ["seen"] * 3 + ["decided", "close"])
    (problem,) = problems
    assert "Notebook" in problem
    assert "the wire is cut" in problem


def test_a_sighting_tells_samples_reasons_and_whether_the_approach_is_decided() -> None:
    script = {1: [(100.0, 1, (Reason.BLURRED,))], **{number: [(100.0, 1, ())] for number in range(2, 6)}}
    acquirer = ScriptedAcquirer(script)
    gallery = ListGallery({"ada": acquirer.code(person(1))})
    identifier = Identifier(acquirer, gallery, Tracker(1.0, 0.3, 3.0, 16), POLICY, lambda size: 20, expiry=1.5, consistency=0.7)
    seen: list[Sighting] = []
    for _ in run((frame(number) for number in range(1, 6)), identifier, None):
        seen += identifier.sightings
    assert [(one.samples, one.reasons, one.decided) for one in seen[:5]] == [
        (0, (Reason.BLURRED,), False),
        (1, (), False),
        (2, (), False),
        (0, (), True),
        (0, (), True),
    ]

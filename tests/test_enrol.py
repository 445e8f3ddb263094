"""Enrolment: one person, several samples that agree, or nothing at all."""

import dataclasses

import pytest

from edge.enrol import EnrolmentRules, capture, duplicate
from edge.errors import AcquisitionError
from edge.records import Candidate, Reason
from tests.twins import ScriptedAcquirer, frame, person

RULES = EnrolmentRules(min_samples=3, max_samples=6, consistency=0.5, interval=0.0)
ADA, EVE = 1, 3


def session(script: dict[int, list[tuple[float, int, tuple[Reason, ...]]]], frames: int = 20):  # type: ignore[no-untyped-def]
    told: list[tuple[int, tuple[Reason, ...]]] = []
    acquirer = ScriptedAcquirer(script)
    return (
        capture((frame(number) for number in range(frames)), acquirer, RULES, lambda count, reasons: told.append((count, reasons))),
        told,
        acquirer,
    )  # type: ignore[arg-type]


def test_samples_of_one_person_become_that_person_s_code_and_no_more_are_taken_than_asked() -> None:
    made, told, acquirer = session({number: [(50.0, ADA, ())] for number in range(20)})
    assert made.samples == 6
    assert len(told) == 6
    assert (made.code.symbols == acquirer.code(person(ADA)).symbols).all()


def test_frames_without_a_face_with_several_or_with_a_bad_one_are_passed_over_and_told() -> None:
    script = {
        0: [],
        1: [(50.0, ADA, ()), (300.0, EVE, ())],
        2: [(50.0, ADA, (Reason.TOO_DARK,))],
        **{n: [(50.0, ADA, ())] for n in range(3, 9)},
    }
    made, told, _ = session(script)
    assert [reasons for _, reasons in told[:3]] == [(Reason.NO_FACE,), (Reason.SEVERAL_FACES,), (Reason.TOO_DARK,)]
    assert made.samples == 6


def test_too_few_samples_are_a_failure_to_enrol_with_reason_and_advice() -> None:
    with pytest.raises(
        AcquisitionError, match=r"2 of 20 pictures serve, 3 are needed; refused: no_face \(18\)\. Nothing was stored; show the face"
    ):
        session({4: [(50.0, ADA, ())], 9: [(50.0, ADA, ())]})


def test_no_picture_at_all_is_said_so() -> None:
    with pytest.raises(AcquisitionError, match="0 of 0 pictures serve"):
        session({}, frames=0)


def test_one_stranger_among_the_samples_is_left_out() -> None:
    made, _, acquirer = session({number: [(50.0, EVE if number == 2 else ADA, ())] for number in range(6)}, frames=6)
    assert made.samples == 5
    assert made.reasons == (Reason.INCONSISTENT,)
    assert (made.code.symbols == acquirer.code(person(ADA)).symbols).all()


def test_samples_of_everybody_are_nobody_s() -> None:
    with pytest.raises(AcquisitionError, match="inconsistent"):
        session({number: [(50.0, number, ())] for number in range(6)}, frames=6)


def test_only_a_candidate_within_the_threshold_is_a_duplicate() -> None:
    near, far = Candidate("a", "r", 10), Candidate("b", "s", 30)
    assert duplicate([near, far], 20) is near
    assert duplicate([far], 20) is None
    assert duplicate([], 20) is None


def test_samples_are_taken_at_intervals_and_frames_between_cost_nothing() -> None:
    """Ten frames a second, half a second apart: frames 0, 5, 10 and 15."""
    acquirer = ScriptedAcquirer({number: [(50.0, ADA, ())] for number in range(20)})
    rules = dataclasses.replace(RULES, interval=0.5)
    assert capture((frame(number) for number in range(20)), acquirer, rules).samples == 4
    assert acquirer.hashed == 4

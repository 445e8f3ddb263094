import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import Candidate, Features, Outcome, Reason, Verdict
from edge.template.decide import Approach, Policy, expired

POLICY = Policy(min_samples=2, max_samples=4, margin=10, max_log_variance=0.0, interval=0.0, window=60.0)
THRESHOLD = 300


def sample(log_variance: float = -1.0) -> Features:
    return Features(np.ones(8, np.float32), log_variance)


def ada(unequal: int) -> Candidate:
    return Candidate("ada", "a1", unequal)


def bob(unequal: int) -> Candidate:
    return Candidate("bob", "b1", unequal)


def story(*looks: list[Candidate], policy: Policy = POLICY, threshold: int = THRESHOLD) -> Outcome | None:
    """One sample every 0.25 s, and what the gallery answers at every look; the first outcome, if any."""
    approach, answers = Approach(7, policy, 0.0), list(looks)
    for step in range(len(looks) + policy.min_samples - 1):
        if approach.add(sample(), step / 4) is not None:
            outcome = approach.judge(answers.pop(0), threshold, step / 4 + 0.125)
            if outcome:
                return outcome
    return None


def test_she_looks_twice_and_is_named() -> None:
    """Two good samples and a near reference: identified, once, with times and the number of samples."""
    assert story([ada(250), bob(400)]) == Outcome(Verdict.IDENTIFIED, 7, 0.25, 0.375, 2, "ada")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(280, 330)), max_size=6))
def test_whoever_lies_beyond_threshold_and_margin_changes_no_decision(found: list[tuple[str, int]]) -> None:
    """So the door need not ask for anybody beyond."""
    everybody = sorted((Candidate(subject, "r", unequal) for subject, unequal in found), key=lambda one: one.dissimilarity)
    near = [one for one in everybody if one.dissimilarity <= THRESHOLD + POLICY.margin]
    assert story(near[:2]) == story(everybody[:2])


def test_she_is_named_only_after_enough_samples() -> None:
    """The first sample asks for no search, so that nothing can be decided on it."""
    approach = Approach(7, POLICY, 0.0)
    assert approach.add(sample(), 0.0) is None
    with pytest.raises(ValueError, match="track 7"):
        approach.judge([ada(0)], THRESHOLD, 0.0)


def test_he_is_not_enrolled_and_stays_unknown() -> None:
    """Nobody is near enough at any look: unknown with the last sample."""
    outcome = story([bob(301)], [bob(320)], [bob(301), ada(390)])
    assert outcome == Outcome(Verdict.UNKNOWN, 7, 0.75, 0.875, 4)
    assert story([], [], []).verdict is Verdict.UNKNOWN


def test_a_third_sample_makes_it_clear() -> None:
    """Too unlike at first, near after fusing one more."""
    assert story([ada(310)], [ada(300)]).frames == 3


def test_twins_are_never_guessed() -> None:
    """Two subjects nearer to each other than the margin: unknown, however near; a margin more: named."""
    assert story([ada(200), bob(209)], [bob(200), ada(200)], [bob(209), ada(200)]).verdict is Verdict.UNKNOWN
    assert story([bob(210), ada(200)]).subject == "ada"


def test_her_own_second_reference_is_no_rival() -> None:
    """The margin counts to another subject only."""
    assert story([ada(200), Candidate("ada", "a2", 201), bob(300)]).subject == "ada"


def test_a_blurred_start_waits_for_certainty() -> None:
    """While the fused sample is too uncertain no search is asked for; a sure one ends the wait, and the reason is kept."""
    approach = Approach(7, POLICY, 0.0)
    assert approach.add(sample(3.0), 0.0) is None
    assert approach.add(sample(3.0), 0.1) is None
    assert approach.add(sample(-2.0), 0.2) is not None
    assert approach.judge([ada(100)], THRESHOLD, 0.3) == Outcome(Verdict.IDENTIFIED, 7, 0.2, 0.3, 3, "ada", (Reason.UNCERTAIN,))


def test_never_certain_is_not_acquired_and_not_unknown() -> None:
    """Ten hopeless samples: kept within bounds, nobody was looked for, and the reason says why."""
    approach = Approach(7, POLICY, 0.0)
    for step in range(10):
        assert approach.add(sample(9.0), step / 10) is None
    assert approach.close(2.0) == Outcome(Verdict.NOT_ACQUIRED, 7, 0.9, 2.0, 4, None, (Reason.UNCERTAIN,))


def test_the_least_certain_sample_gives_way() -> None:
    """After four hopeless samples one sure sample comes: it counts in place of a hopeless one, and so does its time."""
    approach = Approach(7, POLICY, 0.0)
    for step in range(4):
        approach.add(sample(9.0), step / 10)
    fused = approach.add(sample(-1.0), 0.4)
    assert fused is not None
    assert approach.judge([ada(100)], THRESHOLD, 0.5) == Outcome(Verdict.IDENTIFIED, 7, 0.4, 0.5, 4, "ada", (Reason.UNCERTAIN,))


def test_the_outcome_is_as_old_as_its_newest_sample() -> None:
    """A refused picture after the last sample does not make an outcome younger."""
    approach = Approach(7, POLICY, 0.0)
    approach.add(sample(), 0.0)
    approach.add(sample(), 0.1)
    approach.judge([], THRESHOLD, 0.2)
    approach.refuse([Reason.TURNED], 5.0)
    assert approach.close(6.0).captured == 0.1


def test_he_turns_away_after_one_look() -> None:
    """The track ends after a look without a match: unknown."""
    approach = Approach(7, POLICY, 0.0)
    approach.add(sample(), 0.0)
    approach.add(sample(), 0.1)
    assert approach.judge([ada(400)], THRESHOLD, 0.2) is None
    assert approach.close(1.5) == Outcome(Verdict.UNKNOWN, 7, 0.1, 1.5, 2)


def test_a_passer_by_is_not_acquired_with_the_reasons_most_frequent_first() -> None:
    """Only refused samples: no verdict about a person, and why."""
    approach = Approach(7, POLICY, 0.0)
    approach.refuse([Reason.TOO_SMALL], 0.1)
    approach.refuse([Reason.BLURRED, Reason.TURNED], 0.2)
    approach.refuse([Reason.BLURRED], 0.3)
    outcome = approach.close(1.5)
    assert outcome.verdict is Verdict.NOT_ACQUIRED
    assert outcome.reasons[0] is Reason.BLURRED
    assert set(outcome.reasons) == {Reason.BLURRED, Reason.TOO_SMALL, Reason.TURNED}
    assert (outcome.frames, outcome.captured) == (0, 0.3)


def test_seen_once_and_gone() -> None:
    """No sample and no reason: not acquired, too brief, at the time it was seen; one sample too few is the same verdict."""
    assert Approach(7, POLICY, 0.4).close(1.5) == Outcome(Verdict.NOT_ACQUIRED, 7, 0.4, 1.5, 0, None, (Reason.TOO_BRIEF,))
    approach = Approach(7, POLICY, 0.4)
    approach.add(sample(), 0.5)
    assert approach.close(1.5) == Outcome(Verdict.NOT_ACQUIRED, 7, 0.5, 1.5, 1, None, (Reason.TOO_BRIEF,))


def test_an_approach_is_decided_at_most_once() -> None:
    """After the outcome: no search, no second outcome, nothing at the end."""
    approach = Approach(7, POLICY, 0.0)
    approach.add(sample(), 0.0)
    approach.add(sample(), 0.1)
    assert approach.judge([ada(1)], THRESHOLD, 0.2) is not None
    assert approach.decided
    assert approach.add(sample(), 0.3) is None
    assert approach.judge([bob(1)], THRESHOLD, 0.3) is None
    assert approach.close(9.0) is None


def test_an_old_outcome_is_dropped() -> None:
    """The age counts from the capture, not from the decision."""
    outcome = Outcome(Verdict.IDENTIFIED, 1, 10.0, 11.0, 2, "ada")
    assert not expired(outcome, 11.5, 1.5)
    assert expired(outcome, 11.6, 1.5)


def test_looks_are_what_one_approach_can_cost() -> None:
    """Two to four samples are three searches."""
    assert POLICY.looks == 3
    assert replace(POLICY, min_samples=4).looks == 1


@pytest.mark.parametrize("wrong", [{"min_samples": 0}, {"max_samples": 1}, {"margin": 0}, {"max_log_variance": math.nan}])
def test_an_impossible_policy_is_refused(wrong: dict) -> None:
    """A margin of nothing would let equal twins through."""
    with pytest.raises(ValueError, match="margin >= 1"):
        replace(POLICY, **wrong)


@given(st.lists(st.tuples(st.floats(-4, 4), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 512)), max_size=5)), max_size=9))
def test_laws_of_outcomes(steps: list) -> None:
    """Whatever happens, there is exactly one outcome, and a name in it belongs to a candidate within threshold and margin."""
    approach, outcomes = Approach(1, POLICY, 0.0), []
    for step, (log_variance, found) in enumerate(steps):
        fused = approach.add(sample(log_variance), float(step))
        if fused is None:
            continue
        outcome = approach.judge([Candidate(subject, "r", unequal) for subject, unequal in found], THRESHOLD, float(step))
        outcomes.append(outcome)
        if outcome and outcome.subject:
            best = min(unequal for subject, unequal in found if subject == outcome.subject)
            assert best <= THRESHOLD
            assert all(unequal >= best + POLICY.margin for subject, unequal in found if subject != outcome.subject)
    outcomes.append(approach.close(99.0))
    assert len([outcome for outcome in outcomes if outcome]) == 1


def test_samples_of_one_moment_are_not_counted_twice() -> None:
    """Within the interval no sample is wanted; after it, and before the first one, it is; once decided never again."""
    approach = Approach(7, dataclasses.replace(POLICY, interval=0.1), 0.0)
    assert approach.wants(0.0)
    approach.add(sample(), 0.0)
    assert [approach.wants(moment) for moment in (0.05, 0.1, 0.2)] == [False, True, True]
    approach.close(0.3)
    assert not approach.wants(9.0)


def test_a_sample_older_than_the_window_is_not_fused_with_a_new_one() -> None:
    """Two samples make a look; if the first is too old by then, the second is alone and no look is due."""
    approach = Approach(7, dataclasses.replace(POLICY, window=1.0), 0.0)
    assert approach.add(sample(), 0.0) is None
    assert approach.add(sample(), 1.5) is None
    assert approach.add(sample(), 2.0) is not None

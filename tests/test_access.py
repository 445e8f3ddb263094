"""Who is let in. Times in seconds; the wall clock is a Monday noon of local time unless a test says otherwise."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.door.access import NEVER_SET, Access, Rules
from edge.door.clock import synchronised as kernel_synchronised
from edge.door.clock import synchronised_by
from edge.door.events import Cause, Denied, Refusal, Unlock
from edge.door.schedule import parse
from edge.door.throttle import Limits
from edge.records import ALWAYS, NEVER, Outcome, Validity, Verdict

MONDAY = NEVER_SET + 4 * 86400.0  # 2026-01-05 00:00, a Monday
NOON, NIGHT = MONDAY + 12 * 3600, MONDAY + 3 * 3600
OFFICE = "mon-fri 07:00-19:00"


def local(wall: float) -> tuple[int, int]:
    minutes = int(wall - MONDAY) // 60
    return minutes // 1440 % 7, minutes % 1440


def access(schedule: str = "always", failures: int = 3, synchronised: bool = False, validity: Validity = ALWAYS) -> Access:
    rules = Rules(1.5, Limits(failures, window=60.0, pause=30.0, longest=120.0, quiet=600.0), parse(schedule), synchronised)
    return Access(rules, local, {"ada": validity}.__getitem__)


def ada(track: int, captured: float) -> Outcome:
    return Outcome(Verdict.IDENTIFIED, track, captured, captured, 3, "ada")


def stranger(track: int, captured: float) -> Outcome:
    return Outcome(Verdict.UNKNOWN, track, captured, captured, 3)


def verdict(found: Unlock | Denied | None) -> str:
    return "nothing" if found is None else "unlock" if isinstance(found, Unlock) else found.refusal.value


def test_somebody_identified_is_let_in_once_an_approach_and_not_after_the_expiry_of_the_capture() -> None:
    rules = access()
    first = rules.judge(ada(1, 10.0), 10.2, NOON)
    assert isinstance(first, Unlock)
    assert (first.subject, first.deadline) == ("ada", 11.5)
    assert verdict(rules.judge(ada(1, 10.3), 10.4, NOON)) == "repeated"
    assert verdict(rules.judge(ada(2, 10.3), 10.4, NOON)) == "unlock"


@pytest.mark.parametrize(
    ("age", "said"), [(0.0, "unlock"), (1.5, "unlock"), (1.51, "late"), (1e9, "late"), (-0.01, "late"), (-1e9, "late")]
)
def test_an_outcome_that_is_late_or_from_the_future_opens_nothing(age: float, said: str) -> None:
    assert verdict(access().judge(ada(1, 100.0), 100.0 + age, NOON)) == said


def test_a_refused_approach_is_not_used_up() -> None:
    rules = access()
    assert verdict(rules.judge(ada(1, 10.0), 20.0, NOON)) == "late"
    assert verdict(rules.judge(ada(1, 20.0), 20.0, NOON)) == "unlock"


def test_an_approach_without_a_usable_sample_comes_to_nothing_and_counts_for_nothing() -> None:
    rules = access(failures=1)
    assert rules.judge(Outcome(Verdict.NOT_ACQUIRED, 1, 10.0, 10.0, 0), 10.0, NOON) is None
    assert not rules.try_later(10.0)


def test_after_three_failures_in_the_window_nobody_is_let_in_for_the_pause() -> None:
    rules = access()
    assert [verdict(rules.judge(stranger(n, 10.0 + n), 10.0 + n, NOON)) for n in range(1, 4)] == ["unknown"] * 3
    assert verdict(rules.judge(ada(4, 14.0), 14.0, NOON)) == "try_later"
    assert verdict(rules.judge(stranger(5, 20.0), 20.0, NOON)) == "try_later"
    assert verdict(rules.judge(ada(6, 42.9), 42.9, NOON)) == "try_later"
    assert verdict(rules.judge(ada(7, 43.1), 43.1, NOON)) == "unlock"


def test_failures_far_apart_do_not_add_up_and_those_in_a_pause_do_not_prolong_it() -> None:
    rules = access()
    for n in range(10):
        assert verdict(rules.judge(stranger(n, 31.0 * n), 31.0 * n, NOON)) == "unknown"
    for n in range(3):
        rules.judge(stranger(20 + n, 1000.0), 1000.0, NOON)
    for n in range(50):
        rules.judge(stranger(30 + n, 1029.0), 1029.0, NOON)
    assert not rules.try_later(1030.0)


def test_zero_failures_is_no_throttle() -> None:
    rules = access(failures=0)
    for n in range(100):
        rules.judge(stranger(n, 10.0), 10.0, NOON)
    assert not rules.try_later(10.0)


def test_a_code_obeys_what_a_face_obeys_and_not_the_throttle_of_faces() -> None:
    rules = access(failures=1)
    assert verdict(rules.judge(stranger(1, 10.0), 10.0, NOON)) == "unknown"
    assert verdict(rules.judge(ada(2, 11.0), 11.0, NOON)) == "try_later"
    found = rules.judge(ada(-1, 11.0), 11.0, NOON, cause=Cause.CODE)
    assert isinstance(found, Unlock)
    assert (found.cause, found.subject, found.deadline) == (Cause.CODE, "ada", 12.5)
    assert verdict(rules.judge(ada(-1, 11.1), 11.1, NOON, cause=Cause.CODE)) == "repeated"
    assert verdict(rules.judge(ada(-2, 11.1), 13.0, NOON, cause=Cause.CODE)) == "late"
    assert verdict(access(OFFICE).judge(ada(-1, 10.0), 10.0, NIGHT, cause=Cause.CODE)) == "outside_hours"
    assert verdict(access(OFFICE).judge(ada(-1, 10.0), 10.0, 0.0, cause=Cause.CODE)) == "clock_unsure"


def test_wrong_codes_pause_no_face() -> None:
    rules = access(failures=1)
    for entry in range(1, 50):
        assert verdict(rules.judge(stranger(-entry, 10.0), 10.0, NOON, cause=Cause.CODE)) == "wrong_code"
    assert not rules.try_later(10.0)


def test_outside_the_hours_nobody_is_let_in() -> None:
    assert verdict(access(OFFICE).judge(ada(1, 10.0), 10.0, NOON)) == "unlock"
    assert verdict(access(OFFICE).judge(ada(1, 10.0), 10.0, NIGHT)) == "outside_hours"
    assert verdict(access("never").judge(ada(1, 10.0), 10.0, NOON)) == "outside_hours"


def test_a_wall_clock_that_was_never_set_shuts_a_schedule_and_does_not_matter_without_one() -> None:
    assert verdict(access(OFFICE).judge(ada(1, 10.0), 10.0, 12 * 3600.0)) == "clock_unsure"
    assert verdict(access().judge(ada(1, 10.0), 10.0, 0.0)) == "unlock"


def test_a_wall_clock_that_is_set_late_opens_the_schedule_from_then_on() -> None:
    rules = access(OFFICE)
    assert verdict(rules.judge(ada(1, 10.0), 10.0, 0.0)) == "clock_unsure"
    assert verdict(rules.judge(ada(2, 20.0), 20.0, NOON)) == "unlock"


def test_a_jump_of_the_wall_clock_into_the_hours_opens_nothing_until_the_first_clock_agrees() -> None:
    rules = access(OFFICE)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, NIGHT)) == "outside_hours"
    assert verdict(rules.judge(ada(2, 1.0), 1.0, NOON)) == "clock_unsure"
    six_hours = 6 * 3600.0
    assert verdict(rules.judge(ada(3, six_hours), six_hours, NOON + six_hours)) == "unlock"


def test_a_jump_of_the_wall_clock_out_of_the_hours_shuts_at_once() -> None:
    rules = access(OFFICE)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, NOON)) == "unlock"
    assert verdict(rules.judge(ada(2, 1.0), 1.0, NIGHT)) == "outside_hours"


def test_a_board_without_a_clock_of_its_own_starts_with_an_old_time_and_is_believed_anew_when_first_synchronised() -> None:
    """It went down in the evening and comes up in the morning; NTP sets its clock twelve hours on."""
    rules = access(OFFICE)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, NIGHT, False)) == "outside_hours"
    assert verdict(rules.judge(ada(2, 1.0), 1.0, NOON, True)) == "unlock"
    assert verdict(rules.judge(ada(3, 2.0), 2.0, NIGHT, True)) == "outside_hours"


def test_after_the_first_synchronisation_no_jump_is_believed() -> None:
    rules = access(OFFICE)
    for track, synchronised in enumerate((True, False, True, False)):
        assert verdict(rules.judge(ada(track, 0.0), 0.0, NIGHT, synchronised)) == "outside_hours"
        assert verdict(rules.judge(ada(track + 10, 1.0), 1.0, NOON, synchronised)) == "clock_unsure"


def test_where_a_synchronised_clock_is_asked_for_the_schedule_is_shut_until_then_and_stays_open_after_the_network_is_gone() -> None:
    rules = access(OFFICE, synchronised=True)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, NOON, False)) == "clock_unsure"
    assert verdict(rules.judge(ada(2, 1.0), 1.0, NOON, True)) == "unlock"
    assert verdict(rules.judge(ada(3, 2.0), 2.0, NOON, False)) == "unlock"


def test_a_clock_that_is_synchronised_before_it_is_set_is_not_believed() -> None:
    rules = access(OFFICE, synchronised=True)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, 12 * 3600.0, True)) == "clock_unsure"


def test_the_kernel_is_asked_whether_its_clock_is_synchronised() -> None:
    said = subprocess.run(["timedatectl", "show", "-p", "NTPSynchronized", "--value"], capture_output=True, text=True)
    if said.returncode != 0:
        pytest.skip("timedatectl cannot be asked here, so that there is nothing to compare with")
    assert kernel_synchronised() is (said.stdout.strip() == "yes")


WALL = st.floats(min_value=0, max_value=4e9)


@given(st.lists(st.tuples(st.floats(0, 5), WALL), min_size=1, max_size=30))
def test_whatever_the_wall_clock_does_no_outcome_that_was_shut_at_first_sight_of_it_opens(steps: list[tuple[float, float]]) -> None:
    """A machine that starts at night, with a clock that is then set to anything at all within some minutes, opens nothing."""
    rules, now = access(OFFICE), 0.0
    rules.judge(ada(0, now), now, NIGHT)
    for track, (step, wall) in enumerate(steps, 1):
        now += step
        found = rules.judge(ada(track, now), now, wall)
        assert isinstance(found, Denied)
        assert found.refusal in (Refusal.OUTSIDE_HOURS, Refusal.CLOCK_UNSURE)


# --- dates


TODAY = Validity(MONDAY, MONDAY + 86400)


@pytest.mark.parametrize(
    ("wall", "said"),
    [
        (MONDAY - 1, "not_yet_valid"),
        (MONDAY, "unlock"),
        (NOON, "unlock"),
        (MONDAY + 86400, "expired"),
        (12 * 3600.0, "clock_unsure"),
    ],
)
def test_somebody_with_dates_is_let_in_between_them_and_the_reason_is_told(wall: float, said: str) -> None:
    found = access(validity=TODAY).judge(ada(1, 10.0), 10.0, wall)
    assert verdict(found) == said
    assert found is not None
    assert found.subject == "ada"


def test_dates_hold_within_the_hours_and_hours_within_the_dates() -> None:
    assert verdict(access(OFFICE, validity=TODAY).judge(ada(1, 10.0), 10.0, NOON)) == "unlock"
    assert verdict(access(OFFICE, validity=TODAY).judge(ada(1, 10.0), 10.0, NIGHT)) == "outside_hours"
    assert verdict(access(OFFICE, validity=NEVER).judge(ada(1, 10.0), 10.0, NOON)) == "expired"


def test_a_clock_turned_back_brings_nobody_s_dates_back() -> None:
    rules = access(validity=TODAY)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, MONDAY + 90_000)) == "expired"
    assert verdict(rules.judge(ada(2, 1.0), 1.0, NOON)) == "clock_unsure"


def test_a_clock_put_forward_makes_no_dates_begin() -> None:
    rules = access(validity=Validity(begins=MONDAY + 86400))
    assert verdict(rules.judge(ada(1, 0.0), 0.0, NOON)) == "not_yet_valid"
    assert verdict(rules.judge(ada(2, 1.0), 1.0, NOON + 86400)) == "clock_unsure"


def test_where_a_synchronised_clock_is_asked_for_dates_wait_for_it_and_those_without_do_not() -> None:
    assert verdict(access(synchronised=True, validity=TODAY).judge(ada(1, 0.0), 0.0, NOON, False)) == "clock_unsure"
    assert verdict(access(synchronised=True, validity=TODAY).judge(ada(1, 0.0), 0.0, NOON, True)) == "unlock"
    assert verdict(access(synchronised=True).judge(ada(1, 0.0), 0.0, NOON, False)) == "unlock"


def test_somebody_kept_out_by_dates_is_no_failure_and_his_approach_is_not_used_up() -> None:
    rules = access(failures=1, validity=TODAY)
    assert verdict(rules.judge(ada(1, 0.0), 0.0, MONDAY - 1)) == "not_yet_valid"
    assert not rules.try_later(0.5)
    assert verdict(rules.judge(ada(1, 1.0), 1.0, MONDAY)) == "unlock"


def test_dates_that_the_caller_looked_up_just_now_count_before_those_that_the_door_knows() -> None:
    for known, given_, said in ((ALWAYS, NEVER, "expired"), (NEVER, ALWAYS, "unlock")):
        found = access(validity=known).judge(ada(-1, 10.0), 10.0, NOON, cause=Cause.CODE, validity=given_)
        assert verdict(found) == said


@given(st.floats(MONDAY - 10**6, MONDAY + 10**6), st.floats(NEVER_SET, MONDAY + 10**6), st.booleans(), st.booleans())
def test_whatever_the_clock_does_nobody_is_let_in_outside_of_two_clocks_dates(first: float, wall: float, one: bool, two: bool) -> None:
    rules = access(validity=TODAY)
    rules.look_at_clock(0.0, first, one)
    if verdict(rules.judge(ada(1, 5.0), 5.0, wall, two)) == "unlock":
        assert TODAY.at(wall).value == "valid"


@pytest.mark.parametrize(
    ("state", "made", "said"), [(0, False, True), (4, False, True), (5, True, False), (-1, True, True), (-1, False, False)]
)
def test_where_the_kernel_may_not_be_asked_timesyncd_s_word_counts(tmp_path: Path, state: int, made: bool, said: bool) -> None:
    """A service with ProtectClock= is refused adjtimex(2), reading too."""
    if made:
        (tmp_path / "synchronized").touch()
    assert synchronised_by(state, tmp_path / "synchronized") == said

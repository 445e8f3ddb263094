"""The pause after unknown faces: when it begins, how long it is, how it grows and is forgotten. Times in seconds."""

import pytest

from edge.door.throttle import Limits, Throttle

LIMITS = Limits(failures=3, window=60.0, pause=30.0, longest=100.0, quiet=600.0)


def three(throttle: Throttle, now: float) -> float:
    """Three failures at once; how long the pause is that they begin."""
    for _ in range(3):
        throttle.failed(now)
    return throttle.left(now)


def test_each_pause_soon_after_another_is_twice_as_long_up_to_the_longest() -> None:
    throttle, now, lengths = Throttle(LIMITS), 0.0, []
    for _ in range(5):
        lengths.append(three(throttle, now))
        now += lengths[-1] + 1.0
    assert lengths == [30.0, 60.0, 100.0, 100.0, 100.0]


def test_after_quiet_time_the_pause_is_short_again() -> None:
    throttle = Throttle(LIMITS)
    assert three(throttle, 0.0) == 30.0
    assert three(throttle, 40.0) == 60.0
    assert three(throttle, 100.0 + 599.0) == 100.0
    assert three(throttle, 799.0 + 600.0) == 30.0


def test_failures_in_a_pause_neither_count_nor_prolong_it() -> None:
    throttle = Throttle(LIMITS)
    three(throttle, 0.0)
    for second in range(30):
        throttle.failed(float(second))
    assert throttle.left(29.0) == 1.0
    assert not throttle.pausing(30.0)
    throttle.failed(30.0)
    throttle.failed(30.0)
    assert not throttle.pausing(30.0)


def test_whoever_stays_below_the_window_is_paused_by_the_hour() -> None:
    throttle, begun = Throttle(Limits(10, 60.0, 30.0, 900.0, 3600.0, hourly=100)), []
    for number in range(400):
        now = number * 7.0  # nine in a minute
        if throttle.pausing(now):
            continue
        throttle.failed(now)
        begun += [number] if throttle.pausing(now) else []
    assert begun[0] == 99
    assert len(begun) == 3
    patient = Throttle(Limits(10, 60.0, 30.0, 900.0, 3600.0, hourly=100))
    assert not any((patient.failed(37.0 * number), patient.pausing(37.0 * number))[1] for number in range(1000))


def test_zero_of_both_never_pauses() -> None:
    throttle = Throttle(Limits(0, 60.0, 30.0, 30.0, 60.0))
    for _ in range(10_000):
        throttle.failed(1.0)
    assert not throttle.pausing(1.0)


@pytest.mark.parametrize(
    "facts",
    [
        (-1, 60.0, 30.0, 60.0, 60.0),
        (1, 0.0, 30.0, 60.0, 60.0),
        (1, 60.0, 0.0, 60.0, 60.0),
        (1, 60.0, 61.0, 60.0, 60.0),
        (1, 60.0, 1.0, 1.0, 0.0),
    ],
)
def test_impossible_limits_are_refused(facts: tuple[int, float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Limits(*facts)

"""A lane: whoever puts an event in never waits, and an unlock that waited too long is dropped."""

import threading
import time

from edge.door.events import Cause, Denied, Leaf, Refusal, State, Unlock
from edge.door.lane import WAITING, Lane
from tests.door_twins import Recorder, soon


def unlock(life: float, subject: str = "ada") -> Unlock:
    return Unlock(Cause.FACE, subject, time.monotonic() + life, 0.0)


def test_events_reach_the_output_in_its_own_thread() -> None:
    threads: list[str] = []

    class Curious(Recorder):
        def unlock(self, event: Unlock) -> None:
            threads.append(threading.current_thread().name)
            super().unlock(event)

    output, told = Curious("relay"), list[str]()
    lane = Lane(output, told.append)
    lane.put(unlock(60))
    lane.put(Denied(Refusal.UNKNOWN, None, 0.0))
    lane.put(State(False, Leaf.CLOSED, 0.0))
    assert soon(lambda: bool(output.unlocks and output.denials and output.states))
    lane.close()
    lane.join(10)
    assert (threads, output.closed, told) == (["door relay"], True, [])


def test_an_unlock_that_waited_too_long_for_a_slow_output_is_dropped_and_told() -> None:
    output, told = Recorder(), list[str]()
    output.go.clear()
    lane = Lane(output, told.append)
    lane.put(unlock(60, "first"))
    lane.put(unlock(0.05, "late"))
    lane.put(unlock(60, "in time"))
    time.sleep(0.1)
    output.go.set()
    assert soon(lambda: len(output.unlocks) == 2)
    assert [event.subject for event in output.unlocks] == ["first", "in time"]
    assert (lane.dropped, len(told)) == (1, 1)
    assert "late" not in told[0].replace("too late", ""), "no subject is named"


def test_whatever_hangs_putting_takes_no_time_and_the_queue_stays_small() -> None:
    output = Recorder()
    output.go.clear()
    lane = Lane(output, lambda problem: None)
    begun = time.monotonic()
    for _ in range(10_000):
        lane.put(unlock(60))
        lane.put(Denied(Refusal.UNKNOWN, None, 0.0))
        lane.put(State(False, Leaf.CLOSED, 0.0))
    assert time.monotonic() - begun < 5.0, "30,000 calls would take for ever if one of them waited"
    output.go.set()
    assert soon(lambda: len(output.denials) >= WAITING and bool(output.states))
    assert len(output.unlocks) <= WAITING + 1
    assert len(output.denials) <= WAITING + 1
    assert lane.dropped >= 10_000 - WAITING - 1


def test_an_unlock_goes_before_refusals_and_states() -> None:
    output = Recorder()
    output.go.clear()
    order: list[str] = []
    output.unlock = lambda event: order.append("unlock")
    lane = Lane(output, lambda problem: None)
    lane.put(Denied(Refusal.UNKNOWN, None, 0.0))
    assert soon(lambda: not lane._denied)  # the first is in the output's hands
    lane.put(Denied(Refusal.UNKNOWN, None, 0.0))
    lane.put(unlock(60))
    output.denied = lambda event: order.append("denied")
    output.go.set()
    assert soon(lambda: order == ["unlock", "denied"])


def test_an_output_that_fails_is_told_of_once_until_it_has_worked_again() -> None:
    output, told = Recorder("relay", fails=True), list[str]()
    lane = Lane(output, told.append)
    for _ in range(3):
        lane.put(unlock(60))
    assert soon(lambda: not lane._unlocks and len(told) == 1)
    time.sleep(0.05)
    output.fails = False
    lane.put(unlock(60))
    assert soon(lambda: bool(output.unlocks))
    output.fails = True
    lane.put(unlock(60))
    assert soon(lambda: len(told) == 2)
    assert told == ["relay: the wire is cut"] * 2


def test_an_output_that_never_ends_is_left_behind_and_told() -> None:
    output, told = Recorder("relay"), list[str]()
    output.go.clear()
    lane = Lane(output, told.append)
    lane.close()
    lane.join(0.2)
    assert told == ["relay does not come to an end and is left behind"]
    output.go.set()

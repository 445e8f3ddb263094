"""The door: outcomes to outputs, none of which can hold up the loop."""

import threading
import time
from pathlib import Path

from edge.door.access import Access, Rules
from edge.door.door import Door
from edge.door.events import Alarm, Cause, Denied, Leaf, Output, Refusal, State, Unlock
from edge.door.lane import Lane
from edge.door.outbox import Outbox
from edge.door.schedule import parse
from edge.door.throttle import Limits
from edge.door.webhook import Address, Webhook
from edge.face.track import Tracker
from edge.identify import Identifier, run
from edge.records import Outcome, Verdict
from edge.watch import Watchers
from tests.door_twins import Recorder, soon
from tests.test_identify import POLICY
from tests.twins import ListGallery, ScriptedAcquirer, frame, person


def door(*outputs: Output, failures: int = 0, recorded: bool = False, told: list[str] | None = None) -> Door:
    rules = Rules(1.5, Limits(failures, window=60.0, pause=0.2, longest=0.2, quiet=60.0), parse("always"))
    return Door(Access(rules, lambda wall: (0, 0)), outputs, (told if told is not None else []).append, recorded=recorded)


def now(verdict: Verdict, track: int, age: float = 0.0) -> Outcome:
    moment = time.monotonic()
    return Outcome(verdict, track, moment - age, moment, 3, "0123" if verdict is Verdict.IDENTIFIED else None)


def test_somebody_identified_opens_a_stranger_does_not_and_the_name_goes_nowhere() -> None:
    output = Recorder()
    opened = door(output)
    opened.decided(now(Verdict.IDENTIFIED, 1), "Ada Lovelace")
    opened.decided(now(Verdict.UNKNOWN, 2), None)
    opened.decided(now(Verdict.NOT_ACQUIRED, 3), None)
    opened.decided(now(Verdict.IDENTIFIED, 4, age=2.0), "Ada Lovelace")
    assert soon(lambda: len(output.denials) == 2)
    opened.close()
    assert [(event.cause, event.subject) for event in output.unlocks] == [(Cause.FACE, "0123")]
    assert [(event.refusal, event.subject) for event in output.denials] == [(Refusal.UNKNOWN, None), (Refusal.LATE, "0123")]
    assert "Ada" not in repr((output.unlocks, output.denials, output.states))
    assert output.closed


def test_the_exit_button_opens_also_when_nobody_is_let_in_by_face() -> None:
    output = Recorder()
    opened = door(output, failures=1)
    opened.decided(now(Verdict.UNKNOWN, 1), None)
    opened.exit_pressed()
    assert soon(lambda: bool(output.unlocks))
    assert (output.unlocks[0].cause, output.unlocks[0].subject) == (Cause.EXIT_BUTTON, None)


def test_states_are_told_at_the_start_and_when_something_changes_only() -> None:
    output = Recorder()
    opened = door(output, failures=1)
    assert soon(lambda: len(output.states) == 1)
    opened.decided(now(Verdict.UNKNOWN, 1), None)
    assert soon(lambda: len(output.states) == 2)
    time.sleep(0.25)
    opened.seen(frame(1), [])
    opened.seen(frame(2), [])
    assert soon(lambda: len(output.states) == 3)
    opened.leaf(Leaf.FORCED)
    opened.leaf(Leaf.FORCED)
    assert soon(lambda: len(output.states) == 4)
    opened.close()
    assert [(state.try_later, state.leaf) for state in output.states] == [
        (False, Leaf.NOT_WATCHED),
        (True, Leaf.NOT_WATCHED),
        (False, Leaf.NOT_WATCHED),
        (False, Leaf.FORCED),
    ]


def test_a_listener_hears_every_event_and_one_that_fails_keeps_nothing_from_happening() -> None:
    output, told, heard = Recorder(), list[str](), list[object]()
    opened = door(output, told=told)

    def broken(event: object) -> None:
        raise OSError("the screen is gone")

    opened.listen(broken)
    opened.listen(heard.append)
    opened.decided(now(Verdict.IDENTIFIED, 1), None)
    opened.leaf(Leaf.OPEN)
    opened.close()
    assert [type(event).__name__ for event in heard] == ["Unlock", "State"]
    assert (len(output.unlocks), output.states[-1].leaf, len(told)) == (1, Leaf.OPEN, 2)


def test_what_waits_for_a_slow_output_is_handed_over_by_its_weight_and_of_states_the_newest_alone() -> None:
    order: list[str] = []

    class Ordered(Recorder):
        def unlock(self, event: Unlock) -> None:
            super().unlock(event)
            order.append("unlock")

        def alarm(self, event: Alarm) -> None:
            super().alarm(event)
            order.append("alarm")

        def denied(self, event: Denied) -> None:
            super().denied(event)
            order.append("denied")

        def state(self, event: State) -> None:
            super().state(event)
            order.append(f"state {event.leaf.value}")

    output = Ordered()
    output.go.clear()
    lane = Lane(output, print)
    lane.put(State(False, Leaf.NOT_WATCHED, 0.0))
    assert soon(lambda: lane._state is None)  # it is with the output now
    for leaf in (Leaf.OPEN, Leaf.CLOSED):
        lane.put(State(False, leaf, 0.0))
    lane.put(Denied(Refusal.UNKNOWN, None, 0.0))
    for _ in range(2):
        lane.put(Alarm("a" * 32, 0.0))
    lane.put(Unlock(Cause.FACE, "a" * 32, time.monotonic() + 60.0, 0.0))
    output.go.set()
    lane.close()
    lane.join(10.0)
    assert order == ["state not_watched", "unlock", "alarm", "alarm", "denied", "state closed"]


def test_one_output_that_hangs_and_one_that_fails_delay_neither_the_loop_nor_the_third() -> None:
    hanging, failing, good, told = Recorder("hanging"), Recorder("failing", fails=True), Recorder("good"), list[str]()
    hanging.go.clear()
    opened = door(hanging, failing, good, recorded=True, told=told)
    seconds = loop([opened])
    assert soon(lambda: len(good.unlocks) == 1)
    assert seconds < loop([]) + 1.0
    opened.close()
    assert hanging.unlocks == []
    assert any("failing: the wire is cut" in text for text in told)
    assert any("hanging does not come to an end" in text for text in told)
    hanging.go.set()


def test_ten_thousand_approaches_with_a_server_that_is_gone_leave_threads_files_and_the_outbox_as_they_were(tmp_path: Path) -> None:
    address = Address("http://127.0.0.1:1/", None, 1.0)
    hook = Webhook(address, "k" * 32, Outbox(tmp_path / "outbox.db", 100), lambda problem: None, device="d", longest_pause=1.0)
    opened = door(hook, Recorder())
    for track in range(200):
        opened.decided(now(Verdict.UNKNOWN, track), None)
    before = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for track in range(200, 10_200):
        opened.decided(now(Verdict.IDENTIFIED if track % 2 else Verdict.UNKNOWN, track), None)
        if track % 100 == 0:
            time.sleep(0.01)
    assert len(hook._outbox) <= 100
    assert soon(lambda: threading.active_count() <= before[0])
    assert soon(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before[1] + 1), "one connection may be under way"
    opened.close()


def test_a_recording_s_times_are_its_own_and_open_only_where_recordings_may() -> None:
    strict, trial = Recorder(), Recorder()
    for opened in (door(strict), door(trial, recorded=True)):
        loop([opened])
        opened.close()
    assert (len(strict.unlocks), len(trial.unlocks)) == (0, 1)


def loop(watchers: list[Door]) -> float:
    """The whole loop over one person's approach of two seconds; the seconds it took."""
    acquirer = ScriptedAcquirer({number: [(100.0, 1, ())] for number in range(1, 21)})
    gallery = ListGallery({"ada": acquirer.code(person(1))})
    identifier = Identifier(acquirer, gallery, Tracker(1.0, 0.3, 3.0, 16), POLICY, lambda size: 20, expiry=1.5, consistency=0.7)
    told = Watchers(watchers, lambda problem: None)
    begun = time.monotonic()
    for shown, outcomes in run((frame(number) for number in range(1, 21)), identifier, None):
        if shown is not None:
            told.seen(shown, identifier.sightings)
        for outcome in outcomes:
            told.decided(outcome, "Ada")
    return time.monotonic() - begun

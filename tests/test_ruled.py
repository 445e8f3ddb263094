"""What the door's rules refuse is not welcomed on the screen."""

from collections.abc import Callable

import pytest

from edge.assembly.outputs import silent_door
from edge.assembly.ruled import RuledScreen
from edge.door.access import Access, Rules
from edge.door.door import Door
from edge.door.schedule import parse
from edge.door.throttle import Limits
from edge.records import ALWAYS, NEVER, Outcome, Validity, Verdict
from edge.service.messages import State
from edge.settings import load_settings

ADA = Outcome(Verdict.IDENTIFIED, 7, 10.0, 10.0, 3, "a" * 32)
EVE = Outcome(Verdict.UNKNOWN, 8, 10.0, 10.0, 3)


class Page:
    """Writes down what it is asked to show."""

    def __init__(self) -> None:
        self.shown: list[object] = []

    def seen(self, frame: object, sightings: object) -> None:
        self.shown.append("frame")

    def decided(self, outcome: Outcome, name: str | None) -> None:
        self.shown.append((outcome.track, name))

    def overrule(self, track: int, state: State) -> None:
        self.shown.append((track, state))

    def close(self) -> None:
        self.shown.append("closed")


def door(schedule: str, clock: Callable[[], float], failures: int = 0) -> Door:
    access = Access(Rules(1.5, Limits(failures, 60.0, 30.0, 30.0, 3600.0), parse(schedule)), lambda wall: (0, 0))
    return Door(access, [], print, monotonic=clock, wall=lambda: 1_800_000_000.0, synchronised=lambda: True)


@pytest.mark.parametrize(
    ("schedule", "now", "outcome", "shown"),
    [
        ("always", 10.5, ADA, (7, "Ada")),
        ("always", 12.0, ADA, (7, State.TRY_LATER)),
        ("never", 10.5, ADA, (7, State.DENIED)),
        ("always", 10.5, EVE, (8, None)),
    ],
    ids=["let in", "too late", "outside hours", "unknown"],
)
def test_the_screen_shows_what_the_door_does(schedule: str, now: float, outcome: Outcome, shown: object) -> None:
    page, place = Page(), door(schedule, lambda: now)
    screen = RuledScreen(page, place)
    name = "Ada" if outcome is ADA else None
    for watcher in (place, screen):
        watcher.decided(outcome, name)
    assert page.shown == [shown]


@pytest.mark.parametrize("validity", [NEVER, Validity(begins=2_000_000_000.0)], ids=["expired", "not yet valid"])
def test_somebody_known_outside_of_his_dates_is_denied_also_where_a_screen_is_all_there_is(validity: Validity) -> None:
    page = Page()
    place = silent_door(load_settings(), print, live=False, validity=lambda subject: validity)
    screen = RuledScreen(page, place)
    for outcome, name in ((ADA, "Ada"), (EVE, None)):
        for watcher in (place, screen):
            watcher.decided(outcome, name)
    assert page.shown == [(7, State.DENIED), (8, None)]


def test_a_refusal_is_of_one_outcome_and_not_of_the_next() -> None:
    page, dates = Page(), [NEVER, ALWAYS]
    place = silent_door(load_settings(), print, live=False, validity=lambda subject: dates.pop(0))
    screen = RuledScreen(page, place)
    for _ in range(2):
        for watcher in (place, screen):
            watcher.decided(ADA, "Ada")
    assert page.shown == [(7, State.DENIED), (7, "Ada")]


def test_where_a_screen_is_all_there_is_everybody_else_is_welcomed() -> None:
    page = Page()
    place = silent_door(load_settings(), print, live=False, validity=lambda subject: ALWAYS)
    screen = RuledScreen(page, place)
    for outcome in [EVE] * 20 + [ADA]:
        for watcher in (place, screen):
            watcher.decided(outcome, "Ada" if outcome is ADA else None)
    assert page.shown == [(8, None)] * 20 + [(7, "Ada")]


@pytest.mark.parametrize("asked", [False, True])
def test_where_a_screen_is_all_there_is_dates_wait_for_a_synchronised_clock_where_one_is_asked_for(asked: bool) -> None:
    settings = load_settings(environment={}, flags={"access.synchronised": asked})
    assert silent_door(settings, print, live=False, validity=lambda subject: ALWAYS)._access._rules.synchronised is asked


def test_after_too_many_failures_everybody_is_asked_to_try_later() -> None:
    page, place = Page(), door("always", lambda: 10.5, failures=2)
    screen = RuledScreen(page, place)
    for outcome, name in ((EVE, None), (EVE, None), (ADA, "Ada"), (EVE, None)):
        for watcher in (place, screen):
            watcher.decided(outcome, name)
    assert page.shown == [(8, None), (8, None), (7, State.TRY_LATER), (8, State.TRY_LATER)]


def test_frames_and_the_end_go_through() -> None:
    page = Page()
    screen = RuledScreen(page, door("always", lambda: 0.0))
    screen.seen(None, [])  # type: ignore[arg-type]
    screen.close()
    assert page.shown == ["frame", "closed"]

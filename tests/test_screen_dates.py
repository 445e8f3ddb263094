"""Dates between which somebody may pass, on the screen: typed by touch or keys at an enrolment and on the people page, read by the door."""

import datetime
import json
from typing import Any

import pytest

try:
    import argon2  # noqa: F401
    import PySide6.QtQuick
    import PySide6.QtTest  # noqa: F401
except ImportError as error:
    pytest.skip(f"the screen needs .venv/bin/pip install -e '.[screen]': {error}", allow_module_level=True)

from edge.service.link import Command, Dates, EnrolAbort, Enrolment, EnrolSave, Hello, ListPeople, Person, Reply, Step, Trouble
from tests.screen_kit import Hand, Place, hand, pause, place
from tests.test_screen import stored

__all__ = ["hand", "place"]

READY = Enrolment(step=Step.READY)
ADA = Person(id="a" * 32, name="Ada", enrolled="2026-01-01T00:00:00Z", references=1, begins="2026-02-01", ends="2027-12-31 18:30")


def day(days: int) -> str:
    return (datetime.date.today() + datetime.timedelta(days=days)).isoformat()


class Said:
    """What the screen says to a door that is not there; it is answered by ``answer``."""

    def __init__(self, hand: Hand, days: int = 0) -> None:
        self.hand, self.commands = hand, list[Command]()
        hand.bridge._link.send = self._take
        hand.bridge.take(Hello(consent="1", pin=True, days=days))

    def _take(self, command: Command) -> bool:
        self.commands.append(command)
        return True

    def answer(self, trouble: Trouble | None = None, receipt: str | None = None) -> None:
        self.hand.bridge.take(Reply(id=self.commands[-1].id, trouble=trouble, receipt=receipt))
        pause(0.05)

    def named(self) -> "Said":
        """An enrolment that has come to its name, Ada."""
        self.hand.window.setProperty("page", "enrol")
        self.hand.bridge.take(READY)
        pause(0.1)
        self.hand.types("Ada")
        return self

    def saved(self) -> tuple[str | None, str | None, str | None]:
        """Save is touched: name, begins and ends as they were said."""
        self.hand.touch("save")
        command = self.commands[-1]
        assert isinstance(command, EnrolSave)
        return command.name, command.begins, command.ends


def touches(hand: Hand, digits: str) -> None:
    for digit in digits:
        hand.touch(f"date_{digit}")


@pytest.fixture
def enrolling(hand: Hand) -> Said:
    return Said(hand).named()


def test_without_a_touch_no_date_is_said(enrolling: Said) -> None:
    assert enrolling.hand.text("openDates") == "Dates: no limit"
    assert enrolling.saved() == ("Ada", None, None)


def test_both_dates_by_touch_alone(enrolling: Said) -> None:
    hand = enrolling.hand
    hand.touch("openDates")
    touches(hand, "2027019")
    for _ in "1-9":
        hand.touch("date_erase")
    touches(hand, "201")
    assert hand.text("firstDay") == "2027-02-01", "the strokes between come by themselves"
    hand.touch("lastDay")
    touches(hand, "202712319")
    assert hand.text("lastDay") == "2027-12-31", "no digit comes after the last"
    hand.touch("date_ok")
    assert hand.text("openDates") == "Dates: 2027-02-01 – 2027-12-31"
    assert enrolling.saved() == ("Ada", "2027-02-01", "2027-12-31")


def test_both_dates_by_keys_alone(enrolling: Said) -> None:
    hand = enrolling.hand
    tab_to(hand, "openDates")
    hand.presses("Return")
    hand.types("2027-02-01\r")
    hand.types("2027-12-31 18:00\r")
    assert hand.find("openDates") is not None
    hand.types(" Lovelace")
    tab_to(hand, "save")
    hand.presses("Space")
    assert enrolling.commands[-1] == EnrolSave(
        id=enrolling.commands[-1].id, name="Ada Lovelace", begins="2027-02-01", ends="2027-12-31 18:00"
    )


def tab_to(hand: Hand, name: str) -> None:
    """Tab until that item has the focus; every item that a key reaches is passed once at most."""
    for _ in range(20):
        item = hand.window.activeFocusItem()
        if item is not None and item.objectName() == name:
            return
        hand.presses("Tab")
    raise AssertionError(f"Tab does not come to {name}")


def test_every_control_of_the_dates_is_reached_by_tab(enrolling: Said) -> None:
    enrolling.hand.touch("openDates")
    for name in ("endToday", "endMonth", "endYear", "endNever", "date_ok", "back"):
        tab_to(enrolling.hand, name)


@pytest.mark.parametrize(
    ("days", "touched", "told", "ends"),
    [
        (0, "endToday", f"Dates: until {day(0)}", day(0)),
        (0, "endMonth", f"Dates: until {day(30)}", day(30)),
        (0, "endYear", f"Dates: until {day(365)}", day(365)),
        (0, "endNever", "Dates: no limit", "none"),
        (7, "endNever", "Dates: no limit", "none"),
        (7, "date_ok", f"Dates: until {day(7)}", None),
    ],
)
def test_an_end_by_one_touch_and_the_door_s_own_where_none_is_given(
    hand: Hand, days: int, touched: str, told: str, ends: str | None
) -> None:
    said = Said(hand, days).named()
    assert hand.text("openDates") == (f"Dates: until {day(days)}" if days else "Dates: no limit")
    hand.touch("openDates")
    hand.touch(touched)
    if touched != "date_ok":
        hand.touch("date_ok")
    assert hand.text("openDates") == told
    assert said.saved() == ("Ada", None, ends)


@pytest.mark.parametrize("way", ["back", "Escape"])
def test_dates_that_are_not_taken_over_are_forgotten_and_the_name_stays(enrolling: Said, way: str) -> None:
    hand = enrolling.hand
    hand.touch("openDates")
    touches(hand, "20270201")
    hand.touch("back") if way == "back" else hand.presses(way)
    assert hand.page == "enrol"
    assert hand.text("openDates") == "Dates: no limit"
    assert enrolling.saved() == ("Ada", None, None)
    assert not any(isinstance(one, EnrolAbort) for one in enrolling.commands)


@pytest.mark.parametrize(
    ("trouble", "note"),
    [
        (Trouble.BAD_BEGIN, f"The first day is no date. Write it as in {day(0)}."),
        (Trouble.BAD_END, f"The last day is no date. Write it as in {day(0)}."),
        (Trouble.ENDS_FIRST, "The last day lies before the first. Change one of them."),
        (Trouble.ENDED, "The last day is over already. Choose a later one."),
    ],
)
def test_what_the_door_says_of_dates_is_shown_beside_them_and_goes_when_they_are_changed(
    enrolling: Said, trouble: Trouble, note: str
) -> None:
    hand = enrolling.hand
    hand.touch("openDates")
    touches(hand, "20270201")
    hand.touch("date_ok")
    hand.bridge.take(Enrolment(step=Step.TRIED))
    enrolling.saved()
    enrolling.answer(trouble)
    assert (hand.text("firstDay"), hand.text("note")) == ("2027-02-01", note)
    hand.touch("date_erase")
    assert hand.text("note") == ""
    hand.touch("date_2")
    hand.touch("date_ok")
    assert enrolling.saved() == ("Ada", "2027-02-02", None)


def test_a_name_that_is_taken_is_said_also_after_a_successful_try(enrolling: Said) -> None:
    enrolling.hand.bridge.take(Enrolment(step=Step.TRIED))
    enrolling.saved()
    enrolling.answer(Trouble.NAME_TAKEN)
    assert enrolling.hand.text("note") == "Somebody of this name is enrolled. Choose another."
    assert enrolling.hand.find("name") is not None


def test_keys_under_a_finger_do_not_move_when_a_note_comes_or_goes(enrolling: Said) -> None:
    hand = enrolling.hand
    hand.touch("openDates")
    before = [
        (hand.find(name).mapToScene(hand.window.contentItem().position()), hand.find(name).height()) for name in ("date_1", "date_ok")
    ]
    hand.touch("date_ok")
    enrolling.saved()
    enrolling.answer(Trouble.ENDED)
    assert hand.text("note")
    after = [(hand.find(name).mapToScene(hand.window.contentItem().position()), hand.find(name).height()) for name in ("date_1", "date_ok")]
    assert before == after


def test_the_next_enrolment_begins_without_the_dates_of_the_last(enrolling: Said) -> None:
    hand = enrolling.hand
    hand.touch("openDates")
    hand.touch("endMonth")
    hand.touch("date_ok")
    hand.bridge.take(Enrolment(step=Step.CAPTURE))
    hand.bridge.take(READY)
    assert hand.text("openDates") == "Dates: no limit"
    assert enrolling.saved()[2] is None


def test_who_is_renewed_is_asked_for_no_dates(hand: Hand) -> None:
    said = Said(hand)
    hand.window.setProperty("page", "enrol")
    hand.bridge.take(Enrolment(step=Step.TWIN, twin="Ada"))
    hand.touch("same")
    hand.bridge.take(Enrolment(step=Step.READY, name="Ada"))
    pause(0.05)
    assert (hand.find("openDates"), hand.find("name")) == (None, None)
    assert said.saved() == (None, None, None)


@pytest.mark.parametrize(
    ("touched", "begins", "ends"),
    [
        ([], "2026-02-01", "2027-12-31 18:30"),
        (["endNever"], "2026-02-01", "none"),
        (["endToday"], "2026-02-01", day(0)),
        (["date_erase"] * 10, "none", "2027-12-31 18:30"),
    ],
)
def test_on_the_people_page_the_same_dates_are_changed(hand: Hand, touched: list[str], begins: str, ends: str) -> None:
    said = Said(hand)
    hand.window.setProperty("page", "people")
    pause(0.05)
    hand.bridge.take(Reply(id=said.commands[-1].id, people=(ADA,)))
    pause(0.05)
    hand.touch("person_0")
    hand.touch("openDates")
    for name in touched:
        hand.touch(name)
    hand.touch("date_ok")
    assert said.commands[-1] == Dates(id=said.commands[-1].id, subject=ADA.id, begins=begins, ends=ends)
    said.answer(Trouble.ENDS_FIRST)
    assert hand.text("note") == "The last day lies before the first. Change one of them."
    hand.touch("date_ok")
    said.answer(receipt="a receipt")
    assert hand.text("note") == "The date is changed. Receipt: a receipt"
    assert isinstance(said.commands[-1], ListPeople)


def outcomes(text: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, text.splitlines()) if line.get("verdict") == "identified"]


def test_somebody_enrolled_on_the_screen_with_a_future_beginning_is_refused_as_not_yet_valid(place: Place, hand: Hand) -> None:
    """A real door: bad dates are said and store nobody, good ones are stored with her; she comes again, and is known and not let in."""
    door = place.door()
    hand.bridge.start()
    hand.comes(lambda: hand.bridge.property("connected"), 30)
    hand.unlock()
    hand.touch("menu_enrol")
    hand.touch("agree")
    hand.comes(lambda: hand.bridge.property("enrolment")["step"] in ("ready", "failed"), 60)
    for key in "ada":
        hand.touch(f"key_{key}")
    for begins, ends, note in (
        ("20270230", "", "first day is no date"),
        (day(9), day(2), "before the first"),
        ("", day(-1), "over already"),
    ):
        hand.touch("openDates")
        replace(hand, "firstDay", begins)
        replace(hand, "lastDay", ends)
        hand.touch("date_ok")
        hand.touch("save")
        hand.comes(lambda note=note: note in hand.text("note"))
        assert stored(place) == 0
        hand.touch("back")
    hand.touch("openDates")
    replace(hand, "firstDay", day(2))
    replace(hand, "lastDay", day(9))
    hand.touch("date_ok")
    hand.touch("save")
    hand.comes(lambda: hand.text("saved") == "Ada is enrolled.")
    assert hand.text("savedDates") == f"May pass from {day(2)} · May pass until {day(9)}"
    assert stored(place) == 1
    hand.touch("done")
    hand.touch("back")
    hand.comes(lambda: hand.text("title") == "No entry now", 60)
    door.terminate()
    seen = outcomes(door.communicate(timeout=30)[0])
    assert {(one["name"], one["validity"]) for one in seen} == {("Ada", "not_yet_valid")}


def replace(hand: Hand, name: str, text: str) -> None:
    """Other text in that field, by touch."""
    hand.touch(name)
    for _ in range(len(hand.text(name))):
        hand.touch("date_erase")
    touches(hand, text.replace("-", ""))

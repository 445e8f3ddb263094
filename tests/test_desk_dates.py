"""Dates that an operator types at the desk: read by the door, stored with the person, and nobody stored where they cannot be."""

import time

import pytest

from edge.assembly.validity import days_from, end_in, end_of, shown, typed
from edge.records import ALWAYS, Validity
from edge.service.link import Dates, EnrolAbort, EnrolConfirm, EnrolSave, ListPeople, Step, Trouble
from tests.test_desk import IDS, START, Kiosk, enrol, kiosk, open_desk

__all__ = ["kiosk", "open_desk"]

SOON, LATER = (shown(end_in(time.time(), days), end=True) for days in (3, 30))


@pytest.mark.parametrize(
    ("begins", "ends", "days", "told", "stored"),
    [
        (None, None, 0, ("", ""), ALWAYS),
        (SOON, LATER, 0, (SOON, LATER), typed(SOON, LATER, ALWAYS)),
        (SOON, None, 0, (SOON, ""), typed(SOON, None, ALWAYS)),
        (None, LATER, 400, ("", LATER), Validity(ends=end_of(LATER))),
        (None, None, 30, ("", LATER), days_from(time.time(), 30)),
        ("none", "none", 30, ("", ""), ALWAYS),
    ],
)
def test_somebody_new_is_stored_with_the_dates_that_were_typed(
    open_desk: Kiosk, begins: str | None, ends: str | None, days: int, told: tuple[str, str], stored: Validity
) -> None:
    open_desk.clerk.days = days
    open_desk.says(START)
    assert open_desk.says(EnrolSave(id=4, name="Ada", begins=begins, ends=ends)).trouble is None
    assert [one.validity for one in open_desk.clerk.people()] == [stored]
    last = open_desk.speaker.steps[-1]
    assert (last.step, last.begins, last.ends) == (Step.SAVED, *told)


BAD_DATES = [
    ("tomorrow", None, Trouble.BAD_BEGIN),
    ("", None, Trouble.BAD_BEGIN),
    (SOON, "2026-02-30", Trouble.BAD_END),
    (SOON, "", Trouble.BAD_END),
    (LATER, SOON, Trouble.ENDS_FIRST),
    (None, "2020-12-31", Trouble.ENDED),
    ("2020-01-01", "2020-12-31", Trouble.ENDED),
]


@pytest.mark.parametrize(("begins", "ends", "trouble"), BAD_DATES)
def test_dates_that_cannot_be_are_said_store_nobody_and_can_be_mended_or_given_up(
    open_desk: Kiosk, begins: str | None, ends: str | None, trouble: Trouble
) -> None:
    open_desk.says(START)
    assert open_desk.says(EnrolSave(id=4, name="Ada", begins=begins, ends=ends)).trouble is trouble
    assert open_desk.clerk.stored == {}
    assert open_desk.says(EnrolAbort(id=5)).trouble is None
    assert open_desk.says(EnrolSave(id=6, name="Ada")).trouble is Trouble.OUT_OF_ORDER
    assert (open_desk.clerk.stored, open_desk.desk._draft) == ({}, None)
    open_desk.says(START)
    open_desk.says(EnrolSave(id=7, name="Ada", begins=begins, ends=ends))
    assert open_desk.says(EnrolSave(id=8, name="Ada", begins=SOON)).trouble is None
    assert [shown(one.validity.begins) for one in open_desk.clerk.people()] == [SOON]


def test_who_is_renewed_keeps_the_dates_there_are(open_desk: Kiosk) -> None:
    open_desk.says(START)
    open_desk.says(EnrolSave(id=4, name="Ada", begins=SOON, ends=LATER))
    open_desk.says(START)
    open_desk.says(EnrolConfirm(id=5, same=True))
    assert open_desk.says(EnrolSave(id=6, ends="none")).trouble is Trouble.OUT_OF_ORDER
    assert open_desk.says(EnrolSave(id=7)).trouble is None
    last = open_desk.speaker.steps[-1]
    assert (last.step, last.begins, last.ends) == (Step.SAVED, SOON, LATER)


def test_an_operator_types_both_dates_of_somebody_enrolled(open_desk: Kiosk) -> None:
    enrol(open_desk, "Ada")
    table = [
        (SOON, LATER, None, (SOON, LATER)),
        (None, "none", None, (SOON, "")),
        (LATER, SOON, Trouble.ENDS_FIRST, (SOON, "")),
        ("none", "soon", Trouble.BAD_END, (SOON, "")),
        ("none", "2020-12-31", None, ("", "2020-12-31")),
    ]
    for begins, ends, trouble, dates in table:
        reply = open_desk.says(Dates(id=5, subject=IDS[0], begins=begins, ends=ends))
        assert (reply.trouble, reply.receipt is None) == (trouble, trouble is not None)
        (person,) = open_desk.says(ListPeople(id=6)).people
        assert (person.begins, person.ends) == dates
    assert person.phase == "expired"

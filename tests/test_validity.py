"""Dates between which somebody may pass, as typed, shown, stored and held against the clock."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.assembly.validity import begin_of, days_from, end_of, facts, for_enrolment, prolonged, sentence, shown, typed
from edge.errors import DateFault, ValidityError
from edge.gallery.dates import as_facts, of_facts
from edge.records import ALWAYS, NEVER, Phase, Validity


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is one hour before UTC in winter, two in summer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=timezone.utc).timestamp()  # type: ignore[misc]


NOON = utc(2026, 7, 1, 10)


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-12-31", utc(2026, 12, 30, 23), utc(2026, 12, 31, 23)),
        ("2026-07-01", utc(2026, 6, 30, 22), utc(2026, 7, 1, 22)),
        ("2026-03-29", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),  # the day the clock goes forward has 23 hours
        ("2026-12-31T18:00", utc(2026, 12, 31, 17), utc(2026, 12, 31, 17)),
        ("2026-12-31 18:00", utc(2026, 12, 31, 17), utc(2026, 12, 31, 17)),
        ("2026-12-31T18:00Z", utc(2026, 12, 31, 18), utc(2026, 12, 31, 18)),
        ("2026-12-31T18:00:30+05:30", utc(2026, 12, 31, 12, 30, 30), utc(2026, 12, 31, 12, 30, 30)),
        ("none", None, None),
    ],
)
def test_a_day_is_a_whole_local_day_and_a_time_is_that_moment(text: str, begins: float | None, ends: float | None) -> None:
    assert (begin_of(text), end_of(text)) == (begins, ends)


NO_DATES = ["", "tomorrow", "31.12.2026", "2026-02-30", "2026-13-01", "1960-01-01", "9999-12-31T25:00", "9" * 11]
# half typed, without the strokes that say which day, and moments that can be neither stored nor shown
NO_DATES += [
    "2026-12-3",
    "2026-1-05",
    "20261231",
    "9999-12-31",
    "9999-12-31T23:30-05:00",
    "0001-01-01T00:00+05:00",
    "Z",
    "\x00",
    "２０２６",
]


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_date_is_said_with_the_way_out(text: str) -> None:
    with pytest.raises(ValidityError, match="write 2026-12-31, 2026-12-31T18:00") as caught:
        end_of(text)
    assert caught.value.fault is DateFault.END


def read_or_fault(read: Callable[[str], float | None], text: str) -> float | DateFault | None:
    try:
        return read(text)
    except ValidityError as error:
        return error.fault


@given(
    st.text(max_size=32) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?", fullmatch=True)
)
def test_whatever_is_typed_is_a_limit_that_can_be_stored_and_shown_or_an_error_of_ours(text: str) -> None:
    for read, fault in ((begin_of, DateFault.BEGIN), (end_of, DateFault.END)):
        moment = read_or_fault(read, text)
        if isinstance(moment, DateFault):
            assert moment is fault
            continue
        limit = Validity(begins=moment)
        assert of_facts({name: stored for name, stored in as_facts(limit).items() if stored}) == limit
        assert bool(shown(moment)) == bool(shown(moment, end=True)) == (moment is not None)


def test_what_is_not_typed_stays() -> None:
    before = Validity(utc(2026, 1, 1), utc(2027, 1, 1))
    assert typed(None, None, before) == before
    assert typed("none", None, before) == Validity(None, before.ends)
    assert typed(None, "2026-12-31", before) == Validity(before.begins, utc(2026, 12, 31, 23))


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(ValidityError, match="--from 2026-12-31 --until 2026-12-30: ends before it begins") as caught:
        typed("2026-12-31", "2026-12-30", ALWAYS)
    assert caught.value.fault is DateFault.ORDER
    assert typed("2026-12-31", "2026-12-31", ALWAYS).limited  # one whole day


def test_a_new_person_has_the_typed_end_or_the_default_or_none() -> None:
    assert for_enrolment(None, None, 0, NOON) == ALWAYS
    assert for_enrolment(None, "2026-07-09", 30, NOON).ends == utc(2026, 7, 9, 22)
    assert for_enrolment(None, "none", 30, NOON) == ALWAYS
    assert for_enrolment(None, None, 1, NOON).ends == utc(2026, 7, 2, 22)  # to the end of tomorrow
    assert for_enrolment("2026-07-05", None, 30, NOON) == Validity(utc(2026, 7, 4, 22), utc(2026, 7, 31, 22))


def test_nobody_is_enrolled_who_has_expired_already() -> None:
    with pytest.raises(ValidityError, match="--until 2026-06-30: is over already; nobody was enrolled") as caught:
        for_enrolment(None, "2026-06-30", 0, NOON)
    assert caught.value.fault is DateFault.OVER


def test_so_many_days_end_with_a_local_day_also_over_a_change_of_the_clock() -> None:
    assert days_from(utc(2026, 10, 20, 12), 30).ends == utc(2026, 11, 19, 23)


def test_who_is_prolonged_keeps_the_beginning() -> None:
    before = Validity(utc(2026, 7, 2), utc(2026, 7, 4))
    assert prolonged(before, 3, NOON) == Validity(before.begins, utc(2026, 7, 4, 22))
    assert prolonged(before, None, NOON) == Validity(before.begins)
    with pytest.raises(ValidityError, match="ends before it begins"):
        prolonged(before, 0, NOON)


def test_what_is_shown_can_be_typed_again() -> None:
    for text in ("2026-12-31", "2026-03-29", "2026-12-31 18:30"):
        assert shown(begin_of(text)) == text
        assert shown(end_of(text), end=True) == text
        assert sentence(typed(None, text, ALWAYS), NOON).startswith(f"until {text}")
    assert sentence(ALWAYS, NOON) == "always"
    assert sentence(typed("2026-01-01", "2026-06-30", ALWAYS), NOON) == "from 2026-01-01 until 2026-06-30, expired"
    assert sentence(typed("2026-07-02", None, ALWAYS), NOON) == "from 2026-07-02, not yet valid"


def test_programs_read_utc() -> None:
    told = facts(typed("2026-07-02", "2026-12-31", ALWAYS), NOON)
    assert told == {"valid_from": "2026-07-01T22:00:00Z", "valid_until": "2026-12-31T23:00:00Z", "validity": "not_yet_valid"}
    assert facts(ALWAYS, NOON) == {"valid_from": None, "valid_until": None, "validity": "valid"}


def test_a_validity_includes_its_first_moment_and_not_its_last() -> None:
    validity = Validity(10.0, 20.0)
    phases = [validity.at(moment).value for moment in (9.9, 10.0, 19.9, 20.0)]
    assert phases == ["not_yet_valid", "valid", "valid", "expired"]
    assert not ALWAYS.limited
    assert {ALWAYS.at(moment) for moment in (0.0, 1e12)} == {Phase.VALID}
    assert {NEVER.at(moment) for moment in (0.0, 1e12)} == {Phase.EXPIRED}
    with pytest.raises(ValueError, match="ends before it begins"):
        Validity(20.0, 20.0)


@pytest.mark.parametrize("validity", [ALWAYS, Validity(0.0, 1e9), Validity(NOON), Validity(ends=NOON)], ids=str)
def test_a_record_gives_back_what_was_stored(validity: Validity) -> None:
    assert of_facts({name: text for name, text in as_facts(validity).items() if text}) == validity


@pytest.mark.parametrize("text", ["", "2026-12-31", "soon"])
def test_a_date_that_cannot_be_read_lets_nobody_in(text: str) -> None:
    assert of_facts({"valid_until": text}) == NEVER
    assert of_facts({"valid_from": text}) == NEVER
    assert of_facts({"valid_from": "2026-12-31T00:00:00Z", "valid_until": "2026-01-01T00:00:00Z"}) == NEVER

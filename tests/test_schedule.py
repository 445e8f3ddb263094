"""Weekly schedules: what a text says, and what it refuses."""

import pytest

from edge.door.schedule import DAYS, parse


def minute(text: str) -> tuple[int, int]:
    day, clock = text.split()
    hours, minutes = clock.split(":")
    return DAYS.index(day), int(hours) * 60 + int(minutes)


@pytest.mark.parametrize(
    ("schedule", "moment", "is_open"),
    [
        ("always", "sun 03:00", True),
        ("never", "mon 12:00", False),
        ("mon-fri 07:00-19:00", "mon 06:59", False),
        ("mon-fri 07:00-19:00", "mon 07:00", True),
        ("mon-fri 07:00-19:00", "fri 18:59", True),
        ("mon-fri 07:00-19:00", "fri 19:00", False),
        ("mon-fri 07:00-19:00", "sat 12:00", False),
        ("mon-fri 07:00-19:00, sat 09:00-13:00", "sat 12:59", True),
        ("  MON-FRI   07:00-19:00 ,sat 09:00-13:00 ", "sat 09:00", True),
        ("sat-mon 10:00-11:00", "sun 10:30", True),
        ("sat-mon 10:00-11:00", "tue 10:30", False),
        ("fri 22:00-06:00", "sat 05:59", True),
        ("fri 22:00-06:00", "sat 06:00", False),
        ("fri 22:00-06:00", "fri 05:00", False),
        ("sun 22:00-06:00", "mon 01:00", True),
        ("wed 00:00-24:00", "wed 23:59", True),
        ("wed 00:00-24:00", "thu 00:00", False),
    ],
)
def test_a_schedule_is_open_when_its_text_says_so(schedule: str, moment: str, is_open: bool) -> None:
    assert parse(schedule).open_at(*minute(moment)) is is_open


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no span"),
        ("mon", "is no span"),
        ("mon 7:00-19:00", "is no span"),
        ("mon-fri 07:00-19:00,", "is no span"),
        ("mxn 07:00-19:00", "'mxn' is no day"),
        ("mon 07:00-24:01", "24:01 is no time of day"),
        ("mon 07:60-19:00", "07:60 is no time of day"),
        ("mon 07:00-07:00", "the span is empty"),
        ("mon 24:00-07:00", "the span is empty"),
    ],
)
def test_a_text_that_is_not_understood_is_refused_with_its_part(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)

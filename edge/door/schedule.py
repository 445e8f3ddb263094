"""A weekly schedule as text: ``always``, ``never``, or ``mon-fri 07:00-19:00, sat 09:00-13:00`` in local time.

A span that ends before it begins goes on into the next day: ``fri 22:00-06:00`` ends on Saturday morning.
"""

import re
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY, WEEK = 24 * 60, 7 * 24 * 60  # minutes
_SPAN = re.compile(r"([a-z]{3})(?:-([a-z]{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)")


@dataclass(frozen=True)
class Schedule:
    """When the door may open. spans: minutes of the week from Monday 00:00, each from its first minute to before its last."""

    always: bool
    spans: tuple[tuple[int, int], ...] = ()

    def open_at(self, weekday: int, minute: int) -> bool:
        """weekday: 0 is Monday. minute: of that day, 0..1439."""
        moment = weekday * DAY + minute
        return self.always or any(begin <= moment < end or begin <= moment + WEEK < end for begin, end in self.spans)


def parse(text: str) -> Schedule:
    """The schedule that a text says. Raises ValueError naming the part that is not understood."""
    plain = " ".join(text.lower().split())
    if plain in ("always", "never"):
        return Schedule(plain == "always")
    return Schedule(False, tuple(span for part in plain.split(",") for span in _spans(part.strip())))


def _spans(part: str) -> list[tuple[int, int]]:
    found = _SPAN.fullmatch(part)
    if found is None:
        raise ValueError(f"'{part}' is no span of a schedule; write always, never, or spans such as 'mon-fri 07:00-19:00, sat 09:00-13:00'")
    begin, end = _minute(part, found[3], found[4]), _minute(part, found[5], found[6])
    if begin in (end, DAY):
        raise ValueError(f"'{part}': the span is empty; a whole day is 00:00-24:00")
    length = (end - begin) % DAY or DAY
    return [(day * DAY + begin, day * DAY + begin + length) for day in _days(part, found[1], found[2] or found[1])]


def _days(part: str, first: str, last: str) -> list[int]:
    for name in (first, last):
        if name not in DAYS:
            raise ValueError(f"'{part}': '{name}' is no day; the days are {', '.join(DAYS)}")
    begin, end = DAYS.index(first), DAYS.index(last)
    return [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]


def _minute(part: str, hours: str, minutes: str) -> int:
    moment = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or moment > DAY:
        raise ValueError(f"'{part}': {hours}:{minutes} is no time of day; times go from 00:00 to 24:00")
    return moment

"""Dates between which somebody may pass, as people type and read them: local days, both included, or local or zoned times.

A day means its whole: ``2026-12-31`` as an end is the first moment of the next day, as a beginning its own first moment.
"""

from datetime import datetime, timedelta, timezone

from edge.errors import DateFault, ValidityError
from edge.records import Phase, Validity

NONE = "none"
_DAY = "%Y-%m-%d"
_FAULTS = {"from": DateFault.BEGIN, "until": DateFault.END}


def begin_of(text: str) -> float | None:
    """A typed beginning as wall-clock seconds since 1970; None for ``none``. Raises ValidityError."""
    return _moment("from", text, timedelta(0))


def end_of(text: str) -> float | None:
    """A typed end, likewise."""
    return _moment("until", text, timedelta(days=1))


def typed(begins: str | None, ends: str | None, before: Validity) -> Validity:
    """The limits that were typed and, of what was not, those before. Raises ValidityError, also if nothing lies between them."""
    return _between(before.begins if begins is None else begin_of(begins), before.ends if ends is None else end_of(ends))


def for_enrolment(begins: str | None, ends: str | None, days: int, now: float) -> Validity:
    """The same for a new person: without a typed end, ``days`` as in ``days_from``. Raises ValidityError for an end that is over."""
    found = typed(begins, ends, Validity() if ends else days_from(now, days))
    if found.at(now) is Phase.EXPIRED:
        raise ValidityError(f"--until {shown(found.ends, end=True)}: is over already; nobody was enrolled", DateFault.OVER)
    return found


def prolonged(before: Validity, days: int | None, now: float) -> Validity:
    """The beginning as it was, and the end so many days from now, as in ``end_in``; None: no end. Raises ValidityError."""
    return _between(before.begins, None if days is None else end_in(now, days))


def _between(begins: float | None, ends: float | None) -> Validity:
    try:
        return Validity(begins, ends)
    except ValueError:
        why = f"--from {shown(begins)} --until {shown(ends, end=True)}: ends before it begins; exchange them"
        raise ValidityError(why, DateFault.ORDER) from None


def days_from(now: float, days: int) -> Validity:
    """To the end of the local day so many days from a moment; 0: without limit."""
    if days == 0:
        return Validity()
    return Validity(ends=end_in(now, days))


def end_in(now: float, days: int) -> float:
    """The end of the local day so many days from a moment; 0: of this day."""
    day = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=days + 1)).timestamp()


def shown(moment: float | None, *, end: bool = False) -> str:
    """A limit in local time, a whole day as that day; empty for none. end: of an end, whose day is the last one."""
    if moment is None:
        return ""
    local = datetime.fromtimestamp(moment)
    if local.hour or local.minute or local.second:
        return local.strftime("%Y-%m-%d %H:%M")
    return (local - timedelta(days=1) if end else local).strftime(_DAY)


def sentence(validity: Validity, now: float) -> str:
    """For people: ``from 2026-01-01 until 2026-12-31, expired``; ``always`` without limits."""
    parts = [f"{word} {text}" for word, text in (("from", shown(validity.begins)), ("until", shown(validity.ends, end=True))) if text]
    phase = validity.at(now)
    return " ".join(parts or ["always"]) + ("" if phase is Phase.VALID else f", {phase.value.replace('_', ' ')}")


def facts(validity: Validity, now: float) -> dict[str, str | None]:
    """For programs: UTC, ISO 8601, the end not included."""
    return {"valid_from": utc(validity.begins), "valid_until": utc(validity.ends), "validity": validity.at(now).value}


def utc(moment: float | None) -> str | None:
    """ISO 8601."""
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(name: str, text: str, whole: timedelta) -> float | None:
    plain = text.strip()
    if plain.casefold() == NONE:
        return None
    try:
        moment = _time(plain) if len(plain) > len("2026-12-31") else _day(plain) + whole
        seconds = moment.timestamp()
        datetime.fromtimestamp(seconds, timezone.utc).astimezone()  # or it could be neither stored nor shown
    except (ValueError, OverflowError, OSError):
        seconds = -1.0
    if seconds < 0:
        way_out = f"write 2026-12-31, 2026-12-31T18:00 or 2026-12-31T18:00Z, or {NONE}"
        raise ValidityError(f"--{name} {text}: is no date from 1970 to 9999; {way_out}", _FAULTS[name])
    return float(int(seconds))


def _day(text: str) -> datetime:
    day = datetime.strptime(text, _DAY)
    if len(text) < len("2026-12-31"):
        raise ValueError("2026-12-3 may be the 31st, half typed")
    return day


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text[:-1] + "+00:00" if text[-1] in "Zz" else text)

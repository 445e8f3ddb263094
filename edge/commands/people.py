"""Who is enrolled, as `edge list` shows it to people and programs."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.assembly.validity import facts, sentence
from edge.gallery import Subject


@dataclass(frozen=True)
class Listing:
    """facts: one JSON-ready object a person. columns, rows: a table; dates and former references stand in it only where there are any."""

    facts: list[dict[str, object]]
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def listing(people: Sequence[Subject], now: float) -> Listing:
    """now: wall-clock seconds since 1970, by which dates are called over or not begun."""
    limited, moving = any(one.validity.limited for one in people), any(one.former for one in people)
    columns = ("name", "id", "enrolled", "references", *(("valid",) if limited else ()), *(("to be renewed",) if moving else ()))
    rows = [_row(one, now, limited=limited, moving=moving) for one in people]
    return Listing([_facts(one, now) for one in people], columns, rows)


def _facts(one: Subject, now: float) -> dict[str, object]:
    known = {"id": one.id, "name": one.label, "enrolled": one.created, "references": one.references, "former": one.former}
    return {**known, **facts(one.validity, now)}


def _row(one: Subject, now: float, *, limited: bool, moving: bool) -> tuple[str, ...]:
    always = (one.label, one.id, one.created[:10], str(one.references))
    return (*always, *((sentence(one.validity, now),) if limited else ()), *((str(one.former),) if moving else ()))

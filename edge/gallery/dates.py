"""Validity as facts of a subject's sealed record: UTC to the second. What cannot be read counts as over."""

from collections.abc import Mapping
from datetime import datetime, timezone

from edge.records import ALWAYS, NEVER, Validity

FROM, UNTIL = "valid_from", "valid_until"
_STAMP = "%Y-%m-%dT%H:%M:%SZ"


def as_facts(validity: Validity) -> dict[str, str | None]:
    """What to store of it, whole seconds; None takes a limit out."""
    return {FROM: _text(validity.begins), UNTIL: _text(validity.ends)}


def of_facts(facts: Mapping[str, str]) -> Validity:
    """The validity that a record states; none stated is no limit."""
    if FROM not in facts and UNTIL not in facts:
        return ALWAYS
    try:
        return Validity(_seconds(facts.get(FROM)), _seconds(facts.get(UNTIL)))
    except ValueError:
        return NEVER


def _text(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc).strftime(_STAMP)


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.strptime(text, _STAMP).replace(tzinfo=timezone.utc).timestamp()

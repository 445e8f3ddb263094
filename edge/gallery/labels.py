"""Names of subjects, in any script: one normal form, what is refused, which ones are near."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

from edge.errors import SubjectError

MAX_CHARACTERS = 64
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_REFUSED_CHARACTERS = frozenset("\u200e\u200f\u061c\ufeff") | {chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_ID_DIGITS = frozenset("0123456789abcdef")
ID_CHARACTERS = 32


def normalised(name: str) -> str:
    """The name in NFC without outer white space.

    SubjectError if it is empty or too long, holds control or direction characters, or is shaped like an id.
    """
    label = unicodedata.normalize("NFC", name).strip()
    if not label:
        raise SubjectError("name: is empty: give at least one character")
    if len(label) > MAX_CHARACTERS:
        raise SubjectError(f"name: has {len(label)} characters, at most {MAX_CHARACTERS} fit: shorten it")
    for place, character in enumerate(label, 1):
        if unicodedata.category(character) in _REFUSED_CATEGORIES or character in _REFUSED_CHARACTERS:
            raise SubjectError(f"name: character {place} (U+{ord(character):04X}) is a control character: leave it out")
    if is_id(label.casefold()):  # in either case: names are found whatever their letter case
        raise SubjectError(f"name {label}: is shaped like a subject's id: choose another")
    return label


def is_id(text: str) -> bool:
    """Whether the text is shaped like an opaque id (32 lower-case hex digits)."""
    return len(text) == ID_CHARACTERS and _ID_DIGITS.issuperset(text)


def ids_only(texts: Iterable[str]) -> list[str]:
    """Those that are shaped like an opaque id. Where all are, as a rule, they are looked at at once."""
    every = list(texts)
    return every if id_bytes(every) is not None else [each for each in every if is_id(each)]


def id_bytes(ids: Sequence[str]) -> bytes | None:
    """The 16 bytes of every id, joined; None if one of them is no id. Thousands cost as much as some by themselves."""
    try:
        joined = "".join(ids)
        blocks = bytes.fromhex(joined)
    except (TypeError, ValueError):
        return None
    return blocks if blocks.hex() == joined and set(map(len, ids)) <= {ID_CHARACTERS} else None


def nearest(name: str, labels: Iterable[str], n: int = 3) -> list[str]:
    """Up to n labels that read like ``name``, the nearest first; letter case does not count."""
    folded: dict[str, str] = {}
    for label in labels:
        folded.setdefault(label.casefold(), label)
    return [folded[match] for match in difflib.get_close_matches(name.casefold(), list(folded), n=n)]

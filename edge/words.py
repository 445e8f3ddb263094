"""Small words for people."""

_PLURALS = {"person": "people"}


def counted(number: int, thing: str) -> str:
    """How many of a thing: "1 reference", "2 references", "2 people"."""
    return f"{number} {thing if number == 1 else _PLURALS.get(thing, f'{thing}s')}"

"""One of a thing and several read as people write them."""

import pytest

from edge.words import counted


@pytest.mark.parametrize(
    ("number", "thing", "text"),
    [
        (0, "reference", "0 references"),
        (1, "reference", "1 reference"),
        (2, "reference", "2 references"),
        (1, "person", "1 person"),
        (3, "person", "3 people"),
    ],
)
def test_a_thing_is_counted_as_people_say_it(number: int, thing: str, text: str) -> None:
    assert counted(number, thing) == text

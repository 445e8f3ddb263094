"""Who stands at the door, and who walks past: the zone as a table, and a door that decides only of who stands there."""

import pytest

from edge.face.zone import UNSEEN, Attention, Zone
from tests.twins import face_at

ZONE = Zone(size=0.15, width=0.8, dwell=0.3)
SIZE = (640, 480)


@pytest.mark.parametrize(
    ("x", "side", "holds"),
    [
        (280, 100, True),
        (280, 71, False),  # 0.15 of 480 are 72
        (280, 72, True),
        (0, 100, False),  # its middle is at 50 of 640: outside of the middle 0.8
        (14, 100, True),
        (526, 100, True),
        (530, 100, False),
        (280, 470, True),
    ],
)
def test_a_face_is_in_the_zone_when_large_and_central_enough(x: float, side: float, holds: bool) -> None:
    assert ZONE.holds(face_at(x, 5.0, side), SIZE) is holds


def test_in_an_upright_picture_the_shorter_side_is_its_width() -> None:
    assert [ZONE.holds(face_at(204.0, 5.0, side), (480, 640)) for side in (71.0, 72.0)] == [False, True]


NEAR, FAR = face_at(280.0, 200.0, 100.0), face_at(280.0, 200.0, 50.0)


@pytest.mark.parametrize(
    ("course", "counts"),
    [
        ([(0.0, NEAR)], False),
        ([(0.0, NEAR), (0.2, NEAR)], False),
        ([(0.0, NEAR), (0.2, NEAR), (0.3, NEAR)], True),
        ([(0.0, FAR), (0.2, FAR), (1.0, FAR)], False),
        ([(0.0, FAR), (0.3, NEAR)], False),  # the time far away does not count
        ([(0.0, NEAR), (0.2, FAR), (0.4, NEAR)], True),  # one frame outside is forgiven
        ([(0.0, NEAR), (0.1 + UNSEEN, NEAR)], False),  # gone for longer: it begins anew
        ([(0.0, NEAR), (0.4, FAR)], False),  # not while outside
    ],
)
def test_a_face_counts_once_it_has_stood_there_for_long_enough(course: list[tuple[float, object]], counts: bool) -> None:
    attention = Attention(ZONE)
    for now, face in course:
        found = attention.seen(now, SIZE, [(1, face)])  # type: ignore[list-item]  # a face
    assert found == ({1} if counts else set())


def test_every_track_has_a_time_of_its_own_and_none_is_kept_that_left() -> None:
    attention = Attention(ZONE)
    for step in range(200):
        attention.seen(step / 10, SIZE, [(step, NEAR)])
    assert len(attention._since) <= 10 * UNSEEN + 1
    assert attention.seen(20.0, SIZE, [(1, NEAR)]) == frozenset()

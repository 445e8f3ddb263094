import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face.track import Tracker
from edge.records import Face


def at(x: float, y: float = 100, side: float = 50) -> Face:
    return Face(np.array([x, y, x + side, y + side], np.float32), np.zeros((5, 2), np.float32), 0.9)


def tracker(patience: float = 1.0, min_overlap: float = 0.3, reach: float = 3.0, most: int = 8) -> Tracker:
    return Tracker(patience, min_overlap, reach, most)


def test_a_person_walking_past_is_one_track() -> None:
    """Thirty frames a second, small steps: one number all the way."""
    tracks = tracker()
    assert {tracks.update([at(4.0 * step)], step / 30)[0] for step in range(60)} == {1}


def test_two_people_crossing_far_apart_in_size_stay_two() -> None:
    """The near one passes before the far one; each keeps the number."""
    tracks = tracker()
    for step in range(40):
        numbers = tracks.update([at(10.0 * step, 60, 120), at(400 - 10.0 * step, 100, 40)], step / 15)
        assert numbers == [1, 2]


def test_equal_people_crossing_are_told_apart_by_their_direction() -> None:
    """Two faces of one size on one line: where they were heading decides."""
    tracks = tracker()
    for step in range(21):
        numbers = tracks.update([at(10.0 * step, 100), at(205 - 10.0 * step, 100)], step / 15)
    assert numbers == [1, 2]


def test_the_order_of_faces_in_a_frame_does_not_count() -> None:
    """Numbers are parallel to the faces handed in."""
    tracks = tracker()
    assert tracks.update([at(0), at(300)], 0.0) == [1, 2]
    assert tracks.update([at(302), at(2)], 0.1) == [2, 1]
    assert tracks.update([at(4)], 0.2) == [1]


def test_two_frames_a_second_still_follow_a_step_aside() -> None:
    """A face that moved by its own width in half a second, without overlap, is the same approach; the same jump in 1/30 s is not."""
    slow, fast = tracker(), tracker()
    slow.update([at(0)], 0.0)
    fast.update([at(0)], 0.0)
    assert slow.update([at(60)], 0.5) == [1]
    assert fast.update([at(60)], 1 / 30) == [2]


def test_a_jump_far_away_or_to_another_size_is_another_person() -> None:
    """Beyond one and a half sides, or one and a half times the size, nothing but overlap joins faces."""
    tracks = tracker(patience=10)
    tracks.update([at(0)], 0.0)
    assert tracks.update([at(200)], 5.0) == [2]
    assert tracks.update([at(60, side=90)], 9.0) == [3]


def test_a_face_lost_for_a_moment_comes_back_as_the_same_track() -> None:
    """Shorter than the patience: it goes on where its movement would have taken it."""
    tracks = tracker()
    for step in range(10):
        tracks.update([at(10.0 * step)], step / 10)
    assert tracks.update([], 1.0) == []
    assert tracks.update([at(140)], 1.4) == [1]


def test_a_track_ends_after_its_patience_in_seconds_and_is_told_once() -> None:
    """Time counts, not frames."""
    tracks = tracker(patience=1.0)
    tracks.update([at(0)], 10.0)
    for step in range(100):
        tracks.update([], 10.0 + step / 100)
    assert tracks.expired(11.0) == []
    assert tracks.expired(11.01) == [1]
    assert tracks.expired(12.0) == []


def test_coming_back_after_the_end_is_a_new_approach() -> None:
    """The old number is told as ended and never given again, also when nobody asked in between."""
    tracks = tracker(patience=1.0)
    assert tracks.update([at(0)], 0.0) == [1]
    assert tracks.update([at(0)], 5.0) == [2]
    assert tracks.expired(5.0) == [1]


def test_no_room_drops_the_longest_unseen_but_nobody_in_view() -> None:
    """Two places: a third face gets none while both are seen, and takes that of the one who left."""
    tracks = tracker(patience=9, most=2)
    assert tracks.update([at(0), at(300), at(600)], 0.0) == [1, 2, None]
    assert tracks.update([at(300), at(600)], 1.0) == [2, 3]
    assert tracks.expired(1.0) == [1]


def test_several_frames_at_one_time_are_no_error_but_time_running_back_is() -> None:
    """Two cameras may tick together; an older frame is the caller's defect, for both calls."""
    tracks = tracker()
    tracks.update([at(0)], 1.0)
    assert tracks.update([at(1)], 1.0) == [1]
    with pytest.raises(ValueError, match=r"0\.9"):
        tracks.update([at(0)], 0.9)
    with pytest.raises(ValueError, match="nan"):
        tracks.expired(float("nan"))


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"min_overlap": 0}, {"min_overlap": 1.1}, {"reach": -1}, {"most": 0}])
def test_impossible_settings_make_no_tracker(wrong: dict) -> None:
    """Each is refused when the tracker is made."""
    with pytest.raises(ValueError, match="no tracker"):
        tracker(**wrong)


places = st.lists(st.lists(st.tuples(st.integers(0, 400), st.integers(10, 90)), max_size=6), max_size=12)


@given(places, st.integers(1, 4))
def test_laws_of_numbers(frames: list[list[tuple[int, int]]], most: int) -> None:
    """In one frame no number twice; never more tracks than asked; an ended number never comes again; each ends once."""
    tracks, ended = tracker(patience=0.35, most=most), []
    for step, frame in enumerate(frames):
        given_out = [number for number in tracks.update([at(x, side=side) for x, side in frame], step * 0.2) if number is not None]
        assert len(set(given_out)) == len(given_out) == min(len(frame), most)
        assert not set(given_out) & set(ended)
        ended += tracks.expired(step * 0.2)
    ended += tracks.expired(1e6)
    assert sorted(ended) == list(range(1, len(ended) + 1))

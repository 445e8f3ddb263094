"""The gate: what is counted, by hand, and that a threshold never becomes laxer by quantisation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.crops import Crops
from calibration.faces import DetectJudge, Hasher, matched
from calibration.gate import Hashed, HashJudge, distances, moved_tail
from edge.records import Face
from edge.template.tail import Bound, NonMatedTail
from tests.samples import told as unlike
from tests.samples import whole_costs

TAIL = NonMatedTail(m=64, pairs=100_000, tail_at=30.5, tail_share=0.01, shape=0.0, scale=1.5)


def face(x: float, side: float = 40.0, shift: float = 0.0) -> Face:
    points = np.array([(10, 10), (30, 10), (20, 20), (12, 30), (28, 30)], np.float32) * side / 40 + (x + shift, 0)
    return Face(np.array([x, 0, x + side, side], np.float32), points.astype(np.float32), 0.9)


def low(float_float: int | None, int8_int8: int | None, float_int8: int | None) -> dict:
    return {
        name: {"non_mated_low": value}
        for name, value in (("float_float", float_float), ("int8_int8", int8_int8), ("float_int8", float_int8))
    }


def counted(codes: np.ndarray, q: int) -> Hashed:
    return Hashed(codes, whole_costs(codes, q))


def test_distances_tell_mated_from_non_mated_and_reference_from_probe() -> None:
    true = np.array([[0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], np.uint8)
    found = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 0]], np.uint8)
    told = distances(counted(true, 2), counted(found, 2), np.array([5, 5, 6]))
    assert (told["mated_pairs"], told["non_mated_pairs"], told["people_known"]) == (1, 2, False)
    of = [unlike(unequal, 4, 2) for unequal in range(5)]
    assert [told[kind]["mated_mean"] for kind in ("float_float", "int8_int8", "float_int8")] == [of[1], of[0], of[0]]
    means = [(of[4] + of[3]) / 2, of[3], (of[3] + of[4]) / 2]
    assert [told[kind]["non_mated_mean"] for kind in ("float_float", "int8_int8", "float_int8")] == means


def test_where_enough_people_are_known_only_pairs_of_different_ones_count() -> None:
    people = np.array([*range(150), -1, -1])
    codes = np.random.default_rng(0).integers(0, 4, (152, 16)).astype(np.uint8)
    told = distances(counted(codes, 4), counted(codes, 4), people)
    assert told["people_known"]
    assert told["non_mated_pairs"] == 150 * 149 // 2


@pytest.mark.parametrize(
    ("lows", "moved"),
    [((402, 402, 402), 0), ((402, 400, 401), -2), ((402, 403, 399), -3), ((402, 405, 404), 0)],
    ids=["none", "nearer among itself", "nearer to float", "further, which is not believed"],
)
def test_the_tail_moves_to_the_safe_side_only(lows: tuple[int, int, int], moved: int) -> None:
    tail, shift = moved_tail(TAIL, low(*lows))
    assert shift == moved
    assert tail == replace(TAIL, tail_at=30.5 + moved)


def test_its_interval_moves_along() -> None:
    bounds = (Bound(30, 0.009, 0.013), Bound(20, 1e-6, 1e-4), Bound(1, 0.0, 1e-9))
    tail, _ = moved_tail(replace(TAIL, people=50, bounds=bounds), low(402, 400, 400))
    assert tail is not None
    assert [(bound.dissimilarity, bound.high) for bound in tail.bounds] == [(28, 0.013), (18, 1e-4)]


def test_without_a_tail_or_without_pairs_nothing_is_moved() -> None:
    assert moved_tail(None, low(402, 400, 400)) == (None, None)
    assert moved_tail(TAIL, low(None, None, None)) == (TAIL, None)


@given(st.integers(-100, 100), st.integers(-100, 100))
def test_no_shift_makes_a_threshold_laxer(own: int, cross: int) -> None:
    tail, _ = moved_tail(TAIL, low(400, 400 + own, 400 + cross))
    assert tail is not None
    assert all(tail.false_match_rate(unequal) >= TAIL.false_match_rate(unequal) for unequal in range(31))


def test_a_face_found_again_a_little_off_one_missed_and_one_extra() -> None:
    overlaps, shifts, extra = matched([[face(0), face(100)]], [[face(2, shift=-1), face(300)]])
    assert overlaps == pytest.approx([38 / 42, 0])
    assert shifts[0] == pytest.approx(1 / 20)
    assert np.isinf(shifts[1])
    assert extra == 1


def test_pictures_without_faces_count_nothing() -> None:
    overlaps, _, extra = matched([[], [face(0)]], [[], []])
    assert (overlaps.tolist(), extra) == ([0.0], 0)


class ByPlace(Hasher):
    """Symbols by where a face's first point lies: each pixel that it moves changes one of a hundred."""

    def symbols(self, picture: np.ndarray, face: Face) -> np.ndarray | None:
        place = round(float(face.landmarks[0, 0])) % 50
        return (np.arange(100) < place).astype(np.uint8) if face.score > 0 else None


class Seen(DetectJudge):
    """A judge that is told what each network sees."""

    def faces(self, network: bytes) -> list[list[Face]]:
        found = [[face(0)], [face(50)]]
        no_crop = Face(found[1][0].box, found[1][0].landmarks, 0.0)
        return {
            b"blind": [[], []],
            b"misses one": [[face(0)], []],
            b"sees more": [[face(0), face(200)], [face(50)]],
            b"points that fix no crop": [[face(0)], [no_crop]],
        }.get(network, found)


def seen() -> Seen:
    return Seen(b"float", [np.zeros((1, 1, 3), np.uint8)] * 2, 320, ByPlace(b"", 2))


@pytest.mark.parametrize(
    ("network", "passed"), [(b"same", True), (b"blind", False), (b"sees more", False), (b"points that fix no crop", False)]
)
def test_a_detector_passes_if_it_sees_the_same_faces_and_no_others(network: bytes, passed: bool) -> None:
    judge = seen()
    assert judge.figures(network)["passed"] is passed
    assert (judge.score(network) == 1) is passed


def test_a_face_that_is_missed_counts_as_missed_and_not_as_symbols_that_differ() -> None:
    figures = seen().figures(b"misses one")
    assert (figures["agreement"], figures["missed"], figures["passed"]) == (1.0, 1, False)
    assert seen().score(b"misses one") == 0.5
    assert seen().figures(b"blind")["agreement"] is None


class Off(Seen):
    """Sees the same, and the points this many pixels off, of 20 between the eyes."""

    def faces(self, network: bytes) -> list[list[Face]]:
        return [[face(x * 50, side=400.0, shift=float(network or 0))] for x in range(2)]


@pytest.mark.parametrize(("off", "passed"), [(b"0", True), (b"5", True), (b"6", False)])
def test_landmarks_near_by_in_pixels_still_fail_when_they_change_too_many_symbols(off: bytes, passed: bool) -> None:
    """One pixel is 1 % of the symbols here and 0.5 % of the eye distance: six are within the bar for landmarks, and not for symbols."""
    judge = Off(b"0", [np.zeros((1, 1, 3), np.uint8)] * 2, 320, ByPlace(b"", 2))
    figures = judge.figures(off)
    assert figures["agreement"] == pytest.approx(1 - int(off) / 100)
    assert figures["landmark_shift_mean"] == pytest.approx(int(off) / 200)
    assert figures["landmark_shift_mean"] <= figures["limits"]["landmark_shift_mean"]
    assert figures["passed"] is passed


class Constant(Hasher):
    """Every face has the same symbols."""

    def symbols(self, picture: np.ndarray, face: Face) -> np.ndarray | None:
        return np.zeros(100, np.uint8)


@pytest.mark.parametrize(("off", "passed"), [(b"5", True), (b"7", False)])
def test_landmarks_too_far_off_fail_also_where_no_symbol_changes(off: bytes, passed: bool) -> None:
    judge = Off(b"0", [np.zeros((1, 1, 3), np.uint8)] * 2, 320, Constant(b"", 2))
    assert judge.figures(off)["agreement"] == 1.0
    assert judge.figures(off)["passed"] is passed


class Told(HashJudge):
    """A judge that is told every network's symbols."""

    def hashed(self, network: bytes) -> Hashed:
        codes = np.zeros((20, 100), np.uint8)
        codes[:, : int(network or b"0")] = 1
        return counted(codes, 2)


@pytest.mark.parametrize(("unequal", "passed"), [(b"0", True), (b"5", True), (b"6", False)])
def test_the_hash_passes_at_95_of_100_symbols(unequal: bytes, passed: bool) -> None:
    judge = Told(b"", Crops(np.zeros((20, 112, 112, 3), np.uint8), np.arange(20)), 2)
    figures = judge.figures(unequal)
    assert figures["agreement"] == pytest.approx(1 - int(unequal) / 100)
    assert figures["passed"] is passed

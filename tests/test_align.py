import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face.align import REFERENCE, align, similarity

ANGLES, SCALES, SHIFTS = st.floats(-3.1, 3.1), st.floats(0.05, 20), st.floats(-500, 500)


def moved(points: np.ndarray, angle: float, scale: float, x: float, y: float) -> np.ndarray:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + (x, y)


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The textbook form of the paper, with singular values, as a second opinion."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, d, vt = np.linalg.svd(b.T @ a / len(a))
    sign = np.diag([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    scaled = np.trace(np.diag(d) @ sign) / a.var(0).sum() * (u @ sign @ vt)
    return np.column_stack([scaled, target.mean(0) - scaled @ source.mean(0)])


@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_a_similarity_is_found_back(angle: float, scale: float, x: float, y: float) -> None:
    """Points moved, turned and scaled without error are taken back exactly."""
    matrix = similarity(moved(REFERENCE, angle, scale, x, y), REFERENCE)
    back = moved(REFERENCE, angle, scale, x, y) @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(back - REFERENCE).max() < 1e-6


@given(st.integers(0, 2**32 - 1))
def test_the_fit_is_umeyamas(seed: int) -> None:
    """The complex factor and the singular values give one answer, also for points that fit badly."""
    random = np.random.default_rng(seed)
    source = REFERENCE + random.normal(0, 8, (5, 2))
    assert np.allclose(similarity(source, REFERENCE), umeyama(source, REFERENCE), atol=1e-8)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    """The linear part stays a rotation times a positive scale even when a reflection would fit better."""
    mirrored = REFERENCE * (-1, 1) + (0, 7)
    matrix = similarity(mirrored, REFERENCE)[:, :2]
    assert np.linalg.det(matrix) > 0
    assert np.allclose(matrix @ matrix.T, np.linalg.det(matrix) * np.eye(2))


def test_points_on_one_line_are_enough() -> None:
    """Collinear landmarks fix rotation, scale and shift."""
    line = np.linspace(0, 4, 5)[:, None] * (3.0, 4.0)
    matrix = similarity(line, REFERENCE)
    assert np.isfinite(matrix).all()
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("points", [np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_landmarks_on_one_point_fix_no_crop(points: np.ndarray) -> None:
    """All equal or not finite: ValueError, not a black crop."""
    with pytest.raises(ValueError, match="drop this face"), np.errstate(invalid="ignore"):
        align(np.zeros((200, 200, 3), np.uint8), points.astype(np.float32))


def test_landmarks_that_fit_in_every_rotation_fix_no_crop() -> None:
    """Two points mirrored into each other leave the rotation open."""
    with pytest.raises(ValueError, match="every rotation"):
        similarity(np.array([(1.0, 0), (-1, 0), (0, 1), (0, -1)]), np.array([(1.0, 0), (-1, 0), (0, -1), (0, 1)]))


def test_wrong_number_of_landmarks_is_refused() -> None:
    """Four points are a defect of the caller."""
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        align(np.zeros((9, 9, 3), np.uint8), np.zeros((4, 2), np.float32))


def test_landmarks_on_the_reference_leave_the_picture_as_it_is() -> None:
    """The similarity is then the identity, and so is the crop."""
    picture = np.random.default_rng(1).integers(0, 256, (112, 112, 3), np.uint8)
    assert np.abs(align(picture, REFERENCE.astype(np.float32)).astype(int) - picture).max() <= 2


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.7, 2.0, 3.3, 6.0, 12.0])
@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_dots_on_the_landmarks_arrive_on_the_reference(scale: float, angle: float) -> None:
    """At every size of face, a disc around each landmark has its centre within 0.3 pixels of the reference point."""
    landmarks = moved(REFERENCE, angle, scale, 12 * scale + 70 * scale, 8 * scale)
    picture = np.zeros((int(220 * scale), int(220 * scale), 3), np.uint8)
    for point in landmarks:
        centre = tuple(int(value) for value in np.round(point * 16))
        cv2.circle(picture, centre, int(4 * scale * 16), (255, 255, 255), -1, cv2.LINE_AA, 4)
    crop = align(picture, landmarks.astype(np.float32))[..., 0].astype(np.float64)
    assert crop.shape == (112, 112)
    for x, y in REFERENCE:
        left, top = round(x) - 8, round(y) - 8
        window = crop[top : top + 17, left : left + 17]
        rows, columns = np.mgrid[top : top + 17, left : left + 17]
        assert np.hypot((columns * window).sum() / window.sum() - x, (rows * window).sum() / window.sum() - y) < 0.3


def test_a_large_face_is_averaged_and_not_picked_from() -> None:
    """Stripes finer than a crop pixel become their mean."""
    picture = np.zeros((1000, 1000, 3), np.uint8)
    picture[:, ::2] = 200
    crop = align(picture, (REFERENCE * 8).astype(np.float32))
    assert np.abs(crop[10:-10, 10:-10].astype(int) - 100).max() <= 12


def test_beyond_the_picture_the_crop_is_black() -> None:
    """A face at the left edge gets black columns."""
    crop = align(np.full((112, 112, 3), 255, np.uint8), (REFERENCE - (40, 0)).astype(np.float32))
    assert not crop[:, :38].any()
    assert (crop[:, 42:] == 255).all()

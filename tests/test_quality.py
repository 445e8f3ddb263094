from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.face.align import align
from edge.face.quality import Limits, assess, outside_share, pose
from edge.records import Face, Reason

LIMITS = Limits(
    min_eye_distance=20,
    min_box_side=40,
    max_outside=0.1,
    max_yaw=45,
    max_pitch=35,
    max_roll=30,
    min_brightness=40,
    max_brightness=215,
    max_saturated=0.15,
    min_sharpness=0.006,
)
# mean head: eyes 63 mm apart, 70 mm above the mouth, the nose tip 31 mm before the plane of both
HEAD = np.array([(-31.5, -37, 0), (31.5, -37, 0), (0, 0.1, 31), (-26, 33, 0), (26, 33, 0)])


def portrait(size: int = 300) -> np.ndarray:
    """A drawn face in the middle: skin, eyes, brows, nose, mouth, and skin texture."""
    picture = np.full((size, size, 3), 90, np.uint8)
    unit, middle = size / 300, size // 2
    cv2.ellipse(picture, (middle, middle), (int(62 * unit), int(85 * unit)), 0, 0, 360, (120, 150, 190), -1)
    for eye in (-1, 1):
        x = int(middle + eye * 31 * unit)
        cv2.circle(picture, (x, int(middle - 30 * unit)), int(9 * unit), (20, 20, 20), -1)
        cv2.ellipse(picture, (x, int(middle - 48 * unit)), (int(16 * unit), int(4 * unit)), 0, 0, 360, (40, 50, 60), -1)
    cv2.ellipse(picture, (middle, int(middle + 42 * unit)), (int(27 * unit), int(7 * unit)), 0, 0, 360, (70, 70, 150), -1)
    cv2.line(picture, (middle, middle), (middle, int(middle + 8 * unit)), (90, 110, 150), max(1, int(4 * unit)))
    texture = np.random.default_rng(0).normal(0, 10, picture.shape[:2])[..., None]
    return np.clip(picture + cv2.GaussianBlur(texture, (0, 0), 0.7 * unit)[..., None], 0, 255).astype(np.uint8)


def face(size: int = 300, shift: tuple[float, float] = (0, 0)) -> Face:
    unit, middle = size / 300, size / 2
    landmarks = np.array([(-31, -30), (31, -30), (0, 6), (-27, 42), (27, 42)]) * unit + middle + shift
    box = np.array([-62, -85, 62, 85]) * unit + middle + np.tile(shift, 2)
    return Face(box.astype(np.float32), landmarks.astype(np.float32), 0.9)


def reasons(picture: np.ndarray, seen: Face | None = None, limits: Limits = LIMITS) -> tuple[Reason, ...]:
    seen = seen or face()
    return assess(picture, seen, align(picture, seen.landmarks), limits).reasons


def seen_from(yaw: float = 0, pitch: float = 0, roll: float = 0) -> np.ndarray:
    """The head's five points as a far camera sees them, turned by degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    points = HEAD @ np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    points = points @ np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    turn = np.array([[np.cos(r), np.sin(r)], [-np.sin(r), np.cos(r)]])
    return (points[:, :2] @ turn).astype(np.float32) + 200


def test_a_good_sample_has_no_reason() -> None:
    """A sharp, upright, well-lit face serves."""
    assert reasons(portrait()) == ()


def test_far_away_is_too_small() -> None:
    """The same picture at a fifth of the size is refused for its size, by eyes and by box."""
    assert Reason.TOO_SMALL in reasons(portrait(60), face(60))
    assert Reason.TOO_SMALL in reasons(portrait(), face(), replace(LIMITS, min_eye_distance=63))
    assert Reason.TOO_SMALL in reasons(portrait(), face(), replace(LIMITS, min_box_side=125))


def test_a_face_half_out_of_the_picture_is_cut_off() -> None:
    """Cut at the right, a third of the box and two landmarks are missing."""
    assert Reason.CUT_OFF in reasons(portrait()[:, :170])


def test_outside_is_the_larger_share_of_box_and_landmarks() -> None:
    """A quarter of the box; one landmark of five; everything."""
    marks = np.full((5, 2), 50, np.float32)
    assert outside_share(Face(np.array([-25, 0, 75, 100], np.float32), marks, 1), (100, 100)) == 0.25
    away = marks.copy()
    away[0] = (-1, 50)
    assert outside_share(Face(np.array([0, 0, 100, 100], np.float32), away, 1), (100, 100)) == pytest.approx(0.2)
    assert outside_share(Face(np.array([200, 0, 300, 100], np.float32), marks, 1), (100, 100)) == 1
    assert outside_share(Face(np.array([50, 50, 50, 50], np.float32), marks, 1), (100, 100)) == 1


@pytest.mark.parametrize("angle", [-60, -35, -15, 0, 15, 35, 60])
def test_the_proxies_are_degrees_for_a_mean_head(angle: float) -> None:
    """Yaw and pitch come back within 8 degrees with their sign, roll exactly."""
    assert pose(seen_from(yaw=angle))[0] == pytest.approx(angle, abs=8)
    assert pose(seen_from(pitch=angle / 2))[1] == pytest.approx(angle / 2, abs=8)
    assert pose(seen_from(roll=angle))[2] == pytest.approx(angle, abs=0.1)


def test_leaning_the_head_changes_neither_yaw_nor_pitch() -> None:
    """Yaw and pitch are measured along the head's own axes."""
    assert pose(seen_from(yaw=25, pitch=10, roll=40))[:2] == pytest.approx(pose(seen_from(yaw=25, pitch=10))[:2], abs=6)
    assert pose(seen_from(roll=40))[:2] == pytest.approx(pose(seen_from())[:2], abs=0.1)


def test_turned_bent_and_tilted_heads_are_told_apart() -> None:
    """Yaw and pitch are 'turned', roll is 'tilted'."""
    box = np.array([100, 100, 300, 300], np.float32)
    picture, crop = np.zeros((400, 400, 3), np.uint8), np.full((112, 112, 3), 128, np.uint8)
    for turned in (seen_from(yaw=60), seen_from(yaw=-60), seen_from(pitch=50), seen_from(pitch=-50)):
        told = assess(picture, Face(box, turned, 1), crop, LIMITS).reasons
        assert Reason.TURNED in told
        assert Reason.TILTED not in told
    told = assess(picture, Face(box, seen_from(roll=-40), 1), crop, LIMITS).reasons
    assert Reason.TILTED in told
    assert Reason.TURNED not in told


def test_landmarks_without_extent_are_measured_without_error() -> None:
    """All points equal: numbers, not an exception."""
    assert np.isfinite(pose(np.full((5, 2), 3, np.float32))).all()


def test_light_is_judged_on_the_face_and_not_on_the_background() -> None:
    """A dark face before a bright wall is too dark; a bright face at night is too bright."""
    crop = align(portrait(), face().landmarks)
    rows, columns = np.mgrid[0:112, 0:112]
    around = ((columns - 56) / 37) ** 2 + ((rows - 66) / 45) ** 2 > 1
    dark, bright = (crop * 0.15).astype(np.uint8), np.clip(crop.astype(int) + 120, 0, 255).astype(np.uint8)
    dark[around], bright[around] = 255, 0
    told = assess(portrait(), face(), dark, LIMITS)
    assert told.reasons == (Reason.TOO_DARK,)
    assert told.brightness < 40
    assert Reason.TOO_BRIGHT in assess(portrait(), face(), bright, LIMITS).reasons


def test_a_lamp_burning_out_a_part_of_the_face_is_too_bright() -> None:
    """A fifth of the face at full white, the rest as usual: the mean says nothing, the saturated share does."""
    crop = align(portrait(), face().landmarks)
    crop[:, :42] = 255
    told = assess(portrait(), face(), crop, LIMITS)
    assert told.brightness < LIMITS.max_brightness
    assert Reason.TOO_BRIGHT in told.reasons


def test_blur_is_seen_and_its_measure_falls_with_it() -> None:
    """More blur, less sharpness; strong blur is refused."""
    measured = [
        assess(blurred, face(), align(blurred, face().landmarks), LIMITS)
        for blurred in (cv2.GaussianBlur(portrait(), (0, 0), sigma) for sigma in (0.5, 1.5, 3, 6))
    ]
    sharpness = [quality.sharpness for quality in measured]
    assert sharpness == sorted(sharpness, reverse=True)
    assert measured[0].reasons == ()
    assert measured[-1].reasons == (Reason.BLURRED,)


def test_sharpness_does_not_depend_on_contrast_or_noise() -> None:
    """Half the contrast changes it little, and a blurred face with noise stays far from a sharp one."""
    crop = align(portrait(), face().landmarks)
    sharp = assess(portrait(), face(), crop, LIMITS).sharpness
    pale = assess(portrait(), face(), (crop // 2 + 64).astype(np.uint8), LIMITS).sharpness
    assert pale == pytest.approx(sharp, rel=0.25)
    blurred = cv2.GaussianBlur(crop, (0, 0), 3)
    noisy = np.clip(blurred + np.random.default_rng(2).normal(0, 3, crop.shape), 0, 255).astype(np.uint8)
    assert assess(portrait(), face(), noisy, LIMITS).sharpness < sharp / 3


def test_an_even_surface_has_no_sharpness() -> None:
    """No contrast at all is no division by zero."""
    assert assess(portrait(), face(), np.full((112, 112, 3), 128, np.uint8), LIMITS).sharpness == 0


def test_reasons_come_in_a_fixed_order() -> None:
    """Size first, then cut, pose, light, blur."""
    nothing_serves = Limits(1e3, 1e3, -1, -1, -1, -1, 256, -1, -1, 1e9)
    assert reasons(portrait(), face(), nothing_serves) == (
        Reason.TOO_SMALL,
        Reason.CUT_OFF,
        Reason.TURNED,
        Reason.TILTED,
        Reason.TOO_DARK,
        Reason.TOO_BRIGHT,
        Reason.BLURRED,
    )


def test_a_crop_of_another_size_is_refused() -> None:
    """The measures are defined on 112 x 112 only."""
    with pytest.raises(ValueError, match="96"):
        assess(portrait(), face(), np.zeros((96, 112, 3), np.uint8), LIMITS)

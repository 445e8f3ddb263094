import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face.detect import MOST_CANDIDATES, anchors, decode, fit, overlap, suppress

SIZE = (64, 96)
CELLS = anchors(SIZE)


def outputs(*faces: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a detector says of faces given as (cell, score, half side in strides), with landmarks one stride right of and below the cell."""
    scores = np.zeros(len(CELLS), np.float32)
    boxes = np.zeros((len(CELLS), 4), np.float32)
    landmarks = np.ones((len(CELLS), 10), np.float32)
    for cell, score, half in faces:
        scores[cell], boxes[cell] = score, half
    return scores, boxes, landmarks


def found(*faces: tuple[int, float, float], scale: float = 1.0, iou: float = 0.4) -> list:
    return decode(*outputs(*faces), SIZE, scale, threshold=0.5, iou=iou)


@given(height=st.integers(1, 700), width=st.integers(1, 700), long_side=st.integers(32, 640))
def test_canvas_is_padded_to_multiples_of_32_and_holds_the_long_side(height: int, width: int, long_side: int) -> None:
    """The long side becomes what was asked, the padding is less than 32, and the scale is exact."""
    canvas, scale = fit(np.full((height, width, 3), 255, np.uint8), long_side)
    assert scale == long_side / max(height, width)
    for side, length in zip(canvas.shape[:2], (height, width), strict=True):
        assert side % 32 == 0
        assert 0 <= side - max(1, round(length * scale)) < 32


def test_padding_is_black_and_only_right_and_below() -> None:
    """A white picture keeps the top left corner of the canvas."""
    canvas, _ = fit(np.full((100, 200, 3), 255, np.uint8), 100)
    assert canvas.shape == (64, 128, 3)
    assert (canvas[:50, :100] == 255).all()
    assert not canvas[50:].any()
    assert not canvas[:, 100:].any()


def test_fine_stripes_shrink_to_their_mean() -> None:
    """Shrinking averages areas instead of picking pixels."""
    stripes = np.zeros((320, 320, 3), np.uint8)
    stripes[:, ::2] = 200
    canvas, _ = fit(stripes, 64)
    assert np.abs(canvas.astype(int) - 100).max() <= 20


@pytest.mark.parametrize(
    ("image", "long_side"),
    [
        (np.zeros((0, 4, 3), np.uint8), 320),
        (np.zeros((4, 4), np.uint8), 320),
        (np.zeros((4, 4, 3), np.float32), 320),
        (np.zeros((4, 4, 3), np.uint8), 31),
    ],
)
def test_no_canvas_for_an_impossible_picture(image: np.ndarray, long_side: int) -> None:
    """Empty, grey, float and too small requests are refused, with the shape or the size in the message."""
    with pytest.raises(ValueError, match=r"\(0, 4, 3\)|\(4, 4\)|float32|31"):
        fit(image, long_side)


def test_cells_run_over_strides_and_rows_with_points_in_their_middle() -> None:
    """64 x 96 has 96 + 24 + 6 cells; the second is one stride to the right, and a row later one stride down."""
    assert len(CELLS) == 96 + 24 + 6
    assert CELLS[0].tolist() == [4, 4, 8]
    assert CELLS[1].tolist() == [12, 4, 8]
    assert CELLS[12].tolist() == [4, 12, 8]
    assert CELLS[96].tolist() == [8, 8, 16]
    assert CELLS[120].tolist() == [16, 16, 32]


def test_a_face_comes_back_in_pixels_of_the_source() -> None:
    """Distances count in strides from the anchor point, and the scale of ``fit`` is undone."""
    (face,) = found((97, 0.75, 1.5), scale=0.5)
    assert face.box.tolist() == [0, -32, 96, 64]
    assert (face.landmarks == [80, 48]).all()
    assert face.landmarks.shape == (5, 2)
    assert face.score == 0.75


def test_faces_come_best_first_and_weak_ones_not_at_all() -> None:
    """Of three cells apart, the one below the threshold is missing."""
    assert [face.score for face in found((0, 0.5, 0.4), (11, 0.875, 0.4), (50, 0.49, 0.4))] == [0.875, 0.5]


def test_of_two_boxes_on_one_face_the_better_stays() -> None:
    """Neighbouring cells with large boxes are one face; with small boxes they are two."""
    assert [face.score for face in found((0, 0.75, 3), (1, 0.875, 3))] == [0.875]
    assert len(found((0, 0.75, 0.5), (1, 0.875, 0.5))) == 2


def test_no_face_is_an_empty_list() -> None:
    """Nothing above the threshold is no error."""
    assert found() == []


def test_broken_numbers_and_empty_boxes_are_no_faces() -> None:
    """Not-a-number in score, box or landmark, and a box without area, are dropped; the sound face beside them stays."""
    scores, boxes, landmarks = outputs((0, np.nan, 1), (3, 0.75, 1), (6, 0.75, 1), (9, 0.75, 0), (30, 0.625, 1))
    boxes[3, 2], landmarks[6, 5] = np.inf, np.nan
    assert [face.score for face in decode(scores, boxes, landmarks, SIZE, 1.0, 0.5, 0.4)] == [0.625]


def test_a_detector_gone_mad_is_bounded() -> None:
    """Every cell a face without overlap: at most a fixed number comes back."""
    size = (320, 320)
    cells = len(anchors(size))
    everywhere = decode(
        np.ones(cells, np.float32), np.full((cells, 4), 0.01, np.float32), np.zeros((cells, 10), np.float32), size, 1.0, 0.5, 0.4
    )
    assert cells > MOST_CANDIDATES == len(everywhere)


def test_outputs_of_another_canvas_are_refused() -> None:
    """The number of cells must fit the canvas, and the canvas must be a multiple of 32."""
    with pytest.raises(ValueError, match=r"\(126,\)"):
        decode(*outputs(), (64, 64), 1.0, 0.5, 0.4)
    with pytest.raises(ValueError, match="64 x 90"):
        decode(*outputs(), (64, 90), 1.0, 0.5, 0.4)


boxes_strategy = st.lists(st.tuples(*[st.integers(0, 60)] * 4), min_size=1, max_size=12).map(
    lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], dtype=np.float64)
)


@given(boxes=boxes_strategy, iou=st.floats(0.1, 0.9))
def test_suppression_keeps_what_overlaps_no_better_one(boxes: np.ndarray, iou: float) -> None:
    """A box is kept if and only if it has an area and no kept box before it overlaps it by more than the limit."""
    kept = suppress(boxes, iou)
    shared = overlap(boxes, boxes)
    for row, box in enumerate(boxes):
        beaten = any(shared[better, row] > iou for better in kept if better < row)
        assert (row in kept) == (box[2] > box[0] and box[3] > box[1] and not beaten)


def test_overlap_of_known_boxes() -> None:
    """Half over half of two squares is a third; apart and empty are nothing."""
    square = np.array([[0.0, 0, 2, 2]])
    others = np.array([[1.0, 0, 3, 2], [0, 0, 2, 2], [5, 5, 6, 6], [1, 1, 1, 1]])
    assert overlap(square, others)[0].tolist() == pytest.approx([1 / 3, 1, 0, 0])


def test_cells_of_one_face_vote_on_its_place_by_score_and_overlap() -> None:
    """Two neighbours, 8 pixels apart, boxes of 64: overlap 7/9, so the box lies 0.6 * 7/9 / (0.9 + 0.6 * 7/9) of the way over."""
    (face,) = found((40, 0.9, 4.0), (41, 0.6, 4.0))
    alone = found((40, 0.9, 4.0))[0]
    moved = 8 * (0.6 * 7 / 9) / (0.9 + 0.6 * 7 / 9)
    assert face.box - alone.box == pytest.approx([moved, 0, moved, 0], abs=1e-4)
    assert face.landmarks - alone.landmarks == pytest.approx(np.tile([moved, 0.0], (5, 1)), abs=1e-4)
    assert face.score == pytest.approx(0.9)

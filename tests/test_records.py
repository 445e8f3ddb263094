"""The records are checked when made: what is impossible does not come into being."""

import numpy as np
import pytest

from edge.records import Code, Face, Features, Frame, Outcome, Verdict


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Frame(np.zeros((4, 4), np.uint8), 0.0, 3, "door"), "frame 3 of door: expected H x W x 3 uint8"),
        (lambda: Frame(np.zeros((4, 4, 3), np.float32), 0.0, 0, "door"), "expected H x W x 3 uint8"),
        (lambda: Face(np.zeros(3, np.float32), np.zeros((5, 2), np.float32), 0.5), "expected 4 numbers"),
        (lambda: Face(np.zeros(4, np.float32), np.zeros((4, 2), np.float32), 0.5), "expected 5 x 2"),
        (lambda: Features(np.zeros(8, np.float64), 0.0), "float32"),
        (lambda: Features(np.full(8, np.nan, np.float32), 0.0), "not finite"),
        (lambda: Features(np.zeros(8, np.float32), float("inf")), "not finite"),
        (lambda: Code(np.array([0, 8], np.uint8), 8), "0..7"),
        (lambda: Code(np.array([0, 1], np.int64), 8), "uint8"),
        (lambda: Code(np.zeros(8, np.uint8), 1), "symbols must lie"),
        (lambda: Outcome(Verdict.UNKNOWN, 1, 0.0, 0.0, 3, subject="ada"), "belongs to 'identified'"),
        (lambda: Outcome(Verdict.IDENTIFIED, 1, 0.0, 0.0, 3), "belongs to 'identified'"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(".", r"\.")):
        make()  # type: ignore[operator]


def test_an_outcome_has_no_place_for_a_score() -> None:
    assert set(Outcome.__dataclass_fields__) == {"verdict", "track", "captured", "decided", "frames", "subject", "reasons"}

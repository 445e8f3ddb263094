"""Which face belongs to which approach: one approach of a person is one track. Times are handed in; nothing here looks at a clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from edge.face.detect import area, overlap
from edge.records import Face

Boxes = npt.NDArray[np.float64]

# A face that jumps may not change its side by more than this factor, nor move by more than this many sides, however long it was unseen.
MOST_GROWTH = 1.5
FARTHEST = 1.5
SMOOTHING = 0.5


@dataclass
class _Track:
    box: Boxes
    velocity: Boxes
    seen: float

    def predict(self, captured: float) -> Boxes:
        return self.box + self.velocity * (captured - self.seen)

    def follow(self, box: Boxes, captured: float) -> None:
        passed = captured - self.seen
        if passed > 0:
            moved = (_centres(box[None]) - _centres(self.box[None]))[0] / passed
            self.velocity = SMOOTHING * self.velocity + (1 - SMOOTHING) * np.tile(moved, 2)
        self.box, self.seen = box, captured


class Tracker:
    """Gives every face the number of its track. Numbers count from 1 and are never used again.

    patience: seconds after which a track that was not seen has ended. min_overlap: intersection over union (0..1) from which a face is
    that of a track, at its last or its predicted place (constant velocity). reach: for low frame rates, how far a face that does not
    overlap may have moved, in face sides per second. most: tracks kept at a time; a new face then replaces the track unseen for
    longest, or goes without one.
    """

    def __init__(self, patience: float, min_overlap: float, reach: float, most: int) -> None:
        if patience <= 0 or not 0 < min_overlap <= 1 or reach < 0 or most < 1:
            raise ValueError(f"tracker: patience {patience} s, overlap {min_overlap}, reach {reach} sides/s, {most} tracks make no tracker")
        self._patience, self._min_overlap, self._reach, self._most = patience, min_overlap, reach, most
        self._tracks: dict[int, _Track] = {}
        self._ended: list[int] = []
        self._numbers = count(1)
        self._now = float("-inf")

    def update(self, faces: Sequence[Face], captured: float) -> list[int | None]:
        """The track of every face of one frame, parallel to ``faces``; None where there was no room.

        Raises ValueError when time runs back.
        """
        self._advance(captured)
        numbers = list(self._tracks)
        boxes = np.array([face.box for face in faces], dtype=np.float64).reshape(-1, 4)
        found: list[int | None] = [None] * len(faces)
        for row, column in self._pairs(boxes, captured):
            found[column] = numbers[row]
            self._tracks[numbers[row]].follow(boxes[column], captured)
        for column, number in enumerate(found):
            if number is None and self._make_room(captured):
                found[column] = fresh = next(self._numbers)
                self._tracks[fresh] = _Track(boxes[column], np.zeros(4), captured)
        return found

    def expired(self, captured: float) -> list[int]:
        """The tracks that have ended since the last call, each told once. Raises ValueError when time runs back."""
        self._advance(captured)
        ended, self._ended = self._ended, []
        return ended

    def _advance(self, captured: float) -> None:
        if not captured >= self._now:
            raise ValueError(f"tracker: a frame captured at {captured} s came after one of {self._now} s; hand frames in as captured")
        self._now = captured
        for number in [number for number, track in self._tracks.items() if captured - track.seen > self._patience]:
            self._end(number)

    def _end(self, number: int) -> None:
        del self._tracks[number]
        self._ended.append(number)

    def _make_room(self, captured: float) -> bool:
        if len(self._tracks) < self._most:
            return True
        oldest = min(self._tracks, key=lambda number: self._tracks[number].seen)
        if self._tracks[oldest].seen == captured:
            return False
        self._end(oldest)
        return True

    def _pairs(self, boxes: Boxes, captured: float) -> list[tuple[int, int]]:
        if not self._tracks or not len(boxes):
            return []
        tracks = self._tracks.values()
        last, predicted = np.array([track.box for track in tracks]), np.array([track.predict(captured) for track in tracks])
        passed = captured - np.array([track.seen for track in tracks])
        shared = np.maximum(overlap(last, boxes), overlap(predicted, boxes))
        apart = np.minimum(_jump(last, boxes), _jump(predicted, boxes))
        gate = np.minimum(self._reach * passed, FARTHEST)[:, None]
        # an overlap always goes before a jump: 1..2 against 0..-1.5
        worth = np.where(shared >= self._min_overlap, 1 + shared, np.where(apart <= gate, -apart, -np.inf))
        return _greedy(worth)


def _greedy(worth: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    pairs = []
    worth = worth.copy()
    for _ in range(min(worth.shape)):
        row, column = (int(index) for index in np.unravel_index(int(worth.argmax()), worth.shape))
        if worth[row, column] == -np.inf:
            break
        pairs.append((row, column))
        worth[row, :] = worth[:, column] = -np.inf
    return pairs


def _jump(a: Boxes, b: Boxes) -> Boxes:
    """Distances between box centres in sides of the mean of both (N x M); infinite where the sizes differ too much."""
    sides_a, sides_b = np.sqrt(area(a))[:, None], np.sqrt(area(b))[None, :]
    distance = np.linalg.norm(_centres(a)[:, None] - _centres(b)[None, :], axis=2)
    alike = np.maximum(sides_a, sides_b) <= MOST_GROWTH * np.minimum(sides_a, sides_b)
    mean = (sides_a + sides_b) / 2
    return np.where(alike & (mean > 0), distance / np.where(mean > 0, mean, 1), np.inf)


def _centres(boxes: Boxes) -> Boxes:
    return (boxes[:, :2] + boxes[:, 2:]) / 2

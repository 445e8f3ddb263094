"""Who stands in front of the door, and who only walks past: the zone in which a face counts, and for how long it must stand there."""

from collections.abc import Iterable
from dataclasses import dataclass

from edge.records import Face

UNSEEN = 0.5  # seconds unseen, or outside, after which a face has to stand there anew


@dataclass(frozen=True)
class Zone:
    """size: share of the frame's shorter side that a face must take, 0..1. width: middle share of its width in which the face's middle must
    stand, 0..1. dwell: seconds for which it must do so before it counts."""

    size: float
    width: float
    dwell: float

    def holds(self, face: Face, frame: tuple[int, int]) -> bool:
        """Whether a face is in it. frame: width, height in pixels."""
        middle = float(face.box[0] + face.box[2]) / 2 / frame[0]
        return face_side(face) >= self.size * min(frame) and abs(middle - 0.5) <= self.width / 2


class Attention:
    """Told every frame's faces by their tracks; says which of them have stood in the zone for long enough."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._since: dict[int, tuple[float, float]] = {}  # track -> in the zone since, last there

    def seen(self, now: float, frame: tuple[int, int], faces: Iterable[tuple[int, Face]]) -> frozenset[int]:
        """The tracks of this frame that count. now: seconds, never less than before. frame: width, height in pixels."""
        inside = [track for track, face in faces if self._zone.holds(face, frame)]
        for track in inside:
            since, last = self._since.get(track, (now, now))
            self._since[track] = (since if now - last <= UNSEEN else now, now)
        self._since = {track: (since, last) for track, (since, last) in self._since.items() if now - last <= UNSEEN}
        return frozenset(track for track in inside if now - self._since[track][0] >= self._zone.dwell)


def face_side(face: Face) -> float:
    """Pixels, the longer side of a face's box."""
    return float((face.box[2:] - face.box[:2]).max())

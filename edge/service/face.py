"""The door's face: what a screen shows of what the loop sees and decides. A state machine without a clock, and the watcher around it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from edge.face.quality import pose
from edge.face.zone import UNSEEN, Zone, face_side
from edge.records import Face, Frame, Outcome, Reason, Sighting, Verdict
from edge.service.messages import Building, Enrolment, Hint, Preview, Scene, State, Trouble, Turn
from edge.service.preview import jpeg

HINTS = {
    Reason.NO_FACE: Hint.SHOW_FACE,
    Reason.SEVERAL_FACES: Hint.ONE_PERSON,
    Reason.TOO_SMALL: Hint.COME_NEARER,
    Reason.CUT_OFF: Hint.STEP_BACK,
    Reason.TURNED: Hint.FACE_CAMERA,
    Reason.TILTED: Hint.HOLD_UPRIGHT,
    Reason.TOO_DARK: Hint.MORE_LIGHT,
    Reason.TOO_BRIGHT: Hint.LESS_LIGHT,
    Reason.BLURRED: Hint.HOLD_STILL,
    Reason.UNCERTAIN: Hint.FACE_CAMERA,
    Reason.INCONSISTENT: Hint.ONE_PERSON,
    Reason.TOO_BRIEF: Hint.LOOK,
}
MILD = (Trouble.PLAN, Trouble.STORAGE)  # the door goes on: they are shown while nobody stands there
STUBBORN = 0.4  # seconds for which the same sample fault must last before a person is told of it: single bad frames are no news
LONGEST = 4.0  # times ``hold`` for which a result stays while its person stands there
TOO_NEAR = 0.8  # share of the frame's shorter side that a face may take
ASIDE = 0.28  # share of the frame's width, or height, that a face's middle may be off
TURNED = 9.0  # degrees from which a head is turned; a smaller angle is within what five points tell
REMEMBERED = 64  # outcomes of tracks kept


@dataclass(frozen=True)
class Manners:
    """When the door turns to somebody, and for how long.

    zone: in which a face must stand, and for how long, before anything is shown of it: who walks past sees nothing. hold: seconds a
    result stays. silent: seconds without a frame after which the camera counts as lost. privacy: no names, ever.
    """

    zone: Zone
    hold: float
    silent: float
    privacy: bool


@dataclass
class _Track:
    """One face in the zone. since: when it came there. faulty: since when its samples are refused."""

    since: float
    seen: float
    sighting: Sighting
    faulty: float | None = None


class DoorFace:
    """Told what is seen and decided, with monotonic seconds; ``scene`` says what to show at a moment."""

    def __init__(self, manners: Manners, now: float) -> None:
        self._manners, self._frame = manners, now
        self._tracks: dict[int, _Track] = {}
        self._outcomes: dict[int, Scene] = {}
        self._result: tuple[Scene, int, float] | None = None  # what, whose, since when
        self._trouble: Trouble | None = None
        self._building: Building | None = None
        self.main: Sighting | None = None

    def seen(self, now: float, size: tuple[int, int], sightings: Sequence[Sighting]) -> None:
        """One frame of ``size`` (width, height) with these faces."""
        self._frame = now
        for sighting in sightings:
            if not self._manners.zone.holds(sighting.face, size):
                continue
            track = self._tracks.get(sighting.track)
            if track is None or now - track.seen > UNSEEN:
                track = self._tracks[sighting.track] = _Track(now, now, sighting)
            faulty = (track.faulty if track.faulty is not None else now) if sighting.reasons else None
            track.seen, track.sighting, track.faulty = now, sighting, faulty
        self._tracks = {number: track for number, track in self._tracks.items() if now - track.seen <= UNSEEN}

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """What an approach came to. It is shown only if its face stands in the zone long enough."""
        if outcome.verdict is Verdict.IDENTIFIED:
            self._outcomes[outcome.track] = Scene(state=State.WELCOME, name=None if self._manners.privacy else name)
        elif outcome.verdict is Verdict.UNKNOWN:
            self._outcomes[outcome.track] = Scene(state=State.NOT_RECOGNISED)
        self._forget()

    def overrule(self, track: int, state: State) -> None:
        """The door's rules say otherwise of that approach: DENIED, or TRY_LATER."""
        self._outcomes[track] = Scene(state=state)
        if self._result is not None and self._result[1] == track:
            self._result = (self._outcomes[track], track, self._result[2])
        self._forget()

    def trouble(self, trouble: Trouble | None, building: Building | None = None) -> None:
        """Something that stops the door's work or, if mild, hinders it; None: it is over. building: with PLAN, how far it is."""
        self._trouble, self._building = trouble, building if trouble is Trouble.PLAN else None

    def scene(self, now: float) -> Scene:
        """What to show now."""
        if self._trouble is not None and self._trouble not in MILD:
            return Scene(state=State.SERVICE, trouble=self._trouble)
        if now - self._frame > self._manners.silent:
            return Scene(state=State.SERVICE, trouble=Trouble.CAMERA)
        waiting = [track for track in self._tracks.values() if self._attends(track, now)]
        main = max(waiting, key=lambda track: face_side(track.sighting.face), default=None)
        self.main = main.sighting if main else None
        if main is not None and main.sighting.track in self._outcomes:
            number = main.sighting.track
            self._result = (self._outcomes.pop(number), number, now)
        return self._held(now, main) or (self._of(main, now) if main else self._idle())

    def _idle(self) -> Scene:
        if self._trouble is None:
            return Scene(state=State.IDLE)
        return Scene(state=State.SERVICE, trouble=self._trouble, building=self._building)

    def _held(self, now: float, main: _Track | None) -> Scene | None:
        """The result that still stands, if any: for ``hold`` seconds, longer while its person stands there."""
        if self._result is None:
            return None
        scene, track, since = self._result
        stays = main is not None and main.sighting.track == track
        if now - since <= self._manners.hold * (LONGEST if stays else 1.0):
            return scene
        self._result = None
        return None

    def _of(self, track: _Track, now: float) -> Scene:
        sighting = track.sighting
        if sighting.decided:
            return self._idle()
        if sighting.reasons and track.faulty is not None and now - track.faulty >= STUBBORN:
            return Scene(state=State.LOOK_HERE, hints=tuple(dict.fromkeys(HINTS[reason] for reason in islice(sighting.reasons, 2))))
        return Scene(state=State.CHECKING if sighting.samples else State.LOOK_HERE)

    def _attends(self, track: _Track, now: float) -> bool:
        return track.seen - track.since >= self._manners.zone.dwell and now - track.seen <= UNSEEN

    def _forget(self) -> None:
        for number in list(self._outcomes)[:-REMEMBERED]:
            del self._outcomes[number]


class Publisher(Protocol):
    """What the watcher needs of the link."""

    @property
    def attached(self) -> bool: ...

    def show(self, message: Scene | Enrolment) -> None: ...

    def picture(self, make: Callable[[], tuple[Preview, bytes] | None]) -> None: ...


class ScreenWatcher:
    """A watcher of the loop that tells the screen. Costs the loop a few additions; pictures are made in the link's thread.

    clock: monotonic seconds. width: of the preview, in pixels. ``tap`` is handed every frame with its faces and returns at once; where it
    returns True the preview is sent whatever the scene.
    """

    def __init__(self, face: DoorFace, clock: Callable[[], float], width: int) -> None:
        self._face, self._clock, self._width = face, clock, width
        self._lock = threading.Lock()
        self._shown: Scene | None = None
        self._link: Publisher | None = None
        self.tap: Callable[[Frame, Sequence[Sighting]], bool] = lambda frame, sightings: False

    def attach(self, link: Publisher) -> None:
        """Where to publish."""
        self._link = link
        self.tick()

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``."""
        now, size = self._clock(), (frame.image.shape[1], frame.image.shape[0])
        with self._lock:
            self._face.seen(now, size, sightings)
        wanted = self.tap(frame, sightings)
        self.tick()
        if self._link is not None and self._link.attached and (wanted or self._shows_people()):
            box = shares(self._face.main.face, size) if self._face.main else None
            self._link.picture(lambda: jpeg(frame.image, self._width, box))

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """See ``edge.watch.Watcher``."""
        with self._lock:
            self._face.decided(outcome, name)
        self.tick()

    def overrule(self, track: int, state: State) -> None:
        """The door's rules decide otherwise of an identified approach: DENIED or TRY_LATER."""
        with self._lock:
            self._face.overrule(track, state)
        self.tick()

    def trouble(self, trouble: Trouble | None, building: Building | None = None) -> None:
        """Something that stops or hinders the door's work, or None. building: with PLAN, how far it is."""
        with self._lock:
            self._face.trouble(trouble, building)
        self.tick()

    def close(self) -> None:
        """The loop has ended: nothing is decided any more, and the screen says so."""
        self.trouble(Trouble.CAMERA)

    def tick(self) -> None:
        """Publish the scene if it has changed; also called when no frame comes."""
        with self._lock:
            scene = self._face.scene(self._clock())
            changed, self._shown = scene != self._shown, scene
        if changed and self._link is not None:
            self._link.show(scene)

    def _shows_people(self) -> bool:
        return self._shown is not None and self._shown.state in (State.LOOK_HERE, State.CHECKING, State.WELCOME, State.NOT_RECOGNISED)


def shares(face: Face, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A face's box as shares of width and height, at most a little outside."""
    left, top, right, bottom = np.clip(face.box / np.tile(np.array(size, np.float32), 2), -1, 2).tolist()
    return left, top, right, bottom


def placed(face: Face, size: tuple[int, int]) -> Hint | None:
    """How the one person of an enrolment should move; None: well placed. Left and right are the person's own."""
    left, top, right, bottom = shares(face, size)
    if face_side(face) > TOO_NEAR * min(size):
        return Hint.STEP_BACK
    aside, low = (left + right) / 2 - 0.5, (top + bottom) / 2 - 0.5
    if abs(aside) > ASIDE:
        return Hint.MOVE_RIGHT if aside > 0 else Hint.MOVE_LEFT
    if abs(low) > ASIDE:
        return Hint.MOVE_UP if low > 0 else Hint.MOVE_DOWN
    return None


def turned(face: Face) -> Turn | None:
    """Where the head is turned to, by the person's own left and right; None: straight ahead."""
    yaw, pitch, _ = pose(face.landmarks)
    if max(abs(yaw), abs(pitch)) < TURNED:
        return None
    if abs(yaw) >= abs(pitch):
        return Turn.LEFT if yaw > 0 else Turn.RIGHT
    return Turn.DOWN if pitch > 0 else Turn.UP

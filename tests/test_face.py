"""What the door shows, as a table: who comes how near for how long, what is decided, and what a screen shows of it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge.face.zone import Zone
from edge.records import Face, Frame, Outcome, Reason, Sighting, Verdict
from edge.service.face import DoorFace, Manners, ScreenWatcher, placed, turned
from edge.service.messages import Hint, Scene, State, Trouble, Turn
from edge.service.preview import jpeg
from tests.twins import face_at

MANNERS = Manners(zone=Zone(size=0.15, width=0.8, dwell=0.3), hold=2.0, silent=3.0, privacy=False)
SIZE = (640, 480)
MIDDLE, EDGE = 280.0, 0.0
DARK = (Reason.TOO_DARK,)


def sighting(track: int = 1, x: float = MIDDLE, side: float = 100.0, samples: int = 0, reasons: tuple[Reason, ...] = ()) -> Sighting:
    return Sighting(track, face_at(x, 200.0, side), samples, reasons, False)


def outcome(track: int = 1, verdict: Verdict = Verdict.IDENTIFIED) -> Outcome:
    return Outcome(verdict, track, 0.0, 0.0, 3, "s" if verdict is Verdict.IDENTIFIED else None)


class Play:
    """Ten frames a second of what the sightings say."""

    def __init__(self, manners: Manners = MANNERS) -> None:
        self.face, self.now = DoorFace(manners, 0.0), 0.0

    def sees(self, seconds: float, *sightings: Sighting) -> State:
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.face.seen(self.now, SIZE, sightings)
            scene = self.face.scene(self.now)
        return scene.state

    def waits(self, seconds: float) -> State:
        self.now += seconds
        return self.face.scene(self.now).state


@pytest.mark.parametrize(
    ("shown", "seconds", "what"),
    [
        (State.IDLE, 1.0, ()),
        (State.LOOK_HERE, 1.0, (sighting(),)),
        (State.CHECKING, 1.0, (sighting(samples=1),)),
        (State.LOOK_HERE, 1.0, (sighting(samples=1, reasons=DARK),)),
        (State.IDLE, 0.2, (sighting(),)),  # walks past
        (State.IDLE, 5.0, (sighting(side=60.0),)),  # stands far away
        (State.IDLE, 5.0, (sighting(x=EDGE, side=80.0),)),  # stands aside
        (State.CHECKING, 1.0, (sighting(1, side=90.0), sighting(2, samples=2, side=120.0))),  # the nearest person counts
    ],
)
def test_a_face_is_attended_to_when_near_central_and_for_long_enough(shown: State, seconds: float, what: tuple[Sighting, ...]) -> None:
    assert Play().sees(seconds, *what) is shown


@pytest.mark.parametrize(
    ("verdict", "shown"),
    [(Verdict.IDENTIFIED, State.WELCOME), (Verdict.UNKNOWN, State.NOT_RECOGNISED), (Verdict.NOT_ACQUIRED, State.LOOK_HERE)],
)
def test_what_is_decided_is_shown_to_who_stands_there(verdict: Verdict, shown: State) -> None:
    play = Play()
    play.sees(1.0, sighting())
    play.face.decided(outcome(verdict=verdict), None)
    assert play.sees(0.1, sighting()) is shown


def test_a_passer_by_who_is_identified_is_not_recognised_on_the_screen() -> None:
    play = Play()
    play.sees(2.0, sighting(side=60.0))
    play.face.decided(outcome(), "Ada")
    assert play.sees(1.0, sighting(side=60.0)) is State.IDLE
    assert play.sees(1.0) is State.IDLE


def test_a_decision_faster_than_the_dwell_is_shown_once_the_person_stays() -> None:
    play = Play()
    play.sees(0.1, sighting())
    play.face.decided(outcome(), "Ada")
    assert play.face.scene(play.now).state is State.IDLE
    assert play.sees(0.4, sighting()) is State.WELCOME


def test_a_result_stays_for_its_time_and_longer_while_its_person_stands_there() -> None:
    play = Play()
    play.sees(1.0, sighting())
    play.face.decided(outcome(), "Ada")
    assert play.sees(6.0, sighting()) is State.WELCOME
    assert play.sees(3.0, sighting()) is not State.WELCOME
    play = Play()
    play.sees(1.0, sighting())
    play.face.decided(outcome(), "Ada")
    play.sees(0.1, sighting())
    assert play.sees(1.5) is State.WELCOME
    assert play.sees(1.0) is State.IDLE


def test_the_next_person_gets_his_own_result() -> None:
    play = Play()
    play.sees(1.0, sighting(1))
    play.face.decided(outcome(1), "Ada")
    assert play.sees(0.5, sighting(1)) is State.WELCOME
    play.sees(1.0, sighting(2))
    play.face.decided(outcome(2, Verdict.UNKNOWN), None)
    assert play.sees(0.1, sighting(2)) is State.NOT_RECOGNISED


@pytest.mark.parametrize(("privacy", "name"), [(False, "Ada"), (True, None)])
def test_privacy_mode_shows_no_name(privacy: bool, name: str | None) -> None:
    play = Play(replace(MANNERS, privacy=privacy))
    play.sees(1.0, sighting())
    play.face.decided(outcome(), "Ada")
    play.sees(0.1, sighting())
    assert play.face.scene(play.now) == Scene(state=State.WELCOME, name=name)


@pytest.mark.parametrize("rule", [State.DENIED, State.TRY_LATER])
def test_a_rule_of_the_door_overrules_a_welcome_that_is_shown_already(rule: State) -> None:
    play = Play()
    play.sees(1.0, sighting())
    play.face.decided(outcome(), "Ada")
    assert play.sees(0.1, sighting()) is State.WELCOME
    play.face.overrule(1, rule)
    assert play.sees(0.1, sighting()) is rule


def test_one_bad_frame_is_no_news_but_a_stubborn_fault_is_told_with_what_to_do() -> None:
    play = Play()
    play.sees(1.0, sighting(samples=1))
    assert play.sees(0.2, sighting(samples=1, reasons=DARK)) is State.CHECKING
    play.sees(0.5, sighting(samples=1, reasons=(Reason.TOO_DARK, Reason.TURNED)))
    assert play.face.scene(play.now).hints == (Hint.MORE_LIGHT, Hint.FACE_CAMERA)


def test_a_silent_camera_and_a_trouble_of_the_door_are_service() -> None:
    play = Play()
    play.sees(1.0, sighting())
    assert play.waits(3.5) is State.SERVICE
    assert play.face.scene(play.now).trouble is Trouble.CAMERA
    assert play.sees(0.1) is State.IDLE
    play.face.trouble(Trouble.KEY)
    assert play.sees(1.0, sighting()) is State.SERVICE
    play.face.trouble(None)
    assert play.sees(1.0, sighting()) is State.LOOK_HERE


@pytest.mark.parametrize("trouble", [Trouble.PLAN, Trouble.STORAGE])
def test_what_only_hinders_the_door_is_shown_while_nobody_stands_there(trouble: Trouble) -> None:
    play = Play()
    play.face.trouble(trouble)
    assert play.sees(1.0) is State.SERVICE
    assert play.face.scene(play.now) == Scene(state=State.SERVICE, trouble=trouble)
    assert play.sees(1.0, sighting()) is State.LOOK_HERE


def test_outcomes_of_those_who_never_stop_do_not_pile_up() -> None:
    play = Play()
    for track in range(1_000):
        play.face.decided(outcome(track), "Ada")
    play.sees(1.0, sighting(3))
    assert play.sees(0.1, sighting(3)) is State.LOOK_HERE, "the oldest are forgotten"


@pytest.mark.parametrize(
    ("x", "y", "side", "hint"),
    [
        (270, 190, 100, None),
        (560, 190, 60, Hint.MOVE_RIGHT),
        (20, 190, 60, Hint.MOVE_LEFT),
        (290, 10, 60, Hint.MOVE_DOWN),
        (290, 410, 60, Hint.MOVE_UP),
        (100, 20, 430, Hint.STEP_BACK),
    ],
)
def test_who_is_enrolled_is_told_where_to_move_by_his_own_left_and_right(x: float, y: float, side: float, hint: Hint | None) -> None:
    assert placed(face_at(x, y, side), SIZE) is hint


def looking(x: float, y: float) -> Face:
    """A face whose nose lies so many pixels off its straight place."""
    face = face_at(280.0, 200.0, 100.0)
    points = face.landmarks.copy()
    points[2] += (x, y)
    return Face(face.box, points, face.score)


@pytest.mark.parametrize(
    ("nose", "way"),
    [((0, 1), None), ((12, 0), Turn.LEFT), ((-12, 0), Turn.RIGHT), ((0, 14), Turn.DOWN), ((0, -12), Turn.UP), ((3, 4), None)],
)
def test_where_a_head_is_turned_to_is_told_by_the_person_s_own_left_and_right(nose: tuple[float, float], way: Turn | None) -> None:
    """The camera sees the person's left on its right."""
    assert turned(looking(*nose)) is way


class Wire:
    """A link that keeps what it is told."""

    def __init__(self, attached: bool = True) -> None:
        self.attached, self.shown, self.pictures = attached, [], []

    def show(self, message: Scene) -> None:
        self.shown.append(message)

    def picture(self, make: Callable[[], object]) -> None:
        self.pictures.append(make)


def watched(wire: Wire, face: Face | None, frames: int = 10) -> ScreenWatcher:
    clock = iter(np.arange(0, 100, 0.1).tolist())
    now = [0.0]

    def tell() -> float:
        return now[0]

    watcher = ScreenWatcher(DoorFace(MANNERS, 0.0), tell, 320)
    watcher.attach(wire)
    for number in range(frames):
        now[0] = next(clock)
        watcher.seen(Frame(np.zeros((480, 640, 3), np.uint8), now[0], number, "twin"), [Sighting(1, face, 1, (), False)] if face else [])
    return watcher


def test_the_watcher_tells_a_scene_once_and_pictures_only_while_somebody_is_attended_to() -> None:
    wire = Wire()
    watched(wire, face_at(MIDDLE, 200.0, 100.0))
    assert [scene.state for scene in wire.shown] == [State.IDLE, State.CHECKING]
    preview, data = wire.pictures[-1]()
    assert preview.face == pytest.approx((280 / 640, 200 / 480, 380 / 640, 300 / 480))
    assert data[:2] == b"\xff\xd8"
    wire = Wire()
    watched(wire, None)
    assert (wire.shown, wire.pictures) == ([Scene(state=State.IDLE)], [])


def test_without_a_screen_no_picture_is_made() -> None:
    wire = Wire(attached=False)
    watched(wire, face_at(MIDDLE, 200.0, 100.0))
    assert wire.pictures == []


def test_a_loop_that_has_ended_is_service() -> None:
    wire = Wire()
    watched(wire, None).close()
    assert wire.shown[-1] == Scene(state=State.SERVICE, trouble=Trouble.CAMERA)


def test_a_picture_that_cannot_be_made_small_is_left_out() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    assert jpeg(noise, 640, None) is None
    made = jpeg(noise, 160, None)
    assert made is not None

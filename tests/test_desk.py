"""The operator's desk: PIN before anything, one step after the other, and nothing left behind by what is not saved."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from edge.assembly.desk import CONSENT, Desk, Guide, Patience
from edge.assembly.validity import end_in, for_enrolment, prolonged, shown, typed
from edge.enrol import EnrolmentRules, Listener, Session, capture
from edge.errors import SettingsError, SubjectError
from edge.gallery import Subject
from edge.records import Face, Frame, Pixels, Reason, Sighting, Validity
from edge.service.link import (
    Command,
    Dates,
    EnrolAbort,
    EnrolConfirm,
    Enrolment,
    EnrolSave,
    EnrolStart,
    EnrolTry,
    Hint,
    Limit,
    ListPeople,
    Lock,
    NewCode,
    Renew,
    Reply,
    Revoke,
    Step,
    Trouble,
    Turn,
    Unlock,
)
from tests.twins import ScriptedAcquirer, face_at, frame

ADA, EVE = 1, 2
IDS = ("a" * 32, "b" * 32, "c" * 32)
RULES = EnrolmentRules(min_samples=3, max_samples=4, consistency=0.6, interval=0.0)
START = EnrolStart(id=2, consent=CONSENT)


class Clerk:
    """Enrols into a list."""

    def __init__(self) -> None:
        self.acquirer = ScriptedAcquirer({})
        self.stored: dict[str, tuple[Subject, Session]] = {}
        self.opened = 0
        self.days, self.coded = 0, True

    @contextmanager
    def open(self) -> Iterator[None]:
        self.opened += 1
        yield

    def capture(self, frames: Iterator[Frame], tell: Listener) -> Session:
        return capture(frames, self.acquirer, RULES, tell)

    def probe(self, frames: Iterator[Frame]) -> Session:
        return capture(frames, self.acquirer, EnrolmentRules(2, 2, 0.6, 0.0))

    def nearest(self, session: Session) -> Subject | None:
        return next((subject for subject, other in self.stored.values() if self.alike(session, other)), None)

    def alike(self, session: Session, probe: Session) -> bool:
        return bool((session.code.symbols == probe.code.symbols).mean() > 0.5)

    def dates(self, begins: str | None, ends: str | None) -> Validity:
        return for_enrolment(begins, ends, self.days, time.time())

    def enrol(self, name: str, session: Session, validity: Validity, *, allow_duplicate: bool) -> Subject:
        assert allow_duplicate or not self.nearest(session)
        subject = Subject(IDS[len(self.stored)], name, "2026-01-01T00:00:00Z", 1, validity=validity)
        self.stored[subject.id] = (subject, session)
        return subject

    def people(self) -> Sequence[Subject]:
        return [subject for subject, _ in self.stored.values()]

    def seen(self) -> dict[str, str]:
        return {IDS[0]: "2026-02-02T12:00:00Z"}

    def confusable(self) -> tuple[str, str] | None:
        return ("Ada", "Eve") if len(self.stored) > 1 else None

    def revoke(self, subject: str) -> Subject:
        if subject not in self.stored:
            raise SubjectError(f"subject {subject}: nobody has that name or id")
        return self.stored.pop(subject)[0]

    def renew(self, subject: str, session: Session | None) -> Subject:
        found, before = self.stored[subject]
        self.stored[subject] = (found, session or before)
        return found

    def limit(self, subject: str, days: int | None) -> Subject:
        found, session = self.stored[subject]
        changed = replace(found, validity=prolonged(found.validity, days, time.time()))
        self.stored[subject] = (changed, session)
        return changed

    def between(self, subject: str, begins: str | None, ends: str | None) -> Subject:
        found, session = self.stored[subject]
        self.stored[subject] = (replace(found, validity=typed(begins, ends, found.validity)), session)
        return self.stored[subject][0]

    def new_code(self, subject: str) -> str:
        if subject not in self.stored:
            raise SubjectError(f"subject {subject}: nobody has that name or id")
        if not self.coded:
            raise SettingsError('access.fallback = "off"')
        return "48210937"


class Pin:
    """One PIN, no throttle."""

    def check(self, pin: str) -> Trouble | None:
        return None if pin == "271828" else Trouble.WRONG_PIN

    def wait(self) -> float:
        return 0.0


class Speaker:
    """Keeps what the screen would be told."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, Reply]] = []
        self.steps: list[Enrolment] = []

    def show(self, message: Enrolment) -> None:
        self.steps.append(message)

    def reply(self, connection: int, message: Reply) -> None:
        self.replies.append((connection, message))


class Kiosk:
    """A desk with somebody before the camera: ``stands`` says who, from where on."""

    def __init__(self, capture_time: float = 20.0, idle: float = 60.0) -> None:
        self.clerk, self.speaker, self.problems = Clerk(), Speaker(), []
        self.desk = Desk(self.clerk, Pin(), self.speaker, RULES.max_samples, Patience(capture_time, idle), self.problems.append)
        self.desk.start()
        self.person: tuple[int, int, float, tuple[Reason, ...]] | None = (1, ADA, 280.0, ())
        self._ending = threading.Event()
        self._camera = threading.Thread(target=self._film, daemon=True)
        self._camera.start()

    def _film(self) -> None:
        number = 0
        while not self._ending.wait(0.004):
            number, person = number + 1, self.person
            self.clerk.acquirer._script[number] = [] if person is None else [(person[2], person[1], person[3])]
            picture = frame(number)
            picture = Frame(_large(picture), picture.captured, number, "twin")
            sightings = [] if person is None else [Sighting(person[0], face_at(person[2], 200.0), 0, (), False)]
            self.desk.frame(picture, sightings)

    def says(self, command: Command, connection: int = 1) -> Reply:
        count = len(self.speaker.replies)
        self.desk.command(connection, command)
        until(lambda: len(self.speaker.replies) > count)
        return self.speaker.replies[-1][1]

    def begins(self, command: Command) -> None:
        self.desk.command(1, command)

    def stop(self) -> None:
        self._ending.set()
        self.desk.close()

    @property
    def step(self) -> Step:
        return self.speaker.steps[-1].step


def _large(picture: Frame) -> Pixels:
    image = np.zeros((480, 640, 3), np.uint8)
    image[0, 0] = picture.image[0, 0]
    return image


def until(what: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.003)


@pytest.fixture
def kiosk() -> Iterator[Kiosk]:
    made = Kiosk()
    yield made
    assert made.problems == []
    made.stop()


@pytest.fixture
def open_desk(kiosk: Kiosk) -> Kiosk:
    assert kiosk.says(Unlock(id=1, pin="271828")).trouble is None
    return kiosk


@pytest.mark.parametrize(
    "command",
    [
        START,
        EnrolConfirm(id=1, same=True),
        EnrolTry(id=1),
        EnrolSave(id=1, name="Ada"),
        EnrolAbort(id=1),
        ListPeople(id=1),
        Revoke(id=1, subject=IDS[0]),
        Renew(id=1, subject=IDS[0]),
        Limit(id=1, subject=IDS[0], days=0),
        Dates(id=1, subject=IDS[0], ends="2026-12-31"),
        NewCode(id=1, subject=IDS[0]),
        Lock(id=1),
    ],
    ids=lambda command: command.do,
)
def test_without_the_pin_nothing_is_done_and_nothing_is_opened(kiosk: Kiosk, command: Command) -> None:
    assert kiosk.says(command).trouble is Trouble.LOCKED
    assert kiosk.says(Unlock(id=1, pin="314159")).trouble is Trouble.WRONG_PIN
    assert kiosk.says(command).trouble is Trouble.LOCKED
    assert kiosk.clerk.opened == 0


def test_the_pin_unlocks_the_connection_that_gave_it_and_no_other(open_desk: Kiosk) -> None:
    for command in (Dates(id=3, subject=IDS[0], ends="none"), NewCode(id=3, subject=IDS[0]), ListPeople(id=3)):
        assert open_desk.says(ListPeople(id=4)).trouble is None
        assert open_desk.says(command, connection=2).trouble is Trouble.LOCKED
        open_desk.says(Unlock(id=5, pin="271828"))


def test_an_enrolment_from_consent_to_saved(open_desk: Kiosk) -> None:
    assert open_desk.says(START).trouble is None
    assert open_desk.step is Step.READY
    assert [one.samples for one in open_desk.speaker.steps if one.step is Step.CAPTURE] == [1, 2, 3, 4]
    assert open_desk.says(EnrolTry(id=3)).trouble is None
    assert open_desk.step is Step.TRIED
    assert open_desk.says(EnrolSave(id=4, name="Ada")).trouble is None
    assert (open_desk.step, open_desk.speaker.steps[-1].name) == (Step.SAVED, "Ada")
    assert [one.label for one in open_desk.clerk.people()] == ["Ada"]
    assert open_desk.says(EnrolSave(id=5, name="Ada again")).trouble is Trouble.OUT_OF_ORDER


def test_nothing_is_captured_without_consent_to_the_text_in_force(open_desk: Kiosk) -> None:
    assert open_desk.says(EnrolStart(id=2, consent="0")).trouble is Trouble.CONSENT
    assert open_desk.clerk.acquirer.hashed == 0


@pytest.mark.parametrize("command", [EnrolTry(id=1), EnrolSave(id=1, name="Ada"), EnrolConfirm(id=1, same=False)], ids=lambda one: one.do)
def test_no_step_can_be_left_out(open_desk: Kiosk, command: Command) -> None:
    assert open_desk.says(command).trouble is Trouble.OUT_OF_ORDER


def enrol(kiosk: Kiosk, name: str) -> None:
    assert kiosk.says(START).trouble is None
    assert kiosk.says(EnrolSave(id=4, name=name)).trouble is None


def test_somebody_who_looks_like_somebody_enrolled_waits_for_the_operator_s_word(open_desk: Kiosk) -> None:
    enrol(open_desk, "Ada")
    open_desk.says(START)
    assert (open_desk.step, open_desk.speaker.steps[-1].twin) == (Step.TWIN, "Ada")
    assert open_desk.says(EnrolSave(id=4, name="Eve")).trouble is Trouble.OUT_OF_ORDER
    assert open_desk.says(EnrolConfirm(id=5, same=True)).trouble is None
    assert open_desk.says(EnrolSave(id=6)).trouble is None
    assert [one.label for one in open_desk.clerk.people()] == ["Ada"]
    open_desk.says(START)
    open_desk.says(EnrolConfirm(id=7, same=False))
    assert open_desk.says(EnrolSave(id=8, name="Her sister")).trouble is None
    assert [one.label for one in open_desk.clerk.people()] == ["Ada", "Her sister"]


def test_a_name_is_given_once(open_desk: Kiosk) -> None:
    enrol(open_desk, "Ada")
    open_desk.person = (2, EVE, 280.0, ())
    open_desk.says(START)
    assert open_desk.says(EnrolSave(id=4, name=" ADA ")).trouble is Trouble.NAME_TAKEN
    assert open_desk.says(EnrolSave(id=5, name="Eve")).trouble is None


def test_trying_with_another_face_is_said_and_stores_nothing(open_desk: Kiosk) -> None:
    open_desk.says(START)
    open_desk.person = (2, EVE, 280.0, ())
    assert open_desk.says(EnrolTry(id=3)).trouble is Trouble.NOT_ALIKE
    assert open_desk.clerk.stored == {}


@pytest.mark.parametrize(
    ("where", "reasons", "hint"),
    [
        (280.0, (Reason.TOO_DARK,), Hint.MORE_LIGHT),
        (280.0, (Reason.BLURRED, Reason.TOO_DARK), Hint.HOLD_STILL),
        (5.0, (), Hint.MOVE_LEFT),
        (555.0, (), Hint.MOVE_RIGHT),
    ],
)
def test_one_thing_at_a_time_is_said_while_no_sample_serves(where: float, reasons: tuple[Reason, ...], hint: Hint) -> None:
    kiosk = Kiosk(capture_time=0.4)
    kiosk.person = (1, ADA, where, reasons)
    kiosk.says(Unlock(id=1, pin="271828"))
    assert kiosk.says(START).trouble is Trouble.NO_SAMPLES
    assert {one.hint for one in kiosk.speaker.steps if one.step is Step.CAPTURE} == {hint}
    assert kiosk.step is Step.FAILED
    kiosk.stop()


def test_samples_of_two_people_do_not_mix_when_one_takes_the_other_s_place(open_desk: Kiosk) -> None:
    """After two samples of Ada somebody else stands there: it begins again, and the reference is his alone."""
    taken = open_desk.clerk.capture

    def swapped(frames: Iterator[Frame], tell: Listener) -> Session:
        def count(samples: int, reasons: tuple[Reason, ...]) -> None:
            if samples == 2 and open_desk.person and open_desk.person[1] == ADA:
                open_desk.person = (2, EVE, 280.0, ())
                time.sleep(0.05)
            tell(samples, reasons)

        return taken(frames, count)

    open_desk.clerk.capture = swapped  # type: ignore[method-assign]
    assert open_desk.says(START).trouble is None
    assert open_desk.says(EnrolTry(id=3)).trouble is None, "Eve is who was captured"


@pytest.mark.parametrize("end", [EnrolAbort(id=9), Lock(id=9), None], ids=["abort", "lock", "screen gone"])
def test_what_is_not_saved_is_dropped_whatever_ends_it(kiosk: Kiosk, end: Command | None) -> None:
    kiosk.says(Unlock(id=1, pin="271828"))
    kiosk.person = None
    kiosk.begins(START)
    until(lambda: kiosk.step is Step.CAPTURE)
    begun = time.monotonic()
    if end is None:
        kiosk.desk.gone(1)
    else:
        kiosk.begins(end)
    until(lambda: kiosk.step is Step.NONE)
    assert time.monotonic() - begun < 5.0, "not the 20 s of the capture"
    assert kiosk.desk._draft is None
    assert kiosk.clerk.stored == {}
    kiosk.person = (1, ADA, 280.0, ())
    kiosk.says(Unlock(id=1, pin="271828"))
    assert kiosk.says(START).trouble is None, "the desk serves the next one"


def test_a_desk_left_alone_locks_itself_and_drops_the_draft() -> None:
    kiosk = Kiosk(idle=0.3)
    kiosk.says(Unlock(id=1, pin="271828"))
    kiosk.says(START)
    until(lambda: kiosk.step is Step.NONE)
    assert kiosk.says(EnrolSave(id=2, name="Ada")).trouble is Trouble.LOCKED
    kiosk.stop()


def test_a_command_that_comes_before_a_desk_left_alone_has_locked_itself_is_refused_too() -> None:
    kiosk = Kiosk(idle=0.1)
    kiosk.says(Unlock(id=1, pin="271828"))
    time.sleep(0.2)
    assert kiosk.says(ListPeople(id=2)).trouble is Trouble.LOCKED
    kiosk.stop()


def test_people_are_listed_by_page_and_search_and_revoked_with_a_receipt_without_a_name(open_desk: Kiosk) -> None:
    enrol(open_desk, "Ada")
    open_desk.person = (2, EVE, 280.0, ())
    enrol(open_desk, "Eve")
    listed = open_desk.says(ListPeople(id=5))
    assert [(one.name, one.seen) for one in listed.people] == [("Ada", "2026-02-02T12:00:00Z"), ("Eve", "")]
    assert listed.alike == ("Ada", "Eve")
    assert [one.name for one in open_desk.says(ListPeople(id=5, search="ev")).people] == ["Eve"]
    assert open_desk.says(ListPeople(id=5, page=1)).people == ()
    receipt = open_desk.says(Revoke(id=6, subject=IDS[0])).receipt
    assert receipt is not None
    assert receipt.startswith(IDS[0])
    assert "Ada" not in receipt
    assert open_desk.says(Renew(id=7, subject=IDS[1])).receipt is not None
    assert open_desk.says(Revoke(id=8, subject=IDS[0])).trouble is Trouble.NO_SUBJECT


def test_an_operator_says_until_when_somebody_may_pass_and_sees_it(open_desk: Kiosk) -> None:
    enrol(open_desk, "Ada")
    seen = []
    for days in (0, 30, None):
        receipt = open_desk.says(Limit(id=5, subject=IDS[0], days=days)).receipt
        assert receipt is not None
        assert receipt.startswith(IDS[0])
        (person,) = open_desk.says(ListPeople(id=6)).people
        seen.append((person.begins, person.ends, person.phase))
    today = time.time()
    assert seen == [("", time.strftime("%Y-%m-%d"), "valid"), ("", shown(end_in(today, 30), end=True), "valid"), ("", "", "valid")]


def test_a_door_code_is_told_once_in_the_answer_to_who_asked_and_in_nothing_else(open_desk: Kiosk) -> None:
    enrol(open_desk, "Ada")
    reply = open_desk.says(NewCode(id=5, subject=IDS[0]))
    assert (reply.id, reply.trouble, reply.code) == (5, None, "48210937")
    assert open_desk.says(NewCode(id=6, subject=IDS[1])).trouble is Trouble.NO_SUBJECT
    open_desk.clerk.coded = False
    assert open_desk.says(NewCode(id=7, subject=IDS[0])).trouble is Trouble.SETTINGS
    open_desk.says(ListPeople(id=8))
    others = [one.model_dump_json() for _, one in open_desk.speaker.replies if one.id != 5]
    assert not [text for text in [*others, *map(repr, open_desk.speaker.replies), *map(repr, open_desk.speaker.steps)] if "4821" in text]


def test_a_defect_is_told_without_its_text_and_the_desk_goes_on() -> None:
    kiosk = Kiosk()
    kiosk.says(Unlock(id=1, pin="271828"))

    def broken() -> Sequence[Subject]:
        raise RuntimeError("Ada Lovelace")

    kiosk.clerk.people = broken  # type: ignore[method-assign]
    assert kiosk.says(ListPeople(id=2)).trouble is Trouble.DEFECT
    assert "RuntimeError" in kiosk.problems[0]
    assert "Ada" not in kiosk.problems[0]
    assert kiosk.says(START).trouble is None
    kiosk.stop()


def test_more_commands_than_an_operator_can_touch_are_answered_busy(open_desk: Kiosk) -> None:
    open_desk.person = None
    open_desk.begins(START)
    until(lambda: open_desk.step is Step.CAPTURE)
    for number in range(20):
        open_desk.begins(ListPeople(id=100 + number))
    assert [reply.trouble for _, reply in open_desk.speaker.replies[1:]] == [Trouble.BUSY] * 12
    open_desk.begins(EnrolAbort(id=9))
    until(lambda: len(open_desk.speaker.replies) == 1 + 20 + 2)


class Film:
    """Frames one after the other, each with the main face, or nobody's."""

    def __init__(self, faces: Sequence[Face | None]) -> None:
        self._left = list(enumerate(faces))

    def take(self, seconds: float) -> tuple[Frame, Sequence[Sighting]] | None:
        if not self._left:
            return None
        number, face = self._left.pop(0)
        return Frame(np.zeros((480, 640, 3), np.uint8), float(number), number, "film"), [Sighting(1, face, 0, (), False)] if face else []


def test_the_ways_in_which_a_head_was_turned_are_gathered_of_samples_that_serve_and_none_is_asked_for() -> None:
    straight = face_at(280.0, 200.0, 100.0)
    left = Face(straight.box, straight.landmarks + np.array([[0, 0], [0, 0], [12, 0], [0, 0], [0, 0]], np.float32), 0.9)
    right = Face(straight.box, straight.landmarks - np.array([[0, 0], [0, 0], [12, 0], [0, 0], [0, 0]], np.float32), 0.9)
    told: list[tuple[Turn, ...]] = []
    film = Film([straight, left, right, straight])
    guide = Guide(film, threading.Event(), time.monotonic() + 0.2, lambda *facts: told.append(facts[3]))  # type: ignore[arg-type]
    samples = 0
    for each in guide.frames():
        refused = each.number == 2
        samples += not refused
        guide.counted(samples, (Reason.BLURRED,) if refused else ())
    assert told == [(), (Turn.LEFT,), (Turn.LEFT,), (Turn.LEFT,)]

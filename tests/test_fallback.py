"""The desk for door codes: what opens, what does not, what is told to whom, and how long an answer takes."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.assembly.appliance import Appliance
from edge.assembly.fallback import ANSWER, LIFE, CodeDesk, Shelf, desk
from edge.assembly.report import Report
from edge.assembly.ruled import RuledScreen
from edge.door.access import NEVER_SET, Access, Rules
from edge.door.backoff import Backoff, Waits
from edge.door.codes import BLANK, DURESS, NORMAL, CodeKey
from edge.door.door import Door
from edge.door.events import Cause, Refusal
from edge.door.schedule import parse
from edge.door.throttle import Limits
from edge.errors import GalleryError
from edge.gallery import Gallery, NetworkId, Subject, open_gallery
from edge.keys import Keyring
from edge.records import ALWAYS, Code, Outcome, Validity, Verdict
from edge.service.link import EnterCode, Reply, Trouble
from edge.settings import load_settings
from tests.door_twins import Recorder, soon
from tests.test_ruled import Page

KEYS = Keyring(b"r" * 32, "site", "door")
KEY = CodeKey(KEYS.code_key())
NETWORK = NetworkId("0" * 64, 64, 8)
ADA_S, FORCED, WRONG = "12345678", "87654321", "55555555"


class Link:
    """Keeps the answers, with the moment of each."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Reply, float]] = []

    def reply(self, connection: int, message: Reply) -> None:
        self.answers.append((connection, message, time.monotonic()))


class Site:
    """A gallery with Ada in it, who has both codes; a door that writes down what it does; and the desk between."""

    def __init__(self, folder: Path, schedule: str = "always", free: int = 50) -> None:
        self.folder, self.output, self.link = folder, Recorder(), Link()
        self.problems: list[str] = []
        self.told: list[tuple[str | None, Refusal | None]] = []
        with self.gallery() as gallery:
            self.ada = gallery.enrol("Ada Lovelace", [_code(1)])
            gallery.amend(self.ada.id, {NORMAL: KEY.fact(ADA_S), DURESS: KEY.fact(FORCED)})
        rules = Rules(1.5, Limits(1, 60.0, 30.0, 30.0, 60.0), parse(schedule))
        wall, local = (lambda: NEVER_SET + 1e6), (lambda wall: (0, 0))
        self.door = Door(Access(rules, local), [self.output], self.problems.append, wall=wall, synchronised=lambda: True)
        self.desk = self.begin(free)

    def gallery(self) -> Gallery:
        return open_gallery(self.folder / "gallery.db", KEYS, NETWORK, "door-1", witness=self.folder / "head")

    def begin(self, free: int) -> CodeDesk:
        backoff = Backoff(self.folder / "failures", Waits(free, 10.0, 3600.0, 3600.0))
        desk = CodeDesk(Shelf(self.gallery, KEY), backoff, self.problems.append)
        desk.answer_by(self.link)
        desk.open_by(self.door, lambda subject, refusal: self.told.append((subject, refusal)))
        return desk

    def types(self, digits: str) -> Trouble | None:
        """Types a code and waits for the answer."""
        before = len(self.link.answers)
        self.desk.enter(1, EnterCode(id=before, code=digits))
        assert soon(lambda: len(self.link.answers) > before)
        return self.link.answers[-1][1].trouble

    def close(self) -> None:
        self.desk.close()
        self.door.close()


def _code(seed: int) -> Code:
    return Code(np.random.default_rng(seed).integers(0, 8, 64).astype(np.uint8), 8)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def site(**facts: object) -> Site:
        made.append(Site(tmp_path, **facts))  # type: ignore[arg-type]
        return made[-1]

    yield site
    for each in made:
        each.close()


def test_the_right_code_opens_once_and_a_wrong_one_does_not(make: Callable[..., Site]) -> None:
    site = make()
    assert site.types(ADA_S) is None
    assert soon(lambda: len(site.output.unlocks) == 1)
    assert (site.output.unlocks[0].cause, site.output.unlocks[0].subject) == (Cause.CODE, site.ada.id)
    assert site.types(WRONG) is Trouble.NOT_LET_IN
    assert soon(lambda: len(site.output.denials) == 1)
    denied = site.output.denials[0]
    assert (denied.cause, denied.refusal, denied.subject) == (Cause.CODE, Refusal.WRONG_CODE, None)
    assert len(site.output.unlocks) == 1
    assert site.told == [(site.ada.id, None), (None, Refusal.WRONG_CODE)]


def test_a_duress_code_looks_like_the_other_one_at_the_door_and_is_told_elsewhere(make: Callable[..., Site]) -> None:
    site, heard = make(), list[object]()
    site.door.listen(heard.append)
    answers = [site.types(ADA_S), site.types(FORCED)]
    assert answers == [None, None]
    assert soon(lambda: len(site.output.alarms) == 1 and len(site.output.unlocks) == 2)
    assert site.output.alarms[0].subject == site.ada.id
    first, second = site.output.unlocks
    assert replace(first, id="", at=0, deadline=0) == replace(second, id="", at=0, deadline=0)
    assert site.told == [(site.ada.id, None)] * 2, "the audit log tells no difference"
    assert [type(event).__name__ for event in heard] == ["Unlock", "Unlock"], "neither does anything that listens at the door"
    assert (site.problems, site.link.answers[0][1].seconds, site.link.answers[1][1].seconds) == ([], 0.0, 0.0)


def test_an_alarm_is_raised_also_where_the_hours_keep_the_door_shut(make: Callable[..., Site]) -> None:
    site = make(schedule="never")
    assert [site.types(ADA_S), site.types(FORCED), site.types(WRONG)] == [Trouble.NOT_LET_IN] * 3, "one answer, whatever the reason"
    assert soon(lambda: len(site.output.alarms) == 1)
    assert site.output.unlocks == []
    assert [refusal for _, refusal in site.told] == [Refusal.OUTSIDE_HOURS, Refusal.OUTSIDE_HOURS, Refusal.WRONG_CODE]


def test_a_revoked_code_and_a_revoked_person_open_nothing_from_that_moment(make: Callable[..., Site]) -> None:
    site = make()
    assert site.types(ADA_S) is None
    with site.gallery() as gallery:
        gallery.amend(site.ada.id, {NORMAL: None})
    assert site.types(ADA_S) is Trouble.NOT_LET_IN
    assert site.types(FORCED) is None
    with site.gallery() as gallery:
        gallery.revoke(site.ada.id)
    assert site.types(FORCED) is Trouble.NOT_LET_IN


def test_whose_dates_are_over_is_let_in_by_no_code_whatever_the_door_knows_of_them(make: Callable[..., Site]) -> None:
    """The door here knows of no dates: those of the gallery that the desk looks at count."""
    site = make()
    with site.gallery() as gallery:
        gallery.limit(site.ada.id, Validity(ends=NEVER_SET + 1.0))
    assert [site.types(ADA_S), site.types(FORCED)] == [Trouble.NOT_LET_IN] * 2
    assert site.told == [(site.ada.id, Refusal.EXPIRED)] * 2
    assert site.output.unlocks == []
    with site.gallery() as gallery:
        gallery.limit(site.ada.id, ALWAYS)
    assert site.types(ADA_S) is None


def test_a_new_code_counts_at_once_and_one_of_another_root_key_never(make: Callable[..., Site]) -> None:
    site = make()
    with site.gallery() as gallery:
        bob = gallery.enrol("Bob", [_code(2)])
        gallery.amend(bob.id, {NORMAL: KEY.fact("24682468"), DURESS: BLANK})
        eve = gallery.enrol("Eve", [_code(3)])
        gallery.amend(eve.id, {NORMAL: CodeKey(b"e" * 32).fact("13571357")})
    assert site.types("24682468") is None
    assert site.types("13571357") is Trouble.NOT_LET_IN


def test_an_altered_gallery_lets_nobody_in_by_code_either(make: Callable[..., Site]) -> None:
    """A row taken out by another program: the head does not fit any more."""
    import sqlite3

    site = make()
    with site.gallery() as gallery:
        gallery.enrol("Bob", [_code(2)])
    assert site.types(ADA_S) is None
    with sqlite3.connect(site.folder / "gallery.db") as db:
        db.execute("DELETE FROM templates WHERE subject != ?", (site.ada.id,))
    db.close()
    assert site.types(ADA_S) is Trouble.NOT_LET_IN
    assert len(site.output.unlocks) == 1


def test_after_some_wrong_codes_none_is_looked_at_for_a_while_and_a_restart_does_not_help(make: Callable[..., Site]) -> None:
    site = make(free=2)
    assert site.types(ADA_S) is None
    assert [site.types(WRONG), site.types(WRONG)] == [Trouble.NOT_LET_IN] * 2
    assert [site.types(ADA_S), site.types(FORCED)] == [Trouble.WAIT] * 2
    assert 0 < site.link.answers[-1][1].seconds <= 10.0
    site.desk.close()
    site.desk = site.begin(free=2)
    assert site.types(ADA_S) is Trouble.WAIT
    assert len(site.output.unlocks) == 1
    assert site.output.alarms == [], "what is not looked at raises nothing"
    assert [refusal for _, refusal in site.told].count(Refusal.TRY_LATER) == 2, "told once a wait, not once a try"


def test_every_answer_takes_the_same_time(make: Callable[..., Site]) -> None:
    site, took = make(free=4), []
    for digits in (ADA_S, FORCED, WRONG, WRONG, WRONG, WRONG, ADA_S):
        begun = time.monotonic()
        site.types(digits)
        took.append(site.link.answers[-1][2] - begun)
    assert all(round(seconds, 1) % ANSWER == pytest.approx(0.0, abs=0.15) for seconds in took), took
    assert sorted(took)[len(took) // 2] == pytest.approx(ANSWER, abs=0.1)


def test_a_second_code_meanwhile_is_turned_away_and_no_digits_stand_in_anything_printed(make: Callable[..., Site]) -> None:
    site = make()
    for number in range(4):
        site.desk.enter(1, EnterCode(id=number, code=ADA_S))
    assert soon(lambda: len(site.link.answers) == 4)
    assert [answer.trouble for _, answer, _ in site.link.answers].count(Trouble.BUSY) >= 2
    printed = repr((EnterCode(id=1, code=ADA_S), site.link.answers, site.output.unlocks, site.told, site.problems, vars(site.desk)))
    assert ADA_S not in printed


def test_faces_and_codes_do_not_pause_one_another(make: Callable[..., Site]) -> None:
    site = make()
    now = time.monotonic()
    site.door.decided(Outcome(Verdict.UNKNOWN, 1, now, now, 3), None)
    assert site.types(WRONG) is Trouble.NOT_LET_IN
    assert site.types(ADA_S) is None
    assert soon(lambda: [event.cause for event in site.output.unlocks] == [Cause.CODE])


def test_what_is_typed_meanwhile_does_not_change_what_a_face_is_shown(make: Callable[..., Site]) -> None:
    site, page = make(schedule="never"), Page()
    screen = RuledScreen(page, site.door)
    site.types(ADA_S)
    now = time.monotonic()
    screen.decided(Outcome(Verdict.UNKNOWN, 8, now, now, 3), None)
    assert page.shown == [(8, None)]


class Failing:
    """A gallery that fails at the first look, and has somebody afterwards."""

    altered: str | None = None
    counter: int | None = 1

    def __init__(self) -> None:
        self.looks = self.closed = 0

    def refresh(self) -> bool:
        self.looks += 1
        if self.looks == 1:
            raise GalleryError("gallery: another file lies there now")
        return False

    def subjects(self) -> list[Subject]:
        return [Subject("a" * 32, "Ada", "", 1)]

    def facts(self, subject_id: str) -> Mapping[str, str]:
        return {NORMAL: KEY.fact(ADA_S)}

    def validity(self, subject_id: str) -> Validity:
        return ALWAYS

    def close(self) -> None:
        self.closed += 1


def test_while_the_gallery_cannot_be_read_nobody_is_let_in_and_it_is_opened_anew() -> None:
    opened: list[Failing] = []

    def open_() -> Failing:
        opened.append(opened[0] if opened else Failing())
        return opened[-1]

    shelf = Shelf(open_, KEY)
    assert shelf.find(ADA_S) is not None
    with pytest.raises(GalleryError):
        shelf.find(ADA_S)
    assert opened[0].closed == 1
    assert shelf.find(ADA_S) is not None
    assert len(opened) == 2


def test_somebody_without_a_reference_is_let_in_by_no_code() -> None:
    """What is signed is references: a record alone may have been put back."""

    class Bare(Failing):
        def subjects(self) -> list[Subject]:
            return [replace(super().subjects()[0], references=0)]

    class Waiting(Failing):
        """References of the network before alone: the person is still to be renewed by passing."""

        def subjects(self) -> list[Subject]:
            return [replace(super().subjects()[0], references=0, former=1)]

    assert Shelf(Bare, KEY).find(ADA_S) is None
    assert [Shelf(kind, KEY).find(ADA_S) is not None for kind in (Failing, Waiting)] == [True, True]


class Noting:
    """A door that opens to whatever it is asked, and keeps it."""

    def __init__(self) -> None:
        self.opened: list[str | None] = []
        self.refusals: list[Refusal] = []

    def typed(self, entry: int, subject: str | None, since: float, *, duress: bool = False, validity: Validity | None = None) -> None:
        self.opened.append(subject)

    def refused(self, refusal: Refusal) -> None:
        self.refusals.append(refusal)


def slow(folder: Path, open_: Callable[[], Failing], clock: Callable[[], float]) -> tuple[CodeDesk, Noting, Link]:
    """A desk at whose gallery it takes its time to look, and to which Ada's code was just typed."""
    door, link = Noting(), Link()
    desk = CodeDesk(Shelf(open_, KEY), Backoff(folder / "failures", Waits(9, 10.0, 60.0, 60.0)), print, clock=clock)
    desk.answer_by(link)
    desk.open_by(door)
    desk.enter(1, EnterCode(id=1, code=ADA_S))
    return desk, door, link


@pytest.mark.parametrize(("seconds", "opened"), [(LIFE - 0.1, ["a" * 32]), (LIFE + 0.1, [])])
def test_what_was_typed_too_long_ago_opens_nothing(tmp_path: Path, seconds: float, opened: list[str]) -> None:
    """Whoever typed it may have left, and somebody else stand there."""
    now = [100.0]

    def open_() -> Failing:
        now[0] += seconds
        return Failing()

    desk, door, link = slow(tmp_path, open_, lambda: now[0])
    assert soon(lambda: len(link.answers) == 1)
    desk.close()
    assert (door.opened, door.refusals) == (opened, [] if opened else [Refusal.LATE])
    assert link.answers[0][1].trouble is (None if opened else Trouble.NOT_LET_IN)


@pytest.mark.parametrize(("seconds", "answered"), [(0.4, ANSWER), (ANSWER + 0.4, 2 * ANSWER)])
def test_how_long_the_gallery_took_is_not_to_be_told_from_the_answer(tmp_path: Path, seconds: float, answered: float) -> None:
    def open_() -> Failing:
        time.sleep(seconds)
        return Failing()

    begun = time.monotonic()
    desk, _, link = slow(tmp_path, open_, time.monotonic)
    assert soon(lambda: len(link.answers) == 1)
    desk.close()
    assert link.answers[0][2] - begun == pytest.approx(answered, abs=0.2)


def test_what_was_typed_while_the_door_ends_opens_nothing(tmp_path: Path) -> None:
    looking, go_on = threading.Event(), threading.Event()

    def open_() -> Failing:
        looking.set()
        go_on.wait(10.0)
        return Failing()

    desk, door, _ = slow(tmp_path, open_, time.monotonic)
    assert looking.wait(10.0)
    ending = threading.Thread(target=desk.close)
    ending.start()
    assert soon(desk._end.is_set)
    go_on.set()
    ending.join()
    assert (door.opened, door.refusals) == ([], [Refusal.LATE])


def test_any_defect_opens_nothing_and_the_desk_goes_on(tmp_path: Path) -> None:
    class Broken:
        def typed(self, *entry: object, **more: object) -> Refusal | None:
            raise ZeroDivisionError

        def refused(self, refusal: Refusal) -> None:
            raise ZeroDivisionError

    link, problems = Link(), list[str]()
    desk = CodeDesk(Shelf(Failing, KEY), Backoff(tmp_path / "failures", Waits(3, 10.0, 60.0, 60.0)), problems.append)
    desk.answer_by(link)
    desk.enter(1, EnterCode(id=1, code=ADA_S))
    assert link.answers[0][1].trouble is Trouble.DEFECT, "there is no door yet"
    desk.open_by(Broken())
    for number in (2, 3):
        desk.enter(1, EnterCode(id=number, code=ADA_S))
        assert soon(lambda wanted=number: len(link.answers) == wanted)  # type: ignore[misc]
    assert [answer.trouble for _, answer, _ in link.answers[1:]] == [Trouble.DEFECT] * 2
    assert problems == ["door codes: ZeroDivisionError; a code opened nothing"]
    desk.close()
    assert "door-codes" not in {thread.name for thread in threading.enumerate()}


def test_where_the_count_cannot_be_kept_no_code_is_looked_at(make: Callable[..., Site]) -> None:
    site = make()
    (site.folder / "failures").unlink(missing_ok=True)
    (site.folder / "failures").mkdir()
    assert site.types(ADA_S) is Trouble.DEFECT
    assert site.output.unlocks == []


@pytest.mark.parametrize(
    ("fallback", "opens", "offered"),
    [("off", True, None), ("code", True, True), ("code", False, False)],
    ids=["off", "code", "nothing opens"],
)
def test_a_keypad_is_offered_only_where_codes_are_allowed_and_open_something(
    tmp_path: Path, fallback: str, opens: bool, offered: bool | None
) -> None:
    (tmp_path / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n[code]\nstate = "failures"\n')
    (tmp_path / "root.key").write_bytes(b"r" * 32)
    (tmp_path / "root.key").chmod(0o600)
    settings = load_settings(tmp_path / "door.toml", {}, {"access.fallback": fallback, "relay.enabled": opens})
    made = desk(Appliance(settings, Report(as_json=True, quiet=True)))
    assert (made.offered if made else None) is offered

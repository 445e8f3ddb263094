"""The operator's desk behind the screen: unlock, enrol, list, revoke, renew. Has a thread of its own, and the door never waits for it.

The screen has no camera, no key and no gallery: it says what was touched, and the door's process does it. What an enrolment has gathered
lies in RAM until it is saved; aborting, locking, losing the screen or waiting too long drops it.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from edge.assembly.validity import shown
from edge.enrol import Listener, Session
from edge.errors import AcquisitionError, DateFault, EdgeError, GalleryError, KeySourceError, SettingsError, SubjectError, ValidityError
from edge.records import ALWAYS, Frame, Reason, Sighting, Validity
from edge.service.face import HINTS, placed, turned
from edge.service.link import (
    PAGE,
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
    Person,
    Renew,
    Reply,
    Revoke,
    Scene,
    Step,
    Trouble,
    Turn,
    Unlock,
)

CONSENT = "1"  # version of the consent text; it stands in edge/screen/Consent.qml
LOST = 1.2  # seconds without the person after which a capture begins again
MOST_WAITING = 8  # commands
FAULTS = {
    DateFault.BEGIN: Trouble.BAD_BEGIN,
    DateFault.END: Trouble.BAD_END,
    DateFault.ORDER: Trouble.ENDS_FIRST,
    DateFault.OVER: Trouble.ENDED,
}


class Subject(Protocol):
    """Who is enrolled, as ``edge.gallery`` tells it."""

    @property
    def id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def created(self) -> str: ...
    @property
    def references(self) -> int: ...
    @property
    def validity(self) -> Validity: ...


class Clerk(Protocol):
    """What the desk needs of the appliance; it is used in the desk's thread alone, in ``open``."""

    def open(self) -> AbstractContextManager[object]: ...
    def capture(self, frames: Iterator[Frame], tell: Listener) -> Session: ...
    def nearest(self, session: Session) -> Subject | None: ...
    def alike(self, session: Session, probe: Session) -> bool: ...
    def probe(self, frames: Iterator[Frame]) -> Session: ...
    def dates(self, begins: str | None, ends: str | None) -> Validity: ...
    def enrol(self, name: str, session: Session, validity: Validity, *, allow_duplicate: bool) -> Subject: ...
    def people(self) -> Sequence[Subject]: ...
    def seen(self) -> Mapping[str, str]: ...
    def confusable(self) -> tuple[str, str] | None: ...
    def revoke(self, subject: str) -> Subject: ...
    def renew(self, subject: str, session: Session | None) -> Subject: ...
    def limit(self, subject: str, days: int | None) -> Subject: ...
    def between(self, subject: str, begins: str | None, ends: str | None) -> Subject: ...
    def new_code(self, subject: str) -> str: ...


class Pin(Protocol):
    """What the desk needs of the operator's PIN."""

    def check(self, pin: str) -> Trouble | None: ...
    def wait(self) -> float: ...


class Speaker(Protocol):
    """What the desk needs of the link."""

    def show(self, message: Scene | Enrolment) -> None: ...
    def reply(self, connection: int, message: Reply) -> None: ...


@dataclass(frozen=True)
class Patience:
    """capture: seconds that gathering samples may take. idle: seconds without a command until the desk locks itself."""

    capture: float
    idle: float


@dataclass(frozen=True)
class _Draft:
    """An enrolment on its way. twin: who looks alike. same: the operator says it is that person."""

    session: Session
    twin: Subject | None = None
    same: bool | None = None


class _Gone(Exception):
    """The operator aborted, the screen went, or the person left and another may have come."""


class Desk:
    """Hand ``command`` and ``gone`` to the link, ``frame`` to the watcher; ``start`` once. None of them blocks."""

    def __init__(self, clerk: Clerk, pin: Pin, link: Speaker, wanted: int, patience: Patience, on_problem: Callable[[str], None]) -> None:
        self._clerk, self._pin, self._link, self._wanted, self._patience = clerk, pin, link, wanted, patience
        self._on_problem = on_problem
        self._jobs: queue.Queue[tuple[int, Command | None]] = queue.Queue()
        self._frames = Newest()
        self._abort, self._end = threading.Event(), threading.Event()
        self._operator: int | None = None
        self._heard = 0.0
        self._draft: _Draft | None = None
        self._thread = threading.Thread(target=self._work, name="operator-desk", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what was not saved is dropped."""
        self._end.set()
        self._abort.set()
        self._thread.join(5.0)

    def command(self, connection: int, command: Command) -> None:
        """A command came; more than a few at a time are answered BUSY, except those that end something."""
        if isinstance(command, (EnrolAbort, Lock)):
            self._abort.set()
        elif self._jobs.qsize() >= MOST_WAITING:
            self._link.reply(connection, Reply(id=command.id, trouble=Trouble.BUSY))
            return
        self._jobs.put((connection, command))

    def gone(self, connection: int) -> None:
        """A screen has gone: its operator is locked out and his draft dropped."""
        self._abort.set()
        self._jobs.put((connection, None))

    def frame(self, frame: Frame, sightings: Sequence[Sighting]) -> bool:
        """See ``ScreenWatcher.tap``."""
        return self._frames.put(frame, sightings)

    def _work(self) -> None:
        while not self._end.is_set():
            try:
                connection, command = self._jobs.get(timeout=0.5)
            except queue.Empty:
                if self._operator is not None and time.monotonic() - self._heard > self._patience.idle:
                    self._lock()
                continue
            if command is None or isinstance(command, (EnrolAbort, Lock)):
                self._abort.clear()  # it was set when this was put in the queue, and has ended what ran before
            if command is None:
                if connection == self._operator:
                    self._lock()
                continue
            self._answer(connection, command)

    def _answer(self, connection: int, command: Command) -> None:
        try:
            reply = self._do(connection, command)
        except EdgeError as error:
            reply = Reply(id=command.id, trouble=trouble_of(error))
        except Exception as error:  # the desk must be there for the next operator
            self._on_problem(f"operator's desk: {type(error).__name__} in {command.do}; nothing was stored")
            self._drop()
            reply = Reply(id=command.id, trouble=Trouble.DEFECT)
        self._link.reply(connection, reply)

    def _do(self, connection: int, command: Command) -> Reply:
        if isinstance(command, Unlock):
            return self._unlock(connection, command)
        if connection != self._operator or time.monotonic() - self._heard > self._patience.idle:
            self._lock()
            return Reply(id=command.id, trouble=Trouble.LOCKED)
        self._heard = time.monotonic()
        if isinstance(command, Lock):
            self._lock()
            return Reply(id=command.id)
        if isinstance(command, (ListPeople, Revoke, Renew, Limit, Dates, NewCode)):
            with self._clerk.open():
                return self._people(command)
        return Reply(id=command.id, trouble=self._enrolment(connection, command))

    def _unlock(self, connection: int, command: Unlock) -> Reply:
        self._lock()
        trouble = self._pin.check(command.pin)
        if trouble is None:
            self._operator, self._heard = connection, time.monotonic()
        return Reply(id=command.id, trouble=trouble, seconds=self._pin.wait())

    def _people(self, command: ListPeople | Revoke | Renew | Limit | Dates | NewCode) -> Reply:
        if isinstance(command, ListPeople):
            return self._list(command)
        if isinstance(command, Revoke):
            return Reply(id=command.id, receipt=_receipt(self._clerk.revoke(command.subject)))
        if isinstance(command, Limit):
            return Reply(id=command.id, receipt=_receipt(self._clerk.limit(command.subject, command.days)))
        if isinstance(command, NewCode):
            return Reply(id=command.id, code=self._clerk.new_code(command.subject))
        if isinstance(command, Dates):
            return Reply(id=command.id, receipt=_receipt(self._clerk.between(command.subject, command.begins, command.ends)))
        return Reply(id=command.id, receipt=_receipt(self._clerk.renew(command.subject, None)))

    def _list(self, command: ListPeople) -> Reply:
        """One page; beside the whole list's first page also who is confusable."""
        wanted = command.search.casefold().strip()
        found = [one for one in self._clerk.people() if wanted in one.label.casefold()]
        shown, seen = found[command.page * PAGE : (command.page + 1) * PAGE], self._clerk.seen()
        people = tuple(_person(one, seen.get(one.id, ""), time.time()) for one in shown)
        alike = None if wanted or command.page else self._clerk.confusable()
        return Reply(id=command.id, people=people, more=len(found) > (command.page + 1) * PAGE, alike=alike)

    def _enrolment(self, connection: int, command: Command) -> Trouble | None:
        """One step of an enrolment; what came of it. The screen is shown where it stands."""
        draft = self._draft
        if isinstance(command, EnrolAbort):
            self._drop()
            return None
        if isinstance(command, EnrolStart):
            if command.consent != CONSENT:
                return Trouble.CONSENT
            self._drop()
            return self._capture()
        if draft is None:
            return Trouble.OUT_OF_ORDER
        if isinstance(command, EnrolConfirm) and draft.twin is not None:
            self._draft = _Draft(draft.session, draft.twin, command.same)
            self._show(Step.READY, name=draft.twin.label if command.same else None)
            return None
        if draft.twin is not None and draft.same is None:
            return Trouble.OUT_OF_ORDER
        if isinstance(command, EnrolTry):
            return self._try(draft)
        return self._save(draft, command) if isinstance(command, EnrolSave) else Trouble.OUT_OF_ORDER

    def _capture(self) -> Trouble | None:
        """Gather samples, look for somebody alike; leaves a draft or nothing."""
        try:
            session = self._gather(self._clerk.capture)
            with self._clerk.open():
                twin = self._clerk.nearest(session)
        except _Gone:
            self._drop()
            return None
        except EdgeError as error:
            trouble = trouble_of(error)
            self._show(Step.FAILED, trouble=trouble)
            return trouble
        self._draft = _Draft(session, twin)
        self._show(Step.TWIN if twin else Step.READY, twin=twin.label if twin else None)
        return None

    def _try(self, draft: _Draft) -> Trouble | None:
        """Is the person recognised by what is about to be stored?"""
        self._show(Step.TRYING)
        try:
            probe = self._gather(lambda frames, tell: self._clerk.probe(frames), Step.TRYING)
        except _Gone:
            self._drop()
            return None
        except AcquisitionError:
            self._show(Step.READY, trouble=Trouble.NO_SAMPLES)
            return Trouble.NO_SAMPLES
        with self._clerk.open():
            alike = self._clerk.alike(draft.session, probe)
        self._show(Step.TRIED if alike else Step.READY, trouble=None if alike else Trouble.NOT_ALIKE)
        return None if alike else Trouble.NOT_ALIKE

    def _save(self, draft: _Draft, command: EnrolSave) -> Trouble | None:
        """Store the draft; of somebody new with the dates, in one change."""
        with self._clerk.open():
            if draft.twin is not None and draft.same:
                if (command.begins, command.ends) != (None, None):
                    return Trouble.OUT_OF_ORDER  # who is renewed keeps the dates there are
                saved = self._clerk.renew(draft.twin.id, draft.session)
            elif command.name is None:
                return Trouble.NAME
            else:
                if any(one.label.casefold() == command.name.strip().casefold() for one in self._clerk.people()):
                    return Trouble.NAME_TAKEN
                dates = self._clerk.dates(command.begins, command.ends)
                saved = self._clerk.enrol(command.name, draft.session, dates, allow_duplicate=draft.twin is not None)
        self._draft = None
        self._show(Step.SAVED, name=saved.label, dates=saved.validity)
        return None

    def _gather(self, capture: Callable[[Iterator[Frame], Listener], Session], step: Step = Step.CAPTURE) -> Session:
        """Samples of one person within the time there is; begins again when the person leaves and another may have come."""
        guide = Guide(self._frames, self._abort, time.monotonic() + self._patience.capture, self._tell(step))
        try:
            while True:
                try:
                    return capture(guide.frames(), guide.counted)
                except PersonLeft:
                    continue
        finally:
            self._frames.off()
            if self._abort.is_set():
                raise _Gone

    def _tell(self, step: Step) -> "Told":
        def tell(samples: int, hint: Hint, seconds: float, ways: tuple[Turn, ...]) -> None:
            self._show(step, samples=samples, hint=hint, seconds=seconds, ways=ways)

        return tell

    def _show(
        self,
        step: Step,
        *,
        samples: int = 0,
        hint: Hint | None = None,
        seconds: float = 0.0,
        ways: tuple[Turn, ...] = (),
        twin: str | None = None,
        name: str | None = None,
        dates: Validity = ALWAYS,
        trouble: Trouble | None = None,
    ) -> None:
        self._link.show(
            Enrolment(
                step=step,
                samples=samples,
                wanted=self._wanted if step is Step.CAPTURE else 0,
                hint=hint,
                turned=ways,
                seconds=seconds,
                twin=twin,
                name=name,
                begins=shown(dates.begins),
                ends=shown(dates.ends, end=True),
                trouble=trouble,
            )
        )

    def _lock(self) -> None:
        self._operator = None
        self._drop()

    def _drop(self) -> None:
        self._draft = None
        self._show(Step.NONE)


def _person(one: Subject, seen: str, now: float) -> Person:
    dates = one.validity
    begins, ends = shown(dates.begins), shown(dates.ends, end=True)
    facts = {"id": one.id, "name": one.label, "enrolled": one.created, "seen": seen, "references": one.references}
    return Person.model_validate({**facts, "begins": begins, "ends": ends, "phase": dates.at(now).value})


Told = Callable[[int, Hint, float, tuple[Turn, ...]], None]


class PersonLeft(Exception):
    """Samples of two people must not mix: begin again."""


class Newest:
    """The newest frame for one reader; costs nothing while nobody reads."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._wanted = False
        self._held: tuple[Frame, Sequence[Sighting]] | None = None

    def put(self, frame: Frame, sightings: Sequence[Sighting]) -> bool:
        """Keep it if somebody reads, and say whether somebody does."""
        if not self._wanted:
            return False
        with self._change:
            self._held = (frame, sightings)
            self._change.notify()
        return True

    def take(self, seconds: float) -> tuple[Frame, Sequence[Sighting]] | None:
        """The newest frame not taken yet, within so many seconds."""
        with self._change:
            self._wanted = True
            self._change.wait_for(lambda: self._held is not None, seconds)
            held, self._held = self._held, None
            return held

    def off(self) -> None:
        """Nobody reads any more; what is held is let go."""
        with self._change:
            self._wanted, self._held = False, None


class Guide:
    """Frames of the one person who is well placed, until the deadline; says what to change, one thing at a time.

    tell: samples, what to do, seconds left, how the head was turned so far. Nobody has to turn it: time passes, and samples count, without.
    """

    def __init__(self, frames: Newest, abort: threading.Event, deadline: float, tell: Told) -> None:
        self._frames, self._abort, self._deadline, self._tell = frames, abort, deadline, tell
        self._samples = 0
        self._way: Turn | None = None
        self._ways: dict[Turn, None] = {}

    def counted(self, samples: int, reasons: tuple[Reason, ...]) -> None:
        """The listener of ``edge.enrol.capture``."""
        if samples > self._samples and self._way is not None:
            self._ways[self._way] = None
        self._samples = samples
        self._say(HINTS[reasons[0]] if reasons else (Hint.TURN_A_LITTLE if samples else Hint.LOOK))

    def frames(self) -> Iterator[Frame]:
        """Raises PersonLeft when another person may have come after samples were taken."""
        self._samples, whose, seen = 0, None, time.monotonic()
        self._ways.clear()
        while not self._abort.is_set() and time.monotonic() < self._deadline:
            taken = self._frames.take(0.2)
            if taken is None:
                continue
            frame, sightings = taken
            main = max(sightings, key=lambda one: float(one.face.box[2] - one.face.box[0]), default=None)
            if main is None:
                self._say(Hint.SHOW_FACE)
                if self._samples and time.monotonic() - seen > LOST:
                    raise PersonLeft
                continue
            if self._samples and main.track != whose:
                raise PersonLeft
            whose, seen = main.track, time.monotonic()
            hint = placed(main.face, (frame.image.shape[1], frame.image.shape[0]))
            if hint is None:
                self._way = turned(main.face)
                yield frame
            else:
                self._say(hint)

    def _say(self, hint: Hint) -> None:
        self._tell(self._samples, hint, max(0.0, self._deadline - time.monotonic()), tuple(self._ways))


def trouble_of(error: EdgeError) -> Trouble:
    """What a screen may be told of an error: a word, never its text, which may hold a name."""
    if isinstance(error, AcquisitionError):
        return Trouble.INCONSISTENT if "inconsistent" in str(error) else Trouble.NO_SAMPLES
    if isinstance(error, SubjectError):
        return Trouble.NO_SUBJECT if "nobody" in str(error) else Trouble.NAME
    if isinstance(error, ValidityError):
        return FAULTS[error.fault]
    if isinstance(error, KeySourceError):
        return Trouble.KEY
    if isinstance(error, SettingsError):
        return Trouble.SETTINGS
    return Trouble.STORAGE if isinstance(error, GalleryError) else Trouble.DEFECT


def _receipt(subject: Subject) -> str:
    """What a person can note down: the opaque id and the time; no name."""
    return f"{subject.id}  {time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime())}"

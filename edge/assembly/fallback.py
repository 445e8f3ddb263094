"""The way in for who is not recognised: a door code typed on the attached screen, decided here, in a thread and with a gallery of its own.

It works while the camera gives no picture. The screen only sends digits; what opens, and by which rules, is the door's affair. Every answer
takes the same time, and every code that does not open has the same answer: whose it might be, and why not, only the operator is told.
"""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edge.assembly import build, outputs
from edge.assembly.appliance import Appliance
from edge.assembly.blind import CAMERAS, Steadfast
from edge.camera import Source
from edge.door.backoff import Backoff
from edge.door.codes import BLANK, DURESS, NORMAL, CodeBook, CodeKey, Found, unused
from edge.door.events import Refusal
from edge.errors import EdgeError, KeySourceError
from edge.gallery import Gallery, Subject
from edge.records import NEVER, Validity
from edge.service.link import EnterCode, Reply, Trouble
from edge.service.notify import notifier
from edge.settings import Settings

ANSWER = 1.0  # seconds that every answer takes; one that takes longer takes a multiple of it
LIFE = 5.0  # seconds after which what was typed opens nothing any more
ROUND = 0.5  # seconds between two looks at the gallery while nothing is typed

Told = Callable[[str | None, Refusal | None], None]  # subject, and why not


class Opener(Protocol):
    """What is needed of the door; ``edge.door.door.Door`` is one."""

    def typed(
        self, entry: int, subject: str | None, since: float, *, duress: bool = False, validity: Validity | None = None
    ) -> Refusal | None: ...

    def refused(self, refusal: Refusal) -> None: ...


class Enrolled(Protocol):
    """What is needed of a gallery."""

    @property
    def altered(self) -> str | None: ...

    @property
    def counter(self) -> int | None: ...

    def refresh(self) -> bool: ...

    def subjects(self) -> Sequence[Subject]: ...

    def facts(self, subject_id: str) -> Mapping[str, str]: ...

    def validity(self, subject_id: str) -> Validity: ...

    def close(self) -> None: ...


class Speaker(Protocol):
    """What is needed of the link."""

    def reply(self, connection: int, message: Reply) -> None: ...


def _untold(subject: str | None, refusal: Refusal | None) -> None: ...


@dataclass(frozen=True)
class _Entry:
    """What was typed, where and when (monotonic seconds). Shows no digits when printed."""

    connection: int
    id: int
    digits: str = field(repr=False)
    came: float


class Shelf:
    """The codes in force, in RAM, rebuilt when the gallery changes. open_: the gallery, which stays open for the thread that asks first."""

    def __init__(self, open_: Callable[[], Enrolled], key: CodeKey) -> None:
        self._open, self._key = open_, key
        self._gallery: Enrolled | None = None
        self._book = CodeBook(key, {})
        self._of: tuple[int | None, str | None] | None = None  # which state of the gallery the book is of

    def find(self, digits: str) -> Found | None:
        """Whose code it is at this moment; None: nobody's, or nobody is let in because the gallery was altered. Raises GalleryError."""
        self.follow()
        found = self._book.find(digits)
        return found if self._gallery is not None and self._gallery.altered is None else None

    def validity(self, subject: str) -> Validity:
        """When a subject may pass, by the gallery that ``find`` looked at; never, where nobody of that id is known there."""
        return self._gallery.validity(subject) if self._gallery is not None else NEVER

    def follow(self) -> None:
        """Takes over what happened to the gallery. Raises EdgeError; then no code is in force until it works again."""
        try:
            if self._gallery is None:
                self._gallery = self._open()
            elif not self._gallery.refresh() or self._of == (self._gallery.counter, self._gallery.altered):
                return  # events of the door move the file too, and change no code
            self._of = self._gallery.counter, self._gallery.altered
            self._book = CodeBook(self._key, in_force(self._gallery))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the gallery."""
        gallery, self._gallery = self._gallery, None
        self._book, self._of = CodeBook(self._key, {}), None
        if gallery is not None:
            gallery.close()


class CodeDesk:
    """Hand ``enter`` to the link, once ``answer_by`` has said whom to answer; ``open_by`` begins to work. None of them blocks.

    offered: whether the screen shall offer its keypad. clock: monotonic seconds.
    """

    def __init__(
        self,
        shelf: Shelf,
        backoff: Backoff,
        on_problem: Callable[[str], None],
        *,
        offered: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf, self._backoff, self._on_problem, self._clock, self.offered = shelf, backoff, on_problem, clock, offered
        self._link: Speaker | None = None
        self._door: Opener | None = None
        self._told: Told = _untold
        self._waiting: queue.Queue[_Entry] = queue.Queue(1)
        self._end = threading.Event()
        self._number = 0
        self._wait_told = self._failing = False
        self._thread = threading.Thread(target=self._work, name="door-codes", daemon=True)

    def answer_by(self, link: Speaker) -> None:
        """Who is told what came of an entry."""
        self._link = link

    def open_by(self, door: Opener, told: Told = _untold) -> None:
        """Begin. told: hears of every entry whose it was, if it was anybody's, and why nothing opened."""
        self._door, self._told = door, told
        self._thread.start()

    def enter(self, connection: int, command: EnterCode) -> None:
        """Somebody typed a code; one at a time."""
        entry = _Entry(connection, command.id, command.code, self._clock())
        try:
            if self._door is None:
                return self._reply(entry, Trouble.DEFECT)
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._reply(entry, Trouble.BUSY)

    def close(self) -> None:
        """What was typed and not looked at yet opens nothing."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(2 * ANSWER)

    def _work(self) -> None:
        while not self._end.is_set():
            try:
                entry = self._waiting.get(timeout=ROUND)
            except queue.Empty:
                self._rest()
                continue
            try:
                trouble = self._decide(entry)
            except Exception as error:  # the desk must be there for the next one; nothing opens by error
                self._say(f"door codes: {type(error).__name__}; a code opened nothing")
                trouble = Trouble.DEFECT
            passed = self._clock() - entry.came
            self._end.wait(max(1, math.ceil(passed / ANSWER)) * ANSWER - passed)
            self._reply(entry, trouble)
        self._shelf.close()

    def _rest(self) -> None:
        """Nothing is typed: follow the gallery, so that the next entry need not wait for it, and forgive what is due."""
        try:
            self._shelf.follow()
            self._backoff.rest()
        except (EdgeError, OSError) as error:
            self._say(f"door codes: {error}; until that is mended no code opens")
        except Exception as error:  # the desk must be there for the next entry
            self._say(f"door codes: {type(error).__name__}; until that is over no code opens")
        else:
            self._failing = False

    def _decide(self, entry: _Entry) -> Trouble | None:
        """None: the door is being opened."""
        assert self._door is not None
        if self._backoff.wait() > 0:
            if not self._wait_told:
                self._wait_told = True
                self._door.refused(Refusal.TRY_LATER)
                self._told(None, Refusal.TRY_LATER)
            return Trouble.WAIT
        self._wait_told = False
        self._backoff.begin()
        found, now = self._find(entry.digits), self._clock()
        if self._end.is_set() or now - entry.came > LIFE:
            self._door.refused(Refusal.LATE)
            self._told(None, Refusal.LATE)
            return Trouble.NOT_LET_IN
        self._number += 1
        subject = found.subject if found else None
        dates = self._shelf.validity(subject) if subject else None
        refusal = self._door.typed(self._number, subject, now, duress=found is not None and found.duress, validity=dates)
        self._told(subject, refusal)
        if refusal is not None:
            return Trouble.NOT_LET_IN
        with contextlib.suppress(OSError):
            self._backoff.right()
        return None

    def _find(self, digits: str) -> Found | None:
        try:
            return self._shelf.find(digits)
        except EdgeError as error:
            self._say(f"door codes: {error}; until that is mended no code opens")
            return None

    def _reply(self, entry: _Entry, trouble: Trouble | None) -> None:
        if self._link is not None:
            self._link.reply(entry.connection, Reply(id=entry.id, trouble=trouble, seconds=min(self._backoff.wait(), 86_400.0)))

    def _say(self, text: str) -> None:
        if not self._failing:
            self._on_problem(text)
        self._failing = True


def in_force(gallery: Enrolled) -> dict[str, Mapping[str, str]]:
    """Subject's id -> the facts of its record, of everybody with a reference that can match: what is signed is those."""
    return {one.id: gallery.facts(one.id) for one in gallery.subjects() if one.references or one.former}


def desk(job: Appliance) -> CodeDesk | None:
    """The desk of a door whose settings allow codes; None where they do not. Raises OutputError."""
    settings = job.settings
    if settings.access.fallback != "code":
        return None
    opens = bool(outputs.enabled(settings))
    if not opens:
        job.report.warn('access.fallback = "code", but no output is enabled, so that a code opens nothing; enable one, or set it to "off"')
    key = code_key(settings)
    shelf = Shelf(lambda: under_the_same_key(job, key), key)
    return CodeDesk(shelf, Backoff(settings.code.state, outputs.waits(settings)), job.report.warn, offered=opens)


def under_the_same_key(job: Appliance, key: CodeKey) -> Gallery:
    """The gallery under the root key that ``key`` was made of. Raises EdgeError; also once another root key is in place: codes of the one
    before are over, and those of the new one are for a door that was started with it."""
    settings = job.settings
    found = build.gallery(settings, build.network_id(settings), _unheard)
    if code_key(settings).name != key.name:
        found.close()
        raise KeySourceError("another root key is in place than when this door was started: start it again")
    return found


def source(job: Appliance) -> Source:
    """The open source of the settings; where codes open, a camera that may be away."""
    settings, manager = job.settings, notifier()
    uri = settings.camera.source
    if settings.access.fallback != "code" or not outputs.enabled(settings) or not uri.startswith(CAMERAS):
        return job.source()

    def still_here() -> None:
        if manager is not None:
            manager.tell(WATCHDOG=1, STATUS="no camera; door codes open")

    return Steadfast(uri, job.source, job.report.warn, still_here)


def code_key(settings: Settings, *, may_create: bool = False) -> CodeKey:
    """What makes the tags of this device's codes."""
    return CodeKey(build.keyring(settings, _unheard, may_create=may_create).code_key())


def new_code(job: Appliance, gallery: Gallery, subject: Subject, *, duress: bool) -> str:
    """A fresh code for a subject, in place of the one there was; to be shown once. Raises GalleryError, SubjectError."""
    key, audit = code_key(job.settings), job.audit
    kind, other = (DURESS, NORMAL) if duress else (NORMAL, DURESS)
    made: list[str] = []
    facts = dict.fromkeys((kind, other), BLANK)

    def make() -> None:
        made.append(unused(CodeBook(key, {one.id: gallery.facts(one.id) for one in gallery.subjects()})))
        facts[kind] = key.fact(made[0])
        facts[other] = gallery.facts(subject.id).get(other, BLANK)

    gallery.amend(subject.id, facts, check=make)
    audit.append("code_new", subject=subject.id, duress=duress)
    return made[0]


def _unheard(warning: str) -> None: ...

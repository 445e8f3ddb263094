"""The door's side of the attached screen, put together: link, watcher, operator's desk. `edge run --screen` uses it."""

import os
import pwd
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.assembly.desk import CONSENT, Desk, Patience
from edge.assembly.fallback import CodeDesk, new_code
from edge.assembly.standing import CONFUSABLE, standing
from edge.assembly.validity import for_enrolment, prolonged, typed
from edge.enrol import EnrolmentRules, Listener, Session, capture
from edge.errors import EdgeError, GalleryError, KeySourceError, NetworkError, SettingsError, SourceError
from edge.gallery import Gallery, Subject
from edge.inference import PlanStore
from edge.records import Frame, Validity, Verdict
from edge.service import refusal
from edge.service.face import ScreenWatcher
from edge.service.link import Building, Command, DoorLink, EnterCode, Hello, LinkError, Trouble
from edge.service.machine import LEAST_DISK
from edge.settings import Settings
from edge.stages import Stages

RECENT = 2_000  # events in which "last seen" is looked up
MOST_COMPARED = 5_000  # references among which every pair is compared while an operator waits
ROUND = 5.0  # seconds between two looks at gallery, disk and plans
STEPS = ((120.0, 10.0), (float("inf"), 60.0))  # seconds left up to which they are told in steps of so many: a screen need not count down
# what a refusal to start is called on the screen, the first that fits; a key that does not fit the gallery is the key's fault
CALLED = (
    (KeySourceError, Trouble.KEY),
    (GalleryError, Trouble.GALLERY),
    (NetworkError, Trouble.NETWORK),
    (SourceError, Trouble.CAMERA),
    (SettingsError, Trouble.SETTINGS),
)


class ApplianceClerk:
    """The appliance as the operator's desk uses it, in one thread; a gallery of its own is open while ``open`` is."""

    def __init__(self, door: Appliance) -> None:
        self._door = Appliance(door.settings, door.report)
        self._door.networks = door.networks
        self._door.acquirer = build.acquirer(door.settings, door.networks, Stages())
        self._gallery: Gallery | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """The gallery is open within."""
        with self._door.gallery(create=True, throwaway=True) as self._gallery:
            try:
                yield
            finally:
                self._gallery = None

    @property
    def gallery(self) -> Gallery:
        """Raises ValueError outside ``open``."""
        if self._gallery is None:
            raise ValueError("the clerk's gallery is used outside of open()")
        return self._gallery

    def capture(self, frames: Iterator[Frame], tell: Listener) -> Session:
        """See ``edge.enrol.capture``."""
        return self._door.capture_from(frames, tell)

    def probe(self, frames: Iterator[Frame]) -> Session:
        """A few samples, to be held against an enrolment."""
        rules, decision = self._door.settings.enrolment, self._door.settings.decision
        few = EnrolmentRules(decision.min_samples, decision.min_samples, rules.consistency, decision.interval)
        return capture(frames, self._door.acquirer, few)

    def nearest(self, session: Session) -> Subject | None:
        """Who is enrolled and looks alike."""
        return self._door.nearest(self.gallery, session)

    def alike(self, session: Session, probe: Session) -> bool:
        """Whether the door would take the probe for the person of the session."""
        settings = self._door.settings
        threshold = build.threshold(self._door.networks.tail, settings.decision.fpir, 1)(len(self.gallery) + 1)
        return int(np.count_nonzero(session.code.symbols != probe.code.symbols)) <= threshold

    def dates(self, begins: str | None, ends: str | None) -> Validity:
        """Between which dates somebody new may pass, by what was typed and the settings. Raises ValidityError."""
        return for_enrolment(begins, ends, self._door.settings.enrolment.valid_days, time.time())

    def enrol(self, name: str, session: Session, validity: Validity, *, allow_duplicate: bool) -> Subject:
        """Store one reference and its dates, in one change."""
        return self._door.enrol(self.gallery, name, session, allow_duplicate=allow_duplicate, validity=validity)

    def people(self) -> Sequence[Subject]:
        """Everybody enrolled."""
        return self.gallery.subjects()

    def seen(self) -> Mapping[str, str]:
        """Subject's id -> when it was identified last (ISO 8601, UTC), as far back as the newest events tell."""
        events = reversed(self.gallery.events(RECENT))
        return {event.subject: event.time for event in events if event.subject is not None and event.kind == Verdict.IDENTIFIED.value}

    def confusable(self) -> tuple[str, str] | None:
        """The two enrolled people who are closest, if the door may take one for the other; not looked for among very many."""
        if len(self.gallery) > MOST_COMPARED:
            return None
        pair = standing(self._door.settings, lambda warning: None).closest
        return (pair[0], pair[1]) if pair and pair[2] == CONFUSABLE else None

    def revoke(self, subject: str) -> Subject:
        """Delete a subject of that id. Raises SubjectError."""
        return self._door.revoke(self.gallery, subject)

    def renew(self, subject: str, session: Session | None) -> Subject:
        """Replace the references of the subject of that id. Raises SubjectError, AcquisitionError."""
        found = self.gallery.find(subject)
        self._door.renew(self.gallery, found, session)
        return found

    def limit(self, subject: str, days: int | None) -> Subject:
        """Say until when the subject of that id may pass, days from today. Raises SubjectError, ValidityError."""
        found = self.gallery.find(subject)
        return self._door.limit(self.gallery, found, prolonged(found.validity, days, time.time()))

    def between(self, subject: str, begins: str | None, ends: str | None) -> Subject:
        """Say between which dates the subject of that id may pass; what was not typed stays. Raises SubjectError, ValidityError."""
        found = self.gallery.find(subject)
        return self._door.limit(self.gallery, found, typed(begins, ends, found.validity))

    def new_code(self, subject: str) -> str:
        """Eight digits for the subject of that id, which nothing keeps. Raises SubjectError, GalleryError; SettingsError without codes."""
        if self._door.settings.access.fallback != "code":
            raise SettingsError('access.fallback = "off": no door code opens; set it to "code"')
        return new_code(self._door, self.gallery, self.gallery.find(subject), duress=False)


class Rounds:
    """Looks every few seconds whether something stops the door's work.

    tell: hears what, and of a plan being built how far it is. clock: monotonic seconds. free: bytes left at a folder. altered: whether the
    gallery is not the one that was signed, so that nobody is let in.
    """

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[Trouble | None, Building | None], None],
        clock: Callable[[], float] = time.monotonic,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        altered: Callable[[], bool] = lambda: False,
    ) -> None:
        network = settings.network
        self._folder, self._altered = folder_of(settings), altered
        names = () if network.runtime == "onnxruntime" else (network.detector, network.hash)
        self._plans = [PlanStore(network.plans, name) for name in names]
        self._tell, self._clock, self._free, self._next = tell, clock, free, float("-inf")

    def look(self) -> None:
        """Costs nothing between two rounds."""
        if self._clock() >= self._next:
            self._next = self._clock() + ROUND
            self._tell(*self._found())

    def _found(self) -> tuple[Trouble | None, Building | None]:
        if self._altered():
            return Trouble.GALLERY, None
        if self._free(self._folder) < LEAST_DISK:
            return Trouble.STORAGE, None
        for plan in self._plans:
            if plan.is_building():
                return Trouble.PLAN, self._how_far(plan)
        return None, None

    def _how_far(self, plan: PlanStore) -> Building | None:
        progress = plan.progress()
        if progress is None:
            return None
        return Building(part=progress.part, parts=progress.parts, seconds=_in_steps(progress.left_at(self._clock())))


def _in_steps(seconds: float | None) -> float | None:
    """Seconds, rounded up."""
    if seconds is None:
        return None
    step = next(step for most, step in STEPS if seconds <= most)
    return min(-(-seconds // step) * step, 86_400.0)


def folder_of(settings: Settings) -> Path:
    """The folder that is there already and in which the gallery lies, or will."""
    return next(parent for parent in settings.gallery.path.absolute().parents if parent.exists())


@contextmanager
def telling(settings: Settings) -> Iterator[None]:
    """A door that does not come to run, or ends by an error, leaves one word for the screen; the error goes on its way."""
    try:
        yield
    except (LinkError, KeyboardInterrupt):  # the first: another door may be running, and it speaks for itself
        raise
    except Exception as error:
        if settings.screen.enabled:
            refusal.publish(settings.screen.socket, called(error, settings), shared=bool(settings.screen.user))
        raise


def called(error: Exception, settings: Settings, free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free) -> Trouble:
    """The word for an error. What cannot be stored while the disk is full is the disk's fault."""
    kind = next((trouble for kind, trouble in CALLED if isinstance(error, kind)), Trouble.DEFECT)
    full = isinstance(error, (EdgeError, OSError)) and kind in (Trouble.GALLERY, Trouble.DEFECT) and free(folder_of(settings)) < LEAST_DISK
    return Trouble.STORAGE if full else kind


@contextmanager
def screen(door: Appliance, altered: Callable[[], bool] = lambda: False, codes: CodeDesk | None = None) -> Iterator[list[ScreenWatcher]]:
    """The watchers of the attached screen while it is served: one, or none where ``screen.enabled`` is false.

    altered: whether the open gallery is not the one that was signed. codes: where door codes that are typed go, until this ends. Call it
    before the appliance is used. Raises SettingsError, LinkError.
    """
    if not door.settings.screen.enabled:
        yield []
        return
    door.networks.detector = build.OneAtATime(door.networks.detector)
    door.networks.hasher = build.OneAtATime(door.networks.hasher)
    watcher = build.screen_watcher(door.settings)
    with _served(door, watcher, altered, codes):
        yield [watcher]


@contextmanager
def _served(door: Appliance, watcher: ScreenWatcher, altered: Callable[[], bool], codes: CodeDesk | None) -> Iterator[None]:
    settings = door.settings.screen
    pin, rounds = build.pin_lock(door.settings), Rounds(door.settings, watcher.trouble, altered=altered)
    desks: list[Desk] = []  # the link comes first, and hears nothing before the desk is there

    def command(connection: int, asked: Command) -> None:
        if isinstance(asked, EnterCode):
            if codes is not None:
                codes.enter(connection, asked)
            return
        for desk in desks:
            desk.command(connection, asked)

    def gone(connection: int) -> None:
        for desk in desks:
            desk.gone(connection)

    def tick() -> None:
        rounds.look()
        watcher.tick()

    offered, days = codes is not None and codes.offered, door.settings.enrolment.valid_days
    hello = lambda: Hello(consent=CONSENT, pin=pin.is_set, code=offered, days=days)  # noqa: E731 - one line says it
    link = DoorLink(settings.socket, users(settings.user), hello, command, gone, door.report.warn, tick)
    refusal.withdraw(settings.socket)
    try:
        patience = Patience(settings.capture, settings.idle)
        desk = Desk(ApplianceClerk(door), pin, link, door.settings.enrolment.max_samples, patience, door.report.warn)
        desk.start()
        desks.append(desk)
        if codes is not None:
            codes.answer_by(link)
        watcher.tap = desk.frame
        watcher.attach(link)
        yield
    finally:
        if codes is not None:
            codes.close()
        for desk in desks:
            desk.close()
        link.close()


def users(name: str) -> frozenset[int]:
    """The user ids that a screen may have: the door's own, and that of ``name`` if it is not empty. Raises SettingsError."""
    if not name:
        return frozenset({os.getuid()})
    try:
        return frozenset({os.getuid(), pwd.getpwnam(name).pw_uid})
    except KeyError:
        raise SettingsError(f"screen.user = '{name}': there is no such user; create it, or leave the setting empty") from None

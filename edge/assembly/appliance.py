"""The jobs of the appliance, one method each: capture, enrol, identify a picture, watch a stream. Parts come from ``build`` beside it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from edge.acquire import Acquirer
from edge.assembly import build
from edge.assembly.report import Report, Tally
from edge.assembly.validity import days_from
from edge.camera import Source, read_image
from edge.enrol import EnrolmentRules, Listener, Session, capture, duplicate, unheard
from edge.errors import AcquisitionError, GalleryError, NetworkError, SettingsError, SubjectError
from edge.gallery import Gallery, Subject, is_id, is_moving, normalised
from edge.identify import run
from edge.rebind import TwinAcquirer
from edge.records import Candidate, Face, Frame, Outcome, Phase, Reason, Sighting, Validity
from edge.service.audit import Audit
from edge.settings import Settings
from edge.stages import Stages
from edge.template.decide import Approach
from edge.watch import Watcher, Watchers
from edge.words import counted


class Appliance:
    """Settings and somewhere to report to; networks are loaded when a job first needs them."""

    def __init__(self, settings: Settings, report: Report) -> None:
        self.settings, self.report, self.stages = settings, report, Stages()
        self._unrecorded = 0  # events since the event log was last written

    @cached_property
    def networks(self) -> build.Networks:
        return build.Networks(self.settings, self.report.warn)

    @cached_property
    def acquirer(self) -> Acquirer:
        return build.acquirer(self.settings, self.networks, self.stages)

    @cached_property
    def audit(self) -> Audit:
        """The audit log. AuditError where it cannot be written: opened before a change, so that nothing changes unaudited."""
        return build.audit(self.settings)

    def gallery(self, *, create: bool = False, throwaway: bool = False, whatever_network: bool = False) -> Gallery:
        """The open gallery, a context manager. throwaway: nobody need be warned where its key lies. whatever_network: nothing is compared,
        so that no network is needed."""
        network = None if whatever_network else build.network_id(self.settings)
        return build.gallery(self.settings, network, _unheard if throwaway else self.report.warn, create=create)

    def source(self) -> Source:
        """The open camera, folder or video of the settings, a context manager."""
        return build.source(self.settings, self.report.warn)

    def capture(self, pictures: Sequence[Path] = (), *, may_be_demo: bool = False, guided: bool = False) -> Session:
        """Samples of one person, from picture files or from the source. Raises AcquisitionError.

        guided: with instructions, for at most ``screen.capture`` seconds.
        may_be_demo: also from the demonstration stream, where it was asked for and is not only what a fresh installation has.
        """
        if not pictures and not may_be_demo and self.settings.camera.source.startswith("demo:"):
            raise SettingsError(
                "camera.source is the demonstration stream, which shows nobody here; give pictures, or --source with a camera"
            )
        rules = self.settings.enrolment
        if pictures:
            frames = (self._frame(path, number) for number, path in enumerate(pictures))
            return self._captured(frames, EnrolmentRules(1, max(rules.max_samples, len(pictures)), rules.consistency, interval=0.0))
        seconds = self.settings.screen.capture
        progress = self.report.guided(rules.max_samples, seconds) if guided else self.report.samples(rules.max_samples)
        with self.source() as stream, progress as tell:
            return self.capture_from(_within(stream.frames(), seconds) if guided else stream.frames(), tell)

    def capture_from(self, frames: Iterator[Frame], tell: Listener = unheard) -> Session:
        """Samples of the one person in a stream."""
        rules = self.settings.enrolment
        return self._captured(frames, EnrolmentRules(rules.min_samples, rules.max_samples, rules.consistency, rules.interval), tell)

    def _captured(self, frames: Iterator[Frame], rules: EnrolmentRules, tell: Listener = unheard) -> Session:
        """A session; while people move to another network also by the one before, so that who still waits is known again."""
        twin = self._twin() if is_moving(self.settings.gallery.path) else None
        session = capture(frames, twin or self.acquirer, rules, tell)
        if twin is None:
            return session
        code, former = twin.parted(session.code)
        return replace(session, code=code, former=former)

    def _twin(self) -> TwinAcquirer | None:
        with self.gallery(throwaway=True) as gallery:
            network = None if gallery.former is None else gallery.former.network
        try:
            return None if network is None else build.twins(self.settings, self.acquirer, network)[0]
        except NetworkError as error:
            self.report.warn(f"{error}. Meanwhile nobody notices that somebody who still waits is enrolled a second time")
            return None

    def enrol(
        self, gallery: Gallery, name: str, session: Session, *, allow_duplicate: bool = False, validity: Validity | None = None
    ) -> Subject:
        """Store one reference. validity: None for ``enrolment.valid_days`` from now.

        Raises SubjectError for a name in use and AcquisitionError for a person already enrolled.
        """

        def check() -> None:
            if any(person.label.casefold() == normalised(name).casefold() for person in gallery.subjects()):
                raise SubjectError(
                    f"{name}: somebody of this name is enrolled; choose another name, or `edge renew` to replace the references"
                )
            twin = self.nearest(gallery, session)
            if twin and not allow_duplicate:
                way_out = f"`edge renew` replaces the references of {twin.label}, --allow-duplicate enrols somebody who only looks alike"
                raise AcquisitionError(f"{name}: this person looks like {twin.label}, who is enrolled. Nothing was stored; {way_out}")

        audit = self.audit
        dates = days_from(time.time(), self.settings.enrolment.valid_days) if validity is None else validity
        subject = gallery.enrol(name, [session.code], validity=dates, check=check)
        audit.append("enrol", subject=subject.id, samples=session.samples, duplicate_allowed=allow_duplicate)
        return subject

    def limit(self, gallery: Gallery, subject: Subject, validity: Validity) -> Subject:
        """Say anew when somebody may pass; the door goes by it from its next frame on."""
        audit = self.audit
        changed = gallery.limit(subject.id, validity)
        begins, ends = (int(moment) if moment is not None else -1 for moment in (validity.begins, validity.ends))
        audit.append("validity", subject=subject.id, begins=begins, ends=ends, change=gallery.counter or 0)
        return changed

    def renew(self, gallery: Gallery, subject: Subject, session: Session | None, *, allow_unlike: bool = False) -> None:
        """Replace a subject's references: by a new session's, or with None by fresh pads. AcquisitionError for another person's face."""

        def check() -> None:
            found = self.nearest(gallery, session) if session else subject
            if found and found.id != subject.id:
                raise AcquisitionError(
                    f"{subject.label}: these pictures look like {found.label}, who is enrolled. Nothing was changed; check the name"
                )
            if not found and not allow_unlike:
                way_out = "check the name, or --allow-unlike if the person has changed that much"
                raise AcquisitionError(f"{subject.label}: these pictures do not look like {subject.label}. Nothing was changed; {way_out}")

        audit = self.audit
        gallery.renew(subject.id, [session.code] if session else None, check=check)
        audit.append("renew", subject=subject.id, recaptured=session is not None, unlike_allowed=allow_unlike)

    def revoke(self, gallery: Gallery, name_or_id: str) -> Subject:
        """Delete a subject; by its id also one whose record is damaged. Raises SubjectError."""
        try:
            found = gallery.find(name_or_id)
        except SubjectError:
            if not is_id(name_or_id.casefold()):
                raise
            found = Subject(name_or_id.casefold(), "subject without a sound record", "", 0)
        gallery.revoke(found.id)
        self.audit.append("revoke", subject=found.id)  # afterwards: no fault of the log may keep a revocation from happening
        return found

    def nearest(self, gallery: Gallery, session: Session) -> Subject | None:
        """The enrolled subject that this session's person is, by the door's own threshold; also one who still waits to be renewed."""
        threshold = build.threshold(self.networks.tail, self.settings.decision.fpir, 1)(len(gallery))
        found = duplicate(gallery.search(session.code, limit=1, within=threshold), threshold) or self._nearest_former(gallery, session)
        return gallery.find(found.subject) if found else None

    def _nearest_former(self, gallery: Gallery, session: Session) -> Candidate | None:
        code, former = session.former, gallery.former
        if code is None or former is None or (len(code.symbols), code.q) != (former.network.m, former.network.q):
            return None
        _, manifest = build.manifest_of(self.settings, former.network.sha256)
        threshold = build.threshold(build.own_tail(self.settings, manifest), self.settings.decision.fpir, 1)(len(former))
        return duplicate(gallery.search_former(code, limit=1), threshold)

    def identify(self, gallery: Gallery, path: Path) -> list[tuple[Outcome, list[int]]]:
        """Every face of one picture, each judged as an approach of one sample, with its box in pixels: left, top, right, bottom."""
        gallery.refresh()
        frame = self._frame(path, 0)
        match = build.matching(self.settings, self.networks, self.acquirer, gallery, self.report.warn)
        faces = enumerate(self.acquirer.faces(frame.image), 1)
        return [(self.judge(match, frame, number, face), [round(float(edge)) for edge in face.box]) for number, face in faces]

    def watch(
        self,
        gallery: Gallery,
        stream: Source,
        limit: int | None = None,
        watchers: Sequence[Watcher] = (),
        enough: Callable[[Sequence[Sighting]], str] = lambda sightings: "",
    ) -> Tally:
        """Run the loop over a stream; report and record every outcome, tell the watchers; the count of it all. Ctrl-C ends it too.

        enough: asked after every frame; a text ends the loop, and is told.
        """
        tally, begun = Tally(), 0.0
        match = build.matching(self.settings, self.networks, self.acquirer, gallery, self.report.warn)
        identifier = build.identifier(self.settings, match)
        told = Watchers([*watchers, *([match.moving] if match.moving else [])], self.report.warn)
        try:
            for frame, outcomes in run(_at_most(stream.frames(), limit), identifier, time.monotonic if stream.live else None):
                begun = frame.captured if frame and not tally.frames else begun
                tally.frames += frame is not None
                if frame:
                    told.seen(frame, identifier.sightings)
                for outcome in outcomes:
                    name = name_of(gallery, outcome)
                    told.decided(outcome, name)
                    tally.add(outcome, name)
                    self.report.outcome(outcome, name, outcome.captured - begun, dated(gallery, outcome))
                    self._record(gallery, outcome)
                if frame and (why := enough(identifier.sightings)):
                    self.report.warn(why)
                    break
        except KeyboardInterrupt:
            self.report.note("stopped")
            tally.stopped = True
        finally:
            told.close()
        if identifier.dropped:
            self.report.warn(
                f"{counted(identifier.dropped, 'identification')} came too late and dropped; the machine is too slow for this stream"
            )
        return tally

    def _record(self, gallery: Gallery, outcome: Outcome) -> None:
        """The event log; a full disk or a busy file does not stop the door, and is told once, until it is over."""
        try:
            gallery.record(outcome.verdict.value, outcome.subject)
        except GalleryError as error:
            self._unrecorded += 1
            if self._unrecorded == 1:
                self.report.warn(f"event not recorded: {error}. The door goes on")
        else:
            if self._unrecorded:
                self.report.warn(f"events are recorded again; {self._unrecorded} were not")
            self._unrecorded = 0

    def _frame(self, path: Path, number: int) -> Frame:
        return Frame(read_image(path, max_pixels=self.settings.camera.max_image_pixels), float(number), number, str(path))

    def judge(self, match: build.Matching, frame: Frame, number: int, face: Face) -> Outcome:
        """One face of one frame as an approach of a single sample."""
        approach = Approach(number, build.policy(self.settings, 1, 1), frame.captured)
        sample = self.acquirer.sample(frame.image, face)
        outcome = None
        if sample is None or sample.quality.reasons:
            approach.refuse(sample.quality.reasons if sample else (Reason.NO_FACE,), frame.captured)
        elif fused := approach.add(match.acquirer.features([sample])[0], frame.captured):
            threshold = match.single(len(match.gallery))
            within = threshold + self.settings.decision.margin
            outcome = approach.judge(match.gallery.search(match.acquirer.code(fused), limit=2, within=within), threshold, frame.captured)
        outcome = outcome or approach.close(frame.captured)
        assert outcome is not None
        return outcome


def name_of(gallery: Gallery, outcome: Outcome) -> str | None:
    """The identified subject's name, or the id if he was revoked a moment ago."""
    return None if outcome.subject is None else gallery.label(outcome.subject) or outcome.subject


def dated(gallery: Gallery, outcome: Outcome) -> Phase:
    """Whether the identified subject may pass by date and this machine's clock; the door's rules also ask whether that can be trusted."""
    return Phase.VALID if outcome.subject is None else gallery.validity(outcome.subject).at(time.time())


def _unheard(warning: str) -> None: ...


def _at_most(frames: Iterator[Frame], limit: int | None) -> Iterator[Frame]:
    for count, frame in enumerate(frames, 1):
        yield frame
        if count == limit:
            return


def _within(frames: Iterator[Frame], seconds: float) -> Iterator[Frame]:
    ends = time.monotonic() + seconds
    return takewhile(lambda frame: time.monotonic() < ends, frames)

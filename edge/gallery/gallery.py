"""The gallery of one device: subjects and their references, protected on the disk, ready to compare in RAM."""

import re
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType

from edge.errors import GalleryError, SubjectError
from edge.gallery import renewal
from edge.gallery.block import Signed
from edge.gallery.dates import as_facts
from edge.gallery.errors import AlteredGalleryError
from edge.gallery.file import Meta, NetworkId, open_file, read_meta
from edge.gallery.former import Former, load_former
from edge.gallery.head import Head, Signer
from edge.gallery.integrity import Integrity, first_head, sign_versions
from edge.gallery.labels import is_id, nearest, normalised
from edge.gallery.live import OWN_FACTS, Live
from edge.gallery.records import Damage, Event, Report, Subject
from edge.gallery.renewal import Tell, untold
from edge.gallery.sealer import Sealer
from edge.gallery.state import State, now_text
from edge.gallery.versions import give_versions, new_version
from edge.records import ALWAYS, Candidate, Code, Symbols, Validity
from edge.template.protect import FORMAT_VERSION, Keys, TemplateError
from edge.words import counted

Check = Callable[[], None]
_KIND = re.compile(r"[a-z_]{1,32}")


def open_gallery(
    path: Path | str,
    keys: Keys,
    network: NetworkId,
    device: str,
    *,
    create: bool = True,
    witness: Path | None = None,
    patience: float = 5.0,
) -> "Gallery":
    """The gallery at ``path``, made if nothing is there and ``create`` says so.

    witness: file that remembers the newest head, outside the gallery; None to do without. patience: seconds to wait for another process
    that is writing, then BusyGalleryError. Raises the errors of edge.gallery.errors, each before anything in the file is changed. Damaged
    references stop nothing: they never match and stand in ``Gallery.damaged``. A gallery that is not the one that was signed opens too, so
    that it can be looked at, but ``search`` refuses it (``Gallery.altered``).
    """
    if not device:
        raise ValueError("device: must not be empty")
    first = Meta(FORMAT_VERSION, network, transform_epoch=1, row_epoch=1, key_check=keys.check_value(), device=device)
    integrity = Integrity(Signer(keys.head_key()), witness)
    sealer = Sealer(keys, network, device, (1, 1))

    def convert(db: sqlite3.Connection) -> None:
        sign_versions(db, integrity.signer, give_versions(db, sealer))

    file = open_file(Path(path), first, first_head(integrity.signer), create=create, patience=patience, convert=convert)
    try:
        return Gallery(State(file, sealer, integrity, first))
    except BaseException:
        file.close()
        raise


def _no_check() -> None: ...


class Gallery:
    """Made by ``open_gallery``; belongs to the thread that made it. What other processes do to the file counts after ``refresh``."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def path(self) -> Path:
        """Where the gallery lies."""
        return self._state.file.path

    @property
    def rows(self) -> Symbols:
        """The live rows (n, row_bytes) uint8, transformed, 64-byte aligned; take it anew after every change."""
        return self._state.live.matrix.rows

    @property
    def damaged(self) -> tuple[Damage, ...]:
        """The references that could not be opened and never match."""
        return tuple(self._state.live.damaged.values())

    @property
    def altered(self) -> str | None:
        """Why the references are not those that were signed, or not the newest; None if all is well. Then ``search`` refuses."""
        return self._state.integrity.altered

    @property
    def counter(self) -> int | None:
        """Changes of references so far, as signed; None where no signature opens."""
        return self._state.integrity.counter

    @property
    def witness_pending(self) -> bool:
        """Whether the witness is behind because it could not be written; ``refresh`` tries again."""
        return self._state.integrity.witness_pending

    @property
    def former(self) -> Former | None:
        """The references of the network before, while the window of a ``rebind`` is open."""
        return self._state.former

    @property
    def erasure_pending(self) -> bool:
        """Whether deleted rows may still lie, sealed, in the journal because another process was reading; ``refresh`` tries again."""
        return self._state.file.erasure_pending

    def subject_of_row(self, row: int) -> str:
        """The subject's id of a row of ``rows``."""
        return self._state.live.matrix.subjects[row]

    def subjects(self) -> list[Subject]:
        """Everybody enrolled, by name."""
        if self._state.former is None:
            return self._state.live.subjects()
        counts = Counter(self._state.former.live.matrix.subjects)
        return [replace(subject, former=counts[subject.id]) for subject in self._state.live.subjects()]

    def find(self, label_or_id: str) -> Subject:
        """The one subject of that id or name; SubjectError, with the nearest names, if there is none or there are several."""
        people = self.subjects()
        by_id = is_id(label_or_id.casefold())
        wanted = label_or_id.casefold() if by_id else normalised(label_or_id)
        found = [s for s in people if wanted == (s.id if by_id else s.label)]
        if not found and not by_id:
            found = [s for s in people if s.label.casefold() == wanted.casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise SubjectError(f"subject {wanted}: fits {len(found)} subjects: name one by its id: {', '.join(s.id for s in found)}")
        near = ", ".join(nearest(wanted, (s.label for s in people)))
        way_out = f"near to it: {near}" if near else "see who is enrolled with list"
        raise SubjectError(f"subject {wanted}: nobody has that name or id: {way_out}")

    def label(self, subject_id: str) -> str | None:
        """The name of the subject of that id, None where nobody has it. Costs the same however many are enrolled."""
        return self._state.live.label(subject_id)

    def probe(self, code: Code) -> Symbols:
        """A plain code as bit planes (row_bytes,) that compare with ``rows``."""
        return self._state.live.sealer.planes([code]).reshape(-1)

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        """Each subject's nearest reference, the most alike first; at most ``limit`` subjects. AlteredGalleryError: see ``altered``.

        within: only references that are unlike by at most so many symbols. Of a code with costs, the references in which the fewest symbols
        are unequal are compared by them (``compare.candidates``), without a limit all that may lie within. Of one without, the answer is as
        exact; a large gallery is searched in less than half the time where most references are far beyond.
        """
        self._state.require_unaltered()
        return self._state.live.search(code, limit, within)

    def search_former(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        """The same among the references of the network before, for a code of that network; empty where no window is open."""
        self._state.require_unaltered()
        return self._state.former.live.search(code, limit, within) if self._state.former is not None else []

    def enrol(
        self,
        label: str,
        codes: Sequence[Code],
        *,
        subject_id: str | None = None,
        validity: Validity = ALWAYS,
        check: Check = _no_check,
    ) -> Subject:
        """Stores one reference per plain code, all or none: for a new subject or, with ``subject_id``, for the one of that name and id.

        validity: of a new subject. check: called when nobody else can change the gallery any more; what it raises stops the enrolment.
        SubjectError for an impossible name or another person's id; GalleryError if it cannot be stored.
        """
        name = normalised(label)
        with self._state.changing() as db:
            check()
            identity = secrets.token_hex(16) if subject_id is None else self._named(subject_id, name).id
            stated = {fact: text for fact, text in as_facts(validity).items() if text is not None}
            facts, version = {"created": now_text(), "label": name, **stated}, new_version()
            sealed = self._state.live.sealer.seal_facts("subject", identity, facts, version)
            if subject_id is None:
                db.execute("INSERT INTO subjects (id, sealed, version) VALUES (?, ?, ?)", (identity, sealed, version))
            added = self._state.insert(db, identity, self._state.live.sealer.planes(codes))
            came = [row.reference for row in added] + ([version] if subject_id is None else [])
            self._state.sign(db, came=came, subject=identity)
            self._state.log(db, "enrolled", identity)
        if subject_id is None:
            self._state.live.know(identity, version, facts)
        self._state.live.append(added)
        self._state.followed()
        return self._named(identity, name)

    def revoke(self, subject_id: str) -> None:
        """Deletes a subject with all references and remembers the id as revoked; also references whose subject is missing.

        SubjectError if there is no such id.
        """
        with self._state.changing(also_altered=True) as db:
            self._state.agree(db, subject_id)
            gone = self._state.stored_references_of(db, subject_id)
            if not gone:
                _require_subject(db, subject_id)
            self._state.delete(db, gone)
            versions = [version for (version,) in db.execute("SELECT version FROM subjects WHERE id = ?", (subject_id,))]
            db.execute("DELETE FROM subjects WHERE id = ?", (subject_id,))
            self._state.sign(db, went=[*gone, *versions], subject=subject_id)
            sealed = self._state.live.sealer.seal_facts("revocation", subject_id, {"time": now_text()})
            db.execute("INSERT OR REPLACE INTO revocations (subject, sealed) VALUES (?, ?)", (subject_id, sealed))
            self._state.log(db, "revoked", subject_id)
        self._state.forget(gone, subject_id)
        self._state.followed()
        self._state.file.erase()

    def renew(self, subject_id: str, codes: Sequence[Code] | None, *, check: Check = _no_check) -> None:
        """Replaces a subject's references by those of new plain codes or, with None, by fresh ids and pads of the same codes.

        With None, damaged references stay as they are, and it is a GalleryError if there is no sound one; likewise if the subject's record
        does not open or he was revoked: nobody may pass on it. check: as in ``enrol``.
        """
        with self._state.changing() as db:
            check()
            self._state.agree(db, subject_id)
            self._state.require_unaltered()
            _require_subject(db, subject_id)
            if self._state.live.subject(subject_id) is None:
                raise GalleryError(f"gallery {self.path}: the record of subject {subject_id} is altered or revoked: revoke it, enrol anew")
            gone = self._state.stored_references_of(db, subject_id)
            if codes is None and self._state.former is not None:
                gone = [reference for reference in gone if reference not in self._state.former.live.matrix]
            if codes is None:
                gone = [reference for reference in gone if reference in self._state.live.matrix]
                planes = self._state.live.matrix.taken(gone)
            else:
                planes = self._state.live.sealer.planes(codes)
            if not len(planes):
                raise GalleryError(f"gallery {self.path}: no reference of subject {subject_id} can be opened: enrol again")
            self._state.delete(db, gone)
            added = self._state.insert(db, subject_id, planes)
            self._state.sign(db, came=[row.reference for row in added], went=gone, subject=subject_id)
            self._state.log(db, "renewed", subject_id)
        self._state.forget(gone)
        self._state.live.append(added)
        self._state.followed()
        self._state.file.erase()

    def validity(self, subject_id: str) -> Validity:
        """When a subject may pass; never, where nobody of that id is known. Reads nothing of the file."""
        return self._state.live.validity(subject_id)

    def limit(self, subject_id: str, validity: Validity) -> Subject:
        """Says anew when a subject may pass. Errors as in ``amend``."""
        return self.amend(subject_id, as_facts(validity))

    def facts(self, subject_id: str) -> Mapping[str, str]:
        """The facts of a subject's sealed record besides name and time of enrolment; none of one who is not known."""
        return self._state.live.facts(subject_id)

    def amend(self, subject_id: str, facts: Mapping[str, str | None], *, check: Check = _no_check) -> Subject:
        """Changes a subject's sealed record: each fact named here gets that text, None takes it out, the others stay.

        The record gets a new version and the gallery counts a change, so that the one before cannot be put back; other processes follow at
        their next ``refresh``. check: as in ``enrol``. ValueError for label and created. SubjectError for an id that is not there;
        GalleryError if the record does not open or the subject was revoked.
        """
        if own := [name for name in OWN_FACTS if name in facts]:
            raise ValueError(f"facts {own}: are set at enrolment alone")
        with self._state.changing() as db:
            check()
            self._state.agree(db, subject_id)
            self._state.require_unaltered()
            _require_subject(db, subject_id)
            subject = self._state.live.subject(subject_id)
            if subject is None or subject_id in self._state.live.problems:  # or stands twice, one record sound
                raise GalleryError(f"gallery {self.path}: the record of subject {subject_id} is altered or revoked: revoke it, enrol anew")
            ((before,),) = db.execute("SELECT version FROM subjects WHERE id = ?", (subject_id,))
            merged = {"created": subject.created, "label": subject.label, **self.facts(subject_id), **facts}
            kept = {name: value for name, value in merged.items() if value is not None}
            version = new_version()
            sealed = self._state.live.sealer.seal_facts("subject", subject_id, kept, version)
            db.execute("UPDATE subjects SET sealed = ?, version = ? WHERE id = ?", (sealed, version, subject_id))
            self._state.sign(db, came=[version], went=[before], subject=subject_id)
            self._state.log(db, "amended", subject_id)
        for live in self._state.lives:
            live.know(subject_id, version, kept)
        self._state.followed()
        self._state.file.erase()
        return self._named(subject_id, subject.label)

    def rotate(self, *, transform: bool = False, tell: Tell = untold) -> None:
        """Seals every reference anew under the next row epoch and, with ``transform``, recodes it to the next transform epoch.

        Nobody need be present. tell: hears references done and their total. GalleryError if a reference is damaged, for it could not be
        taken along. Killed at any moment, it was done whole or not at all.
        """
        renewal.rotate(self._state, transform=transform, tell=tell)

    def readdress(self, keys: Keys, device: str, tell: Tell = untold, *, whole: bool = True) -> None:
        """Everything anew under other keys and for another device, in place, nobody present: after the root key got about, or to move.

        Ids of subjects stay, those of references do not. Other processes find the gallery foreign from then on; the witness follows.
        whole: False leaves damaged references behind instead of refusing. tell, GalleryError, kill -9: as in ``rotate``.
        """
        renewal.readdress(self._state, keys, device, tell, whole=whole)

    def rebind(self, network: NetworkId, until: datetime) -> int:
        """Makes this a gallery of another network. Present references count as the former ones until ``until`` (wall-clock UTC).

        Every subject is to be renewed by ``rebound`` at a pass within that time. Returns how many references wait. GalleryError while a
        window is open already.
        """
        return renewal.rebind(self._state, network, until)

    def rebound(self, subject_id: str, code: Code, *, check: Check = _no_check) -> bool:
        """A person with former references passed: they give way to one of this code. False if the person has none any more.

        check: as in ``enrol``.
        """
        return renewal.rebound(self._state, subject_id, code, check)

    def end_rebind(self) -> int:
        """Deletes the former references that are left; how many. Their subjects stay, without a reference: they must be enrolled again."""
        return renewal.end_rebind(self._state)

    @property
    def head(self) -> Head | None:
        """What is signed; None where no signature opens."""
        return self._state.integrity.head

    def accept(self, *, only: Head | None = None, keep: bool = True) -> None:
        """Signs the references as they are now: after an operator has looked at who is enrolled. Revoked ids stay barred.

        only: AlteredGalleryError unless the gallery is exactly the one of this head. keep: False for a gallery that is to take the place
        of the one the witness knows: the witness follows once it is there.
        """
        with self._state.changing(also_altered=True, keep=keep) as db:
            if only is not None and not self._state.integrity.is_at(db, only):
                raise AlteredGalleryError(f"gallery {self.path}: was changed by another program just now: restore again")
            self._state.integrity.accept(db, self._state.integrity.contents, self._state.former is not None)
            self._state.log(db, "accepted")
        self._state.follow()

    def copy_to(self, path: Path) -> None:
        """A compact copy of the file, sealed as it is, in a new private file. AlteredGalleryError for one that was not signed as it is."""
        self._state.look_at_everything()
        self._state.require_unaltered()
        self._state.file.copy_to(path)

    def record(self, kind: str, subject: str | None = None) -> None:
        """Stores an event: what it was (a verdict, say; small letters and _) and, if somebody was identified, the subject's id."""
        if not _KIND.fullmatch(kind):
            raise ValueError(f"event {kind!r}: expected 1 to 32 small letters and _")
        with self._state.file.writing() as db:
            self._state.log(db, kind, subject)

    def events(self, limit: int = 100) -> list[Event]:
        """The newest ``limit`` events, newest first; altered ones are left out (``verify`` counts them)."""
        with self._state.file.reading() as db:
            stored = db.execute("SELECT id, sealed FROM events ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [event for number, sealed in stored if (event := _event(self._state.live.sealer, number, sealed))]

    def refresh(self) -> bool:
        """Follows what other processes did to the file; True if one changed it. Costs microseconds if none did.

        ReplacedGalleryError if another file lies at the path now.
        """
        self._state.file.require_same()
        if self._state.file.erasure_pending:
            self._state.file.erase(patience=0)
        self._state.witness()
        if not self._state.stale():
            return False
        self._state.follow()
        return True

    def verify(self) -> Report:
        """Reads and opens everything in the file anew: its structure, each reference, subject, revocation and event."""
        with self._state.file.reading() as db:
            problems = [line for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"]
            problems += [f"table {row[0]}: a row without its subject" for row in db.execute("PRAGMA foreign_key_check")]
            meta = read_meta(db, self.path)
            fresh = Live(self._state.live.sealer.at((meta.transform_epoch, meta.row_epoch)))
            fresh.load(db, Signed(self._state.integrity.signer, None))
            self._state.integrity.check(db, fresh, load_former(db, fresh.sealer, None) is not None)
            problems += [self.altered] if self.altered else []
            events = [_event(fresh.sealer, number, sealed) for number, sealed in db.execute("SELECT id, sealed FROM events")]
            problems += [*fresh.problems.values(), *_altered_revocations(db, fresh.sealer)]
        lost = events.count(None)
        problems += [f"{counted(lost, 'event')}: altered or moved"] if lost else []
        report = Report(len(fresh.matrix), len(fresh.subjects()), len(events) - lost, tuple(fresh.damaged.values()), tuple(problems))
        fresh.matrix.wipe()
        return report

    def close(self) -> None:
        """Wipes the rows in RAM and ends the connection; a second call does nothing."""
        self._state.wipe()
        self._state.file.close()

    def __len__(self) -> int:
        """References that can match."""
        return len(self._state.live.matrix)

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _named(self, subject_id: str, name: str) -> Subject:
        subject = self._state.live.subject(subject_id)
        if subject is None or subject.label != name:
            raise SubjectError(f"subject {subject_id}: nobody called {name} has that id: see who is enrolled with list")
        return subject


def _require_subject(db: sqlite3.Connection, subject_id: str) -> None:
    if not db.execute("SELECT 1 FROM subjects WHERE id = ?", (subject_id,)).fetchone():
        raise SubjectError(f"subject {subject_id}: nobody has that id: see who is enrolled with list")


def _event(sealer: Sealer, number: int, sealed: bytes) -> Event | None:
    try:
        facts = sealer.open_facts("event", str(number), sealed)
    except TemplateError:
        return None
    return Event(str(facts["kind"]), facts["subject"], str(facts["time"]))


def _altered_revocations(db: sqlite3.Connection, sealer: Sealer) -> list[str]:
    problems = []
    for subject, sealed in db.execute("SELECT subject, sealed FROM revocations"):
        try:
            sealer.open_facts("revocation", subject, sealed)
        except TemplateError as error:
            problems.append(str(error))
    return problems

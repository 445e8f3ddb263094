"""Care of the gallery as a whole: fresh pads, another transform, other keys, another network; backup and restore; signing as
it is; the end of what has been kept long enough."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.door.clock import synchronised
from edge.door.codes import NORMAL
from edge.errors import KeySourceError, SettingsError
from edge.gallery import AlteredGalleryError, Gallery, network_of
from edge.gallery.backup import Facts, Restored, name_of, restore, surplus, write_backup
from edge.keys import Keyring, load_root_key
from edge.records import NEVER
from edge.words import counted

MOST_DAYS = 366
DAY = 86_400.0  # seconds


@dataclass(frozen=True)
class Waiting:
    """A window in which people are renewed by passing: how many references wait, and until when (wall-clock UTC)."""

    references: int
    until: datetime

    def text(self) -> str:
        """For people."""
        return f"to be renewed until {self.until:%Y-%m-%d %H:%M} UTC: {counted(self.references, 'reference')}"


def rotate(job: Appliance, *, transform: bool) -> int:
    """Fresh pads, or a fresh transform, for every reference; how many."""
    audit = job.audit
    with job.gallery() as gallery:
        with job.report.counted("references sealed anew") as tell:
            gallery.rotate(transform=transform, tell=tell)
        done = len(gallery) + len(gallery.former or ())
        audit.append("rotate", references=done, transform=transform, change=gallery.counter or 0)
    return done


def change_key(job: Appliance, new_key: Path) -> int:
    """Every reference under the root key of a file; how many. The file is then to be put where the present key is.

    The audit log, whose key goes too, ends with this and is put aside; a new one begins under the new key.
    """
    if not new_key.exists():
        raise KeySourceError(f"{new_key}: does not exist; make one: (umask 077; head -c 32 /dev/urandom > {new_key})")
    audit = job.audit
    secret = load_root_key(new_key, credential="", environment={})
    keys = job.settings.keys
    with job.gallery() as gallery:
        with job.report.counted("references sealed anew") as tell:
            gallery.readdress(Keyring(secret.secret, keys.site, keys.application), job.settings.gallery.device, tell)
        done = len(gallery) + len(gallery.former or ())
        audit.append("change_key", references=done, change=gallery.counter or 0)
        coded = sum(NORMAL in gallery.facts(one.id) for one in gallery.subjects())
    folder = build.audit_folder(job.settings)
    aside = folder.with_name(f"{folder.name}-until-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}")
    folder.rename(aside)
    if coded:
        job.report.note(
            f"door codes of {coded} people were made under the old key and open nothing any more: `edge code list`, then make new ones"
        )
    job.report.note(f"the audit log so far is kept as {aside}: it verifies under the old key only; a new one begins")
    return done


def rebind(job: Appliance, days: int) -> Waiting:
    """Makes the gallery one of the network in force; the references it has count as those of the network before.

    Raises NetworkError where the network before is not in the folder of networks any more: it says who people are meanwhile.
    """
    settings = job.settings
    if not 1 <= days <= MOST_DAYS:
        raise SettingsError(f"--days {days}: a window has 1 to {MOST_DAYS} days")
    before = network_of(settings.gallery.path)
    build.manifest_of(settings, before.sha256)
    until = datetime.now(timezone.utc) + timedelta(days=days)
    audit = job.audit
    with build.gallery(settings, before, job.report.warn) as gallery:
        waits = Waiting(gallery.rebind(build.network_id(settings), until), until)
        audit.append("rebind", references=waits.references, days=days, network=before.sha256, change=gallery.counter)
    return waits


def end_rebind(job: Appliance) -> int:
    """Deletes the references of the network before; how many."""
    audit = job.audit
    with job.gallery() as gallery:
        deleted = gallery.end_rebind()
        audit.append("end_rebind", references=deleted, change=gallery.counter or 0)
    return deleted


def waiting(gallery: Gallery) -> Waiting | None:
    """The open window, if there is one."""
    return None if gallery.former is None else Waiting(len(gallery.former), gallery.former.until)


def accept(job: Appliance) -> tuple[str | None, int]:
    """Signs the gallery as it is; what was wrong with it, and how many references it has."""
    audit = job.audit
    with job.gallery() as gallery:
        wrong = gallery.altered
        gallery.accept()
        audit.append("accept", references=len(gallery), altered=wrong is not None, change=gallery.counter or 0)
        return wrong, len(gallery)


def backup(job: Appliance, target: Path | None) -> tuple[Facts, Path]:
    """A backup at ``target``, or in the folder of the settings, of which the oldest of this device beyond the number kept are removed."""
    settings = job.settings.backup
    keys = build.keyring(job.settings, lambda warning: None)
    written = target
    if written is None:
        build.make_folder(settings.folder, "backup.folder")
        written = settings.folder / name_of(keys, datetime.now(timezone.utc))
    with job.gallery() as gallery:
        facts = write_backup(gallery, written, keys, build.network_id(job.settings), job.settings.gallery.device, settings.recipients)
    job.audit.append("backup", change=facts.counter)
    for old in surplus(settings.folder, keys, settings.keep, written) if target is None else []:
        old.unlink()
    return facts, written


def bring_back(job: Appliance, source: Path, identity: Path, *, replace: bool, elsewhere: bool, forget: bool) -> Restored:
    """The gallery of a backup, for this device and its keys; a root key is made where there is none. elsewhere: also of another device.

    forget: also where it cannot be read who was revoked since.
    """
    settings = job.settings
    for path, name in ((settings.gallery.path, "gallery.path"), (settings.keys.file, "keys.file")):
        build.make_folder(path.parent, name)
    keys = build.keyring(settings, job.report.warn, may_create=True)
    audit = job.audit
    with job.report.counted("references recoded") as tell:
        done = restore(
            source,
            identity,
            settings.gallery.path,
            keys,
            settings.gallery.device,
            witness=settings.gallery.witness_path,
            replace=replace,
            elsewhere=elsewhere,
            forget=forget,
            tell=tell,
        )
    carried = done.unread is None
    audit.append("restore", subjects=done.subjects, revoked=len(done.revoked), revocations_read=carried, change=done.facts.counter)
    return done


@dataclass(frozen=True)
class Purged:
    """What a purge deleted or would delete: whose references, how many they are, and the end of that person's validity (since 1970)."""

    subject: str
    references: int
    ends: float


def purge(job: Appliance, *, dry_run: bool, unsynchronised: bool, now: float, clock: Callable[[], bool] = synchronised) -> list[Purged]:
    """Deletes for good everybody whose validity ended more than ``retention.expired_days`` ago, each with a line in the audit log.

    It writes to the log every time, which trims that too. now: wall-clock seconds. clock: whether somebody keeps it right; where nobody
    does, a clock put forward must not empty the gallery, so nothing is deleted unless ``unsynchronised`` says so, and that is told. Raises
    AlteredGalleryError: dates that were put back say nothing.
    """
    days = job.settings.retention.expired_days
    if not job.settings.gallery.path.exists():
        return []
    with job.gallery() as gallery:
        if gallery.altered:
            raise AlteredGalleryError(f"gallery {gallery.path}: {gallery.altered}: nothing was deleted; restore a backup, or `edge accept`")
        people = gallery.subjects()
        unread = sum(one.validity == NEVER for one in people)
        if unread:
            told = f"dates of {counted(unread, 'person')} cannot be read, so that nobody lets them in; they are not deleted"
            job.report.warn(f"{told}: `edge validity` sets them anew")
        due = [
            Purged(one.id, one.references + one.former, one.validity.ends)
            for one in people
            if one.validity != NEVER and one.validity.ends is not None and one.validity.ends + days * DAY <= now
        ]
        if dry_run:
            return due
        if due and not unsynchronised and not clock():
            told = f"{len(due)} people should be deleted, but nobody keeps this clock right, so nothing was: enable NTP"
            job.report.warn(f"{told}, or say --unsynchronised where it is right all the same")
            due = []
        audit = job.audit  # before anything is deleted, so that nothing goes without a line
        for one in due:
            gallery.revoke(one.subject)
            audit.append("purge", subject=one.subject, references=one.references, ended=int(one.ends))
        audit.append("purged", subjects=len(due), days=days, change=gallery.counter or 0)
    return due

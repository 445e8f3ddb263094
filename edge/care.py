"""Care of the gallery as a whole: fresh pads, another transform, other keys, another network; backup and restore; signing as it is."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge import build
from edge.appliance import Appliance
from edge.errors import SettingsError
from edge.gallery import Gallery, network_of
from edge.gallery.backup import Facts, Restored, new_identity, restore, write_backup
from edge.keys import Keyring, load_root_key

MOST_DAYS = 366


@dataclass(frozen=True)
class Waiting:
    """A window in which people are renewed by passing: how many references wait, and until when (wall-clock UTC)."""

    references: int
    until: datetime

    def text(self) -> str:
        """For people."""
        return f"{self.references} references wait for their people until {self.until:%Y-%m-%d %H:%M} UTC"


def rotate(job: Appliance, *, transform: bool) -> int:
    """Fresh pads, or a fresh transform, for every reference; how many."""
    with job.gallery() as gallery:
        with job.report.counted("references sealed anew") as tell:
            gallery.rotate(transform=transform, tell=tell)
        return len(gallery) + len(gallery.former or ())


def change_key(job: Appliance, new_key: Path) -> int:
    """Every reference under the root key of a file; how many. The file is then to be put where the present key is."""
    secret = load_root_key(new_key, credential="", environment={})
    keys = job.settings.keys
    with job.gallery() as gallery:
        with job.report.counted("references sealed anew") as tell:
            gallery.readdress(Keyring(secret.secret, keys.site, keys.application), job.settings.gallery.device, tell)
        return len(gallery) + len(gallery.former or ())


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
    with build.gallery(settings, before, job.report.warn) as gallery:
        return Waiting(gallery.rebind(build.network_id(settings), until), until)


def end_rebind(job: Appliance) -> int:
    """Deletes the references of the network before; how many."""
    with job.gallery() as gallery:
        return gallery.end_rebind()


def waiting(gallery: Gallery) -> Waiting | None:
    """The open window, if there is one."""
    return Waiting(len(gallery.former), gallery.former.until) if gallery.former else None


def accept(job: Appliance) -> tuple[str | None, int]:
    """Signs the gallery as it is; what was wrong with it, and how many references it has."""
    with job.gallery() as gallery:
        wrong = gallery.altered
        gallery.accept()
        return wrong, len(gallery)


def backup(job: Appliance, target: Path | None) -> tuple[Facts, Path]:
    """A backup at ``target``, or in the folder of the settings, of which the oldest beyond the number kept are removed."""
    settings = job.settings.backup
    named = target is not None
    if target is None:
        build.make_folder(settings.folder, "backup.folder")
        target = settings.folder / f"gallery-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.age"
    keys = build.keyring(job.settings, lambda warning: None)
    with job.gallery() as gallery:
        facts = write_backup(gallery, target, keys, build.network_id(job.settings), job.settings.gallery.device, settings.recipients)
    for old in [] if named else sorted(settings.folder.glob("gallery-*.age"))[: -settings.keep]:
        old.unlink()
    return facts, target


def make_identity(path: Path) -> str:
    """An operator's identity in a new file; its recipient, which goes into the settings."""
    return new_identity(path)


def bring_back(job: Appliance, source: Path, identity: Path, *, replace: bool) -> Restored:
    """The gallery of a backup, for this device and its keys; a root key is made where there is none yet."""
    settings = job.settings
    for path, name in ((settings.gallery.path, "gallery.path"), (settings.keys.file, "keys.file")):
        build.make_folder(path.parent, name)
    keys = build.keyring(settings, job.report.warn, may_create=True)
    with job.report.counted("references recoded") as tell:
        return restore(
            source,
            identity,
            settings.gallery.path,
            keys,
            settings.gallery.device,
            witness=settings.gallery.witness_path,
            replace=replace,
            tell=tell,
        )

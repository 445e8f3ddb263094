"""The commands that keep the gallery as a whole: rotate, rebind, purge, accept, backup, restore."""

import time
from pathlib import Path
from typing import Annotated

import typer

from edge.assembly import validity as dates
from edge.commands import care
from edge.commands.options import Config, Json, Quiet, appliance
from edge.gallery.backup import new_identity as make_identity
from edge.words import counted


def add_to(app: typer.Typer) -> None:
    """Puts them into the command line."""
    for command in (rotate, rebind, purge, accept, backup, restore):
        app.command()(command)


def rotate(
    transform: Annotated[bool, typer.Option("--transform", help="Also a fresh transform: old and new cannot be linked.")] = False,
    new_key: Annotated[Path | None, typer.Option("--new-key", help="Root key file to move to, for when the present key got about.")] = None,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Seal every reference anew, nobody present: fresh pads, with --transform fresh codes, with --new-key under another root key."""
    if transform and new_key:
        raise typer.BadParameter("--new-key gives a fresh transform too; leave --transform out")
    job = appliance(config, as_json, quiet)
    done = care.change_key(job, new_key) if new_key else care.rotate(job, transform=transform)
    facts = {"rotated": done, "transform": transform or bool(new_key), "new_key": str(new_key) if new_key else None}
    job.report.result(facts, f"{counted(done, 'reference')} sealed anew")
    if new_key:
        job.report.note(
            f"the gallery opens under {new_key} only: put it where the old key is, or seal it with systemd-creds, then start the door"
        )


def rebind(
    days: Annotated[int, typer.Option("--days", help="Days within which people are to pass and be renewed.")] = 30,
    end: Annotated[bool, typer.Option("--end", help="End it now: references of the network before are deleted.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say how many wait, and until when.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Move to the network in force: each person is renewed when next surely identified by the network before, within --days."""
    job = appliance(config, as_json, quiet)
    if end:
        deleted = care.end_rebind(job)
        job.report.result(
            {"deleted": deleted}, f"{counted(deleted, 'reference')} of the network before deleted; `edge list` shows who has none"
        )
        return
    if status:
        with job.gallery() as gallery:
            window = care.waiting(gallery)
    else:
        window = care.rebind(job, days)
    facts = {"waiting": window.references if window else 0, "until": window.until.isoformat() if window else None}
    job.report.result(facts, window.text() if window else "nobody waits to be renewed")


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    unsynchronised: Annotated[bool, typer.Option("--unsynchronised", help="Also where nobody keeps this machine's clock right.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete for good whose validity ended more than retention.expired_days ago, each with a line in the audit log."""
    job = appliance(config, as_json, quiet)
    done = care.purge(job, dry_run=dry_run, unsynchronised=unsynchronised, now=time.time())
    told = [{"subject": one.subject, "references": one.references, "valid_until": dates.utc(one.ends)} for one in done]
    job.report.table(("subject", "references", "validity ended"), ((str(cell) for cell in one.values()) for one in told))
    verb = "would be" if dry_run else "were"
    job.report.result({"purged": told, "dry_run": dry_run}, f"{len(done)} people {verb} deleted")


def accept(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Sign the gallery as it is, after looking at `edge list`: when it was altered, or an old copy was put back, on purpose."""
    job = appliance(config, as_json, quiet)
    wrong, references = care.accept(job)
    facts = {"accepted": references, "was": wrong}
    job.report.result(facts, f"signed as it is: {counted(references, 'reference')}" + (f"; refused until now: {wrong}" if wrong else ""))


def backup(
    target: Annotated[Path | None, typer.Argument(help="New file; without it a dated one in backup.folder.")] = None,
    new_identity: Annotated[Path | None, typer.Option("--new-identity", help="Only make an operator's identity in a new file.")] = None,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Back the gallery up, encrypted to backup.recipients (age): no key of this device is in it, and this device cannot open it."""
    job = appliance(config, as_json, quiet)
    if new_identity:
        recipient = make_identity(new_identity)
        job.report.result({"recipient": recipient, "identity": str(new_identity)}, f'[backup]\nrecipients = ["{recipient}"]')
        job.report.note(f"keep {new_identity} away from this device: it opens every backup encrypted to that recipient")
        return
    facts, written = care.backup(job, target)
    job.report.result({"backup": str(written), "time": facts.time, "change": facts.counter}, f"backed up to {written}")


def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    identity: Annotated[Path, typer.Option("--identity", help="The operator's identity file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also where a gallery is; it is kept beside under another name.")] = False,
    from_elsewhere: Annotated[bool, typer.Option("--from-elsewhere", help="Also of another device, or of this one's former keys.")] = False,
    forget_revocations: Annotated[
        bool, typer.Option("--forget-revocations", help="Also where the gallery there is too damaged to tell who was revoked since.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring a backup back, here or on another device: recoded for the keys and the device at hand. The door must not run."""
    job = appliance(config, as_json, quiet)
    done = care.bring_back(job, source, identity, replace=replace, elsewhere=from_elsewhere, forget=forget_revocations)
    facts = {
        "restored": done.subjects,
        "from": done.facts.device,
        "time": done.facts.time,
        "revoked": list(done.revoked),
        "revocations_unread": done.unread,
    }
    job.report.result(facts, f"restored {counted(done.subjects, 'person')} as of {done.facts.time} from device {done.facts.device}")
    if done.aside:
        job.report.note(f"the gallery that was there is kept as {done.aside}: delete it once the restored one serves")
    if done.revoked:
        job.report.note(f"revoked since that backup, and so again: {', '.join(done.revoked)}")
    if done.unread and not from_elsewhere:
        job.report.warn(f"{done.unread}: whoever was revoked since {done.facts.time} is enrolled again; `edge audit show` may tell whom")

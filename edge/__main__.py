"""The command line: parses and hands over to the appliance; each command shows what came of it."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edge import attend, build, care, codes, fallback, kiosk, trail
from edge import engine as plans
from edge.appliance import Appliance, name_of
from edge.calibrate import Measurement, people_in, sentence, standing
from edge.calibration import write_calibration
from edge.demo import play
from edge.doctor import examine
from edge.errors import AcquisitionError, EdgeError, SettingsError, SourceError
from edge.report import outcome_facts, reporter
from edge.schema import schema_text
from edge.settings import flatten, load_settings

ABOUT = """Face identification for doors and kiosks that keeps no face.

Exit codes: 0 done; 1 defect; 2 wrong usage; 3 configuration; 4 camera or picture; 5 network file; 6 gallery; 7 root key; 8 no usable
sample; 9 no such subject; 11 an output of the door; 12 audit log; 13 screen's socket; 14 PIN; 130 interrupted. `edge doctor`: 0 all
well, 10 warnings, 20 failures."""

CONSENT = (
    "The camera looks at the face for some seconds. No picture is kept: a protected code is computed from it and stored on this device, so "
    "that this door knows the person. `edge revoke` deletes it at once and for good; whoever does not agree comes in another way."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)

Config = Annotated[Path | None, typer.Option("--config", help="TOML file, or folder of them, that overrides config/appliance.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only results, warnings and errors.")]
Origin = Annotated[str | None, typer.Option("--source", help="Camera, folder, video or demo: instead of camera.source.")]
Pictures = Annotated[list[Path] | None, typer.Argument(help="Picture files of the person; without them the source is used.")]
Who = Annotated[str, typer.Argument(help="Name or id.")]


def appliance(
    config: Path | None, as_json: bool, quiet: bool, origin: str | None = None, flags: Mapping[str, Any] | None = None
) -> Appliance:
    """The appliance of these settings."""
    said = {**(flags or {}), **({} if origin is None else {"camera.source": origin})}
    return Appliance(load_settings(config, flags=said), reporter(as_json=as_json, quiet=quiet))


@app.command()
def enrol(
    name: str,
    pictures: Pictures = None,
    source: Origin = None,
    allow_duplicate: Annotated[bool, typer.Option("--allow-duplicate", help="Also if the person looks like somebody enrolled.")] = False,
    guided: Annotated[bool, typer.Option("--guided", help="Ask for consent, and say what to do before the camera.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Enrol a person from pictures or the camera: one protected reference is stored, no picture is."""
    if Path(name).is_file():
        raise typer.BadParameter(f"'{name}' is a file, not a name; give the person's name first, then the pictures")
    if guided and pictures:
        raise typer.BadParameter("--guided is for the camera; leave the pictures or --guided out")
    job = appliance(config, as_json, quiet, source)
    if guided and not typer.confirm(f"{CONSENT} Does {name} agree?", err=True):
        raise AcquisitionError(f"{name}: did not agree. Nothing was captured; there must be another way in")
    session = job.capture(pictures or [], may_be_demo=source is not None, guided=guided)
    with job.gallery(create=True) as gallery:
        subject = job.enrol(gallery, name, session, allow_duplicate=allow_duplicate)
    facts = {"enrolled": subject.label, "subject": subject.id, "samples": session.samples}
    job.report.result(facts, f"enrolled {subject.label} ({subject.id}); samples: {session.samples}")


@app.command()
def identify(
    pictures: Annotated[list[Path], typer.Argument(help="Picture files; every face in each is searched for.")],
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say who is on each picture: a subject or unknown, face by face."""
    job = appliance(config, as_json, quiet)
    unread = 0
    with job.gallery() as gallery:
        for path in pictures:
            try:
                outcomes = job.identify(gallery, path)
            except SourceError as error:
                unread += 1
                job.report.result({"picture": str(path), "error": str(error)})
                job.report.error(str(error))
                continue
            faces = [outcome_facts(outcome, name_of(gallery, outcome), 0.0) for outcome in outcomes]
            job.report.result({"picture": str(path), "faces": faces}, f"{path}: {', '.join(map(_said, faces)) or 'no face'}")
    if unread:
        raise typer.Exit(SourceError.exit_code)


def _said(face: dict[str, object]) -> str:
    return str(face["name"] or face["verdict"]) + (
        f" ({', '.join(map(str, face['reasons']))})" if isinstance(face["reasons"], list) and face["reasons"] else ""
    )


@app.command()
def run(
    source: Origin = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Stop after this many frames.")] = None,
    screen: Annotated[bool, typer.Option("--screen", help="Serve the attached screen (`edge screen`), as screen.enabled does.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Watch a stream and say of every approach who it is, until the stream ends or Ctrl-C."""
    job = appliance(config, as_json, quiet, source, {"screen.enabled": True} if screen else {})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with fallback.source(job) as stream, job.gallery(create=True) as gallery:
        typed = fallback.desk(job)
        with kiosk.screen(job, typed) as screens:
            job.report.note(f"watching {stream.name}, {len(gallery.subjects())} enrolled; Ctrl-C ends")
            tally = job.watch(gallery, stream, frames, attend.watchers(job, gallery, screens, typed, live=stream.live))
    job.report.summary(tally, job.stages.medians())


@app.command("list")
def list_(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """List who is enrolled."""
    job = appliance(config, as_json, quiet)
    people = []
    if job.settings.gallery.path.exists():
        with job.gallery() as gallery:
            people = gallery.subjects()
    facts = [
        {"id": one.id, "name": one.label, "enrolled": one.created, "references": one.references, "former": one.former} for one in people
    ]
    job.report.result({"subjects": facts})
    moving = any(one.former for one in people)
    job.report.table(
        ("name", "id", "enrolled", "references", *(["to be renewed"] if moving else [])),
        ((one.label, one.id, one.created[:19], str(one.references), *([str(one.former)] if moving else [])) for one in people),
    )


@app.command()
def revoke(subject: Who, config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Delete a person's references for good, at once, also in a running door. An id also removes what is damaged."""
    job = appliance(config, as_json, quiet)
    with job.gallery() as gallery:
        found = job.revoke(gallery, subject)
        if gallery.erasure_pending:
            job.report.warn("the deleted rows still lie, sealed, in the journal, because another process is reading; it erases them next")
    facts = {"revoked": found.label, "subject": found.id, "references": found.references}
    job.report.result(facts, f"revoked {found.label} ({found.id}); references deleted: {found.references}")


@app.command()
def renew(
    subject: Who,
    pictures: Pictures = None,
    source: Origin = None,
    allow_unlike: Annotated[bool, typer.Option("--allow-unlike", help="Also if the new pictures do not look like the person.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replace a person's references; the old ones are deleted.

    Without pictures and without --source the same code gets a fresh pad: nobody need be there.
    """
    job = appliance(config, as_json, quiet, source)
    session = job.capture(pictures or [], may_be_demo=source is not None) if pictures or source else None
    with job.gallery() as gallery:
        found = gallery.find(subject)
        job.renew(gallery, found, session, allow_unlike=allow_unlike)
    job.report.result(
        {"renewed": found.label, "subject": found.id, "recaptured": session is not None}, f"renewed {found.label} ({found.id})"
    )


@app.command()
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
    job.report.result(facts, f"{done} references sealed anew")
    if new_key:
        job.report.note(
            f"the gallery opens under {new_key} only: put it where the old key is, or seal it with systemd-creds, then start the door"
        )


@app.command()
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
        job.report.result({"deleted": deleted}, f"{deleted} references of the network before deleted; `edge list` shows who has none")
        return
    if status:
        with job.gallery() as gallery:
            window = care.waiting(gallery)
    else:
        window = care.rebind(job, days)
    facts = {"waiting": window.references if window else 0, "until": window.until.isoformat() if window else None}
    job.report.result(facts, window.text() if window else "nobody waits to be renewed")


@app.command()
def accept(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Sign the gallery as it is, after looking at `edge list`: when it was altered, or an old copy was put back, on purpose."""
    job = appliance(config, as_json, quiet)
    wrong, references = care.accept(job)
    facts = {"accepted": references, "was": wrong}
    job.report.result(facts, f"signed as it is: {references} references" + (f"; it was refused because {wrong}" if wrong else ""))


@app.command()
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
        recipient = care.make_identity(new_identity)
        job.report.result({"recipient": recipient, "identity": str(new_identity)}, f'[backup]\nrecipients = ["{recipient}"]')
        job.report.note(f"keep {new_identity} away from this device: it opens every backup encrypted to that recipient")
        return
    facts, written = care.backup(job, target)
    job.report.result({"backup": str(written), "time": facts.time, "change": facts.counter}, f"backed up to {written}")


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    identity: Annotated[Path, typer.Option("--identity", help="The operator's identity file.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also where a gallery is; it is kept beside under another name.")] = False,
    from_elsewhere: Annotated[bool, typer.Option("--from-elsewhere", help="Also of another device, or of this one's former keys.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Bring a backup back, here or on another device: recoded for the keys and the device at hand. The door must not run."""
    job = appliance(config, as_json, quiet)
    done = care.bring_back(job, source, identity, replace=replace, elsewhere=from_elsewhere)
    facts = {"restored": done.subjects, "from": done.facts.device, "time": done.facts.time, "revoked": list(done.revoked)}
    job.report.result(facts, f"restored {done.subjects} people as of {done.facts.time} from device {done.facts.device}")
    if done.aside:
        job.report.note(f"the gallery that was there is kept as {done.aside}: delete it once the restored one serves")
    if done.revoked:
        job.report.note(f"revoked since that backup, and so again: {', '.join(done.revoked)}")


@app.command()
def doctor(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Check everything the appliance rests on; exit 0 all well, 10 warnings, 20 failures."""
    report = reporter(as_json=as_json, quiet=quiet)
    checks = examine(config)
    report.result({"checks": [check.facts() for check in checks]})
    report.table(("check", "state", "found", "remedy"), ((check.id, check.state, check.found, check.remedy) for check in checks))
    states = {check.state for check in checks}
    raise typer.Exit(20 if "fail" in states else 10 if states & {"warn", "unknown"} else 0)


@app.command()
def calibrate(
    source: Annotated[Path | None, typer.Argument(help="Folder in which every person has a folder of pictures or a video.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Keep what was measured: the door takes it at its next start.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what the threshold promises; with SOURCE measure it on people of your own, each there once, enrolled or not.

    They are compared as at the door: fused samples of an approach with references of others. About a hundred people are needed.
    """
    job = appliance(config, as_json, quiet)
    if source is None:
        if write:
            raise typer.BadParameter("--write needs SOURCE: the people to measure")
        found = standing(job.settings, job.report.warn)
        job.report.result({"threshold": found.facts()})
        job.report.table(("what", "value"), found.rows())
        return
    places = people_in(source)
    references, threshold = _in_force(job)
    measurement = Measurement(job.settings, job.report.warn)
    audit = job.audit if write else None
    measured = measurement.measure(job.report.progress(places, "acquiring people"), references, threshold)
    if audit:
        write_calibration(calibrated := measurement.calibration(measured), job.settings.calibration.path)
        audit.append("calibrate", people=calibrated.non_mated.people, network=calibrated.conditions.network)
    job.report.result({"measured": measured.facts(), "written": str(job.settings.calibration.path) if write else None})
    job.report.table(("what", "value"), measured.rows())
    if write:
        job.report.note(f"written to {job.settings.calibration.path}; a door takes it at its next start")


def _in_force(job: Appliance) -> tuple[int, int | None]:
    """Says what is in force before a measurement: the references of the gallery, and the threshold. A calibration that does not fit is
    told, and does not stop the new one."""
    try:
        found = standing(job.settings, job.report.warn)
    except SettingsError as error:
        job.report.warn(str(error))
        if not job.settings.gallery.path.exists():
            return 0, None
        with job.gallery() as gallery:
            return len(gallery), None
    job.report.result({"threshold": found.facts()}, f"in force: {sentence(found.promise)} (tail from {found.source})")
    return found.promise.size, found.promise.threshold


@app.command("config")
def config_(
    action: Annotated[str, typer.Argument(help="show: all in force. check: are they sound? schema: for editors.")] = "show",
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show or check the settings in force, or print the JSON Schema of a settings file."""
    if action not in ("show", "check", "schema"):
        raise typer.BadParameter(f"'{action}': choose show or check or schema")
    if action == "schema":
        typer.echo(schema_text(), nl=False)
        return
    job = appliance(config, as_json, quiet)
    facts = flatten(job.settings)
    if action == "check":
        job.report.result({"sound": True, "settings": len(facts)}, f"{len(facts)} settings are sound")
    else:
        job.report.result(facts, "\n".join(f"{name} = {value}" for name, value in facts.items()))


@app.command()
def engine(
    action: Annotated[str, typer.Argument(help="quantise (make INT8 forms), build, status, verify, bench (time it) or clean.")] = "status",
    if_needed: Annotated[bool, typer.Option("--if-needed", help="build: only where no plan belongs to this board and network.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make and look after the plans by which networks run on TensorRT; the door keeps working meanwhile."""
    if action not in plans.ACTIONS:
        raise typer.BadParameter(f"'{action}': choose {', '.join(plans.ACTIONS)}")
    plans.run(load_settings(config), reporter(as_json=as_json, quiet=quiet), action, if_needed=if_needed)


@app.command()
def audit(
    action: Annotated[str, typer.Argument(help="verify: nothing was changed, moved or cut. show: the lines.")] = "verify",
    since: Annotated[str | None, typer.Option("--since", metavar="HEAD", help="A head noted elsewhere: this line must be there.")] = None,
    last: Annotated[int | None, typer.Option("--last", min=1, help="show: only so many lines.")] = None,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Hold the audit log against its key, or show it: who changed what and what the door decided, by opaque ids."""
    if action not in trail.ACTIONS:
        raise typer.BadParameter(f"'{action}': choose {' or '.join(trail.ACTIONS)}")
    trail.run(load_settings(config), reporter(as_json=as_json, quiet=quiet), action, since=since, last=last)


@app.command()
def pin(
    action: Annotated[str, typer.Argument(help="set: choose the PIN that the screen asks an operator for.")] = "set",
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set the operator's PIN of the attached screen: 6 to 12 digits, asked for twice, or one line of a pipe. There is no default."""
    if action != "set":
        raise typer.BadParameter(f"'{action}': there is only set")
    job = appliance(config, as_json, quiet)
    chosen = typer.prompt("PIN", hide_input=True, confirmation_prompt=True) if sys.stdin.isatty() else sys.stdin.readline().strip()
    build.set_pin(job.settings, chosen)
    job.report.result({"pin": "set"}, "the PIN is set; a running door takes it at once")


@app.command()
def code(
    action: Annotated[str, typer.Argument(help="new: make one, shown once. revoke: take them away. list: who has one.")] = "list",
    subject: Annotated[str | None, typer.Argument(help="Name or id; not for list.")] = None,
    duress: Annotated[bool, typer.Option("--duress", help="new: the code of somebody who is forced; it also raises an alarm.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Door codes for when a face is not recognised: made here, eight digits, typed on the screen where access.fallback = "code"."""
    if action not in codes.ACTIONS:
        raise typer.BadParameter(f"'{action}': choose {' or '.join(codes.ACTIONS)}")
    if (subject is None) != (action == "list"):
        raise typer.BadParameter(f"{action}: {'takes no subject' if subject else 'name the subject'}")
    job = appliance(config, as_json, quiet)
    if subject is None:
        codes.list_codes(job)
    elif action == "new":
        codes.hand_out(job, subject, duress=duress)
    else:
        codes.take_away(job, subject)


@app.command("screen")
def screen_(
    windowed: Annotated[str | None, typer.Option(help="WIDTHxHEIGHT of a window, in pixels; without it the whole screen.")] = None,
    config: Config = None,
) -> None:
    """Show the door's face and let operators enrol: the process of the attached screen, beside `edge run --screen`."""
    try:
        from edge.screen.app import run as show
    except ImportError as error:
        raise SettingsError(
            f"screen: {error}; pip install 'edge-face[screen]', and on a system without a desktop apt install libegl1 libxkbcommon0"
        ) from error
    raise typer.Exit(show(load_settings(config), windowed))


@app.command()
def demo(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """The main job without a camera: enrol from a stream made on the spot, watch, revoke, watch again."""
    play(load_settings(config), reporter(as_json=as_json, quiet=quiet))


def main() -> None:
    """Entry point: an expected error becomes one line and its exit code."""
    try:
        app()
    except EdgeError as error:
        report = reporter(as_json="--json" in sys.argv, quiet=False)
        report.result({"error": str(error), "exit_code": error.exit_code})
        report.error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""The command line: parses and hands over to the appliance; each command shows what came of it."""

if __name__ == "__main__":
    from edge.start import hush

    hush()

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from edge.assembly import attend, build, fallback, kiosk
from edge.assembly import validity as dates
from edge.assembly.appliance import Appliance, dated, name_of
from edge.assembly.calibration import write_calibration
from edge.assembly.report import outcome_facts, reporter
from edge.assembly.standing import sentence, standing
from edge.commands import codes, keeping, trail
from edge.commands import engine as plans
from edge.commands.calibrate import Measurement, people_in
from edge.commands.consent import require_consent
from edge.commands.demo import play
from edge.commands.doctor import examine
from edge.commands.options import Config, Json, Quiet, Who, appliance
from edge.commands.people import listing
from edge.commands.schema import schema_text
from edge.errors import EdgeError, SettingsError, SourceError
from edge.gallery import Subject
from edge.records import Phase, Validity
from edge.settings import flatten, load_settings
from edge.start import INTERRUPTED, StdoutError, begin, give_up

ABOUT = """Face identification for doors and kiosks that keeps no face.

Exit codes: 0 done; 1 defect; 2 wrong usage; 3 configuration; 4 camera or picture; 5 network file; 6 gallery; 7 root key; 8 no usable
sample; 9 no such subject; 11 an output of the door; 12 audit log; 13 screen's socket; 14 PIN; 15 standard output; 130 interrupted; 141
nobody reads the output any more. `edge doctor`: 0 all well, 10 warnings, 20 failures."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)

Origin = Annotated[str | None, typer.Option("--source", help="Camera, folder, video or demo: instead of camera.source.")]
Pictures = Annotated[list[Path] | None, typer.Argument(help="Picture files of the person; without them the source is used.")]
Begin = Annotated[str | None, typer.Option("--from", help="First day on which the person may pass, or a time; none: no such limit.")]
End = Annotated[str | None, typer.Option("--until", help="Last day, likewise.")]


@app.command()
def enrol(
    name: str,
    pictures: Pictures = None,
    source: Origin = None,
    allow_duplicate: Annotated[bool, typer.Option("--allow-duplicate", help="Also if the person looks like somebody enrolled.")] = False,
    guided: Annotated[bool, typer.Option("--guided", help="Ask for consent, and say what to do before the camera.")] = False,
    begins: Begin = None,
    ends: End = None,
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
    validity = dates.for_enrolment(begins, ends, job.settings.enrolment.valid_days, time.time())
    if guided:
        require_consent(name)
    session = job.capture(pictures or [], may_be_demo=source is not None, guided=guided)
    with job.gallery(create=True) as gallery:
        subject = job.enrol(gallery, name, session, allow_duplicate=allow_duplicate, validity=validity)
    facts = {"enrolled": subject.label, "subject": subject.id, "samples": session.samples, **dates.facts(validity, time.time())}
    valid = f"; valid {dates.sentence(validity, time.time())}" if validity.limited else ""
    job.report.result(facts, f"enrolled {subject.label} ({subject.id}); samples: {session.samples}{valid}")


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
            named = ((outcome, name_of(gallery, outcome), dated(gallery, outcome), place) for outcome, place in outcomes)
            faces = [{**outcome_facts(outcome, name, 0.0, valid), "box": place} for outcome, name, valid, place in named]
            said = [_said(face) + (f" at {face['box']}" if len(faces) > 1 else "") for face in faces]
            job.report.result({"picture": str(path), "faces": faces}, f"{path}: {', '.join(said) or 'no face'}")
    if unread:
        raise typer.Exit(SourceError.exit_code)


def _said(face: dict[str, object]) -> str:
    if face["validity"] not in (None, Phase.VALID.value):
        return f"{face['name']} ({str(face['validity']).replace('_', ' ')})"
    return str(face["name"] or str(face["verdict"]).replace("_", " ")) + (
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
    enough = attend.enough(job.settings)
    with kiosk.telling(job.settings), fallback.source(job) as stream, job.gallery(create=True) as gallery:
        typed = fallback.desk(job)
        with kiosk.screen(job, lambda: gallery.altered is not None, typed) as screens:
            job.report.note(f"watching {stream.name}, {len(gallery.subjects())} enrolled; Ctrl-C ends")
            tally = job.watch(gallery, stream, frames, attend.watchers(job, gallery, screens, typed, live=stream.live), enough)
    job.report.summary(tally, job.stages.medians())


@app.command("list")
def list_(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """List who is enrolled."""
    job = appliance(config, as_json, quiet)
    people: list[Subject] = []
    if there := job.settings.gallery.path.exists():
        with job.gallery(whatever_network=True) as gallery:
            people = gallery.subjects()
    else:
        job.report.warn(f"there is no gallery at {job.settings.gallery.path}: nobody is enrolled yet, or --config names another door's")
    told = listing(people, time.time())
    job.report.result({"subjects": told.facts})
    if not people:
        if there:
            job.report.note(f"nobody is enrolled in {job.settings.gallery.path}")
        return
    job.report.table(told.columns, told.rows)


@app.command("validity")
def validity_(
    subject: Who,
    begins: Begin = None,
    ends: End = None,
    always: Annotated[bool, typer.Option("--always", help="Without limits.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say between which dates a person may pass, or change that: --from, --until (what is not given stays), --always. Nobody need be there.

    Whoever comes outside these dates is recognised and not let in. A running door goes by it from its next frame on.
    """
    if always and (begins or ends):
        raise typer.BadParameter("--always has no dates; leave --from and --until out")
    job = appliance(config, as_json, quiet)
    with job.gallery() as gallery:
        found = gallery.find(subject)
        if always or begins or ends:
            found = job.limit(gallery, found, Validity() if always else dates.typed(begins, ends, found.validity))
    facts = {"name": found.label, "subject": found.id, **dates.facts(found.validity, time.time())}
    job.report.result(facts, f"{found.label} ({found.id}): valid {dates.sentence(found.validity, time.time())}")


@app.command()
def revoke(subject: Who, config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Delete a person's references for good, at once, also in a running door. An id also removes what is damaged."""
    job = appliance(config, as_json, quiet)
    with job.gallery(whatever_network=True) as gallery:
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


keeping.add_to(app)


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
        build.require_recipients(job.settings)
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
        libraries = "apt install libegl1 libgl1 libfontconfig1 libdbus-1-3 libglib2.0-0 libinput10 libmtdev1 libxkbcommon0 libgbm1 libdrm2"
        raise SettingsError(
            f"screen: {error}; .venv/bin/pip install -e '.[screen]', and on a system without a desktop {libraries}"
        ) from error
    raise typer.Exit(show(load_settings(config), windowed))


@app.command()
def demo(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """The main job without a camera: enrol from a stream made on the spot, watch, revoke, watch again."""
    play(load_settings(config), reporter(as_json=as_json, quiet=quiet))


def main() -> None:
    """Entry point: an expected error becomes one line and its exit code."""
    begin()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except StdoutError as error:
        code = give_up(error)
        if not error.gone:
            reporter(as_json=False, quiet=False).error(str(error))
        sys.exit(code)
    except EdgeError as error:
        report = reporter(as_json="--json" in sys.argv, quiet=False)
        report.result({"error": str(error), "exit_code": error.exit_code})
        report.error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()

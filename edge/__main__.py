"""The command line: parses and hands over to the appliance; each command shows what came of it."""

import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edge import build, kiosk
from edge import engine as plans
from edge.appliance import Appliance, name_of
from edge.calibrate import Measurement, people_in, sentence, standing
from edge.calibration import write_calibration
from edge.demo import play
from edge.doctor import examine
from edge.errors import AcquisitionError, EdgeError, SettingsError, SourceError
from edge.report import Report, outcome_facts
from edge.settings import flatten, load_settings

ABOUT = """Face identification for doors and kiosks that keeps no face.

Exit codes: 0 done; 1 defect; 2 wrong usage; 3 configuration; 4 camera or picture; 5 network file; 6 gallery; 7 root key; 8 no usable
sample; 9 no such subject; 10 screen's socket; 11 PIN; 130 interrupted. `edge doctor`: 0 all well, 10 warnings, 20 failures."""

CONSENT = (
    "The camera looks at the face for some seconds. No picture is kept: a protected code is computed from it and stored on this device, so "
    "that this door knows the person. `edge revoke` deletes it at once and for good; whoever does not agree comes in another way."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=ABOUT)

Config = Annotated[Path | None, typer.Option("--config", help="TOML file that overrides config/appliance.toml.")]
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
    return Appliance(load_settings(config, flags=said), Report(as_json=as_json, quiet=quiet))


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
    with job.source() as stream, job.gallery(create=True) as gallery, kiosk.screen(job) as watchers:
        job.report.note(f"watching {stream.name}, {len(gallery.subjects())} enrolled; Ctrl-C ends")
        tally = job.watch(gallery, stream, frames, watchers)
    job.report.summary(tally, job.stages.medians())


@app.command("list")
def list_(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """List who is enrolled."""
    job = appliance(config, as_json, quiet)
    people = []
    if job.settings.gallery.path.exists():
        with job.gallery() as gallery:
            people = gallery.subjects()
    job.report.result(
        {"subjects": [{"id": one.id, "name": one.label, "enrolled": one.created, "references": one.references} for one in people]}
    )
    job.report.table(
        ("name", "id", "enrolled", "references"), ((one.label, one.id, one.created[:19], str(one.references)) for one in people)
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
def doctor(config: Config = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Check everything the appliance rests on; exit 0 all well, 10 warnings, 20 failures."""
    report = Report(as_json=as_json, quiet=quiet)
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
    measured = measurement.measure(job.report.progress(places, "acquiring people"), references, threshold)
    if write:
        write_calibration(measurement.calibration(measured), job.settings.calibration.path)
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
    action: Annotated[str, typer.Argument(help="show: all settings in force. check: only whether they are sound.")] = "show",
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show or check the settings in force."""
    if action not in ("show", "check"):
        raise typer.BadParameter(f"'{action}': choose show or check")
    job = appliance(config, as_json, quiet)
    facts = flatten(job.settings)
    if action == "check":
        job.report.result({"sound": True, "settings": len(facts)}, f"{len(facts)} settings are sound")
    else:
        job.report.result(facts, "\n".join(f"{name} = {value}" for name, value in facts.items()))


@app.command()
def engine(
    action: Annotated[str, typer.Argument(help="build, status, verify (open as the door does), bench (time it) or clean.")] = "status",
    if_needed: Annotated[bool, typer.Option("--if-needed", help="build: only where no plan belongs to this board and network.")] = False,
    config: Config = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make and look after the plans by which networks run on TensorRT; the door keeps working meanwhile."""
    if action not in plans.ACTIONS:
        raise typer.BadParameter(f"'{action}': choose {', '.join(plans.ACTIONS)}")
    plans.run(load_settings(config), Report(as_json=as_json, quiet=quiet), action, if_needed=if_needed)


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
    play(load_settings(config), Report(as_json=as_json, quiet=quiet))


def main() -> None:
    """Entry point: an expected error becomes one line and its exit code."""
    try:
        app()
    except EdgeError as error:
        report = Report(as_json="--json" in sys.argv, quiet=False)
        report.result({"error": str(error), "exit_code": error.exit_code})
        report.error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

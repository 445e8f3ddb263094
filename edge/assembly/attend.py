"""What attends the loop of a running door, put together from the settings: outputs, audit, service manager, metrics."""

import hashlib
import json
from collections.abc import Callable, Sequence

from edge import __version__
from edge.assembly import build, outputs
from edge.assembly.appliance import Appliance
from edge.assembly.fallback import CodeDesk
from edge.assembly.ruled import RuledScreen
from edge.assembly.takeover import PlanReady
from edge.door.door import Listener
from edge.door.events import Cause, Denied, Refusal, State, Unlock
from edge.errors import EdgeError, SettingsError
from edge.gallery import Gallery
from edge.keys.memory import harden
from edge.records import Sighting
from edge.service.chain import Fact
from edge.service.face import ScreenWatcher
from edge.service.notify import Alive, notifier, watchdog_interval
from edge.service.recorder import Recorder
from edge.settings import Settings, flatten
from edge.watch import Watcher


def watchers(
    job: Appliance, gallery: Gallery, screens: Sequence[ScreenWatcher], codes: CodeDesk | None = None, *, live: bool
) -> list[Watcher]:
    """The watchers of a run, and word to the service manager that it is ready: both networks have run once.

    live: of the source. Audit or metrics that cannot be set up are told, and do not keep the door shut; an output that cannot is an error.
    screens: from ``kiosk``; they hear what the door refuses. codes: begin to open the door with this. The audit log comes last: at the end
    it waits for the disk, and nobody else shall wait for that.
    """
    job.acquirer.warm()
    opens = door = outputs.open_door(job.settings, job.report.warn, live=live, validity=gallery.validity)
    if door is None and screens:
        door = outputs.silent_door(job.settings, job.report.warn, live=live, validity=gallery.validity)
    found: list[Watcher] = [door, *(RuledScreen(screen, door) for screen in screens)] if door else [*screens]
    try:
        found += metrics(job, gallery)
    except EdgeError as error:
        job.report.warn(f"{error}. The door runs without metrics until its next start")
    recorder = None
    try:
        recorder = Recorder(job.audit, job.report.warn, **standing(job.settings))
        if door:
            door.listen(refusals(recorder))
        found.append(recorder)
    except EdgeError as error:
        job.report.warn(f"{error}. The door runs unaudited until its next start")
    if codes and opens:  # a door that opens nothing must welcome nobody
        codes.open_by(opens, told(recorder))
    if manager := notifier():
        for problem in harden():
            job.report.warn(problem)
        alive = Alive(manager, watchdog_interval(), live=live)
        alive.ready("watching")
        found.insert(0, alive)
    return found


def enough(settings: Settings) -> Callable[[Sequence[Sighting]], str]:
    """When a run should end for a new plan; never, where no service manager would start it again. Made before networks are loaded."""
    return PlanReady(settings) if notifier() else lambda sightings: ""


def refusals(recorder: Recorder) -> Listener:
    """The audit log hears whom the rules refused, of faces; of door codes it hears by ``told``."""

    def hear(event: Unlock | Denied | State) -> None:
        if isinstance(event, Denied) and event.cause is Cause.FACE:
            recorder.refused(event.refusal.value, event.subject)

    return hear


def told(recorder: Recorder | None) -> Callable[[str | None, Refusal | None], None]:
    """Who hears of door codes: the audit log."""

    def hear(subject: str | None, refusal: Refusal | None) -> None:
        if recorder is not None:
            recorder.typed(subject, refusal.value if refusal else None)

    return hear


def metrics(job: Appliance, gallery: Gallery) -> list[Watcher]:
    """The metrics with their server, if they are wanted."""
    wanted = job.settings.metrics
    if not wanted.port:
        return []
    try:
        from edge.service.metrics import Metrics, Server
    except ImportError as error:
        raise SettingsError(f"metrics.port = {wanted.port}: {error.name} is missing; .venv/bin/pip install -e '.[service]'") from error
    counting = Metrics(fresh=wanted.fresh, references=lambda: len(gallery))
    Server(wanted.port, counting)
    job.stages.heard = counting.stage
    return [counting]


def standing(settings: Settings) -> dict[str, Fact]:
    """What is in force when a run begins, so that the log tells when it was changed."""
    told = json.dumps(flatten(settings), sort_keys=True).encode()
    return {
        "version": __version__,
        "settings": hashlib.sha256(told).hexdigest(),
        "network": build.hash_manifest(settings).sha256,
        "calibrated": settings.calibration.path.exists(),
    }

"""`edge doctor`: every part is tried, and each finding has a stable id, a state and a remedy."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edge.assembly import build, outputs
from edge.assembly.standing import CONFUSABLE, sentence, standing
from edge.camera import is_dark
from edge.camera.demo import portraits
from edge.commands import engine
from edge.errors import EdgeError, GalleryError, KeySourceError
from edge.records import Frame
from edge.service.machine import LEAST_DISK, door_runs, hottest, open_to_others, units, writable_by_others
from edge.service.verify import verify
from edge.settings import DEFAULTS, Settings, files_of, load_settings
from edge.template.compare import kernels
from edge.words import counted

DAY = 86_400.0  # seconds
WAKING = 15  # frames that a camera may need until its exposure has settled
MOST_DECADES = 3  # beyond the measured comparisons: a law says little a thousand times rarer than what it was fitted to
HOT, TOO_HOT = 80.0, 95.0  # degrees Celsius: a Raspberry Pi 5 slows down from 80 to 85, an Orin at 99
BEFORE_ANY_RELEASE = 1_767_225_600  # 2026-01-01: a clock that shows less was never set


@dataclass(frozen=True)
class Check:
    """id: stable, for monitoring. state: pass, warn, fail or unknown. found: what was seen. remedy: what to do, empty when all is well."""

    id: str
    state: str
    found: str
    remedy: str = ""

    def facts(self) -> dict[str, str]:
        """JSON-ready."""
        return {"id": self.id, "state": self.state, "found": self.found, "remedy": self.remedy}


def examine(config: Path | None) -> list[Check]:
    """All checks, in the order in which one rests on another. Changes nothing."""
    try:
        settings = load_settings(config)
    except EdgeError as error:
        return [_failed("config", error)]
    checks: list[tuple[str, Callable[[Settings], Check]]] = [
        ("network", _networks),
        ("plan", _plan),
        ("kernel", _kernel),
        ("key", _key),
        ("gallery", _gallery),
        ("validity", _validity),
        ("threshold", _threshold),
        ("camera", _camera),
        ("disk", _disk),
        ("clock", _clock),
        ("temperature", _temperature),
        ("permissions", lambda settings: _permissions(settings, config)),
        ("audit", _audit),
        ("units", _units),
        ("outputs", _outputs),
        ("screen", _screen),
    ]
    checks.insert(0, ("config", _config))
    found: list[Check] = []
    for name, check in checks:
        try:
            found.append(check(settings))
        except EdgeError as error:
            found.append(_failed(name, error))
    return found


def _failed(name: str, error: EdgeError) -> Check:
    """An error as a check: what is wrong before the last colon (of gallery and key) or semicolon, then the way out."""
    found, _, remedy = str(error).rpartition(": " if isinstance(error, (GalleryError, KeySourceError)) else "; ")
    if remedy.startswith("restore a backup"):
        remedy += ". `edge restore FILE --identity KEY --replace`"
    return Check(name, "fail", found or str(error), remedy if found else "see the message")


def _config(settings: Settings) -> Check:
    build.require_recipients(settings)
    return Check("config", "pass", "settings are sound")


def _networks(settings: Settings) -> Check:
    networks = build.Networks(settings, lambda problem: None)  # of plans another check speaks
    names = ", ".join(f"{one.manifest.name} {one.manifest.sha256[:12]}" for one in (networks.detector, networks.hasher))
    return Check("network", "pass", f"{names}: hashes, shapes and golden vectors agree")


def _plan(settings: Settings) -> Check:
    """Whether networks run where the settings want them; on the CPU they are right too, but slower."""
    if settings.network.runtime == "onnxruntime":
        return Check("plan", "pass", "networks run on the CPU, as network.runtime says")
    found = engine.states(settings)
    bad = [one for one in found if one.state != "fits"]
    if bad:
        reason, _, remedy = bad[0].reason.partition("; ")
        state = "fail" if settings.network.runtime == "tensorrt" and bad[0].state == "unavailable" else "warn"
        return Check("plan", state, f"{', '.join(one.network for one in bad)} on the CPU: {reason}", remedy or "`edge engine build`")
    return Check("plan", "pass", ", ".join(f"{one.network}: {one.reason}" for one in found))


def _kernel(settings: Settings) -> Check:
    best = kernels()[0]
    if best == "numpy":
        return Check(
            "kernel",
            "warn",
            "search runs on numpy: right, but several times slower",
            "install a C compiler and the Python headers, then `.venv/bin/pip install --force-reinstall -e .`",
        )
    return Check("kernel", "pass", f"search runs on {best}")


def _key(settings: Settings) -> Check:
    if not settings.keys.file.exists() and not os.environ.get("CREDENTIALS_DIRECTORY") and not settings.gallery.path.exists():
        return Check(
            "key",
            "warn",
            f"no root key yet at {settings.keys.file}",
            "the first `edge enrol` makes one; on a door seal it with systemd-creds first",
        )
    key = build.root_key(settings, may_create=False)
    if key.warning:
        found, _, remedy = key.warning.partition(". ")
        return Check("key", "warn", found, remedy)
    return Check("key", "pass", key.source)


def _gallery(settings: Settings) -> Check:
    if not settings.gallery.path.exists():
        return Check("gallery", "warn", f"no gallery yet at {settings.gallery.path}", "the first `edge enrol` makes it")
    with build.gallery(settings, build.network_id(settings), lambda warning: None) as gallery:
        report = gallery.verify()
    if report.damaged:
        return Check(
            "gallery",
            "fail",
            f"{counted(len(report.damaged), 'damaged reference')}, never matched",
            "`edge revoke` their subjects by id and enrol again, or restore a backup",
        )
    if report.problems:
        return Check("gallery", "fail", "; ".join(report.problems), "restore a backup")
    return Check("gallery", "pass", f"{counted(report.subjects, 'subject')}, {counted(report.references, 'reference')}, all authentic")


def _validity(settings: Settings) -> Check:
    """Whose dates end soon, and who should have been deleted: numbers, no names."""
    if not settings.gallery.path.exists():
        return Check("validity", "pass", "nobody is enrolled")
    with build.gallery(settings, build.network_id(settings), lambda warning: None) as gallery:
        ends = [one.validity.ends for one in gallery.subjects() if one.validity.ends is not None]
    now, retention = time.time(), settings.retention
    soon = sum(now <= end < now + retention.soon_days * DAY for end in ends)
    expired = sum(end < now for end in ends)
    overdue = sum(end < now - (retention.expired_days + 2) * DAY for end in ends)  # a purge a day, and one that was missed
    told = f"{len(ends)} people have an end; {expired} have expired, {soon} more will within {retention.soon_days} days"
    if overdue:
        return Check(
            "validity", "warn", f"{told}; {overdue} should have been deleted", "`edge purge`, which edge-purge.timer should have started"
        )
    if soon:
        return Check("validity", "warn", told, "`edge list` shows who; `edge validity NAME --until DATE` prolongs")
    return Check("validity", "pass", told)


def _threshold(settings: Settings) -> Check:
    found = standing(settings, lambda warning: None)
    told = f"{sentence(found.promise)}; tail from {found.source}"
    if found.closest and found.closest[2] == CONFUSABLE:
        return Check(
            "threshold",
            "warn",
            f"{told}; {found.closest[0]} and {found.closest[1]} are confusable",
            "`edge renew` one of them with more samples; if they are one person, `edge revoke` one; relatives need another means as well",
        )
    if found.promise.decades > MOST_DECADES or found.promise.interval is None:
        return Check("threshold", "warn", told, "measure here: `edge calibrate SOURCE --write`, with as many people as can be had")
    return Check("threshold", "pass", told)


def _camera(settings: Settings) -> Check:
    if settings.camera.source.startswith("demo:"):
        portraits()
        return Check("camera", "warn", "the demonstration stream is configured", "set camera.source to a camera, by /dev/v4l/by-id")
    if door_runs():
        return Check("camera", "pass", "held by the running door, whose watchdog is fed by fresh frames only")
    notes: list[str] = []
    with build.source(settings, notes.append) as stream:
        frames = list(_until_light(stream.frames()))
    if not frames:
        return Check(
            "camera",
            "fail",
            f"{settings.camera.source}: opened, but gave no frame",
            "check cable and power, and that no other program holds the camera",
        )
    return _seen(settings, stream.name, frames[-1], notes)


def _until_light(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Frames up to the first in which something can be seen: a camera that wakes up is blind for a moment."""
    for frame in islice(frames, WAKING):
        yield frame
        if not is_dark(frame.image):
            return


def _seen(settings: Settings, name: str, frame: Frame, notes: Sequence[str]) -> Check:
    told = f"{name}: {frame.image.shape[1]} x {frame.image.shape[0]}"
    if is_dark(frame.image):
        return Check("camera", "warn", f"{told}, and nothing but darkness", "uncover the lens, give it light, or lengthen camera.exposure")
    if settings.camera.allow_loopback:
        return Check("camera", "warn", f"{told}; a film may stand in for the camera", "set camera.allow_loopback = false")
    if notes:
        found, _, remedy = notes[0].partition("; ")
        return Check("camera", "warn", found, remedy or "see the message")
    return Check("camera", "pass", told)


def _disk(settings: Settings) -> Check:
    folder = next(parent for parent in settings.gallery.path.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    state = "pass" if free >= LEAST_DISK else "fail"
    return Check(
        "disk",
        state,
        f"{free // 2**20} MiB free at {folder}",
        "" if state == "pass" else "free some space; enrolment is refused on a full disk",
    )


def _clock(settings: Settings) -> Check:
    if time.time() < BEFORE_ANY_RELEASE:
        return Check(
            "clock", "warn", "the wall clock was never set", "set it (timedatectl); decisions do not depend on it, dates in the list do"
        )
    return Check("clock", "pass", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _temperature(settings: Settings) -> Check:
    found = hottest()
    if found is None:
        return Check("temperature", "unknown", "this machine shows none", "a virtual machine has none; on a board load its sensor driver")
    told = f"{found[1]:.0f} degrees at {found[0]}"
    if found[1] >= HOT:
        state = "fail" if found[1] >= TOO_HOT else "warn"
        return Check("temperature", state, told, "give it air or shade; a hot board slows down, then stops")
    return Check("temperature", "pass", told)


def _permissions(settings: Settings, config: Path | None) -> Check:
    """What only the door may read is closed to others, and what decides who is let in cannot be changed by others."""
    gallery, log = settings.gallery.path, build.audit_folder(settings)
    beside = [gallery.with_name(gallery.name + end) for end in ("-wal", "-shm", "-journal")]
    private = [gallery, *beside, settings.keys.file, settings.calibration.path, log, *(log.iterdir() if log.is_dir() else ())]
    trusted = [DEFAULTS, *files_of(config), settings.network.models, *settings.network.models.glob("*.*"), settings.network.plans]
    wrong = open_to_others(private) + writable_by_others(trusted + [path.parent for path in trusted])
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        return Check("permissions", "fail", f"{wrong[0].told}{more}", f"`{wrong[0].way_out}`, then look again")
    return Check("permissions", "pass", "what is private is closed to others, what decides can be written by its owner only")


def _audit(settings: Settings) -> Check:
    folder = build.audit_folder(settings)
    if not folder.is_dir():
        return Check("audit", "warn", f"no audit log yet at {folder}", "the first `edge enrol` or `edge run` begins it")
    found = verify(folder, build.audit_key(settings, may_create=False))
    if found.problems:
        return Check(
            "audit", "fail", f"{counted(len(found.problems), 'problem')}; {found.problems[0]}", "`edge audit verify` lists all; keep a copy"
        )
    return Check("audit", "pass", f"{counted(found.lines, 'line')} since {found.first.time if found.first else 'never'}, unbroken")


def _units(settings: Settings) -> Check:
    found = units(DEFAULTS.parent.parent / "systemd")
    return Check("units", found.state, found.told, found.remedy)


def _outputs(settings: Settings) -> Check:
    """Whether every output that is enabled can be set up as asked; nothing is switched, sent or taken."""
    enabled = outputs.enabled(settings)
    if not enabled and settings.access.fallback == "code":
        return Check("outputs", "warn", "door codes are allowed and no output is enabled, so that they open nothing", "enable an output")
    if not enabled:
        return Check("outputs", "pass", "none is enabled: outcomes open nothing and are told nobody")
    problems, warnings = outputs.examine(settings)
    if problems or warnings:
        found, _, remedy = (problems + warnings)[0].partition("; ")
        others = len(problems) + len(warnings) - 1
        more = f" (and {others} more)" if others else ""
        return Check("outputs", "fail" if problems else "warn", found + more, remedy or "see the message")
    return Check("outputs", "pass", f"{', '.join(enabled)}: set up as asked")


def _screen(settings: Settings) -> Check:
    if not settings.screen.enabled:
        return Check("screen", "pass", "no screen is attached (screen.enabled)")
    if not build.pin_lock(settings).is_set:
        return Check("screen", "warn", "no operator's PIN is set, so that nobody can enrol at the screen", "set one: `edge pin set`")
    return Check("screen", "pass", f"served at {settings.screen.socket}")

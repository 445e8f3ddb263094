"""A door to be broken: a gallery, a stream whose truth is known, a lock that writes down what opened it, and the door's own process."""

import json
import math
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np

from edge.assembly import build
from edge.assembly.appliance import Appliance
from edge.camera.demo import DemoSource, Visit
from edge.errors import EdgeError
from edge.gallery import Gallery, NetworkId
from edge.records import Code
from edge.service.verify import verify as verify_audit
from edge.settings import Settings, load_settings
from evaluation.faults.lock import KEY, Lock
from evaluation.screen import quiet

ROOT = Path(__file__).parent.parent.parent
PERSON, STRANGER = "Eileen Collins", "Grace Hopper"
OTHERS = 11  # enrolled besides her, with codes that no face of the stream has
VISITS = (Visit((), 3), Visit((PERSON,), 12, 0.0), Visit((), 12), Visit((STRANGER,), 12, 0.0), Visit((), 12))
PERIOD = sum(visit.frames for visit in VISITS)
HERS = range(3, 15)  # frames of a period in which she stands there
STEP = 0.1  # seconds between frames on the stream's clock
PATIENCE = 40.0  # seconds that a fact is waited for on a busy machine
CONFIG = """[gallery]
path = "gallery.db"
[calibration]
path = "calibration.json"
[keys]
file = "root.key"
[camera]
interval = {step}
[access]
recordings = true
failures = 0
[webhook]
enabled = true
url = "http://127.0.0.1:{port}/"
key_file = "webhook.key"
outbox = "outbox.db"
longest_pause = 1.0
[screen]
socket = "s"
pin = "pin"
"""


@dataclass
class Finding:
    """What came of one fault. lost: references that cannot be found any more. false: unlocks for somebody else, or while nobody may be let
    in. recovery: seconds from the end of the fault, or the new start, to the next right unlock. as_expected: whether what must be seen was.
    """

    fault: str
    times: int
    seen: str
    lost: int = 0
    false: int = 0
    recovery: list[float] = field(default_factory=list)
    as_expected: bool = True

    @property
    def survived(self) -> bool:
        """Nothing lost, nothing opened that should not, what was expected was seen, and each time it worked again in the end."""
        return self.as_expected and not self.lost and not self.false and all(seconds < PATIENCE for seconds in self.recovery)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        times = [seconds for seconds in self.recovery if math.isfinite(seconds)]
        median, most = (round(statistics.median(times), 1), round(max(times), 1)) if times else (None, None)
        given = {name: getattr(self, name) for name in ("fault", "times", "seen", "lost", "false", "survived")}
        return {**given, "recovery_median_s": median, "recovery_most_s": most}


class Unavailable(Exception):
    """This machine lacks what the fault is made with; says what to do about it."""


Fault = Callable[["Rig", int, Random], Finding]


def soon(fact: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Whether the fact holds within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.01)
    return bool(fact())


class Door:
    """One process of the door. plays: whether it sees the rig's stream, of which the truth is known. lines: its JSON lines so far. said:
    its messages. again: starts another one like it."""

    def __init__(self, command: Sequence[str], folder: Path, number: int, environment: Mapping[str, str], *, plays: bool) -> None:
        self.again: Callable[[], Door] | None = None
        self.plays = plays  # the stream of known truth
        self._out, self._err = folder / f"out-{number}", folder / f"err-{number}"
        self.started = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=dict(environment), cwd=folder)

    @property
    def lines(self) -> list[dict[str, Any]]:
        whole = self._out.read_bytes().rpartition(b"\n")[0].splitlines()
        return [json.loads(line) for line in whole]

    @property
    def said(self) -> str:
        return " ".join(self._err.read_text(encoding="utf-8", errors="replace").split())

    @property
    def identified(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("verdict") == "identified"]

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def code(self) -> int | None:
        """Exit code; None while it runs."""
        return self.process.poll()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ctrl-C, and kill -9 for one that does not come to an end; the exit code."""
        if self.alive:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def full_disk(self, room: int) -> None:
        """No file of it may grow beyond ``room`` bytes; 0: as before. Linux."""
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (room or hard, hard))

    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def descriptors(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


class Rig:
    """A folder with everything a door needs. folder: made anew from ``ready`` (see ``prepare``). brisk: not every recovery is timed."""

    def __init__(self, ready: Path, folder: Path, *, brisk: bool = False) -> None:
        shutil.copytree(ready / "site", folder, dirs_exist_ok=True)
        self.folder, self.config, self._ready = folder, folder / "door.toml", ready
        self.lock, self.brisk = Lock(), brisk
        self.config.write_text(CONFIG.format(step=STEP, port=self.lock.port))
        self.stream, self.film = ready / "stream", ready / "film"
        self.codes = {name: Code(symbols, 8) for name, symbols in np.load(ready / "codes.npz").items()}
        self.doors: list[Door] = []

    @property
    def codes_file(self) -> Path:
        """Name -> symbols of the code by which everybody was enrolled."""
        return self._ready / "codes.npz"

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.config, {})

    @cached_property
    def network(self) -> NetworkId:
        return build.network_id(self.settings)

    @cached_property
    def person(self) -> str:
        """Her id."""
        return (self._ready / "person").read_text()

    def furnish(self, disk: Path) -> None:
        """Copies of the gallery and the key lie on that disk, and are those in force."""
        for path in [self.folder / "root.key", *self.folder.glob("gallery.db*")]:
            shutil.copy2(path, disk)
        os.sync()  # else a file system that ends at once would not have them
        text = CONFIG.format(step=STEP, port=self.lock.port)
        self.config.write_text(text.replace('"gallery.db"', f'"{disk}/gallery.db"').replace('"root.key"', f'"{disk}/root.key"'))
        self.__dict__.pop("settings", None)

    def gallery(self, network: NetworkId | None = None) -> Gallery:
        """The gallery, open."""
        return build.gallery(self.settings, network or self.network, lambda warning: None)

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        quiet_one = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "400", "QT_QPA_PLATFORM": "offscreen"}
        return {**os.environ, **quiet_one, **(more or {})}

    def door(
        self,
        *words: str,
        source: Path | str | None = None,
        before: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
    ) -> Door:
        """``edge run``. settings: like ``{"decision_fpir": 0.01}``. before: what the command line begins with instead of the door's.
        variables: of the environment."""
        command = list(before) or [sys.executable, "-m", "edge", "run", "--source", str(source or self.stream)]
        environment = self.environment(as_variables(settings or {}) | dict(variables or {}))
        plays = source is None and not before
        line = (*command, *words, "--json", "--config", str(self.config))
        made = Door(line, self.folder, len(self.doors), environment, plays=plays)
        made.again = lambda: self.door(*words, source=source, before=before, variables=variables, settings=settings)
        self.doors.append(made)
        return made

    def command(self, *words: str, settings: Mapping[str, object] | None = None) -> "subprocess.CompletedProcess[str]":
        """``edge`` with these words, to its end. settings: as in ``door``."""
        command = [sys.executable, "-m", "edge", *words, "--config", str(self.config)]
        environment = self.environment(as_variables(settings or {}))
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=self.folder)

    def right(self, door: Door) -> bool:
        """Whether the door has let her in."""
        return any(line["subject"] == self.person for line in door.identified)

    def recovered(self, door: Door, since: float | None = None) -> float:
        """Seconds until the lock opens for her: from the start of the door, or from ``since``. Infinite if it does not."""
        begun = door.started if since is None else since
        soon(lambda: self.lock.opened_since(begun, self.person) or not door.alive)
        return self.lock.first_since(begun, self.person) - begun

    def goes_on(self, door: Door, since: float) -> tuple[Door, float]:
        """Seconds until the lock opens for her; by another door like it, and from its start, if this one's stream has come to its end."""
        seconds = self.recovered(door, since)
        if math.isfinite(seconds) or door.code != 0 or door.again is None:
            return door, seconds
        door = door.again()
        return door, self.recovered(door)

    def lost(self, *networks: NetworkId) -> int:
        """References that were enrolled and are not found any more; all of them if the gallery does not open."""
        for network in networks or (self.network,):
            try:
                with self.gallery(network) as gallery:
                    sound = gallery.altered is None and gallery.verify().sound
                    return sum(not _has(gallery, name, code) for name, code in self.codes.items()) if sound else len(self.codes)
            except (EdgeError, OSError):
                continue
        return len(self.codes)

    def false(self) -> int:
        """Unlocks at the lock for anybody but her, and outcomes that name anybody while she does not stand there."""
        wrong = sum(subject != self.person for _, subject in self.lock.opened)
        return wrong + sum(not self._hers(line) for door in self.doors for line in door.identified if door.plays)

    def _hers(self, line: Mapping[str, Any]) -> bool:
        return line["subject"] == self.person and (round(line["seconds"] / STEP) % PERIOD in HERS)

    def audit_is_sound(self) -> bool:
        """Whether the audit log verifies."""
        return not verify_audit(build.audit_folder(self.settings), build.audit_key(self.settings, may_create=False)).problems

    def close(self) -> None:
        """Nothing of it runs on."""
        for door in self.doors:
            if door.alive:
                door.kill()
        self.lock.close()


def as_variables(settings: Mapping[str, object]) -> dict[str, str]:
    """Like ``{"decision_fpir": 0.01}``, as the environment has it."""
    return {f"EDGE_{name.upper()}": str(value) for name, value in settings.items()}


def kept(path: Path) -> dict[str, bytes]:
    """A file and those beside it that begin with its name (journal, witness), for ``put_back``."""
    return {file.name: file.read_bytes() for file in path.parent.glob(f"{path.name}*")}


def put_back(path: Path, files: Mapping[str, bytes]) -> None:
    """The files as they were, and no others of that name."""
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    for name, content in files.items():
        (path.parent / name).write_bytes(content)


def _has(gallery: Gallery, name: str, code: Code) -> bool:
    best = [*gallery.search(code, limit=1), *gallery.search_former(code, limit=1)]
    try:
        wanted = gallery.find(name).id
    except EdgeError:
        return False
    if any(one.dissimilarity == 0 and one.subject == wanted for one in best):
        return True
    return name == PERSON and any(one.subject == wanted for one in best)  # renewed by passing: other pictures of her


@contextmanager
def rigged(ready: Path, folder: Path, *, brisk: bool = False) -> Iterator[Rig]:
    """A rig that is let go of at the end."""
    rig = Rig(ready, folder, brisk=brisk)
    try:
        yield rig
    finally:
        rig.close()


def prepare(ready: Path, passes: int = 60) -> None:
    """What all rigs begin with: ``site`` (gallery, keys), ``codes.npz`` and ``stream``, a folder of that many passes of the visits."""
    site = ready / "site"
    (ready / "film").mkdir(parents=True)
    (ready / "stream").mkdir()
    site.mkdir()
    (site / "webhook.key").write_text(KEY + "\n")
    (site / "webhook.key").chmod(0o600)
    with DemoSource(VISITS, seed=1) as source:
        for frame in source.frames():
            cv2.imwrite(str(ready / "film" / f"{frame.number}.png"), frame.image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    repeat(ready / "film", ready / "stream", passes)
    (site / "door.toml").write_text(CONFIG.format(step=STEP, port=1))
    person, codes = _enrol(load_settings(site / "door.toml", {}))
    (ready / "person").write_text(person)
    np.savez(ready / "codes.npz", **{name: code.symbols for name, code in codes.items()})  # type: ignore[arg-type]


def repeat(film: Path, stream: Path, passes: int) -> None:
    """Fills a folder with links to the pictures of another one, over and over."""
    pictures = sorted(film.iterdir(), key=lambda path: int(path.stem))
    for number in range(passes * len(pictures)):
        (stream / f"{number}.png").symlink_to(pictures[number % len(pictures)])


def _enrol(settings: Settings) -> tuple[str, dict[str, Code]]:
    """Her id, and everybody's codes."""
    door = Appliance(settings, quiet())
    network = build.network_id(settings)
    random = np.random.default_rng(11)
    with door.gallery(create=True, throwaway=True) as gallery, DemoSource([Visit((PERSON,), 24)], seed=7) as stream:
        session = door.capture_from(stream.frames())
        person = door.enrol(gallery, PERSON, session).id
        codes = {f"Person {number}": Code(random.integers(0, network.q, network.m, np.uint8), network.q) for number in range(OTHERS)}
        for name, code in codes.items():
            gallery.enrol(name, [code])
    return person, {PERSON: session.code, **codes}

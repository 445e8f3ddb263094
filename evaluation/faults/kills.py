"""kill -9: of the door, of an operator's command while the door runs, of the screen."""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from edge.assembly import build
from edge.gallery import NetworkId
from edge.gallery.backup import new_identity, restore, write_backup
from edge.keys import Keyring
from edge.service.pin import set_pin
from evaluation.faults.operator import BACKUP, IDENTITY, RECIPIENT, other
from evaluation.faults.rig import PATIENCE, PERSON, ROOT, Finding, Rig, kept, put_back

DOC_STRING = 6 << 3 | 2  # protobuf's tag of ModelProto.doc_string, a string (onnx.proto); the last one given counts
MODELS = ROOT / "models"
LONGEST = 2.5  # seconds after its start at which a door is killed at most


def door_killed(rig: Rig, times: int, random: Random) -> Finding:
    """At a random moment from its start on; every other time, after it has let her in."""
    finding = Finding("kill -9 of the door", times, "")
    for turn in range(times):
        door = rig.door()
        if turn % 2:
            finding.recovery.append(rig.recovered(door))
            time.sleep(random.uniform(0, 0.5))
        else:
            time.sleep(random.uniform(0, LONGEST))
        door.kill()
        finding.lost += rig.lost()
    door = rig.door()
    finding.recovery.append(rig.recovered(door))
    sound = door.stop() == 0 and rig.audit_is_sound()
    finding.as_expected = sound and max(finding.recovery) < PATIENCE
    finding.seen = "the next start lets her in; gallery and audit log verify"
    return finding


class Killed:
    """An operator's process and what it has said so far."""

    def __init__(self, rig: Rig, kind: str) -> None:
        command = [sys.executable, "-m", "evaluation.faults.operator", str(rig.config), kind]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=rig.environment())
        self._kind = kind

    def after(self, seconds: float) -> list[str]:
        """Killed so long after it began its work; the lines it said whole."""
        assert self.process.stdout
        ready = self.process.stdout.readline()
        time.sleep(seconds)
        running = self.process.poll() is None
        self.process.kill()
        out, err = self.process.communicate()
        if ready != "ready\n" or not running:
            raise RuntimeError(f"the operator that does {self._kind} ended by itself: {err}")
        return out.rpartition("\n")[0].split()


def _beside_a_door(rig: Rig, kind: str, times: int, random: Random, after: Callable[[list[str]], bool]) -> Finding:
    finding = Finding(f"kill -9 of an operator: {kind}", times, "")
    door = rig.door()
    finding.as_expected = rig.recovered(door) < PATIENCE
    for _ in range(times):
        done = Killed(rig, kind).after(random.uniform(0.0, 0.4))
        since = time.monotonic()
        finding.lost += rig.lost()
        finding.as_expected &= after(done)
        door, seconds = rig.goes_on(door, since)
        finding.recovery.append(seconds)
    finding.as_expected &= door.stop() == 0 and rig.audit_is_sound()
    return finding


def enrolment_killed(rig: Rig, times: int, random: Random) -> Finding:
    """Whoever was reported as enrolled is enrolled."""

    def all_there(done: list[str]) -> bool:
        with rig.gallery() as gallery:
            return set(done) <= {subject.id for subject in gallery.subjects() if subject.references}

    finding = _beside_a_door(rig, "enrol", times, random, all_there)
    finding.seen = "the running door goes on; who was reported as enrolled is there, nobody by half"
    return finding


def rotation_killed(rig: Rig, times: int, random: Random) -> Finding:
    """Old pads or new ones, never some of each."""
    finding = _beside_a_door(rig, "rotate", times, random, lambda done: True)
    finding.seen = "the running door goes on, with the old pads or with the new ones"
    return finding


def backup_killed(rig: Rig, times: int, random: Random) -> Finding:
    """Every file that has a backup's name is a whole backup."""
    (rig.folder / RECIPIENT).write_text(new_identity(rig.folder / IDENTITY))
    checked: set[str] = set()

    def whole(done: list[str]) -> bool:
        files = [path for path in sorted(rig.folder.glob("copy-*.age")) if path.name not in checked]
        checked.update(path.name for path in files)
        return set(done) <= {path.name for path in files} and all(_opens(rig, path) for path in files[-2:])

    finding = _beside_a_door(rig, "backup", times, random, whole)
    finding.seen = "the running door goes on; every file named as a backup is a whole one"
    return finding


def _opens(rig: Rig, source: Path) -> bool:
    place = rig.folder / "elsewhere"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    done = restore(source, rig.folder / IDENTITY, place / "g.db", _keys(rig), "door-2", witness=place / "head", replace=False)
    return done.subjects == len(rig.codes)


def _keys(rig: Rig) -> Keyring:
    return build.keyring(rig.settings, lambda warning: None)


def rebind_killed(rig: Rig, times: int, random: Random) -> Finding:
    """Everybody is known by one network or by the other; no door runs, for one would end at the first change."""
    finding = Finding("kill -9 of an operator: rebind", times, "everybody is known by the old network or by the new one")
    shutil.copy(rig.codes_file, rig.folder / "codes.npz")
    for _ in range(times):
        Killed(rig, "rebind").after(random.uniform(0.0, 0.4))
        finding.lost += rig.lost(rig.network, other(rig.network))
    return finding


def restore_killed(rig: Rig, times: int, random: Random) -> Finding:
    """The gallery that was there or the one of the backup; at worst the same command once more brings it back."""
    finding = Finding("kill -9 of an operator: restore", times, "")
    (rig.folder / RECIPIENT).write_text(recipient := new_identity(rig.folder / IDENTITY))
    with rig.gallery() as gallery:
        write_backup(gallery, rig.folder / BACKUP, _keys(rig), rig.network, rig.settings.gallery.device, [recipient])
    again = 0
    for _ in range(times):
        Killed(rig, "restore").after(random.uniform(0.0, 0.4))
        if rig.lost():
            again += 1
            words = ["restore", str(rig.folder / BACKUP), "--identity", str(rig.folder / IDENTITY), "--replace"]
            began = time.monotonic()
            finding.as_expected &= rig.command(*words).returncode == 0
            finding.recovery.append(time.monotonic() - began)
        finding.lost += rig.lost()
        for old in rig.folder.glob("gallery.db.2*"):
            old.unlink()
    door = rig.door()
    finding.recovery.append(rig.recovered(door))
    finding.as_expected &= door.stop() == 0
    finding.seen = f"the gallery before or the one of the backup; {again} times nobody was let in until `edge restore` was run again"
    return finding


def moving_door_killed(rig: Rig, times: int, random: Random) -> Finding:
    """While she is renewed by passing, after the network was exchanged."""
    finding = Finding("kill -9 of the door while people move to another network", times, "")
    settings: dict[str, object] = {"network_models": next_network(rig.folder / "models"), "network_hash": "next", "rebind_caution": 3.0}
    moved = NetworkId(sha256(rig.folder / "models" / "next.onnx"), rig.network.m, rig.network.q)
    finding.as_expected = rig.command("rebind", "--days", "7", settings=settings).returncode == 0
    before, renewed = kept(rig.settings.gallery.path), 0
    for turn in range(times):
        put_back(rig.settings.gallery.path, before)
        door = rig.door(settings=settings)
        if turn % 2:
            time.sleep(random.uniform(0, LONGEST / 2))
        else:
            finding.recovery.append(rig.recovered(door))
        door.kill()
        finding.lost += rig.lost(moved)
        with rig.gallery(moved) as gallery:
            renewed += gallery.find(PERSON).former == 0
    finding.seen = f"she is let in by the old network or by the new one; renewed already: {renewed} of {times} times"
    return finding


def next_network(models: Path) -> Path:
    """A folder with the shipped networks, and a hashing network "next" that is another file and the same function."""
    models.mkdir()
    for path in MODELS.glob("*.*"):
        shutil.copyfile(path, models / path.name)
    text = b"the next one"
    with (models / "next.onnx").open("wb") as file:
        file.write((models / "drh.onnx").read_bytes() + bytes([DOC_STRING, len(text)]) + text)
    manifest = json.loads((models / "drh.json").read_text())
    manifest |= {"name": "next", "file": "next.onnx", "sha256": sha256(models / "next.onnx")}
    (models / "next.json").write_text(json.dumps(manifest))
    return models


def sha256(path: Path) -> str:
    """In hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def screen_killed(rig: Rig, times: int, random: Random) -> Finding:
    """The door serves the screen, decides all the while, and takes the next screen."""
    set_pin(rig.folder / "pin", "271828")
    finding = Finding("kill -9 of the screen", times, "the door goes on deciding and takes the next screen")
    door = rig.door("--screen")
    finding.as_expected = rig.recovered(door) < PATIENCE
    for _ in range(times):
        words = [sys.executable, "-m", "edge", "screen", "--windowed", "1024x600", "--config", str(rig.config)]
        screen = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=rig.environment(), cwd=rig.folder)
        time.sleep(random.uniform(0.5, 4.0))
        finding.as_expected &= screen.poll() is None
        screen.kill()
        screen.wait()
        door, seconds = rig.goes_on(door, time.monotonic())
        finding.recovery.append(seconds)
    finding.as_expected &= door.stop() == 0
    finding.lost = rig.lost()
    return finding

"""What lies on the disk, spoilt; and the disk itself, full or read-only."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from evaluation.faults.rig import PATIENCE, ROOT, Finding, Rig, Unavailable, kept, put_back, soon

MODELS = ROOT / "models"
IMAGE = 16 << 20  # bytes of a file system in a file
LITTLE = 16 << 10  # bytes that a file may have while the disk is full
QUIET = 3.0  # seconds in which nobody is let in by a door that runs on


def garbage(path: Path, random: Random) -> None:
    """Its middle half is noise."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(random.randbytes(max(size // 2, 1)))


def _one_byte(path: Path, random: Random) -> None:
    """One bit of the second half flips."""
    whole = bytearray(path.read_bytes())
    whole[random.randrange(len(whole) // 2, len(whole))] ^= 1 << random.randrange(8)
    path.write_bytes(whole)


def _cut(path: Path, random: Random) -> None:
    os.truncate(path, random.randrange(1, path.stat().st_size))


def _at_rest(
    rig: Rig,
    finding: Finding,
    random: Random,
    path: Path,
    spoil: Callable[[Path, Random], object],
    code: int,
    word: str,
    settings: Mapping[str, object] | None = None,
) -> None:
    """Spoils a file before the start: the door ends with that code and word; put right, it lets her in."""
    before, mode = path.read_bytes(), path.stat().st_mode
    spoil(path, random)
    door = rig.door(settings=settings)
    finding.as_expected &= soon(lambda: not door.alive) and door.code == code and bool(re.search(word, door.said, re.I))
    finding.as_expected &= "Traceback" not in door.said
    if not finding.as_expected:
        finding.seen = f"exit code {door.code}: {door.said[-300:]}"
    path.write_bytes(before)
    path.chmod(mode)
    _again(rig, finding, settings)


def _again(rig: Rig, finding: Finding, settings: Mapping[str, object] | None = None) -> None:
    """The door starts and lets her in (a brisk rig leaves that out); nobody was lost."""
    finding.lost += rig.lost()
    if rig.brisk:
        return
    door = rig.door(settings=settings)
    finding.recovery.append(rig.recovered(door))
    finding.as_expected &= finding.recovery[-1] < PATIENCE and door.stop() == 0


def gallery_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """Noise in it, or cut short: it is refused."""
    finding = Finding("corrupt gallery at the start", times, "refused with exit code 6 and the way out; as before with the sound file")
    for turn in range(times):
        _at_rest(rig, finding, random, rig.settings.gallery.path, (garbage, _cut)[turn % 2], 6, "gallery")
    return finding


def gallery_corrupt_running(rig: Rig, times: int, random: Random) -> Finding:
    """Noise in it while the door runs: the door ends, or goes on with what it has in memory; the next start is refused."""
    finding = Finding("gallery spoilt while the door runs", times, "")
    path = rig.settings.gallery.path
    outcomes = set()
    for _ in range(times):
        before = kept(path)
        door = rig.door()
        finding.as_expected &= rig.recovered(door) < PATIENCE
        garbage(path, random)
        soon(lambda door=door: not door.alive, QUIET)  # type: ignore[misc]
        outcomes.add("went on with what it had in memory" if door.alive else f"ended with exit code {door.code}")
        finding.as_expected &= "Traceback" not in door.said and door.code in (None, 6)
        door.kill()
        put_back(path, before)
        _again(rig, finding)
    finding.seen = f"the door {' or '.join(sorted(outcomes))}; as before with the sound file"
    return finding


def witness_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """The file that remembers the newest state: the door runs, says so, and lets nobody in."""
    finding = Finding("corrupt witness of the gallery", times, "the door says GALLERY ALTERED and lets nobody in")
    path = rig.settings.gallery.witness_path
    for _ in range(times):
        before = path.read_bytes()
        _one_byte(path, random)
        begun = time.monotonic()
        door = rig.door()
        finding.as_expected &= soon(lambda door=door: "GALLERY ALTERED" in door.said)  # type: ignore[misc]
        time.sleep(QUIET)
        finding.false += sum(at >= begun for at, _ in rig.lock.opened)
        door.stop()
        path.write_bytes(before)
        _again(rig, finding)
    return finding


def network_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """One bit of a network file."""
    finding = Finding("corrupt network", times, "refused with exit code 5 by its SHA-256")
    models = rig.folder / "models"
    models.mkdir(exist_ok=True)
    for path in MODELS.glob("*.*"):
        shutil.copyfile(path, models / path.name)
    for turn in range(times):
        name = ("drh.onnx", "detector.onnx", "drh.json")[turn % 3]
        spoil = _one_byte if name.endswith("onnx") else _cut
        _at_rest(rig, finding, random, models / name, spoil, 5, name.partition(".")[0], {"network_models": models})
    return finding


def plan_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """Noise where plans for TensorRT lie: the door runs on the CPU."""
    finding = Finding("corrupt plan", times, "the door says why and runs on the CPU")
    plans = rig.folder / "plans"
    for name in ("detector", "drh"):
        (plans / name / "broken").mkdir(parents=True, exist_ok=True)
        for file in ("plan.engine", "plan.json", "current"):
            (plans / name / file).write_bytes(random.randbytes(4096))
            (plans / name / "broken" / file).write_bytes(random.randbytes(4096))
    for _ in range(times):
        door = rig.door(settings={"network_runtime": "auto", "network_plans": plans})
        finding.recovery.append(rig.recovered(door))
        finding.as_expected &= finding.recovery[-1] < PATIENCE and "runs on the CPU" in door.said and door.stop() == 0
    finding.lost = rig.lost()
    return finding


def configuration_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """No TOML, or an unknown key, before the start and while the door runs."""
    finding = Finding("corrupt configuration", times, "a running door goes on; the next start ends with exit code 3, file and line")
    spoils: list[Callable[[Path, Random], object]] = [garbage, lambda path, _: path.write_text("[decision]\nfpri = 0.1\n")]
    for turn in range(times):
        before = rig.config.read_text()
        door = rig.door()
        finding.as_expected &= rig.recovered(door) < PATIENCE
        spoils[turn % 2](rig.config, random)
        finding.as_expected &= rig.recovered(door, time.monotonic()) < PATIENCE and door.stop() == 0
        rig.config.write_text(before)
        _at_rest(rig, finding, random, rig.config, spoils[turn % 2], 3, r"door\.toml")
    return finding


def calibration_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """No calibration but noise; or the required one gone."""
    finding = Finding("corrupt calibration", times, "refused with exit code 3")
    path = rig.settings.calibration.path
    for _ in range(times):
        path.write_bytes(random.randbytes(500))
        door = rig.door()
        finding.as_expected &= soon(lambda door=door: not door.alive) and door.code == 3 and "calibration" in door.said  # type: ignore[misc]
        path.unlink()
        door = rig.door(settings={"calibration_required": "true"})
        finding.as_expected &= soon(lambda door=door: not door.alive) and door.code == 3  # type: ignore[misc]
        _again(rig, finding)
    return finding


def key_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """Another root key, or half of it."""
    finding = Finding("corrupt root key", times, "refused with exit code 7")
    for turn in range(times):
        _at_rest(rig, finding, random, rig.settings.keys.file, (garbage, _cut)[turn % 2], 7, "key")
    return finding


def audit_corrupt(rig: Rig, times: int, random: Random) -> Finding:
    """Noise in the audit log while the door runs: the door goes on, and the log tells of the damage."""
    finding = Finding(
        "audit log spoilt while the door runs", times, "the door goes on and writes on in a new chain; `edge audit verify` tells"
    )
    for _ in range(times):
        door = rig.door()
        finding.as_expected &= rig.recovered(door) < PATIENCE
        before = sorted((rig.folder / "audit").glob("audit-*.jsonl"))
        garbage(before[-1], random)
        since = time.monotonic()
        finding.recovery.append(rig.recovered(door, since))
        finding.as_expected &= finding.recovery[-1] < PATIENCE
        finding.as_expected &= soon(lambda before=before: len(list((rig.folder / "audit").glob("audit-*.jsonl"))) > len(before))  # type: ignore[misc]
        finding.as_expected &= door.stop() == 0 and not rig.audit_is_sound()
        shutil.rmtree(rig.folder / "audit")
    finding.lost = rig.lost()
    return finding


def disk_full(rig: Rig, times: int, random: Random) -> Finding:
    """No file of the running door may grow (RLIMIT_FSIZE); then there is room again."""
    finding = Finding("full disk", times, "")
    for _ in range(times):
        door = rig.door()
        finding.as_expected &= rig.recovered(door) < PATIENCE
        door.full_disk(LITTLE)
        since = time.monotonic()
        finding.as_expected &= soon(lambda door=door: "event not recorded" in door.said)  # type: ignore[misc]
        finding.as_expected &= rig.recovered(door, since) < PATIENCE
        time.sleep(random.uniform(0, 1))
        door.full_disk(0)
        finding.recovery.append(rig.recovered(door, time.monotonic()))
        finding.as_expected &= door.stop() == 0 and rig.audit_is_sound()
    finding.lost = rig.lost()
    finding.seen = "it says that events are not recorded, lets her in all the same, and records again when there is room"
    return finding


def read_only_disk(rig: Rig, times: int, random: Random) -> Finding:
    """A file system that went read-only: the door does not start; writable again, it does."""
    finding = Finding("read-only disk at the start", times, "refused with exit code 6 and the place; as before once it is writable")
    with _on_a_disk_of_its_own(rig) as disk:
        for _ in range(times):
            _remount(disk, "ro")
            door = rig.door()
            finding.as_expected &= soon(lambda door=door: not door.alive) and door.code == 6 and "read-only" in door.said  # type: ignore[misc]
            if not finding.as_expected:
                finding.seen = f"exit code {door.code}: {door.said[-300:]}"
            _remount(disk, "rw")
            _again(rig, finding)
    return finding


def disk_turns_read_only(rig: Rig, times: int, random: Random) -> Finding:
    """A file system (ext4 in a file) that the kernel makes read-only under the running door, as after an error of the disk."""
    finding = Finding("disk that turns read-only while the door runs", times, "the door goes on; mended and mounted again, all is there")
    for _ in range(times):
        with _ext4(rig) as (disk, image):
            door = rig.door()
            finding.as_expected &= rig.recovered(door) < PATIENCE
            time.sleep(random.uniform(0, 1))
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=True, capture_output=True)
            finding.as_expected &= rig.recovered(door, time.monotonic()) < PATIENCE and "Traceback" not in door.said
            finding.as_expected &= soon(lambda door=door: "not recorded" in door.said)  # type: ignore[misc]
            door.stop()
            subprocess.run(["umount", str(disk)], check=True, capture_output=True)
            subprocess.run(["e2fsck", "-fy", str(image)], check=False, capture_output=True)
            subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True, capture_output=True)
            _again(rig, finding)
    return finding


@contextmanager
def _ext4(rig: Rig) -> Iterator[tuple[Path, Path]]:
    """The gallery and the key on an ext4 file system in a file: its place, and the file. Raises Unavailable where it cannot be mounted."""
    place = Path(tempfile.mkdtemp(dir=rig.folder))  # each time another one: the last may be held by the kernel for a while
    disk, image = place / "disk", place / "image"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(disk)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(f"no ext4 in a file can be mounted here ({error}); be root, with loop devices") from error
    try:
        rig.furnish(disk)
        yield disk, image
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)


def file_system_full(rig: Rig, times: int, random: Random) -> Finding:
    """A small file system filled to the last byte while the door runs, and before an enrolment."""
    finding = Finding("full file system (ENOSPC)", times, "it goes on letting her in; an enrolment is refused with exit code 6 or 12")
    with _on_a_disk_of_its_own(rig) as disk:
        for _ in range(times):
            door = rig.door()
            finding.as_expected &= rig.recovered(door) < PATIENCE
            _fill(disk / "filler")
            since = time.monotonic()
            finding.as_expected &= soon(lambda door=door: "not recorded" in door.said or "cannot be written" in door.said)  # type: ignore[misc]
            finding.as_expected &= rig.recovered(door, since) < PATIENCE
            refused = rig.command("rotate")
            finding.as_expected &= refused.returncode in (6, 12) and "Traceback" not in refused.stderr
            if not finding.as_expected:
                finding.seen = f"{door.code}, {refused.returncode}: {door.said[-300:]} {refused.stderr[-300:]}"
            (disk / "filler").unlink()
            finding.recovery.append(rig.recovered(door, time.monotonic()))
            finding.as_expected &= door.stop() == 0 and finding.recovery[-1] < PATIENCE and rig.audit_is_sound()
            finding.lost += rig.lost()
    return finding


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(65536))
    with suppress(OSError), path.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


@contextmanager
def _on_a_disk_of_its_own(rig: Rig) -> Iterator[Path]:
    """The gallery, the key and the audit log on a file system of 4 MB (tmpfs). Raises Unavailable where this user may not mount."""
    disk = rig.folder / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "edge-faults", str(disk)], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"nothing may be mounted here ({done.stderr.strip()}); be root, outside of a container")
    try:
        rig.furnish(disk)
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def _remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True, capture_output=True)

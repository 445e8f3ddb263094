"""Faults done to a real door process while it watches a stream; what was lost, what opened, how soon it works again.

    python -m evaluation.reliability [--quick] [--only NAME ...] [--times FACTOR] [--seed N] [--facts FILE] [--out docs/reliability.md]

The door is ``edge run``, on a recorded stream of which the truth is known: one enrolled person, one stranger, nobody, in turn. In place of
the lock stands a twin that takes the door's signed webhook. Eleven others are enrolled too, so that there is something to lose. Each fault
has a rig of its own. ``--quick`` does each fault a few times (tests/test_reliability.py does the same), ``--times`` multiplies how often.
What was found is kept as JSON in the file of facts, so that faults can be done one by one with ``--only``; the document is written from all
of it. The last line of output is JSON; the exit code is 1 if anything was lost, opened wrongly, or was not as it must be.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

from rich.table import Table

from evaluation.faults import files, kills, load, world
from evaluation.faults.rig import Fault, Finding, Unavailable, prepare, rigged
from evaluation.pictures import CONSOLE, answer, count
from evaluation.report import as_rows, commit, markdown

COMMAND = "python -m evaluation.reliability"
FACTS, OUT = Path("var/evaluation/reliability.json"), Path("docs/reliability.md")


@dataclass(frozen=True)
class Wanted:
    """A fault, and how often it is done in the quick form and in the whole one."""

    fault: Fault
    quick: int
    whole: int


FAULTS: dict[str, Wanted] = {
    "door_killed": Wanted(kills.door_killed, 2, 200),
    "enrolment_killed": Wanted(kills.enrolment_killed, 1, 50),
    "rotation_killed": Wanted(kills.rotation_killed, 1, 50),
    "rebind_killed": Wanted(kills.rebind_killed, 2, 50),
    "moving_door_killed": Wanted(kills.moving_door_killed, 1, 20),
    "backup_killed": Wanted(kills.backup_killed, 1, 40),
    "restore_killed": Wanted(kills.restore_killed, 2, 50),
    "screen_killed": Wanted(kills.screen_killed, 1, 10),
    "disk_full": Wanted(files.disk_full, 1, 10),
    "file_system_full": Wanted(files.file_system_full, 1, 3),
    "read_only_disk": Wanted(files.read_only_disk, 1, 3),
    "disk_turns_read_only": Wanted(files.disk_turns_read_only, 1, 3),
    "gallery_corrupt": Wanted(files.gallery_corrupt, 1, 6),
    "gallery_corrupt_running": Wanted(files.gallery_corrupt_running, 1, 5),
    "witness_corrupt": Wanted(files.witness_corrupt, 1, 3),
    "network_corrupt": Wanted(files.network_corrupt, 1, 6),
    "plan_corrupt": Wanted(files.plan_corrupt, 1, 3),
    "configuration_corrupt": Wanted(files.configuration_corrupt, 1, 4),
    "calibration_corrupt": Wanted(files.calibration_corrupt, 1, 3),
    "key_corrupt": Wanted(files.key_corrupt, 1, 4),
    "audit_corrupt": Wanted(files.audit_corrupt, 1, 5),
    "clock_jumps": Wanted(world.clock_jumps, 2, 12),
    **{name: Wanted(fault, 1, 5) for name, fault in world.ways(world.camera, *world.WAYS).items()},
    "camera_gone_for_good": Wanted(world.camera_gone_for_good, 1, 2),
    **{name: Wanted(fault, 1, 5) for name, fault in world.ways(world.broker, "gone", "slow", "hostile").items()},
    "many_frames": Wanted(load.many_frames, 1, 30),
    "storm": Wanted(load.storm, 6, 100),
}
ABOUT = """# Faults survived

Each row is a fault done to a real process of the door (`edge run`) while it watched a stream, or just before it started. The stream shows
an enrolled person, a stranger and nobody, in turn, so that the truth of every moment is known. In place of the lock stands a twin that
takes the door's signed messages on loopback and opens for unlocks that are in time; eleven more people are enrolled, so that there is
something to lose. **Lost**: references that were enrolled and are not found any more. **False unlocks**: the lock opened, or somebody was
named, for anybody but the enrolled person, while that person was not there, or while nobody may be let in. **Recovery**: from the end of
the fault, or from the start of the new process, until the lock opened for the enrolled person; in the stream's own pace, up to 5 s of it
pass until that person comes again.

The camera is a twin inside the door's process, which fails as it is told. The clock is changed by libfaketime, the wall clock only: Linux
does not let the monotonic one jump. The full disk is a limit on the size of the process's files (RLIMIT_FSIZE), and a tmpfs of 4 MB filled
to the last byte; the read-only disk is that tmpfs, or an ext4 file system that
the kernel aborts. The broker is a real mosquitto on loopback. The builder of plans is killed by
`tests/test_build_job.py`, with a twin of TensorRT; the guard of the relay by `tests/test_relay.py`. Not tried here: power cuts
(`tests/machine_trial.sh`: [deployment.md](deployment.md#what-was-tested-on-which-hardware)), failing flash memory, and anything on a
Jetson or a Raspberry Pi.

Found by these faults and mended: a running door ended when another program's change fell between its look at the gallery and its look at
the witness; killed in the middle of a restore there was no gallery in its place; a full disk was told at every event instead of once;
Ctrl-C could tear a JSON line; killed between putting the restored gallery in its place and signing it, `edge restore` had to be run again,
and until then nobody was let in.

Rows are kept from run to run until the same fault is done again (`--only`), so that some may be older than the commit named below.
"""


def one(name: str, times: int, ready: Path, seed: int, *, brisk: bool = False) -> Finding:
    """A fault done so many times with a rig of its own. Raises Unavailable where this machine cannot do it."""
    with tempfile.TemporaryDirectory(prefix="edge-fault-") as folder, rigged(ready, Path(folder), brisk=brisk) as rig:
        finding = FAULTS[name].fault(rig, times, Random(f"{seed} {name}"))  # noqa: S311 - moments, not secrets
        finding.false += rig.false()
        return finding


def everything(names: Sequence[str], how_often: Mapping[str, int], seed: int, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Name -> what was found, or why it could not be done. keep: is given all of it so far after each fault."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="edge-faults-") as folder:
        ready = Path(folder) / "ready"
        prepare(ready)
        for name in names:
            CONSOLE.print(f"{name} x {how_often[name]}", style="dim", highlight=False)
            try:
                finding = one(name, how_often[name], ready, seed)
            except Unavailable as error:
                found[name] = {"fault": name, "not_done": str(error)}
                continue
            found[name] = finding.facts()
            keep(found)
            if not finding.survived:
                CONSOLE.print(f"{name}: NOT AS IT MUST BE: {finding}", style="red", markup=False)
    return found


def table(facts: Mapping[str, Any]) -> Table:
    """Every fault in a row."""
    made = Table(title="")
    for heading in ("fault", "times", "what was seen", "lost", "false unlocks", "recovery, median (most)", "survived"):
        made.add_column(heading)
    for name in FAULTS:
        if (row := facts.get(name)) is None:
            continue
        if "not_done" in row:
            made.add_row(row["fault"], "0", f"not done: {row['not_done']}", "-", "-", "-", "-")
            continue
        times = "-" if row["recovery_median_s"] is None else f"{row['recovery_median_s']:.1f} s ({row['recovery_most_s']:.1f} s)"
        survived = "yes" if row["survived"] else "NO"
        made.add_row(row["fault"], f"{row['times']:,}", row["seen"], str(row["lost"]), str(row["false"]), times, survived)
    return made


def document(facts: Mapping[str, Any]) -> str:
    """The page docs/reliability.md."""
    rows = facts["faults"]
    done = [row for row in rows.values() if "not_done" not in row]
    total = sum(row["times"] for row in done)
    killed = sum(row["times"] for row in done if row["fault"].startswith("kill -9"))
    sums = (
        f"{len(done)} kinds of faults, {total:,} times, {killed:,} of them kill -9: {sum(row['lost'] for row in done)} references lost, "
        f"{sum(row['false'] for row in done)} false unlocks, {sum(not row['survived'] for row in done)} kinds not survived."
    )
    return "\n".join([ABOUT, f"    {facts['command']}", "", facts["machine"], "", sums, "", markdown(as_rows(table(rows))), ""])


def machine() -> str:
    """One sentence on where it was measured."""
    return (
        f"Measured on {platform.machine()} {platform.system()}, {os.cpu_count()} cores shared with other work (load average "
        f"{os.getloadavg()[0]:.1f}), Python {platform.python_version()}, {datetime.now(timezone.utc):%Y-%m-%d}, commit {commit()}."
    )


def main(arguments: Sequence[str] = ()) -> int:
    """Do the faults, keep what was found, write the document; 1 if anything was not as it must be."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="faults done to a real door, and what came of them")
    parser.add_argument("--quick", action="store_true", help="each fault a few times")
    parser.add_argument("--only", nargs="+", choices=sorted(FAULTS), metavar="NAME", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--times", type=count, default=1, help="how often each fault is done is multiplied by this")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments")
    parser.add_argument("--facts", type=Path, default=FACTS, help="JSON file of what was found")
    parser.add_argument("--out", type=Path, default=OUT, help="the document")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # else a run in a shell's background ends no door by Ctrl-C
    names = asked.only or list(FAULTS)
    often = {name: asked.times * (FAULTS[name].quick if asked.quick else FAULTS[name].whole) for name in names}
    flags = " --quick" * asked.quick + (f" --times {asked.times}" if asked.times > 1 else "")
    before = json.loads(asked.facts.read_text())["faults"] if asked.facts.exists() else {}
    codes: list[bool] = []

    def keep(found: dict[str, Any]) -> None:
        facts = {"command": f"{COMMAND}{flags}", "machine": machine(), "faults": before | found}
        asked.facts.parent.mkdir(parents=True, exist_ok=True)
        asked.facts.write_text(json.dumps(facts, indent=1) + "\n")
        asked.out.write_text(document(facts), encoding="utf-8")

    def measure() -> tuple[list[Table], dict[str, Any]]:
        found = everything(names, often, asked.seed, keep)
        keep(found)
        codes.extend(row.get("survived", True) for row in found.values())
        return [table(found)], {"faults": found, "survived": all(codes)}

    return answer(measure) or int(not all(codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

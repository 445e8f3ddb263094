"""What the doctor asks the machine itself: how hot it is, who else could read or change what is ours, what systemd says of the units."""

import os
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

THERMAL = Path("/sys/class/thermal")
INSTALLED = Path("/etc/systemd/system")
UNITS = (
    *("edge-door.service", "edge-engine.service", "edge-screen.service", "edge-backup.service", "edge-purge.service"),
    *("edge-backup.timer", "edge-purge.timer"),
)
PATIENCE = 5.0  # seconds that systemd has for an answer
LEAST_DISK = 200 * 2**20  # bytes; with less free the storage counts as full


def hottest(root: Path = THERMAL) -> tuple[str, float] | None:
    """The hottest sensor and its degrees Celsius; None where the machine shows none."""
    found = []
    for zone in root.glob("thermal_zone*"):
        try:
            found.append((float((zone / "temp").read_text()) / 1000, (zone / "type").read_text().strip()))
        except (OSError, ValueError):
            continue  # some boards have zones that are switched off
    return max(found)[::-1] if found else None


@dataclass(frozen=True)
class Access:
    """Whose a file is and who else may do what. way_out: the command that puts it right."""

    path: Path
    told: str
    way_out: str


def open_to_others(private: Iterable[Path], user: int | None = None) -> list[Access]:
    """Those of these files and folders that belong to somebody else or let somebody else in. user: who runs the door."""
    user = os.geteuid() if user is None else user
    found = []
    for path in private:
        facts = _facts(path)
        if facts is None:
            continue
        if facts.st_uid != user:
            found.append(Access(path, f"{path} belongs to user {facts.st_uid}, this program runs as {user}", f"chown {user} {path}"))
        elif facts.st_mode & 0o077:
            way_out = f"chmod go= {path}"
            found.append(Access(path, f"{path} lets others in (mode {stat.S_IMODE(facts.st_mode):04o})", way_out))
    return found


def writable_by_others(trusted: Iterable[Path]) -> list[Access]:
    """Those of these files and folders that anybody could change."""
    found = []
    for path in trusted:
        facts = _facts(path)
        if facts and facts.st_mode & 0o002 and not facts.st_mode & stat.S_ISVTX:
            found.append(Access(path, f"anybody can write {path}", f"chmod o-w {path}"))
    return found


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@dataclass(frozen=True)
class Units:
    """state: of a check. told: what was seen. remedy: what to do."""

    state: str
    told: str
    remedy: str = ""


def units(shipped: Path, *, installed: Path = INSTALLED, systemctl: str = "systemctl", booted: Path = Path("/run/systemd/system")) -> Units:
    """Whether the door is installed as a service, as this version ships it, and runs. shipped: the folder with this version's units."""
    here = [name for name in UNITS if (installed / name).exists()]
    if not here:
        return Units("unknown", "the door is not installed as a service", "`systemd/install.sh` installs it, where it is to run by itself")
    if old := [name for name in here if _differs(shipped / name, installed / name)]:
        return Units("warn", f"{', '.join(old)}: not as this version ships it", "run `systemd/install.sh` again")
    if not booted.is_dir():
        return Units("unknown", f"{', '.join(here)} are installed, but systemd does not run here", "look on the running door")
    states = {name: _state(systemctl, name) for name in here}
    if broken := [f"{name} {state}" for name, state in states.items() if state in ("failed", "no answer")]:
        return Units("fail", ", ".join(broken), "`journalctl -u edge-door` says why")
    told = ", ".join(f"{name} {state}" for name, state in states.items())
    if states.get("edge-door.service") != "active":
        return Units("fail", told, "`systemctl enable --now edge-door`")
    return Units("pass", told)


def door_runs(systemctl: str = "systemctl", booted: Path = Path("/run/systemd/system")) -> bool:
    """Whether the service is up now, and so holds the camera."""
    return booted.is_dir() and _state(systemctl, UNITS[0]) == "active"


def _differs(shipped: Path, installed: Path) -> bool:
    try:
        return shipped.read_bytes() != installed.read_bytes()
    except OSError:
        return True


def _state(systemctl: str, unit: str) -> str:
    try:
        done = subprocess.run([systemctl, "is-active", unit], capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "no answer"
    return done.stdout.strip() or "no answer"

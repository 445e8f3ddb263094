"""Is there room for a build? Asked before, and answered with numbers: a board that runs out of memory kills the door."""

import shutil
from pathlib import Path

from build_engine.boards import Profile
from build_engine.errors import RefusedError

MEMINFO = Path("/proc/meminfo")
MIB = 1 << 20


def check_room(profile: Profile, folder: Path, meminfo: Path = MEMINFO) -> None:
    """Raises RefusedError when memory or disk are short. folder: where plans are kept; it exists."""
    memory, disk = free_memory(meminfo), shutil.disk_usage(folder).free // MIB
    if memory is not None and memory < profile.free_memory:
        raise RefusedError(f"{memory} MiB of memory are free, a build needs {profile.free_memory}; stop what else runs, or add swap")
    if disk < profile.free_disk:
        raise RefusedError(f"{folder}: {disk} MiB of disk are free, a build needs {profile.free_disk}; free some, or move network.plans")


def free_memory(meminfo: Path = MEMINFO) -> int | None:
    """MiB that programs can still have, swap included; None where the kernel does not say."""
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        return sum(int(rows[name].split()[0]) for name in ("MemAvailable", "SwapFree")) // 1024
    except (OSError, KeyError, ValueError):
        return None

"""Whether somebody keeps the wall clock right: NTP, PTP or GNSS. The kernel says so (adjtimex(2)).

A service with ProtectClock= may not ask the kernel, not even to read; there the file counts that systemd-timesyncd makes when it has
synchronised the clock since the machine was started (systemd-timesyncd.service(8)).
"""

import ctypes
from functools import lru_cache
from pathlib import Path
from typing import Any

TIMEX_BYTES = 512  # more than struct timex has anywhere; all zero asks and changes nothing
TIME_ERROR = 5  # "the clock is not synchronized"
TIMESYNCD = Path("/run/systemd/timesync/synchronized")


@lru_cache(maxsize=1)
def _adjtimex() -> Any:
    return ctypes.CDLL(None).adjtimex


def kernel_state() -> int:
    """What adjtimex(2) answers; below 0 where it may not be asked."""
    try:
        return int(_adjtimex()(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):
        return -1


def synchronised(marker: Path = TIMESYNCD) -> bool:
    """False also where nobody can be asked. marker: asked where the kernel may not be."""
    return synchronised_by(kernel_state(), marker)


def synchronised_by(state: int, marker: Path) -> bool:
    """state: of the kernel."""
    return state < TIME_ERROR if state >= 0 else marker.exists()

"""Keys stay out of swap and core dumps, as far as the system lets a process say so."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4
_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4  # mlockall: pages are locked when first touched, so that untouched ones cost nothing


def harden() -> list[str]:
    """No core dumps, no attaching debugger of the same user, no page of this process in swap. Returns what could not be had, and why."""
    problems = []
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    system = ctypes.CDLL(None, use_errno=True)
    if system.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        problems.append(f"memory of this process can be dumped: {os.strerror(ctypes.get_errno())}")
    if system.mlockall(_CURRENT | _FUTURE | _ON_FAULT):
        way_out = "LimitMEMLOCK=infinity in the unit, or no swap on this device"
        problems.append(f"keys may reach swap ({os.strerror(ctypes.get_errno())}); {way_out}")
    return problems

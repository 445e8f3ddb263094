"""Whether the kernel says that somebody keeps its wall clock right (adjtimex(2)): NTP, PTP or GNSS."""

import ctypes
from functools import lru_cache
from typing import Any

TIMEX_BYTES = 512  # more than struct timex has anywhere; all zero asks and changes nothing
TIME_ERROR = 5  # "the clock is not synchronized"


@lru_cache(maxsize=1)
def _adjtimex() -> Any:
    return ctypes.CDLL(None).adjtimex


def synchronised() -> bool:
    """False also where the kernel cannot be asked."""
    try:
        state = int(_adjtimex()(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < TIME_ERROR

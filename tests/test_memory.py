"""A hardened process cannot be dumped, and its pages stay out of swap where the system allows."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CHILD = """
import resource
from edge.keys.memory import harden
problems = harden()
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
locked = int(status["VmLck"].split()[0])
print(resource.getrlimit(resource.RLIMIT_CORE), bool(locked), [problem for problem in problems if "swap" in problem])
import ctypes
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


def test_no_core_no_dump_and_no_swap_or_it_is_said() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, cwd=ROOT, check=True)
    first, dumpable = done.stdout.splitlines()
    assert dumpable == "0"
    assert first.startswith("(0, 0) ")
    assert ("True" in first) != ("LimitMEMLOCK=infinity" in first), "pages are locked, or it is told why not"

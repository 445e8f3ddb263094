"""A root key from a helper program: the hook for a PKCS#11 token, OP-TEE, or whatever else holds it on this device."""

import os
import shlex
import stat
import subprocess
from pathlib import Path

from edge.errors import KeySourceError

TIMEOUT = 30.0  # seconds; a token may ask its reader first


def key_from(command: str, size: int) -> bytes:
    """The bytes that the program writes to stdout: exactly ``size``. What it says on stderr is shown where it fails.

    It is named by its full path, and only root or this user may write to it: whoever changes it has the key. Raises KeySourceError.
    """
    words = shlex.split(command)
    _check(words, command)
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise KeySourceError(f"keys.command {words[0]}: gave no key within {TIMEOUT:.0f} s: check the token and its reader") from None
    except OSError as error:
        raise KeySourceError(f"keys.command {words[0]}: {error.strerror}: check that it can be run") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise KeySourceError(f"keys.command {words[0]}: ended with exit code {done.returncode}: {said[-1] if said else 'it said nothing'}")
    if len(done.stdout) != size:
        raise KeySourceError(f"keys.command {words[0]}: wrote {len(done.stdout)} bytes, {size} expected: let it write the raw key alone")
    return done.stdout


def _check(words: list[str], command: str) -> None:
    if not words or not words[0].startswith("/"):
        raise KeySourceError(f"keys.command '{command}': name the program by its full path")
    program = Path(words[0])
    try:
        facts = program.stat()
    except OSError as error:
        raise KeySourceError(f"keys.command {program}: {error.strerror}: check the path") from error
    if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in (0, os.geteuid()) or facts.st_mode & 0o022:
        raise KeySourceError(f"keys.command {program}: others may change it: let it belong to root, with mode 0755 or less")

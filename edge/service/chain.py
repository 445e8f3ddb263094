"""A line of the audit log: one JSON object, closed by a keyed code over itself and over the code of the line before it.

    {"n":7,"time":"2026-01-31T08:00:00Z","kind":"enrol","facts":{"samples":12,"subject":"9f..."},"mac":"64 hex digits"}

mac = HMAC-SHA-256(key, "edge-face audit 1 line" || 0 || mac of the line before, 32 bytes || the bytes of this line before ``,"mac"``).
Bytes are checked as they stand in the file, so there is one way to write a line and no canonical form to argue about.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAC_BYTES = 32
MOST_BYTES = 4096  # of one line with its newline
START = bytes(MAC_BYTES)  # stands before the first line of all
OPENED, PRUNED, REPAIRED, LOST = "opened", "pruned", "repaired", "lost"
OWN = (OPENED, PRUNED, REPAIRED, LOST)  # kinds that the log writes about itself

_WORD = re.compile(r"[a-z0-9][a-z0-9_.:+-]{0,127}")
_TAIL = re.compile(rb'(.*),"mac":"([0-9a-f]{64})"\}', re.DOTALL)

Fact = str | int | bool | None | list[str]


@dataclass(frozen=True)
class Line:
    """number: from 1, without gaps. time: wall clock, UTC. facts: opaque ids, counts and words. mac: 32 bytes."""

    number: int
    time: str
    kind: str
    facts: Mapping[str, Any]
    mac: bytes

    def shown(self) -> dict[str, Any]:
        """JSON-ready, without the code."""
        return {"n": self.number, "time": self.time, "kind": self.kind, "facts": dict(self.facts)}


def require_plain(kind: str, facts: Mapping[str, Any]) -> None:
    """ValueError for what may not stand in the log: a fraction (scores are such) or a text that is no lower-case word or id (names)."""
    for name, value in [("kind", kind), *facts.items()]:
        each = value if isinstance(value, list) else [value]
        if not _WORD.fullmatch(name) or not all(one is None or isinstance(one, int) or _is_word(one) for one in each):
            raise ValueError(f"audit fact {name}: only ids, lower-case words, whole numbers and yes or no belong there, not {type(value)}")


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def sealed(key: bytes, before: bytes, number: int, time: str, kind: str, facts: Mapping[str, Any], purpose: str = "line") -> bytes:
    """The bytes of a line, newline included. ValueError if it is longer than a line may be."""
    entry = {"n": number, "time": time, "kind": kind, "facts": dict(facts)}
    body = json.dumps(entry, separators=(",", ":"), sort_keys=False, ensure_ascii=True).encode()[:-1]
    raw = body + b',"mac":"' + _mac(key, purpose, before, body).hex().encode() + b'"}\n'
    if len(raw) > MOST_BYTES:
        raise ValueError(f"audit line of {len(raw)} bytes: at most {MOST_BYTES} fit; log fewer facts")
    return raw


def opened(key: bytes, before: bytes, raw: bytes, purpose: str = "line") -> Line:
    """The line of these bytes (without newline). ValueError unless it was made with this key after the line whose code is ``before``."""
    line, body = _parsed(raw)
    if not hmac.compare_digest(line.mac, _mac(key, purpose, before, body)):
        raise ValueError("altered, moved, or made with another key")
    return line


def first_of_file(key: bytes, raw: bytes) -> Line:
    """The opening line of a file, which itself says what it follows. ValueError as ``opened``."""
    line, _ = _parsed(raw)
    if line.kind != OPENED:
        raise ValueError(f"the first line of a file is of kind '{line.kind}', not '{OPENED}'")
    return opened(key, previous(line), raw)


def previous(line: Line) -> bytes:
    """The code before an opening line, as it states it. ValueError if it states none."""
    stated = line.facts.get("previous")
    if not (isinstance(stated, str) and re.fullmatch(r"[0-9a-f]{64}", stated)):
        raise ValueError("the opening line does not say what it follows")
    return bytes.fromhex(stated)


def unchecked(raw: bytes) -> Line:
    """The line of these bytes, its code not checked. ValueError if it is none."""
    return _parsed(raw)[0]


def _parsed(raw: bytes) -> tuple[Line, bytes]:
    found = _TAIL.fullmatch(raw) if len(raw) < MOST_BYTES else None
    if found is None:
        raise ValueError("no line of an audit log")
    try:
        entry = json.loads(found[1] + b"}")
        number, time, kind, facts = entry["n"], entry["time"], entry["kind"], entry["facts"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("no line of an audit log") from error
    if not (type(number) is int and isinstance(time, str) and isinstance(kind, str) and isinstance(facts, dict)):
        raise ValueError("no line of an audit log")
    return Line(number, time, kind, facts, bytes.fromhex(found[2].decode())), found[1]


def _mac(key: bytes, purpose: str, before: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"edge-face audit 1 " + purpose.encode() + b"\0" + before + body, hashlib.sha256)

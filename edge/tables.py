"""TOML files as tables whose keys have dotted names, and the place at which each is set."""

import difflib
import re
import sys
from pathlib import Path
from typing import Any

from edge.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read(path: Path) -> dict[str, Any]:
    """The tables of a file. Raises SettingsError."""
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return tables
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name a readable TOML file with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error


def names(tables: dict[str, Any]) -> list[str]:
    """Dotted names of all keys: "gallery.path"."""
    return [
        f"{table}.{key}" if key else table for table, section in tables.items() for key in (section if isinstance(section, dict) else [""])
    ]


def get(tables: dict[str, Any], name: str) -> Any:
    """The value of a dotted name."""
    table, _, key = name.partition(".")
    return tables[table][key] if key else tables[table]


def put(tables: dict[str, Any], name: str, value: Any) -> None:
    """Sets the value of a dotted name."""
    table, _, key = name.partition(".")
    tables[table][key] = value


def place(path: Path, name: str) -> str:
    """File and line at which a dotted name is set."""
    table, _, key = name.partition(".")
    current = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        header = re.match(r"\s*\[\s*([^\]]+?)\s*\]", line)
        current = header.group(1) if header else current
        if (not key and re.match(rf"\s*{re.escape(table)}\s*=", line)) or (
            current == table and re.match(rf"\s*\"?{re.escape(key)}\"?\s*=", line)
        ):
            return f"{path}:{number}"
    return str(path)


def nearest(name: str, known: set[str]) -> str:
    """What somebody who wrote an unknown name may have meant."""
    key = name.rpartition(".")[2]
    near = difflib.get_close_matches(name, known, 1, 0.6) or [
        full for full in sorted(known) if difflib.get_close_matches(key, [full.rpartition(".")[2]], 1, 0.7)
    ]
    return f"; did you mean '{near[0]}'?" if near else "; `edge config show` lists all keys"

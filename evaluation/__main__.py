"""Every measurement as one command: ``python -m evaluation NAME ...`` is ``python -m evaluation.NAME ...``; without a name, the list."""

import importlib
import pkgutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

import evaluation


def commands() -> dict[str, str]:
    """Name -> what it measures: the modules whose documentation names a command line, and its first line."""
    found = {}
    for module in pkgutil.iter_modules(evaluation.__path__):
        if module.name == "__main__":
            continue
        text = importlib.import_module(f"evaluation.{module.name}").__doc__ or ""
        if f"python -m evaluation.{module.name}" in text:
            found[module.name] = text.partition("\n")[0]
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the named command with the arguments after it; 2 for a name that is none."""
    if not arguments or arguments[0] in ("-h", "--help"):
        table = Table("command", "what it measures", title="python -m evaluation NAME --help tells more")
        for name, about in commands().items():
            table.add_row(name, about)
        Console().print(table)
        return 0
    name, rest = arguments[0], list(arguments[1:])
    if name not in commands():
        Console(stderr=True).print(f"evaluation: '{name}' is none of {', '.join(commands())}", style="red", markup=False)
        return 2
    return int(importlib.import_module(f"evaluation.{name}").main(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What every command of the command line takes, and the appliance that comes of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.assembly.appliance import Appliance
from edge.assembly.report import reporter
from edge.settings import load_settings

Config = Annotated[Path | None, typer.Option("--config", help="TOML file, or folder of them, that overrides config/appliance.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Results as JSON lines on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only results, warnings and errors.")]
Who = Annotated[str, typer.Argument(help="Name or id.")]


def appliance(
    config: Path | None, as_json: bool, quiet: bool, origin: str | None = None, flags: Mapping[str, Any] | None = None
) -> Appliance:
    """The appliance of these settings."""
    said = {**(flags or {}), **({} if origin is None else {"camera.source": origin})}
    return Appliance(load_settings(config, flags=said), reporter(as_json=as_json, quiet=quiet))

"""The calibration of a site: a tail measured where the door stands, with what it was measured under. One small JSON file.

It holds counts and the numbers of a law: no name, no picture, no code, no score of a person. Whoever can write it can loosen the door, as
with the configuration: keep both writable by the operator alone.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from edge.durable import replace_file
from edge.errors import SettingsError
from edge.template.tail import NonMatedTail

MOST_BYTES = 1 << 16
WAY_OUT = "measure again with `edge calibrate SOURCE --write`, or remove the file to go back to the network's own figures"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Conditions(_Strict):
    """What a tail depends on, and must agree with what is in force: the network (SHA-256 of its file), the code it gives, and how many
    samples are fused into an approach and into a reference, and which are too uncertain."""

    network: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    m: Annotated[int, Field(ge=8)]
    q: Annotated[int, Field(ge=2)]
    min_samples: Annotated[int, Field(ge=1)]
    max_samples: Annotated[int, Field(ge=1)]
    max_log_variance: float
    enrolled_samples: Annotated[int, Field(ge=1)]


class Calibration(_Strict):
    """Format 2 (in format 1 the tail was of unequal symbols). measured: the day (YYYY-MM-DD). non_mated: the tail, with its interval."""

    format: Literal[2] = 2
    conditions: Conditions
    measured: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]
    non_mated: NonMatedTail

    @model_validator(mode="after")
    def _belongs_together(self) -> "Calibration":
        if self.non_mated.m != self.conditions.m or not self.non_mated.bounds or self.non_mated.people < 2:
            raise ValueError("'non_mated' is no tail of this code with people and an interval")
        return self


def read_calibration(path: Path, conditions: Conditions) -> Calibration:
    """Read, check, and hold against what is in force. Raises SettingsError that names the file, what is wrong and the way out."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise SettingsError(f"calibration {path}: larger than {MOST_BYTES} bytes, so it is none; {WAY_OUT}")
        found = Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"calibration {path}: cannot be read ({error.strerror}); {WAY_OUT}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        if first["loc"] == ("format",) and isinstance(first["input"], int):
            told = f"it is of format {first['input']}, from another version of this program; format 2 is read"
            raise SettingsError(f"calibration {path}: {told}; {WAY_OUT}") from error
        place = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"calibration {path}: damaged: {f'{place}: ' if place else ''}{first['msg']}; {WAY_OUT}") from error
    for name, wanted in conditions.model_dump().items():
        stated = getattr(found.conditions, name)
        if stated != wanted:
            shown = (f"{str(value)[:16]}..." if name == "network" else str(value) for value in (stated, wanted))
            raise SettingsError(f"calibration {path}: {name} was {next(shown)} when it was measured, in force is {next(shown)}; {WAY_OUT}")
    return found


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write it whole or not at all, readable by its owner only. Raises SettingsError."""
    text = calibration.model_dump_json(indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(path, text.encode())
    except OSError as error:
        raise SettingsError(
            f"calibration.path: {path} cannot be written ({error.strerror}); name another place. The calibration there before is untouched"
        ) from error

"""What each kind of board can do: ``config/boards/*.toml``, data only."""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from build_engine.errors import RefusedError
from build_engine.release import PRECISIONS
from edge.inference.plan import Board

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent.parent / "config" / "boards"
ANY = "*"


class Profile(BaseModel):
    """One file. Its fields are explained in the files themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sm: tuple[str, ...]
    precisions: tuple[str, ...]
    refusal: str
    dla: bool
    optimisation_level: Annotated[int, Field(ge=0, le=5)]
    free_memory: Annotated[int, Field(ge=1)]
    free_disk: Annotated[int, Field(ge=1)]


def read_profiles(folder: Path = FOLDER) -> dict[str, Profile]:
    """All profiles by file name. Raises RefusedError for a file that is none."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            profile = Profile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
            raise RefusedError(f"{path}: is no board profile ({error}); restore it from the release") from error
        if not set(profile.precisions) <= set(PRECISIONS):
            raise RefusedError(f"{path}: precisions {profile.precisions}; choose from {', '.join(PRECISIONS)}")
        found[path.stem] = profile
    return found


def profile_of(board: Board, profiles: dict[str, Profile]) -> tuple[str, Profile]:
    """The profile of a board, by its compute capability. Raises RefusedError when none fits."""
    for wanted in (board.sm, ANY):
        for name, profile in profiles.items():
            if wanted in profile.sm:
                return name, profile
    raise RefusedError(f"{board.gpu} (compute capability {board.sm}): no file in config/boards is for it; write one, or run on the CPU")


def allowed(profile: Profile, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The precisions to try: those asked, or all that the board can. Raises RefusedError naming the board for one that it cannot."""
    for precision in asked:
        if precision not in PRECISIONS:
            raise RefusedError(f"precision '{precision}' is not known; choose from {', '.join(PRECISIONS)}")
        if precision not in profile.precisions:
            raise RefusedError(f"{profile.name}: {precision} is refused: {profile.refusal}; choose from {', '.join(profile.precisions)}")
    return asked or profile.precisions

"""The INT8 networks made again from the float one, bit for bit, without a picture: what was measured and chosen lies in a small file.

    python -m calibration.recipe models/drh.json models/drh.recipe --out FOLDER [--form tensorrt cpu]

``calibration.quantise`` writes the recipe: the ranges of the activations, which layers are INT8, and the figures of the gate. So a release
can carry some kilobytes in place of the networks, and a site that may keep no faces still gets those that faces were measured for. A recipe
belongs to one float network and is refused for another. The last line of output is JSON.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat, JsonValue, ValidationError
from rich.console import Console

from calibration.artefact import write
from calibration.graph import Layer, prepare
from calibration.qdq import FORMS, quantised
from calibration.ranges import Ranges
from edge.errors import EdgeError, NetworkError
from edge.inference import read_manifest
from edge.inference.network import read_network


class Form(BaseModel):
    """One network. layers: in INT8. ranges: of every tensor that they need. facts: of its manifest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: tuple[str, ...]
    ranges: dict[str, tuple[FiniteFloat, FiniteFloat]]
    facts: dict[str, JsonValue]

    @classmethod
    def of(cls, layers: Iterable[Layer], ranges: Ranges, tensors: Iterable[str], facts: dict[str, Any]) -> "Form":
        """tensors: those whose ranges are needed."""
        return cls(layers=tuple(layer.name for layer in layers), ranges={name: ranges[name] for name in tensors}, facts=facts)


class Recipe(BaseModel):
    """name: of the float network, and its file's SHA-256."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    name: str
    float_sha256: str
    forms: dict[str, Form]


def save(recipe: Recipe, path: Path) -> None:
    """Write it."""
    path.write_text(recipe.model_dump_json(indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Recipe:
    """Read it. Raises NetworkError."""
    try:
        return Recipe.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise NetworkError(f"{path}: no recipe can be read ({first}); take the one that calibration.quantise wrote") from error


def again(network: Path, recipe: Recipe, forms: Sequence[str], folder: Path) -> dict[str, str]:
    """Form -> manifest of the network made. network: the float manifest. Raises NetworkError for a recipe of another network."""
    manifest = read_manifest(network)
    read_network(manifest, network)
    if manifest.sha256 != recipe.float_sha256:
        found = f"{recipe.name} {recipe.float_sha256[:12]}"
        raise NetworkError(f"{network}: is {manifest.name} {manifest.sha256[:12]}, the recipe is for {found}; calibrate this one anew")
    graph = prepare(network.parent / manifest.file)
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, form in recipe.forms.items():
        if name in forms:
            layers = [layer for layer in graph.layers if layer.name in form.layers]
            _all_known(network, layers, form)
            model = quantised(graph, layers, dict(form.ranges), name)
            made[name] = str(write(model, name, dict(form.facts), manifest, folder))
    return made


def _all_known(network: Path, layers: Sequence[Layer], form: Form) -> None:
    missing = set(form.layers) - {layer.name for layer in layers}
    if missing:
        raise NetworkError(f"{network}: this onnxruntime simplifies it to a graph without {sorted(missing)[0]}; calibrate it anew")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m calibration.recipe", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", type=Path, help="manifest of the float network")
    parser.add_argument("recipe", type=Path, help="as calibration.quantise wrote it")
    parser.add_argument("--out", type=Path, required=True, help="folder for the networks and their manifests")
    parser.add_argument("--form", nargs="+", choices=FORMS, default=list(FORMS), help="what is made (default both)")
    options = parser.parse_args(arguments)
    try:
        made = again(options.network, load(options.recipe), options.form, options.out)
    except (EdgeError, OSError) as error:
        said = error if isinstance(error, EdgeError) else NetworkError(f"{options.out}: {error.strerror}; it must be writable")
        print(json.dumps({"error": str(said), "exit_code": said.exit_code}))
        Console(stderr=True).print(f"error: {said}", style="red", markup=False, highlight=False)
        return said.exit_code
    print(json.dumps({"made": made}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

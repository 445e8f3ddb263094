"""What INT8 costs, as it was measured when the network was calibrated: read from the recipe beside it, so nothing is measured here.

    python -m evaluation.int8 [--config FILE]

The recipe is what `python -m calibration.quantise` wrote: of each form the agreement of symbols with float at the gate, and how unlike
mated and non-mated pairs are, float against float, INT8 against INT8, and a float reference against an INT8 probe. The network for TensorRT
is made of it, and Polygraphy says what is in it (``evaluation.inside``). The last line of output is JSON.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from edge.assembly import build
from edge.errors import NetworkError
from edge.inference import Manifest
from edge.settings import load_settings
from evaluation import inside
from evaluation.pictures import Answer, answer

KINDS = {"float_float": "float against float", "int8_int8": "INT8 against INT8", "float_int8": "float reference, INT8 probe"}


def recipe_of(models: Path, manifest: Manifest) -> dict[str, Any]:
    """The recipe of a network, or of the one that it is the INT8 form of. Raises NetworkError where there is none, or another's."""
    for path in sorted(models.glob("*.recipe")):
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise NetworkError(f"{path}: no recipe can be read ({error}); take the one that calibration.quantise wrote") from error
        if found.get("float_sha256") == manifest.gallery_sha256:
            return found
    raise NetworkError(f"{models}: holds no recipe of {manifest.name}; `python -m calibration.quantise` measures and writes one")


def measure(options: argparse.Namespace) -> Answer:
    """Read, and show."""
    settings = load_settings(options.config)
    recipe = recipe_of(settings.network.models, build.hash_manifest(settings))
    forms = {name: form["facts"] for name, form in recipe["forms"].items()}
    found = inside.inspected(settings.network.models, recipe["name"]) if "tensorrt" in forms else None
    facts = {"float": recipe["name"], "float_sha256": recipe["float_sha256"], "forms": forms, "inspected": found}
    return [_gates(recipe["name"], forms), _pairs(forms), inside.table(found)], facts


def _gates(network: str, forms: Mapping[str, Any]) -> Table:
    table = Table(title=f"{network}: INT8 against float at the gate")
    for heading in ("form", "calibrator", "ranges from", "gate on", "equal symbols", "of the worst 1 % of crops", "layers in INT8"):
        table.add_column(heading, justify="left" if heading in ("form", "calibrator") else "right")
    for name, form in forms.items():
        gate, seen = form["gate"], form["pictures"]
        shares = (f"{100 * gate[key]:.2f} %" for key in ("agreement", "agreement_percentile_1"))
        counts = f"{len(form['int8'])} of {len(form['cost_alone']) + len(form['float_by_policy'])}"
        table.add_row(name, form["calibrator"], f"{seen['ranges']} crops", f"{gate['crops']} of {seen['held_out']}", *shares, counts)
    return table


def _pairs(forms: Mapping[str, Any]) -> Table:
    table = Table(title="dissimilarity, in symbols", caption="low: where the lowest hundredth of the non-mated pairs ends")
    for heading in ("form", "compared", "mated, mean", "non-mated, mean", "non-mated, low"):
        table.add_column(heading, justify="left" if heading in ("form", "compared") else "right")
    for name, form in forms.items():
        for key, words in KINDS.items():
            found = form["gate"][key]
            table.add_row(name, words, *(_number(found[one]) for one in ("mated_mean", "non_mated_mean", "non_mated_low")))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.int8", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

"""Make calibrated INT8 networks of a float one, and say what that costs.

    python -m calibration.quantise models/drh.json CROPS --out FOLDER [--held-out CROPS] [--form tensorrt cpu] [--most N]
    python -m calibration.quantise models/drh.json --synthetic --out FOLDER --held-out CROPS
    python -m calibration.quantise models/detector.json PICTURES --hash models/drh.json --out FOLDER [--held-out PICTURES]

CROPS are aligned crops, PICTURES whole ones (``calibration.crops``); the network's kind says which are needed. Three parts of them, no
person in two: ranges are measured on the first; calibrator and layers are chosen on the second by how alike the results are (equal symbols;
a detector's are those of the float hash network on the crops that its landmarks align); the gate is held on the third, or on --held-out:
equal symbols, and for a detector boxes and landmarks too. Layers stay float until it holds, the costliest first. Written are, of each form
(``calibration.qdq``), <name>_int8.onnx (tensorrt) and <name>_int8_cpu.onnx with their manifests, which keep all figures; <name>.cache for
classic calibration (``calibration.cache``); and <name>.recipe, from which the same networks are made again without any picture
(``calibration.recipe``). Where a gate does not hold, no network of that form is written. The last line of output is JSON.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from rich.console import Console
from rich.progress import track
from rich.table import Table

from calibration import cache, sensitivity
from calibration.artefact import write
from calibration.crops import read_crops, read_pictures, split
from calibration.faces import DetectJudge, Hasher
from calibration.gate import BATCH, Figures, HashJudge, Judge
from calibration.graph import Graph, Layer, activations, prepare
from calibration.qdq import FORMS, quantised
from calibration.ranges import CALIBRATORS, Observer, Ranges
from calibration.recipe import Form, Recipe, save
from calibration.speed import share
from calibration.synthetic import synthetic_crops
from edge.errors import EdgeError, NetworkError, SourceError
from edge.face.detect import fit
from edge.inference import Manifest, read_manifest
from edge.inference.network import read_network

CONSOLE = Console(stderr=True)
SHARES = (0.5, 0.2, 0.3)  # of the pictures: ranges, choice, gate
LEAST = 32  # pictures of a part


@dataclass(frozen=True, eq=False)
class Material:
    """batches: to measure ranges on. choice, gate: judges on pictures of their own. sources: what it was, for the manifest."""

    batches: list[npt.NDArray[np.uint8]]
    choice: Judge
    gate: Judge
    sources: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Made:
    """One INT8 network. figures: of the gate."""

    form: str
    network: onnx.ModelProto
    calibrator: str
    calibrators: dict[str, float]
    layers: list[Layer]
    costs: dict[str, float]
    figures: Figures


def hash_material(manifest: Manifest, raw: bytes, options: argparse.Namespace) -> Material:
    """Crops, in three parts. Raises SourceError for too few."""
    if manifest.code is None:
        raise NetworkError(f"{manifest.name}: its manifest states no code; export it again")
    crops = synthetic_crops(options.most) if options.synthetic else read_crops(options.pictures, options.most)
    shares = (SHARES[0] + SHARES[2], SHARES[1]) if options.held_out else SHARES
    ranges, choice, *rest = split(crops, shares)
    held = read_crops(options.held_out, options.most_held_out, seed=1) if options.held_out else rest[0]
    _enough(len(ranges), len(choice), len(held))
    q = manifest.code.q
    batches = [ranges.pixels[row : row + BATCH] for row in range(0, len(ranges), BATCH)]
    sources = _sources(options, len(ranges), len(choice), len(held))
    return Material(batches, HashJudge(raw, choice, q), HashJudge(raw, held, q), sources)


def detect_material(manifest: Manifest, raw: bytes, options: argparse.Namespace) -> Material:
    """Whole pictures, in three parts. Raises SourceError for too few, or for synthetic crops."""
    if options.synthetic:
        raise SourceError("a detector sees whole pictures, and none are made up; name a folder or zip of pictures")
    if options.hash is None:
        raise NetworkError(f"{manifest.name}: what its landmarks cost is told in symbols; name the float hash network with --hash")
    hashing = read_manifest(options.hash)
    if hashing.code is None:
        raise NetworkError(f"{options.hash}: is a network of kind '{hashing.kind}'; --hash names one of kind 'hash'")
    hasher = Hasher(read_network(hashing, options.hash), hashing.code.q)
    pictures = read_pictures(options.pictures, options.most)
    order = np.random.default_rng(0).permutation(len(pictures))
    ends = (np.cumsum((SHARES[0] + SHARES[2], SHARES[1]) if options.held_out else SHARES) * len(pictures)).round().astype(int)
    parts = [[pictures[row] for row in rows] for rows in np.split(order, ends[:-1])]
    held = read_pictures(options.held_out, options.most_held_out, seed=1) if options.held_out else parts[2]
    _enough(len(parts[0]), len(parts[1]), len(held))
    side = manifest.preprocessing.size
    batches = [fit(picture, side)[0][None] for picture in parts[0]]
    sources = {**_sources(options, len(parts[0]), len(parts[1]), len(held)), "hash": hashing.name, "hash_sha256": hashing.sha256}
    return Material(batches, DetectJudge(raw, parts[1], side, hasher), DetectJudge(raw, held, side, hasher), sources)


def _enough(*parts: int) -> None:
    if min(parts) < LEAST:
        told = ", ".join(map(str, parts))
        raise SourceError(f"{told} pictures for ranges, choice and gate: at least {LEAST} each are needed; give more")


def _sources(options: argparse.Namespace, ranges: int, choice: int, held: int) -> dict[str, Any]:
    name = "synthetic" if options.synthetic else options.pictures.name
    held_out = options.held_out.name if options.held_out else f"another part of {name}"
    return {"pictures": name, "ranges": ranges, "choice": choice, "held_out": held_out, "held_out_pictures": held}


def make(graph: Graph, form: str, observed: dict[str, Ranges], material: Material) -> Made:
    """Choose a calibrator, then layers, until the gate holds. Raises NetworkError where it never does."""
    scores = {
        name: material.choice.score(quantised(graph, graph.layers, observed[name], form).SerializeToString())
        for name in track(observed, f"{form}: calibrators", console=CONSOLE, transient=True)
    }
    calibrator = max(scores, key=lambda name: scores[name])
    ranges = observed[calibrator]
    tried = sensitivity.alone(graph, graph.layers, ranges, form, material.choice)
    costs = dict(track(tried, f"{form}: layers", len(graph.layers), console=CONSOLE, transient=True))
    layers, figures = chosen(graph, form, ranges, costs, material)
    return Made(form, quantised(graph, layers, ranges, form), calibrator, scores, layers, costs, figures)


def chosen(graph: Graph, form: str, ranges: Ranges, costs: dict[str, float], material: Material) -> tuple[list[Layer], Figures]:
    """The layers in INT8 with which the gate holds, and its figures. Where some must stay float, onnxruntime's form leaves out the
    costliest or the last ones, whichever is quicker here. Raises NetworkError where no choice passes."""
    figures: Figures = {}

    def holds(layers: list[Layer]) -> bool:
        figures.clear()
        figures.update(material.gate.figures(quantised(graph, layers, ranges, form).SerializeToString()))
        return bool(figures["passed"])

    found = [(sensitivity.until(graph.layers, costs, holds), dict(figures))]
    if form == "cpu" and found[0][0] != graph.layers:
        found.append((sensitivity.from_the_end(graph.layers, holds), dict(figures)))
    passed = [(layers, told) for layers, told in found if layers is not None]
    if not passed:
        raise NetworkError(
            f"form {form}: the gate holds with no layer quantised ({figures}); calibrate on more pictures, like those of the gate"
        )
    return min(passed, key=lambda one: _share(graph, one[0], ranges, form, material) if len(passed) > 1 else 0.0)


def _share(graph: Graph, layers: Sequence[Layer], ranges: Ranges, form: str, material: Material) -> float:
    """Processor time of an INT8 network of the float one's, in onnxruntime, on one picture."""
    names = [output.name for output in graph.model.graph.output]
    raw = quantised(graph, layers, ranges, form).SerializeToString()
    return share(graph.model.SerializeToString(), raw, material.batches[0][:1], names)


def facts_of(made: Made, graph: Graph, manifest: Manifest, material: Material) -> dict[str, Any]:
    """What the manifest keeps."""
    quantised_names = [layer.name for layer in made.layers]
    return {
        "float": manifest.name,
        "float_sha256": manifest.sha256,
        "form": made.form,
        "onnxruntime": onnxruntime.__version__,
        "pictures": material.sources,
        "calibrator": made.calibrator,
        "score_by_calibrator": made.calibrators,
        "cost_alone": made.costs,
        "int8": quantised_names,
        "float_for_the_gate": [layer.name for layer in graph.layers if layer.name not in quantised_names],
        "float_by_policy": graph.kept,
        "gate": made.figures,
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The whole way; the facts."""
    manifest = read_manifest(options.network)
    raw = read_network(manifest, options.network)
    if not options.synthetic and options.pictures is None:
        raise SourceError("no pictures to calibrate on; name them, or say --synthetic")
    material = (hash_material if manifest.kind == "hash" else detect_material)(manifest, raw, options)
    graph = prepare(options.network.parent / manifest.file)
    if not graph.layers:
        raise NetworkError(f"{manifest.name}: no layer may be quantised ({graph.kept}); ship it as it is")
    observed = _observe(graph, material.batches)
    options.out.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"network": manifest.name, "sha256": manifest.sha256, "forms": {}}
    recipe: dict[str, Form] = {}
    for form in options.form:
        made = make(graph, form, observed, material)
        kept = facts_of(made, graph, manifest, material)
        path = write(made.network, form, kept, manifest, options.out)
        recipe[form] = Form.of(made.layers, observed[made.calibrator], activations(graph, made.layers), kept)
        show(made, graph)
        size = path.with_suffix(".onnx").stat().st_size
        facts["forms"][form] = {"manifest": str(path), "bytes": size, **kept}
        if form == "cpu":
            facts["forms"][form]["time_share"] = _timed(graph, made, observed, material)
        if form == "tensorrt":
            tensors = activations(graph, made.layers)
            (options.out / f"{manifest.name}.cache").write_text(cache.written(observed[made.calibrator], tensors), encoding="utf-8")
    save(Recipe(name=manifest.name, float_sha256=manifest.sha256, forms=recipe), options.out / f"{manifest.name}.recipe")
    return facts


def _timed(graph: Graph, made: Made, observed: dict[str, Ranges], material: Material) -> float:
    """Says what INT8 saves on this processor."""
    found = round(_share(graph, made.layers, observed[made.calibrator], made.form, material), 3)
    verdict = "" if found < 1 else ": no gain on this processor, so leave the float network in its place"
    CONSOLE.print(f"{made.form}: takes {found} of float's time here{verdict}", style="" if found < 1 else "yellow", highlight=False)
    return found


def _observe(graph: Graph, batches: Iterable[npt.NDArray[np.uint8]]) -> dict[str, Ranges]:
    observer = Observer(graph.model, activations(graph, graph.layers))
    observer.see(track(list(batches), "ranges", console=CONSOLE, transient=True))
    return {name: observer.ranges(name) for name in CALIBRATORS}


def show(made: Made, graph: Graph) -> None:
    """The table of layers, and the gate."""
    scores = ", ".join(f"{name} {score:.4f}" for name, score in made.calibrators.items())
    table = Table(title=f"{made.form}: {scores}", caption=f"at the gate: {_brief(made.figures)}")
    table.add_column("layer", overflow="fold")
    table.add_column("costs alone", justify="right")
    table.add_column("now")
    kept = {layer.name for layer in made.layers}
    for name, cost in made.costs.items():
        table.add_row(name, f"{100 * cost:.2f} %", "int8" if name in kept else "float, for the gate")
    for name, reason in graph.kept.items():
        table.add_row(name, "-", f"float: {reason}")
    Console().print(table)


def _brief(figures: Figures) -> str:
    names = ("agreement", "boxes_share", "landmark_shift_mean", "crops", "faces", "extra")
    return ", ".join(f"{name} {figures[name]:.4g}" for name in names if figures.get(name) is not None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m calibration.quantise", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", type=Path, help="manifest of the float network")
    parser.add_argument("pictures", type=Path, nargs="?", help="to calibrate on: crops for a hash network, whole pictures for a detector")
    parser.add_argument("--synthetic", action="store_true", help="calibrate a hash network on made-up crops")
    parser.add_argument("--hash", type=Path, help="for a detector: manifest of the float hash network, which judges its landmarks")
    parser.add_argument("--out", type=Path, required=True, help="folder for the networks and their manifests")
    parser.add_argument("--held-out", type=Path, help="pictures for the gate (default: a part of the others)")
    parser.add_argument("--form", nargs="+", choices=FORMS, default=list(FORMS), help="what is made (default both)")
    parser.add_argument("--most", type=int, default=1000, help="pictures used at most (default 1000)")
    parser.add_argument("--most-held-out", type=int, default=1000, help="pictures of --held-out used at most (default 1000)")
    options = parser.parse_args(arguments)
    try:
        facts = run(options)
    except EdgeError as error:
        CONSOLE.print(f"error: {error}", style="red", markup=False, highlight=False)
        return error.exit_code
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of the attack bench: faces in, every attack, table and gate out."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import track

from edge.errors import SourceError
from edge.settings import load_settings
from evaluation.attacks import backups, bench, climbing, edits, known_faces, linking, other_network, parsers, preimage, strangers
from evaluation.attacks.bench import Result
from evaluation.attacks.door import Rule, rule_of
from evaluation.attacks.faces import PEOPLE, Faces, of_lfw, synthetic
from evaluation.attacks.weights import read_projection
from evaluation.pictures import CONSOLE, Answer, Tree, answer, count
from evaluation.samples import extractor
from evaluation.schemes import Make, Whole

ATTACKED = 200
"""People enrolled at a door under attack."""
LEAST = 40
"""People with two pictures without whom the attacks have too few trials."""
SEALED_ROWS = 50_000
MUTATIONS = 200
"""For each parser; `python -m evaluation.attacks.parsers` goes on for longer."""
SYNTHETIC_PEOPLE, SYNTHETIC_STRANGERS = 400, 2000
Attack = Callable[[Make, Faces, Rule], list[Result]]

ATTACKS: dict[str, Attack] = {
    "pre-image": lambda make, faces, rule: preimage.attack(make, faces.some(slice(0, ATTACKED)), rule),
    "another network": lambda make, faces, rule: other_network.attack(make, faces),
    "known faces": known_faces.attack,
    "linking": lambda make, faces, rule: linking.attack(make, faces),
    "multiplicity": lambda make, faces, rule: linking.multiplicity(make, faces),
    "same file": lambda make, faces, rule: linking.same_file(make, faces),
    "pads": lambda make, faces, rule: linking.pads(faces, SEALED_ROWS),
    "climbing": lambda make, faces, rule: climbing.attack(faces, rule),
    "edits": lambda make, faces, rule: [*edits.rows(make, faces), *edits.attack(faces, rule)],
    "backups": lambda make, faces, rule: backups.attack(faces, rule),
    "parsers": lambda make, faces, rule: parsers.attack(MUTATIONS),
    "strangers": lambda make, faces, rule: strangers.attack(faces, rule),
}


def add_faces(parser: argparse.ArgumentParser) -> None:
    """The arguments that say whose faces are used."""
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("data", type=Path, nargs="?", help="folder with lfw/lfw-deepfunneled.zip, or a tree of person/picture.jpg")
    whose.add_argument("--synthetic", action="store_true", help="identities made on the spot, no picture needed")
    parser.add_argument("--other", type=Path, metavar="ONNX", help="another network of faces (112 x 112, RGB) that pre-images are shown to")
    parser.add_argument("--strangers", type=Path, nargs="+", default=[], metavar="TREE", help="trees of person/picture: more strangers")
    parser.add_argument("--people", type=count, default=PEOPLE, help=f"people with two pictures, at most (default {PEOPLE})")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")


def faces_of(options: argparse.Namespace, rule: Rule) -> Faces:
    """The people that the options ask for."""
    network = rule.settings.network
    projection = read_projection(network.models / f"{network.hash}.onnx", rule.network.q)
    if options.synthetic:
        return synthetic(projection, min(options.people, SYNTHETIC_PEOPLE), SYNTHETIC_STRANGERS)
    zipped = options.data / "lfw" / "lfw-deepfunneled.zip"
    tree, eye = Tree(zipped if zipped.exists() else options.data), extractor(options.config)
    look = partial(other_network.seen_by, options.other, tree, eye) if options.other else None
    return of_lfw(tree, eye, projection, options.people, look, [Tree(path) for path in options.strangers])


def run(make: Make, attacks: Mapping[str, Attack], faces: Faces, rule: Rule) -> list[Result]:
    """These attacks on one scheme."""
    shown = track(attacks.values(), "attacking", total=len(attacks), console=CONSOLE, transient=True)
    return [result for attack in shown for result in attack(make, faces, rule)]


def measure(options: argparse.Namespace, make: Make, attacks: Mapping[str, Attack]) -> Answer:
    """Tables and facts."""
    rule = rule_of(load_settings(options.config))
    faces = faces_of(options, rule)
    if len(faces.first) < LEAST:
        raise SourceError(f"{faces.name}: {len(faces.first)} people with two pictures; the bench needs {LEAST}, so take more with --people")
    results = run(make, attacks, faces, rule)
    facts: dict[str, Any] = {"faces": faces.name, "people": len(faces.first), "strangers": len(faces.strangers), **bench.facts_of(results)}
    return [] if options.json else bench.tables(results, faces.name), facts


def main(arguments: Sequence[str] | None = None, make: Make = Whole, attacks: Mapping[str, Attack] = ATTACKS) -> int:
    """Attack and print; 1 if the gate fails, the exit code of the error tree if it cannot be done.

    make, attacks: another scheme, fewer attacks, for whoever tries the bench itself.
    """
    parser = argparse.ArgumentParser(prog="python -m evaluation.attacks", description="The attack bench, a release gate.")
    add_faces(parser)
    parser.add_argument("--json", action="store_true", help="only the line of JSON")
    options = parser.parse_args(arguments)
    found: list[bool] = []

    def attacked() -> Answer:
        tables, facts = measure(options, make, attacks)
        found.append(bool(facts["gate"]["holds"]))
        return tables, facts

    code = answer(attacked)
    if found == [False]:
        CONSOLE.print("the gate fails: an attack without keys succeeds; see its line above", style="red")
        return 1
    return code

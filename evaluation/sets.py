"""FaceScrub and VGGFace2: verification, open set and closed set on the people of one large set.

    python -m evaluation.sets facescrub TREE [--list LIST] [--enrol 3] [--probes 3] [--config FILE]
    python -m evaluation.sets vggface2 ROOT [--enrol 3] [--probes 3] [--config FILE]

FaceScrub is a folder or zip of person/picture; --list names the pictures to use: one a line, or the JSON of MegaFace's template lists with
"path". ROOT of VGGFace2 holds test/n000001/0001_01.jpg and, where they are there, test_list.txt and
bb_landmark/loose_landmark_test.csv (NAME_ID, five points), whose points then take the detector's place. Of the people in order every
second one is known, as the authors' code halves VGGFace2: the first K pictures are enrolled, the next --probes ones are mated searches; of
everybody else the first --probes pictures are non-mated ones. Whoever has not enough pictures is left out. Verification compares every
two pictures of the known people. For the rest see ``evaluation.openset``. The last line of output is JSON.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.errors import SourceError
from edge.records import LANDMARKS, Face
from evaluation import ijb, openset
from evaluation.folders import Draw
from evaluation.pictures import Answer, Tree, answer, count
from evaluation.samples import extractor

SETS = ("facescrub", "vggface2")


def read_list(path: Path) -> list[str]:
    """Pictures as person/picture: one a line (what follows a tab does not count), or JSON with "path". Raises SourceError."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = [line.partition("\t")[0].strip() for line in text.splitlines() if line.strip()]
        names = json.loads(text)["path"] if text.lstrip().startswith("{") else lines
    except (OSError, ValueError, KeyError) as error:
        raise SourceError(f"{path}: not a list of pictures ({error!r}); one a line, or JSON with 'path'") from error
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and "/" in name for name in names):
        raise SourceError(f"{path}: pictures of the form person/picture are wanted")
    return names


def read_points(path: Path) -> dict[str, Face]:
    """Picture -> face, of VGGFace2's NAME_ID,P1X,P1Y,...,P5X,P5Y with names without their ending. Raises SourceError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        return {f"{row[0]}.jpg": _face([float(number) for number in row[1:]]) for row in rows if row}
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: not a table of NAME_ID and {LANDMARKS} points ({error})") from error


def _face(numbers: Sequence[float]) -> Face:
    points = np.array(numbers, np.float32).reshape(LANDMARKS, 2)
    return Face(np.concatenate([points.min(axis=0), points.max(axis=0)]), points, 1.0)


def listed(tree: Tree, names: Iterable[str] | None) -> dict[str, list[str]]:
    """Person -> pictures, of all or of those listed. Raises SourceError: a picture of the list is not there."""
    people = tree.people()
    if names is None:
        return people
    there, chosen = {key for keys in people.values() for key in keys}, list(dict.fromkeys("/".join(name.split("/")[-2:]) for name in names))
    if absent := [name for name in chosen if name not in there]:
        raise SourceError(f"{tree.path}: {len(absent)} of {len(chosen)} pictures of the list are not there, {absent[0]} for one")
    wanted = set(chosen)
    return {person: kept for person, keys in people.items() if (kept := [key for key in keys if key in wanted])}


def halves(people: Mapping[str, Sequence[str]], enrol: int, probes: int) -> Draw:
    """Every second person is known: the split of the module's docstring."""
    known = {name: keys for name, keys in list(people.items())[0::2] if len(keys) > enrol}
    others = dict(list(people.items())[1::2])
    return Draw(
        {name: list(keys[:enrol]) for name, keys in known.items()},
        [(name, key) for name, keys in known.items() for key in keys[enrol : enrol + probes]],
        [(name, key) for name, keys in others.items() for key in keys[:probes]],
    )


def pictures_of(options: argparse.Namespace) -> tuple[Tree, dict[str, list[str]], dict[str, Face] | None]:
    """The tree, its people, and landmarks where the set brings some."""
    if options.set == "facescrub":
        tree = Tree(options.root)
        return tree, listed(tree, read_list(options.list) if options.list else None), None
    names, points = options.list or options.root / "test_list.txt", options.root / "bb_landmark" / "loose_landmark_test.csv"
    tree = Tree(options.root / "test")
    people = listed(tree, read_list(names) if options.list or names.is_file() else None)
    return tree, people, read_points(points) if points.is_file() else None


def measure(options: argparse.Namespace) -> Answer:
    """Read, hash, compare, search; a table for each."""
    tree, people, references = pictures_of(options)
    split = halves(people, options.enrol, options.probes)
    eye = extractor(options.config, references=references)
    keys = openset.pictures_of(split)
    samples = eye.samples(tree, keys, keep_logits=True)
    named = [(name, key) for name, own in split.enrolled.items() for key in own] + split.mated
    verified = {"single pictures": {"verification": ijb.all_pairs(samples, named)}}
    searched = openset.facts_of(samples, split)
    facts = {
        "set": options.set,
        "tree": str(tree.path),
        "landmarks": eye.landmarks,
        "network": eye.hasher.manifest.name,
        "pictures": len(keys),
        "failures_to_acquire": len(keys) - len(samples.place),
        "verification": verified["single pictures"]["verification"],
        **searched,
    }
    title = f"{options.set}, landmarks of the {eye.landmarks}"
    return [ijb.table(f"{title}, every two of {len(named)} pictures", verified), openset.table(title, searched["references"])], facts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.sets", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("root", type=Path, help="FaceScrub: person/picture; VGGFace2: the folder that holds test")
    parser.add_argument("--list", type=Path, help="pictures to use (default: all; VGGFace2: test_list.txt where it is there)")
    parser.add_argument("--enrol", type=count, default=3, metavar="K", help="pictures enrolled of each known person (default 3)")
    parser.add_argument("--probes", type=count, default=3, metavar="N", help="pictures searched for of each person (default 3)")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

"""IJB-B and IJB-C: templates of several pictures and frames, one to one and one to many.

    python -m evaluation.ijb IJBC [--limit TEMPLATES] [--config FILE]

IJBC (or IJBB) is the folder as it is published with InsightFace's lists: loose_crop/1.jpg, ..., and meta/ with PREFIX_face_tid_mid.txt
(picture, template, medium), PREFIX_template_pair_label.txt (two templates, 1 for one person), PREFIX_name_5pts_score.txt (picture, five
points, score) and, for 1:N, PREFIX_1N_gallery_*.csv (two galleries) and PREFIX_1N_probe_mixed.csv (TEMPLATE_ID,SUBJECT_ID,...); PREFIX is
ijbb or ijbc. The points of the list take the detector's place. A template is fused first over each medium's pictures, then over its media,
by plain mean and by uncertainty (``samples.fused``), before it is hashed; "first" is its first picture alone. 1:1: TAR at FAR (Whitelam et
al., CVPRW 2017; Maze et al., ICB 2018), with the interval of a share at the threshold as it is. 1:N: each probe against each of the two
galleries, mated where its subject is enrolled, non-mated in the other; DIR at FPIR, ranks and mAP are means over the galleries. The last
line of output is JSON.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from edge.errors import SourceError
from edge.records import LANDMARKS, Face
from evaluation import metrics, openset
from evaluation.pictures import Answer, Tree, answer, count, percent
from evaluation.samples import Samples, extractor
from evaluation.templates import templates_of

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
SHOWN = (1e-5, 1e-4, 1e-3, 1e-2)
Named = list[tuple[str, str]]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Protocol:
    """templates: number -> media, each the pictures of one medium. pairs: (n, 2), templates of the 1:1 test. same: (n,), whether they
    are of one person. galleries, probes: subject and template; none where the lists for 1:N are not there. faces: of each picture.
    """

    templates: dict[str, list[list[str]]]
    pairs: Numbers
    same: npt.NDArray[np.bool_]
    faces: dict[str, Face]
    galleries: list[Named] = field(default_factory=list)
    probes: Named = field(default_factory=list)


def read_protocol(folder: Path) -> Protocol:
    """The lists in ``meta``. Raises SourceError with the file and the line that does not fit."""
    meta = folder / "meta"
    lists = sorted(meta.glob("*_face_tid_mid.txt"))
    if len(lists) != 1:
        raise SourceError(f"{meta}: {len(lists)} files like ijbc_face_tid_mid.txt, one is needed; name the folder IJBB or IJBC")
    prefix = lists[0].name.removesuffix("_face_tid_mid.txt")
    pairs_file = meta / f"{prefix}_template_pair_label.txt"
    faces = {line[0]: _face(meta, prefix, line) for line in _lines(meta / f"{prefix}_name_5pts_score.txt", 2 + 2 * LANDMARKS)}
    templates = _templates(lists[0], faces)
    pairs = _pairs(pairs_file)
    _known(pairs_file, {str(number) for number in np.unique(pairs[:, :2])}, templates)
    same = pairs[:, 2] == 1
    if not same.any() or same.all():
        raise SourceError(f"{pairs_file}: {same.sum()} of {same.size} pairs are of one person; some of either kind are needed")
    galleries = [_subjects(path, templates) for path in sorted(meta.glob(f"{prefix}_1N_gallery_*.csv"))]
    probes = meta / f"{prefix}_1N_probe_mixed.csv"
    found = _subjects(probes, templates) if galleries else []
    return Protocol(templates, pairs[:, :2], same, faces, galleries, found)


def _lines(path: Path, width: int) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.split()
                if words and len(words) != width:
                    raise SourceError(f"{path}, line {number}: {len(words)} words, {width} are expected; copy it again")
                if words:
                    yield words
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({error}); the lists of the set belong into its folder meta") from error


def _pairs(path: Path) -> Numbers:
    """(n, 3) whole numbers; there are millions of them."""
    try:
        pairs = np.loadtxt(path, np.int64, ndmin=2)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: not a list of two templates and 1 or 0 ({error}); copy it again") from error
    if pairs.shape[1:] != (3,):
        raise SourceError(f"{path}: {pairs.shape[1]} numbers a line, 3 are expected; copy it again")
    return pairs


def _known(path: Path, named: Set[str], templates: Mapping[str, object]) -> None:
    if absent := sorted(named - templates.keys()):
        raise SourceError(f"{path}: template {absent[0]} has no picture in the list of templates; are the lists of one set?")


def _face(meta: Path, prefix: str, words: Sequence[str]) -> Face:
    try:
        points = np.array([float(word) for word in words[1:-1]], np.float32).reshape(LANDMARKS, 2)
        return Face(np.concatenate([points.min(axis=0), points.max(axis=0)]), points, float(words[-1]))
    except ValueError as error:
        raise SourceError(f"{meta / f'{prefix}_name_5pts_score.txt'}: picture {words[0]}: {error}; copy it again") from error


def _templates(path: Path, faces: Mapping[str, Face]) -> dict[str, list[list[str]]]:
    media: dict[str, dict[str, list[str]]] = {}
    for picture, template, medium in _lines(path, 3):
        if picture not in faces:
            raise SourceError(f"{path}: picture {picture} has no landmarks in the list of them; are the lists of one set?")
        if not template.isdigit():
            raise SourceError(f"{path}: template {template!r} is no number; copy it again")
        media.setdefault(template, {}).setdefault(medium, []).append(picture)
    return {template: list(parts.values()) for template, parts in media.items()}


def _subjects(path: Path, templates: Mapping[str, object]) -> Named:
    """Subject and template, each template once, from a CSV with a heading."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row[0].strip(): row[1].strip() for row in list(csv.reader(file))[1:] if row}
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read ({error}); it belongs to the galleries beside it") from error
    except IndexError as error:
        raise SourceError(f"{path}: not a list of TEMPLATE_ID,SUBJECT_ID,...; copy it again") from error
    _known(path, rows.keys(), templates)
    return [(subject, template) for template, subject in rows.items()]


def first_templates(protocol: Protocol, limit: int | None) -> Protocol:
    """The protocol with the first so many templates, for a try. Raises SourceError if no pair of either kind is left."""
    if limit is None:
        return protocol
    kept = dict(list(protocol.templates.items())[:limit])
    chosen = np.isin(protocol.pairs, [int(name) for name in kept]).all(axis=1)
    same = protocol.same[chosen]
    if not same.any() or same.all():
        raise SourceError(f"{limit} templates: no pair of either kind is left; take more with --limit")
    return Protocol(kept, protocol.pairs[chosen], same, protocol.faces)


def verification(samples: Samples, protocol: Protocol) -> dict[str, Any]:
    """``rates`` of the pairs of the protocol."""
    numbers, places = np.unique(protocol.pairs, return_inverse=True)
    first, second = samples.rows([str(number) for number in numbers])[places.reshape(protocol.pairs.shape)].T
    return rates(samples, first, second, protocol.same)


def rates(samples: Samples, first: Numbers, second: Numbers, same: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Template -> EER, AUC, and TAR at each FAR that has a non-mated pair to spare.

    first, second: rows; a pair with -1 has the lowest score. same: whether each pair is one person.
    """
    sound = (first >= 0) & (second >= 0)
    facts = {}
    for template in templates_of(samples):
        scores = np.full(sound.size, template.lowest)
        scores[sound] = template.pairs(first[sound], second[sound])
        mated, non_mated = scores[same], scores[~same]
        found = {f"{far:g}": metrics.tar_at_far(mated, non_mated, far) for far in FARS if far * non_mated.size >= 1}
        facts[template.name] = {
            "eer": metrics.equal_error_rate(mated, non_mated),
            "auc": metrics.area_under_roc(mated, non_mated),
            "tar_at_far": found,
            "tar_at_far_interval": {far: metrics.interval(round(rate * mated.size), mated.size) for far, rate in found.items()},
        }
    return facts


def all_pairs(samples: Samples, named: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """``rates`` over every two of these. named: person and name of the sample. Raises SourceError if not both kinds of pairs are there."""
    people, rows = np.array([person for person, _ in named]), samples.rows([key for _, key in named])
    first, second = np.triu_indices(len(named), 1)
    same = people[first] == people[second]
    if not same.any() or same.all():
        raise SourceError(f"{len(named)} samples: {same.sum()} of {same.size} pairs are of one person; some of either kind are needed")
    return rates(samples, rows[first], rows[second], same)


def facts_of(samples: Mapping[str, Samples], protocol: Protocol) -> dict[str, Any]:
    """samples: how they were fused -> one sample of each template. Returns the same -> 1:1 and, where there are galleries, 1:N."""
    return {
        how: {
            "verification": verification(found, protocol),
            "identification": openset.over_galleries(found, protocol.galleries, protocol.probes) if protocol.galleries else None,
        }
        for how, found in samples.items()
    }


def measure(options: argparse.Namespace) -> Answer:
    """Read, fuse, hash, compare; a table for 1:1 and one for 1:N."""
    protocol = first_templates(read_protocol(options.folder), options.limit)
    eye = extractor(options.config, references=protocol.faces)
    samples = eye.fused(Tree(options.folder / "loose_crop", levels=1), protocol.templates)
    found = facts_of(samples, protocol)
    facts = {
        "set": str(options.folder),
        "network": eye.hasher.manifest.name,
        "templates": len(protocol.templates),
        "templates_without_sample": len(protocol.templates) - min(len(each.place) for each in samples.values()),
        "mated_pairs": int(protocol.same.sum()),
        "non_mated_pairs": int((~protocol.same).sum()),
        "fusions": found,
    }
    tables = [table(f"{options.folder.name}, 1:1, {len(protocol.pairs)} pairs of templates", found)]
    if protocol.galleries:
        searched = {how: each["identification"] for how, each in found.items()}
        tables.append(openset.table(f"{options.folder.name}, 1:N, mean of {len(protocol.galleries)} galleries", searched))
    return tables, facts


def table(title: str, found: Mapping[str, Any]) -> Table:
    """found: how samples were fused -> "verification" -> template -> ``rates``."""
    shown = Table(title=title)
    shown.add_column("fusion")
    shown.add_column("template")
    for heading in ("EER", *(f"TAR@{far:g}" for far in SHOWN)):
        shown.add_column(heading, justify="right", no_wrap=True)
    for how, each in found.items():
        for name, line in each["verification"].items():
            shown.add_row(how, name, percent(line["eer"]), *(percent(line["tar_at_far"].get(f"{far:g}")) for far in SHOWN))
    return shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.ijb", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="IJBB or IJBC, with loose_crop and meta")
    parser.add_argument("--limit", type=count, metavar="TEMPLATES", help="1:1 with the first so many templates (default all, and 1:N)")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

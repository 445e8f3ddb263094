"""Does the detector find the central face, and how near are its landmarks? On the pictures of LFW's pairs, against reference faces.

    python -m evaluation.detection LFW --landmarks landmarks.csv.gz [--pairs PAIRS] [--config FILE] [--limit PICTURES]

LFW is a folder or zip of person/person_0001.jpg; pairs.txt is looked for beside it. A face is found if one of the detected ones has an
intersection over union of at least 0.5 with the reference box, or landmarks that are on average less than 0.25 eye distances from the
reference ones; the counts by each rule are told. Landmark errors are those of the found faces: the mean distance of the five points in
percent of the reference's eye distance. Extra faces may be other people in the picture. The last line of output is JSON.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from rich.table import Table

from edge.acquire import Acquirer
from edge.assembly import build
from edge.face.detect import overlap
from edge.records import Face
from edge.settings import load_settings
from edge.stages import Stages
from evaluation import metrics
from evaluation.lfw import pairs_of, pictures_of
from evaluation.pictures import CONSOLE, Answer, Tree, answer, central, count, percent, two_columns
from evaluation.samples import read_references, reference_of

LEAST_OVERLAP = 0.5
LARGEST_ERROR = 0.25


@dataclass(frozen=True)
class Finding:
    """One picture.

    overlap: the best intersection over union with the reference box. error: of the nearest landmarks, in eye distances; infinite without
    a face. central: the face that ``folders.central`` takes is one that counts as found. faces: detected in all.
    """

    overlap: float
    error: float
    central: bool
    faces: int
    seconds: float

    @property
    def found(self) -> bool:
        return self.overlap >= LEAST_OVERLAP or self.error < LARGEST_ERROR


def landmark_error(face: Face, reference: Face) -> float:
    """Mean distance of the five points from the reference's, in the reference's eye distances."""
    eyes = float(np.linalg.norm(reference.landmarks[1] - reference.landmarks[0]))
    return float(np.linalg.norm(face.landmarks - reference.landmarks, axis=1).mean()) / eyes


def find(acquirer: Acquirer, tree: Tree, key: str, reference: Face) -> Finding:
    """Detect in one picture and hold the faces against the reference."""
    image = tree.read(key)
    begun = time.perf_counter()
    faces = acquirer.faces(image)
    seconds = time.perf_counter() - begun
    overlaps = [float(overlap(face.box[None], reference.box[None])[0, 0]) for face in faces]
    errors = [landmark_error(face, reference) for face in faces]
    chosen = central(faces, image)
    place = next((place for place, face in enumerate(faces) if face is chosen), None)
    right = place is not None and (overlaps[place] >= LEAST_OVERLAP or errors[place] < LARGEST_ERROR)
    return Finding(max(overlaps, default=0.0), min(errors, default=np.inf), right, len(faces), seconds)


def summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """Counts, shares, errors in percent of the eye distance (None if nothing was found), milliseconds."""
    found = [finding for finding in findings if finding.found]
    errors = 100 * np.array([finding.error for finding in found])
    return {
        "pictures": len(findings),
        "found": len(found),
        "found_share": len(found) / len(findings),
        "found_interval": metrics.interval(len(found), len(findings)),
        "found_by_overlap": sum(finding.overlap >= LEAST_OVERLAP for finding in findings),
        "found_by_landmarks": sum(finding.error < LARGEST_ERROR for finding in findings),
        "central_is_right_share": sum(finding.central for finding in findings) / len(findings),
        "landmark_error_median": float(np.median(errors)) if found else None,
        "landmark_error_p95": float(np.percentile(errors, 95)) if found else None,
        "extra_faces_per_picture": sum(finding.faces - finding.found for finding in findings) / len(findings),
        "ms_median": round(1000 * float(np.median([finding.seconds for finding in findings])), 3),
    }


def measure(options: argparse.Namespace) -> Answer:
    """Detect in every picture of the pairs; the table."""
    metrics.interval(0, 1)  # raises now, not after the work, where scipy is missing
    tree, settings = Tree(options.lfw), load_settings(options.config)
    references = read_references(options.landmarks)
    keys = pictures_of(pairs_of(options.lfw, options.pairs))
    if options.limit and options.limit < len(keys):
        keys = [keys[place] for place in np.linspace(0, len(keys) - 1, options.limit).astype(int)]
    networks = build.Networks(settings)
    acquirer = build.acquirer(settings, networks, Stages())
    shown = track(keys, "detecting", console=CONSOLE, transient=True)
    facts = {"lfw": str(options.lfw), "detector": networks.detector.manifest.name, "long_side": settings.detect.long_side}
    facts |= summary([find(acquirer, tree, key, reference_of(references, key)) for key in shown])
    return [_table(facts)], facts


def _table(facts: Mapping[str, Any]) -> Table:
    least, most = facts["found_interval"]
    middle, high = facts["landmark_error_median"], facts["landmark_error_p95"]
    error = "-" if middle is None else f"{middle:.2f} % / {high:.2f} %"
    return two_columns(
        f"{facts['pictures']} pictures, canvas of {facts['long_side']} pixels",
        [
            ("central face found", f"{percent(facts['found_share'])} [{100 * least:.2f}, {100 * most:.2f}]"),
            (f"  by box, IoU >= {LEAST_OVERLAP}", str(facts["found_by_overlap"])),
            (f"  by landmarks, error < {LARGEST_ERROR} eye distances", str(facts["found_by_landmarks"])),
            ("the face taken for the central one is it", percent(facts["central_is_right_share"])),
            ("landmark error, median / 95th percentile, of the eye distance", error),
            ("further faces per picture", f"{facts['extra_faces_per_picture']:.3f}"),
            ("ms per picture (median)", f"{facts['ms_median']:.2f}"),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.detection", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("lfw", type=Path, help="folder or zip of person/person_0001.jpg")
    parser.add_argument("--landmarks", type=Path, required=True, help="table of reference boxes and points")
    parser.add_argument("--pairs", type=Path, help="pairs.txt (default: in or beside LFW)")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    parser.add_argument("--limit", type=count, metavar="PICTURES", help="so many pictures, evenly drawn (default all)")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

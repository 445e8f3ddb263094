"""Take everybody out of a packed training set who looks like somebody of a test set.

    python -m training.overlap PACKED TEACHER.npy TEACHER.onnx TEST [TEST ...] [--similar 0.5] [--detector models/detector.json]

TEST is a folder or zip of photographs (person/picture.jpg). Their central faces are found and aligned as at the door, embedded with the
teacher, and held against the teacher's embeddings of the packed crops (``training.teach``). Crops whose cosine to any test picture is
above ``--similar`` are left out, and so is every crop of a labelled identity with at least two such crops. Writes PACKED/left_out.json
with each crop, the test picture it looks like and the cosine; ``training.packed`` reads it. The last line printed is JSON.
"""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from rich.progress import track

from edge.records import Floats, Pixels
from training.faces import Finder, read_picture
from training.pack import pictures
from training.packed import LEFT_OUT, load
from training.teach import BATCH, MARGIN, embed, options, prepare, teacher_of

MANY = 2  # crops of one identity that look like a test set, from which all of it is left out
BLOCK = 4096


def test_embeddings(
    source: Path, finder: Finder, teacher: onnxruntime.InferenceSession, arguments: argparse.Namespace
) -> tuple[list[str], Floats]:
    """Names of the pictures in which a face was found, and the normalised embeddings, N x D."""
    total = sum(1 for _ in pictures(source))
    names: list[str] = []
    crops: list[Pixels] = []
    parts: list[Floats] = []

    def flush() -> None:
        if crops:
            parts.append(embed(teacher, prepare(np.stack(crops), arguments.size, arguments.mean, arguments.scale, arguments.bgr)))
            crops.clear()

    for name, content in track(pictures(source), total=total, description=source.stem):
        crop = finder.crop(read_picture(name, content), MARGIN)
        if crop is not None:
            names.append(name)
            crops.append(crop)
        if len(crops) == BATCH:
            flush()
    flush()
    return names, np.concatenate(parts).astype(np.float32)


def nearest(embeddings: Floats, tests: Floats) -> tuple[np.ndarray, Floats]:
    """For every row the most similar test picture and the cosine."""
    best, cosine = np.zeros(len(embeddings), np.int64), np.zeros(len(embeddings), np.float32)
    for start in range(0, len(embeddings), BLOCK):
        scores = embeddings[start : start + BLOCK] @ tests.T
        best[start : start + BLOCK], cosine[start : start + BLOCK] = scores.argmax(1), scores.max(1)
    return best, cosine


def to_leave_out(cosine: Floats, identity: np.ndarray, similar: float) -> np.ndarray:
    """Crops above ``similar``, and all crops of identities (0 or more) of which ``MANY`` are: booleans."""
    alike = cosine > similar
    people, counts = np.unique(identity[alike & (identity >= 0)], return_counts=True)
    return alike | np.isin(identity, people[counts >= MANY])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("embeddings", type=Path, help="what training.teach wrote for PACKED with this teacher")
    parser.add_argument("teacher", type=Path)
    parser.add_argument("tests", type=Path, nargs="+")
    parser.add_argument("--similar", type=float, default=0.5)
    parser.add_argument("--detector", type=Path, default=Path("models/detector.json"))
    options(parser)
    arguments = parser.parse_args()
    packed = load(arguments.packed)
    embeddings = np.load(arguments.embeddings)[:, 0].astype(np.float32)
    teacher, finder = teacher_of(arguments.teacher), Finder(arguments.detector, len(os.sched_getaffinity(0)))
    names, parts = [], []
    for source in arguments.tests:
        found, rows = test_embeddings(source, finder, teacher, arguments)
        names += [f"{source.stem}: {name}" for name in found]
        parts.append(rows)
    best, cosine = nearest(embeddings, np.concatenate(parts))
    out = np.flatnonzero(to_leave_out(cosine, packed.identity, arguments.similar))
    rows = json.loads((arguments.packed / "index.json").read_text())
    left = [
        {
            "row": int(row),
            "crop": f"{rows[row]['source']}/{rows[row]['name']}",
            "like": names[best[row]],
            "cosine": round(float(cosine[row]), 3),
        }
        for row in out
    ]
    (arguments.packed / LEFT_OUT).write_text(
        json.dumps({"similar": arguments.similar, "tests": [path.name for path in arguments.tests], "crops": left}, indent=1)
    )
    print(json.dumps({"test_pictures": len(names), "similar": arguments.similar, "left_out": len(left), "of": len(embeddings)}))


if __name__ == "__main__":
    main()

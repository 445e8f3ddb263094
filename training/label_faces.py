"""Label every face in a folder or zip of photographs with a teacher detector (SCRFD with five points), for training the detector.

    python -m training.label_faces OUT SOURCE SCRFD.onnx [--without pairs.txt] [--limit N]

``--without`` leaves out every picture that an LFW pairs file names, so that those can test the detector. Writes ``OUT/images.npy``
(N x S x S x 3 uint8 BGR; all pictures must be squares of one size) and ``OUT/faces.json`` (per picture, rows of score, 4 box and 10
landmark coordinates). Faces scored 0.25 to 0.5 are kept as "perhaps": the training ignores those places. The last line printed is JSON.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from rich.progress import track

from edge.records import Floats, Pixels
from training.pack import pictures

ENLARGE = 2  # background faces of LFW are small
PERHAPS = 0.25
STRIDES = (8, 16, 32)


def pair_names(pairs: Path) -> set[str]:
    """File names in an LFW pairs file: 'name i j' and 'name i name j' lines."""
    names = set()
    for line in pairs.read_text().splitlines()[1:]:
        words = line.split()
        rows = [(words[0], words[1]), (words[0], words[2])] if len(words) == 3 else [(words[0], words[1]), (words[2], words[3])]
        names |= {f"{name}/{name}_{int(number):04d}.jpg" for name, number in rows}
    return names


def teacher_faces(session: onnxruntime.InferenceSession, image: Pixels) -> Floats:
    """One picture -> G x 15 rows (score, box, landmarks) in its own pixels."""
    large = cv2.resize(image, None, fx=ENLARGE, fy=ENLARGE)
    height, width = (-(-side // 32) * 32 for side in large.shape[:2])
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[: large.shape[0], : large.shape[1]] = large
    batch = ((canvas[..., ::-1].astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None]
    outputs = [
        np.asarray(part).reshape(-1, np.asarray(part).shape[-1]) for part in session.run(None, {session.get_inputs()[0].name: batch})
    ]
    rows = []
    for level, stride in enumerate(STRIDES):
        scores, boxes, points = (outputs[level + 3 * kind] for kind in range(3))
        cells = np.stack(np.meshgrid(np.arange(width // stride), np.arange(height // stride)), -1).reshape(-1, 2) * stride
        anchors = np.repeat(cells, 2, 0).astype(np.float32)
        keep = scores[:, 0] > PERHAPS
        corner = anchors[keep]
        box = np.concatenate([corner - boxes[keep, :2] * stride, corner + boxes[keep, 2:] * stride], 1)
        landmarks = (points[keep].reshape(-1, 5, 2) * stride + corner[:, None]).reshape(-1, 10)
        rows.append(np.concatenate([scores[keep], box / ENLARGE, landmarks / ENLARGE], 1))
    found = np.concatenate(rows)
    sides = found[:, 3:5] - found[:, 1:3]
    kept = cv2.dnn.NMSBoxes(np.concatenate([found[:, 1:3], sides], 1).tolist(), found[:, 0].tolist(), PERHAPS, 0.4) if len(found) else []
    return found[np.asarray(kept, int).reshape(-1)].astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("--without", type=Path)
    parser.add_argument("--limit", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(arguments.teacher), options, providers=["CPUExecutionProvider"])

    left_out = pair_names(arguments.without) if arguments.without else set()
    names = [name for name, _ in pictures(arguments.source) if name not in left_out]
    names = names[: arguments.limit or None]
    wanted = set(names)
    images, faces = [], []
    for name, content in track(((n, c) for n, c in pictures(arguments.source) if n in wanted), total=len(names), description="labelling"):
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise SystemExit(f"{name}: not a picture; remove it and run again")
        images.append(image)
        faces.append([[round(float(number), 2) for number in row] for row in teacher_faces(session, np.asarray(image, np.uint8))])
    np.save(arguments.out / "images.npy", np.stack(images))
    (arguments.out / "faces.json").write_text(json.dumps({"names": names, "faces": faces}))
    print(
        json.dumps(
            {
                "pictures": len(names),
                "faces": sum(row[0] >= 0.5 for rows in faces for row in rows),
                "perhaps": sum(row[0] < 0.5 for rows in faces for row in rows),
            }
        )
    )


if __name__ == "__main__":
    main()

"""Embed every packed crop, and its mirror image, with a teacher network.

    python -m training.teach PACKED TEACHER.onnx OUT.npy [--size 112 --mean 127.5 --scale 127.5 --bgr]

Writes an N x 2 x D float16 array of L2-normalised embeddings: [:, 0] the crop, [:, 1] its mirror image. Rows not yet embedded are
zero, so a stopped run goes on where it was. The last line printed is JSON.
"""

import argparse
import json
import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from rich.progress import Progress

BATCH = 64
MARGIN = 4


def prepare(crops: np.ndarray, size: int, mean: float, scale: float, bgr: bool) -> np.ndarray:
    """Centre 112x112 of the crops (B x 120 x 120 x 3, uint8, BGR) -> B x 3 x size x size float32 as the teacher wants it."""
    centre = crops[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    if size != centre.shape[1]:
        centre = np.stack([cv2.resize(crop, (size, size)) for crop in centre])
    if not bgr:
        centre = centre[..., ::-1]
    return np.ascontiguousarray(((centre.astype(np.float32) - mean) / scale).transpose(0, 3, 1, 2))


def embed(session: onnxruntime.InferenceSession, batch: np.ndarray) -> np.ndarray:
    """B x 3 x H x W -> B x D, L2-normalised."""
    features = session.run(None, {session.get_inputs()[0].name: batch})[0].reshape(len(batch), -1)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def options(parser: argparse.ArgumentParser) -> None:
    """What a teacher wants to be given."""
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--mean", type=float, default=127.5)
    parser.add_argument("--scale", type=float, default=127.5)
    parser.add_argument("--bgr", action="store_true")


def teacher_of(path: Path) -> onnxruntime.InferenceSession:
    """The teacher, on all cores that this process may use."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packed", type=Path)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("out", type=Path)
    options(parser)
    arguments = parser.parse_args()

    session = teacher_of(arguments.teacher)
    crops = np.load(arguments.packed / "crops.npy", mmap_mode="r")

    def ready(block: np.ndarray) -> np.ndarray:
        return prepare(block, arguments.size, arguments.mean, arguments.scale, arguments.bgr)

    width = embed(session, ready(crops[:1])).shape[1]
    shape = (len(crops), 2, width)
    if arguments.out.exists():
        out = np.lib.format.open_memmap(arguments.out, mode="r+")
        if out.shape != shape:
            raise SystemExit(f"{arguments.out}: holds {out.shape}, this set and teacher give {shape}; remove it or name another file")
    else:
        out = np.lib.format.open_memmap(arguments.out, mode="w+", dtype=np.float16, shape=shape)
    with Progress() as progress:
        for mirrored in (0, 1):
            task = progress.add_task(("crops", "mirror images")[mirrored], total=len(crops))
            for start in range(0, len(crops), BATCH):
                span = slice(start, start + BATCH)
                if not out[span, mirrored].any(axis=1).all():
                    block = crops[span][:, :, ::-1] if mirrored else crops[span]
                    out[span, mirrored] = embed(session, ready(block))
                progress.update(task, advance=len(out[span]))
    out.flush()
    agreement = float((out[:, 0].astype(np.float32) * out[:, 1].astype(np.float32)).sum(1).mean())
    print(json.dumps({"crops": len(out), "dimensions": width, "mean_cosine_of_mirror_images": round(agreement, 4)}))


if __name__ == "__main__":
    main()

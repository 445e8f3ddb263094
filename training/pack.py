"""Pack folders or zip files of aligned crops into one array that training reads by memory map.

    python -m training.pack OUT SOURCE [SOURCE ...]

A SOURCE is a folder or an (uncompressed) zip laid out as ``identity/picture`` (labelled) or flat (unlabelled). Every picture must
be an aligned crop of 120x120 pixels: the 112x112 crop of the door (``edge.face.align``) with 4 pixels of margin on each side,
which the augmentation uses for shifts.

Writes ``OUT/crops.npy`` (N x 120 x 120 x 3, uint8, BGR) and ``OUT/index.json`` (per crop: name, source, identity or -1).
The last line printed is JSON.
"""

import argparse
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from training.augment import MARGIN

PICTURES = (".webp", ".png", ".jpg", ".jpeg")
SIDE = 120


def pictures(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name relative to the source, file content) in sorted order, so that a run can be repeated."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in PICTURES:
                yield path.relative_to(source).as_posix(), path.read_bytes()
        return
    with zipfile.ZipFile(source) as archive:
        for name in sorted(archive.namelist()):
            if name.lower().endswith(PICTURES):
                yield name, archive.read(name)


def decode(name: str, content: bytes) -> np.ndarray:
    """Decode one crop; raises ValueError naming the file when it is no 120x120 picture."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None or image.shape != (SIDE, SIDE, 3):
        found = "no picture" if image is None else f"{image.shape[1]}x{image.shape[0]}"
        raise ValueError(
            f"{name}: expected an aligned crop of {SIDE}x{SIDE}, found {found}; cut it with edge.face.align plus {MARGIN} pixels of margin"
        )
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    names = [(source, name) for source in arguments.sources for name, _ in pictures(source)]
    crops = np.lib.format.open_memmap(arguments.out / "crops.npy", mode="w+", dtype=np.uint8, shape=(len(names), SIDE, SIDE, 3))
    identities: dict[str, int] = {}
    rows = []
    flow = ((source, name, content) for source in arguments.sources for name, content in pictures(source))
    for index, (source, name, content) in enumerate(track(flow, total=len(names), description="packing")):
        crops[index] = decode(name, content)
        folder = name.rpartition("/")[0]
        # celeba_a and celeba_b number the same people alike, so an identity is named by the folder and by the set without its part
        key = f"{source.stem.split('_')[0]}/{folder}" if folder else ""
        rows.append({"name": name, "source": source.stem, "identity": identities.setdefault(key, len(identities)) if key else -1})
    crops.flush()
    (arguments.out / "index.json").write_text(json.dumps(rows))
    print(json.dumps({"crops": len(rows), "identities": len(identities), "unlabelled": sum(row["identity"] < 0 for row in rows)}))


if __name__ == "__main__":
    main()

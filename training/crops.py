"""Cut aligned crops out of photographs, with the appliance's own detector and alignment: what training sees is what the door sees.

    python -m training.crops OUT SOURCE [SOURCE ...] [--detector models/detector.json]

A SOURCE is a folder or zip of photographs, ``person/picture.jpg`` (labelled) or flat (unlabelled). Of every picture the central face is
aligned and written as OUT/<source>/person/picture.png: 120 x 120 pixels, the 112 x 112 crop of the door with 4 pixels of margin on each
side. ``training.pack OUT/<source> ...`` comes next. Pictures without a face are named and left out; what is written already is not cut
again. The last line printed is JSON.
"""

import argparse
import json
import os
from pathlib import Path, PurePosixPath

import cv2
from rich.console import Console
from rich.progress import track

from training.augment import MARGIN
from training.faces import Finder, read_picture
from training.pack import pictures

CONSOLE = Console(stderr=True)


def target_of(out: Path, source: Path, name: str) -> Path:
    """Where the crop of a picture goes: its person's folder and its name are kept, folders above are not."""
    parts = PurePosixPath(name).parts
    return out / source.stem / Path(*parts[-2:]).with_suffix(".png")


def cut(source: Path, out: Path, finder: Finder) -> dict[str, int]:
    """Cut one source; counts of crops written, found there already, and pictures without a face."""
    counts = {"written": 0, "there": 0, "without_a_face": 0}
    total = sum(1 for _ in pictures(source))
    for name, content in track(pictures(source), total=total, description=source.stem, console=CONSOLE):
        target = target_of(out, source, name)
        if target.exists():
            counts["there"] += 1
            continue
        crop = finder.crop(read_picture(f"{source}: {name}", content), MARGIN)
        if crop is None:
            counts["without_a_face"] += 1
            CONSOLE.print(f"{source}: {name}: no face was found; left out", style="yellow", markup=False)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(".part")
        draft.write_bytes(cv2.imencode(".png", crop)[1].tobytes())
        draft.replace(target)
        counts["written"] += 1
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--detector", type=Path, default=Path("models/detector.json"))
    arguments = parser.parse_args()
    finder = Finder(arguments.detector, len(os.sched_getaffinity(0)))
    print(json.dumps({source.stem: cut(source, arguments.out, finder) for source in arguments.sources}))


if __name__ == "__main__":
    main()

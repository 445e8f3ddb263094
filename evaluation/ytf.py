"""YouTube Faces: sets of frames against sets of frames, one to one and one to many.

    python -m evaluation.ytf FRAMES [--splits splits.txt] [--frames 100] [--config FILE]
    python -m evaluation.ytf STILLS --video '_([0-9])[0-9][.]jpg$' [--config FILE]

FRAMES is the published folder (or a zip) of person/video/frame.jpg, frame_images_DB or aligned_images_DB. --splits names the 5,000 pairs of
videos in ten folds (Wolf, Hassner and Maoz, CVPR 2011): "split, pair, person/video, person/video, similarity, same", one heading line. Of
each video at most --frames frames are taken, evenly spread. STILLS is person/frame.jpg; --video is a regular expression whose first group
is the video's name within the person. Without --splits every pair of videos is compared, and everybody is searched for: the first video
of every second person is the first gallery, that of the others the second one; all later videos are probes, mated in one gallery and
non-mated in the other; DIR, ranks and mAP are means over both.

Of each video all frames are fused into one sample, by plain mean and by uncertainty (``samples.fused``), before it is hashed; "first"
is the first frame in which a face was found. Faces are located by the appliance's detector (the central one). A video without any face has
the lowest score. The last line of output is JSON.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from edge.camera.folder import natural_key
from edge.errors import SourceError
from evaluation import ijb, openset
from evaluation.lfw import Pair, table, verification
from evaluation.pictures import Answer, Tree, answer, count
from evaluation.samples import Samples, extractor

COLUMNS = 6

Videos = dict[str, list[str]]
"""person/video -> frames in order."""


def videos_of(tree: Tree, keys: Sequence[str], pattern: re.Pattern[str] | None, most: int | None = None) -> Videos:
    """By the folder between person and frame, or by the first group of the pattern. Raises SourceError: a frame that fits not."""
    videos: Videos = {}
    for key in keys:
        found = pattern.search(key) if pattern else None
        if pattern and not (found and pattern.groups):
            raise SourceError(f"{tree.path}: {key}: --video {pattern.pattern!r} finds no video in it; it needs one group that does")
        name = f"{key.partition('/')[0]}/{found.group(1)}" if found else key.rpartition("/")[0]
        videos.setdefault(name, []).append(key)
    return {name: spread(frames, most) for name, frames in sorted(videos.items(), key=lambda video: natural_key(video[0]))}


def spread(frames: Sequence[str], most: int | None) -> list[str]:
    """At most so many, evenly over all, the first one among them."""
    if most is None or len(frames) <= most:
        return list(frames)
    return [frames[place * len(frames) // most] for place in range(most)]


def read_splits(path: Path, videos: Mapping[str, object]) -> list[Pair]:
    """The published pairs of videos with their folds from 0. Raises SourceError with the line that does not fit."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: the pairs cannot be read ({error}); name splits.txt with --splits") from error
    pairs = [_pair(path, number, line) for number, line in enumerate(lines, 2) if line.strip()]
    if len({pair.fold for pair in pairs}) < 2 or len({pair.same for pair in pairs}) < 2:
        raise SourceError(f"{path}: {len(pairs)} pairs; two folds or more, and pairs of either kind are needed; copy it again")
    for pair in pairs:
        for name in (pair.first, pair.second):
            if name not in videos:
                raise SourceError(f"{path}: video {name} is not among the {len(videos)} of the set; is it complete?")
    return pairs


def _pair(path: Path, number: int, line: str) -> Pair:
    words = [word.strip() for word in line.split(",")]
    if len(words) != COLUMNS or not words[0].isdigit() or words[-1] not in ("0", "1"):
        raise SourceError(f"{path}, line {number}: not 'split, pair, person/video, person/video, similarity, 0 or 1'; copy it again")
    return Pair(words[2], words[3], words[-1] == "1", int(words[0]) - 1)


def searches_of(videos: Sequence[str]) -> tuple[list[list[tuple[str, str]]], list[tuple[str, str]]]:
    """Two galleries and the probes, as person and video: the first videos of every second person, of the others, and all later videos."""
    people: dict[str, list[str]] = {}
    for video in videos:
        people.setdefault(video.partition("/")[0], []).append(video)
    first = [(name, own[0]) for name, own in people.items()]
    return [first[0::2], first[1::2]], [(name, video) for name, own in people.items() for video in own[1:]]


def facts_of(samples: Mapping[str, Samples], videos: Sequence[str], pairs: Sequence[Pair] | None) -> dict[str, Any]:
    """samples: how frames were fused -> one sample of each video. Returns the same -> 1:1 and, without published pairs, 1:N."""
    if pairs is not None:
        return {how: verification(pairs, found) for how, found in samples.items()}
    galleries, probes = searches_of(videos)
    named = [(video.partition("/")[0], video) for video in videos]
    return {
        how: {"verification": ijb.all_pairs(found, named), "identification": openset.over_galleries(found, galleries, probes)}
        for how, found in samples.items()
    }


def measure(options: argparse.Namespace) -> Answer:
    """Read, fuse, hash, compare; a table for each way of fusing, or one for 1:1 and one for 1:N."""
    tree = Tree(options.tree, levels=2 if options.video else 3)
    videos = videos_of(tree, [key for keys in tree.people().values() for key in keys], options.video, options.frames)
    pairs = read_splits(options.splits, videos) if options.splits else None
    if pairs:
        named = {name for pair in pairs for name in (pair.first, pair.second)}
        videos = {name: frames for name, frames in videos.items() if name in named}
    eye = extractor(options.config)
    samples = eye.fused(tree, {name: [frames] for name, frames in videos.items()})
    found = facts_of(samples, list(videos), pairs)
    lost = len(videos) - len(samples["mean"].place)
    facts = {
        "set": str(tree.path),
        "network": eye.hasher.manifest.name,
        "videos": len(videos),
        "frames": sum(map(len, videos.values())),
        "videos_without_sample": lost,
        "fusions": found,
    }
    if pairs is None:
        searched = {how: each["identification"] for how, each in found.items()}
        return [ijb.table(f"{tree.path.name}, 1:1, every two of {len(videos)} videos", found), _searched(tree.path.name, searched)], facts
    acquired = {"pictures": len(videos), "failures_to_acquire": lost}
    return [table(each | acquired, f"{tree.path.name}, {len(pairs)} pairs of videos, {how}") for how, each in found.items()], facts


def _searched(name: str, searched: Mapping[str, Any]) -> Table:
    return openset.table(f"{name}, 1:N, mean of two galleries", searched)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: no regular expression ({error})") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.ytf", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tree", type=Path, help="folder or zip of person/video/frame.jpg, or of person/frame.jpg with --video")
    parser.add_argument("--splits", type=Path, help="splits.txt, the published pairs (default: every pair, and 1:N)")
    parser.add_argument("--video", type=_pattern, metavar="REGEX", help="frames lie in their person's folder; its first group is the video")
    parser.add_argument("--frames", type=count, metavar="N", help="at most so many frames of each video, evenly spread (default all)")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

"""Much of everything: many frames, many faces."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import cv2
import numpy as np

from edge.camera import read_image
from edge.camera.demo import portraits
from evaluation.faults.rig import PATIENCE, PERIOD, STEP, Door, Finding, Rig, repeat, soon

SMALL = (160, 120)  # pixels of the fast stream's frames
FAST = {"detect_long_side": 160, "quality_min_eye_distance": 5, "quality_min_box_side": 12, "quality_min_sharpness": 0}
WARM = 0.2  # share of the frames after which the memory is taken for the first time
GROWTH = 4 << 20  # bytes that the resident memory may grow after that
ROWS, COLUMNS, CELL = 4, 5, 240  # of the storm: 20 portraits, pixels
STORM_LIMIT = 16  # detect.max_faces and track.max_tracks by default


@dataclass
class Course:
    """Memory and descriptors of a door over its frames."""

    frames: list[int] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def look(self, door: Door) -> None:
        """One more point, if there is a frame to tell by."""
        outcomes = [line for line in door.lines if "seconds" in line]
        if outcomes and door.alive:
            try:
                memory, descriptors = door.memory(), door.descriptors()
            except OSError:
                return  # it ended just now
            self.frames.append(round(max(line["seconds"] for line in outcomes) / STEP))
            self.memory.append(memory)
            self.descriptors.append(descriptors)


def many_frames(rig: Rig, times: int, random: Random) -> Finding:
    """times: thousands of frames, as fast as they go."""
    frames = 1000 * times
    finding = Finding(f"{frames:,} frames without a pause", 1, "")
    door = rig.door(source=_fast_stream(rig, frames), settings=FAST)
    course = Course()
    while door.alive:
        course.look(door)
        time.sleep(max(0.2, frames / 30_000))
    warm = next((place for place, frame in enumerate(course.frames) if frame >= WARM * frames), 0)
    memory, descriptors = ends(course.memory[warm:]), ends(course.descriptors[warm:])
    grown, more = memory[1] - memory[0], descriptors[1] - descriptors[0]
    summary = door.lines[-1]["summary"]
    took = time.monotonic() - door.started
    finding.seen = (
        f"{summary['frames']:,} frames in {took:.0f} s; resident memory {memory[0] / 2**20:.1f} MiB in the first third after "
        f"{course.frames[warm]:,} frames of warming up, {memory[1] / 2**20:.1f} MiB in the last third (at rest); descriptors "
        f"{descriptors[0]} and {descriptors[1]} likewise, {max(course.descriptors[warm:])} while a message is sent; "
        f"she was let in {len(door.identified):,} times in {frames // PERIOD:,} visits"
    )
    finding.as_expected = door.code == 0 and summary["frames"] >= frames - PERIOD and grown <= GROWTH and more <= 1 and rig.right(door)
    finding.false += sum(line["subject"] != rig.person for line in door.identified)
    finding.lost = rig.lost()
    return finding


def ends(course: list[int]) -> tuple[int, int]:
    """The least of the first third and of the last: what comes and goes does not count, what stays does."""
    third = max(len(course) // 3, 1)
    return min(course[:third]), min(course[-third:])


def _fast_stream(rig: Rig, frames: int) -> Path:
    film, stream = rig.folder / "small", rig.folder / "fast"
    film.mkdir()
    stream.mkdir()
    for path in rig.film.iterdir():
        cv2.imwrite(str(film / path.name), cv2.resize(read_image(path), SMALL, interpolation=cv2.INTER_AREA))
    repeat(film, stream, -(-frames // PERIOD))
    return stream


def storm(rig: Rig, times: int, random: Random) -> Finding:
    """times: frames of 20 faces each; then a calm stream."""
    folder = rig.folder / "storm"
    folder.mkdir()
    for number in range(times):
        cv2.imwrite(str(folder / f"{number}.png"), crowd(number), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    finding = Finding("a storm of 20 faces a frame", times, "")
    words = (sys.executable, "-m", "evaluation.faults.twin_door", str(folder), "--count")
    door = rig.door(before=words, settings={"detect_long_side": 640})
    finding.as_expected = soon(lambda: not door.alive, 4 * PATIENCE) and door.code == 0
    census = next(line["census"] for line in door.lines if "census" in line)
    finding.as_expected &= census["followed_at_most"] == STORM_LIMIT and census["frames"] == times
    finding.seen = (
        f"{census['followed_at_most']} faces followed at most, the limit; a frame takes {census['frame_ms_median']} ms in the median, "
        f"{census['frame_ms_p95']} ms at the 95th percentile; frames searched for faces at 640 pixels, with up to {STORM_LIMIT} hashes each"
    )
    calm = rig.door()
    finding.recovery.append(rig.recovered(calm))
    finding.as_expected &= calm.stop() == 0
    finding.lost = rig.lost()
    return finding


def crowd(number: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """960 x 1200 BGR: 20 portraits, each moved by a few pixels from frame to frame."""
    random = np.random.default_rng(number)
    canvas = np.full((ROWS * CELL, COLUMNS * CELL, 3), 120, np.uint8)
    pictures = [cv2.resize(picture, (CELL - 20, CELL - 20), interpolation=cv2.INTER_AREA) for picture in portraits().values()]
    for place in range(ROWS * COLUMNS):
        row, column = divmod(place, COLUMNS)
        top, left = row * CELL + int(random.integers(0, 20)), column * CELL + int(random.integers(0, 20))
        canvas[top : top + CELL - 20, left : left + CELL - 20] = pictures[(row + column) % len(pictures)]
    return canvas

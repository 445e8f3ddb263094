"""A stream made on the spot: two portraits in the public domain walk up to the camera, are turned, relit, blurred and covered.

The pictures ship inside scikit-image (Eileen Collins, NASA) and matplotlib (Grace Hopper, U.S. Navy). What the stream shows is one
photograph of each, changed: it proves that the loop works from end to end, not how well faces are told apart.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera.source import Clock, Source
from edge.errors import SourceError
from edge.records import Frame, Pixels

WIDTH, HEIGHT = 640, 480
RATE = 10.0  # frames per second of the stream's own clock


@dataclass(frozen=True)
class Visit:
    """Who comes (names of portraits, side by side; nobody: an empty scene) and for how many frames.

    hardship: how hard the camera has it, 0 calm .. 1 dark, blurred, covered.
    """

    people: tuple[str, ...]
    frames: int
    hardship: float = 0.3


STORY: tuple[Visit, ...] = (
    Visit((), 5),
    Visit(("Eileen Collins",), 22),
    Visit((), 15),
    Visit(("Grace Hopper",), 22),
    Visit((), 15),
    Visit(("Grace Hopper", "Eileen Collins"), 26),
    Visit((), 15),
    Visit(("Eileen Collins",), 26, hardship=0.9),
    Visit((), 15),
)

KIOSK: tuple[Visit, ...] = (
    Visit((), 25),
    Visit(("Eileen Collins",), 100, hardship=0.1),
    Visit((), 25),
    Visit(("Grace Hopper",), 60, hardship=0.1),
)


def portraits() -> dict[str, Pixels]:
    """Name -> portrait, BGR, scaled so that the faces are about 110 pixels wide. Raises SourceError naming the packages that hold them."""
    try:
        import matplotlib
        import skimage.data
    except ImportError as error:
        raise SourceError(
            f"demo: {error.name} is not installed, and its package holds one of the portraits; .venv/bin/pip install -e '.[demo]'"
        ) from error
    collins = np.ascontiguousarray(skimage.data.astronaut()[0:280, 80:370, ::-1])
    hopper = cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    if hopper is None:
        raise SourceError("demo: matplotlib ships without its sample data here; .venv/bin/pip install matplotlib, from PyPI")
    return {
        "Eileen Collins": collins,
        "Grace Hopper": cv2.resize(hopper[0:420, 85:445], None, fx=0.62, fy=0.62, interpolation=cv2.INTER_AREA),
    }


class DemoSource(Source):
    """Plays visits once. The same seed gives the same frames; another seed other movements, light and noise."""

    name = "demo"
    live = False

    def __init__(
        self,
        visits: Sequence[Visit] = STORY,
        *,
        seed: int = 1,
        pictures: Callable[[], dict[str, Pixels]] = portraits,
        clock: Clock = time.monotonic,
    ) -> None:
        self._pictures = pictures()
        unknown = sorted({name for visit in visits for name in visit.people} - set(self._pictures))
        if unknown:
            raise SourceError(f"demo: no portrait of {', '.join(unknown)}; there are {', '.join(self._pictures)}")
        self._random = np.random.default_rng(seed)
        self._started = clock()
        self._images = self._play(visits)
        self._number = 0

    def frames(self) -> Iterator[Frame]:
        for image in self._images:
            yield Frame(image, self._started + self._number / RATE, self._number, self.name)
            self._number += 1

    def close(self) -> None:
        self._images = iter(())

    def _play(self, visits: Sequence[Visit]) -> Iterator[Pixels]:
        scene = backdrop(self._random)
        for visit in visits:
            walks = [Walk(self._random, place, len(visit.people)) for place in range(len(visit.people))]
            for step in range(visit.frames):
                canvas = scene.copy()
                for name, walk in zip(visit.people, walks, strict=True):
                    paste(canvas, self._pictures[name], walk.matrix(self._pictures[name], step / visit.frames))
                yield spoil(canvas, self._random, visit.hardship)


class LiveDemoSource(Source):
    """The same people over and over at the world's pace, as before a camera: long visits, for a kiosk to be tried with.

    sleep: seconds to wait. A reader that is slow misses frames, as with a camera.
    """

    name = "demo:live"
    live = True

    def __init__(
        self,
        visits: Sequence[Visit] = KIOSK,
        *,
        pictures: Callable[[], dict[str, Pixels]] = portraits,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pictures, self._visits, self._clock, self._sleep = pictures(), visits, clock, sleep
        self._closed, self._number = False, 0

    def frames(self) -> Iterator[Frame]:
        begun, place = self._clock(), 0
        for seed in count():
            for frame in DemoSource(self._visits, seed=seed, pictures=lambda: self._pictures).frames():
                due, place = begun + place / RATE, place + 1
                if self._closed:
                    return
                if self._clock() > due + 1 / RATE:
                    continue
                self._sleep(max(0.0, due - self._clock()))
                yield Frame(frame.image, self._clock(), self._number, self.name)
                self._number += 1

    def close(self) -> None:
        self._closed = True


class Walk:
    """The way of one person through a visit: nearer, across, the head turning and leaning."""

    def __init__(self, random: np.random.Generator, place: int, people: int) -> None:
        self._phase = random.uniform(0, 2 * np.pi, 4)
        self._middle = WIDTH * (place + 1) / (people + 1)
        self._scale = 0.9 if people == 1 else 0.75

    def matrix(self, picture: Pixels, progress: float) -> npt.NDArray[np.float64]:
        """3 x 3: portrait pixels -> scene pixels at ``progress`` 0..1."""
        height, width = picture.shape[:2]
        sway = np.sin(2 * np.pi * progress * np.array([1.0, 1.5, 2.0, 1.2]) + self._phase)
        scale = self._scale * (0.75 + 0.45 * progress)
        angle, turn = np.deg2rad(8 * sway[0]), 0.0006 * sway[1]
        to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
        turned = np.array([[1 - 0.12 * abs(sway[1]), 0, 0], [0, 1, 0], [turn, 0.0003 * sway[2], 1]])
        placed = np.array(
            [
                [scale * np.cos(angle), -scale * np.sin(angle), self._middle + 25 * sway[3]],
                [scale * np.sin(angle), scale * np.cos(angle), HEIGHT * 0.5 + 15 * sway[2]],
                [0, 0, 1],
            ]
        )
        return np.asarray(placed @ turned @ to_middle, dtype=np.float64)


def backdrop(random: np.random.Generator) -> Pixels:
    """An empty hall: a soft gradient with blurred shapes."""
    rough = (random.integers(90, 170, (6, 8, 1)) + random.integers(-12, 13, (6, 8, 3))).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(cv2.resize(rough, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), (0, 0), 9), np.uint8)


def paste(canvas: Pixels, picture: Pixels, matrix: npt.NDArray[np.float64]) -> None:
    """Draw a portrait into the scene, its edges fading."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.float32)
    mask[8:-8, 8:-8] = 1
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 5), np.float32)
    drawn = cv2.warpPerspective(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_AREA)
    weight = cv2.warpPerspective(mask, matrix, (WIDTH, HEIGHT))[..., None]
    canvas[:] = (canvas * (1 - weight) + drawn * weight).astype(np.uint8)


def spoil(canvas: Pixels, random: np.random.Generator, hardship: float) -> Pixels:
    """Light, blur, a passing obstacle and sensor noise, each stronger with ``hardship`` 0..1."""
    gain = 1 + hardship * random.uniform(-0.5, 0.25)
    out = canvas.astype(np.float32) * gain
    if random.random() < 0.5 * hardship:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), 0.4 + 2.2 * hardship * random.random()), np.float32)
    if random.random() < 0.25 * hardship:
        left = int(random.integers(WIDTH // 4, 3 * WIDTH // 4))
        out[:, left : left + int(20 + 40 * hardship)] = random.uniform(0, 120)
    out += random.standard_normal(out.shape, np.float32) * np.float32(2 + 6 * hardship)
    return np.asarray(out.clip(0, 255), np.uint8)


def demo(text: str) -> Source:
    """The stream of "demo:" (played once) or "demo:live" (for ever, at the world's pace). Raises SourceError."""
    if text not in ("", "live"):
        raise SourceError(f"demo:{text}: there are demo: (once) and demo:live (for ever, at the world's pace)")
    return LiveDemoSource() if text else DemoSource()

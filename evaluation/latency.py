"""Where the time of a frame goes, what protection and search take of it, and the loop against a stock MobileFaceNet.

    python -m evaluation.latency [--reference ONNX] [--against NAME [--against-detector NAME]] [--frames N] [--references N] [--config FILE]

The frames are those of the demonstration stream, shown so far apart that each face is an approach of one sample: every usable face is
aligned, assessed, hashed, searched for and decided upon. Search is in a gallery of its own, of random codes and the people of the stream,
so that most searches find somebody, which costs more than to find nobody. With --reference (a MobileFaceNet: one RGB crop
1 x 3 x 112 x 112, (x - 127.5) / 127.5) the same loop runs with that network in onnxruntime in place of the shipped one, frame by frame in
turn; its embedding is repeated to fill the code, so that nothing is added to its time. With --against (a hashing network in the folder of
networks, such as drh_int8_cpu) it runs with that one too, in the same turns, and with the detector of --against-detector if one is named.
One process, one thread; shares and ratios are of the thread's processor time, so that other work on the machine does not count. The last
line is JSON.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track
from rich.table import Table

from edge.acquire import Acquirer, Infer
from edge.assembly import build
from edge.camera.demo import STORY, DemoSource, portraits
from edge.errors import NetworkError, SourceError
from edge.gallery import Gallery
from edge.identify import Identifier
from edge.inference import Network, load_network
from edge.inference.onnx_runtime import open_session
from edge.records import Candidate, Code, Frame
from edge.settings import Settings, load_settings
from edge.stages import Stages
from evaluation.pictures import CONSOLE, Answer, answer, count, two_columns

REFERENCES = 10_000
PER_SUBJECT = 10  # a gallery stores a subject's references at once, which makes a large one ten times as fast
WARM_UP = 2
SHARE_TARGET, RATIO_TARGET = 0.03, 0.6
EVERY_SAMPLE = {"network.threads": 1, "decision.min_samples": 1, "decision.max_samples": 1, "decision.max_log_variance": 1e9}


class Stock:
    """A stock face network in onnxruntime that answers as a hash network does. width: logits to give, m*q."""

    def __init__(self, path: Path, width: int) -> None:
        try:
            self._session = open_session(path.read_bytes(), 1, str(path))
        except OSError as error:
            raise NetworkError(f"{path}: the reference network cannot be read ({error.strerror}); leave --reference out") from error
        self._input, self._width, self._path = self._session.get_inputs()[0].name, width, path

    def infer(self, batch: npt.NDArray[Any], outputs: Sequence[str] | None = None) -> Mapping[str, npt.NDArray[Any]]:
        """crops (n, 112, 112, 3) uint8 BGR -> logits (n, m*q) and log_variance (n, 1), float32."""
        logits = np.stack([np.resize(self._embedding(crop), self._width) for crop in batch])
        return {"logits": logits, "log_variance": np.zeros((len(batch), 1), np.float32)}

    def _embedding(self, crop: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        planes = cv2.dnn.blobFromImage(crop, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
        try:
            return np.asarray(self._session.run(None, {self._input: planes})[0], np.float32)
        except Exception as error:  # onnxruntime's errors have no base class of their own
            raise NetworkError(f"{self._path}: takes no picture of 1 x 3 x 112 x 112 ({error}); name a stock MobileFaceNet") from error


@dataclass(frozen=True)
class Step:
    """One frame: processor seconds in all and of the gallery's searches; seconds by the clock in all and by stage; faces searched for;
    processor seconds by stage."""

    busy: float
    search: float
    seconds: float
    stages: dict[str, float]
    faces: int
    work: dict[str, float] = field(default_factory=dict)


class Clocks(Stages):
    """Seconds by the clock, as everywhere, and beside them the thread's processor seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.work: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block under ``name``, with both."""
        begun = time.thread_time()
        with super().stage(name):
            yield
        self.work[name] = self.work.get(name, 0.0) + time.thread_time() - begun


class Timed:
    """A gallery that counts the thread's processor seconds of its searches: transform and pack the probe, compare, sort."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self.busy = 0.0

    def __len__(self) -> int:
        return len(self._gallery)

    def refresh(self) -> bool:
        return self._gallery.refresh()

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        begun = time.thread_time()
        found = self._gallery.search(code, limit=limit, within=within)
        self.busy += time.thread_time() - begun
        return found


class Loop:
    """The identification loop of the appliance around a hashing network and a detector, timed frame by frame."""

    def __init__(
        self, settings: Settings, networks: build.Networks, hasher: Infer, gallery: Gallery, detector: Infer | None = None
    ) -> None:
        """detector: None for the one in force."""
        self._stages, self._gallery = Clocks(), Timed(gallery)
        self._identifier = identifier(settings, networks, detector or networks.detector, hasher, self._gallery, self._stages)
        self.steps: list[Step] = []

    def step(self, frame: Frame) -> None:
        self._stages.seconds.clear()
        self._stages.work.clear()
        self._gallery.busy = 0.0
        busy, begun = time.thread_time(), time.perf_counter()
        self._identifier.step(frame, lambda: frame.captured)
        busy, seconds = time.thread_time() - busy, time.perf_counter() - begun
        spent = {name: sum(each) for name, each in self._stages.seconds.items()}
        self.steps.append(Step(busy, self._gallery.busy, seconds, spent, len(self._stages.seconds["search"]), dict(self._stages.work)))

    @property
    def measured(self) -> list[Step]:
        """The frames with a face that was searched for, without the first ones."""
        return [step for step in self.steps if step.faces][WARM_UP:]


def identifier(settings: Settings, networks: build.Networks, detector: Infer, hasher: Infer, gallery: Timed, stages: Stages) -> Identifier:
    """The loop as the appliance builds it, but for its two networks."""
    acquirer = build.around(settings, detector, hasher, networks.q, stages)
    return build.identifier(settings, build.plainly(settings, acquirer, gallery, networks))


def enrol_the_stream(gallery: Gallery, acquirer: Acquirer) -> None:
    """The people of the demonstration stream, by their portraits. SourceError if one of them shows no usable face."""
    for name, picture in portraits().items():
        sample, reasons = acquirer.only_face(picture)
        if sample is None:
            raise SourceError(f"latency: the portrait of {name} cannot be enrolled ({reasons[0].value}); name other networks in --config")
        gallery.enrol(name, [acquirer.code(acquirer.features([sample])[0])])


def fill(gallery: Gallery, references: int, m: int, q: int) -> None:
    """Random codes, ten to a subject."""
    random = np.random.default_rng(1)
    codes = [Code(symbols, q) for symbols in random.integers(0, q, (references, m), np.uint8)]
    for start in track(range(0, references, PER_SUBJECT), "filling a gallery", console=CONSOLE, transient=True):
        gallery.enrol(f"random {start}", codes[start : start + PER_SUBJECT])


def beyond(settings: Settings) -> float:
    """Seconds between frames after which no track lives on and no sample is fused."""
    return 2 * max(settings.track.patience, settings.decision.expiry)


def apart(frames: Iterable[Frame], seconds: float) -> Iterator[Frame]:
    """The frames, each so long after the one before that every track has ended."""
    for number, frame in enumerate(frames):
        yield Frame(frame.image, number * seconds, number, frame.source)


def run(loops: Sequence[Loop], frames: Sequence[Frame]) -> None:
    """Show every frame to every loop, the first one taking turns."""
    for frame in track(frames, "measuring", console=CONSOLE, transient=True):
        for loop in loops if frame.number % 2 else reversed(loops):
            loop.step(frame)


def summary(steps: Sequence[Step]) -> dict[str, Any]:
    """Medians in milliseconds over the frames with a face, and the median share of the searches in a frame's processor time."""
    names = {name: None for step in steps for name in step.stages}
    stages = {name: _median_ms([step.stages.get(name, 0.0) for step in steps]) for name in names}
    return {
        "frames_with_face": len(steps),
        "stage_ms": stages,
        "frame_ms": _median_ms([step.seconds for step in steps]),
        "busy_ms_per_face": _median_ms(_per_face(steps)),
        "search_share": float(np.median([step.search / step.busy for step in steps])),
    }


def against(ours: Sequence[Step], stock: Sequence[Step]) -> dict[str, Any]:
    """The ratio of the medians of processor time per face, and the quartiles of the frames' ratios."""
    mine, theirs = np.array(_per_face(ours)), np.array(_per_face(stock))
    ratio = float(np.median(mine) / np.median(theirs))
    low, high = np.percentile(mine / theirs, (25, 75))
    return {"ratio": ratio, "ratio_quartiles": [float(low), float(high)], "target": RATIO_TARGET, "met": ratio <= RATIO_TARGET}


def parts(ours: Sequence[Step], theirs: Sequence[Step]) -> dict[str, dict[str, float]]:
    """Of the stages that every frame has, and of the whole frame: median milliseconds of processor time of both loops, and the median over
    the frames of the second loop's share of the first one's."""
    names = [name for name in ours[0].work if all(name in step.work for step in (*ours, *theirs))]
    spent = {name: np.array([[step.work[name] for step in steps] for steps in (ours, theirs)]) for name in names}
    spent["whole frame"] = np.array([[step.busy for step in steps] for steps in (ours, theirs)])
    return {
        name: {"ms": _median_ms(list(one[0])), "ms_against": _median_ms(list(one[1])), "share": float(np.median(one[1] / one[0]))}
        for name, one in spent.items()
    }


def alike(ours: Sequence[Step], theirs: Sequence[Step]) -> tuple[list[Step], list[Step]]:
    """The frames, without the first ones, in which both loops searched for equally many faces: two detectors do not always see the same."""
    both = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.faces and a.faces == b.faces][WARM_UP:]
    return [a for a, _ in both], [b for _, b in both]


def another(settings: Settings, name: str, m: int, q: int) -> Network:
    """A hashing network of the folder of networks, whose codes are of the same size. Raises NetworkError."""
    found = load_network(settings.network.models / f"{name}.json", threads=settings.network.threads)
    size = found.manifest.code
    if size is None or (size.m, size.q) != (m, q):
        raise NetworkError(f"--against {name}: its codes are not of {m} symbols of {q}; name a form of the network in force")
    return found


def another_detector(settings: Settings, name: str) -> Network:
    """A detector of the folder of networks. Raises NetworkError."""
    found = load_network(settings.network.models / f"{name}.json", threads=settings.network.threads)
    if found.manifest.kind != "detect":
        raise NetworkError(f"--against-detector {name}: is a network of kind '{found.manifest.kind}'; name a detector")
    return found


def _per_face(steps: Sequence[Step]) -> list[float]:
    return [step.busy / step.faces for step in steps]


def _median_ms(seconds: Sequence[float]) -> float:
    return round(1000 * float(np.median(seconds)), 4)


def measure(options: argparse.Namespace) -> Answer:
    """Fill a gallery, run the loops over the stream, sum up."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="edge-evaluation-") as folder:
        own = {"gallery.path": f"{folder}/gallery.db", "keys.file": f"{folder}/root.key", "keys.credential": "edge-evaluation-has-none"}
        settings = load_settings(options.config, flags=own | EVERY_SAMPLE)
        networks, network = build.Networks(settings), build.network_id(settings)
        with DemoSource() as stream, build.gallery(settings, network, lambda text: None, create=True) as gallery:
            fill(gallery, options.references, network.m, network.q)
            enrol_the_stream(gallery, build.acquirer(settings, networks, Stages()))
            loops = [Loop(settings, networks, networks.hasher, gallery)]
            if options.reference and options.reference.is_file():
                loops.append(Loop(settings, networks, Stock(options.reference, network.m * network.q), gallery))
            if options.against:
                hasher = another(settings, options.against, network.m, network.q)
                detector = another_detector(settings, options.against_detector) if options.against_detector else None
                loops.append(Loop(settings, networks, hasher, gallery, detector))
            run(loops, list(islice(apart(stream.frames(), beyond(settings)), options.frames)))
    return _answer(loops, options, networks.hasher.manifest.name)


def _answer(loops: Sequence[Loop], options: argparse.Namespace, network: str) -> Answer:
    ours = loops[0].measured
    if not ours:
        raise SourceError(f"latency: no usable face in {len(loops[0].steps)} frames, {WARM_UP + 1} are needed; give more --frames")
    facts = {
        "machine": f"{platform.machine()} {platform.system()}, Python {platform.python_version()}",
        "network": network,
        "frames": len(loops[0].steps),
        "references": options.references,
        **summary(ours),
        "search_share_target": SHARE_TARGET,
        "reference": None,
        "against": None,
    }
    theirs = [loop.measured for loop in loops[1:]]
    if options.against:
        theirs.pop()
        mine, other = alike(loops[0].steps, loops[-1].steps)
        if not mine:
            raise SourceError("latency: both loops saw the same faces in no frame; give more --frames, or another --against-detector")
        told = {"network": options.against, "detector": options.against_detector, "frames": len(mine)}
        facts["against"] = {**told, "busy": parts(mine, other)}
    if theirs:
        facts["reference"] = {"file": options.reference.name, **summary(theirs[0]), **against(ours, theirs[0])}
    missing = f"{options.reference} is not there" if options.reference else "no --reference was named"
    return [_stages(facts), _ratios(facts, missing), *([_forms(facts)] if options.against else [])], facts


def _stages(facts: Mapping[str, Any]) -> Table:
    stock = facts["reference"]
    table = Table(title=f"{facts['frames_with_face']} frames with a face, medians of ms per frame, one thread")
    table.add_column("stage")
    for heading in (facts["network"], *([stock["file"]] if stock else [])):
        table.add_column(heading, justify="right")
    for name, spent in {**facts["stage_ms"], "whole frame": facts["frame_ms"]}.items():
        theirs = {**stock["stage_ms"], "whole frame": stock["frame_ms"]}.get(name, 0.0) if stock else 0.0
        table.add_row(name, f"{spent:.3f}", *([f"{theirs:.3f}"] if stock else []))
    return table


def _forms(facts: Mapping[str, Any]) -> Table:
    other = facts["against"]
    table = Table(title="processor time, medians of ms per frame", caption="the share is the median of the frames' shares")
    table.add_column("stage")
    both = f"{other['network']}, {other['detector']}" if other["detector"] else other["network"]
    for heading in (facts["network"], both, "share"):
        table.add_column(heading, justify="right")
    for name, one in other["busy"].items():
        table.add_row(name, f"{one['ms']:.3f}", f"{one['ms_against']:.3f}", f"{one['share']:.2f}")
    return table


def _ratios(facts: Mapping[str, Any], missing: str) -> Table:
    share = f"{100 * facts['search_share']:.2f} % of a frame (target {100 * SHARE_TARGET:g} %)"
    lines = [
        (f"protection and search among {facts['references']:,} references", share),
        ("loop per face, ms of processor time", f"{facts['busy_ms_per_face']:.2f}"),
    ]
    stock = facts["reference"]
    if stock is None:
        lines.append(("against a stock MobileFaceNet", f"left out: {missing}"))
    else:
        low, high = stock["ratio_quartiles"]
        ratio = f"{stock['ratio']:.3f} [{low:.3f}, {high:.3f}] (target {RATIO_TARGET:g})"
        lines.append((f"against {stock['file']}, {stock['busy_ms_per_face']:.2f} ms", ratio))
    return two_columns("ratios", lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    story = sum(visit.frames for visit in STORY)
    parser = argparse.ArgumentParser(prog="python -m evaluation.latency", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reference", type=Path, metavar="ONNX", help="stock MobileFaceNet to compare with; left out if absent")
    parser.add_argument("--against", metavar="NAME", help="another hashing network of network.models to run the loop with, as drh_int8_cpu")
    parser.add_argument("--against-detector", metavar="NAME", help="with --against: the detector of that loop, as detector_int8_cpu")
    parser.add_argument("--frames", type=count, default=story, help=f"frames of the stream (default all {story})")
    parser.add_argument("--references", type=count, default=REFERENCES, help=f"in the gallery (default {REFERENCES:,})")
    parser.add_argument("--config", type=Path, help="TOML file that overrides config/appliance.toml")
    options = parser.parse_args(arguments)
    return answer(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main())

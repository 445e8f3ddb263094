"""The candidates of one plan: each is made from its graph, built, run on the samples, and held against the float network."""

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import JsonValue

from build_engine.boards import FOLDER, Profile
from build_engine.errors import BuildError
from build_engine.forecast import Forecast
from build_engine.graph import cast_first, halved, is_quantised, read_model
from build_engine.process import Facts
from build_engine.prove import failures, gate, measures, samples
from edge.errors import NetworkError
from edge.inference.make import golden_output
from edge.inference.manifest import Golden, Manifest, read_manifest
from edge.inference.network import Array, Network, Outputs, golden_input, read_network
from edge.inference.plan import QUANTISED, Board, Candidate, Options, PlanManifest, Proof, shapes

OPENING = 120.0  # seconds for a task that builds nothing
Tell = Callable[[str], None]


class Finding(Protocol):
    """What the linter finds; its text names the node and the remedy."""

    def __str__(self) -> str: ...


Linter = Callable[[Path], Sequence[Finding]]


@dataclass(frozen=True)
class Order:
    """What is wanted. network: manifest of the float network. quantised: ONNX file with Q/DQ nodes, for int8 and mixed, if there is one.

    precisions: those to try, empty: all that the board can. samples: folder of pictures to prove on. seconds: time-out of one build.
    part: which network of how many this is, for who waits.
    """

    network: Path
    quantised: Path | None
    plans: Path
    options: Options
    seconds: float
    precisions: tuple[str, ...] = ()
    samples: Path | None = None
    boards: Path = FOLDER
    part: tuple[int, int] = (1, 1)


class Does(Protocol):
    """Who does a task, see ``process.Workshop``."""

    def do(self, task: Facts, folder: Path, seconds: float, listen: Callable[[Facts], None] = ...) -> Facts: ...


@dataclass(frozen=True)
class Tools:
    """What a build works with. reference: opens the float network in onnxruntime. lint: None where no linter is there, then nothing
    quantised is built."""

    workshop: Does
    reference: Callable[[Path], Network]
    lint: Linter | None
    tell: Tell


@dataclass(frozen=True)
class Machine:
    """This board as TensorRT sees it. dla: how many accelerators for deep learning. halves: precisions whose graph must hold float16."""

    board: Board
    dla: int
    halves: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """A candidate with its files; without them when it failed."""

    candidate: Candidate
    plan: Path | None = None
    source_sha256: str = ""
    golden: Golden | None = None
    recorded: int = 0
    tail_shift: int | None = None


class Bench:
    """Where the candidates of one build are made and measured; the float network is asked once for all."""

    def __init__(
        self,
        order: Order,
        tools: Tools,
        manifest: Manifest,
        machine: Machine,
        profile: Profile,
        staging: Path,
        forecast: Forecast,
        before: PlanManifest | None = None,
    ) -> None:
        """before: the plan in use, whose table says how long each candidate took."""
        self._usual = {one.name: one.seconds for one in (before.candidates if before else ())}
        self._order, self._tools, self._manifest, self._staging = order, tools, manifest, staging
        self._machine, self._profile, self._forecast = machine, profile, forecast
        self._samples = samples(manifest, order.options, order.samples)
        self._reference: Outputs | None = None
        self._began = time.monotonic()

    def attempt(self, precision: str, dla: bool) -> Attempt:
        """Build and measure one candidate; whatever fails becomes its reason, in the table and told."""
        name = named(precision, dla)
        self._forecast.begins(name)
        try:
            source, graph = self._graph(precision)
            shift = self._shift(precision)
            built = self._build(name, precision, graph, dla)
            attempt = self._measure(name, built)
        except NetworkError as error:
            self._tools.tell(f"{name}: {error}")
            self._forecast.ends(built=False)
            return Attempt(Candidate(name=name, reason=str(error)))
        self._forecast.ends(built=True)
        self._tools.tell(f"{name}: {attempt.candidate.milliseconds} ms, {attempt.candidate.reason or 'passes'}")
        digest = hashlib.sha256(source).hexdigest()
        return Attempt(attempt.candidate, self._path(name, ".plan"), digest, attempt.golden, attempt.recorded, shift)

    def choose(self, tried: Sequence[Attempt], profile: str, basis: dict[str, JsonValue]) -> tuple[PlanManifest, bytes]:
        """The fastest that passed, by the time of one crop or canvas, and its manifest, signed off with the proof. Raises BuildError."""
        passed = [one for one in tried if one.candidate.passed]
        if not passed:
            reasons = "; ".join(f"{one.candidate.name}: {one.candidate.reason}" for one in tried)
            raise BuildError(f"{self._manifest.name}: no candidate passed; the plan in use stays. {reasons}")
        best = min(passed, key=lambda one: one.candidate.milliseconds["1"])
        assert best.plan is not None
        assert best.golden is not None
        raw, bars = best.plan.read_bytes(), gate(self._manifest.kind, best.candidate.name)
        return PlanManifest(
            network=self._manifest.name,
            network_sha256=self._manifest.sha256,
            plan_sha256=hashlib.sha256(raw).hexdigest(),
            source_sha256=best.source_sha256,
            tail_shift=best.tail_shift,
            precision=best.candidate.name,
            board=self._machine.board,
            options=self._order.options,
            profile=profile,
            golden=best.golden,
            proof=Proof(
                reference_sha256=self._manifest.sha256,
                samples=len(self._samples),
                real=self._order.samples is not None,
                measures=best.candidate.measures,
                gate=bars,
            ),
            candidates=tuple(_judged(one, best) for one in tried),
            facts={
                "built": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - self._began, 1),
                "machine": platform.machine(),
                "cuda_graphs": best.recorded,
                "basis": basis,
            },
        ), raw

    def _graph(self, precision: str) -> tuple[bytes, Path]:
        """The file that a candidate comes from, and the graph that the builder gets. Raises BuildError."""
        path = self._order.network.parent / self._manifest.file
        if precision in QUANTISED:
            path = self._quantised()
        source = path.read_bytes()
        model = cast_first(read_model(source, str(path)))
        if precision in self._machine.halves:
            model = halved(model)
        made = self._path(precision, ".onnx")
        made.write_bytes(model.SerializeToString())
        return source, made

    def _quantised(self) -> Path:
        path = self._order.quantised
        if path is None or not path.exists():
            raise BuildError(
                f"there is no quantised network ({path or 'none given'}); `edge engine quantise` makes one from the network's recipe, "
                "`python -m calibration.quantise` from pictures"
            )
        if not is_quantised(read_model(path.read_bytes(), str(path))):
            raise BuildError(f"{path}: holds no Q/DQ nodes; give the quantised network")
        if self._tools.lint is None:
            raise BuildError(f"{path}: cannot be checked, this installation has no linter; install build_engine whole")
        if found := self._tools.lint(path):
            raise BuildError(f"{path}: the linter refuses it: {'; '.join(map(str, found))}")
        return path

    def _shift(self, precision: str) -> int | None:
        """By how much the non-mated scores of an INT8 hash network moved, as its manifest states; None where nothing is to be moved.

        Raises BuildError for an INT8 network that was not held against this float network: its threshold would be guessed.
        """
        path = self._order.quantised
        if self._manifest.kind != "hash" or precision not in QUANTISED or path is None:
            return None
        told = read_manifest(path.with_suffix(".json"))
        read_network(told, path.with_suffix(".json"))
        if told.float_parent is None or told.float_parent.sha256 != self._manifest.sha256:
            raise BuildError(
                f"{path}: its manifest does not name {self._manifest.name} {self._manifest.sha256[:12]} as its 'float_parent'; "
                "`edge engine quantise` makes it anew"
            )
        return told.float_parent.tail_shift

    def _build(self, name: str, precision: str, graph: Path, dla: bool) -> float:
        order, board = self._order, self._machine.board
        cache = order.plans / f"timing-{board.tensorrt}-sm{board.sm}.cache"
        task: Facts = {"do": "build", "graph": str(graph), "plan": str(self._path(name, ".plan")), "cache": str(cache.absolute())}
        task |= {"precision": precision, "shapes": shapes(self._manifest, order.options), "dla": dla, "workspace": order.options.workspace}
        task |= {"optimisation_level": self._profile.optimisation_level, "seconds": order.seconds}
        usual = self._usual.get(name)

        def hear(said: Facts) -> None:
            self._tools.tell(f"{name}: {_progress(said, usual, order.seconds)}")
            if "waited" not in said:
                self._forecast.says(said)

        return float(self._tools.workshop.do(task, self._staging, order.seconds, hear)["seconds"])

    def _measure(self, name: str, seconds: float) -> Attempt:
        batches = sorted({1, self._order.options.batch if self._manifest.kind == "hash" else 1})
        golden = Golden(seed=0, shape=shapes(self._manifest, self._order.options)[1], outputs={})
        inputs = {"golden": golden_input(golden)} | self._batches()
        np.savez(self._staging / "inputs.npz", **inputs)  # type: ignore[arg-type]  # names of arrays, not of options
        task: Facts = {"do": "measure", "manifest": str(self._order.network.absolute()), "plan": str(self._path(name, ".plan"))}
        task |= {"inputs": str(self._staging / "inputs.npz"), "outputs": str(self._staging / "outputs.npz"), "batches": batches}
        task |= {"options": self._order.options.model_dump(), "seconds": OPENING}
        done = self._tools.workshop.do(task, self._staging, OPENING)
        with np.load(self._staging / "outputs.npz") as computed:
            outputs = {key: computed[key] for key in computed.files}
        plan = {name: np.concatenate([outputs[f"{key}/{name}"] for key in inputs if key != "golden"]) for name in self._names}
        measured = measures(self._manifest, self._float(), plan)
        failed = failures(gate(self._manifest.kind, name), measured)
        vectors = {one: golden_output(outputs[f"golden/{one}"]) for one in self._names} if not failed else {}
        candidate = Candidate(
            name=name,
            seconds=round(seconds, 1),
            milliseconds=done["milliseconds"],
            measures=measured,
            passed=not failed,
            reason="; ".join(failed),
        )
        return Attempt(candidate, golden=golden.model_copy(update={"outputs": vectors}), recorded=done["recorded"])

    @property
    def _names(self) -> list[str]:
        return [tensor.name for tensor in self._manifest.outputs]

    def _batches(self) -> dict[str, Array]:
        """The samples in batches that a plan takes at once, the last one full."""
        size = min(self._order.options.batch if self._manifest.kind == "hash" else 1, len(self._samples))
        starts = range(len(self._samples) % size or 0, len(self._samples), size)
        parts = [self._samples[: starts[0]]] if starts[0] else []
        parts += [self._samples[start : start + size] for start in starts]
        return {f"part{number}": part for number, part in enumerate(parts)}

    def _float(self) -> Outputs:
        if self._reference is None:
            network = self._tools.reference(self._order.network)
            parts = [network.infer(part) for part in self._batches().values()]
            self._reference = {name: np.concatenate([part[name] for part in parts]) for name in self._names}
        return self._reference

    def _path(self, name: str, suffix: str) -> Path:
        return self._staging / f"{name}{suffix}"


def named(precision: str, dla: bool) -> str:
    """A candidate's name."""
    return precision + ("-dla" if dla else "")


def _progress(said: dict[str, Any], usual: float | None, most: float) -> str:
    """usual: seconds that the last build of this candidate took, None where there was none. most: its time-out in seconds."""
    if "waited" not in said:
        return f"{said['phase']} {said['done']}/{said['steps']}, about {said['left']:.0f} s left"
    left = (
        f"about {max(0.0, usual - said['waited']):.0f} s left, as the last build went"
        if usual is not None
        else f"given up after {most:g} s"
    )
    return f"still building after {said['waited']:.0f} s; {left}"


def _judged(one: Attempt, best: Attempt) -> Candidate:
    reason = "taken: the fastest that passes" if one is best else one.candidate.reason or f"slower than {best.candidate.name}"
    return one.candidate.model_copy(update={"reason": reason})

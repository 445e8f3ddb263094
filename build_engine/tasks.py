"""The tasks that need TensorRT and the GPU: what board this is, build one plan, run one plan, open the plan in use as the door does."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from build_engine.builder import Order, build
from build_engine.release import PRECISIONS, Release
from edge.inference.accelerated import Accelerator, Wanted
from edge.inference.manifest import read_manifest
from edge.inference.network import Array
from edge.inference.plan import Options
from edge.inference.tensorrt import Device, Modules, TensorRTNetwork

Facts = dict[str, Any]
Say = Callable[[Facts], None]
WARM, TIMED = 5, 50  # runs before and while the time is taken
REPORT_EVERY = 0.5  # seconds between two reports of progress


def tasks(modules: Callable[[], Modules]) -> dict[str, Callable[[Facts, Say], Facts]]:
    """All tasks by name, for ``process.serve``. modules: where tensorrt and pycuda come from."""
    return {
        "board": partial(_board, modules),
        "build": partial(_build, modules),
        "measure": partial(_measure, modules),
        "open": partial(_open, modules),
    }


def _board(modules: Callable[[], Modules], task: Facts, say: Say) -> Facts:
    """-> board, dla: how many accelerators for deep learning TensorRT finds, halves: the precisions whose graph must hold float16."""
    found = modules()
    device = Device(found, task["seconds"])
    cores = device.run(lambda: found.trt.Builder(found.trt.Logger(found.trt.Logger.ERROR)).num_DLA_cores, task["seconds"])
    halves = [one for one in PRECISIONS if Release(found.trt).halves_graph(one)]
    return {"board": device.board().model_dump(), "dla": cores, "halves": halves}


def _build(modules: Callable[[], Modules], task: Facts, say: Say) -> Facts:
    """graph: path of the ONNX file; plan, cache: paths to write -> seconds."""
    began, progress = time.monotonic(), _Progress(say)
    cache = Path(task["cache"])
    order = Order(
        precision=task["precision"],
        shapes=tuple(tuple(shape) for shape in task["shapes"]),  # type: ignore[arg-type]  # three of them
        workspace=task["workspace"],
        optimisation_level=task["optimisation_level"],
        dla=task["dla"],
        cache=cache.read_bytes() if cache.exists() else b"",
    )
    found = modules()
    device = Device(found, task["seconds"])
    graph = Path(task["graph"]).read_bytes()
    built = device.run(lambda: build(found.trt, graph, order, progress, print), task["seconds"])
    Path(task["plan"]).write_bytes(built.plan)
    if built.cache:
        fresh = cache.with_suffix(".new")
        fresh.write_bytes(built.cache)
        fresh.rename(cache)
    return {"seconds": time.monotonic() - began}


class _Progress:
    """Passes steps on, at most one each half second, with the time left as the steps so far let it appear."""

    def __init__(self, say: Say) -> None:
        self._say, self._began, self._told = say, time.monotonic(), 0.0

    def __call__(self, phase: str, done: int, steps: int) -> bool:
        now = time.monotonic()
        if now - self._told >= REPORT_EVERY or done == steps:
            self._told = now
            left = (now - self._began) / max(done, 1) * (steps - done)
            self._say({"phase": phase, "done": done, "steps": steps, "left": round(left, 1)})
        return True


def _measure(modules: Callable[[], Modules], task: Facts, say: Say) -> Facts:
    """manifest, plan, inputs (.npz): paths; outputs: path to write -> milliseconds of one batch, by batch size, and how many were recorded.

    Each array of the inputs is computed as a batch of its own; its outputs are stored as ``<key>/<output>``.
    """
    manifest = read_manifest(Path(task["manifest"]))
    device = Device(modules(), task["seconds"])
    options = Options.model_validate(task["options"])
    network = TensorRTNetwork(manifest, options, Path(task["plan"]).read_bytes(), device, graphs=task.get("graphs", True))
    computed: dict[str, Array] = {}
    with np.load(task["inputs"]) as inputs:
        for key in inputs.files:
            computed |= {f"{key}/{name}": values for name, values in network.infer(inputs[key]).items()}
        timed = inputs[inputs.files[-1]]
    np.savez(task["outputs"], **computed)  # type: ignore[arg-type]  # names of arrays, not of options
    times = {str(size): _median(lambda size=size: network.infer(timed[:size])) for size in task["batches"]}  # type: ignore[misc]
    facts = {"milliseconds": times, "recorded": network.recorded}
    network.close()
    device.close()
    return facts


def _median(work: Callable[[], object]) -> float:
    """Milliseconds."""
    spent = []
    for run in range(WARM + TIMED):
        began = time.perf_counter()
        work()
        spent += [(time.perf_counter() - began) * 1000] if run >= WARM else []
    return round(statistics.median(spent), 4)


def _open(modules: Callable[[], Modules], task: Facts, say: Say) -> Facts:
    """Open the plan in use as the door does: loading checks, golden vectors, the note that it ran."""
    manifest = read_manifest(Path(task["manifest"]))
    accelerator = Accelerator(Wanted(Path(task["plans"]), Options.model_validate(task["options"]), task["seconds"]), modules)
    accelerator.open(manifest)
    used = accelerator.used[manifest.name]
    accelerator.close()
    return {"plan": used}

"""How long does one inference of two networks take, side by side in one process?

    python -m calibration.speed FLOAT.json INT8.json [--rounds N] [--batch N]

The networks take turns on the same random pictures, one thread each. Told are medians of processor time (of this process, so that other
work on the machine counts little), and the median of the ratio of each round. The last line of output is JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from edge.errors import EdgeError
from edge.inference import Network, load_network
from edge.inference.onnx_runtime import open_session

WARM = 5
DOOR = {"hash": ["logits", "log_variance"], "detect": ["scores", "boxes", "landmarks"]}
"""The outputs that a door asks for."""


def compare(first: Network, second: Network, rounds: int, batch: int = 1) -> dict[str, Any]:
    """Milliseconds of processor time of each and the second's share of the first's, over so many rounds. ValueError: of two kinds."""
    kind, size = first.manifest.kind, first.manifest.preprocessing.size
    if second.manifest.kind != kind:
        raise ValueError(f"'{first.manifest.name}' is of kind '{kind}', '{second.manifest.name}' of '{second.manifest.kind}'")
    pictures = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    taken = np.array([[_seconds(network, pictures, DOOR[kind]) for network in (first, second)] for _ in range(WARM + rounds)])[WARM:]
    low, middle, high = np.percentile(taken[:, 1] / taken[:, 0], [5, 50, 95])
    return {
        "first": first.manifest.name,
        "second": second.manifest.name,
        "rounds": rounds,
        "batch": batch,
        "ms_first": round(1000 * float(np.median(taken[:, 0])), 3),
        "ms_second": round(1000 * float(np.median(taken[:, 1])), 3),
        "ratio": round(float(middle), 3),
        "ratio_p5_p95": [round(float(low), 3), round(float(high), 3)],
    }


def share(float_network: bytes, int8_network: bytes, batch: npt.NDArray[np.uint8], outputs: list[str], rounds: int = 30) -> float:
    """Processor time of the second file's inference, of the first's: the median over rounds in which they take turns, one thread."""
    sessions: list[Any] = [open_session(raw, 1, "a network to be timed") for raw in (float_network, int8_network)]
    taken = []
    for _ in range(WARM + rounds):
        spent = []
        for session in sessions:
            begun = time.process_time()
            session.run(outputs, {session.get_inputs()[0].name: batch})
            spent.append(time.process_time() - begun)
        taken.append(spent[1] / spent[0])
    return float(np.median(taken[WARM:]))


def _seconds(network: Network, pictures: np.ndarray, outputs: list[str]) -> float:
    begun = time.process_time()
    network.infer(pictures, outputs)
    return time.process_time() - begun


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code of the error tree if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m calibration.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("first", type=Path, help="manifest of the network that is the measure, such as the float one")
    parser.add_argument("second", type=Path, help="manifest of the other one")
    parser.add_argument("--rounds", type=int, default=100, help="inferences of each (default 100)")
    parser.add_argument("--batch", type=int, default=1, help="pictures of one inference (default 1)")
    options = parser.parse_args(arguments)
    try:
        facts = compare(load_network(options.first), load_network(options.second), max(1, options.rounds), max(1, options.batch))
    except (EdgeError, ValueError) as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, highlight=False)
        return error.exit_code if isinstance(error, EdgeError) else 2
    print(f"{facts['first']} {facts['ms_first']} ms, {facts['second']} {facts['ms_second']} ms: {facts['ratio']} of it")
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())

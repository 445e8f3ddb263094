"""python -m build_engine build|verify|bench NETWORK.json --plans FOLDER: makes, opens or times the plan of one network on this board.

The last line of stdout is JSON; progress goes to stderr, what TensorRT prints to FOLDER/NETWORK/build.log. Exit codes: 0 done, 2 wrong
usage, 5 no plan came out (the one in use stays). `edge engine` calls this with the settings of the door.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from build_engine.bench import OPENING, Order, Tools
from build_engine.job import Job
from build_engine.lint import lint_file
from build_engine.process import Workshop
from edge.errors import NetworkError
from edge.inference import load_network
from edge.inference.manifest import read_manifest
from edge.inference.plan import Options, PlanManifest
from edge.inference.plans import PlanStore

LOG = "build.log"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m build_engine", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("action", choices=("build", "verify", "bench"))
    made.add_argument("network", type=Path, help="manifest of the float network")
    made.add_argument("--plans", type=Path, required=True, help="folder of the plans")
    made.add_argument("--quantised", type=Path, help="ONNX file with Q/DQ nodes, for int8 and mixed")
    made.add_argument("--batch", type=int, required=True, help="crops computed at once")
    made.add_argument("--side", type=int, required=True, help="pixels, the longest side of a canvas")
    made.add_argument("--workspace", type=int, required=True, help="MiB of GPU memory for one layer")
    made.add_argument("--timeout", type=float, required=True, help="seconds for one candidate")
    made.add_argument("--precision", action="append", default=[], help="try this one; again for more; without it all that the board can")
    made.add_argument("--samples", type=Path, help="folder of aligned crops or frames to prove on; without it made up pictures")
    made.add_argument("--part", type=int, nargs=2, default=(1, 1), metavar=("N", "OF"), help="which network of how many, for who waits")
    made.add_argument("--if-needed", action="store_true", help="nothing is built when the plan in use belongs here")
    return made


def main(arguments: Sequence[str], workshop: Callable[[Path], Workshop] = Workshop) -> int:
    given = parser().parse_args(arguments)
    try:
        print(json.dumps(_do(given, workshop)))
    except NetworkError as error:
        print(json.dumps({"error": str(error), "exit_code": error.exit_code}))
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _do(given: argparse.Namespace, workshop: Callable[[Path], Workshop]) -> dict[str, Any]:
    store = PlanStore(given.plans, read_manifest(given.network).name)
    store.folder.mkdir(parents=True, exist_ok=True)
    order = Order(
        network=given.network,
        quantised=given.quantised,
        plans=given.plans,
        options=Options(batch=given.batch, side=given.side, workspace=given.workspace),
        seconds=given.timeout,
        precisions=tuple(given.precision),
        samples=given.samples,
        part=(given.part[0], given.part[1]),
    )
    tools = Tools(workshop(store.folder / LOG), load_network, lint_file, lambda text: print(text, file=sys.stderr, flush=True))
    job = Job(order, tools)
    if given.action == "build":
        return summary(job.run(only_if_needed=given.if_needed))
    with tempfile.TemporaryDirectory(prefix="edge-plan-") as folder:
        if given.action == "verify":
            return {"plan": job.open(Path(folder)), "verified": True}
        return job.times(Path(folder), OPENING)


def summary(plan: PlanManifest) -> dict[str, Any]:
    """What a person or a program wants to know of a plan."""
    return {
        "network": plan.network,
        "precision": plan.precision,
        "plan_sha256": plan.plan_sha256,
        "board": plan.board.model_dump(),
        "proof": plan.proof.model_dump(),
        "candidates": [one.model_dump() for one in plan.candidates],
        "facts": plan.facts,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What NVIDIA's Polygraphy sees in an INT8 network that is shipped as a recipe: nodes by kind, what is quantised, inputs and outputs.

The network is made of the recipe in a folder that is gone afterwards; Polygraphy is a program of its own, and needs neither TensorRT nor a
GPU for this. Where it is not installed (extra ``inspect``) the table says so.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from rich.table import Table

from edge.errors import NetworkError

ROOT = Path(__file__).parent.parent
NODE = re.compile(r"^\s*Node \d+\s*\|.*\[Op: ([A-Za-z0-9_.]+)\]$")
PORT = re.compile(r"[{ ]([A-Za-z_]\w*) \[dtype=(\w+), shape=\(([^)]*)\)\]")
SIDES = {"Graph Input(s)": "inputs", "Graph Output(s)": "outputs"}
MISSING = "polygraphy is not installed (.venv/bin/pip install -e '.[inspect]')"


def program() -> str | None:
    """Polygraphy's path: of this environment first."""
    beside = Path(sys.executable).parent / "polygraphy"
    return str(beside) if beside.exists() else shutil.which("polygraphy")


def seen(network: Path, polygraphy: str) -> dict[str, Any]:
    """Of an ONNX file: nodes (kind -> how many), inputs and outputs as Polygraphy writes them. Raises NetworkError."""
    done = subprocess.run([polygraphy, "inspect", "model", str(network), "--show", "layers"], capture_output=True, text=True)
    told = understood(done.stdout)
    if done.returncode or not told["nodes"]:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise NetworkError(f"{network.name}: polygraphy cannot read it ({last[0][:200]}); lint it with python -m build_engine.lint")
    return told


def understood(text: str) -> dict[str, Any]:
    """The facts in the text of ``polygraphy inspect model --show layers``."""
    nodes: Counter[str] = Counter()
    ports: dict[str, list[str]] = {"inputs": [], "outputs": []}
    side = ""
    for line in text.splitlines():
        if line.strip().startswith("----"):
            side = next((word for heading, word in SIDES.items() if heading in line), "")
        elif found := NODE.match(line):
            nodes[found[1]] += 1
        elif side:
            ports[side] += [f"{name} {kind} ({shape})" for name, kind, shape in PORT.findall(line)]
    return {"nodes": dict(nodes.most_common()), **ports}


def inspected(models: Path, name: str) -> dict[str, Any] | None:
    """Of TensorRT's form of the network ``name``, made of its recipe; None without Polygraphy. Raises NetworkError."""
    polygraphy = program()
    if polygraphy is None:
        return None
    with tempfile.TemporaryDirectory(prefix="edge-evaluation-") as folder:
        words = [sys.executable, "-m", "calibration.recipe", f"{name}.json", f"{name}.recipe", "--out", folder, "--form", "tensorrt"]
        words[3:5] = [str((models / word).absolute()) for word in words[3:5]]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            raise NetworkError(f"{name}: its recipe makes no network ({done.stderr.strip()[-200:]}); install the extra calibrate")
        return seen(Path(json.loads(done.stdout.splitlines()[-1])["made"]["tensorrt"]).with_suffix(".onnx"), polygraphy)


def table(found: dict[str, Any] | None) -> Table:
    """The nodes by kind, with inputs and outputs below."""
    if found is None:
        shown = Table(title="what is in the network for TensorRT", caption=f"left out: {MISSING}")
        shown.add_column("kind of node")
        return shown
    ports = f"in: {'; '.join(found['inputs'])}. out: {'; '.join(found['outputs'])}"
    shown = Table(title="what is in the network for TensorRT, by polygraphy inspect model", caption=ports)
    shown.add_column("kind of node")
    shown.add_column("nodes", justify="right")
    for kind, count in found["nodes"].items():
        shown.add_row(kind, str(count))
    return shown

"""Door to the networks: a manifest and a network file become ``infer()``; a network that is not what its manifest says is not opened.

Which runtime computes is nobody's business beyond this door: ``load_network`` checks them all in the same way.
"""

import logging
from pathlib import Path

from edge.errors import NetworkError
from edge.inference.accelerated import Accelerator, Listener, Wanted, check_belongs, on_gpu_or_cpu
from edge.inference.manifest import Manifest, read_manifest, write_manifest
from edge.inference.network import Batch, Network, Outputs, check_golden, read_network
from edge.inference.plan import Candidate, Options, PlanError
from edge.inference.plans import PlanStore
from edge.inference.progress import Progress
from edge.inference.tensorrt import NoTensorRTError

__all__ = [
    "RUNTIMES",
    "Accelerator",
    "Batch",
    "Candidate",
    "Manifest",
    "Network",
    "NoTensorRTError",
    "Options",
    "Outputs",
    "PlanError",
    "PlanStore",
    "Progress",
    "Wanted",
    "check_belongs",
    "load_network",
    "read_manifest",
    "warn",
    "write_manifest",
]

warn = logging.getLogger(__name__).warning  # who is told of a network on the CPU if nobody else is
RUNTIMES = ("onnxruntime", "tensorrt", "auto")


def load_network(
    manifest_path: str | Path,
    *,
    runtime: str = "onnxruntime",
    threads: int = 1,
    accelerator: Accelerator | None = None,
    tell: Listener = warn,
) -> Network:
    """Open the network that a manifest describes; its file lies beside the manifest.

    runtime: one of ``RUNTIMES``. threads: how many compute one batch on the CPU. Checked in this order: the manifest, the file's SHA-256,
    the names, types and shapes of inputs and outputs, one run of the golden vectors. Raises NetworkError at the first thing that is not as
    stated.

    accelerator: the GPU, for the runtimes ``tensorrt`` and ``auto``. Where no plan belongs to this board and network, and after the GPU was
    lost, the network runs on the CPU and ``tell`` hears why. A machine without TensorRT is an error for ``tensorrt`` only.
    """
    path = Path(manifest_path)
    if runtime not in RUNTIMES:
        raise NetworkError(f"runtime '{runtime}' is not known; choose one of {', '.join(RUNTIMES)}")
    if runtime != "onnxruntime" and accelerator is None:
        raise ValueError(f"runtime '{runtime}' needs an accelerator")
    manifest = read_manifest(path)
    raw = read_network(manifest, path)

    def on_cpu() -> Network:
        from edge.inference.onnx_runtime import OnnxNetwork  # a board with a plan need not load this one

        network = OnnxNetwork(manifest, raw, threads)
        check_golden(network)
        return network

    if accelerator is None or runtime == "onnxruntime":
        return on_cpu()
    if runtime == "tensorrt":
        accelerator.board()
    return on_gpu_or_cpu(accelerator, manifest, on_cpu, tell)

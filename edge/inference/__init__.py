"""Door to the networks: a manifest and a network file become ``infer()``; a network that is not what its manifest says is not opened.

Which runtime computes is nobody's business beyond this door: ``load_network`` checks them all in the same way.
"""

from pathlib import Path

from edge.errors import NetworkError
from edge.inference.manifest import Manifest, read_manifest, write_manifest
from edge.inference.network import Batch, Network, Outputs, check_golden, read_network

__all__ = ["RUNTIMES", "Batch", "Manifest", "Network", "Outputs", "load_network", "read_manifest", "write_manifest"]

RUNTIMES = ("onnxruntime",)


def load_network(manifest_path: str | Path, *, runtime: str = "onnxruntime", threads: int = 1) -> Network:
    """Open the network that a manifest describes; its file lies beside the manifest.

    runtime: one of ``RUNTIMES``. threads: how many compute one batch. Checked in this order: the manifest, the file's SHA-256, the names,
    types and shapes of inputs and outputs, one run of the golden vectors. Raises NetworkError at the first thing that is not as stated.
    """
    path = Path(manifest_path)
    if runtime not in RUNTIMES:
        raise NetworkError(f"runtime '{runtime}' is not known; choose one of {', '.join(RUNTIMES)}")
    manifest = read_manifest(path)
    raw = read_network(manifest, path)
    from edge.inference.onnx_runtime import OnnxNetwork  # a board with another runtime need not have this one

    network = OnnxNetwork(manifest, raw, threads)
    check_golden(network)
    return network

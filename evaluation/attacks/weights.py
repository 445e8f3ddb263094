"""The public part of the network that an attacker starts from: its last layer, which makes projections of an embedding.

The only file of the evaluation that reads a network's weights, and so the only one that knows onnx.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import EdgeError, NetworkError
from edge.records import Code, Floats, Symbols
from edge.template.hashing import costs_of, hash_logits


@dataclass(frozen=True, eq=False)
class Projection:
    """logits = weight @ embedding + bias. weight: (m*q, d), bias: (m*q,), float32; blocks of q."""

    weight: Floats
    bias: Floats
    q: int

    @property
    def width(self) -> int:
        """d, the length of an embedding."""
        return int(self.weight.shape[1])

    def codes(self, embeddings: Floats) -> Symbols:
        """The rank hashes (n, m) of embeddings (n, d): what the network makes of a face with such an embedding."""
        return hash_logits(self._logits(embeddings), self.q)

    def probes(self, embeddings: Floats) -> list[Code]:
        """The same as probes, with their costs: what a door makes of such faces."""
        pairs = zip(self.codes(embeddings), self.costs(embeddings), strict=True)
        return [Code(symbols, self.q, costs) for symbols, costs in pairs]

    def costs(self, embeddings: Floats) -> Symbols:
        """The costs (n, m, q) of such probes."""
        return costs_of(self._logits(embeddings), self.q)

    def _logits(self, embeddings: Floats) -> Floats:
        return np.asarray(embeddings @ self.weight.T + self.bias, np.float32)


def read_projection(path: Path, q: int) -> Projection:
    """The layer that turns "embedding" into "logits" in a network file. Raises NetworkError where there is none."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise EdgeError("attacks: onnx is not installed; .venv/bin/pip install -e '.[calibrate]'") from error
    try:
        graph = onnx.load(path).graph
    except (OSError, ValueError) as error:
        raise NetworkError(f"{path}: cannot be read ({error}); name a hashing network") from error
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Gemm" and list(node.output) == ["logits"] and node.input[0] == "embedding":
            weight, bias = (numpy_helper.to_array(tensors[name]).astype(np.float32) for name in node.input[1:3])
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            return Projection(weight if transposed else np.ascontiguousarray(weight.T), bias, q)
    raise NetworkError(f"{path}: no layer makes `logits` of `embedding`; the attacks need a network whose projection is its last layer")

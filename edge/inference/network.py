"""What every runtime has in common: the face of a network, the checks before it is trusted, and the checks of what it is given."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.errors import NetworkError
from edge.inference.manifest import Golden, Manifest, Tensor

Array = npt.NDArray[Any]
Batch = Array | Mapping[str, Array]
Outputs = dict[str, Array]


class Network(Protocol):
    """A network ready to compute. Not for several threads at once."""

    @property
    def manifest(self) -> Manifest:
        """The facts that were checked when it was loaded."""

    def infer(self, batch: Batch, outputs: Sequence[str] | None = None) -> Outputs:
        """Compute one batch.

        batch: the input, or all inputs by name, exactly of the types and shapes of the manifest. outputs: the names wanted, None for all.
        Raises ValueError for an input or a name that is not the manifest's, NetworkError when the runtime fails.
        """


def read_network(manifest: Manifest, manifest_path: Path) -> bytes:
    """The bytes of the network file beside its manifest, whose SHA-256 is the stated one. Raises NetworkError."""
    path = manifest_path.parent / manifest.file
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NetworkError(f"{path}: the network cannot be read ({error.strerror}); {manifest_path} expects it there") from error
    found = hashlib.sha256(raw).hexdigest()
    if found != manifest.sha256:
        raise NetworkError(
            f"{path}: SHA-256 {found[:16]}... is not {manifest.sha256[:16]}... of {manifest_path.name}: the file was altered, cut short or "
            "exchanged; restore both from one release"
        )
    return raw


def check_signature(manifest: Manifest, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Names, types and shapes that the runtime reports must be those of the manifest, in any order. Raises NetworkError."""
    for word, stated, found in (("input", manifest.inputs, inputs), ("output", manifest.outputs, outputs)):
        if {str(tensor) for tensor in stated} != {str(tensor) for tensor in found}:
            raise NetworkError(
                f"{manifest.file}: {word}s are {'; '.join(map(str, found))}, but the manifest of '{manifest.name}' states "
                f"{'; '.join(map(str, stated))}; export the network and its manifest again"
            )


def golden_input(golden: Golden) -> Array:
    """The input of the golden run: uint8 numbers of the stated seed and shape."""
    return np.random.default_rng(golden.seed).integers(0, 256, golden.shape, np.uint8)


def check_golden(network: Network, golden: Golden | None = None) -> None:
    """One run of the golden vectors, of the manifest's if none are given; also the first, slow run.

    Raises NetworkError when an output is further off than its tolerance.
    """
    manifest, golden = network.manifest, golden or network.manifest.golden
    try:
        computed = network.infer(golden_input(golden))
    except ValueError as error:
        raise NetworkError(f"{manifest.file}: the golden run of its manifest is impossible: {error}; export both again") from error
    for name, expected in golden.outputs.items():
        values = computed[name].ravel()[: len(expected.first)].astype(np.float64)
        off = float(np.abs(values - expected.first).max()) if values.size == len(expected.first) else float("nan")
        if not off <= expected.tolerance:
            raise NetworkError(
                f"{manifest.file}: golden run: output '{name}' is off by {off:.3g}, allowed are {expected.tolerance:.3g}: the network "
                "computes something else here than where it was exported; try another version of the runtime, or export it again"
            )


def named_inputs(manifest: Manifest, batch: Batch) -> dict[str, Array]:
    """The batch by input name, after checking it against the manifest. Raises ValueError."""
    arrays = dict(batch) if isinstance(batch, Mapping) else {manifest.inputs[0].name: batch}
    if set(arrays) != {tensor.name for tensor in manifest.inputs}:
        raise ValueError(f"'{manifest.name}': given {sorted(arrays)}, its inputs are {', '.join(map(str, manifest.inputs))}")
    for tensor in manifest.inputs:
        array = arrays[tensor.name]
        fits = array.ndim == len(tensor.shape) and all(
            side > 0 and stated in (None, side) for side, stated in zip(array.shape, tensor.shape, strict=True)
        )
        if str(array.dtype) != tensor.dtype or not fits:
            raise ValueError(f"'{manifest.name}': given {array.dtype} {array.shape}, expected {tensor}")
    return arrays


def wanted_outputs(manifest: Manifest, outputs: Sequence[str] | None) -> list[str]:
    """The names to compute; None means all. Raises ValueError for a name the network does not have."""
    known = [tensor.name for tensor in manifest.outputs]
    unknown = sorted(set(outputs or ()) - set(known))
    if unknown:
        raise ValueError(f"'{manifest.name}': no output {', '.join(unknown)}; it has {', '.join(known)}")
    return known if outputs is None else list(outputs)

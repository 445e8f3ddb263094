"""Making a manifest from a real network file, for whoever exports one: what it states has been read off and run, not typed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import JsonValue, ValidationError

from edge.errors import NetworkError
from edge.inference.manifest import CodeSize, FloatParent, Golden, GoldenOutput, Kind, Manifest, Preprocessing
from edge.inference.network import golden_input
from edge.inference.onnx_runtime import open_session, signature
from edge.records import CROP_SIZE
from edge.template.tail import NonMatedTail

FIRST_VALUES = 16
# CPUs differ in the last bits in float and by a few steps in INT8; another network differs by about the spread itself
TOLERATED_SHARE = 0.02
LEAST_TOLERANCE = 1e-4


def describe(
    network: Path,
    kind: Kind,
    *,
    facts: Mapping[str, JsonValue],
    size: int = CROP_SIZE,
    code: CodeSize | None = None,
    non_mated: NonMatedTail | None = None,
    single: NonMatedTail | None = None,
    references: NonMatedTail | None = None,
    float_parent: FloatParent | None = None,
    seed: int = 0,
) -> Manifest:
    """The manifest of an ONNX file, with golden vectors from one run of it on the CPU.

    network: path of ``<name>.onnx``; the manifest belongs beside it as ``<name>.json`` (``write_manifest``). size: for a detector the long
    side of its training canvas, a multiple of 32. code: m and q of a hash network. Raises NetworkError when the file is no network that the
    appliance can use.
    """
    raw = network.read_bytes()
    session = open_session(raw, 1, str(network))
    inputs, outputs = signature(session)
    golden = Golden(seed=seed, shape=(2 if kind == "hash" else 1, size, size, 3), outputs={})
    try:
        computed = session.run([tensor.name for tensor in outputs], {inputs[0].name: golden_input(golden)})
    except Exception as error:  # onnxruntime's errors have no base class of their own
        raise NetworkError(f"{network}: takes no uint8 pictures of {golden.shape} ({error}); export it with the agreed input") from error
    vectors = {tensor.name: golden_output(values) for tensor, values in zip(outputs, computed, strict=True)}
    try:
        return Manifest(
            name=network.stem,
            kind=kind,
            file=network.name,
            sha256=hashlib.sha256(raw).hexdigest(),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            preprocessing=Preprocessing(size=size, alignment="arcface_112" if kind == "hash" else "letterbox"),
            code=code,
            non_mated=non_mated,
            single=single,
            references=references,
            float_parent=float_parent,
            golden=golden.model_copy(update={"outputs": vectors}),
            facts=dict(facts),
        )
    except ValidationError as error:
        raise NetworkError(f"{network}: is no network of kind '{kind}': {error.errors()[0]['msg']}; export it again") from error


def golden_output(values: np.ndarray) -> GoldenOutput:
    """What to expect of one output at the next load, from a run of now."""
    first = tuple(float(f"{value:.7g}") for value in values.ravel()[:FIRST_VALUES])
    return GoldenOutput(first=first, tolerance=max(LEAST_TOLERANCE, float(f"{TOLERATED_SHARE * values.astype(np.float64).std():.2g}")))

"""An INT8 network as it is shipped: the file, and the manifest that the door believes."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from calibration.gate import Figures, moved_tail
from edge.inference import Manifest, write_manifest
from edge.inference.make import describe
from edge.inference.manifest import FloatParent
from edge.inference.network import golden_input

SUFFIX = {"tensorrt": "_int8", "cpu": "_int8_cpu"}
CPU_STEPS = 4  # a machine may differ by so many times the difference between onnxruntime's fused and unfused arithmetic


def write(network: onnx.ModelProto, form: str, facts: dict[str, Any], manifest: Manifest, folder: Path) -> Path:
    """Write a network and its manifest; returns the manifest's path.

    facts: of this network, with the figures of its gate as "gate"; they are kept beside those of the float network, whose manifest it is.
    """
    path = folder / f"{manifest.name}{SUFFIX[form]}.onnx"
    draft = path.with_suffix(".part")
    draft.write_bytes(network.SerializeToString())
    draft.replace(path)  # a door that starts meanwhile reads the one before or this one, whole
    tail, shift = moved_tail(manifest.non_mated, facts["gate"]) if manifest.kind == "hash" else (None, None)
    single, _ = moved_tail(manifest.single, facts["gate"]) if manifest.kind == "hash" else (None, None)
    if shift is not None:
        facts = {**facts, "non_mated_moved_by": shift}
    kept, side = {**manifest.facts, "quantised": facts}, manifest.preprocessing.size
    parent = parent_of(manifest, facts["gate"], shift)
    told = describe(path, manifest.kind, facts=kept, size=side, code=manifest.code, non_mated=tail, single=single, float_parent=parent)
    write_manifest(tolerant(told, path.read_bytes()), path.with_suffix(".json"))
    return path.with_suffix(".json")


def parent_of(manifest: Manifest, gate: Figures, shift: int | None) -> FloatParent | None:
    """What an INT8 hash network's manifest says of its float parent; None where too few people were known to be different to say it, and
    then no door takes the network. gate: the figures of ``calibration.gate.HashJudge``. shift: of the tail."""
    if shift is None or not gate["people_known"]:
        return None
    found = {"agreement": gate["agreement"], "pairs": gate["non_mated_pairs"], "tail_shift": shift}
    return FloatParent(sha256=manifest.sha256, **found)


def tolerant(manifest: Manifest, raw: bytes) -> Manifest:
    """The manifest with golden tolerances that other CPUs and runtimes keep.

    INT8 is computed in fused integer kernels here and in float there, and a value on the edge of two steps falls on either side; how much
    that makes is seen by running the same graph without any fusion.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    values = session.run(list(manifest.golden.outputs), {manifest.inputs[0].name: golden_input(manifest.golden)})
    outputs = {}
    for (name, golden), unfused in zip(manifest.golden.outputs.items(), values, strict=True):
        off = float(np.abs(unfused.ravel()[: len(golden.first)] - golden.first).max())
        outputs[name] = golden.model_copy(update={"tolerance": max(golden.tolerance, float(f"{CPU_STEPS * off:.2g}"))})
    return manifest.model_copy(update={"golden": manifest.golden.model_copy(update={"outputs": outputs})})

"""A plan against onnxruntime with the float network: does it give the same codes, or the same boxes?"""

from pathlib import Path

import cv2
import numpy as np

from build_engine.errors import BuildError
from edge.inference.manifest import LEAST_AGREEMENT, Manifest
from edge.inference.network import Array, Outputs
from edge.inference.plan import QUANTISED, Options, shapes

# Symbols: the bar of the product for INT8. The log variance weighs samples: 0.2 is a fifth of a weight. Boxes and landmarks in strides of
# their cell: 0.1 is under a pixel on the finest.
GATES = {
    "hash": {"symbols_least": LEAST_AGREEMENT, "log_variance_most": 0.2},
    "detect": {"scores_most": 0.05, "boxes_most": 0.1, "landmarks_most": 0.1},
}
# A detector in INT8: single scores move more (0.07 on made up pictures, 0.18 on LFW, in onnxruntime), which its gate on the workstation has
# weighed by the faces that it finds; boxes and landmarks are held as tightly.
INT8_SCORES = 0.25
SAMPLES = 32
FACE = 0.5  # score of the float network from which a cell sees a face
FEW = 0.01  # share of the cells, the best, that is compared where none sees a face
PICTURES = (".png", ".jpg", ".jpeg")


def gate(kind: str, precision: str) -> dict[str, float]:
    """What a plan of this kind of network and of a precision, or a candidate of that name, must reach."""
    bars = dict(GATES[kind])
    return bars | {"scores_most": INT8_SCORES} if kind == "detect" and precision.startswith(QUANTISED) else bars


def samples(manifest: Manifest, options: Options, folder: Path | None, seed: int = 0) -> Array:
    """N x H x W x 3 uint8 to compare on: the pictures of a folder, aligned crops or frames, else made up ones of all coarsenesses.

    Raises BuildError for a folder without pictures.
    """
    height, width = shapes(manifest, options)[1][1:3]
    if folder is None:
        return _made_up(SAMPLES, height, width, seed)
    found = sorted(path for path in folder.glob("**/*") if path.suffix.lower() in PICTURES)
    read = [picture for path in found if (picture := cv2.imread(str(path))) is not None]
    if not read:
        raise BuildError(f"{folder}: no pictures (.png, .jpg) to prove a plan on; give another folder, or none for made up ones")
    return np.stack([cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA) for picture in read]).astype(np.uint8)


def _made_up(count: int, height: int, width: int, seed: int) -> Array:
    """Pictures in which, as in photographs, coarse structure is stronger than fine."""
    random = np.random.default_rng(seed)
    made = np.zeros((count, height, width, 3), np.float32)
    for cells in (2, 4, 8, 16, 32):
        noise = random.normal(size=(count, cells, cells, 3)).astype(np.float32)
        made += np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in noise]) / np.sqrt(cells)
    contrast = random.uniform(20, 60, (count, 1, 1, 1)).astype(np.float32)
    return np.clip(random.uniform(80, 170, (count, 1, 1, 1)) + made * contrast, 0, 255).astype(np.uint8)


def measures(manifest: Manifest, float_: Outputs, plan: Outputs) -> dict[str, float]:
    """What the gate looks at, from the outputs of both for the same samples. Outputs that are not finite measure as the worst there is."""
    if not all(np.isfinite(values).all() for values in plan.values()):
        return {name: 0.0 if name.endswith("_least") else float("1e9") for name in GATES[manifest.kind]}
    return _symbols(manifest, float_, plan) if manifest.kind == "hash" else _boxes(float_, plan)


def _symbols(manifest: Manifest, float_: Outputs, plan: Outputs) -> dict[str, float]:
    assert manifest.code is not None
    a, b = (outputs["logits"].reshape(-1, manifest.code.m, manifest.code.q).argmax(axis=2) for outputs in (float_, plan))
    off = np.abs(plan["log_variance"] - float_["log_variance"]).mean()
    return {"symbols_least": float((a == b).mean()), "log_variance_most": float(off)}


def _boxes(float_: Outputs, plan: Outputs) -> dict[str, float]:
    scores = float_["scores"]
    seen = scores >= min(FACE, float(np.quantile(scores, 1 - FEW)))
    facts = {"scores_most": float(np.abs(plan["scores"] - scores).max())}
    for name in ("boxes", "landmarks"):
        facts[f"{name}_most"] = float(np.abs(plan[name] - float_[name])[seen].mean())
    return facts


def failures(gate: dict[str, float], measured: dict[str, float]) -> list[str]:
    """What does not pass, in words; empty: it passes."""
    found = []
    for name, bar in gate.items():
        value, word = measured[name], name.rpartition("_")[0]
        if name.endswith("_least") and not value >= bar:
            found.append(f"{word} agree to {value:.4f}, at least {bar} is asked")
        if name.endswith("_most") and not value <= bar:
            found.append(f"{word} are off by {value:.4f}, at most {bar} is allowed")
    return found

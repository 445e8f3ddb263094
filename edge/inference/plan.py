"""The facts beside a plan: for which network, on which board and with which options it was built, and the proof that it computes the same.

A plan is a network compiled for one board: one TensorRT, one CUDA, one GPU. Everywhere else it is refused, with the reason.
"""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from edge.errors import NetworkError
from edge.inference.manifest import Golden, Manifest, Strict

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[int, Field(ge=1)]
QUANTISED = ("int8", "mixed")  # what the names of precisions with INT8 begin with
DETECT_STEP = 32  # pixels: the sides of a canvas are multiples of it


class PlanError(NetworkError):
    """There is no plan for this network on this board; the message says why."""


class Board(Strict):
    """What a plan depends on. sm: compute capability, "8.7". power_mode: as the board names it, "unknown" where there is none."""

    tensorrt: str
    cuda: str
    gpu: str
    sm: str
    power_mode: str


class Options(Strict):
    """What the settings ask of a plan. batch: crops computed at once. side: pixels, the longest canvas side. workspace: MiB of GPU memory
    that the builder may use for one layer."""

    batch: Positive
    side: Positive
    workspace: Positive


class Candidate(Strict):
    """One way to build that was tried. milliseconds: median of one batch, by its size. reason: why it was not taken."""

    name: str
    seconds: float | None = None
    milliseconds: dict[str, float] = Field(default_factory=dict)
    measures: dict[str, float] = Field(default_factory=dict)
    passed: bool = False
    reason: str = ""


class Proof(Strict):
    """The plan against onnxruntime with the float network. measures and gate have the same keys; see ``build_engine.prove``."""

    reference_sha256: Sha256
    samples: Positive
    real: bool
    measures: dict[str, float]
    gate: dict[str, float]


class PlanManifest(Strict):
    """Format 1. network_sha256: of the float network, whose manifest the plan serves. source_sha256: of the graph that was compiled.

    tail_shift: of a hash network in INT8, by how many symbols its non-mated scores are nearer to mated than float's
    (``manifest.FloatParent``); the door's threshold moves along. None for a plan in float.
    golden: a run of the plan itself, repeated at every load. candidates: all that was tried. facts: what else was so at the build.
    """

    format: Literal[1] = 1
    network: str
    network_sha256: Sha256
    plan_sha256: Sha256
    source_sha256: Sha256
    precision: str
    board: Board
    options: Options
    profile: str
    tail_shift: Annotated[int, Field(le=0)] | None = None
    golden: Golden
    proof: Proof
    candidates: tuple[Candidate, ...]
    facts: dict[str, JsonValue]


def shapes(manifest: Manifest, options: Options) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The least, the usual and the largest input of a plan.

    Crops come alone mostly, and up to ``batch`` at once; canvases come one by one, in any size up to ``side``, mostly of a 16:9 picture.
    """
    if manifest.kind == "hash":
        size = manifest.preprocessing.size
        return (1, size, size, 3), (1, size, size, 3), (options.batch, size, size, 3)
    usual = -(-options.side * 9 // 16 // DETECT_STEP) * DETECT_STEP
    return (1, DETECT_STEP, DETECT_STEP, 3), (1, usual, options.side, 3), (1, options.side, options.side, 3)


def differences(plan: PlanManifest, manifest: Manifest, board: Board, options: Options) -> list[str]:
    """Why a plan does not belong here, one entry a reason; empty: it does."""
    found = []
    if plan.network_sha256 != manifest.sha256:
        found.append(f"it was built from network {plan.network_sha256[:12]}, the door has {manifest.sha256[:12]}")
    if manifest.kind == "hash" and plan.tail_shift is None and plan.precision.startswith(QUANTISED):
        found.append("it is INT8 and does not say by how much non-mated scores moved, so no threshold follows")
    words = {"tensorrt": "TensorRT", "cuda": "CUDA", "gpu": "GPU", "sm": "compute capability", "power_mode": "power mode"}
    for key, word in words.items():
        theirs, ours = getattr(plan.board, key), getattr(board, key)
        found += [f"it was built for {word} {theirs}, here is {ours}"] if theirs != ours else []
    for key, word in {"batch": "network.batch", "side": "detect.long_side", "workspace": "network.workspace"}.items():
        theirs, ours = getattr(plan.options, key), getattr(options, key)
        found += [f"it was built with {word} = {theirs}, now it is {ours}"] if theirs != ours else []
    return found

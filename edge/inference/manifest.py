"""The facts beside a network file: ``<name>.json``, read strictly. Training writes it, the door believes nothing else."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, StringConstraints, ValidationError, model_validator

from edge.errors import NetworkError
from edge.records import CROP_SIZE, LANDMARKS
from edge.template.tail import LEAST_TAIL, SHARE, NonMatedTail

Dimension = Annotated[int, Field(ge=1)] | None
Shape = tuple[Dimension, ...]
Kind = Literal["detect", "hash"]
MOST_BYTES = 1 << 20
LEAST_AGREEMENT = 0.95  # share of symbols that an INT8 network and its float parent have in common
LEAST_PAIRS = round(LEAST_TAIL / SHARE)  # of different people, so that the shift of their lowest hundredth is measured and not guessed


class Strict(BaseModel):
    """A record of a manifest: no unknown keys, no conversions, not to be changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Tensor(Strict):
    """One input or output: its name, its numpy type, its shape (null: free, such as the batch)."""

    name: Annotated[str, Field(min_length=1)]
    dtype: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join('free' if side is None else str(side) for side in self.shape)}]"


class Preprocessing(Strict):
    """What stands in front of the network; the normalisation itself is inside the graph.

    size: pixels, the crop's side or the canvas' long side while training. alignment: 'letterbox' is ``face.detect.fit``, 'arcface_112' is
    ``face.align.align``.
    """

    colour: Literal["BGR"] = "BGR"
    layout: Literal["NHWC"] = "NHWC"
    range: Literal["0..255"] = "0..255"
    size: Annotated[int, Field(ge=1)]
    alignment: Literal["letterbox", "arcface_112"]


class CodeSize(Strict):
    """The rank hash: m symbols of q values; m is a multiple of 8, so that a bit plane is whole bytes."""

    m: Annotated[int, Field(ge=8, multiple_of=8)]
    q: Annotated[int, Field(ge=2, le=64)]


class FloatParent(Strict):
    """The float network that an INT8 hash network was made of, and what was measured between the two (``calibration.gate``).

    Its references and the INT8 network's probes are compared with one another, so a gallery made with either serves both. sha256: of the
    float network's file. agreement: share of equal symbols of the same crops. pairs: comparisons of different people, float against float,
    INT8 against INT8 and float against INT8, from which the shift follows. tail_shift: symbols by which the parent's non-mated
    tail was moved for this network; never to the lax side.
    """

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    agreement: Annotated[float, Field(ge=LEAST_AGREEMENT, le=1)]
    pairs: Annotated[int, Field(ge=LEAST_PAIRS)]
    tail_shift: Annotated[int, Field(le=0)]


class GoldenOutput(Strict):
    """The first values of one output, in C order, and how far each may be off (absolute)."""

    first: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    tolerance: Annotated[float, Field(gt=0)]


class Golden(Strict):
    """A run to repeat at every load. Its input: ``numpy.random.default_rng(seed).integers(0, 256, shape, numpy.uint8)``."""

    seed: Annotated[int, Field(ge=0)]
    shape: tuple[Annotated[int, Field(ge=1)], ...]
    outputs: dict[str, GoldenOutput]


class Manifest(Strict):
    """Format 2: the tails are of ``compare.dissimilarities``.

    In format 1 they are of unequal symbols, which is nearly the same for strangers (``hashing.unequal_of``).

    file: the network, in the manifest's folder. sha256: of that file, in hex. non_mated: the measured tail from which the door's
    threshold follows, of fused samples; null until measured. single: the same of single samples, for pictures that stand alone; null: as
    non_mated. references: the same of references with one another, which have no costs: of unequal symbols; null: nothing is said of
    them. float_parent: of an INT8 network. facts: where the network came from, free form.
    """

    format: Literal[2] = 2
    name: Annotated[str, Field(min_length=1)]
    kind: Kind
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    preprocessing: Preprocessing
    code: CodeSize | None = None
    non_mated: NonMatedTail | None = None
    single: NonMatedTail | None = None
    references: NonMatedTail | None = None
    float_parent: FloatParent | None = None
    golden: Golden
    facts: dict[str, JsonValue]

    @model_validator(mode="after")
    def _belongs_together(self) -> "Manifest":
        if (self.code is not None) != (self.kind == "hash"):
            raise ValueError("'code' belongs to kind 'hash', and only there")
        for name, tail in (("non_mated", self.non_mated), ("single", self.single), ("references", self.references)):
            if tail and (self.code is None or tail.m != self.code.m):
                raise ValueError(f"'{name}' was measured with {tail.m} symbols, which are not those of 'code'")
        for name, tail in (("single", self.single), ("references", self.references)):
            if tail and not self.non_mated:
                raise ValueError(f"'{name}' stands beside 'non_mated', not in its place")
        if self.float_parent and (self.non_mated is None or self.float_parent.sha256 == self.sha256):
            raise ValueError("'float_parent' belongs to an INT8 hash network with a 'non_mated' tail, and names another file")
        if self.preprocessing.alignment != {"detect": "letterbox", "hash": "arcface_112"}[self.kind]:
            raise ValueError(f"alignment '{self.preprocessing.alignment}' is not that of kind '{self.kind}'")
        inputs, outputs = _agreed(self)
        if [tensor.name for tensor in self.inputs] != [tensor.name for tensor in inputs]:
            raise ValueError(f"kind '{self.kind}' has the one input '{inputs[0].name}'")
        _hold_against(inputs, self.inputs)
        _hold_against(outputs, self.outputs)
        if set(self.golden.outputs) != {tensor.name for tensor in self.outputs}:
            raise ValueError("'golden' must cover every output, and nothing else")
        return self

    @property
    def gallery_sha256(self) -> str:
        """Of the network that galleries are bound to: this one, or the float network that it is the INT8 form of."""
        return self.float_parent.sha256 if self.float_parent else self.sha256


_NAMES = {"unequal": "dissimilarity", "unequal_shift": "tail_shift"}


def _of_format_2(raw: bytes) -> bytes:
    """A manifest of format 1 in format 2, anything else as it is: people may still be known by a network that was shipped so."""
    try:
        facts = json.loads(raw)
    except ValueError:
        return raw
    if not isinstance(facts, dict) or facts.get("format") != 1:
        return raw
    parts = {name: _renamed(facts[name]) for name in ("non_mated", "single", "float_parent") if name in facts}
    return json.dumps({**facts, **parts, "format": 2}).encode()


def _renamed(part: Any) -> Any:
    if isinstance(part, list):
        return [_renamed(each) for each in part]
    return {_NAMES.get(name, name): _renamed(value) for name, value in part.items()} if isinstance(part, dict) else part


def read_manifest(path: Path) -> Manifest:
    """Read and check ``<name>.json``. Raises NetworkError that names the file, the key and the way out."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise NetworkError(f"{path}: larger than {MOST_BYTES} bytes, so it is no manifest; give the .json file beside the network")
        return Manifest.model_validate_json(_of_format_2(path.read_bytes()))
    except OSError as error:
        raise NetworkError(f"{path}: the manifest cannot be read ({error.strerror}); check the path in the configuration") from error
    except ValidationError as error:
        raise NetworkError(f"{path}: {_first(error)}; take manifest and network from one release, or export them again") from error


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write the manifest as JSON, readable by people."""
    path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _agreed(manifest: Manifest) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The inputs and outputs that the rest of the appliance counts on, by kind; null: any."""
    if manifest.kind == "detect":
        return _tensors(image=("uint8", None, None, None, 3)), _tensors(
            scores=("float32", None, None), boxes=("float32", None, None, 4), landmarks=("float32", None, None, 2 * LANDMARKS)
        )
    width = manifest.code.m * manifest.code.q if manifest.code else None
    return _tensors(crops=("uint8", None, CROP_SIZE, CROP_SIZE, 3)), _tensors(
        logits=("float32", None, width), log_variance=("float32", None, 1)
    )


def _tensors(**described: Any) -> tuple[Tensor, ...]:
    return tuple(Tensor(name=name, dtype=dtype, shape=tuple(shape)) for name, (dtype, *shape) in described.items())


def _hold_against(agreed: tuple[Tensor, ...], stated: tuple[Tensor, ...]) -> None:
    by_name = {tensor.name: tensor for tensor in stated}
    if len(by_name) != len(stated):
        raise ValueError("two inputs or two outputs have one name")
    for wanted in agreed:
        found = by_name.get(wanted.name)
        if found is None:
            raise ValueError(f"'{wanted}' is missing")
        fits = len(found.shape) == len(wanted.shape) and all(b in (None, a) for a, b in zip(found.shape, wanted.shape, strict=True))
        if found.dtype != wanted.dtype or not fits:
            raise ValueError(f"'{found}' should be '{wanted}'")


def _first(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False)
    key = ".".join(str(part) for part in details[0]["loc"])
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{key + ': ' if key else ''}{details[0]['msg']}{more}"

"""Any ONNX face network as the frozen backbone: what it wants to be given, told in a small JSON file, and one graph that gives it that.

``NETWORK.json`` beside ``NETWORK.onnx`` (or ``--description FILE``):

    {"layout": "NCHW", "colour": "RGB", "size": [112, 112], "mean": [127.5, 127.5, 127.5], "scale": [127.5, 127.5, 127.5]}

is a network of the InsightFace kind. It is given (x - mean) / scale; mean and scale are in the order of its colours. ``size`` is height and
width. Further keys: ``window``, [left, top, right, bottom] in pixels of our 112 x 112 crop, cut out before it is resized to ``size``
(default all of it; [8, 0, 104, 112] is the SphereFace alignment); ``embedding``, the output that is the embedding, where there are several;
``pooled``, a tensor inside the graph that the uncertainty is to be told from (default: the embedding before it is normalised).
"""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
import onnx.compose
import onnx.shape_inference
import onnx.version_converter
import onnxruntime
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from edge.records import CROP_SIZE, Floats, Pixels

OPSET = 17
TOLERANCE = 1e-3  # of the embedding's largest number, between one crop alone and the same crop in a batch
Three = tuple[float, float, float]


class Description(BaseModel):
    """What a pre-built network is given: the keys of the file above, checked strictly."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    layout: Literal["NCHW", "NHWC"]
    colour: Literal["RGB", "BGR"]
    size: tuple[Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]]
    mean: Three
    scale: Three
    window: tuple[int, int, int, int] = (0, 0, CROP_SIZE, CROP_SIZE)
    embedding: str | None = None
    pooled: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> "Description":
        left, top, right, bottom = self.window
        if not (0 <= left < right <= CROP_SIZE and 0 <= top < bottom <= CROP_SIZE):
            raise ValueError(f"window {list(self.window)}: expected 0 <= left < right <= {CROP_SIZE}, 0 <= top < bottom <= {CROP_SIZE}")
        if not all(self.scale):
            raise ValueError("scale: a number is 0, by which nothing can be divided")
        return self


def read_description(network: Path, named: Path | None = None) -> Description:
    """The description beside a network, or the one named. Raises SystemExit that names the file, the key and the way out."""
    path = named or network.with_suffix(".json")
    try:
        return Description.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SystemExit(
            f"{path}: the description of {network.name} cannot be read ({error.strerror}); write one (see training/prebuilt.py) or name it "
            "with --description"
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SystemExit(f"{path}: {key + ': ' if key else ''}{first['msg']}; the keys are told in training/prebuilt.py") from error


class Front(nn.Module):
    """Crops as the door gives them -> the input of a pre-built network: B x 112 x 112 x 3 uint8 BGR -> B x 3 x H x W or B x H x W x 3."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.described = description
        left, top, right, bottom = description.window
        self.resized = (bottom - top, right - left) != description.size
        self.register_buffer("mean", torch.tensor(description.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(description.scale).view(1, 3, 1, 1))

    def forward(self, crops: Tensor) -> Tensor:
        told = self.described
        left, top, right, bottom = told.window
        planes = crops.permute(0, 3, 1, 2).float()[:, :, top:bottom, left:right]
        if self.resized:
            planes = nn.functional.interpolate(planes, told.size, mode="bilinear", align_corners=False)
        if told.colour == "RGB":
            planes = planes[:, [2, 1, 0]]
        planes = (planes - self.mean) / self.scale
        return planes.permute(0, 2, 3, 1) if told.layout == "NHWC" else planes


def graph_of(network: nn.Module, examples: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str], path: Path) -> Any:
    """A module as a graph with a free batch, by way of the file ``path``."""
    free = {name: {0: "batch"} for name in (*inputs, *outputs)}
    torch.onnx.export(
        network.eval(),
        examples,
        str(path),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_axes=free,
        opset_version=OPSET,
        dynamo=False,
    )
    return onnx.load(str(path))


def read_backbone(path: Path, description: Description) -> Any:
    """A pre-built graph with one input, outputs "raw" (and "pooled"), a free batch, and our operator set. Raises SystemExit."""
    try:
        model = onnx.version_converter.convert_version(onnx.load(str(path)), OPSET)
    except Exception as error:  # onnx's readers and converters raise whatever they met
        raise SystemExit(f"{path}: no ONNX network that operator set {OPSET} can express ({error}); export it again") from error
    constants = {each.name for each in model.graph.initializer}
    inputs = [each for each in model.graph.input if each.name not in constants]
    wanted = (1, 3, *description.size) if description.layout == "NCHW" else (1, *description.size, 3)
    found = [side.dim_value for side in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(found) != 4 or any(side and side != told for side, told in zip(found[1:], wanted[1:], strict=True)):
        raise SystemExit(f"{path}: takes {[each.name for each in inputs]} of {found}, but its description says one input of {list(wanted)}")
    outputs = [each.name for each in model.graph.output]
    embedding = description.embedding or outputs[0]
    if embedding not in outputs or (len(outputs) > 1 and description.embedding is None):
        raise SystemExit(f'{path}: outputs are {", ".join(outputs)}; say in its description which one is the "embedding"')
    if description.pooled is not None and description.pooled not in {name for node in model.graph.node for name in node.output}:
        raise SystemExit(f"{path}: no tensor '{description.pooled}' is computed in it; correct \"pooled\" in its description")
    return _with_outputs(model, inputs[0], {"raw": embedding, **({"pooled": description.pooled} if description.pooled else {})})


def _with_outputs(model: Any, given: Any, named: dict[str, str]) -> Any:
    """The graph with only these outputs (new name -> tensor), and nothing said about sizes but the input's."""
    made = copy.deepcopy(model)
    made.ir_version = max(made.ir_version, 8)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {each.name: each.type for each in (*inferred.value_info, *inferred.output)}
    given.type.tensor_type.shape.dim[0].dim_param = "batch"
    del made.graph.input[:], made.graph.output[:], made.graph.value_info[:]
    made.graph.input.append(given)
    for name, tensor in named.items():
        made.graph.node.append(onnx.helper.make_node("Identity", [tensor], [name]))
        if tensor not in types or not types[tensor].tensor_type.shape.dim:
            raise SystemExit(f"tensor '{tensor}': its sizes cannot be told from the graph; export the network with shapes")
        sizes = [side.dim_value or None for side in types[tensor].tensor_type.shape.dim]
        made.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *sizes[1:]]))
    return made


def joined(first: Any, second: Any, names: Sequence[tuple[str, str]], outputs: Sequence[str]) -> Any:
    """Two graphs as one: outputs of the first into inputs of the second, whose inner names get a prefix so that none is there twice."""
    left, right = copy.deepcopy(first), copy.deepcopy(second)
    right.ir_version = left.ir_version = max(left.ir_version, right.ir_version)
    for model in (left, right):
        del model.opset_import[:]
        model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    count = len(left.graph.node)
    right = onnx.compose.add_prefix(right, f"after{count}/", rename_inputs=False, rename_outputs=False)
    return onnx.compose.merge_models(left, right, io_map=list(names), outputs=list(outputs))


def embedder_graph(path: Path, description: Description, scratch: Path) -> Any:
    """Crops -> raw (and pooled): the pre-built network behind its preprocessing. scratch: a folder for intermediate files."""
    backbone = read_backbone(path, description)
    example = torch.zeros((1, CROP_SIZE, CROP_SIZE, 3), dtype=torch.uint8)
    front = graph_of(Front(description), (example,), ["crops"], ["prepared"], scratch / "front.onnx")
    outputs = [each.name for each in backbone.graph.output]
    return joined(front, backbone, [("prepared", backbone.graph.input[0].name)], outputs)


class Embedder:
    """A pre-built network on the CPU: crops -> pooled features and normalised embedding."""

    def __init__(self, path: Path, description: Description, threads: int) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.log_severity_level = 3
        with tempfile.TemporaryDirectory() as scratch:
            graph = embedder_graph(path, description, Path(scratch))
        self._session = onnxruntime.InferenceSession(graph.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        self._check(path)

    def raw(self, crops: Pixels) -> tuple[Floats, Floats]:
        """B x 112 x 112 x 3 uint8 BGR -> pooled B x p and embedding B x d, as the network gives them."""
        found = {
            port.name: values for port, values in zip(self._session.get_outputs(), self._session.run(None, {"crops": crops}), strict=True)
        }
        raw = found["raw"].reshape(len(crops), -1)
        return found.get("pooled", raw).reshape(len(crops), -1), raw

    def embed(self, crops: Pixels) -> tuple[Floats, Floats]:
        """B x 112 x 112 x 3 uint8 BGR -> pooled B x p, embedding B x d of length 1."""
        pooled, raw = self.raw(crops)
        return pooled, raw / np.linalg.norm(raw, axis=1, keepdims=True).clip(min=1e-12)

    def _check(self, path: Path) -> None:
        """Raises SystemExit when a crop's embedding depends on what else is in the batch: a graph for one picture only."""
        crops = np.random.default_rng(0).integers(0, 256, (2, CROP_SIZE, CROP_SIZE, 3), np.uint8)
        try:
            alone, together = self.raw(crops[1:])[1], self.raw(crops)[1][1:]
        except Exception as error:  # onnxruntime's errors have no base class of their own; reshape's is ValueError
            raise SystemExit(f"{path}: does not compute a batch of two as described ({error}); export it with a free batch") from error
        if not np.abs(alone - together).max() <= TOLERANCE * np.abs(alone).max():
            raise SystemExit(f"{path}: a crop's embedding depends on its neighbours in the batch; export the network with a free batch")

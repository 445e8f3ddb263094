"""NVIDIA's own parser and builder take what this product gives them. `.venv/bin/pip install -e '.[rtx]'`: no GPU and no driver needed.

tensorrt-rtx is another product than Jetson's TensorRT and its plans are not ours; that its parser takes a graph, and its builder compiles
it by the very code that runs on the board, is what can be shown on any machine.
"""

from pathlib import Path
from typing import Any

import pytest

from build_engine.builder import Order, build
from build_engine.errors import BuildError
from build_engine.graph import cast_first, halved, read_model
from build_engine.release import Release
from edge.inference.manifest import read_manifest
from edge.inference.plan import Options, shapes
from tests.shipped_int8 import RECIPES, tensorrt_form

trt: Any = pytest.importorskip("tensorrt_rtx", reason="the extra 'rtx' is not installed")
MODELS = Path(__file__).parent.parent / "models"
OPTIONS = Options(batch=8, side=320, workspace=256)


def compiled(graph: bytes, name: str, precision: str) -> int:
    order = Order(precision=precision, shapes=shapes(read_manifest(MODELS / f"{name}.json"), OPTIONS), workspace=256, optimisation_level=3)
    return len(build(trt, graph, order, lambda phase, done, steps: True).plan)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", ["drh", "detector"])
def test_the_real_builder_compiles_the_shipped_networks(name: str, precision: str) -> None:
    model = cast_first(read_model((MODELS / f"{name}.onnx").read_bytes(), name))
    assert Release(trt).halves_graph("fp16")
    model = halved(model) if precision == "fp16" else model
    assert compiled(model.SerializeToString(), name, precision) > 100_000


def test_a_half_plan_is_smaller() -> None:
    model = cast_first(read_model((MODELS / "drh.onnx").read_bytes(), "drh"))
    assert compiled(halved(model).SerializeToString(), "drh", "fp16") < 0.7 * compiled(model.SerializeToString(), "drh", "fp32")


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
@pytest.mark.parametrize("precision", ["int8", "mixed"])
def test_the_real_builder_compiles_the_quantised_networks(recipe: Path, precision: str, tmp_path: Path) -> None:
    path = tensorrt_form(recipe, tmp_path)
    model = cast_first(read_model(path.read_bytes(), path.name))
    model = halved(model) if precision == "mixed" else model
    assert compiled(model.SerializeToString(), path.stem.removesuffix("_int8"), precision) > 100_000


@pytest.mark.parametrize("name", ["drh", "detector"])
def test_as_exported_the_real_parser_refuses_them(name: str) -> None:
    """So the rewriting is not for nothing: a uint8 input may feed a Cast only."""
    with pytest.raises(BuildError, match="UInt8"):
        compiled((MODELS / f"{name}.onnx").read_bytes(), name, "fp32")

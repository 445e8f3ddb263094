"""NVIDIA's own parser and builder (TensorRT-RTX, which needs no GPU for that) on our networks and on the planted faults.

It is no dependency of anything: install the extra ``rtx`` to run these. Every run is a process of its own, for some faults end it.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from tests import shipped_int8
from tests.planted import PLANTED
from tests.shipped_int8 import RECIPES
from tests.tiny_int8 import tensorrt_form

PROGRAM = """
import sys, tensorrt_rtx as trt
log = trt.Logger(trt.Logger.INTERNAL_ERROR)
builder = trt.Builder(log)
network = builder.create_network(0)
parser = trt.OnnxParser(network, log)
if not parser.parse(open(sys.argv[1], "rb").read()):
    sys.exit(3)
given, profile, config = network.get_input(0), builder.create_optimization_profile(), builder.create_builder_config()
shape = tuple(1 if axis == 0 else 320 if size == -1 else size for axis, size in enumerate(given.shape))
profile.set_shape(given.name, shape, shape, shape)
config.add_optimization_profile(profile)
sys.exit(0 if builder.build_serialized_network(network, config) else 4)
"""
SAID = {"accepts": (0,), "refuses": (3,), "dies": (-11, -6)}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx") is None, reason="tensorrt-rtx is not installed (.venv/bin/pip install -e '.[rtx]')"
)


def taken(path: Path) -> int:
    """Exit status: 0 parsed and built, 3 refused by the parser, 4 by the builder, negative: killed by a signal."""
    return subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, timeout=300).returncode


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    return tensorrt_form(tmp_path_factory.mktemp("tiny"))


def test_it_takes_a_sound_network(sound: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "sound.onnx").write_bytes(sound.SerializeToString())
    assert taken(tmp_path / "sound.onnx") == 0


@pytest.mark.parametrize("fault", PLANTED)
def test_what_it_does_with_a_planted_fault(sound: onnx.ModelProto, tmp_path: Path, fault: str) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(sound)
    PLANTED[fault].plant(model)
    (tmp_path / "fault.onnx").write_bytes(model.SerializeToString())
    assert taken(tmp_path / "fault.onnx") in SAID[PLANTED[fault].parser]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_it_takes_every_int8_network_shipped(recipe: Path, tmp_path: Path) -> None:
    assert taken(shipped_int8.tensorrt_form(recipe, tmp_path)) == 0

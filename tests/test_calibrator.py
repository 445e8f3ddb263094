"""Classic calibration, from the cache of the workstation to TensorRT's calibrator; by the recorded surfaces of its releases."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from build_engine.calibrator import calibrator, read_cache
from calibration import cache
from edge.errors import NetworkError

SURFACES = sorted((Path(__file__).parent / "surfaces").glob("tensorrt-*.json"))


class EntropyCalibrator2:
    """TensorRT's base class as its bindings behave: not called by name, the object is empty."""

    ready = False

    def __init__(self) -> None:
        self.ready = True


def module(surface: Path) -> Any:
    """A TensorRT of that release, which has calibrators if its builder configuration takes one."""
    recorded = json.loads(surface.read_text())
    offers = "int8_calibrator" in recorded["classes"]["IBuilderConfig"]
    return SimpleNamespace(__version__=recorded["version"], **({"IInt8EntropyCalibrator2": EntropyCalibrator2} if offers else {}))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "net.cache"
    path.write_text(cache.written({"/features/Relu_output_0": (0.0, 12.7), "b": (-1.27, 0.5)}, ["/features/Relu_output_0", "b"]))
    return path


def test_a_cache_is_read_as_it_was_written(made: Path) -> None:
    assert read_cache(made) == pytest.approx({"/features/Relu_output_0": 0.1, "b": 0.01})


@pytest.mark.parametrize("surface", [path for path in SURFACES if "-11" not in path.name], ids=lambda path: path.stem)
def test_up_to_10_the_calibrator_answers_from_the_cache_and_looks_at_no_picture(surface: Path, made: Path) -> None:
    found = calibrator(module(surface), made)
    assert found.ready
    assert found.read_calibration_cache() == made.read_bytes()
    assert found.get_batch(["crops"]) is None
    before = made.read_bytes()
    found.write_calibration_cache(b"other")
    assert made.read_bytes() == before


@pytest.mark.parametrize("surface", [path for path in SURFACES if "-11" in path.name], ids=lambda path: path.stem)
def test_11_is_refused_by_name_with_the_way_out(surface: Path, made: Path) -> None:
    with pytest.raises(NetworkError, match=r"TensorRT 11\..*no calibrators.*Q/DQ network"):
        calibrator(module(surface), made)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "TRT-8600-EntropyCalibration2\n",
        "TRT-8600-MinMaxCalibration\na: 3c23d70a\n",
        "TRT-8600-EntropyCalibration2\na: 3c23d70\n",
        "TRT-8600-EntropyCalibration2\na 3c23d70a\n",
        "TRT-8600-EntropyCalibration2\na: 00000000\n",
        "TRT-8600-EntropyCalibration2\na: 7fc00000\n",
        "TRT-8600-EntropyCalibration2\na: bc23d70a\n",
        "TRT-8600-EntropyCalibration2\na: 3c23d70a\na: 3c23d70a\n",
    ],
    ids=["empty", "no tensor", "another calibrator", "too short", "no colon", "zero", "no number", "negative", "twice"],
)
def test_what_is_no_cache_is_refused_with_its_place(tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.cache"
    path.write_text(content)
    with pytest.raises(NetworkError, match=r"bad\.cache.*make"):
        read_cache(path)


def test_a_missing_cache_is_refused_with_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"calibration\.quantise"):
        read_cache(tmp_path / "none.cache")


def test_the_real_tensorrt_takes_it_for_a_calibrator_of_its_own(made: Path) -> None:
    """Its Python classes need no GPU. 8.6.0 is whole on the package index, for CPython 3.10."""
    trt = pytest.importorskip("tensorrt", reason="TensorRT is not installed; pip install tensorrt==8.6.0 nvidia-cudnn-cu12==8.9.7.29")
    if not hasattr(trt, "IInt8EntropyCalibrator2"):
        pytest.skip(f"TensorRT {trt.__version__} has no calibrators")
    found = calibrator(trt, made)
    assert isinstance(found, trt.IInt8EntropyCalibrator2)
    assert found.get_algorithm() == trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2
    assert found.read_calibration_cache() == made.read_bytes()

"""The TensorRT runtime, against twins that offer what the recorded releases offer."""

import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import NetworkError
from edge.inference.manifest import read_manifest
from edge.inference.plan import Options, PlanError
from edge.inference.tensorrt import MOST_SHAPES, Device, NoTensorRTError, TensorRTNetwork, find_modules
from tests.plan_kit import OPTIONS, compile_plan
from tests.tensorrt_twins import RELEASES, Script, inner, modules
from tests.tiny_networks import ship_detector, ship_hash


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 112, 112, 3), np.uint8)


class Opened:
    """A network on a twin, and the twin's own account of what was done."""

    def __init__(self, folder: Path, script: Script | None = None, seconds: float = 20.0, *, graphs: bool = True) -> None:
        self.found = modules(script, graphs=graphs)
        self.cuda, self.graphs = inner(self.found.cuda), self.found.graphs
        self.path = ship_hash(folder)
        self.device = Device(self.found, seconds, power_mode=folder / "power")
        self.plan = compile_plan(self.found, self.path)
        self.network = self.open(self.plan)

    def open(self, plan: bytes, options: Options = OPTIONS) -> TensorRTNetwork:
        return TensorRTNetwork(read_manifest(self.path), options, plan, self.device)


@pytest.mark.parametrize("release", RELEASES)
def test_one_file_serves_every_release(tmp_path: Path, release: str) -> None:
    """Only names that this release has are called; the numbers are the graph's."""
    opened = Opened(tmp_path, Script(release=release))
    computed = opened.network.infer(np.full((2, 112, 112, 3), 10, np.uint8))
    weights = np.random.default_rng(0).normal(size=(3, 32)).astype(np.float32)
    assert np.allclose(computed["logits"], 10 * weights.sum(axis=0), atol=1e-4)


def test_one_thread_owns_the_context_and_leaves_it_after_each_job(tmp_path: Path) -> None:
    """The twin refuses every call without exactly one context pushed; threads of the door do not touch the GPU."""
    opened = Opened(tmp_path)
    asking = [threading.Thread(target=opened.network.infer, args=(crops(1),)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert opened.cuda.threads == {"gpu"}
    assert opened.device.run(lambda: opened.cuda.current.depth) == 1
    with pytest.raises(NetworkError, match="of a job"):
        opened.device.run(lambda: (_ for _ in ()).throw(NetworkError("of a job")))
    assert opened.device.run(lambda: opened.cuda.current.depth) == 1, "popped also when a job fails"
    opened.network.close()
    opened.device.close()
    assert opened.cuda.retained == 0


def test_a_graph_is_recorded_once_for_each_number_of_crops(tmp_path: Path) -> None:
    """1, 2, 3-4 crops share three graphs; five are one batch of four and one of one."""
    opened = Opened(tmp_path)
    for count in (1, 2, 3, 4, 5, 1, 3):
        opened.network.infer(crops(count))
    assert (opened.graphs.captured, opened.network.recorded) == (3, 3)
    assert opened.graphs.replayed == 8


@pytest.mark.parametrize("broken", [{"script": Script(no_capture=True)}, {"graphs": False}])
def test_where_graphs_cannot_be_recorded_batches_are_told_anew(tmp_path: Path, broken: dict[str, Any]) -> None:
    """The same numbers come out."""
    with_graphs = Opened(tmp_path).network.infer(crops(3))
    opened = Opened(tmp_path, **broken)
    assert np.array_equal(opened.network.infer(crops(3))["logits"], with_graphs["logits"])
    assert opened.network.recorded == 0


def test_shapes_that_are_no_longer_used_are_forgotten(tmp_path: Path) -> None:
    """A camera of every size does not fill the GPU's memory."""
    opened = Opened(tmp_path)
    path = ship_detector(tmp_path)
    network = TensorRTNetwork(read_manifest(path), OPTIONS, compile_plan(opened.found, path), opened.device)
    for width in range(32, 129, 32):
        for height in (32, 64, 96):
            network.infer(np.zeros((1, height, width, 3), np.uint8))
    assert network.recorded == MOST_SHAPES


def test_a_canvas_beyond_the_plan_is_told_with_the_limit(tmp_path: Path) -> None:
    opened = Opened(tmp_path)
    path = ship_detector(tmp_path)
    network = TensorRTNetwork(read_manifest(path), OPTIONS, compile_plan(opened.found, path), opened.device)
    with pytest.raises(NetworkError, match=r"up to \(1, 128, 128, 3\), given \(1, 160, 128, 3\)"):
        network.infer(np.zeros((1, 160, 128, 3), np.uint8))


def test_an_inference_that_hangs_is_given_up_and_the_gpu_with_it(tmp_path: Path) -> None:
    """Every later call fails at once, and the process can still end."""
    opened = Opened(tmp_path, Script(stuck=3), seconds=0.2)
    opened.network.infer(crops(1))
    with pytest.raises(NetworkError, match=r"did not finish within 0\.2 s"):
        opened.network.infer(crops(1))
    with pytest.raises(NetworkError, match="not used any more"):
        opened.network.infer(crops(1))


def test_a_lost_gpu_is_told_with_the_driver_s_words(tmp_path: Path) -> None:
    opened = Opened(tmp_path, Script(lost=3))
    opened.network.infer(crops(1))
    with pytest.raises(NetworkError, match=r"GPU was lost.*illegal memory access"):
        opened.network.infer(crops(1))


def test_a_plan_that_tensorrt_does_not_take_is_refused(tmp_path: Path) -> None:
    """Cut, of another release, of another GPU: TensorRT gives nothing, and that is looked at."""
    opened = Opened(tmp_path)
    for broken in (b"", opened.plan[3:], opened.plan.replace(b"10.3.0", b"10.2.0"), opened.plan.replace(b"[8, 7]", b"[8, 6]")):
        with pytest.raises(PlanError, match=r"does not take this plan; run `edge engine build`"):
            opened.open(broken)


def test_a_plan_with_other_inputs_or_outputs_is_refused(tmp_path: Path) -> None:
    """Names, types and shapes are TensorRT's own, not those of a manifest."""
    opened = Opened(tmp_path)
    other = compile_plan(opened.found, ship_detector(tmp_path))
    with pytest.raises(PlanError, match=r"the plan has image uint8 .*the manifest states crops uint8"):
        opened.open(other)


def test_the_board_is_what_driver_and_tensorrt_say(tmp_path: Path) -> None:
    """And the power mode as the board's own tool left it, unknown where there is none."""
    opened = Opened(tmp_path)
    assert opened.device.board().model_dump() == {"tensorrt": "10.3.0", "cuda": "12.6", "gpu": "Orin", "sm": "8.7", "power_mode": "unknown"}
    (tmp_path / "power").write_text("pmode:0002\n")
    assert opened.device.board().power_mode == "pmode:0002"


@pytest.mark.skipif(bool(importlib.util.find_spec("pycuda") and importlib.util.find_spec("tensorrt")), reason="this machine has TensorRT")
def test_a_machine_without_tensorrt_says_how_to_get_it() -> None:
    with pytest.raises(NoTensorRTError, match="python3-libnvinfer"):
        find_modules()


def test_a_machine_without_a_gpu_says_so(tmp_path: Path) -> None:
    found = modules()
    inner(found.cuda).init = lambda: (_ for _ in ()).throw(RuntimeError("cuInit failed: no CUDA-capable device is detected"))
    with pytest.raises(NoTensorRTError, match=r"no GPU can be used.*no CUDA-capable device"):
        Device(found, 1.0)

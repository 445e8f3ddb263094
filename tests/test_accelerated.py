"""With a plan that belongs here networks run on the GPU; in every other case on the CPU, at once, and somebody is told why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import NetworkError
from edge.inference import NoTensorRTError, load_network
from edge.inference.accelerated import WithCpu
from edge.inference.onnx_runtime import OnnxNetwork
from edge.inference.plan import Options
from edge.inference.plans import PlanStore
from tests.plan_kit import PlanKit, twin_of
from tests.tensorrt_twins import Script, inner, modules
from tests.tiny_networks import ship_hash

CROPS = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)


def kit(folder: Path, script: Script | None = None, **options: Any) -> PlanKit:
    return PlanKit(folder / "plans", twin_of(modules(script)), **options)


def installed(folder: Path) -> tuple[Path, PlanKit]:
    path, made = ship_hash(folder), kit(folder)
    made.install(path)
    return path, made


def on_gpu(network: object) -> bool:
    return isinstance(network, WithCpu) and network.on_gpu


def test_a_plan_of_this_board_is_used_and_nothing_need_be_told(tmp_path: Path) -> None:
    path, made = installed(tmp_path)
    network = made.open(path)
    assert on_gpu(network)
    assert made.told == []
    assert np.allclose(network.infer(CROPS)["logits"], load_network(path).infer(CROPS)["logits"], atol=1e-3)
    store = PlanStore(made.folder, "tiny")
    assert store.has_run(store.names()[0])


def test_without_a_plan_the_cpu_computes_and_it_is_told(tmp_path: Path) -> None:
    path, made = ship_hash(tmp_path), kit(tmp_path)
    network = made.open(path)
    assert isinstance(network, OnnxNetwork)
    assert made.told == [f"network 'tiny' runs on the CPU: there is no plan of 'tiny' in {made.folder / 'tiny'}; run `edge engine build`"]


@pytest.mark.parametrize(
    ("here", "told"),
    [
        ({"gpu": "Thor", "sm": (11, 0)}, "it was built for GPU Orin, here is Thor, it was built for compute capability 8.7, here is 11.0"),
        ({"release": "10.16.1"}, "it was built for TensorRT 10.3.0, here is 10.16.1"),
    ],
)
def test_a_plan_of_another_board_is_refused_with_the_reason(tmp_path: Path, here: dict[str, Any], told: str) -> None:
    path, _ = installed(tmp_path)
    elsewhere = kit(tmp_path, Script(**here))
    network = elsewhere.open(path)
    assert isinstance(network, OnnxNetwork)
    assert told in elsewhere.told[0]
    assert "run `edge engine build` on this board" in elsewhere.told[0]


def test_a_plan_of_other_settings_or_another_network_is_refused_with_the_reason(tmp_path: Path) -> None:
    path, _ = installed(tmp_path)
    larger = kit(tmp_path, options=Options(batch=16, side=128, workspace=64))
    larger.open(path)
    assert "it was built with network.batch = 4, now it is 16" in larger.told[0]
    path = ship_hash(tmp_path, seed=1)
    newer = kit(tmp_path)
    assert isinstance(newer.open(path), OnnxNetwork)
    assert "it was built from network" in newer.told[0]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "plan.bin").write_bytes(b"x"), "SHA-256 is not that of plan.json"),
        (lambda folder: (folder / "plan.bin").unlink(), "No such file"),
        (lambda folder: (folder / "plan.json").write_text("{}"), "is no manifest of a plan"),
        (lambda folder: (folder.parent / "current.json").write_text("{"), "cannot be read"),
        (lambda folder: alter_golden(folder), "golden run: output 'logits' is off by"),
    ],
)
def test_a_damaged_plan_is_never_run(tmp_path: Path, damage: Callable[[Path], object], told: str) -> None:
    path, made = installed(tmp_path)
    damage(made.folder / "tiny" / PlanStore(made.folder, "tiny").names()[0])
    assert isinstance(made.open(path), OnnxNetwork)
    assert told in made.told[0]


def alter_golden(folder: Path) -> None:
    content = json.loads((folder / "plan.json").read_text())
    content["golden"]["outputs"]["logits"]["first"][0] += 1000.0
    (folder / "plan.json").write_text(json.dumps(content))


def test_a_new_plan_that_does_not_open_leaves_the_one_before_in_use(tmp_path: Path) -> None:
    path, made = installed(tmp_path)
    made.open(path)
    good = PlanStore(made.folder, "tiny").names()[0]
    spoilt = kit(tmp_path, Script(spoil={"fp32": 0.5}))
    spoilt.install(path)
    store = PlanStore(made.folder, "tiny")
    assert store.names()[1] == good
    alter_golden(store.folder / store.names()[0])
    assert on_gpu(made.open(path))
    assert made.accelerator.used == {"tiny": good}


@pytest.mark.parametrize("fault", [{"lost": 7}, {"stuck": 7}])
def test_when_the_gpu_is_lost_the_very_batch_comes_from_the_cpu_and_it_is_told(tmp_path: Path, fault: dict[str, int]) -> None:
    path = ship_hash(tmp_path)
    kit(tmp_path).install(path)
    made = kit(tmp_path, Script(**fault), seconds=0.3)
    network = made.open(path)
    assert on_gpu(network)
    expected = load_network(path).infer(CROPS)["logits"]
    for _ in range(8):
        assert np.allclose(network.infer(CROPS)["logits"], expected, atol=1e-3)
    assert not on_gpu(network)
    assert len(made.told) == 1
    assert "goes on on the CPU" in made.told[0]


def no_tensorrt() -> Any:
    raise NoTensorRTError("TensorRT cannot be used (No module named 'tensorrt'); install it")


def test_without_tensorrt_auto_runs_on_the_cpu_and_says_so_but_tensorrt_stops(tmp_path: Path) -> None:
    path, made = ship_hash(tmp_path), PlanKit(tmp_path / "plans", no_tensorrt)
    assert isinstance(made.open(path, "auto"), OnnxNetwork)
    assert "runs on the CPU: TensorRT cannot be used" in made.told[0]
    with pytest.raises(NoTensorRTError, match="install it"):
        made.open(path, "tensorrt")


def test_onnxruntime_asks_no_gpu(tmp_path: Path) -> None:
    """The default setting does what it always did."""
    path, made = ship_hash(tmp_path), PlanKit(tmp_path / "plans", no_tensorrt)
    assert isinstance(made.open(path, "onnxruntime"), OnnxNetwork)
    assert made.told == []
    assert not made.folder.exists()


def test_an_accelerator_is_needed_where_one_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs an accelerator"):
        load_network(ship_hash(tmp_path), runtime="auto")


def test_what_was_not_the_gpu_s_fault_is_not_blamed_on_it(tmp_path: Path) -> None:
    """A wrong batch stays an error of its caller, and an error of the CPU is not hidden."""
    path, made = installed(tmp_path)
    network = made.open(path)
    with pytest.raises(ValueError, match="crops uint8"):
        network.infer(CROPS[0])
    assert on_gpu(network)

    class Broken:
        manifest = network.manifest

        def infer(self, batch: Any, outputs: Any = None) -> Any:
            raise NetworkError("broken too")

    both = WithCpu(Broken(), Broken, made.told.append)
    for _ in range(2):
        with pytest.raises(NetworkError, match="broken too"):
            both.infer(CROPS)
    assert len(made.told) == 1


def test_closing_gives_the_gpu_back_and_may_be_done_twice(tmp_path: Path) -> None:
    """A GPU that was lost is left alone: nothing hangs at the end."""
    found, broken = modules(), modules(Script(stuck=5))
    path, made = ship_hash(tmp_path), PlanKit(tmp_path / "plans", twin_of(found))
    made.load(path)
    made.accelerator.close()
    made.accelerator.close()
    assert inner(found.cuda).retained == 0
    lost = PlanKit(tmp_path / "plans", twin_of(broken), seconds=0.2)
    lost.open(path).infer(CROPS)
    assert "goes on on the CPU" in lost.told[0]
    lost.accelerator.close()

"""The whole build with the twin of TensorRT: what is chosen, what is kept, and what a crash, a kill or a lie changes."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest

from build_engine.bench import Order, Tools
from build_engine.boards import FOLDER
from build_engine.errors import BuildError, RefusedError
from build_engine.job import Job
from build_engine.process import Workshop
from build_engine.tasks import tasks
from edge.assembly import build as door
from edge.assembly.standing import standing
from edge.errors import NetworkError
from edge.inference import load_network, read_manifest, write_manifest
from edge.inference.make import describe
from edge.inference.manifest import CodeSize, FloatParent
from edge.inference.plan import Options, PlanManifest, differences
from edge.inference.plans import PlanStore
from edge.settings import load_settings
from tests.plan_kit import PlanKit, twin_of
from tests.tensorrt_twins import RELEASES, Script, modules
from tests.test_build_engine import quantised
from tests.tiny_networks import TAIL, M, Q, ship_detector, ship_hash

ROOT = Path(__file__).parent.parent
OPTIONS = Options(batch=4, side=128, workspace=64)
QUICK_FP16 = {"fp16": 0.3, "int8": 1.0, "mixed": 2.0}
COMMAND = (sys.executable, "-m", "tests.twin_process")


def read_script(path: Path) -> Script:
    facts = json.loads(path.read_text())
    return Script(**facts | {"sm": tuple(facts.get("sm", (8, 7)))})


class InProcess:
    """``Workshop`` without processes."""

    def __init__(self, script: Path) -> None:
        self._script = script

    def do(self, task: dict[str, Any], folder: Path, seconds: float, listen: Any = lambda facts: None) -> dict[str, Any]:
        plain = json.loads(json.dumps(task))
        return json.loads(json.dumps(tasks(lambda: modules(read_script(self._script)))[task["do"]](plain, listen)))


class Site:
    """A board with a float network, a quantised one, a folder of plans and a script for the twin."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plans, self.script = folder, folder / "plans", folder / "script.json"
        self.network = ship_hash(folder)
        self.quantised = folder / "tiny_int8.onnx"
        self.ship_int8()
        self.told: list[str] = []
        self.found: list[str] = []
        self.says()

    def ship_int8(self, step: float = 0.02, **parent: Any) -> None:
        """The quantised network and its manifest; parent: what that says of the float network otherwise than it is."""
        onnx.save(quantised(step), self.quantised)
        measured = {"sha256": read_manifest(self.network).sha256, "agreement": 0.97, "pairs": 20_000, "tail_shift": -1} | parent
        told = describe(
            self.quantised, "hash", code=CodeSize(m=M, q=Q), non_mated=TAIL.moved(-1), float_parent=FloatParent(**measured), facts={}
        )
        write_manifest(told, self.quantised.with_suffix(".json"))

    def says(self, **script: Any) -> None:
        self.script.write_text(json.dumps({"milliseconds": QUICK_FP16, **script}))

    def lint(self, path: Path) -> Sequence[str]:
        return self.found

    def build(
        self, *, seconds: float = 60.0, only_if_needed: bool = False, network: Path | None = None, processes: bool = False, **order: Any
    ) -> PlanManifest:
        """processes: each task in one of its own, as on a board; else in this one, which is quicker and the same otherwise."""
        self.plans.mkdir(exist_ok=True)
        workshop = Workshop(self.plans / "build.log", COMMAND, beat=0.1) if processes else InProcess(self.script)
        wanted = {"quantised": self.quantised, "precisions": (), "options": OPTIONS} | order
        job = Job(
            Order(network=network or self.network, plans=self.plans, seconds=seconds, **wanted),
            Tools(workshop, load_network, self.lint, self.told.append),
        )
        return job.run(only_if_needed=only_if_needed)

    def runs(self) -> bool:
        """Whether the door, as it is now, computes by a plan."""
        kit = PlanKit(self.plans, twin_of(modules(read_script(self.script))), OPTIONS)
        network = kit.open(self.network)
        kit.accelerator.close()
        return getattr(network, "on_gpu", False)


@pytest.fixture(autouse=True)
def twin_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWIN_SCRIPT", str(tmp_path / "script.json"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(ROOT)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def table(plan: PlanManifest) -> dict[str, str]:
    return {one.name: one.reason for one in plan.candidates}


def test_the_fastest_candidate_that_passes_is_taken_and_the_table_kept(site: Site) -> None:
    site.says(milliseconds={"fp16": 20.0, "int8": 0.0, "mixed": 20.0})
    plan = site.build()
    assert plan.precision == "int8"
    assert table(plan) == {"int8": "taken: the fastest that passes", "mixed": "slower than int8", "fp16": "slower than int8"}
    assert plan.proof.measures["symbols_least"] >= 0.95
    assert plan.candidates[2].milliseconds.keys() == {"1", "4"}
    assert site.runs()


def test_speed_does_not_help_a_candidate_that_fails_the_gate(site: Site) -> None:
    """Quantised so coarsely that the codes are others."""
    site.ship_int8(1.5)
    site.says(milliseconds={"fp16": 2.0, "int8": 0.0, "mixed": 0.0})
    plan = site.build()
    assert plan.precision == "fp16"
    assert "symbols agree to" in table(plan)["int8"]
    assert "at least 0.95 is asked" in table(plan)["mixed"]


@pytest.mark.parametrize("release", ["8.6.0", "11.4.0"])
def test_the_same_on_the_oldest_and_the_newest_release(site: Site, release: str) -> None:
    site.says(release=release)
    assert site.build().board.tensorrt == release
    assert site.runs()


def test_a_quantised_network_without_a_quantised_node_is_refused(site: Site) -> None:
    site.quantised.write_bytes(site.network.with_suffix(".onnx").read_bytes())
    plan = site.build(precisions=("fp16", "int8"))
    assert table(plan)["int8"].endswith("holds no Q/DQ nodes; give the quantised network")
    assert plan.precision == "fp16"


def test_a_quantised_network_of_another_float_network_is_not_built(site: Site) -> None:
    site.ship_int8(sha256="cd" * 32)
    plan = site.build()
    assert "does not name tiny" in table(plan)["int8"]
    assert (plan.precision, plan.tail_shift) == ("fp16", None)


def test_a_quantised_network_without_a_manifest_is_not_built(site: Site) -> None:
    site.quantised.with_suffix(".json").unlink()
    assert "the manifest cannot be read" in table(site.build())["mixed"]


def test_an_int8_plan_moves_the_threshold_of_the_door_to_the_safe_side_and_a_float_one_does_not(site: Site) -> None:
    """Also while the network runs on the CPU after all, and for what `edge calibrate` says is in force."""
    ship_detector(site.folder)
    (site.folder / "door.toml").write_text(
        '[network]\nmodels = "."\nplans = "plans"\nruntime = "auto"\ndetector = "eyes"\nhash = "tiny"\n[calibration]\npath = "none.json"\n'
        '[gallery]\npath = "none.db"\n'
    )
    settings = load_settings(site.folder / "door.toml", {})
    site.build(precisions=("fp16",))
    assert door.Networks(settings, lambda why: None).tail == TAIL
    site.says(milliseconds={"int8": 0.0, "fp16": 20.0, "mixed": 20.0})
    assert site.build().tail_shift == -1
    assert door.Networks(settings, lambda why: None).tail == standing(settings, lambda why: None).tail == TAIL.moved(-1)
    on_cpu = settings.model_copy(update={"network": settings.network.model_copy(update={"runtime": "onnxruntime"})})
    assert door.Networks(on_cpu).tail == TAIL


def test_an_int8_plan_that_does_not_say_how_far_scores_moved_is_refused(site: Site) -> None:
    site.says(milliseconds={"int8": 0.0, "fp16": 20.0, "mixed": 20.0})
    plan = site.build()
    found = differences(plan.model_copy(update={"tail_shift": None}), read_manifest(site.network), plan.board, plan.options)
    assert ["no threshold follows" in reason for reason in found] == [True]
    assert differences(plan, read_manifest(site.network), plan.board, plan.options) == []


def test_a_detector_is_proved_by_its_boxes(site: Site) -> None:
    plan = site.build(network=ship_detector(site.folder), quantised=None)
    assert set(plan.proof.measures) == {"scores_most", "boxes_most", "landmarks_most"}
    assert plan.candidates[0].reason.startswith("there is no quantised network")


def test_the_linter_goes_first(site: Site) -> None:
    """What it finds never reaches a builder."""
    site.found = ["node 'q': zero point is not 0; calibrate again"]
    site.says(crash=["int8", "mixed"], milliseconds=QUICK_FP16)
    reasons = table(site.build(precisions=("int8", "fp16")))
    assert "the linter refuses it: node 'q': zero point is not 0; calibrate again" in reasons["int8"]
    assert "crashed" not in reasons["int8"]


def test_a_builder_that_crashes_is_told_with_its_last_words_and_the_others_go_on(site: Site) -> None:
    site.says(crash=["int8"])
    plan = site.build(processes=True, precisions=("int8", "fp16"))
    assert plan.precision == "fp16"
    assert "build: crashed with SIGSEGV; last words: " in table(plan)["int8"]
    assert "about to dereference a null pointer" in table(plan)["int8"]


def test_a_builder_that_hangs_is_stopped(site: Site) -> None:
    site.says(hang=["fp16"])
    with pytest.raises(BuildError, match="took longer than 8 s and was stopped"):
        site.build(seconds=8.0, precisions=("fp16",), processes=True)


def test_a_plan_that_computes_something_else_is_never_put_in_use(site: Site) -> None:
    """And the one in use stays."""
    old = site.build()
    site.says(spoil={"fp16": 0.7, "int8": 0.7, "mixed": 0.7})
    with pytest.raises(BuildError, match=r"no candidate passed; the plan in use stays.*symbols agree to"):
        site.build()
    store = PlanStore(site.plans, "tiny")
    assert store.read(store.names()[0]) == old
    assert site.runs()


def test_nothing_is_built_when_the_plan_in_use_belongs_here(site: Site) -> None:
    plan = site.build()
    site.says(crash=["fp16", "int8", "mixed"])
    assert site.build(only_if_needed=True) == plan
    assert site.told[-1] == "tiny: the plan in use belongs here, nothing to do"


@pytest.mark.parametrize(
    "change",
    [
        lambda site: site.says(release="10.16.1"),
        lambda site: site.says(gpu="Thor", sm=[11, 0]),
        lambda site: ship_hash(site.folder, seed=1),
        lambda site: next((site.plans / "tiny").glob("*/plan.bin")).write_bytes(b"damaged"),
        lambda site: (site.plans / "tiny" / "current.json").write_text("{"),
    ],
    ids=["TensorRT", "board", "network", "plan", "pointer"],
)
def test_after_an_update_or_damage_a_new_plan_is_built(site: Site, change: Callable[[Site], object]) -> None:
    """Another TensorRT, another board, another network, a broken file, a broken pointer: the door has no plan, then it has one again."""
    site.build()
    change(site)
    assert not site.runs()
    site.build(only_if_needed=True)
    assert site.runs()


def test_a_new_quantised_network_is_reason_enough_for_a_new_plan(site: Site) -> None:
    """Meanwhile the door goes on with the plan that it has."""
    assert site.build(quantised=None).precision == "fp16"
    site.says(milliseconds={"int8": 0.0, "fp16": 20.0, "mixed": 20.0})
    assert site.runs()
    assert site.build(only_if_needed=True).precision == "int8"
    assert site.build(only_if_needed=True).precision == "int8"
    assert site.told[-1].endswith("nothing to do")


def test_a_board_that_cannot_is_refused_before_anything_is_built(site: Site) -> None:
    site.says(gpu="NVIDIA Tegra X1", sm=[5, 3])
    with pytest.raises(RefusedError, match="Jetson Nano or TX2: int8 is refused: FP16 only"):
        site.build(precisions=("int8",))


def test_progress_with_the_time_left_is_told_while_it_builds(site: Site) -> None:
    site.build(precisions=("fp16",))
    assert any("fp16: Building Engine 4/4, about 0 s left" in line for line in site.told)


def test_where_the_release_tells_no_progress_it_is_told_that_the_build_goes_on_and_how_long_the_last_one_took(site: Site) -> None:
    """TensorRT 8.6 is silent for minutes."""
    site.says(release="8.6.0", milliseconds={})
    site.build(precisions=("fp16",), processes=True, seconds=50.0)
    assert any(re.fullmatch(r"fp16: still building after \d+ s; given up after 50 s", line) for line in site.told), site.told
    site.told.clear()
    site.build(precisions=("fp16",), processes=True)
    assert any(re.fullmatch(r"fp16: still building after \d+ s; about \d+ s left, as the last build went", line) for line in site.told)


def boards(folder: Path, **more: object) -> Path:
    """The boards' files with something else in the Orin's."""
    shutil.copytree(FOLDER, folder / "boards")
    path = folder / "boards" / "orin.toml"
    lines = [
        next((f"{key} = {value}" for key, value in more.items() if line.startswith(f"{key} ")), line)
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    return folder / "boards"


@pytest.mark.parametrize("short", ["memory", "disk"])
def test_a_build_is_refused_where_memory_or_disk_is_short_and_the_plan_in_use_stays(site: Site, short: str) -> None:
    old = site.build()
    with pytest.raises(RefusedError, match=rf"MiB of {short} are free, a build needs 999999999"):
        site.build(boards=boards(site.folder, **{f"free_{short}": 999999999}))
    store = PlanStore(site.plans, "tiny")
    assert store.read(store.names()[0]) == old
    assert site.runs()


@pytest.mark.parametrize("release", RELEASES)
def test_on_a_board_with_dla_every_precision_is_tried_there_too(site: Site, release: str) -> None:
    site.says(release=release, dla=2)
    assert list(table(site.build(precisions=("int8", "fp16")))) == ["int8", "fp16", "int8-dla", "fp16-dla"]
    site.says(release=release, dla=0)
    assert list(table(site.build(precisions=("fp16",)))) == ["fp16"]


def test_the_level_and_the_time_of_a_build_are_those_of_board_and_settings(site: Site) -> None:
    tasks_done: list[dict[str, Any]] = []

    class Watched(InProcess):
        def do(self, task: dict[str, Any], folder: Path, seconds: float, listen: Any = lambda facts: None) -> dict[str, Any]:
            tasks_done.append({**task, "given": seconds})
            return super().do(task, folder, seconds, listen)

    order = Order(site.network, None, site.plans, OPTIONS, 77.0, ("fp16",), boards=boards(site.folder, optimisation_level=5))
    site.plans.mkdir()
    Job(order, Tools(Watched(site.script), load_network, site.lint, site.told.append)).run()
    (built,) = [task for task in tasks_done if task["do"] == "build"]
    assert (built["optimisation_level"], built["given"], built["seconds"], built["workspace"]) == (5, 77.0, 77.0, OPTIONS.workspace)


def test_the_timing_cache_is_kept_for_the_next_build(site: Site) -> None:
    site.build(precisions=("fp16",))
    assert (site.plans / "timing-10.3.0-sm8.7.cache").read_bytes() == b"cache of 10.3.0"


def test_killed_at_any_moment_the_door_has_the_old_plan_or_the_new_one(site: Site) -> None:
    """The whole tree of processes is killed without warning, at many moments of a build that would replace the plan."""
    site.build()
    began = time.monotonic()
    process(site).wait()
    whole = time.monotonic() - began
    picks = random.Random(0)
    for moment in sorted([picks.uniform(0.05, whole) for _ in range(5)] + [whole * share for share in (0.9, 0.95, 1.0)]):
        site.says(milliseconds=QUICK_FP16 | {"fp16": 0.5 + moment / 1000})  # another plan each time
        started = process(site)
        time.sleep(moment)
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
        assert site.runs(), f"killed after {moment:.2f} s"
    site.says()
    site.build()
    assert site.runs()
    assert {path.name for path in (site.plans / "tiny").iterdir() if path.is_dir()} == set(PlanStore(site.plans, "tiny").names())


def process(site: Site) -> "subprocess.Popen[bytes]":
    """A build in a process group of its own."""
    source = (
        "import sys; from pathlib import Path; from tests.test_build_job import Site, OPTIONS, COMMAND;"
        "from build_engine.bench import Order, Tools; from build_engine.job import Job; from build_engine.process import Workshop;"
        "from edge.inference import load_network; site = Path(sys.argv[1]);"
        "order = Order(site / 'tiny.json', None, site / 'plans', OPTIONS, 60.0, ('fp16',));"
        "tools = Tools(Workshop(site / 'plans' / 'build.log', COMMAND), load_network, None, print); Job(order, tools).run()"
    )
    return subprocess.Popen([sys.executable, "-c", source, str(site.folder)], start_new_session=True, stdout=subprocess.DEVNULL)


def test_a_second_build_waits_for_nobody(site: Site) -> None:
    with PlanStore(site.plans, "tiny").building(), pytest.raises(NetworkError, match="another build is running"):
        site.build()

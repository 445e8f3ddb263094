"""`edge engine` and what the doctor says of plans: as a person uses it, with the builder's twin where TensorRT is needed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from edge.assembly.report import Report
from edge.commands import engine
from edge.commands.doctor import examine
from edge.errors import NetworkError
from edge.inference import Accelerator, PlanStore, Progress
from edge.inference.progress import write_progress
from edge.settings import Settings, load_settings
from tests.tensorrt_twins import Script, modules
from tests.tiny_networks import ship_detector, ship_hash

ROOT = Path(__file__).parent.parent
PROGRAM = (sys.executable, "-m", "tests.twin_build")
NO_TENSORRT = pytest.mark.skipif(Path("/etc/nv_tegra_release").exists(), reason="this is a Jetson")


class Door:
    """A door with tiny networks, a folder of plans, and a twin of TensorRT."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        ship_hash(folder)
        ship_detector(folder)
        (folder / "script.json").write_text("{}")
        (folder / "door.toml").write_text('[network]\nmodels = "."\nplans = "plans"\ndetector = "eyes"\nhash = "tiny"\nbatch = 2\n')
        monkeypatch.setenv("TWIN_SCRIPT", str(folder / "script.json"))
        monkeypatch.chdir(ROOT)
        self.settings: Settings = load_settings(folder / "door.toml", {})

    def run(self, action: str, capture: pytest.CaptureFixture[str], **more: Any) -> list[dict[str, Any]]:
        capture.readouterr()
        engine.run(self.settings, Report(as_json=True, quiet=False), action, program=PROGRAM, **more)
        return [json.loads(line) for line in capture.readouterr().out.splitlines()]

    def states(self, **script: Any) -> list[str]:
        gpu = Accelerator(engine.build.accelerator(self.settings).wanted, lambda: modules(Script(**script)))
        return [one.state for one in engine.states(self.settings, gpu)]


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    return Door(tmp_path, monkeypatch)


def test_a_plan_s_whole_life_built_opened_timed_kept_cleaned(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.states() == ["none", "none"]
    built = door.run("build", capsys)
    assert [(one["build"]["network"], one["build"]["precision"]) for one in built] == [("eyes", "fp16"), ("tiny", "fp16")]
    assert door.states() == ["fits", "fits"]
    assert door.states(release="11.4.0") == ["refused", "refused"]
    assert [one["verify"]["verified"] for one in door.run("verify", capsys)] == [True, True]
    times = door.run("bench", capsys)[1]["bench"]
    assert times["with_cuda_graphs"].keys() == times["without_cuda_graphs"].keys() == {"1", "2"}
    assert door.run("clean", capsys) == [{"removed": {"eyes": [], "tiny": []}}]
    assert door.states() == ["fits", "fits"]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (None, "a build is running: candidate 2 of 3, int8"),
        (230.0, "a build is running: candidate 2 of 3, int8, about 4 min left"),
        (0.0, "a build is running: candidate 2 of 3, int8"),
    ],
)
def test_status_says_how_far_a_build_is(door: Door, left: float | None, said: str) -> None:
    store, now = PlanStore(door.settings.network.plans, "tiny"), time.monotonic()
    with store.building() as staging:
        assert [one.reason for one in engine.states(door.settings)][1] == "a build is running"
        write_progress(store.folder, staging, Progress(candidate="int8", number=2, of=3, began=now, told=now, left=left))
        assert [(one.state, one.reason) for one in engine.states(door.settings)][1] == ("building", said)


def test_the_builder_gets_every_setting_of_a_plan(door: Door) -> None:
    words = engine.command(door.settings, "build", "tiny", True)
    given = dict(zip(words[2::2], words[3::2], strict=False))
    network = door.settings.network
    assert (given["--batch"], given["--side"]) == ("2", str(door.settings.detect.long_side))
    assert (given["--workspace"], given["--timeout"]) == (str(network.workspace), str(network.build_timeout))
    assert words[-1] == "--if-needed"
    assert "--quantised" not in words
    (network.models / "tiny_int8.onnx").touch()
    assert "--quantised" in engine.command(door.settings, "build", "tiny", False)


def edge(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "edge", *words], capture_output=True, text=True, cwd=ROOT, env=os.environ | {"NO_COLOR": "1"}
    )


@NO_TENSORRT
def test_without_tensorrt_build_says_what_is_missing_and_exits_5(tmp_path: Path) -> None:
    (tmp_path / "door.toml").write_text('[network]\nplans = "plans"\n')
    done = edge("engine", "build", "--json", "--config", str(tmp_path / "door.toml"))
    assert done.returncode == 5
    assert "TensorRT cannot be used" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert "Traceback" not in done.stderr


def test_an_unknown_action_is_told_with_the_known_ones() -> None:
    done = edge("engine", "melt")
    assert done.returncode == 2
    assert "choose quantise, build, status, verify, bench, clean" in " ".join(done.stderr.split())


@NO_TENSORRT
@pytest.mark.parametrize(("runtime", "state"), [("onnxruntime", "pass"), ("auto", "warn"), ("tensorrt", "fail")])
def test_the_doctor_says_where_networks_run(tmp_path: Path, runtime: str, state: str) -> None:
    """By the default on the CPU, and that is well; where TensorRT was hoped for, why it is not so."""
    (tmp_path / "door.toml").write_text(
        f'[network]\nruntime = "{runtime}"\nplans = "plans"\n[gallery]\npath = "g.db"\n[keys]\nfile = "k"\n'
    )
    (check,) = [check for check in examine(tmp_path / "door.toml") if check.id == "plan"]
    assert check.state == state
    assert bool(check.remedy) is (state != "pass")


def test_a_build_that_fails_is_an_error_of_this_command_too(door: Door, capsys: pytest.CaptureFixture[str]) -> None:
    """The other network's plan is built all the same."""
    (door.settings.network.models / "eyes.onnx").write_bytes(b"no network")
    with pytest.raises(NetworkError, match=r"eyes: .*SHA-256"):
        door.run("build", capsys)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["build"]["network"] == "tiny"

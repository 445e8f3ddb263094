"""`edge engine`: the plans by which networks run on TensorRT: made, looked at, opened, timed, cleared away; and the INT8 forms.

The builder is a program of its own (`python -m build_engine`): it may crash, and the door must not. So is who makes INT8 networks
(`python -m calibration.recipe`).
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge.assembly import build
from edge.assembly.report import Report
from edge.errors import EdgeError, NetworkError
from edge.inference import Accelerator, Candidate, NoTensorRTError, PlanStore, Progress, check_belongs, read_manifest
from edge.settings import Settings

BUILDER = (sys.executable, "-m", "build_engine")
QUANTISER = (sys.executable, "-m", "calibration.recipe")
ACTIONS = ("quantise", "build", "status", "verify", "bench", "clean")
QUANTISED = "{name}_int8.onnx"  # beside the float network, as the workstation made it


@dataclass(frozen=True)
class PlanState:
    """One network's plan. state: fits, refused, none, building, or unavailable (no TensorRT here)."""

    network: str
    state: str
    plan: str
    reason: str

    def facts(self) -> dict[str, str]:
        """JSON-ready."""
        return {"network": self.network, "state": self.state, "plan": self.plan, "reason": self.reason}


def states(settings: Settings, accelerator: Accelerator | None = None) -> list[PlanState]:
    """Of the detector's plan and the hashing network's; nothing is loaded on the GPU. Raises NetworkError for a manifest that is none."""
    own = accelerator is None
    gpu = accelerator or build.accelerator(settings)
    try:
        return [_state(settings, gpu, name) for name in (settings.network.detector, settings.network.hash)]
    finally:
        if own:
            gpu.close()


def _state(settings: Settings, gpu: Accelerator, name: str) -> PlanState:
    manifest = read_manifest(settings.network.models / f"{name}.json")
    store = PlanStore(settings.network.plans, manifest.name)
    if store.is_building():
        return PlanState(manifest.name, "building", "", _how_far(store.progress()))
    names: list[str] = []
    try:
        board, names = gpu.board(), store.names()
        if not names:
            return PlanState(manifest.name, "none", "", f"no plan in {store.folder}; run `edge engine build`")
        plan = store.read(names[0])
        check_belongs(plan, manifest, board, gpu.wanted.options)
        store.plan(names[0], plan)
    except NoTensorRTError as error:
        return PlanState(manifest.name, "unavailable", "", str(error))
    except NetworkError as error:
        return PlanState(manifest.name, "refused", "".join(names[:1]), str(error))
    return PlanState(manifest.name, "fits", names[0], f"{plan.precision}, {_taken(plan.candidates)}")


def _how_far(progress: Progress | None) -> str:
    """A build that runs, in words."""
    if progress is None:
        return "a build is running"
    left = progress.left_at(time.monotonic())
    told = f"a build is running: candidate {progress.number} of {progress.of}, {progress.candidate}"
    return told if left is None else f"{told}, about {-(-left // 60):.0f} min left"


def _taken(candidates: Sequence[Candidate]) -> str:
    """The time of one crop or canvas with the plan."""
    best = next((one for one in candidates if one.passed and one.reason.startswith("taken")), None)
    return f"{best.milliseconds.get('1', 0):.2f} ms" if best else "not timed"


def run(settings: Settings, report: Report, action: str, *, if_needed: bool = False, program: Sequence[str] = BUILDER) -> None:
    """One action on the plans of both networks. program: the builder. Raises NetworkError when one of them could not be done."""
    if action == "quantise":
        quantise(settings, report)
        return
    if action == "status":
        found = states(settings)
        report.result({"plans": [one.facts() for one in found]})
        report.table(("network", "state", "plan", "what"), ((one.network, one.state, one.plan, one.reason) for one in found))
        return
    if action == "clean":
        _clean(settings, report)
        return
    if tuple(program) == BUILDER and find_spec("onnx") is None:
        raise NetworkError("the builder of plans needs onnx, which is not installed; .venv/bin/pip install -e '.[jetson]', or [calibrate]")
    failed = []
    names = (settings.network.detector, settings.network.hash)
    for number, name in enumerate(names, 1):
        try:
            if action == "build":
                _require_float(settings.network.models, name)
                if said := without_int8(settings.network.models, name):
                    report.note(said)
            part = ["--part", str(number), str(len(names))] if action == "build" else []
            facts = _program([*program, *command(settings, action, name, if_needed), *part], name, report)
        except EdgeError as error:
            failed.append(f"{name}: {error}")
            continue
        report.result({action: facts}, f"{name}: {_sentence(action, facts)}")
    if failed:
        raise NetworkError("; ".join(failed))


def quantise(settings: Settings, report: Report) -> None:
    """Make the INT8 forms of every network whose recipe lies in the folder of networks, beside it. Raises NetworkError."""
    models = settings.network.models.absolute()
    recipes = sorted(models.glob("*.recipe"))
    if not recipes:
        raise NetworkError(f"{models}: holds no recipe (*.recipe); calibrate a network with `python -m calibration.quantise`")
    if find_spec("onnx") is None:
        raise NetworkError("making INT8 networks needs onnx, which is not installed; .venv/bin/pip install -e '.[calibrate]'")
    for recipe in recipes:
        facts = _program([*QUANTISER, str(recipe.with_suffix(".json")), str(recipe), "--out", str(models)], recipe.stem, report)
        report.result({"quantised": facts}, f"{recipe.stem}: made {', '.join(Path(path).stem for path in facts['made'].values())}")


def _require_float(models: Path, name: str) -> None:
    """Raises NetworkError for an INT8 form: a plan is made of the float network, and of the INT8 form that lies beside it."""
    manifest = read_manifest(models / f"{name}.json")
    if manifest.float_parent or "quantised" in manifest.facts:
        setting = "network.hash" if manifest.kind == "hash" else "network.detector"
        raise NetworkError(f"is an INT8 form; name its float network in {setting}, whose plan is INT8 where that is faster")


def without_int8(models: Path, name: str) -> str:
    """What to tell of a network without an INT8 form before its plan is built; empty where it has one."""
    if (models / QUANTISED.format(name=name)).exists():
        return ""
    if (models / f"{name}.recipe").exists():
        return f"{name}: no INT8 form here, so INT8 is not tried; `edge engine quantise` makes it of {name}.recipe, here or elsewhere"
    return f"{name}: no INT8 form and no recipe for one, so INT8 is not tried; `python -m calibration.quantise` makes both on a workstation"


def _clean(settings: Settings, report: Report) -> None:
    """Remove plans that are no longer needed, and what killed builds left."""
    removed = {}
    for name in (settings.network.detector, settings.network.hash):
        store = PlanStore(settings.network.plans, read_manifest(settings.network.models / f"{name}.json").name)
        if not store.folder.exists():
            continue
        with store.building() as staging:
            removed[name] = store.clean(staging)
    count = sum(len(names) for names in removed.values())
    report.result({"removed": removed}, f"removed: {count}")


def command(settings: Settings, action: str, name: str, if_needed: bool) -> list[str]:
    """The words for the builder about one network."""
    network, models = settings.network, settings.network.models.absolute()
    words = [action, str(models / f"{name}.json"), "--plans", str(network.plans.absolute())]
    words += ["--batch", str(network.batch), "--side", str(settings.detect.long_side), "--workspace", str(network.workspace)]
    words += ["--timeout", str(network.build_timeout)]
    quantised = models / QUANTISED.format(name=name)
    words += ["--quantised", str(quantised)] if quantised.exists() else []
    return words + (["--if-needed"] if if_needed else [])


def _program(words: list[str], name: str, report: Report) -> dict[str, Any]:
    """What a workshop's program says of one network: its progress line by line, its last line as facts."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            report.note(f"  {line.rstrip()}")
        said = process.stdout.read().strip().splitlines()
    facts: dict[str, Any] = json.loads(said[-1]) if said else {}
    if process.returncode or not facts:
        raise NetworkError(str(facts.get("error") or f"{name}: {words[2]} ended with code {process.returncode}; run it again"))
    return facts


def _sentence(action: str, facts: dict[str, Any]) -> str:
    if action == "build":
        return f"plan in {facts['precision']} is in use; {', '.join(one['name'] + ': ' + one['reason'] for one in facts['candidates'])}"
    if action == "verify":
        return f"plan {facts['plan']} opens, its golden outputs agree"
    times = [f"{size}: {ms:.2f} ms" for size, ms in facts["with_cuda_graphs"].items()]
    return f"plan {facts['plan']}, by batch size {', '.join(times)}"

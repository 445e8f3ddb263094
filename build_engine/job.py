"""The whole build of one network's plan: which candidates, build each, prove each, take the fastest that passes, swap, run it once.

Whatever goes wrong, and whenever this is killed, the plan in use stays (``edge.inference.plans``).
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from build_engine.bench import OPENING, Bench, Machine, Order, Tools, named
from build_engine.boards import Profile, allowed, profile_of, read_profiles
from build_engine.errors import BuildError
from build_engine.forecast import Forecast
from build_engine.process import Facts
from build_engine.resources import check_room
from edge.errors import NetworkError
from edge.inference.manifest import Manifest, read_manifest
from edge.inference.network import read_network
from edge.inference.plan import Board, PlanError, PlanManifest, differences, shapes
from edge.inference.plans import PLAN, PlanStore
from edge.inference.progress import write_progress

BATCHES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Job:
    """One run of it."""

    order: Order
    tools: Tools

    def machine(self, folder: Path) -> Machine:
        """Asked in a process of its own. Raises BuildError where there is no TensorRT or no GPU."""
        found = self.tools.workshop.do({"do": "board", "seconds": OPENING}, folder, OPENING)
        return Machine(Board.model_validate(found["board"]), found["dla"], tuple(found["halves"]))

    def run(self, *, only_if_needed: bool = False) -> PlanManifest:
        """The manifest of the plan that is in use afterwards. Raises NetworkError; then it is the one that was in use before."""
        manifest = read_manifest(self.order.network)
        read_network(manifest, self.order.network)
        store = PlanStore(self.order.plans, manifest.name)
        with store.building() as staging:
            machine = self.machine(staging)
            name, profile = profile_of(machine.board, read_profiles(self.order.boards))
            basis = self._basis(profile)
            if only_if_needed and (plan := self._sound(store, manifest, machine.board, basis)):
                self.tools.tell(f"{manifest.name}: the plan in use belongs here, nothing to do")
                return plan
            precisions = allowed(profile, self.order.precisions)
            check_room(profile, store.folder)
            on = f"{machine.board.gpu} ({profile.name}), TensorRT {machine.board.tensorrt}"
            self.tools.tell(f"{manifest.name}: building on {on}: {', '.join(precisions)}")
            wanted = [(one, False) for one in precisions]
            wanted += [(one, True) for one in precisions] if profile.dla and machine.dla else []
            forecast = self._forecast(store, staging, machine.board, [named(*one) for one in wanted])
            bench = Bench(self.order, self.tools, manifest, machine, profile, staging, forecast, _before(store))
            plan, raw = bench.choose([bench.attempt(precision, dla) for precision, dla in wanted], name, basis)
            return self._swap(store, staging, manifest, plan, raw)

    def _forecast(self, store: PlanStore, staging: Path, board: Board, names: list[str]) -> Forecast:
        """Goes by the plan in use where it was built on this board."""
        before: dict[str, float] = {}
        with suppress(NetworkError, IndexError):
            plan = store.read(store.names()[0])
            before = {one.name: one.seconds for one in plan.candidates if one.seconds} if plan.board == board else {}
        return Forecast(names, before, lambda progress: write_progress(store.folder, staging, progress), self.order.part)

    def _basis(self, profile: Profile) -> dict[str, JsonValue]:
        """What a plan depends on that the door does not know: the quantised network, and how the board's profile wants it built."""
        path = self.order.quantised
        quantised = hashlib.sha256(path.read_bytes()).hexdigest() if path and path.exists() else None
        return {"quantised": quantised, "profile": profile.model_dump(mode="json")}

    def _sound(self, store: PlanStore, manifest: Manifest, board: Board, basis: dict[str, JsonValue]) -> PlanManifest | None:
        """The plan in use, if it belongs here, is whole, and would be built from the same today."""
        try:
            name = store.names()[0]
            plan = store.read(name)
            store.plan(name, plan)
        except (NetworkError, IndexError):
            return None
        return None if differences(plan, manifest, board, self.order.options) or plan.facts.get("basis") != basis else plan

    def _swap(self, store: PlanStore, staging: Path, manifest: Manifest, plan: PlanManifest, raw: bytes) -> PlanManifest:
        name = store.install(staging, plan, raw)
        try:
            used = self.open(staging)
            if used != name:
                raise BuildError(f"the door would still use plan {used}")
        except NetworkError as error:
            old = store.withdraw(staging, name) or "none, the CPU computes"
            raise BuildError(f"{manifest.name}: the new plan does not open ({error}); in use is {old}") from error
        store.clean(staging)
        self.tools.tell(f"{manifest.name}: plan {name} is in use")
        return plan

    def open(self, folder: Path) -> str:
        """Open the plan in use as the door does. Returns its name; raises BuildError."""
        order = self.order
        task: Facts = {"do": "open", "manifest": str(order.network.absolute()), "plans": str(order.plans.absolute()), "seconds": OPENING}
        return str(self.tools.workshop.do(task | {"options": order.options.model_dump()}, folder, OPENING)["plan"])

    def times(self, folder: Path, seconds: float) -> dict[str, object]:
        """Milliseconds of the plan in use, with and without CUDA graphs. Raises BuildError, PlanError."""
        manifest = read_manifest(self.order.network)
        store = PlanStore(self.order.plans, manifest.name)
        name = self.open(folder)
        plan = store.read(name)
        size = shapes(manifest, plan.options)[2][0]
        np.savez(folder / "inputs.npz", batch=np.zeros((size, *plan.golden.shape[1:]), np.uint8))
        task: Facts = {
            "do": "measure",
            "manifest": str(self.order.network.absolute()),
            "plan": str((store.folder / name / PLAN).absolute()),
        }
        task |= {"inputs": str(folder / "inputs.npz"), "outputs": str(folder / "outputs.npz"), "seconds": seconds}
        task |= {"options": plan.options.model_dump(), "batches": [one for one in BATCHES if one < size] + [size]}
        found: dict[str, object] = {"plan": name, "board": plan.board.model_dump()}
        for word, graphs in (("with_cuda_graphs", True), ("without_cuda_graphs", False)):
            found[word] = self.tools.workshop.do(task | {"graphs": graphs}, folder, seconds)["milliseconds"]
        return found


def _before(store: PlanStore) -> PlanManifest | None:
    """The manifest of the plan in use, whether it belongs here or not; None where none can be read."""
    try:
        return store.read(store.names()[0])
    except (PlanError, IndexError):
        return None

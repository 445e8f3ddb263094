"""Plans for tests: built by the product's own builder with a TensorRT that is handed in, installed as a build would."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from build_engine.builder import Order, build
from build_engine.graph import cast_first, read_model
from edge.inference import Network, load_network
from edge.inference.accelerated import Accelerator, Wanted
from edge.inference.make import golden_output
from edge.inference.manifest import Golden, Manifest, read_manifest
from edge.inference.network import golden_input
from edge.inference.plan import Board, Options, PlanManifest, Proof, shapes
from edge.inference.plans import PlanStore
from edge.inference.tensorrt import Modules, TensorRTNetwork

OPTIONS = Options(batch=4, side=128, workspace=64)


def twin_of(found: Modules) -> Callable[[], Modules]:
    return lambda: found


def compile_plan(found: Modules, manifest_path: Path, options: Options = OPTIONS) -> bytes:
    """The plan of a float network, in float32 or as the release has it."""
    manifest = read_manifest(manifest_path)
    graph = cast_first(read_model((manifest_path.parent / manifest.file).read_bytes(), manifest.file)).SerializeToString()
    order = Order(precision="fp32", shapes=shapes(manifest, options), workspace=options.workspace, optimisation_level=1)
    return build(found.trt, graph, order, lambda phase, done, steps: True).plan


def plan_manifest(manifest: Manifest, raw: bytes, board: Board, golden: Golden, options: Options = OPTIONS) -> PlanManifest:
    return PlanManifest(
        network=manifest.name,
        network_sha256=manifest.sha256,
        plan_sha256=hashlib.sha256(raw).hexdigest(),
        source_sha256=manifest.sha256,
        precision="fp32",
        board=board,
        options=options,
        profile="pc",
        golden=golden,
        proof=Proof(reference_sha256=manifest.sha256, samples=1, real=False, measures={}, gate={}),
        candidates=(),
        facts={},
    )


class PlanKit:
    """A folder of plans and the accelerator that reads it."""

    def __init__(self, folder: Path, find: Callable[[], Modules], options: Options = OPTIONS, seconds: float = 20.0) -> None:
        self.folder, self.options, self.find = folder, options, find
        self.accelerator = Accelerator(Wanted(folder, options, seconds), find)
        self.told: list[str] = []

    def install(self, manifest_path: Path, raw: bytes | None = None) -> PlanManifest:
        manifest, device = read_manifest(manifest_path), self.accelerator.device
        raw = raw or device.run(lambda: compile_plan(device.modules, manifest_path, self.options), 600.0)
        network = TensorRTNetwork(manifest, self.options, raw, device)
        golden = Golden(seed=3, shape=shapes(manifest, self.options)[1], outputs={})
        outputs = {name: golden_output(values) for name, values in network.infer(golden_input(golden)).items()}
        network.close()
        made = plan_manifest(manifest, raw, device.board(), golden.model_copy(update={"outputs": outputs}), self.options)
        store = PlanStore(self.folder, manifest.name)
        with store.building() as staging:
            store.install(staging, made, raw)
        return made

    def load(self, manifest_path: Path) -> Network:
        """Build, install, open as the door does; the CPU has no part in it."""
        self.install(manifest_path)
        return self.open(manifest_path)

    def open(self, manifest_path: Path, runtime: str = "tensorrt") -> Network:
        return load_network(manifest_path, runtime=runtime, accelerator=self.accelerator, tell=self.told.append)

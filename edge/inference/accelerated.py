"""Networks on TensorRT with the CPU behind them: without a plan that belongs here, and after the GPU is lost, onnxruntime computes.

Never in silence: whoever made the ``Accelerator`` is told each time, with the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import NetworkError
from edge.inference.manifest import Manifest
from edge.inference.network import Batch, Network, Outputs, check_golden
from edge.inference.plan import Board, Options, PlanError, PlanManifest, differences
from edge.inference.plans import PlanStore
from edge.inference.tensorrt import Device, Modules, TensorRTNetwork, find_modules

Listener = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What the settings ask. folder: of the plans. seconds: time-out of one inference."""

    folder: Path
    options: Options
    seconds: float


class Accelerator:
    """The GPU for all networks of a process; opened when first needed, and then once.

    modules: where tensorrt and pycuda come from; it may raise NoTensorRTError.
    """

    def __init__(self, wanted: Wanted, modules: Callable[[], Modules] = find_modules) -> None:
        self.wanted, self._modules = wanted, modules
        self.used: dict[str, str] = {}  # network -> the plan by which it runs
        self._device: Device | None = None
        self._opened: list[TensorRTNetwork] = []

    @property
    def device(self) -> Device:
        """Raises NoTensorRTError."""
        if self._device is None:
            self._device = Device(self._modules(), self.wanted.seconds)
        return self._device

    def board(self) -> Board:
        """Raises NoTensorRTError."""
        return self.device.board()

    def open(self, manifest: Manifest) -> TensorRTNetwork:
        """The network on TensorRT, by the plan in use or the one before it, checked and run once. Raises NetworkError."""
        store = PlanStore(self.wanted.folder, manifest.name)
        board = self.board()
        reasons = []
        for name in store.names():
            try:
                network = self._load(store, name, manifest, board)
            except NetworkError as error:
                reasons.append(f"plan {name}: {error}")
                continue
            self._opened.append(network)
            self.used[manifest.name] = name
            store.mark_run(name)
            return network
        raise PlanError("; ".join(reasons) or f"there is no plan of '{manifest.name}' in {store.folder}; run `edge engine build`")

    def _load(self, store: PlanStore, name: str, manifest: Manifest, board: Board) -> TensorRTNetwork:
        plan = store.read(name)
        check_belongs(plan, manifest, board, self.wanted.options)
        network = TensorRTNetwork(manifest, plan.options, store.plan(name, plan), self.device)
        check_golden(network, plan.golden)
        network.warm()
        return network

    def close(self) -> None:
        """Free the GPU; a GPU that was lost is left alone."""
        for network in self._opened:
            try:
                network.close()
            except NetworkError:
                break
        if self._device is not None:
            self._device.close()
        self._opened, self._device = [], None


def check_belongs(plan: PlanManifest, manifest: Manifest, board: Board, options: Options) -> None:
    """Raises PlanError with every reason why a plan is not for this network on this board."""
    reasons = differences(plan, manifest, board, options)
    if reasons:
        raise PlanError(f"refused: {', '.join(reasons)}; run `edge engine build` on this board")


class WithCpu:
    """A network on the GPU until that fails; from then on on the CPU, from the very batch that failed. See ``network.Network``."""

    def __init__(self, gpu: Network, cpu: Callable[[], Network], tell: Listener) -> None:
        self._network, self._cpu, self._tell = gpu, cpu, tell
        self.on_gpu = True

    @property
    def manifest(self) -> Manifest:
        return self._network.manifest

    def infer(self, batch: Batch, outputs: Sequence[str] | None = None) -> Outputs:
        try:
            return self._network.infer(batch, outputs)
        except NetworkError as error:
            if not self.on_gpu:
                raise
            self._tell(f"network '{self.manifest.name}' goes on on the CPU: {error}")
        self._network, self.on_gpu = self._cpu(), False
        return self._network.infer(batch, outputs)


def on_gpu_or_cpu(accelerator: Accelerator, manifest: Manifest, cpu: Callable[[], Network], tell: Listener) -> Network:
    """The network on TensorRT with the CPU behind it; on the CPU at once, and told, where no plan belongs here."""
    try:
        return WithCpu(accelerator.open(manifest), cpu, tell)
    except NetworkError as error:
        tell(f"network '{manifest.name}' runs on the CPU: {error}")
        return cpu()

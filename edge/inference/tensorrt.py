"""TensorRT: a plan becomes ``infer()``. The only file of ``edge`` that knows tensorrt and pycuda; both are imported when first needed.

One thread owns the GPU's primary context: it is pushed for each job and popped in ``finally``. Input and output lie in pinned memory, one
stream takes upload, inference and download, and for each input shape the three are recorded once as a CUDA graph (TensorRT developer
guide, "CUDA graphs": one execution context for each recorded graph). Only the calls by tensor name are used, which are the same from
TensorRT 8.6 to 11.4.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge.errors import NetworkError
from edge.inference.cuda_graph import DriverGraphs, Graphs
from edge.inference.manifest import Manifest, Tensor
from edge.inference.network import Array, Batch, Outputs, named_inputs, wanted_outputs
from edge.inference.plan import Board, Options, PlanError, shapes
from edge.inference.worker import StuckError, Worker

T = TypeVar("T")

POWER_MODE = Path("/var/lib/nvpmodel/status")  # written by nvpmodel on a Jetson: "pmode:0000"
OPENING = 60.0  # seconds until opening a device or a plan is given up
PREPARING = 10.0  # seconds until preparing for a new input shape is given up
MOST_SHAPES = 8  # input shapes with buffers and a graph of their own; the one unused for longest goes
_TYPES = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "INT8": "int8", "INT32": "int32", "INT64": "int64"}


class NoTensorRTError(NetworkError):
    """This machine has no TensorRT, no pycuda, or no GPU."""


@dataclass(frozen=True)
class Modules:
    """tensorrt, pycuda.driver, and who records CUDA graphs; None: nobody, each batch is told to the stream anew."""

    trt: Any
    cuda: Any
    graphs: Graphs | None


def find_modules() -> Modules:
    """The real ones. Raises NoTensorRTError."""
    try:
        import pycuda.driver as cuda
        import tensorrt as trt
    except ImportError as error:
        raise NoTensorRTError(
            f"TensorRT cannot be used ({error}); on a Jetson it comes with JetPack (apt install python3-libnvinfer, and the environment "
            "needs --system-site-packages), pycuda with `.venv/bin/pip install -e '.[jetson]'`"
        ) from error
    try:
        return Modules(trt, cuda, DriverGraphs())
    except OSError:
        return Modules(trt, cuda, None)


class Device:
    """The GPU and the one thread that speaks to it. Once it was lost or hung it stays so: a new process gets a new one.

    seconds: how long one inference may take. Raises NoTensorRTError when there is no GPU.
    """

    def __init__(self, modules: Modules, seconds: float, *, power_mode: Path = POWER_MODE) -> None:
        self.modules = modules
        self._seconds, self._power_mode = seconds, power_mode
        self._worker = Worker("gpu")
        self._lost = ""
        self._context: Any = None
        try:
            self._gpu = self._worker.run(self._open, OPENING)
        except StuckError:
            raise NoTensorRTError(f"the GPU did not answer within {OPENING:g} s; restart the machine") from None
        except Exception as error:  # pycuda's errors and a missing driver have no common base class
            raise NoTensorRTError(f"no GPU can be used ({error}); check the driver") from error

    def _open(self) -> Any:
        self.modules.cuda.init()
        device = self.modules.cuda.Device(0)
        self._context = device.retain_primary_context()
        return device

    def board(self) -> Board:
        """What plans of this machine depend on."""

        def ask() -> Board:
            version = self.modules.cuda.get_driver_version()
            major, minor = self._gpu.compute_capability()
            cuda = f"{version // 1000}.{version % 1000 // 10}"
            return Board(
                tensorrt=self.modules.trt.__version__, cuda=cuda, gpu=self._gpu.name(), sm=f"{major}.{minor}", power_mode=self._mode()
            )

        return self.run(ask, OPENING)

    def _mode(self) -> str:
        try:
            return self._power_mode.read_text(encoding="ascii").strip()[:64] or "unknown"
        except (OSError, UnicodeDecodeError):
            return "unknown"

    def run(self, work: Callable[[], T], seconds: float | None = None) -> T:
        """Do something with the context pushed, in the device's thread. Raises NetworkError; after one that hung or failed, at once."""
        if self._lost:
            raise NetworkError(f"the GPU is not used any more: {self._lost}; restart the service")
        limit = self._seconds if seconds is None else seconds
        try:
            return self._worker.run(lambda: self._within(work), limit)
        except StuckError:
            self._lost = f"it did not finish within {limit:g} s"
        except NetworkError:
            raise
        except Exception as error:  # pycuda's errors and TensorRT's have no common base class
            self._lost = f"{type(error).__name__}: {error}"
        raise NetworkError(f"the GPU was lost: {self._lost}; restart the service, and look into the kernel's log")

    def _within(self, work: Callable[[], T]) -> T:
        self._context.push()
        try:
            return work()
        finally:
            self.modules.cuda.Context.pop()

    def close(self) -> None:
        """Give the context back and end the thread; what was loaded must be closed before."""
        if not self._lost:
            self._worker.run(self._context.detach, OPENING)
        self._worker.stop()


class TensorRTNetwork:
    """A plan in TensorRT, see ``network.Network``. Its ``manifest`` is that of the float network whose place it takes.

    raw: the plan. A batch larger than ``options.batch`` is computed in parts; a smaller one is padded to the next power of two, so that few
    graphs serve all. Raises PlanError when TensorRT does not take the plan, or when its inputs and outputs are not the manifest's.
    """

    def __init__(self, manifest: Manifest, options: Options, raw: bytes, device: Device, *, graphs: bool = True) -> None:
        self._manifest, self._options, self._device = manifest, options, device
        self._graphs = device.modules.graphs if graphs else None
        self._runtime: Any = None
        self._engine: Any = None
        self._stream: Any = None
        self._slots: OrderedDict[tuple[int, ...], _Slot] = OrderedDict()
        self._names = tuple(tensor.name for tensor in manifest.outputs)
        device.run(lambda: self._open(raw), OPENING)

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def recorded(self) -> int:
        """How many input shapes have a CUDA graph."""
        return sum(slot.recorded for slot in self._slots.values())

    def infer(self, batch: Batch, outputs: Sequence[str] | None = None) -> Outputs:
        ((name, array),) = named_inputs(self._manifest, batch).items()
        wanted = wanted_outputs(self._manifest, outputs)
        most = shapes(self._manifest, self._options)[2]
        if any(side > limit for side, limit in zip(array.shape[1:], most[1:], strict=True)):
            raise NetworkError(f"'{self._manifest.name}': the plan takes inputs up to {most}, given {array.shape}; run `edge engine build`")
        parts = [self._part(name, array[start : start + most[0]], wanted) for start in range(0, len(array), most[0])]
        return parts[0] if len(parts) == 1 else {key: np.concatenate([part[key] for part in parts]) for key in wanted}

    def warm(self) -> None:
        """Prepare for every number of crops, so that no face waits for it later. A detector's canvas is prepared when it first comes."""
        if self._manifest.kind == "hash":
            least, _, most = shapes(self._manifest, self._options)
            for count in sorted({min(1 << power, most[0]) for power in range(most[0].bit_length() + 1)}):
                self._prepare((count, *least[1:]))

    def _part(self, name: str, array: Array, wanted: list[str]) -> Outputs:
        count = len(array)
        shape = (min(1 << (count - 1).bit_length(), self._options.batch), *array.shape[1:])
        self._prepare(shape)

        def work() -> Outputs:
            computed = self._slots[shape].compute(array)
            return {key: computed[key][:count].copy() for key in wanted}

        return self._device.run(work)

    def _prepare(self, shape: tuple[int, ...]) -> None:
        if shape not in self._slots:
            self._device.run(lambda: self._add_slot(shape), PREPARING)
        self._slots.move_to_end(shape)

    def close(self) -> None:
        """Free what lies on the GPU, in the device's thread and in this order."""

        def free() -> None:
            self._slots.clear()
            self._stream = self._engine = self._runtime = None

        self._device.run(free, OPENING)

    def _open(self, raw: bytes) -> None:
        trt = self._device.modules.trt
        logger = trt.Logger(trt.Logger.ERROR)
        self._runtime = trt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(raw)
        if self._engine is None:
            raise PlanError(f"'{self._manifest.name}': TensorRT {trt.__version__} does not take this plan; run `edge engine build`")
        self._stream = self._device.modules.cuda.Stream()
        self._check_ports(trt)

    def _check_ports(self, trt: Any) -> None:
        names = [self._engine.get_tensor_name(number) for number in range(self._engine.num_io_tensors)]
        found = {name: _port(trt, self._engine, name) for name in names}
        inputs = {name for name in names if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}
        stated = [*self._manifest.inputs, *self._manifest.outputs]
        fits = set(found) == {tensor.name for tensor in stated} and inputs == {tensor.name for tensor in self._manifest.inputs}
        if not fits or not all(_same(tensor, found[tensor.name]) for tensor in stated):
            raise PlanError(
                f"'{self._manifest.name}': the plan has {'; '.join(map(str, found.values()))}, the manifest states "
                f"{'; '.join(map(str, stated))}; run `edge engine build`"
            )

    def _add_slot(self, shape: tuple[int, ...]) -> None:
        while len(self._slots) >= MOST_SHAPES:
            self._slots.popitem(last=False)
        slot = _Slot(self._device.modules.cuda, self._engine, self._stream, self._manifest, shape)
        slot.record(self._graphs)
        self._slots[shape] = slot


class _Slot:
    """Buffers, execution context and CUDA graph of one input shape. Lives in the device's thread."""

    def __init__(self, cuda: Any, engine: Any, stream: Any, manifest: Manifest, shape: tuple[int, ...]) -> None:
        name = manifest.inputs[0].name
        self._cuda, self._stream = cuda, stream
        self._replay: Callable[[], None] | None = None
        self._context = engine.create_execution_context()
        if self._context is None or not self._context.set_input_shape(name, shape):
            raise NetworkError(f"'{manifest.name}': the plan takes no input of {shape}, or memory is short; run `edge engine build`")
        self._input = self._buffer(name, shape, np.dtype(np.uint8))
        self._outputs = {}
        for tensor in manifest.outputs:
            found = tuple(self._context.get_tensor_shape(tensor.name))
            if min(found, default=0) < 1 or not _agrees(tensor.shape, found):
                raise PlanError(f"'{manifest.name}': output {tensor} comes out as {found}; run `edge engine build`")
            self._outputs[tensor.name] = self._buffer(tensor.name, found, np.dtype(tensor.dtype))

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> tuple[Array, Any]:
        """Pinned memory here, memory there, and the address told to TensorRT."""
        host = self._cuda.pagelocked_empty(shape, dtype)
        there = self._cuda.mem_alloc(math.prod(shape) * dtype.itemsize)
        if not self._context.set_tensor_address(name, int(there)):
            raise NetworkError(f"TensorRT does not take the address of '{name}'; run `edge engine build`")
        return host, there

    @property
    def recorded(self) -> bool:
        return self._replay is not None

    def record(self, graphs: Graphs | None) -> None:
        """One run as it is, which TensorRT wants before a recording; then the recording. Without it each batch is told anew."""
        self._input[0][...] = 0
        self._enqueue()
        self._stream.synchronize()
        if graphs is None:
            return
        try:
            self._replay = graphs.capture(self._stream.handle, self._enqueue)
        except OSError:
            self._replay = None

    def compute(self, array: Array) -> Outputs:
        """Upload, infer, download; the arrays are the slot's own. A part of the batch that is not given holds what it held before."""
        self._input[0][: len(array)] = array
        (self._replay or self._enqueue)()
        self._stream.synchronize()
        return {name: host for name, (host, _) in self._outputs.items()}

    def _enqueue(self) -> None:
        host, there = self._input
        self._cuda.memcpy_htod_async(there, host, self._stream)
        if not self._context.execute_async_v3(self._stream.handle):
            raise NetworkError("TensorRT could not compute a batch; look into its log on stderr")
        for host, there in self._outputs.values():
            self._cuda.memcpy_dtoh_async(host, there, self._stream)


def _port(trt: Any, engine: Any, name: str) -> Tensor:
    """One input or output as the manifest writes it."""
    dtype = engine.get_tensor_dtype(name)
    known = {getattr(trt.DataType, word): said for word, said in _TYPES.items() if hasattr(trt.DataType, word)}
    shape = tuple(side if side > 0 else None for side in engine.get_tensor_shape(name))
    return Tensor(name=name, dtype=known.get(dtype, str(dtype)), shape=shape)


def _same(stated: Tensor, found: Tensor) -> bool:
    return stated.dtype == found.dtype and _agrees(stated.shape, found.shape)


def _agrees(stated: Sequence[int | None], found: Sequence[int | None]) -> bool:
    """A side that one of both leaves free agrees with any; what it is then is checked when a batch comes."""
    return len(stated) == len(found) and all(a is None or b is None or a == b for a, b in zip(stated, found, strict=True))

"""Twins of tensorrt, pycuda and CUDA graphs. What they offer is what the recorded releases offer (``surfaces``), what they compute is ONNX.

A plan of the twin holds the graph it was built from, and runs it in onnxruntime. It shows that the code calls only what a release has, in
an order that the rules known to us allow: nothing of a real TensorRT's kernels, memory or speed.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

from edge.inference.tensorrt import Modules

SURFACES = Path(__file__).parent / "surfaces"
RELEASES = ("8.6.0", "10.3.0", "10.16.1", "11.4.0")
MAGIC = b"TWINPLAN"
UINT8_REFUSED = "/Transpose: first input has type UInt8 but must have type Float, Half, ..."


def surface(name: str) -> dict[str, Any]:
    return json.loads((SURFACES / f"{name}.json").read_text())["classes"]


class Only:
    """An object of which only the recorded names can be read or set."""

    def __init__(self, target: Any, names: list[str], kind: str) -> None:
        object.__setattr__(self, "_of", (target, frozenset(names), kind))

    def __getattr__(self, name: str) -> Any:
        target, names, kind = object.__getattribute__(self, "_of")
        if name not in names:
            raise AttributeError(f"this release's {kind} has no {name}")
        return getattr(target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        target, names, kind = object.__getattribute__(self, "_of")
        if name not in names:
            raise AttributeError(f"this release's {kind} has no {name}")
        setattr(target, name, value)


def inner(thing: Any) -> Any:
    return object.__getattribute__(thing, "_of")[0] if isinstance(thing, Only) else thing


@dataclass
class Script:
    """What goes wrong, and how fast a plan is. Keys of the dictionaries: fp32, fp16, int8, mixed.

    crash: the builder's process dies. hang: it takes for ever. refuse: it gives no plan. spoil: noise on the outputs, in standard
    deviations. milliseconds: of one inference. step: seconds of each of four steps of a build. lost: from this inference on the GPU
    fails. stuck: likewise, it hangs.
    """

    crash: list[str] = field(default_factory=list)
    hang: list[str] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    spoil: dict[str, float] = field(default_factory=dict)
    milliseconds: dict[str, float] = field(default_factory=dict)
    step: float = 0.01
    lost: int = 1 << 60
    stuck: int = 1 << 60
    no_capture: bool = False
    release: str = "10.3.0"
    gpu: str = "Orin"
    sm: tuple[int, int] = (8, 7)
    dla: int = 0


class Cuda:
    """pycuda.driver: memory is numpy's, a stream does what it was told when it is waited for."""

    class Error(Exception):
        pass

    def __init__(self, script: Script) -> None:
        self.script, self.done = script, 0
        self.memory: dict[int, np.ndarray] = {}
        self.current = threading.local()
        self.threads: set[str] = set()
        self.retained = 0
        self.streams: dict[int, Stream] = {}
        self._next = 1 << 40
        self.Context = SimpleNamespace(pop=self._pop)

    def init(self) -> None: ...

    def get_driver_version(self) -> int:
        return 12060

    def Device(self, number: int) -> Any:
        assert number == 0
        return Only(self, surface("pycuda-2026.1")["Device"], "Device")

    def name(self) -> str:
        return self.script.gpu

    def compute_capability(self) -> tuple[int, int]:
        return self.script.sm

    def retain_primary_context(self) -> Any:
        self.retained += 1
        return SimpleNamespace(push=self._push, detach=self._detach)

    def _push(self) -> None:
        self.current.depth = getattr(self.current, "depth", 0) + 1
        self.threads.add(threading.current_thread().name)

    def _pop(self) -> None:
        self.current.depth -= 1

    def _detach(self) -> None:
        self.retained -= 1

    def need_context(self) -> None:
        if getattr(self.current, "depth", 0) != 1:
            raise self.Error("invalid device context")

    def Stream(self) -> Any:
        self.need_context()
        stream = Stream(self)
        self.streams[stream.handle] = stream
        return Only(stream, surface("pycuda-2026.1")["Stream"], "Stream")

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        self.need_context()
        return np.empty(shape, dtype)

    def mem_alloc(self, count: int) -> int:
        self.need_context()
        self._next += 1 << 20
        self.memory[self._next] = np.zeros(count, np.uint8)
        return self._next

    def memcpy_htod_async(self, there: int, host: np.ndarray, stream: Any) -> None:
        self.need_context()

        def copy() -> None:
            self.memory[there][:] = host.reshape(-1).view(np.uint8)

        inner(stream).tell(copy)

    def memcpy_dtoh_async(self, host: np.ndarray, there: int, stream: Any) -> None:
        self.need_context()

        def copy() -> None:
            host.reshape(-1).view(np.uint8)[:] = self.memory[there]

        inner(stream).tell(copy)


class Stream:
    def __init__(self, cuda: Cuda) -> None:
        self._cuda, self.handle = cuda, 7000 + len(cuda.streams)
        self._waiting: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None

    def tell(self, work: Callable[[], None]) -> None:
        (self._waiting if self.recording is None else self.recording).append(work)

    def synchronize(self) -> None:
        self._cuda.need_context()
        if self.recording is not None:
            raise self._cuda.Error("operation not permitted when stream is capturing")
        self._cuda.done += 1
        if self._cuda.done >= self._cuda.script.stuck:
            threading.Event().wait()
        if self._cuda.done >= self._cuda.script.lost:
            raise self._cuda.Error("cuStreamSynchronize failed: an illegal memory access was encountered")
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            work()


class Graphs:
    """CUDA graphs: what was told while recording is told again at each replay."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda, self.captured, self.replayed = cuda, 0, 0

    def capture(self, stream: int, enqueue: Callable[[], None]) -> Callable[[], None]:
        if self._cuda.script.no_capture:
            raise OSError("cuStreamBeginCapture_v2: CUDA error 900")
        real = self._cuda.streams[stream]
        real.recording = recorded = []
        try:
            enqueue()
        finally:
            real.recording = None
        self.captured += 1

        def replay() -> None:
            self.replayed += 1
            for work in recorded:
                real.tell(work)

        return replay


class Names:
    """An enumeration, its members by name; as numbers they count from zero."""

    def __init__(self, kind: str, names: list[str]) -> None:
        self._names = [name for name in names if name.isupper()]
        for number, name in enumerate(self._names):
            setattr(self, name, Member(kind, name, number))


@dataclass(frozen=True)
class Member:
    kind: str
    name: str
    number: int

    def __int__(self) -> int:
        return self.number


class TensorRT:
    """The module of one release."""

    def __init__(self, script: Script, cuda: Cuda) -> None:
        self.script, self.cuda = script, cuda
        self.__version__ = script.release
        self.surface = surface(f"tensorrt-{script.release}")
        for kind in ("BuilderFlag", "DataType", "DeviceType", "MemoryPoolType", "NetworkDefinitionCreationFlag", "TensorIOMode"):
            setattr(self, kind, Names(kind, self.surface[kind]))
        if self.surface["IProgressMonitor"]:
            self.IProgressMonitor = type("IProgressMonitor", (), {})
        self.Logger = Logger
        self.asked: list[str] = []
        self.configs: list[Config] = []  # of every build, to be looked at afterwards
        self.profiles: list[Profile] = []

    def only(self, thing: Any, kind: str) -> Any:
        return Only(thing, self.surface[kind], kind)

    def Builder(self, logger: Any) -> Any:
        return self.only(Builder(self), "Builder")

    def OnnxParser(self, network: Any, logger: Any) -> Any:
        return self.only(Parser(self, inner(network)), "OnnxParser")

    def Runtime(self, logger: Any) -> Any:
        return self.only(Runtime(self), "Runtime")


class Logger:
    ERROR, INFO = 1, 3

    def __init__(self, severity: int) -> None: ...


class Builder:
    def __init__(self, trt: TensorRT) -> None:
        self._trt, self.num_DLA_cores = trt, trt.script.dla

    def create_network(self, flags: int = 0) -> Any:
        words = {1 << int(member): name for name, member in vars(self._trt.NetworkDefinitionCreationFlag).items() if name[0] != "_"}
        assert not flags or flags in words, "one flag is set, and this release knows it"
        return self._trt.only(Network(self._trt, words.get(flags, "")), "INetworkDefinition")

    def create_builder_config(self) -> Any:
        self._trt.configs.append(Config(self._trt))
        return self._trt.only(self._trt.configs[-1], "IBuilderConfig")

    def create_optimization_profile(self) -> Any:
        self._trt.profiles.append(Profile())
        return self._trt.only(self._trt.profiles[-1], "IOptimizationProfile")

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        made, asked = inner(network), inner(config)
        precision, script = _precision(made.model, asked.flags), self._trt.script
        self._trt.asked.append(precision)
        if asked.progress_monitor is not None:
            _steps(asked.progress_monitor, script.step)
        if precision in script.hang:
            threading.Event().wait()
        if precision in script.crash:
            print("[TRT] [E] twin: about to dereference a null pointer", file=sys.stderr, flush=True)
            import os
            import signal

            os.kill(os.getpid(), signal.SIGSEGV)
        quantised = any(node.op_type == "QuantizeLinear" for node in made.model.graph.node)
        if precision in script.refuse or (quantised and not made.strong and "INT8" not in asked.flags):
            return None
        header = {"release": script.release, "sm": script.sm, "precision": precision, "spoil": script.spoil.get(precision, 0.0)}
        header["milliseconds"] = script.milliseconds.get(precision, 0.0)
        return MAGIC + json.dumps(header).encode() + b"\n" + made.model.SerializeToString()


def _precision(model: Any, flags: set[str]) -> str:
    quantised = any(node.op_type == "QuantizeLinear" for node in model.graph.node)
    half = "FP16" in flags or any(weight.data_type == TensorProto.FLOAT16 for weight in model.graph.initializer)
    return {(False, False): "fp32", (False, True): "fp16", (True, False): "int8", (True, True): "mixed"}[quantised, half]


def _steps(monitor: Any, seconds: float) -> None:
    monitor.phase_start("Building Engine", None, 4)
    monitor.phase_start("Tactics", "Building Engine", 100)
    for step in range(4):
        time.sleep(seconds)
        assert monitor.step_complete("Tactics", step)
        assert monitor.step_complete("Building Engine", step)
    monitor.phase_finish("Tactics")
    monitor.phase_finish("Building Engine")


class Network:
    def __init__(self, trt: TensorRT, flag: str) -> None:
        self.strong = flag == "STRONGLY_TYPED" or not hasattr(trt.BuilderFlag, "INT8")
        self.explicit = flag == "EXPLICIT_BATCH" or hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")
        self.trt, self.model = trt, onnx.ModelProto()

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    def get_input(self, number: int) -> Any:
        return self.trt.only(SimpleNamespace(name=self.model.graph.input[number].name), "ITensor")


class Parser:
    def __init__(self, trt: TensorRT, network: Network) -> None:
        self._network, self._errors = network, []  # type: ignore[var-annotated]

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, number: int) -> Any:
        return SimpleNamespace(desc=lambda: self._errors[number])

    def parse(self, graph: bytes) -> bool:
        self._network.model = model = onnx.load_model_from_string(graph)
        bytes_in = {port.name for port in model.graph.input if port.type.tensor_type.elem_type == TensorProto.UINT8}
        if not self._network.explicit:
            self._errors.append("This version of the ONNX parser only supports networks with an explicit batch dimension.")
        if any(bytes_in & set(node.input) and node.op_type != "Cast" for node in model.graph.node):
            self._errors.append(UINT8_REFUSED)
        return not self._errors


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        self.shapes[name] = shapes


class Config:
    def __init__(self, trt: TensorRT) -> None:
        self._trt, self.flags, self.progress_monitor = trt, set(), None
        self.pools: dict[str, int] = {}
        self.builder_optimization_level = -1
        self.default_device_type = self.DLA_core = None
        self._cache = b""

    def set_flag(self, flag: Member) -> None:
        assert flag.kind == "BuilderFlag"
        if flag.name in ("INT8", "FP16") and hasattr(self._trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):
            raise RuntimeError("a strongly typed network takes no precision flags")
        self.flags.add(flag.name)

    def set_memory_pool_limit(self, pool: Member, size: int) -> None:
        self.pools[pool.name] = size

    def add_optimization_profile(self, profile: Any) -> int:
        return 0

    def create_timing_cache(self, content: bytes) -> Any:
        self._cache = content
        return None if content == b"broken" else SimpleNamespace(serialize=lambda: f"cache of {self._trt.__version__}".encode())

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        return self._cache in (b"", f"cache of {self._trt.__version__}".encode())


class Runtime:
    def __init__(self, trt: TensorRT) -> None:
        self._trt = trt

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        if not plan.startswith(MAGIC):
            return None
        header, graph = plan[len(MAGIC) :].split(b"\n", 1)
        facts = json.loads(header)
        if facts["release"] != self._trt.__version__ or tuple(facts["sm"]) != self._trt.script.sm:
            return None
        return self._trt.only(Engine(self._trt, facts, graph), "ICudaEngine")


class Engine:
    def __init__(self, trt: TensorRT, facts: dict[str, Any], graph: bytes) -> None:
        trt.cuda.need_context()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.trt, self.facts = trt, facts
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._inputs = {port.name: port for port in self.session.get_inputs()}
        self._ports = {port.name: port for port in [*self.session.get_inputs(), *self.session.get_outputs()]}

    @property
    def num_io_tensors(self) -> int:
        return len(self._ports)

    def get_tensor_name(self, number: int) -> str:
        return list(self._ports)[number]

    def get_tensor_mode(self, name: str) -> Member:
        return self.trt.TensorIOMode.INPUT if name in self._inputs else self.trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Member:
        return {"tensor(uint8)": self.trt.DataType.UINT8, "tensor(float)": self.trt.DataType.FLOAT}[self._ports[name].type]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(side if isinstance(side, int) else -1 for side in self._ports[name].shape)

    def create_execution_context(self) -> Any:
        return self.trt.only(Context(self), "IExecutionContext")


class Context:
    def __init__(self, engine: Engine) -> None:
        self._engine, self._random = engine, np.random.default_rng(0)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = tuple(shape)
        zeros = {name: np.zeros(shape, np.uint8)}
        outputs = self._engine.session.run(None, zeros)
        self._shapes |= {port.name: values.shape for port, values in zip(self._engine.session.get_outputs(), outputs, strict=True)}
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert isinstance(address, int)
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        cuda = self._engine.trt.cuda
        cuda.need_context()
        assert set(self._addresses) == set(self._shapes), "every input and output has its address"
        cuda.streams[stream].tell(self._compute)
        return True

    def _compute(self) -> None:
        memory, facts = self._engine.trt.cuda.memory, self._engine.facts
        time.sleep(facts["milliseconds"] / 1000)
        (name,) = [port.name for port in self._engine.session.get_inputs()]
        outputs = self._engine.session.run(None, {name: memory[self._addresses[name]].reshape(self._shapes[name])})
        for port, values in zip(self._engine.session.get_outputs(), outputs, strict=True):
            noise = np.random.default_rng(0).normal(size=values.shape) * facts["spoil"] * values.std()
            memory[self._addresses[port.name]][:] = (values + noise).astype(np.float32).reshape(-1).view(np.uint8)


def modules(script: Script | None = None, *, graphs: bool = True) -> Modules:
    """Everything that ``edge.inference.tensorrt`` needs. ``modules().cuda`` and ``.graphs`` can be asked afterwards what was done."""
    cuda = Cuda(script or Script())
    driver = Only(cuda, [*surface("pycuda-2026.1")["driver"], "Device", "Stream", "Context"], "driver")
    return Modules(TensorRT(cuda.script, cuda), driver, Graphs(cuda) if graphs else None)


def of(found: Modules) -> Iterator[Any]:
    """The twins behind the modules: cuda, graphs."""
    return iter((inner(found.cuda), found.graphs))

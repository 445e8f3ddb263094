"""One graph -> one plan, with a TensorRT that is handed in. Runs in a process of its own: parser and builder may crash (``process``)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from build_engine.errors import BuildError
from build_engine.release import PRECISIONS, Release, Step

Shape = tuple[int, ...]
MIB = 1 << 20


@dataclass(frozen=True)
class Order:
    """What to build. shapes: least, usual and largest input. workspace: MiB. cache: the timing cache of an earlier build, or nothing."""

    precision: str
    shapes: tuple[Shape, Shape, Shape]
    workspace: int
    optimisation_level: int
    dla: bool = False
    cache: bytes = b""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision '{self.precision}': choose from {', '.join(PRECISIONS)}")


@dataclass(frozen=True)
class Built:
    """The plan, and the timing cache that makes the next build faster."""

    plan: bytes
    cache: bytes


def build(trt: Any, graph: bytes, order: Order, step: Step, note: Callable[[str], None] = lambda text: None) -> Built:
    """Parse, configure, build. graph: ONNX, already as TensorRT wants it (``graph``).

    step hears of progress where the release tells of it, note of what is worth a line in the log. Raises BuildError.
    """
    release, logger = Release(trt), trt.Logger(trt.Logger.INFO)
    builder = trt.Builder(logger)
    network = builder.create_network(release.creation_flags())
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(graph):
        errors = "; ".join(parser.get_error(number).desc() for number in range(parser.num_errors))
        raise BuildError(f"TensorRT {trt.__version__} does not parse the graph: {errors or 'no reason given'}; see the log")
    config = builder.create_builder_config()
    _configure(trt, builder, config, network, order)
    for flag in release.precision_flags(order.precision):
        config.set_flag(flag)
    cache = _timing_cache(config, order.cache, note)
    monitor = release.watch(config, step)
    plan = builder.build_serialized_network(network, config)
    del monitor
    if plan is None:
        raise BuildError(f"TensorRT {trt.__version__} built no plan in {order.precision}; see the log for its reason")
    return Built(bytes(plan), bytes(cache.serialize()) if cache else b"")


def _configure(trt: Any, builder: Any, config: Any, network: Any, order: Order) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, order.workspace * MIB)
    config.builder_optimization_level = order.optimisation_level
    profile = builder.create_optimization_profile()
    for number in range(network.num_inputs):
        profile.set_shape(network.get_input(number).name, *order.shapes)
    if config.add_optimization_profile(profile) < 0:
        raise BuildError(f"TensorRT does not take input shapes {order.shapes}; check network.batch and detect.long_side")
    if order.dla:
        if builder.num_DLA_cores < 1:
            raise BuildError("this board has no deep learning accelerator; set dla = false in its file in config/boards")
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = 0
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)


def _timing_cache(config: Any, kept: bytes, note: Callable[[str], None]) -> Any:
    """The kept timing cache if this TensorRT takes it, else an empty one."""
    for content in [kept, b""] if kept else [b""]:
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
        note("the kept timing cache is of another TensorRT or GPU, begun anew" if content else "no timing cache can be used")
    return None

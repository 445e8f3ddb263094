"""What differs between TensorRT 8.6, 10.x and 11.x. Nothing else in the tree asks for the release.

========  ====================================  ==========================================  =========================================
release   types                                 INT8 and FP16                               progress
========  ====================================  ==========================================  =========================================
8.6       weak: EXPLICIT_BATCH                  BuilderFlag.INT8, BuilderFlag.FP16          none: the log's lines
10.x      strong: STRONGLY_TYPED                Q/DQ nodes; float16 written into the graph  IProgressMonitor
11.x      always strong                         as 10.x; the flags are gone                 IProgressMonitor
========  ====================================  ==========================================  =========================================

The same in all, but other than in ONNX: a uint8 input may feed nothing but a Cast, not even a Transpose (TensorRT's own check, met in the
parser of tensorrt-rtx 1.7.1; NVIDIA/TensorRT issue 3985). ``graph.cast_first`` sees to that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PRECISIONS = ("fp32", "fp16", "int8", "mixed")
Step = Callable[[str, int, int], bool]
"""Told the phase, the steps done and their number; False asks the builder to stop."""


@dataclass(frozen=True)
class Release:
    """One installed TensorRT, told apart by what it offers, not by its number."""

    trt: Any

    @property
    def strong(self) -> bool:
        """Types are those of the graph, so that FP16 has to stand in it."""
        return hasattr(self.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")

    def creation_flags(self) -> int:
        """The argument of ``Builder.create_network``."""
        flag = self.trt.NetworkDefinitionCreationFlag
        return 1 << int(flag.STRONGLY_TYPED if self.strong else flag.EXPLICIT_BATCH)

    def precision_flags(self, precision: str) -> list[Any]:
        """The builder flags of a precision; none where the graph says it all."""
        if self.strong:
            return []
        flag = self.trt.BuilderFlag
        return {"fp32": [], "fp16": [flag.FP16], "int8": [flag.INT8], "mixed": [flag.INT8, flag.FP16]}[precision]

    def halves_graph(self, precision: str) -> bool:
        """Whether float16 has to be written into the graph for this precision."""
        return self.strong and precision in ("fp16", "mixed")

    def watch(self, config: Any, step: Step) -> Any:
        """Have the builder tell its steps; returns what must stay alive until it is done, None where it cannot."""
        if not hasattr(self.trt, "IProgressMonitor"):
            return None
        monitor = _monitor(self.trt, step)
        config.progress_monitor = monitor
        return monitor


def _monitor(trt: Any, step: Step) -> Any:
    """The class can only be made once TensorRT is there. TensorRT calls it from threads of its own."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # of unknown type
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self.steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step_number: int) -> bool:
            return step(phase_name, step_number + 1, self.steps[phase_name]) if phase_name in self.steps else True

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

    return Monitor()

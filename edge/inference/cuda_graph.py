"""CUDA graphs by the driver's own library: pycuda has no calls for them (none in 2026.1)."""

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do is not looked at


class Graphs(Protocol):
    """Somebody who can record what a stream is told, and have it done again in one call."""

    def capture(self, stream: int, enqueue: Callable[[], None]) -> Callable[[], None]:
        """Record what ``enqueue`` puts on the stream (its CUDA handle), without doing it; the result does it. Raises OSError."""


class DriverGraphs:
    """``Graphs`` on the real driver, CUDA 11.4 or newer. Raises OSError when there is none, or when it lacks a call."""

    def __init__(self, library: str = "libcuda.so.1") -> None:
        self._cuda: Any = ctypes.CDLL(library)
        for name in ("cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "cuGraphLaunch", "cuGraphDestroy"):
            if not hasattr(self._cuda, name):
                raise OSError(f"{library} has no {name}")

    def capture(self, stream: int, enqueue: Callable[[], None]) -> Callable[[], None]:
        handle, graph, executable = ctypes.c_void_p(stream), ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuStreamBeginCapture_v2", handle, ctypes.c_int(THREAD_LOCAL))
        try:
            enqueue()
        finally:
            ended = self._cuda.cuStreamEndCapture(handle, ctypes.byref(graph))
        if ended or not graph:
            raise OSError(f"cuStreamEndCapture: CUDA error {ended}")
        try:
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        finally:
            self._cuda.cuGraphDestroy(graph)
        return lambda: self._call("cuGraphLaunch", executable, handle)

    def _call(self, name: str, *arguments: Any) -> None:
        error = getattr(self._cuda, name)(*arguments)
        if error:
            raise OSError(f"{name}: CUDA error {error}")

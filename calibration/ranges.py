"""In which range does every activation lie? One pass over the crops, three calibrators."""

import contextlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.calibrate import HistogramCollector

from edge.errors import NetworkError
from edge.inference.onnx_runtime import open_session

CALIBRATORS = ("minmax", "percentile", "entropy")
PERCENTILE = 99.99
BINS = 2048  # from the most negative to the most positive value
LEVELS = 128  # magnitudes that a signed symmetric byte tells apart
SMALLEST = 1e-4  # the probability that nothing is given where the true histogram has something
Ranges = dict[str, tuple[float, float]]


class Observer:
    """Runs a float network and keeps a histogram of every tensor named (onnxruntime's own, ``HistogramCollector``)."""

    def __init__(self, model: onnx.ModelProto, tensors: Sequence[str]) -> None:
        watched = onnx.ModelProto()
        watched.CopyFrom(model)
        known = {output.name for output in watched.graph.output}
        watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in known)
        self._session: Any = open_session(watched.SerializeToString(), 1, "the network with its activations shown")
        self._tensors = list(tensors)
        self._input: str = model.graph.input[0].name
        self._collector: Any = HistogramCollector("entropy", False, BINS, LEVELS, PERCENTILE, "same")

    def see(self, batches: Iterable[npt.NDArray[np.uint8]]) -> None:
        """Run batches, each B x H x W x 3 uint8, and count what comes out."""
        for batch in batches:
            values = self._session.run(self._tensors, {self._input: batch})
            with contextlib.redirect_stdout(io.StringIO()):  # the collector speaks
                self._collector.collect(dict(zip(self._tensors, values, strict=True)))

    def ranges(self, calibrator: str) -> Ranges:
        """Tensor -> lowest and highest value worth telling apart.

        calibrator: "minmax" takes everything seen; "percentile" 99.99 % of it; "entropy" the range whose 8-bit histogram is nearest to the
        true one in Kullback-Leibler divergence (Migacz, GTC 2017). Raises ValueError for another one, NetworkError before anything was
        seen or where an activation is not finite.
        """
        if calibrator not in CALIBRATORS:
            raise ValueError(f"calibrator '{calibrator}': choose one of {', '.join(CALIBRATORS)}")
        if not self._collector.histogram_dict:
            raise NetworkError("calibration: no batch was seen, so no range is known; give more crops")
        kept = self._collector.histogram_dict
        if calibrator == "percentile":
            with contextlib.redirect_stdout(io.StringIO()):
                found = {name: both[:2] for name, both in self._collector.compute_percentile().items()}
        elif calibrator == "entropy":
            found = {name: _within(entropy_end(counts, edges), low, high) for name, (counts, edges, low, high, _) in kept.items()}
        else:
            found = {name: (low, high) for name, (_, _, low, high, _) in kept.items()}
        return {name: _checked(name, float(low), float(high)) for name, (low, high) in found.items()}


def entropy_end(counts: npt.NDArray[np.int64], edges: npt.NDArray[np.floating[Any]]) -> float:
    """The magnitude at which to clip, as TensorRT's entropy calibrator finds it (Migacz, GTC 2017, slides 38-39).

    counts: (bins,) values in each bin, the middle at 0. edges: (bins + 1,). Both signs are counted together, in 128 levels. The bin that
    holds 0 counts as much as its neighbour: the zeros of a Relu need no level of their own, and with them counted (as onnxruntime's
    calibrator does) nearly every other value is clipped.
    """
    half = counts.size // 2
    folded = (counts[-half:] + counts[:half][::-1]).astype(np.float64)
    ends = edges[-half:]
    folded[0] = folded[1] if half > 1 else folded[0]
    if half <= LEVELS or not folded.any():
        return float(ends[-1])
    cost = [_divergence(folded, size) for size in range(LEVELS, half + 1)]
    return float(ends[LEVELS + int(np.argmin(cost)) - 1])


def _divergence(counts: npt.NDArray[np.float64], size: int) -> float:
    """What is lost when all is clipped to the first ``size`` bins and told apart in so many levels, in nats."""
    true = counts[:size].copy()
    filled = true > 0
    true[-1] += counts[size:].sum()
    starts = np.arange(LEVELS) * size // LEVELS
    widths = np.diff([*starts, size])
    level, shared = np.add.reduceat(counts[:size], starts), np.add.reduceat(filled.astype(np.float64), starts)
    told = np.where(filled, np.repeat(level / np.maximum(shared, 1), widths), 0)
    both = (true > 0) & (told > 0)
    if not both.any():
        return np.inf
    p, q = true / true.sum(), told / told.sum()
    missed = p[(true > 0) & ~both].sum()  # a clipped end where nothing else lies
    return float((p[both] * np.log(p[both] / q[both])).sum() + missed * np.log(1 / SMALLEST))


def _within(end: float, low: float, high: float) -> tuple[float, float]:
    return max(low, -end), min(high, end)


def _checked(name: str, low: float, high: float) -> tuple[float, float]:
    if not np.isfinite([low, high]).all():
        raise NetworkError(
            f"activation {name}: its range is {low} to {high}; the network overflows on these pictures, train or export it again"
        )
    return low, high

"""Which layers cost most when they are quantised, and which must stay float for the gate to hold."""

from collections.abc import Callable, Iterator, Sequence

from calibration.gate import Judge
from calibration.graph import Graph, Layer
from calibration.qdq import quantised
from calibration.ranges import Ranges

Holds = Callable[[list[Layer]], bool]


def alone(graph: Graph, layers: Sequence[Layer], ranges: Ranges, form: str, judge: Judge) -> Iterator[tuple[str, float]]:
    """Layer -> what it costs alone: 1 minus the judge's score of the network in which only that layer is quantised."""
    for layer in layers:
        yield layer.name, 1 - judge.score(quantised(graph, [layer], ranges, form).SerializeToString())


def until(layers: Sequence[Layer], costs: dict[str, float], holds: Holds) -> list[Layer] | None:
    """The layers to quantise: all but the fewest of the costliest ones without which ``holds`` is true; None if it never is.

    costs: layer -> cost, of ``alone``. At least one layer is quantised: a network without one is the float network.
    """
    return _fewest(layers, sorted(layers, key=lambda layer: -costs[layer.name]), holds)


def from_the_end(layers: Sequence[Layer], holds: Holds) -> list[Layer] | None:
    """The same, but the layers nearest to the output stay float: the first ones have the largest pictures, and a float layer between
    INT8 ones costs onnxruntime two conversions of what goes in and out, which can be more than INT8 saves."""
    return _fewest(layers, list(reversed(layers)), holds)


def _fewest(layers: Sequence[Layer], order: Sequence[Layer], holds: Holds) -> list[Layer] | None:
    for number in range(len(layers)):
        left_out = {layer.name for layer in order[:number]}
        kept = [layer for layer in layers if layer.name not in left_out]
        if holds(kept):
            return kept
    return None

"""A door that computes on the CPU, and the plan that is built meanwhile: when it is ready, the door ends and its manager starts it on it.

The door starts at once, whatever the builder does, and loads its networks once: which threshold is in force follows from the plan
(``edge.assembly.build.tail_in_force``), so that a plan is taken at a start and never under a running decision.
"""

import time
from collections.abc import Callable, Sequence

from edge.inference import PlanError, PlanStore
from edge.records import Sighting
from edge.settings import Settings

ROUND = 5.0  # seconds between two looks
QUIET = 5.0  # seconds without a face in the picture before the door may end
SETTLED = 30.0  # seconds without a build: plans of both networks come one after the other, and one start is enough for both


class PlanReady:
    """Asked after every frame whether the door should end for a new plan; that costs nothing between two looks.

    Only a plan that was not there when the door started counts, and that the builder opened as a door does: whatever is wrong with it, a
    door ends once for it and not again and again. clock: monotonic seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        network = settings.network
        names = () if network.runtime == "onnxruntime" else (network.detector, network.hash)
        self._stores = {name: PlanStore(network.plans, name) for name in names}
        self._clock = clock
        self._known = {name: _first(store) for name, store in self._stores.items()}
        self._built = self._crowded = self._next = clock()

    def __call__(self, sightings: Sequence[Sighting]) -> str:
        """Why the door should end now, in words for the journal; empty: it should not. sightings: of the newest frame."""
        now = self._clock()
        if sightings:
            self._crowded = now
        if now < self._next:
            return ""
        self._next = now + ROUND
        if any(store.is_building() for store in self._stores.values()):
            self._built = now
        fresh = [name for name, store in self._stores.items() if _first(store) not in ("", self._known[name])]
        if not fresh or now - self._built < SETTLED or now - self._crowded < QUIET:
            return ""
        return f"a new plan of {', '.join(fresh)} is ready: the door starts again to use it"


def _first(store: PlanStore) -> str:
    """The plan in use that has run; empty where there is none."""
    try:
        return next((name for name in store.names()[:1] if store.has_run(name)), "")
    except PlanError:
        return ""

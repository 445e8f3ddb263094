"""How long each stage took: handed to the loop, read by whoever reports it. Flat in memory however long the loop runs."""

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

KEPT = 4096


class Stages:
    """Seconds per named stage; the newest 4096 of each are kept. heard: told of each stage's seconds as it ends, if anybody listens."""

    def __init__(self) -> None:
        self.heard: Callable[[str, float], None] | None = None
        self.seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=KEPT))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times the block under ``name``."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name].append(spent := time.perf_counter() - begun)
            if self.heard:
                self.heard(name, spent)

    def medians(self) -> dict[str, float]:
        """Median milliseconds per stage, in the order in which the stages first ran."""
        return {name: 1000 * sorted(spent)[len(spent) // 2] for name, spent in self.seconds.items() if spent}

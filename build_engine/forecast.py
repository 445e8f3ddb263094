"""How long a build still takes: by the last build on this board where there was one, else by what this one has shown so far."""

import time
from collections.abc import Callable, Mapping, Sequence

from build_engine.process import Facts
from edge.inference.progress import Progress

Write = Callable[[Progress], None]
EVERY = 2.0  # seconds between two words of the same candidate


class Forecast:
    """Told what happens, writes what is left. names: candidates in their order. before: seconds that each took when last built here."""

    def __init__(
        self,
        names: Sequence[str],
        before: Mapping[str, float],
        write: Write,
        part: tuple[int, int] = (1, 1),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names, self._before, self._write, self._part, self._clock = list(names), dict(before), write, part, clock
        self._began = self._since = clock()
        self._now, self._said = 0, float("-inf")
        self._took: list[float] = []
        self._phase: float | None = None

    def begins(self, name: str) -> None:
        """That candidate is built from now on."""
        self._now, self._since, self._phase = self._names.index(name), self._clock(), None
        self._tell()

    def says(self, facts: Facts) -> None:
        """What the builder said of its step: ``left`` is seconds. Written every two seconds."""
        self._phase = self._clock() - self._since + float(facts["left"])
        if self._clock() - self._said >= EVERY:
            self._tell()

    def ends(self, *, built: bool) -> None:
        """The candidate is done. built: it did not fail; how fast one fails says nothing of the next."""
        if built:
            self._took.append(self._clock() - self._since)

    def left(self) -> float | None:
        """Seconds until all candidates are done; None where nothing is known of one of them, or one takes longer than was expected."""
        passed = self._clock() - self._since
        ours = self._expected(self._names[self._now])
        others = [self._expected(name) for name in self._names[self._now + 1 :]]
        if ours is None or ours <= passed or None in others:
            return None
        return ours - passed + sum(one for one in others if one is not None)

    def _expected(self, name: str) -> float | None:
        """Seconds of one candidate: as last time; else as its own steps let it appear, or as the longest of the others."""
        if name in self._before:
            return self._before[name]
        if name == self._names[self._now] and self._phase is not None:
            return self._phase
        known = [*self._took, *self._before.values(), *([] if self._phase is None else [self._phase])]
        return max(known, default=None)

    def _tell(self) -> None:
        self._said, left = self._clock(), self.left()
        self._write(
            Progress(
                candidate=self._names[self._now],
                number=self._now + 1,
                of=len(self._names),
                part=self._part[0],
                parts=self._part[1],
                began=self._began,
                told=self._said,
                left=None if left is None else round(left, 1),
            )
        )

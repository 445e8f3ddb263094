"""While people move from one hashing network to the next: both see every sample; who is known by the old one is renewed by passing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Protocol

import numpy as np

from edge.acquire import Acquirer, Infer, Sample
from edge.errors import GalleryError
from edge.records import Candidate, Code, Features, Frame, Outcome, Sighting
from edge.template.hashing import hash_logits

Threshold = Callable[[int], int]


class Window(Protocol):
    """What is left of the references of the network before; ``edge.gallery.Former`` is one."""

    def over(self, now: datetime) -> bool: ...

    def __len__(self) -> int: ...


class Rebindable(Protocol):
    """What a move needs of a gallery; ``edge.gallery.Gallery`` is one."""

    @property
    def former(self) -> Window | None: ...

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]: ...

    def search_former(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]: ...

    def rebound(self, subject_id: str, code: Code) -> bool: ...

    def end_rebind(self) -> int: ...

    def refresh(self) -> bool: ...

    def __len__(self) -> int: ...


class TwinAcquirer:
    """An acquirer whose features are those of both networks side by side, the new one first; its codes likewise, m of it first.

    Both networks see the same crop. The variance that weighs a sample is the new network's. size: (m, q) of the new network.
    """

    def __init__(self, acquirer: Acquirer, former: Infer, size: tuple[int, int], former_q: int) -> None:
        self._acquirer, self._former = acquirer, former
        self._m, self._q, self._former_q = *size, former_q
        self.stages = acquirer.stages
        self.faces, self.sample, self.only_face = acquirer.faces, acquirer.sample, acquirer.only_face

    def features(self, samples: Sequence[Sample]) -> list[Features]:
        """Hash logits of both networks, one after the other."""
        if not samples:
            return []
        with self.stages.stage("hash, former"):
            before = self._former.infer(np.stack([sample.crop for sample in samples]), ("logits",))["logits"]
        pairs = zip(self._acquirer.features(samples), before, strict=True)
        return [Features(np.concatenate([now.logits, logits]), now.log_variance) for now, logits in pairs]

    def code(self, features: Features) -> Code:
        """Both rank hashes, one after the other."""
        width = self._m * self._q
        now, before = (hash_logits(part, q) for part, q in ((features.logits[:width], self._q), (features.logits[width:], self._former_q)))
        return Code(np.concatenate([now, before]), max(self._q, self._former_q))


@dataclass(frozen=True)
class Rules:
    """By which thresholds somebody is known: gallery size -> unequal symbols.

    now, before: for references of the new and of the former network, each at half the FPIR, since both are searched. sure: for the former
    ones, at which a person is also renewed.
    """

    now: Threshold
    before: Threshold
    sure: Threshold


class RebindGallery:
    """Both kinds of references as one gallery for the loop, and its watcher: who passes and is surely known is renewed.

    Dissimilarities of former references are shifted so that one threshold serves for both. size: (m, q) of the new network.
    """

    def __init__(self, gallery: Rebindable, size: tuple[int, int], former_q: int, rules: Rules, on_problem: Callable[[str], None]) -> None:
        self._gallery, self._size, self._former_q, self._rules = gallery, size, former_q, rules
        self._on_problem = on_problem
        self._known: dict[str, Code] = {}
        self.renewed = 0

    def threshold(self, size: int) -> int:
        """Of the merged candidates; of the gallery's size only the new references count."""
        return self._rules.now(len(self._gallery))

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        """Candidates among both kinds of references, the most alike first."""
        m, q = self._size
        now, before = Code(code.symbols[:m], q), Code(code.symbols[m:], self._former_q)
        waiting = len(self._gallery.former or ())
        shift, sure = self.threshold(0) - self._rules.before(waiting), self._rules.sure(waiting)
        found = self._gallery.search(now, limit=limit, within=within)
        reach = None if within is None else max(within - shift, sure)
        former = self._gallery.search_former(before, limit=limit, within=reach)
        if former and former[0].unequal <= sure:
            self._known[former[0].subject] = now
        merged = sorted([*found, *(replace(each, unequal=each.unequal + shift) for each in former)], key=lambda each: each.unequal)
        return merged[:limit]

    def refresh(self) -> bool:
        """Follows the file; closes the window when its time has come."""
        self._known.clear()
        changed = self._gallery.refresh()
        if self._gallery.former is not None and self._gallery.former.over(datetime.now(timezone.utc)):
            left = self._gallery.end_rebind()
            self._on_problem(
                f"the time to be renewed is over: {left} references of the network before are deleted; `edge list` shows whose"
            )
            return True
        return changed

    def __len__(self) -> int:
        return len(self._gallery) + len(self._gallery.former or ())

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``."""

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """Renews whoever was identified and surely known by the network before."""
        code = self._known.pop(outcome.subject or "", None)
        if outcome.subject is None or code is None:
            return
        try:
            self.renewed += self._gallery.rebound(outcome.subject, code)
        except GalleryError as error:
            self._on_problem(f"somebody could not be renewed and will be at the next pass: {error}")

    def close(self) -> None:
        """See ``edge.watch.Watcher``."""

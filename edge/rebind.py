"""While people move from one hashing network to the next: both see every sample; who is known by the old one is renewed by passing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from typing import Protocol

import numpy as np

from edge.acquire import Acquirer, Infer, Sample
from edge.errors import AcquisitionError, GalleryError
from edge.records import Candidate, Code, Features, Frame, Outcome, Sighting
from edge.template.hashing import costs_of, hash_logits
from edge.words import counted

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

    def rebound(self, subject_id: str, code: Code, *, check: Callable[[], None]) -> bool: ...

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
        """Both rank hashes, one after the other, with the costs of both; values that only the other network has cost most."""
        width, q = self._m * self._q, max(self._q, self._former_q)
        parts = ((features.logits[:width], self._q), (features.logits[width:], self._former_q))
        symbols = np.concatenate([hash_logits(part, own) for part, own in parts])
        costs = [np.pad(costs_of(part, own), ((0, 0), (0, q - own)), constant_values=255) for part, own in parts]
        return Code(symbols, q, np.concatenate(costs))

    def parted(self, code: Code) -> tuple[Code, Code]:
        """A code of both networks as that of the new one and that of the former one."""
        return _parted(code, self._m, self._q, self._former_q)


def _parted(code: Code, m: int, q: int, former_q: int) -> tuple[Code, Code]:
    now, before = (None, None) if code.costs is None else (code.costs[:m, :q], code.costs[m:, :former_q])
    return Code(code.symbols[:m], q, now), Code(code.symbols[m:], former_q, before)


@dataclass(frozen=True)
class Rules:
    """By which thresholds somebody is known: gallery size -> dissimilarity in symbols.

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
        self._known: dict[str, tuple[Code, Code]] = {}
        self.renewed = 0
        self._late = False  # the window is over and could not be closed

    def threshold(self, size: int) -> int:
        """Of the merged candidates; of the gallery's size only the new references count."""
        return self._rules.now(len(self._gallery))

    def search(self, code: Code, *, limit: int | None = None, within: int | None = None) -> list[Candidate]:
        """Candidates among both kinds of references, the most alike first."""
        now, before = _parted(code, *self._size, self._former_q)
        waiting = len(self._gallery.former or ())
        shift, sure = self.threshold(0) - self._rules.before(waiting), self._rules.sure(waiting)
        found = self._gallery.search(now, limit=limit, within=within)
        reach = None if within is None else max(within - shift, sure)
        former = [] if self._late else self._gallery.search_former(before, limit=limit, within=reach)
        if former and former[0].dissimilarity <= sure:
            self._known[former[0].subject] = now, before
        merged = sorted(
            [*found, *(replace(each, dissimilarity=each.dissimilarity + shift) for each in former)], key=lambda each: each.dissimilarity
        )
        return merged[:limit]

    def refresh(self) -> bool:
        """Follows the file; closes the window when its time has come."""
        self._known.clear()
        changed = self._gallery.refresh()
        if self._gallery.former is not None and self._gallery.former.over(datetime.now(timezone.utc)):
            try:
                left = self._gallery.end_rebind()
            except GalleryError as error:  # altered, or busy just now: the door goes on, and who waits is known no more
                if not self._late:
                    self._on_problem(f"the time for renewals is over, and what is left of the network before cannot be deleted: {error}")
                self._late = True
                return changed
            self._late = False
            self._on_problem(
                f"the time for renewals is over: what was left of the network before is deleted, {counted(left, 'reference')}; `edge list` "
                "shows whose"
            )
            return True
        return changed

    def __len__(self) -> int:
        return len(self._gallery) + len(self._gallery.former or ())

    def seen(self, frame: Frame, sightings: Sequence[Sighting]) -> None:
        """See ``edge.watch.Watcher``."""

    def decided(self, outcome: Outcome, name: str | None) -> None:
        """Renews whoever was identified, surely known by the network before, and nobody else by either."""
        codes = self._known.pop(outcome.subject or "", None)
        if outcome.subject is None or codes is None:
            return
        try:
            self.renewed += self._gallery.rebound(outcome.subject, codes[0], check=partial(self._require_no_other, outcome.subject, *codes))
        except AcquisitionError as error:
            self._on_problem(str(error))
        except GalleryError as error:
            self._on_problem(f"somebody could not be renewed and will be at the next pass: {error}")

    def _require_no_other(self, subject: str, now: Code, before: Code) -> None:
        """AcquisitionError where the door might take the person for somebody else too: two people would end up as one.

        Looked at when nobody else can change the gallery: people may have been enrolled or renewed since the search.
        """
        limits = (self._rules.now(len(self._gallery)), self._rules.before(len(self._gallery.former or ())))
        found = (self._gallery.search(now, limit=2), self._gallery.search_former(before, limit=2))
        if any(each.dissimilarity <= limit and each.subject != subject for side, limit in zip(found, limits, strict=True) for each in side):
            raise AcquisitionError(
                "somebody who passed was not renewed: the person also looks like somebody else who is enrolled; `edge calibrate` names the "
                "closest two, `edge renew NAME PICTURES` renews one by hand"
            )

    def close(self) -> None:
        """See ``edge.watch.Watcher``."""

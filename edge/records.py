"""The records that pass between the rooms: frozen, checked when made, free of I/O.

Coordinates are pixels (x to the right, y down) in the image they belong to. Times are seconds of ``time.monotonic``.
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Symbols = npt.NDArray[np.uint8]

LANDMARKS = 5
FREE, WHOLE = 75, 75
"""In ``Code.costs``: what costs nothing, and how much more a symbol is. So a value costs between -1 and 2.4 symbols."""
CROP_SIZE = 112


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture from a source.

    image: H x W x 3, uint8, BGR. captured: monotonic seconds at which the sensor (or file) delivered it. number: counts from 0
    within the source. source: the source's name for people.
    """

    image: Pixels
    captured: float
    number: int
    source: str

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise ValueError(f"frame {self.number} of {self.source}: expected H x W x 3 uint8, got {self.image.shape} {self.image.dtype}")


@dataclass(frozen=True, eq=False)
class Face:
    """One detected face: box (x1, y1, x2, y2), landmarks 5 x 2, score 0..1.

    Landmarks: the eye on the left of the picture first, then the other eye, the nose, the mouth's left and right corner.
    """

    box: Floats
    landmarks: Floats
    score: float

    def __post_init__(self) -> None:
        if self.box.shape != (4,):
            raise ValueError(f"face box: expected 4 numbers, got {self.box.shape}")
        if self.landmarks.shape != (LANDMARKS, 2):
            raise ValueError(f"face landmarks: expected 5 x 2, got {self.landmarks.shape}")


class Reason(str, Enum):
    """Why a sample was not used; told to the person in front of the camera."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_SMALL = "too_small"
    CUT_OFF = "cut_off"
    TURNED = "turned"
    TILTED = "tilted"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    UNCERTAIN = "uncertain"
    INCONSISTENT = "inconsistent"
    TOO_BRIEF = "too_brief"


@dataclass(frozen=True, eq=False)
class Features:
    """What the hashing network says of one crop, before it becomes a code.

    logits: m*q float32, contiguous blocks of q. log_variance: natural logarithm of the scalar variance (PFE's uncertainty).
    """

    logits: Floats
    log_variance: float

    def __post_init__(self) -> None:
        if not (self.logits.ndim == 1 and self.logits.dtype == np.float32):
            raise ValueError(f"logits: expected a float32 vector, got {self.logits.shape} {self.logits.dtype}")
        if not (bool(np.isfinite(self.logits).all()) and bool(np.isfinite(self.log_variance))):
            raise ValueError("features: the network gave a number that is not finite")


@dataclass(frozen=True, eq=False)
class Code:
    """A rank hash: m symbols, each in 0..q-1 (uint8).

    costs: of a probe, what it costs that a reference has this value at this position, (m, q) uint8, in parts of ``WHOLE`` above
    ``FREE`` (``template.hashing.costs_of``); None: every value but the symbol costs a symbol. Costs are never stored.
    """

    symbols: Symbols
    q: int
    costs: Symbols | None = None

    def __post_init__(self) -> None:
        if self.costs is not None and (self.costs.shape != (self.symbols.size, self.q) or self.costs.dtype != np.uint8):
            raise ValueError(f"code: {self.symbols.size} symbols of {self.q} have as many uint8 costs, got {self.costs.shape}")
        if self.symbols.ndim != 1 or self.symbols.dtype != np.uint8:
            raise ValueError(f"code: expected a uint8 vector, got {self.symbols.shape} {self.symbols.dtype}")
        if not (2 <= self.q <= 64 and int(self.symbols.max(initial=0)) < self.q):
            raise ValueError(f"code: symbols must lie in 0..{self.q - 1}")


@dataclass(frozen=True)
class Candidate:
    """One line of a candidate list: a subject and its dissimilarity in symbols (0..m; smaller is more alike)."""

    subject: str
    reference: str
    dissimilarity: int


class Phase(str, Enum):
    """Where a moment lies to a validity."""

    VALID = "valid"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Validity:
    """When a subject may pass: from ``begins`` to before ``ends``, wall-clock seconds since 1970; None: no limit on that side."""

    begins: float | None = None
    ends: float | None = None

    def __post_init__(self) -> None:
        if self.begins is not None and self.ends is not None and self.begins >= self.ends:
            raise ValueError(f"validity from {self.begins} to {self.ends}: ends before it begins")

    @property
    def limited(self) -> bool:
        """Whether the clock matters."""
        return self.begins is not None or self.ends is not None

    def at(self, moment: float) -> Phase:
        """moment: wall-clock seconds since 1970."""
        if self.ends is not None and moment >= self.ends:
            return Phase.EXPIRED
        return Phase.VALID if self.begins is None or moment >= self.begins else Phase.NOT_YET_VALID


ALWAYS, NEVER = Validity(), Validity(ends=0.0)


class Verdict(str, Enum):
    """What was decided of one approach."""

    IDENTIFIED = "identified"
    UNKNOWN = "unknown"
    NOT_ACQUIRED = "not_acquired"


@dataclass(frozen=True)
class Outcome:
    """The one decision about one approach (one track). Carries no score by design.

    ``subject`` is set if and only if the verdict is ``IDENTIFIED``. decided, captured: monotonic seconds of the decision and of the
    newest frame it rests on. frames: samples fused. reasons: why samples were refused, most frequent first.
    """

    verdict: Verdict
    track: int
    captured: float
    decided: float
    frames: int
    subject: str | None = None
    reasons: tuple[Reason, ...] = field(default=())

    def __post_init__(self) -> None:
        if not (self.subject is not None) == (self.verdict is Verdict.IDENTIFIED):
            raise ValueError(f"outcome {self.verdict.value}: a subject belongs to 'identified' and to nothing else")


@dataclass(frozen=True, eq=False)
class Sighting:
    """One tracked face of one frame, for whoever shows or reports what the loop is doing. Carries no features.

    track: the approach. samples: usable ones held so far. reasons: why this frame's sample was refused, empty if it was not. decided: the
    approach has had its outcome.
    """

    track: int
    face: Face
    samples: int
    reasons: tuple[Reason, ...]
    decided: bool

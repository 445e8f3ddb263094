"""Whether the lens is covered: pictures that are dark and flat for some time. Told when it begins and when it ends, not every frame."""

import numpy as np

from edge.records import Pixels

SAMPLED = 8
DARK = 40  # of 255: the brightest hundredth of a covered camera stays below it, its noise included
FLAT = 24  # of 255: between the darkest and the brightest twentieth; a night scene with one lamp has more


def is_dark(image: Pixels) -> bool:
    """Whether nothing can be seen on H x W x 3 uint8 BGR: all of it dark, and without anything in it."""
    brightest = image[::SAMPLED, ::SAMPLED].max(axis=2)
    if float(brightest.mean()) > DARK:
        return False
    low, high, top = np.percentile(brightest, (5, 95, 99))
    return bool(top <= DARK and high - low <= FLAT)


class Lens:
    """Judges pictures; holds no camera and no clock. seconds: of dark pictures before it is told."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._told = False

    def picture(self, image: Pixels, now: float) -> str | None:
        """Takes note of a picture; what has changed, or None."""
        if not is_dark(image):
            told, self._since, self._told = self._told, None, False
            return "the picture is no longer dark" if told else None
        self._since = now if self._since is None else self._since
        if self._told or now - self._since < self._seconds:
            return None
        self._told = True
        return f"nothing but darkness for {now - self._since:.1f} s; is the lens covered, or is there no light?"

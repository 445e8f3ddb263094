"""What the door's throttles leave of a day: `python -m evaluation.attacks.throttled [--config FILE]` prints it.

The throttles are the door's own (``edge.door.throttle``, ``edge.door.backoff``) at the settings in force; here is only who tries to get
round them. Whoever shows faces to be denied may go as fast as the door decides and sit out every pause, stay below the window, or stay
below the hour too; what counts is the best of the three. Whoever guesses door codes can only wait.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from edge.assembly.outputs import limits, waits
from edge.door.backoff import Backoff, Waits
from edge.door.codes import DIGITS
from edge.door.throttle import Limits, Throttle
from edge.settings import Settings, load_settings

DAY = 86_400.0  # seconds
SHUN = {"sits out every pause": (False, False), "stays below the window": (True, False), "stays below the hour too": (True, True)}
CODES = (10, 100, 1000)  # in force


def pace(settings: Settings) -> tuple[float, float]:
    """Seconds of a denial: one face at a time, and with as many at once as the door follows."""
    decision, track = settings.decision, settings.track
    each = decision.max_samples * decision.interval + track.patience
    return each, each / track.max_tracks


def denials(allowed: Limits, each: float, *, window: bool, hour: bool) -> Iterator[float]:
    """The moments (s) of denials that tell something: as fast as ``each`` allows, but never so as to begin a pause by what is shunned."""
    shunned = Limits(
        allowed.failures if window else 0, allowed.window, allowed.pause, allowed.longest, allowed.quiet, allowed.hourly if hour else 0
    )
    throttle, shadow, now = Throttle(allowed), Throttle(shunned), 0.0
    while True:
        now += each + throttle.left(now + each)
        while shadow.would_pause(now):
            now += 1.0
        throttle.failed(now)
        shadow.failed(now)
        yield now


def soonest(allowed: Limits, each: float, count: int) -> float:
    """Seconds in which so many denials can be had at the earliest."""
    return min(_nth(denials(allowed, each, window=window, hour=hour), count) for window, hour in SHUN.values())


def _nth(moments: Iterator[float], count: int) -> float:
    return [moment for moment, _ in zip(moments, range(count), strict=False)][-1]


def in_a_day(allowed: Limits, each: float) -> dict[str, int]:
    """How somebody goes about it -> denials in a first day."""
    found = {}
    for name, (window, hour) in SHUN.items():
        count = 0
        for moment in denials(allowed, each, window=window, hour=hour):
            if moment > DAY:
                break
            count += 1
        found[name] = count
    return found


def guesses(allowed: Waits, days: int) -> list[int]:
    """Door codes that can be tried on each day, from a count of nothing."""
    now, found = 0.0, [0] * days
    with TemporaryDirectory(prefix="edge-attack-") as folder:
        backoff = Backoff(Path(folder) / "failures", allowed, lambda: now)
        while True:
            now += backoff.wait() + 1.0  # an answer takes a second
            if now > DAY * days:
                return found
            backoff.begin()
            found[int((now - 1e-9) // DAY)] += 1


def main(words: Sequence[str] | None = None) -> None:
    """Prints the figures. words: of the command line; None for the program's own."""
    parser = argparse.ArgumentParser(prog="evaluation.attacks.throttled", description=__doc__)
    parser.add_argument("--config", type=Path)
    settings = load_settings(parser.parse_args(words).config)
    each, many = pace(settings)
    for name, count in in_a_day(limits(settings), many).items():
        print(f"faces, {settings.track.max_tracks} at once, {name}: {count} denials a day")
    for name, count in in_a_day(limits(settings), each).items():
        print(f"faces, one by one, {name}: {count} denials a day")
    first, *_, later = guesses(waits(settings), 4)
    print(f"door codes: {first} guesses on the first day, {later} on a later one")
    for codes in CODES:
        print(f"  {codes} codes in force: one is hit in a year with probability {(first + 364 * later) * codes / 10**DIGITS:.1g}")


if __name__ == "__main__":
    main()

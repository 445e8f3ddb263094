"""Live cameras, with a scripted driver and a clock that moves only when the script says so."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera.live import Ended, LiveReader, Patience, Watch
from edge.errors import SourceError

PATIENCE = Patience(silent=2.0, frozen=5.0, dark=3.0, vanished=20.0, first_pause=0.5, longest_pause=4.0)


def shot(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 32, 3)).astype(np.uint8)


class Clock:
    def __init__(self):
        self.now = 100.0
        self.waits = []

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


class Script:
    """A driver that plays a list: a picture, None (none came), an error to raise, or a function that gives one of these.

    Each read takes ``takes`` seconds. After the last entry it waits, silently, until it is closed; ``played`` tells that it does.
    refusals: how many of the openings after the first fail.
    """

    name = "twin"

    def __init__(self, clock, entries, *, takes=0.1, refusals=0):
        self.clock, self.entries, self.takes, self.refusals = clock, list(entries), takes, refusals
        self.opened = self.closed = 0
        self.played, self.leave = threading.Event(), threading.Event()

    def open(self):
        self.opened += 1
        if self.opened > 1 and self.refusals:
            self.refusals -= 1
            raise SourceError("twin: not there")

    def read(self, timeout):
        if not self.entries:
            self.played.set()
            self.leave.wait(5)
            raise Ended
        self.clock.now += self.takes
        entry = self.entries.pop(0)
        entry = entry() if callable(entry) else entry
        if isinstance(entry, Exception):
            raise entry
        return entry

    def close(self):
        self.closed += 1


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(clock):
    """Starts a reader over a script and lets both go afterwards."""
    started = []

    def begin(entries, **options):
        script = Script(clock, entries, **options)
        reader = LiveReader(script, patience=PATIENCE, clock=clock, wait=clock.wait)
        started.append((reader, script))
        return reader, script

    yield begin
    for reader, script in started:
        script.leave.set()
        reader.close()


def test_a_slow_reader_gets_the_newest_picture_only(start):
    reader, script = start([shot(number) for number in range(5)])
    assert script.played.wait(5)
    frame = next(reader.frames())
    assert np.array_equal(frame.image, shot(4))
    assert (frame.number, frame.source, frame.captured) == (0, "twin", pytest.approx(100.5))


def test_the_last_picture_is_handed_out_before_the_stream_ends(start):
    reader, script = start([shot(0), shot(1), Ended()])
    script.leave.set()
    frames = list(reader.frames())
    assert np.array_equal(frames[-1].image, shot(1))
    assert [frame.number for frame in frames] == list(range(len(frames)))


def test_stamps_increase_even_when_the_clock_stands(start, clock):
    gate = threading.Semaphore(1)

    def one(seed):
        gate.acquire(timeout=5)
        return shot(seed)

    reader, _ = start([lambda seed=seed: one(seed) for seed in range(4)] + [Ended()], takes=0.0)
    stamps = [(gate.release(), frame.captured)[1] for frame in reader.frames()]
    assert len(stamps) == 4
    assert all(later > earlier for earlier, later in pairwise(stamps))
    assert stamps[-1] == pytest.approx(clock.now)


def test_a_silent_camera_is_opened_again_and_goes_on(start):
    reader, script = start([shot(0)] + [None] * 30 + [shot(1)])
    assert script.played.wait(5)
    assert np.array_equal(next(reader.frames()).image, shot(1))
    assert script.opened == 2
    assert len(reader.problems) == 1
    assert "no picture for 2." in next(iter(reader.problems))


def test_a_failing_camera_is_opened_again_at_once(start):
    reader, script = start([shot(0), SourceError("twin: the device is gone"), shot(1)])
    assert script.played.wait(5)
    assert (script.opened, script.closed) == (2, 1)
    assert "the device is gone" in next(iter(reader.problems))


def test_a_frozen_camera_is_opened_again(start):
    reader, script = start([shot(0)] * 60 + [shot(1)])
    assert script.played.wait(5)
    assert script.opened == 2
    assert "the same picture for 5." in next(iter(reader.problems))
    assert np.array_equal(next(reader.frames()).image, shot(1))


def test_a_camera_frozen_for_good_has_vanished(start):
    reader, _ = start([shot(0)] * 500)
    with pytest.raises(SourceError, match=r"twin: camera vanished \(the same picture"):
        list(reader.frames())


def test_a_covered_lens_is_not_a_frozen_camera(start):
    reader, script = start([np.zeros((24, 32, 3), np.uint8)] * 300)
    assert script.played.wait(5)
    assert script.opened == 1
    assert [("nothing but darkness for 3." in note, "lens covered" in note) for note in reader.problems] == [(True, True)]


def test_pauses_double_up_to_the_longest_until_the_camera_has_vanished(start, clock):
    reader, script = start([shot(0), SourceError("gone")], refusals=100)
    with pytest.raises(SourceError, match=r"camera vanished \(twin: not there\); check cable and power"):
        list(reader.frames())
    assert clock.waits == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0][: len(clock.waits)]
    assert 20.0 < sum(clock.waits) < 24.0
    assert script.closed > 0


def test_a_camera_that_comes_back_in_time_goes_on(start, clock):
    reader, script = start([shot(0), SourceError("gone"), shot(1), SourceError("gone"), shot(2)], refusals=3)
    assert script.played.wait(5)
    assert np.array_equal(next(reader.frames()).image, shot(2))
    assert clock.waits == [0.5, 1.0, 2.0, 4.0, 0.5]


def test_a_camera_that_opens_but_never_delivers_has_vanished(start):
    reader, script = start([SourceError("no data")] * 100)
    with pytest.raises(SourceError, match=r"camera vanished \(no data\)"):
        next(reader.frames())
    assert script.opened > 3


def test_a_driver_that_never_returns_is_reported(start, clock):
    reader, script = start([])
    assert script.played.wait(5)
    clock.now += 1000
    with pytest.raises(SourceError, match="driver has not returned for 1000 s"):
        next(reader.frames())


def test_a_defect_in_a_driver_reaches_the_reader(start):
    reader, script = start([lambda: 1 // 0])
    with pytest.raises(ZeroDivisionError):
        next(reader.frames())
    reader.close()
    assert script.closed == 1


@pytest.mark.parametrize(
    "picture",
    [
        np.full((6, 8), 51400, np.uint16),
        np.full((6, 8, 1), 200, np.uint8),
        np.full((6, 8, 4), (200, 200, 200, 255), np.uint8),
    ],
)
def test_grey_deep_and_four_channel_cameras_give_bgr(start, picture):
    reader, _ = start([picture])
    image = next(reader.frames()).image
    assert (image.shape, image.dtype) == ((6, 8, 3), np.uint8)
    assert (image == 200).all()


def test_pictures_of_an_impossible_kind_count_as_failure(start):
    reader, _ = start([np.zeros((6, 8), np.float32)] * 100)
    with pytest.raises(SourceError, match="float32"):
        next(reader.frames())


def test_a_camera_that_is_missing_at_the_start_is_an_error_at_once(clock):
    class Missing(Script):
        def open(self):
            raise SourceError("twin: not there")

    script = Missing(clock, [])
    with pytest.raises(SourceError, match="not there"):
        LiveReader(script, patience=PATIENCE, clock=clock, wait=clock.wait)
    assert script.closed == 1


def test_closing_wakes_a_waiting_reader():
    class Quiet:
        name = "quiet"

        def open(self):
            pass

        def read(self, timeout):
            time.sleep(0.005)

        def close(self):
            pass

    reader, got = LiveReader(Quiet(), patience=PATIENCE), []
    waiting = threading.Thread(target=lambda: got.append(next(reader.frames(), "ended")))
    waiting.start()
    waiting.join(0.02)
    assert got == []
    reader.close()
    waiting.join(5)
    assert got == ["ended"]


def test_closing_twice_lets_the_camera_go_once(start):
    reader, script = start([shot(0)])
    assert script.played.wait(5)
    script.leave.set()
    reader.close()
    reader.close()
    assert script.closed == 1
    assert list(reader.frames()) == []


@given(st.lists(st.floats(0.0, 0.99 * PATIENCE.silent), max_size=50))
def test_a_camera_that_moves_and_speaks_in_time_is_never_in_trouble(gaps):
    watch, now = Watch(PATIENCE, 0.0), 0.0
    for number, gap in enumerate(gaps):
        assert watch.silence(now + gap) is None
        now += gap
        assert watch.picture(np.full((8, 8, 3), number % 2, np.uint8) + np.arange(3, dtype=np.uint8), now) is None
        assert not watch.lost(now)


@given(st.integers(1, 200))
def test_pauses_never_shrink_and_never_exceed_the_longest(attempts):
    watch = Watch(PATIENCE, 0.0)
    pauses = [watch.pause() for _ in range(attempts)]
    assert pauses == sorted(pauses)
    assert pauses[0] == PATIENCE.first_pause
    assert pauses[-1] <= PATIENCE.longest_pause

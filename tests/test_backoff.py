"""The wait after wrong door codes: how it grows, what forgives, and that no restart, clock or damage makes it shorter."""

import os
import time
from pathlib import Path

import pytest

from edge.door.backoff import Backoff, Waits
from edge.door.events import OutputError

WAITS = Waits(free=3, first=10.0, longest=100.0, quiet=3600.0)


class Clock:
    """Monotonic seconds, moved by hand."""

    def __init__(self, now: float = 50.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def wrong(backoff: Backoff, clock: Clock) -> float:
    """A wrong code as soon as one is heard; the wait after it."""
    clock.now += backoff.wait()
    backoff.begin()
    return backoff.wait()


def test_three_are_free_then_each_wrong_code_doubles_the_wait(tmp_path: Path) -> None:
    clock = Clock()
    backoff = Backoff(tmp_path / "failures", WAITS, clock)
    assert [wrong(backoff, clock) for _ in range(8)] == [0.0, 0.0, 10.0, 20.0, 40.0, 80.0, 100.0, 100.0]


def test_a_restart_begins_the_whole_wait_again_whatever_the_clocks_say(tmp_path: Path) -> None:
    """The new process's monotonic clock may be anything, and the wall clock is not asked: the file's own time may be years back."""
    clock = Clock()
    backoff = Backoff(tmp_path / "failures", WAITS, clock)
    for _ in range(5):
        wrong(backoff, clock)
    os.utime(tmp_path / "failures", (0, 0))
    for start in (0.0, 5.0, 1e9):
        assert Backoff(tmp_path / "failures", WAITS, Clock(start)).wait() == 40.0


def test_a_wrong_code_counts_before_it_is_looked_at(tmp_path: Path) -> None:
    clock = Clock()
    backoff = Backoff(tmp_path / "failures", WAITS, clock)
    for _ in range(3):
        backoff.begin()
    assert Backoff(tmp_path / "failures", WAITS, clock).wait() == 10.0, "the plug was pulled before the answer"


def test_a_right_code_does_not_count_and_forgives_nobody_else_s_wrong_ones(tmp_path: Path) -> None:
    clock = Clock()
    backoff = Backoff(tmp_path / "failures", WAITS, clock)
    for _ in range(4):
        wrong(backoff, clock)
    clock.now += backoff.wait()
    backoff.begin()
    backoff.right()
    assert (backoff.wrong, backoff.wait()) == (4, 0.0)
    assert (tmp_path / "failures").read_text() == "4"
    assert wrong(backoff, clock) == 40.0
    assert (tmp_path / "failures").read_text() == "5"


def test_quiet_time_forgives_one_by_one_also_on_the_disk_and_right_codes_do_not_hold_it_up(tmp_path: Path) -> None:
    clock = Clock()
    backoff = Backoff(tmp_path / "failures", WAITS, clock)
    for _ in range(5):
        wrong(backoff, clock)
    clock.now += 40.0 + 3599.0
    backoff.begin()
    backoff.right()
    assert backoff.wrong == 5
    clock.now += 1.0
    assert backoff.wrong == 4
    clock.now += 2 * 3600.0
    backoff.rest()
    assert (tmp_path / "failures").read_text() == "2"
    clock.now += 1e9
    backoff.rest()
    assert (backoff.wrong, (tmp_path / "failures").read_text()) == (0, "0")


@pytest.mark.parametrize("content", [b"", b"x", b"-3", b"1 ", b"99999999999", b"\xff\xfe"])
def test_a_damaged_file_stands_for_the_longest_wait(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "failures").write_bytes(content)
    assert Backoff(tmp_path / "failures", WAITS, Clock()).wait() == 100.0


def test_a_link_or_a_pipe_in_its_place_stands_for_the_longest_wait_and_nobody_waits_for_it(tmp_path: Path) -> None:
    (tmp_path / "zero").write_text("0")
    (tmp_path / "link").symlink_to(tmp_path / "zero")
    os.mkfifo(tmp_path / "pipe")
    begun = time.monotonic()
    assert [Backoff(tmp_path / name, WAITS, Clock()).wait() for name in ("link", "pipe")] == [100.0, 100.0]
    assert time.monotonic() - begun < 5.0


def test_where_the_disk_takes_nothing_no_code_is_looked_at(tmp_path: Path) -> None:
    backoff = Backoff(tmp_path / "folder" / "failures", WAITS, Clock())
    (tmp_path / "folder").rmdir()
    with pytest.raises(OSError, match="No such file"):
        backoff.begin()
    assert backoff.wrong == 0


def test_a_count_that_cannot_be_put_in_its_place_leaves_no_draft(tmp_path: Path) -> None:
    backoff = Backoff(tmp_path / "failures", WAITS, Clock())
    (tmp_path / "failures").mkdir()
    with pytest.raises(OSError, match="directory"):
        backoff.begin()
    assert [path.name for path in tmp_path.iterdir()] == ["failures"]


def test_the_file_is_the_service_s_own_and_nothing_else_is_left(tmp_path: Path) -> None:
    backoff = Backoff(tmp_path / "failures", WAITS, Clock())
    backoff.begin()
    (only,) = tmp_path.iterdir()
    assert only.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"code\.state = .*choose a path"):
        Backoff(tmp_path / "file" / "failures", WAITS)


@pytest.mark.parametrize("facts", [(0, 1.0, 2.0, 3.0), (1, 0.0, 2.0, 3.0), (1, 3.0, 2.0, 3.0), (1, 1.0, 2.0, 0.0)])
def test_impossible_waits_are_refused(facts: tuple[int, float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Waits(*facts)


def test_a_day_of_guessing_is_some_forty_codes(tmp_path: Path) -> None:
    """With the settings as shipped: a guess as soon as one is heard, for a day, from a count of nothing; and on each day after it."""
    waits, guesses = Waits(free=3, first=10.0, longest=3600.0, quiet=3600.0), []
    clock = Clock(0.0)
    backoff = Backoff(tmp_path / "failures", waits, clock)
    for day in (1, 2):
        count = 0
        while clock.now < 86_400.0 * day:
            wrong(backoff, clock)
            count += 1
        guesses.append(count)
    assert guesses[0] <= 40
    assert guesses[1] <= 25

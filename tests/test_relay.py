"""The relay: whatever dies, the line is not left active. Processes are real and killed for real; the line is a twin's (``gpio_twin``)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.door.events import Cause, OutputError, Unlock
from edge.door.guard import Pulses
from edge.door.relay import Relay, Strike, guard_command
from tests.door_twins import soon
from tests.gpio_twin import board, changes, level

ROOT = Path(__file__).parent.parent
LINE = "17"


@pytest.fixture
def chip(tmp_path: Path) -> Path:
    return board(tmp_path, LINE)


def strike(chip: Path, *, pulse: float = 0.3, max_on: float = 0.8, active_low: bool = False) -> Strike:
    return Strike(str(chip), LINE, active_low, pulse, max_on)


def relay(wanted: Strike, told: list[str] | None = None) -> Relay:
    made = Relay(wanted, (told if told is not None else []).append, guard_command(wanted, "tests.gpio_twin"))
    assert made.ready.wait(20)
    return made


@pytest.fixture
def opened(chip: Path) -> Iterator[Relay]:
    made = relay(strike(chip))
    yield made
    made.close()


def unlock(life: float = 1.5) -> Unlock:
    return Unlock(Cause.FACE, "ada", time.monotonic() + life, 0.0)


def guard_of(made: Relay) -> int:
    assert made._guard is not None
    return made._guard.pid


def test_a_pulse_is_as_long_as_the_settings_say(chip: Path, opened: Relay) -> None:
    opened.unlock(unlock())
    assert level(chip, LINE) == 1
    assert soon(lambda: level(chip, LINE) == 0)
    (_, low), (on, _), (off, _) = changes(chip, LINE)
    assert low == 0, "inactive from the first moment"
    assert 0.25 < off - on < 0.8


def test_an_active_low_relay_rests_high(chip: Path) -> None:
    made = relay(strike(chip, active_low=True))
    assert level(chip, LINE) == 1
    made.unlock(unlock())
    assert level(chip, LINE) == 0
    made.close()
    assert level(chip, LINE) == 1


def test_an_unlock_past_its_deadline_gives_no_pulse_even_when_it_has_come_as_far_as_the_guard(chip: Path, opened: Relay) -> None:
    with pytest.raises(OutputError, match="too late"):
        opened.unlock(unlock(life=-0.01))
    assert level(chip, LINE) == 0
    assert len(changes(chip, LINE)) == 1


def test_however_many_unlocks_come_the_line_is_never_active_longer_than_the_maximum(chip: Path, opened: Relay) -> None:
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        opened.unlock(unlock())
        time.sleep(0.05)
    assert soon(lambda: level(chip, LINE) == 0)
    seen = changes(chip, LINE)[1:]
    pulses = [off - on for (on, _), (off, _) in zip(seen[::2], seen[1::2], strict=True)]
    assert len(pulses) >= 2
    assert max(pulses) < 0.8 + 0.3, "a busy machine may be a little late"


def test_closing_ends_a_pulse_at_once(chip: Path) -> None:
    made = relay(strike(chip, pulse=30.0, max_on=30.0))
    made.unlock(unlock())
    assert level(chip, LINE) == 1
    made.close()
    assert level(chip, LINE) == 0
    with pytest.raises(OutputError, match="no guard"):
        made.unlock(unlock())


DOOR = """
import sys, time
from edge.door.events import Cause, Unlock
from edge.door.relay import Relay, Strike, guard_command
wanted = Strike(sys.argv[1], "17", False, 30.0, 30.0)
made = Relay(wanted, print, guard_command(wanted, "tests.gpio_twin"))
made.ready.wait(20)
made.unlock(Unlock(Cause.FACE, "ada", time.monotonic() + 1.5, 0.0))
print("open", made._guard.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_door_killed_in_the_middle_of_a_pulse_leaves_the_line_inactive(chip: Path, kill: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", DOOR, str(chip)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as door:
        assert door.stdout is not None
        word, guard = door.stdout.readline().split()
        assert word == "open"
        assert level(chip, LINE) == 1
        door.send_signal(kill)
        assert soon(lambda: level(chip, LINE) == 0), "a pulse of 30 s ends with the door"
        assert soon(lambda: not Path(f"/proc/{guard}").exists()), "the guard ends too"
        door.wait()


def test_a_door_killed_again_and_again_at_any_moment_never_leaves_the_line_active(chip: Path) -> None:
    """From before the guard has started to the middle of a pulse; the guard of one life must not be in the way of the next."""
    for number in range(12):
        with subprocess.Popen([sys.executable, "-c", DOOR, str(chip)], stdout=subprocess.DEVNULL, cwd=ROOT) as door:
            time.sleep(0.1 * number)
            door.send_signal(signal.SIGKILL)
            door.wait()
            assert soon(lambda: level(chip, LINE) == 0)
            time.sleep(0.3)
            assert level(chip, LINE) == 0
    made = relay(strike(chip))
    made.unlock(unlock())
    assert level(chip, LINE) == 1
    made.close()


def test_a_door_that_hangs_leaves_the_line_inactive_when_the_pulse_is_over(chip: Path) -> None:
    text = DOOR.replace("30.0, 30.0", "0.5, 0.8")
    with subprocess.Popen([sys.executable, "-c", text, str(chip)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as door:
        assert door.stdout is not None
        door.stdout.readline()
        door.send_signal(signal.SIGSTOP)
        assert soon(lambda: level(chip, LINE) == 0)
        door.kill()
        door.wait()


def test_a_guard_killed_in_the_middle_of_a_pulse_is_replaced_by_one_that_makes_the_line_inactive(chip: Path) -> None:
    told: list[str] = []
    made = relay(strike(chip, pulse=30.0, max_on=30.0), told)
    made.unlock(unlock())
    first = guard_of(made)
    os.kill(first, signal.SIGKILL)
    assert soon(lambda: level(chip, LINE) == 0)
    assert soon(lambda: made.ready.is_set() and guard_of(made) != first)
    made.unlock(unlock())
    assert level(chip, LINE) == 1
    made.close()
    assert len(told) == 1
    assert "a new one is started" in told[0]


def test_a_guard_that_hangs_with_the_line_active_is_killed_and_the_line_made_inactive(chip: Path) -> None:
    told: list[str] = []
    made = relay(strike(chip, pulse=0.2, max_on=0.3), told)
    made.unlock(unlock())
    os.kill(guard_of(made), signal.SIGSTOP)
    assert soon(lambda: level(chip, LINE) == 0)
    assert soon(lambda: bool(told))
    assert "did not let go of the line in time" in told[0]
    made.close()


def test_a_guard_that_does_not_answer_is_replaced_and_the_unlock_is_not_given_later(chip: Path) -> None:
    made = relay(strike(chip))
    os.kill(first := guard_of(made), signal.SIGSTOP)
    with pytest.raises(OutputError, match="does not answer"):
        made.unlock(unlock())
    assert soon(lambda: made.ready.is_set() and guard_of(made) != first)
    assert [new for _, new in changes(chip, LINE)] == [0, 0]
    made.close()


def test_closing_with_a_guard_that_hangs_makes_the_line_inactive_all_the_same(chip: Path) -> None:
    made = relay(strike(chip, pulse=30.0, max_on=30.0))
    made.unlock(unlock())
    os.kill(guard_of(made), signal.SIGSTOP)
    made.close()
    assert level(chip, LINE) == 0


def test_a_line_that_is_missing_or_taken_is_told_once_and_tried_again(chip: Path) -> None:
    told: list[str] = []
    first = relay(strike(chip))
    wanted = strike(chip)
    second = Relay(wanted, told.append, guard_command(wanted, "tests.gpio_twin"))
    assert soon(lambda: bool(told))
    assert "Device or resource busy" in told[0]
    with pytest.raises(OutputError, match="no guard"):
        second.unlock(unlock())
    first.close()
    assert second.ready.wait(20), "the line is free now"
    assert len(told) == 1
    second.close()


def test_the_safe_command_makes_an_active_line_inactive_and_ends(chip: Path) -> None:
    (chip / LINE).write_text("1")
    subprocess.run([*guard_command(strike(chip), "tests.gpio_twin"), "--safe"], check=True, cwd=ROOT)
    assert level(chip, LINE) == 0


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["on", "10.0", "0.3"], "on"),
        (["on", "9.9", "0.3"], "late"),
        (["on", "nan", "0.3"], "late"),
        (["on", "10.0", "nan"], "late"),
        (["on", "10.0", "-1"], "late"),
        (["on", "soon", "0.3"], ""),
        (["on", "10.0"], ""),
        (["off"], ""),
        (["open", "sesame"], ""),
        ([], ""),
    ],
)
def test_a_guard_obeys_only_a_sound_command_in_time(command: list[str], said: str) -> None:
    pulses = Pulses(1.0)
    assert pulses.command(command, 10.0) == said
    assert pulses.active is (said == "on")


def test_an_endless_pulse_ends_at_the_maximum() -> None:
    pulses = Pulses(1.0)
    assert pulses.command(["on", "inf", "inf"], 10.0) == "on"
    assert pulses.command(["on", "inf", "inf"], 10.9) == "more"
    assert pulses.patience(10.9) == pytest.approx(0.1)
    assert pulses.tick(11.0) == "off"


@pytest.mark.parametrize(("pulse", "max_on"), [(0.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)])
def test_an_impossible_pulse_is_refused(chip: Path, pulse: float, max_on: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < pulse <= max_on"):
        strike(chip, pulse=pulse, max_on=max_on)

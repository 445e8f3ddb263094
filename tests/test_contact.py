"""Held open, forced, and the button inside. The rules in their own time; the lines through a twin of gpiod."""

import time
from pathlib import Path

import pytest

from edge.door.access import Access, Rules
from edge.door.contact import Button, Contact, LeafWatch, Wiring
from edge.door.door import Door
from edge.door.events import Cause, Leaf, OutputError, Unlock
from edge.door.schedule import parse
from edge.door.throttle import Limits
from tests.door_twins import Recorder, soon
from tests.gpio_twin import board, drive, twin

CLOSED, OPEN = False, True


def story(*steps: tuple[float, str]) -> list[str]:
    """What the leaf was like at each step: ``unlock``, ``open`` or ``closed`` at this moment. grace 5 s, held open from 30 s."""
    watch, seen = LeafWatch(grace=5.0, held=30.0), []
    for now, what in steps:
        if what == "unlock":
            watch.unlocked(now)
        else:
            seen.append(watch.look(what == "open", now).value)
    return seen


@pytest.mark.parametrize(
    ("steps", "seen"),
    [
        ([(0, "closed"), (10, "unlock"), (12, "open"), (20, "open"), (21, "closed")], ["closed", "open", "open", "closed"]),
        ([(0, "closed"), (10, "unlock"), (16, "open")], ["closed", "forced"]),
        ([(0, "closed"), (10, "open"), (11, "unlock"), (12, "open"), (13, "closed")], ["closed", "forced", "forced", "closed"]),
        ([(10, "unlock"), (12, "open"), (41, "open"), (42, "open"), (43, "closed")], ["open", "open", "held_open", "closed"]),
        ([(10, "unlock"), (12, "open"), (13, "closed"), (14, "open")], ["open", "closed", "open"]),
        ([(0, "open")], ["forced"]),
        ([(10, "open"), (100, "open"), (101, "closed"), (102, "unlock"), (103, "open")], ["forced", "forced", "closed", "open"]),
    ],
    ids=[
        "unlocked, opened, closed",
        "opened after the grace is forced",
        "an unlock does not excuse what was forced before",
        "open for thirty seconds is held open",
        "twice through one grace",
        "open at the start is forced until it is closed",
        "a forced door stays forced, not held open",
    ],
)
def test_what_the_leaf_s_position_means(steps: list[tuple[float, str]], seen: list[str]) -> None:
    assert story(*steps) == seen


@pytest.mark.parametrize(
    ("pressed", "presses"),
    [([0, 1, 1, 1, 0, 1], 2), ([1, 1, 1], 0), ([1, 0, 1], 1), ([0, 0], 0)],
    ids=["held is one", "stuck at the start is none", "stuck, then let go, then pressed", "never"],
)
def test_one_press_is_one_opening(pressed: list[int], presses: int) -> None:
    button = Button()
    assert sum(button.look(bool(level)) for level in pressed) == presses


def wiring(chip: Path, *, door: str = "5", exit_button: str = "6") -> Wiring:
    return Wiring(str(chip), door, False, exit_button, True, "pull-up", 0.02)


def door_with(output: Recorder) -> Door:
    return Door(
        Access(Rules(1.5, Limits(0, 60.0, 30.0, 30.0, 3600.0), parse("never")), lambda wall: (0, 0)), [output], lambda problem: None
    )


def last(output: Recorder) -> Leaf | None:
    return output.states[-1].leaf if output.states else None


def test_the_button_opens_the_contact_tells_and_neither_needs_the_loop(tmp_path: Path) -> None:
    chip, output = board(tmp_path, "5", "6"), Recorder()
    drive(chip, "6", 1)  # the button's line is pulled up
    door = door_with(output)
    contact = Contact(wiring(chip), LeafWatch(grace=5.0, held=0.3), door.leaf, door.exit_pressed, print, twin)
    door.listen(lambda event: contact.unlocked() if isinstance(event, Unlock) else None)
    assert soon(lambda: last(output) is Leaf.CLOSED)
    drive(chip, "6", 0)
    assert soon(lambda: [event.cause for event in output.unlocks] == [Cause.EXIT_BUTTON])
    drive(chip, "5", 1)
    assert soon(lambda: [state.leaf for state in output.states][-2:] == [Leaf.OPEN, Leaf.HELD_OPEN])
    drive(chip, "5", 0)
    assert soon(lambda: last(output) is Leaf.CLOSED)
    contact.close()
    door.close()
    assert len(output.unlocks) == 1, "the schedule 'never' is for faces; a button held is one press"


def test_a_door_opened_without_an_unlock_is_forced(tmp_path: Path) -> None:
    chip, output = board(tmp_path, "5"), Recorder()
    door = door_with(output)
    contact = Contact(wiring(chip, exit_button=""), LeafWatch(grace=5.0, held=30.0), door.leaf, door.exit_pressed, print, twin)
    assert soon(lambda: last(output) is Leaf.CLOSED)
    drive(chip, "5", 1)
    assert soon(lambda: last(output) is Leaf.FORCED)
    contact.close()
    door.close()


def test_lines_that_are_not_there_are_told_once_and_taken_when_they_come(tmp_path: Path) -> None:
    told: list[str] = []
    leaves: list[Leaf] = []
    contact = Contact(wiring(tmp_path / "gpiochip0"), LeafWatch(5.0, 30.0), leaves.append, print, told.append, twin)
    assert soon(lambda: len(told) == 1)
    assert soon(lambda: leaves == [Leaf.NOT_WATCHED])
    board(tmp_path, "5", "6")
    assert soon(lambda: leaves[-1] is Leaf.CLOSED)
    begun = time.monotonic()
    contact.close()
    assert time.monotonic() - begun < 2.0
    assert len(told) == 1


@pytest.mark.parametrize(("door", "exit_button"), [("", ""), ("5", "5")])
def test_a_wiring_without_a_line_or_with_one_twice_is_refused(tmp_path: Path, door: str, exit_button: str) -> None:
    with pytest.raises(OutputError, match="at least one line"):
        wiring(tmp_path, door=door, exit_button=exit_button)

"""Door codes from the finger to the signed message: the screen and `edge run` as processes, and a server that listens."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

try:
    import argon2  # noqa: F401
    import PySide6.QtQuick
    import PySide6.QtTest  # noqa: F401
except ImportError as error:
    pytest.skip(f"the screen needs .venv/bin/pip install -e '.[screen]': {error}", allow_module_level=True)

from edge.service.link import Command, Hello, NewCode, Person, Reply, Scene, State, Trouble
from tests.http_twins import KEY, Receiver
from tests.screen_kit import ROOT, Hand, Place, pause

HELLO = Hello(consent="1", pin=True, code=True)
WITH_CODES = """[access]
fallback = "code"
[code]
state = "failures"
[webhook]
enabled = true
url = "http://127.0.0.1:{port}/door"
key_file = "hook.key"
outbox = "outbox.db"
[camera]
vanished = 3.0
"""


class Coded(Place):
    """A door that opens by a webhook, with Ada in it."""

    def __init__(self, folder: Path) -> None:
        self.receiver = Receiver()
        (folder / "hook.key").write_text(KEY)
        (folder / "hook.key").chmod(0o600)
        super().__init__(folder, WITH_CODES.format(port=self.receiver.port))
        self.run("enrol", "Ada", "--source", "demo:")
        self.normal, self.forced = (self.run("code", "new", "Ada", *flags)["code"] for flags in ((), ("--duress",)))

    def run(self, *words: str) -> dict[str, str]:
        command = [sys.executable, "-m", "edge", *words, "--json", "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
        assert done.returncode == 0, done.stderr
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return found

    def audited(self) -> str:
        """The audit log as it lies on the disk."""
        return "".join(path.read_text() for path in (self.folder / "audit").glob("*.jsonl"))

    def kinds(self) -> list[tuple[str, str | None]]:
        """Of the messages about codes: kind, and what it was by or why not."""
        told = [message for message in self.receiver.messages if message["kind"] == "duress" or message.get("cause") == "code"]
        return [(message["kind"], message.get("refusal") or message.get("cause")) for message in told]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Coded]:
    made = Coded(tmp_path)
    yield made
    made.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Hand]:
    """A screen without a door."""
    made = Hand(Place(tmp_path).settings)
    yield made
    made.close()


def hand_at(place: Coded) -> Hand:
    hand = Hand(place.settings)
    hand.bridge.start()
    hand.comes(lambda: hand.bridge.property("codes"), 60)
    return hand


def types(hand: Hand, digits: str) -> str:
    """By touch; the trouble of the answer."""
    if hand.page != "code":
        hand.touch("code")
    before = len(code_answers(hand))
    for digit in digits:
        hand.touch(f"code_{digit}")
    hand.touch("code_ok")
    hand.comes(lambda: len(code_answers(hand)) > before, 30)
    return code_answers(hand)[-1]


def code_answers(hand: Hand) -> list[str]:
    """The troubles said of door codes so far; answers to other commands, such as the lock of a page that was left, come between."""
    return [trouble for command, trouble in hand.answers if command == "code"]


def test_a_code_by_touch_opens_the_door_and_a_duress_code_raises_an_alarm_that_nothing_here_shows(place: Coded) -> None:
    door = place.door()
    hand = hand_at(place)
    hand.comes(lambda: types(hand, place.normal) == "", 60)  # the networks may still be warming up
    assert hand.text("note") == "Welcome. The door is open."
    seen = hand.window.grabWindow()
    hand.comes(lambda: hand.page == "door")
    assert types(hand, "00000000" if "00000000" not in (place.normal, place.forced) else "11111111") == "not_let_in"
    assert "did not open" in hand.text("note")
    assert types(hand, place.forced) == ""
    assert hand.text("note") == "Welcome. The door is open."
    assert hand.window.grabWindow() == seen, "pixel for pixel"
    hand.comes(lambda: len(place.kinds()) >= 4)
    assert sorted(place.kinds()) == [("denied", "wrong_code"), ("duress", None), ("unlock", "code"), ("unlock", "code")]
    hand.close()
    door.terminate()
    out, err = door.communicate(timeout=60)
    told = out + err + "".join(map(str, place.receiver.messages)) + place.audited()
    assert [code for code in (place.normal, place.forced) if code in told] == []
    assert "duress" not in out + err
    assert place.audited().count('"reason":"code"') == 3


def test_an_operator_makes_a_code_that_is_shown_once_opens_ends_the_former_one_and_stands_nowhere(place: Coded) -> None:
    door = place.door()
    hand = hand_at(place)
    hand.unlock()
    hand.touch("menu_people")
    hand.touch("person_0")
    hand.touch("openCode")
    assert hand.text("madeCode") == ""
    hand.touch("makeCode")
    hand.comes(lambda: hand.text("madeCode") != "", 30)
    code = hand.text("madeCode").replace(" ", "")
    assert re.fullmatch("[0-9]{8}", code)
    assert code not in (place.normal, place.forced)
    hand.touch("codeDone")
    assert (hand.find("madeCode"), hand.bridge.property("madeCode")) == (None, "")
    for _ in ("person", "people", "menu"):
        hand.touch("back")
    hand.comes(lambda: types(hand, code) == "", 60)
    hand.comes(lambda: hand.page == "door")
    assert types(hand, place.normal) == "not_let_in"
    hand.close()
    door.terminate()
    out, err = door.communicate(timeout=60)
    files = b"".join(path.read_bytes() for path in place.folder.rglob("*") if path.is_file())
    assert code not in out + err + "".join(map(str, place.receiver.messages))
    assert code.encode() not in files
    assert '"code_new"' in place.audited()


ADA = Person(id="a" * 32, name="Ada", enrolled="2026-01-01T00:00:00Z", references=1)


def asking(hand: Hand, *, code: bool = True) -> list[Command]:
    """The page of Ada on a screen without a door; what it says from now on."""
    said: list[Command] = []
    hand.bridge._link.send = lambda command: said.append(command) or True
    hand.bridge.take(Hello(consent="1", pin=True, code=code))
    hand.window.setProperty("page", "people")
    pause(0.05)
    hand.bridge.take(Reply(id=said[-1].id, people=(ADA,)))
    pause(0.05)
    hand.touch("person_0")
    return said


def test_where_no_code_opens_none_is_made(alone: Hand) -> None:
    asking(alone, code=False)
    assert alone.find("revoke") is not None
    assert alone.find("openCode") is None


LEAVES: list[Callable[[Hand], object]] = [
    lambda hand: hand.touch("back"),
    lambda hand: hand.touch("codeDone"),
    lambda hand: hand.bridge.lock(),
    lambda hand: hand.bridge.take(Reply(id=77, trouble=Trouble.LOCKED)),
]


@pytest.mark.parametrize("leave", LEAVES, ids=["back", "done", "locked here", "locked by the door"])
def test_a_code_that_was_shown_is_forgotten_whatever_ends_it(alone: Hand, leave: Callable[[Hand], object]) -> None:
    said = asking(alone)
    alone.touch("openCode")
    alone.touch("makeCode")
    assert said[-1] == NewCode(id=said[-1].id, subject=ADA.id)
    alone.bridge.take(Reply(id=said[-1].id, code="48210937"))
    assert alone.text("madeCode") == "4821 0937"
    leave(alone)
    assert alone.bridge.property("madeCode") == ""
    assert not [item for item in alone.items() if "4821" in str(item.property("text"))]


def test_a_code_that_nobody_looks_at_any_more_is_forgotten_after_a_minute(alone: Hand) -> None:
    said = asking(alone)
    alone.touch("openCode")
    maker = alone.find("codeMaker")
    assert maker.property("patience") == 60
    maker.setProperty("patience", 1)
    alone.touch("makeCode")
    alone.bridge.take(Reply(id=said[-1].id, code="48210937"))
    assert alone.text("madeCode") == "4821 0937"
    alone.comes(lambda: alone.bridge.property("madeCode") == "" and alone.find("revoke") is not None, 5)


def test_a_code_whose_door_goes_is_forgotten(alone: Hand) -> None:
    said = asking(alone)
    alone.touch("openCode")
    alone.touch("makeCode")
    alone.bridge.take(Reply(id=said[-1].id, code="48210937"))
    alone.bridge.poll()  # no door is at the socket
    assert (alone.bridge.property("madeCode"), alone.page) == ("", "door")


def test_an_answer_that_comes_after_the_operator_has_left_is_shown_to_nobody_and_not_under_another_name(alone: Hand) -> None:
    said = asking(alone)
    alone.touch("openCode")
    alone.touch("makeCode")
    late = said[-1].id
    alone.touch("makeCode")
    assert said[-1].id == late, "one at a time"
    alone.touch("back")
    alone.bridge.take(Reply(id=late, code="48210937"))
    assert alone.bridge.property("madeCode") == ""
    alone.touch("openCode")
    assert alone.text("madeCode") == ""
    alone.touch("makeCode")
    assert said[-1].id != late


def test_a_code_that_cannot_be_made_is_said(alone: Hand) -> None:
    said = asking(alone)
    alone.touch("openCode")
    alone.touch("makeCode")
    alone.bridge.take(Reply(id=said[-1].id, trouble=Trouble.STORAGE))
    assert "could not be stored" in alone.text("note")
    alone.touch("makeCode")
    assert isinstance(said[-1], NewCode)


def test_without_a_camera_the_door_runs_and_a_code_typed_on_keys_opens_it(place: Coded) -> None:
    door = place.starts("run", "--screen", "--source", "/dev/video97")
    hand = hand_at(place)
    hand.comes(lambda: hand.text("title") == "Out of service", 30)
    hand.touch("code")
    while not place.kinds():
        hand.types(f"{place.normal}\r")
        pause(1.5)
    assert place.kinds()[0] == ("unlock", "code")
    hand.close()
    door.terminate()
    assert "door codes open" in door.communicate(timeout=60)[1]


def test_the_page_leaves_by_itself_and_forgets_and_is_not_offered_where_codes_open_nothing(alone: Hand) -> None:
    hand = alone
    hand.bridge.take(HELLO)
    for state in (State.IDLE, State.NOT_RECOGNISED, State.LOOK_HERE, State.SERVICE, State.TRY_LATER):
        hand.bridge.take(Scene(state=state))
        assert hand.find("code") is not None, state
    hand.bridge.take(Scene(state=State.NOT_RECOGNISED))
    assert hand.text("line") == "Please type your door code, or ask at the desk."
    hand.touch("code")
    hand.types("1234567")
    assert hand.find("code_ok").property("on") is False
    hand.types("8")
    assert hand.find("code_ok").property("on") is True
    hand.presses("Escape")
    assert hand.page == "door"
    hand.touch("code")
    assert hand.find("code_ok").property("on") is False, "nothing of what was typed is left"
    hand.presses("Escape")
    hand.bridge.take(HELLO.model_copy(update={"code": False}))
    assert hand.find("code") is None
    assert hand.text("line") == "Please ring, or ask at the desk."


def test_a_screen_reader_hears_how_many_digits_there_are_and_not_which(alone: Hand) -> None:
    from PySide6.QtGui import QAccessible

    hand = alone
    hand.bridge.take(HELLO)
    hand.touch("code")
    hand.types("4711")
    names = {QAccessible.queryAccessibleInterface(item).text(QAccessible.Text.Name) for item in hand.items() if has_name(item)}
    assert "Digits entered: 4" in names
    assert {"1", "9", "OK", "Erase", "Door code"} <= names
    assert not [name for name in names if "4711" in name]


def has_name(item: object) -> bool:
    from PySide6.QtGui import QAccessible

    found = QAccessible.queryAccessibleInterface(item)  # type: ignore[arg-type]
    return found is not None and found.isValid()

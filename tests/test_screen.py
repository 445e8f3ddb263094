"""The screen as people use it: real QML, real clicks, a real door's process on the demonstration stream."""

import contextlib
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

try:
    import argon2  # noqa: F401
    import PySide6.QtQuick
    import PySide6.QtTest  # noqa: F401
except ImportError as error:
    pytest.skip(f"the screen needs .venv/bin/pip install -e '.[screen]': {error}", allow_module_level=True)

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QFontDatabase

from edge.assembly import build
from edge.assembly.desk import CONSENT
from edge.errors import EdgeError, SettingsError
from edge.screen.app import require_display
from edge.screen.bridge import window_of
from edge.screen.catalogue import LANGUAGES, messages, offered
from edge.screen.palette import LEAST, PARTS, STATES, contrast
from edge.screen.pictures import draw, silhouette
from edge.service.link import Enrolment, Hello, Hint, Person, Reply, Scene, State, Step, Trouble
from edge.settings import load_settings
from edge.stages import Stages
from tests.screen_kit import PIN, ROOT, Hand, Place, hand, pause, place

__all__ = ["hand", "place"]

QML = ROOT / "edge" / "screen" / "qml"
SIZES = [(1024, 600), (1280, 800), (1920, 1080), (600, 1024), (1080, 1920)]
HELLO = Hello(consent="1", pin=True, code=True)
ADA = Person(id="a" * 32, name="Ada Lovelace", enrolled="2026-01-01T00:00:00Z", references=1)


def test_every_colour_of_a_text_stands_out_from_its_ground() -> None:
    pairs = {name: (ground, ink) for name, (ground, *inks) in STATES.items() for ink in inks} | PARTS
    assert {name: round(contrast(*pair), 1) for name, pair in pairs.items() if contrast(*pair) < LEAST} == {}
    assert set(STATES) == {state.value for state in State}


@pytest.mark.parametrize(("a", "b", "ratio"), [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#123456", "#123456", 1.0)])
def test_contrast_is_that_of_wcag(a: str, b: str, ratio: float) -> None:
    assert contrast(a, b) == contrast(b, a) == pytest.approx(ratio, abs=0.01)


def sources() -> set[tuple[str, str]]:
    return {(path.stem, text) for path in QML.glob("*.qml") for text in re.findall(r'qsTr\("([^"]*)"\)', path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize(
    ("systems", "languages"),
    [
        ([QFontDatabase.WritingSystem.Latin, QFontDatabase.WritingSystem.SimplifiedChinese], ["en", "de", "es", "zh"]),
        ([QFontDatabase.WritingSystem.Latin, QFontDatabase.WritingSystem.Greek], ["en", "de", "es"]),
        ([QFontDatabase.WritingSystem.SimplifiedChinese], ["zh"]),
    ],
)
def test_a_language_is_offered_where_a_font_has_its_letters(systems: list[QFontDatabase.WritingSystem], languages: list[str]) -> None:
    assert list(offered(systems)) == languages


def test_the_door_s_page_has_a_button_for_each_language_that_is_offered(hand: Hand) -> None:
    here = offered(QFontDatabase.writingSystems())
    assert {name for name in LANGUAGES if hand.find(f"language_{name}") is not None} == set(here)


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_text_is_translated_and_no_translation_is_left_over(language: str) -> None:
    translated = messages(language)
    assert set(translated) == sources()
    assert [source for source, text in translated.items() if not text] == []
    assert [source for source, text in translated.items() if text.count("%") != source[1].count("%")] == []


def test_the_consent_text_has_the_version_that_the_door_asks_for_and_does_not_change_without_it() -> None:
    page = (QML / "ConsentPage.qml").read_text(encoding="utf-8")
    texts = "\n".join(re.findall(r'qsTr\("([^"]*)"\)', page))
    assert f'readonly property string version: "{CONSENT}"' in page
    known = {"1": "c0d0479de643fb7f"}
    assert known[CONSENT] == hashlib.sha256(texts.encode()).hexdigest()[:16], "raise the version in both places, and add it here"


def test_every_word_of_the_door_has_its_own_text() -> None:
    words = (QML / "Words.qml").read_text(encoding="utf-8")
    spoken = {word.value for kind in (State, Hint, Trouble) for word in kind} - {"idle", "service", "look", "defect"}
    assert [word for word in sorted(spoken) if f'case "{word}"' not in words] == []


@pytest.mark.parametrize(("text", "size"), [(None, None), ("1024x600", (1024, 600))])
def test_the_window_s_size_is_read(text: str | None, size: tuple[int, int] | None) -> None:
    assert window_of(text) == size


@pytest.mark.parametrize("text", ["", "x", "1024", "10x10", "1024x600x3", "99999x600", "-1x600"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(EdgeError, match="WIDTHxHEIGHT"):
        window_of(text)


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_every_state_has_its_own_ground_and_words(hand: Hand, state: State) -> None:
    hand.bridge.take(HELLO)
    hand.bridge.take(Scene(state=state, name="Ada" if state is State.WELCOME else None, trouble=Trouble.CAMERA))
    pause(0.1)
    picture = hand.window.grabWindow()
    assert picture.pixelColor(picture.width() - 3, 3).name() == STATES[state.value][0]
    assert hand.text("title")
    assert hand.text("who") == ("Ada" if state is State.WELCOME else "")


def test_without_a_door_the_screen_says_so_and_lets_nobody_unlock(hand: Hand) -> None:
    hand.bridge.start()
    pause(0.1)
    assert hand.text("title") == "Out of service"
    assert hand.find("operator") is None


def shown(hand: Hand) -> Iterator[str]:
    """Every page and step, one after the other."""
    hand.bridge.take(HELLO)
    for state in State:
        name = "Maximiliana Wolfeschlegelstein" if state is State.WELCOME else None
        hand.bridge.take(Scene(state=state, name=name, hints=(Hint.MORE_LIGHT,)))
        yield f"door {state.value}"
    for page in ("pin", "code", "menu", "consent", "people"):
        hand.window.setProperty("page", page)
        yield page
    page = hand.find("peoplePage")
    page.setProperty("chosen", {**ADA.model_dump(), "begins": "2027-01-01 08:30", "ends": "2027-12-31 18:30"})
    yield "person"
    page.setProperty("dating", True)
    yield "person dates"
    page.setProperty("dating", False)
    page.setProperty("coding", True)
    yield "person code"
    hand.bridge._code = "48210937"
    hand.bridge.coded.emit()
    yield "person code made"
    hand.bridge.forget_code()
    hand.window.setProperty("page", "enrol")
    for step in Step:
        facts = {"name": "Ada Lovelace", "begins": "2027-01-01", "ends": "2027-12-31"} if step is Step.SAVED else {}
        hand.bridge.take(Enrolment(step=step, samples=3, wanted=12, hint=Hint.MORE_LIGHT, twin="Ada Lovelace", **facts))
        yield f"enrol {step.value}"
    yield from dated(hand)


def dated(hand: Hand) -> Iterator[str]:
    """The dates of an enrolment, with every complaint about them, and the name's page with both."""
    hand.bridge.take(Enrolment(step=Step.READY))
    page = hand.find("enrolPage")
    for trouble in (Trouble.BAD_BEGIN, Trouble.BAD_END, Trouble.ENDS_FIRST, Trouble.ENDED):
        hand.bridge._asked[7] = "enrol_save"
        hand.bridge.take(Reply(id=7, trouble=trouble))
        yield f"enrol {trouble.value}"
    page.setProperty("begins", "2027-01-01")
    page.setProperty("ends", "2027-12-31")
    page.setProperty("dating", False)
    yield "enrol named"


def wrong_with(item: Any, size: tuple[int, int]) -> str:
    """What is wrong with an item of a screen of that size: cut off, outside, or too small for a finger; nothing: empty."""
    kind = item.metaObject().className().split("_QML")[0]
    if not item.isVisible() or not item.width() or kind not in ("Touch", "Corner", "Said", "QQuickText"):
        return ""
    corner = item.mapToScene(QPointF(0, 0))
    inside = -1 <= corner.x() <= size[0] + 1 - item.width() and -1 <= corner.y() <= size[1] + 1 - item.height()
    if kind in ("Said", "QQuickText"):
        cut = item.property("truncated") or item.property("paintedWidth") > item.width() + 2
        return f"'{item.property('text')}' is cut" if cut or not inside else ""
    small = min(item.width(), item.height()) < 48
    return (
        f"{item.objectName()} {item.width():.0f} x {item.height():.0f} at {corner.x():.0f}, {corner.y():.0f}" if small or not inside else ""
    )


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_on_every_screen_nothing_is_cut_off_and_every_target_is_large_enough(place: Place, size: tuple[int, int]) -> None:
    hand, wrong = Hand(place.settings, size), []
    for language in LANGUAGES:
        hand.bridge.choose(language)
        for where in shown(hand):
            pause(0.03)
            wrong += [f"{language} {where}: {found}" for item in hand.items() if (found := wrong_with(item, size))]
    hand.close()
    assert wrong == []


def test_a_whole_enrolment_by_touch_then_recognised_at_the_door_then_revoked(place: Place, hand: Hand) -> None:
    """Operator, PIN, consent, capture, name on the screen's keys, try it now, save; the same person comes again and is welcomed by name."""
    place.door()
    hand.bridge.start()
    hand.comes(lambda: hand.bridge.property("connected"), 30)
    hand.unlock()
    hand.touch("menu_enrol")
    assert not (place.folder / "gallery.db").exists() or stored(place) == 0
    hand.touch("agree")
    hand.comes(lambda: hand.bridge.property("enrolment")["step"] in ("ready", "failed"), 60)
    assert hand.bridge.property("enrolment")["step"] == "ready"
    for key in "ada":
        hand.touch(f"key_{key}")
    assert hand.text("name") == "Ada"
    hand.comes(lambda: tried(hand), 60)
    hand.touch("save")
    hand.comes(lambda: hand.text("saved") == "Ada is enrolled.")
    assert stored(place) == 1
    hand.touch("done")
    hand.touch("back")
    assert hand.page == "door"
    hand.comes(lambda: hand.text("who") == "Ada", 60)
    assert hand.text("title") == "Welcome"
    revoke_first(hand)
    hand.comes(lambda: stored(place) == 0)


def tried(hand: Hand) -> bool:
    """Try it now: recognised. The stream shows another person now and then, who is not, and is tried again."""
    answers = len(hand.answers)
    hand.touch("try")
    hand.comes(lambda: len(hand.answers) > answers, 30)
    return bool(hand.bridge.property("enrolment")["step"] == "tried")


def revoke_first(hand: Hand) -> None:
    """People, the first: two touches change the date until which she may pass, two more revoke."""
    hand.unlock()
    hand.touch("menu_people")
    hand.touch("person_0")
    hand.touch("endMonth")
    hand.comes(lambda: "The date is changed. Receipt" in hand.text("note") and hand.bridge.property("people")[0]["ends"] != "")
    hand.touch("person_0")
    assert hand.text("dates") == f"May pass until {hand.bridge.property('people')[0]['ends']}"
    hand.touch("revoke")
    hand.comes(lambda: "Revoked. Receipt" in hand.text("note"))
    assert "Ada" not in hand.text("note")


def stored(place: Place) -> int:
    with contextlib.closing(sqlite3.connect(place.folder / "gallery.db")) as db:
        return int(db.execute("SELECT count(*) FROM subjects").fetchone()[0])


def test_an_enrolment_that_is_cancelled_or_whose_screen_goes_leaves_nothing(place: Place, hand: Hand) -> None:
    door = place.door()
    hand.bridge.start()
    hand.comes(lambda: hand.bridge.property("connected"), 30)
    hand.unlock()
    hand.touch("menu_enrol")
    hand.touch("decline")
    assert hand.page == "menu"
    hand.touch("menu_enrol")
    hand.touch("agree")
    hand.comes(lambda: hand.bridge.property("enrolment")["step"] != "none")
    hand.touch("back")
    hand.comes(lambda: hand.bridge.property("enrolment")["step"] == "none")
    hand.touch("menu_enrol")
    hand.touch("agree")
    hand.comes(lambda: hand.bridge.property("enrolment")["step"] != "none")
    hand.bridge._link.close()
    hand.comes(lambda: hand.page == "door" and hand.bridge.property("connected"))
    assert hand.bridge.property("enrolment")["step"] == "none"
    assert stored(place) == 0
    assert door.poll() is None


def test_a_door_that_is_killed_in_the_middle_of_an_enrolment_has_stored_nothing_and_serves_the_next_one(place: Place, hand: Hand) -> None:
    for moment in (0.3, 1.5):
        door = place.door()
        hand.bridge.start()
        hand.comes(lambda: hand.bridge.property("connected"), 30)
        hand.unlock()
        hand.touch("menu_enrol")
        hand.touch("agree")
        hand.comes(lambda: hand.bridge.property("enrolment")["step"] == "capture")
        pause(moment)
        door.kill()
        hand.comes(lambda: hand.page == "door")
        assert stored(place) == 0


def test_a_wrong_pin_does_not_unlock_and_the_third_makes_wait(place: Place, hand: Hand) -> None:
    place.door()
    hand.bridge.start()
    hand.comes(lambda: hand.bridge.property("connected"), 30)
    hand.touch("operator")
    for attempt in range(3):
        hand.types("314159\r" if attempt else "314159")
        if not attempt:
            hand.touch("pin_ok")
        hand.comes(lambda: "not the PIN" in hand.text("note"))
        hand.find("note").setProperty("text", "")
    hand.types(PIN + "\r")
    hand.comes(lambda: "wait" in hand.text("note"))
    assert hand.page == "pin"


def test_the_screen_survives_the_door_s_death_at_any_moment_and_comes_back_by_itself(place: Place, hand: Hand) -> None:
    hand.bridge.start()
    random = np.random.default_rng(5)
    for _ in range(3):
        door = place.door()
        hand.comes(lambda: hand.bridge.property("connected"), 30)
        pause(float(random.uniform(0, 3)))
        door.kill()
        hand.comes(lambda: hand.bridge.property("trouble") == "away", 5)
        assert hand.text("title") == "Out of service"


def test_the_door_survives_the_screen_s_death_at_any_moment(place: Place) -> None:
    """Four screens are killed while the door watches; it sees its frames to the end."""
    door, random = place.door("--frames", "140"), np.random.default_rng(6)
    while door.poll() is None:
        screen = place.starts("screen", "--windowed", "1024x600")
        pause(float(random.uniform(0.2, 4)))
        screen.send_signal(signal.SIGKILL)
    said, complained = door.communicate()
    assert door.returncode == 0, complained
    assert json.loads(said.splitlines()[-1])["summary"]["frames"] == 140


def test_people_are_told_only_to_who_asks_and_are_forgotten_when_the_door_locks(hand: Hand) -> None:
    hand.bridge.take(HELLO)
    hand.bridge._asked[1] = "people"
    hand.bridge.take(Reply(id=1, people=(Person(id="a" * 32, name="Ada", enrolled="2026-01-01T00:00:00Z", references=1),)))
    assert [one["name"] for one in hand.bridge.property("people")] == ["Ada"]
    hand.bridge.lock()
    assert hand.bridge.property("people") == []


def test_the_documents_pictures_are_drawn_small_and_show_nobody(tmp_path: Path) -> None:
    drawn = draw(tmp_path)
    assert all(2_000 < path.stat().st_size <= 60_000 for path in drawn)
    assert {path.name for path in drawn} == {path.name for path in (ROOT / "docs").glob("screen-*.png")}
    picture = cv2.imdecode(np.frombuffer(silhouette(), np.uint8), cv2.IMREAD_COLOR)
    settings = load_settings(environment={})
    networks = build.Networks(settings)
    assert build.acquirer(settings, networks, Stages()).faces(picture) == []


@pytest.mark.parametrize("key", ["\r", " "])
def test_everything_can_be_done_by_keys_alone(hand: Hand, key: str) -> None:
    """Tab to the operator's lock, press; Tab through the PIN page goes round and comes back."""
    hand.bridge.take(HELLO)
    hand.bridge.take(Scene(state=State.IDLE))
    for _ in range(12):
        hand.presses("Tab")
        item = hand.window.activeFocusItem()
        if item is not None and item.objectName() == "operator":
            break
    hand.types(key)
    hand.comes(lambda: hand.page == "pin")
    hand.presses("Escape")
    hand.comes(lambda: hand.page == "door")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, r"\(QT_QPA_PLATFORM=, DISPLAY=, WAYLAND_DISPLAY=\): eglfs: .*; linuxfb: .*; with eglfs or linuxfb Qt draws .*: attach one"),
        ({"DISPLAY": ":77"}, r"\(QT_QPA_PLATFORM=, DISPLAY=:77, WAYLAND_DISPLAY=\): .*; start it from a terminal of the desktop"),
        ({"QT_QPA_PLATFORM": "nonsense"}, r"\(QT_QPA_PLATFORM=nonsense, .*; on a board without a desktop unset all three"),
    ],
    ids=["nothing", "no such display", "no such platform"],
)
def test_without_a_display_it_is_said_what_was_tried_and_the_way_out(place: Place, environment: dict[str, str], said: str) -> None:
    if not environment and any(Path("/dev/dri").glob("card*")):
        pytest.skip("this machine has a screen of its own")
    kept = {name: value for name, value in os.environ.items() if name not in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")}
    words = [sys.executable, "-m", "edge", "screen", "--config", str(place.config)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=place.folder, env={**kept, **environment, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 3
    assert re.match(f"error: screen: Qt found no display {said}", done.stderr)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("environment", "refuses", "chosen", "asked"),
    [
        ({}, [], "eglfs", ["eglfs"]),
        ({}, ["eglfs"], "linuxfb", ["eglfs", "linuxfb"]),
        ({"QT_QPA_PLATFORM": "vnc"}, [], "vnc", ["vnc"]),
        ({"DISPLAY": ":0"}, [], None, [""]),
        ({"WAYLAND_DISPLAY": "wayland-1"}, [], None, [""]),
        ({"QT_QPA_PLATFORM": "eglfs"}, ["eglfs"], SettingsError, ["eglfs"]),
        ({}, ["eglfs", "linuxfb"], SettingsError, ["eglfs", "linuxfb"]),
    ],
)
def test_without_a_desktop_the_way_that_opens_a_display_is_taken(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], refuses: list[str], chosen: Any, asked: list[str]
) -> None:
    """PySide6's wheel has eglfs without the library that it needs on a board; the frame buffer is there too."""
    tried: list[str] = []

    def refused(platform: str) -> str | None:
        tried.append(platform)
        return "no" if platform in refuses else None

    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if chosen is SettingsError:
        with pytest.raises(SettingsError, match="no; with eglfs or linuxfb"):
            require_display(refused)
    else:
        require_display(refused)
        assert os.environ.get("QT_QPA_PLATFORM") == chosen
    assert tried == asked


def test_each_new_state_is_told_to_the_program_that_makes_sounds(place: Place) -> None:
    heard = place.folder / "heard"
    program = place.folder / "sound"
    program.write_text(f'#!/bin/sh\necho "$1" >> {heard}\n')
    program.chmod(0o755)
    settings = place.settings
    hand = Hand(settings.model_copy(update={"screen": settings.screen.model_copy(update={"sound": str(program)})}))
    hand.bridge.take(HELLO)
    for state in (State.IDLE, State.LOOK_HERE, State.LOOK_HERE, State.WELCOME):
        hand.bridge.take(Scene(state=state))
        hand.comes(lambda state=state: heard.exists() and state.value in heard.read_text())
    assert heard.read_text().split() == ["idle", "look_here", "welcome"]
    hand.close()


def test_a_screen_that_reads_from_the_right_is_mirrored_and_nothing_is_cut_off(place: Place) -> None:
    hand, wrong = Hand(place.settings), []
    hand.app.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        for where in shown(hand):
            pause(0.03)
            wrong += [f"{where}: {found}" for item in hand.items() if (found := wrong_with(item, (1024, 600)))]
        hand.window.setProperty("page", "menu")
        pause(0.05)
        assert hand.find("back").mapToScene(QPointF(0, 0)).x() > 512, "the way back is on the right"
        hand.window.setProperty("page", "enrol")
        hand.find("enrolPage").setProperty("dating", True)
        pause(0.05)
        across = [hand.find(name).mapToScene(QPointF(0, 0)).x() for name in ("date_1", "date_2", "date_3", "firstDay")]
        assert across == sorted(across), "digits run from left to right, left of the fields"
    finally:
        hand.app.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
    hand.close()
    assert wrong == []

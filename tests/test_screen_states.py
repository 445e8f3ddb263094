"""Every state of the door on the screen: words in every language, icon, colour, sound, contrast as drawn, what a screen reader is told."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

try:
    import argon2  # noqa: F401
    import PySide6.QtQuick
    import PySide6.QtTest  # noqa: F401
except ImportError as error:
    pytest.skip(f"the screen needs .venv/bin/pip install -e '.[screen]': {error}", allow_module_level=True)

from PySide6.QtCore import QPointF
from PySide6.QtGui import QAccessible, QColor, QImage

from edge.screen.catalogue import LANGUAGES
from edge.screen.palette import LEAST, STATES, contrast
from edge.screen.sounds import NAMES
from edge.service.link import Building, Enrolment, Hello, Hint, Person, Preview, Reply, Scene, State, Step, Trouble
from edge.service.refusal import REASONS, place_of, publish
from tests.screen_kit import Hand, Place, hand, pause, place

__all__ = ["hand", "place"]

HELLO = Hello(consent="1", pin=True, code=True)
SILENT = {State.IDLE, State.CHECKING}  # on purpose: nobody is there, or an answer comes at once
ONES = [state for state in State if state is not State.SERVICE]
CONTROLS = ("Button", "EditableText", "Graphic", "Heading")
SIGNS = ("DE", "EN", "ES", "›", "…")  # what stands on a control that a screen reader is told by a word
FAULTS = [Trouble.CAMERA, Trouble.PLAN, Trouble.STORAGE, Trouble.GALLERY, Trouble.DEFECT]


def scenes() -> list[Scene]:
    """Every state, and of service every fault that a running door tells."""
    hints = {State.LOOK_HERE: (Hint.COME_NEARER,)}
    ones = [Scene(state=state, name="Ada" if state is State.WELCOME else None, hints=hints.get(state, ())) for state in ONES]
    return ones + [Scene(state=State.SERVICE, trouble=fault) for fault in FAULTS]


def said(hand: Hand) -> tuple[str, str]:
    return hand.text("title"), hand.text("line")


def test_every_state_has_words_of_its_own_in_every_language(hand: Hand) -> None:
    hand.bridge.take(HELLO)
    told: dict[str, list[tuple[str, str]]] = {}
    for language in LANGUAGES:
        hand.bridge.choose(language)
        for scene in scenes():
            hand.bridge.take(scene)
            told.setdefault(language, []).append(said(hand))
    assert all(len(set(words)) == len(words) for words in told.values()), "two states say the same"
    assert all(title for words in told.values() for title, _ in words)
    assert all([line for _, line in words].count("") == 2 for words in told.values()), "only idle and welcome need no line"
    for language in set(LANGUAGES) - {"en"}:
        pairs = list(zip(told[language], told["en"], strict=True))
        assert [ours for ours, english in pairs if ours[0] == english[0] or ours[1] == english[1] != ""] == [], f"{language} speaks English"


def kinds(hand: Hand) -> set[str]:
    """The icons seen."""
    return {item.property("kind") for item in hand.items() if item.metaObject().className().startswith("Icon") and item.isVisible()}


def test_every_state_has_an_icon_and_a_colour_of_its_own(hand: Hand) -> None:
    hand.bridge.take(HELLO)
    seen = {}
    for state in State:
        hand.bridge.take(Scene(state=state))
        (seen[state],) = kinds(hand) - {"lock"}
    assert {state.value for state in State} == set(seen.values())
    assert len({ground for ground, *_ in STATES.values()}) == len(State)


def test_every_state_has_a_sound_of_its_own_but_those_that_are_silent_on_purpose() -> None:
    assert {state.value for state in State} - {state.value for state in SILENT} == set(NAMES) - {"shutter"}


def test_sounds_are_played_once_a_change_and_the_shutter_with_each_sample(hand: Hand) -> None:
    played: list[str] = []
    hand.bridge._sound = played.append
    hand.bridge.take(HELLO)
    for state in (State.IDLE, State.LOOK_HERE, State.LOOK_HERE, State.CHECKING, State.DENIED, State.DENIED, State.SERVICE):
        hand.bridge.take(Scene(state=state))
    for samples in (0, 1, 1, 2):
        hand.bridge.take(Enrolment(step=Step.CAPTURE, samples=samples, wanted=12))
    assert played == ["idle", "look_here", "checking", "denied", "service", "shutter", "shutter"]


def drawn(picture: QImage, item: Any) -> float:
    """The contrast that a text has on the picture: of its strongest pixel against the ground beside it."""
    scale = picture.devicePixelRatio()
    corner = item.mapToScene(QPointF(0, 0))
    left, top = int(corner.x() * scale), int(corner.y() * scale)
    ground = picture.pixelColor(max(0, left - 3), top).name()
    pixels = {
        picture.pixelColor(x, y).name()
        for x in range(left, int(left + item.property("paintedWidth") * scale), 2)
        for y in range(top, int(top + item.property("paintedHeight") * scale))
    }
    return max(contrast(ground, QColor(pixel).name()) for pixel in pixels)


@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: (scene.trouble or scene.state).value)
def test_the_contrast_of_every_text_as_drawn_is_enough_to_be_read(hand: Hand, scene: Scene) -> None:
    hand.bridge.take(HELLO)
    hand.bridge.take(scene)
    pause(0.1)
    picture = hand.window.grabWindow()
    texts = [hand.find(name) for name in ("title", "who", "line") if hand.text(name)]
    assert texts
    assert [round(drawn(picture, item), 1) for item in texts if drawn(picture, item) < LEAST] == []


def test_readable_at_one_metre(hand: Hand) -> None:
    """0.5 degrees of sight are 8.7 mm at a metre: on a screen of 7 inches and 1024 pixels (0.15 mm each) a line of 58 pixels' size would be
    comfortable; 33 is what DIN 1450 asks for signs, five arc minutes of x height."""
    hand.bridge.take(HELLO)
    for scene in scenes():
        hand.bridge.take(scene)
        sizes = [hand.find(name).property("font").pixelSize() for name in ("title", "who", "line") if hand.text(name)]
        assert min(sizes) >= 33


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.value)
def test_a_door_that_did_not_start_is_told_by_the_reason_it_left_and_nobody_can_unlock(place: Place, hand: Hand, reason: Trouble) -> None:
    publish(place.settings.screen.socket, reason, shared=False)
    hand.bridge.start()
    hand.comes(lambda: hand.bridge.property("trouble") == reason.value, 5)
    assert hand.text("title") == "Out of service"
    assert "bell" in hand.text("line")
    assert hand.find("operator") is None
    place_of(place.settings.screen.socket).unlink()
    hand.comes(lambda: hand.bridge.property("trouble") == "away", 5)


def test_the_time_left_of_a_plan_is_told_in_every_language(hand: Hand) -> None:
    hand.bridge.take(HELLO)
    table = [
        (None, ""),
        (Building(part=1, parts=1, seconds=None), ""),
        (Building(part=1, parts=2, seconds=None), "1 2"),
        (Building(part=2, parts=2, seconds=240.0), "2 2 4"),
        (Building(part=1, parts=1, seconds=90.0), "90"),
        (Building(part=1, parts=1, seconds=120.0), "2"),
    ]
    for language in LANGUAGES:
        hand.bridge.choose(language)
        for building, numbers in table:
            hand.bridge.take(Scene(state=State.SERVICE, trouble=Trouble.PLAN, building=building))
            line = "".join(letter if letter.isdigit() else " " for letter in hand.text("line")).split()
            assert " ".join(line) == numbers, f"{language}: {hand.text('line')}"


def ended(process: "subprocess.Popen[str]") -> int:
    process.communicate(timeout=60)
    return process.returncode


def test_a_real_door_without_its_key_then_with_a_broken_gallery_says_so_on_the_screen(place: Place, hand: Hand) -> None:
    assert ended(place.door("--frames", "3")) == 0
    key, gallery = place.folder / "root.key", place.folder / "gallery.db"
    kept = key.read_bytes()
    key.unlink()
    hand.bridge.start()
    assert ended(place.door("--frames", "3")) == 7
    hand.comes(lambda: "key of this door" in hand.text("line"), 5)
    key.write_bytes(kept)
    key.chmod(0o600)
    whole = gallery.read_bytes()
    gallery.write_bytes(b"not a gallery " * 1_000)
    assert ended(place.door("--frames", "3")) == 6
    hand.comes(lambda: "altered or cannot be read" in hand.text("line"), 5)
    gallery.write_bytes(whole)
    place.door()
    hand.comes(lambda: hand.bridge.property("connected"), 30)
    assert not place_of(place.settings.screen.socket).exists(), "a door that runs takes the word back"


def test_a_real_door_whose_gallery_was_altered_runs_and_says_that_nobody_is_let_in(place: Place, hand: Hand) -> None:
    assert ended(place.door("--frames", "3")) == 0
    (place.folder / "gallery.db.head").write_bytes(b"something else")
    place.door()
    hand.bridge.start()
    hand.comes(lambda: "Nobody is let in" in hand.text("line"), 30)
    assert hand.bridge.property("connected")


def heard(interface: Any) -> list[tuple[str, str, bool]]:
    """What a screen reader finds of what is seen: role, name, whether a key reaches it."""
    found = []
    for number in range(interface.childCount()):
        child = interface.child(number)
        if child is None or child.state().invisible:
            continue
        found.append((child.role().name, child.text(QAccessible.Text.Name), bool(child.state().focusable)))
        found += heard(child)
    return found


def texts_seen(hand: Hand) -> Iterator[str]:
    for item in hand.items():
        if item.metaObject().className().split("_QML")[0] in ("Said", "QQuickText") and item.isVisible() and item.property("text"):
            yield str(item.property("text"))


def pages(hand: Hand) -> Iterator[str]:
    hand.bridge.take(HELLO)
    for scene in scenes():
        hand.bridge.take(scene)
        yield (scene.trouble or scene.state).value
    hand.bridge._asked[9] = "people"
    who = Person(id="a" * 32, name="Grace Hopper", enrolled="2026-01-01T00:00:00Z", references=1)
    for page in ("pin", "menu", "consent", "people"):
        hand.window.setProperty("page", page)
        hand.bridge.take(Reply(id=9, people=(who,), alike=("Ada", "Grace Hopper")))
        yield page
    hand.touch("person_0")
    yield "person"
    hand.touch("openDates")
    yield "person dates"
    hand.touch("back")
    hand.touch("openCode")
    yield "person code"
    hand.bridge._code = "48210937"
    hand.bridge.coded.emit()
    yield "person code made"
    hand.touch("codeDone")
    hand.window.setProperty("page", "enrol")
    hand.bridge.take(Preview())
    for step in Step:
        name, twin = "Ada" if step is Step.SAVED else None, "Ben" if step is Step.TWIN else None
        hand.bridge.take(Enrolment(step=step, samples=3, wanted=12, seconds=9, hint=Hint.LOOK, twin=twin, name=name))
        yield step.value
        if step is Step.READY:
            hand.touch("openDates")
            yield "dates"
            hand.touch("date_ok")


def test_a_screen_reader_is_told_all_that_is_seen_and_every_control_has_a_name(hand: Hand) -> None:
    QAccessible.setActive(True)
    unnamed, unheard = [], []
    for where in pages(hand):
        pause(0.05)
        found = heard(QAccessible.queryAccessibleInterface(hand.window))
        names = " ".join(name for _, name, _ in found)
        unnamed += [f"{where}: {role}" for role, name, _ in found if role in CONTROLS and not name.strip()]
        unheard += [f"{where}: {text}" for text in texts_seen(hand) if text not in names and text not in SIGNS]
        assert any(role == "Button" and key for role, _, key in found), f"{where}: no control can be reached by a key"
    assert (unnamed, unheard) == ([], [])

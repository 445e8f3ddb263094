"""Chinese by its sound: what is offered for the letters typed, and a name typed on the screen's own keys."""

import pytest

pytest.importorskip("pypinyin", reason="Chinese by its sound needs .venv/bin/pip install -e '.[chinese]'")
pytest.importorskip("PySide6.QtTest", reason="the screen needs .venv/bin/pip install -e '.[screen]'", exc_type=ImportError)

from edge.screen.pinyin import MOST, characters, plain, table
from edge.service.link import Enrolment, Hello, Step
from tests.screen_kit import Hand, hand, pause, place

__all__ = ["hand", "place"]


@pytest.mark.parametrize(
    ("reading", "typed"),
    [("zhōng", "zhong"), ("lǚ", "lv"), ("nüè", "nve"), ("ê̄", "e"), ("a", "a"), ("", ""), ("ㄅㄛ", ""), ("ḿ", "m")],
)
def test_a_reading_is_typed_without_its_tone(reading: str, typed: str) -> None:
    assert plain(reading) == typed


@pytest.mark.parametrize(
    ("letters", "wanted"),
    [
        *(("wang", "王"), ("li", "李"), ("zhang", "张"), ("liu", "刘"), ("chen", "陈"), ("yang", "杨"), ("zhao", "赵"), ("huang", "黄")),
        *(("zhou", "周"), ("wu", "吴"), ("xu", "徐"), ("lv", "吕"), ("ouyang"[:2], "欧"), ("xiao", "小"), ("ming", "明"), ("ting", "婷")),
        *(("huang", "黃"), ("chen", "陳"), ("xuan", "萱"), ("zeng", "曾"), ("ceng", "曾"), ("WANG", "王"), ("w", "王"), ("wan", "王")),
    ],
)
def test_a_character_of_a_name_is_among_those_offered(letters: str, wanted: str) -> None:
    assert wanted in characters(letters)


@pytest.mark.parametrize("letters", ["", "q9", "zzz", "王", "wangwang", " "])
def test_letters_that_are_no_syllable_offer_nothing(letters: str) -> None:
    assert characters(letters) == []


def test_common_characters_come_before_rare_ones_and_none_comes_twice() -> None:
    for syllable in table():
        found = characters(syllable)
        assert len(found) == len(set(found)) <= MOST
    assert characters("wang").index("王") < 12 < characters("wang").index("罔") + 3
    assert characters("huang").index("黄") < characters("huang").index("黃")
    assert characters("wang").index("王") < characters("wang").index("方"), "whose first reading is another"


def chosen(hand: Hand, letters: str, character: str) -> None:
    """Letters by touch, then the character, on whichever page of the choice it stands."""
    for letter in letters:
        hand.touch(f"key_{letter}")
    assert hand.text("typed") == letters
    for _ in range(20):
        for number in range(20):
            if hand.text(f"choice_{number}") == character:
                hand.touch(f"choice_{number}")
                return
        hand.touch("choice_more")
    raise AssertionError(f"{character} is not offered for {letters}")


def test_a_chinese_name_is_typed_by_touch(hand: Hand) -> None:
    hand.bridge.take(Hello(consent="1", pin=True))
    hand.bridge.choose("zh")
    hand.window.setProperty("page", "enrol")
    hand.bridge.take(Enrolment(step=Step.READY))
    pause(0.1)
    chosen(hand, "wang", "王")
    chosen(hand, "xiao", "小")
    chosen(hand, "ting", "婷")
    assert hand.text("name") == "王小婷"
    hand.touch("key_erase")
    assert hand.text("name") == "王小"
    hand.touch("key_m")
    hand.touch("key_i")
    hand.touch("key_erase")
    assert (hand.text("typed"), hand.text("name")) == ("m", "王小")
    hand.touch("key_space")
    assert hand.text("name") == "王小" + characters("m")[0], "the space takes the first"
    hand.touch("key_layer")
    assert hand.find("typed") is None
    hand.touch("key_a")
    assert hand.text("name").endswith("a") or hand.text("name").endswith("A")

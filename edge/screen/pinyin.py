"""Chinese names by their sound: letters of a Pinyin syllable -> characters. What sounds how is pypinyin's knowledge, where it is installed.

The order is that of the character sets: GB 2312 has the common characters in its first level, by their sound, and the rarer ones of names
in its second; Big5 adds the traditional forms. Within a level a character's first reading goes before its others.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
LONGEST = 6  # letters of a syllable: zhuang
MOST = 240  # characters offered at once


@lru_cache(maxsize=1)
def table() -> dict[str, str]:
    """Syllable -> characters, the most common first; empty where pypinyin is not installed."""
    try:
        from pypinyin.constants import PINYIN_DICT
    except ImportError:
        return {}
    ranked: dict[str, list[tuple[int, int, str]]] = {}
    for place, (level, character) in enumerate(_characters()):
        for number, reading in enumerate(PINYIN_DICT.get(ord(character), "").split(",")):
            if syllable := plain(reading):
                ranked.setdefault(syllable, []).append((level + (3 if number else 0), place, character))
    return {syllable: "".join(dict.fromkeys(one for _, _, one in sorted(found))) for syllable, found in ranked.items()}


def plain(reading: str) -> str:
    """A reading without its tone, as it is typed: zhōng -> zhong, lǚ -> lv. Empty for what is no syllable."""
    apart = unicodedata.normalize("NFD", reading.strip().replace("ê", "e")).replace("u\u0308", "v")
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return letters if letters and LETTERS.issuperset(letters) else ""


def characters(letters: str) -> list[str]:
    """What may be meant by the letters typed so far: the characters of that syllable, then those of syllables that begin with it."""
    typed = letters.lower()[:LONGEST]
    if not typed:
        return []
    found = table()
    later = sorted(syllable for syllable in found if syllable.startswith(typed) and syllable != typed)
    return list(dict.fromkeys(found.get(typed, "") + "".join(found[syllable] for syllable in later)))[:MOST]


def _characters() -> Iterator[tuple[int, str]]:
    """Every character with its level: 0 and 1 of GB 2312, 2 of Big5."""
    seen: set[str] = set()
    levels = ((0, "gb2312", range(0xB0, 0xD8)), (1, "gb2312", range(0xD8, 0xF8)), (2, "big5", range(0xA4, 0xFA)))
    for level, coding, rows in levels:
        for row in rows:
            for cell in range(0x40, 0xFF):
                try:
                    character = bytes((row, cell)).decode(coding)
                except UnicodeDecodeError:
                    continue
                if len(character) == 1 and character not in seen:
                    seen.add(character)
                    yield level, character

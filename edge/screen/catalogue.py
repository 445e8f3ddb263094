"""Translations: Qt's own .ts files, read as they are, so that nothing need be compiled and Qt Linguist can edit them."""

import xml.etree.ElementTree as xml
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QTranslator
from PySide6.QtGui import QFontDatabase

FOLDER = Path(__file__).parent / "i18n"
LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español", "zh": "中文"}
_WRITTEN = {"zh": QFontDatabase.WritingSystem.SimplifiedChinese}


def offered(systems: Iterable[QFontDatabase.WritingSystem]) -> dict[str, str]:
    """The languages, by their own names, whose letters the fonts at hand have: a choice of empty boxes helps nobody.

    systems: what ``QFontDatabase.writingSystems`` tells.
    """
    there = set(systems)
    return {name: own for name, own in LANGUAGES.items() if _WRITTEN.get(name, QFontDatabase.WritingSystem.Latin) in there}


def messages(language: str) -> dict[tuple[str, str], str]:
    """(context, source text) -> translation; empty for English, which is the source."""
    path = FOLDER / f"{language}.ts"
    if not path.exists():
        return {}
    tree = xml.parse(path)  # noqa: S314 - a file of this package, not of the network
    return {
        (context.findtext("name", ""), message.findtext("source", "")): message.findtext("translation", "")
        for context in tree.iter("context")
        for message in context.iter("message")
    }


class Catalogue(QTranslator):
    """One language for Qt. A text without a translation stays English."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._messages = messages(language)

    def isEmpty(self) -> bool:
        return not self._messages

    def translate(self, context: str, source: str, disambiguation: str | None = None, n: int = -1) -> str | None:
        """The text in this language; None where there is none (Qt then shows the source)."""
        return self._messages.get((context, source))

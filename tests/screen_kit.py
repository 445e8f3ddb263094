"""A screen to be clicked, and a door's process beside it: what the tests of the screen share."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pytest
from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer, qInstallMessageHandler
from PySide6.QtTest import QTest

from edge.screen.app import Screen, application
from edge.service.pin import set_pin
from edge.settings import Settings, load_settings

ROOT = Path(__file__).parent.parent
APPLICATION = application()  # held for all tests: without one, Qt's loops never end
PIN = "271828"
CONFIG = """[gallery]
path = "gallery.db"
[calibration]
path = "calibration.json"
[keys]
file = "root.key"
[screen]
socket = "s"
pin = "pin"
"""


def pause(seconds: float) -> None:
    """Lets Qt work for that long."""
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def until(what: Callable[[], object], seconds: float = 20.0) -> None:
    """Lets Qt work until that is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to pass"
        pause(0.02)


class Hand:
    """The screen in a window, and a finger."""

    def __init__(self, settings: Settings, size: tuple[int, int] = (1024, 600)) -> None:
        self.app = application()
        self.complaints: list[str] = []
        qInstallMessageHandler(lambda kind, where, text: self.complaints.append(f"{where.file}:{where.line}: {text}"))
        self.screen = Screen(settings, size)
        self.window, self.bridge = self.screen.window, self.screen.bridge
        self.window.setProperty("still", True)
        self.answers: list[tuple[str, str]] = []
        self.bridge.answered.connect(lambda command, trouble, seconds, receipt: self.answers.append((command, trouble)))

    def comes(self, what: Callable[[], object], seconds: float = 20.0) -> None:
        """Waits until that is so; a failure tells where the screen stands."""
        try:
            until(what, seconds)
        except AssertionError as error:
            facts = f"page {self.page}, {self.bridge.property('enrolment')}, note '{self.text('note')}', answers {self.answers}"
            raise AssertionError(f"{error}: {facts}") from None

    @property
    def page(self) -> str:
        return str(self.window.property("page"))

    def items(self) -> list[Any]:
        """Every item that is there, seen or not."""
        found, waiting = [], [self.window.contentItem()]
        while waiting:
            item = waiting.pop()
            found.append(item)
            waiting += item.childItems()
        return found

    def find(self, name: str) -> Any:
        """The visible item of that name; None where there is none."""
        return next((item for item in self.items() if item.objectName() == name and item.isVisible()), None)

    def text(self, name: str) -> str:
        item = self.find(name)
        return "" if item is None else str(item.property("text"))

    def touch(self, name: str) -> None:
        """A finger on the middle of that item."""
        self.comes(lambda: self.find(name) is not None)
        item = self.find(name)
        middle = item.mapToScene(QPointF(item.width() / 2, item.height() / 2)).toPoint()
        QTest.mouseClick(self.window, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(middle))
        pause(0.02)

    def types(self, text: str) -> None:
        """On a real keyboard."""
        for letter in text:
            QTest.sendText(self.window, letter) if not letter.isascii() else QTest.keyClick(self.window, letter)

    def presses(self, key: str) -> None:
        """A key by Qt's name: Tab, Escape."""
        QTest.keyClick(self.window, getattr(Qt.Key, f"Key_{key}"))
        pause(0.02)

    def unlock(self) -> None:
        self.touch("operator")
        for digit in PIN:
            self.touch(f"pin_{digit}")
        self.touch("pin_ok")
        self.comes(lambda: self.page == "menu")

    def close(self) -> None:
        self.screen.close()
        self.screen.engine.deleteLater()
        pause(0.05)
        qInstallMessageHandler(None)
        assert [text for text in self.complaints if ".qml" in text] == [], "QML has something to complain of"


class Place:
    """A folder with a door's configuration and a PIN; starts its process."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder, self.config = folder, folder / "door.toml"
        self.config.write_text(CONFIG + extra)
        set_pin(folder / "pin", PIN)
        self.settings = load_settings(self.config, {})
        self.started: list[subprocess.Popen[str]] = []

    def starts(self, *words: str) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "QT_QPA_PLATFORM": "offscreen"}
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", *words, "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=self.folder,
        )
        self.started.append(process)
        return process

    def door(self, *words: str) -> subprocess.Popen[str]:
        return self.starts("run", "--screen", "--source", "demo:live", "--json", *words)

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.close()


@pytest.fixture
def hand(place: Place) -> Iterator[Hand]:
    made = Hand(place.settings)
    yield made
    made.close()


__all__ = ["PIN", "ROOT", "Hand", "Place", "hand", "pause", "place", "until"]

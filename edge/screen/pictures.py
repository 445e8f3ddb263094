"""The pictures of the documents: `python -m edge.screen.pictures docs` draws them anew. They show nobody: the face is a drawn outline."""

import os
import sys
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QEventLoop, QIODevice, QMetaObject, QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QLinearGradient, QPainter, QPainterPath

from edge.errors import SettingsError
from edge.screen.app import Screen, application
from edge.service.link import Enrolment, Hello, Hint, Preview, Scene, State, Step, Turn
from edge.settings import load_settings

SIZE = (1024, 600)
SHOWN = QSize(640, 375)  # pixels, as they stand in the documents
SETTLE = 150  # milliseconds until a page is drawn
HELLO = Hello(consent="1", pin=True)
WITH_CODES = Hello(consent="1", pin=True, code=True)


def silhouette() -> bytes:
    """A JPEG of 320 x 240: head and shoulders of nobody."""
    image = QImage(320, 240, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    wall = QLinearGradient(QPointF(0, 0), QPointF(0, 240))
    wall.setColorAt(0, QColor("#b9c6d3"))
    wall.setColorAt(1, QColor("#8d9cab"))
    painter.fillRect(0, 0, 320, 240, wall)
    painter.setPen(Qt.PenStyle.NoPen)
    body = QPainterPath(QPointF(60, 240))
    body.cubicTo(QPointF(70, 168), QPointF(120, 182), QPointF(136, 166))
    body.lineTo(QPointF(184, 166))
    body.cubicTo(QPointF(200, 182), QPointF(250, 168), QPointF(260, 240))
    painter.fillPath(body, QColor("#44576b"))
    painter.setBrush(QColor("#56697d"))
    painter.drawEllipse(QRectF(112, 48, 96, 128))
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "JPG", 90)
    return bytes(buffer.data().data())


def draw(folder: Path) -> list[Path]:
    """Write the pictures into ``folder``; where they lie. Raises SettingsError if one cannot be written."""
    application()
    screen = Screen(load_settings(environment={"EDGE_SCREEN_SOCKET": os.devnull}), SIZE)
    screen.window.setProperty("still", True)
    take, shown = screen.bridge.take, []
    take(HELLO)
    take(Preview(), silhouette())
    filmed = Enrolment(step=Step.CAPTURE, samples=8, wanted=12, seconds=14, hint=Hint.TURN_A_LITTLE, turned=(Turn.LEFT, Turn.UP))
    for name, page, message in (
        ("look", "door", Scene(state=State.LOOK_HERE, hints=(Hint.COME_NEARER,))),
        ("welcome", "door", Scene(state=State.WELCOME, name="Ada Lovelace")),
        ("enrol", "enrol", filmed),
        ("name", "enrol", Enrolment(step=Step.READY)),
        ("dates", "enrol", Enrolment(step=Step.READY)),
        ("code", "code", WITH_CODES),
    ):
        screen.window.setProperty("page", page)
        take(message)
        if name == "dates":
            for button in ("openDates", "endYear"):
                _press(screen.window.contentItem(), button)
        shown.append(_save(screen, folder / f"screen-{name}.png"))
    screen.close()
    return shown


def _press(item: Any, name: str) -> None:
    """The button of that name within an item."""
    if item.objectName() == name and item.isVisible():
        QMetaObject.invokeMethod(item, "pressed")
    for child in item.childItems():
        _press(child, name)


def _save(screen: Screen, path: Path) -> Path:
    loop = QEventLoop()
    QTimer.singleShot(SETTLE, loop.quit)
    loop.exec()
    picture = screen.window.grabWindow().scaled(SHOWN, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    if not picture.save(str(path)):
        raise SettingsError(f"{path}: the picture cannot be written; name a folder that this user may write")
    return path


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    for each in draw(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(f"{each}: {each.stat().st_size // 1000} kB")

"""The screen's process: a window, QML in it, and the bridge to the door."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, Qt, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtQml import QQmlApplicationEngine

from edge.errors import SettingsError
from edge.screen.bridge import Bridge, window_of
from edge.screen.catalogue import Catalogue
from edge.screen.sounds import Sounds
from edge.service.link import ScreenLink
from edge.settings import Settings

DIRECT = ("eglfs", "linuxfb")  # Qt's ways to a screen without a desktop: by the GPU, and into the frame buffer, which every display has
DISPLAYS = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
ATTACH = (
    "with eglfs or linuxfb Qt draws on the board's own screen: attach one, and have this user in the groups video and render; on a desktop "
    "start it from a terminal there, so that DISPLAY or WAYLAND_DISPLAY is set"
)
UNSET = (
    "start it from a terminal of the desktop, so that DISPLAY or WAYLAND_DISPLAY is set and QT_QPA_PLATFORM is not; on a board without "
    "a desktop unset all three, and Qt draws on its own screen (eglfs, else linuxfb)"
)
MAIN = Path(__file__).parent / "qml" / "Main.qml"


class Screen:
    """The window and what moves it; the application must exist. size: of a window in pixels, None for the whole screen."""

    def __init__(self, settings: Settings, size: tuple[int, int] | None) -> None:
        self._catalogue: Catalogue | None = None
        self.engine = QQmlApplicationEngine()
        ours = settings.screen
        self.sounds = Sounds(ours.volume, ours.sound_folder)
        self.bridge = Bridge(ScreenLink(ours.socket), self.sounds.play, ours.sound, self.speak, ours.language)
        self.bridge.setParent(self.engine)  # QML must go before what it reads
        self.engine.addImageProvider("preview", self.bridge.provider)
        self.engine.rootContext().setContextProperty("door", self.bridge)
        self.speak(settings.screen.language)
        self.engine.load(QUrl.fromLocalFile(str(MAIN)))
        if not self.engine.rootObjects():
            raise SettingsError(f"{MAIN}: Qt could not load the screen; install a complete PySide6: .venv/bin/pip install -e '.[screen]'")
        self.window: Any = self.engine.rootObjects()[0]
        if size is None:
            self.window.showFullScreen()
        else:
            self.window.resize(*size)
            self.window.show()

    def close(self) -> None:
        """Close the window, let go of the door, and of Qt's texts."""
        self.window.close()
        self.bridge.stop()
        self.sounds.close()
        if self._catalogue is not None:
            QCoreApplication.removeTranslator(self._catalogue)
        self._catalogue = None

    def speak(self, language: str) -> None:
        """All texts in another language."""
        if self._catalogue is not None:
            QCoreApplication.removeTranslator(self._catalogue)
        self._catalogue = Catalogue(language)
        QCoreApplication.installTranslator(self._catalogue)
        self.engine.retranslate()


def application() -> Any:
    """Qt's application, made once a process. Raises SettingsError where Qt finds no display."""
    return QGuiApplication.instance() or _made()


def _made() -> QGuiApplication:
    if os.environ.get("QT_QPA_PLATFORM") != "offscreen":  # which needs none
        require_display(refusal)
    return QGuiApplication(sys.argv[:1])


def require_display(refused: Callable[[str], str | None]) -> None:
    """Chooses QT_QPA_PLATFORM where there is neither X nor Wayland and nobody has said: the first of DIRECT that opens a display.

    refused: why Qt cannot open one by a platform ("": as the environment says), or None. Raises SettingsError where none can be opened.
    """
    chosen = os.environ.get("QT_QPA_PLATFORM", "")
    ways = (chosen,) if any(os.environ.get(name) for name in DISPLAYS) else DIRECT
    reasons: list[str] = []
    for way in ways:
        reason = refused(way)
        if reason is None:
            if way:
                os.environ["QT_QPA_PLATFORM"] = way
            return
        reasons.append(reason if way == chosen else f"{way}: {reason}")
    found = ", ".join(f"{name}={os.environ.get(name, '')}" for name in DISPLAYS)
    raise SettingsError(f"screen: Qt found no display ({found}): {'; '.join(reasons)}; {ATTACH if ways[0] in DIRECT else UNSET}")


def refusal(platform: str) -> str | None:
    """Tries in another process whether Qt can open a display: where it cannot, Qt ends the process it is in. None: it can; else why not."""
    trial = "from PySide6.QtGui import QGuiApplication; raise SystemExit(not QGuiApplication([]).screens())"  # linuxfb opens without one
    core = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"  # its end is expected
    environment = {**os.environ, **({"QT_QPA_PLATFORM": platform} if platform else {})}
    done = subprocess.run([sys.executable, "-c", f"{core}; {trial}"], capture_output=True, text=True, errors="replace", env=environment)
    if done.returncode == 0:
        return None
    return next((line.strip() for line in done.stderr.splitlines() if line.strip()), f"it ended with {done.returncode}")


def run(settings: Settings, windowed: str | None) -> int:
    """Show the screen until it is closed; the exit code."""
    size = window_of(windowed)
    app = application()
    if size is None:
        app.setOverrideCursor(Qt.CursorShape.BlankCursor)
    screen = Screen(settings, size)
    screen.bridge.start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: app.quit())
    code = app.exec()
    screen.close()
    return int(code)

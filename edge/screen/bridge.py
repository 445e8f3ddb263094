"""Between link and QML: what the door says as properties, what is touched as commands."""

import datetime
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Property, QObject, QProcess, QSize, QTimer, Signal, Slot
from PySide6.QtGui import QFontDatabase, QImage
from PySide6.QtQuick import QQuickImageProvider

from edge.screen.catalogue import LANGUAGES, offered
from edge.screen.palette import facts
from edge.screen.pinyin import characters, table
from edge.service.link import (
    Command,
    Dates,
    EnrolAbort,
    EnrolConfirm,
    Enrolment,
    EnrolSave,
    EnrolStart,
    EnrolTry,
    EnterCode,
    Hello,
    Limit,
    LinkError,
    ListPeople,
    Lock,
    NewCode,
    Preview,
    Renew,
    Reply,
    Revoke,
    Scene,
    ScreenLink,
    State,
    Step,
    Told,
    Trouble,
    Unlock,
)

PACE = 30  # milliseconds between two looks at the link
LOOK = 900  # milliseconds between two looks for the word of a door that refused to start
AWAY = "away"  # the trouble shown while the door is not there


class PreviewProvider(QQuickImageProvider):
    """The newest preview, for QML's Image."""

    def __init__(self) -> None:
        super().__init__(QQuickImageProvider.ImageType.Image)
        self.image = QImage(1, 1, QImage.Format.Format_RGB32)
        self.image.fill(0)

    def requestImage(self, identity: str, size: QSize, requested: QSize) -> QImage:
        """Called by Qt in its own thread or this one."""
        return self.image


class Bridge(QObject):
    """One object for all of QML. play: begins a sound by name. program: called with each new state, if it is not empty. speak: is called
    with a language's code to change the texts."""

    changed = Signal()
    pictured = Signal()
    answered = Signal(str, str, float, str)  # command, trouble ("" is done), seconds to wait, receipt
    listed = Signal()
    coded = Signal()

    def __init__(self, link: ScreenLink, play: Callable[[str], None], program: str, speak: Callable[[str], None], language: str) -> None:
        super().__init__()
        self._link, self._sound, self._program, self._speak, self._language = link, play, program, speak, language
        self.provider = PreviewProvider()
        self._scene = Scene(state=State.SERVICE)
        self._enrolment = Enrolment(step=Step.NONE)
        self._hello: Hello | None = None
        self._refusal: Trouble | None = None
        self._next_look = 0
        self._picture, self._face = 0, (0.0, 0.0, 0.0, 0.0)
        self._asked: dict[int, str] = {}
        self._people: list[dict[str, Any]] = []
        self._coding, self._code = 0, ""  # the command whose answer may be shown, and the door code in it
        self._more = False
        self._alike: tuple[str, str] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(PACE)
        self._timer.timeout.connect(self.poll)

    def start(self) -> None:
        """Begin to look at the link."""
        self._timer.start()

    def stop(self) -> None:
        """Look no more, and hang up."""
        self._timer.stop()
        self._link.close()

    @Slot()
    def poll(self) -> None:
        """Take what the door has said."""
        for message, picture in self._link.poll():
            self.take(message, picture)
        if self._hello is not None and not self._link.connected:
            self._hello, self._enrolment = None, Enrolment(step=Step.NONE)
            self._asked.clear()
            self._set_people()
            self.forget_code()
            self.answered.emit("gone", "", 0.0, "")
            self.changed.emit()
        if self._hello is None:
            self._look()

    def _look(self) -> None:
        """About once a second, while the door is not there: has it left a word why?"""
        self._next_look -= 1
        if self._next_look <= 0:
            self._next_look = LOOK // PACE
            found = self._link.refusal()
            if found is not self._refusal:
                self._refusal = found
                self.changed.emit()

    def take(self, message: Told, picture: bytes = b"") -> None:
        """One message of the door."""
        if isinstance(message, Preview):
            self._take_picture(message, picture)
        elif isinstance(message, Reply):
            self._take_reply(message)
        else:
            before = self.state
            if isinstance(message, Hello):
                self._hello, self._refusal = message, None
            elif isinstance(message, Scene):
                self._scene = message
            else:
                if message.step is Step.CAPTURE and message.samples > self._enrolment.samples:
                    self._sound("shutter")
                self._enrolment = message
            if self.state != before:
                self._play(str(self.state))
            self.changed.emit()

    def _take_picture(self, message: Preview, picture: bytes) -> None:
        image = QImage.fromData(picture, "JPG")
        if not image.isNull():
            self.provider.image = image
            self._face = message.face or (0.0, 0.0, 0.0, 0.0)
            self._picture += 1
            self.pictured.emit()

    def _take_reply(self, reply: Reply) -> None:
        asked = self._asked.pop(reply.id, "")
        if asked == "people" and reply.trouble is None:
            self._set_people(tuple(person.model_dump() for person in reply.people), reply.more, reply.alike or self._alike)
        if reply.code is not None and asked == "new_code" and reply.id == self._coding:
            self._code = reply.code
            self.coded.emit()
        if reply.trouble is Trouble.LOCKED:
            self.forget_code()
        self.answered.emit(asked, reply.trouble.value if reply.trouble else "", reply.seconds, reply.receipt or "")

    def _set_people(self, people: tuple[dict[str, Any], ...] = (), more: bool = False, alike: tuple[str, str] | None = None) -> None:
        self._people, self._more, self._alike = list(people), more, alike
        self.listed.emit()

    def _play(self, state: str) -> None:
        """The state's sound, and a program of the owner's choice, told the state."""
        self._sound(state)
        if self._program:
            QProcess.startDetached(self._program, [state])

    # what QML reads
    @Property(bool, notify=changed)
    def connected(self) -> bool:
        return self._hello is not None

    @Property(bool, notify=changed)
    def pinSet(self) -> bool:
        return self._hello is not None and self._hello.pin

    @Property(bool, notify=changed)
    def codes(self) -> bool:
        return self._hello is not None and self._hello.code

    @Property(int, notify=changed)
    def days(self) -> int:
        """For which somebody new may pass where no end is typed; 0: without limit."""
        return self._hello.days if self._hello else 0

    @Property(str, notify=changed)
    def state(self) -> str:
        return self._scene.state.value if self._hello else State.SERVICE.value

    @Property(str, notify=changed)
    def name(self) -> str:
        return self._scene.name or "" if self._hello else ""

    @Property(str, notify=changed)
    def hint(self) -> str:
        return self._scene.hints[0].value if self._scene.hints else ""

    @Property(str, notify=changed)
    def trouble(self) -> str:
        if self._hello is None:
            return self._refusal.value if self._refusal else AWAY
        return self._scene.trouble.value if self._scene.trouble else ""

    @Property("QVariantMap", notify=changed)
    def building(self) -> dict[str, Any]:
        """part, parts, seconds (-1: unknown) of a plan being built; empty: none is, or nobody knows."""
        building = self._scene.building if self._hello else None
        if building is None:
            return {}
        return {"part": building.part, "parts": building.parts, "seconds": -1 if building.seconds is None else building.seconds}

    @Property("QVariantMap", notify=changed)
    def enrolment(self) -> dict[str, Any]:
        return {key: "" if value is None else value for key, value in self._enrolment.model_dump(mode="json").items()}

    @Property(int, notify=pictured)
    def picture(self) -> int:
        return self._picture

    @Property("QVariantList", notify=pictured)
    def face(self) -> list[float]:
        return list(self._face)

    @Property("QVariantList", notify=listed)
    def people(self) -> list[dict[str, Any]]:
        return self._people

    @Property(bool, notify=listed)
    def more(self) -> bool:
        return self._more

    @Property("QVariantList", notify=listed)
    def alike(self) -> list[str]:
        return list(self._alike or ())

    @Property(str, notify=coded)
    def madeCode(self) -> str:
        """A door code that was made a moment ago; empty: none."""
        return self._code

    @Property("QVariantMap", constant=True)
    def colours(self) -> dict[str, Any]:
        return facts()

    @Property("QVariantMap", constant=True)
    def languages(self) -> dict[str, str]:
        """What may be chosen here, by its own name."""
        return offered(QFontDatabase.writingSystems())

    @Property(str, notify=changed)
    def language(self) -> str:
        return self._language

    @Property(bool, constant=True)
    def pinyin(self) -> bool:
        """Whether Chinese can be typed by its sound."""
        return bool(table())

    @Slot(str, result="QVariantList")
    def hanzi(self, letters: str) -> list[str]:
        """The characters that these letters may stand for."""
        return characters(letters)

    @Slot(int, result=str)
    def day(self, days: int) -> str:
        """The local day so many days from today, as the door reads it."""
        return (datetime.date.today() + datetime.timedelta(days=days)).isoformat()

    # what QML does
    @Slot(str)
    def choose(self, language: str) -> None:
        """Another language, for everybody who comes until it is changed again."""
        if language in LANGUAGES:
            self._language = language
            self._speak(language)
            self.changed.emit()

    @Slot(str)
    def unlock(self, pin: str) -> None:
        self._ask(Unlock, pin=pin)

    @Slot(str)
    def enter_code(self, code: str) -> None:
        self._ask(EnterCode, code=code)

    @Slot()
    def lock(self) -> None:
        self._set_people()
        self.forget_code()
        self._ask(Lock)

    @Slot(str)
    def start_enrolment(self, consent: str) -> None:
        self._ask(EnrolStart, consent=consent)

    @Slot(bool)
    def confirm(self, same: bool) -> None:
        self._ask(EnrolConfirm, same=same)

    @Slot()
    def try_now(self) -> None:
        self._ask(EnrolTry)

    @Slot(str, str, str)
    def save(self, name: str, begins: str, ends: str) -> None:
        """begins, ends: as typed; empty: not typed."""
        self._ask(EnrolSave, name=name.strip() or None, begins=begins or None, ends=ends or None)

    @Slot()
    def abort(self) -> None:
        self._ask(EnrolAbort)

    @Slot(str, int)
    def list_people(self, search: str, page: int) -> None:
        self._ask(ListPeople, search=search[:64], page=page)

    @Slot(str)
    def revoke(self, subject: str) -> None:
        self._ask(Revoke, subject=subject)

    @Slot(str)
    def renew(self, subject: str) -> None:
        self._ask(Renew, subject=subject)

    @Slot(str, int)
    def limit(self, subject: str, days: int) -> None:
        """days: from today; below 0: without end."""
        self._ask(Limit, subject=subject, days=days if days >= 0 else None)

    @Slot(str, str, str)
    def set_dates(self, subject: str, begins: str, ends: str) -> None:
        """begins, ends: as typed; empty: no limit."""
        self._ask(Dates, subject=subject, begins=begins or "none", ends=ends or "none")

    @Slot(str)
    def new_code(self, subject: str) -> None:
        """Its answer is in ``madeCode``, unless ``forget_code`` comes first."""
        self.forget_code()
        self._coding = self._ask(NewCode, subject=subject)

    @Slot()
    def forget_code(self) -> None:
        """A door code is shown no more, and one that is still on its way is not."""
        self._coding, self._code = 0, ""
        self.coded.emit()

    def _ask(self, kind: Callable[..., Command], **facts: Any) -> int:
        """Say a command; its number. What cannot be said is answered here, as the door would."""
        number = self._link.next_id()
        try:
            command = kind(id=number, **facts)
            said = self._link.send(command)
        except (ValueError, LinkError):
            self.answered.emit("", "name", 0.0, "")
            return number
        if said:
            self._asked[number] = command.do
        else:
            self.answered.emit(command.do, AWAY, 0.0, "")
        return number


def window_of(text: str | None) -> tuple[int, int] | None:
    """ "1024x600" -> width, height in pixels; None: the whole screen. Raises LinkError for anything else."""
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 320 <= int(width) <= 7680 and 320 <= int(height) <= 7680):
        raise LinkError(f"--windowed {text}: expected WIDTHxHEIGHT in pixels, as in 1024x600")
    return int(width), int(height)

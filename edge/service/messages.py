"""What door and screen say to each other, byte by byte, and the strict reader of it.

A message is a header of 12 bytes, "EL", version, zero, length of the text, length of the picture (both big-endian, 32 bits), then the text
(JSON, UTF-8), then the picture (JPEG, in a preview only). Anything else ends the connection. No score, key or code of a face has a place
here; a door code has two: the one that is typed, and the answer to the operator who has one made.
"""

import struct
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.errors import EdgeError

VERSION = 2
MAGIC = b"EL"
HEADER = struct.Struct(">2sBBII")
SAME = "install the same release on both sides"
MOST_TEXT = 16_384  # bytes of text that the door says at once
MOST_PICTURE = 65_536  # bytes of one preview
MOST_ASKED = 2_048  # bytes of text that the screen says at once
PAGE = 20  # people told at once

Name = Annotated[str, Field(min_length=1, max_length=64)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Share = Annotated[float, Field(ge=-10, le=10)]
SubjectId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Time = Annotated[str, Field(max_length=32)]
Typed = Annotated[str, Field(max_length=32)]  # a date as an operator typed it; the door reads it, and says what is wrong with it
Days = Annotated[int, Field(ge=0, le=36_500)]


class LinkError(EdgeError):
    """Door and screen cannot speak: no socket, or the other side says what is no message."""

    exit_code = 13


class State(str, Enum):
    """What the door shows."""

    IDLE = "idle"
    LOOK_HERE = "look_here"
    CHECKING = "checking"
    WELCOME = "welcome"
    NOT_RECOGNISED = "not_recognised"
    DENIED = "denied"
    TRY_LATER = "try_later"
    SERVICE = "service"


class Hint(str, Enum):
    """One thing that the person in front of the camera can do."""

    LOOK = "look"
    SHOW_FACE = "show_face"
    ONE_PERSON = "one_person"
    COME_NEARER = "come_nearer"
    STEP_BACK = "step_back"
    MOVE_LEFT = "move_left"
    MOVE_RIGHT = "move_right"
    MOVE_UP = "move_up"
    MOVE_DOWN = "move_down"
    FACE_CAMERA = "face_camera"
    HOLD_UPRIGHT = "hold_upright"
    MORE_LIGHT = "more_light"
    LESS_LIGHT = "less_light"
    HOLD_STILL = "hold_still"
    TURN_A_LITTLE = "turn_a_little"


class Turn(str, Enum):
    """Where a head was turned to, by the person's own left and right."""

    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


class Trouble(str, Enum):
    """Why something is not to be had."""

    CAMERA = "camera"
    PLAN = "plan"
    STORAGE = "storage"
    KEY = "key"
    GALLERY = "gallery"
    NETWORK = "network"
    SETTINGS = "settings"
    DEFECT = "defect"
    BUSY = "busy"
    LOCKED = "locked"
    NO_PIN = "no_pin"
    WRONG_PIN = "wrong_pin"
    WAIT = "wait"
    CONSENT = "consent"
    NO_SAMPLES = "no_samples"
    INCONSISTENT = "inconsistent"
    NOT_ALIKE = "not_alike"
    NAME = "name"
    NAME_TAKEN = "name_taken"
    BAD_BEGIN = "bad_begin"
    BAD_END = "bad_end"
    ENDS_FIRST = "ends_first"
    ENDED = "ended"
    NO_SUBJECT = "no_subject"
    NOT_LET_IN = "not_let_in"
    OUT_OF_ORDER = "out_of_order"


class Step(str, Enum):
    """Where an enrolment stands. READY: captured and checked, the name is wanted. TWIN: looks like somebody enrolled."""

    NONE = "none"
    CAPTURE = "capture"
    TWIN = "twin"
    READY = "ready"
    TRYING = "trying"
    TRIED = "tried"
    SAVED = "saved"
    FAILED = "failed"


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Hello(_Message):
    """The door's first word.

    consent: version of the consent text that it accepts. pin: whether an operator's PIN is set. code: whether door codes open. days: for
    which somebody new may pass where no end is typed; 0: without limit.
    """

    type: Literal["hello"] = "hello"
    consent: Annotated[str, Field(max_length=32)]
    pin: bool
    code: bool = False
    days: Days = 0


class Building(_Message):
    """A plan is being built, for network ``part`` of ``parts``. seconds: left of this part, about, in steps; None: nobody knows yet."""

    part: Count
    parts: Count
    seconds: Seconds | None = None


class Scene(_Message):
    """What to show. name: only with WELCOME, and never in privacy mode. hints: what to do, the first first. trouble: with SERVICE.

    building: with trouble PLAN, how far it is.
    """

    type: Literal["scene"] = "scene"
    state: State
    name: Name | None = None
    hints: Annotated[tuple[Hint, ...], Field(max_length=4)] = ()
    trouble: Trouble | None = None
    building: Building | None = None


class Preview(_Message):
    """A small picture, in the bytes after the text. face: left, top, right, bottom of the face as shares of width and height."""

    type: Literal["preview"] = "preview"
    face: tuple[Share, Share, Share, Share] | None = None


class Enrolment(_Message):
    """How far an enrolment is.

    samples of wanted; turned: the ways in which the head was turned in them. seconds: left of the capture. twin: who is enrolled and looks
    alike (step TWIN). begins, ends: between which days or times who was saved may pass, as in Person.
    """

    type: Literal["enrolment"] = "enrolment"
    step: Step
    samples: Count = 0
    wanted: Count = 0
    seconds: Seconds = 0.0
    hint: Hint | None = None
    turned: Annotated[tuple[Turn, ...], Field(max_length=4)] = ()
    twin: Name | None = None
    name: Name | None = None
    begins: Time = ""
    ends: Time = ""
    trouble: Trouble | None = None


class Person(_Message):
    """One line of the list.

    enrolled, seen (identified last; empty: not lately): ISO 8601, UTC. begins, ends: local days or times between which the person may pass,
    the end included; empty: no limit. phase: where this moment lies to them.
    """

    id: SubjectId
    name: Name
    enrolled: Time
    seen: Time = ""
    references: Count
    begins: Time = ""
    ends: Time = ""
    phase: Literal["valid", "not_yet_valid", "expired"] = "valid"


class Reply(_Message):
    """The answer to the command of that number.

    trouble: why not; None: done. seconds: to wait. people, more: a page of the list, and whether another follows. alike: two people whom
    the door may take for one another. receipt: of a revocation or renewal. code: a door code made anew, told this once.
    """

    type: Literal["reply"] = "reply"
    id: Count
    trouble: Trouble | None = None
    seconds: Seconds = 0.0
    people: Annotated[tuple[Person, ...], Field(max_length=PAGE)] = ()
    more: bool = False
    alike: tuple[Name, Name] | None = None
    receipt: Annotated[str, Field(max_length=200)] | None = None
    code: str | None = Field(default=None, pattern=r"^[0-9]{8}$", repr=False)


class _Command(_Message):
    id: Count


class Unlock(_Command):
    do: Literal["unlock"] = "unlock"
    pin: Annotated[str, Field(min_length=1, max_length=64, repr=False)]


class EnterCode(_Command):
    """Somebody at the door types a door code; needs no operator. The answer is the same for every code that does not open."""

    do: Literal["code"] = "code"
    code: Annotated[str, Field(pattern=r"^[0-9]{8}$", repr=False)]


class Lock(_Command):
    do: Literal["lock"] = "lock"


class EnrolStart(_Command):
    """The subject has agreed to the consent text of that version."""

    do: Literal["enrol_start"] = "enrol_start"
    consent: Annotated[str, Field(max_length=32)]


class EnrolConfirm(_Command):
    """Of an alike subject: same is that person (renew), otherwise somebody else who looks alike."""

    do: Literal["enrol_confirm"] = "enrol_confirm"
    same: bool


class EnrolTry(_Command):
    do: Literal["enrol_try"] = "enrol_try"


class EnrolSave(_Command):
    """Store what was captured.

    name: None keeps that of the subject who is renewed, and whose dates stay. begins, ends: as `edge enrol --from --until` takes them,
    local; None: not typed.
    """

    do: Literal["enrol_save"] = "enrol_save"
    name: Name | None = None
    begins: Typed | None = None
    ends: Typed | None = None


class EnrolAbort(_Command):
    do: Literal["enrol_abort"] = "enrol_abort"


class ListPeople(_Command):
    do: Literal["people"] = "people"
    search: Annotated[str, Field(max_length=64)] = ""
    page: Count = 0


class Revoke(_Command):
    do: Literal["revoke"] = "revoke"
    subject: SubjectId


class Renew(_Command):
    do: Literal["renew"] = "renew"
    subject: SubjectId


class Limit(_Command):
    """The person may pass to the end of the day so many days from today; None: without end."""

    do: Literal["limit"] = "limit"
    subject: SubjectId
    days: Days | None = None


class Dates(_Command):
    """Between which dates the person may pass, as `edge validity --from --until` takes them; what is not typed stays."""

    do: Literal["dates"] = "dates"
    subject: SubjectId
    begins: Typed | None = None
    ends: Typed | None = None


class NewCode(_Command):
    """Make a door code for the person, in place of the one there was; it is told once, in the answer."""

    do: Literal["new_code"] = "new_code"
    subject: SubjectId


Command = (
    Unlock
    | EnterCode
    | Lock
    | EnrolStart
    | EnrolConfirm
    | EnrolTry
    | EnrolSave
    | EnrolAbort
    | ListPeople
    | Revoke
    | Renew
    | Limit
    | Dates
    | NewCode
)
Told = Hello | Scene | Preview | Enrolment | Reply

_ASKED: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="do")])
_TOLD: TypeAdapter[Told] = TypeAdapter(Annotated[Told, Field(discriminator="type")])


def packed(message: Told | Command, picture: bytes = b"") -> bytes:
    """The bytes of one message. Raises LinkError for what the other side would refuse."""
    text = message.model_dump_json(exclude_defaults=False).encode()
    if len(text) > MOST_TEXT or len(picture) > MOST_PICTURE:
        raise LinkError(f"message of {len(text)} + {len(picture)} bytes: at most {MOST_TEXT} + {MOST_PICTURE} fit; say less at once")
    return HEADER.pack(MAGIC, VERSION, 0, len(text), len(picture)) + text + picture


class Reader:
    """Bytes as they come -> whole messages. Holds at most one message; refuses by the header what would be larger."""

    def __init__(self, most_text: int, most_picture: int) -> None:
        self._most_text, self._most_picture = most_text, most_picture
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The texts and pictures that are whole now. Raises LinkError for anything that is no message of this version."""
        self._held += data
        whole = []
        while len(self._held) >= HEADER.size:
            text, picture = self._lengths()
            end = HEADER.size + text + picture
            if len(self._held) < end:
                break
            whole.append((bytes(self._held[HEADER.size : HEADER.size + text]), bytes(self._held[HEADER.size + text : end])))
            del self._held[:end]
        return whole

    def _lengths(self) -> tuple[int, int]:
        magic, version, zero, text, picture = HEADER.unpack_from(self._held)
        if magic != MAGIC or zero:
            raise LinkError("link: what came is no message; let only `edge run` and `edge screen` use the socket")
        if version != VERSION:
            raise LinkError(f"link: the other side speaks version {version}, this one {VERSION}; {SAME}")
        if text > self._most_text or picture > self._most_picture:
            raise LinkError(
                f"link: a message of {text} + {picture} bytes is announced; at most {self._most_text} + {self._most_picture} fit"
            )
        return int(text), int(picture)


def asked(text: bytes, picture: bytes = b"") -> Command:
    """A command of the screen. Raises LinkError; the text itself is not repeated in it, for it may hold a PIN."""
    if picture:
        raise LinkError("link: a command came with a picture; the connection is closed")
    try:
        return _ASKED.validate_json(text)
    except ValidationError as error:
        raise LinkError(f"link: a command is not understood ({error.errors()[0]['type']}); {SAME}") from None


def told(text: bytes) -> Told:
    """A message of the door. Raises LinkError."""
    try:
        return _TOLD.validate_json(text)
    except ValidationError as error:
        raise LinkError(f"link: a message is not understood ({error.errors()[0]['type']}); {SAME}") from None

"""Every error that a person may meet, in one tree; each message has the value, the place and the way out.

The command line turns an ``EdgeError`` into one line on stderr and its ``exit_code``. Anything else is a defect and shows a traceback.
"""

from enum import Enum


class EdgeError(Exception):
    """Base of all expected errors."""

    exit_code = 1


class SettingsError(EdgeError):
    """The configuration names an unknown key or an impossible value."""

    exit_code = 3


class SourceError(EdgeError):
    """A camera, folder, video or picture cannot be read."""

    exit_code = 4


class NetworkError(EdgeError):
    """A network file or its manifest is missing, altered or of another kind."""

    exit_code = 5


class GalleryError(EdgeError):
    """The gallery file cannot be used; nothing in it was changed."""

    exit_code = 6


class KeySourceError(EdgeError):
    """The root key is missing, unreadable, or not the one the gallery was made with."""

    exit_code = 7


class AcquisitionError(EdgeError):
    """No sample good enough was captured (failure to acquire / failure to enrol); nothing was stored."""

    exit_code = 8


class SubjectError(EdgeError):
    """The named subject does not exist, or the name fits several."""

    exit_code = 9


class AuditError(EdgeError):
    """The audit log cannot be written, or does not hold what it should."""

    exit_code = 12


class DateFault(Enum):
    """What is wrong with dates: the beginning or the end is none, the end lies before the beginning, or is over."""

    BEGIN = "begin"
    END = "end"
    ORDER = "order"
    OVER = "over"


class ValidityError(EdgeError):
    """Dates between which somebody may pass that cannot be; nothing was changed."""

    exit_code = 2

    def __init__(self, text: str, fault: DateFault) -> None:
        super().__init__(text)
        self.fault = fault

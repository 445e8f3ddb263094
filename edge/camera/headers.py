"""What a picture file says of itself before it is decoded: kind, size, EXIF orientation. Pure functions of the file's bytes.

Sources: JPEG ITU-T T.81 annex B; PNG 3rd edition (eXIf chunk); TIFF 6.0 section 2; WebP RFC 9649; BMP as in the Windows GDI
documentation; netpbm manual pages; EXIF 3.0 (tag 274).
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TIFF_MAGICS = (b"II*\0", b"MM\0*")
ORIENTATION, IMAGE_WIDTH, IMAGE_LENGTH = 274, 256, 257
UPRIGHT = 1
_SHORT, _LONG = 3, 4
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE, _APP1 = 0xDA, 0xD9, 0xE1
_EXIF_LABEL = b"Exif\0\0"
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P[1-6]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")


class HeaderError(ValueError):
    """The file begins like a picture but is cut off or contradicts itself."""


@dataclass(frozen=True)
class Header:
    """kind: "jpeg", "png", "webp", "bmp", "tiff" or "pnm". width, height: as stored, in pixels. orientation: EXIF 1..8, 1 is upright."""

    kind: str
    width: int
    height: int
    orientation: int = UPRIGHT


def kind_of(start: bytes) -> str | None:
    """The kind of picture that a file's first 12 bytes announce; None: none of those in ``Header``."""
    if start.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if start.startswith(PNG_MAGIC):
        return "png"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    if start.startswith(TIFF_MAGICS):
        return "tiff"
    if start[:2] == b"BM":
        return "bmp"
    return "pnm" if re.match(rb"P[1-6][\s#]", start) else None


def read_header(data: bytes) -> Header | None:
    """The header of a whole picture file; None when it is of no known kind. Raises HeaderError."""
    kind = kind_of(data[:12])
    if kind is None:
        return None
    try:
        width, height, orientation = _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise HeaderError("it is cut off inside its header") from error
    if width <= 0 or height <= 0:
        raise HeaderError(f"its header says {width} x {height} pixels")
    return Header(kind, width, height, orientation)


def _jpeg(data: bytes) -> tuple[int, int, int]:
    orientation = UPRIGHT
    for marker, start, end in _jpeg_segments(data):
        if marker == _APP1 and data.startswith(_EXIF_LABEL, start):
            orientation = _orientation(data[start + len(_EXIF_LABEL) : end])
        if marker in _START_OF_FRAME:
            height, width = struct.unpack_from(">HH", data, start + 1)
            if data.find(b"\xff\xd9", end) < 0:
                raise HeaderError("it is cut off: the end mark is missing")
            return width, height, orientation
    raise HeaderError("it has no frame header")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, first byte, byte after the last) of each segment before the scan."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise HeaderError(f"byte {at} should begin a segment")
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _STANDALONE:
            continue
        if marker in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        (length,) = struct.unpack_from(">H", data, at)
        yield marker, at + 2, at + length
        at += max(length, 2)


def _png(data: bytes) -> tuple[int, int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    orientation, at = UPRIGHT, len(PNG_MAGIC)
    while True:
        if at + 8 > len(data):
            raise HeaderError("it is cut off: the end mark is missing")
        length, name = struct.unpack_from(">I4s", data, at)
        if name == b"eXIf":
            orientation = _orientation(data[at + 8 : at + 8 + length])
        if name == b"IEND":
            return width, height, orientation
        at += 12 + length


def _webp(data: bytes) -> tuple[int, int, int]:
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        raise HeaderError("it is cut off")
    first = data[12:16]
    if first == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, UPRIGHT
    if first == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF, UPRIGHT
    if first == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width, height, _webp_orientation(data)
    raise HeaderError(f"its first chunk is {first!r}")


def _webp_orientation(data: bytes) -> int:
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name == b"EXIF":
            return _orientation(data[at + 8 : at + 8 + length].removeprefix(_EXIF_LABEL))
        at += 8 + length + length % 2
    return UPRIGHT


def _bmp(data: bytes) -> tuple[int, int, int]:
    (header_size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ii", data, 18)
    return width, abs(height), UPRIGHT


def _pnm(data: bytes) -> tuple[int, int, int]:
    found = _PNM.match(data)
    if found is None:
        raise HeaderError("width and height are missing")
    return int(found[1]), int(found[2]), UPRIGHT


def _tiff(data: bytes) -> tuple[int, int, int]:
    tags = _first_directory(data)
    if IMAGE_WIDTH not in tags or IMAGE_LENGTH not in tags:
        raise HeaderError("width and height are missing")
    return tags[IMAGE_WIDTH], tags[IMAGE_LENGTH], _orientation(data)


def _orientation(tiff: bytes) -> int:
    """EXIF is an extra: a broken block means upright, not a broken picture."""
    try:
        value = _first_directory(tiff).get(ORIENTATION, UPRIGHT)
    except struct.error:
        return UPRIGHT
    return value if 1 <= value <= 8 else UPRIGHT


def _first_directory(tiff: bytes) -> dict[int, int]:
    """Tags of the first image file directory that hold one short or long number."""
    if tiff[:4] not in TIFF_MAGICS:
        return {}
    order = "<" if tiff[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, at)
    tags: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", tiff, entry)
        if values == 1 and kind in (_SHORT, _LONG):
            (tags[tag],) = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, entry + 8)
    return tags


_READERS: dict[str, Callable[[bytes], tuple[int, int, int]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "webp": _webp,
    "bmp": _bmp,
    "tiff": _tiff,
    "pnm": _pnm,
}

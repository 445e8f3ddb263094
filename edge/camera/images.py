"""One picture file to pixels: upright, three channels, eight bits, whatever the file held.

The size is read from the header, before any decoder sees the file: a small file that unpacks to gigabytes is refused.
"""

from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera.headers import UPRIGHT, Header, HeaderError, read_header
from edge.errors import SourceError
from edge.records import Pixels

MAX_PIXELS = 64_000_000  # for who has no settings; the appliance hands in its own
MAX_BYTES = 512 * 1024 * 1024
KINDS = "JPEG, PNG, WebP, BMP, TIFF, PGM or PPM"
BACKGROUND = 255
_WITH_ALPHA = ("png", "webp")


def read_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture in a file as H x W x 3 uint8 BGR, in memory of its own.

    EXIF orientation is applied; 16-bit samples are scaled to 8; grey is repeated; transparency (PNG, WebP) is laid on white.
    Raises SourceError when the file is missing, no regular file, empty, cut off, of another kind, or larger than ``max_pixels``.
    """
    path = Path(path)
    return decode_image(_read_bytes(path), str(path), max_pixels=max_pixels)


def decode_image(data: bytes, place: str, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """``read_image`` for bytes in memory; ``place`` names them in errors."""
    header = _checked_header(data, place, max_pixels)
    flag = cv2.IMREAD_UNCHANGED if header.kind in _WITH_ALPHA else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cast(npt.NDArray[Any] | None, cv2.imdecode(np.frombuffer(data, np.uint8), flag))
    except cv2.error as error:
        raise SourceError(f"{place}: the {header.kind.upper()} picture is damaged; save it again or leave it out") from error
    if image is None:
        raise SourceError(f"{place}: the {header.kind.upper()} picture is damaged or cut off; save it again or leave it out")
    try:
        pixels = to_bgr(image)
    except ValueError as error:
        raise SourceError(f"{place}: {error}; save it with 8 or 16 bits a channel") from error
    return pixels if header.kind == "tiff" else _upright(pixels, header.orientation)  # the TIFF decoder has turned it already


def to_bgr(image: npt.NDArray[Any]) -> Pixels:
    """H x W, or H x W x 1 (grey), 3 (BGR) or 4 (BGR and alpha), uint8 or uint16 -> H x W x 3 uint8, contiguous. Raises ValueError."""
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 3, 4) or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"the picture has the shape {image.shape} and samples of {image.dtype}")
    eight = cast(Pixels, cv2.convertScaleAbs(image, alpha=255 / 65535) if image.dtype == np.uint16 else image)
    if channels == 1:
        return cast(Pixels, cv2.cvtColor(eight, cv2.COLOR_GRAY2BGR))
    return _on_background(eight) if channels == 4 else np.ascontiguousarray(eight)


def _read_bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            state = "is no regular file" if path.exists() else "does not exist"
            raise SourceError(f"{path}: the picture {state}; check the path")
        size = path.stat().st_size
        if size == 0:
            raise SourceError(f"{path}: the picture file is empty; copy it again or leave it out")
        if size > MAX_BYTES:
            raise SourceError(f"{path}: {size} bytes are more than the {MAX_BYTES} that a picture may have; save a smaller one")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: the picture cannot be read ({error}); check path, permissions and disk") from error


def _checked_header(data: bytes, place: str, max_pixels: int) -> Header:
    try:
        header = read_header(data)
    except HeaderError as error:
        raise SourceError(f"{place}: the picture is damaged ({error}); save it again or leave it out") from error
    if header is None:
        hint = "HEIC or AVIF: convert it to JPEG" if data[4:8] == b"ftyp" else f"give {KINDS}"
        raise SourceError(f"{place}: not a picture of a known kind; {hint}")
    if header.width * header.height > max_pixels:
        raise SourceError(f"{place}: {header.width} x {header.height} pixels are more than the limit of {max_pixels}; scale it down")
    return header


def _on_background(image: Pixels) -> Pixels:
    """Straight alpha over white: c*a + white*(1 - a), in integers."""
    alpha = image[..., 3:].astype(np.uint16)
    if alpha.min() == 255:
        return np.ascontiguousarray(image[..., :3])
    return ((image[..., :3] * alpha + BACKGROUND * (255 - alpha) + 127) // 255).astype(np.uint8)


def _upright(image: Pixels, orientation: int) -> Pixels:
    """Undoes EXIF orientation 1..8 (EXIF 3.0, tag 274): 5..8 lie on their side; the others of each four are mirrored or turned."""
    if orientation == UPRIGHT:
        return image
    if orientation >= 5:
        image = cv2.transpose(image)  # type: ignore[assignment]
        orientation = {5: 1, 6: 2, 7: 3, 8: 4}[orientation]
    flips = {1: None, 2: 1, 3: -1, 4: 0}
    axis = flips[orientation]
    return image if axis is None else cast(Pixels, cv2.flip(image, axis))

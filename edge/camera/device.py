"""What the kernel says of a Video4Linux device, and its exposure: three structures of linux/videodev2.h, spoken by ioctl.

A loopback device shows what any program feeds it, so that a film stands in for a camera unseen. It is told by its driver's name
(VIDIOC_QUERYCAP), and by having no hardware behind it in /sys. Who loads a kernel module of his own can hide both.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SourceError

Ioctl = Callable[[int, int, bytearray], object]

QUERYCAP, QUERYCTRL, G_CTRL, S_CTRL = 0x80685600, 0xC0445624, 0xC008561B, 0xC008561C
CAPABILITY = struct.Struct("=16s32s32sIII3I")  # driver, card, bus_info, version, capabilities, device_caps, reserved
QUERY = struct.Struct("=II32siiiiI2I")  # id, type, name, minimum, maximum, step, default, flags, reserved
CONTROL = struct.Struct("=Ii")  # id, value
CAPTURES = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, _MPLANE
HAS_DEVICE_CAPS = 0x80000000
DISABLED = 0x0001
EXPOSURE_MODE, EXPOSURE_TIME = 0x009A0901, 0x009A0902  # V4L2_CID_EXPOSURE_AUTO, _ABSOLUTE
AUTOMATIC = (0, 3)  # V4L2_EXPOSURE_AUTO, _APERTURE_PRIORITY: most USB cameras know only the second
MANUAL = (1, 2)  # V4L2_EXPOSURE_MANUAL, _SHUTTER_PRIORITY
UNIT = 100  # microseconds of one step of V4L2_CID_EXPOSURE_ABSOLUTE
VIRTUAL_DRIVERS = frozenset({"akvcam", "droidcam", "vimc", "vivid"})
CHARACTER_DEVICES = Path("/sys/dev/char")
WAY_OUT = 'set camera.exposure = "auto"'


def kernel(descriptor: int, request: int, data: bytearray) -> object:
    """ioctl(2); ``data`` holds the answer afterwards. Raises OSError."""
    return fcntl.ioctl(descriptor, request, data)


@dataclass(frozen=True)
class Identity:
    """driver, card, bus: as the driver names them. captures: whether it gives pictures. virtual: whether no hardware is behind it."""

    driver: str
    card: str
    bus: str
    captures: bool
    virtual: bool


def identity(device: Path, ioctl: Ioctl = kernel, characters: Path = CHARACTER_DEVICES) -> Identity:
    """Asks the device. Raises SourceError when it cannot be opened or does not answer as a camera does."""
    with opened(device) as descriptor:
        data = bytearray(CAPABILITY.size)
        try:
            ioctl(descriptor, QUERYCAP, data)
        except OSError as error:
            raise SourceError(f"{device}: it is no camera ({error.strerror}); list the cameras with: ls /dev/v4l/by-id") from error
        number = os.fstat(descriptor).st_rdev
    names, (_, whole, own) = CAPABILITY.unpack(data)[:3], CAPABILITY.unpack(data)[3:6]
    driver, card, bus = (name.split(b"\0")[0].decode("ascii", "replace") for name in names)
    hardware = (characters / f"{os.major(number)}:{os.minor(number)}").resolve()
    return Identity(driver, card, bus, bool((own if whole & HAS_DEVICE_CAPS else whole) & CAPTURES), _virtual(driver, hardware))


def admit(device: Path, *, allow_loopback: bool, ioctl: Ioctl = kernel, characters: Path = CHARACTER_DEVICES) -> None:
    """Raises SourceError for a device that is no camera, and for a loopback device unless it is allowed."""
    found = identity(device, ioctl, characters)
    if found.virtual and not allow_loopback:
        raise SourceError(
            f"{device}: a loopback device (driver '{found.driver}'), which shows what any program feeds it; name the camera itself, or, to"
            " try things out, set camera.allow_loopback = true"
        )
    if not found.captures:
        raise SourceError(f"{device}: it is no camera but another device of '{found.card}'; try the one whose name ends in video-index0")


def set_exposure(device: Path, microseconds: int | None, ioctl: Ioctl = kernel) -> None:
    """Fixes the exposure time, or with None hands it back to the camera, which remembers it while it has power.

    The nearest step that the camera has is taken. Raises SourceError when it has no such control, or not that time.
    """
    if microseconds is None:
        with suppress(OSError, SourceError), opened(device) as descriptor:  # a camera that cannot be asked has its own way anyhow
            _choose(descriptor, AUTOMATIC, ioctl)
        return
    with opened(device) as descriptor:
        value = _steps(device, _limits(descriptor, EXPOSURE_TIME, ioctl), microseconds)
        try:
            _choose(descriptor, MANUAL, ioctl)
            ioctl(descriptor, S_CTRL, bytearray(CONTROL.pack(EXPOSURE_TIME, value)))
            answer = bytearray(CONTROL.pack(EXPOSURE_TIME, 0))
            ioctl(descriptor, G_CTRL, answer)
        except OSError as error:
            raise SourceError(f"{device}: it refuses an exposure of {microseconds} us ({error.strerror}); {WAY_OUT}") from error
    if (kept := CONTROL.unpack(answer)[1]) != value:
        raise SourceError(f"{device}: it keeps an exposure of {kept * UNIT} us instead of {value * UNIT}; {WAY_OUT}")


@contextmanager
def opened(device: Path) -> Iterator[int]:
    """A file descriptor of the device, beside any that streams. Raises SourceError."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        way_out = "add this user to the group 'video'" if error.errno == errno.EACCES else "check cable and power"
        raise SourceError(f"{device}: it cannot be opened ({error.strerror}); {way_out}") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _virtual(driver: str, hardware: Path) -> bool:
    name = driver.casefold().replace(" ", "").replace("_", "").replace("-", "")
    return "loopback" in name or name in VIRTUAL_DRIVERS or hardware.is_relative_to("/sys/devices/virtual")


def _limits(descriptor: int, control: int, ioctl: Ioctl) -> tuple[int, int, int] | None:
    """Minimum, maximum and step of a control; None where the driver has none."""
    data = bytearray(QUERY.pack(control, 0, b"", 0, 0, 0, 0, 0, 0, 0))
    try:
        ioctl(descriptor, QUERYCTRL, data)
    except OSError:
        return None
    _, _, _, minimum, maximum, step, _, flags, *_ = QUERY.unpack(data)
    return None if flags & DISABLED else (minimum, maximum, max(1, step))


def _steps(device: Path, limits: tuple[int, int, int] | None, microseconds: int) -> int:
    if limits is None:
        raise SourceError(f"{device}: its driver has no exposure time that could be set; {WAY_OUT}")
    minimum, maximum, step = limits
    if not minimum * UNIT <= microseconds <= maximum * UNIT:
        raise SourceError(
            f"{device}: an exposure of {microseconds} us; it has {minimum * UNIT} to {maximum * UNIT}: choose one of these, or {WAY_OUT}"
        )
    return minimum + round((microseconds / UNIT - minimum) / step) * step


def _choose(descriptor: int, modes: tuple[int, ...], ioctl: Ioctl) -> None:
    """The first of the modes that the camera takes. Some cameras have a time and no mode: then the time alone decides."""
    if _limits(descriptor, EXPOSURE_MODE, ioctl) is None:
        return
    for mode in modes:
        try:
            ioctl(descriptor, S_CTRL, bytearray(CONTROL.pack(EXPOSURE_MODE, mode)))
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ERANGE):
                raise
        else:
            return

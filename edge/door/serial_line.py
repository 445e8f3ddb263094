"""A serial port as raw bytes, without waiting: 8 data bits, no parity, one stop bit, no flow control."""

import errno
import os
import termios

from edge.door.events import OutputError

SPEEDS = {
    9600: termios.B9600,
    19200: termios.B19200,
    38400: termios.B38400,
    57600: termios.B57600,
    115200: termios.B115200,
    230400: termios.B230400,
}


class SerialLine:
    """An open port. Reading and writing never wait and never raise: what goes wrong is kept in ``broken``. Opening raises OutputError."""

    def __init__(self, device: str, baud: int) -> None:
        if baud not in SPEEDS:
            raise OutputError(f"serial port {device}: {baud} bits per second; choose one of {', '.join(map(str, SPEEDS))}")
        self.broken: OSError | None = None
        try:
            self._port = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise OutputError(f"serial port {device}: {error.strerror}; check the cable, the name and the user's right to it") from error
        try:
            _make_raw(self._port, SPEEDS[baud])
        except termios.error as error:
            os.close(self._port)
            raise OutputError(f"serial port {device}: is no serial port; name the RS-485 adapter") from error

    def read(self, size: int) -> bytes:
        """What has come, at most ``size`` bytes; empty if nothing."""
        try:
            found = os.read(self._port, size)
        except BlockingIOError:
            return b""
        except OSError as error:
            self.broken = error
            return b""
        if not found:
            self.broken = OSError(errno.EIO, "unplugged")
        return found

    def write(self, content: bytes) -> int:
        """Bytes taken."""
        try:
            return os.write(self._port, content)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.broken = error
            return 0

    def flush(self) -> None:
        """Forget what has come and was not read."""
        try:
            termios.tcflush(self._port, termios.TCIFLUSH)
        except termios.error as error:
            self.broken = OSError(*error.args)

    def close(self) -> None:
        os.close(self._port)


def _make_raw(port: int, speed: int) -> None:
    """As ``cfmakeraw`` does (termios(3)), with 8N1 and this speed."""
    iflag, oflag, cflag, lflag, _, _, cc = termios.tcgetattr(port)
    iflag &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
        | termios.IXOFF
    )
    oflag &= ~termios.OPOST
    lflag &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    cflag &= ~(termios.CSIZE | termios.PARENB | termios.CSTOPB | termios.CRTSCTS)
    cflag |= termios.CS8 | termios.CREAD | termios.CLOCAL
    cc[termios.VMIN], cc[termios.VTIME] = 1, 0  # so that nothing read means unplugged, and nothing there is an error of its own
    termios.tcsetattr(port, termios.TCSANOW, [iflag, oflag, cflag, lflag, speed, speed, cc])
    termios.tcflush(port, termios.TCIOFLUSH)

"""An OSDP peripheral device (IEC 60839-11-5) through libosdp: whom the door lets in is told to a controller as a card number, and the
controller decides and opens. The only file that knows the packages ``osdp`` and ``osdp_sys``.

The secure channel is enforced. The card number is the first 64 bits of the subject's opaque id. No command of the controller opens anything
here: LED, buzzer and text are taken and ignored, everything else is refused.
"""

import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from edge.door.events import Alarm, Denied, OutputError, State, Unlock
from edge.door.lane import Tell
from edge.door.serial_line import SerialLine

REFRESH = 0.02  # seconds; the library wants at most 0.05
AGAIN = 2.0  # seconds until a port that failed is opened again
CARD_BITS = 64
KEY_DIGITS = 32
WELL_KNOWN_KEY = bytes(range(0x30, 0x40))  # SCBK-D of the standard: everybody has it

Load = Callable[[str], ModuleType]


@dataclass(frozen=True)
class Bus:
    """Which port, how fast, which address."""

    device: str
    baud: int
    address: int


def base_key(text: str) -> bytes:
    """The secure channel's base key (SCBK) from 32 hex digits. Raises OutputError, which never shows it."""
    try:
        key = bytes.fromhex(text)
    except ValueError as error:
        raise OutputError(f"OSDP key: expected {KEY_DIGITS} hex digits; make one: openssl rand -hex 16") from error
    if len(text) != KEY_DIGITS:
        raise OutputError(f"OSDP key: {len(text)} characters, expected {KEY_DIGITS} hex digits; make one: openssl rand -hex 16")
    if key == WELL_KNOWN_KEY or len(set(key)) == 1:
        raise OutputError("OSDP key: this one is well known; make one: openssl rand -hex 16")
    return key


def card_number(subject: str) -> bytes:
    """8 bytes, the first 16 hex digits of an opaque id."""
    try:
        return bytes.fromhex(subject[: CARD_BITS // 4]).rjust(CARD_BITS // 8, b"\0")
    except ValueError as error:
        raise OutputError("the subject's id is no hex number, so that it makes no card number") from error


def load_osdp(importer: Load = importlib.import_module) -> tuple[Any, Any]:
    """The modules ``osdp`` and ``osdp_sys``. Raises OutputError that tells how to install them."""
    try:
        return importer("osdp"), importer("osdp_sys")
    except ImportError as error:
        raise OutputError(f"libosdp is missing ({error}); install it: .venv/bin/pip install -e '.[door]'") from error


class Osdp:
    """An output. A thread of its own keeps the bus alive."""

    name = "osdp"

    def __init__(self, bus: Bus, key: bytes, tell: Tell, load: Load = importlib.import_module) -> None:
        self._osdp, self._system = load_osdp(load)
        self._bus, self._key, self._tell = bus, key, tell
        self._lock = threading.Lock()  # the library is used by one thread at a time
        self._device: Any = None
        self._done, self._status = threading.Event(), -1
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="osdp bus", daemon=True)
        self._thread.start()

    @property
    def secure(self) -> bool:
        """Whether the controller is there and the secure channel is up."""
        with self._lock:
            return self._device is not None and bool(self._device.is_sc_active())

    def unlock(self, event: Unlock) -> None:
        """See ``Output``. Raises OutputError where the controller did not fetch the card number in time; it is then taken back."""
        if event.subject is None:
            return  # the controller has the exit button of its own
        card = card_number(event.subject)
        with self._lock:
            if self._device is None or not self._device.is_sc_active():
                raise OutputError("the controller is not there, or not by the secure channel; the unlock is dropped")
            self._done.clear()
            self._device.submit_event(self._card_read(card))
        in_time = self._done.wait(max(event.deadline - time.monotonic(), 0.0))
        with self._lock:
            if self._device is not None and not in_time:
                self._device.flush_events()
        if not in_time or self._status != self._osdp.CompletionStatus.Ok:
            raise OutputError("the controller did not fetch the card number in time; the unlock is dropped")

    def denied(self, event: Denied) -> None:
        """Nothing: a controller knows cards only."""

    def alarm(self, event: Alarm) -> None:
        """Nothing: a card has no such word."""

    def state(self, event: State) -> None:
        """Nothing: the door's contact belongs to the controller."""

    def close(self) -> None:
        """Off the bus."""
        self._closing.set()
        self._thread.join(1.0)

    def _card_read(self, card: bytes) -> dict[str, Any]:
        event, form = self._osdp.Event.CardRead, self._osdp.CardFormat.Unspecified
        return {"event": event, "reader_no": 0, "direction": 0, "format": form, "length": CARD_BITS, "data": card}

    def _keep(self) -> None:
        """Opens the port and serves the bus until closed, again and again."""
        told = ""
        while not self._closing.is_set():
            try:
                port = SerialLine(self._bus.device, self._bus.baud)
                told = ""
                try:
                    self._serve(port)
                finally:
                    port.close()
            except OutputError as error:
                if str(error) != told:
                    self._tell(f"osdp: {error}; it is tried again, until then the controller hears nothing")
                told = str(error)
            self._closing.wait(AGAIN)

    def _serve(self, port: SerialLine) -> None:
        """The bus until it breaks or is closed. Raises OutputError."""
        with self._lock:
            self._device = self._peripheral(port)
        try:
            while not self._closing.wait(REFRESH):
                with self._lock:
                    self._device.refresh()
                if port.broken is not None:
                    raise OutputError(f"serial port {self._bus.device}: {port.broken.strerror}")
        finally:
            with self._lock:
                self._device = None

    def _peripheral(self, port: SerialLine) -> Any:
        osdp, capability = self._osdp, self._osdp.Capability
        info = osdp.PDInfo(self._bus.address, _channel(osdp, port), scbk=self._key, name="edge-door", flags=[osdp.LibFlag.EnforceSecure])
        able = osdp.PDCapabilities(
            [
                (capability.CardDataFormat, 1, 0),
                (capability.CommunicationSecurity, 1, 1),
                (capability.LEDControl, 1, 1),
                (capability.AudibleControl, 1, 1),
                (capability.Biometrics, 0, 0),
            ]
        )
        self._system.set_loglevel(osdp.LogLevel.Emergency)
        device = self._system.PeripheralDevice(info.get(), capabilities=able.get())
        device.set_command_callback(self._commanded)
        device.set_event_completion_callback(self._completed)
        return device

    def _commanded(self, command: dict[str, Any]) -> tuple[int, None]:
        known = self._osdp.Command
        return (0 if command.get("command") in (known.LED, known.Buzzer, known.Text) else -1), None

    def _completed(self, event: dict[str, Any], status: int) -> None:
        self._status = status
        self._done.set()


def _channel(osdp: Any, port: SerialLine) -> Any:
    """The port in the form that the library asks for."""

    class Channel(osdp.Channel):  # type: ignore[misc]  # the class is the library's, known only once it is loaded
        def __init__(self) -> None:
            super().__init__()

        def read(self, max_bytes: int) -> bytes:
            return port.read(max_bytes)

        def write(self, buf: bytes) -> int:
            return port.write(bytes(buf))

        def flush(self) -> None:
            port.flush()

    return Channel()

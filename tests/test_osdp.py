"""The OSDP peripheral against libosdp's own control panel, over a pair of pseudo-terminals. Only libosdp speaks on both sides."""

import os
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from edge.door.events import Cause, Denied, OutputError, Refusal, Unlock
from edge.door.osdp import Bus, Osdp, base_key, card_number, load_osdp
from edge.door.serial_line import SerialLine
from tests.door_twins import soon

osdp = pytest.importorskip("osdp", reason="libosdp is not installed: .venv/bin/pip install -e '.[door]'")

ROOT = Path(__file__).parent.parent
KEY = base_key("000102030405060708090a0b0c0d0e0f")
ADDRESS = 5
SUBJECT = "0123456789abcdef" + "77" * 8


class Wire:
    """A pseudo-terminal: ``device`` is the reader's side, the other side is the panel's channel."""

    def __init__(self) -> None:
        self.panel, self.reader = os.openpty()
        tty.setraw(self.panel)
        os.set_blocking(self.panel, False)
        self.device = os.ttyname(self.reader)

    def channel(self) -> Any:
        wire = self

        class Channel(osdp.Channel):
            def read(self, max_bytes: int) -> bytes:
                try:
                    return os.read(wire.panel, max_bytes)
                except OSError:
                    return b""

            def write(self, buf: bytes) -> int:
                try:
                    return os.write(wire.panel, bytes(buf))
                except OSError:
                    return 0

            def flush(self) -> None: ...

        return Channel()

    def close(self) -> None:
        for end in (self.panel, self.reader):
            os.close(end)


class Panel:
    """libosdp's control panel with one reader."""

    def __init__(self, wire: Wire, key: bytes | None = KEY) -> None:
        self.events: list[dict[str, Any]] = []
        self.completed: list[tuple[int, int]] = []
        info = osdp.PDInfo(ADDRESS, wire.channel(), scbk=key, flags=[osdp.LibFlag.EnforceSecure] if key else [])
        self.panel = osdp.ControlPanel(
            [info],
            log_level=osdp.LogLevel.Emergency,
            event_handler=lambda reader, event: self.events.append(event) or 0,
            command_completion_handler=lambda reader, command, status: self.completed.append((command["command"], status)),
        )
        self.panel.start()

    @property
    def secure(self) -> bool:
        return bool(self.panel.is_sc_active(ADDRESS))

    def command(self, **facts: Any) -> int:
        """The status with which a command came back."""
        before = len(self.completed)
        assert self.panel.submit_command(ADDRESS, facts)
        assert soon(lambda: len(self.completed) > before)
        return self.completed[-1][1]

    def close(self) -> None:
        self.panel.teardown()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


@pytest.fixture
def reader(wire: Wire) -> Iterator[Osdp]:
    made = Osdp(Bus(wire.device, 115200, ADDRESS), KEY, lambda problem: None)
    yield made
    made.close()


@pytest.fixture
def panel(wire: Wire, reader: Osdp) -> Iterator[Panel]:
    made = Panel(wire)
    assert soon(lambda: made.secure and reader.secure, 20)
    yield made
    made.close()


def unlock(life: float = 1.5) -> Unlock:
    return Unlock(Cause.FACE, SUBJECT, time.monotonic() + life, 0.0)


def test_whom_the_door_lets_in_reaches_the_controller_as_a_card_over_the_secure_channel(reader: Osdp, panel: Panel) -> None:
    reader.unlock(unlock())
    assert soon(lambda: len(panel.events) == 1)
    (event,) = panel.events
    assert (event["event"], event["length"], event["data"].hex()) == (osdp.Event.CardRead, 64, SUBJECT[:16])


def test_a_refusal_and_the_exit_button_tell_the_controller_nothing(reader: Osdp, panel: Panel) -> None:
    reader.denied(Denied(Refusal.UNKNOWN, None, 0.0))
    reader.unlock(Unlock(Cause.EXIT_BUTTON, None, time.monotonic() + 1.0, 0.0))
    time.sleep(0.3)
    assert panel.events == []


def test_a_controller_with_another_key_hears_nothing(wire: Wire, reader: Osdp) -> None:
    panel = Panel(wire, key=bytes(range(1, 17)))
    time.sleep(3.0)
    assert not panel.secure
    with pytest.raises(OutputError, match="secure channel"):
        reader.unlock(unlock())
    panel.close()
    assert panel.events == []


def test_a_controller_that_speaks_in_the_clear_is_not_answered(wire: Wire, reader: Osdp) -> None:
    panel = Panel(wire, key=None)
    time.sleep(3.0)
    assert not panel.panel.is_online(ADDRESS)
    with pytest.raises(OutputError, match="secure channel"):
        reader.unlock(unlock())
    panel.close()
    assert panel.events == []


def test_a_card_that_a_silent_controller_does_not_fetch_is_taken_back_and_not_given_later(wire: Wire, reader: Osdp, panel: Panel) -> None:
    panel.panel.stop()  # the controller hangs; the reader does not know yet
    assert reader.secure
    with pytest.raises(OutputError, match="did not fetch"):
        reader.unlock(unlock(life=0.3))
    panel.panel.start()
    assert soon(lambda: panel.secure and reader.secure, 20)
    time.sleep(0.5)
    assert panel.events == []
    reader.unlock(unlock())
    assert soon(lambda: len(panel.events) == 1)


LIGHT = {"reader": 0, "led_number": 0, "control_code": 1, "on_count": 1, "off_count": 1, "on_color": 2, "off_color": 0}
COMMANDS = {
    "light": {"command": osdp.Command.LED, "timer_count": 1, "temporary": False, **LIGHT},
    "sound": {"command": osdp.Command.Buzzer, "reader": 0, "control_code": 2, "on_count": 1, "off_count": 1, "rep_count": 1},
    "relay": {"command": osdp.Command.Output, "output_no": 0, "control_code": 5, "timer_count": 50},
    "new key": {"command": osdp.Command.Keyset, "type": 1, "data": bytes(range(16))},
    "new address": {"command": osdp.Command.Comset, "address": 9, "baud_rate": 9600},
}


@pytest.mark.parametrize(
    ("name", "taken"), [("light", True), ("sound", True), ("relay", False), ("new key", False), ("new address", False)]
)
def test_light_and_sound_are_taken_and_what_could_open_or_change_something_is_refused(panel: Panel, name: str, taken: bool) -> None:
    assert (panel.command(**COMMANDS[name]) == osdp.CompletionStatus.Ok) is taken


def test_a_busy_program_keeps_the_bus_alive(reader: Osdp, panel: Panel) -> None:
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            sum(range(1000))

    workers = [threading.Thread(target=busy) for _ in range(2)]
    for worker in workers:
        worker.start()
    told = 0
    for _ in range(20):
        with suppress(OutputError):  # on a machine with too much to do one may come too late, and is then taken back
            reader.unlock(unlock())
            told += 1
        time.sleep(0.1)
    stop.set()
    for worker in workers:
        worker.join()
    assert told >= 1
    assert soon(lambda: len(panel.events) >= told)
    assert len(panel.events) <= 20
    assert soon(lambda: panel.secure and reader.secure, 20)


def test_a_port_that_is_unplugged_is_told_once_and_opened_again(tmp_path: Path) -> None:
    told: list[str] = []
    device = tmp_path / "ttyUSB0"
    made = Osdp(Bus(str(device), 9600, ADDRESS), KEY, told.append)
    assert soon(lambda: len(told) == 1)
    assert "No such file" in told[0]
    with pytest.raises(OutputError, match="controller is not there"):
        made.unlock(unlock())
    first, second = Wire(), Wire()
    device.symlink_to(first.device)
    assert soon(lambda: made._device is not None)
    device.unlink()
    device.symlink_to(second.device)
    first.close()
    assert soon(lambda: len(told) == 2)
    assert soon(lambda: made._device is not None)
    panel = Panel(second)
    assert soon(lambda: panel.secure and made.secure, 20)
    panel.close()
    made.close()
    second.close()


def test_the_library_writes_nothing_to_stdout_even_when_the_bus_carries_garbage() -> None:
    child = (
        "import os, time; from tests.test_osdp import *\n"
        "wire = Wire(); made = Osdp(Bus(wire.device, 9600, 5), KEY, lambda problem: None)\n"
        "for _ in range(20): os.write(wire.panel, os.urandom(200)); time.sleep(0.02)\n"
        "made.close()"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("text", ["", "00", "zz" * 16, "303132333435363738393a3b3c3d3e3f", "00" * 16, "0" * 33, "01 02" + "0" * 28])
def test_a_key_that_is_none_or_that_everybody_knows_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(OutputError, match="openssl rand -hex 16") as caught:
        base_key(text)
    assert len(text) < 16 or text not in str(caught.value)


def test_an_opaque_id_makes_a_card_number_and_anything_else_none() -> None:
    assert card_number(SUBJECT).hex() == SUBJECT[:16]
    with pytest.raises(OutputError, match="no hex number"):
        card_number("Ada Lovelace")


def test_what_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is no serial port"):
        SerialLine(str(tmp_path / "file"), 9600)
    with pytest.raises(OutputError, match="choose one of 9600"):
        SerialLine("/dev/null", 300)


def test_a_serial_port_carries_every_byte_as_it_is(wire: Wire) -> None:
    port = SerialLine(wire.device, 9600)
    everything = bytes(range(256))
    assert port.write(everything) == 256
    assert soon(lambda: _drained(wire.panel, everything))
    os.write(wire.panel, everything)
    read = b""
    assert soon(lambda: len(read) == 256 or bool(_more(port)))
    assert termios.tcgetattr(wire.reader)[4] == termios.B9600
    port.close()


def _drained(panel: int, expected: bytes) -> bool:
    return os.read(panel, 1000) == expected


def _more(port: SerialLine) -> bool:
    return port.read(1000) == bytes(range(256))


def test_a_missing_package_is_told_with_the_way_out() -> None:
    def missing(name: str) -> Any:
        raise ImportError("No module named 'osdp'")

    with pytest.raises(OutputError, match=r"libosdp is missing .*\.venv/bin/pip install -e '\.\[door\]'"):
        load_osdp(missing)

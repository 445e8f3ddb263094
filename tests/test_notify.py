"""The service manager is told the truth, on a real datagram socket."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.service.notify import Alive, Notifier, notifier, watchdog_interval
from tests.test_cli import ROOT, Desk, desk  # noqa: F401 - a fixture
from tests.twins import frame


class Manager:
    """A service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    with tempfile.TemporaryDirectory() as folder:
        made = Manager(f"{folder}/notify" if request.param == "path" else f"@edge-test-{os.getpid()}")
        yield made
        made.close()


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_ready_alive_and_stopping_arrive_in_order(manager: Manager) -> None:
    alive = Alive(Notifier(manager.address), 8.0, live=False, clock=Clock())
    alive.ready("watching\nthe door")
    alive.seen(frame(0), [])
    alive.close()
    assert manager.heard() == ["READY=1\nSTATUS=watching the door", "WATCHDOG=1", "STOPPING=1\nSTATUS=stopping"]


def test_the_watchdog_is_fed_by_new_frames_only_and_not_by_each() -> None:
    with tempfile.TemporaryDirectory() as folder:
        manager, clock = Manager(f"{folder}/notify"), Clock()
        alive = Alive(Notifier(manager.address), 8.0, live=False, clock=clock)
        fed = []
        for second, number in [(0.0, 1), (1.0, 2), (1.9, 3), (2.0, 4), (5.0, 4), (6.0, 3), (7.0, 5)]:
            clock.now = 100.0 + second
            alive.seen(frame(number), [])
            fed.append(len(manager.heard()))
        assert fed == [1, 0, 0, 1, 0, 0, 1], "too soon, too soon, due, the same frame, an older frame, a new one"


@pytest.mark.parametrize(("age", "fed"), [(0.0, 1), (3.9, 1), (4.1, 0), (60.0, 0)])
def test_a_live_frame_older_than_half_the_interval_feeds_nothing(age: float, fed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        manager, clock = Manager(f"{folder}/notify"), Clock()
        alive = Alive(Notifier(manager.address), 8.0, live=True, clock=clock)
        clock.now = frame(5).captured + age
        alive.seen(frame(5), [])
        assert len(manager.heard()) == fed


def test_a_manager_that_is_gone_or_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nobody")).tell(WATCHDOG=1)
    manager = Manager(str(tmp_path / "notify"))
    teller = Notifier(manager.address)
    for _ in range(5000):
        teller.tell(WATCHDOG=1)
    assert 0 < len(manager.heard()) < 5000


@pytest.mark.parametrize("address", ["", "@", "relative", "vsock:2:1"])
def test_without_a_socket_that_is_known_nobody_is_told(address: str) -> None:
    assert notifier({"NOTIFY_SOCKET": address}) is None
    assert notifier({}) is None


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_interval_is_the_manager_s_and_for_this_process(environment: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(environment, pid=7) == seconds


def test_a_run_of_the_door_is_ready_then_alive_then_stopping(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    manager = Manager(str(desk.folder / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")  # fed at the first frame, and then so seldom that the socket holds it all
    desk.edge("run", "--source", "demo:", "--frames", "30")
    heard = manager.heard()
    assert heard[0].startswith("READY=1")
    assert set(heard[1:-1]) == {"WATCHDOG=1"}
    assert heard[-1].startswith("STOPPING=1")


def test_a_door_that_cannot_start_never_says_that_it_is_ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    manager = Manager(str(desk.folder / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    desk.edge("run", "--source", "nowhere.mp4", code=4)
    (desk.folder / "gallery.db").write_bytes(b"no gallery")
    desk.edge("run", "--source", "demo:", code=7)
    assert manager.heard() == []


def test_the_journal_gets_priorities_and_no_name(desk: Desk) -> None:  # noqa: F811
    desk.edge("enrol", "Eileen Collins", desk.collins)
    journal = desk.folder / "journal"
    with journal.open("w") as file:
        facts = os.fstat(file.fileno())
        done = subprocess.run(
            [sys.executable, "-m", "edge", "run", "--source", "demo:", "--frames", "25", "--config", str(desk.config)],
            stderr=file,
            stdout=file,
            cwd=desk.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "JOURNAL_STREAM": f"{facts.st_dev}:{facts.st_ino}"},
        )
    lines = journal.read_text().splitlines()
    assert done.returncode == 0
    assert all(line[:3] in ("<3>", "<4>", "<6>", "<7>") for line in lines)
    assert any(line.startswith("<4>ROOT KEY IN A PLAIN FILE") for line in lines)
    assert any(line.endswith(": identified") for line in lines)
    assert "identified 1" in lines[-1]
    assert "Collins" not in journal.read_text()

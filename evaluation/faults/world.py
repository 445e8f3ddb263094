"""The world around the door: its clock, its camera, its broker."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from edge.door.mqtt import load_paho
from evaluation.faults.rig import PATIENCE, Door, Finding, Rig, Unavailable, soon

FAKETIME = next((str(path) for path in sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
JUMPS = ("+400d", "-400d", "+20y", "+0")  # as libfaketime writes them
CAMERA = {"camera_silent": 0.6, "camera_frozen": 1.0, "camera_vanished": 4.0}
FAULT_LASTS = 2.5  # seconds
WAYS = ("gone", "frozen", "silent", "slow", "black")


def clock_jumps(rig: Rig, times: int, random: Random) -> Finding:
    """The wall clock of a running door jumps, by libfaketime; the monotonic clock does not, as on Linux."""
    if FAKETIME is None:
        raise Unavailable("libfaketime is not installed: apt-get install libfaketime")
    finding = Finding("clock jumps of 400 days and 20 years, both ways", times, "it goes on letting her in; the audit log verifies")
    stamp = rig.folder / "clock"
    _say(stamp, "+0")
    preload = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(stamp), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    door = rig.door(variables=preload)
    finding.as_expected = rig.recovered(door) < PATIENCE
    for turn in range(times):
        _say(stamp, JUMPS[turn % len(JUMPS)])
        door, seconds = rig.goes_on(door, time.monotonic())
        finding.recovery.append(seconds)
        time.sleep(random.uniform(0, 0.5))
    finding.as_expected &= door.stop() == 0 and rig.audit_is_sound()
    finding.as_expected &= years_in(rig.folder / "audit") > 1
    finding.lost = rig.lost()
    return finding


def _say(stamp: Path, jump: str) -> None:
    """Whole or not at all: libfaketime reads the file at every call and ends the program where it finds it empty."""
    draft = stamp.with_suffix(".part")
    draft.write_text(jump + "\n")
    draft.replace(stamp)


def years_in(audit: Path) -> int:
    """How many years the audit log's lines are of: proof that the clock did jump."""
    lines = [json.loads(line) for path in audit.glob("audit-*.jsonl") for line in path.read_text().splitlines()]
    return len({str(line["time"])[:4] for line in lines})


def camera(rig: Rig, way: str, times: int, random: Random) -> Finding:
    """The camera's twin fails that way for some seconds, then plays again."""
    finding = Finding(f"camera {way}", times, "nobody is let in from old pictures; it is opened again and the door goes on")
    folder = _studio(rig)
    door = _before_twin(rig, folder)
    finding.as_expected = rig.recovered(door) < PATIENCE
    for _ in range(times):
        (folder / "camera").write_text(way)
        time.sleep(FAULT_LASTS / 2)  # what was seen before is decided by now
        begun = time.monotonic()
        time.sleep(FAULT_LASTS / 2 + random.uniform(0, 0.5))
        if way != "slow":
            finding.false += sum(at >= begun for at, _ in rig.lock.opened)
        (folder / "camera").write_text("plays")
        finding.recovery.append(rig.recovered(door, time.monotonic()))
    finding.as_expected &= max(finding.recovery) < PATIENCE and door.alive
    finding.as_expected &= way in ("slow", "black") or "opened again" in door.said
    finding.as_expected &= door.stop() == 0
    finding.lost = rig.lost()
    if way in ("slow", "black"):
        finding.seen = "the door goes on; nobody is let in meanwhile" if way == "black" else "the door goes on with what it gets"
    return finding


def camera_gone_for_good(rig: Rig, times: int, random: Random) -> Finding:
    """The door ends, so that the service manager starts it again; with the camera back it lets her in."""
    finding = Finding("camera gone for good", times, "the door ends with exit code 4 for systemd to start it again; then as before")
    folder = _studio(rig)
    for _ in range(times):
        (folder / "camera").write_text("plays")
        door = _before_twin(rig, folder)
        finding.as_expected &= rig.recovered(door) < PATIENCE
        (folder / "camera").write_text("gone")
        finding.as_expected &= soon(lambda door=door: not door.alive) and door.code == 4 and "vanished" in door.said  # type: ignore[misc]
        finding.as_expected &= _before_twin(rig, folder).process.wait(PATIENCE) == 4
    (folder / "camera").write_text("plays")
    door = _before_twin(rig, folder)
    finding.recovery.append(rig.recovered(door))
    finding.as_expected &= finding.recovery[-1] < PATIENCE and door.stop() == 0
    finding.lost = rig.lost()
    return finding


def _studio(rig: Rig) -> Path:
    folder = rig.folder / "studio"
    folder.mkdir()
    (folder / "film").symlink_to(rig.film)
    (folder / "camera").write_text("plays")
    return folder


def _before_twin(rig: Rig, folder: Path) -> Door:
    return rig.door(before=(sys.executable, "-m", "evaluation.faults.twin_door", str(folder)), settings=CAMERA)


class Broker:
    """mosquitto on a port of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        if MOSQUITTO is None:
            raise Unavailable("mosquitto is not installed: apt-get install mosquitto")
        self._config = folder / "mosquitto.conf"
        user = ["user root"] if os.geteuid() == 0 else []
        self._config.write_text("\n".join([*user, f"listener {port} 127.0.0.1", "allow_anonymous true"]) + "\n")
        self._command = [MOSQUITTO, "-c", str(self._config)]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def listening(port: int) -> Iterator[list[tuple[str, str, bool]]]:
    """(topic, text, retained) of everything that comes to the broker, as long as it is there."""
    client, _, _ = load_paho()
    heard: list[tuple[str, str, bool]] = []
    ear = client.Client(client.CallbackAPIVersion.VERSION2, protocol=client.MQTTv5)
    ear.on_message = lambda _c, _d, message: heard.append((message.topic, message.payload.decode(errors="replace"), message.retain))
    ear.on_connect = lambda ear, *_: ear.subscribe("#", qos=1)
    ear.reconnect_delay_set(1, 1)
    ear.connect_async("127.0.0.1", port)
    ear.loop_start()
    try:
        yield heard
    finally:
        ear.disconnect()
        ear.loop_stop()


def _unlocks(heard: list[tuple[str, str, bool]]) -> list[bool]:
    """Of each unlock that the broker passed on: whether it was a retained one."""
    return [retained for _, text, retained in list(heard) if '"unlock"' in text and "subject" in text]


def broker(rig: Rig, way: str, times: int, random: Random) -> Finding:
    """The broker is killed, frozen, or replaced by one that sends noise; the lock beside it opens all the same."""
    finding = Finding(
        f"broker {way}", times, "the other output opens in time; once it is sound the broker is told again, unlocks unretained"
    )
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    server = Broker(rig.folder, port)
    try:
        with listening(port) as heard:
            mqtt: dict[str, object] = {
                "mqtt_enabled": "true",
                "mqtt_host": "127.0.0.1",
                "mqtt_port": port,
                "mqtt_tls": "false",
                "mqtt_keepalive": 5,
            }
            for _ in range(times):
                told, door = len(_unlocks(heard)), rig.door(settings=mqtt)
                finding.as_expected &= rig.recovered(door) < PATIENCE
                finding.as_expected &= soon(lambda told=told: len(_unlocks(heard)) > told)  # type: ignore[misc]
                with _spoilt(server, way, port):
                    finding.as_expected &= rig.recovered(door, time.monotonic()) < PATIENCE
                    time.sleep(random.uniform(0, 1))
                    finding.as_expected &= rig.recovered(door, time.monotonic()) < PATIENCE
                told, since = len(_unlocks(heard)), time.monotonic()
                finding.as_expected &= soon(lambda told=told: len(_unlocks(heard)) > told)  # type: ignore[misc]
                finding.recovery.append(time.monotonic() - since)
                finding.as_expected &= door.stop() == 0
            finding.false += sum(_unlocks(heard))
    finally:
        with suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGCONT)
        server.kill()
    finding.lost = rig.lost()
    return finding


@contextmanager
def _spoilt(server: Broker, way: str, port: int) -> Iterator[None]:
    """The broker's port while it is gone, slow (frozen) or hostile; sound again afterwards."""
    if way == "slow":
        server.process.send_signal(signal.SIGSTOP)
        yield
        server.process.send_signal(signal.SIGCONT)
        return
    server.kill()
    if way == "gone":
        yield
    else:
        with _hostile(port):
            yield
    server.start()


@contextmanager
def _hostile(port: int) -> Iterator[None]:
    """Accepts and answers with noise, without an end."""
    listener = socket.create_server(("127.0.0.1", port))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while not over.is_set():
                connection.sendall(os.urandom(4096))
                time.sleep(0.01)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        time.sleep(0.1)


def ways(of: Callable[[Rig, str, int, Random], Finding], *names: str) -> dict[str, Callable[[Rig, int, Random], Finding]]:
    """One fault for each way in which a part may fail."""
    return {f"{of.__name__}_{name}": lambda rig, times, random, name=name: of(rig, name, times, random) for name in names}  # type: ignore[misc]

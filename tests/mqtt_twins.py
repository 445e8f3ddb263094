"""A real mosquitto on loopback, and somebody who listens to it."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.door_twins import soon

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def needs_broker() -> None:
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed: .venv/bin/pip install -e '.[door]'")
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")


class Broker:
    """mosquitto with these lines of configuration; may be stopped, frozen and started again."""

    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        self.port = port
        self._config = folder / f"mosquitto-{port}.conf"
        self._config.write_text("\n".join(["user root", f"listener {port} 127.0.0.1", *lines]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class Ear:
    """Subscribes to everything; remembers (topic, text, retained)."""

    def __init__(self, port: int, *, identity: str = "", clean: bool = True, **options: Any) -> None:
        import paho.mqtt.client as paho
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        self.heard: list[tuple[str, str, bool]] = []
        self.subscribed = False
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=identity, protocol=paho.MQTTv5)
        if "user" in options:
            self.client.username_pw_set(options["user"], options["password"])
        if "tls" in options:
            self.client.tls_set_context(options["tls"])
        self.client.on_message = lambda _c, _d, message: self.heard.append((message.topic, message.payload.decode(), message.retain))
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 0 if clean else 600
        assert soon(lambda: self._connects(options.get("host", "127.0.0.1"), port, clean, session))
        self.client.loop_start()
        assert soon(lambda: self.subscribed)

    def _connects(self, host: str, port: int, clean: bool, session: Any) -> bool:
        try:
            self.client.connect(host, port, clean_start=clean, properties=session)
        except OSError:
            time.sleep(0.05)
            return False
        return True

    def texts(self, topic: str) -> list[str]:
        return [text for heard, text, _ in list(self.heard) if heard == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def ear(port: int, **options: Any) -> Iterator[Ear]:
    made = Ear(port, **options)
    yield made
    made.close()

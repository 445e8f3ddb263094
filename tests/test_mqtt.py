"""MQTT against a real mosquitto on loopback: sound, frozen, gone, hostile."""

import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from edge.door.events import Alarm, Cause, Denied, Leaf, OutputError, Refusal, State, Unlock
from edge.door.mqtt import Broker as Settings
from edge.door.mqtt import Mqtt, Topics, discovery, load_paho
from tests.door_twins import soon
from tests.http_twins import Hostile, certificate, reset, silent
from tests.mqtt_twins import Broker, ear, needs_broker

ROOT = Path(__file__).parent.parent
BASE = "edge/door-1"
TOPICS = Topics("edge", "door-1", "homeassistant")
SUBJECT = "5d" * 16


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def broker(tmp_path: Path, port: int) -> Iterator[Broker]:
    needs_broker()
    made = Broker(tmp_path, port, "allow_anonymous true")
    yield made
    made.stop()


def settings(port: int, **changes: Any) -> Settings:
    plain: dict[str, Any] = {"host": "127.0.0.1", "tls": False, "ca": None, "certificate": None, "key": None, "user": "", "keepalive": 5}
    return Settings(port=port, **{**plain, **changes})


@contextmanager
def output(where: Settings, told: list[str] | None = None, password: str | None = None, *, contact: bool = True) -> Iterator[Mqtt]:
    made = Mqtt(where, TOPICS, password, (told if told is not None else []).append, contact=contact)
    yield made
    made.close()


def unlock(life: float = 1.5) -> Unlock:
    return Unlock(Cause.FACE, SUBJECT, time.monotonic() + life, 1_800_000_000.25)


def test_events_and_state_arrive_with_opaque_ids_and_an_unlock_is_never_retained(broker: Broker, port: int) -> None:
    with ear(port) as heard, output(settings(port)) as door:
        door.state(State(True, Leaf.FORCED, 1_800_000_000.0))
        assert soon(lambda: heard.texts(f"{BASE}/online") == ["online"])
        assert soon(lambda: len(heard.texts(f"{BASE}/state")) >= 1)  # again where the broker was reached only then
        door.unlock(unlock())
        door.denied(Denied(Refusal.TRY_LATER, None, 1_800_000_000.0))
        assert soon(lambda: len(heard.texts(f"{BASE}/event")) == 2)
        opened, refused = (json.loads(text) for text in heard.texts(f"{BASE}/event"))
        assert 1.0 < opened.pop("valid_for") <= 1.5
        assert len(opened.pop("id")) == 32
        assert opened == {"event_type": "unlock", "cause": "face", "subject": SUBJECT, "at": "2027-01-15T08:00:00.250+00:00"}
        assert (refused["event_type"], refused["refusal"], refused["subject"]) == ("denied", "try_later", None)
        state = json.loads(heard.texts(f"{BASE}/state")[0])
        assert state == {"try_later": True, "leaf": "forced", "at": "2027-01-15T08:00:00.000+00:00"}
        with ear(port) as late:
            assert soon(lambda: f"{BASE}/state" in {topic for topic, _, _ in late.heard})
            time.sleep(0.1)
            assert late.texts(f"{BASE}/event") == []
    assert late.texts(f"{BASE}/online") == ["online"]


def test_an_alarm_waits_for_a_broker_that_is_away_and_is_never_retained(broker: Broker, port: int) -> None:
    broker.stop()
    with output(settings(port)) as door:
        door.alarm(Alarm(SUBJECT, 1_800_000_000.0))
        broker.start()
        with ear(port) as heard:
            assert soon(lambda: len(heard.texts(f"{BASE}/event")) >= 1, 20.0)
            told = json.loads(heard.texts(f"{BASE}/event")[0])
            assert told == {"event_type": "duress", "id": told["id"], "subject": SUBJECT, "at": "2027-01-15T08:00:00.000+00:00"}
            with ear(port) as late:
                assert soon(lambda: bool(late.texts(f"{BASE}/online")))
                time.sleep(0.1)
                assert late.texts(f"{BASE}/event") == []


def test_an_alarm_is_kept_for_a_subscriber_who_is_away(broker: Broker, port: int) -> None:
    with ear(port, identity="guard", clean=False):
        pass
    with output(settings(port)) as door:
        assert soon(door._client.is_connected)
        with ear(port) as present:
            door.alarm(Alarm(SUBJECT, 1_800_000_000.0))
            assert soon(lambda: len(present.texts(f"{BASE}/event")) == 1)
        with ear(port, identity="guard", clean=False) as back:
            assert soon(lambda: len(back.texts(f"{BASE}/event")) == 1)


def test_a_subscriber_who_was_away_is_not_given_an_unlock_when_it_comes_back(broker: Broker, port: int) -> None:
    with ear(port, identity="lock", clean=False):
        pass
    with output(settings(port)) as door:
        assert soon(door._client.is_connected)
        door.unlock(unlock())
        time.sleep(0.3)  # until the broker has surely read it, and long before it expires
        with ear(port, identity="lock", clean=False) as back:
            assert soon(lambda: bool(back.texts(f"{BASE}/online")))
            time.sleep(0.2)
            assert back.texts(f"{BASE}/event") == []


def test_a_farewell_and_the_last_will_both_say_offline(broker: Broker, port: int) -> None:
    child = (
        "import sys, time; sys.path.insert(0, '.'); from tests.test_mqtt import *\nwith output(settings(int(sys.argv[1]))): time.sleep(600)"
    )
    with ear(port) as heard:
        with output(settings(port)):
            assert soon(lambda: heard.texts(f"{BASE}/online") == ["online"])
        assert soon(lambda: heard.texts(f"{BASE}/online") == ["online", "offline"])
        with subprocess.Popen([sys.executable, "-c", child, str(port)], cwd=ROOT) as killed:
            assert soon(lambda: len(heard.texts(f"{BASE}/online")) == 3)
            killed.send_signal(signal.SIGKILL)
        assert soon(lambda: heard.texts(f"{BASE}/online") == ["online", "offline", "online", "offline"])


def test_home_assistant_is_told_of_every_entity_in_its_own_form(broker: Broker, port: int) -> None:
    with ear(port) as before, output(settings(port)):
        assert soon(lambda: len([topic for topic, _, _ in before.heard if topic.startswith("homeassistant/")]) == 6)
    with ear(port) as heard:
        assert soon(lambda: len([topic for topic, _, _ in heard.heard if topic.startswith("homeassistant/")]) == 6)
        found = {topic: json.loads(text) for topic, text, retained in heard.heard if topic.startswith("homeassistant/") and retained}
    assert {":".join(topic.split("/")[1:4:2]) for topic in found} == {
        "binary_sensor:online",
        "event:access",
        "binary_sensor:try_later",
        "binary_sensor:door",
        "binary_sensor:held_open",
        "binary_sensor:forced",
    }
    assert len({config["unique_id"] for config in found.values()}) == 6
    assert all(config["device"]["identifiers"] == ["edge-door-1"] for config in found.values())
    assert found["homeassistant/event/edge-door-1/access/config"]["event_types"] == ["unlock", "denied", "duress"]
    assert "lock" not in {topic.split("/")[1] for topic in found}, "nothing that could be commanded"


def test_without_a_contact_home_assistant_is_told_of_no_leaf_and_without_a_prefix_of_nothing() -> None:
    assert {topic.split("/")[3] for topic, _ in discovery(TOPICS, contact=False)} == {"online", "access", "try_later"}
    assert list(discovery(Topics("edge", "door-1", ""), contact=True)) == []


def test_nobody_can_open_anything_by_a_message(broker: Broker, port: int) -> None:
    with ear(port) as other, output(settings(port)) as door:
        assert soon(lambda: bool(other.texts(f"{BASE}/online")))
        for topic in (f"{BASE}/event", f"{BASE}/set", f"{BASE}/command", "homeassistant/status"):
            other.client.publish(topic, '{"event_type": "unlock"}', qos=1).wait_for_publish(5)
        received: list[object] = []
        door._client.on_message = lambda *message: received.append(message)
        time.sleep(0.2)
        assert received == [], "nothing is subscribed to"


def test_an_unlock_without_a_broker_is_dropped_and_not_given_later(tmp_path: Path, port: int) -> None:
    needs_broker()
    told: list[str] = []
    with output(settings(port), told) as door:
        with pytest.raises(OutputError, match="dropped"):
            door.unlock(unlock())
        assert soon(lambda: bool(told))
        broker = Broker(tmp_path, port, "allow_anonymous true")
        with ear(port) as heard:
            assert soon(lambda: heard.texts(f"{BASE}/online") == ["online"])
            door.unlock(unlock())
            assert soon(lambda: len(heard.texts(f"{BASE}/event")) == 1)
            time.sleep(0.1)
            assert len(heard.texts(f"{BASE}/event")) == 1
    broker.stop()
    assert told == ["mqtt: the broker cannot be reached; it is tried again, what happens meanwhile is not told there"]


def test_a_broker_that_comes_back_is_told_the_present_state(broker: Broker, port: int) -> None:
    with output(settings(port)) as door:
        assert soon(door._client.is_connected)
        broker.stop()
        assert soon(lambda: not door._client.is_connected())
        door.state(State(False, Leaf.OPEN, 0.0))
        door.state(State(False, Leaf.HELD_OPEN, 0.0))
        broker.start()
        with ear(port) as heard:
            assert soon(lambda: bool(heard.texts(f"{BASE}/state")), 20)
            assert [json.loads(text)["leaf"] for text in heard.texts(f"{BASE}/state")] == ["held_open"]


def test_a_password_is_asked_for_and_a_wrong_one_is_told_and_not_shown(tmp_path: Path, port: int) -> None:
    needs_broker()
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "door", "sesame"], check=True, capture_output=True)
    broker, told = Broker(tmp_path, port, f"password_file {passwords}"), list[str]()
    with ear(port, user="door", password="sesame") as heard:
        with output(settings(port, user="door"), password="sesame"):
            assert soon(lambda: heard.texts(f"{BASE}/online") == ["online"])
        with output(settings(port, user="door"), told, password="guess-me"):
            assert soon(lambda: bool(told))
    broker.stop()
    assert "refuses the connection" in told[0]
    assert "guess-me" not in str(told)


def test_tls_checks_the_broker_against_the_authority_named(tmp_path: Path, port: int) -> None:
    needs_broker()
    ca, _ = certificate(tmp_path)
    broker = Broker(tmp_path, port, "allow_anonymous true", f"certfile {ca}", f"keyfile {tmp_path / 'server.key'}")
    secure = ssl.create_default_context(cafile=str(ca))
    told: list[str] = []
    with ear(port, host="localhost", tls=secure) as heard:
        with output(settings(port, host="localhost", tls=True, ca=ca)):
            assert soon(lambda: heard.texts(f"{BASE}/online") == ["online"])
        with output(settings(port, host="localhost", tls=True), told):
            assert soon(lambda: bool(told))
        assert heard.texts(f"{BASE}/online")[-1:] != ["online"]
    broker.stop()


def hello_then(text: bytes) -> Callable[[socket.socket], None]:
    """Accepts an MQTT 5 connection, then sends this, then keeps silent."""

    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x20\x03\x00\x00\x00" + text)
        time.sleep(60)

    return behave


def garbage(connection: socket.socket) -> None:
    connection.sendall(b"\xff" * 5000)
    time.sleep(60)


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        reset,
        garbage,
        hello_then(b"\x30\x02\xff\xff"),
        hello_then(b"\x90\x01\x00"),
        hello_then(b"\x40\x00"),
        hello_then(b"\x30\xff\xff\xff\x7f" + b"a" * 1000),
        hello_then(b"\x20\x03\x00\x00\x00" * 10),
    ],
    ids=["silent", "reset", "garbage", "broken publish", "broken suback", "broken puback", "huge", "several hellos"],
)
def test_a_hostile_broker_holds_up_nobody_for_long_and_a_sound_one_is_used_afterwards(
    tmp_path: Path, behave: Callable[[socket.socket], None], port: int
) -> None:
    needs_broker()
    server = Hostile(behave)
    made = Mqtt(settings(server.port), TOPICS, None, lambda problem: None, contact=False)
    time.sleep(0.5)
    begun = time.monotonic()
    with suppress(OutputError):
        made.unlock(unlock(life=0.5))
    made.state(State(False, Leaf.CLOSED, 0.0))
    assert time.monotonic() - begun < 2.0
    server.close()
    made.close()


def test_a_client_that_died_of_what_the_broker_sent_is_begun_anew(port: int) -> None:
    needs_broker()
    server, told = Hostile(hello_then(b"\x90\x01\x00")), list[str]()
    with output(settings(server.port), told):
        assert soon(lambda: server.connections >= 2, 20)
    server.close()


def test_an_unlock_that_a_frozen_broker_does_not_take_is_not_left_in_the_queue(broker: Broker, port: int) -> None:
    """The kernel takes some for it; once its buffers are full an unlock is refused within its life, and the connection dropped."""
    with output(settings(port)) as door:
        assert soon(door._client.is_connected)
        broker.signal(signal.SIGSTOP)
        door._client.publish("filler", b"x" * 20_000_000)
        begun = time.monotonic()
        with pytest.raises(OutputError, match="dropped"):
            door.unlock(unlock(life=0.5))
        assert time.monotonic() - begun < 2.0
        broker.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("prefix", "device", "home"),
    [
        ("edge/#", "d", ""),
        ("", "d", ""),
        ("/edge", "d", ""),
        ("edge", "door 1", ""),
        ("edge", "a/b", ""),
        ("edge", "+", ""),
        ("e", "d", "$SYS"),
    ],
)
def test_what_is_no_topic_is_refused(prefix: str, device: str, home: str) -> None:
    with pytest.raises(OutputError, match="is no part of an MQTT topic"):
        Topics(prefix, device, home)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": ""}, "mqtt.host"),
        ({"ca": Path("ca.pem")}, "tls = false"),
        ({"tls": True, "certificate": Path("a.pem")}, "name both or neither"),
        ({"tls": True, "ca": Path("missing.pem")}, "certificates cannot be used"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OutputError, match=said):
        settings(1883, **changes)


def test_a_missing_package_is_told_with_the_way_out() -> None:
    def missing(name: str) -> Any:
        raise ImportError("No module named 'paho'")

    with pytest.raises(OutputError, match=r"paho-mqtt is missing .*\.venv/bin/pip install -e '\.\[door\]'"):
        load_paho(missing)

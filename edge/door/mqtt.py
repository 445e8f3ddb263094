"""Events and state to an MQTT 5 broker, with a last will and Home Assistant's discovery. The only file that knows the package ``paho``.

Nothing is subscribed to: no message of anybody opens anything. An unlock is never retained, never queued while the broker is away, and
expires in the broker. An alarm that cannot be told is kept and told when the broker is there again. Topics and messages are described in
docs/outputs.md.
"""

import importlib
import json
import math
import re
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

from edge.door.events import Alarm, Denied, Leaf, OutputError, State, Unlock
from edge.door.lane import Tell

ONLINE, OFFLINE = "online", "offline"
CHECK = 2.0  # seconds between looks whether the client's thread still lives
CLOSING = 1.0  # seconds for the farewell
ALARMS = 16  # kept while the broker is away
LEVEL = re.compile(r"[A-Za-z0-9_-]+")

Load = Callable[[str], ModuleType]


@dataclass(frozen=True)
class Broker:
    """Where and how. ca, certificate, key: PEM files or None. user: empty for none. keepalive: seconds.

    Raises OutputError where TLS cannot be set up as asked.
    """

    host: str
    port: int
    tls: bool
    ca: Path | None
    certificate: Path | None
    key: Path | None
    user: str
    keepalive: int

    def __post_init__(self) -> None:
        if not self.host:
            raise OutputError("mqtt.host: is empty; name the broker")
        if not self.tls and (self.ca or self.certificate):
            raise OutputError("mqtt.tls = false, but certificates are named; set mqtt.tls = true or leave them empty")
        if bool(self.certificate) is not bool(self.key):
            raise OutputError("mqtt.certificate and mqtt.private_key: only one of them is named; name both or neither")
        self.context()

    def context(self) -> ssl.SSLContext | None:
        """What checks the broker; None without TLS."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise OutputError(f"mqtt: certificates cannot be used ({error}); name readable PEM files") from error
        return context


@dataclass(frozen=True)
class Topics:
    """The topics of one door. prefix, discovery: levels separated by ``/``; discovery empty: none. device: one level.

    Raises OutputError for what is no topic.
    """

    prefix: str
    device: str
    discovery: str

    def __post_init__(self) -> None:
        for what, text in (("mqtt.topic", self.prefix), ("mqtt.discovery", self.discovery or "none"), ("gallery.device", self.device)):
            levels = [text] if what == "gallery.device" else text.split("/")
            if not all(LEVEL.fullmatch(level) for level in levels):
                raise OutputError(f"{what} = '{text}': is no part of an MQTT topic; use letters, digits, - and _")

    @property
    def base(self) -> str:
        return f"{self.prefix}/{self.device}"


def load_paho(importer: Load = importlib.import_module) -> tuple[Any, Any, Any]:
    """The modules ``paho.mqtt.client``, ``.properties`` and ``.packettypes``. Raises OutputError that tells how to install them."""
    try:
        client, properties, packets = (importer(f"paho.mqtt.{name}") for name in ("client", "properties", "packettypes"))
    except ImportError as error:
        raise OutputError(f"paho-mqtt is missing ({error}); install it: .venv/bin/pip install -e '.[door]'") from error
    if not hasattr(client, "CallbackAPIVersion"):
        raise OutputError("paho-mqtt: version 1 is installed; install version 2: .venv/bin/pip install 'paho-mqtt>=2.0'")
    return client, properties, packets


class Mqtt:
    """An output. The client's own thread connects and reconnects; a second thread replaces a client whose thread has died."""

    name = "mqtt"

    def __init__(
        self, broker: Broker, topics: Topics, password: str | None, tell: Tell, *, contact: bool, load: Load = importlib.import_module
    ) -> None:
        self._paho, self._properties, self._packets = load_paho(load)
        self._broker, self._topics, self._password, self._tell = broker, topics, password, tell
        self._contact = contact
        self._state: State | None = None
        self._alarms: deque[Alarm] = deque(maxlen=ALARMS)
        self._telling = threading.Lock()
        self._told = ""
        self._closing = threading.Event()
        self._client = self._connect()
        threading.Thread(target=self._keep, name="mqtt keeper", daemon=True).start()

    def unlock(self, event: Unlock) -> None:
        """See ``Output``. Raises OutputError where the broker cannot take it at this moment."""
        left = event.deadline - time.monotonic()
        facts = {"event_type": "unlock", "id": event.id, "cause": event.cause.value, "subject": event.subject, "valid_for": round(left, 3)}
        if left <= 0 or not self._taken(facts, event.at, left):
            raise OutputError("the broker is not there or does not read; the unlock is dropped")

    def denied(self, event: Denied) -> None:
        """See ``Output``."""
        facts = {
            "event_type": "denied",
            "id": event.id,
            "cause": event.cause.value,
            "refusal": event.refusal.value,
            "subject": event.subject,
        }
        self._taken(facts, event.at, CLOSING)

    def alarm(self, event: Alarm) -> None:
        """See ``Output``. What the broker does not take now is told once it does, perhaps twice: the id stays."""
        with self._telling:
            self._alarms.append(event)
        self._tell_alarms()

    def state(self, event: State) -> None:
        """See ``Output``. Also told anew after every connection."""
        self._state = event
        if self._client.is_connected():
            self._publish_state(self._client)

    def close(self) -> None:
        """Says farewell, as the last will would, and disconnects."""
        self._closing.set()
        farewell = self._client.publish(f"{self._topics.base}/online", OFFLINE, retain=True)
        if farewell.rc == self._paho.MQTT_ERR_SUCCESS:
            self._sent(farewell, CLOSING)
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> Any:
        broker, paho = self._broker, self._paho
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"edge-{self._topics.device}", protocol=paho.MQTTv5)
        client.will_set(f"{self._topics.base}/online", OFFLINE, qos=1, retain=True)
        if broker.user:
            client.username_pw_set(broker.user, self._password)
        if (context := broker.context()) is not None:
            client.tls_set_context(context)
        client.reconnect_delay_set(1, 60)
        client.on_connect, client.on_connect_fail, client.on_disconnect = self._connected, self._unreachable, self._disconnected
        client.connect_async(broker.host, broker.port, broker.keepalive)
        client.loop_start()
        return client

    def _keep(self) -> None:
        """``loop_start`` succeeds only where no thread runs: the old one died of something that the broker sent."""
        while not self._closing.wait(CHECK):
            self._tell_alarms()
            if self._client.loop_start() == self._paho.MQTT_ERR_SUCCESS:
                self._say("the client failed at what the broker sent and is begun anew")
                _abandon(self._client)
                self._client.disconnect()
                self._client.loop_stop()
                self._client = self._connect()

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            return self._say(f"the broker refuses the connection ({reason})")
        self._told = ""
        client.publish(f"{self._topics.base}/online", ONLINE, retain=True)
        for topic, config in discovery(self._topics, contact=self._contact):
            client.publish(topic, json.dumps(config), retain=True)
        return self._publish_state(client)

    def _unreachable(self, _client: Any, _data: Any) -> None:
        self._say("the broker cannot be reached")

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not self._closing.is_set():
            self._say(f"the connection was lost ({reason})")

    def _say(self, why: str) -> None:
        if why != self._told:
            self._tell(f"mqtt: {why}; it is tried again, what happens meanwhile is not told there")
        self._told = why

    def _tell_alarms(self) -> None:
        """Those that wait, as far as the broker takes them: QoS 1, without an expiry."""
        with self._telling:
            while self._alarms:
                event = self._alarms[0]
                if not self._taken({"event_type": "duress", "id": event.id, "subject": event.subject}, event.at, CLOSING, kept=True):
                    return
                self._alarms.popleft()

    def _publish_state(self, client: Any) -> None:
        if (state := self._state) is not None:
            facts = {"try_later": state.try_later, "leaf": state.leaf.value, "at": _iso(state.at)}
            client.publish(f"{self._topics.base}/state", json.dumps(facts), retain=True)

    def _taken(self, facts: dict[str, Any], at: float, seconds: float, *, kept: bool = False) -> bool:
        """Whether the message went out within so many seconds. What does not is taken back by dropping the connection.

        kept: the broker says that it has it, and keeps it for subscribers who are away; else it expires after those seconds.
        """
        client, until = self._client, time.monotonic() + seconds
        if not client.is_connected() or not self._until(lambda: not client.want_write(), seconds):
            return False
        properties = self._properties.Properties(self._packets.PacketTypes.PUBLISH)
        if not kept:
            properties.MessageExpiryInterval = max(math.ceil(seconds), 1)
        topic = f"{self._topics.base}/event"
        sent = client.publish(topic, json.dumps({**facts, "at": _iso(at)}), qos=int(kept), retain=False, properties=properties)
        if sent.rc != self._paho.MQTT_ERR_SUCCESS:
            return False
        return self._sent(sent, until - time.monotonic())

    def _sent(self, message: Any, seconds: float) -> bool:
        """Whether it goes out within so many seconds; if not, the connection is dropped, and the message with it."""
        try:
            gone = self._until(message.is_published, seconds)
        except (RuntimeError, ValueError):  # the connection was lost meanwhile
            return False
        if not gone:
            _abandon(self._client)
        return gone

    def _until(self, fact: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not fact():
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        return True


def discovery(topics: Topics, *, contact: bool) -> Iterable[tuple[str, dict[str, Any]]]:
    """Topic and message of every entity that Home Assistant is told of (its MQTT discovery, one message each)."""
    if not topics.discovery:
        return
    base = topics.base
    device = {"identifiers": [f"edge-{topics.device}"], "name": topics.device, "model": "Edge door"}
    common = {"device": device, "origin": {"name": "edge-face"}}
    here = {**common, "availability_topic": f"{base}/online"}
    state = f"{base}/state"
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("binary_sensor", "online", {**common, "name": "Online", "device_class": "connectivity", "entity_category": "diagnostic"}),
        ("event", "access", {**here, "name": "Access", "state_topic": f"{base}/event", "event_types": ["unlock", "denied", "duress"]}),
        ("binary_sensor", "try_later", {**here, "name": "Try later", "device_class": "problem", **_on(state, "value_json.try_later")}),
    ]
    found[0][2].update(state_topic=f"{base}/online", payload_on=ONLINE, payload_off=OFFLINE)
    if contact:
        shut = f"value_json.leaf in ['{Leaf.CLOSED.value}', '{Leaf.NOT_WATCHED.value}']"
        for name, title, kind, test in (
            ("door", "Door", "door", f"not ({shut})"),
            ("held_open", "Held open", "problem", f"value_json.leaf == '{Leaf.HELD_OPEN.value}'"),
            ("forced", "Forced", "tamper", f"value_json.leaf == '{Leaf.FORCED.value}'"),
        ):
            found.append(("binary_sensor", name, {**here, "name": title, "device_class": kind, **_on(state, test)}))
    for component, name, config in found:
        identity = f"edge-{topics.device}-{name}"
        yield f"{topics.discovery}/{component}/edge-{topics.device}/{name}/config", {**config, "unique_id": identity}


def _on(topic: str, test: str) -> dict[str, str]:
    return {"state_topic": topic, "value_template": "{{ 'ON' if " + test + " else 'OFF' }}"}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")


def _abandon(client: Any) -> None:
    """Drop the connection without another byte."""
    connection = client.socket()
    if connection is not None:
        try:
            connection.shutdown(2)
        except OSError:
            return

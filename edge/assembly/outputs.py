"""Settings -> the door's outputs, put together: what an outcome opens and who is told. Every output is off until it is enabled."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.assembly import build
from edge.door import gpio
from edge.door.access import Access, Rules
from edge.door.backoff import Waits
from edge.door.clock import synchronised
from edge.door.contact import Contact, LeafWatch, Wiring
from edge.door.door import Door
from edge.door.events import Output, OutputError, Unlock
from edge.door.lane import Tell
from edge.door.mqtt import Broker, Mqtt, Topics, load_paho
from edge.door.osdp import Bus, Osdp, base_key, load_osdp
from edge.door.outbox import Outbox
from edge.door.reach import reach
from edge.door.relay import Relay, Strike
from edge.door.schedule import Schedule, parse
from edge.door.secret import Place, read_secret
from edge.door.throttle import Limits
from edge.door.webhook import Address, Webhook, checked_key
from edge.records import ALWAYS, Validity
from edge.settings import Settings

Dates = Callable[[str], Validity]
PATIENCE = 3.0  # seconds that the doctor waits for a server
NAMES = ("relay", "contact", "webhook", "mqtt", "osdp")


def enabled(settings: Settings) -> list[str]:
    """The names of the outputs that are enabled, and of the contact."""
    return [name for name in NAMES if getattr(settings, name).enabled]


def open_door(settings: Settings, tell: Tell, *, live: bool, validity: Dates = lambda subject: ALWAYS) -> Door | None:
    """The door with its outputs running; None where none is enabled. The loop closes it.

    validity: a subject's id -> when that person may pass. live: whether the stream is a camera's. tell: hears what goes wrong later, from
    other threads. Raises OutputError or SettingsError for what cannot be set up as asked; a device or server that is merely away at this
    moment is told and tried again.
    """
    if not enabled(settings):
        return None
    if not live and not settings.access.recordings:
        tell("outputs: this stream is a recording, which opens nothing and is told nobody; access.recordings = true is for trying them out")
        return None
    wiring = contact_wiring(settings) if settings.contact.enabled else None
    door = Door(access(settings, validity), _outputs(settings, tell), tell, recorded=not live)
    if wiring is not None:
        watch = LeafWatch(settings.contact.grace, settings.contact.held_open)
        contact = Contact(wiring, watch, door.leaf, door.exit_pressed, tell)
        door.listen(lambda event: contact.unlocked() if isinstance(event, Unlock) else None)
        door.on_close(contact.close)
    return door


def silent_door(settings: Settings, tell: Tell, *, live: bool, validity: Dates) -> Door:
    """A door that opens nothing, for a screen alone: of the rules only the dates of each person count, and it says who is refused."""
    rules = Rules(settings.decision.expiry, Limits(0, 1.0, 1.0, 1.0, 1.0), Schedule(always=True), synchronised=settings.access.synchronised)
    return Door(Access(rules, _local, validity), [], tell, recorded=not live)


def access(settings: Settings, validity: Dates = lambda subject: ALWAYS) -> Access:
    """The access rules."""
    given = settings.access
    rules = Rules(settings.decision.expiry, limits(settings), parse(given.schedule), synchronised=given.synchronised)
    return Access(rules, _local, validity)


def limits(settings: Settings) -> Limits:
    """The throttle on unknown faces; none at all where ``access.failures`` is 0."""
    given = settings.access
    hourly = given.hourly if given.failures else 0
    return Limits(given.failures, given.window, given.pause, given.longest_pause, given.quiet, hourly)


def waits(settings: Settings) -> Waits:
    """The throttle on door codes."""
    given = settings.code
    return Waits(given.failures, given.pause, given.longest_pause, given.quiet)


def _local(wall: float) -> tuple[int, int]:
    moment = time.localtime(wall)
    return moment.tm_wday, moment.tm_hour * 60 + moment.tm_min


def _outputs(settings: Settings, tell: Tell) -> list[Output]:
    """Everything is checked before the first of them begins."""
    makers: list[Callable[[], Output]] = []
    if settings.webhook.enabled:
        address, key = webhook_address(settings), webhook_key(settings)
        makers.append(lambda: _webhook(settings, address, key, tell))
    if settings.mqtt.enabled:
        broker, topics, password = mqtt_broker(settings), mqtt_topics(settings), mqtt_password(settings)
        load_paho()
        makers.append(lambda: Mqtt(broker, topics, password, tell, contact=settings.contact.enabled and bool(settings.contact.door)))
    if settings.osdp.enabled:
        bus, scbk = Bus(settings.osdp.device, settings.osdp.baud, settings.osdp.address), osdp_key(settings)
        load_osdp()
        makers.append(lambda: Osdp(bus, scbk, tell))
    if settings.relay.enabled:
        strike = relay_strike(settings)
        gpio.load_gpiod()
        makers.append(lambda: Relay(strike, tell))
    return [make() for make in makers]


def relay_strike(settings: Settings) -> Strike:
    relay = settings.relay
    return Strike(relay.chip, relay.line, relay.active == "low", relay.pulse, relay.max_on)


def contact_wiring(settings: Settings) -> Wiring:
    """Raises OutputError for a wiring without a line, or with one that the relay has."""
    contact, relay = settings.contact, settings.relay
    if relay.enabled and relay.chip == contact.chip and relay.line in (contact.door, contact.exit_button):
        raise OutputError(f"contact and relay: both are to have line {relay.line} of {relay.chip}; name another one")
    return Wiring(
        contact.chip,
        contact.door,
        contact.open == "low",
        contact.exit_button,
        contact.pressed == "low",
        contact.bias,
        contact.debounce,
    )


def webhook_address(settings: Settings) -> Address:
    return Address(settings.webhook.url, _file(settings.webhook.ca), settings.webhook.timeout)


def webhook_key(settings: Settings) -> str:
    return checked_key(read_secret(Place("webhook key", settings.webhook.credential, settings.webhook.key_file)))


def _webhook(settings: Settings, address: Address, key: str, tell: Tell) -> Webhook:
    hook = settings.webhook
    build.make_folder(hook.outbox.parent, "webhook.outbox")
    outbox = Outbox(hook.outbox, hook.max_waiting)
    return Webhook(address, key, outbox, tell, device=settings.gallery.device, longest_pause=hook.longest_pause)


def mqtt_broker(settings: Settings) -> Broker:
    mqtt = settings.mqtt
    certificate, key = _file(mqtt.certificate), _file(mqtt.private_key)
    return Broker(mqtt.host, mqtt.port, mqtt.tls, _file(mqtt.ca), certificate, key, mqtt.user, mqtt.keepalive)


def mqtt_topics(settings: Settings) -> Topics:
    return Topics(settings.mqtt.topic, settings.gallery.device, settings.mqtt.discovery)


def mqtt_password(settings: Settings) -> str | None:
    mqtt = settings.mqtt
    return read_secret(Place("MQTT password", mqtt.credential, mqtt.password_file)) if mqtt.user else None


def osdp_key(settings: Settings) -> bytes:
    return base_key(read_secret(Place("OSDP key", settings.osdp.credential, settings.osdp.key_file)))


def _file(text: str) -> Path | None:
    return Path(text) if text else None


def examine(settings: Settings) -> tuple[list[str], list[str]]:
    """Problems and warnings of the outputs that are enabled, each with its way out after "; ". Takes, sends and switches nothing.

    A server that is away is a warning: the door works without it.
    """
    problems, warnings = [], _warnings(settings)
    for name in enabled(settings):
        try:
            CHECKS[name](settings)
        except OutputError as error:
            problems.append(str(error))
            continue
        try:
            SERVERS.get(name, _no_server)(settings)
        except OutputError as error:
            warnings.append(str(error))
    return problems, warnings


def _check_relay(settings: Settings) -> None:
    relay_strike(settings)
    gpio.probe(settings.relay.chip, [settings.relay.line])


def _check_contact(settings: Settings) -> None:
    wiring = contact_wiring(settings)
    gpio.probe(wiring.chip, list(wiring.lines))


def _check_webhook(settings: Settings) -> None:
    webhook_address(settings)
    webhook_key(settings)


def _check_mqtt(settings: Settings) -> None:
    load_paho()
    mqtt_broker(settings)
    mqtt_topics(settings)
    mqtt_password(settings)


def _check_osdp(settings: Settings) -> None:
    load_osdp()
    osdp_key(settings)
    device = settings.osdp.device
    if not Path(device).exists():
        raise OutputError(f"serial port {device}: is not there; check the cable and the name")
    if not Path(device).is_char_device() or not os.access(device, os.R_OK | os.W_OK):
        raise OutputError(f"serial port {device}: is no port that this user may use; name the adapter, add the user to its group")


CHECKS: dict[str, Callable[[Settings], None]] = {
    "relay": _check_relay,
    "contact": _check_contact,
    "webhook": _check_webhook,
    "mqtt": _check_mqtt,
    "osdp": _check_osdp,
}


def _reach_webhook(settings: Settings) -> None:
    address = webhook_address(settings)
    reach("webhook", *address.place, address.context if address.secure else None, PATIENCE)


def _reach_mqtt(settings: Settings) -> None:
    broker = mqtt_broker(settings)
    reach("mqtt", broker.host, broker.port, broker.context(), PATIENCE)


def _no_server(settings: Settings) -> None:
    return


SERVERS: dict[str, Callable[[Settings], None]] = {"webhook": _reach_webhook, "mqtt": _reach_mqtt}


def _warnings(settings: Settings) -> list[str]:
    warnings = []
    if settings.mqtt.enabled and not settings.mqtt.tls and settings.mqtt.host not in ("localhost", "127.0.0.1", "::1"):
        warnings.append("mqtt.tls = false: whoever is on the wire reads the password and who comes and goes; give the broker a certificate")
    if settings.access.schedule not in ("always", "never") and not synchronised():
        shut = "a face opens nothing until then" if settings.access.synchronised else "the schedule believes it all the same"
        warnings.append(
            f"access.schedule: the kernel says that nobody keeps its clock right, and {shut}; enable NTP (timedatectl set-ntp true)"
        )
    if settings.access.fallback == "code" and not settings.screen.enabled:
        warnings.append('access.fallback = "code", but no screen is attached to type at; set screen.enabled = true, or fallback to "off"')
    if settings.access.recordings:
        warnings.append("access.recordings = true: a video opens the door; set it to false once the outputs have been tried out")
    return warnings

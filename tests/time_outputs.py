"""How long an unlock takes from the decision to each output's other end: real guard process, HTTP server, mosquitto, libosdp's panel.

    python -m tests.time_outputs

Prints a table in Markdown. The relay's line is the twin's, so that its last step, the kernel's, is missing; everything is on this machine.
"""

import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from edge.door.access import Access, Rules
from edge.door.door import Door
from edge.door.events import Output
from edge.door.mqtt import Mqtt
from edge.door.osdp import Bus, Osdp
from edge.door.outbox import Outbox
from edge.door.relay import Relay, Strike, guard_command
from edge.door.schedule import parse
from edge.door.throttle import Limits
from edge.door.webhook import Address, Webhook
from edge.records import Outcome, Verdict
from tests import test_mqtt, test_osdp
from tests.door_twins import soon
from tests.gpio_twin import board, level
from tests.http_twins import KEY, Receiver
from tests.mqtt_twins import Broker, Ear

TIMES = 50


def measured(output: Output, arrived: Callable[[int], bool], rest: float = 0.05) -> tuple[float, float, float]:
    """Median, 95th percentile and worst of the milliseconds until ``arrived(n)`` after the n-th unlock."""
    rules = Rules(1.5, Limits(0, 60.0, 30.0, 30.0, 3600.0), parse("always"))
    door, found = Door(Access(rules, lambda wall: (0, 0)), [output], print), []
    for number in range(1, TIMES + 1):
        begun = time.monotonic()
        door.decided(Outcome(Verdict.IDENTIFIED, number, begun, begun, 3, "5d" * 16), None)
        while not arrived(number):
            if time.monotonic() - begun > 10:
                raise SystemExit(f"{output.name}: unlock {number} did not arrive")
            time.sleep(0.0002)
        found.append((time.monotonic() - begun) * 1000)
        time.sleep(rest)
    door.close()
    return statistics.median(found), statistics.quantiles(found, n=20)[-1], max(found)


def relay(folder: Path) -> tuple[float, float, float]:
    chip = board(folder, "17")
    strike = Strike(str(chip), "17", False, 0.1, 1.0)
    made = Relay(strike, print, guard_command(strike, "tests.gpio_twin"))
    made.ready.wait(20)
    return measured(made, lambda number: level(chip, "17") == 1, rest=0.3)


def webhook(folder: Path) -> tuple[float, float, float]:
    receiver = Receiver()
    made = Webhook(
        Address(f"http://127.0.0.1:{receiver.port}/", None, 5.0), KEY, Outbox(folder / "o.db", 100), print, device="d", longest_pause=300.0
    )
    return measured(made, lambda number: receiver.kinds.count("unlock") >= number)


def mqtt(folder: Path) -> tuple[float, float, float]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    broker = Broker(folder, port, "allow_anonymous true")
    heard = Ear(port)
    made = Mqtt(test_mqtt.settings(port), test_mqtt.TOPICS, None, print, contact=True)
    soon(lambda: bool(heard.texts(f"{test_mqtt.BASE}/online")))
    found = measured(made, lambda number: len(heard.texts(f"{test_mqtt.BASE}/event")) >= number)
    heard.close()
    broker.stop()
    return found


def osdp(_: Path) -> tuple[float, float, float]:
    wire = test_osdp.Wire()
    made = Osdp(Bus(wire.device, 115200, test_osdp.ADDRESS), test_osdp.KEY, print)
    panel = test_osdp.Panel(wire)
    soon(lambda: panel.secure and made.secure, 20)
    found = measured(made, lambda number: len(panel.events) >= number)
    panel.close()
    return found


def main() -> None:
    """The table."""
    rows = {}
    for name, measure in (("relay", relay), ("webhook", webhook), ("MQTT", mqtt), ("OSDP", osdp)):
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = measure(Path(folder))
    print(f"| output | median, ms | 95 %, ms | worst of {TIMES}, ms |\n|---|---|---|---|")
    for name, (median, high, worst) in rows.items():
        print(f"| {name} | {median:.1f} | {high:.1f} | {worst:.1f} |")
    print(json.dumps({name: [round(value, 2) for value in row] for name, row in rows.items()}), file=sys.stderr)


if __name__ == "__main__":
    main()

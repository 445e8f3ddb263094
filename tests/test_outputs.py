"""The outputs put together from settings, and the whole appliance with them: real process, real networks, a real HTTP server."""

import json
from pathlib import Path
from typing import Any

import pytest

from edge.assembly.outputs import enabled, examine, limits, open_door
from edge.commands.doctor import _outputs
from edge.door.clock import synchronised
from edge.door.events import OutputError
from edge.errors import SettingsError
from edge.settings import Settings, load_settings
from tests.door_twins import soon
from tests.http_twins import KEY, Receiver, certificate
from tests.test_cli import COLLINS, Desk, desk

__all__ = ["desk"]

SETTINGS = """
[gallery]
path = "gallery.db"
[keys]
file = "root.key"
[calibration]
path = "calibration.json"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "door.toml"
    path.write_text(SETTINGS + text)
    return path


def settings(folder: Path, text: str) -> Settings:
    return load_settings(write(folder, text), {})


def secret(folder: Path, name: str, text: str = KEY) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o600)


def webhook(port: int) -> str:
    return f'[webhook]\nenabled = true\nurl = "http://127.0.0.1:{port}/"\nkey_file = "webhook.key"\noutbox = "outbox.db"\n'


def test_everything_is_off_until_it_is_enabled(tmp_path: Path) -> None:
    plain = settings(tmp_path, "")
    assert enabled(plain) == []
    assert open_door(plain, print, live=True) is None
    assert enabled(settings(tmp_path, "".join(f"[{name}]\nenabled = true\n" for name in ("osdp", "relay")))) == ["relay", "osdp"]


def test_a_recording_opens_nothing_unless_recordings_may_and_says_so(tmp_path: Path) -> None:
    secret(tmp_path, "webhook.key")
    told: list[str] = []
    assert open_door(settings(tmp_path, webhook(1)), told.append, live=False) is None
    assert "access.recordings" in told[0]
    door = open_door(settings(tmp_path, webhook(1) + "[access]\nrecordings = true\n"), told.append, live=False)
    assert door is not None
    door.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (webhook(1), r"webhook key: neither systemd credential edge-webhook-key nor file .*webhook\.key"),
        ('[webhook]\nenabled = true\nkey_file = "short.key"\nurl = "https://example.org/"\n', "5 characters, at least 32"),
        ('[webhook]\nenabled = true\nkey_file = "good.key"\nurl = "http://example.org/"\n', r"webhook\.url"),
        ('[mqtt]\nenabled = true\nuser = "door"\npassword_file = "none"\n', "MQTT password: neither"),
        ('[mqtt]\nenabled = true\nca = "none.pem"\n', "mqtt: certificates cannot be used"),
        ('[mqtt]\nenabled = true\ntopic = "#"\n', r"mqtt\.topic = '#'"),
        ('[osdp]\nenabled = true\nkey_file = "good.key"\n', "OSDP key"),
        ("[contact]\nenabled = true\n", "name at least one line"),
        ('[contact]\nenabled = true\ndoor = "17"\n[relay]\nenabled = true\n', "both are to have line 17"),
    ],
)
def test_what_cannot_be_set_up_as_asked_stops_the_start_and_the_doctor_says_the_same(tmp_path: Path, text: str, said: str) -> None:
    secret(tmp_path, "short.key", "12345")
    secret(tmp_path, "good.key", "k" * 32)
    wrong = settings(tmp_path, text)
    with pytest.raises(OutputError, match=said):
        open_door(wrong, print, live=True)
    problems, _ = examine(wrong)
    assert problems
    assert not (tmp_path / "outbox.db").exists(), "nothing has begun"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[access]\nschedule = "mon-fri 7-19"\n', r"door\.toml:9: access\.schedule = 'mon-fri 7-19': .*is no span of a schedule"),
        ("[relay]\nmax_on = 1.0\n", r"door\.toml:9: relay\.max_on = 1\.0 is below relay\.pulse"),
        ("[osdp]\nbaud = 300\n", r"door\.toml:9: osdp\.baud = 300: .*choose one of 9600"),
        ('[relay]\nactive = "up"\n', r"door\.toml:9: relay\.active = 'up'"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, text)


def test_every_setting_of_an_output_can_come_from_the_environment(tmp_path: Path) -> None:
    found = load_settings(write(tmp_path, ""), {"EDGE_OSDP_BAUD": "19200", "EDGE_RELAY_ENABLED": "true", "EDGE_WEBHOOK_CA": ""})
    assert (found.osdp.baud, found.relay.enabled, found.webhook.ca) == (19200, True, "")


def test_a_path_that_is_named_is_relative_to_its_file_and_an_empty_one_stays_empty(tmp_path: Path) -> None:
    found = settings(tmp_path, '[mqtt]\nca = "ca.pem"\n[webhook]\noutbox = "box.db"\n')
    assert (found.mqtt.ca, found.mqtt.certificate, found.webhook.outbox) == (str(tmp_path / "ca.pem"), "", tmp_path / "box.db")


def test_the_doctor_warns_of_a_wire_without_tls_and_of_recordings_that_open(tmp_path: Path) -> None:
    text = '[mqtt]\nenabled = true\ntls = false\nhost = "broker.example"\n[access]\nrecordings = true\n'
    tls, recordings, unreachable = examine(settings(tmp_path, text))[1]
    assert tls.startswith("mqtt.tls = false")
    assert recordings.startswith("access.recordings = true")
    assert unreachable.startswith("mqtt broker.example:8883: cannot be reached")


def test_the_doctor_warns_of_door_codes_without_a_screen_or_without_an_output(tmp_path: Path) -> None:
    coded = load_settings(environment={}, flags={"access.fallback": "code"})
    assert examine(coded)[1][0].startswith('access.fallback = "code", but no screen is attached')
    assert examine(load_settings(environment={}, flags={"access.fallback": "code", "screen.enabled": True}))[1] == []
    check = _outputs(coded)
    assert (check.state, check.remedy) == ("warn", "enable an output")
    assert _outputs(load_settings(environment={})).state == "pass"


def test_failures_of_zero_are_no_throttle_at_all() -> None:
    assert limits(load_settings(environment={}, flags={"access.failures": 0})).hourly == 0
    assert limits(load_settings(environment={})).hourly == 100


def test_the_doctor_warns_of_a_schedule_by_a_clock_that_nobody_keeps_right(tmp_path: Path) -> None:
    secret(tmp_path, "webhook.key")
    receiver = Receiver()
    found = examine(settings(tmp_path, webhook(receiver.port) + '[access]\nschedule = "mon 07:00-19:00"\n'))[1]
    assert [warning.split(":")[0] for warning in found] == ([] if synchronised() else ["access.schedule"])


def test_the_doctor_shakes_hands_with_the_server_and_sends_nothing(tmp_path: Path) -> None:
    ca, tls = certificate(tmp_path)
    receiver = Receiver(tls=tls)
    secret(tmp_path, "webhook.key")
    url = f'[webhook]\nenabled = true\nurl = "https://localhost:{receiver.port}/"\nkey_file = "webhook.key"\n'
    assert examine(settings(tmp_path, url + f'ca = "{ca}"\n')) == ([], [])
    (untrusted,) = examine(settings(tmp_path, url))[1]
    assert "its certificate is not trusted" in untrusted
    receiver.close()
    (gone,) = examine(settings(tmp_path, url + f'ca = "{ca}"\n'))[1]
    assert f"webhook localhost:{receiver.port}: cannot be reached" in gone
    assert receiver.bodies == []


def checks(place: Desk, code: int) -> dict[str, Any]:
    (found,) = place.facts("doctor", code=code)
    return {check["id"]: check for check in found["checks"]}["outputs"]


def test_the_whole_appliance_tells_one_unlock_an_approach_with_an_opaque_id(desk: Desk) -> None:
    receiver = Receiver()
    secret(desk.folder, "webhook.key")
    write(desk.folder, webhook(receiver.port) + "[access]\nrecordings = true\n")
    (enrolled,) = desk.facts("enrol", COLLINS, desk.collins)
    lines = desk.facts("run", "--source", "demo:", "--frames", "25")
    identified = [line for line in lines if line.get("verdict") == "identified"]
    assert soon(lambda: receiver.kinds.count("unlock") == len(identified) == 1)
    opened = next(message for message in receiver.messages if message["kind"] == "unlock")
    assert opened["subject"] == enrolled["subject"]
    assert receiver.all_are_signed()
    everything = json.dumps(receiver.messages) + str(receiver.headers)
    assert "Collins" not in everything
    assert not any(word in everything.lower() for word in ("unequal", "score", "distance", "similarity"))
    assert checks(desk, 10)["state"] == "warn"


def test_an_output_that_cannot_be_set_up_has_its_own_exit_code_and_names_no_secret(desk: Desk) -> None:
    secret(desk.folder, "webhook.key", "too-short")
    write(desk.folder, webhook(1))
    desk.edge("enrol", COLLINS, desk.collins)
    failed = desk.edge("run", "--source", "demo:", code=0)
    assert "recording" in failed.stderr
    write(desk.folder, webhook(1) + "[access]\nrecordings = true\n")
    failed = desk.edge("run", "--source", "demo:", code=11)
    assert "at least 32" in failed.stderr
    assert "too-short" not in failed.stderr
    assert checks(desk, 20)["state"] == "fail"


def test_a_relay_without_its_chip_and_a_server_that_is_gone_do_not_stop_the_door(desk: Desk) -> None:
    pytest.importorskip("gpiod", reason="the real package is not installed: .venv/bin/pip install -e '.[door]'")
    secret(desk.folder, "webhook.key")
    relay = '[relay]\nenabled = true\nchip = "/dev/none"\n[access]\nrecordings = true\n'
    write(desk.folder, webhook(1) + relay)
    desk.edge("enrol", COLLINS, desk.collins)
    done = desk.edge("run", "--source", "demo:", "--frames", "25", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["name"] for line in lines if line.get("verdict") == "identified"] == [COLLINS]
    assert "relay: GPIO /dev/none, line 17: No such file or directory" in done.stderr
    assert "no guard holds the line, so that the door does not open" in done.stderr
    assert "webhook: the receiver cannot be reached" in done.stderr

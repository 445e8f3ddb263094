"""Figures and health, asked for over real HTTP on the loopback address."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

pytest.importorskip("prometheus_client", reason="prometheus_client is not installed; .venv/bin/pip install -e '.[service]'")

from prometheus_client.parser import text_string_to_metric_families

from edge.errors import SettingsError
from edge.records import Outcome, Reason, Sighting, Verdict
from edge.service.metrics import ADDRESS, CLIENTS, Metrics, Server
from edge.stages import Stages
from tests.test_cli import COLLINS, ROOT, Desk, desk  # noqa: F401 - a fixture
from tests.twins import face_at, frame

ADA = Outcome(Verdict.IDENTIFIED, 1, 1.0, 1.1, 3, "0f" * 16)
BLURRED = Outcome(Verdict.NOT_ACQUIRED, 2, 1.0, 1.3, 0, None, (Reason.BLURRED, Reason.TURNED))


class Door:
    """Metrics with their server, and a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.metrics = Metrics(fresh=5.0, references=lambda: 7, clock=lambda: self.now)
        self.server = Server(0, self.metrics)

    def ask(self, path: str, host: str | None = None) -> tuple[int, str]:
        return ask(self.server.port, path, host)

    def figures(self) -> dict[str, float]:
        return figures(self.ask("/metrics")[1])


def ask(port: int, path: str, host: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(f"http://{ADDRESS}:{port}{path}", headers={} if host is None else {"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def figures(text: str) -> dict[str, float]:
    """Name and labels -> value, as Prometheus' own parser reads them."""
    return {
        sample.name + "".join(f" {label}={value}" for label, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.server.close()


def test_outcomes_are_counted_by_verdict_and_reason_and_stages_in_a_histogram(door: Door) -> None:
    stages = Stages()
    stages.heard = door.metrics.stage
    with stages.stage("detect"):
        pass
    door.metrics.seen(frame(0), [Sighting(1, face_at(0), 0, (Reason.BLURRED,), False), Sighting(2, face_at(9), 1, (), False)])
    for outcome in (ADA, ADA, BLURRED):
        door.metrics.decided(outcome, "Ada")
    found = door.figures()
    assert found["edge_frames_total"] == 1
    assert found["edge_faces_total"] == 2
    assert found["edge_references"] == 7
    assert found["edge_refused_samples_total reason=blurred"] == 1
    assert found["edge_refused_samples_total reason=turned"] == 0
    assert found["edge_outcomes_total reason= verdict=identified"] == 2
    assert found["edge_outcomes_total reason= verdict=unknown"] == 0
    assert found["edge_outcomes_total reason=blurred verdict=not_acquired"] == 1
    assert found["edge_stage_seconds_count stage=detect"] == 1
    assert found["edge_decision_seconds_count"] == 3


def test_no_figure_is_of_a_person(door: Door) -> None:
    door.metrics.decided(ADA, "Ada Lovelace")
    text = door.ask("/metrics")[1]
    assert "Ada" not in text
    assert "0f0f" not in text
    assert not any(word in text.lower() for word in ("score", "unequal", "similarity", "subject"))


def test_ready_is_only_who_has_seen_a_frame_just_now(door: Door) -> None:
    assert door.ask("/livez") == (200, "alive\n")
    assert door.ask("/readyz") == (503, "no frame yet\n")
    door.metrics.seen(frame(0), [])
    assert door.ask("/readyz") == (200, "ready\n")
    door.now += 5.1
    assert door.ask("/readyz") == (503, "no frame for 5 s\n")
    assert door.ask("/livez")[0] == 200
    door.metrics.seen(frame(1), [])
    assert door.ask("/readyz")[0] == 200
    door.metrics.close()
    assert door.ask("/livez") == door.ask("/readyz") == (503, "stopped\n")


def test_what_is_not_there_is_not_found_and_other_names_for_this_machine_are_refused(door: Door) -> None:
    assert door.ask("/")[0] == door.ask("/metrics/../etc")[0] == 404
    assert door.ask("/metrics", "evil.example")[0] == door.ask("/metrics", "evil.example:80")[0] == 403
    assert door.ask("/metrics", "localhost")[0] == door.ask("/metrics", f"localhost:{door.server.port}")[0] == 200


def test_only_the_loopback_address_listens(door: Door) -> None:
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", door.server.port), 2)


def test_clients_that_say_nothing_are_turned_away_and_the_next_is_answered(door: Door) -> None:
    silent = [socket.create_connection((ADDRESS, door.server.port)) for _ in range(CLIENTS + 5)]
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            assert door.ask("/livez")[0] == 200
            break
        except OSError:
            time.sleep(0.1)
    else:
        pytest.fail("nobody was answered any more")
    for one in silent:
        one.close()


def test_a_port_that_is_taken_is_named_with_the_way_out(door: Door) -> None:
    with pytest.raises(SettingsError, match=rf"metrics.port = {door.server.port}: .*choose another, or 0 for none"):
        Server(door.server.port, door.metrics)


def free_port() -> int:
    with socket.socket() as one:
        one.bind((ADDRESS, 0))
        return one.getsockname()[1]


def test_a_running_door_answers_and_by_default_nothing_listens(desk: Desk) -> None:  # noqa: F811
    desk.edge("enrol", COLLINS, desk.collins)
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EDGE_METRICS_PORT": str(port)}
    words = [sys.executable, "-m", "edge", "run", "--source", "demo:", "--json", "--config", str(desk.config)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as running:
        assert running.stdout is not None
        assert "verdict" in json.loads(running.stdout.readline())
        assert ask(port, "/livez")[0] == 200
        found = figures(ask(port, "/metrics")[1])
        running.terminate()
        running.communicate()
    assert found["edge_frames_total"] > 0
    assert found["edge_references"] == 1
    assert {name.split()[1] for name in found if name.startswith("edge_stage_seconds_count")} >= {
        "stage=detect",
        "stage=hash",
        "stage=search",
    }


def test_a_taken_port_does_not_keep_the_door_shut(desk: Desk, monkeypatch: pytest.MonkeyPatch, door: Door) -> None:  # noqa: F811
    monkeypatch.setenv("EDGE_METRICS_PORT", str(door.server.port))
    ran = desk.edge("run", "--source", "demo:", "--frames", "12", "--json")
    assert "runs without metrics" in ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["summary"]["frames"] == 12

"""What the doctor sees of the machine: heat, rights, units."""

import os
import re
import stat
from pathlib import Path

import pytest

from edge.commands.doctor import examine
from edge.service.machine import UNITS, door_runs, hottest, open_to_others, units, writable_by_others

ROOT = Path(__file__).parent.parent


def zone(root: Path, name: str, kind: str, text: str) -> None:
    (root / name).mkdir()
    (root / name / "type").write_text(kind + "\n")
    (root / name / "temp").write_text(text)


def test_the_hottest_sensor_that_answers_is_told(tmp_path: Path) -> None:
    assert hottest(tmp_path) is None
    zone(tmp_path, "thermal_zone0", "cpu-thermal", "48312\n")
    zone(tmp_path, "thermal_zone1", "gpu-thermal", "81000\n")
    zone(tmp_path, "thermal_zone2", "cv0-thermal", "off\n")
    assert hottest(tmp_path) == ("gpu-thermal", 81.0)


@pytest.mark.parametrize(("mode", "wrong"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o620, 1)])
def test_a_private_file_that_lets_others_in_is_named_with_the_way_out(tmp_path: Path, mode: int, wrong: int) -> None:
    path = tmp_path / "gallery.db"
    path.write_bytes(b"")
    path.chmod(mode)
    found = open_to_others([path, tmp_path / "not there"])
    assert len(found) == wrong
    assert all(one.way_out == f"chmod go= {path}" for one in found)


def test_a_private_file_of_somebody_else_is_named(tmp_path: Path) -> None:
    (found,) = open_to_others([tmp_path], user=os.geteuid() + 1)
    assert found.way_out == f"chown {os.geteuid() + 1} {tmp_path}"


def test_what_anybody_can_write_is_named_and_a_sticky_folder_is_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert [one.way_out for one in writable_by_others([tmp_path])] == [f"chmod o-w {tmp_path}"]
    tmp_path.chmod(0o777 | stat.S_ISVTX)
    assert writable_by_others([tmp_path]) == []


class Host:
    """A folder with installed units, and a systemctl that says of each unit what the test wants."""

    def __init__(self, folder: Path, says: dict[str, str] | None = None) -> None:
        self.installed, self.booted, self.systemctl = folder / "installed", folder / "booted", folder / "systemctl"
        self.installed.mkdir()
        for name in UNITS:
            (self.installed / name).write_bytes((ROOT / "systemd" / name).read_bytes())
        if says is not None:
            self.booted.mkdir()
        lines = "".join(f"{name}) echo {state};;\n" for name, state in (says or {}).items())
        self.systemctl.write_text(f"#!/bin/sh\ncase $2 in\n{lines}*) echo inactive;;\nesac\n")
        self.systemctl.chmod(0o755)

    def told(self) -> tuple[str, str]:
        found = units(ROOT / "systemd", installed=self.installed, systemctl=str(self.systemctl), booted=self.booted)
        return found.state, found.told


def test_a_running_door_passes(tmp_path: Path) -> None:
    state, told = Host(tmp_path, {"edge-door.service": "active"}).told()
    assert state == "pass"
    assert "edge-door.service active" in told


@pytest.mark.parametrize(
    ("says", "state", "told"),
    [
        ({"edge-door.service": "failed"}, "fail", "edge-door.service failed"),
        ({"edge-door.service": "active", "edge-backup.service": "failed"}, "fail", "edge-backup.service failed"),
        ({"edge-door.service": "inactive"}, "fail", "edge-door.service inactive"),
        ({"edge-door.service": ""}, "fail", "no answer"),
        (None, "unknown", "systemd does not run here"),
    ],
)
def test_what_does_not_run_is_told(tmp_path: Path, says: dict[str, str] | None, state: str, told: str) -> None:
    found = Host(tmp_path, says).told()
    assert found[0] == state
    assert told in found[1]


@pytest.mark.parametrize(
    ("says", "runs"), [({"edge-door.service": "active"}, True), ({"edge-door.service": "failed"}, False), (None, False)]
)
def test_whether_the_door_holds_the_camera_is_asked_of_systemd(tmp_path: Path, says: dict[str, str] | None, runs: bool) -> None:
    host = Host(tmp_path, says)
    assert door_runs(str(host.systemctl), host.booted) is runs


def test_units_of_another_version_are_told(tmp_path: Path) -> None:
    host = Host(tmp_path, {"edge-door.service": "active"})
    (host.installed / "edge-door.service").write_text("[Service]\n")
    assert host.told() == ("warn", "edge-door.service: not as this version ships it")


def test_a_machine_without_the_service_is_unknown(tmp_path: Path) -> None:
    assert units(ROOT / "systemd", installed=tmp_path).state == "unknown"


def test_the_document_lists_every_check_by_its_id(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z]+)` \|", text.partition("## What the doctor checks")[2].partition("\n## ")[0], re.M)
    (tmp_path / "door.toml").write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n')
    assert listed == [check.id for check in examine(tmp_path / "door.toml")]


def test_the_doctor_finds_open_files_and_a_touched_log(tmp_path: Path) -> None:
    config = tmp_path / "door.toml"
    config.write_text('[gallery]\npath = "gallery.db"\n[keys]\nfile = "root.key"\n')
    (tmp_path / "audit").mkdir(mode=0o700)
    (tmp_path / "audit" / "audit-000000000001.jsonl").write_text("{}\n")
    (tmp_path / "root.key").write_bytes(bytes(32))
    (tmp_path / "root.key").chmod(0o600)
    found = {check.id: check for check in examine(config)}
    assert found["permissions"].state == "fail"
    assert "audit-000000000001.jsonl lets others in" in found["permissions"].found
    assert found["audit"].state == "fail"
    assert "no line of an audit log" in found["audit"].found
    (tmp_path / "audit" / "audit-000000000001.jsonl").chmod(0o600)
    config.chmod(0o666)
    assert f"anybody can write {config}" in {check.id: check for check in examine(config)}["permissions"].found

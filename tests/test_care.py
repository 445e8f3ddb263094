"""Care of the gallery at the command line: rotate, another key, another network, accept, backup, restore; real process, real networks."""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import onnx
import pytest

from edge.gallery.backup import name_of
from edge.keys import Keyring
from edge.settings import DEFAULTS
from tests.test_cli import COLLINS, HOPPER, Desk

PLANTED = ("gallery-99991231T235957Z.age", "gallery-99991231T235958Z.age", f"gallery-99991231T235959Z-{'0' * 32}.age")
MODELS = DEFAULTS.parent.parent / "models"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.edge("enrol", COLLINS, desk.collins)
    return desk


def set_up(desk: Desk, more: str) -> None:
    desk.config.write_text(desk.config.read_text() + more)


@pytest.mark.parametrize("words", [(), ("--transform",)])
def test_rotate_changes_every_byte_and_no_decision(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.facts("rotate", *words) == [{"rotated": 1, "transform": bool(words), "new_key": None}]
    assert desk.names(desk.collins) == [COLLINS]


def test_under_another_key_only_that_key_opens_the_gallery(desk: Desk) -> None:
    new = desk.folder / "new.key"
    assert "head -c 32 /dev/urandom >" in desk.edge("rotate", "--new-key", new, code=7).stderr
    new.write_bytes(bytes(range(32)))
    new.chmod(0o600)
    assert desk.facts("rotate", "--new-key", new)[0]["rotated"] == 1
    assert "another root key" in desk.edge("identify", desk.collins, code=7).stderr
    new.replace(desk.folder / "root.key")
    assert desk.names(desk.collins) == [COLLINS]


def test_an_altered_gallery_lets_nobody_in_until_it_is_signed_as_it_is(desk: Desk) -> None:
    desk.edge("enrol", HOPPER, desk.hopper)
    with closing(sqlite3.connect(desk.folder / "gallery.db")) as db, db:
        db.execute("DELETE FROM templates WHERE id = (SELECT min(id) FROM templates)")
    for command in (("identify", desk.collins), ("run", "--source", "demo:", "--frames", "12"), ("rotate",)):
        said = desk.edge(*command, code=6).stderr
        assert "GALLERY ALTERED" in said
    assert len(desk.facts("list")[0]["subjects"]) == 2
    checks = {check["id"]: check for check in desk.facts("doctor", code=20)[0]["checks"]}
    assert checks["gallery"]["state"] == "fail"
    (accepted,) = desk.facts("accept")
    assert accepted["accepted"] == 1
    assert "are not those that were signed" in accepted["was"]
    assert (desk.names(desk.collins) + desk.names(desk.hopper)).count(None) == 1


def test_a_backup_comes_back_here_and_on_another_device(desk: Desk, tmp_path: Path) -> None:
    assert "no recipient" in desk.edge("backup", code=6).stderr
    (made,) = desk.facts("backup", "--new-identity", tmp_path / "operator.txt")
    set_up(desk, f'[backup]\nrecipients = ["{made["recipient"]}"]\nfolder = "backups"\nkeep = 2\n')
    keys = Keyring((tmp_path / "root.key").read_bytes(), "default", "door")
    ours = [name_of(keys, datetime(2026, 1, day, tzinfo=timezone.utc)) for day in (1, 2)]
    (tmp_path / "backups").mkdir()
    for name in (*ours, *PLANTED):
        (tmp_path / "backups" / name).touch()
    written = Path(desk.facts("backup")[0]["backup"])
    kept = {ours[1], written.name, *PLANTED}
    assert {path.name for path in (tmp_path / "backups").iterdir()} == kept
    desk.edge("backup", tmp_path / "elsewhere.age")
    assert {path.name for path in (tmp_path / "backups").iterdir()} == kept, "one that is written elsewhere takes nobody's place"

    gallery = (tmp_path / "gallery.db").read_bytes()
    (tmp_path / "gallery.db").write_bytes(gallery[:4096])
    words = ("restore", written, "--identity", tmp_path / "operator.txt", "--replace")
    assert "--forget-revocations" in desk.edge(*words, code=6).stderr
    assert "is enrolled again; `edge audit show`" in desk.edge(*words, "--forget-revocations").stderr
    assert any(line["facts"].get("revocations_read") is False for line in desk.facts("audit", "show"))

    desk.edge("revoke", COLLINS)
    assert "is there already" in desk.edge("restore", written, "--identity", tmp_path / "operator.txt", code=6).stderr
    (again,) = desk.facts("restore", written, "--identity", tmp_path / "operator.txt", "--replace")
    assert (again["restored"], again["revoked"]) == (0, [COLLINS])
    assert desk.names(desk.collins) == [None]

    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other")
    other.config.write_text(other.config.read_text().replace("[gallery]\n", '[gallery]\ndevice = "door-2"\n'))
    assert "--from-elsewhere" in other.edge("restore", written, "--identity", tmp_path / "operator.txt", code=6).stderr
    (moved,) = other.facts("restore", written, "--identity", tmp_path / "operator.txt", "--from-elsewhere")
    assert (moved["restored"], moved["from"]) == (1, "door-1")
    assert other.names(other.collins) == [COLLINS]
    assert (tmp_path / "other" / "root.key").read_bytes() != (tmp_path / "root.key").read_bytes()


def other_network(folder: Path) -> None:
    """The shipped networks, and beside them a hashing network that is another file and the same function."""
    folder.mkdir()
    for name in ("detector.onnx", "detector.json", "drh.onnx", "drh.json"):
        shutil.copyfile(MODELS / name, folder / name)
    model = onnx.load(str(MODELS / "drh.onnx"))
    model.doc_string = "the next one"
    onnx.save(model, str(folder / "next.onnx"))
    manifest = json.loads((MODELS / "drh.json").read_text())
    manifest |= {"name": "next", "file": "next.onnx", "sha256": hashlib.sha256((folder / "next.onnx").read_bytes()).hexdigest()}
    (folder / "next.json").write_text(json.dumps(manifest))


def test_after_a_change_of_network_a_person_is_renewed_by_passing(desk: Desk) -> None:
    other_network(desk.folder / "models")
    set_up(desk, '[network]\nmodels = "models"\nhash = "next"\n[rebind]\ncaution = 3.0\n')
    assert "`edge rebind`" in desk.edge("run", "--source", "demo:", "--frames", "5", code=6).stderr
    assert desk.facts("rebind", "--days", "7")[0]["waiting"] == 1
    assert desk.names(desk.collins) == [COLLINS]  # by the network before
    assert [(one["references"], one["former"]) for one in desk.facts("list")[0]["subjects"]] == [(0, 1)]
    lines = desk.facts("run", "--source", "demo:", "--frames", "40")
    assert COLLINS in [line.get("name") for line in lines]
    assert [(one["references"], one["former"]) for one in desk.facts("list")[0]["subjects"]] == [(1, 0)]
    assert desk.facts("rebind", "--status")[0]["waiting"] == 0
    assert desk.facts("rebind", "--end") == [{"deleted": 0}]
    assert desk.names(desk.collins) == [COLLINS]
    assert "belongs to network" in desk.edge("rebind", code=6).stderr


def test_while_people_move_who_waits_is_known_at_the_desk_too(desk: Desk) -> None:
    other_network(desk.folder / "models")
    set_up(desk, '[network]\nmodels = "models"\nhash = "next"\n')
    desk.edge("rebind")
    assert f"looks like {COLLINS}" in desk.edge("enrol", "Somebody Else", desk.collins, code=8).stderr
    assert f"do not look like {COLLINS}" in desk.edge("renew", COLLINS, desk.hopper, code=8).stderr
    desk.edge("renew", COLLINS, desk.collins)
    assert [(one["references"], one["former"]) for one in desk.facts("list")[0]["subjects"]] == [(1, 0)]
    desk.edge("enrol", HOPPER, desk.hopper)
    (desk.folder / "models" / "drh.json").unlink()
    assert "Meanwhile nobody notices" in " ".join(desk.edge("enrol", "X", desk.hopper, code=8).stderr.split())


def test_without_the_network_before_nobody_can_be_renewed_and_it_is_said(desk: Desk) -> None:
    other_network(desk.folder / "models")
    (desk.folder / "models" / "drh.json").unlink()
    set_up(desk, '[network]\nmodels = "models"\nhash = "next"\n')
    assert "keep the old network" in " ".join(desk.edge("rebind", code=5).stderr.split())
    assert "--days 0: a window has 1 to 366 days" in desk.edge("rebind", "--days", "0", code=3).stderr

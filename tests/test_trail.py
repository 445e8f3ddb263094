"""What a day at the door leaves in the audit log, by the real commands; and how `edge audit` judges it."""

import json
from pathlib import Path

import pytest

from tests.test_cli import COLLINS, Desk, desk  # noqa: F401 - a fixture


def told(desk: Desk, **wanted: object) -> list[dict]:  # noqa: F811
    return [line for line in desk.facts("audit", "show") if all(line[name] == value for name, value in wanted.items())]


@pytest.fixture
def day(desk: Desk) -> Desk:  # noqa: F811
    """Enrolled, watched, renewed, revoked."""
    desk.edge("enrol", COLLINS, desk.collins)
    desk.edge("run", "--source", "demo:", "--frames", "25")
    desk.edge("renew", COLLINS)
    desk.edge("revoke", COLLINS)
    return desk


def test_a_day_is_told_by_opaque_ids_and_without_a_name(day: Desk) -> None:
    lines = day.facts("audit", "show")
    kinds = [line["kind"] for line in lines if line["kind"] != "outcome"]
    assert kinds == ["opened", "enrol", "start", "stop", "renew", "revoke"]
    (subject,) = {line["facts"]["subject"] for line in lines if line["kind"] in ("enrol", "renew", "revoke")}
    passed = [line["facts"].get("subject") for line in told(day, kind="outcome") if line["facts"]["verdict"] == "identified"]
    assert passed == [subject]
    assert COLLINS.split()[0].lower() not in json.dumps(lines).lower()
    assert [line["n"] for line in day.facts("audit", "show", "--last", "2")] == [len(lines) - 1, len(lines)]


def test_an_untouched_log_verifies_and_a_touched_one_fails_with_its_own_exit_code(day: Desk) -> None:
    (sound,) = day.facts("audit")
    assert (sound["sound"], sound["problems"]) == (True, [])
    day.edge("audit", "verify", "--since", sound["head"])
    assert "older copy" in day.edge("audit", "--since", f"{sound['lines']}:{'0' * 64}", code=12).stderr
    (path,) = (day.folder / "audit").glob("audit-*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"revoke", b"revokt"))
    failed = day.edge("audit", code=12)
    assert "altered" in failed.stderr
    assert day.facts("audit", "--json", code=12)[0]["sound"] is False


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [(("audit", "sing"), 2, "choose verify or show"), (("audit", "--since", "x"), 3, "NUMBER:CODE"), (("audit",), 7, "root key")],
)
def test_what_audit_cannot_do_is_said(desk: Desk, words: tuple[str, ...], code: int, said: str) -> None:  # noqa: F811
    assert said in desk.edge(*words, code=code).stderr


def test_nobody_is_enrolled_unaudited_but_a_revocation_is_never_held_up(desk: Desk) -> None:  # noqa: F811
    desk.edge("enrol", COLLINS, desk.collins)
    for path in (desk.folder / "audit").iterdir():
        path.unlink()
    (desk.folder / "audit").rmdir()
    (desk.folder / "audit").write_text("in the way")
    assert "audit" in desk.edge("enrol", "X", desk.hopper, code=12).stderr
    assert [one["name"] for one in desk.facts("list")[0]["subjects"]] == [COLLINS]
    assert "audit" in desk.edge("revoke", COLLINS, code=12).stderr
    assert desk.facts("list") == [{"subjects": []}]


def test_the_door_goes_on_without_its_log_and_says_so(desk: Desk) -> None:  # noqa: F811
    (desk.folder / "audit").write_text("in the way")
    ran = desk.edge("run", "--source", "demo:", "--frames", "12", "--json")
    assert json.loads(ran.stdout.splitlines()[-1])["summary"]["frames"] == 12
    assert "runs unaudited" in ran.stderr


def test_another_place_for_the_log_is_a_setting(desk: Desk) -> None:  # noqa: F811
    desk.config.write_text(desk.config.read_text() + '[audit]\nfolder = "log"\n')
    desk.edge("enrol", COLLINS, desk.collins)
    assert len(list(Path(desk.folder / "log").glob("audit-*.jsonl"))) == 1


def test_the_demonstration_leaves_the_door_s_log_alone(desk: Desk) -> None:  # noqa: F811
    desk.config.write_text(desk.config.read_text() + '[audit]\nfolder = "log"\n')
    desk.edge("demo", "--json")
    assert {path.name for path in desk.folder.iterdir()} == {"Collins.png", "Hopper.png", "door.toml"}

"""The command line as a person uses it: real process, real networks, a gallery and a key in a folder of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge.camera.demo import DemoSource, Visit, portraits

ROOT = Path(__file__).parent.parent
COLLINS, HOPPER = "Eileen Collins", "Grace Hopper"


class Desk:
    """A folder with pictures of two people and a configuration; runs ``edge`` there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "door.toml"
        self.config.write_text('[gallery]\npath = "gallery.db"\n[calibration]\npath = "calibration.json"\n[keys]\nfile = "root.key"\n')
        for name, picture in portraits().items():
            cv2.imwrite(str(folder / f"{name.split()[1]}.png"), picture)
        self.collins, self.hopper = folder / "Collins.png", folder / "Hopper.png"

    def edge(self, *words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-m", "edge", *map(str, words), "--config", str(self.config)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.folder,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def facts(self, *words: str | Path, code: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.edge(*words, "--json", code=code).stdout.splitlines()]

    def names(self, picture: Path) -> list[str | None]:
        """Who is said to be on a picture: one entry per usable face."""
        (line,) = self.facts("identify", picture)
        return [face["name"] for face in line["faces"] if not face["reasons"]]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_person_s_whole_life_enrolled_found_renewed_revoked_unknown(desk: Desk) -> None:
    (enrolled,) = desk.facts("enrol", COLLINS, desk.collins)
    assert (enrolled["enrolled"], enrolled["samples"]) == (COLLINS, 1)
    assert desk.names(desk.collins) == [COLLINS]
    assert desk.names(desk.hopper) == [None]
    (listed,) = desk.facts("list")
    assert [(one["name"], one["references"]) for one in listed["subjects"]] == [(COLLINS, 1)]
    assert desk.facts("renew", COLLINS) == [{"renewed": COLLINS, "subject": enrolled["subject"], "recaptured": False}]
    assert desk.facts("renew", COLLINS, desk.collins)[0]["recaptured"] is True
    assert desk.names(desk.collins) == [COLLINS]
    assert desk.facts("revoke", COLLINS)[0]["references"] == 1
    assert desk.names(desk.collins) == [None]


def test_the_same_face_is_not_enrolled_under_a_second_name_by_accident(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    refused = desk.edge("enrol", "Somebody Else", desk.collins, code=8)
    assert f"looks like {COLLINS}" in refused.stderr
    assert "Nothing was stored" in refused.stderr
    assert len(desk.facts("list")[0]["subjects"]) == 1
    desk.edge("enrol", "Twin", desk.collins, "--allow-duplicate")
    assert desk.names(desk.collins) == [None], "two subjects alike are never decided between"


def test_a_name_can_be_of_any_script_and_only_once(desk: Desk) -> None:
    for name in ("艾琳·柯林斯", "אילין", "Ἑλένη", "Zoë"):
        desk.edge("enrol", name, desk.hopper)
        assert desk.names(desk.hopper) == [name]
        assert "is enrolled" in desk.edge("enrol", name, desk.hopper, code=9).stderr
        desk.edge("revoke", name)


def test_a_stream_of_pictures_is_watched_and_no_score_is_ever_told(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    lines = desk.facts("run", "--source", "demo:", "--frames", "25")
    assert [(line["verdict"], line["name"]) for line in lines if line.get("verdict", "not_acquired") != "not_acquired"] == [
        ("identified", COLLINS)
    ]
    assert lines[-1]["summary"]["frames"] == 25
    everything = json.dumps(lines) + desk.edge("run", "--source", "demo:", "--frames", "25").stdout
    assert not any(word in everything.lower() for word in ("unequal", "score", "distance", "similarity", "symbols"))


def test_no_picture_and_no_embedding_is_left_on_the_disk(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    desk.edge("run", "--source", "demo:", "--frames", "15")
    left = {path.name for path in desk.folder.iterdir()}
    assert left <= {
        "Collins.png",
        "Hopper.png",
        "door.toml",
        "gallery.db",
        "gallery.db-wal",
        "gallery.db-shm",
        "gallery.db.head",
        "gallery.db-journal",
        "root.key",
        "audit",
    }
    stored = b"".join(path.read_bytes() for path in [*desk.folder.glob("gallery.db*"), *desk.folder.glob("audit/*")])
    assert COLLINS.encode() not in stored, "names are sealed too"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "--source", "nowhere.mp4"), 4, "nowhere.mp4"),
        (("identify", "Collins.png"), 6, "gallery"),
        (("enrol", "Collins.png"), 2, "is a file, not a name"),
        (("enrol", "Ada"), 3, "demonstration stream"),
        (("run", "--source", ""), 3, "camera.source"),
        (("revoke", "Nobody"), 6, "gallery"),
        (("enrol", "X", "missing.png"), 4, "missing.png"),
        (("enrol", "X", "door.toml"), 4, "door.toml"),
        (("config", "sing"), 2, "choose show or check or schema"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_own_exit_code(desk: Desk, words: tuple[str, ...], code: int, said: str) -> None:
    failed = desk.edge(*words, code=code)
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr


def test_an_unknown_setting_stops_every_command_with_file_line_and_nearest_key(desk: Desk) -> None:
    desk.config.write_text("[decision]\nfpri = 0.1\n")
    for words in (("list",), ("run",), ("config", "check")):
        assert "door.toml:2: unknown key 'decision.fpri'; did you mean 'decision.fpir'?" in desk.edge(*words, code=3).stderr


def test_a_network_that_is_not_its_manifest_s_stops_the_load(desk: Desk) -> None:
    models = desk.folder / "models"
    models.mkdir()
    for path in (ROOT / "models").glob("*.*"):
        content = path.read_bytes()
        (models / path.name).write_bytes(content[:-1] + b"\0" if path.name == "detector.onnx" else content)
    desk.config.write_text(desk.config.read_text() + '[network]\nmodels = "models"\n')
    assert "SHA-256" in desk.edge("enrol", "X", desk.collins, code=5).stderr


def test_without_its_key_a_gallery_stays_shut_and_another_key_is_told_from_damage(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    key = desk.folder / "root.key"
    right = key.read_bytes()
    key.unlink()
    assert "root key" in desk.edge("enrol", "X", desk.hopper, code=7).stderr
    key.write_bytes(bytes(32))
    key.chmod(0o600)
    assert "key" in desk.edge("list", code=7).stderr
    key.write_bytes(right)
    assert len(desk.facts("list")[0]["subjects"]) == 1


def test_of_several_faces_each_is_told_with_its_place(desk: Desk) -> None:
    one, two = (cv2.resize(cv2.imread(str(path)), (280, 280)) for path in (desk.collins, desk.hopper))
    cv2.imwrite(str(desk.folder / "both.png"), cv2.hconcat([one, two]))
    desk.edge("enrol", COLLINS, desk.collins)
    (line,) = desk.facts("identify", "both.png")
    boxes = {face["name"]: face["box"] for face in line["faces"]}
    (left, top, right, bottom), (others_left, _, others_right, _) = boxes[COLLINS], boxes[None]
    assert 0 <= left < right <= 280 <= others_left < others_right <= 560
    assert 0 <= top < bottom <= 280
    assert f"{COLLINS} at [{left}, {top}, {right}, {bottom}]" in desk.edge("identify", "both.png").stdout
    assert " at [" not in desk.edge("identify", desk.collins).stdout
    assert "_acquired" not in desk.edge("identify", desk.hopper).stdout


def test_where_no_gallery_is_list_says_where_it_looked(desk: Desk) -> None:
    listed = desk.edge("list")
    assert f"there is no gallery at {desk.folder / 'gallery.db'}" in listed.stderr
    assert listed.stdout == ""
    desk.edge("enrol", COLLINS, desk.collins)
    desk.edge("revoke", COLLINS)
    assert desk.edge("list").stdout == f"nobody is enrolled in {desk.folder / 'gallery.db'}\n"


def test_who_is_enrolled_can_be_listed_and_revoked_without_any_network(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    monkeypatch.setenv("EDGE_NETWORK_MODELS", str(desk.folder / "no such folder"))
    assert [one["name"] for one in desk.facts("list")[0]["subjects"]] == [COLLINS]
    assert desk.facts("revoke", COLLINS)[0]["references"] == 1
    assert desk.facts("list") == [{"subjects": []}]
    assert "no such folder" in desk.edge("identify", desk.collins, code=5).stderr


def test_an_impossible_recipient_of_backups_is_found_before_the_night(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = desk.facts("backup", "--new-identity", "operator.txt")
    monkeypatch.setenv("EDGE_BACKUP_RECIPIENTS", made["recipient"])
    desk.edge("config", "check")
    monkeypatch.setenv("EDGE_BACKUP_RECIPIENTS", f"{made['recipient']},age1nonsense")
    assert "backup.recipients: number 2, 'age1nonsense', is no recipient" in desk.edge("config", "check", code=3).stderr
    assert desk.facts("doctor", code=20)[0]["checks"][0]["state"] == "fail"


def test_of_a_gallery_cut_short_doctor_says_as_much_as_every_command(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    whole = (desk.folder / "gallery.db").stat().st_size
    os.truncate(desk.folder / "gallery.db", 5000)
    (check,) = (check for check in desk.facts("doctor", code=20)[0]["checks"] if check["id"] == "gallery")
    assert check["found"].endswith(f"is cut short (5000 of {whole} bytes)")
    assert check["remedy"] == "restore a backup; the file was left as it is. `edge restore FILE --identity KEY --replace`"


def test_nobody_or_two_people_on_a_picture_is_a_failure_to_enrol(desk: Desk) -> None:
    both = desk.folder / "both.png"
    one, two = (cv2.resize(cv2.imread(str(path)), (280, 280)) for path in (desk.collins, desk.hopper))
    cv2.imwrite(str(both), cv2.hconcat([one, two]))
    assert "several_faces" in desk.edge("enrol", "X", both, code=8).stderr
    wall = desk.folder / "wall.png"
    cv2.imwrite(str(wall), cv2.resize(one[:4, :4], (320, 240)))
    assert "no_face" in desk.edge("enrol", "X", wall, code=8).stderr
    assert desk.facts("list") == [{"subjects": []}]
    assert not (desk.folder / "gallery.db").exists()


def test_doctor_names_each_check_once_and_its_exit_code_is_its_worst_state(desk: Desk) -> None:
    (found,) = desk.facts("doctor", code=10)
    states = {check["id"]: check["state"] for check in found["checks"]}
    expected = ["config", "network", "plan", "kernel", "key", "gallery", "validity", "threshold", "camera", "disk", "clock"]
    expected += ["temperature", "permissions", "audit", "units", "outputs", "screen"]
    assert list(states) == expected
    assert states["gallery"] == states["key"] == "warn"
    assert all(check["remedy"] for check in found["checks"] if check["state"] != "pass")
    desk.config.write_text("[network]\nhash = 'none'\n")
    assert desk.facts("doctor", code=20)[0]["checks"][1]["state"] == "fail"


def test_calibrate_shows_the_promise_and_a_damaged_calibration_stops_the_door(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    desk.edge("enrol", HOPPER, desk.hopper)
    (shown,) = desk.facts("calibrate")
    assert shown["threshold"]["source"] == "network drh"
    assert shown["threshold"]["references"] == 2
    assert {shown["threshold"]["closest"][place] for place in ("first", "second")} == {COLLINS, HOPPER}
    assert shown["threshold"]["closest"]["verdict"] == "far apart"
    assert "--write needs SOURCE" in desk.edge("calibrate", "--write", code=2).stderr
    (desk.folder / "people" / "Collins").mkdir(parents=True)
    (desk.folder / "people" / "Collins" / "1.png").write_bytes(desk.collins.read_bytes())
    assert "101 are needed" in desk.edge("calibrate", "people", "--write", code=8).stderr
    assert not (desk.folder / "calibration.json").exists()
    (desk.folder / "calibration.json").write_text("{}")
    for words in (("run", "--source", "demo:"), ("identify", desk.collins), ("calibrate",)):
        assert "calibration.json: damaged" in desk.edge(*words, code=3).stderr
    assert "damaged" in desk.edge("calibrate", "people", code=8).stderr, "a damaged one does not stop a new measurement"


def test_config_show_prints_every_setting_in_force(desk: Desk) -> None:
    (shown,) = desk.facts("config")
    assert shown["gallery.path"] == str(desk.folder / "gallery.db")
    assert shown["decision.fpir"] == 0.003
    assert "settings are sound" in desk.edge("config", "check").stdout


def test_a_reference_is_not_renewed_with_another_person_s_face(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    assert f"do not look like {COLLINS}" in desk.edge("renew", COLLINS, desk.hopper, code=8).stderr
    assert desk.names(desk.collins) == [COLLINS]
    desk.edge("enrol", HOPPER, desk.hopper)
    assert f"look like {HOPPER}" in desk.edge("renew", COLLINS, desk.hopper, "--allow-unlike", code=8).stderr
    assert desk.names(desk.hopper) == [HOPPER]
    desk.edge("revoke", HOPPER)
    desk.edge("renew", COLLINS, desk.hopper, "--allow-unlike")
    assert desk.names(desk.hopper) == [COLLINS]


def test_a_name_that_differs_only_in_blanks_or_capitals_is_the_same_name(desk: Desk) -> None:
    desk.edge("enrol", "Ana", desk.collins)
    for name in (" Ana", "ana", "ANA "):
        assert "somebody of this name" in desk.edge("enrol", name, desk.hopper, code=9).stderr


def test_an_unusable_credential_is_an_error_and_never_a_reason_for_a_new_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = desk.folder / "credentials"
    credentials.mkdir()
    (credentials / "edge-root-key").write_bytes(b"short")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert "root key" in desk.edge("enrol", COLLINS, desk.collins, code=7).stderr
    assert not (desk.folder / "root.key").exists()


def test_one_unreadable_picture_does_not_keep_the_others_from_being_identified(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins)
    lines = desk.facts("identify", "door.toml", desk.collins, code=4)
    assert "door.toml" in lines[0]["error"]
    assert [face["name"] for face in lines[1]["faces"] if not face["reasons"]] == [COLLINS]


def test_with_json_an_error_is_json_too(desk: Desk) -> None:
    (error,) = desk.facts("revoke", "Nobody", code=6)
    assert error["exit_code"] == 6
    assert "does not exist yet" in error["error"]


def test_a_folder_is_watched_like_a_film(desk: Desk) -> None:
    film = desk.folder / "film"
    film.mkdir()
    for number, frame in enumerate(DemoSource([Visit((COLLINS,), 12)]).frames()):
        cv2.imwrite(str(film / f"{number}.png"), frame.image)
    desk.edge("enrol", COLLINS, desk.collins)
    named = [line["name"] for line in desk.facts("run", "--source", film) if line.get("verdict") == "identified"]
    assert named == [COLLINS]


def test_a_folder_that_cannot_be_made_is_named_and_nothing_is_left_behind(desk: Desk) -> None:
    desk.config.write_text('[gallery]\npath = "Collins.png/gallery.db"\n[keys]\nfile = "key/root.key"\n')
    assert "cannot be made" in desk.edge("enrol", COLLINS, desk.collins, code=3).stderr
    assert not (desk.folder / "key").exists()


def test_a_guided_enrolment_asks_for_consent_says_what_to_do_and_enrols(desk: Desk) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    words = [sys.executable, "-m", "edge", "enrol", COLLINS, "--guided", "--source", "demo:live", "--config", str(desk.config)]
    said = {
        answer: subprocess.run(words, input=f"{answer}\n", capture_output=True, text=True, env=environment, cwd=desk.folder)
        for answer in ("n", "y")
    }
    assert (said["n"].returncode, said["y"].returncode) == (8, 0), said["y"].stderr
    assert "did not agree" in said["n"].stderr
    silent = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, cwd=desk.folder)
    assert silent.returncode == 8
    assert "nobody answered, for standard input has ended. Nothing was captured" in silent.stderr
    assert "No picture is kept" in said["y"].stderr
    assert "show the face to the camera" in said["y"].stderr
    assert [one["name"] for one in desk.facts("list")[0]["subjects"]] == [COLLINS]


def test_a_guided_enrolment_takes_dates_and_refuses_those_that_cannot_be_before_it_asks_for_anything(desk: Desk) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    words = [sys.executable, "-m", "edge", "enrol", COLLINS, "--guided", "--source", "demo:live", "--config", str(desk.config)]

    def guided(*dates: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*words, *dates], input="y\n", capture_output=True, text=True, env=environment, cwd=desk.folder)

    for dates, why in (
        (("--from", "2999-02-30"), "--from 2999-02-30: is no date"),
        (("--until", "soon"), "--until soon: is no date"),
        (("--from", "2999-02-02", "--until", "2999-02-01"), "ends before it begins"),
        (("--until", "2020-12-31"), "is over already; nobody was enrolled"),
    ):
        refused = guided(*dates)
        assert (refused.returncode, why in refused.stderr) == (2, True), refused.stderr
        assert "No picture is kept" not in refused.stderr, "nobody was asked"
    done = guided("--from", "2999-01-01", "--until", "2999-12-31")
    assert (done.returncode, "valid from 2999-01-01 until 2999-12-31, not yet valid" in done.stdout) == (0, True), done.stderr
    (ada,) = desk.facts("list")[0]["subjects"]
    assert (ada["name"], ada["validity"]) == (COLLINS, "not_yet_valid")
    assert (ada["valid_from"][:4], ada["valid_until"][:4]) in (("2999", "2999"), ("2998", "2999"), ("2999", "3000"))


def test_guided_is_for_the_camera(desk: Desk) -> None:
    desk.edge("enrol", COLLINS, desk.collins, "--guided", code=2)


def test_the_pin_is_set_from_a_pipe_and_a_weak_one_refused(desk: Desk) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "EDGE_SCREEN_PIN": str(desk.folder / "pin")}
    words = [sys.executable, "-m", "edge", "pin", "set", "--config", str(desk.config)]
    codes = [
        subprocess.run(words, input=pin + "\n", capture_output=True, text=True, env=environment).returncode for pin in ("1234", "271828")
    ]
    assert codes == [14, 0]
    assert "271828" not in (desk.folder / "pin").read_text()


def test_a_person_with_an_end_is_recognised_and_said_to_have_expired(desk: Desk) -> None:
    (enrolled,) = desk.facts("enrol", COLLINS, desk.collins, "--from", "2026-01-01", "--until", "2099-12-31T12:00Z")
    assert (enrolled["valid_until"], enrolled["validity"]) == ("2099-12-31T12:00:00Z", "valid")
    (changed,) = desk.facts("validity", COLLINS, "--until", "2026-01-31T12:00Z")
    assert changed["validity"] == "expired"
    (line,) = desk.facts("identify", desk.collins)
    assert [(face["name"], face["validity"]) for face in line["faces"]] == [(COLLINS, "expired")]
    assert desk.facts("list")[0]["subjects"][0]["valid_until"] == "2026-01-31T12:00:00Z"
    assert "ends before it begins" in desk.edge("validity", COLLINS, "--until", "2025-01-01", code=2).stderr
    assert desk.facts("purge", "--dry-run")[0]["dry_run"] is True
    assert desk.facts("validity", COLLINS, "--always")[0] == {
        "name": COLLINS,
        "subject": enrolled["subject"],
        "valid_from": None,
        "valid_until": None,
        "validity": "valid",
    }
    assert [line["kind"] for line in desk.facts("audit", "show")].count("validity") == 2


def test_nobody_is_enrolled_with_an_end_that_is_over(desk: Desk) -> None:
    assert "is over already; nobody was enrolled" in desk.edge("enrol", COLLINS, desk.collins, "--until", "2020-01-01", code=2).stderr
    assert desk.facts("list") == [{"subjects": []}]

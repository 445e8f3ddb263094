"""Settings: one default each, order of precedence, and errors that name the place and the way out."""

from pathlib import Path

import pytest

from edge.errors import SettingsError
from edge.settings import DEFAULTS, Settings, flatten, load_settings


def override(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_sets_every_field_and_nothing_else() -> None:
    assert set(flatten(load_settings(environment={}))) == {
        f"{table}.{key}" for table, section in Settings.model_fields.items() for key in section.annotation.model_fields
    }


def test_no_setting_has_a_second_default_in_the_code() -> None:
    assert all(field.is_required() for section in Settings.model_fields.values() for field in section.annotation.model_fields.values())


def test_every_setting_says_its_reason_on_its_line() -> None:
    lines = [line for line in DEFAULTS.read_text(encoding="utf-8").splitlines() if "=" in line and not line.startswith("#")]
    assert [line for line in lines if "#" not in line] == []


def test_command_line_beats_environment_beats_own_file_beats_defaults(tmp_path: Path) -> None:
    mine = override(tmp_path, "[decision]\nfpir = 0.01\nmargin = 1\nmin_samples = 2\n")
    settings = load_settings(mine, {"EDGE_DECISION_FPIR": "0.02", "EDGE_DECISION_MARGIN": "2"}, {"decision.fpir": 0.03})
    assert (settings.decision.fpir, settings.decision.margin, settings.decision.min_samples) == (0.03, 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[decision]\nfpri = 0.1\n", r"mine\.toml:2: unknown key 'decision\.fpri'; did you mean 'decision\.fpir'"),
        ("[decison]\nfpir = 0.1\n", r"mine\.toml:2: unknown key 'decison\.fpir'; did you mean 'decision\.fpir'"),
        ("\n\nzebra = 1\n", r"mine\.toml:3: unknown key 'zebra'"),
        ("fpir = 0.1\n", r"mine\.toml:1: unknown key 'fpir'; did you mean 'decision\.fpir'"),
        ("[decision]\n\nfpir = 2.0\n", r"mine\.toml:3: decision\.fpir = 2\.0: input should be less than 1"),
        ("[camera]\nwidth = 'wide'\n", r"mine\.toml:2: camera\.width = 'wide'"),
        ("[decision]\nmax_samples = 1\n", r"mine\.toml:2: decision\.max_samples = 1 is below decision\.min_samples"),
        ("[decision]\nmin_samples = 20\n", r"^\S*mine\.toml:2: decision\.max_samples = 12 is below decision\.min_samples = 20"),
        ("[enrolment]\nmin_samples = 20\n", r"^\S*mine\.toml:2: enrolment\.max_samples = 12 is below enrolment\.min_samples = 20"),
        ("[enrolment]\nmin_samples = 3\n[decision]\nmin_samples = 20\n", r"^\S*mine\.toml:4: decision\.max_samples = 12 is below"),
        ("[relay]\npulse = 20.0\n", r"^\S*mine\.toml:2: relay\.max_on"),
        ("[code]\nlongest_pause = 1.0\n", r"^\S*mine\.toml:2: code\.longest_pause = 1\.0 is below code\.pause = "),
        ("[access]\nlongest_pause = 1.0\n", r"^\S*mine\.toml:2: access\.longest_pause = 1\.0 is below access\.pause = "),
        ("[quality]\nmin_brightness = 250.0\n", r"^\S*mine\.toml:2: quality\.max_brightness = 215\.0 must be above .* = 250\.0; raise one"),
        ("[camera]\nfps = 90\nexposure = 20000\n", r"^\S*mine\.toml:3: camera\.exposure"),
        ("[backup]\nrecipients = ['age1a', 2]\n", r"^\S*mine\.toml:2: backup\.recipients\.1 = 2: input should be a valid string"),
        ("[decision\n", r"mine\.toml: not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_line_and_way_out(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(override(tmp_path, text), {})


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: No such file"):
        load_settings(tmp_path / "none.toml", {})


def test_a_misspelt_environment_variable_is_refused_and_others_are_left_alone() -> None:
    with pytest.raises(SettingsError, match="EDGE_DECISION_FPRI: no such setting; did you mean EDGE_DECISION_FPIR"):
        load_settings(environment={"EDGE_DECISION_FPRI": "1"})
    with pytest.raises(SettingsError, match="EDGE_GALERY_PATH: no such setting; did you mean EDGE_GALLERY_PATH"):
        load_settings(environment={"EDGE_GALERY_PATH": "g.db"})
    load_settings(environment={"EDGE_OF_TOMORROW": "1"})


@pytest.mark.parametrize(
    ("text", "recipients"),
    [
        ("age1a", ["age1a"]),
        ("age1a, age1b,", ["age1a", "age1b"]),
        ('["age1a", "age1b"]', ["age1a", "age1b"]),
        ("", []),
        ("[]", []),
    ],
)
def test_a_list_in_the_environment_has_commas_or_is_json(text: str, recipients: list[str]) -> None:
    assert load_settings(environment={"EDGE_BACKUP_RECIPIENTS": text}).backup.recipients == recipients


@pytest.mark.parametrize(
    ("text", "message"),
    [('["age1a"', "EDGE_BACKUP_RECIPIENTS: not JSON .*; write items between commas"), ("[1]", "EDGE_BACKUP_RECIPIENTS.*recipients.0 = 1")],
)
def test_a_list_in_the_environment_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(environment={"EDGE_BACKUP_RECIPIENTS": text})


def test_a_relative_path_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    mine = override(tmp_path, "[gallery]\npath = 'people.db'\n")
    assert load_settings(mine, {}).gallery.path == tmp_path / "people.db"
    assert load_settings(mine, {}).network.models == DEFAULTS.parent.parent / "models"
    assert load_settings(mine, {"EDGE_GALLERY_PATH": "here.db"}).gallery.path == Path("here.db")


def test_of_a_folder_the_later_names_are_stronger_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "00-installed.toml").write_text("[decision]\nfpir = 0.01\nmargin = 1\n")
    (tmp_path / "10-site.toml").write_text("[decision]\nfpir = 0.02\n[gallery]\npath = 'g.db'\n")
    (tmp_path / ".hidden.toml").write_text("[decision]\nfpir = 0.3\n")
    (tmp_path / "10-site.toml~").write_text("[decision]\nfpir = 0.3\n")
    settings = load_settings(tmp_path, {})
    assert (settings.decision.fpir, settings.decision.margin) == (0.02, 1)
    assert settings.gallery.path == tmp_path / "g.db"


def test_in_a_folder_an_error_names_its_file_line_and_nearest_key(tmp_path: Path) -> None:
    (tmp_path / "00-installed.toml").write_text("[decision]\nfpir = 0.01\n")
    (tmp_path / "10-site.toml").write_text("\n[decision]\nfpri = 0.02\n")
    with pytest.raises(SettingsError, match=r"10-site\.toml:3: unknown key 'decision\.fpri'; did you mean 'decision\.fpir'"):
        load_settings(tmp_path, {})
    (tmp_path / "10-site.toml").write_text("[decision]\nmargin = 0\n")
    with pytest.raises(SettingsError, match=r"10-site\.toml:2: decision\.margin = 0"):
        load_settings(tmp_path, {})


def test_a_folder_without_settings_is_refused_for_it_is_the_wrong_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no file in this folder ends in \.toml"):
        load_settings(tmp_path, {})

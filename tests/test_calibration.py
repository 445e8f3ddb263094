"""The calibration file: what is not whole, or not of this network and these settings, never sets a threshold."""

import json
from pathlib import Path

import pytest

from edge.assembly.calibration import Calibration, Conditions, read_calibration, write_calibration
from edge.errors import SettingsError
from edge.template.tail import Bound, NonMatedTail

CONDITIONS = Conditions(network="a" * 64, m=64, q=4, min_samples=3, max_samples=12, max_log_variance=5.0, enrolled_samples=12)
BOUNDS = (Bound(50, 0.005, 0.02), Bound(40, 0.0, 0.004))
TAIL = NonMatedTail(m=64, pairs=20_000, tail_at=50.5, tail_share=0.01, shape=0.0, scale=4.0, people=142, bounds=BOUNDS)
CALIBRATION = Calibration(conditions=CONDITIONS, measured="2026-01-31", non_mated=TAIL)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_calibration(CALIBRATION, tmp_path / "var" / "calibration.json")
    return tmp_path / "var" / "calibration.json"


def test_what_is_written_is_read(path: Path) -> None:
    """The same, byte by byte of every number, and for its owner only; nothing lies beside it."""
    assert read_calibration(path, CONDITIONS) == CALIBRATION
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("network", "b" * 64),
        ("m", 128),
        ("q", 8),
        ("min_samples", 2),
        ("max_samples", 20),
        ("max_log_variance", 4.0),
        ("enrolled_samples", 5),
    ],
)
def test_one_measured_under_other_conditions_is_refused_by_the_condition_s_name(path: Path, name: str, other: object) -> None:
    """Another network or other fusing has another tail; the message says which, both values, and both ways out."""
    in_force = Conditions.model_validate({**CONDITIONS.model_dump(), name: other})
    with pytest.raises(
        SettingsError, match=rf"{name} was .* in force is {str(other)[:16]}.*edge calibrate SOURCE --write.*remove the file"
    ):
        read_calibration(path, in_force)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.pop("conditions"),
        lambda facts: facts.update(format="2"),
        lambda facts: facts.update(person="Ada"),
        lambda facts: facts["non_mated"].update(scale="4"),
        lambda facts: facts["non_mated"].update(scale=-4.0),
        lambda facts: facts["non_mated"].update(m=128),
        lambda facts: facts["non_mated"].update(bounds=[]),
        lambda facts: facts["non_mated"].update(people=0),
        lambda facts: facts["non_mated"]["bounds"].reverse(),
        lambda facts: facts["non_mated"]["bounds"][0].update(high=0.0),
    ],
)
def test_a_damaged_one_is_refused(path: Path, change: object) -> None:
    """A part missing, unknown, of another type, impossible, or without what makes it worth more than the network's own."""
    facts = json.loads(path.read_text())
    change(facts)  # type: ignore[operator]
    path.write_text(json.dumps(facts))
    with pytest.raises(SettingsError, match=r"damaged.*edge calibrate"):
        read_calibration(path, CONDITIONS)


@pytest.mark.parametrize("number", [1, 3])
def test_one_of_another_version_is_told_from_a_damaged_one(path: Path, number: int) -> None:
    """In format 1, that of 0.3.0, the tail's bounds had another name, too."""
    facts = json.loads(path.read_text()) | {"format": number}
    for bound in facts["non_mated"]["bounds"]:
        bound["unequal"] = bound.pop("dissimilarity")
    path.write_text(json.dumps(facts))
    with pytest.raises(SettingsError, match=rf"of format {number}, from another version.*edge calibrate SOURCE --write"):
        read_calibration(path, CONDITIONS)


def test_what_is_no_calibration_at_all_is_refused(path: Path) -> None:
    """Cut short, huge, or a link to nothing."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SettingsError, match="damaged"):
        read_calibration(path, CONDITIONS)
    path.write_bytes(whole + b" " * 100_000)
    with pytest.raises(SettingsError, match="larger than"):
        read_calibration(path, CONDITIONS)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_calibration(path, CONDITIONS)


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A folder in the file's place: an error that names the setting, and no scratch file."""
    (tmp_path / "calibration.json").mkdir()
    with pytest.raises(SettingsError, match=r"calibration\.path"):
        write_calibration(CALIBRATION, tmp_path / "calibration.json")
    assert [each.name for each in tmp_path.iterdir()] == ["calibration.json"]


def test_it_holds_numbers_of_a_law_and_counts_and_nothing_of_a_person(path: Path) -> None:
    facts = json.loads(path.read_text())
    assert set(facts) == {"format", "conditions", "measured", "non_mated"}
    assert set(facts["non_mated"]) == {"m", "pairs", "tail_at", "tail_share", "shape", "scale", "people", "bounds"}
    assert all(isinstance(value, (int, float)) for name, value in facts["non_mated"].items() if name != "bounds")

"""What the page says of INT8 is what the recipe of the network in force keeps of its gate."""

import json
from pathlib import Path

import pytest

from edge.errors import NetworkError
from edge.settings import DEFAULTS
from evaluation import int8, report
from evaluation.sections import SECTIONS

MODELS = DEFAULTS.parent.parent / "models"


def test_the_section_is_written_from_the_shipped_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (section,) = [one for one in SECTIONS if one.name == "int8"]
    found = report.measured(section, tmp_path, tmp_path)
    page = report.rendered(section, found, report.networks())
    for form in json.loads((MODELS / "drh.recipe").read_text())["forms"].values():
        gate = form["facts"]["gate"]
        assert f"{100 * gate['agreement']:.2f} %" in page
        assert f"{gate['float_int8']['mated_mean']:.1f}" in page
    assert "python -m evaluation.int8" in page
    capsys.readouterr()


@pytest.mark.parametrize(
    ("recipe", "said"),
    [(None, "holds no recipe of drh"), ('{"float_sha256": "00"}', "holds no recipe of drh"), ("{", "no recipe can be read")],
    ids=["none", "another network's", "damaged"],
)
def test_without_the_network_s_recipe_nothing_is_told(
    tmp_path: Path, recipe: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "drh.json").write_bytes((MODELS / "drh.json").read_bytes())
    if recipe:
        (tmp_path / "drh.recipe").write_text(recipe)
    (tmp_path / "door.toml").write_text('[network]\nmodels = "."\n')
    assert int8.main(["--config", str(tmp_path / "door.toml")]) == NetworkError.exit_code
    assert said in " ".join(capsys.readouterr().err.split())

"""A recorded stream against a stored good run: who is named when, and nobody else ever.

The clip is not part of the project; the test is skipped where it does not lie beside it.
"""

import json
from pathlib import Path

import pytest

from tests.test_cli import Desk

ROOT = Path(__file__).parent.parent
CLIP = ROOT.parent / "shared" / "data" / "clip"
GOOD = ROOT / "tests" / "good_runs" / "stage.json"


@pytest.mark.skipif(not CLIP.exists(), reason="the recorded clip is not beside this checkout (../shared/data/clip)")
def test_each_of_the_two_is_named_where_a_person_would_name_him_and_nobody_else_ever(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for picture in sorted(CLIP.glob("*.png")):
        desk.edge("enrol", picture.stem, picture)
    found = desk.facts("run", "--source", CLIP / "stage.mp4")
    named = [(line["name"], line["seconds"]) for line in found if line.get("verdict") == "identified"]
    good = json.loads(GOOD.read_text())
    for visit in good["named"]:
        assert any(name == visit["name"] and visit["from"] <= second <= visit["to"] for name, second in named), (
            f"{visit} is missing in {named}"
        )
    for name, second in named:
        assert any(visit["name"] == name and visit["from"] <= second <= visit["to"] for visit in good["present"]), (
            f"{name} is not there at {second} s"
        )
    assert found[-1]["summary"]["frames"] == good["frames"]

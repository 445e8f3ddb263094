import json
from pathlib import Path

import pytest

from edge.errors import SourceError
from evaluation import sets
from evaluation.pictures import Tree
from tests.test_evaluation import MARK, PEOPLE, POINTS, config, face, people, put, said  # noqa: F401

HEADING = "NAME_ID,P1X,P1Y,P2X,P2Y,P3X,P3Y,P4X,P4Y,P5X,P5Y\n"


def vggface2(root: Path) -> Path:
    """As published: test/n000001/0001_01.jpg, a list, landmarks by names without their ending."""
    rows, keys = [], []
    for place, colour in enumerate(PEOPLE.values(), 1):
        for number in range(1, 6):
            key = f"n{place:06d}/{number:04d}_01"
            put(root / "test", f"{key}.jpg", face(colour, 1 - 0.05 * number))
            keys.append(f"{key}.jpg")
            rows.append(",".join([f'"{key}"', *(f"{value:.3f}" for value in (8 * POINTS + 8 * MARK + 4).ravel())]))
    (root / "bb_landmark").mkdir()
    (root / "bb_landmark" / "loose_landmark_test.csv").write_text(HEADING + "\n".join(rows) + "\n")
    (root / "test_list.txt").write_text("\n".join(keys) + "\n")
    return root


def test_every_second_person_is_known() -> None:
    """Who has not enough pictures is left out; unknown people come with their first ones."""
    split = sets.halves({"a": list("123456"), "b": list("12"), "c": list("123"), "d": list("1234567")}, 3, 2)
    assert split.enrolled == {"a": ["1", "2", "3"]}
    assert split.mated == [("a", "4"), ("a", "5")]
    assert split.strangers == [("b", "1"), ("b", "2"), ("d", "1"), ("d", "2")]


def test_lists_of_pictures(tmp_path: Path) -> None:
    """One a line, names may have blanks; or MegaFace's JSON; folders above the person's do not count."""
    tree = Tree(people(tmp_path / "set", ("Ada", "Bo"), 3))
    (tmp_path / "lines.txt").write_text("Ada Lace/1.jpg\nBo/2.jpg\thttp://x\n\n")
    assert sets.read_list(tmp_path / "lines.txt") == ["Ada Lace/1.jpg", "Bo/2.jpg"]
    (tmp_path / "list.json").write_text(json.dumps({"id": ["Ada"], "path": ["faces/Ada/Ada_0002.png"]}))
    assert sets.listed(tree, sets.read_list(tmp_path / "list.json")) == {"Ada": ["Ada/Ada_0002.png"]}
    with pytest.raises(SourceError, match=r"1 of 2 .*Zoe/1\.png"):
        sets.listed(tree, ["Ada/Ada_0001.png", "Zoe/1.png"])


@pytest.mark.parametrize("text", ["", "{}", "{", '{"path": "Ada/1.jpg"}', '{"path": [5]}', "no folder.jpg"])
def test_other_lists_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "list").write_text(text)
    with pytest.raises(SourceError, match="list"):
        sets.read_list(tmp_path / "list")
    with pytest.raises(SourceError, match="not a list"):
        sets.read_list(tmp_path / "absent")


@pytest.mark.parametrize("row", ["n1/1,5", "n1/1,a,b,c,d,e,f,g,h,i,j", "n1/1" + ",5" * 12])
def test_other_landmarks_are_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "points.csv").write_text(HEADING + row + "\n")
    with pytest.raises(SourceError, match="NAME_ID"):
        sets.read_points(tmp_path / "points.csv")


def test_vggface2_with_its_own_landmarks(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """A picture whose face no detector finds is not lost; without the table it is."""
    root = vggface2(tmp_path / "VGGFace2")
    put(root / "test", "n000001/0005_01.jpg", face(PEOPLE["Ada"], 0.75, marks=()))
    arguments = ["vggface2", str(root), "--probes", "2", "--config", str(config)]
    assert sets.main(arguments) == 0
    facts = said(capsys)
    assert (facts["landmarks"], facts["pictures"], facts["failures_to_acquire"]) == ("reference", 21, 0)
    assert facts["people"] == {"known": 3, "enrolled": 3, "unknown": 3}
    assert facts["references"]["fused"]["protected"]["rank"]["1"] == 1
    assert facts["verification"]["protected"]["eer"] == 0
    (root / "bb_landmark" / "loose_landmark_test.csv").unlink()
    assert sets.main(arguments) == 0
    facts = said(capsys)
    assert (facts["landmarks"], facts["failures_to_acquire"]) == ("detector", 1)
    assert facts["references"]["fused"]["protected"]["rank"]["1"] == pytest.approx(5 / 6)


def test_facescrub_by_folders_and_by_list(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Folders above the people's do not matter."""
    people(tmp_path / "FaceScrub" / "actors", ("Bo", "Cy", "Ed"), 5)
    people(tmp_path / "FaceScrub" / "actresses", ("Ada", "Di", "Flo"), 5)
    arguments = ["facescrub", str(tmp_path / "FaceScrub"), "--config", str(config)]
    assert sets.main(arguments) == 0
    facts = said(capsys)
    assert (facts["people"], facts["pictures"]) == ({"known": 3, "enrolled": 3, "unknown": 3}, 24)
    for how in facts["references"].values():
        assert how["protected"]["rank"]["1"] == how["embedding, cosine"]["map"] == 1
    (tmp_path / "list.txt").write_text("".join(f"{name}/{name}_{n:04d}.png\n" for name in ("Ada", "Bo", "Cy") for n in range(1, 5)))
    assert sets.main([*arguments, "--list", str(tmp_path / "list.txt")]) == 0
    assert said(capsys)["people"] == {"known": 2, "enrolled": 2, "unknown": 1}

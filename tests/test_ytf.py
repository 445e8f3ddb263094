import re
from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from evaluation import ytf
from evaluation.pictures import Tree
from evaluation.samples import fused
from tests.samples import crowd, samples
from tests.test_evaluation import PEOPLE, config, face, put, said, zipped  # noqa: F401

NAMES = ("Ada", "Bo", "Cy", "Di")
HEADING = "split number, pair number, first name, second name, svm, is same\n"


def frames(folder: Path, count: int = 3) -> Path:
    """As published: person/video/video.frame.jpg, two videos each, and a list of landmarks beside them that is no picture."""
    for name in NAMES:
        for video in (0, 2):
            for number in range(count):
                put(folder, f"{name}/{video}/{video}.{number + 1}.jpg", face(PEOPLE[name], 1 - 0.05 * number - 0.05 * video))
        (folder / f"{name}.labeled_faces.txt").write_text("Ada\\0\\0.1.jpg,0,44,44,80,80,0,1")
    return folder


def splits(path: Path, *more: str) -> Path:
    """Two splits of two pairs of one person and two of two."""
    lines = [
        "1, 1, Ada/0, Ada/2, 0.5, 1",
        "1, 2, Bo/0, Bo/2, 0.5, 1",
        "1, 3, Ada/0, Bo/0, 0.5, 0",
        "1, 4, Ada/2, Bo/2, 0.5, 0",
        "2, 1, Cy/0, Cy/2, 0.5, 1",
        "2, 2, Di/0, Di/2, 0.5, 1",
        "2, 3, Cy/0, Di/2, 0.5, 0",
        "2, 4, Cy/2, Di/2, 0.5, 0",
        *more,
    ]
    path.write_text(HEADING + "\n".join(lines) + "\n")
    return path


def test_the_published_pairs_of_videos_in_their_folds(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Frames are fused before hashing; colours are told apart without an error, from a folder and from a zip file."""
    tree, listed = frames(tmp_path / "frame_images_DB"), splits(tmp_path / "splits.txt")
    for place in (tree, zipped(tree, above="YouTubeFaces/frame_images_DB/")):
        assert ytf.main([str(place), "--splits", str(listed), "--frames", "2", "--config", str(config)]) == 0
        facts = said(capsys)
        assert (facts["videos"], facts["frames"], facts["videos_without_sample"]) == (8, 16, 0)
        assert list(facts["fusions"]) == ["first", "mean", "uncertainty"]
        found = facts["fusions"]["uncertainty"]["templates"]
        assert (found["protected"]["accuracy"], found["protected"]["eer"], found["embedding, cosine"]["accuracy"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1, 1, Ada/0, Ada/2, 0.5\n", "line 2: not 'split, pair"),
        ("one, 1, Ada/0, Ada/2, 0.5, 1\n", "line 2: not"),
        ("1, 1, Ada/0, Ada/2, 0.5, yes\n", "line 2: not"),
        ("1, 1, Ada/0, Ada/2, 0.5, 1\n1, 2, Ada/0, Bo/2, 0.5, 0\n", "two folds or more"),
        ("1, 1, Ada/0, Ada/2, 0.5, 1\n2, 1, Bo/0, Bo/2, 0.5, 1\n", "either kind"),
        ("1, 1, Ada/0, Ada/2, 0.5, 1\n2, 1, Bo/0, Zoe/2, 0.5, 0\n", "video Zoe/2 is not among the 3"),
        ("", "0 pairs"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "splits.txt").write_text(HEADING + text)
    with pytest.raises(SourceError, match=reason):
        ytf.read_splits(tmp_path / "splits.txt", {"Ada/0": [], "Ada/2": [], "Bo/0": []})


def test_pairs_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="--splits"):
        ytf.read_splits(tmp_path / "splits.txt", {})


def test_frames_are_taken_evenly() -> None:
    names = [str(n) for n in range(10)]
    assert ytf.spread(names, 3) == ["0", "3", "6"]
    assert ytf.spread(names, 10) == ytf.spread(names, None) == ytf.spread(names, 99) == names


def test_stills_name_their_video(tmp_path: Path) -> None:
    """The tens of the number are the video, its units the frame; a name without a number is refused, as is a pattern without a group."""
    for name in ("test_Ada_00", "training_Ada_02", "test_Ada_40", "test_Bo_11"):
        put(tmp_path, f"{name.split('_')[1]}/{name}.jpg", face(PEOPLE["Ada"]))
    tree = Tree(tmp_path)
    keys = [key for keys in tree.people().values() for key in keys]
    found = ytf.videos_of(tree, keys, re.compile(r"_(\d)\d[.]jpg$"))
    assert found == {
        "Ada/0": ["Ada/test_Ada_00.jpg", "Ada/training_Ada_02.jpg"],
        "Ada/4": ["Ada/test_Ada_40.jpg"],
        "Bo/1": ["Bo/test_Bo_11.jpg"],
    }
    for pattern in ("_(x)[.]jpg$", r"_\d\d[.]jpg$"):
        with pytest.raises(SourceError, match="one group"):
            ytf.videos_of(tree, keys, re.compile(pattern))


def test_everybody_is_enrolled_in_one_of_two_galleries() -> None:
    galleries, probes = ytf.searches_of(["Ada/0", "Ada/2", "Bo/1", "Cy/0", "Cy/3", "Cy/4"])
    assert galleries == [[("Ada", "Ada/0"), ("Cy", "Cy/0")], [("Bo", "Bo/1")]]
    assert probes == [("Ada", "Ada/2"), ("Cy", "Cy/3"), ("Cy", "Cy/4")]


def test_fused_frames_are_worth_more_than_one() -> None:
    """Noisy frames: the mean of eight finds more people than the first of them."""
    vectors = crowd({f"person {n}": 16 for n in range(40)}, 1.6)
    found = samples(vectors)
    videos = {f"person {n}/{v}": [[f"person {n}/{8 * v + k}" for k in range(1, 9)]] for n in range(40) for v in (0, 1)}
    made = {how: fused(found, videos, how) for how in ("first", "mean")}
    facts = ytf.facts_of(made, list(videos), None)
    rank = {how: each["identification"]["rank hash"]["rank"]["1"] for how, each in facts.items()}
    error = {how: each["verification"]["rank hash"]["eer"] for how, each in facts.items()}
    assert rank["mean"] > 0.9 > rank["first"] + 0.3
    assert error["mean"] < error["first"] / 2
    assert np.isclose(facts["mean"]["identification"]["protected"]["rank"]["1"], rank["mean"])


def test_stills_are_compared_and_searched(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """A video in which no face is found is a miss of its person."""
    for name in NAMES:
        for video in (0, 1):
            for frame in (0, 1):
                marks = () if (name, video) == ("Ada", 1) else ((5, 5),)
                put(tmp_path / "stills", f"{name}/{name}_{video}{frame}.jpg", face(PEOPLE[name], 1 - 0.05 * frame, marks))
    arguments = [str(tmp_path / "stills"), "--video", r"_(\d)\d[.]jpg$", "--config", str(config)]
    assert ytf.main(arguments) == 0
    facts = said(capsys)
    assert (facts["videos"], facts["frames"], facts["videos_without_sample"]) == (8, 16, 1)
    found = facts["fusions"]["mean"]
    assert found["identification"]["protected"]["rank"]["1"] == 0.75
    assert found["verification"]["protected"]["tar_at_far"]["0.1"] == 0.75
    with pytest.raises(SystemExit):
        ytf.main([*arguments, "--video", "("])
    assert "regular expression" in capsys.readouterr().err

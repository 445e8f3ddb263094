from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from evaluation import ijb
from tests.samples import crowd, samples
from tests.test_evaluation import MARK, PEOPLE, POINTS, config, face, put, said  # noqa: F401

# subject -> templates; each template has a photograph and a video of two frames
SUBJECTS = {"Ada": (1, 2), "Bo": (3, 4), "Cy": (5, 6), "Di": (7, 8)}


def small_set(folder: Path, prefix: str = "ijbc") -> Path:
    """IJB in small: four people, eight templates, two galleries of two people each, the second template of everybody as probe."""
    meta, middle, number = folder / "meta", 8 * MARK + 4, 0
    meta.mkdir(parents=True)
    media, points = [], []
    for name, templates in SUBJECTS.items():
        for template in templates:
            for medium in (10 * template, 10 * template + 1, 10 * template + 1):
                number += 1
                put(folder / "loose_crop", f"{number}.jpg", face(PEOPLE[name], 1 - 0.03 * (number % 5)))
                media.append(f"{number}.jpg {template} {medium}")
                numbers = (8 * POINTS + middle).ravel()
                points.append(f"{number}.jpg {' '.join(f'{value:.3f}' for value in numbers)} 0.999")
    pairs = [f"{a} {b} {int((a + 1) // 2 == (b + 1) // 2)}" for a in range(1, 9) for b in range(a + 1, 9)]
    for name, lines in (("face_tid_mid", media), ("name_5pts_score", points), ("template_pair_label", pairs)):
        (meta / f"{prefix}_{name}.txt").write_text("\n".join(lines) + "\n")
    heading = "TEMPLATE_ID,SUBJECT_ID,FILENAME,FACE_X\n"
    for gallery, names in (("G1", ("Ada", "Bo")), ("G2", ("Cy", "Di"))):
        lines = [f"{SUBJECTS[name][0]},{name},img/{k}.jpg,5\n" for name in names for k in range(3)]
        (meta / f"{prefix}_1N_gallery_{gallery}.csv").write_text(heading + "".join(lines))
    (meta / f"{prefix}_1N_probe_mixed.csv").write_text(heading + "".join(f"{own[1]},{name},f.jpg,5\n" for name, own in SUBJECTS.items()))
    return folder


def test_the_published_lists_are_read(tmp_path: Path) -> None:
    found = ijb.read_protocol(small_set(tmp_path / "IJBC"))
    assert found.templates["2"] == [["4.jpg"], ["5.jpg", "6.jpg"]]
    assert found.pairs[0].tolist() == [1, 2]
    assert (found.same.sum(), found.same.size) == (4, 28)
    assert found.galleries == [[("Ada", "1"), ("Bo", "3")], [("Cy", "5"), ("Di", "7")]]
    assert found.probes == [("Ada", "2"), ("Bo", "4"), ("Cy", "6"), ("Di", "8")]
    assert found.faces["1.jpg"].landmarks == pytest.approx(8 * POINTS + 44)


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def edited(folder: Path) -> None:
        path = folder / "meta" / name
        path.write_text(change(path.read_text()))

    return edited


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (edit("ijbc_face_tid_mid.txt", lambda text: text.replace("1.jpg 1 10\n", "1.jpg 1\n", 1)), "line 1: 2 words, 3 are expected"),
        (edit("ijbc_face_tid_mid.txt", lambda text: text + "99.jpg 1 10\n"), r"picture 99\.jpg has no landmarks"),
        (edit("ijbc_face_tid_mid.txt", lambda text: text + "1.jpg one 10\n"), "template 'one'"),
        (edit("ijbc_name_5pts_score.txt", lambda text: text.replace(" ", " x", 1)), r"picture 1\.jpg"),
        (edit("ijbc_name_5pts_score.txt", lambda text: text.replace(" ", " 5 ", 1)), "line 1: 13 words"),
        (edit("ijbc_template_pair_label.txt", lambda text: text + "1 99 0\n"), "template 99 has no picture"),
        (edit("ijbc_template_pair_label.txt", lambda text: text + "1 2\n"), "not a list of two templates"),
        (edit("ijbc_template_pair_label.txt", lambda text: "1 2 1\n"), "1 of 1 pairs are of one person"),
        (edit("ijbc_template_pair_label.txt", lambda text: "1 2\n"), "2 numbers a line, 3"),
        (edit("ijbc_1N_probe_mixed.csv", lambda text: text + "99,Zoe,f.jpg,5\n"), "template 99 has no picture"),
        (edit("ijbc_1N_gallery_G1.csv", lambda text: text + "1\n"), "not a list of TEMPLATE_ID"),
        (lambda folder: (folder / "meta" / "ijbc_1N_probe_mixed.csv").unlink(), "probe_mixed.*cannot be read"),
        (lambda folder: (folder / "meta" / "ijbc_name_5pts_score.txt").unlink(), "cannot be read"),
        (lambda folder: (folder / "meta" / "ijbc_template_pair_label.txt").unlink(), "not a list of two templates"),
        (lambda folder: (folder / "meta" / "ijbc_face_tid_mid.txt").unlink(), "0 files like"),
    ],
)
def test_lists_that_do_not_fit_are_refused(tmp_path: Path, damage: Callable[[Path], None], reason: str) -> None:
    folder = small_set(tmp_path / "IJBC")
    damage(folder)
    with pytest.raises(SourceError, match=reason):
        ijb.read_protocol(folder)


def test_rates_by_hand() -> None:
    """Directions at 0, 10, 60 and 60 degrees, and a pair without a sample: it is below all others and never accepted."""
    angles = np.radians([0, 10, 60, 60])
    found = samples({str(n): [np.cos(a), np.sin(a), *[0.0] * 14] for n, a in enumerate(angles)})
    first, second, same = np.array([0, 2, 0, 1, 0]), np.array([1, 3, 2, 3, -1]), np.array([True, True, False, False, True])
    rates = ijb.rates(found, first, second, same)["embedding, cosine"]
    assert rates["tar_at_far"] == {}  # two non-mated pairs allow no rate of 0.1 or less
    assert rates["auc"] == pytest.approx(2 / 3)
    assert rates["eer"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("spread", "least", "most"), [(0.0, 1.0, 1.0), (1000.0, 0.4, 0.6)])
def test_perfect_templates_give_one_and_noise_gives_chance(spread: float, least: float, most: float) -> None:
    sizes = {f"person {n}": 4 for n in range(30)}
    found = samples(crowd(sizes, spread))
    rates = ijb.all_pairs(found, [(name.partition("/")[0], name) for name in found.place])
    for name in ("embedding, cosine", "rank hash", "protected"):
        assert least <= rates[name]["auc"] <= most
    assert rates["protected"]["tar_at_far"]["0.001"] <= most
    assert list(rates["protected"]["tar_at_far"]) == ["0.001", "0.01", "0.1"]


def test_pairs_of_one_kind_are_refused() -> None:
    found = samples(crowd({"Ada": 3}, 0.1))
    with pytest.raises(SourceError, match="either kind"):
        ijb.all_pairs(found, [("Ada", name) for name in found.place])


@pytest.mark.parametrize("prefix", ["ijbb", "ijbc"])
def test_the_command_compares_and_searches(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], prefix: str) -> None:  # noqa: F811
    """Colours are told apart one to one, and everybody is found in the one gallery and missing from the other."""
    assert ijb.main([str(small_set(tmp_path / "set", prefix)), "--config", str(config)]) == 0
    facts = said(capsys)
    assert (facts["templates"], facts["templates_without_sample"], facts["mated_pairs"], facts["non_mated_pairs"]) == (8, 0, 4, 24)
    assert list(facts["fusions"]) == ["first", "mean", "uncertainty"]
    for found in facts["fusions"].values():
        for name in ("embedding, cosine", "rank hash", "protected"):
            assert (found["verification"][name]["eer"], found["verification"][name]["tar_at_far"]["0.1"]) == (0, 1)
            searched = found["identification"][name]
            assert (searched["rank"]["1"], searched["map"], len(searched["galleries"])) == (1, 1, 2)
            assert [(each["mated_searches"], each["non_mated_searches"]) for each in searched["galleries"]] == [(2, 2)] * 2


def test_a_part_of_the_templates_for_a_try(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """One to one only; with so few that a kind of pairs is missing it says so."""
    folder = small_set(tmp_path / "IJBC")
    assert ijb.main([str(folder), "--limit", "4", "--config", str(config)]) == 0
    facts = said(capsys)
    assert (facts["templates"], facts["mated_pairs"], facts["non_mated_pairs"]) == (4, 2, 4)
    assert facts["fusions"]["mean"]["identification"] is None
    assert ijb.main([str(folder), "--limit", "2", "--config", str(config)]) == SourceError.exit_code
    assert "take more" in capsys.readouterr().err


def test_a_missing_picture_is_named(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    folder = small_set(tmp_path / "IJBC")
    (folder / "loose_crop" / "7.jpg").unlink()
    assert ijb.main([str(folder), "--config", str(config)]) == SourceError.exit_code
    assert "7.jpg: there is no such picture" in " ".join(capsys.readouterr().err.split())

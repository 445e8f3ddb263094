from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from edge.errors import SourceError
from evaluation import blufr, lfw, metrics
from evaluation.templates import Cosine
from tests.samples import crowd, samples
from tests.test_evaluation import PEOPLE, config, face, put, said  # noqa: F401

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT.parent / "shared" / "data" / "lfw" / "blufr_lfw_config.mat"
NAMES = [f"Ada_Lace_{n:04d}.jpg" for n in (1, 2, 3)] + [f"Bo_{n:04d}.jpg" for n in (1, 2)] + ["Cy_0001.jpg", "Di_0001.jpg"]
LABELS = [1, 1, 1, 2, 2, 3, 4]
TEST, GALLERY, PROBES = [1, 2, 3, 4, 5, 6, 7], [1, 4], [2, 3, 5, 6, 7]


def cells(*lists: list[int]) -> np.ndarray:
    made = np.empty((len(lists), 1), object)
    for place, numbers in enumerate(lists):
        made[place, 0] = np.array(numbers, np.uint16)[:, None]
    return made


def protocol(path: Path, **changed: object) -> Path:
    """As the published file has it: columns, cells of names, indices from 1."""
    fields = {
        "imageList": np.array(NAMES, object)[:, None],
        "labels": np.array(LABELS, np.uint16)[:, None],
        "testIndex": cells(TEST, TEST),
        "galIndex": cells(GALLERY, [2, 5]),
        "probIndex": cells(PROBES, [1, 3, 4, 6, 7]),
    } | changed
    savemat(path, {name: value for name, value in fields.items() if value is not None})
    return path


def test_the_published_layout_is_read(tmp_path: Path) -> None:
    found = blufr.read_protocol(protocol(tmp_path / "blufr_lfw_config.mat"))
    assert found.pictures[0] == "Ada_Lace/Ada_Lace_0001.jpg"
    assert found.labels.tolist() == LABELS
    assert found.trials[0].gallery.tolist() == [0, 3]
    assert found.trials[1].probes.tolist() == [0, 2, 3, 5, 6]
    (tmp_path / "lfw").mkdir()
    assert blufr.protocol_of(tmp_path / "lfw", None).pictures == found.pictures


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"galIndex": None}, "not the BLUFR protocol.*galIndex"),
        ({"testIndex": cells(TEST)}, "not the BLUFR protocol"),
        ({"labels": np.array(LABELS[:-1], np.uint16)}, "7 pictures, 6 labels"),
        ({"probIndex": cells(PROBES, [1, 8])}, r"trial 2: a probe index is not in 1\.\.7"),
        ({"galIndex": cells([0, 4], [2, 5])}, r"trial 1: a gallery index is not in 1\.\.7"),
        ({"testIndex": cells([2, 3, 4, 5, 6, 7], TEST)}, "trial 1: a gallery picture is not in the test set"),
        ({"probIndex": cells([], PROBES)}, "trial 1: a probe index"),
        ({"imageList": np.array(["Ada.jpg"] * 7, object)[:, None]}, "has no number"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused(tmp_path: Path, changed: dict, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        blufr.read_protocol(protocol(tmp_path / "other.mat", **changed))


def test_what_is_no_protocol_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mat").write_text("no matlab file at all, but long enough to be looked at " * 5)
    for name in ("text.mat", "absent.mat"):
        with pytest.raises(SourceError, match=r"--protocol"):
            blufr.read_protocol(tmp_path / name)


# the cosine of two directions in the plane is that of the angle between them, here in degrees
ANGLES = [0, 10, 40, 90, 95, 46, 180]


def turned(angles: list[int]) -> np.ndarray:
    radians = np.radians(angles)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_verification_by_hand() -> None:
    """Mated angles are 10, 30, 40 and 5 degrees; of 17 non-mated ones the smallest are 6 (46 - 40) and 36, 44."""
    template, rows, labels = Cosine(turned(ANGLES)), np.arange(7), np.array(LABELS)
    assert blufr.verification_rate(template, rows, labels, far=0) == 1 / 4
    assert blufr.verification_rate(template, rows, labels, far=1 / 17) == 3 / 4
    assert blufr.verification_rate(template, rows, labels, far=2 / 17) == 1


def test_a_picture_without_a_face_loses_its_pairs() -> None:
    """Without Ada's third: of four mated pairs 10 and 5 degrees are left, and of 17 non-mated ones 36 and 44 are now the nearest."""
    template, labels = Cosine(turned(ANGLES)), np.array(LABELS)
    rows = np.array([0, 1, -1, 3, 4, 5, 6])
    assert blufr.verification_rate(template, rows, labels, far=0) == 2 / 4
    assert blufr.verification_rate(template, rows, labels, far=0.9) == 2 / 4


def test_the_threshold_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three rows find what one sorted list of all scores has."""
    found = samples(crowd({f"person {n}": 4 for n in range(12)}, 0.8))
    template, rows = Cosine(found.embeddings), np.arange(48)
    labels = np.repeat(np.arange(12), 4)
    first, second = np.triu_indices(48, 1)
    scores, same = template.pairs(first, second), labels[first] == labels[second]
    monkeypatch.setattr(blufr, "BLOCK", 3)
    for far in (0.0, 0.001, 0.01, 0.1, 1.0):
        expected = metrics.tar_at_far(scores[same], scores[~same], far)
        assert blufr.verification_rate(template, rows, labels, far) == pytest.approx(expected)


def test_identification_by_hand(tmp_path: Path) -> None:
    """Gallery at 0 and 90 degrees; mated 10, 40 and 5 (95) away, strangers 44 (46 degrees) and 90 (180 degrees)."""
    benchmark = blufr.read_protocol(protocol(tmp_path / "p.mat"))
    vectors = dict(zip(benchmark.pictures, np.pad(turned(ANGLES), ((0, 0), (0, 14))), strict=True))
    found = samples(vectors)
    template, trial = Cosine(found.embeddings), benchmark.trials[0]
    assert blufr.identification_rate(template, found, benchmark, trial, fpir=0) == 1
    vectors["Cy/Cy_0001.jpg"] = np.pad(turned([15]), ((0, 0), (0, 14)))[0]
    found = samples(vectors)
    assert blufr.identification_rate(Cosine(found.embeddings), found, benchmark, trial, fpir=0) == pytest.approx(2 / 3)
    assert blufr.identification_rate(Cosine(found.embeddings), found, benchmark, trial, fpir=0.5) == 1


def large(people: int, pictures: int) -> blufr.Benchmark:
    names = [f"p{n}/p{n}_{k:04d}.jpg" for n in range(people) for k in range(pictures)]
    labels, places = np.repeat(np.arange(people), pictures), np.arange(people * pictures)
    half = labels < people // 2
    gallery = places[half & (places % pictures == 0)]
    return blufr.Benchmark(names, labels, [blufr.Trial(places, gallery, np.setdiff1d(places, gallery))] * 3)


@pytest.mark.parametrize(("spread", "least", "most"), [(0.0, 1.0, 1.0), (1000.0, 0.0, 0.05)])
def test_perfect_faces_give_one_and_noise_gives_chance(spread: float, least: float, most: float) -> None:
    benchmark = large(40, 5)
    vectors = crowd({f"p{n}": 5 for n in range(40)}, spread)
    facts = blufr.facts_of(samples(dict(zip(benchmark.pictures, vectors.values(), strict=True))), benchmark)
    for name in ("embedding, cosine", "rank hash", "protected"):
        for found in facts[name].values():
            assert least <= found["mean_less_sd"] <= most
            assert (found["sd"], len(found["trials"])) == (0, 3)
    assert facts["protected, two keys"]["vr_at_far_0.001"]["mean"] < 0.1


def test_the_mean_less_the_deviation_over_trials() -> None:
    assert blufr._over_trials([0.8, 0.9])["mean_less_sd"] == pytest.approx(0.85 - np.sqrt(0.005))
    assert blufr._over_trials([0.8])["mean_less_sd"] == 0.8


def test_one_hashing_serves_every_protocol(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """LFW's pairs, BLUFR and the open set in one command, and BLUFR by itself with the same figures."""
    tree, colours = tmp_path / "lfw", [PEOPLE[name] for name in ("Ada", "Bo", "Cy", "Di")]
    for name, label in zip(NAMES, LABELS, strict=True):
        put(tree, f"{name.rpartition('_')[0]}/{name}", face(colours[label - 1], 1 - 0.05 * int(name[-5])))
    put(tree, "Ada_Lace/Ada_Lace_0004.jpg", face(PEOPLE["Ada"]))
    (tmp_path / "pairs.txt").write_text("2 1\nAda_Lace 1 2\nAda_Lace 1 Bo 1\nBo 1 2\nCy 1 Di 1\n")
    protocol(tmp_path / "blufr_lfw_config.mat")
    assert lfw.main([str(tree), "--config", str(config), "--protocols", "pairs", "blufr", "openset"]) == 0
    facts = said(capsys)
    assert facts["pictures"] == 8
    assert facts["templates"]["protected"]["accuracy"] == 1
    assert facts["templates"]["protected"]["accuracy_interval"][1] == 1
    assert facts["open_set"]["people"] == {"known": 1, "enrolled": 1, "unknown": 3}
    assert blufr.main([str(tree), "--config", str(config)]) == 0
    alone = said(capsys)
    assert alone["templates"] == facts["blufr"]
    assert alone["templates"]["protected"]["dir_at_far_0.01"]["mean"] == 1


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the BLUFR protocol is not beside this checkout (../shared/data/lfw)")
def test_the_published_protocol_has_the_size_that_the_paper_states() -> None:
    """Ten trials of 9,708 test pictures on average, of 4,249 people, 1,000 of whom are enrolled with one picture each."""
    found = blufr.read_protocol(PUBLISHED)
    assert (len(found.pictures), len(found.trials), found.labels.max()) == (13233, 10, 5749)
    assert round(float(np.mean([trial.test.size for trial in found.trials]))) == 9708
    for trial in found.trials:
        assert np.unique(found.labels[trial.gallery]).size == trial.gallery.size == 1000
        assert np.unique(found.labels[trial.test]).size == 4249
        assert np.array_equal(np.union1d(trial.gallery, trial.probes), np.sort(trial.test))

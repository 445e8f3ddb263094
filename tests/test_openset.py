import math
from pathlib import Path

import numpy as np
import pytest

from edge.errors import SourceError
from edge.records import FREE, WHOLE
from evaluation import openset
from evaluation.folders import Draw
from evaluation.samples import Samples
from evaluation.templates import Shares
from tests.samples import crowd, samples
from tests.test_evaluation import PEOPLE, config, face, people, put, said  # noqa: F401

SIZES = {"Ada": 5, "Bo": 4, "Cy": 3, "Di": 1}


class Listed:
    """A template whose scores are a table: row of the probe, row of the reference."""

    name, lowest = "listed", 0.0

    def __init__(self, scores: list[list[float]]) -> None:
        self.scores = np.array(scores, np.float64)

    def pairs(self, first: list[int], second: list[int]) -> np.ndarray:
        return self.scores[first, second]

    def matrix(self, probes: list[int], references: list[int]) -> np.ndarray:
        return self.scores[np.ix_(probes, references)]


def keys(sizes: dict[str, int]) -> dict[str, list[str]]:
    return {name: [f"{name}/{number}" for number in range(1, n + 1)] for name, n in sizes.items()}


def test_the_first_three_of_four_are_enrolled_and_everybody_else_is_unknown() -> None:
    split = openset.split_of(keys(SIZES))
    assert split.enrolled == {"Ada": ["Ada/1", "Ada/2", "Ada/3"], "Bo": ["Bo/1", "Bo/2", "Bo/3"]}
    assert split.mated == [("Ada", "Ada/4"), ("Ada", "Ada/5"), ("Bo", "Bo/4")]
    assert split.strangers == [("Cy", "Cy/1"), ("Cy", "Cy/2"), ("Cy", "Cy/3"), ("Di", "Di/1")]


# references: two of Ada, one of Bo; probes: Ada, Bo, Bo again, a stranger, another
SCORES = [[0.9, 0.8, 0.3], [0.2, 0.5, 0.6], [0.7, 0.1, 0.4], [0.5, 0.5, 0.1], [0.1, 0.2, 0.3]]
GALLERY, MATED, STRANGERS = [("Ada", 0), ("Ada", 1), ("Bo", 2)], [("Ada", 0), ("Bo", 1), ("Bo", 2)], [("Cy", 3), ("Di", 4)]


def test_searches_by_hand() -> None:
    """The second of Bo's looks more like Ada: rank 2. Ada's references are both in front; Bo's is second once."""
    found = openset.search(Listed(SCORES), GALLERY, MATED, STRANGERS)
    assert found.people == ["Ada", "Bo", "Bo", "Cy", "Di"]
    assert found.own.tolist() == [0.9, 0.6, 0.4]
    assert found.rank.tolist() == [1, 1, 2]
    assert found.precision.tolist() == [1, 1, 0.5]
    assert found.best.tolist() == [0.5, 0.3]
    assert openset.rate_at(found, 0.5) == pytest.approx(2 / 3)
    assert openset.rate_at(found, 0.0) == pytest.approx(2 / 3)
    assert openset.rate_at(found, 0.0, np.array([1, 2, 3])) == 0.5
    assert math.isnan(openset.rate_at(found, 0.5, np.array([0, 1])))


def test_a_picture_without_a_face_is_a_miss_and_names_nobody() -> None:
    """The same of somebody of whom nothing could be enrolled."""
    found = openset.search(Listed(SCORES), [("Ada", 0)], [("Ada", -1), ("Ada", 0), ("Bo", 1)], [("Cy", -1), ("Di", 4)])
    assert found.own.tolist() == [-math.inf, 0.9, -math.inf]
    assert found.rank.tolist() == [math.inf, 1, math.inf]
    assert found.best.tolist() == [-math.inf, 0.1]
    facts = openset.facts_of_searches(found)
    assert (facts["rank"]["1"], facts["map"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    with pytest.raises(ValueError, match="empty"):
        openset.search(Listed(SCORES), [], MATED, STRANGERS)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = samples(crowd(SIZES, 0.5))
    template, gallery = Shares(found.codes, found.q), [("Ada", 0), ("Bo", 5)]
    probes = [("Ada", 1), ("Ada", 2), ("Bo", 6)], [("Cy", 9), ("Di", 12)]
    whole = openset.search(template, gallery, *probes)
    monkeypatch.setattr(openset, "BLOCK", 1)
    parts = openset.search(template, gallery, *probes)
    for name in ("own", "rank", "precision", "best"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist()


def test_perfect_faces_are_all_found_and_protection_costs_nothing() -> None:
    sizes = {f"known {n}": 6 for n in range(30)} | {f"unknown {n}": 2 for n in range(60)}
    facts = openset.facts_of(samples(crowd(sizes, 0.0)), openset.split_of(keys(sizes)))
    assert facts["people"] == {"known": 30, "enrolled": 30, "unknown": 60}
    assert facts["shortlist"] == [{"references": size, "searches": 90, "beyond": 0, "lost": 0} for size in (30, 90)]
    assert list(facts["references"]) == ["fused", "best of 3"]
    for how in facts["references"].values():
        assert list(how) == ["embedding, cosine", "rank hash", "protected", "protected, two keys"]
        for name in ("embedding, cosine", "rank hash", "protected"):
            assert (how[name]["mated_searches"], how[name]["non_mated_searches"]) == (90, 120)
            assert how[name]["dir_at_fpir"] == {"0.01": 1, "0.1": 1}  # 0.1 % of 120 is no search
            assert how[name]["dir_at_fpir_interval"]["0.01"] == (1, 1)
            assert (how[name]["rank"]["1"], how[name]["map"]) == (1, 1)
        assert how["protected, two keys"]["rank"]["1"] < 0.2
    assert facts["protected_minus"]["fused"]["embedding, cosine"] == {"fpir": 0.01, "dir_difference": 0, "interval": (0, 0)}


def test_faces_that_are_noise_are_found_by_chance() -> None:
    """Of 20 people one in twenty; rank 10 half of the time."""
    sizes = {f"known {n}": 13 for n in range(20)} | {f"unknown {n}": 1 for n in range(200)}
    facts = openset.facts_of(samples(crowd(sizes, 1000.0)), openset.split_of(keys(sizes)))
    found = facts["references"]["fused"]["rank hash"]
    assert found["rank"]["1"] < 0.15
    assert 0.4 < found["rank"]["10"] < 0.6
    assert found["dir_at_fpir"]["0.01"] < 0.05
    low, high = found["rank_1_interval"]
    assert low <= found["rank"]["1"] <= high < 0.2


def test_fusing_references_beats_the_best_of_them_on_noisy_pictures() -> None:
    sizes = {f"known {n}": 8 for n in range(60)} | {f"unknown {n}": 3 for n in range(100)}
    facts = openset.facts_of(samples(crowd(sizes, 1.0)), openset.split_of(keys(sizes)))
    rates = {how: found["embedding, cosine"]["dir_at_fpir"]["0.1"] for how, found in facts["references"].items()}
    assert rates["fused"] > rates["best of 3"] + 0.03


def test_a_difference_is_of_the_same_searches() -> None:
    better = openset.search(Listed(SCORES), GALLERY, MATED, STRANGERS)
    worse = openset.search(Listed([[0.4, 0.1, 0.3], *SCORES[1:]]), GALLERY, MATED, STRANGERS)
    found = openset.difference(better, worse, fpir=0.5)
    assert found
    assert found["dir_difference"] == 0  # the threshold of half of the strangers is just above 0.3, and 0.4 passes
    assert openset.difference(better, worse, fpir=0.01) is None
    assert openset.rate_at(better, 0.0) - openset.rate_at(worse, 0.0) == pytest.approx(1 / 3)


def test_nobody_to_find_is_refused() -> None:
    with pytest.raises(SourceError, match="more pictures"):
        openset.facts_of(samples(crowd({"Ada": 2}, 0.1)), openset.split_of(keys({"Ada": 2})))
    absent = Draw({"Zoe": ["Zoe/1"]}, [("Zoe", "Zoe/2")], [])
    with pytest.raises(SourceError, match="0 people enrolled"):
        openset.facts_of(samples(crowd({"Ada": 2}, 0.1)), absent)


def test_two_galleries_are_averaged() -> None:
    """Each person is mated in one gallery and non-mated in the other."""
    sizes = {f"person {n}": 3 for n in range(20)}
    found = samples(crowd(sizes, 0.0))
    names = list(sizes)
    galleries = [[(name, f"{name}/1") for name in names[half::2]] for half in (0, 1)]
    probes = [(name, f"{name}/{number}") for name in names for number in (2, 3)]
    facts = openset.over_galleries(found, galleries, probes)["protected"]
    assert [(each["mated_searches"], each["non_mated_searches"]) for each in facts["galleries"]] == [(20, 20), (20, 20)]
    assert (facts["rank"]["1"], facts["map"], facts["dir_at_fpir"]["0.1"]) == (1, 1, 1)
    with pytest.raises(SourceError, match="is a list empty"):
        openset.over_galleries(found, [galleries[0], []], probes)


def test_the_command_finds_colours_again(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    """Four people with five pictures, two with two; one picture shows nobody."""
    tree = people(tmp_path / "set", ("Ada", "Bo", "Cy", "Di"), 5)
    people(tree, ("Ed", "Flo"), 2)
    put(tree, "Ada/Ada_0005.png", face(PEOPLE["Ada"], marks=()))
    assert openset.main([str(tree), "--config", str(config)]) == 0
    facts = said(capsys)
    assert (facts["pictures"], facts["failures_to_acquire"], facts["landmarks"]) == (24, 1, "detector")
    assert facts["people"] == {"known": 4, "enrolled": 4, "unknown": 2}
    found = facts["references"]["fused"]["protected"]
    assert (found["mated_searches"], found["non_mated_searches"], found["rank"]["1"]) == (8, 4, 7 / 8)
    assert openset.main([str(people(tmp_path / "few", ("Ada",), 2)), "--config", str(config)]) == SourceError.exit_code
    assert "open set" in capsys.readouterr().err


@pytest.mark.parametrize(("equal", "missed"), [(0, 1), (39, 1), (40, 0), (64, 0)])
def test_a_mate_whose_unequal_symbols_a_search_within_a_limit_passes_over_is_counted(equal: int, missed: int) -> None:
    """Of 64 symbols all cost the probe nothing, so its dissimilarity is 0; the limit is three roots of 64 unequal ones."""
    mate = np.r_[np.zeros(equal, np.uint8), np.full(64 - equal, 2, np.uint8)]
    costs = np.full((3, 64, 4), FREE + WHOLE, np.uint8)
    costs[2, np.arange(64), mate] = FREE
    found = Samples({}, 4, np.stack([np.ones(64, np.uint8), mate, np.zeros(64, np.uint8)]), costs, np.zeros(3, np.float32), None)
    facts = openset.shortlisted(found, [("other", 0), ("Ada", 1)], [("Ada", 2)])
    assert (facts["beyond"], facts["lost"]) == (missed, missed)


def test_a_mate_beyond_the_shortlist_is_counted_and_lost_only_if_it_came_first() -> None:
    """A hundred references: the mate of one probe has the most unequal symbols but the least costs, that of the other is last by both."""
    others, mate = np.ones((100, 8), np.uint8), np.full((1, 8), 2, np.uint8)
    codes = np.concatenate([others, mate, np.zeros((2, 8), np.uint8)])
    costs = np.full((103, 8, 4), FREE + WHOLE, np.uint8)
    codes[:100, 0] = 0  # one symbol of all others is the probes', none of the mate is
    costs[101, :, 2] = FREE
    found = Samples({}, 4, codes, costs, np.zeros(103, np.float32), None)
    gallery = [(f"other {place}", place) for place in range(100)] + [("Ada", 100)]
    assert openset.shortlisted(found, gallery, [("Ada", 101), ("Ada", 102), ("Bo", 102), ("Ada", -1)]) == {
        "references": 101,
        "searches": 2,
        "beyond": 2,
        "lost": 1,
    }
